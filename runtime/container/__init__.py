"""Containers by the OCI runtime specification: one file for each operation, and their state."""
