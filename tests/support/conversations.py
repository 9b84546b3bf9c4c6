"""The same lines typed to two engines, and what both said in a form in which it can be compared."""

from __future__ import annotations

import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from difflib import unified_diff
from typing import TYPE_CHECKING, NamedTuple

from tests.support.engine import IMAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.engine import Engine

_MARK = "=== "
# What two engines, or one engine twice, say differently of the same thing; the order matters.
_MADE_UP: tuple[tuple[str, str], ...] = (
    (r"(sha256:)?\b[0-9a-f]{64}\b", "ID"),
    (r"\b[0-9a-f]{12}\b", "ID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( \+0000 UTC)?", "TIME"),
    (r"(About an?|Less than a|\d+) (second|minute|hour)s?( ago)?", "AGE"),
    (r"\b127\.0\.0\.1:\d{4,5}\b", "127.0.0.1:PORT"),
    (r"\b(172|10|192|198)(\.\d{1,3}){3}\b", "ADDRESS"),
    (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC"),
    (r"/tmp/tmp\.\w+", "HERE"),
    (r"^(docker|tare): ", ""),
    (r"^Error: ", ""),
    (r"^Error response from daemon: ", ""),
    (r"^(failed to start containers: .*|See '.* --help'\.)\n", ""),
    (r"^Invalid filter", "invalid filter"),
    (r"^No public port", "no public port"),
    (r"does not exist: (\S+)\.$", r"does not exist: \1"),
    (r"\b(docker|tare)\b", "ENGINE"),
    (r"[ \t]+$", ""),
    (r" {2,}|\t", "  "),
)


class Said(NamedTuple):
    """A line, what came of it, and how it ended."""

    line: str
    output: tuple[str, ...]
    code: int


def normal(text: str) -> str:
    """Without what was made up."""
    for pattern, word in _MADE_UP:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text


def type_lines(engine: Engine, lines: Sequence[str], timeout_s: float = 120) -> list[Said]:
    """A shell that knows the engine as ``e`` and the image as ``$I`` is given the lines, one after the other."""
    script = [f'e() {{ {shlex.join(engine.prefix)} "$@"; }}', f"I={IMAGE}", "exec 2>&1", "cd $(mktemp -d)"]
    for line in lines:
        script += [line, f'printf "\\n{_MARK}%s\\n" $?']
    script.append('rm -r "$PWD"')
    done = engine.host.call("sh", "-c", "\n".join(script), code=None, timeout_s=timeout_s)
    parts = re.split(rf"\n{_MARK}(\d+)\n", done.stdout)
    said = zip(lines, parts[::2], parts[1::2], strict=False)
    return [Said(line, tuple(normal(text).splitlines()), int(code)) for line, text, code in said]


def type_to_both(docker: Engine, tare: Engine, lines: Sequence[str]) -> tuple[list[Said], list[Said]]:
    """At the same time, for each has its own containers."""
    with ThreadPoolExecutor(2) as pool:
        theirs, ours = pool.map(lambda engine: type_lines(engine, lines), (docker, tare))
    assert len(theirs) == len(ours) == len(lines)
    return theirs, ours


def differences(theirs: Sequence[Said], ours: Sequence[Said]) -> str:
    """Of each line that came out otherwise, what did; empty if none did."""
    found = []
    for one, other in zip(theirs, ours, strict=True):
        if one != other:
            before, after = ([*said.output, f"[{said.code}]"] for said in (one, other))
            found += [f"$ {one.line}", *unified_diff(before, after, "docker", "tare", lineterm="", n=0)]
    return "\n".join(found)
