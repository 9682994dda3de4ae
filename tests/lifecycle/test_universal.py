"""What archives of sources say of candidates: learnt from ranks, told on the scale of the scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netgraft.lifecycle.space import network_space, restricted
from netgraft.lifecycle.universal import Universal
from netgraft.search import Genes
from netgraft.seeds import generator

SPACE = network_space(rows=8_000, has_numeric=True, has_codes=True)
Error = Callable[[Genes], float]


def sampled(count: int, seed: int) -> list[Genes]:
    return [SPACE.sample(generator(seed, i)) for i in range(count)]


def tried(candidates: list[Genes], error: Error) -> list[dict[str, Any]]:
    return [{"genes": genes, "error": error(genes)} for genes in candidates]


def shallow_is_best(genes: Genes) -> float:
    """Return an error that the depth and the learning rate decide, no two the same."""
    return float(genes["depth"]) + float(genes["learning_rate"])


NEW = sampled(200, 9)
SCORES = np.random.default_rng(0).uniform(0.2, 0.8, len(NEW))
ARCHIVE = tried(sampled(80, 1), shallow_is_best)


def test_candidates_like_those_that_did_well_get_lower_scores() -> None:
    told = Universal(SPACE, [ARCHIVE])(NEW, SCORES) - SCORES
    assert np.corrcoef(told, [float(genes["depth"]) for genes in NEW])[0, 1] > 0.9


@pytest.mark.parametrize("archives", [[], [[]], [ARCHIVE[:11]], [ARCHIVE[:11], ARCHIVE[11:20]]])
def test_archives_with_few_candidates_say_nothing(archives: list[list[dict[str, Any]]]) -> None:
    np.testing.assert_array_equal(Universal(SPACE, archives)(NEW, SCORES), SCORES)
    assert not np.array_equal(Universal(SPACE, [*archives, ARCHIVE[:12]])(NEW, SCORES), SCORES)


def test_the_order_of_errors_counts_and_their_unit_does_not() -> None:
    first = Universal(SPACE, [ARCHIVE])(NEW, SCORES)
    for change in (np.exp, np.cbrt, lambda error: 1e9 * error - 3):
        other = [{**each, "error": float(change(each["error"]))} for each in ARCHIVE]
        np.testing.assert_array_equal(Universal(SPACE, [other])(NEW, SCORES), first)


def test_what_is_told_is_on_the_scale_of_the_scores() -> None:
    universal = Universal(SPACE, [ARCHIVE])
    np.testing.assert_allclose(universal(NEW, 5 * SCORES + 2), 5 * universal(NEW, SCORES) + 2)
    constant = np.full(len(NEW), 0.3)
    np.testing.assert_allclose(universal(NEW, constant), constant)


def test_of_the_archive_itself_as_much_is_added_as_taken() -> None:
    own = [each["genes"] for each in ARCHIVE]
    scores = np.linspace(0, 1, len(own))
    assert float((Universal(SPACE, [ARCHIVE])(own, scores) - scores).mean()) == pytest.approx(0, abs=1e-12)


def test_sources_that_disagree_cancel() -> None:
    against = [{**each, "error": -each["error"]} for each in ARCHIVE]
    np.testing.assert_allclose(Universal(SPACE, [ARCHIVE, against])(NEW, SCORES), SCORES)


def test_genes_that_the_space_lacks_count_as_the_nearest_it_has() -> None:
    narrow = restricted(SPACE, {"width_1": "8,16", "basis": "linear"})
    nearest = [{**each, "genes": narrow.nearest(each["genes"])} for each in ARCHIVE]
    new = [narrow.nearest(genes) for genes in NEW]
    np.testing.assert_array_equal(Universal(narrow, [ARCHIVE])(new, SCORES), Universal(narrow, [nearest])(new, SCORES))


def test_no_candidates_give_no_scores() -> None:
    assert Universal(SPACE, [ARCHIVE])([], np.zeros(0)).shape == (0,)
