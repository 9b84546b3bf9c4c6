"""Drivers: one file per kind of box, each fulfilling the contract of `bench.workload`."""
