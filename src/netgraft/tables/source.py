"""A file or a frame becomes a polars frame with unique text names and at least one row.

Files are read by their ending: ``.csv``, ``.tsv`` (also ``.gz``), ``.parquet``, ``.pq``, ``.arrow``, ``.feather``,
``.ipc``. Frames are polars (lazy too), pandas, pyarrow and whatever else narwhals knows, a mapping of columns, or a
two-dimensional NumPy array. Duplicate names are found before any reader renames them. Nothing here interprets cells,
except that text marked as missing is null in a CSV file, so that a column of numbers with a ``-`` in it stays numbers.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from netgraft.errors import TableError

#: What `open_table` accepts.
type_names = "a path, a pandas, polars or pyarrow frame, a mapping of columns or a two-dimensional array"

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_PARQUET = (".parquet", ".pq")
_ARROW = (".arrow", ".feather", ".ipc")
_ENDINGS = ".csv, .csv.gz, .tsv, .tsv.gz, .parquet, .pq, .arrow, .feather, .ipc"
#: Rows from which a CSV column's type is guessed before the whole file is tried.
_GUESS_ROWS = 10_000


def open_table(table: Any, *, na: Sequence[str | float] = (), names: Sequence[str] | None = None) -> pl.DataFrame:
    """Return the table as a polars frame.

    Args:
        table: a path, a frame, a mapping of columns, or an array [n, d].
        na: marks of missing cells; the texts among them are null in CSV files.
        names: the d column names of an array; ``x0``, ``x1``, ... when absent.

    Raises:
        TableError: the file is missing, unreadable or of an unknown ending, the table is empty, or two columns have
            one name.
    """
    if isinstance(table, str | os.PathLike):
        frame, came = _open_file(Path(table), na), f"table {os.fspath(table)}"
    elif isinstance(table, np.ndarray):
        frame, came = _open_array(table, names), "the array"
    else:
        frame, came = _open_frame(table), "the table"
    if not frame.width:
        raise TableError(f"{came} must have at least one column, got none")
    if not frame.height:
        raise TableError(f"{came} must have at least one row, got none")
    return frame


def is_text_file(table: Any) -> bool:
    """Return whether the table is a CSV or TSV file, in which every cell is text."""
    if not isinstance(table, str | os.PathLike):
        return False
    return _ending(Path(table)) in _SEPARATORS


def check_names(names: Iterable[Any], came: str) -> list[str]:
    """Return the names as text.

    Raises:
        TableError: a name comes twice.
    """
    listed = [str(name) for name in names]
    twice = [name for name, count in Counter(listed).items() if count > 1]
    if twice:
        shown = ", ".join(repr(name) for name in twice[:10])
        raise TableError(f"column names must be unique, got duplicates in {came}: {shown}")
    return listed


def _ending(path: Path) -> str:
    """Return the lower-case ending, that before ``.gz`` if there is one."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return plain.suffix.lower()


def _open_file(path: Path, na: Sequence[str | float]) -> pl.DataFrame:
    """Return the frame of a file; foreign errors become `TableError`."""
    ending = _ending(path)
    zipped = path.suffix.lower() == ".gz"
    if ending not in _SEPARATORS and (zipped or ending not in _PARQUET + _ARROW):
        raise TableError(f"a table file must end in one of {_ENDINGS}, got {path}")
    if not path.is_file():
        raise TableError(f"a table file is required, got {path}: {'a folder' if path.is_dir() else 'no such file'}")
    if path.stat().st_size == 0:
        raise TableError(f"a table with rows is required, got {path}: the file is empty")
    try:
        if ending in _SEPARATORS:
            return _open_csv(path, _SEPARATORS[ending], zipped, na)
        return _open_parquet(path) if ending in _PARQUET else _open_arrow(path)
    except TableError:
        raise
    except (pl.exceptions.PolarsError, OSError, EOFError, UnicodeError, ValueError, csv.Error) as error:
        reason = " ".join(str(error).split("\n\n")[0].split())[:200] or type(error).__name__
        raise TableError(f"a readable table is required, got {path}: {reason}") from error


def _open_csv(path: Path, separator: str, zipped: bool, na: Sequence[str | float]) -> pl.DataFrame:
    """Return the frame of a CSV file; its types are guessed from the first rows, else from all."""
    opener = gzip.open if zipped else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        if separator == "," and "," not in first:
            separator = max(",;\t|", key=first.count)
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file, delimiter=separator), [])
    check_names(header, str(path))
    marks = ["", *(mark for mark in na if isinstance(mark, str) and as_number(mark) is None)]
    for rows in (_GUESS_ROWS, None):
        try:
            return pl.read_csv(path, separator=separator, null_values=marks, infer_schema_length=rows)
        except pl.exceptions.ComputeError:
            if rows is None:
                raise
    raise AssertionError("unreachable")


def _open_parquet(path: Path) -> pl.DataFrame:
    """Return the frame of a Parquet file."""
    import pyarrow.parquet

    check_names(pyarrow.parquet.read_schema(path).names, str(path))
    return pl.read_parquet(path)


def _open_arrow(path: Path) -> pl.DataFrame:
    """Return the frame of an Arrow IPC file or stream (Feather version 2 is the former)."""
    import pyarrow.ipc

    with path.open("rb") as file:
        is_file = file.read(6) == b"ARROW1"
    with path.open("rb") as file:
        reader = pyarrow.ipc.open_file(file) if is_file else pyarrow.ipc.open_stream(file)
        check_names(reader.schema.names, str(path))
    return pl.read_ipc(path) if is_file else pl.read_ipc_stream(path)


def _open_array(array: np.ndarray[Any, Any], names: Sequence[str] | None) -> pl.DataFrame:
    """Return the frame of an array [n, d]."""
    if array.ndim != 2:
        raise TableError(f"an array must have two dimensions, rows and columns, got shape {array.shape}")
    listed = check_names(names if names is not None else [f"x{j}" for j in range(array.shape[1])], "the names")
    if len(listed) != array.shape[1]:
        raise TableError(f"an array must have {len(listed)} columns, got {array.shape[1]}")
    return pl.DataFrame([column_of(name, array[:, j]) for j, name in enumerate(listed)])


def _open_frame(table: Any) -> pl.DataFrame:
    """Return the polars frame of any frame."""
    import narwhals as nw

    if isinstance(table, pl.LazyFrame):
        table = table.collect()
    if isinstance(table, pl.DataFrame):
        return table
    if isinstance(table, Mapping):
        check_names(table, "the table")
        return pl.DataFrame([column_of(str(name), values) for name, values in table.items()])
    columns = getattr(table, "column_names", getattr(table, "columns", None))
    if columns is None:
        raise TableError(f"a table must be {type_names}, got {type(table).__name__}")
    listed = check_names(columns, "the table")
    try:
        frame = nw.from_native(table)
    except TypeError as error:
        raise TableError(f"a table must be {type_names}, got {type(table).__name__}") from error
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return pl.DataFrame(
        [column_of(name, eager.get_column(key)) for name, key in zip(listed, eager.columns, strict=True)]
    )


def column_of(name: str, values: Any) -> pl.Series:
    """Return one column as a polars series; a mixture of types becomes text."""
    import narwhals as nw

    try:
        if isinstance(values, pl.Series | np.ndarray):
            return pl.Series(name, values) if not _is_object(values) else _mixed(name, list(values))
        if hasattr(values, "to_polars"):
            return values.to_polars().alias(name)
        if hasattr(values, "dtype") or hasattr(values, "type"):
            return nw.from_native(values, series_only=True).to_polars().alias(name)
        return _mixed(name, list(values))
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
        return _mixed(name, list(values.to_list() if hasattr(values, "to_list") else values))


def _is_object(values: Any) -> bool:
    """Return whether the values are a NumPy array of Python objects."""
    return isinstance(values, np.ndarray) and values.dtype == object


def _mixed(name: str, values: list[Any]) -> pl.Series:
    """Return a list of Python values as a series; what has no common type becomes text."""
    try:
        return pl.Series(name, values, strict=True)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
        absent = (value is None or (isinstance(value, float) and np.isnan(value)) for value in values)
        return pl.Series(name, [None if gone else str(value) for value, gone in zip(values, absent, strict=True)])


def as_number(text: str) -> float | None:
    """Return the number a text spells, or nothing.

    >>> as_number(" 1.5"), as_number("-"), as_number("100")
    (1.5, None, 100.0)
    """
    try:
        return float(text)
    except ValueError:
        return None
