"""``tare build``: an image from a Dockerfile."""

from __future__ import annotations

import os

from runtime.tare.errors import CommandError, UsageError
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.build.options import BuildOptions
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """Build it, telling each step, or with -q the image's digest alone."""
    from runtime.build.builder import build
    from runtime.build.errors import BuildError

    options = _options(given)
    session.flush()
    try:
        built = build(session.root, options)
    except BuildError as error:
        raise CommandError(str(error), error.code) from error
    if options.quiet:
        session.say(built.digest)
    if given.text("iidfile"):
        _write_id(given.text("iidfile"), built.digest)


def _options(given: Given) -> BuildOptions:
    from runtime.build.options import BuildOptions

    return BuildOptions(
        context=given.arguments[0],
        file=given.text("file") or None,
        tags=given.many("tag"),
        target=given.text("target"),
        build_args=tuple(_build_arguments(given.many("build-arg"))),
        labels=tuple(_pair(text) for text in given.many("label")),
        no_cache=given.switch("no-cache"),
        pull=given.switch("pull"),
        quiet=given.switch("quiet") or given.text("progress") == "quiet",
        network=given.text("network"),
        secrets=tuple(_secret(text) for text in given.many("secret")),
    )


def _build_arguments(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    """One without a value has that of the caller's environment, and is none if it is not set there."""
    pairs: list[tuple[str, str]] = []
    for text in texts:
        name, equals, content = text.partition("=")
        if equals:
            pairs.append((name, content))
        elif name in os.environ:
            pairs.append((name, os.environ[name]))
    return pairs


def _pair(text: str) -> tuple[str, str]:
    name, _, content = text.partition("=")
    return name, content


def _secret(text: str) -> tuple[str, str]:
    words = dict(_pair(word) for word in text.split(","))
    source = words.get("src") or words.get("source")
    if not words.get("id") or not source or words.get("type", "file") != "file":
        raise UsageError(f'invalid argument "{text}" for "--secret" flag: id=NAME,src=FILE is expected')
    return words["id"], os.path.abspath(source)


def _write_id(path: str, digest: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(digest)
    except OSError as error:
        raise CommandError(f"write {path}: {os.strerror(error.errno or 0).lower()}") from error


def _progress(text: str) -> str:
    if text not in {"auto", "plain", "tty", "quiet"}:
        raise ValueError("auto, plain, tty or quiet is expected")
    return text


BUILD = Verb(
    "build [OPTIONS] PATH | -",
    "Build an image from a Dockerfile",
    perform,
    (
        Flag("build-arg", "Set build-time variables", metavar="list", many=True),
        Flag("file", 'Name of the Dockerfile (default "PATH/Dockerfile")', short="f", metavar="string"),
        Flag("force-rm", "Always remove intermediate containers", hidden=True),
        Flag("iidfile", "Write the image ID to the file", metavar="string"),
        Flag("label", "Set metadata for an image", metavar="list", many=True),
        Flag("network", "Networking mode for the RUN instructions: default, none or host", metavar="string",
             default="default"),
        Flag("no-cache", "Do not use cache when building the image"),
        Flag("progress", "Type of progress output (auto, plain, tty, quiet)", metavar="string", convert=_progress,
             default="auto"),
        Flag("pull", "Always attempt to pull a newer version of the image"),
        Flag("quiet", "Suppress the build output and print image ID on success", short="q"),
        Flag("rm", "Remove intermediate containers after a successful build", default=True, hidden=True),
        Flag("secret", "Secret to expose to the build: id=NAME,src=FILE", metavar="list", many=True),
        Flag("tag", "Name and optionally a tag in the 'name:tag' format", short="t", metavar="list", many=True),
        Flag("target", "Set the target build stage to build", metavar="string"),
    ),
    least=1,
    most=1,
)  # fmt: skip
