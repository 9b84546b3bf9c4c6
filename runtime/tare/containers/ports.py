"""``--publish`` and ``--expose``: ``[[IP:][HOST[-LAST]]:]PORT[-LAST][/PROTOCOL]`` (go-connections, nat)."""

from __future__ import annotations

from runtime.engine import ports
from runtime.engine.errors import BadOption
from runtime.tare.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.options import PublishedPort


def parse_publish(text: str) -> PublishedPort:
    """One value of ``-p``; raises `UsageError`."""
    if "=" in text:
        return _parse_fields(text)
    try:
        return ports.parse_publish(text)
    except BadOption as error:
        raise UsageError(str(error)) from None


def _parse_fields(text: str) -> PublishedPort:
    """``target=80,published=8080,protocol=tcp``."""
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    unknown = fields.keys() - {"target", "published", "protocol", "mode"}
    if unknown or "target" not in fields:
        raise UsageError(f"invalid field key {min(unknown)}" if unknown else f"missing target port in {text}")
    if fields.get("mode", "host") not in {"host", "ingress"}:
        raise UsageError(f'invalid publish mode value "{fields["mode"]}": must be either "ingress" or "host"')
    inner = fields["target"]
    outer = fields.get("published", "")
    return parse_publish(f"{outer}:{inner}/{fields.get('protocol', 'tcp')}" if outer else inner)


def parse_expose(text: str) -> str:
    """One value of ``--expose``: ``PORT[-LAST][/PROTOCOL]``; raises `UsageError`."""
    if ":" in text:
        raise UsageError(f"invalid port format for --expose: {text}")
    try:
        ports.parse_exposed(text)
    except BadOption as error:
        raise UsageError(f"invalid range format for --expose: {text}, error: {error}") from None
    return text
