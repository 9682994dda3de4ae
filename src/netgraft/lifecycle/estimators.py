"""The main job behind scikit-learn's estimator API.

A fit depends neither on the order of the rows nor on whether a row comes twice or once with twice the weight: equal
rows are merged and all are put into an order of their own before anything is drawn. Pickles hold plain NumPy arrays and
no rows of the table.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Self, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from netgraft.errors import SettingError, TableError, unknown_name
from netgraft.lifecycle.search import Front, SearchSettings, search_front
from netgraft.runtime import Model, Prediction
from netgraft.search import OBJECTIVES
from netgraft.tables import Schema, Task, TaskKind
from netgraft.tables.source import open_table
from netgraft.units import Limit, parse_quantity


class _FrontEstimator(BaseEstimator):
    """What regressor and classifier share; see `NetgraftRegressor`."""

    _kind: TaskKind

    def __init__(
        self,
        *,
        budget_s: float | None = 60,
        evaluations: int | None = None,
        objectives: Sequence[str] = ("error", "size"),
        limits: Mapping[str, float | str] | None = None,
        device: str = "this",
        library: Any = None,
        metric: str | None = None,
        strategy: str = "nested",
        settings: Mapping[str, str] | None = None,
        categorical_features: Sequence[str | int] | None = None,
        jobs: int = 1,
        random_state: Any = 0,
    ) -> None:
        self.budget_s = budget_s
        self.evaluations = evaluations
        self.objectives = objectives
        self.limits = limits
        self.device = device
        self.library = library
        self.metric = metric
        self.strategy = strategy
        self.settings = settings
        self.categorical_features = categorical_features
        self.jobs = jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        """Return what the estimator accepts: missing cells, text and categories."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return cast("Tags", tags)

    def pick(self, point: str) -> Self:
        """Return a fitted estimator that predicts with another point of the front.

        Args:
            point: the id of one of `front_`.

        Raises:
            SettingError: there is no such point.
        """
        check_is_fitted(self)
        if point not in self.models_:
            raise SettingError(unknown_name("a point", point, self.models_))
        other = copy.copy(self)
        other.picked_ = point
        return other

    @property
    def model_(self) -> Model:
        """Return the model of the picked point."""
        check_is_fitted(self)
        return self.models_[self.picked_]

    def _search(self, X: Any, y: NDArray[Any], sample_weight: Any, groups: Any) -> None:
        """Search a front for validated rows and keep its points."""
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        if groups is not None:
            groups = column_or_1d(np.asarray(groups))
            check_consistent_length(X, groups)
        X, y, weights, groups = merged_rows(X, y, weights, groups)
        seed = self.random_state
        if not isinstance(seed, int):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        task = Task.from_arrays(
            X, y, kind=self._kind, groups=groups, sample_weight=weights, names=self._names(X),
            categorical=self.categorical_features or (), metric=self.metric, seed=seed,
        )  # fmt: skip
        self._keep(search_front(task, self._search_settings(seed)))

    def _search_settings(self, seed: int) -> SearchSettings:
        """Return how to search."""
        return SearchSettings(
            objectives=tuple(self.objectives),
            limits=limits_from(self.limits or {}),
            device=self.device,
            budget_s=self.budget_s,
            evaluations=self.evaluations,
            strategy=self.strategy,
            settings=dict(self.settings or {}),
            jobs=self.jobs,
            seed=seed,
            library=None if self.library is None else str(getattr(self.library, "location", self.library)),
        )

    def _names(self, X: Any) -> list[str] | None:
        """Return the names of an array's columns."""
        return [str(name) for name in self.feature_names_in_] if hasattr(self, "feature_names_in_") else None

    def _keep(self, front: Front) -> None:
        """Keep what predicts, and no rows."""
        self.schema_: Schema = front.task.schema
        self.models_: dict[str, Model] = {point.id: self._labelled(point.model) for point in front.points}
        found = front.to_json()
        self.front_: list[dict[str, Any]] = found["points"]
        self.history_: list[dict[str, float]] = found["history"]
        self.picked_: str = front.picked

    def _labelled(self, model: Model) -> Model:
        """Return the model with the labels of the caller."""
        return model

    def _predict(self, X: Any) -> Prediction:
        """Return the picked point's predictions for unvalidated rows."""
        check_is_fitted(self)
        table = self._validated(X, reset=False)
        return self.model_.predict(self.schema_.read(table, labelled=False).raw)

    def _validated(self, X: Any, *, reset: bool) -> Any:
        """Return the features as a numeric array or a polars frame, after scikit-learn's checks.

        Raises:
            ValueError: they are sparse, complex, infinite, too few, or not those of the fit.
        """
        if hasattr(X, "columns") or hasattr(X, "column_names"):
            validate_data(self, X, reset=reset, skip_check_array=True)
            frame = open_table(X)
            if reset and frame.height < 2:
                raise TableError(f"at least 2 rows are required, got 1 sample (n_samples = {frame.height})")
            return frame
        array = validate_data(
            self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=2 if reset else 1
        )
        if array.dtype == object:
            array = _numbers_if_possible(array)
        names = self._names(X)
        return array if array.dtype.kind in "iufb" else open_table(array, names=names)


def _numbers_if_possible(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of objects as float64 where every cell is a number."""
    try:
        return check_array(array, dtype=np.float64, ensure_all_finite="allow-nan")
    except (TypeError, ValueError):
        return array


def merged_rows(
    X: Any, y: NDArray[Any], weights: NDArray[Any] | None, groups: NDArray[Any] | None
) -> tuple[Any, NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
    """Return the distinct rows of positive weight in an order that depends on nothing but them.

    Args:
        X: array [n, d] or polars frame.
        y: target [n].
        weights: [n] or None.
        groups: [n] or None.

    Returns:
        the same for the m distinct rows; weights are summed, and None where each is one.

    Raises:
        TableError: a weight is negative, or all are 0.
    """
    frame = X if isinstance(X, pl.DataFrame) else pl.DataFrame({f"x{j}": X[:, j] for j in range(X.shape[1])})
    keys = [pl.Series("y", y.astype(str) if y.dtype == object else y)]
    keys += [] if groups is None else [pl.Series("groups", groups.astype(str))]
    features = frame.rename(lambda name: f"x {name}")
    hashes = pl.concat([features, pl.DataFrame(keys)], how="horizontal").hash_rows(seed=1)
    counts = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    if (counts < 0).any():
        raise TableError(f"row weights must be at least 0, got {int((counts < 0).sum())} negative ones")
    alive = np.flatnonzero(counts > 0)
    if len(alive) == 0:
        raise TableError(f"row weights must not all be 0, got {len(counts)} zeros")
    _, first, codes = np.unique(hashes.to_numpy()[alive], return_index=True, return_inverse=True)
    total = np.bincount(codes, counts[alive])
    rows = alive[first]
    kept = X[rows] if isinstance(X, pl.DataFrame) else np.ascontiguousarray(X[rows])
    return kept, y[rows], None if (total == 1).all() else total, None if groups is None else groups[rows]


def limits_from(limits: Mapping[str, float | str]) -> tuple[Limit, ...]:
    """Return limits given as numbers in SI units or as text such as ``"64KB"``.

    Raises:
        SettingError: an objective is unknown, or a value is no positive quantity.
    """
    found = []
    for name, value in limits.items():
        if name not in OBJECTIVES:
            raise SettingError(unknown_name("a limit's objective", name, OBJECTIVES))
        number = parse_quantity(value, OBJECTIVES[name]) if isinstance(value, str) else float(value)
        if not number > 0:
            raise SettingError(f"a limit must be positive, got {name} {value!r}")
        found.append(Limit(name, number))
    return tuple(found)


class NetgraftRegressor(RegressorMixin, _FrontEstimator):
    """Searches a front of small networks for a quantity and predicts with one of its points.

    Args:
        budget_s: seconds for the search, or None.
        evaluations: candidates to train, or None; with both, whichever ends first. With evaluations and
            ``budget_s=None`` a fit is the same every time.
        objectives: what to make small; must include ``error``.
        limits: hard bounds by objective, in SI units or as text: ``{"size": 65_536}``, ``{"latency": "5ms"}``.
        device: what latency and energy are modelled for: a name of ``netgraft device list`` or a TOML file.
        library: earlier models to start from: a `netgraft.Library`, its folder or its URL.
        metric: what error is made of; r2 or accuracy by default.
        strategy: ``nested``, ``evolution`` or ``random``.
        settings: choices that are restricted, such as ``{"depth": "1,2"}``.
        categorical_features: names or positions of columns that are categories whatever they look like.
        jobs: processes that train.
        random_state: seed of everything that is drawn.

    Attributes:
        front_: the points, as in ``front.json``.
        history_: hypervolume after each batch of candidates.
        picked_: id of the point that predicts: that of `picked_id`, unless `pick` chose another.
        models_: the model of each point.
        n_features_in_, feature_names_in_: of the fit.
    """

    _kind: Literal["regression"] = "regression"

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Search a front.

        Args:
            X: features [n, d]: an array, or a pandas, polars or pyarrow frame with columns of any kind.
            y: quantities [n].
            sample_weight: how often each row counts [n].
            groups: rows of one group are never on both sides of a split [n].

        Raises:
            ValueError: an input is not usable (`netgraft.NetgraftError` where Netgraft found out).
        """
        _require_target(self, y)
        X = self._validated(X, reset=True)
        y = column_or_1d(_plain(y), warn=True, dtype=np.float64)
        assert_all_finite(y, input_name="y")
        check_consistent_length(X, y)
        self._search(X, y, sample_weight, groups)
        return self

    def predict(self, X: Any) -> NDArray[np.float32]:
        """Return the predictions for features; float32 [n]."""
        return self._predict(X).values

    def predict_interval(self, X: Any) -> NDArray[np.float32]:
        """Return bounds between which nine of ten targets lie (split conformal); float32 [n, 2]."""
        values = self.predict(X)
        width = np.float32(self.model_.output.interval)
        return np.stack([values - width, values + width], axis=1)


class NetgraftClassifier(ClassifierMixin, _FrontEstimator):
    """Searches a front of small networks for classes and predicts with one of its points.

    Arguments and attributes are those of `NetgraftRegressor`; `classes_` holds the labels in order.
    """

    _kind: Literal["classification"] = "classification"

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Search a front.

        Args:
            X: features [n, d]: an array, or a pandas, polars or pyarrow frame with columns of any kind.
            y: labels of any type [n].
            sample_weight: how often each row counts [n].
            groups: rows of one group are never on both sides of a split [n].

        Raises:
            ValueError: an input is not usable (`netgraft.NetgraftError` where Netgraft found out).
        """
        _require_target(self, y)
        X = self._validated(X, reset=True)
        y = column_or_1d(_plain(y), warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        check_consistent_length(X, y)
        alive = slice(None) if sample_weight is None else np.asarray(_check_sample_weight(sample_weight, X)) > 0
        self.classes_ = np.unique(y[alive])
        codes = np.minimum(np.searchsorted(self.classes_, y), max(0, len(self.classes_) - 1))
        if len(self.classes_) == 1:
            raise TableError(f"at least two classes are required, got one class: {self.classes_.tolist()[0]!r}")
        self._search(X, codes, sample_weight, groups)
        return self

    def _labelled(self, model: Model) -> Model:
        """Return the model with the caller's labels, which the search knew by their numbers."""
        return replace(model, output=replace(model.output, classes=tuple(self.classes_.tolist())))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row; [n]."""
        values = self._predict(X).values
        return self.classes_[values]

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Return the calibrated probability of each class; float32 [n, c]."""
        probabilities = self._predict(X).probabilities
        assert probabilities is not None
        return probabilities


def _require_target(estimator: Any, y: Any) -> None:
    """Refuse a fit without a target in scikit-learn's words."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None: it must be an array."
        )


def _plain(y: Any) -> Any:
    """Return a polars series as an array."""
    return y.to_numpy() if isinstance(y, pl.Series) else y
