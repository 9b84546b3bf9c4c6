"""Reading what commands print."""

from __future__ import annotations

import pytest

from bench.demo.reading import Listed, exit_code, is_made_up, layers_said, process_list, table

PS = """UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 02:40 pts/0    00:00:00 /bin/bash
root           8       1  0 02:40 pts/0    00:00:00 sleep 100
"""
LIST = """CONTAINER ID   IMAGE             COMMAND          CREATED         STATUS                     PORTS     NAMES
0123456789ab   debian:bookworm   "touch file1"    2 seconds ago   Exited (0) 1 second ago              happy_tesla
ba9876543210   registry          "serve"          1 minute ago    Up 59 seconds              5000      hub
"""


def test_a_process_list() -> None:
    assert process_list(PS) == [Listed(1, 0, "/bin/bash"), Listed(8, 1, "sleep 100")]


def test_a_table_with_an_empty_column() -> None:
    first, second = table(LIST)
    assert (first["COMMAND"], first["PORTS"], first["NAMES"]) == ('"touch file1"', "", "happy_tesla")
    assert (second["CONTAINER ID"], second["STATUS"]) == ("ba9876543210", "Up 59 seconds")
    assert table("\n") == []


@pytest.mark.parametrize(("status", "code"), [("Exited (0) 1 second ago", 0), ("Exited (137)", 137), ("Up 2s", None)])
def test_an_exit_code(status: str, code: int | None) -> None:
    assert exit_code(status) == code


@pytest.mark.parametrize(("name", "made_up"), [("happy_tesla", True), ("happy_tesla3", True), ("hub", False)])
def test_a_made_up_name(name: str, made_up: bool) -> None:
    assert is_made_up(name) is made_up


def test_what_is_said_of_layers() -> None:
    text = "0123456789ab: Pushed \n0123456789ac: Layer already exists\nlatest: digest: sha256:00 size: 1\n"
    assert layers_said(text, "Pushed") == {"0123456789ab"}
    assert layers_said(text, "Layer already exists") == {"0123456789ac"}
