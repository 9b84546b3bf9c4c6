"""``import``: an image of one layer, of an archive of files."""

from __future__ import annotations

import sys

from runtime.tare.errors import CommandError
from runtime.tare.flags import Flag
from runtime.tare.images.names import parse_platform, parse_reference, store_of, tell_event
from runtime.tare.instructions import change_by
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.image.config import ImageConfig
    from runtime.image.digest import Readable
    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_URLS = ("http://", "https://")


def perform(session: Session, given: Given) -> None:
    """From a file, a URL or, as ``-``, from stdin; what is printed is the image's id."""
    from runtime.image.commit import Author
    from runtime.image.tarball import ImportOptions, import_tarball

    source, *name = given.arguments
    reference = str(parse_reference(name[0])) if name else None
    author = Author(comment=given.text("message") or f"Imported from {source}")
    options = ImportOptions(reference, author, _change(given))
    for stream in _opened(source):
        image = import_tarball(store_of(session), stream, options, source)
        tell_event(session, "import", image)
        session.say(image.digest)


def _change(given: Given) -> Callable[[ImageConfig], ImageConfig]:
    """What the flags say of the configuration."""
    from dataclasses import replace

    platform = parse_platform(given.text("platform"))
    change = change_by(given.many("change"))

    def changed(config: ImageConfig) -> ImageConfig:
        return change(config if platform is None else replace(config, platform=platform))

    return changed


def _opened(source: str) -> Iterator[Readable]:
    """One, open."""
    if source == "-":
        yield sys.stdin.buffer
    elif source.startswith(_URLS):
        yield from _downloaded(source)
    else:
        try:
            file = open(source, "rb")  # noqa: SIM115 - closed below; what is done with it may fail in ways of its own
        except OSError as error:
            raise CommandError(f"open {source}: {(error.strerror or '').lower()}") from error
        with file:
            yield file


def _downloaded(url: str) -> Iterator[Readable]:
    import urllib3

    pool = urllib3.PoolManager()
    try:
        response = pool.request("GET", url, preload_content=False, timeout=urllib3.Timeout(15, 120))
    except urllib3.exceptions.HTTPError as error:
        raise CommandError(f"get {url}: {error}") from error
    try:
        if response.status != 200:
            raise CommandError(f"get {url}: status {response.status}")
        yield response
    finally:
        response.close()


IMPORT = Verb(
    "import [OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    "Import the contents from a tarball to create a filesystem image",
    perform,
    (
        Flag("change", "Apply Dockerfile instruction to the created image", short="c", metavar="list", many=True),
        Flag("message", "Set commit message for imported image", short="m", metavar="string"),
        Flag("platform", "Set platform of the image", metavar="string"),
    ),
    least=1,
    most=2,
)
