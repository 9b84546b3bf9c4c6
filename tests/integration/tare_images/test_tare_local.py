"""Images in the store: lists, names, archives and what removes them, as docker has it."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from runtime.image.builder import File, LayerRecipe, build_image
from runtime.image.config import ImageConfig
from tests.integration.tare_images.conftest import LAYERS

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.image.store import Image
    from tests.support.tarecli import Tare

pytestmark = pytest.mark.root


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.fixture
def dated(tare: Tare) -> Image:
    config = ImageConfig(created="2020-01-02T03:04:05Z", labels={"tier": "web"})
    return build_image(tare.store, "example.org/dated:2", LAYERS[1:], config)


def test_list_and_filters(tare: Tare, site: Image, dated: Image) -> None:
    tare("tag", "site:1", "other")
    listed = rows(tare("images"))
    assert listed[0] == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert [row[:3] for row in listed[1:]] == [
        ["example.org/dated", "2", dated.digest[7:19]],
        ["other", "latest", site.digest[7:19]],
        ["site", "1", site.digest[7:19]],
    ]
    assert rows(tare("images", "--digests", "--no-trunc", "site"))[1][2:4] == [site.digest] * 2
    assert tare("images", "-q", "--filter", "label=tier=web") == f"{dated.digest[7:19]}\n"
    assert tare("images", "--filter", "reference=example.org/*:2", "--format", "{{.Repository}}:{{.Tag}}") == (
        "example.org/dated:2\n"
    )
    assert tare("images", "--filter", "since=site:1", "-q") == f"{dated.digest[7:19]}\n"
    assert tare("images", "--filter", "dangling=true", "-q") == ""
    assert json.loads(tare("images", "--format", "json", "other"))["Tag"] == "latest"
    assert "invalid filter 'nope'" in tare.run("images", "--filter", "nope=1").stderr


def test_inspect_and_history(tare: Tare, dated: Image) -> None:
    (document,) = json.loads(tare("image", "inspect", "example.org/dated:2"))
    assert document["Id"] == dated.digest
    assert document["RepoTags"] == ["example.org/dated:2"]
    assert document["RepoDigests"] == [f"example.org/dated@{dated.digest}"]
    assert document["Config"]["Labels"] == {"tier": "web"}
    assert document["RootFS"]["Layers"] == [str(diff_id) for diff_id in dated.config.diff_ids]
    assert tare("inspect", "--format", '{{.Os}}/{{index .Config.Labels "tier"}}', dated.digest[7:15]) == "linux/web\n"
    assert tare("history", "--format", "{{.ID}} {{.CreatedBy}}", dated.digest) == f"{dated.digest[7:19]} site\n"
    done = tare.run("image", "inspect", "nope")
    assert (done.returncode, done.stdout, done.stderr) == (1, "[]\n", "tare: No such image: nope:latest\n")


def test_rmi_takes_names_first(tare: Tare, site: Image) -> None:
    tare("tag", "site:1", "other:1")
    assert tare("rmi", "other:1") == "Untagged: other:1\n"
    said = tare("rmi", "site:1").splitlines()
    assert said[:2] == ["Untagged: site:1", f"Deleted: {site.digest}"]
    assert tare.state == {}
    assert not list((tare.root / "images/blobs/sha256").iterdir())
    assert tare.failure("rmi", "site:1") == "tare: No such image: site:1\n"


def test_rmi_of_an_id_with_several_names_must_be_forced(tare: Tare, site: Image) -> None:
    tare("tag", "site:1", "other:1")
    assert "image is referenced in multiple repositories" in tare.failure("rmi", site.digest)
    assert set(tare.state) == {"site:1", "other:1"}
    tare("rmi", "-f", site.digest[7:19])
    assert tare.state == {}


def test_prune_takes_what_has_no_name(tare: Tare, site: Image) -> None:
    build_image(tare.store, "site:1", (LayerRecipe((File("f", b"x"),), "f"),), ImageConfig())
    assert rows(tare("images", "-q", "--no-trunc", "--filter", "dangling=true")) == [[site.digest]]
    assert "[y/N]" in tare("image", "prune", stdin="n\n")
    assert len(tare.state) == 2
    said = tare("image", "prune", "-f")
    assert f"deleted: {site.digest}" in said
    assert list(tare.state) == ["site:1"]
    assert tare.is_sound
    tare("image", "prune", "-a", "-f")
    assert tare.state == {}


def test_save_and_load(tare: Tare, other: Tare, site: Image, tmp_path: Path) -> None:
    tare("tag", "site:1", "site:2")
    assert tare("save", "-o", tmp_path / "saved.tar", "site") == ""
    assert other("load", "-i", tmp_path / "saved.tar") == "Loaded image: site:1\nLoaded image: site:2\n"
    assert other.state == {"site:1": site.digest, "site:2": site.digest}
    assert "open /no/such: no such file or directory" in other.failure("load", "-i", "/no/such")
    assert tare.failure("save", "nope", "site:1") == "tare: No such image: nope:latest\n"
    (tmp_path / "bad.tar").write_bytes((tmp_path / "saved.tar").read_bytes()[:20_000])
    other.failure("load", "-i", tmp_path / "bad.tar")
    assert other.is_sound


def test_import(tare: Tare, tmp_path: Path) -> None:
    path = tmp_path / "files.tar"
    with tarfile.open(path, "w") as archive:
        header = tarfile.TarInfo("bin/x")
        header.size = 3
        archive.addfile(header, io.BytesIO(b"abc"))
    digest = tare("import", "-m", "brought", "-c", 'CMD ["/bin/x"]', path, "made:1").strip()
    assert tare.state == {"made:1": digest}
    assert tare("history", "--format", "{{.Comment}}", "made:1") == "brought\n"
    assert tare("image", "inspect", "-f", "{{json .Config.Cmd}}", "made:1") == '["/bin/x"]\n'
    assert "unknown instruction: NOPE" in tare.failure("import", "-c", "NOPE", path)


def test_completion_knows_what_there_is(tare: Tare, site: Image) -> None:
    assert site.reference in tare("__complete", "--", "rmi").split()
    assert "--digests" in tare("__complete", "--", "images").split()
    assert {"pull", "network"} <= set(tare("__complete", "--").split())
    for shell in ("bash", "zsh", "fish"):
        assert "tare __complete" in tare("completion", shell)


def test_version_and_check(tare: Tare, site: Image) -> None:
    assert tare("version", "--format", "{{.Client.Version}}") == tare("version", "--format", "{{.Server.Version}}")
    assert tare("system", "check").endswith("sound\n")
    blob = tare.store.layout.blobs.path(site.manifest.layers[0].digest)
    blob.write_bytes(b"x" * blob.stat().st_size)
    done = tare.run("system", "check")
    assert done.returncode == 1
    assert site.manifest.layers[0].digest.encoded in done.stdout
