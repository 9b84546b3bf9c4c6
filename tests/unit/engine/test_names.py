"""Names of containers: taken by one, given back, and taken over from who was killed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runtime.engine.directories import locked
from runtime.engine.errors import BadOption, NameInUse
from runtime.engine.home import Home, new_id
from runtime.engine.names import Names, check_name
from runtime.engine.records import VERSION, write_record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path))


def container(home: Home, name: str | None = None) -> str:
    """The id of one; without a name it has no record yet."""
    container_id = new_id()
    os.makedirs(home.container(container_id))
    if name is not None:
        write_record(home, {"version": VERSION, "id": container_id, "name": name})
    return container_id


@pytest.mark.parametrize("name", ["ab", "/web", "a.b_c-d", "9x", "A1"])
def test_good_names(name: str) -> None:
    assert check_name(name) == name.removeprefix("/")


@pytest.mark.parametrize("name", ["a", "", "-a", ".a", "a b", "a/b", "a" * 256, "ä1", "a\n", "//a", "_x"])
def test_bad_names(name: str) -> None:
    with pytest.raises(BadOption, match="Invalid container name"):
        check_name(name)


def test_a_name_is_one_s_own(home: Home) -> None:
    names, first, second = Names(home), container(home, "web"), container(home)
    assert names.take("web", first) == "web"
    with pytest.raises(NameInUse, match=f'"/web" is already in use by container "{first}"'):
        names.take("/web", second)
    assert names.holder("web") == names.holder("/web") == first
    names.give_back("web", second)  # it never had it
    assert names.holder("web") == first
    names.give_back("web", first)
    names.give_back("web", first)
    assert names.take("web", second) == "web"


def test_a_name_is_made_up(home: Home) -> None:
    names = Names(home)
    made = {names.take("", container(home)) for _ in range(50)}
    assert len(made) == 50
    assert all(check_name(name) == name and "_" in name for name in made)


def test_a_name_of_somebody_who_was_killed_is_taken_over(home: Home) -> None:
    names, killed = Names(home), container(home)
    names.take("web", killed)  # and then no record was written
    new = container(home)
    names.take("web", new)
    assert names.holder("web") == new


def test_a_name_of_a_container_that_is_gone_is_taken_over(home: Home) -> None:
    names = Names(home)
    names.take("web", new_id())
    new = container(home)
    names.take("web", new)
    assert names.holder("web") == new


def test_a_name_that_was_left_by_a_rename_is_taken_over(home: Home) -> None:
    names, renamed = Names(home), container(home, "new")
    names.take("old", renamed)
    assert names.take("old", container(home)) == "old"


def test_a_name_that_is_being_taken_is_not_taken_over(home: Home) -> None:
    names, making = Names(home), container(home)
    with locked(home.container(making)):
        names.take("web", making)
        with pytest.raises(NameInUse):
            names.take("web", container(home))


@pytest.mark.parametrize("reference", ["", "/", ".", "..", "a/b", "../x", ".hidden"])
def test_a_name_leads_nowhere_else(home: Home, reference: str) -> None:
    os.makedirs(home.names)
    os.symlink("/etc", f"{home.names}/.hidden")
    assert Names(home).holder(reference) is None
