from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hypervisor.accelerator import Accelerator, Boot, ProbeKey, choose, device_obstacle

if TYPE_CHECKING:
    from pathlib import Path

KEY = ProbeKey("6.18", "AMD EPYC", "660 0:107", "7.2.22", "sha256:ab")


class Booter:
    """Stands in for a probe guest; counts how often it was asked."""

    def __init__(self, outcome: Boot) -> None:
        self.outcome = outcome
        self.deadlines: list[float] = []

    def __call__(self, deadline_s: float) -> Boot:
        self.deadlines.append(deadline_s)
        return self.outcome


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "kvm"
    path.touch()
    return path


def choice(tmp_path: Path, device: Path, booter: Booter, key: ProbeKey = KEY) -> Accelerator:
    return choose(key, tmp_path / "data/accelerator.json", booter, device=device, deadline_s=7)


def test_a_guest_that_booted_proves_kvm(tmp_path: Path, device: Path) -> None:
    booter = Booter(Boot(passed=True, words="a probe guest booted in 0.6 s"))
    found = choice(tmp_path, device, booter)
    assert (found.name, found.reason, found.cached) == ("kvm", "a probe guest booted in 0.6 s", False)
    assert booter.deadlines == [7]


@pytest.mark.parametrize(
    "words", ["QEMU gave up after 2.0 s: failed to set MSR 0x10a", "no sign of life in 7 s; QEMU's last words: none"]
)
def test_a_guest_that_aborts_or_hangs_means_tcg_and_its_words_are_the_reason(
    tmp_path: Path, device: Path, words: str
) -> None:
    found = choice(tmp_path, device, Booter(Boot(passed=False, words=words)))
    assert found.name == "tcg"
    assert words in found.reason
    assert f"{device} opens, but" in found.reason


def test_without_the_device_nothing_is_booted(tmp_path: Path) -> None:
    booter = Booter(Boot(passed=True, words=""))
    found = choice(tmp_path, tmp_path / "none", booter)
    assert (found.name, found.reason) == ("tcg", f"{tmp_path}/none does not exist")
    assert booter.deadlines == []


def test_a_device_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    # A socket refuses to be opened even for root (open(2), ENXIO).
    os.mknod(tmp_path / "kvm", 0o140666)
    assert device_obstacle(tmp_path / "kvm") == f"open {tmp_path}/kvm: no such device or address"


def test_the_verdict_is_remembered_with_the_time_it_took(tmp_path: Path, device: Path) -> None:
    first = choice(tmp_path, device, Booter(Boot(passed=False, words="hung")))
    again = Booter(Boot(passed=True, words=""))
    assert choice(tmp_path, device, again) == replace(first, cached=True)
    assert again.deadlines == []


@pytest.mark.parametrize("field", ["host_kernel", "cpu_model", "device", "qemu_version", "guest_kernel"])
def test_the_verdict_falls_with_anything_it_depends_on(tmp_path: Path, device: Path, field: str) -> None:
    choice(tmp_path, device, Booter(Boot(passed=False, words="hung")))
    booter = Booter(Boot(passed=True, words="booted"))
    assert choice(tmp_path, device, booter, replace(KEY, **{field: "new"})).name == "kvm"
    assert len(booter.deadlines) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": {}, "accelerator": {"name": "kvm"}}'])
def test_a_damaged_cache_is_as_good_as_none(tmp_path: Path, device: Path, content: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/accelerator.json").write_text(content)
    assert choice(tmp_path, device, Booter(Boot(passed=False, words="hung"))).cached is False
