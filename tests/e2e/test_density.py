"""The main command as a user gives it: what it prints, what it writes, and that the host is as before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.command import (
    NOBODY,
    ROOT,
    bench,
    document,
    finish,
    host_inventory,
    start,
    wait_for_host,
    wait_until_equal,
)

pytestmark = [pytest.mark.root, pytest.mark.slow]

# Neither QEMU on the PATH nor a libvirt that can be imported: a host that has only what containers need.
WITHOUT_LIBVIRT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("libvirt", "libvirtmod", "libvirt_qemu"):
            raise ImportError(f"{name} is not installed")
sys.meta_path.insert(0, Absent())
from bench.cli.main import main
main()
"""


def path_without_qemu(directory: Path) -> str:
    """A PATH with every program of this host's, but QEMU's."""
    directory.mkdir()
    for source in map(Path, os.environ["PATH"].split(":")):
        for program in source.iterdir() if source.is_dir() else ():
            link = directory / program.name
            if not program.name.startswith(("qemu", "virsh", "libvirt")) and not link.is_symlink():
                link.symlink_to(program)
    return str(directory)


@pytest.mark.vm
def test_containers_processes_and_machines_are_measured_and_taken_down(tmp_path: Path) -> None:
    wait_for_host()
    before = host_inventory()
    run_dir = tmp_path / "run"
    outcome = bench("density", "--containers", "6", "--vms", "2", "--seed", "7", "--json", "--output", str(run_dir))
    assert outcome.code == 0, outcome.stderr
    wait_until_equal(before)

    printed = document(outcome)
    assert printed["schema_version"] == 1
    assert printed["run_dir"] == str(run_dir)
    assert Path(printed["report"]).stat().st_size > 1 << 20
    assert printed["elapsed_s"] > 0
    assert set(printed["accelerator"]) >= {"name", "reason"}
    assert printed["certificate"] == {"clean": True, "left": [], "foreign": printed["certificate"]["foreign"]}
    treatments = {treatment["driver"]: treatment for treatment in printed["treatments"]}
    assert {name: row["answered"] for name, row in treatments.items()} == {"container": 6, "process": 6, "vm": 2}
    for treatment in treatments.values():
        assert treatment["requested"] == treatment["answered"]
        assert treatment["failed"] == 0
        for metric in ("launch_ms", "first_answer_ms"):
            assert treatment[metric]["n"] == treatment["requested"]
            assert {"median", "p95"} <= set(treatment[metric])
        assert treatment["launch_ms"]["median"] < treatment["first_answer_ms"]["median"]
        assert {"estimate", "low", "high"} <= set(treatment["marginal_memory_bytes"])
    costs = {name: treatment["marginal_memory_bytes"]["estimate"] for name, treatment in treatments.items()}
    assert costs["vm"] > costs["container"]

    manifest = json.loads((run_dir / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["plan"]["seed"] == 7
    assert manifest["workload"]["image_digest"].startswith("sha256:")
    assert "guest kernel" in manifest["host"]["versions"]
    assert not (run_dir / "logs").exists()


def test_containers_need_neither_libvirt_nor_qemu(tmp_path: Path) -> None:
    path = path_without_qemu(tmp_path / "bin")
    options = ("density", "--containers", "5", "--vms", "0", "--processes", "0", "--json")
    outcome = bench(*options, "--output", str(tmp_path / "run"), environment={"PATH": path}, program=WITHOUT_LIBVIRT)
    assert outcome.code == 0, outcome.stderr
    assert document(outcome)["treatments"][0]["answered"] == 5


def test_machines_without_libvirt_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = path_without_qemu(tmp_path / "bin")
    options = ("density", "--containers", "0", "--vms", "1", "--output", str(tmp_path / "run"))
    no_qemu = bench(*options, environment={"PATH": path})
    no_libvirt = bench(*options, program=WITHOUT_LIBVIRT)
    for outcome in (no_qemu, no_libvirt):
        assert outcome.code == 3
        assert len(outcome.errors) == 2
        assert "install" in outcome.errors[1]
        assert not (tmp_path / "run").exists()


@pytest.mark.vm
def test_machines_alone_make_no_control_group_of_ours(tmp_path: Path) -> None:
    groups = [Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines() if " cgroup" in line]
    wait_for_host()
    options = ("density", "--containers", "0", "--processes", "0", "--vms", "1", "--json")
    process = start((*options, "--output", str(tmp_path / "run")))
    made = set()
    while process.poll() is None:
        made |= {group / "tare" for group in groups if (group / "tare").exists()}
        time.sleep(0.02)
    outcome = finish(process)
    assert outcome.code == 0, outcome.stderr
    assert document(outcome)["treatments"][0]["answered"] == 1
    assert made == set()


def test_a_dry_run_shows_the_plan_and_changes_nothing(tmp_path: Path) -> None:
    wait_for_host()
    before = host_inventory()
    outcome = bench("density", "--containers", "20", "--vms", "0", "--dry-run", "--output", str(tmp_path / "run"))
    assert outcome.code == 0
    assert "20 x container (memory at N = 0, 2, 4" in outcome.stdout
    assert "process ids: needs" in outcome.stdout
    assert not (tmp_path / "run").exists()
    wait_until_equal(before)


def test_a_second_run_straight_after_the_first_is_like_it(tmp_path: Path) -> None:
    options = ("density", "--containers", "3", "--vms", "0", "--processes", "0", "--json", "--seed", "1")
    first, second = (document(bench(*options, "--output", str(tmp_path / name))) for name in ("first", "second"))
    for one in (first, second):
        assert one["certificate"]["clean"] is True
        assert one["treatments"][0]["answered"] == 3
    assert first["image"] == second["image"]


def test_the_report_is_rebuilt_by_anybody_from_a_copy(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    options = ("density", "--containers", "3", "--vms", "0", "--processes", "0", "--output", str(run_dir))
    assert bench(*options).code == 0
    copy = Path("/tmp") / f"tare-test-report-{os.getpid()}"
    shutil.copytree(run_dir, copy)
    try:
        (copy / "report.html").unlink()
        for path in (copy, *copy.rglob("*")):
            os.chown(path, 65534, 65534)
        command = [sys.executable, "-c", "from bench.cli.main import main; main()", "report", str(copy)]
        rebuilt = subprocess.run([*NOBODY, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert rebuilt.returncode == 0, rebuilt.stderr
        pages = [(place / "report.html").read_text() for place in (run_dir, copy)]
        original, again = (page.replace(str(copy), "PLACE").replace(str(run_dir), "PLACE") for page in pages)
        assert again == original
    finally:
        shutil.rmtree(copy)


def test_a_line_is_printed_for_every_tenth_of_the_way(tmp_path: Path) -> None:
    options = ("density", "--containers", "20", "--vms", "0", "--processes", "0", "--output", str(tmp_path / "run"))
    outcome = bench(*options)
    assert outcome.code == 0, outcome.stderr
    lines = [line for line in outcome.stderr.splitlines() if " of 20" in line]
    assert [int(line.split(": container: ")[1].split(" of ")[0]) for line in lines] == list(range(2, 21, 2))
    assert outcome.errors == []
