"""``--publish`` and ``--expose``: ``[[IP:][HOST[-LAST]]:]PORT[-LAST][/PROTOCOL]`` (go-connections, nat)."""

from __future__ import annotations

from runtime.engine.options import PublishedPort
from runtime.tare.errors import UsageError

_PROTOCOLS = frozenset({"tcp", "udp"})
_LAST = 65535


def parse_publish(text: str) -> PublishedPort:
    """One value of ``-p``; raises `UsageError`."""
    if "=" in text:
        return _parse_fields(text)
    rest, _, protocol = text.partition("/")
    rest, _, inner = rest.rpartition(":")
    address, _, outer = rest.rpartition(":")
    address = _address(address, text)
    first, last = _range(inner, text, "containerPort")
    if not outer:
        return PublishedPort(first, 0, _protocol(protocol, text), address, last - first + 1)
    host_first, host_last = _range(outer, text, "hostPort")
    if host_last - host_first != last - first:
        if first != last:
            raise UsageError(f"invalid ranges specified for container and host Ports: {inner} and {outer}")
        host_first = 0 if host_first == 0 else host_first  # of a range for one port: the first of it
    return PublishedPort(first, host_first, _protocol(protocol, text), address, last - first + 1)


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


def _address(text: str, whole: str) -> str:
    if not text:
        return ""
    import ipaddress

    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in inner and inner is text:
        raise UsageError(f"invalid IP address: {text}")
    try:
        return str(ipaddress.ip_address(inner))
    except ValueError:
        raise UsageError(f"invalid IP address: {inner} in {whole}") from None


def _protocol(text: str, whole: str) -> str:
    protocol = text.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise UsageError(f"invalid proto: {text} in {whole}")
    return protocol


def _range(text: str, whole: str, what: str) -> tuple[int, int]:
    if not text:
        raise UsageError(f"no port specified: {whole}<empty>")
    first, dash, last = text.partition("-")
    numbers = [first, last] if dash else [first, first]
    if not all(number.isdecimal() and int(number) <= _LAST for number in numbers):
        raise UsageError(f"invalid {what}: {text}")
    low, high = int(numbers[0]), int(numbers[1])
    if low > high or (low == 0 and what == "containerPort"):
        raise UsageError(f"invalid {what}: {text}")
    return low, high


def parse_expose(text: str) -> str:
    """One value of ``--expose``: ``PORT[-LAST][/PROTOCOL]``; raises `UsageError`."""
    if ":" in text:
        raise UsageError(f"invalid port format for --expose: {text}")
    numbers, _, protocol = text.partition("/")
    try:
        _range(numbers, text, "port")
        _protocol(protocol, text)
    except UsageError as error:
        raise UsageError(f"invalid range format for --expose: {text}, error: {error}") from None
    return text
