"""Instances that fail: counted, explained, their output kept, and the host as before."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from bench.workloads.website import BUSYBOX
from runtime.image.builder import Directory, File, LayerRecipe, Symlink, build_image
from runtime.image.config import ImageConfig
from runtime.image.store import ImageStore
from tests.support.command import DATA, bench, document, host_inventory, wait_for_host, wait_until_equal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.image.builder import Entry

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def quitter() -> Iterator[str]:
    """An image in the host's store whose process says something and exits at once."""
    store, reference = ImageStore(DATA), f"tare-test-{uuid.uuid4().hex[:8]}:1"
    entries: tuple[Entry, ...] = (
        *(Directory(name) for name in ("bin", "dev", "etc", "proc", "sys", "tmp")),
        File("bin/busybox", BUSYBOX.read_bytes(), mode=0o755),
        Symlink("bin/sh", "busybox"),
    )
    config = ImageConfig(entrypoint=("/bin/sh", "-c", "echo no such database; exit 3"), exposed_ports=("8080/tcp",))
    build_image(store, reference, (LayerRecipe(entries, "a process that exits at once"),), config)
    yield reference
    store.untag(reference)


def test_an_image_whose_process_exits_at_once(quitter: str, tmp_path: Path) -> None:
    wait_for_host()
    before = host_inventory()
    options = ("density", "--containers", "3", "--vms", "0", "--processes", "0", "--image", quitter, "--json")
    outcome = bench(*options, "--output", str(tmp_path / "run"))
    assert outcome.code == 4, outcome.stderr
    assert outcome.errors == []
    wait_until_equal(before)
    treatment = document(outcome)["treatments"][0]
    assert (treatment["requested"], treatment["answered"], treatment["failed"]) == (3, 0, 3)
    logs = sorted((tmp_path / "run/logs").iterdir())
    assert [path.name for path in logs] == [f"tare-container-0-{number}.log" for number in range(3)]
    assert {path.read_text() for path in logs} == {"no such database\n"}
    events = [json.loads(line) for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    reasons = {event["reason"] for event in events if event["event"] == "instance_failed"}
    assert reasons == {"ended before it answered"}
    assert (tmp_path / "run/report.html").exists()


def test_an_image_that_does_not_say_its_port_argument_is_refused_for_processes(quitter: str, tmp_path: Path) -> None:
    options = ("density", "--containers", "1", "--vms", "0", "--image", quitter)
    outcome = bench(*options, "--output", str(tmp_path / "run"))
    assert outcome.code == 3
    assert "does not say how to choose the port" in outcome.errors[0]
    assert "--processes 0" in outcome.errors[1]
