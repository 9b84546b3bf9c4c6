"""What every verb that runs an experiment does: carry it out, make the report, and say how it ended."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.exits import CommandError, Exit
from bench.cli.progress import make_progress
from bench.context import Busy, LeftOver
from bench.interrupts import SIGNALS, Interrupted
from bench.preflight import describe, readable
from bench.results import ResultsError
from bench.workload import HostCannot, WorkloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.experiments.experiment import Experiment
    from bench.preflight import Check
    from bench.results import Manifest
    from runtime.image.store import Image


@contextmanager
def errors_of_runs() -> Iterator[None]:
    """Turn what an experiment raises into how the command ends."""
    try:
        yield
    except HostCannot as error:
        raise CommandError(str(error), Exit.HOST_CANNOT, error.hint) from error
    except WorkloadError as error:
        raise CommandError(str(error), Exit.HOST_CANNOT) from error
    except ResultsError as error:
        raise CommandError(str(error), Exit.HOST_CANNOT, "choose another place with --output") from error
    except Busy as error:
        raise CommandError(str(error), Exit.REFUSED, "wait for it to end: two would disturb each other") from error
    except LeftOver as error:
        raise CommandError(str(error), Exit.REFUSED, "bench clean") from error


def carry_out(experiment: Experiment, run_dir: Path, *, quiet: bool) -> Path:
    """Run it and write its report; the report's path."""
    from reports.page import write_report

    with make_progress(quiet=quiet) as progress:
        run_experiment(experiment, run_dir, progress)
        progress.phase("writing the report")
        return write_report(run_dir)


def run_experiment(experiment: Experiment, run_dir: Path, progress: Any) -> None:
    """Run it; an interruption is how the command ends."""
    try:
        experiment.run(run_dir, progress)
    except Interrupted:
        # All is taken down; what a second, impatient signal could still do is to spoil these last words.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise CommandError(f"interrupted; taken down, results so far are in {run_dir}", Exit.INTERRUPTED) from None


def run_directory(output: Path | None, run_id: str) -> Path:
    """Where results go."""
    return output or Path("runs", run_id)


def made(make: Callable[[], Image]) -> Image:
    """The default image, or why it cannot be made."""
    try:
        return make()
    except HostCannot as error:
        raise CommandError(str(error), Exit.HOST_CANNOT, error.hint) from error
    except PermissionError as error:
        raise CommandError(f"make the default image: {error}", Exit.HOST_CANNOT, "run it as root") from error


def exit_code(manifest: Manifest, *, failed: bool) -> Exit:
    """How a complete run ends; raises `CommandError` if it has left something on the host."""
    certificate = manifest.certificate
    if certificate is not None and not certificate.clean:
        left = "; ".join(certificate.left[:5])
        raise CommandError(f"left on the host: {left}", Exit.INSTANCES_FAILED, "bench clean")
    return Exit.INSTANCES_FAILED if failed else Exit.DONE


def room(check: Check) -> str:
    """One line of the preflight, for a dry run."""
    limit = check.limit
    if not limit.per_instance:
        return f"{describe(check)}; none is taken"
    holds = readable((limit.available - limit.fixed) // limit.per_instance, "instances")
    return f"{describe(check)}; room for {holds}"
