"""From a FIFO to the log: rotation, and every byte once although the writer dies between any two steps."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.supervision.life import Life, Phase
from runtime.supervision.logs import follow, read_logs
from runtime.supervision.record import Place, Record
from runtime.supervision.terms import LogLimits, Terms
from runtime.supervision.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = LogLimits(None, 1)


class Pipe:
    """A FIFO that both ends of are ours."""

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def end(self) -> None:
        os.close(self.writes)
        self.writes = -1

    def close(self) -> None:
        for fd in {self.reads, self.writes} - {-1}:
            os.close(fd)


def place_at(directory: Path) -> Place:
    directory.mkdir(exist_ok=True)
    return Place(str(directory), "c")


def told(place: Place, stream: str = "stdout") -> bytes:
    return b"".join(entry.content for entry in read_logs(place) if entry.stream == stream)


def log_names(place: Place) -> list[str]:
    return sorted(path.name for path in Path(place.directory).glob("log.json*"))


def size_of(place: Place, name: str) -> int:
    return Path(place.path(name)).stat().st_size


def write_lines(transcript: Transcript, numbers: range) -> None:
    pipe = Pipe()
    for number in numbers:
        os.write(pipe.writes, b"line %d\n" % number)
        transcript.take("stdout", pipe.reads)
    pipe.close()


def test_a_line_is_logged_once_it_is_whole(tmp_path: Path) -> None:
    place, pipe = place_at(tmp_path / "c"), Pipe()
    transcript = Transcript(place.directory, ALL)
    os.write(pipe.writes, b"hel")
    assert transcript.take("stdout", pipe.reads) == 3
    assert told(place) == b""
    os.write(pipe.writes, b"lo\nrest")
    transcript.take("stdout", pipe.reads)
    assert told(place) == b"hello\n"
    assert transcript.take("stdout", pipe.reads) == 0
    pipe.end()
    assert transcript.take("stdout", pipe.reads) is None
    transcript.finish()
    assert told(place) == b"hello\nrest"
    transcript.close()
    pipe.close()


def test_files_are_put_aside_by_size(tmp_path: Path) -> None:
    place = place_at(tmp_path / "c")
    transcript = Transcript(place.directory, LogLimits(4096, 3))
    write_lines(transcript, range(1000))
    transcript.close()
    newest = max(int(name.rpartition(".")[2]) for name in log_names(place)[1:])
    assert log_names(place) == ["log.json", f"log.json.{newest - 1}", f"log.json.{newest}"]
    assert all(size_of(place, name) <= 4096 for name in log_names(place))
    kept = [int(entry.content.split()[1]) for entry in read_logs(place)]
    assert kept == list(range(kept[0], 1000))
    assert len(kept) > 100


def test_one_file_may_be_all_there_is(tmp_path: Path) -> None:
    place = place_at(tmp_path / "c")
    transcript = Transcript(place.directory, LogLimits(4096, 1))
    write_lines(transcript, range(500))
    transcript.close()
    assert log_names(place) == ["log.json"]
    assert told(place).endswith(b"line 499\n")


def test_an_entry_longer_than_a_file_has_one_of_its_own(tmp_path: Path) -> None:
    place, pipe = place_at(tmp_path / "c"), Pipe()
    transcript = Transcript(place.directory, LogLimits(4096, 5))
    content = b"x" * 10_000 + b"\n"
    os.write(pipe.writes, b"before\n" + content + b"behind\n")
    transcript.take("stdout", pipe.reads)
    transcript.close()
    pipe.close()
    assert told(place) == b"before\n" + content + b"behind\n"
    assert len(log_names(place)) == 3


@pytest.mark.parametrize("count", [0, 1, 2, 99, 100, 5000])
def test_the_last_entries(tmp_path: Path, count: int) -> None:
    place = place_at(tmp_path / "c")
    transcript = Transcript(place.directory, LogLimits(20_000, 10))
    write_lines(transcript, range(1000))
    transcript.close()
    numbers = [int(entry.content.split()[1]) for entry in read_logs(place, tail=count)]
    assert numbers == list(range(max(1000 - count, 0), 1000))


def test_what_came_since_a_moment(tmp_path: Path) -> None:
    place = place_at(tmp_path / "c")
    transcript = Transcript(place.directory, ALL)
    write_lines(transcript, range(10))
    moment = list(read_logs(place))[4].taken_at_ns
    assert len(list(read_logs(place, since_ns=moment))) == 6
    assert list(read_logs(place, since_ns=moment + 10**18)) == []
    transcript.close()


def test_the_spool_stays_small(tmp_path: Path) -> None:
    place, pipe = place_at(tmp_path / "c"), Pipe()
    transcript = Transcript(place.directory, LogLimits(1 << 20, 2))
    for _ in range(200):
        os.write(pipe.writes, b"y" * 29_999 + b"\nbegun")
        transcript.take("stdout", pipe.reads)
        assert size_of(place, "stdout.spool") < (1 << 20) + (1 << 17)
    transcript.close()
    pipe.close()


class Died(BaseException):
    """The writer was killed."""


class Mortal:
    """Dies at the n-th step that it takes on disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, steps: int, cut: int) -> None:
        self.steps, self.cut = steps, cut
        for name in ("splice", "write", "pwrite", "rename", "ftruncate", "unlink"):
            monkeypatch.setattr(os, name, self.mortal(name, getattr(os, name)))

    def mortal(self, name: str, real: object) -> object:
        def step(*args: object, **named: object) -> object:
            self.steps -= 1
            if self.steps == 0:
                if name == "write" and isinstance(args[1], bytes):  # a write to a file may be cut short by SIGKILL
                    real(args[0], args[1][: len(args[1]) * self.cut // 10])  # type: ignore[operator]
                raise Died
            return real(*args, **named)  # type: ignore[operator]

        return step


@pytest.fixture(scope="module", autouse=True)
def small_spools() -> Iterator[None]:
    """Spools that are begun anew often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runtime.supervision.spool._MUCH", 64)
        yield


def check_with_deaths(directory: Path, chunks: list[tuple[str, bytes]], deaths: list[tuple[int, int]]) -> None:
    """Log all the chunks, and die after so many steps with so much of a write done; then go on, and count."""
    place, limits = place_at(directory / "c"), LogLimits(4096, 1000)
    pipes = {"stdout": Pipe(), "stderr": Pipe()}
    queue = list(deaths)
    for stream, content in chunks:
        if content:
            os.write(pipes[stream].writes, content)
        steps, cut = queue.pop() if queue else (0, 0)
        with pytest.MonkeyPatch.context() as patch:
            Mortal(patch, steps, cut)
            with contextlib.suppress(Died), contextlib.closing(Transcript(place.directory, limits)) as transcript:
                for name, pipe in pipes.items():
                    transcript.take(name, pipe.reads)
    transcript = Transcript(place.directory, limits)
    for stream, pipe in pipes.items():
        while transcript.take(stream, pipe.reads):
            pass
        pipe.close()
    transcript.finish()
    transcript.close()
    for stream in pipes:
        assert told(place, stream) == b"".join(content for name, content in chunks if name == stream)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chunks=st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(max_size=60) | st.just(b"y\n" * 90))),
    deaths=st.lists(st.tuples(st.integers(1, 12), st.integers(0, 10)), max_size=6),
)
def test_every_byte_is_logged_once_whenever_the_writer_dies(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[str, bytes]], deaths: list[tuple[int, int]]
) -> None:
    check_with_deaths(tmp_path_factory.mktemp("once"), chunks, deaths)


@pytest.mark.parametrize("cut", [0, 3, 10])
@pytest.mark.parametrize("steps", range(1, 16))
def test_no_step_is_a_bad_one_to_die_at(tmp_path: Path, steps: int, cut: int) -> None:
    chunks = [("stdout", b"%d-%d\nbegun" % (number, number) * 30) for number in range(6)]
    check_with_deaths(tmp_path, chunks, [(steps, cut)] * 3)


def test_a_follower_sees_every_line_once_across_files(tmp_path: Path) -> None:
    place = place_at(tmp_path / "c")
    place.write(Record(Terms("c", "/b"), Life(phase=Phase.RUNNING)))
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.extend(int(entry.content.split()[1]) for entry in follow(place)))
    reader.start()
    transcript = Transcript(place.directory, LogLimits(4096, 500))
    write_lines(transcript, range(5000))
    transcript.close()
    place.write(Record(Terms("c", "/b"), Life(phase=Phase.EXITED)))
    reader.join(30)
    assert seen == list(range(5000))


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, pipe = place_at(tmp_path / "c"), Pipe()
    transcript = Transcript(place.directory, ALL)
    real = os.write

    def full(fd: int, content: bytes) -> int:
        if len(content) > 30:
            return real(fd, content[:30])
        raise OSError(28, "No space left on device")

    os.write(pipe.writes, b"one\n")
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        transcript.take("stdout", pipe.reads)
    assert size_of(place, "log.json") == 0
    monkeypatch.undo()
    os.write(pipe.writes, b"two\n")
    transcript.take("stdout", pipe.reads)
    assert told(place) == b"one\ntwo\n"
    transcript.close()
    pipe.close()
