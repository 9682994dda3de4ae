"""From evaluations and references to the points of a front: deployable models with all their numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.devices import Layer, Profile, cost
from netgraft.lifecycle.metrics import metrics_of, prediction_metrics
from netgraft.lifecycle.prepare import Prepared
from netgraft.lifecycle.teacher import Reference
from netgraft.root import Cut
from netgraft.root.calibration import blend, conformal_half_width, fit_temperature
from netgraft.runtime import Model, Network, Trees
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.layers import layers
from netgraft.runtime.model import Part, TablePart, finish, softmax, table_part
from netgraft.search import Evaluation
from netgraft.tables import Rows

_STACKED_NETWORKS = 5
_LEAST_WEIGHT = 0.03
_SHRINKAGE = 0.5
# A family whose least error is more than this many times the least of all is not worth averaging with.
_COMPARABLE, _COMPARABLE_ON_FOLDS = 1.3, 1.15
INTERVAL_LEVEL = 0.9


@dataclass(frozen=True)
class Point:
    """One model of a front.

    Attributes:
        id: its name in ``front.json`` and of its root in ``model/``.
        family: ``network``, ``trees``, ``linear`` or ``stack``.
        model: deployable.
        cut: of a network, else None.
        values: every objective; the error is on validation rows.
        mixed: float32 [rows, c] mixed outputs on the validation rows.
        validation: metrics on the validation rows.
        test: metrics on the test rows, or None.
    """

    id: str
    family: str
    model: Model
    cut: Cut | None
    values: dict[str, float]
    mixed: FloatArray
    validation: dict[str, float]
    test: dict[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the point as in ``front.json``."""
        return {
            "id": self.id,
            "family": self.family,
            "root": self.id,
            "cut": None if self.cut is None else self.cut.to_json(),
            "parameters": self.model.parameters,
            "values": self.values,
            "validation": self.validation,
            "test": self.test,
        }


@dataclass(frozen=True)
class PointMaker:
    """Makes points of one task on one device."""

    prepared: Prepared
    profile: Profile

    def network(self, evaluation: Evaluation, network: Network, outputs: NDArray[Any] | None) -> Point:
        """Return the point of an evaluated network.

        Args:
            evaluation: of the network.
            network: trained.
            outputs: float32 [rows, k, c] on the validation rows, computed here if None.
        """
        made = self.outputs_of(network) if outputs is None else outputs
        return self.single(f"n{evaluation.id}", "network", network, made)

    def reference(self, reference: Reference) -> Point:
        """Return the point of a reference."""
        return self.single(reference.name, reference.family, reference.part, reference.outputs)

    def single(self, name: str, family: str, part: Part, outputs: NDArray[Any]) -> Point:
        """Return the calibrated point of one part with its outputs [rows, k, c] on the validation rows."""
        temperature = self._temperature(outputs)
        output = replace(self.prepared.output, temperature=temperature)
        mixed = softmax((outputs / temperature).astype(np.float32)) if output.kind == "classification" else outputs
        return self._point(name, family, (part,), np.ones(1, np.float32), output, mixed.mean(axis=1, dtype=np.float32))

    def stack(self, points: Sequence[Point]) -> Point | None:
        """Return the stack of the best points, or None when there are not two to mix.

        The weights are those of a greedy blend on the validation rows, drawn towards equal weights: of the best network
        and the trees on one split, whose validation groups tell families apart less well than they seem to; on repeated
        splits of all that are about as good, because of many candidates the best on few rows owes much to chance.
        """
        best = sorted((p for p in points if p.family == "network"), key=lambda p: (p.values["error"], p.id))
        chosen = best[:_STACKED_NETWORKS] + [p for p in points if p.family != "network"]
        greedy = blend([p.mixed for p in chosen], self._target(), self.prepared.output.kind, self._weights())
        weights = (1 - _SHRINKAGE) * greedy + _SHRINKAGE * equal_weights(
            chosen, on_folds=len(self.prepared.data.folds) > 1
        )
        kept = [(p, w) for p, w in zip(chosen, weights, strict=True) if w >= _LEAST_WEIGHT]
        if len(kept) < 2:
            return None
        mixture = np.array([w for _, w in kept], np.float32)
        mixture /= mixture.sum()
        parts = tuple(cooled(table_part(p.model.parts[0]), p.model.output.temperature) for p, _ in kept)
        mixed = sum(w * p.mixed for (p, _), w in zip(kept, mixture, strict=True))
        return self._point("stack", "stack", parts, mixture, self.prepared.output, np.asarray(mixed, np.float32))

    def tested(self, point: Point, test: Rows) -> Point:
        """Return the point with its metrics on labelled rows that no part of the search has seen."""
        return replace(point, test=metrics_of(point.model, test, self.prepared.task.metric))

    def outputs_of(self, part: Part) -> FloatArray:
        """Return the outputs of a part on the validation rows; float32 [rows, k, c]."""
        inputs = self.prepared.data.inputs.take(self.prepared.validation_rows)
        blocks = [part.outputs(inputs.take(slice(i, i + 16_384))) for i in range(0, max(1, len(inputs)), 16_384)]
        return np.concatenate(blocks)

    def _point(
        self, name: str, family: str, parts: tuple[Part, ...], mixture: FloatArray, output: Any, mixed: FloatArray
    ) -> Point:
        """Return a point from mixed outputs."""
        prepared, rows = self.prepared, self.prepared.validation_rows
        prediction = finish(output, mixed)
        if output.kind == "regression":
            residuals = np.abs(np.asarray(prepared.task.rows.y)[rows] - prediction.values)
            output = replace(output, interval=conformal_half_width(residuals, INTERVAL_LEVEL))
        about = {
            "target": prepared.task.target,
            "metric": prepared.task.metric,
            "family": family,
            "schema": prepared.task.schema.to_json(),
        }
        model = Model(prepared.encoding, parts, mixture, output, about)
        shapes = [Layer(**vars(shape)) for shape in layers(model)]
        values = {"error": prepared.data.error(mixed, rows)}
        values |= {k: item.value for k, item in cost(shapes, self.profile, model.size_bytes).items()}
        architecture = parts[0].architecture if isinstance(parts[0], Network) and len(parts) == 1 else None
        return Point(
            name,
            family,
            model,
            Cut.of(architecture) if architecture is not None and family == "network" else None,
            values,
            mixed,
            prediction_metrics(prediction, self._own_target(rows), self._weights(), prepared.task.kind),
        )

    def _temperature(self, outputs: NDArray[Any]) -> float:
        """Return the temperature that suits the validation rows; 1 for regression."""
        if self.prepared.output.kind == "regression":
            return 1.0
        return float(np.float32(fit_temperature(outputs, self._target(), self._weights())))

    def _target(self) -> NDArray[Any]:
        """Return the validation rows' target as networks learn it."""
        return self.prepared.data.target[self.prepared.validation_rows]

    def _own_target(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return rows' target in its own unit."""
        return np.asarray(self.prepared.task.rows.y)[rows]

    def _weights(self) -> FloatArray | None:
        """Return the validation rows' weights."""
        weights = self.prepared.task.rows.weights
        return None if weights is None else weights[self.prepared.validation_rows]


def equal_weights(points: Sequence[Point], *, on_folds: bool) -> FloatArray:
    """Return equal weights of points that are about as good as the best, zero for the others; they sum to one.

    Args:
        points: to mix.
        on_folds: whether errors are of repeated splits; otherwise only the best network and the best trees count.
    """
    errors = np.array([point.values["error"] for point in points])
    if on_folds:
        able = np.flatnonzero(errors <= _COMPARABLE_ON_FOLDS * errors.min())
    else:
        bests = {points[i].family: int(i) for i in np.argsort(-errors) if points[i].family in ("network", "trees")}
        able = np.array([i for i in bests.values() if errors[i] <= _COMPARABLE * errors.min()], np.int64)
    weights = np.zeros(len(points), np.float32)
    weights[able if len(able) else slice(None)] = 1
    return weights / weights.sum()


def cooled(part: TablePart, temperature: float) -> TablePart:
    """Return a part whose outputs are those of the given one divided by a temperature."""
    if temperature == 1.0:
        return part
    factor = np.float32(1 / temperature)
    if isinstance(part, Network):
        scaled = {n: v * factor for n, v in part.tensors.items() if n in ("head", "head_bias", "skip")}
        return replace(part, tensors={**part.tensors, **scaled})
    leaf = part.tensors["feature"] < 0
    value = np.where(leaf, part.tensors["value"] * factor, part.tensors["value"]).astype(np.float32)
    return Trees(part.slots, part.classes, {**part.tensors, "value": value})


#: Tells a caller how far a search is: (seconds, what is being done).
Progress = Callable[[float, str], None]
