"""The frozen encoding: what each cell becomes."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.errors import ModelError, TableError
from netgraft.runtime import Column, Encoding
from netgraft.runtime.encoding import DATETIME_PARTS, MISSING_TIME, category_codes, datetime_part

START, END = dt.datetime(1940, 1, 1), dt.datetime(2100, 1, 1)  # noqa: DTZ001  hypothesis adds the zone


def encoding(*columns: Column, low: float = -10, high: float = 10, center: float = 1, scale: float = 2) -> Encoding:
    d = sum(len(column.numeric_features) for column in columns)
    return Encoding(columns, *(np.full(d, v, np.float32) for v in (center, scale, low, high)))


def test_numbers_are_clipped_and_standardised_and_missing_ones_are_zero() -> None:
    made = encoding(Column("x", "numeric"), low=0, high=5).apply({"x": np.array([3, 99, -99, np.nan], np.float32)})
    np.testing.assert_array_equal(made.numeric[:, 0], [1, 2, -0.5, 0])
    assert made.numeric.dtype == np.float32
    assert made.codes.shape == (4, 0)
    assert len(made.take(slice(1, 3))) == 2


def test_indicator_is_a_feature_of_its_own() -> None:
    frozen = encoding(Column("x", "numeric", indicator=True), Column("t", "datetime", (), ("seconds",), True), center=0)
    assert frozen.numeric_features == ("x", "x:missing", "t:seconds", "t:missing")
    made = frozen.apply({"x": np.array([4, np.nan], np.float32), "t": np.array([MISSING_TIME, 6])})
    np.testing.assert_array_equal(made.numeric, [[2, 0, 0, 0.5], [0, 0.5, 3, 0]])


def test_codes_are_read_as_number_and_as_category() -> None:
    frozen = encoding(Column("cell", "code", (7.0, float(np.float32(0.1)))))
    made = frozen.apply({"cell": np.array([0.1, 7, 8, np.nan], np.float32)})
    np.testing.assert_array_equal(made.codes[:, 0], [2, 1, 0, 0])
    np.testing.assert_allclose(made.numeric[:, 0], [-0.45, 3, 3.5, 0], rtol=1e-6)
    assert (frozen.cardinalities, frozen.numeric_features) == ((3,), ("cell",))


@pytest.mark.parametrize("dtype", [object, str])
def test_unknown_and_missing_categories_share_slot_zero(dtype: type) -> None:
    column = Column("word", "categorical", ("b", "a", "ü"))
    cells = np.array(["a", "b", "ü", "", "aa", "A"], dtype)
    np.testing.assert_array_equal(category_codes(column, cells), [2, 1, 3, 0, 0, 0])
    assert category_codes(Column("word", "categorical"), cells).tolist() == [0] * 6


def test_first_of_two_equal_categories_counts() -> None:
    assert category_codes(Column("w", "categorical", ("a", "a")), np.array(["a"], object)).tolist() == [1]


@given(st.datetimes(START, END, timezones=st.just(dt.UTC)))
def test_parts_of_date_times_are_those_of_the_calendar(moment: dt.datetime) -> None:
    moment = moment.replace(microsecond=0)
    seconds = np.array([round(moment.timestamp())])
    part = {name: float(datetime_part(seconds, name)[0]) for name in DATETIME_PARTS}
    assert part["weekend"] == (moment.weekday() >= 5)
    hour = 2 * np.pi * (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86_400
    day = 2 * np.pi * moment.weekday() / 7
    found = [part["hour_sin"], part["hour_cos"], part["weekday_sin"], part["weekday_cos"]]
    np.testing.assert_allclose(found, [np.sin(hour), np.cos(hour), np.sin(day), np.cos(day)], atol=2e-6)
    assert part["year_sin"] ** 2 + part["year_cos"] ** 2 == pytest.approx(1, abs=1e-5)
    assert part["seconds"] == np.float32(seconds[0])


def test_missing_date_time_is_zero_in_every_part() -> None:
    made = encoding(Column("t", "datetime", (), DATETIME_PARTS)).apply({"t": np.array([MISSING_TIME])})
    np.testing.assert_array_equal(made.numeric, np.zeros((1, len(DATETIME_PARTS))))


def test_json_and_arrays_give_the_encoding_back() -> None:
    frozen = encoding(
        Column("x", "numeric", indicator=True), Column("c", "code", (1.5,)), Column("w", "categorical", ("ä",))
    )
    again = Encoding.from_json(json.loads(json.dumps(frozen.to_json())), frozen.arrays())
    assert again.columns == frozen.columns
    for name, value in frozen.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], value)


def test_missing_column_is_named() -> None:
    with pytest.raises(TableError, match="the table must have the column 'x', which the model was trained on"):
        encoding(Column("x", "numeric")).apply({"y": np.zeros(1)})


def test_arrays_must_fit_the_columns() -> None:
    with pytest.raises(ModelError, match=r"encoding array 'low' must have shape \(1,\), got \(2,\)"):
        Encoding((Column("x", "numeric"),), *(np.zeros(n, np.float32) for n in (1, 1, 2, 1)))


def test_stored_columns_are_checked() -> None:
    frozen = encoding(Column("x", "numeric"))
    entry = frozen.to_json()[0]
    with pytest.raises(ModelError, match=r"a column's kind must be one of numeric, .*, got 'blob'"):
        Encoding.from_json([entry | {"kind": "blob"}], frozen.arrays())
    with pytest.raises(ModelError, match="an encoding must have the array 'scale'"):
        Encoding.from_json([entry], {"center": np.zeros(1)})


def test_unknown_part_of_a_date_time_is_refused() -> None:
    for part in ("minute_sin", "hour_tan", "moon"):
        with pytest.raises(ModelError, match=rf"a date-time part must be one of seconds, .*, got '{part}'"):
            datetime_part(np.zeros(1, np.int64), part)
