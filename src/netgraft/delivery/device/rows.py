"""Rows that come one by one as JSON objects become raw columns, and answers become JSON objects."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.device.engine import Answer, Engine
from netgraft.errors import NetgraftError, TableError
from netgraft.runtime import Column, Encoding
from netgraft.runtime.encoding import MISSING_TIME

MOST_LINE_BYTES = 1_048_576


def raw_columns(encoding: Encoding, rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Return the raw columns of rows; what a row has beyond the model's columns is ignored.

    Args:
        encoding: of the model.
        rows: one object per row; ``null`` is a missing cell. A date-time is ISO 8601 text (UTC unless it says
            otherwise) or whole seconds since 1970.

    Raises:
        TableError: a row lacks a column, or a cell is of another kind.
    """
    return {column.name: _cells(column, rows) for column in encoding.columns}


def answer_line(engine: Engine, line: str | bytes) -> dict[str, Any]:
    """Return what the live model says of one JSON object; ``{"error": ...}`` when it is no row, never an exception.

    Args:
        engine: with a model or not.
        line: text of one JSON object.
    """
    try:
        row, live = _row(line), engine.current()
        return answer_json(live.answer(raw_columns(live.model.encoding, [row])))
    except NetgraftError as error:
        return {"error": " ".join(str(error).split())}


def answer_json(answer: Answer) -> dict[str, Any]:
    """Return the answer for one row as JSON values."""
    prediction, output = answer.prediction, answer.output
    found: dict[str, Any] = {}
    if output.kind == "classification":
        assert prediction.probabilities is not None
        found["prediction"] = output.classes[int(prediction.values[0])]
        chances = (round(float(value), 6) for value in prediction.probabilities[0])
        found["probabilities"] = dict(zip(map(str, output.classes), chances, strict=True))
    else:
        found["prediction"] = float(prediction.values[0])
    if answer.depths is not None:
        found["depth"] = int(answer.depths[0])
    return {**found, "version": answer.version, "cut": answer.cut}


def _row(line: str | bytes) -> dict[str, Any]:
    """Return the object of a line."""
    if len(line) > MOST_LINE_BYTES:
        raise TableError(f"a row of at most {MOST_LINE_BYTES} bytes is required, got {len(line)}")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TableError(f"a row must be a JSON object, got {_short(line)}") from error
    if not isinstance(row, dict):
        raise TableError(f"a row must be a JSON object, got {_short(line)}")
    return row


def _cells(column: Column, rows: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    """Return the raw column of n rows."""
    absent = next((row for row in rows if column.name not in row), None)
    if absent is not None:
        raise TableError(f"a row must have the column {column.name!r}, got {', '.join(map(str, absent)) or 'none'}")
    cells = [row[column.name] for row in rows]
    if column.kind == "categorical":
        return np.array([_text(column, cell) for cell in cells], object)
    if column.kind == "datetime":
        return np.array([_seconds(column, cell) for cell in cells], np.int64)
    return np.array([_number(column, cell) for cell in cells], np.float32)


def _number(column: Column, cell: Any) -> float:
    if cell is None:
        return math.nan
    if isinstance(cell, bool | int | float):
        with np.errstate(over="ignore"):
            value = float(np.float32(cell)) if abs(cell) < 1e300 else math.inf
        if math.isfinite(value):
            return value
    raise TableError(f"column {column.name!r} must have finite numbers, got {_short(cell)}")


def _text(column: Column, cell: Any) -> str:
    """Return a category: 3, 3.0 and "3" are the same one, as in a table."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, str | int | float):
        return str(cell)
    raise TableError(f"column {column.name!r} must have texts or numbers, got {_short(cell)}")


def _seconds(column: Column, cell: Any) -> int:
    """Return whole seconds since 1970."""
    if cell is None:
        return int(MISSING_TIME)
    if isinstance(cell, int | float) and not isinstance(cell, bool) and abs(cell) < 2**53:
        return math.floor(cell)
    if isinstance(cell, str):
        try:
            moment = datetime.fromisoformat(cell)
            return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        except (ValueError, OverflowError):
            pass
    raise TableError(f"column {column.name!r} must have ISO 8601 date-times or seconds, got {_short(cell)}")


def _short(value: Any) -> str:
    return repr(value)[:60]
