"""The tables of `slicing_speed`, made from its raw rows alone: medians of the repeats, with the least and the most."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.page import markdown_table
from benchmarks.raw import Row

WAYS = ("step", "run", "environment")
PEER, THEIRS, OURS = "mobile-env", "Stable-Baselines3", "ours"
USUAL_ACTIVITY, TOLERANCE = 1 / 12, 1e-5
STEP_GOALS = {128: 40_000, 1_536: 5_000}
PEER_GOAL, UPDATES_GOAL, STUDY_GOAL_S, TWICE_GOAL = 1_000, 30, 180, 1.8


@dataclass(frozen=True)
class Goal:
    """A goal and what came out.

    Attributes:
        text: the goal.
        found: what was measured.
        holds: whether it was reached.
    """

    text: str
    found: str
    holds: bool


@dataclass(frozen=True)
class Repeats:
    """The rows of one case.

    Attributes:
        rows: one for each repeat.
    """

    rows: Sequence[Row]

    @property
    def case(self) -> Any:
        """What the case is."""
        return self.rows[0]["case"]

    def values(self, of: Callable[[Row], float]) -> list[float]:
        """Return a number of each repeat."""
        return [of(row) for row in self.rows]

    def median(self, of: Callable[[Row], float]) -> float:
        """Return the median of a number."""
        return median(self.values(of))

    def text(self, of: Callable[[Row], float], form: str = ",.0f") -> str:
        """Return a median with the least and the most."""
        values = self.values(of)
        ends = f" ({min(values):{form}} to {max(values):{form}})" if len(values) > 1 else ""
        return f"{median(values):{form}}{ends}"


def cases(rows: Iterable[Row], part: str) -> list[Repeats]:
    """Return the cases of a part, in the order of their first rows."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["part"] == part:
            found.setdefault(json.dumps(row["case"]), []).append(row)
    return [Repeats(of_case) for of_case in found.values()]


def pace(way: str) -> Callable[[Row], float]:
    """Return how to read the steps per CPU-second of a way."""
    return lambda row: row["steps_per_cpu_s"][way]


def times_peer(row: Row) -> float:
    """Return our environment's steps as a multiple of the peer's."""
    return row["steps_per_cpu_s"]["environment"] / row["steps_per_cpu_s"][PEER]


def nanoseconds(way: str) -> Callable[[Row], float]:
    """Return how to read the CPU time of a step per user and cell."""
    return lambda row: 1e9 / (row["steps_per_cpu_s"][way] * row["case"]["users"] * row["cells"])


def updates_of(who: str) -> Callable[[Row], float]:
    """Return how to read somebody's joint updates per CPU-second."""
    return lambda row: row["updates_per_cpu_s"][who]


def times_theirs(row: Row) -> float:
    """Return our updates as a multiple of theirs."""
    return row["updates_per_cpu_s"][OURS] / row["updates_per_cpu_s"][THEIRS]


def wall_s(row: Row) -> float:
    """Return the seconds of a study."""
    return row["wall_s"]


def simulator(found: Sequence[Repeats]) -> tuple[list[Goal], str]:
    """Return the goals and the tables of the simulator."""
    goals = [
        Goal(f"12 cells, {case.case['users']:,} users: >= {goal:,} steps per CPU-second, `{way}`", case.text(of), holds)
        for case in found
        if _usual(case) and (goal := STEP_GOALS.get(case.case["users"]))
        for way in WAYS[:2]
        for of, holds in [(pace(way), case.median(pace(way)) >= goal)]
    ]
    peers = [case for case in found if PEER in case.rows[0]["steps_per_cpu_s"]]
    for case in peers:
        text = f"{_sizes(case)}: `environment` >= {PEER_GOAL:,} times {PEER}"
        goals.append(Goal(text, case.text(times_peer), case.median(times_peer) >= PEER_GOAL))
    lines = [
        [
            _sizes(case),
            f"{case.median(lambda row: row['active_users']):,.0f}",
            *(case.text(pace(way)) for way in WAYS),
            case.text(pace(PEER), ".3g") if case in peers else "",
            case.text(times_peer) if case in peers else "",
            " / ".join(f"{case.median(nanoseconds(way)):.2f}" for way in WAYS),
        ]
        for case in found
    ]
    head = ["network", "users active", *(f"`{way}`" for way in WAYS), PEER, "`environment` / mobile-env"]
    return [*goals, *_growth(found)], markdown_table([*head, "ns per step, user and cell"], lines)


def _usual(case: Repeats) -> bool:
    return bool(case.case["activity"] == USUAL_ACTIVITY)


def _sizes(case: Repeats) -> str:
    activity = "" if _usual(case) else f", activity {case.case['activity']:g}"
    return f"{case.rows[0]['cells']} cells, {case.case['users']:,} users{activity}"


def _growth(found: Sequence[Repeats]) -> list[Goal]:
    """Return how the time per user and cell of the largest networks compares with that of 12 cells, 1,536 users."""
    by_size = {(case.case["users"], case.case["activity"]): case for case in found}
    few = max(STEP_GOALS)
    goals = []
    for (users, activity), case in by_size.items():
        base = by_size.get((few, activity))
        for way in WAYS if base and users > few else ():
            times = case.median(nanoseconds(way)) / base.median(nanoseconds(way))
            text = f"{_sizes(case)}: time per user and cell at most that of {_sizes(base)}, `{way}`"
            goals.append(Goal(text, f"{times:.2f} times", times <= 1))
    return goals


def training(found: Sequence[Repeats], compared: Sequence[Repeats]) -> tuple[list[Goal], str]:
    """Return the goals and the tables of training."""
    goals = [
        Goal(
            f"12 agents, {_counted(case.case['updates_per_call'])} per call: >= {UPDATES_GOAL} times {THEIRS}",
            case.text(times_theirs, ".1f"),
            case.median(times_theirs) >= UPDATES_GOAL,
        )
        for case in found
    ]
    lines = [
        [
            str(case.case["updates_per_call"]),
            *(case.text(updates_of(who), ",.4g") for who in (OURS, THEIRS)),
            case.text(times_theirs, ".1f"),
        ]
        for case in found
    ]
    head = ["updates per call", "joint updates per CPU-second, ours", f"12 x {THEIRS}", "times"]
    rows = [case.rows[-1] for case in compared]
    goals += [
        Goal(
            f"{_counted(row['case']['updates'])} from the same weights: within {TOLERANCE:g} of {THEIRS}",
            f"{row['greatest']:.1e} at most",
            row["over"] == 0,
        )
        for row in rows
    ]
    told = [
        [
            str(row["case"]["updates"]),
            f"{row['greatest']:.1e}",
            f"{row['over']} of {row['parameters']:,}",
            f"{row['critics_moved']:.1e}",
            f"{row['actor_moved']:.1e}",
        ]
        for row in rows
    ]
    values = ["updates", "greatest difference", f"more than {TOLERANCE:g} apart", "critics moved by", "actor moved by"]
    return goals, f"{markdown_table(head, lines)}\n\n{markdown_table(values, told)}"


def _counted(updates: int) -> str:
    return "1 update" if updates == 1 else f"{updates} updates"


def study(found: Sequence[Repeats]) -> tuple[list[Goal], str]:
    """Return the goals and the table of the studies."""
    done = [case for case in found if not any("failed" in row for row in case.rows)]
    timed = {(case.case["engine"], case.case["jobs"]): case for case in done if isinstance(case.case, dict)}
    goals, lines = [], []
    one = timed.get(("local", 1))
    if one and one.rows[0]["whole"]:
        text = f"a study of one seed in one process: < {STUDY_GOAL_S} s"
        goals.append(Goal(text, f"{one.text(wall_s, '.1f')} s", one.median(wall_s) < STUDY_GOAL_S))
    for (engine, jobs), case in timed.items():
        own, local = (_throughput(case, timed.get((base, 1))) for base in (engine, "local"))
        if jobs > 1 and own and case.rows[0]["whole"]:
            text = f"two seeds on two processes, {engine}: about twice the throughput (>= {TWICE_GOAL}) of one"
            goals.append(Goal(text, f"{own:.2f} times", own >= TWICE_GOAL))
        times = [f"{times:.2f}" if times else "" for times in (own, local)]
        lines.append([engine, str(jobs), *_study_cells(case), *times, _same(case, one)])
    small = [case for case in done if isinstance(case.case, str)]
    lines += [[f"local, {case.case}", "1", *_study_cells(case), "", "", ""] for case in small]
    head = ["engine", "processes, and seeds", "wall, s", "CPU, s", "seeds per second, times its one process"]
    head += ["times one local process", "results of seed 0"]
    notes = [f"{case.case}: {row['failed']}" for case in found for row in case.rows if "failed" in row]
    if not any(isinstance(case.case, dict) and case.case["engine"] == "ray" for case in found):
        notes.append("Ray was not measured: it was not installed.")
    return goals, "\n\n".join([markdown_table(head, lines), *notes])


def _throughput(case: Repeats, single: Repeats | None) -> float | None:
    """Return seeds per second as a multiple of those of one process."""
    return case.case["jobs"] * single.median(wall_s) / case.median(wall_s) if single else None


def _study_cells(case: Repeats) -> list[str]:
    is_ray = isinstance(case.case, dict) and case.case["engine"] == "ray"
    return [case.text(wall_s, ".1f"), "" if is_ray else case.text(lambda row: row["cpu_s"], ".1f")]


def _same(case: Repeats, one: Repeats | None) -> str:
    if one is None:
        return ""
    return "same bits" if len({row["seed_0"] for row in (*case.rows, *one.rows)}) == 1 else "**differs**"


def summary(rows: Sequence[Row]) -> str:
    """Return the page's goals and tables, of the parts that have rows."""
    goals: list[Goal] = []
    texts = []
    if found := cases(rows, "simulator"):
        told, text = simulator(found)
        goals += told
        texts += ["## Simulator, steps per CPU-second", text]
    updates, compared = cases(rows, "training"), cases(rows, "values")
    if updates or compared:
        told, text = training(updates, compared)
        goals += told
        texts += ["## Training", text]
    if found := cases(rows, "study"):
        told, text = study(found)
        goals += told
        texts += ["## A whole study", text]
    if not texts:
        return "nothing has been measured"
    table = [[goal.text, goal.found, "yes" if goal.holds else "**no**"] for goal in goals]
    of_goals = ["## Goals", markdown_table(["goal", "found", "holds"], table)] if goals else []
    spread = "Numbers are medians of the repeats, with the least and the most in brackets."
    return "\n\n".join([spread, *of_goals, *texts, _versions(rows)])


def _versions(rows: Sequence[Row]) -> str:
    found = sorted({f"{name} {version}" for row in rows for name, version in row["versions"].items()})
    return f"Versions: {', '.join(found)}."
