"""The terms on which a container is supervised: what a client asks for once, when it is created."""

from __future__ import annotations

from runtime.container.errors import ContainerError
from runtime.container.signal_names import parse_signal
from runtime.spec.reader import SpecError, show
from runtime.supervision.health import HealthCheck, parse_health
from runtime.supervision.restart import RestartPolicy
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.spec.reader import Reader

_LONGEST_ID = 255
_NO_SIGNS = dict.fromkeys(map(ord, "_+.-"))
_BYTES = (4096, 1 << 50)
_FILES = (1, 1000)
_STOP_MS = (0, 1_000 * 86_400 * 365)


class LogLimits(Value):
    """A file is put aside before it is longer than ``max_bytes``, None for never; one of ``max_files`` is current."""

    max_bytes: int | None = 10 << 20
    max_files: int = 3


class Terms(Value):
    """``bundle`` is an OCI bundle; ``stdin`` says that there is to be one, which a client may write to.

    With a ``terminal`` that is all it has, and there is no other stdin. ``auto_remove`` is to forget it once it has
    ended and will not be restarted.

    To stop it is to send ``stop_signal``, and SIGKILL after ``stop_timeout_s``.
    """

    id: str
    bundle: str
    restart: RestartPolicy = RestartPolicy()
    health: HealthCheck | None = None
    log: LogLimits = LogLimits()
    stdin: bool = False
    stop_signal: str = "SIGTERM"
    stop_timeout_s: float = 10.0
    terminal: bool = False
    auto_remove: bool = False

    def to_json(self) -> dict[str, Any]:
        """For messages and for the record."""
        return {
            "id": self.id,
            "bundle": self.bundle,
            "restart": str(self.restart),
            "health": None if self.health is None else self.health.to_json(),
            "log": {"maxBytes": self.log.max_bytes, "maxFiles": self.log.max_files},
            "stdin": self.stdin,
            "stopSignal": self.stop_signal,
            "stopTimeoutMs": round(self.stop_timeout_s * 1000),
            "terminal": self.terminal,
            "autoRemove": self.auto_remove,
        }


def parse_terms(reader: Reader) -> Terms:
    """What `Terms.to_json` has written, or somebody else; raises `SpecError`."""
    default = Terms("", "")
    log = reader.child("log")
    stop_ms = reader.integer("stopTimeoutMs", _STOP_MS)
    return Terms(
        id=read_id(reader),
        bundle=reader.absolute_path("bundle"),
        restart=RestartPolicy.parse(reader.string("restart") or "no", reader.at("restart")),
        health=parse_health(reader.child("health")),
        log=default.log if log is None else _log(log),
        stdin=reader.flag("stdin"),
        stop_signal=read_signal(reader, "stopSignal") or default.stop_signal,
        stop_timeout_s=default.stop_timeout_s if stop_ms is None else stop_ms / 1000,
        terminal=reader.flag("terminal"),
        auto_remove=reader.flag("autoRemove"),
    )


def _log(reader: Reader) -> LogLimits:
    return LogLimits(reader.integer("maxBytes", _BYTES), reader.integer("maxFiles", _FILES) or 1)


def read_id(reader: Reader) -> str:
    """An id that is one name in a directory, and not hidden there."""
    found = reader.required_string("id")
    letters = found.translate(_NO_SIGNS)
    is_made_of_them = found and (not letters or (letters.isalnum() and letters.isascii()))
    if not is_made_of_them or found.startswith(".") or len(found) > _LONGEST_ID:
        raise reader.error("id", f"{show(found)}: letters, digits and any of _ + . - make one, and no dot begins it")
    return found


def read_signal(reader: Reader, name: str) -> str | None:
    """A signal by name or number, None when absent."""
    text = reader.string(name)
    if text is not None:
        try:
            parse_signal(text)
        except ContainerError as error:
            raise SpecError(reader.at(name), str(error)) from error
    return text
