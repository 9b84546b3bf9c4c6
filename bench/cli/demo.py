"""``bench demo``: the deck, live."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from bench.cli.exits import CommandError, Exit
from bench.cli.runs import errors_of_runs
from bench.context import Roots, RunContext, new_run_id
from bench.interrupts import Interrupted

if TYPE_CHECKING:
    from bench.demo.show import Given
    from bench.demo.step import Observation

_TITLES = {
    1: "start the engine, pull an image",
    2: "a shell in a container, and its processes",
    3: "a file in a container, and where it is",
    4: "images, and a private registry in a container",
    5: "commit a change, and push it",
}


@click.command(name="demo")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Where the private registry listens."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@click.option("--dry-run", is_flag=True, help="Show the commands; do nothing.")
def command(*, port: int, as_json: bool, dry_run: bool) -> int:
    """Give the five demonstrations of "Docker Containers: An Introduction" with our engine, and compare.

    Each command is shown with what the deck showed and what was seen here. The engine has a root of its own, which is
    gone afterwards. The images are made of the distribution's packages at the first time.
    """
    context = RunContext(new_run_id(), Roots())
    if dry_run:
        _show_plan(context, port)
        return Exit.DONE
    if os.geteuid() != 0:
        raise CommandError("give the demonstrations: needs root", Exit.HOST_CANNOT, "run it as root, or with sudo")
    with errors_of_runs():
        given = _give(context, port, quiet=as_json)
    if as_json:
        click.echo(json.dumps(given.document(), indent=1))
    return conclude(given, quiet=as_json)


def _give(context: RunContext, port: int, *, quiet: bool) -> Given:
    from bench.demo.show import Telling, give

    shown: set[int] = set()

    def show(observation: Observation) -> None:
        if not quiet:
            _print(observation, shown)

    try:
        return give(context, port, Telling(lambda line: click.echo(f"[{line}]", err=True), show))
    except Interrupted:
        raise CommandError("interrupted; all is taken down", Exit.INTERRUPTED) from None


def _print(observation: Observation, shown: set[int]) -> None:
    number = observation.step.demonstration
    if number not in shown:
        shown.add(number)
        click.echo(f"\n{number}. {_TITLES[number]}")
    click.echo(f"\n  $ {observation.command}")
    for line in observation.output.strip().splitlines():
        click.echo(f"    {line}")
    click.echo(f"  deck: {observation.step.deck}")
    click.echo(f"  {'✓' if observation.agrees else '✗'} {observation.seen}")


def _show_plan(context: RunContext, port: int) -> None:
    from bench.demo.script import demonstrations
    from bench.demo.stage import Names, Stage

    names = Names("localhost:PORT/debian:bookworm", "docker-registry", port, 3)
    number = 0
    for step in demonstrations(Stage(context.engine, names)):
        if step.demonstration != number:
            number = step.demonstration
            click.echo(f"{number}. {_TITLES[number]}")
        click.echo(f"  $ {step.command}")
        click.echo(f"    deck: {step.deck}")


def conclude(given: Given, *, quiet: bool) -> Exit:
    """How the command ends: 99 if a step differs; raises `CommandError` if something is left on the host."""
    certificate = given.certificate
    if not certificate.clean:
        left = "; ".join(certificate.left[:5])
        raise CommandError(f"left on the host: {left}", Exit.INSTANCES_FAILED, "bench clean")
    if not quiet:
        agree = sum(observation.agrees for observation in given.observations)
        click.echo(f"\n{agree} of {len(given.observations)} steps as in the deck; nothing is left on the host")
    return Exit.DONE if given.agrees else Exit.DIFFERS
