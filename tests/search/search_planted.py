"""A planted problem: an analytic error over genes like those of a network, with noise and a biased cheap score."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from netgraft.search import (
    Archive,
    BatchReport,
    Choice,
    Genes,
    Journal,
    MixedSpace,
    Outcome,
    Real,
    Request,
    Setup,
    drive,
    objectives_named,
    strategy_named,
)
from netgraft.seeds import generator
from netgraft.units import Limit

WIDTHS = (4, 8, 16, 32, 64, 128, 256)
UNSCORED = frozenset({"learning_rate", "weight_decay", "dropout", "batch"})
SPACE = MixedSpace(
    (
        Choice("depth", (1, 2, 3, 4), ordered=True),
        *(Choice(f"width_{i}", WIDTHS, ordered=True, condition=("depth", i)) for i in (1, 2, 3, 4)),
        Choice("activation", ("relu", "silu", "tanh"), ordered=False),
        Choice("embedding", ("none", "periodic", "piecewise"), ordered=False),
        Choice(
            "embedding_size", (2, 4, 8, 16), ordered=True, condition=("embedding", frozenset({"periodic", "piecewise"}))
        ),
        Choice("members", (1, 2, 4, 8), ordered=True),
        Choice("batch", (32, 64, 128, 256), ordered=True),
        Real("learning_rate", 1e-4, 3e-2, log=True),
        Real("weight_decay", 1e-6, 1e-1, log=True),
        Real("dropout", 0.0, 0.5),
    )
)
_INPUTS, _OUTPUTS = 12, 1


def widths_of(genes: Genes) -> list[int]:
    return [int(genes[f"width_{i}"]) for i in range(1, int(genes["depth"]) + 1)]


def parameters(genes: Genes) -> int:
    inputs = _INPUTS * int(genes.get("embedding_size", 1))
    sizes = [inputs, *widths_of(genes), _OUTPUTS * int(genes["members"])]
    total = sum(a * b + b for a, b in itertools.pairwise(sizes))
    return total + (inputs if inputs > _INPUTS else 0) + (int(genes["members"]) - 1) * sum(sizes[:2])


def true_error(genes: Genes, tilt: float = 0.0) -> float:
    """Return the error without noise: capacity with a bottleneck, then a penalty for each choice that is not best."""
    widths = widths_of(genes)
    capacity = len(widths) ** 0.6 * math.exp(sum(math.log(w) for w in widths) / len(widths)) * 0.7 + 0.3 * min(widths)
    embedding = {"none": 0.0, "periodic": 0.5, "piecewise": 1.0 + tilt}[str(genes["embedding"])]
    size = math.log2(int(genes.get("embedding_size", 1))) / 4
    error = (
        0.06 + 0.55 * (capacity + 1.0) ** -0.55 - 0.04 * embedding * (0.5 + 0.5 * size) * (1 - math.exp(-capacity / 10))
    )
    error += {"relu": 0.006, "silu": 0.0, "tanh": 0.02 - 0.3 / (capacity + 10)}[str(genes["activation"])]
    error -= 0.006 * math.log2(int(genes["members"]))
    best_rate = -2.2 - 0.35 * math.log10(capacity / 10) + tilt * 0.3
    off = math.log10(float(genes["learning_rate"])) - best_rate
    error += 0.05 * off * off + (0.1 * max(0.0, off - 0.5))
    best_decay = -4.5 + 0.8 * math.log10(capacity)
    error += 0.003 * (math.log10(float(genes["weight_decay"])) - best_decay) ** 2
    best_dropout = min(0.3, 0.1 * math.log10(capacity))
    error += 0.25 * (float(genes["dropout"]) - best_dropout) ** 2
    return error + 0.003 * abs(math.log2(int(genes["batch"])) - 6.5)


class Planted:
    """A problem whose error is `true_error` plus noise; its score sees the structure alone, with noise and a bias."""

    space = SPACE
    space_bytes = (4.0 * 57, 4.0 * 300_000)

    def __init__(self, seed: int = 0, noise: float = 0.004, starts: bool = True) -> None:
        self.seed = seed
        self.noise = noise
        self.refined: list[Request] = []
        self._starts = starts
        self._tilt = float(generator(seed, "tilt").uniform(-0.6, 0.6))

    def cost(self, genes: Genes) -> dict[str, float]:
        count = parameters(genes)
        operations = 2.0 * count * int(genes["members"]) ** 0.5
        depth = int(genes["depth"])
        return {
            "size": 4.0 * count,
            "operations": operations,
            "latency": 2e-6 * depth + 1e-9 * operations,
            "memory": 4.0 * count + 8.0 * max(widths_of(genes)),
            "energy": 3e-9 * operations + 1e-8 * depth,
        }

    def score(self, candidates: Sequence[Genes]) -> np.ndarray:
        scores = []
        for genes in candidates:
            usual = {**genes, "learning_rate": 3e-3, "weight_decay": 1e-4, "dropout": 0.1, "batch": 64}
            structure = {name: value for name, value in genes.items() if name not in UNSCORED}
            shared = 0.25 / min(widths_of(genes)) + 0.02
            noise = 0.012 * float(generator(self.seed, "score", str(structure)).standard_normal())
            scores.append(true_error(usual, self._tilt) + shared + noise)
        return np.array(scores)

    def refine(self, requests: Sequence[Request]) -> list[Outcome]:
        self.refined += requests
        return [self._outcome(request) for request in requests]

    def starts(self) -> list[Genes]:
        if not self._starts:
            return []
        rows = [(1, 8, "none", 1), (2, 16, "none", 1), (2, 64, "piecewise", 1), (3, 128, "piecewise", 4)]
        return [
            SPACE.nearest(
                {
                    "depth": depth,
                    **{f"width_{i}": width for i in range(1, depth + 1)},
                    "activation": "relu",
                    "embedding": embedding,
                    "embedding_size": 8,
                    "members": members,
                    "batch": 64,
                    "learning_rate": 2e-3,
                    "weight_decay": 3e-4,
                    "dropout": 0.1,
                }
            )
            for depth, width, embedding, members in rows
        ]

    def _outcome(self, request: Request) -> Outcome:
        noise = self.noise * float(generator(self.seed, "noise", str(request.genes)).standard_normal())
        error = true_error(request.genes, self._tilt) + noise
        details = {"parameters": parameters(request.genes), "widths": widths_of(request.genes)}
        return Outcome(
            "done", {"error": error, **self.cost(request.genes)}, "", details, f"weights {request.id}".encode()
        )


def search(
    name: str,
    problem: Planted,
    journal: Journal | None = None,
    *,
    seed: int = 0,
    evaluations: int | None = 48,
    batch_size: int = 16,
    objectives: Sequence[str] = ("error", "size"),
    limits: Sequence[Limit] = (),
    space: MixedSpace = SPACE,
    deadline: Callable[[], float] = lambda: math.inf,
    on_batch: Callable[[BatchReport], None] | None = None,
) -> Archive:
    """Run a whole search on a clock that stands still."""
    wanted = objectives_named(objectives)
    setup = Setup(space, problem, wanted, tuple(limits), seed, UNSCORED, {"size": problem.space_bytes})
    return drive(
        problem,
        strategy_named(name, setup),
        journal or Journal.temporary(),
        objectives=wanted,
        limits=limits,
        batch_size=batch_size,
        evaluations=evaluations,
        deadline=deadline,
        elapsed=lambda: 0.0,
        space_bytes=problem.space_bytes,
        on_batch=on_batch,
    )
