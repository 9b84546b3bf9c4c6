"""``spec`` and ``features``: what a container may be asked to be."""

from __future__ import annotations

import os

from runtime import jsontext
from runtime.cli.options import Option, Syntax
from runtime.container.errors import ContainerError
from runtime.spec.defaults import default_config, rootless
from runtime.spec.features import features

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.oci import Command
    from runtime.cli.options import Given


SYNTAX = {
    "spec": Syntax((
        Option("bundle", "where config.json is written", short="b", metavar="DIRECTORY", default="."),
        Option("rootless", "for a user without rights"),
    )),
    "features": Syntax(()),
}  # fmt: skip


def perform(_: Command, verb: str, given: Given) -> int:
    """Write a config.json to begin with; or print what this runtime knows, as features.md wants it."""
    if verb == "features":
        print(jsontext.dumps(features(), indent=2))  # noqa: T201
        return 0
    config = default_config()
    if given.rootless:
        config = rootless(config, os.geteuid(), os.getegid())
    path = os.path.join(given.bundle, "config.json")
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(jsontext.dumps(config, indent="\t"))
    except FileExistsError:
        raise ContainerError(f"write {path}: it is there already, and is left as it is") from None
    return 0
