"""Test suites that whatever implements a port of Netgraft must pass; they need pytest."""

from netgraft.conformance.library import LibraryConformance

__all__ = ["LibraryConformance"]
