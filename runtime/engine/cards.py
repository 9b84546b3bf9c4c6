"""What `create` has to know of an image, kept in one small file: the image store costs a cold command 60 ms to import.

A card is made by way of the store, once for each entry of its list, and is called by that entry's digest. It is good
as long as all the layers that it names are there; that they are about to be used is said by touching them, as
`runtime.image.unpack` does, so that no collection takes them.
"""

from __future__ import annotations

import os

from runtime import jsontext
from runtime.engine.errors import NoSuchImage
from runtime.engine.records import write_file
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.engine.home import Home

_REF_NAME = "org.opencontainers.image.ref.name"
_DEFAULT_TAG = "latest"


class Card(Value):
    """``digest`` is the manifest's, ``image_id`` the configuration's; ``layers`` are names below ``layers/``, and
    ``config`` is what the image says of its containers, in the words of the specification.
    """

    digest: str
    image_id: str
    layers: tuple[str, ...]
    config: dict[str, Any]


def card_of(home: Home, reference: str) -> Card:
    """Of an image that is here, its layers extracted; raises `NoSuchImage`, or the store's `ImageError`."""
    digest = _listed(home, reference)
    card = None if digest is None else _read(home, digest)
    if card is not None and are_there(home, card):
        return card
    return _make(home, reference)


def _listed(home: Home, reference: str) -> str | None:
    """The digest of the entry with exactly this name; anything else is for the store to find."""
    last = reference.rpartition("/")[2]
    if "@" in reference:
        return None
    name = reference if ":" in last else f"{reference}:{_DEFAULT_TAG}"
    try:
        with open(f"{home.images}/index.json", encoding="utf-8") as file:
            entries = jsontext.loads(file.read())["manifests"]
        return next((entry["digest"] for entry in entries if entry.get("annotations", {}).get(_REF_NAME) == name), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _path(home: Home, digest: str) -> str:
    return f"{home.cards}/{digest.replace('/', '').replace(':', '-')}.json"


def _read(home: Home, digest: str) -> Card | None:
    try:
        with open(_path(home, digest), encoding="utf-8") as file:
            document = jsontext.loads(file.read())
        return Card(document["digest"], document["imageId"], tuple(document["layers"]), document["config"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def are_there(home: Home, card: Card) -> bool:
    """Whether all layers are there, which for a while nobody removes then."""
    try:
        for name in card.layers:
            os.utime(f"{home.layers}/{name}")
    except OSError:
        return False
    return True


def _make(home: Home, reference: str) -> Card:
    """By the image store."""
    import json
    from pathlib import Path

    from runtime.image.errors import AmbiguousReference, ImageNotFound
    from runtime.image.store import ImageStore

    store = ImageStore(Path(home.root))
    try:
        image = store.resolve(reference)
    except AmbiguousReference:
        raise
    except ImageNotFound as error:
        raise NoSuchImage(reference) from error
    layers = tuple(path.parent.name for path in store.unpack(image))
    config = json.loads(store.layout.blobs.read(image.manifest.config))
    card = Card(image.digest, str(image.manifest.config.digest), layers, config.get("config") or {})
    listed = _listed(home, reference)
    if listed is not None:
        _write(home, listed, card)
    return card


def _write(home: Home, digest: str, card: Card) -> None:
    home.make(home.cards)
    document = {"digest": card.digest, "imageId": card.image_id, "layers": list(card.layers), "config": card.config}
    write_file(_path(home, digest), jsontext.dumps(document))


def forget_cards(home: Home) -> None:
    """All of them; those that are asked for are made again."""
    try:
        names = os.listdir(home.cards)
    except FileNotFoundError:
        return
    for name in names:
        os.unlink(f"{home.cards}/{name}")
