"""The main job: from a task to a front of small networks, ready to deploy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch

from netgraft.devices import Profile
from netgraft.errors import JournalError, LimitError, OutputError, SettingError
from netgraft.lifecycle.interrupts import undisturbed
from netgraft.lifecycle.points import Point, PointMaker
from netgraft.lifecycle.prepare import Prepared, prepare
from netgraft.lifecycle.problem import NetworkProblem, Pace
from netgraft.lifecycle.space import SCORED_GENES, continued, network_space, restricted
from netgraft.lifecycle.workers import Workers
from netgraft.records import canonical_json
from netgraft.root import NestedRoot
from netgraft.runtime import Network
from netgraft.search import (
    Archive,
    BatchReport,
    Evaluation,
    Genes,
    Journal,
    MixedSpace,
    Objective,
    Setup,
    drive,
    objectives_named,
    strategy_named,
    unmet_text,
    violated,
)
from netgraft.tables import Task
from netgraft.units import Limit, parse_quantity

if TYPE_CHECKING:
    from netgraft.lifecycle.graft import Graft

DEFAULT_BUDGET_S = 60.0
_BATCH = 12
# Share of a budget that the teacher may take, that the nested root may take at most, and most seconds of the latter.
_TEACHER_SHARE, _NESTED_SHARE, _NESTED_S = 0.12, 0.06, 3.0
# Share of a budget for comparing earlier models and starting from them.
_GRAFT_SHARE = 0.4
# Where a journal holds what a search from earlier models began with.
_BEGUN_FROM = "begun from"
#: Called after every batch with its report and a function that gives the network of one of its evaluations.
OnBatch = Callable[[BatchReport, Callable[[Evaluation], Network]], None]
# Shares of the time left that a batch gets: at the beginning, more as the budget is used, at most; when it gets all.
_FIRST_SLICE, _SLICE_GROWTH, _MOST_SLICE, _LAST_SLICE = 0.06, 0.45, 0.25, 0.17
# A stack is picked when its error is at most this many times the least.
_AS_GOOD = 1.02
#: Settings of ``--set`` that are not genes of the space.
OWN_SETTINGS = {"memory": "most bytes that training may use, such as 4GB"}


@dataclass(frozen=True)
class SearchSettings:
    """How a front is searched.

    Attributes:
        objectives: names, error first.
        limits: hard bounds.
        device: name or file of a device profile.
        budget_s: seconds, or None for no limit; 60 when neither this nor ``evaluations`` is given.
        evaluations: candidates to train, or None.
        strategy: name in the registry of `netgraft.search`.
        settings: genes that are restricted, or an own setting, as text.
        jobs: processes that train.
        seed: of everything.
        library: where earlier models are, or None.
        sources: names of entries to start from; ``auto`` chooses the nearest, ``none`` starts cold.
    """

    objectives: tuple[str, ...] = ("error", "size")
    limits: tuple[Limit, ...] = ()
    device: str = "this"
    budget_s: float | None = None
    evaluations: int | None = None
    strategy: str = "nested"
    settings: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 1
    seed: int = 0
    library: str | None = None
    sources: tuple[str, ...] = ("auto",)

    def __post_init__(self) -> None:
        """Check the numbers and fill in the default budget.

        Raises:
            SettingError: a number is out of range.
        """
        if self.evaluations is not None and self.evaluations < 1:
            raise SettingError(f"evaluations must be >= 1, got {self.evaluations}")
        if self.library is None and self.sources != ("auto",) and self.sources != ("none",):
            raise SettingError(f"a library is required for a source, got the source {self.sources[0]!r} without one")
        if len(self.sources) > 1 and {"auto", "none"} & set(self.sources):
            raise SettingError(f"sources must be auto, none or names of entries, got {', '.join(self.sources)}")
        if self.jobs < 1:
            raise SettingError(f"jobs must be >= 1, got {self.jobs}")
        if self.budget_s is not None and not self.budget_s > 0:
            raise SettingError(f"a budget must be positive, got {self.budget_s}")
        if self.budget_s is None and self.evaluations is None:
            object.__setattr__(self, "budget_s", DEFAULT_BUDGET_S)

    def that_determine(self) -> dict[str, Any]:
        """Return the settings that a resumed search must share with the one it resumes."""
        return {
            "objectives": list(self.objectives),
            "limits": [[limit.objective, limit.value] for limit in self.limits],
            "device": self.device,
            "strategy": self.strategy,
            "settings": dict(self.settings),
            "seed": self.seed,
            **({} if self.library is None else {"library": self.library, "sources": list(self.sources)}),
        }


@dataclass(frozen=True)
class Front:
    """The result of a search.

    Attributes:
        task: what was searched for.
        settings: how.
        points: networks, smallest first, then references.
        picked: id of the point that is used unless another is asked for (`picked_id`).
        archive: everything that was tried.
        objectives: what counted.
        space: ``smallest_bytes``, ``largest_bytes`` and the values of each gene.
        notes: decisions taken on the way.
        seconds: how long it took.
        interrupted: whether the user stopped it.
        root: the nested root, or None where the strategy grew none.
        transfer: what became of the sources, as in ``front.json``; None without a library.
        transfer_curve: ``with`` and ``cold``: seconds and error of a root from a source and of one from nothing.
    """

    task: Task
    settings: SearchSettings
    points: tuple[Point, ...]
    picked: str
    archive: Archive
    objectives: tuple[Objective, ...]
    space: dict[str, Any]
    notes: tuple[str, ...]
    device: str
    scored: int
    seconds: float
    interrupted: bool
    root: NestedRoot | None = None
    transfer: dict[str, Any] | None = None
    transfer_curve: dict[str, list[list[float]]] = field(default_factory=dict)

    def point(self, name: str | None = None) -> Point:
        """Return a point by its id, or the picked one.

        Raises:
            SettingError: there is no such point.
        """
        wanted = self.picked if name is None else name
        for point in self.points:
            if point.id == wanted:
                return point
        raise SettingError(f"a point must be one of {', '.join(p.id for p in self.points)}, got {wanted!r}")

    def to_json(self) -> dict[str, Any]:
        """Return the dict of ``front.json``, format 1."""
        task, test = self.task, self.task.test
        return {
            "format": 1,
            "task": {
                "kind": task.kind,
                "target": task.target,
                "metric": task.metric,
                "columns": [column.name for column in task.encoding.columns],
                "rows": {
                    "train": len(task.splits[0].train),
                    "validation": sum(len(split.validation) for split in task.splits),
                    "test": 0 if test is None else len(test),
                    "splits": len(task.splits),
                },
            },
            "strategy": self.settings.strategy,
            "seed": self.settings.seed,
            "seconds": round(self.seconds, 3),
            "evaluations": self.archive.trained,
            "scored": self.scored,
            "device": self.device,
            "space": self.space,
            "transfer": self.transfer,
            "objectives": [{"name": o.name, "unit": o.unit, "origin": o.origin} for o in self.objectives],
            "history": self.archive.history,
            "points": [point.to_json() for point in self.points],
            "picked": self.picked,
        }


class Clock:
    """Seconds since the search began, those before it was resumed included."""

    def __init__(self, budget_s: float | None, spent_s: float = 0.0) -> None:
        """Start now."""
        self._began = time.monotonic() - spent_s
        self._budget_s = budget_s

    def elapsed(self) -> float:
        """Return the seconds since the search began."""
        return time.monotonic() - self._began

    def remaining(self) -> float:
        """Return the seconds left, infinite without a budget."""
        return float("inf") if self._budget_s is None else self._budget_s - self.elapsed()


def search_front(
    task: Task,
    settings: SearchSettings | None = None,
    *,
    journal: Path | None = None,
    resume: bool = False,
    on_progress: Callable[[str, float], None] | None = None,
    on_batch: OnBatch | None = None,
) -> Front:
    """Return the Pareto front of networks for a task, with trees, a linear model and a stack as references.

    Args:
        task: the table.
        settings: how to search; defaults to 60 seconds for error and size on this machine.
        journal: file that records every batch, so that a killed search can be resumed; None keeps it in memory.
        resume: whether to go on from an existing journal.
        on_progress: called with a text and the share done, 0 to 1.
        on_batch: called after every batch with its report and a function that gives the network of an evaluation.

    Raises:
        SettingError: a name is unknown or a value out of range.
        LimitError: nothing can meet the limits.
        JournalError: the journal is of another table, format or setting, or began from other entries of the library.
        OutputError: the journal exists and ``resume`` is False, or cannot be written.
    """
    settings = settings or SearchSettings()
    torch.set_num_threads(1)
    objectives = objectives_named(settings.objectives)
    profile = Profile.load(settings.device)
    told = on_progress or (lambda _text, _share: None)
    watch = on_batch or (lambda _report, _network: None)
    with _journal(task, settings, journal, resume) as recorded:
        clock = Clock(settings.budget_s, recorded.seconds)
        return _search(task, settings, objectives, profile, recorded, clock, told, watch)


def _journal(task: Task, settings: SearchSettings, path: Path | None, resume: bool) -> Journal:
    """Return the journal on disk, or one in memory."""
    if path is None:
        return Journal.temporary(task.fingerprint, settings.that_determine())
    if path.exists() and not resume:
        raise OutputError(f"an empty folder or --resume is required, got {path.parent} with a journal in it")
    return Journal.open(path, task.fingerprint, settings.that_determine(), resume=resume)


def _search(
    task: Task,
    settings: SearchSettings,
    objectives: tuple[Objective, ...],
    profile: Profile,
    journal: Journal,
    clock: Clock,
    told: Callable[[str, float], None],
    watch: OnBatch,
) -> Front:
    """Return the front; the journal is open and the clock runs."""
    budget = settings.budget_s
    told("encoding the table and training the nested root", 0.0)
    prepared = prepare(task, seed=settings.seed, teacher_s=None if budget is None else _TEACHER_SHARE * budget)
    graft, transfer = None, None
    if settings.library is not None and settings.sources != ("none",):
        told("comparing earlier models", 0.0)
        graft, transfer = _graft(prepared, settings, journal, clock)
        prepared = prepared if graft is None else graft.prepared
    data = prepared.data
    space = network_space(
        rows=len(data.train_rows),
        has_numeric=data.inputs.numeric.shape[1] > 0,
        has_codes=bool(data.slots),
    )
    space = restricted(space, {k: v for k, v in settings.settings.items() if k not in OWN_SETTINGS})
    workers = Workers(data, prepared.bases, settings.jobs)
    try:
        problem = NetworkProblem(
            prepared, profile, space, _pace(settings, clock, prepared), settings.seed, journal.blob, workers, graft
        )
        bounds = space_bytes(problem)
        unscored = frozenset(p.name for p in space.parameters) - SCORED_GENES
        strategy = strategy_named(
            settings.strategy,
            Setup(
                space,
                problem,
                objectives,
                settings.limits,
                settings.seed,
                unscored,
                bounds={"size": bounds},
                continued=continued,
            ),
        )

        def network(evaluation: Evaluation) -> Network:
            blob = journal.blob(evaluation.id)
            assert blob is not None
            return problem.network(evaluation.genes, blob)[0]

        def on_batch(report: BatchReport) -> None:
            share = clock.elapsed() / budget if budget else report.trained / (settings.evaluations or 1)
            told(f"{report.trained} candidates, hypervolume {report.hypervolume:.3f}", min(1.0, share))
            watch(report, network)

        archive = drive(
            problem,
            strategy,
            journal,
            objectives=objectives,
            limits=settings.limits,
            batch_size=_BATCH,
            evaluations=settings.evaluations,
            deadline=lambda: clock.remaining() - _reserve(budget, prepared),
            elapsed=clock.elapsed,
            space_bytes=bounds,
            on_batch=on_batch,
            first=problem.first if settings.strategy == "nested" else None,
        )
    except BaseException:
        workers.close(at_once=True)
        raise
    workers.close(at_once=archive.interrupted)
    with undisturbed():
        points = _points(problem, archive, journal, objectives, settings.limits)
    return Front(
        task,
        settings,
        points,
        picked_id(points),
        archive,
        objectives,
        {"smallest_bytes": int(bounds[0]), "largest_bytes": int(bounds[1]), "genes": genes_json(space)},
        prepared.notes,
        profile.name,
        archive.scored,
        clock.elapsed(),
        archive.interrupted,
        problem.nested,
        transfer,
        {} if graft is None else graft.curve,
    )


def _graft(
    prepared: Prepared, settings: SearchSettings, journal: Journal, clock: Clock
) -> tuple[Graft | None, dict[str, Any]]:
    """Return what the search starts from, None where the sources are refused, and what is told of them.

    Networks in a journal read columns as their source did, so a search that is resumed keeps to the sources and the
    decision that it began with, whatever the library has become.

    Raises:
        JournalError: an entry is another than when the search began.
    """
    from netgraft.lifecycle.sources import graft_from_library

    assert settings.library is not None
    recorded = journal.get(_BEGUN_FROM)
    begun = None if recorded is None else json.loads(recorded)
    if begun is not None and begun["transfer"]["guard"]["decision"] == "refused":
        return None, begun["transfer"]
    wanted = settings.sources if begun is None else [each["name"] for each in begun["transfer"]["sources"]]
    seconds = None if settings.budget_s is None else _GRAFT_SHARE * max(1.0, clock.remaining())
    found = graft_from_library(prepared, settings.library, wanted, seconds, is_settled=begun is not None)
    columns = None if found.graft is None else found.graft.prepared.reading
    if begun is None:
        begun = {"transfer": found.to_json(), "columns": columns}
        journal.put(_BEGUN_FROM, canonical_json(begun).encode())
    elif begun["columns"] != columns:
        shown = ", ".join(map(repr, wanted))
        raise JournalError(f"the entries {shown} must be those that the search began with to resume, got others")
    return found.graft, begun["transfer"]


def _reserve(budget: float | None, prepared: Prepared) -> float:
    """Return the seconds kept for what comes after the last batch, the teacher included if it has yet to grow."""
    if budget is None:
        return 0.0
    return 0.3 + (0.04 if prepared.taught else 0.04 + _TEACHER_SHARE) * budget


def _pace(settings: SearchSettings, clock: Clock, prepared: Prepared) -> Pace:
    """Return how long training may take."""
    memory = 0.6 * float(psutil.virtual_memory().available) / settings.jobs
    if "memory" in settings.settings:
        memory = parse_quantity(settings.settings["memory"], "byte")
    budget = settings.budget_s
    if budget is None:
        return Pace(lambda: None, None, memory)

    def slice_s() -> float:
        """Return a share of what is left that grows towards the end, where it is all."""
        left = max(0.2, clock.remaining() - _reserve(budget, prepared))
        share = min(_MOST_SLICE, _FIRST_SLICE + _SLICE_GROWTH * clock.elapsed() / budget)
        return left if left < _LAST_SLICE * budget else share * left

    return Pace(slice_s, float(np.clip(_NESTED_SHARE * budget, 0.4, _NESTED_S)), memory)


def _points(
    problem: NetworkProblem,
    archive: Archive,
    journal: Journal,
    objectives: Sequence[Objective],
    limits: Sequence[Limit],
) -> tuple[Point, ...]:
    """Return the networks of the front, smallest first, then the references and the stack that meet the limits."""
    maker = PointMaker(problem.prepared, problem.profile)
    networks = []
    for evaluation in archive.front(objectives, limits):
        blob = journal.blob(evaluation.id)
        assert blob is not None
        networks.append(maker.network(evaluation, *problem.network(evaluation.genes, blob)))
    networks.sort(key=lambda point: (point.values["size"], point.id))
    references = [maker.reference(reference) for reference in problem.prepared.teacher.references]
    stack = maker.stack([*networks, *references])
    others = [*references, *([stack] if stack is not None else [])]
    kept = [*networks, *(point for point in others if violated(point.values, limits) is None)]
    if not kept:
        seen = [*(evaluation.values for evaluation in archive.done), *(point.values for point in others)]
        raise LimitError(unmet_text(limits, seen))
    test = problem.prepared.task.test
    return tuple(point if test is None else maker.tested(point, test) for point in kept)


def picked_id(points: Sequence[Point]) -> str:
    """Return the id of the point with the least validation error; of equal ones the smallest.

    A stack is picked when it is as good as that but for 2 %: it averages models that err differently, so its error on
    other rows is the least uncertain.
    """
    best = min(points, key=lambda point: (point.values["error"], point.values["size"]))
    stacks = (p for p in points if p.family == "stack" and p.values["error"] <= _AS_GOOD * best.values["error"])
    return next(stacks, best).id


def space_bytes(problem: NetworkProblem) -> tuple[float, float]:
    """Return the sizes of the smallest and the largest network of the space."""
    sizes = [problem.cost(genes)["size"] for genes in _extremes(problem.space)]
    return min(sizes), max(sizes)


def _extremes(space: MixedSpace) -> list[Genes]:
    """Return candidates among which are the smallest and the largest of the space."""
    found = []
    for basis in ("linear", "quantile", "tree", "periodic"):
        for most in (False, True):
            for depth in (0, 1, 4):
                wish: Genes = {"basis": basis, "depth": depth, "skip": most}
                wish |= dict.fromkeys(("bins", "token", "category", "members"), 1000 if most else 1)
                wish |= {f"width_{i}": (10_000 if most else 1) for i in range(1, 5)}
                found.append(space.nearest(wish))
    return found


def genes_json(space: MixedSpace) -> list[dict[str, Any]]:
    """Return the space as JSON: for each gene its values, or its low and high."""
    return [
        {"name": p.name, "values": list(p.values)}
        if hasattr(p, "values")
        else {"name": p.name, "low": p.low, "high": p.high}
        for p in space.parameters
    ]
