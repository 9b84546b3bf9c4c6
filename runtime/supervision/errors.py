"""Errors of supervision.

SupervisionError         one sentence: verb, object, reason
+-- Unknown              nothing is supervised under this id
+-- WrongPhase           the container is not where in its life this can be done
+-- BadRequest           the request makes no sense; the message names the property
+-- NotAllowed           the other end of the socket is another user
+-- SupervisorGone       the supervisor ended before it answered: what was asked for may or may not have been done
"""

from __future__ import annotations


class SupervisionError(Exception):
    """Something could not be done."""


class Unknown(SupervisionError):
    """Nothing is supervised under this id."""

    def __init__(self, container_id: str) -> None:
        super().__init__(f"container {container_id!r} is not supervised here")


class WrongPhase(SupervisionError):
    """The container is not where in its life this can be done."""


class BadRequest(SupervisionError):
    """The request makes no sense."""


class NotAllowed(SupervisionError):
    """The other end of the socket is another user."""


class SupervisorGone(SupervisionError):
    """The supervisor ended before it answered: what was asked for may or may not have been done."""


def error_of(kind: str, message: str) -> SupervisionError:
    """As the supervisor meant it: ``kind`` is the name of a class above."""
    kinds = {cls.__name__: cls for cls in (WrongPhase, BadRequest, NotAllowed, SupervisorGone)}
    if kind == Unknown.__name__:
        error: SupervisionError = Unknown.__new__(Unknown)
        Exception.__init__(error, message)
        return error
    return kinds.get(kind, SupervisionError)(message)
