"""Run hooks: programs of the host with the state on stdin (runtime-spec, config.md, "POSIX-platform Hooks")."""

from __future__ import annotations

from runtime import jsontext
from runtime.container.errors import HookFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.spec.config import Hook

_SHOWN = 400


def run_hooks(moment: str, hooks: tuple[Hook, ...], state: dict[str, Any]) -> None:
    """Each to its end, in order; raises `HookFailed` at the first that fails or takes longer than it may."""
    for index, hook in enumerate(hooks):
        _run(f"hooks.{moment}[{index}]: run {hook.path}", hook, jsontext.dumps(state))


def run_poststop(hooks: tuple[Hook, ...], state: dict[str, Any]) -> tuple[str, ...]:
    """All of them; what those that failed are to be warned about with (runtime.md, "Lifecycle")."""
    complaints = []
    for index, hook in enumerate(hooks):
        try:
            _run(f"hooks.poststop[{index}]: run {hook.path}", hook, jsontext.dumps(state))
        except HookFailed as error:
            complaints.append(str(error))
    return tuple(complaints)


def _run(what: str, hook: Hook, state: str) -> None:
    import subprocess

    environment = dict(entry.split("=", 1) for entry in hook.env)
    try:
        done = subprocess.run(
            hook.args or (hook.path,), executable=hook.path, env=environment, input=state.encode(), cwd="/",
            timeout=hook.timeout, capture_output=True, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise HookFailed(f"{what}: not done after {hook.timeout} s") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise HookFailed(f"{what}: {str(getattr(error, 'strerror', None) or error).lower()}") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).decode(errors="replace").split())[-_SHOWN:]
        ended = f"exit status {done.returncode}" if done.returncode > 0 else f"killed by signal {-done.returncode}"
        raise HookFailed(f"{what}: {ended}{': ' + said if said else ''}")
