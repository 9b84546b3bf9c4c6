"""Our context managers do what contextlib's do: the same tests over both."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from runtime import unwinding

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[unwinding, contextlib], ids=["ours", "contextlib"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


class Boom(Exception):
    pass


class Bang(Exception):
    pass


def explode(kind: type[BaseException]) -> None:
    raise kind


def test_suppress_leaves_out_the_rest_and_no_other_error(library: Any) -> None:
    with library.suppress(KeyError, Boom):
        explode(Boom)
    with pytest.raises(Bang), library.suppress(Boom):
        explode(Bang)


def managed(library: Any, log: list[str], *, swallows: bool = False, replaces: bool = False) -> Any:
    @library.contextmanager  # type: ignore[untyped-decorator]
    def make(name: str) -> Iterator[str]:
        """What it is for."""
        log.append(f"enter {name}")
        try:
            yield name
        except Boom as error:
            log.append("saw it")
            if replaces:
                raise Bang from error
            if not swallows:
                raise
        finally:
            log.append(f"leave {name}")

    assert make.__doc__ == "What it is for."
    return make("x")


def test_a_generator_is_entered_and_left(library: Any) -> None:
    log: list[str] = []
    with managed(library, log) as name:
        log.append(f"in {name}")
    assert log == ["enter x", "in x", "leave x"]


def test_a_generator_sees_the_error_and_may_swallow_or_replace_it(library: Any) -> None:
    log: list[str] = []
    with managed(library, log, swallows=True):
        explode(Boom)
    assert log == ["enter x", "saw it", "leave x"]
    with pytest.raises(Boom) as passed, managed(library, []):
        raise Boom
    assert passed.value.__context__ is None
    with pytest.raises(Bang) as replaced, managed(library, [], replaces=True):
        raise Boom
    assert isinstance(replaced.value.__cause__, Boom)


def test_stop_iteration_in_the_body_passes(library: Any) -> None:
    with pytest.raises((StopIteration, RuntimeError)), managed(library, []):
        raise StopIteration


def test_a_stack_is_left_in_reverse_order(library: Any) -> None:
    log: list[str] = []
    with library.ExitStack() as stack:
        stack.callback(log.append, "first")
        assert stack.enter_context(managed(library, log)) == "x"
        stack.callback(lambda *, word: log.append(word), word="last")
    assert log == ["enter x", "last", "leave x", "first"]


def test_all_of_a_stack_is_left_although_some_of_it_fails(library: Any) -> None:
    log: list[str] = []

    def fail(error: BaseException) -> None:
        log.append(type(error).__name__)
        raise error

    def leave() -> None:
        with library.ExitStack() as stack:
            stack.callback(log.append, "done")
            stack.callback(fail, Bang())
            stack.callback(fail, Boom())
            raise KeyError

    with pytest.raises(Bang) as raised:
        leave()
    assert log == ["Boom", "Bang", "done"]
    assert isinstance(raised.value.__context__, Boom)
    assert isinstance(raised.value.__context__.__context__, KeyError)


def test_a_manager_in_a_stack_may_swallow_the_error(library: Any) -> None:
    log: list[str] = []
    with library.ExitStack() as stack:
        stack.enter_context(managed(library, log, swallows=True))
        explode(Boom)
    assert log[-1] == "leave x"


def test_what_was_popped_is_not_left(library: Any) -> None:
    log: list[str] = []
    with library.ExitStack() as stack:
        stack.callback(log.append, "done")
        kept = stack.pop_all()
    assert log == []
    kept.close()
    assert log == ["done"]
    kept.close()
    assert log == ["done"]
