"""A table becomes a task: what is read, dropped, encoded and refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraft.errors import SettingError, TableError
from netgraft.tables import Rows, Schema, Task

RANDOM = np.random.default_rng(0)


def table(n: int = 60, **columns: Any) -> pl.DataFrame:
    """Return a frame with two plain inputs, a target ``y`` and the given columns."""
    random = np.random.default_rng(n)
    a, b = random.standard_normal(n), random.standard_normal(n)
    base = {"a": a, "b": b, "y": a + 0.3 * b + random.standard_normal(n)}
    return pl.DataFrame(base | columns)


def reasons(task: Task) -> dict[str, str]:
    return {dropped.name: dropped.reason for dropped in task.dropped}


# What is read


def test_a_task_of_every_kind_of_column(tmp_path: Path) -> None:
    n = 6_000
    frame = table(
        n,
        flag=RANDOM.integers(0, 2, n).astype(bool),
        cell_id=RANDOM.integers(0, 9, n) * 37,
        service=RANDOM.choice(["web", "voice", ""], n),
        when=[datetime(2023, 1, 1) + timedelta(hours=int(h)) for h in RANDOM.integers(0, 2000, n)],  # noqa: DTZ001
    )
    frame = frame.with_columns(pl.when(pl.col("a") > 1).then(None).otherwise(pl.col("a")).alias("a"))
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_csv(tmp_path / "t.csv")
    tasks = [
        Task.read(source, target="y")
        for source in (frame, tmp_path / "t.parquet", tmp_path / "t.csv", frame.to_pandas())
    ]
    for task in tasks:
        columns = {column.name: column for column in task.encoding.columns}
        assert [column.kind for column in columns.values()] == [
            "numeric",
            "numeric",
            "boolean",
            "code",
            "categorical",
            "datetime",
        ]
        assert columns["a"].indicator
        assert not columns["b"].indicator
        assert set(columns["service"].vocabulary) == {"web", "voice"}
        assert len(columns["cell_id"].vocabulary) == 9
        assert columns["when"].parts == (
            "seconds", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "weekend", "year_sin", "year_cos",
        )  # fmt: skip
        inputs = task.encoding.apply(task.rows.raw)
        assert np.isfinite(inputs.numeric).all()
        assert len(inputs) == n
        assert task.metric == "r2"
        assert len(task.splits) == 1
        assert task.dropped == ()
    assert len({task.fingerprint for task in tasks[:2]}) == 1


def test_columns_that_cannot_be_inputs_are_dropped_by_name() -> None:
    n = 300
    frame = table(n).with_columns(
        constant=pl.lit(3),
        empty=pl.lit(None, pl.Float64),
        row=pl.Series(np.arange(n) * 2),
        user_id=pl.Series(np.random.default_rng(1).permutation(n)),
        text=pl.Series([f"n{i}" for i in range(n)]),
        same=pl.col("y"),
        units=pl.col("y") * 1000 - 5,
        order=pl.col("y").exp(),
        nested=pl.Series([[1]] * n),
        sorted_float=pl.Series(np.arange(n) + 0.5),
        shuffled=pl.Series(np.random.default_rng(2).permutation(n)),
    )
    assert reasons(Task.read(frame, target="y")) == {
        "constant": "constant",
        "empty": "all cells are missing",
        "row": "row identifier: distinct integers in order",
        "user_id": "row identifier: distinct integers and a name that says so",
        "text": "row identifier: 300 distinct texts in 300 rows",
        "same": "equal to the target",
        "units": "copy of the target in other units",
        "order": "copy of the target: the same order, value by value",
        "nested": "nested values cannot be an input",
    }
    chosen = Task.read(
        frame, target="y", kinds={"row": "numeric", "text": "categorical", "same": "numeric", "units": "numeric"}
    )
    assert set(reasons(chosen)) == {"constant", "empty", "user_id", "same", "order", "nested"}


def test_copies_of_classes_are_dropped_and_what_fixes_them_is_noted() -> None:
    n = 400
    label = RANDOM.choice(["x", "y", "z"], n)
    fine = np.array([name + str(k) for name, k in zip(label, RANDOM.integers(0, 4, n), strict=True)])
    index = np.searchsorted(["x", "y", "z"], label)
    frame = table(n, label=label, fine=fine, number=index * 7, real=index / 3, text=np.char.upper(label))
    task = Task.read(frame, target="label")
    copy = "copy of the target: one value for each class"
    assert reasons(task) == {"number": copy, "real": copy, "text": copy}
    assert any(note.startswith("fine: each of its values comes with one class only") for note in task.notes)
    assert task.classes == ("x", "y", "z")
    assert task.metric == "accuracy"


def test_group_and_what_names_it_are_no_inputs() -> None:
    n = 400
    site = RANDOM.integers(0, 8, n)
    frame = table(n, site=site, town=[f"t{s}" for s in site], region=[f"r{s % 2}" for s in site])
    task = Task.read(frame, target="y", group="site")
    assert [column.name for column in task.encoding.columns] == ["a", "b", "region"]
    assert reasons(task) == {"town": "each of its values occurs in one group only"}
    assert task.rows.groups is not None
    assert set(task.rows.groups) == {str(k) for k in range(8)}


def test_time_orders_and_keeps_only_parts_that_recur() -> None:
    n = 500
    when = [datetime(2023, 1, 1) + timedelta(hours=3 * h) for h in range(n)]  # noqa: DTZ001
    task = Task.read(table(n, when=when, step=np.arange(n)), target="y", time="when", drop=["step"])
    assert task.encoding.columns[-1].parts == ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "weekend")
    stamps = task.rows.raw["when"]
    assert all(stamps[s.train].max() < stamps[s.validation].min() for s in task.splits)
    numeric = Task.read(table(n, when=when, step=np.arange(n)), target="y", time="step")
    assert "step" not in [column.name for column in numeric.encoding.columns]
    assert all(s.train.max() < s.validation.min() for s in numeric.splits)


@pytest.mark.parametrize(
    ("hours", "parts"),
    [
        ([0, 24, 48], ("seconds",)),
        ([0, 1, 30], ("seconds", "hour_sin", "hour_cos")),
        ([0, 24 * 4], ("seconds", "weekday_sin", "weekday_cos", "weekend")),
        ([0, 24 * 70], ("seconds", "weekday_sin", "weekday_cos", "weekend", "year_sin", "year_cos")),
    ],
)
def test_parts_that_do_not_vary_are_left_out(hours: list[int], parts: tuple[str, ...]) -> None:
    when = [datetime(2023, 1, 2) + timedelta(hours=hours[i % len(hours)]) for i in range(60)]  # noqa: DTZ001
    assert Task.read(table(when=when), target="y").encoding.columns[-1].parts == parts


def test_weights() -> None:
    task = Task.read(table(w=np.arange(60)), target="y", weight="w")
    assert task.rows.weights is not None
    assert task.rows.weights.tolist() == list(range(60))
    assert "w" not in task.rows.raw


def test_rows_without_target_are_left_out_and_noted() -> None:
    frame = table().with_columns(y=pl.when(pl.int_range(60) < 5).then(None).otherwise(pl.col("y")))
    task = Task.read(frame, target="y")
    assert len(task.rows) == 55
    assert "5 of 60 rows have no target and are left out" in task.notes
    labels = Task.read(table(label=["-", "p", "q"] * 20), target="label", na="-")
    assert labels.classes == ("p", "q")
    assert len(labels.rows) == 40


def test_a_number_that_marks_missing_inputs_stays_a_target() -> None:
    task = Task.read(
        table(signal=[100, -50, -60] * 20, percent=[100, 90] * 30), target="percent", kind="regression", na=[100]
    )
    assert len(task.rows) == 60
    assert np.isnan(task.rows.raw["signal"]).sum() == 20


@pytest.mark.parametrize(
    ("cells", "kind", "classes"),
    [
        (["b", "a"] * 30, "classification", ("a", "b")),
        ([True, False] * 30, "classification", (False, True)),
        ([3, 1, 2] * 20, "classification", (1, 2, 3)),
        ([2.0, 1.0] * 30, "classification", (1.0, 2.0)),
        ([0, 10, 20, 30] * 15, "regression", ()),
        (list(range(30)) * 2, "regression", ()),
        (list(range(20)) * 3, "regression", ()),
        ([0.5, 1.5] * 30, "regression", ()),
    ],
)
def test_the_kind_of_the_target(cells: list[Any], kind: str, classes: tuple[Any, ...]) -> None:
    task = Task.read(table(t=cells).drop("y"), target="t")
    assert task.kind == kind
    assert task.classes == classes
    assert [type(label) for label in task.classes] == [type(label) for label in classes]
    if classes and task.rows.y is not None:
        assert [task.classes[index] for index in task.rows.y] == cells


def test_heavy_tails() -> None:
    tail = np.exp(2 * RANDOM.standard_normal(500))
    assert Task.read(table(500, t=tail * 100), target="t").heavy_tailed
    assert not Task.read(table(500, t=-tail), target="t").heavy_tailed
    assert not Task.read(table(500, t=RANDOM.random(500)), target="t").heavy_tailed
    assert not Task.read(table(500, t=tail * 1e-6), target="t").heavy_tailed, "log1p is straight there"


def test_categories_beyond_the_vocabulary_are_unknown_and_noted() -> None:
    n = 12_000
    names = np.r_[np.repeat(np.arange(1500), 7), RANDOM.integers(0, 900, n - 10_500)]
    task = Task.read(table(n, site=[f"s{k}" for k in RANDOM.permutation(names)]), target="y")
    assert task.encoding.cardinalities == (1001,)
    assert any(note.startswith("site: 500 of 1500 categories are read as unknown") for note in task.notes)


# Laws


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**20), scale=st.floats(0.1, 1e4))
def test_the_encoding_depends_on_training_rows_only(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    n = 5_000
    frame = table(n, c=random.choice(["u", "v", "w"], n), k=random.integers(-50, 50, n))
    before = Task.read(frame, target="y", seed=seed)
    held = np.zeros(n, bool)
    held[before.splits[0].validation] = True
    changed = frame.with_columns(
        a=pl.Series(np.where(held, random.standard_normal(n) * scale, frame["a"])),
        c=pl.Series(np.where(held, "unheard", frame["c"].to_numpy())),
        k=pl.Series(np.where(held, 10**6, frame["k"])),
        y=pl.Series(np.where(held, random.standard_normal(n) * scale, frame["y"])),
    )
    after = Task.read(changed, target="y", seed=seed)
    assert after.encoding.columns == before.encoding.columns
    for name, array in before.encoding.arrays().items():
        assert np.array_equal(after.encoding.arrays()[name], array)
    assert after.heavy_tailed == before.heavy_tailed
    codes = after.encoding.apply(after.rows.raw).codes
    assert (codes[held] == 0).all()
    assert (codes[~held] > 0).all()


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(-1e30, 1e30), min_size=20, max_size=80),
    repeated=st.integers(0, 60),
)
def test_standardised_values_are_bounded(values: list[float], repeated: int) -> None:
    cells = np.array(values + [values[0]] * repeated)
    n = len(cells)
    frame = pl.DataFrame({"x": cells, "z": np.arange(n) % 7, "y": np.random.default_rng(0).standard_normal(n)})
    task = Task.read(frame, target="y", kinds={"x": "numeric", "z": "numeric"})
    inputs = task.encoding.apply(task.rows.raw)
    assert np.isfinite(inputs.numeric).all()
    assert np.abs(inputs.numeric).max() <= 30.1
    assert (task.encoding.scale > 0).all()


@settings(max_examples=25, deadline=None)
@given(lag=st.integers(1, 3), seed=st.integers(0, 2**20))
def test_lags_are_the_earlier_rows_of_the_group(lag: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    n = 60
    group, when = random.integers(0, 3, n), random.permutation(n)
    group[:3] = 0, 1, 2
    frame = table(n, g=group, t=when, s=random.choice(["p", "q"], n))
    rows = Task.read(frame, target="y", group="g", time="t", lag=lag).rows
    assert f"s__lag{lag}" not in rows.raw
    assert "t__lag1" not in rows.raw
    for i in range(n):
        earlier = [j for j in range(n) if group[j] == group[i] and when[j] < when[i]]
        earlier.sort(key=lambda j: -when[j])
        for back in range(1, lag + 1):
            for name in ("a", "y"):
                cell = rows.raw[f"{name}__lag{back}"][i]
                if len(earlier) >= back:
                    assert cell == np.float32(frame[name][earlier[back - 1]])
                else:
                    assert np.isnan(cell)


def test_lags_look_at_rows_without_target_and_never_at_labels() -> None:
    frame = table(label=["p", "q", None] * 20)
    task = Task.read(frame, target="label", lag=1)
    assert "label__lag1" not in task.rows.raw
    assert task.rows.raw["a__lag1"][2] == np.float32(frame["a"][2]), "row 3 follows row 2, which has no label"
    assert all(split.train.max() < split.validation.min() for split in task.splits)


def test_the_fingerprint_tells_tasks_apart() -> None:
    base = Task.read(table(), target="y")
    assert Task.read(table(), target="y").fingerprint == base.fingerprint
    changed = table().with_columns(a=pl.when(pl.int_range(60) == 7).then(0.0).otherwise(pl.col("a")))
    others = [
        Task.read(changed, target="y"),
        Task.read(table(), target="y", seed=1),
        Task.read(table(), target="y", metric="mae"),
        Task.read(table(), target="y", target_transform="none"),
        Task.read(table(), target="y", drop=["b"]),
        Task.read(table(), target="y", test=table(61)),
        Task.read(table(), target="y", lag=1),
    ]
    assert len({task.fingerprint for task in [base, *others]}) == 1 + len(others)


# Further tables


def test_a_schema_survives_json_and_reads_the_same() -> None:
    import json

    when = [datetime(2023, 1, 1) + timedelta(hours=h) for h in range(60)]  # noqa: DTZ001
    frame = table(g=["p", "q"] * 30, s=["u", "v", "w"] * 20, when=[str(w) for w in when], w=np.ones(60))
    task = Task.read(frame, target="y", group="g", time="when", weight="w", lag=2, na=["-", 100])
    schema = Schema.from_json(json.loads(json.dumps(task.schema.to_json())))
    assert schema == task.schema
    same = schema.read(frame, labelled=True)
    for name, cells in task.rows.raw.items():
        assert np.array_equal(same.raw[name], cells, equal_nan=cells.dtype != object)
    assert same.y is not None
    assert np.array_equal(same.y, task.rows.y)


def test_an_unlabelled_table_needs_no_target_group_or_weight() -> None:
    frame = table(g=["p", "q"] * 30, w=np.ones(60), label=["u", "v", "w"] * 20)
    task = Task.read(frame, target="label", group="g", weight="w")
    rows = task.schema.read(frame.select("b", "a", "y"), labelled=False)
    assert len(rows) == 60
    assert rows.y is None
    assert rows.groups is None
    assert rows.weights is None


def test_target_lags_are_missing_without_the_target() -> None:
    task = Task.read(table(g=["p", "q"] * 30), target="y", group="g", lag=1)
    rows = task.schema.read(table(g=["p", "q"] * 30).drop("y"), labelled=False)
    assert np.isnan(rows.raw["y__lag1"]).all()
    assert not np.isnan(rows.raw["a__lag1"][2:]).any()


def test_what_a_further_table_lacks_is_named_in_full() -> None:
    task = Task.read(table(g=["p", "q"] * 30), target="y", group="g", lag=1)
    with pytest.raises(TableError, match="the table must have the columns 'a', 'b', 'y', 'g', which the model"):
        task.schema.read(pl.DataFrame({"z": [1]}), labelled=True)
    with pytest.raises(TableError, match="the table must have the column 'b', which the model was trained on"):
        Task.read(table(), target="y").schema.read(table().drop("b"), labelled=False)


def test_labels_of_further_tables() -> None:
    task = Task.read(table(label=[1, 2] * 30), target="label")
    for label in (2, 2.0, "2"):
        rows = task.schema.read(table(label=[label] * 60), labelled=True)
        assert rows.y is not None
        assert rows.y.tolist() == [1] * 60
    with pytest.raises(TableError, match="the target 'label' must be one of the classes 1, 2, got '3'"):
        task.schema.read(table(label=[1, 2, 3] * 20), labelled=True)
    with pytest.raises(TableError, match="the target 'label' must have at least one value, got 60 missing ones"):
        task.schema.read(table(label=pl.Series([None] * 60, dtype=pl.Int64)), labelled=True)


def test_a_test_table_may_hold_unseen_labels() -> None:
    task = Task.read(table(label=["p", "q"] * 30), target="label", test=table(30, label=["p", "r", None] * 10))
    assert task.test is not None
    assert task.test.y is not None
    assert task.test.y.tolist() == [0, -1] * 10
    assert "10 of 20 test rows have a class that no other row has: they count as wrong" in task.notes


# Arrays


@pytest.mark.parametrize("n", [2, 3, 7, 50, 6_000])
def test_arrays_of_any_size(n: int) -> None:
    x = np.random.default_rng(n).standard_normal((n, 3))
    task = Task.from_arrays(x, x[:, 0], kind="regression")
    assert [column.kind for column in task.encoding.columns] == ["numeric"] * 3
    assert task.rows.y is not None
    assert np.array_equal(task.rows.y, x[:, 0]), "what looks like a copy of the target stays: the caller chose it"
    labels = np.arange(n) % 2
    classes = Task.from_arrays(x, labels, kind="classification", names=["a", "b", "target"])
    assert classes.classes == (0, 1)
    assert classes.schema.read(x, labelled=False).raw["target"].tolist() == x[:, 2].astype(np.float32).tolist()


def test_arrays_keep_a_constant_column_when_there_is_no_other() -> None:
    task = Task.from_arrays(np.ones((10, 2)), np.arange(10), kind="regression")
    assert [column.name for column in task.encoding.columns] == ["x0"]
    assert np.isfinite(task.encoding.apply(task.rows.raw).numeric).all()
    varies = Task.from_arrays(np.c_[np.ones(10), np.arange(10)], np.arange(10), kind="regression")
    assert [column.name for column in varies.encoding.columns] == ["x1"]


def test_arrays_with_everything() -> None:
    x = np.c_[RANDOM.integers(0, 3, 40), RANDOM.standard_normal(40)]
    groups, weights = np.repeat(np.arange(8), 5), RANDOM.random(40)
    y = RANDOM.choice(["no", "yes"], 40)
    task = Task.from_arrays(x, y, kind="classification", groups=groups, sample_weight=weights, categorical=[0])
    assert task.encoding.columns[0].kind == "categorical"
    assert task.classes == ("no", "yes")
    assert task.rows.weights is not None
    assert np.allclose(task.rows.weights, weights)
    assert all(not set(groups[s.train]) & set(groups[s.validation]) for s in task.splits)
    pandas = pd.DataFrame({"c": pd.Categorical(["u", "v"] * 20), "d": x[:, 1]})
    frame = Task.from_arrays(pandas, pd.Series(y), kind="classification", categorical=["c"])
    assert [column.kind for column in frame.encoding.columns] == ["categorical", "numeric"]
    mixed = Task.from_arrays(np.array([[1, "a"], [2, "b"]] * 10, dtype=object), y[:20], kind="classification")
    assert [column.kind for column in mixed.encoding.columns] == ["numeric", "categorical"]


def test_arrays_that_do_not_fit() -> None:
    with pytest.raises(TableError, match="target must have one value for each of the 3 rows, got 2"):
        Task.from_arrays(np.eye(3), np.ones(2), kind="regression")
    with pytest.raises(TableError, match="at least 2 rows with a target are required, got n_samples = 1"):
        Task.from_arrays(np.ones((1, 3)), np.ones(1), kind="regression")
    with pytest.raises(TableError, match="at least two classes, got one class 1"):
        Task.from_arrays(np.eye(3), np.ones(3, int), kind="classification")
    with pytest.raises(TableError, match="got 1 infinite value in column 'x1'"):
        Task.from_arrays(np.array([[1.0, np.inf], [2, 3]]), np.ones(2), kind="regression")
    with pytest.raises(TableError, match="column of numbers, labels or date-times is required, got List"):
        Task.from_arrays(pl.DataFrame({"l": [[1], [2]]}), np.arange(2), kind="regression")
    with pytest.raises(TableError, match=r"a column with a kind must be one of .*, got 'z'"):
        Task.from_arrays(np.eye(3), np.arange(3), kind="regression", categorical=["z"])


# What is refused

BAD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"target": "yy"}, r"the target column must be one of a, b, y, got 'yy'; the nearest is 'y'"),
    ({}, {"drop": ["bb"]}, r"a dropped column must be one of a, b, y, got 'bb'; the nearest is 'b'"),
    ({}, {"group": "site"}, r"the group column must be one of a, b, y, got 'site'"),
    ({}, {"time": "tim"}, r"the time column must be one of a, b, y, got 'tim'"),
    ({}, {"weight": "ww"}, r"the weight column must be one of a, b, y, got 'ww'"),
    ({}, {"kinds": {"z": "numeric"}}, r"a column with a kind must be one of a, b, y, got 'z'"),
    ({}, {"drop": ["y"]}, r"the target column must not be dropped, got 'y' as both"),
    ({}, {"group": "y"}, r"the group column must not be the target, got 'y' as both"),
    ({}, {"group": "b", "weight": "b"}, r"the weight column must not have another use, got 'b' as both"),
    ({"y": [None] * 60}, {}, r"the target must have values, got only missing cells in column 'y'"),
    ({"y": [1.5] * 60}, {}, r"the target must vary, got only 1.5 in column 'y'"),
    ({"y": ["p"] * 60}, {}, r"the target must have at least two classes, got one class 'p' in column 'y'"),
    ({"y": [1.0] * 19 + [None] * 41}, {}, r"at least 20 rows with a target are required, got n_samples = 19"),
    ({"y": [float("inf")] + [1.0] * 59}, {}, r"the target must be finite, got 1 infinite value in column 'y'"),
    ({"y": [datetime(2020, 1, 1)] * 60}, {}, r"the target must hold numbers or labels, got Datetime"),  # noqa: DTZ001
    (
        {"y": [-2.0, 1.0] * 30},
        {"target_transform": "log1p", "kind": "regression"},
        r"log1p needs a target above -1, got -2",
    ),
    ({"a": [float("inf")] * 2 + [0.0] * 58}, {}, r"must be finite as float32, got 2 infinite values in column 'a'"),
    (
        {"a": [1.0] * 60, "b": ["c"] * 60},
        {},
        r"one column that varies is required .* none \(a: constant; b: constant\)",
    ),
    ({}, {"drop": ["a", "b"]}, r"one column that varies is required .* none \(there is no other column\)"),
    ({"w": [-1.0] + [1.0] * 59}, {"weight": "w"}, r"at least 0, got 1 negative in column 'w'"),
    ({"w": [None] * 2 + [1.0] * 58}, {"weight": "w"}, r"at least 0, got 2 missing in column 'w'"),
    ({"w": [0.0] * 60}, {"weight": "w"}, r"row weights must not all be 0, got 60 zeros in column 'w'"),
    ({"g": ["one"] * 60}, {"group": "g"}, r"the group column must have at least two groups, got one"),
    ({"t": [3] * 60}, {"time": "t"}, r"the time column must have at least two times, got one"),
    ({"t": ["soon"] * 60}, {"time": "t"}, r"the time column must hold date-times or numbers, got String in 't'"),
    ({"t": [None, *range(59)]}, {"time": "t"}, r"every row must have a time, got 1 missing in column 't'"),
]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"kind": "regresion"}, r"a task's kind must be one of .*, got 'regresion'; the nearest is 'regression'"),
    ({"metric": "r3"}, r"a metric of regression must be one of .*, got 'r3'; the nearest is 'r2'"),
    ({"target_transform": "log"}, r"a target transform must be one of auto, log1p, none, got 'log'"),
    ({"lag": -1}, r"lag must be a whole number from 0 to 1000, got -1"),
    ({"kinds": {"a": "number"}}, r"a column's kind must be one of .*, got 'number'; the nearest is 'numeric'"),
    ({"na": [None]}, r"a mark of missing cells must be text or a number, got None"),
]


@pytest.mark.parametrize(("columns", "arguments", "text"), BAD)
def test_tables_that_are_refused(columns: dict[str, Any], arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(TableError, match=text):
        Task.read(
            table().with_columns(**{k: pl.Series(v, strict=False) for k, v in columns.items()}),
            **{"target": "y"} | arguments,
        )


@pytest.mark.parametrize(("arguments", "text"), WRONG)
def test_settings_that_are_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingError, match=text):
        Task.read(table(), target="y", **arguments)


def test_log1p_is_not_for_classes() -> None:
    with pytest.raises(SettingError, match="target transform log1p is for regression, got a classification task"):
        Task.read(table(label=["p", "q"] * 30), target="label", target_transform="log1p")


def test_rows_can_be_taken() -> None:
    rows = Task.read(table(w=np.arange(60), g=["p", "q"] * 30), target="y", weight="w", group="g").rows
    some = rows.take(np.array([3, 1]))
    assert isinstance(some, Rows)
    assert len(some) == 2
    assert some.weights is not None
    assert some.weights.tolist() == [3, 1]
    assert some.groups is not None
    assert some.groups.tolist() == ["q", "q"]
