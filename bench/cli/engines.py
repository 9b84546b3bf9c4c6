"""``bench engines``: put the engines together, run, and print the comparison."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.exits import Exit
from bench.cli.progress import make_progress
from bench.cli.runs import errors_of_runs, exit_code, made, room, run_directory, run_experiment
from bench.context import Roots, RunContext, new_run_id
from bench.engines.operation import DOCKER, OPERATIONS, PODMAN, SKOPEO, TARE
from bench.experiments.engines import Engines, Request
from bench.workload import WorkloadSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.engines import EnginesSummary, Measured
    from bench.experiments.experiment import Prepared

_NAMES = (TARE, DOCKER, PODMAN, SKOPEO)
_MIB = 1 << 20


@click.command(name="engines")
@click.option("--rounds", type=click.IntRange(1, 1000), default=7, show_default=True, help="Of each operation.")
@click.option("--size", "size_mib", type=click.IntRange(1, 10_000), default=200, show_default=True, help="MiB.")
@click.option(
    "--containers", type=click.IntRange(1, 100_000), default=500, show_default=True, help="Made before ps -a."
)
@click.option("--engine", "engines", type=click.Choice(_NAMES), multiple=True, help="Repeatable.  [default: all]")
@click.option("--operation", "operations", type=click.Choice(tuple(OPERATIONS)), multiple=True,
              help="Repeatable.  [default: all]")
@click.option("--seed", type=int, default=None, help="Decides the order.  [default: drawn, and stored]")
@click.option("--output", type=click.Path(path_type=Path), default=None, help="Run directory.  [default: runs/ID]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@click.option("--dry-run", is_flag=True, help="Show what would be done and what it needs; do nothing.")
@click.option("-q", "--quiet", is_flag=True, help="No live display.")
def command(**options: Any) -> int:
    """Pull, push, load, build, run and list by our engine, docker, podman and skopeo, and compare.

    All of them run in one sandbox, each with state and daemons of its own, and with the registry that Debian packages.
    Operations take turns in rounds.
    """
    roots, run_id = Roots(), new_run_id()
    experiment = _experiment(RunContext(run_id, roots), options)
    with errors_of_runs():
        if options["dry_run"]:
            _show(experiment, experiment.preflight())
            return Exit.DONE
        run_dir = run_directory(options["output"], run_id)
        with make_progress(quiet=options["quiet"] or options["as_json"]) as progress:
            run_experiment(experiment, run_dir, progress)
    return _conclude(run_dir, as_json=options["as_json"])


def _experiment(context: RunContext, options: dict[str, Any]) -> Engines:
    from bench.engines.candidate import Docker, Podman, Skopeo, Tare
    from bench.engines.ground import EngineGround

    ground = EngineGround(context, options["size_mib"] * _MIB, options["containers"])
    candidates = (Tare(ground), Docker(ground), Podman(ground), Skopeo(ground))
    names = options["engines"] or _NAMES
    return Engines(_request(context, options), context, ground, [one for one in candidates if one.name in names])


def _request(context: RunContext, options: dict[str, Any]) -> Request:
    from bench.workloads.website import PORT, ensure_website
    from runtime.image.store import ImageStore

    image = made(lambda: ensure_website(ImageStore(context.roots.data)))
    seed = secrets.randbits(32) if options["seed"] is None else options["seed"]
    operations = tuple(name for name in OPERATIONS if name in (options["operations"] or OPERATIONS))
    spec = WorkloadSpec(image, 0, 0.0, 0, PORT)
    return Request(("bench", *sys.argv[1:]), options["rounds"], operations, options["size_mib"] * _MIB, seed, spec)


def _show(experiment: Engines, prepared: Prepared) -> None:
    for block, order in enumerate(prepared.plan.order):
        click.echo(f"round {block + 1}: {', '.join(order)}")
    for absent in experiment.absent:
        click.echo(f"not measured: {absent.name}: {absent.reason}")
    for check in prepared.checks:
        click.echo(f"  {room(check)}")


def _conclude(run_dir: Path, *, as_json: bool) -> Exit:
    from bench.analysis.engines import engines_document, engines_summary
    from bench.loading import load_run

    summary = engines_summary(load_run(run_dir))
    if as_json:
        click.echo(json.dumps(engines_document(summary), indent=1))
    else:
        _print(summary)
        click.echo(f"results: {run_dir}")
    return exit_code(summary.manifest, failed=any(one.each.censored for one in summary.measured))


def _print(summary: EnginesSummary) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("operation", "engine", box=None)
    for name in ("n", "median", "95 %", "times ours", "95 %", "target", "reached"):
        table.add_column(name, justify="right")
    for operation in OPERATIONS:
        for one in summary.of(operation):
            table.add_row(*row(one, _target(summary, one)))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for absent in summary.absent:
        console.print(f"not measured: {absent.name}: {absent.reason}", markup=False)


def _target(summary: EnginesSummary, one: Measured) -> tuple[str, str]:
    """Beside the engine that the target names, or beside ours where it names none."""
    reached = next((found for found in summary.reached if found.operation.name == one.key.operation), None)
    if reached is None or one.key.engine != (reached.operation.target.peer or TARE):
        return "", ""
    return str(reached.operation.target), reached.verdict


def row(one: Measured, target: Sequence[str]) -> tuple[str, ...]:
    """An engine's operation as a line of the table."""
    from bench.analysis.wording import amount, digits

    median, ratio = one.each.median(), one.times_ours
    count = f"{one.each.n}" + (f" (+{one.each.censored} failed)" if one.each.censored else "")
    return (
        one.key.operation,
        one.key.engine,
        count,
        "-" if median is None else amount(median.value, "ms"),
        "" if median is None or median.low is None else f"{digits(median.low)}–{digits(median.high or 0)}",
        "" if ratio is None else f"{digits(ratio.value)} x",
        "" if ratio is None or ratio.low is None else f"{digits(ratio.low)}–{digits(ratio.high or 0)}",
        *target,
    )
