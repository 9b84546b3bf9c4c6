"""Which devices a container may use: the allowed device list (config-linux.md, "Allowed Device list").

An access is allowed if, for each of reading, writing and making a node that it asks for, the last entry that is about
it allows it; without such an entry it is denied. After the entries of the configuration come our own, which allow what
the specification has every container supplied with.
"""

from __future__ import annotations

from runtime.cgroups.limits import PATH, Write, refuse
from runtime.spec.resources import DeviceRule
from runtime.values import Value, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ALL = "rwm"
DEFAULT_RULES = (
    # A node can be made of any device, or the runtime could not make linux.devices from inside; it is of no use unless
    # the device itself is allowed.
    DeviceRule(True, "c", access="m"),  # noqa: FBT003 - reads as the JSON does
    DeviceRule(True, "b", access="m"),  # noqa: FBT003
    *(DeviceRule(True, "c", 1, minor) for minor in (3, 5, 7, 8, 9)),  # noqa: FBT003 - null zero full random urandom
    *(DeviceRule(True, "c", 5, minor) for minor in (0, 2)),  # noqa: FBT003 - tty, ptmx
    DeviceRule(True, "c", 136),  # noqa: FBT003 - pseudo-terminals, of which /dev/console is one
)

_Key = tuple[str, "int | None", "int | None"]


def effective_rules(rules: Sequence[DeviceRule]) -> tuple[DeviceRule, ...]:
    """Those that count, ours included: from the last one on that is about everything."""
    complete = (*rules, *DEFAULT_RULES)
    last = max((index for index, rule in enumerate(complete) if is_total(rule)), default=0)
    return complete[last:]


def is_total(rule: DeviceRule) -> bool:
    """Whether it is about every access to every device."""
    return rule.type == "a" and rule.major is None and rule.minor is None and set(rule.access) == set(ALL)


class DeviceList(Value):
    """What version 1 can hold: everything is allowed or nothing is, but for exceptions (cgroup-v1/devices.rst)."""

    allow: bool
    exceptions: tuple[tuple[_Key, str], ...]


def device_list(rules: Sequence[DeviceRule]) -> DeviceList:
    """The rules as version 1 can hold them; raises `CgroupError` where it cannot.

    A rule against the exceptions must take whole ones away, for the kernel keeps no exceptions of exceptions.
    """
    effective = effective_rules(rules)
    allow = is_total(effective[0]) and effective[0].allow
    exceptions: dict[_Key, str] = {}
    for rule in effective:
        for single in _by_type(rule) if not is_total(rule) else ():
            key = (single.type, single.major, single.minor)
            if single.allow != allow:
                exceptions[key] = _sorted(exceptions.get(key, "") + single.access)
            else:
                exceptions = dict(_without(exceptions, key, single.access))
    return DeviceList(allow, tuple(_joined(exceptions)))


def _by_type(rule: DeviceRule) -> tuple[DeviceRule, ...]:
    return (rule,) if rule.type != "a" else (replace(rule, type="c"), replace(rule, type="b"))


def _without(exceptions: dict[_Key, str], key: _Key, access: str) -> Iterator[tuple[_Key, str]]:
    for other, had in exceptions.items():
        if _covers(key, other):
            left = _sorted(set(had) - set(access))
            if left:
                yield other, left
        elif _covers(other, key) and set(had) & set(access):
            raise refuse("devices", f"version 1 of control groups cannot except {_text(key)} from {_text(other)}")
        else:
            yield other, had


def _joined(exceptions: dict[_Key, str]) -> Iterator[tuple[_Key, str]]:
    """One exception has to allow all that an access asks for, so the narrow ones take in what the wide ones say."""
    for key in exceptions:
        yield key, _sorted("".join(had for other, had in exceptions.items() if _covers(other, key)))


def _covers(wide: _Key, narrow: _Key) -> bool:
    return wide[0] == narrow[0] and all(one is None or one == other for one, other in zip(wide, narrow, strict=True))


def _sorted(access: str | set[str]) -> str:
    return "".join(letter for letter in ALL if letter in access)


def parse_device_list(text: str) -> DeviceList:
    """``devices.list``. When everything is allowed the kernel does not show the exceptions."""
    exceptions = []
    for line in text.splitlines():
        kind, numbers, access = line.split()
        if kind == "a":
            return DeviceList(True, ())  # noqa: FBT003
        major, minor = (None if number == "*" else int(number) for number in numbers.split(":"))
        exceptions.append(((kind, major, minor), access))
    return DeviceList(False, tuple(exceptions))  # noqa: FBT003


def plan_device_list(rules: Sequence[DeviceRule], now: str) -> tuple[Write, ...]:
    """From what ``devices.list`` holds to what the rules ask for, by way of nothing that allows more than either."""
    wanted, found = device_list(rules), parse_device_list(now)
    if wanted.allow:
        steps = [("allow", "a"), *(("deny", _line(*exception)) for exception in wanted.exceptions)]
    elif found.allow:
        steps = [("deny", "a"), *(("allow", _line(*exception)) for exception in wanted.exceptions)]
    else:
        steps = [("deny", _line(*exception)) for exception in _missing(found, wanted)]
        steps += [("allow", _line(*exception)) for exception in _missing(wanted, found)]
    optional = not rules
    return tuple(
        Write("devices", f"devices.{verb}", line, f"{PATH}.devices", optional=optional) for verb, line in steps
    )


def _missing(of: DeviceList, in_: DeviceList) -> Iterator[tuple[_Key, str]]:
    there = dict(in_.exceptions)
    for key, access in of.exceptions:
        lacking = _sorted(set(access) - set(there.get(key, "")))
        if lacking:
            yield key, lacking


def _line(key: _Key, access: str) -> str:
    return f"{_text(key)} {access}"


def _text(key: _Key) -> str:
    kind, *numbers = key
    return f"{kind} {':'.join('*' if number is None else str(number) for number in numbers)}"
