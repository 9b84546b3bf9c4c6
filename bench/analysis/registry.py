"""The claims that are judged, as data: what is said, which figure decides, and where the threshold lies."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim, fixed before any measurement; ``sense`` is *at least* or *at most* ``threshold``."""

    id: str
    wording: str
    quantity: str
    sense: str
    threshold: float
    flips_when: str


@dataclass(frozen=True, slots=True)
class Registry:
    """All claims, and the memory that emulation may add to each virtual machine."""

    claims: tuple[Claim, ...]
    emulated_memory_bytes: int


@cache
def registry() -> Registry:
    """The registry that comes with this package."""
    document = tomllib.loads(files(__package__).joinpath("claims.toml").read_text(encoding="utf-8"))
    return Registry(tuple(Claim(**claim) for claim in document["claim"]), document["emulated_memory_bytes"])
