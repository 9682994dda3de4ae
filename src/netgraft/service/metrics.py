"""What a server counts, in the text format of Prometheus.

The chunk plane answers tens of thousands of requests a second, so what every request adds to is plain numbers here,
which become families of metrics only when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from netgraft.delivery.device.events import Kind

PLANES: Final = ("chunk", "control")
_BOUNDS_S: Final = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 0.1, 0.5, 2.5)
_EVENTS: Final = frozenset(get_args(Kind))


class Tally:
    """What one plane has answered."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.statuses: dict[int, int] = {}
        self.size_bytes = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(_BOUNDS_S) + 1)

    def add(self, status: int, size_bytes: int, seconds: float) -> None:
        """Count an answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.size_bytes += size_bytes
        self.seconds += seconds
        self.buckets[bisect_left(_BOUNDS_S, seconds)] += 1


class Metrics(Collector):
    """Everything a server counts."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.chunk, self.control = Tally(), Tally()
        self._plans: Counter[str] = Counter()
        self._telemetry: Counter[str] = Counter()
        self._broken: Counter[str] = Counter()
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def planned(self, decision: str) -> None:
        """Count a plan."""
        self._plans[decision] += 1

    def reported(self, event: str) -> None:
        """Count a report of a device; unknown events count as one, so that nobody can make labels without end."""
        self._telemetry[event if event in _EVENTS else "other"] += 1

    def broken(self, why: str) -> None:
        """Count an answer without a chunk that is published: its file is ``damaged`` or ``missing``."""
        self._broken[why] += 1

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Show a value that is asked for when the metrics are."""
        self._gauges[name] = (about, value)

    def text(self) -> bytes:
        """Return all metrics as Prometheus reads them."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; the registry calls this."""
        planes = list(zip(PLANES, (self.chunk, self.control), strict=True))
        requests = CounterMetricFamily("netgraft_requests", "Answered requests.", labels=["plane", "status"])
        size = CounterMetricFamily("netgraft_answer_bytes", "Bytes of bodies sent.", labels=["plane"])
        latency = HistogramMetricFamily("netgraft_answer_seconds", "Time to an answer.", labels=["plane"])
        for plane, tally in planes:
            for status, count in sorted(tally.statuses.items()):
                requests.add_metric([plane, str(status)], count)
            size.add_metric([plane], tally.size_bytes)
            latency.add_metric([plane], _cumulative(tally.buckets), tally.seconds)
        yield from (requests, size, latency)
        plans = CounterMetricFamily("netgraft_plans", "Plans by decision.", labels=["decision"])
        for decision, count in sorted(self._plans.items()):
            plans.add_metric([decision], count)
        told = CounterMetricFamily("netgraft_telemetry", "Reports of devices by event.", labels=["event"])
        for event, count in sorted(self._telemetry.items()):
            told.add_metric([event], count)
        broken = CounterMetricFamily("netgraft_broken_chunks", "Answers without a published chunk.", labels=["why"])
        for why, count in sorted(self._broken.items()):
            broken.add_metric([why], count)
        yield from (plans, told, broken)
        for name, (about, value) in self._gauges.items():
            yield GaugeMetricFamily(f"netgraft_{name}", about, value=value())


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    """Return (upper bound, count up to it) as a histogram has them."""
    total, found = 0, []
    for bound, count in zip([*map(str, _BOUNDS_S), "+Inf"], buckets, strict=True):
        total += count
        found.append((bound, float(total)))
    return found
