"""What the command refuses: one line, the way out, the right exit code, and nothing left behind."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.command import (
    NOBODY,
    ONE_CONTAINER,
    bench,
    finish,
    host_inventory,
    small_disk,
    start,
    wait_for_host,
    wait_until_equal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def untouched() -> Iterator[None]:
    """The host is as it was before the test, but for what others do."""
    wait_for_host()
    before = host_inventory()
    yield
    wait_until_equal(before)


@contextlib.contextmanager
def foreign_link(name: str) -> Iterator[None]:
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--containers", "-1"), "-1 is not in the range"),
        (("--containers", "many"), "'many' is not a valid integer"),
        (("--containers", "9" * 30), "is not in the range"),
        (("--vms", "1.5"), "'1.5' is not a valid integer"),
        (("--blocks", "0"), "0 is not in the range"),
        (("--blocks", "1000000000"), "is not in the range"),
        (("--containers", "0", "--vms", "0"), "nothing to launch"),
        (("--memory", "12q"), "'12q' is not a size"),
        (("--memory", "1KiB"), "1KiB is not between 4 MiB"),
        (("--memory", "9" * 400), "is not between 4 MiB"),
        (("--cpus", "nan"), "nan is not between"),
        (("--cpus", "0"), "0 is not between"),
        (("--image", "nothing-of-this-name:1"), "images there: "),
        (("--image", "::"), "'::'"),
        (("--no-such-option",), "no such option '--no-such-option'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(options: tuple[str, ...], said: str, untouched: None) -> None:
    del untouched
    outcome = finish(start(("density", *options)))
    assert outcome.code == 2
    assert outcome.stdout == ""
    complaint, hint = outcome.errors
    assert complaint.startswith("error: ")
    assert said in complaint
    assert hint.startswith("  try: ")


@pytest.mark.parametrize("arguments", [("measure",), ("report",), ("report", "/nowhere"), ("clean", "--all")])
def test_wrong_usage_of_the_other_verbs_too(arguments: tuple[str, ...]) -> None:
    outcome = finish(start(arguments))
    assert outcome.code == 2
    assert [line.split(": ")[0] for line in outcome.errors] == ["error", "  try"]


@pytest.mark.parametrize(
    ("options", "binding"),
    [
        (("--containers", "1000000000", "--vms", "0", "--processes", "0"), "1000000000 x container: "),
        (("--containers", "0", "--vms", "0", "--processes", "1000000000"), "1000000000 x process: "),
        (("--containers", "1", "--vms", "0", "--processes", "1000000000000"), "1000000000000 x process: "),
    ],
)
def test_more_than_the_host_holds_names_what_binds(options: tuple[str, ...], binding: str, untouched: None) -> None:
    del untouched
    outcome = bench("density", *options)
    assert outcome.code == 3
    complaint, hint = outcome.errors
    assert binding in complaint
    assert "needs" in complaint
    assert "this host has" in complaint
    assert len(hint) > len("  try: ")


@pytest.mark.vm
def test_more_machines_than_the_host_holds_name_what_binds(untouched: None) -> None:
    del untouched
    outcome = bench("density", "--containers", "0", "--vms", "1000000000")
    assert outcome.code == 3
    assert "1000000000 x vm: " in outcome.errors[0]


@pytest.mark.parametrize("arguments", [ONE_CONTAINER, ("clean",)])
def test_without_root_it_says_so(arguments: tuple[str, ...], untouched: None) -> None:
    del untouched

    outcome = finish(start(arguments, under=NOBODY))
    assert outcome.code == 3
    assert "needs root" in outcome.errors[0]
    assert "as root" in outcome.errors[1]
    assert len(outcome.errors) == 2


def test_a_port_that_somebody_has_on_every_address_is_refused(untouched: None) -> None:
    del untouched
    wait_for_host()
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("0.0.0.0", 8080))  # noqa: S104 - the point of it
        holder.listen()
        outcome = bench("density", "--containers", "0", "--vms", "0", "--processes", "2")
    assert outcome.code == 3
    assert outcome.errors[0] == "error: listen on port 8080: already taken on this host"
    assert "--processes 0" in outcome.errors[1]


def test_a_link_of_the_bridges_name_is_refused_and_left_alone(untouched: None) -> None:
    del untouched
    wait_for_host()
    with foreign_link("tare0"):
        outcome = bench(*ONE_CONTAINER)
        assert bench("clean").code == 0
        assert Path("/sys/class/net/tare0").exists()
    assert outcome.code == 3
    assert outcome.errors == [
        "error: create bridge tare0: a link of this name is there",
        "  try: rename it or remove it: ip link delete tare0",
    ]


def test_a_foreign_route_into_the_address_range_is_refused(untouched: None) -> None:
    del untouched
    wait_for_host()
    with foreign_link("other0"):
        subprocess.run(["ip", "address", "add", "198.18.0.9/24", "dev", "other0"], check=True)
        subprocess.run(["ip", "link", "set", "other0", "up"], check=True)
        outcome = bench(*ONE_CONTAINER)
    assert outcome.code == 3
    assert "198.18.0.0/24 via other0" in outcome.errors[0]


@pytest.mark.parametrize(
    ("size", "ballast_kib"), [("256k", 256), ("64k", 20), ("512k", 0)], ids=["at once", "in between", "for the report"]
)
def test_a_full_disk_is_named_and_nothing_is_left(tmp_path: Path, size: str, ballast_kib: int, untouched: None) -> None:
    del untouched
    with small_disk(tmp_path / "tiny", size) as disk:
        (disk / "ballast").write_bytes(b"x" * (ballast_kib << 10))
        outcome = bench(
            "density", "--containers", "80", "--vms", "0", "--processes", "0", "--output", str(disk / "run")
        )
    assert outcome.code == 3
    complaint, hint = outcome.errors
    assert "No space left on device" in complaint
    assert str(disk / "run") in complaint
    assert "--output" in hint


def test_an_output_that_exists_is_refused_and_kept(tmp_path: Path, untouched: None) -> None:
    del untouched
    (tmp_path / "run").mkdir()
    (tmp_path / "run/precious").write_text("mine")
    outcome = bench(*ONE_CONTAINER, "--output", str(tmp_path / "run"))
    assert outcome.code == 3
    assert outcome.errors == [
        f"error: write run directory {tmp_path}/run: File exists",
        "  try: choose another place with --output",
    ]
    assert (tmp_path / "run/precious").read_text() == "mine"


def test_a_report_of_what_is_no_run_is_refused(tmp_path: Path) -> None:
    outcome = finish(start(("report", str(tmp_path))))
    assert outcome.code == 2
    assert f"read {tmp_path}/manifest.json: No such file or directory" in outcome.errors[0]


def test_a_report_where_nothing_may_be_written_says_so(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    assert bench(*ONE_CONTAINER, "--output", str(run_dir)).code == 0
    with small_disk(tmp_path / "tiny", "64k") as disk:
        for name in ("manifest.json", "samples.csv", "events.jsonl"):
            (disk / name).write_bytes((run_dir / name).read_bytes())
        outcome = finish(start(("report", str(disk))))
    assert outcome.code == 3
    assert "report.html: No space left on device" in outcome.errors[0]
