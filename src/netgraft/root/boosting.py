"""The teacher: gradient-boosted trees grown by LightGBM on encoded rows, and read back as flat float32 arrays.

Trees see the same encoded inputs as networks. A code column is read through ``order``: every code's smoothed mean of
the target (for more than two classes its place along the first principal direction of the smoothed class frequencies),
so that one threshold separates categories that behave alike. Codes without training rows are read as the mean of all
rows.

One thread and fixed seeds: the same rows give the same trees. With a deadline the rounds depend on the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import SettingError
from netgraft.runtime import Inputs, Trees
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.trees import tree_features
from netgraft.seeds import child_seed

TaskKind = Literal["regression", "classification"]
IntArray = NDArray[np.int64]
_SMOOTHING_ROWS = 10.0
_PATIENCE_ROUNDS = 50
_ROUNDS_WITHOUT_VALIDATION = 200
_BLOCK_ROWS = 65_536
# Of fewer features each tree sees all.
_MANY_FEATURES = 10


@dataclass(frozen=True)
class GrownTrees:
    """Trees with what only training knows.

    Attributes:
        trees: the trees as they are deployed.
        rounds: boosting rounds kept (each grows one tree per output of LightGBM).
        split_feature: int64 [splits] feature of every split of the kept rounds (numeric features, then code columns).
        split_value: float32 [splits] its threshold.
        split_gain: float64 [splits] its gain.
    """

    trees: Trees
    rounds: int
    split_feature: IntArray
    split_value: FloatArray
    split_gain: NDArray[np.float64]
    _booster: Any = field(repr=False, compare=False)


def fit_trees(
    inputs: Inputs,
    y: NDArray[Any],
    *,
    kind: TaskKind,
    outputs: int,
    slots: tuple[int, ...],
    train: IntArray,
    validation: IntArray,
    weights: NDArray[Any] | None = None,
    seed: int,
    rounds: int | None = None,
    learning_rate: float | None = None,
    deadline: float | None = None,
    clock: Callable[[], float] | None = None,
) -> GrownTrees:
    """Return trees grown on the train rows and stopped early on the validation rows.

    Args:
        inputs: n encoded rows.
        y: the standardised target [n], or class indices [n] below ``outputs``.
        kind: regression or classification.
        outputs: 1 for regression, the number of classes otherwise.
        slots: slots of each code column, the unknown slot included.
        train: indices of the rows to grow on.
        validation: indices of the rows that stop the growth; if there are none every round is grown.
        weights: row weights [n].
        seed: of the sampling of features.
        rounds: most boosting rounds; by default 1,500 (fewer for many classes), 200 without validation rows.
        learning_rate: shrinkage of every tree; by default 0.05, 0.1 for more than four classes.
        deadline: no round begins after this reading of the clock; at least one is grown.
        clock: returns the present in seconds; by default `time.monotonic`.

    Raises:
        SettingError: there are no train rows.
    """
    import lightgbm

    if len(train) == 0:
        raise SettingError("boosted trees require at least 1 train row, got 0")
    order = category_order(inputs, y, kind=kind, outputs=outputs, slots=slots, train=train, weights=weights)
    grow = _dataset(lightgbm, inputs, y, order, slots, train, weights, None)
    stop = [_dataset(lightgbm, inputs, y, order, slots, validation, weights, grow)] if len(validation) else []
    parameters = _parameters(kind, outputs, len(train), inputs.numeric.shape[1] + len(slots), seed)
    if learning_rate is not None:
        parameters["learning_rate"] = learning_rate
    if rounds is None:
        rounds = max(300, 1500 // max(1, outputs // 2)) if stop else _ROUNDS_WITHOUT_VALIDATION
    callbacks = [_deadline(lightgbm, deadline, clock or time.monotonic)] if deadline is not None else []
    if stop:
        callbacks.append(lightgbm.early_stopping(_PATIENCE_ROUNDS, verbose=False, first_metric_only=True))
    booster = lightgbm.train(parameters, grow, num_boost_round=rounds, valid_sets=stop or None, callbacks=callbacks)
    kept = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    return _grown(booster, int(kept), order, slots, outputs)


def teacher_outputs(grown: GrownTrees, inputs: Inputs) -> FloatArray:
    """Return the trees' raw outputs by LightGBM itself, faster than the runtime for many rows; float32 [n, c]."""
    trees = grown.trees
    result = np.zeros((len(inputs), trees.classes), np.float32)
    for start in range(0, len(inputs), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        features = tree_features(trees.tensors["order"], trees.slots, inputs.take(rows))
        raw = grown._booster.predict(features, raw_score=True, num_iteration=grown.rounds, num_threads=1)
        result[rows] = _two_outputs(raw) if trees.classes == 2 else raw.reshape(len(features), -1)
    return result


def fixed_feature(trees: Trees, feature: int, value: float) -> Trees:
    """Return trees over one numeric feature less, which is fixed: a node that tests it becomes the child it leads to.

    Args:
        trees: to change.
        feature: numeric, counted from 0.
        value: that it always has.
    """
    tested, threshold, left = (trees.tensors[name].copy() for name in ("feature", "value", "left"))
    for node in np.flatnonzero(tested == feature)[::-1]:  # children come after their parents
        child = left[node] + int(value > threshold[node])
        tested[node], threshold[node], left[node] = tested[child], threshold[child], left[child]
    tested[tested > feature] -= 1
    return Trees(trees.slots, trees.classes, {**trees.tensors, "feature": tested, "value": threshold, "left": left})


def fit_booster_importance(grown: GrownTrees) -> NDArray[np.float64]:
    """Return the total gain of each encoded feature (numeric, then code columns); float64 [d + q]."""
    features = int(grown._booster.num_feature())
    return np.bincount(grown.split_feature, weights=grown.split_gain, minlength=features).astype(np.float64)


def tree_edges(grown: GrownTrees, feature: int, bins: int) -> FloatArray:
    """Return at most ``bins - 1`` inner bin edges of one numeric feature from the thresholds of its splits.

    The edges are the thresholds at equal steps of the square root of the gain summed over the thresholds in order, so
    a threshold that matters much is always an edge and edges lie densely where many splits do.

    Returns:
        float32, ascending, distinct; empty when no tree tests the feature.
    """
    of_feature = grown.split_feature == feature
    # thresholds nearer than a millionth of the feature's spread are one: no bin may be too narrow to divide by
    near = np.round(grown.split_value[of_feature].astype(np.float64), 6).astype(np.float32)
    value, inverse = np.unique(near + np.float32(0), return_inverse=True)
    if len(value) <= bins - 1:
        return value
    weight = np.bincount(inverse, weights=np.sqrt(np.maximum(grown.split_gain[of_feature], 1e-30)))
    reached = np.cumsum(weight) / weight.sum()
    steps = np.arange(1, bins) / bins
    place = np.searchsorted(reached, steps)
    return value[np.unique(np.minimum(place, len(value) - 1))]


def category_order(
    inputs: Inputs,
    y: NDArray[Any],
    *,
    kind: TaskKind,
    outputs: int,
    slots: tuple[int, ...],
    train: IntArray,
    weights: NDArray[Any] | None = None,
) -> FloatArray:
    """Return what each category code is read as, column after column; float32 [sum of slots]."""
    codes = inputs.codes[train]
    weight = np.ones(len(train)) if weights is None else np.asarray(weights, np.float64)[train]
    target = np.asarray(y)[train]
    columns = [_column_order(codes[:, j], target, weight, kind, outputs, count) for j, count in enumerate(slots)]
    return np.concatenate(columns).astype(np.float32) if columns else np.zeros(0, np.float32)


def _column_order(
    codes: IntArray, target: NDArray[Any], weight: NDArray[np.float64], kind: TaskKind, outputs: int, slots: int
) -> NDArray[np.float64]:
    """Return the order of one code column; float64 [slots]."""
    count = np.bincount(codes, weights=weight, minlength=slots)
    if kind == "regression" or outputs <= 2:
        return _smoothed(np.bincount(codes, weights=weight * target, minlength=slots), count, weight, target)
    frequencies = np.stack(
        [
            _smoothed(np.bincount(codes, weights=weight * (target == c), minlength=slots), count, weight, target == c)
            for c in range(outputs)
        ],
        axis=1,
    )  # [slots, c]
    centred = (frequencies - np.average(frequencies, axis=0, weights=count + 1e-9)) * np.sqrt(count + 1e-9)[:, None]
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    direction *= np.sign(direction[np.abs(direction).argmax()]) or 1.0
    return frequencies @ direction


def _smoothed(
    total: NDArray[Any], count: NDArray[Any], weight: NDArray[np.float64], target: NDArray[Any]
) -> NDArray[np.float64]:
    """Return means per code drawn towards the mean of all rows."""
    prior = float(np.average(target, weights=weight)) if weight.sum() > 0 else 0.0
    return (total + _SMOOTHING_ROWS * prior) / (count + _SMOOTHING_ROWS)


def _dataset(
    lightgbm: Any,
    inputs: Inputs,
    y: NDArray[Any],
    order: FloatArray,
    slots: tuple[int, ...],
    rows: IntArray,
    weights: NDArray[Any] | None,
    reference: Any,
) -> Any:
    """Return some rows as LightGBM takes them."""
    features = tree_features(order, slots, inputs.take(rows))
    weight = None if weights is None else np.asarray(weights)[rows]
    names = [f"f{j}" for j in range(features.shape[1])]
    return lightgbm.Dataset(
        features,
        label=np.asarray(y)[rows],
        weight=weight,
        reference=reference,
        feature_name=names,
        categorical_feature=[],
        params={"verbose": -1, "num_threads": 1, "max_bin": 255, "min_data_in_bin": 3, "feature_pre_filter": False},
    )


def _parameters(kind: TaskKind, outputs: int, rows: int, features: int, seed: int) -> dict[str, Any]:
    """Return LightGBM's settings."""
    if kind == "regression":
        objective: dict[str, Any] = {"objective": "regression", "metric": "l2"}
    elif outputs == 2:
        objective = {"objective": "binary", "metric": "binary_logloss"}
    else:
        objective = {"objective": "multiclass", "metric": "multi_logloss", "num_class": outputs}
    return objective | {
        "learning_rate": 0.05 if outputs <= 4 else 0.1,
        "num_leaves": 31,
        "min_data_in_leaf": int(np.clip(rows // 50, 2, 20)),
        "min_sum_hessian_in_leaf": 1e-3,
        "lambda_l2": 1.0,
        "feature_fraction": 0.8 if features >= _MANY_FEATURES else 1.0,
        "feature_fraction_bynode": 1.0,
        "feature_pre_filter": False,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbose": -1,
        "seed": child_seed(seed, "trees") % 2**31,
    }


def _deadline(lightgbm: Any, deadline: float, clock: Callable[[], float]) -> Callable[[Any], None]:
    """Return a callback that ends the growth after the deadline, keeping the best round so far."""
    losses: list[float] = []

    def callback(environment: Any) -> None:
        results = environment.evaluation_result_list or []
        losses.extend(result[2] for result in results)
        if clock() > deadline:
            best = int(np.argmin(losses)) if losses else environment.iteration
            raise lightgbm.callback.EarlyStopException(best, results)

    return callback


def _two_outputs(raw: NDArray[Any]) -> FloatArray:
    """Return one raw score s as two logits (0, s), whose softmax is the sigmoid of s; float32 [n, 2]."""
    return np.stack([np.zeros(len(raw)), raw], axis=1).astype(np.float32)


def _grown(booster: Any, rounds: int, order: FloatArray, slots: tuple[int, ...], outputs: int) -> GrownTrees:
    """Return the trees of a booster's model text as flat arrays."""
    blocks = booster.model_to_string(num_iteration=rounds).split("\nTree=")[1:]
    trees = [_tree(block) for block in blocks]
    # two classes: tree i adds to output i % 2, so a shared empty leaf at node 0 stands in for output 0
    shared = outputs == 2
    sizes = np.array([len(tree.feature) for tree in trees], np.int64)
    start = np.concatenate([[0], np.cumsum(sizes)])[:-1] + int(shared)
    root = np.stack([np.zeros_like(start), start], axis=1).ravel() if shared else start
    leaf = [_Tree.leaf(0.0)] if shared else []
    base = np.repeat(start, sizes)
    feature, value, left, gain = (
        np.concatenate([getattr(tree, name) for tree in [*leaf, *trees]])
        for name in ("feature", "value", "left", "gain")
    )
    inner = feature >= 0
    left[len(leaf) :] += np.where(inner[len(leaf) :], base, 0)
    tensors: dict[str, NDArray[Any]] = {
        "root": root.astype(np.int32),
        "feature": feature.astype(np.int16),
        "value": value.astype(np.float32),
        "left": left.astype(np.int32),
        "order": order,
    }
    return GrownTrees(
        Trees(slots, outputs, tensors), rounds, feature[inner], tensors["value"][inner], gain[inner], booster
    )


@dataclass(frozen=True)
class _Tree:
    """One tree as flat arrays: feature (-1 at a leaf), value, left child counted from the root, gain."""

    feature: IntArray
    value: NDArray[np.float64]
    left: IntArray
    gain: NDArray[np.float64]

    @staticmethod
    def leaf(value: float) -> _Tree:
        """Return a tree of one leaf."""
        return _Tree(np.array([-1]), np.array([value]), np.zeros(1, np.int64), np.zeros(1))


def _tree(block: str) -> _Tree:
    """Return one tree of LightGBM's model text.

    LightGBM numbers splits in the order they are made, so a split's children come after it. Split i keeps its children
    at places 1 + 2i and 2 + 2i, which puts siblings side by side and children after parents.
    """
    fields = dict(line.split("=", 1) for line in block.splitlines()[1:] if "=" in line)
    leaf_value = np.array(fields["leaf_value"].split(), np.float64)
    if int(fields["num_leaves"]) == 1:
        return _Tree.leaf(float(leaf_value[0]))
    tested, left, right = (
        np.array(fields[k].split(), np.int64) for k in ("split_feature", "left_child", "right_child")
    )
    threshold, split_gain = (np.array(fields[k].split(), np.float64) for k in ("threshold", "split_gain"))
    children = np.stack([left, right], axis=1).ravel()  # place 1 + j holds children[j]: a split, or ~leaf
    is_split = children >= 0
    place = np.zeros(len(tested), np.int64)
    place[children[is_split]] = 1 + np.flatnonzero(is_split)
    feature = np.full(1 + len(children), -1)
    feature[place] = tested
    value, gain, first = np.zeros(len(feature)), np.zeros(len(feature)), np.zeros(len(feature), np.int64)
    value[place], gain[place], first[place] = round_down(threshold), split_gain, 1 + 2 * np.arange(len(tested))
    value[1 + np.flatnonzero(~is_split)] = leaf_value[~children[~is_split]]
    return _Tree(feature, value, first, gain)


def round_down(threshold: NDArray[np.float64]) -> FloatArray:
    """Return the largest float32 not above each threshold: ``x <= threshold`` stays the same for every float32 x."""
    with np.errstate(over="ignore"):
        near = threshold.astype(np.float32)
    return np.where(near.astype(np.float64) > threshold, np.nextafter(near, np.float32(-np.inf)), near)
