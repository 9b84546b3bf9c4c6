"""What was asked for and what the image says, merged as Docker does (daemon/commit.go, ``merge``).

The image's configuration is somebody else's document: what is not of the form that the specification has is left out.
"""

from __future__ import annotations

from runtime.engine.errors import BadOption
from runtime.engine.options import HealthOptions
from runtime.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.engine.options import CreateOptions

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NS = 1_000_000_000


def merge(options: CreateOptions, image: dict[str, Any]) -> CreateOptions:
    """The options with everything that the image says; raises `BadOption` where there is nothing to run."""
    entrypoint, command = _argv(options, image)
    if not entrypoint and not command:
        raise BadOption("No command specified")
    return replace(
        options,
        entrypoint=entrypoint,
        command=command,
        env=merge_env(_texts(image, "Env"), options.env),
        labels=tuple((_pairs(image, "Labels") | dict(options.labels)).items()),
        user=options.user or _text(image, "User"),
        workdir=options.workdir or _text(image, "WorkingDir"),
        stop_signal=options.stop_signal or _text(image, "StopSignal"),
        expose=tuple(dict.fromkeys((*_names(image, "ExposedPorts"), *options.expose))),
        volumes=tuple(dict.fromkeys((*_names(image, "Volumes"), *options.volumes))),
        health=merge_health(options.health, image.get("Healthcheck")),
    )


def _argv(options: CreateOptions, image: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """An entrypoint of one's own makes the image's command mean nothing."""
    if options.entrypoint is not None:
        return options.entrypoint, options.command
    return _texts(image, "Entrypoint"), options.command or _texts(image, "Cmd")


def merge_env(before: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Each name once, where it was first; a name alone takes it away. ``PATH`` is always there."""
    merged: dict[str, str] = {}
    for entry in (*before, *wanted):
        name, equals, _ = entry.partition("=")
        if equals:
            merged[name] = entry
        else:
            merged.pop(name, None)
    merged.setdefault("PATH", DEFAULT_PATH)
    return tuple(merged.values())


def merge_health(wanted: HealthOptions | None, image: Any) -> HealthOptions | None:
    """A test of one's own, with the image's times where one has none; None where nothing is to be tested."""
    said = _health(image) if isinstance(image, dict) else None
    if wanted is None or said is None:
        return wanted if wanted is not None and wanted.test else said
    if wanted.test[:1] == ("NONE",):
        return wanted
    return HealthOptions(
        test=wanted.test or said.test,
        interval_s=wanted.interval_s or said.interval_s,
        timeout_s=wanted.timeout_s or said.timeout_s,
        retries=wanted.retries or said.retries,
        start_period_s=wanted.start_period_s or said.start_period_s,
        start_interval_s=wanted.start_interval_s or said.start_interval_s,
    )


def _health(document: dict[str, Any]) -> HealthOptions | None:
    """In Docker's form, times in nanoseconds."""
    test = _texts(document, "Test")
    if not test:
        return None
    return HealthOptions(
        test,
        _number(document, "Interval") / _NS,
        _number(document, "Timeout") / _NS,
        _number(document, "Retries"),
        _number(document, "StartPeriod") / _NS,
        _number(document, "StartInterval") / _NS,
    )


def _number(document: dict[str, Any], name: str) -> int:
    content = document.get(name)
    return content if isinstance(content, int) and content > 0 else 0


def _text(document: dict[str, Any], name: str) -> str:
    content = document.get(name)
    return content if isinstance(content, str) else ""


def _texts(document: dict[str, Any], name: str) -> tuple[str, ...]:
    content = document.get(name)
    return tuple(entry for entry in content if isinstance(entry, str)) if isinstance(content, list) else ()


def _names(document: dict[str, Any], name: str) -> tuple[str, ...]:
    content = document.get(name)
    return tuple(content) if isinstance(content, dict) else ()


def _pairs(document: dict[str, Any], name: str) -> dict[str, str]:
    content = document.get(name)
    if not isinstance(content, dict):
        return {}
    return {key: text for key, text in content.items() if isinstance(text, str)}
