"""The main job: from a task to a front of small networks, ready to deploy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from netgraft.devices import Profile
from netgraft.errors import LimitError, OutputError, SettingError
from netgraft.lifecycle.interrupts import postponed, undisturbed
from netgraft.lifecycle.pace import Clock, memory_allowed, pace_of
from netgraft.lifecycle.points import Point, PointMaker
from netgraft.lifecycle.prepare import Prepared, prepare
from netgraft.lifecycle.problem import NetworkProblem
from netgraft.lifecycle.space import SCORED_GENES, continued, genes_json, network_space, restricted, space_bytes, varied
from netgraft.lifecycle.workers import Workers
from netgraft.root import NestedRoot
from netgraft.runtime import Network
from netgraft.search import (
    Archive,
    BatchReport,
    Evaluation,
    Journal,
    Objective,
    Setup,
    drive,
    objectives_named,
    strategy_named,
    unmet_text,
    violated,
)
from netgraft.tables import Task
from netgraft.units import Limit

if TYPE_CHECKING:
    from netgraft.lifecycle.sources import Sources

DEFAULT_BUDGET_S = 60.0
_BATCH = 12
#: Called after every batch with its report and a function that gives the network of one of its evaluations.
OnBatch = Callable[[BatchReport, Callable[[Evaluation], Network]], None]
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
    prepared = prepare(task, seed=settings.seed, teacher_s=clock.teacher_s())
    sources = _sources(prepared, settings, journal, clock)
    if sources is not None:
        prepared = sources.prepared
    data = prepared.data
    space = network_space(
        rows=len(data.train_rows),
        has_numeric=data.inputs.numeric.shape[1] > 0,
        has_codes=bool(data.slots),
    )
    space = restricted(space, {k: v for k, v in settings.settings.items() if k not in OWN_SETTINGS})
    workers = Workers(data, prepared.bases, settings.jobs)

    def taught() -> bool:
        """Return whether the teacher has been grown."""
        return problem.prepared.taught

    try:
        pace = pace_of(clock, taught, memory_allowed(settings.settings.get("memory"), settings.jobs))
        problem = NetworkProblem(prepared, profile, space, pace, settings.seed, journal.blob, workers, sources)
        bounds = space_bytes(space, problem.cost)
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
                varied=varied,
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
            deadline=lambda: clock.batches_s(is_taught=taught()),
            elapsed=clock.elapsed,
            space_bytes=bounds,
            on_batch=on_batch,
            free=problem.free if settings.strategy == "nested" else None,
            whole=postponed,
        )
    except BaseException:
        workers.close(at_once=True)
        raise
    workers.close(at_once=archive.interrupted)
    with undisturbed():
        problem.decide()
        points = _points(problem, archive, journal, objectives, settings.limits)
    return Front(
        task,
        settings,
        points,
        picked_id(points),
        archive,
        objectives,
        {"smallest_bytes": int(bounds[0]), "largest_bytes": int(bounds[1]), "genes": genes_json(space)},
        problem.prepared.notes,
        profile.name,
        archive.scored,
        clock.elapsed(),
        archive.interrupted,
        problem.nested,
        None if sources is None else sources.to_json(),
        {} if problem.graft is None else problem.graft.curve,
    )


def _sources(prepared: Prepared, settings: SearchSettings, journal: Journal, clock: Clock) -> Sources | None:
    """Return the earlier models that the search may start from, or None where it has no library."""
    if settings.library is None or settings.sources == ("none",):
        return None
    from netgraft.lifecycle.sources import Sources

    return Sources(prepared, settings.library, settings.sources, journal, clock.graft_s)


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
