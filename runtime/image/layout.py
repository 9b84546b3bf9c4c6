"""An image layout on disk: oci-layout, index.json and blobs (image-spec, image-layout.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.image.blobs import Blobs
from runtime.image.config import ImageConfig
from runtime.image.document import MAX_DOCUMENT_BYTES, Document, encode
from runtime.image.durable import replace_file, store_errors
from runtime.image.errors import CorruptStore, InvalidDocument, StoreError
from runtime.image.lock import locked
from runtime.image.manifest import Index, Manifest, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runtime.image.descriptor import Descriptor, Platform

LAYOUT_VERSION = "1.0.0"
# An index within an index is allowed; no image has been seen that goes deeper than two.
MAX_INDEX_DEPTH = 4


class ImageLayout:
    """The directory ``root`` as an image layout; readers need no lock, writers exclude each other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = Blobs(root / "blobs")

    def exists(self) -> bool:
        """Whether there is a layout at all."""
        return (self.root / "oci-layout").exists()

    def create(self) -> None:
        """Make an empty layout, unless there is one. Idempotent."""
        with store_errors("create image layout", self.root):
            (self.blobs.root / "sha256").mkdir(parents=True, exist_ok=True)
            with locked(self.root):
                if not (self.root / "index.json").exists():
                    replace_file(self.root / "index.json", Index(()).encode())
                if not self.exists():
                    replace_file(self.root / "oci-layout", encode({"imageLayoutVersion": LAYOUT_VERSION}))

    def index(self) -> Index:
        """What the layout holds; raises `CorruptStore`."""
        try:
            self._check_version()
            return Index.from_json(self._document("index.json"))
        except InvalidDocument as error:
            raise CorruptStore(str(error)) from error

    def update(self, change: Callable[[Index], Index]) -> None:
        """Replace index.json by what ``change`` makes of it, while nobody else does."""
        self.create()
        with store_errors("lock", self.root), locked(self.root):
            replace_file(self.root / "index.json", change(self.index()).encode())

    def manifest_descriptor(self, descriptor: Descriptor, platform: Platform) -> Descriptor:
        """The manifest that ``descriptor`` stands for: itself, or what an index has for ``platform``."""
        for _ in range(MAX_INDEX_DEPTH):
            content = self.blobs.read(descriptor)
            name = f"manifest {descriptor.digest}"
            document = parse(content, descriptor.media_type, name)
            if isinstance(document, Manifest):
                return descriptor
            descriptor = document.select(platform, name)
        raise InvalidDocument(f"index {descriptor.digest}: indexes nested deeper than {MAX_INDEX_DEPTH}")

    def manifest(self, descriptor: Descriptor) -> Manifest:
        """The manifest with this descriptor."""
        name = f"manifest {descriptor.digest}"
        document = parse(self.blobs.read(descriptor), descriptor.media_type, name)
        if not isinstance(document, Manifest):
            raise InvalidDocument(f"{name}: an index, expected an image manifest")
        return document

    def config(self, manifest: Manifest) -> ImageConfig:
        """The configuration of an image; it must have a diff_id for each layer."""
        name = f"config {manifest.config.digest}"
        config = ImageConfig.parse(self.blobs.read(manifest.config), name)
        if len(config.diff_ids) != len(manifest.layers):
            problem = f"{len(config.diff_ids)} diff_ids for {len(manifest.layers)} layers"
            raise InvalidDocument(f"{name}: rootfs.diff_ids: {problem}")
        return config

    def _check_version(self) -> None:
        version = self._document("oci-layout").text("imageLayoutVersion")
        if version.partition(".")[0] != LAYOUT_VERSION.partition(".")[0]:
            problem = f"imageLayoutVersion: expected {LAYOUT_VERSION}, not {version!r}"
            raise CorruptStore(f"{self.root / 'oci-layout'}: {problem}")

    def _document(self, name: str) -> Document:
        return Document.parse(self._file(name), str(self.root / name))

    def _file(self, name: str) -> bytes:
        """One of the files beside the blobs."""
        path = self.root / name
        try:
            with path.open("rb") as file:
                return file.read(MAX_DOCUMENT_BYTES)
        except FileNotFoundError:
            raise CorruptStore(f"{path}: missing, so {self.root} is no OCI image layout") from None
        except OSError as error:
            raise StoreError(f"read {path}: {error.strerror}") from error
