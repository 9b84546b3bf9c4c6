"""The verbs of the engine as a whole."""
