"""``tare image bootstrap``: a base image from the distribution's packages, where no registry is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_VARIANTS = ("minbase", "essential", "apt", "important", "standard", "custom", "extract")


@click.command(name="bootstrap")
@click.argument("reference")
@click.option("--suite", default="", help="Release to make it of.  [default: the tag, or the host's own release]")
@click.option("--variant", type=click.Choice(_VARIANTS), default="minbase", show_default=True, help="As mmdebstrap's.")
@click.option("--include", "packages", multiple=True, help="A package more, or several with commas; repeatable.")
@click.option("--entrypoint", default="", help="What the image runs, as a shell would split it.")
@click.option("--cmd", default="bash", show_default=True, help="Its arguments, or what it runs without an entrypoint.")
@click.option("--expose", "ports", multiple=True, help="A port that it listens on; repeatable.")
@click.option("--timeout", "deadline_s", type=click.FloatRange(min=1), default=1800, show_default=True, help="Seconds.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but the image's digest.")
@click.pass_context
def command(ctx: click.Context, /, reference: str, **options: Any) -> int:
    """Make the image REFERENCE (such as debian:bookworm) of packages, from where the host's own apt gets them."""
    from runtime.image.bootstrap import BootstrapOptions, bootstrap
    from runtime.image.errors import ImageError
    from runtime.image.store import ImageStore

    try:
        wanted = _wanted(BootstrapOptions, **options)
        image = bootstrap(ImageStore(_root(ctx)), reference, wanted, _silent if options["quiet"] else _tell)
    except ImageError as error:
        raise click.ClickException(str(error)) from error
    click.echo(image.digest)
    return 0


def _wanted(make: Any, **options: Any) -> Any:
    import shlex

    return make(
        suite=options["suite"],
        variant=options["variant"],
        include=tuple(name for text in options["packages"] for name in text.split(",") if name),
        entrypoint=tuple(shlex.split(options["entrypoint"])),
        cmd=tuple(shlex.split(options["cmd"])),
        exposed_ports=tuple(port if "/" in port else f"{port}/tcp" for port in options["ports"]),
        deadline_s=options["deadline_s"],
    )


def _root(ctx: click.Context) -> Path:
    return Path(getattr(ctx.obj, "root", None) or "/var/lib/tare")


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _silent(_line: str) -> None:
    pass
