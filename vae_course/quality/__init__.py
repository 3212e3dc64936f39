"""Checks of the course itself: mutations, faults, versions, and benchmarks."""
