"""``compose`` and its verbs: ``up``, ``down``, ``ps`` and ``logs``."""

from __future__ import annotations

import os
import time

from runtime.tare.compose import creation
from runtime.tare.compose.application import Application
from runtime.tare.compose.following import show_logs
from runtime.tare.compose.project import find_file, load_project
from runtime.tare.errors import FAILED, INTERRUPTED, UsageError
from runtime.tare.flags import Flag, whole
from runtime.tare.output.listing import Sheet, show
from runtime.tare.verb import FORMAT, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.engine.container import Container
    from runtime.tare.context import Session
    from runtime.tare.flags import Given

_TEMPLATE = "{{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}"
_HEADINGS = {
    "Name": "NAME", "Image": "IMAGE", "Command": "COMMAND", "Service": "SERVICE", "RunningFor": "CREATED",
    "Status": "STATUS", "Ports": "PORTS", "ID": "CONTAINER ID", "State": "STATE",
}  # fmt: skip
_TIMEOUT = Flag("timeout", "Specify a shutdown timeout in seconds", short="t", metavar="int", convert=whole)


def perform(session: Session, given: Given) -> int | None:
    """Find the project, and let the verb do its work on it."""
    name, *words = given.arguments or ["--help"]
    if name in {"--help", "help"}:
        session.say(_help())
        return None
    verb = VERBS.get(name)
    if verb is None:
        raise UsageError(f'unknown docker command: "compose {name}"', FAILED, "tare compose")
    inner = verb.parse(f"tare compose {name}", words)
    if inner.switch("help"):
        from runtime.tare.help import verb_help

        session.say(verb_help(f"tare compose {name}", verb, [f"tare compose {name}"]))
        return None
    path = find_file(given.text("project-directory") or os.getcwd(), given.text("file"))
    project = load_project(path, given.text("project-name"), os.environ)
    return _PERFORM[name](Application(session, project), session, inner)


def _help() -> str:
    from runtime.tare.help import verb_help

    verbs = "\n".join(f"  {name:<8}{verb.purpose}" for name, verb in sorted(VERBS.items()))
    return f"{verb_help('tare compose', COMPOSE, ['tare compose'])}\n\nCommands:\n{verbs}"


def _chosen(application: Application, names: list[str]) -> list[Container]:
    for name in names:
        application.project.service(name)
    return [one for one in application.containers() if not names or one.labels.get(creation.SERVICE) in names]


def _up(application: Application, session: Session, given: Given) -> int:
    containers = application.up(
        given.arguments,
        build=given.switch("build"),
        recreate=given.switch("force-recreate"),
        start=not given.switch("no-start"),
    )
    if given.switch("detach") or given.switch("no-start"):
        return 0
    try:
        show_logs(session.root, containers, tail=None, follow=True, prefix=True)
    except KeyboardInterrupt:
        session.note("Gracefully stopping... (press Ctrl+C again to force)")
        again = [session.engine.containers.find(one.id) for one in reversed(containers)]
        application.stop(again, given.number("timeout"))
        return INTERRUPTED
    return 0


def _down(application: Application, session: Session, given: Given) -> int:
    del session
    application.down(volumes=given.switch("volumes"), timeout_s=given.number("timeout"))
    return 0


def _ps(application: Application, session: Session, given: Given) -> int:
    from runtime.tare.containers.rows import row_of

    found = [one for one in _chosen(application, given.arguments) if given.switch("all") or one.state.is_active]
    if given.switch("quiet"):
        for one in found:
            session.say(one.id)
        return 0
    now = time.time()
    rows = [
        {**row_of(one, now, full=False), "Name": one.name, "Service": one.labels.get(creation.SERVICE, "")}
        for one in found
    ]
    show(session, Sheet(_TEMPLATE, _HEADINGS), rows, given.text("format"))
    return 0


def _logs(application: Application, session: Session, given: Given) -> int:
    tail = given.text("tail")
    show_logs(
        session.root,
        _chosen(application, given.arguments),
        tail=None if tail == "all" else whole(tail),
        follow=given.switch("follow"),
        prefix=not given.switch("no-log-prefix"),
    )
    return 0


_PERFORM = {"up": _up, "down": _down, "ps": _ps, "logs": _logs}


def _unused(session: Session, given: Given) -> None:
    """A verb inside is performed on an application, by `perform`."""


VERBS = {
    "up": Verb(
        "up [OPTIONS] [SERVICE...]", "Create and start containers", _unused,
        (
            Flag("detach", "Run containers in the background", short="d"),
            Flag("build", "Build images before starting containers"),
            Flag("force-recreate", "Recreate containers even if their configuration and image haven't changed"),
            Flag("no-start", "Don't start the services after creating them"),
            _TIMEOUT,
        ),
        most=None,
    ),
    "down": Verb(
        "down [OPTIONS]", "Stop and remove containers, networks", _unused,
        (Flag("volumes", "Remove the named volumes of the file, and anonymous ones", short="v"),
         Flag("remove-orphans", "Remove containers of services that are not in the file (always done)"), _TIMEOUT),
    ),
    "ps": Verb(
        "ps [OPTIONS] [SERVICE...]", "List containers", _unused,
        (Flag("all", "Show all stopped containers", short="a"), Flag("quiet", "Only display IDs", short="q"), FORMAT),
        most=None,
    ),
    "logs": Verb(
        "logs [OPTIONS] [SERVICE...]", "View output from containers", _unused,
        (
            Flag("follow", "Follow log output", short="f"),
            Flag("tail", "Number of lines to show from the end of the logs", short="n", metavar="string",
                 default="all"),
            Flag("no-log-prefix", "Don't print prefix in logs"),
        ),
        most=None,
    ),
}  # fmt: skip

COMPOSE = Verb(
    "compose [OPTIONS] COMMAND",
    "Define and run applications of several containers",
    perform,
    (
        Flag("file", "Compose configuration file", short="f", metavar="string"),
        Flag("project-name", "Project name", short="p", metavar="string"),
        Flag("project-directory", "Where to look for the configuration file", metavar="string"),
    ),
    most=None,
    interspersed=False,
)
