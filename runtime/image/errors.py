"""What can go wrong with an image.

::

    ImageError                   anything below; the message is one sentence
      InvalidDigest              a digest that is not algorithm:hex, or of an algorithm that is not accepted
      InvalidReference           a reference that is not name[:tag][@digest]
      InvalidDocument            a manifest, index or configuration that the image-spec does not allow
      UnsupportedMedia           a well-formed document or layer of a kind that is not read here
      ImageNotFound              no image in the store answers to the reference
        AmbiguousReference       several do
      StoreError                 the store's directory cannot be read or written
        CorruptStore             oci-layout or index.json is not what the image-spec says
        BlobNotFound             a document names content that the store does not hold
        CorruptBlob              content whose digest or size differs from what was promised
      ArchiveError               a file of images (docker-archive, oci-archive) that cannot be read
      BootstrapError             a base image cannot be made of the distribution's packages
      LayerError                 a layer cannot be extracted or built; names the layer and the entry
        UnsafeEntry              an entry that would reach outside the layer's own directory
        LayerTooLarge            more bytes or entries than the limits allow
"""

from __future__ import annotations


class ImageError(Exception):
    """Something is wrong with an image; the message names the object and the value."""


class InvalidDigest(ImageError):
    """A digest that is not algorithm:hex, or of an algorithm that is not accepted."""


class InvalidReference(ImageError):
    """A reference that is not name[:tag][@digest]."""


class InvalidDocument(ImageError):
    """A manifest, index or configuration that the image-spec does not allow."""


class UnsupportedMedia(ImageError):
    """A well-formed document or layer of a kind that is not read here."""


class ImageNotFound(ImageError):
    """No image in the store answers to the reference."""


class AmbiguousReference(ImageNotFound):
    """Several images in the store answer to the reference."""


class StoreError(ImageError):
    """The store's directory cannot be read or written."""


class CorruptStore(StoreError):
    """The file oci-layout or index.json is not what the image-spec says."""


class BlobNotFound(StoreError):
    """A document names content that the store does not hold."""


class CorruptBlob(StoreError):
    """Content whose digest or size differs from what was promised."""


class ArchiveError(ImageError):
    """A file of images that cannot be read; the message names the file and the member."""


class BootstrapError(ImageError):
    """A base image cannot be made of the distribution's packages; the message says what to do."""


class LayerError(ImageError):
    """A layer cannot be extracted or built; the message names the layer and the entry."""


class UnsafeEntry(LayerError):
    """An entry that would reach outside the layer's own directory."""


class LayerTooLarge(LayerError):
    """More bytes or entries than the limits allow."""
