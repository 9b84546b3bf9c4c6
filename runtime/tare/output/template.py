"""Go templates, as far as ``--format`` has use for them (text/template).

What a template is used on is made of dictionaries, lists, strings and numbers. An entry of a dictionary that can be
called is a method. A field that is not there is an error, as it is for one of Go's structs; in a `Names`, whose entries
users have chosen, it is "<no value>".
"""

from __future__ import annotations

from runtime.tare.output.functions import FUNCTIONS, shown, truth
from runtime.tare.output.nodes import (
    Assign,
    Branch,
    Chain,
    Dot,
    Field,
    Function,
    Literal,
    Loop,
    Output,
    Pipeline,
    Stop,
    Text,
    Variable,
    With,
)
from runtime.tare.output.parser import parse
from runtime.tare.output.tokens import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from runtime.tare.output.nodes import Argument, Call, Node

_NOTHING: Any = object()
_DECIDES = {"and": False, "or": True}


class Names(dict[str, object]):
    """A map whose keys are data, such as labels: one that is not there is no error."""


class Template:
    """A template that was understood; raises `TemplateError`, also when it is used."""

    def __init__(self, text: str, functions: Mapping[str, Callable[..., Any]] = FUNCTIONS) -> None:
        self._functions = functions
        try:
            self._nodes = parse(text, functions)
        except TemplateError as error:
            raise TemplateError(f"template parsing error: {error}") from None

    def render(self, data: object) -> str:
        """The text for this."""
        run = _Run(self._functions, data)
        try:
            run.nodes(self._nodes, data)
        except TemplateError as error:
            raise TemplateError(f"template: {error}") from None
        return "".join(run.parts)


class _Stopped(Exception):
    """A loop's body was left."""

    def __init__(self, *, goes_on: bool) -> None:
        super().__init__()
        self.goes_on = goes_on


class _Run:
    """One use of a template: what it wrote, and its variables, of which the last declared is found first."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], data: object) -> None:
        self.parts: list[str] = []
        self._functions = functions
        self._variables: list[tuple[str, Any]] = [("$", data)]

    def nodes(self, nodes: Iterable[Node], dot: Any) -> None:
        """Variables that are declared here end here."""
        depth = len(self._variables)
        for node in nodes:
            _DO[type(node)](self, node, dot)
        del self._variables[depth:]

    def text(self, node: Text, _: Any) -> None:
        self.parts.append(node.content)

    def output(self, node: Output, dot: Any) -> None:
        self.parts.append(shown(self.pipeline(node.pipeline, dot)))

    def assign(self, node: Assign, dot: Any) -> None:
        content = self.pipeline(node.pipeline, dot)
        if node.declares:
            self._variables.append((node.name, content))
            return
        self._variables[self._place(node.name)] = (node.name, content)

    def branch(self, node: Branch, dot: Any) -> None:
        content = self.pipeline(node.pipeline, dot)
        self._declaring(node.name, content, node.body if truth(content) else node.otherwise, dot)

    def with_(self, node: With, dot: Any) -> None:
        content = self.pipeline(node.pipeline, dot)
        if truth(content):
            self._declaring(node.name, content, node.body, content)
        else:
            self._declaring(node.name, content, node.otherwise, dot)

    def _declaring(self, name: str, content: Any, nodes: Iterable[Node], dot: Any) -> None:
        depth = len(self._variables)
        if name:
            self._variables.append((name, content))
        self.nodes(nodes, dot)
        del self._variables[depth:]

    def loop(self, node: Loop, dot: Any) -> None:
        pairs = _pairs(self.pipeline(node.pipeline, dot))
        if not pairs:
            self.nodes(node.otherwise, dot)
        depth = len(self._variables)
        for key, content in pairs:
            declared = (content,) if len(node.names) == 1 else (key, content)
            self._variables.extend(zip(node.names, declared, strict=False))
            try:
                self.nodes(node.body, content)
            except _Stopped as stopped:
                if not stopped.goes_on:
                    break
            finally:
                del self._variables[depth:]

    def stop(self, node: Stop, _: Any) -> None:
        raise _Stopped(goes_on=node.goes_on)

    def pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        """What its last call gives."""
        content = _NOTHING
        for call in pipeline.calls:
            content = self._call(call, dot, content)
        return content

    def _call(self, call: Call, dot: Any, last: Any) -> Any:
        piped = () if last is _NOTHING else (last,)
        if isinstance(call.what, Function) and call.what.name in _DECIDES:
            return self._decide(call, dot, piped)
        arguments = [*(self._argument(one, dot) for one in call.arguments), *piped]
        return self._argument(call.what, dot, arguments)

    def _decide(self, call: Call, dot: Any, piped: tuple[Any, ...]) -> Any:
        """``and`` and ``or`` ask for no more than they need."""
        assert isinstance(call.what, Function)  # noqa: S101 - what it was called for
        content: Any = _NOTHING
        for one in call.arguments:
            content = self._argument(one, dot)
            if truth(content) == _DECIDES[call.what.name]:
                return content
        if piped:
            return piped[0]
        if content is _NOTHING:
            raise TemplateError(f"wrong number of args for {call.what.name}: want at least 1 got 0")
        return content

    def _function(self, name: str, arguments: Sequence[Any]) -> Any:
        try:
            return self._functions[name](*arguments)
        except TemplateError as error:
            raise TemplateError(f"error calling {name}: {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise TemplateError(f"error calling {name}: wrong arguments ({error})") from None

    def _argument(self, argument: Argument, dot: Any, arguments: Sequence[Any] = ()) -> Any:
        if isinstance(argument, Field):
            return self._fields(dot, argument.names, arguments)
        if isinstance(argument, Chain):
            return self._fields(self._argument(argument.base, dot), argument.names, arguments)
        if isinstance(argument, Function):
            return self._function(argument.name, arguments)
        content = self._plain(argument, dot)
        if arguments:
            raise TemplateError("can't give argument to something that is no function")
        return content

    def _plain(self, argument: Argument, dot: Any) -> Any:
        if isinstance(argument, Dot):
            return dot
        if isinstance(argument, Literal):
            return argument.content
        if isinstance(argument, Variable):
            return self._variables[self._place(argument.name)][1]
        assert isinstance(argument, Pipeline)  # noqa: S101 - all the others have been seen
        return self.pipeline(argument, dot)

    def _place(self, name: str) -> int:
        for place in range(len(self._variables) - 1, -1, -1):
            if self._variables[place][0] == name:
                return place
        raise TemplateError(f'undefined variable "{name}"')

    def _fields(self, content: Any, names: Sequence[str], arguments: Sequence[Any]) -> Any:
        for name in names[:-1]:
            content = _field(content, name, ())
        return _field(content, names[-1], arguments)


_DO: dict[type, Callable[[_Run, Any, Any], None]] = {
    Text: _Run.text,
    Output: _Run.output,
    Assign: _Run.assign,
    Branch: _Run.branch,
    With: _Run.with_,
    Loop: _Run.loop,
    Stop: _Run.stop,
}


def _field(content: Any, name: str, arguments: Sequence[Any]) -> Any:
    if content is None:
        raise TemplateError(f"nil data; no entry for key {name!r}")
    if not isinstance(content, dict):
        raise TemplateError(f"can't evaluate field {name} in {shown(content)!r}")
    found = content.get(name, _NOTHING)
    if found is _NOTHING:
        if isinstance(content, Names):
            return None
        raise TemplateError(f"can't evaluate field {name}; there are {', '.join(map(str, content)) or 'none'}")
    if callable(found):
        return _method(name, found, arguments)
    if arguments:
        raise TemplateError(f"{name} has arguments but cannot be invoked as function")
    return found


def _method(name: str, method: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    try:
        return method(*arguments)
    except TypeError:
        raise TemplateError(f"wrong number of args for {name}: got {len(arguments)}") from None


def _pairs(content: Any) -> list[tuple[Any, Any]]:
    """What a range goes over; the entries of a map in the order of their keys."""
    if content is None:
        return []
    if isinstance(content, dict):
        return sorted(content.items())
    if isinstance(content, (list, tuple)):
        return list(enumerate(content))
    if isinstance(content, int) and not isinstance(content, bool):
        return [(number, number) for number in range(content)]
    raise TemplateError(f"range can't iterate over {shown(content)}")
