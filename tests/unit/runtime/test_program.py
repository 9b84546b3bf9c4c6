"""A table of system calls does the same whether machine code or Python makes the calls."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path

import pytest

from runtime.linux.interpreter import Program
from runtime.linux.program import ANY_ERRNO, AnyErrno, Assembly, At, Call, Failure, LengthOf, Memory, Slot, Vector
from runtime.process.clone import Birth, LaunchError, bear, spawn

_AT_FDCWD = -100
_EEXIST = 17


@pytest.fixture(params=[False, True], ids=["machine code", "plain"])
def plain(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def run(*calls: Call, plain: bool) -> int:
    """The exit status of a child that makes the calls, of which the last executes."""
    child = spawn(calls, plain=plain)
    try:
        result = os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
        assert result is not None
        return result.si_status
    finally:
        os.close(child.pidfd)


def children() -> set[str]:
    return {pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


def execute(*argv: str) -> Call:
    return Call(f"execute {argv[0]}", "execve", (argv[0].encode(), Vector(tuple(map(str.encode, argv))), Vector(())))


def make_directory(path: Path, allowed: tuple[int, ...] | AnyErrno = ()) -> Call:
    return Call(f"make {path}", "mkdirat", (_AT_FDCWD, bytes(path), 0o755), allowed)


def test_calls_are_made_in_order_and_the_last_executes(tmp_path: Path, plain: bool) -> None:
    makes = (make_directory(tmp_path / "a"), make_directory(tmp_path / "a/b"))
    status = run(*makes, execute("/bin/sh", "-c", "exit 7"), plain=plain)
    assert (tmp_path / "a/b").is_dir()
    assert status == 7


def test_the_failing_call_is_named_and_none_after_it_is_made(tmp_path: Path, plain: bool) -> None:
    with pytest.raises(LaunchError, match=r"make .*/missing/a: no such file or directory"):
        run(make_directory(tmp_path / "missing/a"), make_directory(tmp_path / "b"), execute("/bin/true"), plain=plain)
    assert not (tmp_path / "b").exists()


def test_a_program_that_is_not_there_is_named(plain: bool) -> None:
    with pytest.raises(LaunchError, match="execute /nowhere/program: no such file or directory"):
        run(execute("/nowhere/program"), plain=plain)


def test_the_allowed_errno_is_no_failure_and_another_is(tmp_path: Path, plain: bool) -> None:
    (tmp_path / "there").mkdir()
    assert run(make_directory(tmp_path / "there", (_EEXIST,)), execute("/bin/true"), plain=plain) == 0
    with pytest.raises(LaunchError, match="file exists"):
        run(make_directory(tmp_path / "there"), execute("/bin/true"), plain=plain)


def test_a_result_becomes_the_argument_of_a_later_call(tmp_path: Path, plain: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    opened = Call("open", "openat", (_AT_FDCWD, bytes(tmp_path / "file"), flags, 0o600))
    other = Call("open", "openat", (_AT_FDCWD, bytes(tmp_path / "other"), flags, 0o600))
    wrote = Call("write", "write", (opened, b"content", len(b"content")))
    assert run(other, opened, wrote, execute("/bin/true"), plain=plain) == 0
    assert (tmp_path / "file").read_bytes() == b"content"
    assert (tmp_path / "other").read_bytes() == b""


def test_copy_moves_bytes_between_places_in_memory(tmp_path: Path, plain: bool) -> None:
    text = Memory(b"abcdef")
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    opened = Call("open", "openat", (_AT_FDCWD, bytes(tmp_path / "file"), flags, 0o600))
    calls = (Call("copy", "copy", (At(text, 0), At(text, 4), 2)), opened, Call("write", "write", (opened, text, 6)))
    run(*calls, execute("/bin/true"), plain=plain)
    assert (tmp_path / "file").read_bytes() == b"efcdef"


@pytest.mark.parametrize(("error", "words"), [(-17, "file exists"), (-97, "address family not supported by protocol")])
def test_check_fails_with_the_error_that_a_reply_holds(error: int, words: str, plain: bool) -> None:
    reply = Memory(b"head" + struct.pack("=i", error))
    with pytest.raises(LaunchError, match=f"configure: {words}"):
        run(Call("configure", "check", (At(reply, 4),)), execute("/bin/true"), plain=plain)


def test_check_passes_a_reply_without_error(plain: bool) -> None:
    reply = Memory(b"head" + struct.pack("=i", 0))
    assert run(Call("configure", "check", (At(reply, 4),)), execute("/bin/true"), plain=plain) == 0


def test_a_failed_child_leaves_neither_zombie_nor_descriptor(plain: bool) -> None:
    before = {fd.name for fd in Path("/proc/self/fd").iterdir()}
    born_before = children()
    for _ in range(3):
        with pytest.raises(LaunchError):
            run(execute("/nowhere/program"), plain=plain)
    assert {fd.name for fd in Path("/proc/self/fd").iterdir()} == before
    assert children() == born_before


def test_handlers_of_ours_do_not_reach_the_child(plain: bool) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        assert run(execute("/bin/sh", "-c", "kill -USR1 $$; exit 0"), plain=plain) == signal.SIGUSR1
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_memory_is_one_place_for_all_who_hold_it() -> None:
    shared = Memory(b"12345678")
    assembly = Assembly((Call("a", "copy", (shared, At(shared, 4), 4)), Call("b", "check", (At(shared, 0),))))
    assert assembly.at(0x1000).count(b"12345678") == 1


def test_pointers_in_memory_lead_to_what_they_name(tmp_path: Path, plain: bool) -> None:
    """As writev(2) follows them."""
    vector = Memory(struct.pack("=4q", 0, 3, 0, 3), ((0, b"abc"), (16, b"def")))
    opened = Call("open", "openat", (_AT_FDCWD, bytes(tmp_path / "file"), os.O_WRONLY | os.O_CREAT, 0o600))
    message = Memory(struct.pack("=2q2qqqq", 0, 0, 0, 2, 0, 0, 0), ((16, vector),))
    assert run(opened, Call("write", "writev", (opened, At(vector, 0), 2)), execute("/bin/true"), plain=plain) == 0
    assert (tmp_path / "file").read_bytes() == b"abcdef"
    assert len(Assembly((Call("send", "sendmsg", (0, message, 0)),))) > len(message.content)


def test_calls_are_left_out_after_success_and_after_an_allowed_errno(tmp_path: Path, plain: bool) -> None:
    def branch(path: Path) -> tuple[Call, ...]:
        made = Call("make", "mkdirat", (_AT_FDCWD, bytes(path), 0o755), (_EEXIST,), leave_out=2, otherwise=1)
        named = [f"{path.name}-{word}".encode() for word in ("always", "existed", "end")]
        opened = [
            Call("open", "openat", (_AT_FDCWD, bytes(tmp_path) + b"/" + name, os.O_CREAT | os.O_WRONLY, 0o600))
            for name in named
        ]
        return (made, *opened)

    (tmp_path / "old").mkdir()
    run(*branch(tmp_path / "old"), *branch(tmp_path / "new"), execute("/bin/true"), plain=plain)
    assert {path.name for path in tmp_path.iterdir()} == {"old", "new", "old-existed", "old-end", "new-end"}


def test_what_is_left_out_counts_calls_and_not_the_copying_of_results(tmp_path: Path, plain: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    opened = Call("open", "openat", (_AT_FDCWD, bytes(tmp_path / "file"), flags, 0o600), leave_out=1)
    wrong, right = (Call("write", "write", (opened, text, 1)) for text in (b"w", b"r"))
    assert run(opened, wrong, right, execute("/bin/true"), plain=plain) == 0
    assert (tmp_path / "file").read_bytes() == b"r"


def test_any_errno_can_be_no_failure(tmp_path: Path, plain: bool) -> None:
    (tmp_path / "file").write_text("")
    tolerant = [make_directory(tmp_path / name, ANY_ERRNO) for name in ("missing/a", "file/a", "file", "made")]
    assert run(*tolerant, execute("/bin/true"), plain=plain) == 0
    assert (tmp_path / "made").is_dir()


def test_a_program_is_executed_again_with_other_bytes_in_its_slots(tmp_path: Path, plain: bool) -> None:
    path, content = Slot(4095), Slot(16)
    opened = Call("open", "openat", (_AT_FDCWD, path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), about=path)
    wrote = Call("write", "write", (opened, content, LengthOf(content)))
    program = Program((opened, wrote, Call("close", "close", (opened,)), Call("return", "return")))
    for name, text in (("first", b"a longer text"), ("second", b"short"), ("first", b"x")):
        program.put(path, bytes(tmp_path / name))
        program.put(content, text)
        program.execute(plain=plain)
        assert program.result(wrote) == len(text)
    assert (tmp_path / "first").read_bytes() == b"x longer text"
    assert (tmp_path / "second").read_bytes() == b"short"
    program.put(path, bytes(tmp_path / "missing/x"))
    with pytest.raises(Failure, match=r"^open .*/missing/x: no such file or directory$"):
        program.execute(plain=plain)
    assert [program.succeeded(call) for call in (opened, wrote)] == [False, False]
    with pytest.raises(ValueError, match="17 bytes do not fit into 16"):
        program.put(content, bytes(17))


def test_one_program_makes_the_parents_calls_and_the_childs(tmp_path: Path, plain: bool) -> None:
    child = (make_directory(tmp_path / "child"), execute("/bin/sh", "-c", "exit 7"))
    birth = Birth(child, 0)
    before, after = make_directory(tmp_path / "before"), make_directory(tmp_path / "after")
    program = Program((before, birth.call, *child, after, Call("return", "return")))
    born = bear(program, birth, plain=plain)
    result = os.waitid(os.P_PIDFD, born.pidfd, os.WEXITED)
    os.close(born.pidfd)
    assert result is not None
    assert (result.si_pid, result.si_status) == (born.pid, 7)
    assert {path.name for path in tmp_path.iterdir()} == {"before", "child", "after"}


def test_what_fails_before_the_birth_returns_and_what_fails_in_the_child_ends_only_that(
    tmp_path: Path, plain: bool
) -> None:
    missing = Slot(4095)
    early, late = (Call(word, "mkdirat", (_AT_FDCWD, missing, 0o755)) for word in ("early", "late"))
    after = make_directory(tmp_path / "after")
    child = (late, execute("/bin/true"))
    birth = Birth(child, 0)
    calls = {"early": (early, birth.call, *child), "late": (birth.call, *child, after)}
    born_before = children()
    for word, these in calls.items():
        program = Program((*these, Call("return", "return")))
        program.put(missing, bytes(tmp_path / "missing/x"))
        with pytest.raises(LaunchError, match=f"^{word}: no such file or directory$"):
            bear(program, birth, plain=plain)
        assert program.succeeded(birth.call) == (word == "late")
    assert (tmp_path / "after").is_dir()
    assert children() <= born_before
