from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from planner_heads import COLUMNS, RAW_BITS, SHAPE, chain_head, chunk, cut, head, random_head

from netgraft.delivery.format.head import CutRow, Delta, Head
from netgraft.delivery.link.fec import best_code
from netgraft.delivery.planning.costs import completed, costs_of, feature_bits, raw_bits
from netgraft.delivery.planning.figures import Figures
from netgraft.delivery.planning.planned import Plan, plan_schema
from netgraft.delivery.planning.planner import plan
from netgraft.delivery.planning.situation import Situation
from netgraft.errors import BudgetError, DeliveryError, SituationError

DEVICE = Figures(operations_per_s=1e6, bandwidth_bytes_per_s=1e9, active_w=2.0)


def row(given_head: Head, name: str | None) -> CutRow:
    return next(row for row in given_head.cuts if row.id == name)


# --- what is chosen


def test_without_limits_the_most_accurate_cut_is_downloaded_whole() -> None:
    made = plan(chain_head(), Situation())
    assert (made.decision, made.cut, made.chunks, made.download_bytes) == ("device", "d3s2p4", (0, 1, 2, 3), 15_000)
    assert made.reason == ("Run d3s2p4 on the device: accuracy 0.950 is the best there is; 4 chunks, 15 KB.")


@pytest.mark.parametrize(
    ("situation", "cut_id"),
    [
        (Situation(memory_bytes=8_000), "d2s1p4"),
        (Situation(memory_bytes=7_999), "d1s0p4"),
        (Situation(storage_bytes=7_000), "d2s1p4"),
        (Situation(storage_bytes=6_999), "d1s0p4"),
        (Situation(data_budget_bytes=3_000), "d1s0p4"),
        (Situation(data_budget_bytes=2_999), "d0s0p4"),
        (Situation(rate_bps=8_000, deadline_s=7.0), "d2s1p4"),
        (Situation(rate_bps=8_000, deadline_s=6.9), "d1s0p4"),
        (Situation(rate_bps=8_000, deadline_s=7.5, latency_s=0.6), "d1s0p4"),
        (Situation(min_accuracy=0.95), "d3s2p4"),
    ],
)
def test_each_limit_binds_exactly(situation: Situation, cut_id: str) -> None:
    assert plan(chain_head(), situation).cut == cut_id


def test_reason_names_the_next_better_cut_and_the_limit_it_misses() -> None:
    made = plan(chain_head(), Situation(memory_bytes=8_000, rate_bps=1e6))
    assert made.reason == (
        "Run d2s1p4 on the device: accuracy 0.900 is the best that fits; 3 chunks, 7 KB in 56 ms. "
        "d3s2p4 would reach 0.950, but it takes memory of 16 KB, 8 KB more than memory_bytes allows."
    )
    why = {other.cut: other.why for other in made.alternatives}
    assert why["d3s2p4"].startswith("it takes memory of 16 KB")
    assert why["d1s0p4"] == "its accuracy is 0.100 lower"


def test_equal_accuracy_goes_to_fewer_bytes_then_to_less_memory() -> None:
    sizes = [10, 20]
    cuts = [
        cut(1, 0, 4, 0.9, (0, 1), sizes, 10),
        cut(1, 1, 4, 0.9, (0,), sizes, 90),
        cut(1, 2, 4, 0.9, (0,), sizes, 80),
    ]
    assert plan(head(cuts, sizes), Situation()).cut == "d1s2p4"


def test_head_bytes_count_for_budget_deadline_and_storage() -> None:
    fits, over = (plan(chain_head(), Situation(data_budget_bytes=3_000), head_bytes=n) for n in (1_000, 1_001))
    assert (fits.cut, fits.chunks, fits.download_bytes, fits.wire_bytes) == ("d1s0p4", (1,), 2_000, 3_000)
    assert (over.decision, over.cut, over.chunks, over.wire_bytes) == ("device", "d0s0p4", (), 1_001)
    assert plan(chain_head(), Situation(storage_bytes=3_000), head_bytes=1_001).cut == "d0s0p4"
    assert plan(chain_head(), Situation(rate_bps=8_000, deadline_s=3.0), head_bytes=1_001).cut == "d0s0p4"


def test_latency_and_power_come_from_the_device() -> None:
    situation = Situation(device=DEVICE, max_latency_s=1.0)
    costs = lambda row: (row.operations / 8_000, 2.0 * row.operations / 8_000)  # noqa: E731
    made = plan(chain_head(), situation, costs=costs)
    assert (made.cut, made.latency_s, made.energy_j) == ("d3s2p4", 1.0, 2.0)
    assert plan(chain_head(), replace(situation, max_latency_s=0.99), costs=costs).cut == "d2s1p4"
    # 2 J within a second, 1 J within half: one prediction a second takes 2 W or 1 W
    assert plan(chain_head(), replace(situation, power_w=2.0), costs=costs).cut == "d3s2p4"
    assert plan(chain_head(), replace(situation, power_w=1.0), costs=costs).cut == "d2s1p4"
    with pytest.raises(BudgetError, match=r"closest is .*, but it takes a power in watts of 2, 1 more than power_w"):
        plan(chain_head(), Situation(power_w=1.0), costs=costs)


def test_named_device_brings_its_costs_memory_and_formats() -> None:
    slow = Figures(operations_per_s=8_000, bandwidth_bytes_per_s=1e9, memory_bytes=8_000)
    assert plan(chain_head(), Situation(device=slow)).cut == "d2s1p4"
    made = plan(chain_head(), Situation(device=slow, memory_bytes=10**9, power_w=1.0))
    assert made.cut == "d3s2p4"
    assert made.latency_s is not None
    assert "Not checked: power_w, because" in made.reason
    assert plan(chain_head(), Situation(device="raspberry-pi-4", max_latency_s=1.0)).cut == "d3s2p4"
    with pytest.raises(BudgetError, match=r"it takes a latency of 10.1 µs, 10.1 µs more than max_latency_s allows"):
        plan(chain_head(), Situation(device="cortex-m7", max_latency_s=1e-9))


def test_what_cannot_be_known_limits_nothing_and_is_said() -> None:
    made = plan(chain_head(), Situation(max_latency_s=1e-9, power_w=1e-9, deadline_s=1e-9))
    assert made.cut == "d3s2p4"
    assert "Not checked: max_latency_s and power_w, because the device's figures are unknown." in made.reason
    assert "Not checked: deadline_s, because rate_bps is unknown." in made.reason


def test_codec_that_was_not_declared_is_not_sent() -> None:
    ranged = replace(chain_head(), chunks=(*chain_head().chunks[:3], chunk(3, 8_000, "range")))
    assert plan(ranged, Situation()).cut == "d2s1p4"
    assert plan(ranged, Situation(codecs=("range",))).cut == "d3s2p4"
    assert "need a codec that the situation does not name" in plan(ranged, Situation()).reason
    assert plan(ranged, Situation(), held={3}).cut == "d3s2p4"


def test_device_without_float32_runs_no_cut() -> None:
    with pytest.raises(BudgetError, match="it computes in float32, which is not among the formats"):
        plan(chain_head(), Situation(formats=("int8",)))


# --- what is held


def test_held_chunks_are_not_fetched_or_counted_again() -> None:
    made = plan(chain_head(), Situation(data_budget_bytes=12_000), held={0, 1})
    assert (made.cut, made.chunks, made.download_bytes) == ("d3s2p4", (2, 3), 12_000)
    named = Situation(data_budget_bytes=12_000, held=tuple(chain_head().chunks[i].sha256 for i in (0, 1)))
    assert plan(chain_head(), named).chunks == (2, 3)


def test_a_change_needs_room_for_both_models_staying_does_not() -> None:
    assert plan(chain_head(), Situation(memory_bytes=20_000), held={0, 1}).cut == "d3s2p4"
    assert plan(chain_head(), Situation(memory_bytes=19_999), held={0, 1}).cut == "d2s1p4"
    made = plan(chain_head(), Situation(memory_bytes=4_000), held={0, 1})
    assert (made.decision, made.cut, made.chunks) == ("stay", "d1s0p4", ())
    other = plan(chain_head(), Situation(memory_bytes=19_999), live_memory_bytes=4_000)
    assert other.cut == "d2s1p4"


def test_the_best_that_answers_already_stays() -> None:
    made = plan(chain_head(), Situation(), held={0, 1, 2, 3})
    assert (made.decision, made.cut, made.download_bytes, made.download_s) == ("stay", "d3s2p4", 0, 0.0)
    assert made.reason == "Stay with d3s2p4: accuracy 0.950 is the best there is, and it answers already."


def test_a_held_cut_that_fits_better_than_the_live_one_needs_no_download() -> None:
    costs = lambda row: (row.operations / 1e3, 0.0)  # noqa: E731
    made = plan(chain_head(), Situation(max_latency_s=4.0), held={0, 1, 2}, live="d2s1p4", costs=costs)
    assert (made.decision, made.cut) == ("stay", "d2s1p4")
    made = plan(chain_head(), Situation(max_latency_s=2.0), held={0, 1, 2}, live="d2s1p4", costs=costs)
    assert (made.decision, made.cut, made.chunks) == ("device", "d1s0p4", ())
    assert "all its chunks are held" in made.reason


def test_held_chunks_that_do_not_answer_yet_are_a_cut_to_run() -> None:
    made = plan(chain_head(), Situation(data_budget_bytes=0), held={0}, answers=False)
    assert (made.decision, made.cut, made.chunks, made.download_bytes) == ("device", "d0s0p4", (), 0)
    with pytest.raises(BudgetError, match=r"0\.05 below min_accuracy"):
        plan(chain_head(), Situation(data_budget_bytes=0, min_accuracy=0.75), held={0}, answers=False)


def test_link_that_is_down_leaves_what_is_there() -> None:
    made = plan(chain_head(), Situation(rate_bps=0), held={0})
    assert (made.decision, made.cut) == ("stay", "d0s0p4")
    assert "d3s2p4 would reach 0.950, but the link is down (rate_bps below 1)." in made.reason
    made = plan(chain_head(), Situation(rate_bps=0))
    assert (made.decision, made.cut, made.accuracy) == ("stay", None, None)
    assert made.reason == "Wait: the link is down (rate_bps below 1), and nothing that is held fits."


def test_an_earlier_version_goes_on_where_nothing_fits() -> None:
    made = plan(chain_head(), Situation(data_budget_bytes=10), deltas_from={"f" * 64: ("d1s0p4",)})
    assert (made.decision, made.cut) == ("stay", None)
    assert made.reason == (
        "Stay with the version that is there: nothing fits; the closest is d0s0p4, but it takes traffic of 1 KB, "
        "990 B more than data_budget_bytes allows."
    )
    made = plan(chain_head(), Situation(min_accuracy=0.99), held={0})
    assert (made.decision, made.cut, made.accuracy) == ("stay", "d0s0p4", 0.70)
    assert "its accuracy of 0.950 is 0.04 below min_accuracy" in made.reason


def test_unknown_live_cut_is_an_error() -> None:
    with pytest.raises(SituationError, match="the live cut must be one of the head's, got 'd9s9p9'"):
        plan(chain_head(), Situation(), live="d9s9p9")


def test_nothing_that_fits_is_an_error_that_names_the_closest() -> None:
    with pytest.raises(BudgetError) as caught:
        plan(chain_head(), Situation(memory_bytes=1_900, min_accuracy=0.75))
    assert str(caught.value) == (
        "a cut that fits the situation is required, got none; the closest is d0s0p4, but its accuracy of 0.700 is "
        "0.05 below min_accuracy and it takes memory of 2 KB, 100 B more than memory_bytes allows"
    )
    with pytest.raises(BudgetError, match="the head has no cuts"):
        plan(head([], [1]), Situation())


# --- deltas


def delta_head() -> Head:
    deltas = (Delta("f" * 64, "d1s0p4", (chunk(90, 500),)), Delta("f" * 64, "d2s1p4", (chunk(91, 900),)))
    return replace(chain_head(), parent="f" * 64, deltas=deltas)


def test_delta_is_used_where_it_is_smaller() -> None:
    held = {"f" * 64: ("d0s0p4", "d1s0p4")}
    made = plan(delta_head(), Situation(), deltas_from=held)
    assert (made.delta, made.chunks, made.download_bytes) == (0, (2, 3), 500 + 12_000)
    made = plan(delta_head(), Situation(memory_bytes=8_000), deltas_from={"f" * 64: ("d1s0p4", "d2s1p4")})
    assert (made.cut, made.delta, made.chunks, made.download_bytes) == ("d2s1p4", 1, (), 900)
    assert "a delta and 0 chunks, 900 B" in made.reason
    assert plan(delta_head(), Situation(), deltas_from={"e" * 64: ("d1s0p4",)}).delta is None
    assert plan(delta_head(), Situation(), held={0, 1}, deltas_from=held).delta is None


# --- bit errors


def test_bit_errors_repeat_chunks_or_code_them() -> None:
    clean = plan(chain_head(), Situation(rate_bps=1e6)).download_s
    bad = plan(chain_head(), Situation(rate_bps=1e6, bit_error_rate=1e-3)).download_s
    assert clean is not None
    assert bad is not None
    coded = sum(8 * best_code(1e-3, size).expected_bytes(1e-3, size) / 1e6 for size in (1_000, 2_000, 4_000, 8_000))
    assert bad == pytest.approx(coded, rel=1e-12)
    assert 1.05 * clean < bad < 1.16 * clean
    slight = plan(chain_head(), Situation(rate_bps=1e6, bit_error_rate=1e-7)).download_s
    again = sum(8 * n / (1 - 1e-7) ** (8 * n) / 1e6 for n in (1_000, 2_000, 4_000, 8_000))
    assert slight == pytest.approx(again, rel=1e-9)
    with pytest.raises(BudgetError, match="it would never arrive whole"):
        plan(chain_head(), Situation(rate_bps=1e6, bit_error_rate=0.5))
    with pytest.raises(BudgetError, match="it would never arrive whole at this bit_error_rate"):
        plan(chain_head(), Situation(bit_error_rate=0.5))
    plain = Situation(rate_bps=1e6, bit_error_rate=1e-3, codecs=())
    assert (plan(chain_head(), plain).download_s or 0) > 1e3


# --- a server takes part


def serving(samples: float, **more: Any) -> Situation:
    return Situation(rate_bps=1e6, uplink_bps=1e6, expected_samples=samples, **more)


def test_server_alone_needs_an_uplink_and_expected_samples() -> None:
    assert plan(chain_head(), serving(1), server=True).decision == "server"
    assert plan(chain_head(), serving(1)).decision == "device"
    assert plan(chain_head(), replace(serving(1), uplink_bps=None), server=True).decision == "device"
    assert plan(chain_head(), replace(serving(1), uplink_bps=0), server=True).decision == "device"
    assert plan(chain_head(), replace(serving(1), expected_samples=None), server=True).decision == "device"


def test_server_alone_switches_to_the_device_at_the_break_even() -> None:
    assert raw_bits(chain_head()) == RAW_BITS
    even = 8 * 15_000 // RAW_BITS
    assert even * RAW_BITS == 8 * 15_000
    decisions = [plan(chain_head(), serving(even + more), server=True).decision for more in (-1, 0, 1)]
    assert decisions == ["server", "server", "device"]
    made = plan(chain_head(), serving(even - 1), server=True)
    assert made.reason == (
        "Ask the server: accuracy 0.950 is the best there is; nothing to download, 96 bits up per sample. "
        "That moves 15 KB for 1,249 expected samples, d3s2p4 15 KB."
    )


def test_break_even_counts_the_head_for_the_device_alone() -> None:
    head_bytes = 1_600  # chunk 0 and 600 bytes beside it
    even = 8 * (15_000 + 600) // RAW_BITS
    assert even * RAW_BITS == 8 * (15_000 + 600)
    for samples, decision in [(even - 1, "server"), (even, "server"), (even + 1, "device")]:
        made = plan(chain_head(), serving(samples), server=True, head_bytes=head_bytes)
        assert made.decision == decision
        assert made.wire_bytes == (15_600 if decision == "device" else samples * RAW_BITS / 8)
    limited = serving(1, data_budget_bytes=12, storage_bytes=0)
    assert plan(chain_head(), limited, server=True, head_bytes=head_bytes).decision == "server"


@pytest.mark.parametrize(
    ("accuracy", "text"),
    [(0.9999, "its accuracy of 0.9999 is 0.0001 below"), (0.99, "its accuracy of 0.990 is 0.01 below")],
)
def test_accuracies_are_told_apart(accuracy: float, text: str) -> None:
    sizes = [1_000, 2_000]
    cuts = [cut(0, 0, 4, accuracy - 0.0002, (0,), sizes, 10), cut(1, 0, 4, accuracy, (0, 1), sizes, 20)]
    with pytest.raises(BudgetError, match=text):
        plan(head(cuts, sizes), Situation(min_accuracy=accuracy + (1.0 - accuracy)))
    reason = plan(head(cuts, sizes), Situation(memory_bytes=10)).reason
    assert f"accuracy {accuracy - 0.0002:.4f} is the best that fits" in reason
    assert f"would reach {accuracy:.4f}" in reason.replace("0.990,", "0.9900,")
    best = plan(head(cuts, sizes), Situation())
    assert best.alternatives[0].why == "its accuracy is 0.0002 lower"


def split_head(seed: int) -> tuple[Head, CutRow, CutRow]:
    """Return a head with a shallow, a deeper and a full cut of one shell and plane count; the full one is large."""
    head_of_all = random_head(seed, 1)
    rng_sizes = [c.bytes for c in head_of_all.chunks[:3]]
    wide, narrow = 2, 0
    # the features of the deeper cut are smaller: a layer of 16 units, then one of 4
    widths = ((16, 4, 4), (16, 4, 4 + narrow + 1), (16, 4, 16))
    shape = replace(SHAPE, architecture=replace(SHAPE.architecture, widths=widths[-1]), widths=widths)
    cuts = [
        cut(1, wide, 4, 0.6, (0,), rng_sizes, 10),
        cut(2, wide, 4, 0.7, (0, 1), rng_sizes, 20),
        cut(3, wide, 4, 0.9, (0, 1, 2), rng_sizes, 10_000),
    ]
    made = replace(head(cuts, rng_sizes), network={"kind": "nested", **shape.to_json()})
    return made, made.cuts[0], made.cuts[1]


@given(seed=st.integers(0, 200))
def test_split_point_moves_exactly_at_the_break_even(seed: int) -> None:
    made, shallow, deep = split_head(seed)
    up_shallow, up_deep = feature_bits(made, shallow), feature_bits(made, deep)
    assert (up_shallow, up_deep) == (32 * (16 + 2), 32 * (4 + 2))
    more_bits, fewer_up = 8 * (deep.bytes - shallow.bytes), up_shallow - up_deep
    even = more_bits / fewer_up
    for samples in {math.floor(even) - 1, math.floor(even), math.ceil(even), math.ceil(even) + 1}:
        # without columns' worth of raw bits to compare: the server alone is made dear
        dear = replace(made, columns=COLUMNS * 40)
        chosen = plan(dear, serving(samples, memory_bytes=5_000), server=True)
        server_bits = samples * raw_bits(dear)
        splits = {"d1s2p4": 8 * shallow.bytes + samples * up_shallow, "d2s2p4": 8 * deep.bytes + samples * up_deep}
        if server_bits <= min(splits.values()):
            assert chosen.decision == "server"
        else:
            assert (chosen.decision, chosen.cut) == ("split", "d2s2p4" if samples > even else "d1s2p4")
            assert chosen.accuracy == 0.9


def test_split_says_what_it_sends() -> None:
    made, shallow, _ = split_head(0)
    chosen = plan(replace(made, columns=COLUMNS * 400), serving(10, memory_bytes=15), server=True)
    assert (chosen.decision, chosen.cut, chosen.upload_bits) == ("split", shallow.id, 576)
    assert chosen.reason.startswith("Run d1s2p4 on the device and send its features to the server: accuracy 0.900 is")
    assert "576 bits up per sample" in chosen.reason


def test_prediction_over_the_uplink_takes_its_time() -> None:
    slow = serving(1, latency_s=0.2, max_latency_s=0.1)
    assert plan(chain_head(), slow, server=True, costs=lambda row: (0.01, 0.0)).decision == "device"
    quick = replace(slow, latency_s=0.0)
    made = plan(chain_head(), quick, server=True, costs=lambda row: (0.01, 0.0))
    assert (made.decision, made.latency_s) == ("server", RAW_BITS / 1e6)


def test_uploads_count_for_the_data_budget() -> None:
    assert plan(chain_head(), serving(1_000, data_budget_bytes=12_000), server=True).decision == "server"
    made = plan(chain_head(), serving(1_000, data_budget_bytes=11_999), server=True)
    assert made.decision == "device"
    assert made.wire_bytes <= 11_999


# --- laws

LIMITS = {
    "memory_bytes": st.integers(500, 100_000),
    "storage_bytes": st.integers(0, 100_000),
    "data_budget_bytes": st.integers(0, 100_000),
    "deadline_s": st.floats(0.01, 10),
    "max_latency_s": st.floats(1e-4, 0.1),
    "min_accuracy": st.floats(0.4, 1.0),
    "power_w": st.floats(0.01, 4),
    "rate_bps": st.floats(1e3, 1e6),
    "latency_s": st.floats(0, 1),
    "expected_samples": st.integers(0, 100_000),
    "uplink_bps": st.floats(1e3, 1e6),
}
situations = st.fixed_dictionaries({}, optional=LIMITS).map(lambda given: Situation(device=DEVICE, **given))


def modelled(row: CutRow) -> tuple[float, float]:
    return row.operations / 1e6, 2e-6 * row.operations


def try_plan(given_head: Head, situation: Situation, **more: Any) -> Plan | None:
    try:
        return plan(given_head, situation, costs=modelled, **more)
    except BudgetError:
        return None


@given(seed=st.integers(0, 1_000), situation=situations, held=st.sets(st.integers(0, 9)), server=st.booleans())
def test_no_limit_is_ever_exceeded(seed: int, situation: Situation, held: set[int], server: bool) -> None:
    given_head = random_head(seed)
    made = try_plan(given_head, situation, held=held, server=server)
    assume(made is not None)
    assert made is not None
    assert Plan.from_json(json.loads(json.dumps(made.to_json()))) == made
    if made.decision == "stay":
        assert made.download_bytes == 0
        return
    live = max((r for r in given_head.cuts if held.issuperset(r.chunks)), key=lambda r: r.accuracy, default=None)
    assert set(made.chunks).isdisjoint(held)
    assert made.download_bytes == sum(given_head.chunks[i].bytes for i in made.chunks)
    traffic = made.download_bytes + (situation.expected_samples or 0) * made.upload_bits / 8
    limit = situation.data_budget_bytes
    assert limit is None or traffic <= limit + 1e-6
    stored = made.download_bytes + sum(given_head.chunks[i].bytes for i in held)
    assert situation.storage_bytes is None or stored <= situation.storage_bytes
    assert situation.min_accuracy is None or (made.accuracy or 0) >= situation.min_accuracy
    if situation.rate_bps is not None and situation.deadline_s is not None and made.chunks:
        seconds = (situation.latency_s or 0) + 8 * made.download_bytes / situation.rate_bps
        assert seconds <= situation.deadline_s * (1 + 1e-12)
    if made.cut is None:
        return
    chosen = row(given_head, made.cut)
    assert set(chosen.chunks) <= set(made.chunks) | held
    memory = chosen.memory_bytes + (0 if live is None or live.id == made.cut else live.memory_bytes)
    assert situation.memory_bytes is None or memory <= situation.memory_bytes
    if made.decision == "device":
        seconds, joules = modelled(chosen)
        assert situation.max_latency_s is None or seconds <= situation.max_latency_s
        assert situation.power_w is None or joules / max(seconds, situation.max_latency_s or 0) <= situation.power_w


@given(seed=st.integers(0, 1_000), situation=situations, key=st.sampled_from(sorted(LIMITS)), server=st.booleans())
def test_looser_limits_never_lower_the_accuracy(seed: int, situation: Situation, key: str, server: bool) -> None:
    value = getattr(situation, key)
    assume(value is not None and key not in ("expected_samples", "uplink_bps"))
    tighter = key in ("latency_s", "min_accuracy")
    looser = replace(situation, **{key: type(value)(value / 2 if tighter else value * 2)})
    given_head = random_head(seed)
    before, after = (try_plan(given_head, s, server=server) for s in (situation, looser))
    if before is not None:
        assert after is not None
        assert (after.accuracy or 0) >= (before.accuracy or 0)


@given(seed=st.integers(0, 1_000), situation=situations, held=st.sets(st.integers(0, 9)))
def test_same_choice_as_trying_every_cut(seed: int, situation: Situation, held: set[int]) -> None:
    given_head = random_head(seed)
    sizes = [c.bytes for c in given_head.chunks]
    ready = [r for r in given_head.cuts if held.issuperset(r.chunks)]
    live = max(ready, key=lambda r: r.accuracy, default=None)
    stored = sum(sizes[i] for i in held)

    def fits(r: CutRow) -> bool:
        new = 0 if r is live else sum(sizes[i] for i in r.chunks if i not in held)
        seconds = 8 * new / situation.rate_bps + (situation.latency_s or 0) if situation.rate_bps and new else 0
        beside = live.memory_bytes if live is not None and r is not live else 0
        power = modelled(r)[1] / max(modelled(r)[0], situation.max_latency_s or 0)
        known = [
            (situation.memory_bytes, r.memory_bytes + beside),
            (situation.storage_bytes, 0 if r is live else stored + new),
            (situation.data_budget_bytes, new),
            (situation.deadline_s, seconds),
            (situation.max_latency_s, modelled(r)[0]),
            (situation.power_w, power),
            (r.accuracy, situation.min_accuracy or 0),
        ]
        return all(limit is None or value <= limit for limit, value in known)

    fitting = [r for r in given_head.cuts if fits(r)]
    made = try_plan(given_head, situation, held=held)
    if not fitting:
        assert made is None or made.decision == "stay"
        return
    assert made is not None
    assert made.accuracy == max(r.accuracy for r in fitting)
    fewest = min(
        0 if r is live else sum(sizes[i] for i in r.chunks if i not in held)
        for r in fitting
        if r.accuracy == made.accuracy
    )
    assert made.download_bytes == fewest


# --- costs and JSON


def test_costs_come_from_catalogue_or_figures() -> None:
    made = chain_head()
    assert costs_of(Situation(), made) is None
    for device in ("raspberry-pi-4", DEVICE):
        costs = costs_of(Situation(device=device), made)
        assert costs is not None
        values = [costs(row) for row in made.cuts]
        assert all(value is not None and value[0] > 0 and value[1] > 0 for value in values)
        assert values == sorted(values)  # type: ignore[type-var]
    plain = replace(made, network={"kind": "other"})
    costs = costs_of(Situation(device=DEVICE), plain)
    assert costs is not None
    assert costs(made.cuts[0]) == pytest.approx((1_000 / 1e6 + 2_000 / 1e9, 2 * (1_000 / 1e6 + 2_000 / 1e9)))
    assert feature_bits(plain, made.cuts[0]) == RAW_BITS


def test_device_implies_memory_and_formats() -> None:
    figures = replace(DEVICE, memory_bytes=5_000, formats=("int8",))
    assert completed(Situation(device=figures)) == Situation(device=figures, memory_bytes=5_000, formats=("int8",))
    assert completed(Situation(device=figures, memory_bytes=7, formats=("float32",))).memory_bytes == 7
    assert completed(Situation(memory_bytes=7)) == Situation(memory_bytes=7)
    assert (completed(Situation(device="raspberry-pi-4")).memory_bytes or 0) > 1e9


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"decision": "dance"}, "decision of a plan must be one of device, split, server, stay"),
        ({"chunks": [-1]}, r"chunks of a plan\[0\] must be a whole number from 0"),
        ({"chunks": "all"}, "chunks of a plan must be a list"),
        ({"cut": "../../etc"}, "cut of a plan must be an id of letters and digits"),
        ({"extra": 1}, "a key of a plan must be one of"),
        ({"alternatives": [{}]}, "must have the key 'decision'"),
        ({"download_bytes": True}, "download_bytes of a plan must be a whole number"),
    ],
)
def test_damaged_plan_is_refused(change: dict[str, Any], text: str) -> None:
    value = plan(chain_head(), Situation()).to_json() | change
    with pytest.raises(DeliveryError, match=text):
        Plan.from_json(value)


def test_plan_that_is_no_table_or_lacks_a_key_is_refused() -> None:
    with pytest.raises(DeliveryError, match="a plan must be a table"):
        Plan.from_json([1])
    with pytest.raises(DeliveryError, match="a plan must have the key 'decision', got none"):
        Plan.from_json({})


def test_schema_of_a_plan_accepts_plans() -> None:
    validators = pytest.importorskip("jsonschema_rs")
    made = plan(chain_head(), serving(5), server=True).to_json()
    assert validators.is_valid(plan_schema(), made)
    assert not validators.is_valid(plan_schema(), made | {"chunks": [-1]})
