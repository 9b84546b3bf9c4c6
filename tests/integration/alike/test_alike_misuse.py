"""What cannot be done, asked of docker and of `tare`: the exit codes are equal, and so is the gist of what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.conversations import type_to_both

if TYPE_CHECKING:
    from tests.support.engine import Engine

pytestmark = [pytest.mark.root, pytest.mark.engines, pytest.mark.slow]

# A line, and words that both say; "there" runs, "ended" has ended.
MISUSES = [
    ("e inspect nothere", "no such object: nothere"),
    ("e logs nothere", "no such container: nothere"),
    ("e stop nothere", "no such container: nothere"),
    ("e start nothere", "no such container: nothere"),
    ("e rm nothere", "no such container: nothere"),
    ("e exec nothere true", "no such container: nothere"),
    ("e wait nothere", "no such container: nothere"),
    ("e cp nothere:/etc .", "no such container"),
    ("e rename nothere other", "no such container: nothere"),
    ("e kill ended", "is not running"),
    ("e exec ended true", "is not running"),
    ("e pause ended", "is not running"),
    ("e unpause there", "is not paused"),
    ("e rm there", "running container"),
    ("e rename there ended", "already in use"),
    ("e run --rm --name there $I true", "already in use"),
    ("e create --name there $I", "already in use"),
    ("e run --name -bad $I", "invalid container name"),
    ("e run --rm $I /nothing", "no such file or directory"),
    ("e run --rm $I nothing", "executable file not found"),
    ("e run --rm $I /etc/passwd", "permission denied"),
    ("e run --rm -w /etc/passwd $I true", "not a directory"),
    ("e run --rm -u nosuchuser $I true", "unable to find user nosuchuser: no matching entries in passwd file"),
    ("e run --rm --entrypoint '' $I", "no command specified"),
    ("e run --nope $I", "unknown flag: --nope"),
    ("e run", "requires at least 1 argument"),
    ("e create --nope $I", "unknown flag: --nope"),
    ("e ps --nope", "unknown flag: --nope"),
    ("e nope", "nope"),
    ("e exec there", "requires at least 2 arguments"),
    ("e run --rm --pull never localhost/nothere:1", "no such image: localhost/nothere:1"),
    ("e rmi localhost/nothere:1", "no such image: localhost/nothere:1"),
    ("e rmi $I", "conflict: unable to remove repository reference"),
    ("e tag localhost/nothere:1 other", "no such image: localhost/nothere:1"),
    ("e run --rm --network nothere $I", "network nothere not found"),
    ("e run --rm --network container:nothere $I", "no such container: nothere"),
    ("e run --rm --cap-add NOPE $I", "cap_nope"),
    ("e run --rm -m 1m $I", "minimum memory limit"),
    ("e run --rm -v relative/path:/x $I", "relative/path"),
    ("e run --rm -v /a:relative $I", "mount path must be absolute"),
    ("e run --rm --device /dev/nothere $I", "error gathering device information"),
    ("e run --rm -p 80:nope $I", "nope"),
    ("e run --rm --restart always $I", "conflicting options"),
    ("e run --rm --security-opt nope $I", "invalid --security-opt"),
    ("e kill -s NOPE there", "nope"),
    ("e network rm nothere", "nothere"),
    ("e network rm bridge", "pre-defined network"),
    ("e network create host", "operation is not permitted on predefined host network"),
    ("e volume rm nothere", "no such volume"),
    ("e volume create 'a b'", "includes invalid characters"),
    ("e port there 80", "no public port '80/tcp' published for there"),
    ("e update there", "must provide one or more flags"),
    ("e inspect -f '{{.Id' there", "template parsing error"),
]  # fmt: skip


@pytest.fixture(scope="module")
def answers(pair: tuple[Engine, Engine]) -> dict[str, tuple[tuple[str, int], ...]]:
    """By line, what each said in lower case and its exit code."""
    begin = ["e run -d --name there $I sleep 1000", "e run -d --name ended $I true", "e wait ended"]
    end = ["e rm -f there ended"]
    both = type_to_both(*pair, [*begin, *(line for line, _ in MISUSES), *end])
    return {
        theirs.line: tuple((" ".join(said.output).lower(), said.code) for said in (theirs, ours))
        for theirs, ours in zip(*both, strict=True)
    }


@pytest.mark.parametrize(("line", "words"), MISUSES)
def test_both_refuse_it(answers: dict[str, tuple[tuple[str, int], ...]], line: str, words: str) -> None:
    (theirs, their_code), (ours, our_code) = answers[line]
    assert (our_code, words in ours) == (their_code, True), (ours, theirs)
    assert words in theirs
    assert their_code != 0
