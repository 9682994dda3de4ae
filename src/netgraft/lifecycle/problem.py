"""The search problem of networks for a table: what a candidate costs, scores and, after training, achieves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy

from netgraft.devices import Layer, Profile, cost
from netgraft.lifecycle.carried import taught_by
from netgraft.lifecycle.pace import Pace
from netgraft.lifecycle.prepare import Prepared
from netgraft.lifecycle.roots import rows_of
from netgraft.lifecycle.space import WIDTHS, cut_of, recipe_of, start_candidates
from netgraft.lifecycle.universal import Universal
from netgraft.lifecycle.workers import Group, Workers
from netgraft.root import (
    FINEST_BINS,
    Architecture,
    Cut,
    NestedRecipe,
    NestedRoot,
    NestedTraining,
    Recipe,
    Schedule,
    SoftRows,
    Trained,
    cut_architecture,
    mix_members,
    to_network,
    validation_outputs,
)
from netgraft.runtime import Network
from netgraft.runtime.layers import architecture_layers, size_bytes
from netgraft.search import Archive, Genes, MixedSpace, Outcome, Request, non_dominated
from netgraft.seeds import child_seed

if TYPE_CHECKING:
    from netgraft.lifecycle.graft import Graft
    from netgraft.lifecycle.sources import Sources

_EPOCHS = 40
_STEPS = (300, 1_500)
_LEAST_STEPS = 500
# What one optimiser step of any group costs beside its candidates' own work, in multiply-adds.
_STEP_FLOOR = 3e7
# Without a time limit a group trains for at most so many multiply-adds (some ten seconds), but for the least steps.
_GROUP_WORK = 8e10
# Candidates with less work per step train in one stack whatever their batch.
_SMALL_WORK = 2e7
_SMALL = ("small",)
# Share of a batch's time that large candidates may have together.
_LARGE_SHARE = 0.55
_NESTED_STEPS = 500
_SCORED_WIDTHS = (4, 16, 64, 128)
# Genes that say how a network is shaped, beside its depth and widths, by their names in `Architecture`.
_SHAPE_GENES = ("activation", "basis", "bins", "token", "category", "members", "skip")
# How networks of sources are trained on.
_CARRIED_RATE, _CARRIED_DECAY = 3e-3, 1e-4
# In so many batches they and their children are trained before sources are decided on.
_CARRIED_ROUNDS = 2
# Meanwhile they learn from the mean of the best of them: so many, with at most so many times the least error.
_CARRIED_DISTILL, _MOST_TEACHING, _AS_GOOD = 0.6, 4, 1.1
# Of the candidates that did well for sources, so many are tried.
_KNOWN_STARTS = 3
# The nested root's widths: with several folds there are as many copies of it, and few rows.
_NESTED_WIDTHS, _NESTED_WIDTHS_IN_FOLDS = (128,) * 4, (64,) * 3


@dataclass
class NetworkProblem:
    """Networks for one prepared table on one device; implements `netgraft.search.Problem`.

    Attributes:
        prepared: what all candidates share.
        profile: the device that latency, memory and energy are modelled for.
        space: the candidates.
        pace: how long training may take.
        seed: of all that is drawn.
        parent_blob: gives the stored weights of an evaluation, or None when they are gone.
        workers: train groups of candidates, here or in other processes.
        sources: earlier models that the task may start from, or None.
        graft: what it starts from once that is decided, or None.
        nested: the root that candidates are scored by, once it is there.
    """

    prepared: Prepared
    profile: Profile
    space: MixedSpace
    pace: Pace
    seed: int
    parent_blob: Callable[[int], bytes | None]
    workers: Workers
    sources: Sources | None = None
    graft: Graft | None = field(default=None, init=False)
    nested: NestedRoot | None = field(default=None, init=False)
    _training: NestedTraining | None = field(default=None, init=False, repr=False)
    _place: int = field(default=0, init=False)
    _scores: dict[Cut, float] = field(default_factory=dict, init=False, repr=False)
    _universal: Universal | None = field(default=None, init=False, repr=False)
    _is_warm: bool = field(default=False, init=False, repr=False)
    _has_cuts: bool = field(default=False, init=False, repr=False)

    def decide(self) -> None:
        """Decide on the sources, if that has not been done, and start from what is accepted."""
        if self.graft is not None or self.sources is None:
            return
        self.graft = self.sources.decide()
        if self.graft is None:
            return
        self.prepared, self._universal = self.graft.prepared, Universal(self.space, self.graft.archives)
        if self.graft.trained is not None:
            root = self.graft.trained
            self.nested, self._training, self._place = root.root, root.training, root.start

    def recipe(self, genes: Genes) -> Recipe:
        """Return how a candidate is built and trained."""
        data = self.prepared.data
        return recipe_of(genes, numeric=data.inputs.numeric.shape[1], slots=data.slots, outputs=data.outputs)

    def starts(self) -> list[Genes]:
        """Return candidates that did well for sources, and hand-made ones."""
        self.decide()
        data = self.prepared.data
        # with few rows a mixture of learners knows more than the labels show
        made = start_candidates(self.space, len(data.train_rows), distill=0.3 if len(data.folds) == 1 else 0.9)
        best = [] if self.graft is None else [each["genes"] for tried in self.graft.archives for each in tried[:1]]
        known = [self.space.nearest(genes) for genes in best]
        return [*known[:_KNOWN_STARTS], *made]

    def cost(self, genes: Genes) -> dict[str, float]:
        """Return size, memory, operations, latency and energy of a candidate; size is exact to the byte."""
        return self.architecture_cost(self.recipe(genes).architecture)

    def architecture_cost(self, architecture: Architecture) -> dict[str, float]:
        """Return every objective but the error."""
        bins = self._bins(architecture)
        kind = self.prepared.output.kind
        layers = [
            Layer(**vars(shape))
            for shape in architecture_layers(architecture, self.prepared.encoding.columns, kind, bins)
        ]
        size = size_bytes(architecture, self.prepared.encoding, bins, kind)
        return {name: item.value for name, item in cost(layers, self.profile, size).items()}

    def _bins(self, architecture: Architecture) -> np.ndarray | None:
        """Return the bins per feature, or None without a basis."""
        if architecture.basis == "linear" or architecture.numeric == 0:
            return None
        return self.prepared.bases[architecture.basis].counts(architecture.bins)

    def grow(self) -> NestedRoot:
        """Return the nested root that scores candidates and that they start from, trained once."""
        self.decide()
        if self.nested is not None:
            return self.nested
        rows = len(self.prepared.data.train_rows)
        batch = min(256 if rows >= 4_000 else 128, rows)
        likely: Genes = {"basis": "quantile", "bins": 32, "token": 2, "category": 4, "activation": "relu", "depth": 4}
        base = self.recipe(self.space.nearest({**likely, "batch": batch})).architecture
        widths = _NESTED_WIDTHS if len(self.prepared.data.folds) == 1 else _NESTED_WIDTHS_IN_FOLDS
        architecture = replace(base, widths=widths, members=1, skip=True)
        data, basis = self.prepared.data, self.prepared.bases[architecture.basis]
        recipe = NestedRecipe(architecture, batch=batch)
        self._training = NestedTraining(recipe, data, basis, seed=child_seed(self.seed, "nested"))
        steps = int(np.clip(_EPOCHS * rows / batch, 60, _NESTED_STEPS))
        (self.nested,) = self._training.train(steps, self.pace.nested_s)
        return self.nested

    def free(self, archive: Archive) -> list[tuple[Genes, Outcome]]:
        """Return candidates that have weights without being trained for the task: a front before any search.

        At first they are those of the sources' fronts, carried over; when these were trained on, or without sources,
        the cuts of the nested root.
        """
        scored = [evaluation for evaluation in archive.evaluations if evaluation.state == "scored"]
        if not archive.evaluations and (found := self._carried()):
            return found
        rounds = len({evaluation.batch for evaluation in archive.evaluations if evaluation.trained})
        self._is_warm = rounds < _CARRIED_ROUNDS and any("source" in evaluation.details for evaluation in scored)
        if self._has_cuts or self._is_warm:
            return []
        self._has_cuts = True
        return [] if any("source" not in evaluation.details for evaluation in scored) else self._cuts()

    def _carried(self) -> list[tuple[Genes, Outcome]]:
        """Return the non-dominated networks of the sources' fronts, carried over to the task."""
        found = []
        batch = min(128, len(self.prepared.data.train_rows))
        for network in self.sources.carried if self.sources is not None else ():
            genes = self._genes_of(network.architecture, batch, _CARRIED_RATE, _CARRIED_DECAY, _CARRIED_DISTILL)
            if genes is not None:
                told = {"source": network.source, "rounds": _CARRIED_ROUNDS}
                found.append((genes, self._free_outcome(genes, network.parameters, told)))
        return _front_of(found)

    @cached_property
    def _warm_rows(self) -> SoftRows:
        """Return rows with what the best networks that were carried over say of them."""
        assert self.sources is not None
        assert self.sources.offer is not None
        ordered = sorted(self.sources.carried, key=lambda network: network.error)
        best = [network for network in ordered[:_MOST_TEACHING] if network.error <= _AS_GOOD * ordered[0].error]
        rows = rows_of(self.sources.offer.sources, self.prepared)
        return taught_by(self.prepared, best, None if rows is None else rows.inputs)

    def _cuts(self) -> list[tuple[Genes, Outcome]]:
        """Return the non-dominated cuts of the nested root with their weights."""
        root = self.grow()
        a, recipe = root.recipe.architecture, root.recipe
        grid = [Cut(0, ()), *(Cut(d, (w,) * d) for d in (1, 2, 3) for w in WIDTHS)]
        contained = [cut for cut in grid if cut.within(Cut.of(a))]
        # trained on, it learns from a teacher that is there; without sources the teacher is grown later
        distill = 0.0 if self.graft is None else 0.9
        known = [
            (cut, genes)
            for cut in contained
            if (
                genes := self._genes_of(
                    cut_architecture(a, cut), recipe.batch, recipe.learning_rate, recipe.weight_decay, distill
                )
            )
            is not None
        ]
        if not known:
            return []
        errors = self._training.errors([cut for cut, _ in known], self._place)  # type: ignore[union-attr]
        sizes = np.array([self.cost(genes)["size"] for _, genes in known])
        chosen = np.flatnonzero(non_dominated(np.column_stack([errors, sizes])))
        return [(known[i][1], self._free_outcome(known[i][1], root.cut_folds(known[i][0]))) for i in chosen]

    def _genes_of(
        self, architecture: Architecture, batch: int, learning_rate: float, weight_decay: float, distill: float = 0.0
    ) -> Genes | None:
        """Return the genes of the candidate that has an architecture, or None if the space lacks it."""
        a = architecture
        genes = self.space.nearest(
            {
                "depth": a.depth,
                **{f"width_{i}": w for i, w in enumerate(a.widths, start=1)},
                **{name: getattr(a, name) for name in _SHAPE_GENES},
                "dropout": 0.0,
                "batch": batch,
                "learning_rate": learning_rate,
                "weight_decay": weight_decay,
                "distill": distill,
            }
        )
        return genes if self.recipe(genes).architecture == a else None

    def _free_outcome(
        self, genes: Genes, parameters: dict[str, np.ndarray], details: Mapping[str, Any] | None = None
    ) -> Outcome:
        """Return the outcome of a candidate that has its weights, as it is."""
        prepared, recipe = self.prepared, self.recipe(genes)
        outputs = validation_outputs(recipe.architecture, parameters, prepared.data, prepared.bases)
        error = prepared.data.error(mix_members(outputs, prepared.data.is_classification), prepared.validation_rows)
        outcome = self._outcome(recipe, Trained(parameters, error, outputs.transpose(1, 0, 2).copy(), 0))
        return replace(outcome, state="scored", details={**outcome.details, **(details or {})})

    def score(self, candidates: Sequence[Genes]) -> np.ndarray:
        """Return the nested root's validation error of the nearest cut that it has; float64 [n]."""
        self.grow()
        assert self._training is not None
        cuts = [_scored_cut(genes, self._training.largest) for genes in candidates]
        new = sorted({cut for cut in cuts if cut not in self._scores}, key=lambda cut: (cut.depth, cut.widths))
        if new:
            self._scores |= dict(zip(new, map(float, self._training.errors(new, self._place)), strict=True))
        scores = np.array([self._scores[cut] for cut in cuts], np.float64)
        return scores if self._universal is None else self._universal(candidates, scores)

    def refine(self, requests: Sequence[Request]) -> list[Outcome]:
        """Train candidates in groups of like size; skip what memory or time do not allow.

        As long as what was carried over is trained on, the best of that is the teacher.
        """
        recipes = [self.recipe(request.genes) for request in requests]
        slice_s = self.pace.slice_s()
        admission = Admission(self.pace, slice_s, self.workers.jobs, len(self.prepared.data.folds))
        outcomes: list[Outcome | None] = [None] * len(requests)
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for i, recipe in enumerate(recipes):
            reason = admission.refusal(recipe)
            if reason is None:
                groups[_group_key(recipe)].append(i)
            else:
                outcomes[i] = Outcome("skipped", reason=reason)
        members_of = sorted(groups.values())
        jobs = [self._group(members, requests, recipes) for members in members_of]
        if slice_s is not None:
            jobs = share_time(jobs, slice_s * self.workers.jobs, self.pace.work_per_s)
        is_taught = any(recipe.distill for job in jobs for recipe in job.recipes)
        soft = self._soft_rows() if is_taught else None
        for members, trained in zip(members_of, self.workers.train(jobs, soft), strict=True):
            for i, result in zip(members, trained, strict=True):
                outcomes[i] = self._outcome(recipes[i], result)
        return [outcome for outcome in outcomes if outcome is not None]

    def _soft_rows(self) -> SoftRows | None:
        """Return the teacher's rows."""
        if self._is_warm:
            return self._warm_rows
        self.decide()
        return self.prepared.teacher.soft

    def _group(self, members: list[int], requests: Sequence[Request], recipes: Sequence[Recipe]) -> Group:
        """Return the training of some of the requests."""
        first = recipes[members[0]]
        rows = len(self.prepared.data.train_rows)
        low, high = _STEPS
        epochs = _EPOCHS * rows / max(1, min(first.batch, rows))
        work = sum(_work(recipes[i]) for i in members) * len(self.prepared.data.folds) + _STEP_FLOOR
        timed = self.pace.slice_s() is not None
        steps = int(np.clip(epochs, low, 4 * high if timed else np.clip(_GROUP_WORK / work, low, high)))
        starts = tuple(self._start(requests[i], recipes[i]) for i in members)
        costs = np.array([self.architecture_cost(recipes[i].architecture)["size"] for i in members])
        return Group(
            recipes=tuple(recipes[i] for i in members),
            starts=starts,
            sizes=costs,
            schedule=Schedule(steps, (0.3, 0.6) if len(members) >= 8 else ()),
            seed=child_seed(self.seed, "group", *(requests[i].id for i in members)),
            load=work * steps,
        )

    def _start(self, request: Request, recipe: Recipe) -> dict[str, np.ndarray] | None:
        """Return the weights that a candidate starts from: its parent's, or those of its cut of the nested root."""
        if request.parent is not None:
            blob = self.parent_blob(request.parent)
            if blob is not None:
                return {k: v for k, v in safetensors.numpy.load(blob).items() if not k.startswith("@")}
        return None

    def _outcome(self, recipe: Recipe, trained: Trained) -> Outcome:
        """Return what became of one candidate."""
        if not np.isfinite(trained.error):
            return Outcome("failed", reason="the loss was not finite")
        architecture = recipe.architecture
        values = {"error": trained.error} | self.architecture_cost(architecture)
        stored = dict(trained.parameters)
        if len(self.prepared.data.folds) > 1:
            stored["@validation"] = trained.outputs  # saves computing it again with every fold's network
        details = {"cut": Cut.of(architecture).to_json(), "steps": trained.steps}
        return Outcome("done", values, details=details, blob=safetensors.numpy.save(stored))

    def network(self, genes: Genes, blob: bytes) -> tuple[Network, np.ndarray | None]:
        """Return the network of an evaluation, and its outputs on the validation rows if they were stored."""
        stored = safetensors.numpy.load(blob)
        outputs = stored.pop("@validation", None)
        architecture = self.recipe(genes).architecture
        deployed = {name: value[-1] for name, value in stored.items()}
        return to_network(architecture, self.prepared.bases[architecture.basis], deployed), outputs


def _front_of(found: Sequence[tuple[Genes, Outcome]]) -> list[tuple[Genes, Outcome]]:
    """Return the candidates that no other dominates in error and size."""
    points = np.array([[o.values["error"], o.values["size"]] for _, o in found]).reshape(-1, 2)
    return [each for each, is_good in zip(found, non_dominated(points), strict=True) if is_good] if found else []


class Admission:
    """Decides which candidates of a batch are trained: those that fit the memory, and the time left for the batch."""

    def __init__(self, pace: Pace, slice_s: float | None, jobs: int, folds: int) -> None:
        """Begin a batch."""
        self._pace, self._folds = pace, folds
        self._slice_s = None if slice_s is None else slice_s * jobs
        self._large_s = 0.0

    def refusal(self, recipe: Recipe) -> str | None:
        """Return why a candidate is not trained, or None."""
        need, allowed = training_bytes(recipe, self._folds), self._pace.memory_bytes
        if need > allowed:
            return f"training needs about {need / 1e6:.0f} MB, {allowed / 1e6:.0f} MB are allowed"
        if self._slice_s is None or _group_key(recipe) == _SMALL:
            return None
        seconds = _LEAST_STEPS * self._folds * _work(recipe) / self._pace.work_per_s
        if self._large_s + seconds > _LARGE_SHARE * self._slice_s:
            return f"{_LEAST_STEPS} steps take about {seconds:.1f} s, more than is left for its batch"
        self._large_s += seconds
        return None


def share_time(groups: Sequence[Group], seconds: float, work_per_s: float) -> list[Group]:
    """Return the groups with the seconds that each may take.

    Cheap groups get what their whole schedule needs, up to an equal share; what they leave goes to the expensive ones.
    """
    order = sorted(range(len(groups)), key=lambda i: groups[i].load)
    shared = list(groups)
    for place, i in enumerate(order):
        granted = min(groups[i].load / work_per_s, seconds / (len(groups) - place))
        seconds -= granted
        shared[i] = replace(groups[i], seconds=granted)
    return shared


def _scored_cut(genes: Mapping[str, Any], largest: Cut) -> Cut:
    """Return the nearest cut that the nested root scores: widths on a coarse grid, so that few cuts are computed."""
    cut = cut_of(dict(genes))
    grid = np.log(np.array(_SCORED_WIDTHS))
    widths = tuple(_SCORED_WIDTHS[int(np.abs(grid - np.log(w)).argmin())] for w in cut.widths)
    depth = min(cut.depth, largest.depth)
    return Cut(depth, tuple(map(min, widths[:depth], largest.widths)))


def _group_key(recipe: Recipe) -> tuple[Any, ...]:
    """Return what candidates must share to be trained in one stack without much padding."""
    a = recipe.architecture
    widest = max(a.widths, default=1)
    if widest <= 64 and _work(recipe) < _SMALL_WORK:
        return _SMALL
    return ("large", int(np.searchsorted([129], widest, side="right")))


def _work(recipe: Recipe) -> float:
    """Return multiply-adds per step of one candidate, and a floor for what does not depend on its widths."""
    a = recipe.architecture
    basis = 0 if a.basis == "linear" else a.numeric * FINEST_BINS * a.token
    hidden = sum(i * w for i, w in zip((a.tokens, *a.widths[:-1]), a.widths, strict=False)) * a.members
    elements = 30 * (a.tokens + sum(a.widths)) * a.members
    return float((basis + hidden + elements + 2_000) * recipe.batch)


def training_bytes(recipe: Recipe, folds: int) -> float:
    """Return about how many bytes training one candidate needs: weights, moments, activations kept for gradients."""
    a = recipe.architecture
    widths = (a.tokens, *a.widths)
    weights = sum(i * w for i, w in pairwise(widths)) + sum(a.slots) * a.category
    weights += a.numeric * FINEST_BINS * a.token + a.members * (widths[-1] + 1) * a.outputs + a.tokens * a.outputs
    rows = max(recipe.batch, 4_096)
    activations = rows * a.members * (3 * sum(widths) + 4 * a.outputs)
    return 4.0 * folds * (6 * weights + activations)
