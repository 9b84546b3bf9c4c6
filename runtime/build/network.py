"""The network of a build's RUNs: one namespace in the default network, made and given back by a process of its own.

To load what makes networks, and to make one, takes longer than several RUNs. So a child begins with it as soon as it is
known that one will be needed, and gives it back when the build has ended, even by SIGKILL, while the build's caller
goes on. What it would leave if it was killed itself, `Networks.reconcile` undoes: the lease depends on it.
"""

from __future__ import annotations

import os

from runtime import jsontext
from runtime.build.errors import BuildError
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Self

    from runtime.network.networks import Networks


_SILENT = '{"error": "attach to the network: the process that does it ended without a word"}'


class Attached(Value):
    """The namespace's path, and the text of files that programs look names up in."""

    namespace: str
    hosts: str
    resolv_conf: str


class BuildNetwork:
    """A context manager: what `begin` has begun ends with it."""

    def __init__(self, root: str, build_id: str) -> None:
        self._root = root
        self._id = build_id
        self._said = -1
        self._holds = -1
        self._attached: Attached | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in (self._said, self._holds):
            if fd >= 0:
                os.close(fd)
        self._said = self._holds = -1

    def begin(self) -> None:
        """Have one made, meanwhile. Idempotent."""
        if self._said >= 0:
            return
        self._said, says = os.pipe2(os.O_CLOEXEC)
        held, self._holds = os.pipe2(os.O_CLOEXEC)
        middle = os.fork()
        if middle == 0:
            # Nobody waits for the process that holds the network: it is nobody's child.
            if os.fork() == 0:
                _live(self._root, self._id, says, held)
            os._exit(0)
        os.waitpid(middle, 0)
        os.close(says)
        os.close(held)

    def attached(self) -> Attached:
        """When it is there; raises `BuildError`."""
        self.begin()
        if self._attached is None:
            said = b""
            while chunk := os.read(self._said, 65536):
                said += chunk
            answer: dict[str, Any] = jsontext.loads(said.decode() or _SILENT)
            if "error" in answer:
                raise BuildError(answer["error"])
            self._attached = Attached(**answer)
        return self._attached


def _live(root: str, build_id: str, says: int, held: int) -> NoReturn:
    """The whole life of the process that holds it: until nobody holds the other end of ``held``."""
    try:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        low, high = sorted((says, held))
        os.closerange(3, low)
        os.closerange(low + 1, high)
        os.closerange(high + 1, os.sysconf("SC_OPEN_MAX"))
        from runtime.engine.home import Home

        networks = Home(root).open_networks()
        try:
            _hold(networks, build_id, says, held)
        finally:
            networks.release(build_id)
    except BaseException as error:  # noqa: BLE001 - a child must not go on as its parent
        os.write(says, jsontext.dumps({"error": f"attach to the network: {error}"}).encode())
    finally:
        os._exit(0)


def _hold(networks: Networks, build_id: str, says: int, held: int) -> None:
    from runtime.network.files import hosts_text, resolv_conf_text
    from runtime.network.planning import Attach

    namespace = networks.create_namespace(build_id)
    networks.attach(Attach(None, build_id, namespace))
    answer = {
        "namespace": str(namespace),
        "hosts": hosts_text(networks, build_id),
        "resolv_conf": resolv_conf_text(networks, build_id),
    }
    os.write(says, jsontext.dumps(answer).encode())
    os.close(says)
    os.read(held, 1)
