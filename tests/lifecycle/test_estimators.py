"""The estimators beyond scikit-learn's checks: frames, groups, points, pipelines, pickles, errors."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from estimator_settings import SMALLEST
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import netgraft as ng
from netgraft.errors import LibraryError, SettingError, TableError
from netgraft.lifecycle.estimators import limits_from, merged_rows
from netgraft.units import Limit

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = X[:, 0] - X[:, 1] + 0.1 * RNG.normal(size=80)
LABELS = np.where(Y > 0.3, "up", np.where(Y < -0.3, "down", "same"))


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "a": X[:, 0],
            "b": X[:, 1],
            "kind": pd.Categorical(np.where(X[:, 2] > 0, "p", "q")),
            "when": pd.date_range("2025-01-01", periods=80, freq="h"),
        }
    )


def fitted(**more: object) -> ng.NetgraftRegressor:
    return ng.NetgraftRegressor(**{**SMALLEST, **more}).fit(X, Y)


@pytest.fixture(scope="module")
def regressor() -> ng.NetgraftRegressor:
    return fitted(evaluations=3)


def test_defaults_are_those_of_the_interface() -> None:
    parameters = ng.NetgraftRegressor().get_params()
    assert parameters["budget_s"] == 60
    assert parameters["evaluations"] is None
    assert parameters["objectives"] == ("error", "size")
    assert parameters["library"] is None
    assert parameters["random_state"] == 0


def test_front_holds_the_points(regressor: ng.NetgraftRegressor) -> None:
    ids = [point["id"] for point in regressor.front_]
    assert regressor.picked_ in ids
    assert set(regressor.models_) == set(ids)
    errors = {point["id"]: point["values"]["error"] for point in regressor.front_}
    assert errors[regressor.picked_] == min(errors.values())
    assert len(regressor.history_) >= 1


def test_pick_gives_a_fitted_estimator_of_a_point(regressor: ng.NetgraftRegressor) -> None:
    before, raw = regressor.picked_, regressor.schema_.read(X, labelled=False).raw
    for name, model in regressor.models_.items():
        other = regressor.pick(name)
        assert other.picked_ == name
        assert np.array_equal(other.predict(X), model.predict(raw).values)
    assert regressor.picked_ == before
    with pytest.raises(SettingError, match=r"a point must be one of .*, got 'lines'; the nearest is 'linear'"):
        regressor.pick("lines")


def test_intervals_lie_around_the_predictions(regressor: ng.NetgraftRegressor) -> None:
    bounds = regressor.predict_interval(X)
    assert bounds.shape == (80, 2)
    assert ((bounds[:, 0] < regressor.predict(X)) & (regressor.predict(X) < bounds[:, 1])).all()


def test_limits_hold_for_every_point() -> None:
    found = fitted(limits={"size": "1KB"}, evaluations=3)
    assert all(point["values"]["size"] <= 1000 for point in found.front_)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_frames_of_every_kind_give_the_same(kind: str) -> None:
    table = frame()
    other = {"pandas": table, "polars": pl.from_pandas(table), "pyarrow": pl.from_pandas(table).to_arrow()}[kind]
    expected = ng.NetgraftClassifier(**SMALLEST).fit(table, LABELS).predict_proba(table)
    model = ng.NetgraftClassifier(**SMALLEST).fit(other, LABELS)
    assert np.allclose(model.predict_proba(other), expected, atol=1e-6)
    assert model.n_features_in_ == 4
    assert list(model.feature_names_in_) == ["a", "b", "kind", "when"]


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_pipeline_after_a_transformer_with_frames(output: str) -> None:
    chain = make_pipeline(StandardScaler().set_output(transform=output), ng.NetgraftRegressor(**SMALLEST))
    table = frame()[["a", "b"]] if output == "pandas" else pl.from_pandas(frame()[["a", "b"]])
    assert chain.fit(table, Y).score(table, Y) > 0.5


def test_cross_validation_with_groups() -> None:
    groups = np.arange(80) % 8
    model = ng.NetgraftRegressor(**SMALLEST)
    scores = cross_val_score(model, X, Y, groups=groups, cv=GroupKFold(2))
    assert scores.min() > 0.5
    assert model.fit(X, Y, groups=groups).score(X, Y) > 0.5


def test_clone_and_pickle(regressor: ng.NetgraftRegressor) -> None:
    assert clone(regressor).get_params() == regressor.get_params()
    data = pickle.dumps(regressor)
    assert np.array_equal(pickle.loads(data).predict(X), regressor.predict(X))  # noqa: S301 - our own bytes


def test_same_seed_same_model() -> None:
    assert np.array_equal(fitted().predict(X), fitted().predict(X))
    state = np.random.RandomState(3)
    assert np.isfinite(fitted(random_state=state).predict(X)).all()


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [3, 7], [1.0, 2.0]])
def test_labels_of_every_type_come_back(labels: list[object]) -> None:
    y = np.array(labels)[(Y > 0).astype(int)]
    model = ng.NetgraftClassifier(**SMALLEST).fit(X, y)
    assert set(model.predict(X)) <= set(y)
    assert model.predict(X).dtype == y.dtype
    assert list(model.classes_) == labels
    assert list(model.model_.output.classes) == labels
    assert model.score(X, y) > 0.8


def test_categorical_features_by_name() -> None:
    table = pd.DataFrame({"cell": np.arange(80) % 5, "a": X[:, 0]})
    model = ng.NetgraftRegressor(**SMALLEST, categorical_features=["cell"]).fit(table, Y)
    assert [column.kind for column in model.model_.encoding.columns] == ["categorical", "numeric"]


def test_table_with_missing_cells() -> None:
    holes = X.copy()
    holes[::7, 0] = np.nan
    assert np.isfinite(ng.NetgraftRegressor(**SMALLEST).fit(holes, Y).predict(holes)).all()


def test_nothing_of_the_rows_is_kept(regressor: ng.NetgraftRegressor) -> None:
    assert len(pickle.dumps(regressor)) < 500_000
    assert not [name for name in vars(regressor) if "task" in name or "rows" in name]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"library": "no such library"}, "a library"),
        ({"limits": {"siz": 1}}, "a limit's objective must be one of .* got 'siz'; the nearest is 'size'"),
        ({"limits": {"size": 0}}, "a limit must be positive, got size 0"),
        ({"objectives": ("size",)}, "the objectives must include error, got size"),
        ({"device": "toaster"}, "a device must be one of"),
        ({"strategy": "luck"}, "a strategy must be one of"),
        ({"evaluations": 0}, "evaluations must be >= 1, got 0"),
        ({"metric": "r3"}, "a metric of regression must be one of"),
    ],
)
def test_setting_that_cannot_be_used(change: dict[str, object], text: str) -> None:
    with pytest.raises((SettingError, LibraryError), match=text):
        fitted(**change)


def test_rows_that_cannot_be_used() -> None:
    with pytest.raises(TableError, match=r"at least 2 rows are required, got 1 sample \(n_samples = 1\)"):
        ng.NetgraftRegressor(**SMALLEST).fit(frame()[:1], Y[:1])
    with pytest.raises(TableError, match="row weights must be at least 0, got 1 negative ones"):
        ng.NetgraftRegressor(**SMALLEST).fit(X, Y, sample_weight=[-1.0] + [1.0] * 79)
    with pytest.raises(TableError, match="row weights must not all be 0, got 80 zeros"):
        merged_rows(X, Y, np.zeros(80), None)
    with pytest.raises(TableError, match="at least two classes are required, got one class: 'up'"):
        ng.NetgraftClassifier(**SMALLEST).fit(X, ["up"] * 80)
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        ng.NetgraftRegressor(**SMALLEST).fit(X, None)


def test_limits_are_numbers_or_texts() -> None:
    assert limits_from({"size": 65_536, "latency": "5ms"}) == (Limit("size", 65_536.0), Limit("latency", 0.005))


CELLS = arrays.arrays(np.float64, (12, 2), elements=st.sampled_from([0.0, 1.0, 2.5, float("nan")]))
COUNTS = arrays.arrays(np.int64, 12, elements=st.integers(0, 3)).filter(lambda counts: counts.any())


@settings(deadline=None, max_examples=50)
@given(CELLS, COUNTS, st.randoms(use_true_random=False))
def test_merged_rows_depend_on_no_order_and_on_counts_only(cells: np.ndarray, counts: np.ndarray, draw: object) -> None:
    y = np.nan_to_num(cells).sum(axis=1)
    order = np.array(draw.sample(range(12), 12))  # type: ignore[attr-defined]
    weighted = merged_rows(cells[order], y[order], counts[order].astype(float), None)
    repeated = merged_rows(np.repeat(cells, counts, axis=0), np.repeat(y, counts), None, None)
    ones = np.ones(len(weighted[0]))
    assert np.array_equal(weighted[0], repeated[0], equal_nan=True)
    assert np.array_equal(weighted[1], repeated[1])
    weights = [ones if found is None else found for found in (weighted[2], repeated[2])]
    assert np.array_equal(*weights)
    assert weights[0].sum() == counts.sum()
