"""``image inspect``: an image in the form of Docker's API."""

from __future__ import annotations

from runtime.tare.flags import Flag
from runtime.tare.images.names import find_image, store_of
from runtime.tare.output.documents import inspect
from runtime.tare.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.image.store import Image, ImageStore
    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_UNSTATED: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}


def perform(session: Session, given: Given) -> int:
    """The documents of all names."""
    return inspect(session, given.arguments, lambda name: document_of(session, name), given.text("format"))


def document_of(session: Session, reference: str) -> dict[str, Any]:
    """Raises `CommandError` if there is no such image."""
    store = store_of(session)
    return _document(store, find_image(store, reference))


def _document(store: ImageStore, image: Image) -> dict[str, Any]:
    from runtime.image.reference import Reference
    from runtime.image.sizes import image_size
    from runtime.tare.images.names import named_entries

    config, names = image.config, store.names(image)
    digests = {entry.ref_name: str(entry.digest) for entry in named_entries(store)}
    last = config.history[-1] if config.history else None
    size = image_size(store, image)
    return {
        "Id": image.digest,
        "RepoTags": list(names),
        "RepoDigests": [f"{Reference.parse(name).name}@{digests[name]}" for name in names],
        "Parent": "",
        "Comment": last.comment if last else "",
        "Created": config.created,
        "Author": config.author,
        "Config": _config(image),
        "Architecture": config.platform.architecture,
        **({"Variant": config.platform.variant} if config.platform.variant else {}),
        "Os": config.platform.os,
        "Size": size,
        "VirtualSize": size,
        "GraphDriver": {"Name": "overlay", "Data": _directories(store, image)},
        "RootFS": {"Type": "layers", "Layers": [str(diff_id) for diff_id in config.diff_ids]},
        "Metadata": {},
        "Descriptor": store.descriptor(image).to_json(),
    }


def _config(image: Image) -> dict[str, Any]:
    stated: dict[str, Any] = image.config.to_json().get("config", {})
    return {**_UNSTATED, **stated}


def _directories(store: ImageStore, image: Image) -> dict[str, str]:
    """Where the layers are, or would be, as overlayfs wants them: the top one first."""
    from runtime.image.unpack import chain_ids

    names = [f"{chain.algorithm}-{chain.encoded}" for chain in chain_ids(image.config.diff_ids)]
    return {"LowerDir": ":".join(f"{store.root}/layers/{name}/diff" for name in reversed(names))}


INSPECT = Verb(
    "inspect [OPTIONS] IMAGE [IMAGE...]",
    "Display detailed information on one or more images",
    perform,
    (Flag("format", "Format output using a Go template, or 'json'", short="f", metavar="string"),),
    least=1,
    most=None,
)
