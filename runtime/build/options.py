"""What a build is asked for."""

from __future__ import annotations

from runtime.values import Value


class BuildOptions(Value):
    """``context`` is a directory or ``-``; ``file`` the Dockerfile: None for the context's, ``-`` for standard input.

    ``network`` is default, none or host; ``output`` the descriptor that everything is said to, ``complaints`` the one
    for what commands of a quiet build said when one has failed.
    """

    context: str = "."
    file: str | None = None
    tags: tuple[str, ...] = ()
    target: str = ""
    build_args: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    no_cache: bool = False
    pull: bool = False
    quiet: bool = False
    network: str = "default"
    secrets: tuple[tuple[str, str], ...] = ()
    output: int = 1
    complaints: int = 2


class Built(Value):
    """``digest`` is the image's, by which the store knows it."""

    digest: str
    tags: tuple[str, ...]
