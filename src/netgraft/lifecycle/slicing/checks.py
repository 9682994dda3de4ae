"""The goals of a study, each as one check: what is required in plain words, whether it holds, and the numbers.

Two methods are compared period by period on the same traffic, so that what counts is the interval of their difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.lifecycle.slicing.measured import Progress
from netgraft.lifecycle.slicing.statistics import interval, rounded

Floats = NDArray[np.float64]
Series = Mapping[str, Mapping[str, Floats]]
Check = dict[str, Any]
#: The share of DRL's steps within which the transfer is to reach what DRL ends with.
_SOON = 0.25


@dataclass(frozen=True)
class Goal:
    """One method is to be better than another, or no worse.

    Attributes:
        name: of the check.
        text: what is required, in plain words.
        better: a method.
        worse: another.
        what: is compared.
        is_strict: whether the interval of the difference must be above 0, or its mean not below.
    """

    name: str
    text: str
    better: str
    worse: str
    what: str = "reward"
    is_strict: bool = True

    def check(self, series: Series) -> Check:
        """Return whether it is so."""
        values = _difference(series, self.better, self.worse, self.what)
        holds = values["difference_low"] > 0 if self.is_strict else values["difference"] >= 0
        rule = "; the interval of the difference is above 0." if self.is_strict else "."
        return {"name": self.name, "text": f"{self.text}{rule}", "holds": holds, "values": values}


ORDER = (
    Goal(
        "baseline beats equal",
        "With perfect demand the baseline gets more reward than equal shares",
        "proportional",
        "equal",
    ),
    Goal(
        "DRL beats the baseline",
        "DRL after the steps of a transfer gets more reward than the baseline",
        "drl_4000",
        "proportional",
    ),
    Goal(
        "transfer beats DRL at equal steps",
        "Transfer even from dissimilar sources gets more reward than DRL after as many steps",
        "tl_dissimilar",
        "drl_4000",
    ),
    Goal(
        "similar is no worse than dissimilar",
        "Transfer from similar sources gets at least the reward of transfer from dissimilar ones",
        "tl_similar",
        "tl_dissimilar",
        is_strict=False,
    ),
    Goal(
        "transfer is no worse than all of DRL",
        "Transfer from similar sources gets at least the reward of DRL after all its steps",
        "tl_similar",
        "drl",
        is_strict=False,
    ),
)
BEYOND = (
    Goal(
        "a generalist beats DRL",
        "Beyond the paper: cells that go on from a generalist of all others get more reward than DRL after all its"
        " steps",
        "tl_generalist",
        "drl",
    ),
    Goal(
        "agents beat the baseline in throughput",
        "Beyond the paper: transfer from similar sources has a higher throughput satisfaction than the baseline, which"
        " knows the demand",
        "tl_similar",
        "proportional",
        what="satisfaction",
    ),
)
NEW_CELL = (
    Goal(
        "a new cell gains from transfer",
        "New cells that transfer from similar sources get more reward than such that begin from nothing, after as many"
        " steps",
        "new_cell_similar",
        "new_cell_cold",
    ),
    Goal(
        "a new cell: similar is no worse than dissimilar",
        "New cells that transfer from similar sources get at least the reward of such that transfer from dissimilar"
        " ones",
        "new_cell_similar",
        "new_cell_dissimilar",
        is_strict=False,
    ),
)


def checks_of(
    series: Series, *, transfer: Sequence[Progress], drl: Sequence[Progress], similarity: Mapping[str, Any]
) -> list[Check]:
    """Return the checks.

    Args:
        series: of each method what is told of it, [seeds, T].
        transfer: progress of the transfer from similar sources, of every seed.
        drl: progress of DRL.
        similarity: as in the results.
    """
    goals = [*BEYOND, *(NEW_CELL if "new_cell_cold" in series else ())]
    return [
        *(goal.check(series) for goal in ORDER),
        _soon(transfer, drl),
        _grouped(similarity),
        *(goal.check(series) for goal in goals),
    ]


def _difference(series: Series, better: str, worse: str, what: str) -> dict[str, float]:
    one, other = series[better][what], series[worse][what]
    apart = interval(one - other)
    return {
        better: rounded(float(one.mean())),
        worse: rounded(float(other.mean())),
        "difference": apart["mean"],
        "difference_low": apart["low"],
        "difference_high": apart["high"],
    }


def _soon(transfer: Sequence[Progress], drl: Sequence[Progress]) -> Check:
    """Return whether the mean over seeds reaches what DRL ends with soon enough; both on the traffic on the way."""
    goal = float(np.mean([progress.rewards[-1] for progress in drl]))
    rewards = np.mean([progress.rewards for progress in transfer], axis=0)
    steps, total = transfer[0].steps, int(drl[0].steps[-1])
    reached = steps[rewards >= goal]
    limit = _SOON * total
    values = {"drl_final_reward": rounded(goal), "most_steps": limit, "best_reward": rounded(float(rewards.max()))}
    if len(reached):
        values["reached_at_step"] = float(reached[0])
    return {
        "name": "transfer is four times as fast",
        "text": "Transfer from similar sources reaches the final reward of DRL in at most a quarter of its steps.",
        "holds": bool(len(reached) and reached[0] <= limit),
        "values": values,
    }


def _grouped(similarity: Mapping[str, Any]) -> Check:
    chosen = similarity["chosen"]
    share = similarity[chosen]["nearest_in_group"]
    return {
        "name": "the nearest source makes the same promises",
        "text": f"By the measure {chosen} the nearest source of every cell is in its group.",
        "holds": share == 1.0,
        "values": {name: told["nearest_in_group"] for name, told in similarity.items() if isinstance(told, dict)},
    }
