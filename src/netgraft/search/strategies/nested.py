"""The default strategy: a first front from cheap scores, then offspring of the front chosen by a model of the error.

It is a strategy of fidelities: the problem's score (a nested supernet answers it for thousands of candidates in a
second) decides the first batch; trained errors correct the score for every later one. After NAT (Lu et al. 2021:
predictor on a supernet), LEMONADE (Elsken et al. 2019: parents from sparse parts of the front) and expected hypervolume
improvement (Emmerich et al. 2006).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from netgraft.search.archive import values_matrix
from netgraft.search.evaluation import Evaluation, Proposal
from netgraft.search.front import non_dominated, ranks
from netgraft.search.space import Genes
from netgraft.search.strategies.acquisition import attained, choose, places, reaches
from netgraft.search.strategies.breeding import Breeder, Child
from netgraft.search.strategies.candidates import Candidates, Key, key
from netgraft.search.strategies.scale import CheapScale
from netgraft.search.strategies.strategy import Setup
from netgraft.search.strategies.surrogate import Surrogate
from netgraft.seeds import generator

_FIRST_POOL = 768
_FIRST_ROUNDS = 2
_FIRST_MUTANTS = 384
_CHILDREN = 10
_LEAST_POOL = 256
# Of each batch, the share for the least error at any cost, and for candidates the model knows least about.
_ERROR_SHARE = 0.3
# Of each batch after the first, the share that trains members of the front on.
_CONTINUED_SHARE = 0.4
_EXPLORED_SHARE = 0.1


class Nested:
    """Starts from the front of the scores and improves the front of the errors.

    Candidates that came with weights (in the state ``scored``) are trained on before any other: that is quick. Those
    that come later are parents in the batch of the first front of the scores.
    """

    def __init__(self, setup: Setup) -> None:
        self.scored = 0
        self._setup = setup
        self._candidates = Candidates(setup)
        self._done: list[Evaluation] = []
        self._free: list[Evaluation] = []
        self._late: list[Evaluation] = []
        self._batch = 0
        self._trained = 0
        self._asks = 0
        self._has_given = False

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n candidates: given ones, then hand-made ones and the front of the scores, later offspring."""
        rng = generator(self._setup.seed, "strategy", self._batch, self._asks)
        self._asks += 1
        if self._trained < self._rounds():
            given = [] if self._has_given else self._given(n, rng)
            self._has_given = self._has_given or bool(given)
            if self._has_given:
                return given
        proposals = self._offspring(n, rng) if self._done and self._trained > self._rounds() else self._first(n, rng)
        for proposal in proposals:
            self._candidates.claim(proposal.genes)
        rest = self._candidates.fresh(n - len(proposals), rng) if len(proposals) < n else []
        for genes in rest:
            self._candidates.claim(genes)
        return [*proposals, *(Proposal(genes) for genes in rest)]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Take in the errors of a batch."""
        self._candidates.tell(evaluations)
        self._done += [evaluation for evaluation in evaluations if evaluation.state == "done"]
        given = self._late if self._trained else self._free
        given += [evaluation for evaluation in evaluations if evaluation.state == "scored"]
        self._trained += any(evaluation.state not in ("scored", "rejected") for evaluation in evaluations)
        self._batch += 1
        self._asks = 0
        self._has_given = False

    def _rounds(self) -> int:
        """Return in how many batches what came with weights is trained on before anything else is tried."""
        return max((int(evaluation.details.get("rounds", 1)) for evaluation in self._free), default=0)

    def _given(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return the front of what came with weights, to be trained on, where it meets the limits; later children too.

        Nothing is scored for them: in these rounds a score may have to be paid for first.
        """
        breeder, known = Breeder(self._setup, self._candidates, rng), [*self._free, *self._done]
        count = round(_CONTINUED_SHARE * n) if self._trained else n
        found = [c for c in breeder.continued(known, count) if self._candidates.excess(c.genes) == 0.0]
        for child in found:
            self._candidates.claim(child.genes)
        if self._trained:
            found += breeder.offspring(known, n - len(found))
        elif self._setup.varied is not None:
            others = [(self._setup.varied(child.genes), child.parent) for child in found[: n - len(found)]]
            found += [Child(genes, parent) for genes, parent in others if genes is not None]
        return [Proposal(child.genes, child.parent) for child in found]

    def _score(self, candidates: Sequence[Genes]) -> np.ndarray:
        """Return the problem's estimates [n]; what is not finite counts as 1."""
        if not candidates:
            return np.zeros(0)
        self.scored += len(candidates)
        scores = np.asarray(self._setup.problem.score(candidates), dtype=np.float64)
        return np.nan_to_num(scores, nan=1.0, posinf=1.0, neginf=1.0)

    def _first(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return hand-made candidates, then the front of the scores over a large pool, spread along the costs."""
        space, given = self._setup.space, self._setup.problem.starts()
        starts = self._candidates.distinct(self._candidates.descend(g, rng) for g in given if space.contains(g))
        breeder = Breeder(self._setup, self._candidates, rng)
        pool = [*starts, *breeder.descendants(starts, _FIRST_POOL // 3)]
        pool = self._candidates.distinct([*pool, *self._candidates.fresh(_FIRST_POOL - len(pool), rng)])
        if not pool:
            return []
        scores = self._score(pool)
        for _ in range(_FIRST_ROUNDS):
            front = np.flatnonzero(non_dominated(self._points(pool, scores)))
            children = breeder.descendants([pool[int(i)] for i in front], _FIRST_MUTANTS)
            scores = np.concatenate([scores, self._score(children)])
            pool += children
        kept = min(len(starts), (n + 1) // 2)
        first = [Proposal(pool[i], None, float(scores[i])) for i in range(kept)]
        late = [e for e in self._late if self._candidates.excess(e.genes) == 0.0]
        parents, count = [*self._done, *late], n // 2 if late else n // 4
        first += [Proposal(child.genes, child.parent) for child in breeder.continued(parents, count)]
        chosen = self._spread(pool, scores, n)
        picked = [Proposal(breeder.settled(pool[i], starts), None, float(scores[i])) for i in chosen]
        return _distinct([*first, *(item for item in picked if self._candidates.is_new(item.genes))])[:n]

    def _points(self, candidates: Sequence[Genes], scores: np.ndarray) -> np.ndarray:
        return np.column_stack([scores, self._candidates.costs(candidates)])

    def _spread(self, pool: Sequence[Genes], scores: np.ndarray, count: int) -> list[int]:
        """Return candidates of the lowest fronts of the scores, even in the logarithms of the costs."""
        points = self._points(pool, scores)
        scaled = CheapScale(self._setup, points[:, 1:])(points[:, 1:])
        front = ranks(points)
        chosen: list[int] = []
        for rank in range(int(front.max()) + 1):
            left = [int(i) for i in np.flatnonzero(front == rank)]
            while left and len(chosen) < count:
                best = left[int(np.argmin(scores[left]))] if not chosen else left[_loneliest(scaled, left, chosen)]
                left.remove(best)
                chosen.append(best)
        return chosen

    def _offspring(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return members of the front to train on, and the children that promise the most by the model of the error."""
        breeder = Breeder(self._setup, self._candidates, rng)
        continued = breeder.continued(self._done, round(_CONTINUED_SHARE * n))
        for child in continued:
            self._candidates.claim(child.genes)
        return [*(Proposal(c.genes, c.parent) for c in continued), *self._children(n - len(continued), breeder)]

    def _children(self, n: int, breeder: Breeder) -> list[Proposal]:
        children = breeder.offspring(self._done, max(_LEAST_POOL, _CHILDREN * n))
        if not children:
            return []
        pool = [child.genes for child in children]
        scores = self._score(pool)
        costs = self._candidates.costs(pool)
        known = values_matrix(self._done, self._setup.cheap)
        scale = CheapScale(self._setup, np.vstack([known, costs]))
        errors = np.array([evaluation.values["error"] for evaluation in self._done])
        features = self._features([evaluation.genes for evaluation in self._done], scale(known))
        # one thread, so that the last bits, and with them the search, do not depend on how many there are
        with threadpool_limits(1, user_api="blas"):
            model = Surrogate(features, self._known_scores(), errors)
            mean, deviation = model.predict(self._features(pool, scale(costs)), scores)
        order = self._select(n, mean, deviation, errors, scale(known), scale(costs))
        return [Proposal(pool[i], children[i].parent, float(scores[i])) for i in order]

    def _select(
        self,
        n: int,
        mean: np.ndarray,
        deviation: np.ndarray,
        errors: np.ndarray,
        known: np.ndarray,
        cheap: np.ndarray,
    ) -> list[int]:
        """Return which children to train: for the least error, where the model knows little, for the hypervolume."""
        where = places(len(self._setup.cheap))
        reached = reaches(cheap, where)
        level = attained(np.clip(errors, 0.0, 1.0), reaches(known, where), 1.0)
        free = np.ones(len(mean), dtype=bool)
        everywhere = np.ones((len(mean), 1), dtype=bool)
        for_error = round(_ERROR_SHARE * n)
        explored = round(_EXPLORED_SHARE * n)
        chosen = choose(for_error, mean, deviation, everywhere, np.array([errors.min()]), free)
        chosen += choose(explored, mean, 3.0 * deviation, reached, level, free)
        return [*chosen, *choose(n - len(chosen), mean, deviation, reached, level, free)]

    def _features(self, candidates: Sequence[Genes], cheap: np.ndarray) -> np.ndarray:
        return np.column_stack([self._setup.space.encode(candidates), cheap])

    def _known_scores(self) -> np.ndarray:
        """Return the scores of what was trained [n]; those without one are scored now, which is not counted again."""
        missing = [e.genes for e in self._done if "score" not in e.details]
        found = iter(np.asarray(self._setup.problem.score(missing), dtype=np.float64) if missing else ())
        scores = [float(e.details["score"]) if "score" in e.details else float(next(found)) for e in self._done]
        return np.nan_to_num(np.array(scores), nan=1.0, posinf=1.0, neginf=1.0)


def _loneliest(scaled: np.ndarray, left: Sequence[int], chosen: Sequence[int]) -> int:
    """Return the place in `left` of the candidate farthest from all chosen ones."""
    gaps = np.abs(scaled[left][:, None, :] - scaled[list(chosen)][None, :, :]).sum(axis=2)
    return int(np.argmax(gaps.min(axis=1)))


def _distinct(proposals: Sequence[Proposal]) -> list[Proposal]:
    """Return the proposals without later ones of the same genes."""
    found: dict[Key, Proposal] = {}
    for proposal in proposals:
        found.setdefault(key(proposal.genes), proposal)
    return list(found.values())
