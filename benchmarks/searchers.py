"""The searches that are compared, over one space of plain networks: Optuna, DeepHyper and Netgraft.

The space: 1 to 3 hidden layers, each of 8 to 256 units, three activations, dropout, batch size, learning rate, weight
decay. All get the same encoded rows and the same embedding: either plain standardised numbers, or for each number a
piecewise-linear function over 32 quantile bins into 2 learned numbers, with a linear path from there to the output;
codes through embeddings of 4 numbers. A network is at most 40 epochs of AdamW. The peers train one network after
another in a plain loop with patience, as a user of theirs would; in the ablation they get Netgraft's batched training
for 24 candidates at a time.
"""

from __future__ import annotations

import copy
import math
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.curves import CpuClock, Watched
from netgraft.devices import Profile
from netgraft.lifecycle import search as product
from netgraft.lifecycle.pace import Pace
from netgraft.lifecycle.prepare import Prepared
from netgraft.lifecycle.problem import NetworkProblem
from netgraft.lifecycle.space import network_space, restricted
from netgraft.lifecycle.workers import Workers
from netgraft.root import FINEST_BINS, Basis
from netgraft.root.stack import fresh
from netgraft.runtime import Architecture, Network
from netgraft.runtime.encoding import Inputs
from netgraft.runtime.layers import size_bytes
from netgraft.runtime.model import finish, softmax
from netgraft.search import BatchReport, Evaluation, Request
from netgraft.tables import METRICS, Task

Genes = dict[str, Any]
WIDTHS = (8, 16, 32, 64, 128, 256)
DEPTHS = (1, 2, 3)
ACTIVATIONS = ("relu", "silu", "tanh")
DROPOUTS = (0.0, 0.05, 0.1, 0.2, 0.3)
BATCHES = (128, 256, 512)
RATES, DECAYS = (3e-4, 3e-2), (1e-6, 1e-1)
CATEGORY, TOKEN = 4, 2
EPOCHS, PATIENCE = 40, 8
BATCHED = 24
POPULATION = 20


@dataclass(frozen=True)
class Problem:
    """What every search is given: encoded rows, sizes, and how to judge."""

    prepared: Prepared
    embedding: str

    @property
    def basis(self) -> Basis:
        """Return the bins of the embedding."""
        return self.prepared.bases[self.embedding]

    @property
    def fixed(self) -> Genes:
        """Return the genes of Netgraft's space that this comparison fixes."""
        embedded = {"bins": FINEST_BINS, "token": TOKEN} if self.embedding == "quantile" else {}
        coded = {"category": CATEGORY} if self.prepared.data.slots else {}
        skip = self.embedding == "quantile"
        return {"basis": self.embedding, **embedded, **coded, "members": 1, "skip": skip, "distill": 0.0}

    def architecture(self, genes: Mapping[str, Any]) -> Architecture:
        """Return the network that genes stand for."""
        data = self.prepared.data
        widths = tuple(int(genes[f"width_{i}"]) for i in range(1, int(genes["depth"]) + 1))
        return Architecture(
            data.inputs.numeric.shape[1], data.slots, data.outputs,
            basis=self.embedding, bins=int(self.fixed.get("bins", 1)), token=int(self.fixed.get("token", 1)),
            category=CATEGORY if data.slots else 1, widths=widths, members=1, activation=genes["activation"],
            skip=bool(self.fixed["skip"]),
        )  # fmt: skip

    def size(self, genes: Mapping[str, Any]) -> float:
        """Return the bytes of the network as Netgraft would store it."""
        bins = None if self.embedding == "linear" else self.basis.counts(FINEST_BINS)
        kind = self.prepared.output.kind
        return float(size_bytes(self.architecture(genes), self.prepared.encoding, bins, kind))

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the bytes of the smallest and of the largest network of the space."""
        ends = [(DEPTHS[0], WIDTHS[0]), (DEPTHS[-1], WIDTHS[-1])]
        shapes = [{"depth": d, "activation": "relu"} | {f"width_{i}": w for i in DEPTHS} for d, w in ends]
        return self.size(shapes[0]), self.size(shapes[1])

    def test_error(self, outputs: np.ndarray) -> float:
        """Return the error of a network's outputs [n, k, c] on the test rows."""
        test, output = self.prepared.task.test, self.prepared.output
        assert test is not None
        mixed = (softmax(outputs) if output.kind == "classification" else outputs).mean(axis=1)
        prediction = finish(output, mixed)
        return METRICS[self.prepared.task.metric].error(test.y, prediction.values, prediction.probabilities)

    def test_inputs(self) -> Inputs:
        """Return the encoded test rows."""
        assert self.prepared.task.test is not None
        return self.prepared.encoding.apply(self.prepared.task.test.raw)


class Plain(nn.Module):
    """A plain network: embedded numbers beside embeddings of codes, hidden layers, a head, perhaps a linear path."""

    def __init__(self, problem: Problem, genes: Mapping[str, Any], seed: int) -> None:
        """Build it with torch's own initial weights, the embedding of numbers with Netgraft's."""
        super().__init__()
        a, dropout = problem.architecture(genes), genes["dropout"]
        self.projection: nn.Parameter | None = None
        if a.basis != "linear":
            first = fresh(a, problem.basis, np.random.default_rng(seed))["projection"]
            self.projection = nn.Parameter(torch.from_numpy(first))  # [d, bins, token]
            self.lower, self.inverse = _bins(problem.basis)
        self.tables = nn.ModuleList(nn.Embedding(slots, a.category) for slots in a.slots)
        kinds = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}
        steps: list[nn.Module] = []
        before = a.tokens
        for width in a.widths:
            steps += [nn.Linear(before, width), kinds[a.activation]()]
            steps += [nn.Dropout(dropout)] if dropout else []
            before = width
        self.body = nn.Sequential(*steps, nn.Linear(before, a.outputs))
        self.skip = nn.Linear(a.tokens, a.outputs, bias=False) if a.skip else None

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Return outputs [b, c]."""
        if self.projection is not None:
            values = ((numeric.t().unsqueeze(2) - self.lower) * self.inverse).clamp_(0, 1)  # [d, b, bins]
            numeric = torch.bmm(values, self.projection).permute(1, 0, 2).flatten(1)  # [b, d * token]
        parts = [numeric, *(table(codes[:, j]) for j, table in enumerate(self.tables))]
        tokens = torch.cat(parts, dim=1) if len(parts) > 1 else numeric
        return self.body(tokens) if self.skip is None else self.body(tokens) + self.skip(tokens)


def _bins(basis: Basis) -> tuple[Tensor, Tensor]:
    """Return the lower edge and the inverse width of each bin, each [d, 1, bins]; absent bins have inverse width 0."""
    lower, inverse = (torch.zeros(len(basis.edges), 1, FINEST_BINS) for _ in range(2))
    for j, edges in enumerate(basis.edges):
        lower[j, 0, : len(edges) - 1] = torch.from_numpy(edges[:-1])
        inverse[j, 0, : len(edges) - 1] = torch.from_numpy(1 / np.diff(edges))
    return lower, inverse


def train_plain(problem: Problem, genes: Mapping[str, Any], seed: int, clock: CpuClock) -> tuple[float, float]:
    """Train one network in a plain loop and return its validation error and the test error of the same state."""
    data = problem.prepared.data
    fold = data.folds[0]
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    model = Plain(problem, genes, seed)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=genes["learning_rate"], weight_decay=genes["weight_decay"], fused=True
    )
    numeric, codes, target = (torch.from_numpy(a) for a in (data.inputs.numeric, data.inputs.codes, data.target))
    lossy: Callable[..., Tensor] = nn.functional.cross_entropy if data.is_classification else nn.functional.mse_loss
    validation = torch.from_numpy(fold.validation)
    held = numeric[validation], codes[validation]
    best, state, waited, batch = math.inf, copy.deepcopy(model.state_dict()), 0, int(genes["batch"])
    for _ in range(EPOCHS):
        model.train()
        shuffled = torch.from_numpy(order.permutation(fold.train))
        for rows in shuffled.split(batch):
            optimiser.zero_grad()
            outputs = model(numeric[rows], codes[rows])
            lossy(outputs if data.is_classification else outputs[:, 0], target[rows]).backward()
            optimiser.step()
        error = data.error(_mixed(model, held, data.is_classification), fold.validation)
        waited += 1
        if error < best:
            best, state, waited = float(error), copy.deepcopy(model.state_dict()), 0
        elif waited >= PATIENCE:
            break
    with clock.paused():
        model.load_state_dict(state)
        test = problem.test_inputs()
        with torch.no_grad():
            model.eval()
            outputs = model(torch.from_numpy(test.numeric), torch.from_numpy(test.codes)).numpy()[:, None, :]
        judged = problem.test_error(outputs)
    return best, judged


@torch.no_grad()
def _mixed(model: Plain, held: tuple[Tensor, Tensor], classes: bool) -> np.ndarray:
    """Return probabilities, or the standardised target, of held-out rows [n, c]."""
    model.eval()
    outputs = model(*held)
    return (torch.softmax(outputs, dim=1) if classes else outputs).numpy()


class Evaluator:
    """Evaluates candidates for a peer and keeps the curve."""

    def __init__(self, problem: Problem, clock: CpuClock, seed: int, *, batched: bool) -> None:
        """Prepare; ``batched`` trains all candidates of a call together with Netgraft's engine."""
        self.problem, self.clock, self.seed = problem, clock, seed
        self.watched = Watched(problem.bounds)
        self.per_call = BATCHED if batched else 1
        self._engine = netgraft_problem(problem, seed) if batched else None
        self._count = 0

    def __call__(self, candidates: Sequence[Genes]) -> list[tuple[float, float]]:
        """Return the validation error and log10 of the bytes of each candidate."""
        sizes = [self.problem.size(genes) for genes in candidates]
        results = self._train(candidates)
        self._count += len(candidates)
        errors = [error for error, _ in results]
        self.watched.add(self.clock(), errors, sizes, [test for _, test in results])
        return [(error, math.log10(size)) for error, size in zip(errors, sizes, strict=True)]

    def _train(self, candidates: Sequence[Genes]) -> list[tuple[float, float]]:
        """Return validation and test error of each candidate; 1 where training failed."""
        if self._engine is None:
            first = self.seed * 100_000 + self._count
            tried = [train_plain(self.problem, g, first + i, self.clock) for i, g in enumerate(candidates)]
        else:
            tried = self._train_batched(candidates)
        return [(v, t) if math.isfinite(v) else (1.0, 1.0) for v, t in tried]

    def _train_batched(self, candidates: Sequence[Genes]) -> list[tuple[float, float]]:
        assert self._engine is not None
        space = self._engine.space
        requests = [Request(self._count + i, space.nearest(g | self.problem.fixed)) for i, g in enumerate(candidates)]
        outcomes = self._engine.refine(requests)
        found = []
        with self.clock.paused():
            test = self.problem.test_inputs()
            for request, outcome in zip(requests, outcomes, strict=True):
                if outcome.state != "done":
                    found.append((1.0, 1.0))
                    continue
                network, _ = self._engine.network(request.genes, outcome.blob)
                found.append((outcome.values["error"], self.problem.test_error(network.outputs(test))))
        return found


def restriction(problem: Problem) -> dict[str, str]:
    """Return the ``--set`` settings that make Netgraft's space the one of this comparison."""
    settings = {f"width_{i}": ",".join(map(str, WIDTHS)) for i in DEPTHS}
    settings |= {"depth": ",".join(map(str, DEPTHS)), "activation": ",".join(ACTIVATIONS)}
    settings |= {"batch": ",".join(map(str, BATCHES)), "dropout": ",".join(map(str, DROPOUTS))}
    return settings | {name: str(value) for name, value in problem.fixed.items()}


def netgraft_problem(problem: Problem, seed: int) -> NetworkProblem:
    """Return Netgraft's own problem over the space, without a time limit."""
    prepared, data = problem.prepared, problem.prepared.data
    space = network_space(
        rows=len(data.train_rows),
        has_numeric=True,
        has_codes=bool(data.slots),
    )
    space = restricted(space, restriction(problem))
    pace = Pace(lambda: None, None, 4e9)
    workers = Workers(data, prepared.bases, 1)
    return NetworkProblem(prepared, Profile.load("this"), space, pace, seed, lambda _: None, workers)


def search_optuna(problem: Problem, seed: int, budget_s: float, *, batched: bool = False) -> Watched:
    """Search with Optuna's NSGA-II at its defaults but for a population of 20: 50 would be random search for long."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    clock = CpuClock()
    evaluate = Evaluator(problem, clock, seed, batched=batched)
    sampler = optuna.samplers.NSGAIISampler(population_size=BATCHED if batched else POPULATION, seed=seed)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    while clock() < budget_s:
        trials = [study.ask() for _ in range(evaluate.per_call)]
        for trial, values in zip(trials, evaluate([_suggested(trial) for trial in trials]), strict=True):
            study.tell(trial, values)
    return evaluate.watched


def _suggested(trial: Any) -> Genes:
    """Return the candidate of a trial."""
    depth = trial.suggest_int("depth", DEPTHS[0], DEPTHS[-1])
    genes: Genes = {"depth": depth}
    genes |= {f"width_{i}": trial.suggest_categorical(f"width_{i}", WIDTHS) for i in range(1, depth + 1)}
    return genes | {
        "activation": trial.suggest_categorical("activation", ACTIVATIONS),
        "dropout": trial.suggest_categorical("dropout", DROPOUTS),
        "batch": trial.suggest_categorical("batch", BATCHES),
        "learning_rate": trial.suggest_float("learning_rate", *RATES, log=True),
        "weight_decay": trial.suggest_float("weight_decay", *DECAYS, log=True),
    }


def search_deephyper(problem: Problem, seed: int, budget_s: float, *, batched: bool = False) -> Watched:
    """Search with DeepHyper's CBO at its defaults (extra trees, mixed genetic algorithm, Chebyshev scalarisation)."""
    from deephyper.hpo import CBO, HpProblem

    space = HpProblem()
    space.add_hyperparameter((DEPTHS[0], DEPTHS[-1]), "depth")
    for i in DEPTHS:
        space.add_hyperparameter(list(WIDTHS), f"width_{i}")
    for name, values in (("activation", ACTIVATIONS), ("dropout", DROPOUTS), ("batch", BATCHES)):
        space.add_hyperparameter(list(values), name)
    for name, ends in (("learning_rate", RATES), ("weight_decay", DECAYS)):
        space.add_hyperparameter((*ends, "log-uniform"), name)
    clock = CpuClock()
    evaluate = Evaluator(problem, clock, seed, batched=batched)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = CBO(space, random_state=seed, log_dir=folder, verbose=0, checkpoint_history_to_csv=False)
        while clock() < budget_s:
            asked = search.ask(evaluate.per_call)
            made = evaluate([_plain(candidate) for candidate in asked])
            # CBO maximises
            search.tell([(candidate, (-error, -size)) for candidate, (error, size) in zip(asked, made, strict=True)])
    return evaluate.watched


def _plain(candidate: Mapping[str, Any]) -> Genes:
    """Return a candidate with Python's own numbers."""
    whole = {"depth", "batch", *(f"width_{i}" for i in DEPTHS)}
    return {
        name: str(value) if name == "activation" else int(value) if name in whole else float(value)
        for name, value in candidate.items()
    }


def search_netgraft(problem: Problem, task: Task, seed: int, budget_s: float) -> Watched:
    """Search with Netgraft as a user would, ``--strategy nested``, the space restricted by ``--set``.

    The search's clock reads CPU-seconds, so that other work on the machine takes nothing from it. The time counts from
    the task to the last batch: growing the trees, the linear model and the nested root are in it.
    """
    watched, clock = Watched(problem.bounds), CpuClock()
    test = problem.test_inputs()
    judged: dict[int, float] = {}
    done: list[Evaluation] = []

    def on_batch(report: BatchReport, network: Callable[[Evaluation], Network]) -> None:
        """Judge the new networks of the front."""
        seconds = clock()
        with clock.paused():
            done.extend(e for e in report.evaluations if e.valued)
            front = _front(done)
            judged.update((e.id, problem.test_error(network(e).outputs(test))) for e in front if e.id not in judged)
            tests = np.array([judged[e.id] for e in front])
            watched.append(seconds, tests, np.array([e.values["size"] for e in front]), report.trained)

    settings = product.SearchSettings(budget_s=budget_s, seed=seed, jobs=1, settings=restriction(problem))
    began = time.monotonic()  # functions that took the clock as a default argument keep the real one: same origin
    with mock.patch.object(time, "monotonic", lambda: began + clock()):  # noqa: PT008 it is a clock, not a value
        product.search_front(task, settings, on_batch=on_batch)
    return watched


def _front(done: Sequence[Any]) -> list[Any]:
    """Return the evaluations that no other dominates in validation error and size."""
    from netgraft.search import non_dominated

    points = np.array([[e.values["error"], e.values["size"]] for e in done])
    return [e for e, good in zip(done, non_dominated(points), strict=True) if good] if done else []
