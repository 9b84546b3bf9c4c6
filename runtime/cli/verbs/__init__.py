"""The verbs of `tare-runtime`, by kind: each module is loaded for its own verbs only."""
