"""Contenders without Flink. Each runs in a process of its own: `python -m benchmarks.clients`."""
