"""The tree of a Go template."""

from __future__ import annotations

from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Argument: TypeAlias = "Dot | Field | Variable | Literal | Function | Chain | Pipeline"
    Node: TypeAlias = "Text | Output | Assign | Branch | With | Loop | Stop"


class Dot(Value):
    """``.``"""


class Field(Value):
    """``.Name`` or ``.Name.Other``: a field, an entry of a map, or a method."""

    names: tuple[str, ...]


class Variable(Value):
    """``$name``; ``$`` is what the template was given."""

    name: str


class Literal(Value):
    """A constant."""

    content: str | int | float | bool | None


class Function(Value):
    """The name of a function, such as ``json``."""

    name: str


class Chain(Value):
    """Fields of something that is no field: ``$x.Name``, ``(index . 0).Name``."""

    base: Argument
    names: tuple[str, ...]


class Call(Value):
    """A function or a method with arguments, or just something."""

    what: Argument
    arguments: tuple[Argument, ...]


class Pipeline(Value):
    """The result of each call is the last argument of the next one."""

    calls: tuple[Call, ...]


class Text(Value):
    """As it is."""

    content: str


class Output(Value):
    """``{{pipeline}}``"""

    pipeline: Pipeline


class Assign(Value):
    """``{{$name := pipeline}}`` or, of a variable that is there, ``=``."""

    name: str
    pipeline: Pipeline
    declares: bool


class Branch(Value):
    """``{{if}}``, perhaps with a variable for what was asked."""

    name: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


class With(Value):
    """``{{with}}``: as ``if``, with the dot on what was asked."""

    name: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


class Loop(Value):
    """``{{range}}`` over a list, the entries of a map, or up to a number."""

    names: tuple[str, ...]
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


class Stop(Value):
    """``{{break}}`` or ``{{continue}}``."""

    goes_on: bool
