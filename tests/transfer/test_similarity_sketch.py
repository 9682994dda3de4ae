"""Sketches and records of tables: what they tell apart, what they ignore, what they keep to themselves."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from similarity_examples import Array, domain_table, part_of

from netgraft.errors import TableError
from netgraft.runtime.encoding import MISSING_TIME
from netgraft.transfer import SKETCH, moments_distances, moments_of, sketch_distances, sketch_of


def sketch(columns: dict[str, Array], outcome: Array) -> Array:
    return sketch_of(columns, outcome, "regression")


def apart(a: Array, b: Array) -> float:
    return float(sketch_distances(a[None], b)[0])


@given(st.permutations(["load", "users", "temperature", "place", "time"]), st.integers(0, 100))
def test_order_of_columns_does_not_count(order: list[str], seed: int) -> None:
    columns, outcome = domain_table(1.0, "city", 60, seed)
    a, b = sketch(columns, outcome), sketch({name: columns[name] for name in order}, outcome)
    assert a.shape == (SKETCH,)
    assert a.dtype == np.float32
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("other", [(1.5, "city"), (1.0, "coast"), (0.5, "village")])
def test_halves_of_a_table_are_nearer_than_another_domain(other: tuple[float, str]) -> None:
    columns, outcome = domain_table(1.0, "city", 800, 0)
    first, second = np.arange(0, 800, 2), np.arange(1, 800, 2)
    a, b = (sketch(part_of(columns, rows), outcome[rows]) for rows in (first, second))
    far = sketch(*domain_table(*other, 400, 1))
    assert 2 * apart(a, b) < min(apart(a, far), apart(b, far))


def test_the_outcome_given_the_columns_counts() -> None:
    columns, outcome = domain_table(1.0, "city", 20_000, 0)
    broken = np.random.default_rng(0).permutation(outcome)  # same columns, same outcomes, unrelated
    again = sketch(*domain_table(1.0, "city", 20_000, 1))
    assert 2 * apart(sketch(columns, outcome), again) < apart(sketch(columns, outcome), sketch(columns, broken))


def test_a_new_column_changes_little() -> None:
    random = np.random.default_rng(0)
    columns, outcome = domain_table(1.0, "city", 400, 0)
    columns |= {f"counter {k}": random.gamma(2, 3, 400).astype(np.float32) for k in range(16)}
    more = columns | {"new": random.normal(size=400).astype(np.float32)}
    assert apart(sketch(columns, outcome), sketch(more, outcome)) < 0.3 * np.linalg.norm(sketch(columns, outcome))


def test_units_matter() -> None:
    columns, outcome = domain_table(1.0, "city", 400, 0)
    scaled = columns | {"load": columns["load"] * 1000}
    halves = [sketch(part_of(columns, rows), outcome[rows]) for rows in np.arange(400).reshape(2, 200)]
    assert apart(sketch(columns, outcome), sketch(scaled, outcome)) > 2 * apart(*halves)


def test_missing_cells_add_nothing() -> None:
    columns, outcome = domain_table(1.0, "city", 400, 0)
    holes = np.random.default_rng(0).random(400) < 0.2
    holed = columns | {
        "load": np.where(holes, np.nan, columns["load"]),
        "place": np.where(holes, "", columns["place"]),
        "time": np.where(holes, MISSING_TIME, columns["time"]),
    }
    far = sketch(*domain_table(1.5, "city", 400, 1))
    assert apart(sketch(columns, outcome), sketch(holed, outcome)) < 0.3 * apart(sketch(columns, outcome), far)
    empty = columns | {"nothing": np.full(400, np.nan, np.float32)}
    assert np.isfinite(sketch(empty, outcome)).all()


def test_rows_without_an_outcome_are_left_out() -> None:
    columns, outcome = domain_table(1.0, "city", 400, 0)
    some = np.arange(300)
    unknown = np.where(np.arange(400) < 300, outcome, np.nan)
    np.testing.assert_array_equal(sketch(columns, unknown), sketch(part_of(columns, some), outcome[some]))


def test_classes_are_told_apart_by_their_names() -> None:
    columns, outcome = domain_table(1.0, "city", 400, 0)
    labels = np.where(outcome > np.median(outcome), "high", "low").astype(object)
    same, renamed = labels.copy(), np.where(labels == "high", "busy", "idle").astype(object)
    a = sketch_of(columns, labels, "classification")
    assert apart(a, sketch_of(columns, same, "classification")) == 0
    assert apart(a, sketch_of(columns, renamed, "classification")) > 0.3


def test_a_table_without_columns_has_a_sketch() -> None:
    assert np.isfinite(sketch({}, np.arange(20.0))).all()


@pytest.mark.parametrize("n", [0, 19])
def test_too_few_rows(n: int) -> None:
    columns, outcome = domain_table(1.0, "city", n, 0)
    with pytest.raises(TableError, match=f"a sketch requires at least 20 rows with an outcome, got {n}"):
        sketch(columns, outcome)


def test_fewer_rows_where_nothing_is_kept() -> None:
    columns, outcome = domain_table(1.0, "city", 8, 0)
    assert np.isfinite(sketch_of(columns, outcome, "regression", fewest=3)).all()


def test_columns_of_another_length() -> None:
    with pytest.raises(TableError, match=r"column 'a' must have shape \(20,\) as the outcome has, got \(3,\)"):
        sketch({"a": np.zeros(3)}, np.zeros(20))


def test_large_tables_take_under_half_a_second() -> None:
    random = np.random.default_rng(0)
    columns = {f"c{k}": values for k, values in enumerate(random.normal(size=(50, 20_000)).astype(np.float32))}
    started = time.process_time()
    sketch(columns, random.normal(size=20_000))
    assert time.process_time() - started < 1.5  # 0.1 s alone; other work may run beside the tests


def record(columns: dict[str, Array], outcome: Array, **arguments: Any) -> dict[str, Any]:
    return moments_of(columns, outcome, "regression", **arguments)


def test_record_is_small_json_without_extremes() -> None:
    columns, outcome = domain_table(1.0, "city", 400, 0)
    columns["sparse"] = np.where(np.arange(400) < 19, 1.0, np.nan).astype(np.float32)
    columns["place"][:5] = "the only one"
    found = record(columns, outcome)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found["columns"]) == {"load", "users", "temperature", "place"}
    assert set(found["columns"]["place"]["shares"]) == {"city", "other"}
    load = found["columns"]["load"]
    assert load["count"] == 400
    assert load["mean"] == pytest.approx(columns["load"].mean())
    assert load["variance"] == pytest.approx(columns["load"].var())
    assert columns["load"].min() < min(load["deciles"])
    assert max(load["deciles"]) < columns["load"].max()
    assert found["columns"]["users"]["correlation"] == pytest.approx(np.corrcoef(columns["users"], outcome)[0, 1])
    assert found["outcome"]["correlation"] == pytest.approx(1)


def test_correlation_with_classes_is_the_correlation_ratio() -> None:
    labels = np.repeat(["a", "b"], 50).astype(object)
    columns = {"same": np.repeat([1.0, 2.0], 50), "constant": np.ones(100), "none": np.tile([0.0, 1.0], 50)}
    found = moments_of(columns, labels, "classification")["columns"]
    assert [found[name]["correlation"] for name in columns] == [pytest.approx(1), None, pytest.approx(0)]


def test_records_rank_domains() -> None:
    tables = [domain_table(1.0, "city", 400, 1), domain_table(1.5, "city", 400, 2), domain_table(1.0, "coast", 400, 3)]
    distances = moments_distances([record(*table) for table in tables], record(*domain_table(1.0, "city", 400, 0)))
    assert distances.argmin() == 0
    assert 3 * distances[0] < np.sort(distances)[1]


def test_records_of_other_columns_count_as_one_each() -> None:
    numbers = np.arange(40.0)
    a, b = (record({name: numbers}, numbers) for name in "ab")
    text = record({"a": np.repeat("x", 40).astype(object)}, numbers)
    np.testing.assert_allclose(moments_distances([a, b, text], a), [0, 2 / 3, 1 / 2])


def test_records_do_not_depend_on_units() -> None:
    tables = [domain_table(load, "city", 400, k) for k, load in enumerate((1.0, 1.2, 2.0))]
    scaled = [(columns | {"users": columns["users"] * 1000}, outcome) for columns, outcome in tables]
    a, b = ([record(*table) for table in some] for some in (tables, scaled))
    np.testing.assert_allclose(moments_distances(a[:2], a[2]), moments_distances(b[:2], b[2]), rtol=1e-6)


def test_records_of_nothing() -> None:
    empty = record({}, np.arange(3.0))
    assert empty == {"rows": 3, "columns": {}, "outcome": None}
    assert moments_distances([empty], empty).tolist() == [0]
    constant = record({"a": np.ones(20)}, np.ones(20))
    assert moments_distances([constant], constant).tolist() == [0]
