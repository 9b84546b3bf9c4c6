"""The verbs of `tare`, a module each or a small family."""
