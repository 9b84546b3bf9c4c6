"""A base image made of the distribution's packages, from wherever the host's own apt gets them."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.image.config import History, ImageConfig
from runtime.image.descriptor import Descriptor
from runtime.image.errors import BootstrapError
from runtime.image.manifest import CONFIG, LAYER, MANIFEST, Manifest
from runtime.image.mmdebstrap import Order, make_tree, missing_program, workplace
from runtime.image.reference import Reference
from runtime.image.sources import host_sources, sources_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.image.store import Image, ImageStore

VARIANTS = ("minbase", "essential", "apt", "important", "standard", "custom", "extract")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_APT = Path("/etc/apt")
# bookworm, noble, bookworm-slim; a version is no name of a release.
_RELEASE = re.compile("(?!latest)[a-z]+(?:-slim)?")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.:=~/-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BootstrapOptions:
    """What goes in, and what the image runs; without ``suite`` the tag says it, if it is the name of a release."""

    suite: str = ""
    variant: str = "minbase"
    include: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ("bash",)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    deadline_s: float = 1800


def bootstrap(
    store: ImageStore,
    reference: str,
    options: BootstrapOptions | None = None,
    tell: Callable[[str], None] = lambda _line: None,
) -> Image:
    """Make the image and call it ``reference`` (``debian:bookworm``); needs root, mmdebstrap and a mirror.

    ``tell`` gets what mmdebstrap says, a line at a time. However it ends, nothing is left but the image; what a killed
    process has left goes with the next call. Two makings may differ in a few bytes. Raises `ImageError`.
    """
    options = options or BootstrapOptions()
    order = plan(reference, options)
    if os.geteuid() != 0:
        raise BootstrapError(f"make a base of {order.suite!r}: needs root; run it again as root, or with sudo")
    if (missing := missing_program()) is not None:
        raise BootstrapError(f"make a base of {order.suite!r}: {missing}")
    with workplace(store.root / "bootstrap") as directory:
        archive = make_tree(order, directory, options.deadline_s, tell)
        layer = _store_layer(store, archive)
    return _store_image(store, reference, options, order, layer)


def plan(reference: str, options: BootstrapOptions, apt: Path = _APT) -> Order:
    """What mmdebstrap will be asked for; changes nothing. Raises `BootstrapError` or `InvalidReference`."""
    tag = Reference.parse(reference).tag
    host_suite = _host_suite()
    suite = options.suite or (tag.removesuffix("-slim") if _RELEASE.fullmatch(tag) else host_suite)
    for word in (suite, *options.include):
        if not _NAME.fullmatch(word):
            raise BootstrapError(f"make a base: {word!r} is no name of a suite or package")
    if options.variant not in VARIANTS:
        raise BootstrapError(f"make a base: variant {options.variant!r}: expected one of {', '.join(VARIANTS)}")
    sources = sources_for(suite, host_suite, host_sources(apt))
    keyrings = tuple(dict.fromkeys(path for source in sources for path in source.keyrings))
    for path in keyrings:
        if not Path(path).is_file():
            raise BootstrapError(f"make a base of {suite!r}: apt's keyring {path} is missing")
    whole, public = ("\n".join(source.stanza(secrets=secrets) for source in sources) for secrets in (True, False))
    return Order(suite, options.variant, options.include, whole, public, keyrings)


def _host_suite() -> str:
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r'^VERSION_CODENAME="?([^"\n]*)', text, re.MULTILINE)
    return found[1] if found else ""


def _store_layer(store: ImageStore, archive: Path) -> Descriptor:
    """Uncompressed: what gzip makes of it is chosen when it is pushed."""
    with archive.open("rb") as file:
        return store.put_blob(file, LAYER)


def _store_image(
    store: ImageStore, reference: str, options: BootstrapOptions, order: Order, layer: Descriptor
) -> Image:
    created = _created()
    included = f" --include {','.join(options.include)}" if options.include else ""
    words = f"tare image bootstrap --suite {order.suite} --variant {order.variant}{included}"
    config = ImageConfig(
        entrypoint=options.entrypoint,
        cmd=options.cmd,
        env=(PATH,),
        exposed_ports=options.exposed_ports,
        volumes=options.volumes,
        diff_ids=(layer.digest,),
        history=(
            History(words, created, comment="mmdebstrap"),
            History(f"CMD {_words(options.cmd)}", created, empty_layer=True),
        ),
        created=created,
    )
    return store.tag(reference, _document(store, Manifest(_document(store, config, CONFIG), (layer,)), MANIFEST))


def _document(store: ImageStore, document: ImageConfig | Manifest, media_type: str) -> Descriptor:
    import io

    content = document.encode()
    descriptor = Descriptor.of(media_type, content)
    return store.put_blob(io.BytesIO(content), media_type, descriptor)


def _words(command: tuple[str, ...]) -> str:
    import json

    return json.dumps(list(command))


def _created() -> str:
    """When it was made, or what is to be taken for that (reproducible-builds.org/specs/source-date-epoch)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(epoch) if epoch.isdecimal() else time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
