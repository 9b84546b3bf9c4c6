"""``spec`` and ``features``: what a container may be asked to be."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from runtime.container.errors import ContainerError
from runtime.spec.defaults import default_config, rootless
from runtime.spec.features import features

if TYPE_CHECKING:
    import argparse

    from runtime.cli.oci import Command


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What each takes."""
    if verb == "spec":
        parser.add_argument("--bundle", "-b", default=".", metavar="DIRECTORY", help="where config.json is written")
        parser.add_argument("--rootless", action="store_true", help="for a user without rights")


def perform(_: Command, verb: str, options: argparse.Namespace) -> int:
    """Write a config.json to begin with; or print what this runtime knows, as features.md wants it."""
    if verb == "features":
        print(json.dumps(features(), indent=2))  # noqa: T201
        return 0
    config = default_config()
    if options.rootless:
        config = rootless(config, os.geteuid(), os.getegid())
    path = os.path.join(options.bundle, "config.json")
    try:
        with open(path, "x", encoding="utf-8") as file:
            json.dump(config, file, indent="\t")
    except FileExistsError:
        raise ContainerError(f"write {path}: it is there already, and is left as it is") from None
    return 0
