"""``bench``: the group of verbs. Each verb's module is loaded when it is called, so that ``--help`` stays light."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module

import click

from bench.cli.exits import CommandError, Exit

_VERBS = {
    "density": "Launch containers and virtual machines of one image, measure, and take all down again.",
    "calibrate": "Launch containers by our runtime and by others, and compare with the least that it could cost.",
    "engines": "Pull, push, load, build and run images by our engine and by others, and compare.",
    "demo": "Give the demonstrations of the 2014 introduction to Docker, with our engine, on this host.",
    "report": "Rebuild the report of a run directory.",
    "clean": "Remove what a killed run left on the host.",
}


class Verbs(click.Group):
    """Finds a verb in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a user meets them."""
        del ctx
        return list(_VERBS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, without loading any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of this name."""
        del ctx
        if cmd_name not in _VERBS:
            return None
        command: click.Command = import_module(f"bench.cli.{cmd_name}").command
        return command


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tare", prog_name="bench")
def cli() -> None:
    """Measure what virtual machines and containers cost, side by side, on this host.

    Exit codes: 0 done, 2 usage, 3 the host cannot, 4 some instances failed, 5 refused for safety, 99 a
    demonstration differs, 130 interrupted.
    """


def main() -> None:
    """The entry point: every error becomes one line on stderr, and an exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        return int(cli.main(arguments, prog_name="bench", standalone_mode=False) or 0)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _complain(_sentence(error), Exit(error.exit_code), _help_hint(error))
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted", Exit.INTERRUPTED)
    except CommandError as error:
        return _complain(str(error), error.code, error.hint)
    except Exception as error:  # noqa: BLE001 - a bug; the traceback is for those who ask
        if os.environ.get("TARE_DEBUG"):
            traceback.print_exc()
        return _complain(f"{type(error).__name__}: {error}", Exit.BUG, "this is a bug; TARE_DEBUG=1 shows where")


def _sentence(error: click.ClickException) -> str:
    """Click's message in our form: one line, no capital, no full stop."""
    message = " ".join(error.format_message().split()).removesuffix(".")
    return message[:1].lower() + message[1:]


def _help_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path if context else 'bench'} --help"


def _complain(message: str, code: Exit, hint: str = "") -> int:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"  try: {hint}", err=True)
    return code
