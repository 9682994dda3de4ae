"""Situations and plans that somebody made up to do harm: a clear error or a sound plan, never anything else."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from netgraft.delivery.offering.incoming import read_plan_request
from netgraft.delivery.planning import situation
from netgraft.delivery.planning.planned import Plan
from netgraft.delivery.planning.planner import plan
from netgraft.delivery.planning.situation import Situation, from_json
from netgraft.errors import BudgetError, DeliveryError, SituationError
from netgraft.seeds import generator

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))
from planner_heads import random_head

KEYS = (*from_json({}).__dataclass_fields__, "", "__class__", "memory_bytes ", "held[]", "\x00")
ABSURD: tuple[Any, ...] = (
    None, True, False, 0, -0.0, 1, -1, 0.5, 1e-320, 5e-324, 1e308, -1e308, 10**18, 10**18 + 1, -(10**30), 10**400,
    float("nan"), float("inf"), float("-inf"), "", "0", "nan", "1e9", "x" * 10_000, "\x00", "\ud800",
    "../../etc/passwd", "file:///etc/passwd", "this", "this.toml", "/dev/zero", "CON", "{{7*7}}",
    "'; DROP TABLE models; --", "\u202e", [], [[]], [None] * 20, ["a" * 64] * 3, ["0" * 64], {}, {"a": {}},
    {"operations_per_s": 1e-300, "bandwidth_bytes_per_s": 1e-300},
    {"operations_per_s": 1, "bandwidth_bytes_per_s": 1, "memory_bytes": 1},
    {"operations_per_s": 1, "bandwidth_bytes_per_s": 1, "layers": {"any": {"overhead_s": 1e18, "number_s": 1e18}}},
    "2026-02-30T00:00:00Z", "2026-05-04T12:30:00Z",
    "raspberry-pi-4", ["range"], ["float32"], ["int8"], b"bytes", object, 3 + 4j, range(3), {1, 2}, Exception("x"),
)  # fmt: skip


def received(text: str) -> Situation:
    """Return the situation of a request for a plan, as the server reads it."""
    return from_json(read_plan_request(f'{{"situation": {text}}}'.encode("utf-8", "surrogatepass")).situation)


def absurd_documents(count: int) -> list[dict[str, Any]]:
    """Return documents of a few keys each with any values."""
    rng = generator(0, "absurd")

    def pick(among: tuple[Any, ...]) -> Any:
        return among[int(rng.integers(len(among)))]

    return [{pick(KEYS): pick(ABSURD) for _ in range(int(rng.integers(6)))} for _ in range(count)]


def test_ten_thousand_absurd_situations() -> None:
    heads = [random_head(seed, 6, 5) for seed in range(8)]
    wrong, unmet, plans = list[str](), list[str](), list[Plan]()
    for number, document in enumerate(absurd_documents(10_000)):
        try:
            made = from_json(document)
            plans.append(plan(heads[number % 8], made, server=number % 2 == 0, held={number % 5}))
        except SituationError as error:
            wrong.append(str(error))
        except BudgetError as error:
            unmet.append(str(error))
    assert len(wrong) > 1_000
    assert len(plans) > 1_000
    assert not [text for text in wrong if "\n" in text or len(text) > 600]
    assert not [text for text in unmet if "the closest is" not in text]
    for found in plans:
        assert Plan.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def test_extremes_of_every_limit_give_a_plan_or_a_budget_error() -> None:
    schema = situation.json_schema()["properties"]
    given_head = random_head(1)
    for key, field in schema.items():
        low = field.get("minimum", field.get("exclusiveMinimum"))
        if low is None:
            continue
        for value in (low if "minimum" in field else 5e-324, field["maximum"]):
            made = from_json({"rate_bps": 1.0, "uplink_bps": 1e-300, "expected_samples": 1e18, key: value})
            with suppress(BudgetError):
                assert json.dumps(plan(given_head, made, server=True, held={0}).to_json(), allow_nan=False)


def test_wire_document_opens_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profile = tmp_path / "device.toml"
    profile.write_text("format = 1")

    def forbidden(*_: object, **__: object) -> Any:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(Path, "read_text", forbidden)
    monkeypatch.setattr(Path, "open", forbidden)
    for name in (str(profile), "../device.toml", "this"):
        with pytest.raises(SituationError, match="device of a situation must be one of"):
            received(json.dumps({"device": name}))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"held": ' * 50_000,
        '{"memory_bytes": ' + "9" * 100_000 + "}",
        '{"memory_bytes": 1e999999999}',
        '{"rate_bps": NaN}',
        '{"rate_bps": Infinity}',
        '{"device": {"layers": ' * 2_000,
        '{"memory_bytes": 1, "memory_bytes": 1000000000}',
        "",
        "\x00",
        '"\\ud800"',
    ],
)
def test_hostile_texts_are_one_clear_error(text: str) -> None:
    with pytest.raises(SituationError):
        received(text)


def test_many_keys_and_items_are_refused_quickly() -> None:
    with pytest.raises(SituationError, match="a key of a situation"):
        received(json.dumps({f"k{i}": i for i in range(100_000)}))
    with pytest.raises(SituationError, match="held of a situation must be a list of at most 65536 values"):
        from_json({"held": ["0" * 64] * 65_537})
    doubled = "{" + ", ".join(f'"k{i}": 1' for i in range(50_000)) + ', "k49999": 2}'
    with pytest.raises(SituationError, match="each key once, got 'k49999' twice"):
        received(doubled)


def test_plan_from_a_hostile_server_is_refused() -> None:
    rng = generator(1, "plans")
    good = plan(random_head(0), Situation()).to_json()
    for _ in range(2_000):
        value = dict(good)
        for key in rng.choice(sorted(good), int(rng.integers(1, 4)), replace=False):
            value[str(key)] = ABSURD[int(rng.integers(len(ABSURD)))]
        try:
            made = Plan.from_json(value)
        except DeliveryError:
            continue
        assert all(0 <= index < 2**31 for index in made.chunks)
        assert made.cut is None or made.cut.isalnum()
