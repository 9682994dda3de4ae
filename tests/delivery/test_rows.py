from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest
from delivery_examples import example_encoding, example_output, example_shape, example_tensors
from hypothesis import given
from hypothesis import strategies as st

from netgraft.delivery.device.engine import Engine, Live
from netgraft.delivery.device.rows import MOST_LINE_BYTES, answer_line, raw_columns
from netgraft.errors import TableError
from netgraft.runtime import Column, Encoding, Model
from netgraft.runtime.encoding import MISSING_TIME
from netgraft.runtime.nested import network

ROW = {f"x{j}": 0.5 * j for j in range(5)} | {"w0": "a", "w1": "b"}


def engine(outputs: int = 3, *, early: bool = False) -> Engine:
    shape = example_shape(outputs=outputs)
    part = network(shape, example_tensors(shape), 2, 2)
    model = Model(example_encoding(shape), (part,), np.ones(1, np.float32), example_output(shape))
    made = Engine()

    def leave(inputs: Any) -> Any:
        return part.outputs(inputs)[:, 0], np.full(len(inputs), 1)

    made.swap(Live(7, "d2s2p8", model, 0, leave if early else None))
    return made


def encoding(*columns: Column) -> Encoding:
    none = np.zeros(sum(len(c.numeric_features) for c in columns), np.float32)
    return Encoding(columns, none, none + 1, none - 9, none + 9)


def test_answer_of_a_class_has_probabilities_version_and_cut() -> None:
    found = answer_line(engine(), json.dumps(ROW))
    assert set(found) == {"prediction", "probabilities", "version", "cut"}
    assert set(found["probabilities"]) == {"class 0", "class 1", "class 2"}
    assert found["prediction"] == max(found["probabilities"], key=found["probabilities"].get)
    assert math.isclose(sum(found["probabilities"].values()), 1, abs_tol=1e-5)
    assert (found["version"], found["cut"]) == (7, "d2s2p8")


def test_answer_of_a_number_is_one() -> None:
    found = answer_line(engine(1), json.dumps({**ROW, "more": [1]}).encode())
    assert set(found) == {"prediction", "version", "cut"}
    assert isinstance(found["prediction"], float)


def test_answer_says_where_the_row_left() -> None:
    assert answer_line(engine(early=True), json.dumps(ROW))["depth"] == 1


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("", "a row must be a JSON object, got ''"),
        ("[1]", r"a row must be a JSON object, got '\[1\]'"),
        ("{", "a row must be a JSON object, got '{'"),
        ("[" * 100_000, "a row must be a JSON object, got"),
        ("{}", "a row must have the column 'x0', got none"),
        (json.dumps({**ROW, "x1": "a lot"}), "column 'x1' must have finite numbers, got 'a lot'"),
        (json.dumps({**ROW, "x1": 1e39}), "column 'x1' must have finite numbers, got 1e"),
        (json.dumps({**ROW, "x1": 10**400}), "column 'x1' must have finite numbers, got 1000"),
        (json.dumps({**ROW, "w0": []}), r"column 'w0' must have texts or numbers, got \[\]"),
        (" " * (MOST_LINE_BYTES + 1), "a row of at most 1048576 bytes is required, got 1048577"),
    ],
)
def test_bad_line_is_answered_with_what_is_wrong(line: str, text: str) -> None:
    found = answer_line(engine(), line)
    assert set(found) == {"error"}
    assert re.match(text, found["error"])


def test_line_before_the_first_model_is_answered_too() -> None:
    found = answer_line(Engine(), json.dumps(ROW))
    assert found == {"error": "a model is required before anything can be answered, got none yet"}


@given(st.text(max_size=40) | st.binary(max_size=40))
def test_no_line_raises(line: str | bytes) -> None:
    assert "error" in answer_line(ENGINE, line)


ENGINE = engine()


def test_cells_become_raw_columns() -> None:
    columns = encoding(
        Column("n", "numeric"), Column("b", "boolean"), Column("c", "categorical", ("3",)), Column("t", "datetime")
    )
    rows: list[dict[str, Any]] = [
        {"n": 1, "b": True, "c": 3, "t": 60},
        {"n": None, "b": None, "c": None, "t": None},
        {"n": 1.5, "b": 0, "c": 3.0, "t": "1970-01-01T00:01:00"},
        {"n": 2, "b": False, "c": True, "t": "1970-01-01T01:01:00+01:00"},
        {"n": 2, "b": 1, "c": "x", "t": 60.9},
    ]
    raw = raw_columns(columns, rows)
    assert raw["n"].dtype == np.float32
    assert np.array_equal(raw["n"], np.array([1, np.nan, 1.5, 2, 2], np.float32), equal_nan=True)
    assert np.array_equal(raw["b"], np.array([1, np.nan, 0, 0, 1], np.float32), equal_nan=True)
    assert raw["c"].tolist() == ["3", "", "3", "true", "x"]
    assert raw["t"].tolist() == [60, MISSING_TIME, 60, 60, 60]


@pytest.mark.parametrize("cell", ["yesterday", True, [], 1e300])
def test_date_times_that_are_none_are_refused(cell: Any) -> None:
    with pytest.raises(TableError, match="column 't' must have ISO 8601 date-times or seconds, got"):
        raw_columns(encoding(Column("t", "datetime")), [{"t": cell}])
