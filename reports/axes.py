"""Named ticks for logarithmic axes, in the units that readers think in."""

from __future__ import annotations

TIMES_MS: dict[float, str] = {
    0.01: "10 µs", 0.1: "100 µs", 1.0: "1 ms", 10.0: "10 ms", 100.0: "100 ms", 1_000.0: "1 s", 10_000.0: "10 s",
    100_000.0: "100 s", 1_000_000.0: "1,000 s",
}
KIB, MIB, GIB = 1024.0, 1024.0**2, 1024.0**3
SIZES_BYTES: dict[float, str] = {
    KIB: "1 KiB", 10 * KIB: "10 KiB", 100 * KIB: "100 KiB", MIB: "1 MiB", 10 * MIB: "10 MiB", 100 * MIB: "100 MiB",
    GIB: "1 GiB", 10 * GIB: "10 GiB", 100 * GIB: "100 GiB",
}
APPLICATIONS_BYTES: dict[float, str] = {
    MIB: "1 MiB", 8 * MIB: "8 MiB", 64 * MIB: "64 MiB", 512 * MIB: "512 MiB", 4 * GIB: "4 GiB",
}
COUNTS: dict[float, str] = {
    1.0: "1", 10.0: "10", 100.0: "100", 1e3: "1k", 1e4: "10k", 1e5: "100k", 1e6: "1M", 1e7: "10M",
    1e8: "100M", 1e9: "1G",
}
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
RATIOS: dict[float, str] = {float(value): f"{value:,g}\N{MULTIPLICATION SIGN}" for value in _STEPS}


def around(values: list[float], below: float = 1.6, above: float = 1.6) -> tuple[float, float]:
    """The range of a logarithmic axis that holds all values above zero, with room on both sides."""
    positive = [value for value in values if value > 0]
    if not positive:
        return 0.1, 10.0
    return min(positive) / below, max(positive) * above
