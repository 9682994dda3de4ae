"""What the models of a folder say of further tables: predictions, and metrics where the target is known."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from netgraft.errors import ModelError, OutputError
from netgraft.lifecycle.folder import load_point
from netgraft.lifecycle.metrics import metrics_of
from netgraft.records import write_bytes
from netgraft.runtime import Model
from netgraft.tables import InputColumn, Schema
from netgraft.units import Limit

ENDINGS = (".csv", ".parquet")


def predict_table(path: Path, table: Any, *, point: str | None = None, limits: Sequence[Limit] = ()) -> pl.DataFrame:
    """Return the predictions of a point for each row of a table.

    Args:
        path: folder of a search.
        table: a file or frame with the columns of the one that was searched for; the target is not needed.
        point: its id; the picked one by default.
        limits: instead of an id, bounds that the point must meet.

    Returns:
        ``prediction``; for classes ``probability_<class>``; for a regression ``prediction_low`` and
        ``prediction_high``, between which nine of ten targets lie.

    Raises:
        ModelError: the folder is no result, or was tampered with.
        TableError: the table is not readable or lacks a column.
        SettingError, LimitError: there is no such point.
    """
    model = load_point(path, point, limits)
    return predicted_frame(model, schema_of(model).read(table, labelled=False).raw)


def predicted_frame(model: Model, raw: dict[str, Any]) -> pl.DataFrame:
    """Return the predictions for raw columns as a frame; columns as in `predict_table`."""
    prediction, output = model.predict(raw), model.output
    if output.kind == "regression":
        width = np.float32(output.interval)
        values = prediction.values
        columns = {"prediction": values}
        if np.isfinite(width):
            columns |= {"prediction_low": values - width, "prediction_high": values + width}
        return pl.DataFrame(columns)
    labels = pl.Series("prediction", list(output.classes)).gather(prediction.values)
    assert prediction.probabilities is not None
    columns = {f"probability_{_label(c)}": prediction.probabilities[:, i] for i, c in enumerate(output.classes)}
    return pl.DataFrame({"prediction": labels} | columns)


def _label(value: Any) -> str:
    """Return a class as part of a column's name."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def schema_of(model: Model) -> Schema:
    """Return how tables for a model are read; one that does not say, but names its target, reads plain numbers.

    Raises:
        ModelError: the model does not say, and not all of its columns are numbers.
    """
    stored, columns, output = model.about.get("schema"), model.encoding.columns, model.output
    if isinstance(stored, dict):
        return Schema.from_json(stored)
    if "target" not in model.about or any(column.kind != "numeric" for column in columns):
        raise ModelError("a model must say how its table is read, got none")
    inputs = tuple(InputColumn(column.name, "numeric") for column in columns)
    return Schema(inputs, str(model.about["target"]), output.kind, output.classes)


def evaluate_table(
    path: Path, table: Any, *, point: str | None = None, limits: Sequence[Limit] = ()
) -> dict[str, float]:
    """Return the metrics of a point on a labelled table; ``error`` is the one that was searched for.

    A label that training never saw counts as wrong, as on the test table of a search.

    Args:
        path: folder of a search.
        table: a file or frame with the columns and the target.
        point: as for `predict_table`.
        limits: as for `predict_table`.

    Raises:
        ModelError, TableError, SettingError, LimitError: as `predict_table`.
    """
    model = load_point(path, point, limits)
    rows = schema_of(model).read(table, labelled=True, strict=False)
    return metrics_of(model, rows, str(model.about["metric"]))


def check_ending(path: Path, endings: Sequence[str] = ENDINGS) -> None:
    """Check that a file to be written has one of the endings and is no folder.

    Raises:
        OutputError: it has not.
    """
    if path.suffix.lower() not in endings:
        raise OutputError(f"a file ending in {' or '.join(endings)} is required, got {path}")
    if path.is_dir():
        raise OutputError(f"a file to write to is required, got the folder {path}")


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write a frame as CSV or Parquet by the file's ending.

    Raises:
        OutputError: the ending is another, or the file cannot be written.
    """
    check_ending(path)
    buffer = io.BytesIO()
    if path.suffix.lower() == ".csv":
        frame.write_csv(buffer)
    else:
        frame.write_parquet(buffer)
    write_bytes(path, buffer.getvalue())
