from __future__ import annotations

import pytest

from runtime.engine.states import Health, State
from runtime.tare.containers.rows import status_of

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State(), "Created"),
        (State("running", started_at="2023-11-14T22:08:20Z"), "Up 5 minutes"),
        (State("paused", started_at="2023-11-14T22:08:20Z"), "Up 5 minutes (Paused)"),
        (State("running", started_at="2023-11-14T22:13:19Z", health=Health("healthy")), "Up 1 second (healthy)"),
        (State("exited", exit_code=3, finished_at="2023-10-24T22:13:20Z"), "Exited (3) 3 weeks ago"),
        (State("exited", exit_code=255), "Exited (255)"),
    ],
)  # fmt: skip
def test_how_a_container_is(state: State, text: str) -> None:
    assert status_of(state, NOW) == text
