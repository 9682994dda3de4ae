"""Memory of the models that answer: the new one is let in beside the old one only when both fit.

A device has two slots (the paper's two memories): while one model answers the next is made ready. The old one's memory
is free when its last answer has ended, which is when nothing refers to it any more.
"""

from __future__ import annotations

import weakref
from typing import Any

from netgraft.errors import BudgetError


class Slots:
    """Counts the memory of models that are alive."""

    def __init__(self, memory_bytes: int | None = None) -> None:
        """Begin with nothing held.

        Args:
            memory_bytes: what all models together may take; None for no limit.
        """
        self.memory_bytes = memory_bytes
        self._held: tuple[tuple[weakref.ref[Any], int], ...] = ()

    @property
    def used_bytes(self) -> int:
        """Return the memory of the models that still live."""
        return sum(size for reference, size in self._held if reference() is not None)

    def require(self, needed_bytes: int) -> None:
        """Check that a model fits beside those that live.

        Raises:
            BudgetError: it does not.
        """
        used_bytes = self.used_bytes
        if self.memory_bytes is not None and used_bytes + needed_bytes > self.memory_bytes:
            raise BudgetError(
                f"{used_bytes + needed_bytes} bytes of memory are required for the live and the new model, "
                f"got {self.memory_bytes}"
            )

    def hold(self, owner: Any, size_bytes: int) -> None:
        """Count memory for as long as its owner lives."""
        alive = tuple(entry for entry in self._held if entry[0]() is not None)
        self._held = (*alive, (weakref.ref(owner), size_bytes))
