"""Kinds are inferred from types, cells, names and, for codes, the target; cells become raw columns."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest

from netgraft.errors import TableError
from netgraft.runtime.encoding import MISSING_TIME
from netgraft.tables.cells import FORMATS, InputColumn, number_text, raw_cells
from netgraft.tables.inputs import target_columns
from netgraft.tables.kinds import Evidence, forced, infer, roughness
from netgraft.tables.names import names_code

CSV = Evidence(is_text_file=True)
PLAIN = Evidence()


def kind(values: object, evidence: Evidence = PLAIN, name: str = "x") -> str | None:
    column = infer(pl.Series(name, values), evidence)
    return None if column is None else column.kind


def test_kinds_by_type() -> None:
    assert kind([True, None, False]) == "boolean"
    assert kind([0, 1, 1, None]) == "boolean"
    assert kind([0.0, 1.0]) == "boolean"
    assert kind([1, 2, 2]) == "numeric"
    assert kind([0.5, 2.0]) == "numeric"
    assert kind(["a", "b"]) == "categorical"
    assert kind(pl.Series(["a", "b"], dtype=pl.Categorical)) == "categorical"
    assert kind([date(2020, 1, 1)]) == "datetime"
    assert kind([datetime(2020, 1, 1)]) == "datetime"  # noqa: DTZ001
    assert kind([time(1)]) == "datetime"
    assert kind([timedelta(1)]) == "numeric"
    assert kind([None, None]) == "numeric"
    assert kind([[1], [2]]) is None
    assert kind([b"x"]) is None
    assert kind([{"a": 1}]) is None


def test_text_is_numbers_only_in_text_files() -> None:
    assert kind(["1", "2.5", "NA"], CSV) == "numeric"
    assert kind(["1", "2.5", "NA"]) == "categorical"
    assert kind(["True", "False", ""], CSV) == "boolean"
    assert kind(["007", "008"]) == "categorical"
    assert kind(["1", "b"], CSV) == "categorical"


@pytest.mark.parametrize("form", FORMATS)
def test_every_date_format_is_found_and_read(form: str) -> None:
    moment = datetime(2019, 11, 28, 7, 27, 57)  # noqa: DTZ001
    text = moment.strftime(form.replace("%.f", "").replace("%z", "+00:00"))
    column = infer(pl.Series("t", [text, "", None]), PLAIN)
    assert column is not None
    assert column.kind == "datetime"
    expected = int((moment - datetime(1970, 1, 1)).total_seconds())  # noqa: DTZ001
    expected -= 0 if "%S" in form else (57 if "%H" in form else 7 * 3600 + 27 * 60 + 57)
    assert raw_cells(pl.Series("t", [text, ""]), column).tolist() == [expected, MISSING_TIME]


def test_text_that_only_looks_like_dates_is_categorical() -> None:
    assert kind(["2020-01-01", "2020-99-99"]) == "categorical"
    assert kind(["192.168.0.1", "10.0.0.2"]) == "categorical"


def test_counts_since_1970_are_datetimes_when_the_name_says_so() -> None:
    seconds = 1_371_713_733
    for factor, form in ((1, "epoch_s"), (10**3, "epoch_ms"), (10**6, "epoch_us"), (10**9, "epoch_ns")):
        series = pl.Series("TIMESTAMP", [seconds * factor, (seconds + 60) * factor])
        column = infer(series, PLAIN)
        assert column == InputColumn("TIMESTAMP", "datetime", form)
        assert raw_cells(series, column).tolist() == [seconds, seconds + 60]
    assert kind([seconds, seconds + 60], name="bytes") == "numeric"


def test_names_make_codes_and_counts_do_not() -> None:
    cells = [3, 7, 9, 3, 7, 9, 3, 7]
    for name in ("CellID", "RAWCELLID", "channel", "earfcn_dl", "tac", "PHONEID", "service_type"):
        assert names_code(name), name
        assert kind(cells, name=name) == "code", name
    for name in ("n_cells", "humid", "load", "cell_count", "speed", "num_channel"):
        assert kind(cells, name=name) == "numeric", name
    assert kind([-5, *cells], name="CellID") == "numeric"


def test_codes_that_float32_cannot_tell_apart_are_categorical() -> None:
    near = [2**28 + k for k in (0, 1, 2)] * 4
    column = infer(pl.Series("cell_id", near), PLAIN)
    assert column == InputColumn("cell_id", "categorical")
    assert len(set(raw_cells(pl.Series("cell_id", near), column))) == 3


def test_the_target_shows_codes() -> None:
    random = np.random.default_rng(0)
    place = random.integers(0, 20, 8_000)
    effect = random.permutation(20).astype(float)
    rows = np.arange(8_000)
    rough = target_columns(effect[place] + random.standard_normal(8_000), 0)
    smooth = target_columns(place + random.standard_normal(8_000), 0)
    noise = target_columns(random.standard_normal(8_000), 0)
    assert kind(place, Evidence(rows=rows, target=rough)) == "code"
    assert kind(place, Evidence(rows=rows, target=smooth)) == "numeric"
    assert kind(place, Evidence(rows=rows, target=noise)) == "numeric"
    assert kind(place, Evidence(rows=rows)) == "numeric"
    ratio, explained = roughness(place, rough)
    assert 0.6 < ratio < 1.6
    assert explained > 0.9
    assert roughness(place, smooth)[0] < 0.1


def test_classes_show_codes() -> None:
    random = np.random.default_rng(1)
    place = random.integers(0, 12, 6_000)
    labels = random.permutation(12)[place] % 3
    assert kind(place, Evidence(rows=np.arange(6_000), target=target_columns(labels, 3))) == "code"
    grows = (place + 3 * random.standard_normal(6_000) > 6).astype(np.int64)
    assert kind(place, Evidence(rows=np.arange(6_000), target=target_columns(grows, 2))) == "numeric"


def test_pandas_integers_with_missing_cells_may_be_codes() -> None:
    assert kind([3.0, 7.0, 9.0, None] * 4, name="cell_id") == "code"
    assert kind([3.0, 7.0, 9.0] * 4, name="cell_id") == "numeric"


def test_raw_cells() -> None:
    numbers = raw_cells(pl.Series("x", [1, None, 100]), InputColumn("x", "numeric"), na=["100"])
    assert numbers.dtype == np.float32
    assert numbers[0] == 1
    assert np.isnan(numbers[1:]).all()
    as_text = InputColumn("x", "categorical")
    for cells in ([3, None, 4], [3.0, None, 4.0], ["3", None, "4"]):
        assert raw_cells(pl.Series("x", cells), as_text).tolist() == ["3", "", "4"]
    assert raw_cells(pl.Series("x", [True, None]), as_text).tolist() == ["true", ""]
    assert raw_cells(pl.Series("x", [0.5, float("nan")]), as_text).tolist() == ["0.5", ""]
    assert raw_cells(pl.Series("x", ["a", "-"]), as_text, na=["-"]).tolist() == ["a", ""]
    assert raw_cells(pl.Series("x", [100, 3]), as_text, na=[100]).tolist() == ["", "3"]
    assert raw_cells(pl.Series("x", [time(1, 0, 1)]), InputColumn("x", "datetime")).tolist() == [3601]
    zoned = pl.Series("x", [datetime(1970, 1, 2)]).dt.replace_time_zone("Europe/Berlin")  # noqa: DTZ001
    assert raw_cells(zoned, InputColumn("x", "datetime")).tolist() == [23 * 3600]
    assert raw_cells(pl.Series("x", [timedelta(seconds=90)]), InputColumn("x", "numeric")).tolist() == [90]
    assert number_text(2.0**60) == str(2.0**60)


def test_cells_of_another_type() -> None:
    number, moment = InputColumn("x", "numeric"), InputColumn("x", "datetime")
    with pytest.raises(TableError, match="column 'x' must hold numbers, got 'b'"):
        raw_cells(pl.Series("x", ["1", "b"]), number)
    with pytest.raises(TableError, match="column 'x' must hold numbers, got Date"):
        raw_cells(pl.Series("x", [date(2020, 1, 1)]), number)
    with pytest.raises(TableError, match="column 'x' must hold date-times, got 'soon'"):
        raw_cells(pl.Series("x", ["2020-01-01", "soon"]), InputColumn("x", "datetime", "%Y-%m-%d"))
    with pytest.raises(TableError, match="column 'x' must hold date-times, got Boolean"):
        raw_cells(pl.Series("x", [True]), moment)
    with pytest.raises(TableError, match="must hold date-times in one format"):
        forced(pl.Series("x", ["a"]), "datetime", ())


@pytest.mark.parametrize("cell", [float("inf"), -float("inf"), 1e300])
def test_infinite_cells_are_named_and_counted(cell: float) -> None:
    with pytest.raises(TableError, match="finite as float32, got 2 infinite values in column 'load'"):
        raw_cells(pl.Series("load", [cell, 1.0, cell]), InputColumn("load", "numeric"))


def test_forced_kinds() -> None:
    assert forced(pl.Series("t", ["2020-01-01"]), "datetime", ()).form == "%Y-%m-%d"
    assert forced(pl.Series("t", [1_500_000_000_000]), "datetime", ()).form == "epoch_ms"
    assert forced(pl.Series("t", [5, 6]), "datetime", ()).form == "epoch_s"
    assert forced(pl.Series("t", [5, 6]), "categorical", ()).kind == "categorical"
