"""The library as users of Python hold it: with results added by their folder, and entries ranked for a task."""

from __future__ import annotations

import os
from pathlib import Path

from netgraft.errors import SettingError
from netgraft.library import Draft, Entry
from netgraft.library import Library as PlainLibrary
from netgraft.lifecycle.ranking import SKETCH_MEASURE, RankedSource, rank_sources
from netgraft.lifecycle.shelf import add_to_library
from netgraft.tables import Task


class Library(PlainLibrary):
    """Earlier models: a folder, or a database and an object store.

    >>> import netgraft as ng
    >>> models = ng.Library("models")  # doctest: +SKIP
    >>> models.add("netgraft-energy", "site 7", domain="Type4", keep_rows=1000)  # doctest: +SKIP
    >>> models.similar(ng.Task.read("new-site.parquet", target="Energy"))[0].name  # doctest: +SKIP
    'site 7'
    """

    def add(
        self,
        model: Draft | str | os.PathLike[str],
        name: str | None = None,
        *,
        domain: str | None = None,
        keep_rows: int = 0,
        licence: str | None = None,
    ) -> Entry:
        """Add a finished search and return its entry; see `netgraft.lifecycle.shelf.add_to_library`.

        Args:
            model: the folder of a search; or a draft, which says all that follows itself.
            name: a free one.
            domain: where the rows come from.
            keep_rows: rows to keep for later transfers; by default none.
            licence: of the data.

        Raises:
            SettingError: a folder comes without a name.
        """
        if isinstance(model, Draft):
            return super().add(model)
        if name is None:
            raise SettingError(f"a name is required to add the folder {os.fspath(model)!r}, got none")
        return add_to_library(self, Path(model), name, domain=domain, keep_rows=keep_rows, licence=licence)

    def similar(self, task: Task, measure: str = SKETCH_MEASURE, gains: int = 5) -> list[RankedSource]:
        """Return the entries as sources of a task, the nearest first; see `netgraft.lifecycle.ranking.rank_sources`."""
        return rank_sources(self, task, measure, gains)
