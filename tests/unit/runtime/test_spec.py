"""Values that make no sense cannot be made."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.spec.container import ContainerSpec, Process, Resources, Rootfs


@pytest.mark.parametrize(
    "changes",
    [
        {"uid": -1},
        {"uid": (1 << 32) - 1},  # setresuid(2): leave it as it is, which is root
        {"uid": 1 << 32},  # cut off to 32 bits: root
        {"gid": 1 << 32},
        {"groups": (1, 1 << 32)},
    ],
)
def test_an_id_that_the_kernel_reads_as_another_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^a process of id -?\d+: ids are from 0 to 4294967294$"):
        Process(("true",), (), **changes)


def test_the_highest_id_is_one() -> None:
    assert Process(("true",), (), uid=(1 << 32) - 2).uid == 4294967294


def test_a_process_has_a_program() -> None:
    with pytest.raises(ValueError, match=r"^a process without a program to execute$"):
        Process((), ())


def test_the_log_is_in_the_containers_own_directory() -> None:
    rootfs = Rootfs(("/l",), "/d/upper", "/d/work")
    assert ContainerSpec("c", "c", "/d", "g", Process(("a",), ()), rootfs, Resources()).log_path == "/d/log"
