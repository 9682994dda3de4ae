"""The domains of a table: the rows of each value of one column, each of them a table of its own.

The type of a column and the kind of the task are found once, in the whole table, so that they do not differ from domain
to domain. Rows are copied out of the table only when a domain is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import polars as pl
from numpy.typing import NDArray

from netgraft.errors import SettingError, TableError, unknown_name
from netgraft.library.entry import checked_name
from netgraft.records import sha256_hex
from netgraft.runtime.encoding import Kind
from netgraft.tables import Task
from netgraft.tables.cells import text_codes
from netgraft.tables.kinds import Evidence, infer
from netgraft.tables.settings import Settings
from netgraft.tables.source import is_text_file, open_table
from netgraft.tables.steps import FEWEST_ROWS
from netgraft.tables.target import infer_target_kind


@dataclass(frozen=True, eq=False)
class DomainTable:
    """The rows of one domain and how they are read.

    Attributes:
        rows: its rows of the table.
        test: its rows of the test table, or None.
        settings: how they are read.
    """

    rows: pl.DataFrame
    test: pl.DataFrame | None
    settings: Settings

    def read(self) -> Task:
        """Return the task of the domain.

        Raises:
            TableError: the rows cannot be used; the text says why.
            SettingError: a setting does not suit them.
        """
        how = self.settings
        return Task.read(
            self.rows, target=how.target, test=self.test, kind=how.kind, drop=how.drop, group=how.group, time=how.time,
            weight=how.weight, metric=how.metric, target_transform=how.target_transform, lag=how.lag, na=how.na,
            kinds=how.kinds, seed=how.seed,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Domains:
    """A table by domain.

    Attributes:
        by: the column.
        rows: for each value, those with most rows first, the indices of its rows, int64 [n].
        left_out: how many rows have no value.
        settings: how each is read.
    """

    by: str
    rows: Mapping[str, NDArray[np.int64]]
    left_out: int
    settings: Settings
    _frame: pl.DataFrame
    _test: pl.DataFrame | None
    _test_rows: Mapping[str, NDArray[np.int64]]

    def table(self, value: str) -> DomainTable:
        """Return the table of a domain."""
        test = self._test_rows.get(value)
        return DomainTable(
            self._frame[self.rows[value]],
            None if self._test is None or test is None else self._test[test],
            self.settings,
        )


def read_domains(
    table: str | os.PathLike[str], *, by: str, settings: Settings, test: str | os.PathLike[str] | None = None
) -> Domains:
    """Return the domains of a table.

    Args:
        table: a file.
        by: the column that says which domain a row is of; it is no input.
        settings: how each domain is read.
        test: a further labelled file with the same column.

    Raises:
        SettingError: a setting is unknown or out of range.
        TableError: the file cannot be read, there is no such column, it has another use, fewer than two values, or
            none with enough rows.
    """
    frame = open_table(table, na=settings.na)
    _check_column(by, frame, settings)
    settings.check_columns(frame.columns)
    rows, left_out = _rows_by(frame, by, settings)
    if len(rows) < 2:
        came = f"only {next(iter(rows))!r}" if rows else "none"
        raise TableError(f"a fleet needs at least two values in its column, got {came} in {by!r}")
    most = max(map(len, rows.values()))
    if most < FEWEST_ROWS:
        raise TableError(f"a domain with at least {FEWEST_ROWS} rows is required, got at most {most} for a {by!r}")
    kind = infer_target_kind(frame[settings.target], settings.na) if settings.kind == "auto" else settings.kind
    settings.check_kind(kind)
    drop = tuple(dict.fromkeys((*settings.drop, by)))
    kinds = _kinds_of_text(frame, settings) if is_text_file(table) else {}
    further = None if test is None else open_table(test, na=settings.na)
    if further is not None and by not in further.columns:
        raise TableError(unknown_name("the column of the fleet in the test table", by, further.columns))
    test_rows = {} if further is None else _rows_by(further, by, settings)[0]
    how = replace(settings, kind=kind, drop=drop, kinds={**kinds, **settings.kinds})
    return Domains(by, rows, left_out, how, frame, further, test_rows)


def folder_name(value: str, *, most: int = 200) -> str:
    """Return a value percent-encoded as the name of a folder; one that is too long is cut and ends in its hash.

    >>> folder_name("cell 7/b"), folder_name(".."), folder_name("x" * 300, most=26)
    ('cell%207%2Fb', '%2E.', 'xxxxxxxxx~0d4e2ca9e9cbced7')
    """
    name = quote(value, safe="")
    name = name.replace(".", "%2E", 1) if name.startswith(".") else name
    return name if len(name) <= most else f"{name[: most - 17]}~{sha256_hex(value.encode())[:16]}"


def table_name(table: str | os.PathLike[str]) -> str:
    """Return what the entries of a table's models are called by.

    >>> table_name("data/energy.csv.gz")
    'energy'
    """
    return Path(table).name.split(".")[0] or "table"


def entry_name(table: str, value: str) -> str:
    """Return the name of a domain's entry in a library; a value that no name may have is percent-encoded.

    >>> entry_name("energy", "cell 7"), entry_name("energy", "cell 7/")
    ('energy/cell 7', 'energy/cell%207%2F')
    """
    try:
        return checked_name(f"{table}/{value}")
    except SettingError:
        return checked_name(f"{folder_name(table, most=60)}/{folder_name(value, most=130)}")


def _check_column(by: str, frame: pl.DataFrame, settings: Settings) -> None:
    """Refuse a column that is not there or has another use."""
    if by not in frame.columns:
        raise TableError(unknown_name("the column of a fleet", by, frame.columns))
    for use in ("target", "group", "time", "weight"):
        if getattr(settings, use) == by:
            raise TableError(f"the column of a fleet must have no other use, got {by!r} as the {use} column too")


def _rows_by(frame: pl.DataFrame, by: str, settings: Settings) -> tuple[dict[str, NDArray[np.int64]], int]:
    """Return the rows of each value, the most first and equally many by value, and how many rows have none."""
    codes, labels = text_codes(frame[by], settings.na)
    counts = np.bincount(codes, minlength=len(labels))
    parts = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    known = [code for code in range(1, len(labels)) if counts[code]]
    known.sort(key=lambda code: (-counts[code], labels[code]))
    return {str(labels[code]): parts[code] for code in known}, int(counts[0])


def _kinds_of_text(frame: pl.DataFrame, settings: Settings) -> dict[str, Kind]:
    """Return the kinds of those text columns of a text file that hold numbers or truth values.

    Once rows are taken out of it, nobody can tell any more that all cells of the file came as text.
    """
    evidence = Evidence(na=settings.na, is_text_file=True)
    read = {name: infer(frame[name], evidence) for name in frame.columns if frame[name].dtype == pl.String}
    return {
        name: column.kind
        for name, column in read.items()
        if column is not None and column.kind in ("numeric", "boolean", "code") and name != settings.target
    }
