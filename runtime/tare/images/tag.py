"""``tag``."""

from __future__ import annotations

from runtime.tare.images.names import find_image, parse_reference, store_of, tell_event
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.tare.context import Session
    from runtime.tare.flags import Given


def perform(session: Session, given: Given) -> None:
    """One more name; whatever had it before keeps its digest only."""
    from runtime.tare.errors import CommandError
    from runtime.tare.images.names import named_entries

    source, target = given.arguments
    store = store_of(session)
    reference = parse_reference(target)
    if reference.digest:
        raise CommandError("refusing to create a tag with a digest reference")
    image = find_image(store, source)
    # With all platforms, where the name stands for several.
    entry = next((one for one in named_entries(store) if one.ref_name == image.reference), None)
    tell_event(session, "tag", store.tag(str(reference), entry or image))


TAG = Verb(
    "tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    perform,
    least=2,
    most=2,
)
