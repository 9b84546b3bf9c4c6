"""``linux.seccomp`` of a config.json (runtime-spec, config-linux.md, "Seccomp")."""

from __future__ import annotations

import errno

from runtime.linux import libseccomp, seccomp
from runtime.linux.seccomp import Argument, Rule, Seccomp
from runtime.spec.reader import U64, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS: Mapping[str, int] = {
    "SCMP_ACT_KILL": seccomp.RET_KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": seccomp.RET_KILL_PROCESS,
    "SCMP_ACT_KILL_THREAD": seccomp.RET_KILL_THREAD,
    "SCMP_ACT_TRAP": seccomp.RET_TRAP,
    "SCMP_ACT_ERRNO": seccomp.RET_ERRNO,
    "SCMP_ACT_TRACE": seccomp.RET_TRACE,
    "SCMP_ACT_ALLOW": seccomp.RET_ALLOW,
    "SCMP_ACT_LOG": seccomp.RET_LOG,
    "SCMP_ACT_NOTIFY": seccomp.RET_USER_NOTIF,
}
_DATA = {
    "SCMP_ACT_ERRNO": (0, 4095),  # MAX_ERRNO: the kernel makes more of it
    "SCMP_ACT_TRACE": (0, 0xFFFF),
}
FLAGS: Mapping[str, int] = {
    "SECCOMP_FILTER_FLAG_TSYNC": seccomp.FLAG_TSYNC,
    "SECCOMP_FILTER_FLAG_LOG": seccomp.FLAG_LOG,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": seccomp.FLAG_SPEC_ALLOW,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": seccomp.FLAG_WAIT_KILLABLE_RECV,
}
OPERATORS = {"SCMP_CMP_" + name.upper(): name for name in ("ne", "lt", "le", "eq", "ge", "gt", "masked_eq")}
_ARGUMENTS = (0, 5)


def parse_seccomp(value: object, path: str = "linux.seccomp") -> Seccomp:
    """The decoded object as a value; raises `SpecError`."""
    reader = Reader(value, path)
    default = _action(reader, "defaultAction", "defaultErrnoRet")
    if default == seccomp.RET_USER_NOTIF:
        raise reader.error("defaultAction", "SCMP_ACT_NOTIFY would stop the runtime itself, before it can tell anybody")
    flags = 0
    for flag in reader.choices("flags", FLAGS, "flag of a seccomp filter"):
        flags |= FLAGS[flag]
    return Seccomp(
        default_action=default,
        rules=tuple(_rule(entry) for entry in reader.objects("syscalls")),
        architectures=reader.choices("architectures", libseccomp.NAMES, "architecture of system calls"),
        flags=flags,
        listener_path=_listener(reader),
        listener_metadata=reader.string("listenerMetadata"),
    )


def _action(reader: Reader, name: str, errno_name: str) -> int:
    """An errno for an action that has none must fail; for one that has, EPERM is the default."""
    action = reader.choice(name, ACTIONS, "action of seccomp")
    if action in _DATA:
        data = reader.integer(errno_name, _DATA[action])
        return ACTIONS[action] | (errno.EPERM if data is None else data)
    if reader.get(errno_name) is not None:
        raise reader.error(errno_name, f"is of no use to {action}")
    return ACTIONS[action]


def _rule(reader: Reader) -> Rule:
    names = reader.strings("names")
    if not names:
        raise reader.error("names", "is missing or empty: no system call to match")
    if "" in names:
        raise reader.error(f"names[{names.index('')}]", "is empty")
    action = _action(reader, "action", "errnoRet")
    if action == seccomp.RET_USER_NOTIF and "write" in names:
        # As runc has it: what is left to do before the program starts may have to be told to somebody.
        raise reader.error("action", "SCMP_ACT_NOTIFY for write would stop the runtime itself")
    return Rule(names, action, tuple(_argument(entry) for entry in reader.objects("args")))


def _argument(reader: Reader) -> Argument:
    return Argument(
        index=reader.required_integer("index", _ARGUMENTS),
        op=OPERATORS[reader.choice("op", OPERATORS, "operator of seccomp")],
        value=reader.required_integer("value", U64),
        value_two=reader.integer("valueTwo", U64) or 0,
    )


def _listener(reader: Reader) -> str | None:
    path = reader.string("listenerPath")
    if path is not None:
        return path
    if reader.string("listenerMetadata") is not None:
        raise reader.error("listenerMetadata", "is of no use without listenerPath")
    for index, entry in enumerate(reader.objects("syscalls")):
        if entry.get("action") == "SCMP_ACT_NOTIFY":
            raise reader.error("listenerPath", f"is missing, and SCMP_ACT_NOTIFY of syscalls[{index}] needs it")
    return None
