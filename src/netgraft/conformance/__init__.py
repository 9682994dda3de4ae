"""Test suites that whatever implements a port of Netgraft must pass; they need pytest."""

from netgraft.conformance.library import LibraryConformance
from netgraft.conformance.parallel_env import ParallelEnvConformance

__all__ = ["LibraryConformance", "ParallelEnvConformance"]
