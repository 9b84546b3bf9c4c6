"""Tables in, plotly pages out: pure functions of a run directory."""
