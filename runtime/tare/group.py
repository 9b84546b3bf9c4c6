"""From the words of a command line to its verb: only the module of the verb that was asked for is loaded."""

from __future__ import annotations

from runtime import VERSION
from runtime.tare import catalogue
from runtime.tare.context import Session
from runtime.tare.errors import DONE, FAILED, UsageError
from runtime.tare.flags import Flag, parse
from runtime.tare.verb import HELP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.tare.verb import Verb

GLOBAL = (
    Flag("root", "Where containers, images, networks and volumes are (default /var/lib/tare, $TARE_ROOT)",
         metavar="string"),
    Flag("version", "Print version information and quit", short="v"),
)  # fmt: skip


def dispatch(words: Sequence[str]) -> int:
    """Do what the words ask for; the exit code. Raises `UsageError`, and whatever the verb does."""
    given = parse((*GLOBAL, HELP), words, interspersed=False)
    with Session(given.text("root")) as session:
        if given.switch("version"):
            session.say(f"Tare version {VERSION}")
            return DONE
        if given.switch("help") or not given.arguments:
            from runtime.tare.help import top_help

            session.say(top_help(GLOBAL))
            return DONE
        return _run(session, given.arguments)


def _run(session: Session, words: list[str]) -> int:
    """``help VERB`` is ``VERB --help``."""
    if words[0] == "help":
        words = [*words[1:], "--help"]
    group, *rest = words
    if group == "--help":
        return dispatch(["--help"])
    if group in catalogue.GROUPS:
        return _run_in_group(session, group, rest)
    return run_entry(session, _found((group,)), f"tare {group}", rest)


def _run_in_group(session: Session, group: str, words: list[str]) -> int:
    if not words or words[0] in {"--help", "-h"}:
        from runtime.tare.help import group_help

        session.say(group_help(group))
        return DONE
    if words[0].startswith("-"):
        raise UsageError(f"unknown flag: {words[0]}", path=f"tare {group}")
    return run_entry(session, _found((group, words[0])), f"tare {group} {words[0]}", words[1:])


def _found(path: tuple[str, ...]) -> catalogue.Entry:
    entry = catalogue.find(path)
    if entry is None:
        raise UsageError(f"unknown command: {' '.join(('tare', *path))}", FAILED, " ".join(("tare", *path[:-1])))
    return entry


def run_entry(session: Session, entry: catalogue.Entry, path: str, words: list[str]) -> int:
    """Load the verb of the entry and let it do its work."""
    verb = load(entry)
    given = verb.parse(path, words)
    if given.switch("help"):
        from runtime.tare.help import verb_help

        session.say(verb_help(path, verb, catalogue.names_of(entry)))
        return DONE
    try:
        return verb.perform(session, given) or DONE
    except UsageError as error:  # what only the verb can see to be wrong
        error.path = error.path or path
        raise


def load(entry: catalogue.Entry) -> Verb:
    """The verb. Not by importlib, which brings warnings."""
    module = __import__(entry.module, fromlist=(entry.attribute,))
    verb: Verb = getattr(module, entry.attribute)
    return verb
