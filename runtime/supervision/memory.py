"""What is known of one container, in memory and in its record at once, and told to whoever is backstage."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from runtime.supervision.errors import SupervisionError
from runtime.supervision.life import NEXT, Phase
from runtime.supervision.record import Record
from runtime.values import replace

if TYPE_CHECKING:
    from runtime.supervision.backstage import Backstage
    from runtime.supervision.life import Life
    from runtime.supervision.loop import Loop
    from runtime.supervision.record import Place

_WRITE_AGAIN_S = 1.0


class Memory:
    """Terms and life."""

    def __init__(self, loop: Loop, backstage: Backstage, place: Place, record: Record) -> None:
        self._loop = loop
        self._backstage = backstage
        self.place = place
        self.terms = record.terms
        self.life: Life = record.life

    @property
    def record(self) -> Record:
        """Both, as they are written down."""
        return Record(self.terms, self.life)

    def remember(self, *, durable: bool = False, **changes: Any) -> None:
        """Change its life; ``durable`` if that has to outlive the host's crash, too."""
        phase = changes.get("phase", self.life.phase)
        if phase is not self.life.phase and phase not in NEXT[self.life.phase]:
            raise SupervisionError(f"container {self.terms.id!r}: {phase.value} cannot follow {self.life.phase.value}")
        self.life = replace(self.life, **changes)
        self._write(durable=durable)

    def amend(self, **changes: Any) -> None:
        """Change its terms."""
        self.terms = replace(self.terms, **changes)
        self._write(durable=True)

    def _write(self, *, durable: bool = False) -> None:
        """A disk that is full must not end supervision: then it is tried again.

        Of a container that is removed when it ends nothing has to outlive the host's crash, which ends it.
        """
        try:
            self.place.write(self.record, durable=durable and not self.terms.auto_remove)
        except OSError as error:
            print(f"write record of {self.terms.id}: {error.strerror}", file=sys.stderr)  # noqa: T201 - supervisor.log
            if self.life.phase is not Phase.REMOVING:
                self._loop.after(_WRITE_AGAIN_S, self._write)

    def tell(self, action: str, **attributes: str) -> None:
        """What is not told must not be in the way of what is done."""
        try:
            self._backstage.tell(self.terms.id, action, attributes)
        except SupervisionError as error:
            print(f"tell {action} of {self.terms.id}: {error}", file=sys.stderr)  # noqa: T201 - supervisor.log
