"""``push``."""

from __future__ import annotations

import sys

from runtime.tare.errors import CommandError, UsageError
from runtime.tare.flags import Flag
from runtime.tare.images.names import named_entries, parse_reference, short, store_of, tell_event
from runtime.tare.registries.client import REGISTRY_FLAGS, open_client
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.image.reference import Reference
    from runtime.image.registry.client import RegistryClient
    from runtime.image.registry.progress import Event
    from runtime.image.registry.push import Pushed, PushOptions
    from runtime.image.store import ImageStore
    from runtime.tare.context import Session
    from runtime.tare.flags import Given
    from runtime.tare.output.progress import Progress

_FORMATS = ("gzip", "zstd")


def perform(session: Session, given: Given) -> None:
    """One tag, or all of a repository that the store has."""
    from runtime.image.compression import Compression
    from runtime.image.registry.endpoint import Repository
    from runtime.image.registry.push import PushOptions

    text = given.arguments[0]
    reference = parse_reference(text)
    wanted = given.text("compression-format")
    if wanted and wanted not in _FORMATS:
        raise UsageError(f'invalid compression format "{wanted}": must be one of {", ".join(_FORMATS)}', 1)
    store = store_of(session)
    references = _all(store, reference, text) if given.switch("all-tags") else [_one(store, reference)]
    options = PushOptions(compression=Compression(wanted) if wanted else None)
    quiet = given.switch("quiet")
    if not quiet:
        session.say(f"The push refers to repository [{Repository.of(reference)}]")
        if not given.switch("all-tags") and not text.endswith(f":{reference.tag}"):
            session.say(f"Using default tag: {reference.tag}")
    session.flush()
    with open_client(given) as client:
        for each in references:
            pushed = _push(store, client, each, options, quiet=quiet)
            tell_event(session, "push", store.resolve(str(each)))
            if not quiet:
                descriptor = pushed.descriptor
                session.say(f"{pushed.tag}: digest: {descriptor.digest} size: {descriptor.size_bytes}")
            session.flush()
    if quiet:
        session.say(str(Repository.of(reference)) + ("" if given.switch("all-tags") else f":{reference.tag}"))


def _one(store: ImageStore, reference: Reference) -> Reference:
    """What is pushed has a name here; raises `CommandError` in docker's words."""
    if reference.digest:
        raise CommandError("cannot push a digest reference")
    if str(reference) not in {entry.ref_name for entry in named_entries(store)}:
        raise CommandError(f"An image does not exist locally with the tag: {reference.name}")
    return reference


def _all(store: ImageStore, reference: Reference, text: str) -> list[Reference]:
    from runtime.image.reference import Reference

    if reference.digest or text.endswith(f":{reference.tag}"):
        raise UsageError("tag can't be used with --all-tags/-a", 1)
    found = [Reference.parse(entry.ref_name) for entry in named_entries(store, reference.name)]
    if not found:
        raise CommandError(f"An image does not exist locally with the tag: {reference.name}")
    return found


def _push(
    store: ImageStore, client: RegistryClient, reference: Reference, options: PushOptions, *, quiet: bool
) -> Pushed:
    from runtime.image.registry.errors import AccessDenied, AuthenticationFailed
    from runtime.image.registry.push import push
    from runtime.tare.output.progress import Progress

    try:
        if quiet:
            return push(store, client, str(reference), options)
        with Progress(sys.stdout) as progress:
            return push(store, client, str(reference), options, _shown(progress))
    except AuthenticationFailed as error:
        raise CommandError(f"no basic auth credentials: {error}") from error
    except AccessDenied as error:
        raise CommandError(f"denied: requested access to the resource is denied: {error}") from error


def _shown(progress: Progress) -> Callable[[Event], None]:
    """In docker's words; the configuration is not shown."""
    from runtime.image.manifest import CONFIG_TYPES
    from runtime.image.registry.progress import Status

    counted = {Status.PUSHING: "Pushing", Status.COMPRESSING: "Compressing"}
    said = {Status.PLANNED: "Preparing", Status.EXISTS: "Layer already exists", Status.PUSHED: "Pushed"}

    def show(event: Event) -> None:
        layer = event.descriptor
        if layer.media_type in CONFIG_TYPES:
            return
        if event.status in counted:
            progress.show(short(layer.digest), counted[event.status], event.done_bytes, layer.size_bytes)
        elif event.status is Status.MOUNTED:
            progress.show(short(layer.digest), f"Mounted from {event.source}")
        elif event.status in said:
            progress.show(short(layer.digest), said[event.status])

    return show


PUSH = Verb(
    "push [OPTIONS] NAME[:TAG]",
    "Upload an image to a registry",
    perform,
    (
        Flag("all-tags", "Push all tags of an image to the repository", short="a"),
        Flag("compression-format", "Compress layers that are not compressed yet (gzip|zstd)", metavar="string"),
        Flag("quiet", "Suppress verbose output", short="q"),
        Flag("disable-content-trust", "Skip image signing", default=True, hidden=True),
        *REGISTRY_FLAGS,
    ),
    least=1,
    most=1,
)
