"""What is acquired is released: the context managers of contextlib that we use, without what that imports.

contextlib brings functools, collections and abstract base classes, a tenth of a cold command. These behave the same
where they are used here; the tests hold both to the same.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Any, ParamSpec, Self, TypeVar

    _P = ParamSpec("_P")
    _T = TypeVar("_T")
    _Exit = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class suppress:  # noqa: N801 - as contextlib has it
    """Nothing is made of these exceptions; what is after the one that was raised is left out."""

    def __init__(self, *kinds: type[BaseException]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return kind is not None and issubclass(kind, self._kinds)


class _Generated:
    """A context manager of a generator: what is before its one yield is entering, what is after it is leaving."""

    def __init__(self, generator: Generator[Any, None, None]) -> None:
        self._generator = generator

    def __enter__(self) -> Any:
        return next(self._generator)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            next(self._generator, None)
            return False
        try:
            self._generator.throw(error)
        except StopIteration as ended:
            return ended is not error
        except BaseException as raised:
            # What comes out as it went in is for whoever raised it to raise again, with its own traceback.
            if raised is not error:
                raise
            return False
        return True


def contextmanager(function: Callable[_P, Iterator[_T]]) -> Callable[_P, AbstractContextManager[_T]]:
    """As a decorator: the generator function makes context managers."""

    def make(*positional: Any, **named: Any) -> Any:
        return _Generated(function(*positional, **named))  # type: ignore[arg-type]

    make.__doc__ = function.__doc__
    make.__name__ = function.__name__
    return make


class ExitStack:
    """Releases what was entered or called back, the last first, also when one of them raises."""

    def __init__(self) -> None:
        self._exits: list[Callable[..., Any]] = []

    def enter_context(self, manager: AbstractContextManager[_T]) -> _T:
        """Enter it now, leave it with the stack; what it gives."""
        entered = manager.__enter__()
        self._exits.append(manager.__exit__)
        return entered

    def callback(self, function: Callable[_P, Any], /, *positional: _P.args, **named: _P.kwargs) -> None:
        """Call it when the stack is left."""

        def leave(*_: object) -> None:
            function(*positional, **named)

        self._exits.append(leave)

    def pop_all(self) -> ExitStack:
        """A stack with all of it; nothing is left to this one."""
        other = type(self)()
        other._exits, self._exits = self._exits, []  # noqa: SLF001 - it is one of us
        return other

    def close(self) -> None:
        """Leave it now."""
        self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        pending, suppressed = error, False
        while self._exits:
            try:
                if self._exits.pop()(*_described(pending)) and pending is not None:
                    pending, suppressed = None, True
            except BaseException as raised:  # noqa: BLE001 - the others are to be left, too
                _chain(raised, pending, error)
                pending, suppressed = raised, False
        if pending is not None and pending is not error:
            context = pending.__context__
            try:
                raise pending
            finally:
                pending.__context__ = context
        return suppressed and pending is None


def _chain(raised: BaseException, pending: BaseException | None, first: BaseException | None) -> None:
    """What was raised came while ``pending`` was: not, as Python thinks, while the ``first`` of all was."""
    while raised.__context__ is not None and raised.__context__ is not first:
        if raised.__context__ is pending:
            return
        raised = raised.__context__
    if raised is not pending:
        raised.__context__ = pending


def _described(error: BaseException | None) -> _Exit:
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)
