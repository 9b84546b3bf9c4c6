"""``pull``, and what `run`, `create` and `build` do when an image is not there."""

from __future__ import annotations

import sys

from runtime.tare.errors import CommandError, UsageError
from runtime.tare.flags import Flag
from runtime.tare.images.names import named_entries, parse_platform, parse_reference, short, store_of, tell_event
from runtime.tare.registries.client import REGISTRY_FLAGS, open_client
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from runtime.image.reference import Reference
    from runtime.image.registry.client import RegistryClient
    from runtime.image.registry.progress import Event
    from runtime.image.registry.pull import PullOptions, Resolved
    from runtime.image.store import Image, ImageStore
    from runtime.tare.context import Session
    from runtime.tare.flags import Given
    from runtime.tare.output.progress import Progress


def pull_image(
    session: Session, reference: str, *, platform: str = "", quiet: bool = False, stream: TextIO | None = None
) -> Image:
    """Have the image in the store, as its registry has it now, and tell of it on ``stream`` (stderr by default).

    Raises `CommandError`, and the errors of images and registries.
    """
    with open_client() as client:
        options = _options(platform, unpack=True)
        puller = _Puller(store_of(session), client, options, sys.stderr if stream is None else stream)
        image = puller.pull(parse_reference(reference), quiet=quiet)
    tell_event(session, "pull", image)
    return image


def perform(session: Session, given: Given) -> None:
    """One tag, or all of a repository."""
    text, quiet = given.arguments[0], given.switch("quiet")
    reference = parse_reference(text)
    session.flush()
    with open_client(given) as client:
        options = _options(given.text("platform"), unpack=given.switch("unpack"))
        puller = _Puller(store_of(session), client, options, sys.stdout)
        if given.switch("all-tags"):
            if reference.digest or str(reference) == text.removeprefix("docker.io/"):
                raise UsageError("tag can't be used with --all-tags/-a", 1)
            for tag in _tags(client, reference):
                tell_event(session, "pull", puller.pull(parse_reference(f"{reference.name}:{tag}"), quiet=quiet))
        else:
            if not quiet and not reference.digest and not text.endswith(f":{reference.tag}"):
                session.say(f"Using default tag: {reference.tag}")
                session.flush()
            tell_event(session, "pull", puller.pull(reference, quiet=quiet))
    session.say(full_name(reference, with_tag=not given.switch("all-tags")))


def _options(platform: str, *, unpack: bool) -> PullOptions:
    from runtime.image.registry.pull import PullOptions

    return PullOptions(parse_platform(platform), unpack=unpack)


class _Puller:
    """What all pulls of one command have in common."""

    def __init__(self, store: ImageStore, client: RegistryClient, options: PullOptions, stream: TextIO) -> None:
        self._store = store
        self._client = client
        self._options = options
        self._platform = options.platform
        self._stream = stream

    def pull(self, reference: Reference, *, quiet: bool) -> Image:
        """Resolve, get what is missing, extract it, and say in the end whether anything is new."""
        from runtime.image.registry.pull import pull_resolved

        before = self._known(reference)
        resolved = self._resolve(reference)
        if quiet:
            return pull_resolved(self._store, self._client, resolved, self._options)
        from runtime.tare.output.progress import Progress

        self._say(f"{reference.digest or reference.tag}: Pulling from {_path(reference)}")
        with Progress(self._stream) as progress:
            shown = Layers(progress)
            image = pull_resolved(self._store, self._client, resolved, self._options, shown.pulled)
        self._say(f"Digest: {resolved.top.digest}")
        # Of an index with several platforms another one is something new, too.
        same = before in {str(resolved.top.digest), str(resolved.image.digest)} and not shown.got_any
        self._say(f"Status: {'Image is up to date' if same else 'Downloaded newer image'} for {reference}")
        return image

    def _known(self, reference: Reference) -> str:
        """The digest that the name has so far."""
        if reference.digest:
            return str(reference.digest)
        return next((str(one.digest) for one in named_entries(self._store) if one.ref_name == str(reference)), "")

    def _resolve(self, reference: Reference) -> Resolved:
        from runtime.image.errors import ImageNotFound
        from runtime.image.registry.errors import AccessDenied, AuthenticationFailed, NotInRegistry
        from runtime.image.registry.pull import resolve

        try:
            return resolve(self._client, reference, self._platform)
        except NotInRegistry as error:
            if "NAME_UNKNOWN" in str(error):
                raise CommandError(
                    f"pull access denied for {reference.name}, repository does not exist or may require 'tare login': "
                    f"{error}"
                ) from error
            raise CommandError(f"manifest for {reference} not found: manifest unknown: {error}") from error
        except (AccessDenied, AuthenticationFailed) as error:
            raise CommandError(
                f"pull access denied for {reference.name}, repository does not exist or may require 'tare login': "
                f"denied: {error}"
            ) from error
        except ImageNotFound as error:
            raise CommandError(f"no matching manifest for {self._platform or 'this host'}: {error}") from error

    def _say(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()


class Layers:
    """What is shown of the layers of one transfer, in docker's words; the configuration is none of them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._existing: set[str] = set()
        self.got_any = False

    def pulled(self, event: Event) -> None:
        """One event of a pull."""
        from runtime.image.manifest import CONFIG_TYPES
        from runtime.image.registry.progress import Status

        layer = event.descriptor
        if layer.media_type in CONFIG_TYPES:
            return
        if event.status is Status.DOWNLOADING:
            self._progress.show(short(layer.digest), "Downloading", event.done_bytes, layer.size_bytes)
            return
        self.got_any |= event.status is Status.DOWNLOADED
        texts = {
            Status.PLANNED: "Pulling fs layer",
            Status.WAITING: "Waiting",
            Status.EXISTS: "Already exists",
            Status.DOWNLOADED: "Download complete",
            Status.EXTRACTING: "Extracting",
            Status.EXTRACTED: "Pull complete",
        }
        if event.status in texts:
            self._show(short(layer.digest), texts[event.status], exists=event.status is Status.EXISTS)

    def _show(self, name: str, text: str, *, exists: bool) -> None:
        """A layer that was there is done with, whatever becomes of it further."""
        if name not in self._existing:
            self._progress.show(name, text)
        if exists:
            self._existing.add(name)


def full_name(reference: Reference, *, with_tag: bool = True) -> str:
    """With the registry that it stands for: ``docker.io/library/busybox:latest``."""
    from runtime.image.registry.endpoint import Repository

    suffix = str(reference)[len(reference.name) :] if with_tag else ""
    return f"{Repository.of(reference)}{suffix}"


def _path(reference: Reference) -> str:
    from runtime.image.registry.endpoint import Repository

    return Repository.of(reference).path


def _tags(client: RegistryClient, reference: Reference) -> tuple[str, ...]:
    from runtime.image.registry.endpoint import Repository
    from runtime.image.registry.errors import NotInRegistry

    try:
        return client.tags(Repository.of(reference))
    except NotInRegistry as error:
        raise CommandError(f"repository {reference.name} not found: {error}") from error


PULL = Verb(
    "pull [OPTIONS] NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    perform,
    (
        Flag("all-tags", "Download all tagged images in the repository", short="a"),
        Flag("platform", "Set platform if the image is for several", metavar="string"),
        Flag("quiet", "Suppress verbose output", short="q"),
        Flag("unpack", "Extract the layers now, as docker does, and not when the image is first run", default=True),
        Flag("disable-content-trust", "Skip image verification", default=True, hidden=True),
        *REGISTRY_FLAGS,
    ),
    least=1,
    most=1,
)
