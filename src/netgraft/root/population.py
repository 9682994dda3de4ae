"""Batched populations: many different small networks trained at once, each with its own hyperparameters.

A candidate is trained once per fold: candidate i, counted in the order of the stack (the deepest first), is in fold f
the network ``i * F + f``. Candidates that fall behind are dropped from the stack on the way (successive halving inside
the batch).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from netgraft.root.basis import Basis
from netgraft.root.data import Batches, Data
from netgraft.root.optimiser import StackedAdamW
from netgraft.root.stack import Dropout, Forward, Parameters, StackShape, fresh, place, tensor_names
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.network import Architecture
from netgraft.seeds import child_seed, generator

_CHECKS = 8
_WARM_UP = 0.05
_CHECKED_ROWS = 2_048
_BLOCK_ROWS = 4_096


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
        parameters: of the networks of all folds, unpadded, [F, ...] by the names of `netgraft.root.stack.fresh`.
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
            starts: per candidate, parameters [F, ...] to start from where shapes overlap, or None.
        """
        self._data, self._bases = data, bases
        self.order = sorted(
            range(len(recipes)), key=lambda i: (-recipes[i].architecture.depth, recipes[i].architecture.activation)
        )
        self._recipes = [recipes[i] for i in self.order]
        self._alive = list(range(len(recipes)))
        folds = len(data.folds)
        networks = [r.architecture for r in self._recipes for _ in range(folds)]
        shape = StackShape.of(networks)
        stacked = {name: np.zeros((shape.size, *dims), np.float32) for name, dims in shape.shapes().items()}
        for c, recipe in enumerate(self._recipes):
            given = starts[self.order[c]] if starts is not None else None
            for f in range(folds):
                made = fresh(
                    recipe.architecture, bases[recipe.architecture.basis], generator(seed, "fresh", self.order[c], f)
                )
                if given is not None:
                    inherit(made, {name: value[f] for name, value in given.items()})
                for name, value in made.items():
                    place(shape, recipe.architecture, name, stacked[name][c * folds + f])[...] = value

        def repeat(key: Callable[[Recipe], float]) -> np.ndarray:
            return np.repeat(np.array([key(r) for r in self._recipes], np.float32), folds)

        self._optimiser = StackedAdamW(stacked, repeat(lambda r: r.learning_rate), repeat(lambda r: r.weight_decay))
        rates = torch.as_tensor(repeat(lambda r: r.dropout), dtype=torch.float32)
        self._dropout = Dropout(rates, torch.Generator().manual_seed(child_seed(seed, "dropout")))
        self._distill = torch.as_tensor(repeat(lambda r: r.distill), dtype=torch.float32)
        self._fold = torch.arange(folds).repeat(len(self._recipes))
        self._share = 1 / torch.as_tensor(repeat(lambda r: r.architecture.members), dtype=torch.float32)
        self._forward = Forward(shape, bases)
        soft = bool((self._distill > 0).any())
        largest = max(r.batch for r in recipes)
        own = torch.as_tensor(repeat(lambda r: r.batch)).view(-1, 1)
        self._used = (torch.arange(largest) < own).float() if any(r.batch < largest for r in recipes) else None
        self._batches = Batches(data, largest, child_seed(seed, "batches"), soft=soft)
        self._best = [_Best() for _ in recipes]
        most = _CHECKED_ROWS // data.judges
        self._checked_rows = [spread(fold.validation, most) for fold in data.folds if len(fold.validation)]

    def train(self, schedule: Schedule, select: Selector | None = None) -> list[Trained]:
        """Train all candidates and return them in the order of the recipes, each at its best checkpoint.

        Args:
            schedule: how long.
            select: who stays at each halving; None keeps all.
        """
        clock = Progress(schedule)
        checks = [(i + 1) / _CHECKS for i in range(_CHECKS)]
        halvings = list(schedule.halve_at)
        while (done := clock.share()) < 1:
            if done >= checks[0]:
                errors = self._check()
                checks = [share for share in checks if share > done]
                if halvings and done >= halvings[0] and select is not None:
                    self._keep(select(errors))
                    halvings.pop(0)
            self._step(learning_rate_factor(done))
            clock.step += 1
        self._check()
        return self._results()

    def _step(self, factor: float) -> None:
        """Take one optimiser step with the learning rates times a factor."""
        for candidate in self._alive:
            self._best[candidate].steps += 1
        batch = self._batches.next()
        dropout = self._dropout if self._dropout.any else None
        outputs = self._forward(self._optimiser.parameters, batch.numeric, batch.codes, dropout)
        members = self._forward.network_of
        weights = batch.weights[self._fold[members]]  # [Q, b]
        if self._used is not None:
            weights = weights * self._used[members, : weights.shape[1]]
        taught = None if batch.soft_targets is None else batch.soft_targets[self._fold[members]]
        each = loss(outputs, batch.target, weights, taught, self._distill[members])  # [Q]
        self._optimiser.step((each * self._share[members]).sum(), factor)

    def _check(self) -> np.ndarray:
        """Judge all candidates on a part of the validation rows, remember the best state of each; errors [C alive]."""
        folds = len(self._data.folds)
        outputs = [self._fold_outputs(f, rows) for f, rows in enumerate(self._checked_rows)]
        rows = np.concatenate(self._checked_rows)
        errors = np.empty(len(self._alive))
        for c, candidate in enumerate(self._alive):
            merged = np.concatenate([made[c] for made in outputs], axis=1)  # [k, rows, c]
            errors[c] = self._data.error(mix_members(merged, self._data.is_classification), rows)
            best = self._best[candidate]
            if errors[c] < best.error or not best.parameters:
                best.error = float(errors[c])
                best.parameters = self._unpadded(candidate, c * folds)
        return errors

    def _unpadded(self, candidate: int, first: int) -> dict[str, np.ndarray]:
        """Return a copy of the parameters of a candidate's networks, which begin at ``first``; [F, ...] by name."""
        network, shape = self._recipes[candidate].architecture, self._forward.shape
        folds = [self._optimiser.snapshot(first + f) for f in range(len(self._data.folds))]
        return {
            name: np.stack([place(shape, network, name, padded[name]).get() for padded in folds])
            for name in tensor_names(network)
        }

    def _fold_outputs(self, fold: int, rows: np.ndarray) -> list[np.ndarray]:
        """Return the outputs of each candidate's network of one fold; float32 [k, rows, c] each."""
        outputs = forward_rows(self._forward, self._optimiser.parameters, self._data, rows)  # [Q, rows, c]
        offsets, folds = self._forward.shape.offsets(), len(self._data.folds)
        return [outputs[offsets[p] : offsets[p + 1]] for p in range(fold, self._forward.shape.size, folds)]

    def _keep(self, candidates: np.ndarray) -> None:
        """Drop all candidates of the stack but these."""
        if len(candidates) == len(self._alive):
            return
        folds = len(self._data.folds)
        kept = np.sort(candidates)
        networks = torch.from_numpy((kept[:, None] * folds + np.arange(folds)).ravel())
        self._optimiser.keep(networks)
        self._dropout, self._distill = self._dropout.keep(networks), self._distill[networks]
        self._fold, self._share = self._fold[networks], self._share[networks]
        self._used = None if self._used is None else self._used[networks]
        self._alive = [self._alive[c] for c in kept]
        old = self._forward.shape
        self._forward = Forward(replace(old, networks=tuple(old.networks[int(p)] for p in networks)), self._bases)

    def _results(self) -> list[Trained]:
        """Return all candidates in the order of the recipes, judged on all validation rows."""
        made: dict[int, Trained] = {}
        rows = np.concatenate([fold.validation for fold in self._data.folds])
        for c, (recipe, best) in enumerate(zip(self._recipes, self._best, strict=True)):
            outputs = validation_outputs(recipe.architecture, best.parameters, self._data, self._bases)
            error = self._data.error(mix_members(outputs, self._data.is_classification), rows)
            made[self.order[c]] = Trained(best.parameters, error, outputs.transpose(1, 0, 2).copy(), best.steps)
        return [made[i] for i in range(len(made))]


def validation_outputs(
    network: Architecture, parameters: Mapping[str, np.ndarray], data: Data, bases: Mapping[str, Basis]
) -> np.ndarray:
    """Return the outputs of one candidate on the validation rows, each fold's by its own network; [k, rows, c].

    Args:
        network: the candidate's architecture.
        parameters: of its networks, [F, ...] by name.
        data: the rows.
        bases: the finest basis of each kind.
    """
    forward = Forward(StackShape.of([network]), bases)
    made = []
    for f, fold in enumerate(data.folds):
        if len(fold.validation):
            own = {name: torch.from_numpy(value[f : f + 1]) for name, value in parameters.items()}
            made.append(forward_rows(forward, own, data, fold.validation))
    return np.concatenate(made, axis=1)


class _Best:
    """The best state of one candidate so far."""

    def __init__(self) -> None:
        self.error = math.inf
        self.parameters: dict[str, np.ndarray] = {}
        self.steps = 0


class Progress:
    """How much of a schedule is done: the larger of the shares of its steps and of its seconds."""

    def __init__(self, schedule: Schedule) -> None:
        """Start the clock."""
        self.step = 0
        self._schedule = schedule
        self._started = time.monotonic()

    def share(self) -> float:
        """Return the share done; at least one step is taken before it reaches 1."""
        share = self.step / self._schedule.steps
        if self._schedule.seconds is not None and self.step > 0:
            share = max(share, (time.monotonic() - self._started) / max(self._schedule.seconds, 1e-6))
        return share


@torch.no_grad()
def forward_rows(forward: Forward, parameters: Parameters, data: Data, rows: np.ndarray) -> np.ndarray:
    """Return the outputs of all members on some rows of the data, in blocks; float32 [Q, rows, c]."""
    made = []
    for start in range(0, len(rows), _BLOCK_ROWS):
        taken = data.inputs.take(rows[start : start + _BLOCK_ROWS])
        out = forward(parameters, torch.from_numpy(taken.numeric), torch.from_numpy(taken.codes))
        made.append(out.transpose(1, 2).numpy())
    return np.concatenate(made, axis=1)


def spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Return at most about ``most`` of the rows, evenly spaced."""
    return rows[:: max(1, len(rows) // most)]


def learning_rate_factor(done: float) -> float:
    """Return the factor of the learning rate at a share of the schedule: linear warm-up, then a half cosine to 1 %."""
    if done < _WARM_UP:
        return max(0.02, done / _WARM_UP)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP)))


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
        return functional.cross_entropy(outputs, target.expand(len(outputs), -1), reduction="none")
    return (outputs[:, 0] - target) ** 2


def soft_losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return losses [Q, b] of outputs [Q, c, b] against soft targets [Q, b, c]: squared error, or cross entropy."""
    if targets.shape[-1] == 1:
        return (outputs[:, 0] - targets[..., 0]) ** 2
    return -(functional.log_softmax(outputs, dim=1) * targets.transpose(1, 2)).sum(dim=1)


def mix_members(outputs: np.ndarray, classification: bool) -> FloatArray:
    """Return members' outputs [k, rows, c] averaged, for classification their probabilities; [rows, c]."""
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
