"""The instructions that make no files: each changes a `State` and returns its words for the history."""

from __future__ import annotations

import os

from runtime.build.durations import go_duration, parse_duration
from runtime.build.ports import parse_ports
from runtime.build.state import go_list, go_quoted
from runtime.build.words import expand, expand_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.build.instructions import Instruction
    from runtime.build.state import State


class Setting:
    """One instruction, the state that it changes, and the variables that may stand in it."""

    def __init__(self, instruction: Instruction, state: State, variables: Mapping[str, str], escape: str) -> None:
        self.words = instruction.words
        self.instruction = instruction
        self.state = state
        self._variables = variables
        self._escape = escape

    def expand(self, word: str) -> str:
        """With variables in place; raises ValueError."""
        return expand(word, self._variables, self._escape)

    def pairs(self) -> list[tuple[str, str]]:
        """Of names and contents."""
        return [(self.expand(name), self.expand(content)) for name, content in self.instruction.pairs]

    def command(self) -> list[str]:
        """The words of a command; one that is no list is the shell's."""
        if self.instruction.exec_form:
            return list(self.words)
        return [*self.state.shell, *self.words] if self.words else []

    def ports(self) -> list[str]:
        """The one place where a variable may hold several words."""
        return [port for word in sorted(self.words) for port in expand_words(word, self._variables, self._escape)]


def _env(setting: Setting) -> str:
    pairs = setting.pairs()
    for name, content in pairs:
        if not name:
            raise ValueError("ENV names can not be blank")
        setting.state.set_env(name, content)
    return " ".join(("ENV", *(f"{name}={content}" for name, content in pairs)))


def _label(setting: Setting) -> str:
    pairs = setting.pairs()
    if not all(name for name, _ in pairs):
        raise ValueError("LABEL names can not be blank")
    setting.state.put("Labels", {**(setting.state.config.get("Labels") or {}), **dict(pairs)})
    return " ".join(("LABEL", *(f"{name}={content}" for name, content in pairs)))


def _maintainer(setting: Setting) -> str:
    setting.state.document["author"] = setting.words[0]
    return f"MAINTAINER {setting.words[0]}"


def _user(setting: Setting) -> str:
    user = setting.expand(setting.words[0])
    setting.state.put("User", user)
    return f"USER {user}"


def _workdir(setting: Setting) -> str:
    """The directory itself is made by the builder."""
    path = setting.expand(setting.words[0])
    if not path:
        raise ValueError("cannot normalize nothing")
    absolute = os.path.normpath(os.path.join(setting.state.working_dir, path)).replace("//", "/")
    setting.state.put("WorkingDir", absolute)
    return f"WORKDIR {absolute}"


def _cmd(setting: Setting) -> str:
    command = setting.command()
    setting.state.put("Cmd", command)
    setting.state.cmd_is_own = bool(command)
    return f"CMD {go_list(command)}"


def _entrypoint(setting: Setting) -> str:
    """What the image below runs was for another entrypoint, so it is forgotten."""
    command = setting.command()
    setting.state.put("Entrypoint", command)
    if not setting.state.cmd_is_own:
        setting.state.put("Cmd", None)
    return f"ENTRYPOINT {go_list(command)}"


def _expose(setting: Setting) -> str:
    ports = setting.ports()
    exposed = {**(setting.state.config.get("ExposedPorts") or {}), **{port: {} for port in parse_ports(ports)}}
    setting.state.put("ExposedPorts", exposed)
    return f"EXPOSE {' '.join(ports)}"


def _volume(setting: Setting) -> str:
    paths = [setting.expand(word) for word in setting.words]
    if not all(paths):
        raise ValueError("VOLUME specified can not be an empty string")
    volumes = {**(setting.state.config.get("Volumes") or {}), **{path: {} for path in paths}}
    setting.state.put("Volumes", volumes)
    return f"VOLUME [{' '.join(paths)}]"


def _stop_signal(setting: Setting) -> str:
    from runtime.container.errors import ContainerError
    from runtime.container.signal_names import parse_signal

    name = setting.expand(setting.words[0])
    try:
        parse_signal(name)
    except ContainerError as error:
        raise ValueError(str(error)) from None
    setting.state.put("StopSignal", name)
    return f"STOPSIGNAL {name}"


def _shell(setting: Setting) -> str:
    setting.state.put("Shell", list(setting.words))
    return f"SHELL [{' '.join(setting.words)}]"


def _on_build(setting: Setting) -> str:
    text = setting.words[0]
    setting.state.put("OnBuild", [*(setting.state.config.get("OnBuild") or ()), text])
    return f"ONBUILD {text}"


_TIMES = {
    "interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod", "start-interval": "StartInterval"
}  # fmt: skip


def _healthcheck(setting: Setting) -> str:
    instruction, test = setting.instruction, ["NONE"]
    if setting.words[0] != "NONE":
        test = [("CMD" if instruction.exec_form else "CMD-SHELL"), *setting.words[1:]]
    times = {_TIMES[name]: parse_duration(name, text) for name, text in instruction.flags if name in _TIMES}
    retries = _retries(instruction.flag("retries"))
    setting.state.put("Healthcheck", {"Test": test, **{name: ns for name, ns in times.items() if ns},
                                      **({"Retries": retries} if retries else {})})  # fmt: skip
    shown = [go_quoted(go_duration(times.get(name, 0))) for name in ("Interval", "Timeout", "StartPeriod")]
    if instruction.flag("start-interval"):
        shown.append(go_quoted(go_duration(times["StartInterval"])))
    return f"HEALTHCHECK &{{{go_list(test)} {' '.join(shown)} {_go_rune(retries)}}}"


def _retries(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"--retries must be a number of at least 0, not {text!r}")
    return int(text)


def _go_rune(number: int) -> str:
    """A number as Go's ``%q`` prints it: as the character that it stands for."""
    named = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 39: "\\'", 92: "\\\\"}
    if number in named:
        return f"'{named[number]}'"
    character = chr(number) if number < 0x110000 else "\ufffd"
    if character.isprintable():
        return f"'{character}'"
    return f"'\\x{number:02x}'" if number < 0x80 else f"'\\u{number:04x}'"


SETTINGS: dict[str, Callable[[Setting], str]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _on_build,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
"""By keyword. Each raises ValueError for what makes no sense."""
