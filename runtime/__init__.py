"""A container runtime; knows nothing of benchmarks."""

VERSION = "0.1.0"
