"""``bench report``: make the page again from what a run directory holds, on any machine, without root."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.exits import CommandError, Exit
from bench.results import ResultsError


@click.command(name="report")
@click.argument("run_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
def command(run_dir: Path) -> int:
    """Rebuild RUN_DIR/report.html from RUN_DIR's manifest and samples."""
    from bench.loading import load_run
    from reports.page import write_report

    try:
        load_run(run_dir)
    except ResultsError as error:
        raise CommandError(str(error), Exit.USAGE, "give the directory of a run: it holds manifest.json") from error
    try:
        click.echo(write_report(run_dir))
    except ResultsError as error:
        hint = "copy the run directory to where there is room and you may write"
        raise CommandError(str(error), Exit.HOST_CANNOT, hint) from error
    return Exit.DONE
