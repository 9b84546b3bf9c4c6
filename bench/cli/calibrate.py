"""``bench calibrate``: put the peers together, run, report."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.exits import CommandError, Exit
from bench.cli.runs import carry_out, errors_of_runs, exit_code, made, room, run_directory
from bench.context import Roots, RunContext, new_run_id
from bench.drivers.network import RunNetwork
from bench.experiments.calibrate import Calibration, Request
from bench.workload import WorkloadSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.calibration import Calibrated, CalibrationSummary
    from bench.calibration.job import Peer
    from bench.experiments.experiment import Prepared

_NAMES = ("floor", "tare", "tare-pool", "tare-cold", "crun", "runc", "podman", "docker", "ctr")
_MOST = 100_000
_MEMORY_BYTES = 128 << 20
_CPUS = 1.0
_PIDS = 256


@click.command(name="calibrate")
@click.option(
    "-n", "--containers", type=click.IntRange(1, _MOST), default=200, show_default=True, help="Of each treatment."
)
@click.option("--rounds", type=click.IntRange(1, 1000), default=4, show_default=True, help="Spread over so many.")
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    multiple=True,
    default=(1, 2, 4),
    show_default=True,
    help="How many at once; repeatable.",
)
@click.option("--program", "programs", type=click.Choice(_NAMES), multiple=True, help="Repeatable.  [default: all]")
@click.option("--seed", type=int, default=None, help="Decides the order of treatments.  [default: drawn, and stored]")
@click.option("--output", type=click.Path(path_type=Path), default=None, help="Run directory.  [default: runs/ID]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@click.option("--dry-run", is_flag=True, help="Show what would be done and what it needs; do nothing.")
@click.option("-q", "--quiet", is_flag=True, help="No live display.")
def command(**options: Any) -> int:
    """Launch idle containers, one by one and several at once, with and without a network, and compare what each costs.

    The floor is a C program that makes the same system calls as our launcher and does nothing else; the others are our
    runtime in-process, with namespaces made ahead, and as a command, and the runtimes and engines that are installed.
    """
    roots, run_id = Roots(), new_run_id()
    request = _request(roots, **options)
    context = RunContext(run_id, roots)
    experiment = _experiment(request, context, options["programs"] or _NAMES)
    with errors_of_runs():
        if options["dry_run"]:
            _show(experiment, experiment.preflight())
            return Exit.DONE
        run_dir = run_directory(options["output"], run_id)
        report = carry_out(experiment, run_dir, quiet=options["quiet"] or options["as_json"])
    return _conclude(run_dir, report, as_json=options["as_json"])


def _request(roots: Roots, **options: Any) -> Request:
    from bench.workloads.website import PORT, ensure_website
    from runtime.image.store import ImageStore

    image = made(lambda: ensure_website(ImageStore(roots.data)))
    spec = WorkloadSpec(image, _MEMORY_BYTES, _CPUS, _PIDS, PORT)
    seed = secrets.randbits(32) if options["seed"] is None else options["seed"]
    parallel = tuple(sorted(set(options["parallel"])))
    if max(parallel) > options["containers"]:
        raise CommandError(f"launch {max(parallel)} at once: there are only {options['containers']}", Exit.USAGE)
    return Request(("bench", *sys.argv[1:]), options["containers"], options["rounds"], parallel, seed, spec)


def _experiment(request: Request, context: RunContext, names: Sequence[str]) -> Calibration:
    from bench.calibration.containerd import Containerd
    from bench.calibration.docker import Docker
    from bench.calibration.floor import Floor
    from bench.calibration.ground import Ground
    from bench.calibration.oci import oci_runtimes
    from bench.calibration.podman import Podman
    from bench.calibration.pool import TarePool
    from bench.calibration.tare import Tare

    network = RunNetwork(context.run_id, -(-request.containers // min(request.rounds, request.containers)))
    ground = Ground(context, network, request.spec)
    most = max(request.parallel)
    peers: tuple[Peer, ...] = (
        Floor(ground),
        Tare(ground, most),
        TarePool(ground, most),
        *oci_runtimes(ground),
        Podman(ground),
        Docker(ground),
        Containerd(ground),
    )
    return Calibration(request, context, ground, [peer for peer in peers if peer.name in names])


def _show(experiment: Calibration, prepared: Prepared) -> None:
    counts = {treatment.driver: treatment.count for treatment in prepared.plan.treatments}
    for block, order in enumerate(prepared.plan.order):
        click.echo(f"round {block + 1}: {', '.join(f'{counts[name]} x {name}' for name in order)}")
    for absent in experiment.absent:
        click.echo(f"not measured: {absent.name} ({absent.what}): {absent.reason}")
    for check in prepared.checks:
        click.echo(f"  {room(check)}")


def _conclude(run_dir: Path, report: Path, *, as_json: bool) -> Exit:
    from bench.analysis.calibration import calibrate_summary, calibration_document
    from bench.loading import load_run

    summary = calibrate_summary(load_run(run_dir))
    if as_json:
        click.echo(json.dumps(calibration_document(summary), indent=1))
    else:
        _print_table(summary)
        click.echo(f"report: {report}")
    failed = any(one.each.censored or not one.each.n for one in summary.treatments)
    return exit_code(summary.manifest, failed=failed)


def _print_table(summary: CalibrationSummary) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("program", "network", "at once", title="One container", box=None)
    for name in ("median", "p99", "mean", "to floor", "to runc", "teardown", "memory"):
        table.add_column(name, justify="right")
    for one in summary.treatments:
        table.add_row(*row(one))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for absent in summary.absent:
        console.print(f"not measured: {absent.name} ({absent.what}): {absent.reason}", markup=False)


def row(one: Calibrated) -> tuple[str, ...]:
    """A treatment as a line of the table."""
    from bench.analysis.wording import amount, digits

    times = (one.each.median(), one.each.quantile(0.99), one.mean.median())
    ratios = (one.to_floor, one.to_runc)
    return (
        one.key.name,
        "yes" if one.key.network else "no",
        str(one.key.parallel),
        *("-" if time is None else amount(time.value, "ms") for time in times),
        *("-" if ratio is None else f"{digits(ratio.value)} x" for ratio in ratios),
        "-" if (teardown := one.teardown.median()) is None else amount(teardown.value, "ms"),
        "-" if one.memory is None else amount(one.memory.value, "bytes"),
    )
