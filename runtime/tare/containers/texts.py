"""What flags of containers are converted with; all raise ValueError, whose message goes to the user."""

from __future__ import annotations

from runtime.engine.options import DeviceOption, Ulimit
from runtime.tare.output.sizes import parse_memory

_ULIMITS = frozenset({
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
})  # fmt: skip
_SYSCTLS = frozenset({"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem"})
_OWN_SYSCTLS = ("kernel.shm", "fs.mqueue.", "net.")
_ACCESS = frozenset("rwm")


def memory_or_none(text: str) -> int:
    """Bytes; -1 is no limit."""
    return -1 if text == "-1" else parse_memory(text)


def cpus(text: str) -> float:
    """How many processors; 0 is all."""
    whole, dot, fraction = text.partition(".")
    if not (whole or fraction) or not (whole or "0").isdecimal() or (dot and fraction and not fraction.isdecimal()):
        raise ValueError(f"failed to parse {text} as a rational number")
    if len(fraction.rstrip("0")) > 9:
        raise ValueError("value is too precise")
    return float(text)


def ulimit(text: str) -> Ulimit:
    """``nofile=1024:2048``."""
    name, equals, limits = text.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {text}")
    if name not in _ULIMITS:
        raise ValueError(f"invalid ulimit type: {name}")
    soft, colon, hard = limits.partition(":")
    try:
        low, high = int(soft), int(hard if colon else soft)
    except ValueError:
        raise ValueError(f"invalid ulimit argument: {text}") from None
    if low > high >= 0:
        raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {low} > {high}")
    return Ulimit(name, low, high)


def device(text: str) -> DeviceOption:
    """``SOURCE[:TARGET][:ACCESS]``."""
    source, *rest = text.split(":")
    if not source or len(rest) > 2:
        raise ValueError(f"invalid device specification: {text}")
    access = "rwm"
    if rest and _is_access(rest[-1]):
        access = rest.pop()
    elif len(rest) == 2:
        raise ValueError(f"bad mode specified: {rest[1]}")
    target = rest[0] if rest else source
    if not target.startswith("/"):
        raise ValueError(f"{target} is not an absolute path")
    return DeviceOption(source, target, access)


def _is_access(text: str) -> bool:
    return bool(text) and _ACCESS.issuperset(text) and len(set(text)) == len(text)


def extra_host(text: str) -> str:
    """``NAME:ADDRESS``, also ``NAME=ADDRESS``; the address may be host-gateway."""
    import ipaddress

    name, separator, address = text.partition("=")
    if not separator:
        name, separator, address = text.partition(":")
    address = address.removeprefix("[").removesuffix("]")
    if not name or not separator:
        raise ValueError(f'bad format for add-host: "{text}"')
    if address != "host-gateway":
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ValueError(f'invalid IP address in add-host: "{address}"') from None
    return f"{name}:{address}"


def address(text: str) -> str:
    """Of a name server."""
    import ipaddress

    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text} is not an ip address") from None


def stream(text: str) -> str:
    """One of the three that may be attached."""
    if text.lower() not in {"stdin", "stdout", "stderr"}:
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return text.lower()


def named_value(text: str) -> tuple[str, str]:
    """``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{text} must be formatted as key=value")
    return name, value


def sysctl(text: str) -> tuple[str, str]:
    """``NAME=VALUE``, of those that are a container's own (docker, opts.ValidateSysctl)."""
    name, value = named_value(text)
    if name in _SYSCTLS or name.startswith(_OWN_SYSCTLS):
        return name, value
    raise ValueError(f"sysctl '{text}' is not allowed")


def tmpfs(text: str) -> tuple[str, str]:
    """``PATH[:OPTIONS]``."""
    path, _, options = text.partition(":")
    if not path.startswith("/"):
        raise ValueError(f"invalid tmpfs path {path!r}: it must be absolute")
    return path, options
