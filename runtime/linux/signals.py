"""The kernel's signals as plain numbers: the signal module makes enumerations of them first, which takes its time."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import (
        NSIG,
        SIG_SETMASK,
        SIGCHLD,
        SIGCONT,
        SIGKILL,
        SIGPIPE,
        SIGSTOP,
        SIGTSTP,
        SIGTTIN,
        SIGTTOU,
        SIGURG,
        SIGWINCH,
        SIGXFSZ,
        pause,
        pidfd_send_signal,
        set_wakeup_fd,
        signal,
        valid_signals,
    )
else:
    from _signal import (
        NSIG,
        SIG_SETMASK,
        SIGCHLD,
        SIGCONT,
        SIGKILL,
        SIGPIPE,
        SIGSTOP,
        SIGTSTP,
        SIGTTIN,
        SIGTTOU,
        SIGURG,
        SIGWINCH,
        SIGXFSZ,
        pause,
        pidfd_send_signal,
        set_wakeup_fd,
        signal,
        valid_signals,
    )

NOT_FORWARDED = frozenset({
    SIGCHLD, SIGCONT, SIGKILL, SIGPIPE, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH,
})  # fmt: skip
"""What is about the process that gets it, or cannot be caught: all others may be handed on to a process behind it."""

__all__ = (
    "NOT_FORWARDED",
    "NSIG",
    "SIGCHLD",
    "SIGKILL",
    "SIGPIPE",
    "SIGWINCH",
    "SIGXFSZ",
    "SIG_SETMASK",
    "pause",
    "pidfd_send_signal",
    "set_wakeup_fd",
    "signal",
    "valid_signals",
)  # fmt: skip
