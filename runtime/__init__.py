"""A container runtime; knows nothing of benchmarks."""
