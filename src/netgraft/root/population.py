"""Batched populations: many different small networks trained at once, each with its own hyperparameters.

A candidate is trained once per fold; candidate i in fold f is network ``i * F + f`` of the stack (before the stack sorts
by depth, which keeps a candidate's folds together). Candidates that fall behind are dropped from the stack on the way
(successive halving inside the batch).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from netgraft.root.basis import Basis
from netgraft.root.data import Batch, Batches, Data
from netgraft.root.optimiser import StackedAdamW
from netgraft.root.stack import Dropout, Forward, StackShape, fresh, place, tensor_names
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.network import Architecture
from netgraft.seeds import child_seed, generator

_CHECKS = 12
_WARM_UP = 0.05
_EVALUATED_ROWS = 2_048


@dataclass(frozen=True)
class Recipe:
    """How one candidate is built and trained.

    Attributes:
        architecture: the network.
        learning_rate, weight_decay: of AdamW.
        dropout: rate in [0, 1) after every hidden layer.
        batch: rows per minibatch.
        distill: weight in [0, 1] of the teacher's soft rows in the loss.
    """

    architecture: Architecture
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    dropout: float = 0.0
    batch: int = 256
    distill: float = 0.0


@dataclass(frozen=True)
class Trained:
    """A candidate after training.

    Attributes:
        parameters: of the deployed fold, unpadded, by name (`netgraft.root.stack.fresh` gives the names).
        error: on the validation rows of all folds.
        outputs: float32 [rows, k, c] on the validation rows, fold after fold.
        steps: optimiser steps taken.
    """

    parameters: dict[str, np.ndarray]
    error: float
    outputs: FloatArray
    steps: int


@dataclass(frozen=True)
class Schedule:
    """How long a population is trained.

    Attributes:
        steps: optimiser steps of the candidates that stay to the end.
        halve_at: shares of the steps after which the worse half is dropped.
        seconds: time that training may take, measured and kept by shortening the schedule; None for no limit.
    """

    steps: int
    halve_at: tuple[float, ...] = ()
    seconds: float | None = None


#: Chooses who stays: errors [C] -> indices of the candidates that stay.
Selector = Callable[[np.ndarray], np.ndarray]


class Population:
    """A stack of candidates in training."""

    def __init__(
        self,
        recipes: Sequence[Recipe],
        data: Data,
        bases: Mapping[str, Basis],
        *,
        seed: int,
        starts: Sequence[dict[str, np.ndarray] | None] | None = None,
    ) -> None:
        """Build the stack.

        Args:
            recipes: C candidates; minibatches have the largest batch of any, of which each uses the first rows.
            data: the rows.
            bases: the finest basis of each kind.
            seed: of initial weights, minibatches and dropout.
            starts: per candidate, parameters to start from where shapes overlap, or None.
        """
        self._data, self._bases = data, bases
        self.order = sorted(range(len(recipes)), key=lambda i: (-recipes[i].architecture.depth, recipes[i].architecture.activation))
        self._recipes = [recipes[i] for i in self.order]
        self._alive = list(range(len(recipes)))
        folds = len(data.folds)
        networks = [r.architecture for r in self._recipes for _ in range(folds)]
        shape = StackShape.of(networks)
        stacked = {name: np.zeros((shape.size, *dims), np.float32) for name, dims in shape.shapes().items()}
        for c, recipe in enumerate(self._recipes):
            given = starts[self.order[c]] if starts is not None else None
            for f in range(folds):
                made = fresh(recipe.architecture, bases[recipe.architecture.basis], generator(seed, "fresh", self.order[c], f))
                if given is not None:
                    inherit(made, given)
                for name, value in made.items():
                    place(shape, recipe.architecture, name, stacked[name][c * folds + f])[...] = value
        repeat = lambda key: np.repeat([key(r) for r in self._recipes], folds)  # noqa: E731
        self._optimiser = StackedAdamW(stacked, repeat(lambda r: r.learning_rate), repeat(lambda r: r.weight_decay))
        self._dropout_rates = torch.as_tensor(repeat(lambda r: r.dropout), dtype=torch.float32)
        self._distill = torch.as_tensor(repeat(lambda r: r.distill), dtype=torch.float32)
        self._fold = torch.arange(folds).repeat(len(self._recipes))
        self._share = 1 / torch.as_tensor(repeat(lambda r: r.architecture.members), dtype=torch.float32)
        self._forward = Forward(shape, bases)
        self._torch = torch.Generator().manual_seed(child_seed(seed, "dropout"))
        soft = bool((self._distill > 0).any())
        largest = max(r.batch for r in recipes)
        own = torch.as_tensor(repeat(lambda r: r.batch)).view(-1, 1)
        self._used = (torch.arange(largest) < own).float() if any(r.batch < largest for r in recipes) else None
        self._batches = Batches(data, largest, child_seed(seed, "batches"), soft=soft)
        self._best = [_Best() for _ in recipes]

    def train(self, schedule: Schedule, select: Selector | None = None) -> list[Trained]:
        """Train all candidates and return them in the order of the recipes, each at its best checkpoint.

        Args:
            schedule: how long.
            select: who stays at each halving; None keeps all.
        """
        started = time.monotonic()
        total, step = schedule.steps, 0
        checks = _checkpoints(total)
        halvings = {checks[min(len(checks) - 1, math.ceil(share * len(checks)) - 1)] for share in schedule.halve_at}
        while step < total:
            self._step(step, total)
            step += 1
            if step == 12 and schedule.seconds is not None:
                affordable = self._affordable(started, step, schedule.seconds)
                if affordable < total:
                    total = affordable
                    checks = _checkpoints(total)
                    halvings = {checks[min(len(checks) - 1, math.ceil(s * len(checks)) - 1)] for s in schedule.halve_at}
            if step in checks or step >= total:
                errors = self._evaluate(step)
                late = schedule.seconds is not None and time.monotonic() - started > 1.25 * schedule.seconds
                if late:
                    break
                if step in halvings and select is not None and step < total:
                    self._keep(select(errors))
        return self._results()

    def _affordable(self, started: float, step: int, seconds: float) -> int:
        """Return the number of steps that fit in the time, from the pace so far (evaluations take about a tenth)."""
        pace = (time.monotonic() - started) / step
        return max(step + 1, int(0.9 * seconds / max(pace, 1e-6)))

    def _step(self, step: int, total: int) -> None:
        """Take one optimiser step."""
        batch = self._batches.next()
        dropout = Dropout(self._dropout_rates, self._torch) if bool((self._dropout_rates > 0).any()) else None
        outputs = self._forward(self._optimiser.parameters, batch.numeric, batch.codes, dropout)
        members = self._forward.network_of
        weights = batch.weights[self._fold[members]]  # [Q, b]
        if self._used is not None:
            weights = weights * self._used[members, : weights.shape[1]]
        taught = None if batch.soft_targets is None else batch.soft_targets[self._fold[members]]
        each = loss(outputs, batch.target, weights, taught, self._distill[members])  # [Q]
        self._optimiser.step((each * self._share[members]).sum(), learning_rate_factor(step, total))

    @torch.no_grad()
    def _evaluate(self, step: int) -> np.ndarray:
        """Judge all candidates on their folds' validation rows, remember the best state of each; errors [C alive]."""
        folds = len(self._data.folds)
        outputs = [self._validation_outputs(f) for f in range(self._data.judges)]
        rows = np.concatenate([fold.validation for fold in self._data.folds[: self._data.judges]])
        merged = [np.concatenate(made, axis=1) for made in zip(*outputs, strict=True)]  # [k, rows, c] each
        errors = np.empty(len(self._alive))
        for c, candidate in enumerate(self._alive):
            errors[c] = self._data.error(mix_members(merged[c], self._data.is_classification), rows)
            best = self._best[candidate]
            best.steps = step
            if errors[c] < best.error or best.parameters is None:
                best.error = float(errors[c])
                best.outputs = np.ascontiguousarray(merged[c].transpose(1, 0, 2))
                best.parameters = self._optimiser.snapshot(c * folds + self._data.deployed)
                best.shape = self._forward.shape
        return errors

    def _validation_outputs(self, fold: int) -> list[np.ndarray]:
        """Return the outputs of each candidate on one fold's validation rows; float32 [k, rows, c] each."""
        folds = len(self._data.folds)
        rows = self._data.folds[fold].validation
        made = []
        for start in range(0, len(rows), _EVALUATED_ROWS):
            taken = self._data.inputs.take(rows[start : start + _EVALUATED_ROWS])
            out = self._forward(
                self._optimiser.parameters, torch.from_numpy(taken.numeric), torch.from_numpy(taken.codes)
            )
            made.append(out.transpose(1, 2).numpy())  # [Q, rows, c]
        merged = np.concatenate(made, axis=1)
        offsets = self._forward.shape.offsets()
        return [merged[offsets[p] : offsets[p + 1]] for p in range(fold, self._forward.shape.size, folds)]

    def _keep(self, candidates: np.ndarray) -> None:
        """Drop all candidates of the stack but these."""
        if len(candidates) == len(self._alive):
            return
        folds = len(self._data.folds)
        kept = np.sort(candidates)
        networks = torch.from_numpy((kept[:, None] * folds + np.arange(folds)).ravel())
        self._optimiser.keep(networks)
        self._dropout_rates, self._distill = self._dropout_rates[networks], self._distill[networks]
        self._fold, self._share = self._fold[networks], self._share[networks]
        self._used = None if self._used is None else self._used[networks]
        self._alive = [self._alive[c] for c in kept]
        old = self._forward.shape
        self._forward = Forward(replace(old, networks=tuple(old.networks[int(p)] for p in networks)), self._bases)

    def _results(self) -> list[Trained]:
        """Return all candidates in the order of the recipes."""
        made: list[Trained | None] = [None] * len(self._recipes)
        for c, (recipe, best) in enumerate(zip(self._recipes, self._best, strict=True)):
            assert best.parameters is not None
            assert best.shape is not None
            names = tensor_names(recipe.architecture)
            parameters = {
                name: place(best.shape, recipe.architecture, name, best.parameters[name]).get() for name in names
            }
            made[self.order[c]] = Trained(parameters, best.error, best.outputs, best.steps)
        return [trained for trained in made if trained is not None]


class _Best:
    """The best state of one candidate so far."""

    def __init__(self) -> None:
        self.error = math.inf
        self.parameters: dict[str, np.ndarray] | None = None
        self.outputs: FloatArray = np.zeros((0, 1, 1), np.float32)
        self.shape: StackShape | None = None
        self.steps = 0


def _checkpoints(total: int) -> list[int]:
    """Return the steps after which candidates are judged, denser towards the end of the schedule."""
    return sorted({max(1, round(total * ((i + 1) / _CHECKS) ** 0.8)) for i in range(_CHECKS)} | {total})


def learning_rate_factor(step: int, total: int) -> float:
    """Return the factor of the learning rate: linear warm-up, then a half cosine to 1 %."""
    warm = max(1, int(_WARM_UP * total))
    if step < warm:
        return (step + 1) / warm
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def loss(outputs: Tensor, target: Tensor, weights: Tensor, taught: Tensor | None, distill: Tensor) -> Tensor:
    """Return the mean loss of every member, [Q].

    Args:
        outputs: [Q, c, rows] for the b labelled rows, then the soft rows if any.
        target: [b] standardised target or class index.
        weights: [Q, b] of the labelled rows.
        taught: [Q, soft rows, c] what a teacher says, or None.
        distill: [Q] weight of the soft rows.
    """
    b = len(target)
    hard = (row_losses(outputs[..., :b], target) * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1e-9)
    if taught is None:
        return hard
    return (1 - distill) * hard + distill * soft_losses(outputs[..., b:], taught).mean(dim=1)


def row_losses(outputs: Tensor, target: Tensor) -> Tensor:
    """Return squared errors or cross entropies [Q, b] of outputs [Q, c, b]."""
    if target.dtype == torch.int64:
        return F.cross_entropy(outputs, target.expand(len(outputs), -1), reduction="none")
    return (outputs[:, 0] - target) ** 2


def soft_losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return losses [Q, b] of outputs [Q, c, b] against soft targets [Q, b, c]: squared error, or cross entropy."""
    if targets.shape[-1] == 1:
        return (outputs[:, 0] - targets[..., 0]) ** 2
    return -(F.log_softmax(outputs, dim=1) * targets.transpose(1, 2)).sum(dim=1)


def mix_members(outputs: np.ndarray, classification: bool) -> FloatArray:
    """Return members' outputs [k, rows, c] averaged: of probabilities for classification, of targets else; [rows, c]."""
    if classification:
        shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        outputs = shifted / shifted.sum(axis=-1, keepdims=True)
    return np.ascontiguousarray(outputs.mean(axis=0), np.float32)


def inherit(made: dict[str, np.ndarray], given: dict[str, np.ndarray]) -> None:
    """Overwrite fresh parameters with given ones wherever their shapes overlap, in place.

    New units keep their fresh incoming weights and get zero outgoing ones, so that the network starts as it was.
    """
    for name, value in given.items():
        target = made.get(name)
        if target is None or target.ndim != value.ndim:
            continue
        overlap = tuple(slice(0, min(a, b)) for a, b in zip(target.shape, value.shape, strict=True))
        if name.startswith(("weight", "head", "skip")) and not name.startswith("head_bias"):
            target[...] = 0 if name == "skip" else target * 0.1
        target[overlap] = value[overlap]
