"""``python -m bench.workloads``: have the default image in the store, and say what it is."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.workload import HostCannot
from bench.workloads.website import ensure_website
from runtime.image.errors import ImageError
from runtime.image.store import ImageStore

DATA_ROOT = Path("/var/lib/tare")
HOST_CANNOT = 3


@click.command()
@click.option(
    "--root",
    default=DATA_ROOT,
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where images/ and layers/ are.",
)
def main(root: Path) -> None:
    """Make the default image, unless it is there; print its reference and digest."""
    try:
        image = ensure_website(ImageStore(root))
    except HostCannot as error:
        _fail(f"{error}; {error.hint}")
    except ImageError as error:
        _fail(str(error))
    click.echo(f"{image.reference} {image.digest}")


def _fail(message: str) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(HOST_CANNOT)


if __name__ == "__main__":
    main()
