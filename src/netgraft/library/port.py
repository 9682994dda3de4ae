"""What the parts above ask of a library; `netgraft.conformance.library` tests whatever claims to be one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from netgraft.library.check import CheckReport
from netgraft.library.entry import Draft, Entry, Heading


class LibraryPort(Protocol):
    """Earlier models: added whole or not at all, found by name, ranked by their sketches."""

    def add(self, draft: Draft) -> Entry:
        """Add a model under a free name and return its entry."""
        ...

    def get(self, name: str) -> Entry:
        """Return the entry of a name."""
        ...

    def list(self, domain: str | None = None, kind: str | None = None) -> Sequence[Heading]:
        """Return what is known of the entries at a glance, by name."""
        ...

    def read(self, entry: Entry, file: str) -> bytes:
        """Return a file of an entry, after its hash was checked."""
        ...

    def remove(self, name: str) -> None:
        """Remove an entry, and its files that no other entry has."""
        ...

    def sketches(self, kind: str | None = None) -> tuple[Sequence[str], NDArray[np.float32]]:
        """Return names and sketches, float32 [n, k], of the entries that may be used."""
        ...

    def check(self, *, repair: bool = False) -> CheckReport:
        """Return what is wrong, after every hash was checked, and repair what can be."""
        ...
