"""How a treatment looks, the same in every figure: colour, symbol and dash, so that no reader depends on colour alone.

The colours are those of Okabe and Ito (2008), which people with any common form of colour blindness tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """Colour as ``#rrggbb``; symbol and dash by plotly's names."""

    colour: str
    symbol: str
    dash: str

    def faded(self, share: float) -> str:
        """The colour at a share of its strength, for bands behind lines."""
        red, green, blue = (int(self.colour[start : start + 2], 16) for start in (1, 3, 5))
        return f"rgba({red},{green},{blue},{share})"

    @property
    def dash_array(self) -> str:
        """The dash as an SVG ``stroke-dasharray``."""
        return {"solid": "none", "dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3"}[self.dash]


_KNOWN = {
    "container": Style("#0072B2", "circle", "solid"),
    "vm": Style("#D55E00", "diamond", "dash"),
    "process": Style("#009E73", "square", "dot"),
    "ratio": Style("#808890", "circle", "solid"),
}
_OTHER = Style("#CC79A7", "triangle-up", "dashdot")


def style(driver: str) -> Style:
    """The style of a driver; all that are not known by name share one."""
    return _KNOWN.get(driver, _OTHER)
