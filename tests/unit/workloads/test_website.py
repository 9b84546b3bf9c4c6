"""The default image: the same from the same busybox, and a clear word where there is no usable one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.workload import HostCannot
from bench.workloads.elf import NotElf, has_interpreter
from bench.workloads.website import BUSYBOX, ensure_website
from runtime.image.store import ImageStore

ROOT = Path(__file__).parents[3]
needs_busybox = pytest.mark.skipif(not BUSYBOX.exists(), reason="needs busybox-static")


@needs_busybox
def test_what_the_image_is(tmp_path: Path) -> None:
    image = ensure_website(ImageStore(tmp_path))
    assert image.reference == "website:1"
    assert len(image.manifest.layers) == 2
    assert image.config.argv == ("/bin/httpd", "-f", "-p", "8080", "-h", "/srv/www")
    assert (image.config.user, image.config.exposed_ports) == ("65534:65534", ("8080/tcp",))
    assert image.config.working_dir == "/srv/www"


@needs_busybox
def test_the_same_digest_everywhere_and_nothing_written_twice(tmp_path: Path) -> None:
    one, two = ImageStore(tmp_path / "1"), ImageStore(tmp_path / "2")
    image = ensure_website(one)
    assert ensure_website(two).digest == image.digest
    before = sorted((str(p), p.stat().st_mtime_ns) for p in (tmp_path / "1").rglob("*"))
    assert ensure_website(one) == image
    assert sorted((str(p), p.stat().st_mtime_ns) for p in (tmp_path / "1").rglob("*")) == before


@needs_busybox
@pytest.mark.root
def test_busybox_and_pages_are_in_the_layers(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    base, site = store.unpack(ensure_website(store))
    assert (base / "bin/busybox").read_bytes() == BUSYBOX.read_bytes()
    assert (base / "bin/httpd").readlink() == Path("busybox")
    assert (base / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert "nobody:x:65534:" in (base / "etc/passwd").read_text()
    assert b"<!doctype html>" in (site / "srv/www/index.html").read_bytes()
    for page in (site / "srv/www").iterdir():
        assert page.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file or directory"),
        (b"", "no ELF file"),
        (b"#!/bin/sh\n", "no ELF file"),
        (b"\x7fELF\x01\x01", "no 64-bit little-endian ELF file"),
        (b"\x7fELF\x02\x01", "an ELF file cut short"),
        (Path(sys.executable).resolve().read_bytes(), "linked dynamically, and the image holds no libraries"),
    ],
    ids=["absent", "empty", "script", "32 bit", "short", "dynamic"],
)
def test_unusable_busybox(tmp_path: Path, content: bytes | None, problem: str) -> None:
    busybox = tmp_path / "busybox"
    if content is not None:
        busybox.write_bytes(content)
    store = ImageStore(tmp_path / "store")
    with pytest.raises(HostCannot) as caught:
        ensure_website(store, busybox)
    assert str(caught.value) == f"read busybox for image website:1: {busybox}: {problem}"
    assert "apt-get install busybox-static" in caught.value.hint
    assert not store.root.exists()


@needs_busybox
def test_static_and_dynamic_programs_are_told_apart() -> None:
    assert not has_interpreter(BUSYBOX.read_bytes())
    assert has_interpreter(Path("/bin/sh").resolve().read_bytes())
    with pytest.raises(NotElf):
        has_interpreter(BUSYBOX.read_bytes()[:64])


@needs_busybox
def test_the_command_prints_reference_and_digest(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "bench.workloads", "--root", str(tmp_path))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"website:1 {ImageStore(tmp_path).resolve('website:1').digest}\n"
    (tmp_path / "images/oci-layout").write_text("{}")
    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert failed.returncode == 3
    assert failed.stderr.startswith(f"error: {tmp_path}/images/oci-layout: ")
    assert failed.stderr.count("\n") == 1


def test_it_loads_nothing_heavy() -> None:
    code = "import sys, bench.workloads.website; print(*sys.modules)"
    done = subprocess.run((sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "scipy", "plotly", "locust", "pyroute2", "libvirt", "rich", "jinja2", "click"}
    assert heavy.isdisjoint(done.stdout.split())
