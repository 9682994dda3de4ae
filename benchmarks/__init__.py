"""Benchmarks of Netgraft: each module runs as ``python -m benchmarks.NAME`` and writes raw rows and a page."""
