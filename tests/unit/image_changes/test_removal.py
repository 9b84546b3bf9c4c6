"""rmi and prune: names first, the image with its last one, and only what no other image needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import File, LayerRecipe, build_image
from runtime.image.check import check
from runtime.image.config import ImageConfig
from runtime.image.errors import ImageNotFound
from runtime.image.removal import ImageInUse, PruneOptions, Use, prune_images, remove_image
from runtime.image.store import ImageStore
from runtime.image.unpack import chain_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from runtime.image.store import Image

BASE = LayerRecipe((File("base", b"b" * 1000),), "base")
TOP = LayerRecipe((File("top", b"t" * 500),), "top")


class Containers:
    """What uses which image."""

    def __init__(self, uses: dict[str, Use], layers: Sequence[Path] = ()) -> None:
        self._uses = uses
        self._layers = layers

    def of(self, image: Image) -> Sequence[Use]:
        return [self._uses[image.digest]] if image.digest in self._uses else []

    def layers(self) -> Iterable[Path]:
        return self._layers


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


@pytest.fixture
def base(store: ImageStore) -> Image:
    return build_image(store, "base:1", (BASE,), ImageConfig())


@pytest.fixture
def top(store: ImageStore) -> Image:
    return build_image(store, "top:1", (BASE, TOP), ImageConfig())


def lines(found: Iterable[object]) -> list[str]:
    return [str(line) for line in found]


def test_the_last_name_takes_the_image_and_what_it_alone_has(store: ImageStore, base: Image, top: Image) -> None:
    chain = chain_ids(top.config.diff_ids)
    store.tag("second:1", top)
    blobs = len(list(store.layout.blobs.all()))
    assert lines(remove_image(store, "top:1")) == ["Untagged: top:1"]
    assert len(list(store.layout.blobs.all())) == blobs
    assert lines(remove_image(store, "second:1")) == [
        "Untagged: second:1",
        f"Deleted: {top.digest}",
        f"Deleted: {chain[1]}",
    ]
    assert [image.reference for image in store.images()] == ["base:1"]
    assert len(list(store.layout.blobs.all())) == 3
    assert check(store).is_sound
    store.verify(base)
    with pytest.raises(ImageNotFound):
        remove_image(store, "top:1")


@pytest.mark.parametrize(
    ("running", "by", "force", "problem"),
    [
        (True, "base:1", False, r"unable to remove repository reference 'base:1' \(cannot be forced\)"),
        (True, "digest", True, r"\(cannot be forced\) - image is being used by running container c0ffee"),
        (False, "base:1", False, r"\(must force\) - container c0ffee is using its referenced image"),
        (False, "digest", False, r"\(must be forced\) - image is being used by stopped container c0ffee"),
    ],
)
def test_what_a_container_uses_stays(store: ImageStore, running: bool, by: str, force: bool, problem: str) -> None:
    base = build_image(store, "base:1", (BASE,), ImageConfig())
    uses = Containers({base.digest: Use("c0ffee", running)})
    with pytest.raises(ImageInUse, match=problem):
        remove_image(store, base.digest if by == "digest" else by, uses, force=force)
    store.verify(base)


@pytest.mark.root
def test_a_stopped_container_s_image_goes_by_force_but_its_layers_stay(store: ImageStore, base: Image) -> None:
    layers = store.unpack(base)
    uses = Containers({base.digest: Use("c0ffee", running=False)}, layers)
    assert lines(remove_image(store, "base:1", uses, force=True))[:1] == ["Untagged: base:1"]
    assert layers[0].is_dir()
    assert store.images() == ()


def test_several_repositories_go_by_id_only_when_forced(store: ImageStore, base: Image) -> None:
    store.tag("other:1", base)
    with pytest.raises(ImageInUse, match=r"\(must be forced\) - image is referenced in multiple repositories"):
        remove_image(store, base.digest[7:19])
    assert lines(remove_image(store, base.digest[7:19], force=True))[:3] == [
        "Untagged: base:1",
        "Untagged: other:1",
        f"Deleted: {base.digest}",
    ]


def test_several_tags_of_one_repository_go_by_id(store: ImageStore, base: Image) -> None:
    store.tag("base:2", base)
    assert lines(remove_image(store, base.digest))[:2] == ["Untagged: base:1", "Untagged: base:2"]


def test_prune_takes_what_has_no_name_or_no_container(store: ImageStore, base: Image, top: Image) -> None:
    newer = build_image(store, "top:1", (BASE,), ImageConfig(cmd=("new",)))
    pruned = prune_images(store, PruneOptions())
    assert lines(pruned.lines)[0] == f"Deleted: {top.digest}"
    assert pruned.freed_bytes > 500
    uses = Containers({base.digest: Use("c0ffee", running=True)})
    assert prune_images(store, PruneOptions(all=True, wanted=lambda _: False), uses).lines == ()
    assert lines(prune_images(store, PruneOptions(all=True), uses).lines) == [
        "Untagged: top:1",
        f"Deleted: {newer.digest}",
    ]
    assert [image.reference for image in store.images()] == ["base:1"]
    assert check(store).is_sound


@pytest.mark.usefixtures("base")
def test_a_damaged_image_can_be_got_rid_of(store: ImageStore, top: Image) -> None:
    store.layout.blobs.path(top.manifest.config.digest).write_bytes(b"{}")
    assert lines(remove_image(store, "top:1")) == ["Untagged: top:1"]
    assert lines(remove_image(store, "base:1"))[0] == "Untagged: base:1"
