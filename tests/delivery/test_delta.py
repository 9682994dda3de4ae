"""Differences between versions: small, exact, and refused where they do not lead to the new version."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from delivery_examples import Assembly, example, example_built, nudged, opened, whole
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from netgraft.delivery.coding.build import Built
from netgraft.delivery.format.delta import apply_delta, cut_off, encode_delta
from netgraft.delivery.format.head import OpenedHead
from netgraft.errors import ChunkError

PLANES = 6
codes_ = hnp.arrays(np.int32, 80, elements=st.integers(-(2**PLANES) + 1, 2**PLANES - 1))


@settings(max_examples=40)
@given(codes_, codes_, st.integers(0, PLANES - 1))
def test_a_delta_leads_from_one_cut_to_the_other(before: np.ndarray, after: np.ndarray, lowest: int) -> None:
    old, new = {3: before[:50], 7: before[50:]}, {3: after[:50], 7: after[50:]}
    sizes = [0, 0, 0, 50, 0, 0, 0, 30]
    parts = encode_delta(old, new, lowest=lowest)
    rows, data = [row for row, _ in parts], [each for _, each in parts]
    made = apply_delta(rows, data, old, sizes=sizes, lowest=lowest, planes=PLANES - lowest)
    for region, codes in new.items():
        np.testing.assert_array_equal(made[region], cut_off(codes, lowest) * (1 << lowest))


def test_nothing_changed_needs_nothing() -> None:
    codes = {0: np.arange(-5, 5, dtype=np.int32)}
    assert encode_delta(codes, codes, lowest=0) == []
    made = apply_delta([], [], codes, sizes=[10], lowest=1, planes=2)
    np.testing.assert_array_equal(made[0], [-4, -4, -2, -2, 0, 0, 0, 2, 2, 4])


def test_small_changes_are_small() -> None:
    rng = np.random.default_rng(0)
    old = {0: rng.integers(-255, 255, 20_000).astype(np.int32)}
    new = {0: np.clip(old[0] + (rng.random(20_000) < 0.02) * rng.choice([-1, 1], 20_000), -255, 255).astype(np.int32)}
    assert sum(row.bytes for row, _ in encode_delta(old, new, lowest=0)) < 20_000 / 30


def test_a_large_delta_comes_in_chunks_that_fit() -> None:
    rng = np.random.default_rng(0)
    old = {r: rng.integers(-255, 255, 40_000).astype(np.int32) for r in range(4)}
    new = {r: rng.integers(-255, 255, 40_000).astype(np.int32) for r in range(4)}
    parts = encode_delta(old, new, lowest=0)
    assert len(parts) == 4
    made = apply_delta([p[0] for p in parts], [p[1] for p in parts], old, sizes=[40_000] * 4, lowest=0, planes=8)
    np.testing.assert_array_equal(made[3], new[3])


def test_a_delta_must_be_whole_and_lead_onto_the_grid() -> None:
    old, new = {0: np.full(9, 200, np.int32)}, {0: np.full(9, 250, np.int32)}
    ((row, data),) = encode_delta(old, new, lowest=0)
    with pytest.raises(ChunkError, match="a delta must come in 1 chunks, got 0"):
        apply_delta([row], [], old, sizes=[9], lowest=0, planes=8)
    with pytest.raises(ChunkError, match="a delta must lead to magnitudes below 256, got 300"):
        apply_delta([row], [data], new, sizes=[9], lowest=0, planes=8)


Versions = tuple[Assembly, Built, OpenedHead]


@pytest.fixture(scope="module", params=["plain", "wide"])
def versions(request: Any) -> Versions:
    """Return the first version with all chunks, and a second one made by a light training."""
    shape, tensors, built, head = example(request.param)
    first = whole(built, head)
    second = example_built(shape, nudged(tensors), version=2, parent=first)
    return first, second, opened(second)


def delta_bytes(second: Built, index: int) -> list[bytes]:
    return [second.chunks[row.sha256] for row in second.head.deltas[index].chunks]


def test_every_delta_gives_the_very_cut(versions: Versions) -> None:
    first, second, head = versions
    assert second.head.grid == first.opened.head.grid
    assert second.head.parent == first.opened.sha256
    assert second.head.deltas
    plain = whole(second, head)
    for index, delta in enumerate(second.head.deltas):
        cut = second.head.cut(delta.cut)
        assert delta.bytes < cut.bytes
        made = Assembly(head)
        made.add_delta(index, first, delta_bytes(second, index))
        assert made.held == {0, *cut.chunks}
        for name, value in plain.tensors(cut).items():
            np.testing.assert_array_equal(made.tensors(cut)[name], value)
        made.check(cut, made.model(cut))


def test_deltas_and_plain_chunks_mix(versions: Versions) -> None:
    first, second, head = versions
    made = Assembly(head)
    for at, row in enumerate(second.head.chunks[1:], start=1):
        made.add(at, second.chunks[row.sha256])
    made.add_delta(0, first, delta_bytes(second, 0))
    best = made.ready()
    assert best is not None
    np.testing.assert_array_equal(made.tensors(best)["weight_1"], whole(second, head).tensors(best)["weight_1"])
    later = Assembly(head)
    later.add_delta(0, first, delta_bytes(second, 0))
    for at, row in enumerate(second.head.chunks):
        later.add(at, second.chunks[row.sha256])
    assert later.held == made.held == set(range(len(second.head.chunks)))
    np.testing.assert_array_equal(later.tensors(best)["weight_1"], made.tensors(best)["weight_1"])


def test_a_delta_from_another_parent_is_refused(versions: Versions) -> None:
    first, second, head = versions
    data = delta_bytes(second, 0)
    with pytest.raises(ChunkError, match=f"a delta must start from the head {first.opened.sha256[:12]}, got"):
        Assembly(head).add_delta(0, whole(second, head), data)
    with pytest.raises(ChunkError, match="a delta must be one of"):
        Assembly(head).add_delta(99, first, data)
    other = Assembly(replace(first.opened, head=replace(first.opened.head, cuts=())))
    with pytest.raises(ChunkError, match=r"a delta must start from the parent's cut .*, got a parent without it"):
        Assembly(head).add_delta(0, other, data)
    network = replace(first.opened.head, network={})
    torn = Assembly(first.opened)
    torn.opened = replace(first.opened, head=network)
    with pytest.raises(ChunkError, match="a delta must start from a network of the same shape and grid, got another"):
        Assembly(head).add_delta(0, torn, data)


def test_a_damaged_delta_changes_nothing(versions: Versions) -> None:
    first, second, head = versions
    index = len(second.head.deltas) - 1
    data = delta_bytes(second, index)
    made = Assembly(head)
    with pytest.raises(ChunkError, match="must have this SHA-256"):
        made.add_delta(index, first, [bytes([data[0][0] ^ 1]) + data[0][1:], *data[1:]])
    assert made.held == {0}


def test_a_delta_that_leads_elsewhere_is_refused(versions: Versions) -> None:
    """Well signed and well formed, but not the version's numbers."""
    first, second, head = versions
    cut = second.head.cut(second.head.deltas[-1].cut)
    chunks = [replace(row, decoded_sha256="0" * 64) for row in head.head.chunks]
    lying = replace(head, head=replace(head.head, chunks=(head.head.chunks[0], *chunks[1:])))
    made = Assembly(lying)
    if len(cut.chunks) == 1:
        made.opened = replace(head, head=replace(head.head, chunks=tuple(chunks)))
    with pytest.raises(ChunkError, match="must hold bytes of SHA-256 000000000000, got"):
        made.add_delta(len(head.head.deltas) - 1, first, delta_bytes(second, len(head.head.deltas) - 1))


def test_a_delta_needs_chunks_of_its_cut_alone(versions: Versions) -> None:
    """A head that says otherwise is well formed, but its delta cannot be proved."""
    first, second, head = versions
    delta = second.head.deltas[-1]
    wide = max(head.head.cuts, key=lambda cut: cut.bytes)
    small = replace(wide, id=delta.cut, depth=0, shell=0)
    made = Assembly(replace(head, head=replace(head.head, cuts=(small,), deltas=(replace(delta, chunks=()),))))
    with pytest.raises(ChunkError, match=rf"chunk 0 must hold cells of cut {delta.cut} only to come by a delta, got"):
        made.add_delta(0, first, [])


def test_another_network_has_no_deltas() -> None:
    _, _, built, head = example("plain")
    shape, tensors, *_ = example("wide")
    made = example_built(shape, tensors, version=2, parent=whole(built, head))
    assert (made.head.parent, made.head.deltas) == (None, ())
