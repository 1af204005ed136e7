"""Benchmarks: `explain` and its peers, in one run on one machine. See README.md."""
