"""Experiments: what is launched, in which order, and what is read when."""
