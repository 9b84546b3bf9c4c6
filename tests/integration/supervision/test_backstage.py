"""Who is backstage is asked at the right moments, and what it cannot do is undone and told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.supervision.client import Supervisor
from runtime.supervision.errors import SupervisionError
from tests.support.backstage import NAME
from tests.support.bundle import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.supervision.conftest import House

pytestmark = pytest.mark.root


@pytest.fixture
def staged(house: House) -> Iterator[House]:
    """The same, with somebody backstage."""
    root = str(house.root)
    house.client.close()
    with Supervisor(root, idle_s=0.2, backstage=NAME) as client:
        house.client = client
        try:
            yield house
        finally:
            (house.root / "fails").unlink(missing_ok=True)
            house.remove()
            (house.root / "supervisor.log").write_text("")  # where it was said what had failed


def noted(house: House) -> list[str]:
    return (house.root / "noted").read_text().splitlines()


def fail(house: House, *methods: str) -> None:
    (house.root / "fails").write_text(" ".join(methods))


def test_a_life_in_order(staged: House) -> None:
    terms = staged.shell("exit 3")
    staged.client.run(terms)
    staged.client.wait(terms.id)
    staged.client.remove(terms.id)
    assert noted(staged) == ["prepare", "running True", "start", "ended", "die exitCode=3", "removed"]


def test_a_stop_is_told(staged: House) -> None:
    terms = staged.shell("trap 'exit 0' TERM; while :; do sleep 0.05; done")
    staged.client.run(terms)
    staged.client.pause(terms.id)
    staged.client.unpause(terms.id)
    staged.client.stop(terms.id, timeout_s=60)
    told = [line for line in noted(staged) if line not in {"prepare", "running True", "ended"}]
    assert told == ["start", "pause", "unpause", "kill signal=15", "die exitCode=0", "stop"]


@pytest.mark.parametrize("method", ["prepare", "running"])
def test_what_fails_before_the_start_is_why_it_does_not_start(staged: House, method: str) -> None:
    terms = staged.shell("true")
    staged.client.create(terms)
    fail(staged, method)
    with pytest.raises(SupervisionError, match=f"{method} fails"):
        staged.client.start(terms.id)
    assert not list((staged.root / "runtime").glob("*"))
    fail(staged)
    staged.client.start(terms.id)
    assert staged.client.wait(terms.id).life.exit.code == 0


def test_who_waits_is_told_though_it_cannot_be_removed(staged: House) -> None:
    terms = staged.shell("exit 4", auto_remove=True)
    staged.client.create(terms)
    staged.client.start(terms.id)
    fail(staged, "removed")
    assert staged.client.wait(terms.id).life.exit.code == 4
    fail(staged)
    staged.kill_supervisor()  # the next one tries again
    wait_until(lambda: staged.client.containers() == ())


def test_what_is_told_to_nobody_is_in_nobodys_way(staged: House) -> None:
    terms = staged.shell("exit 5")
    staged.client.create(terms)
    fail(staged, "start", "die")
    staged.client.start(terms.id)
    assert staged.client.wait(terms.id).life.exit.code == 5
