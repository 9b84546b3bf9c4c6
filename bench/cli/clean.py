"""``bench clean``: bring the host back to what it was before a run that was killed."""

from __future__ import annotations

import os

import click

from bench.cleaning import CleanError, clean
from bench.cli.exits import CommandError, Exit
from bench.context import Busy, Roots
from runtime.cgroups.hierarchy import CgroupError


@click.command(name="clean")
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
def command(*, dry_run: bool) -> int:
    """Remove what killed runs left on this host: only what carries Tare's label, and never during a run."""
    if os.geteuid() != 0:
        raise CommandError("clean the host: needs root", Exit.HOST_CANNOT, "run it again as root, or with sudo")
    try:
        found = clean(Roots(), dry_run=dry_run)
    except Busy as error:
        raise CommandError(str(error), Exit.REFUSED, "wait for it to end, or interrupt it") from error
    except (CleanError, CgroupError) as error:
        raise CommandError(str(error), Exit.HOST_CANNOT) from error
    for line in found:
        click.echo(f"{'would remove' if dry_run else 'removed'} {line}")
    if not found:
        click.echo("nothing to remove")
    return Exit.DONE
