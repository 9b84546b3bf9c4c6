"""What the engine remembers of a container: one file, whole at any time.

``containers/ID/container.json`` is written last when a container is made, and so says that it is there at all. It is
read as it is: a list of many containers looks at few of the fields of each.
"""

from __future__ import annotations

import os

from runtime import jsontext
from runtime.engine.errors import Damaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.engine.home import Home

VERSION = 1
NAME = "container.json"
TAKEN_ON = "taken-on"
"""Beside it since the supervisor knows of the container."""


def read_record(home: Home, container_id: str) -> dict[str, Any] | None:
    """The document; None if there is no such container. Raises `Damaged`."""
    path = f"{home.container(container_id)}/{NAME}"
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        document: dict[str, Any] = jsontext.loads(text)
        version = document["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"read {path}: {error!r}") from error
    if version != VERSION:
        raise Damaged(f"read {path}: version {version} is not {VERSION}")
    return document


def write_record(home: Home, document: dict[str, Any]) -> None:
    """Replace it. A crash of the host must not make it forget a container, but one that goes when it ends."""
    durable = not document.get("config", {}).get("auto_remove")
    write_file(f"{home.container(document['id'])}/{NAME}", jsontext.dumps(document), durable=durable)


def write_file(path: str, text: str, *, durable: bool = False) -> None:
    """Give a file this content at once."""
    temporary = f"{path}.{os.getpid()}.new"
    try:
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fdatasync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        remove_file(temporary)
        raise


def remove_file(path: str) -> None:
    """Idempotent."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
