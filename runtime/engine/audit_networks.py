"""Networks: what nobody living holds of them, and containers that are to be in one that there is not."""

from __future__ import annotations

import os
from functools import partial

from runtime.engine.findings import Finding, readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from runtime.engine.engine import Engine

_ALWAYS = frozenset({"bridge", "default"})


def audit(engine: Engine) -> Iterator[Finding]:
    """What is wrong with any of them."""
    from runtime.network.errors import NetworkError

    names = set(_ALWAYS)
    if os.path.isdir(engine.home.networks):
        networks = engine.networks.attachments.networks
        try:
            names |= {text for one in networks.store.networks() for text in (one.name, one.id)}
            lines = networks.leftovers()
        except NetworkError as error:
            yield Finding(f"networks: {error}", None, "remove that file; containers in that network do not start")
            return
        for line in lines:
            yield Finding(f"networks: {line} is left over", partial(_reconcile, engine))
    yield from _missing(engine, names)


def _missing(engine: Engine, names: Collection[str]) -> Iterator[Finding]:
    for container in readable(engine):
        for endpoint in container.networks:
            if endpoint.network not in names:
                yield Finding(f"container {container.name}: network {endpoint.network} is missing", None,
                              f"create network {endpoint.network}, or disconnect the container from it")  # fmt: skip


def _reconcile(engine: Engine) -> None:
    from runtime.engine.errors import EngineError
    from runtime.network.errors import NetworkError

    try:
        engine.networks.attachments.networks.reconcile(engine.containers.ids())
    except NetworkError as error:
        raise EngineError(str(error)) from error
