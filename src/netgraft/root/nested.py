"""The nested root: one network whose prefixes are all smaller networks, trained jointly.

Depth is elastic by a head and a linear path at every depth, width by prefixes of units. Each step trains the largest
cut on the labels, and the smallest and some random cuts on the labels and on the largest one's outputs (sandwich rule
with in-place distillation: Yu and Huang 2019, "Universally Slimmable Networks", section 3). After a first phase of the
largest cut alone, units are sorted by importance, so that a prefix keeps the best (Cai et al. 2020, "Once-for-All",
section 3.2).

Wiring ``square`` connects all units of neighbouring layers: a smaller cut computes other values in the units it shares
with a larger one. Wiring ``shells`` lets a unit read only units of its own or lower shells (a block lower-triangular
matrix), so shared units compute the same in every cut that has them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netgraft.errors import ModelError, SettingError
from netgraft.root.basis import Basis
from netgraft.root.bits import Bits, bits_of, common_step, rounded
from netgraft.root.cut import Cut, cut_architecture
from netgraft.root.data import Batch, Batches, Data
from netgraft.root.extract import cut_parameters, to_network
from netgraft.root.optimiser import StackedAdamW
from netgraft.root.population import (
    Progress,
    Schedule,
    learning_rate_factor,
    mix_members,
    row_losses,
    soft_losses,
    spread,
)
from netgraft.root.stack import Forward, StackShape, fresh
from netgraft.runtime import Inputs, Network
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.network import Architecture
from netgraft.seeds import child_seed, generator

WIRINGS = ("square", "shells")
_LARGEST_ALONE = 0.25
_RANDOM_CUTS = 2
# Rounded cuts differ in planes too, and disturb the largest one more.
_RANDOM_CUTS_OF_FEW_BITS = 1
_CHECKED_AT = (0.6, 0.8)
# A root that starts from another may be at its best before its training is over.
_CHECKED_STARTS = (0.0, 0.1, 0.2, 0.4)
_SCORED_ROWS = 2_048


@dataclass(frozen=True)
class NestedRecipe:
    """How a nested root is built and trained.

    Attributes:
        architecture: the largest cut.
        width_choices: units a layer of a cut may have.
        learning_rate, weight_decay, batch: of AdamW.
        wiring: ``square`` or ``shells``.
        bits: how it learns to do with fewer bits, or None; then, as with ``shells``, the layers of a cut share a shell.
    """

    architecture: Architecture
    width_choices: tuple[int, ...] = (4, 8, 16, 32, 64, 128)
    learning_rate: float = 4e-3
    weight_decay: float = 1e-4
    batch: int = 256
    wiring: str = "square"
    bits: Bits | None = None

    def __post_init__(self) -> None:
        """Check the wiring.

        Raises:
            SettingError: it is unknown.
        """
        if self.wiring not in WIRINGS:
            raise SettingError(f"a wiring must be one of {', '.join(WIRINGS)}, got {self.wiring!r}")

    @property
    def shells(self) -> tuple[tuple[int, ...], ...]:
        """Return the units of each layer in each shell, the innermost first; the last is the whole root."""
        widths = self.architecture.widths
        choices = sorted({width for width in self.width_choices if width < max(widths, default=0)})
        return (*(tuple(min(width, most) for most in widths) for width in choices), widths)


@dataclass(frozen=True)
class Start:
    """How a copy of a nested root begins, and what holds it there.

    Attributes:
        parameters: of every fold, [F, ...] by name, or None for fresh ones.
        learning_rate: of AdamW, or None for the recipe's.
        anchor: strength of the pull towards the parameters (L2-SP); weight decay takes its place at 0.
        frozen: names of parameters that stay as they are.
        draw: which fresh parameters it begins with, from 0.
    """

    parameters: Mapping[str, np.ndarray] | None = None
    learning_rate: float | None = None
    anchor: float = 0.0
    frozen: tuple[str, ...] = ()
    draw: int = 0


@dataclass(frozen=True)
class NestedRoot:
    """A trained nested root, a function of inputs and a cut.

    Attributes:
        recipe: how it was built; its architecture is the largest cut.
        parameters: of every fold, [F, ...] by name; heads carry their depth (``head@2``).
        basis: the finest basis of its kind.
    """

    recipe: NestedRecipe
    parameters: dict[str, np.ndarray]
    basis: Basis

    @torch.no_grad()
    def __call__(self, inputs: Inputs, cut: Cut, fold: int = -1) -> FloatArray:
        """Return the outputs of a cut in one fold; float32 [n, k, c].

        Raises:
            SettingError: the cut is not contained in the root.
        """
        network = cut_architecture(self.recipe.architecture, cut)
        parameters = {name: torch.from_numpy(value[None]) for name, value in self.cut(cut, fold).items()}
        forward = Forward(StackShape.of([network]), {self.basis.kind: self.basis})
        outputs = forward(parameters, torch.from_numpy(inputs.numeric), torch.from_numpy(inputs.codes))  # [k, c, n]
        return np.ascontiguousarray(outputs.permute(2, 0, 1).numpy())

    def cut(self, cut: Cut, fold: int) -> dict[str, np.ndarray]:
        """Return the parameters of one cut in one fold, as `netgraft.root.extract.to_network` takes them.

        Raises:
            SettingError: the cut is not contained in the root.
        """
        return {name: value[fold] for name, value in self.cut_folds(cut).items()}

    def cut_folds(self, cut: Cut) -> dict[str, np.ndarray]:
        """Return the parameters of one cut in all folds, [F, ...] by name, as `Trained` has them.

        Raises:
            SettingError: the cut is not contained in the root.
        """
        sliced = cut_parameters(self.parameters, self.recipe.architecture, cut)
        return {name: np.ascontiguousarray(value) for name, value in sliced.items()}


def extract(root: NestedRoot, cut: Cut, fold: int = -1) -> Network:
    """Return a cut as a plain network that computes the same in NumPy alone.

    Raises:
        SettingError: the cut is not contained in the root.
    """
    return to_network(cut_architecture(root.recipe.architecture, cut), root.basis, root.cut(cut, fold))


def root_to_json(root: NestedRoot) -> dict[str, Any]:
    """Return what is stored of a root beside its tensors."""
    recipe = asdict(root.recipe) | {"architecture": root.recipe.architecture.to_json()}
    del recipe["bits"]  # of use while it is trained only
    recipe["width_choices"] = list(recipe["width_choices"])
    return {"format": 1, "recipe": recipe, "basis": root.basis.kind, "edges": [len(e) for e in root.basis.edges]}


def root_tensors(root: NestedRoot) -> dict[str, np.ndarray]:
    """Return the tensors of a root by name, as safetensors stores them."""
    stored = dict(root.parameters)
    if root.basis.edges:
        stored["@edges"] = np.concatenate(root.basis.edges)
    if root.basis.frequencies is not None:
        stored["@frequencies"] = root.basis.frequencies
    return stored


def root_from_parts(value: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> NestedRoot:
    """Return the root stored by `root_to_json` and `root_tensors`.

    Raises:
        ModelError: it is of another format, or its edges do not add up.
    """
    if value.get("format") != 1:
        raise ModelError(f"a nested root must be of format 1, got {value.get('format')!r}")
    recipe, edges = dict(value["recipe"]), tensors.get("@edges", np.zeros(0, np.float32))
    if sum(value["edges"]) != len(edges):
        raise ModelError(f"a nested root must have {sum(value['edges'])} edges, got {len(edges)}")
    recipe["architecture"] = Architecture.from_json(recipe["architecture"])
    recipe["width_choices"] = tuple(recipe["width_choices"])
    parts = tuple(np.split(edges, np.cumsum(value["edges"])[:-1])) if len(edges) else ()
    basis = Basis(str(value["basis"]), parts, tensors.get("@frequencies"))
    parameters = {name: array for name, array in tensors.items() if not name.startswith("@")}
    return NestedRoot(NestedRecipe(**recipe), parameters, basis)


class NestedTraining:
    """Nested roots in training side by side: one for each start, each with one copy per fold.

    Copy ``r * F + f`` is that of start r in fold f.
    """

    def __init__(
        self,
        recipe: NestedRecipe,
        data: Data,
        basis: Basis,
        *,
        seed: int,
        starts: Sequence[Start] = (Start(),),
        soft_share: float = 0.0,
    ) -> None:
        """Build the roots.

        Args:
            recipe: what and how.
            data: the rows.
            basis: the finest basis of the recipe's kind.
            seed: of initial weights, minibatches and random cuts.
            starts: how each root begins.
            soft_share: weight in [0, 1] of the data's soft rows in the loss.
        """
        a = recipe.architecture
        self._recipe, self._data, self._basis, self._starts = recipe, data, basis, tuple(starts)
        begun = [start.parameters or self._drawn(seed, start.draw) for start in starts]
        stacked = {name: np.concatenate([each[name] for each in begun]) for name in begun[0]}
        self._masks = shell_masks(self._recipe) if recipe.wiring == "shells" else {}
        self._anchor = stacked if any(start.anchor for start in starts) else None
        self._optimiser = self._optimise(stacked)
        self._soft_share = soft_share if data.soft is not None else 0.0
        self._batches = Batches(data, recipe.batch, child_seed(seed, "nested batches"), soft=soft_share > 0)
        self._cuts = generator(seed, "nested cuts")
        self._fold = torch.arange(len(data.folds)).repeat(len(starts))
        self._step_size: Tensor | None = None
        self._forwards: dict[Cut, Forward] = {}
        self._bases = {basis.kind: basis}
        #: For each check while training: seconds since it began, and the error of each start's best state so far.
        self.history: list[tuple[float, list[float]]] = []
        #: Optimiser steps that were taken.
        self.steps = 0
        self.largest = Cut.of(a)
        self.smallest = Cut(min(1, a.depth), (min(recipe.width_choices),) * min(1, a.depth))

    def _drawn(self, seed: int, draw: int) -> dict[str, np.ndarray]:
        """Return fresh parameters of every fold, [F, ...] by name."""
        path = ("nested", draw) if draw else ("nested",)
        folds = [
            _nested_parameters(self._recipe.architecture, self._basis, generator(seed, *path, f))
            for f in range(len(self._data.folds))
        ]
        return {name: np.stack([each[name] for each in folds]) for name in folds[0]}

    def _optimise(self, stacked: dict[str, np.ndarray]) -> StackedAdamW:
        copies = [start for start in self._starts for _ in self._data.folds]
        return StackedAdamW(
            stacked,
            np.array([start.learning_rate or self._recipe.learning_rate for start in copies]),
            np.array([0.0 if start.anchor else self._recipe.weight_decay for start in copies]),
            anchor=self._anchor,
            pulls=np.array([start.anchor for start in copies]),
            frozen=[start.frozen for start in copies] if any(start.frozen for start in copies) else None,
        )

    def train(self, steps: int, seconds: float | None = None) -> tuple[NestedRoot, ...]:
        """Train for a number of steps, or for as many as fit in the seconds if that is fewer; keep the best states.

        Early stopping watches the mean error of the largest and the smallest cut of each root.

        Returns:
            one root for each start.
        """
        self._began = time.monotonic()
        clock = Progress(Schedule(steps, seconds=seconds))
        best, best_error, sorted_, checks = self._state(), np.full(len(self._starts), np.inf), False, list(_CHECKED_AT)
        if any(start.parameters is not None for start in self._starts):
            checks = [*_CHECKED_STARTS, *checks]
        # smaller cuts of a root that goes on must not be forgotten
        alone = _LARGEST_ALONE if any(start.parameters is None for start in self._starts) else 0.0
        while (done := clock.share()) < 1:
            if done >= alone and not sorted_:
                self._sort_units()
                sorted_ = True
            if self._recipe.bits is not None and self._step_size is None and done >= self._recipe.bits.start:
                self._step_size = self._grid(self._recipe.bits)
                best_error[:] = np.inf  # states of before are not on the grid
            if checks and done >= checks[0]:
                best, best_error = self._better(best, best_error)
                checks.pop(0)
            self._step(learning_rate_factor(done), alone=done < alone)
            clock.step += 1
        self.steps += clock.step
        best, _ = self._better(best, best_error)
        self._optimiser = self._optimise(best)
        state, folds = self._state(), len(self._data.folds)
        return tuple(
            NestedRoot(self._recipe, {n: v[r * folds : (r + 1) * folds] for n, v in state.items()}, self._basis)
            for r in range(len(self._starts))
        )

    def _better(self, best: dict[str, np.ndarray], best_error: FloatArray) -> tuple[dict[str, np.ndarray], FloatArray]:
        """Return for each root its present state and error, or the given ones where these are better."""
        error = np.array([self.errors([self.largest, self.smallest], r).mean() for r in range(len(self._starts))])
        taken = np.repeat(error < best_error, len(self._data.folds))
        state = {name: np.where(_along(taken, v), v, best[name]) for name, v in self._state().items()}
        least = np.minimum(error, best_error)
        self.history.append((time.monotonic() - self._began, least.tolist()))
        return state, least

    def _state(self) -> dict[str, np.ndarray]:
        """Return a copy of all parameters, with the wiring's zeros in place."""
        state = {name: value.detach().numpy().copy() for name, value in self._optimiser.parameters.items()}
        for name, mask in self._masks.items():
            state[name] *= mask.numpy()
        return state

    def _step(self, factor: float, *, alone: bool) -> None:
        """Take one optimiser step on the largest cut, and on smaller ones unless alone."""
        batch = self._batches.next()
        wired = self._wired()
        parameters = self._on_grid(wired, 0)
        tokens = self._forward(self.largest).tokens(parameters, batch.numeric, batch.codes)
        largest = self._outputs(parameters, tokens, self.largest)
        total_loss = self._loss(largest, batch, None)
        if not alone:
            taught = soft_targets(largest.detach(), len(self._fold), self._data.is_classification)
            drawn = _RANDOM_CUTS if self._recipe.bits is None else _RANDOM_CUTS_OF_FEW_BITS
            cuts = [self.smallest, *(self.random_cut(self._cuts) for _ in range(drawn))]
            for cut in cuts:
                if self._step_size is not None:
                    parameters = self._on_grid(wired, self._random_plane())
                    tokens = self._forward(self.largest).tokens(parameters, batch.numeric, batch.codes)
                total_loss = total_loss + self._loss(self._outputs(parameters, tokens, cut), batch, taught)
        if self._step_size is not None and self._recipe.bits is not None and self._recipe.bits.rate > 0:
            total_loss = total_loss + self._recipe.bits.rate * bits_of(wired, self._step_size)
        self._optimiser.step(total_loss, factor)

    def _on_grid(self, parameters: dict[str, Tensor], lowest: int) -> dict[str, Tensor]:
        """Return the parameters with the planes from the lowest on, once the grid is there."""
        if self._step_size is None or self._recipe.bits is None:
            return parameters
        return rounded(parameters, self._step_size, lowest, self._recipe.bits.planes)

    def _grid(self, bits: Bits) -> Tensor:
        """Return the step of the finest plane of each copy; [copies]."""
        if bits.step is not None:
            return torch.full((len(self._fold),), bits.step)
        return common_step(self._optimiser.parameters, bits.planes)

    @property
    def grid_step(self) -> FloatArray | None:
        """Return the step of the finest plane of each copy [copies], or None while nothing is rounded."""
        return None if self._step_size is None else self._step_size.numpy()

    def _random_plane(self) -> int:
        """Return a lowest plane such that about half of the planes are left: with fewer no cut is of use."""
        assert self._recipe.bits is not None
        return int(self._cuts.integers(0, self._recipe.bits.planes // 2 + 1))

    def _loss(self, outputs: Tensor, batch: Batch, taught: Tensor | None) -> Tensor:
        """Return the loss of one cut summed over copies: on labels and soft rows; half on what it is taught, if any.

        Args:
            outputs: [copies * k, c, rows] for the b labelled rows, then the soft rows if any.
            batch: the rows.
            taught: [copies, rows, c] outputs of the largest cut, or None.
        """
        b, members = len(batch.target), len(outputs) // len(self._fold)
        copy = torch.arange(len(self._fold)).repeat_interleave(members)  # [Q]
        each = row_losses(outputs[..., :b], batch.target)  # [Q, b]
        if batch.soft_targets is not None:
            soft = soft_losses(outputs[..., b:], batch.soft_targets[self._fold[copy]])
            each = torch.cat([each, soft], dim=1)
        if taught is not None:
            each = 0.5 * each + 0.5 * soft_losses(outputs, taught[copy])
        weights = batch.weights[self._fold[copy]]  # [Q, b]
        mean = (each[:, :b] * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1e-9)
        if batch.soft_targets is not None:
            mean = (1 - self._soft_share) * mean + self._soft_share * each[:, b:].mean(dim=1)
        return mean.sum() / members

    def _wired(self) -> dict[str, Tensor]:
        """Return the parameters with the wiring's mask applied."""
        parameters = dict(self._optimiser.parameters)
        for name, mask in self._masks.items():
            parameters[name] = parameters[name] * mask
        return parameters

    def _forward(self, cut: Cut) -> Forward:
        """Return the arithmetic of one cut for all folds."""
        if cut not in self._forwards:
            network = cut_architecture(self._recipe.architecture, cut)
            self._forwards[cut] = Forward(StackShape.of([network] * len(self._fold)), self._bases)
        return self._forwards[cut]

    def _outputs(self, parameters: dict[str, Tensor], tokens: Tensor, cut: Cut) -> Tensor:
        """Return the outputs [copies * k, c, b] of one cut."""
        sliced = cut_parameters(parameters, self._recipe.architecture, cut)
        return self._forward(cut).from_tokens(sliced, tokens, None)

    def random_cut(self, generator_: np.random.Generator) -> Cut:
        """Return a cut drawn evenly over depths and, per layer or for all layers, over the width choices that fit."""
        whole = self._recipe.architecture.widths
        depth = int(generator_.integers(0, len(whole) + 1))
        if self._recipe.bits is not None:
            return Cut(depth, self._recipe.shells[int(generator_.integers(len(self._recipe.shells)))][:depth])
        fitting = [[w for w in self._recipe.width_choices if w <= most] for most in whole[:depth]]
        return Cut(depth, tuple(int(generator_.choice(widths)) for widths in fitting))

    @torch.no_grad()
    def errors(self, cuts: Sequence[Cut], start: int = 0) -> FloatArray:
        """Return the validation error of cuts of one start's root, on about 2,048 validation rows; [len(cuts)]."""
        first, folds = start * len(self._data.folds), len(self._data.folds)
        wired = self._on_grid(self._wired(), 0)
        parameters = {name: value[first : first + folds] for name, value in wired.items()}
        most = _SCORED_ROWS // self._data.judges
        rows = [spread(fold.validation, most) for fold in self._data.folds if len(fold.validation)]
        merged: list[list[np.ndarray]] = [[] for _ in cuts]
        for f, taken in enumerate(rows):
            inputs = self._data.inputs.take(taken)
            own = {name: value[f : f + 1] for name, value in parameters.items()}
            one = [cut_architecture(self._recipe.architecture, cut) for cut in cuts]
            tokens = Forward(StackShape.of(one[:1]), self._bases).tokens(
                own, torch.from_numpy(inputs.numeric), torch.from_numpy(inputs.codes)
            )
            for i, (cut, network) in enumerate(zip(cuts, one, strict=True)):
                sliced = cut_parameters(own, self._recipe.architecture, cut)
                out = Forward(StackShape.of([network]), self._bases).from_tokens(sliced, tokens, None)
                merged[i].append(out.transpose(1, 2).numpy())
        every = np.concatenate(rows)
        classes = self._data.is_classification
        return np.array(
            [self._data.error(mix_members(np.concatenate(made, axis=1), classes), every) for made in merged], np.float32
        )

    def _sort_units(self) -> None:
        """Sort the units of every layer of fresh roots by importance, the L1 norm of what reads them, best first."""
        state, folds = self._state(), len(self._data.folds)
        depth = self._recipe.architecture.depth
        for layer in range(1, depth + 1):
            readers = [np.abs(state[f"head@{layer}"]).sum(axis=(1, 3))]  # [copies, w]
            if layer < depth:
                readers.append(np.abs(state[f"weight_{layer + 1}"]).sum(axis=2))
            order = np.argsort(-sum(readers), axis=1, kind="stable")  # [copies, w]
            for f, ranked in enumerate(order):
                if self._starts[f // folds].parameters is not None:
                    continue  # its units are sorted
                for name in (f"weight_{layer}", f"bias_{layer}"):
                    state[name][f] = state[name][f][..., ranked]
                state[f"head@{layer}"][f] = state[f"head@{layer}"][f][:, ranked]
                if layer < depth:
                    state[f"weight_{layer + 1}"][f] = state[f"weight_{layer + 1}"][f][ranked]
        self._optimiser = self._optimise(state)


def _along(taken: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return a mask [copies] in a shape that broadcasts with a parameter [copies, ...]."""
    return taken.reshape(-1, *[1] * (value.ndim - 1))


def soft_targets(outputs: Tensor, folds: int, classification: bool) -> Tensor:
    """Return what smaller cuts learn from outputs [F * k, c, b]: the mean over members; [F, b, c]."""
    each = torch.softmax(outputs, dim=1) if classification else outputs
    return each.view(folds, -1, *each.shape[1:]).mean(dim=1).transpose(1, 2)


def shell_masks(recipe: NestedRecipe) -> dict[str, Tensor]:
    """Return the block lower-triangular masks of the hidden layers after the first; shells end at the width choices."""
    masks = {}
    choices = np.array(sorted(recipe.width_choices))
    for layer, (before, width) in enumerate(pairwise(recipe.architecture.widths), start=2):
        shell_in = np.searchsorted(choices, np.arange(before), side="right")
        shell_out = np.searchsorted(choices, np.arange(width), side="right")
        masks[f"weight_{layer}"] = torch.from_numpy((shell_in[:, None] <= shell_out[None, :]).astype(np.float32))
    return masks


def _nested_parameters(a: Architecture, basis: Basis, generator_: np.random.Generator) -> dict[str, np.ndarray]:
    """Return first parameters with a head, head bias and linear path at every depth."""
    made = fresh(a, basis, generator_)
    kept = {name: value for name, value in made.items() if name not in ("head", "head_bias", "skip")}
    for depth in range(a.depth + 1):
        if depth:
            width = a.widths[depth - 1]
            drawn = generator_.normal(0, 0.5 / np.sqrt(width), (a.members, width, a.outputs))
            kept[f"head@{depth}"] = drawn.astype(np.float32)
        kept[f"head_bias@{depth}"] = np.zeros((a.members, a.outputs), np.float32)
        kept[f"skip@{depth}"] = np.zeros((a.tokens, a.outputs), np.float32)
    return kept
