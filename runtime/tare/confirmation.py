"""Asking before something is lost."""

from __future__ import annotations

import sys


def confirmed(warning: str) -> bool:
    """Whether the user says yes; who says nothing says no."""
    sys.stdout.write(f"WARNING! {warning}\nAre you sure you want to continue? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
