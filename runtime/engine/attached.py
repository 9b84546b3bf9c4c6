"""What a container has of networks while it runs: a small file of its directory, so that a list of containers can say
which ports are published without asking the networks. Written when it is attached, erased when it has ended.
"""

from __future__ import annotations

import os

from runtime import jsontext
from runtime.engine.codec import decode, encode
from runtime.engine.container import ATTACHED, Attached
from runtime.engine.directories import read_text, write_whole
from runtime.engine.options import PublishedPort
from runtime.unwinding import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.engine.home import Home


def read_attached(home: Home, container_id: str) -> tuple[tuple[Attached, ...], tuple[PublishedPort, ...]]:
    """The networks that it is in and the ports that are published; nothing if it does not run."""
    text = read_text(f"{home.container(container_id)}/{ATTACHED}")
    try:
        document = {} if text is None else jsontext.loads(text)
        networks = tuple(decode(Attached, entry) for entry in document.get("networks", ()))
        return networks, tuple(decode(PublishedPort, entry) for entry in document.get("ports", ()))
    except (ValueError, KeyError, TypeError):
        return (), ()


def write_attached(home: Home, container_id: str, networks: Sequence[Attached], ports: Sequence[PublishedPort]) -> None:
    """Write down what it has."""
    document = {"networks": [encode(one) for one in networks], "ports": [encode(one) for one in ports]}
    write_whole(f"{home.container(container_id)}/{ATTACHED}", jsontext.dumps(document))


def erase_attached(home: Home, container_id: str) -> None:
    """It has nothing any more. Idempotent."""
    with suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(f"{home.container(container_id)}/{ATTACHED}")
