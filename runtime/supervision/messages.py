"""What is said between a client and the supervisor: one JSON object a message, one request at a time and its reply.

A request has ``op`` and what that takes. A reply is ``{"ok": …}``, with ``more`` if another message belongs to it, or
``{"error": …, "kind": …}``, where the kind is a class of `runtime.supervision.errors`. Both ends are the same user,
which the socket proves; a request is validated all the same, so that a mistake has a name.
"""

from __future__ import annotations

from runtime import jsontext
from runtime.spec.reader import Reader, SpecError
from runtime.supervision.errors import BadRequest
from runtime.supervision.terms import parse_terms, read_id, read_signal
from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.supervision.errors import SupervisionError
    from runtime.supervision.terms import Terms

MESSAGE_BYTES = 1 << 16
"""The longest request."""

REPLY_BYTES = 1 << 18
"""The longest reply, and more than a socket takes at once: a record is its terms and five outputs of 4 KiB."""

_PLAIN = ("start", "wait", "inspect", "attach", "attachTerminal", "closeStdin", "pause", "unpause")
_WITH_TERMS = ("create", "amend")
OPERATIONS = (*_PLAIN, *_WITH_TERMS, "stop", "kill", "remove", "list", "resize")
_CELLS = (0, 65535)
_TIMEOUT_MS = (0, 1_000 * 86_400 * 365)


class Request(Value):
    """``terms`` belong to create and amend; ``signal`` to stop and kill; ``timeout_s`` to stop; ``force`` to remove;
    ``rows`` and ``columns`` to resize.
    """

    op: str
    id: str = ""
    terms: Terms | None = None
    signal: str | None = None
    timeout_s: float | None = None
    force: bool = False
    rows: int = 0
    columns: int = 0

    def to_bytes(self) -> bytes:
        """For the socket; raises `BadRequest` for one that is too long."""
        document: dict[str, Any] = {"op": self.op, "id": self.id or None, "signal": self.signal, "force": self.force}
        document["terms"] = None if self.terms is None else self.terms.to_json()
        document["timeoutMs"] = None if self.timeout_s is None else round(self.timeout_s * 1000)
        if self.op == "resize":
            document |= {"rows": self.rows, "columns": self.columns}
        data = jsontext.dumps(document).encode()
        if len(data) > MESSAGE_BYTES:
            raise BadRequest(f"a request of {len(data)} bytes is longer than {MESSAGE_BYTES}")
        return data


def parse_request(data: bytes) -> Request:
    """What `Request.to_bytes` has written, or somebody else; raises `BadRequest`."""
    try:
        reader = Reader(jsontext.loads(data.decode()))
        op = reader.choice("op", OPERATIONS, "operation")
        terms = reader.child("terms")
        if op in _WITH_TERMS:
            if terms is None:
                raise reader.error("terms", "is missing")
            return Request(op, terms=parse_terms(terms))
        timeout_ms = reader.integer("timeoutMs", _TIMEOUT_MS)
        return Request(
            op=op,
            id="" if op == "list" else read_id(reader),
            signal=read_signal(reader, "signal"),
            timeout_s=None if timeout_ms is None else timeout_ms / 1000,
            force=reader.flag("force"),
            rows=reader.integer("rows", _CELLS) or 0,
            columns=reader.integer("columns", _CELLS) or 0,
        )
    except SpecError as error:
        raise BadRequest(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"a request is no JSON: {error}") from error


def reply(content: object, *, more: bool = False) -> bytes:
    """That it was done, and what came of it."""
    return jsontext.dumps({"ok": content, "more": more}).encode()


def refusal(error: SupervisionError) -> bytes:
    """That it was not, and why."""
    return jsontext.dumps({"error": str(error), "kind": type(error).__name__}).encode()
