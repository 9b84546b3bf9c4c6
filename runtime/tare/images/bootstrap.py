"""``tare image bootstrap``: a base image from the distribution's packages, where no registry is at hand."""

from __future__ import annotations

from runtime.tare.errors import CommandError
from runtime.tare.flags import Flag
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.image.bootstrap import BootstrapOptions
    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_DETAILS = """REFERENCE is what the image will be called, such as debian:bookworm. mmdebstrap makes it of what the
host's own apt is configured to use: sources, keyrings, proxies, passwords. The image keeps the sources, without
passwords. To make an image of a package: --include docker-registry --entrypoint "docker-registry serve"."""


def perform(session: Session, given: Given) -> None:
    """Make it, tell what is being done on stderr, and print the image's digest."""
    from pathlib import Path

    from runtime.image.bootstrap import bootstrap
    from runtime.image.errors import ImageError
    from runtime.image.store import ImageStore

    store = ImageStore(Path(session.root))
    try:
        image = bootstrap(store, given.arguments[0], options_of(given), _silent if given.switch("quiet") else _tell)
    except ImageError as error:
        raise CommandError(str(error)) from error
    session.say(image.digest)


def options_of(given: Given) -> BootstrapOptions:
    """What the flags say."""
    import shlex

    from runtime.image.bootstrap import BootstrapOptions

    packages = (name for text in given.many("include") for name in text.split(","))
    return BootstrapOptions(
        suite=given.text("suite"),
        variant=given.text("variant"),
        include=tuple(filter(None, packages)),
        entrypoint=tuple(shlex.split(given.text("entrypoint"))),
        cmd=tuple(shlex.split(given.text("cmd"))),
        exposed_ports=tuple(port if "/" in port else f"{port}/tcp" for port in given.many("expose")),
        deadline_s=float(given.value("timeout")),
    )


def _tell(line: str) -> None:
    """As mmdebstrap says it."""
    import sys

    sys.stderr.write(f"{line}\n")


def _silent(_line: str) -> None:
    pass


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not seconds > 0:
        raise ValueError("a number of seconds greater than 0 is expected")
    return seconds


BOOTSTRAP = Verb(
    "bootstrap [OPTIONS] REFERENCE",
    "Make a base image from the distribution's packages",
    perform,
    (
        Flag("suite", "Release to make it of (default: the tag, or the host's own release)", metavar="string"),
        Flag("variant", "Which packages, as mmdebstrap names it", metavar="string", default="minbase"),
        Flag("include", "Further packages, separated by commas", metavar="list", many=True),
        Flag("entrypoint", "What the image runs, in words", metavar="string"),
        Flag("cmd", "Its arguments, or what it runs without an entrypoint", metavar="string", default="bash"),
        Flag("expose", "A port that it listens at", metavar="list", many=True),
        Flag("timeout", "Seconds after which it is given up", metavar="seconds", convert=_seconds, default=1800.0),
        Flag("quiet", "Print only the image's digest", short="q"),
    ),
    least=1,
    most=1,
    details=_DETAILS,
)
