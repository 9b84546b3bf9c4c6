"""What all experiments have in common: from the claim on the host to the certificate that nothing is left on it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from bench.context import host_lock, refuse_leftovers, run_directories
from bench.host import host_facts, tool_version
from bench.interrupts import Interrupts
from bench.inventory import certify, take_inventory
from bench.results import SCHEMA_VERSION, Manifest, RunWriter, WorkloadFacts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.context import RunContext
    from bench.harness import Progress
    from bench.inventory import Inventory
    from bench.preflight import Check
    from bench.results import Limit, Plan
    from bench.workload import WorkloadSpec


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is planned and that the host can carry; nothing has been touched."""

    plan: Plan
    limits: tuple[Limit, ...]
    checks: tuple[Check, ...]


@dataclass(slots=True)
class Outcome:
    """How a run ended; what nobody says otherwise was interrupted."""

    status: str = "interrupted"
    reason: str | None = "interrupted by a signal"

    def end(self, status: str, reason: str | None = None) -> None:
        """So it ended."""
        self.status, self.reason = status, reason


class Shared(Protocol):
    """Something that a run uses."""

    def close(self) -> None:
        """Release it. Idempotent."""


class Experiment:
    """One run. ``resources`` are all that it uses, closed in the reverse order however it ends."""

    def __init__(
        self, command: tuple[str, ...], spec: WorkloadSpec, context: RunContext, resources: Sequence[Shared]
    ) -> None:
        self._command = command
        self._spec = spec
        self._context = context
        self._resources = resources

    def preflight(self) -> Prepared:
        """Plan, and check the plan against the host; raises `HostCannot` naming the binding limit."""
        raise NotImplementedError

    def _measure(self, plan: Plan, writer: RunWriter, progress: Progress, interrupts: Interrupts) -> None:
        """Carry the plan out."""
        raise NotImplementedError

    def run(self, run_dir: Path, progress: Progress) -> Manifest:
        """Carry the run out; the run directory is complete, with its certificate, however it ends.

        The host is claimed before the preflight: what another run holds just now, or a killed one left, would be
        taken for a host that cannot. Returns the manifest of a complete run, and raises what broke off any other.
        """
        started = time.monotonic()
        with ExitStack() as stack:
            stack.enter_context(host_lock(self._context.roots))
            refuse_leftovers(self._context.roots)
            prepared = self.preflight()
            before = take_inventory(self._context.roots)
            interrupts = stack.enter_context(Interrupts())
            outcome = Outcome()
            with interrupts.shield():
                writer = stack.enter_context(RunWriter(run_dir, self._manifest(prepared)))
                stack.callback(self._finish, writer, before, outcome, started)
            try:
                stack.enter_context(run_directories(self._context))
                stack.callback(self._close, progress, outcome, interrupts)
                self._measure(prepared.plan, writer, progress, interrupts)
                outcome.end("complete")
            except Exception as error:
                outcome.end("failed", str(error))
                raise
            finally:
                interrupts.hold()  # on the way out nothing is broken off any more, whatever comes
        interrupts.release()
        return writer.manifest

    def _close(self, progress: Progress, outcome: Outcome, interrupts: Interrupts) -> None:
        progress.phase("taking everything down")
        with ExitStack() as stack:
            for resource in self._resources:
                stack.callback(resource.close)
        if interrupts.pending:
            outcome.end("interrupted", "interrupted by a signal while everything was being taken down")

    def _finish(self, writer: RunWriter, before: Inventory, outcome: Outcome, started: float) -> None:
        """After everything has been released but the lock."""
        certificate = certify(before, lambda: take_inventory(self._context.roots))
        writer.update(
            status=outcome.status,
            reason=outcome.reason,
            certificate=certificate,
            finished_at=_now(),
            elapsed_s=round(time.monotonic() - started, 3),
        )

    def _manifest(self, prepared: Prepared) -> Manifest:
        spec = self._spec
        return Manifest(
            schema_version=SCHEMA_VERSION,
            run_id=self._context.run_id,
            tool_version=tool_version(),
            command=self._command,
            started_at=_now(),
            status="running",
            plan=prepared.plan,
            workload=WorkloadFacts(
                image=spec.image.reference,
                image_digest=spec.image.digest,
                memory_bytes=spec.memory_bytes,
                cpus=spec.cpus,
                pids_limit=spec.pids_limit,
                port=spec.port,
                path=spec.path,
            ),
            host=host_facts({}),
            limits=prepared.limits,
        )

def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
