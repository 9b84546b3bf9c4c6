"""From tokens to the tree of a Go template (text/template, "Actions", "Arguments", "Pipelines")."""

from __future__ import annotations

from runtime.tare.output.nodes import (
    Assign,
    Branch,
    Call,
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
from runtime.tare.output.tokens import TemplateError, tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from runtime.tare.output.nodes import Argument, Node
    from runtime.tare.output.tokens import Token

_CONSTANTS = {"true": True, "false": False, "nil": None}
_UNSUPPORTED = frozenset({"define", "template", "block"})


def parse(template: str, functions: Container[str]) -> tuple[Node, ...]:
    """The tree; raises `TemplateError`, also for a name that is not among the ``functions``."""
    parser = _Parser(template, functions)
    nodes, ended_by = parser.nodes()
    if ended_by:
        raise TemplateError(f"unexpected {{{{{ended_by}}}}}")
    return nodes


class _Parser:
    def __init__(self, template: str, functions: Container[str]) -> None:
        self._functions = functions
        self._tokens = list(tokens(template))
        self._next = 0

    def _peek(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self) -> Token:
        token = self._peek()
        if token is None:
            raise TemplateError("unexpected end of the template")
        self._next += 1
        return token

    def _accepts(self, text: str) -> bool:
        token = self._peek()
        if token is None or token.kind not in {"punctuation", "word", "end"} or token.text != text:
            return False
        self._next += 1
        return True

    def _expect_end(self, where: str) -> None:
        token = self._peek()
        if token is None or token.kind != "end":
            raise TemplateError(f"unexpected {token.text if token else 'end'!r} in {where}")
        self._next += 1

    def nodes(self, *, in_loop: bool = False) -> tuple[tuple[Node, ...], str]:
        """Up to an ``else`` or ``end``, which is returned, or to the end of the template."""
        found: list[Node] = []
        while (token := self._peek()) is not None:
            if token.kind == "text":
                found.append(Text(self._take().text))
                continue
            if token.kind == "word" and token.text in {"else", "end"}:
                self._next += 1
                if token.text == "end":
                    self._expect_end("end")
                return tuple(found), token.text
            found.append(self._node(token, in_loop=in_loop))
        return tuple(found), ""

    def _node(self, token: Token, *, in_loop: bool) -> Node:
        if token.kind == "word" and token.text in _UNSUPPORTED:
            raise TemplateError(f"{{{{{token.text}}}}} is not supported")
        if token.kind == "word" and token.text in {"break", "continue"}:
            self._next += 1
            if not in_loop:
                raise TemplateError(f"{{{{{token.text}}}}} outside {{{{range}}}}")
            self._expect_end(token.text)
            return Stop(goes_on=token.text == "continue")
        if token.kind == "word" and token.text in {"if", "range", "with"}:
            self._next += 1
            return self._block(token.text, in_loop=in_loop)
        node = self._pipeline_or_assignment()
        self._expect_end("command")
        return node

    def _block(self, word: str, *, in_loop: bool) -> Node:
        names, pipeline = self._declaration(word)
        self._expect_end(word)
        body, ended_by = self.nodes(in_loop=in_loop or word == "range")
        otherwise: tuple[Node, ...] = ()
        if ended_by == "else":
            if word != "range" and (self._accepts("if") or self._accepts("with")):
                otherwise, ended_by = (self._block(self._tokens[self._next - 1].text, in_loop=in_loop),), "end"
            else:
                self._expect_end("else")
                otherwise, ended_by = self.nodes(in_loop=in_loop)
        if ended_by != "end":
            raise TemplateError(
                f"unexpected {{{{else}}}} in {word}" if ended_by else f"{{{{{word}}}}} has no {{{{end}}}}"
            )
        if word == "range":
            return Loop(names, pipeline, body, otherwise)
        name = names[0] if names else ""
        return (Branch if word == "if" else With)(name, pipeline, body, otherwise)

    def _declaration(self, word: str) -> tuple[tuple[str, ...], Pipeline]:
        """``$i, $x := pipeline``, of which two only a range has."""
        start, names = self._next, []
        while (token := self._peek()) is not None and token.kind == "variable":
            names.append(self._take().text)
            if not self._accepts(","):
                break
        if names and self._accepts(":="):
            if len(names) > (2 if word == "range" else 1):
                raise TemplateError(f"too many declarations in {word}")
            return tuple(names), self._pipeline(word)
        self._next = start
        return (), self._pipeline(word)

    def _pipeline_or_assignment(self) -> Node:
        token = self._peek()
        if token is not None and token.kind == "variable":
            start = self._next
            self._next += 1
            for mark in (":=", "="):
                if self._accepts(mark):
                    return Assign(token.text, self._pipeline("command"), declares=mark == ":=")
            self._next = start
        return Output(self._pipeline("command"))

    def _pipeline(self, where: str) -> Pipeline:
        calls = [self._call(where)]
        while self._accepts("|"):
            calls.append(self._call(where))
            if not isinstance(calls[-1].what, (Function, Field, Chain, Variable)):
                raise TemplateError("a constant cannot be called in a pipeline")
        return Pipeline(tuple(calls))

    def _call(self, where: str) -> Call:
        operands: list[Argument] = []
        while (token := self._peek()) is not None and token.kind != "end" and token.text not in {"|", ")"}:
            operands.append(self._operand(where))
        if not operands:
            raise TemplateError(f"missing value for {where}")
        return Call(operands[0], tuple(operands[1:]))

    def _operand(self, where: str) -> Argument:
        base = self._term(where)
        fields: list[str] = []
        while (token := self._peek()) is not None and token.kind == "field" and not token.spaced and token.text:
            fields.append(self._take().text)
        if not fields:
            return base
        if isinstance(base, Field):
            return Field((*base.names, *fields))
        return Chain(base, tuple(fields))

    def _term(self, where: str) -> Argument:
        token = self._take()
        if token.kind == "field":
            return Field((token.text,)) if token.text else Dot()
        if token.kind == "variable":
            return Variable(token.text)
        if token.kind in {"string", "character", "number"}:
            return Literal(_literal(token))
        if token.kind == "word":
            return self._word(token.text)
        if token.text == "(":
            inner = self._pipeline(where)
            if not self._accepts(")"):
                raise TemplateError(f"unclosed left paren in {where}")
            return inner
        raise TemplateError(f"unexpected {token.text!r} in {where}")

    def _word(self, name: str) -> Argument:
        if name in _CONSTANTS:
            return Literal(_CONSTANTS[name])
        if name not in self._functions:
            raise TemplateError(f'function "{name}" not defined')
        return Function(name)


def _literal(token: Token) -> str | int | float:
    if token.kind == "string":
        return token.text
    if token.kind == "character":
        return ord(token.text)
    try:
        return int(token.text, 0)
    except ValueError:
        try:
            return float(token.text)
        except ValueError:
            raise TemplateError(f"bad number syntax: {token.text!r}") from None
