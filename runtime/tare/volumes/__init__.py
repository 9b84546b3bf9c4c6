"""The verbs of volumes."""
