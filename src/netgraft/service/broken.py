"""Published chunks whose files cannot be served: counted each time, logged once until they are whole again."""

from __future__ import annotations

import threading

from netgraft.service.journal import LOG
from netgraft.service.metrics import Metrics


class BrokenChunks:
    """Remembers which chunks are broken; several threads may tell it."""

    def __init__(self, metrics: Metrics) -> None:
        """Begin with none."""
        self._metrics, self._lock = metrics, threading.Lock()
        self._known: set[str] = set()

    def tell(self, sha256: str, why: str) -> None:
        """Count an answer without a published chunk, and log the first one.

        Args:
            sha256: of the chunk.
            why: ``damaged`` or ``missing``.
        """
        with self._lock:
            self._metrics.broken(why)
            is_new = sha256 not in self._known
            self._known.add(sha256)
        if is_new:
            LOG.warning(f"chunk {why}", extra={"fields": {"sha256": sha256}})

    def mended(self, sha256: str) -> None:
        """Forget a chunk that was read whole."""
        if sha256 in self._known:
            with self._lock:
                self._known.discard(sha256)
