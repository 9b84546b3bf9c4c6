"""Verbs of containers."""
