"""``bench density``: put the drivers together, run, report."""

from __future__ import annotations

import json
import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.exits import CommandError, Exit
from bench.cli.runs import carry_out, errors_of_runs, exit_code, made, room, run_directory
from bench.context import Roots, RunContext, new_run_id
from bench.drivers.network import RunNetwork
from bench.experiments.density import Density, Request
from bench.workload import WorkloadSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.experiments.experiment import Prepared
    from bench.workload import Driver
    from runtime.image.store import Image

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MINIMUM_BYTES = 4 << 20
_MAXIMUM_BYTES = 1 << 50
_MINIMUM_CPUS = 0.01
_MAXIMUM_CPUS = 255  # of a virtual machine of QEMU's q35 without an interrupt remapper
# What lies above is a slip of the hand, not a host that cannot; and the plan of a run is held in memory.
_COUNT = click.IntRange(min=0, max=10**12)
_BLOCKS = click.IntRange(min=1, max=1000)
_PIDS = 256


class Size(click.ParamType[int]):
    """A size in bytes: ``128MiB``, ``1g``; units are binary."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """In bytes."""
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a size such as 128MiB or 1g", param, ctx)
        size = float(match[1]) * _UNITS[match[2].lower()]
        if not _MINIMUM_BYTES <= size <= _MAXIMUM_BYTES:
            self.fail(f"{value} is not between 4 MiB and 1 PiB", param, ctx)
        return int(size)


class Cpus(click.ParamType[float]):
    """A number of processors, also a part of one."""

    name = "cpus"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As a finite number."""
        cpus = click.FLOAT.convert(value, param, ctx)
        if not _MINIMUM_CPUS <= cpus <= _MAXIMUM_CPUS:  # also false for nan
            self.fail(f"{value} is not between {_MINIMUM_CPUS} and {_MAXIMUM_CPUS}", param, ctx)
        return float(cpus)


@click.command(name="density")
@click.option("--containers", type=_COUNT, default=200, show_default=True, help="How many containers.")
@click.option("--vms", type=_COUNT, default=10, show_default=True, help="How many virtual machines.")
@click.option(
    "--processes",
    type=_COUNT,
    default=None,
    help="How many bare processes as a control.  [default: as many as containers]",
)
@click.option("-n", "--blocks", type=_BLOCKS, default=1, show_default=True, help="Repeat so many times.")
@click.option("--image", default="website:1", show_default=True, help="Reference or digest of an image of the store.")
@click.option("--memory", type=Size(), default="128MiB", show_default=True, help="Limit of a container, RAM of a VM.")
@click.option("--cpus", type=Cpus(), default=1.0, show_default=True, help="Processors of each.")
@click.option("--seed", type=int, default=None, help="Decides the order of treatments.  [default: drawn, and stored]")
@click.option("--output", type=click.Path(path_type=Path), default=None, help="Run directory.  [default: runs/ID]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@click.option("--dry-run", is_flag=True, help="Show what would be done and what it needs; do nothing.")
@click.option("-q", "--quiet", is_flag=True, help="No live display.")
def command(**options: Any) -> int:
    """Launch containers and virtual machines of one image, measure them, and take all down again.

    Memory is read at several N on the way up, every instance is probed for its first HTTP answer, and afterwards the
    host is compared with what it was before. Results are in the run directory; report.html opens offline.
    """
    roots = Roots()
    run_id = new_run_id()
    request = _request(roots, **options)
    context = RunContext(run_id, roots)
    network = RunNetwork(run_id, max(request.counts["container"], request.counts["vm"]))
    experiment = Density(request, context, _drivers(context, request, network), (network,))
    with errors_of_runs():
        if options["dry_run"]:
            _show(experiment.preflight())
            return Exit.DONE
        run_dir = run_directory(options["output"], run_id)
        report = carry_out(experiment, run_dir, quiet=options["quiet"] or options["as_json"])
    return _conclude(run_dir, report, as_json=options["as_json"])


def _request(roots: Roots, **options: Any) -> Request:
    counts = {
        "container": options["containers"],
        "vm": options["vms"],
        "process": options["containers"] if options["processes"] is None else options["processes"],
    }
    if not any(counts.values()):
        raise click.UsageError("nothing to launch: --containers, --vms and --processes are all 0")
    image = _resolve(roots, options["image"])
    spec = WorkloadSpec(image, options["memory"], options["cpus"], _PIDS, _port(image))
    seed = secrets.randbits(32) if options["seed"] is None else options["seed"]
    return Request(("bench", *sys.argv[1:]), counts, options["blocks"], seed, spec)


def _resolve(roots: Roots, reference: str) -> Image:
    from bench.workloads.website import REFERENCE, ensure_website
    from runtime.image.errors import ImageError, ImageNotFound
    from runtime.image.store import ImageStore

    store = ImageStore(roots.data)
    if reference == REFERENCE:
        return made(lambda: ensure_website(store))
    try:
        return store.resolve(reference)
    except ImageNotFound as error:
        raise CommandError(str(error), Exit.USAGE, "bench density --image with one of these") from error
    except ImageError as error:
        raise CommandError(str(error), Exit.USAGE, "bench density --image NAME:TAG") from error


def _port(image: Image) -> int:
    """The one TCP port that the image exposes."""
    ports = [port.removesuffix("/tcp") for port in image.config.exposed_ports if not port.endswith("/udp")]
    if len(ports) != 1:
        hint = "use an image that exposes the one TCP port on which it answers HTTP"
        raise CommandError(f"find the port of {image.reference}: it exposes {len(ports)} TCP ports", Exit.USAGE, hint)
    try:
        return int(ports[0])
    except ValueError as error:
        raise CommandError(f"find the port of {image.reference}: {ports[0]} is not one port", Exit.USAGE) from error


def _drivers(context: RunContext, request: Request, network: RunNetwork) -> Mapping[str, Driver]:
    """Only those that the request needs: without virtual machines nothing of libvirt is even imported."""
    counts = request.counts
    drivers: dict[str, Driver] = {}
    if counts["container"]:
        from bench.drivers.container import ContainerDriver

        drivers["container"] = ContainerDriver(context, network)
    if counts["vm"]:
        from bench.drivers.vm import VmDriver

        drivers["vm"] = VmDriver(context, network)
    if counts["process"]:
        from bench.drivers.process import ProcessDriver

        drivers["process"] = ProcessDriver(context)
    return drivers


def _conclude(run_dir: Path, report: Path, *, as_json: bool) -> Exit:
    from bench.analysis.document import summary_document
    from bench.analysis.headline import headline_text
    from bench.analysis.summary import summarise
    from bench.loading import load_run

    summary = summarise(load_run(run_dir))
    if as_json:
        click.echo(json.dumps(summary_document(summary), indent=1))
    else:
        click.echo(headline_text(summary))
        click.echo(f"report: {report}")
    failed = any(treatment.failed for treatment in summary.treatments)
    return exit_code(summary.manifest, failed=failed)


def _show(prepared: Prepared) -> None:
    plan = prepared.plan
    for block, order in enumerate(plan.order):
        counts = {treatment.driver: treatment for treatment in plan.treatments}
        parts = (f"{counts[name].count} x {name} (memory at N = {_steps(counts[name].steps)})" for name in order)
        click.echo(f"block {block + 1}: {', '.join(parts)}")
    for check in prepared.checks:
        click.echo(f"  {room(check)}")


def _steps(steps: tuple[int, ...]) -> str:
    return ", ".join(map(str, steps))
