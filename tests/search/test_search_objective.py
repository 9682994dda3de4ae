"""Objectives and limits."""

from __future__ import annotations

import pytest

from netgraft.errors import SettingError
from netgraft.search import OBJECTIVES, Objective, limit_text, objectives_named, unmet_text, violated
from netgraft.search.objective import excess
from netgraft.units import Limit, parse_limit


def test_objectives_come_error_first_with_unit_and_origin() -> None:
    assert objectives_named(("latency", "error", "size")) == (
        Objective("error", "", "measured"),
        Objective("latency", "s", "modelled"),
        Objective("size", "byte", "exact"),
    )
    assert parse_limit("latency<=5ms", OBJECTIVES) == Limit("latency", 0.005)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            ("error", "latncy"),
            (
                "an objective must be one of energy, error, latency, memory, operations, size, got 'latncy';"
                " the nearest is 'latency'"
            ),
        ),
        (("error", "size", "size"), "the objectives must be distinct, got error, size, size"),
        (("size",), "the objectives must include error, got size"),
        ((), "the objectives must include error, got none"),
    ],
)
def test_bad_objectives_are_named(names: tuple[str, ...], text: str) -> None:
    with pytest.raises(SettingError) as raised:
        objectives_named(names)
    assert str(raised.value) == text


def test_a_limit_is_violated_above_its_value_only() -> None:
    limits = [Limit("size", 100.0), Limit("latency", 1.0)]
    assert violated({"size": 100.0, "latency": 1.0}, limits) is None
    assert violated({"size": 101.0, "latency": 2.0}, limits) == limits[0]
    assert violated({"size": float("nan")}, limits) == limits[0]
    assert violated({}, limits) is None
    assert excess({"size": 100.0, "latency": 0.5}, limits) == 0.0
    assert excess({"size": 200.0, "latency": 2.0}, limits) == pytest.approx(1.386294)


def test_unmet_limits_say_the_closest_value() -> None:
    size, latency = Limit("size", 100.0), Limit("latency", 1e-3)
    assert limit_text(size) == "size<=100 B"
    seen = [{"size": 512.0, "latency": 5e-4}, {"size": 2000.0, "latency": 1e-4}]
    assert unmet_text([size], seen) == "size<=100 B cannot be met: the smallest candidate has 512 B"
    apart = [{"size": 50.0, "latency": 4e-3}, {"size": 5000.0, "latency": 5e-4}]
    assert unmet_text([size, latency], apart) == (
        "size<=100 B and latency<=1 ms cannot be met together: the closest candidate has size 50 B, latency 4 ms"
    )
    assert unmet_text([size], []) == "size<=100 B cannot be met: the smallest candidate has none"
