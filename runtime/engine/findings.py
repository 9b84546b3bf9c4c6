"""Something that is not as it should be, and what to do about it."""

from __future__ import annotations

from runtime.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Finding(Value):
    """``repair`` puts it right and loses nothing; where there is none, ``hint`` says what the user may do."""

    message: str
    repair: Callable[[], object] | None = None
    hint: str = ""
