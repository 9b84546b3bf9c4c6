"""Build arguments: who may see which (docs.docker.com, "ARG", "Predefined ARGs", "Automatic platform ARGs")."""

from __future__ import annotations

from runtime.build.state import host_platform
from runtime.build.words import expand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.build.instructions import Instruction

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
PREDEFINED = frozenset((*_PROXIES, *(name.lower() for name in _PROXIES)))
"""Known to a RUN without an ARG, and then no part of what the cache is asked for."""


def platform_arguments() -> dict[str, str]:
    """Of this host, which is what is built on, and for."""
    platform = host_platform()
    variant = platform.get("variant", "")
    whole = "/".join(filter(None, (platform["os"], platform["architecture"], variant)))
    parts = {"PLATFORM": whole, "OS": platform["os"], "ARCH": platform["architecture"], "VARIANT": variant}
    return {f"{side}{name}": content for side in ("BUILD", "TARGET") for name, content in parts.items()}


class Arguments:
    """All of one build: what the user gave, and what ARGs before the first FROM say."""

    def __init__(self, given: Mapping[str, str], escape: str) -> None:
        self.given = dict(given)
        self.escape = escape
        self._platform = platform_arguments()
        self._before: dict[str, str] = {}
        self.used: set[str] = set()

    def declare(self, instruction: Instruction) -> None:
        """One ARG before the first FROM; raises ValueError."""
        for word in instruction.words:
            name, equals, content = word.partition("=")
            default = expand(content, self.for_images(), self.escape) if equals else None
            value = self._value(name, default)
            if value is not None:
                self._before[name] = value

    def for_images(self) -> dict[str, str]:
        """The variables of FROM."""
        return self._platform | self._before

    def image(self, word: str) -> str:
        """What a FROM names; raises ValueError."""
        name = expand(word, self.for_images(), self.escape)
        if not name:
            raise ValueError(f"base name ({word}) should not be blank")
        return name

    def stage(self) -> StageArguments:
        """Those of one stage, of which none is declared."""
        return StageArguments(self)

    def inherited(self, name: str) -> str | None:
        """What an ARG without a default gets."""
        return self._before.get(name, self._platform.get(name))

    def _value(self, name: str, default: str | None) -> str | None:
        self.used.add(name)
        return self.given.get(name, default)

    def value(self, name: str, default: str | None) -> str | None:
        """What an ARG of a stage comes to: the user's word, its own default, or that of before the first FROM."""
        found = self._value(name, default)
        return self.inherited(name) if found is None else found

    @property
    def unused(self) -> tuple[str, ...]:
        """What was given and no ARG has named."""
        return tuple(name for name in self.given if name not in self.used | PREDEFINED)


class StageArguments:
    """Those that the ARGs of one stage have declared so far."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._declared: dict[str, str | None] = {}

    def declare(self, instruction: Instruction, variables: Mapping[str, str]) -> str:
        """One ARG of the stage; its words for the history. Raises ValueError."""
        shown: list[str] = []
        for word in instruction.words:
            name, equals, content = word.partition("=")
            name = expand(name, variables, self._arguments.escape)
            if not name:
                raise ValueError("ARG names can not be blank")
            default = expand(content, variables, self._arguments.escape) if equals else None
            self._declared[name] = self._arguments.value(name, default)
            shown.append(name if default is None else f"{name}={default}")
        return f"ARG {' '.join(shown)}"

    def visible(self, env: Mapping[str, str]) -> dict[str, str]:
        """What instructions see besides the environment, which comes first."""
        given = {name: content for name, content in self._arguments.given.items() if name in PREDEFINED}
        declared = {name: content for name, content in self._declared.items() if content is not None}
        return {name: content for name, content in (given | declared).items() if name not in env}

    def counted(self, env: Mapping[str, str]) -> dict[str, str]:
        """Of these what makes a RUN another one: not the predefined ones that no ARG names."""
        return {name: content for name, content in self.visible(env).items() if name in self._declared}
