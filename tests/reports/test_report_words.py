"""The sentences about the picked point, the figures in them, and the table for the terminal."""

from __future__ import annotations

import doctest
import importlib
import math
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_examples import FOUR, details, front, hostile
from rich.console import Console

import netgraft.reports
from netgraft.reports import front_table
from netgraft.reports.figures import ABSENT, duration, percent, plain, quantity, unbroken, unit_of
from netgraft.reports.headline import describe
from netgraft.reports.points import references_of, shape_in_words, test_error

test_error.__test__ = False  # type: ignore[attr-defined]

MODULES = ("figures", "markup", "payload", "points")


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"netgraft.reports.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


def test_public_names_exist() -> None:
    assert all(hasattr(netgraft.reports, name) for name in netgraft.reports.__all__)


def point(name: str, family: str, error: float, size: float, test: float | None = None) -> dict[str, Any]:
    metrics = None if test is None else {"r2": 1 - test, "accuracy": 1 - test}
    return {
        "id": name,
        "family": family,
        "values": {"error": error, "size": size},
        "test": metrics,
        "cut": {"widths": [8]},
    }


def story(*points: dict[str, Any], metric: str = "r2", rows: int = 5000) -> str:
    task = {"kind": "regression", "metric": metric, "rows": {"validation": rows, "test": rows}}
    return " ".join(describe({"task": task, "points": list(points), "picked": "me"}, {}))


def test_smaller_and_less_accurate() -> None:
    said = story(point("me", "network", 0.12, 6_200), point("t", "trees", 0.11, 365_000))
    assert "1.7 % of the size of the boosted trees (6.2 KB against 365 KB)" in said
    assert "error 0.1200 against 0.1100 on validation rows" in said
    assert "Use the boosted trees when an error lower by 0.0100 is worth 359 KB more." in said


def test_test_rows_are_preferred_when_both_have_them() -> None:
    said = story(point("me", "network", 0.12, 6_200, 0.15), point("t", "trees", 0.11, 365_000, 0.14))
    assert "error 0.1500 against 0.1400 on test rows" in said


def test_larger_network_that_reaches_the_reference_is_named() -> None:
    said = story(
        point("me", "network", 0.12, 6_200), point("big", "network", 0.10, 9e4), point("t", "trees", 0.11, 365_000)
    )
    assert "; big (90 KB) reaches that error too." in said


def test_better_in_both() -> None:
    said = story(point("me", "network", 0.10, 6_200), point("t", "trees", 0.11, 365_000))
    assert "nothing speaks for the boosted trees here" in said


def test_larger_and_more_accurate() -> None:
    said = story(point("me", "network", 0.10, 9_000), point("t", "trees", 0.11, 3_000))
    assert "It is 3 times the size" in said
    assert "Use the boosted trees when size matters more than 0.0100 of error." in said


def test_worse_in_both() -> None:
    said = story(point("me", "network", 0.13, 9_000), point("t", "trees", 0.11, 3_000))
    assert "The boosted trees do better in both here: use them unless it has to be a network." in said


def test_linear_model_stands_in_for_absent_trees() -> None:
    said = story(point("me", "network", 0.13, 9_000), point("l", "linear", 0.11, 3_000))
    assert "The linear model does better in both here: use it unless it has to be a network." in said


def test_picked_reference_is_compared_with_the_best_network() -> None:
    said = story(point("me", "trees", 0.10, 365_000), point("n", "network", 0.12, 6_200))
    assert said.startswith("me is boosted trees.")
    assert "Use the network n when size matters more than 0.0200 of error." in said


def test_difference_within_noise_is_called_so() -> None:
    close = (point("me", "network", 0.120, 6_200, 0.12), point("t", "trees", 0.119, 365_000, 0.119))
    assert "within what this many test rows can tell" in story(*close, metric="accuracy", rows=500)
    assert "within" not in story(*close, metric="r2", rows=500)


def test_nothing_to_compare_and_nothing_picked() -> None:
    assert story(point("me", "network", 0.1, 10)) == "me is a network of 1 hidden layer (8 units)."
    assert story(point("you", "network", 0.1, 10)) == "No point of this front is picked."
    assert story() == "The front is empty: there is no point to show."


def test_references_named_in_the_details_win() -> None:
    given = front()
    given["points"].append({**given["points"][-2], "id": "other trees", "values": {"error": 0.01, "size": 5.0}})
    assert [each["id"] for each in references_of(given, {}, "trees")] == ["other trees", "trees"]
    assert [each["id"] for each in references_of(given, {"references": ["trees"]}, "trees")] == ["trees"]


def test_shape_in_words_tells_members_and_bits() -> None:
    cut = {"depth": 3, "widths": [64, 32, 16], "members": 4, "bits": 8}
    said = shape_in_words({"family": "network", "cut": cut})
    assert said == "a network of 3 hidden layers (64, 32 and 16 units, 4 members, 8-bit weights)"


def test_test_error_follows_the_metric() -> None:
    assert test_error({"test": {"r2": 0.75}}, "r2") == 0.25
    assert test_error({"test": {"mae": 3.0}}, "mae") == 3.0
    assert test_error({"test": {"error": 0.5, "r2": 0.75}}, "r2") == 0.5
    assert test_error({"test": None}, "r2") is None


def test_figures() -> None:
    assert quantity(999_700, "byte") == "1 MB"
    assert quantity(0, "s") == "0 ns"
    assert quantity(True) == ABSENT
    assert plain(0.99996) == "1.0000"
    assert plain(2.5e15) == "2.50e+15"
    assert percent(0.1234) == "12 %"
    assert duration(None) == ABSENT
    assert duration(59.7) == "1 min 0 s"
    assert unit_of("size") == unit_of("anything", "bytes") == "byte"
    assert unbroken("in 5 MB 3 s more") == "in 5\u00a0MB 3\u00a0s more"


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(["", "byte", "s", "j"]))
def test_every_number_has_a_short_text(value: float, unit: str) -> None:
    text = quantity(value, unit)
    assert 1 <= len(text) <= 12 or not 1e-12 < abs(value) < 1e15
    assert (ABSENT in text) == (not math.isfinite(value))


def rendered(table: Any, width: int = 160) -> str:
    console = Console(width=width, file=StringIO(), force_terminal=False)
    console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_table_renders(kind: str, width: int) -> None:
    assert rendered(front_table(front(kind=kind, objectives=FOUR)), width)


def test_table_is_sorted_and_marks_the_picked() -> None:
    text = rendered(front_table(front()))
    assert text.index("n000") < text.index("linear") < text.index("n013") < text.index("trees")
    picked = next(line for line in text.splitlines() if "n007" in line)
    assert "●" in picked
    assert "12.2 KB" in picked
    assert "test error" in text
    assert "test error" not in rendered(front_table(front(tested=False)))


def test_table_takes_names_as_text() -> None:
    given, _ = hostile(front(), details(), "[bold red]x[/]")
    text = rendered(front_table(given), 400)
    assert "[bold red]x[/]" in text
    assert rendered(front_table({}))
