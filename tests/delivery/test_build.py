"""From a root to a head and chunks: sizes that are exact, a chain that is worth it, the same bytes every time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from delivery_examples import (
    HAS_RANGE,
    KEY,
    Assembly,
    example,
    example_built,
    example_inputs,
    example_judge,
    example_shape,
    example_tensors,
    nudged,
    opened,
    whole,
)
from hypothesis import given, settings

from netgraft.delivery.coding import root as coded_root
from netgraft.delivery.coding.build import Recipe
from netgraft.delivery.coding.trim import trimmed, trimmed_exact
from netgraft.delivery.format.chain import Judged, Triple, cell_bytes, choose_chain, every_cut, extend_chain, thinned
from netgraft.delivery.format.head import Head
from netgraft.delivery.format.layout import cells_of, chain_chunks, ordered, other_chunks, pieces
from netgraft.errors import HeadError, SettingError
from netgraft.records import sha256_hex
from netgraft.runtime.nested import network

KINDS = ["plain", "tolerant", "wide"]


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_are_exact(kind: str) -> None:
    _, _, built, _ = example(kind)
    head = built.head
    assert set(built.chunks) == {row.sha256 for row in head.chunks}
    for row in head.chunks:
        assert (len(built.chunks[row.sha256]), sha256_hex(built.chunks[row.sha256])) == (row.bytes, row.sha256)
    for cut in head.cuts:
        assert cut.bytes == sum(head.chunks[at].bytes for at in cut.chunks)
    used = {at for cut in head.cuts for at in cut.chunks}
    assert used == set(range(len(head.chunks)))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_judged_is_what_a_device_has(kind: str) -> None:
    shape, tensors, built, head = example(kind)
    judge, assembly = example_judge(shape, tensors), whole(built, head)
    for cut in built.head.cuts:
        assert judge(assembly.model(cut))[0] == pytest.approx(cut.accuracy, abs=1e-4)


def test_the_same_input_gives_the_same_bytes() -> None:
    shape, tensors, built, _ = example("wide")
    again = example_built(shape, tensors)
    assert again.pack([KEY]) == built.pack([KEY])
    assert again.chunks == built.chunks


def test_the_chain_nests_and_rises_to_the_best() -> None:
    for kind in KINDS:
        head = example(kind)[2].head
        chain = [cut for cut in head.cuts if cut.chain]
        for inner, outer in pairwise(chain):
            assert set(inner.chunks) < set(outer.chunks)
            assert inner.accuracy < outer.accuracy
        assert chain[-1].accuracy == max(cut.accuracy for cut in head.cuts)
        assert chain == list(head.cuts[: len(chain)])
        held = 0
        for cut in chain:  # the chunks of the chain come first, in its order
            assert cut.chunks == tuple(range(len(cut.chunks)))
            held = max(held, len(cut.chunks))


def test_no_cut_of_the_table_is_beaten() -> None:
    for kind in KINDS:
        head = example(kind)[2].head
        figures = [(-c.accuracy, c.bytes, c.memory_bytes, c.operations) for c in head.cuts]
        for cut, mine in zip(head.cuts, figures, strict=True):
            better = [f for f in figures if f != mine and all(a <= b for a, b in zip(f, mine, strict=True))]
            assert cut.chain or not better


def test_a_finer_grid_is_nearer() -> None:
    shape, tensors, *_ = example("wide")
    inputs = example_inputs(shape, 50)
    right = network(shape, tensors, 2, 2).outputs(inputs)
    errors = []
    for planes in (4, 6, 8):
        built = example_built(shape, tensors, recipe=Recipe(planes=planes, trim=False))
        assembly = whole(built)
        errors.append(
            float(np.abs(assembly.model(built.head.cut(f"d2s2p{planes}")).parts[0].outputs(inputs) - right).max())
        )
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_bytes_are_far_below_float32() -> None:
    built = example("wide")[2]
    near = next(cut for cut in built.head.cuts if cut.chain and cut.accuracy > 0.99)
    assert near.bytes + len(built.pack([KEY])) - built.head.chunks[0].bytes < built.head.full_bytes / 4


@pytest.mark.skipif(not HAS_RANGE, reason="constriction is not installed")
def test_the_range_coder_is_used_where_asked_for_and_smaller() -> None:
    shape, tensors, built, _ = example("wide")
    coded = example_built(shape, tensors, recipe=Recipe(codecs=("zstd", "range")))
    assert {row.codec for row in coded.head.chunks} > {row.codec for row in built.head.chunks} - {"zstd"}
    assert "range" not in {row.codec for row in built.head.chunks}
    assert sum(row.bytes for row in coded.head.chunks) < sum(row.bytes for row in built.head.chunks)
    for kept, row in zip(whole(built).ready().chunks, coded.head.chunks, strict=False):  # type: ignore[union-attr]
        assert row.decoded_sha256 == built.head.chunks[kept].decoded_sha256
    whole(coded)


def test_tolerant_planes_are_raw_and_below_the_exact_ones() -> None:
    _, _, built, _ = example("tolerant")
    for row in built.head.chunks:
        for _, plane in row.cells:
            assert (row.protection == "tolerant") == (plane < built.head.grid.planes - 3)
    shape, tensors, *_ = example("plain")
    bare = example_built(shape, tensors, recipe=Recipe(exact_planes=1))
    for row in bare.head.chunks:
        assert {plane == bare.head.grid.planes - 1 for _, plane in row.cells} == {row.protection == "exact"}
    assert whole(bare).ready() is not None


def test_a_target_sets_the_size_of_chunks() -> None:
    shape, tensors, *_ = example("wide")
    one = example_built(shape, tensors, recipe=Recipe(target_bytes=60_000))
    many = example_built(shape, tensors, recipe=Recipe(target_bytes=300))
    assert len(one.head.chunks) == 1
    assert len(many.head.chunks) > 12
    assert max(row.bytes for row in many.head.chunks) < 1_000


def test_a_table_has_at_most_so_many_rows() -> None:
    shape, tensors, built, _ = example("wide")
    few = example_built(shape, tensors, recipe=Recipe(most_cuts=6))
    assert len(few.head.cuts) <= 6 < len(built.head.cuts)
    one = example_built(shape, tensors, recipe=Recipe(most_cuts=1))
    assert [cut.id for cut in one.head.cuts] == [max(built.head.cuts, key=lambda cut: cut.accuracy).id]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"codecs": ("gzip",)}, "a codec must be one of range, raw, zstd, got 'gzip'"),
        ({"exact_planes": 9}, "exact_planes must be from 1 to 8, got 9"),
        ({"exact_planes": 0}, "exact_planes must be from 1 to 8, got 0"),
        ({"most_cuts": 65}, "most_cuts must be from 1 to 64, got 65"),
        ({"target_bytes": 1}, "target_bytes must be from 64 to 65536, got 1"),
        ({"usable_share": 1.5}, "usable_share must be from 0 to 1, got 1.5"),
    ],
)
def test_a_recipe_is_checked(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingError, match=text):
        Recipe(**wrong)


def test_a_root_of_one_cut_can_be_published() -> None:
    shape = example_shape(widths=((6,),))
    built = example_built(shape, example_tensors(shape))
    assert whole(built).ready() is not None
    flat = example_shape(widths=((),))
    built = example_built(flat, example_tensors(flat))
    assert {cut.depth for cut in built.head.cuts} == {0}


def test_a_root_of_nothing_but_zeros_can_be_published() -> None:
    shape = example_shape()
    tensors = {name: value * 0 if name != "edges" else value for name, value in example_tensors(shape).items()}
    tensors["bins"] = np.array(shape.bins, np.int32)
    tensors["head_bias@2"] = np.float32([[1, 2, 3]])
    built = example_built(shape, tensors | {"skip@2": example_tensors(shape)["skip@2"]})
    whole(built)


def test_missing_and_misshapen_tensors_are_named() -> None:
    shape, tensors, *_ = example()
    judge = example_judge(shape, tensors)
    with pytest.raises(HeadError, match="a root must have the tensor 'weight_2' to be published"):
        example_built(shape, {name: value for name, value in tensors.items() if name != "weight_2"}, judge=judge)
    with pytest.raises(HeadError, match=r"a root's tensor 'bias_1' must have shape \(16,\), got \(3,\)"):
        example_built(shape, tensors | {"bias_1": np.zeros(3, np.float32)}, judge=judge)


def test_a_version_keeps_its_parents_grid_and_chain() -> None:
    shape, tensors, built, head = example("wide")
    first = whole(built, head)
    second = example_built(shape, nudged(tensors), version=2, parent=first)
    chains = [[cut.id for cut in made.head.cuts if cut.chain] for made in (built, second)]
    assert chains[0] == chains[1][: len(chains[0])]
    assert second.head.grid == built.head.grid
    assert set(second.chunks) > {row.sha256 for row in second.head.chunks}
    assert opened(second).head == second.head


def test_parent_of_a_parent_is_no_parent() -> None:
    shape, tensors, built, head = example("plain")
    second = example_built(shape, nudged(tensors), version=2, parent=Assembly(head))
    assert second.head.parent == head.sha256
    assert isinstance(second.head, Head)
    assert built.head.parent is None


# -- the chain


def judged(values: dict[tuple[int, int, int], tuple[float, float]]) -> dict[Triple, Judged]:
    return {Triple(*cut): Judged(Triple(*cut), a, a, a, size) for cut, (a, size) in values.items()}


def test_the_chain_takes_the_largest_gain_per_byte() -> None:
    table = judged(
        {
            (0, 0, 1): (0.5, 10),
            (0, 0, 2): (0.75, 20),  # the first that is usable
            (1, 0, 2): (0.85, 60),  # 0.1 for 40
            (0, 0, 3): (0.77, 30),  # 0.02 for 10
            (1, 0, 3): (0.90, 90),
            (1, 1, 2): (0.88, 200),
            (1, 1, 3): (0.91, 300),
        }
    )
    assert choose_chain(table, 0.8) == [Triple(0, 0, 2), Triple(1, 0, 2), Triple(1, 0, 3), Triple(1, 1, 3)]
    assert choose_chain(table, 0.0)[0] == Triple(0, 0, 1)
    worse = judged({(0, 0, 1): (-0.5, 10), (1, 0, 1): (-0.1, 20)})
    assert choose_chain(worse, 0.8) == [Triple(1, 0, 1)]


def test_a_parents_chain_is_carried_on_where_that_pays() -> None:
    table = judged({(0, 0, 1): (0.5, 10), (0, 0, 2): (0.5005, 20), (1, 0, 2): (0.8, 40), (1, 1, 2): (0.9, 90)})
    assert extend_chain([Triple(0, 0, 1)], table) == [Triple(0, 0, 1), Triple(1, 0, 2), Triple(1, 1, 2)]
    assert extend_chain([Triple(1, 1, 2)], table) == [Triple(1, 1, 2)]


def test_estimates_come_near_what_chunks_take() -> None:
    rng = np.random.default_rng(0)
    codes = rng.laplace(0, 20, 20_000).astype(np.int32)
    assert cell_bytes(codes, 6) < cell_bytes(codes, 5) < cell_bytes(codes, 4)
    assert cell_bytes(np.zeros(50, np.int32), 3) == 0
    assert cell_bytes(codes, 0) == pytest.approx(20_000 / 8, rel=0.15)


@given(st.integers(1, 70), st.integers(1, 40))
def test_thinned_keeps_the_ends(count: int, most: int) -> None:
    table = judged({(0, 0, at + 1): (0.1, at) for at in range(count)})
    kept = thinned(list(table), table, most)
    assert len(set(kept)) == len(kept) == min(count, most)
    assert kept == sorted(kept)
    assert kept[-1] == Triple(0, 0, count)
    assert most == 1 or kept[0] == Triple(0, 0, 1)
    assert thinned(list(table), table, 0) == []


# -- the layout


@settings(max_examples=40)
@given(st.data())
def test_every_cell_lies_in_one_chunk_below_the_planes_above(data: st.DataObject) -> None:
    shape, planes = example()[0], 5
    cuts = every_cut(shape, planes)
    chain = [data.draw(st.sampled_from(cuts))]
    while above := [cut for cut in cuts if chain[-1].within(cut) and cut != chain[-1]]:
        chain.append(data.draw(st.sampled_from(above)))
        if data.draw(st.booleans()):
            break
    sets = [cells_of(cut, shape.regions, planes) for cut in chain]
    steps = [sets[0], *(after - before for before, after in pairwise(sets))]
    target = data.draw(st.sampled_from([5, 40, 1_000]))
    chunks, ends = chain_chunks(steps, lambda _cell: 2.0, target_bytes=target, piece_bytes=target)
    beside = data.draw(st.lists(st.sampled_from(cuts), max_size=4, unique=True))
    chunks += other_chunks(
        {cut: cells_of(cut, shape.regions, planes) for cut in beside},
        sets[-1],
        lambda _cell: 2.0,
        target_bytes=target,
        piece_bytes=target,
    )
    seen: list[tuple[int, int]] = []
    for cells in chunks:
        assert cells
        for region, plane in cells:
            assert plane == planes - 1 or (region, plane + 1) in seen
            seen.append((region, plane))
    wanted = set().union(sets[-1], *(cells_of(cut, shape.regions, planes) for cut in beside))
    assert len(seen) == len(set(seen))
    assert set(seen) == wanted
    assert ends[-1] == len(chain) - 1


def test_ordered_cells_are_blocks() -> None:
    cells = {(r, p) for r in (0, 1, 2) for p in (3, 4)} | {(5, 4), (6, 4), (6, 3)}
    assert ordered(cells) == [(0, 4), (1, 4), (2, 4), (0, 3), (1, 3), (2, 3), (5, 4), (6, 4), (6, 3)]


def test_large_steps_have_several_chunks_and_small_ones_share() -> None:
    big = {(r, 7) for r in range(40)}
    assert [len(part) for part in pieces(ordered(big), lambda _cell: 1.0, 10)] == [10, 10, 10, 10]
    steps = [{(0, 7)}, {(1, 7)}, {(2, 7)}, big - {(0, 7), (1, 7), (2, 7)}]
    chunks, ends = chain_chunks(steps, lambda _cell: 1.0, target_bytes=8, piece_bytes=8)
    assert ends == [2, 3]
    assert len(chunks[0]) == 3


# -- what is sent as it is


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30), st.floats(1e-6, 1))
def test_trimmed_numbers_stay_within_their_tolerance(values: list[float], tolerance: float) -> None:
    exact = np.array(values, np.float32)
    assert np.abs(trimmed(exact, tolerance).astype(np.float64) - exact).max() <= tolerance


def test_edges_keep_their_bins() -> None:
    rng = np.random.default_rng(0)
    edges = np.concatenate([np.sort(rng.normal(size=9)) for _ in range(20)]).astype(np.float32)
    exact = {
        "edges": edges,
        "bins": np.full(20, 8, np.int32),
        "frequencies": edges[:4],
        "bias_1": edges,
        "head_bias@1": edges,
    }
    made = trimmed_exact(exact, 0.01)
    widths, kept = np.diff(edges.reshape(20, 9)), np.diff(made["edges"].reshape(20, 9))
    assert np.abs(kept / widths - 1).max() < 0.04
    assert np.abs(made["bias_1"] - edges).max() <= 0.005
    assert np.abs(made["head_bias@1"] - edges).max() <= 0.01 / 16
    assert np.abs(made["frequencies"] / edges[:4] - 1).max() <= 1 / 1_024
    low = made["edges"].view(np.uint32) & 0xFF
    assert (low == 0).mean() > 0.9


def test_a_chunk_that_came_out_too_large_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    shape, tensors, built, _ = example("wide")
    monkeypatch.setattr(coded_root, "MOST_BYTES", 600)
    small = example_built(shape, tensors)
    assert len(small.head.chunks) > len(built.head.chunks)
    assert max(row.bytes for row in small.head.chunks if len(row.cells) > 1) <= 600
    whole(small)


def test_no_two_chunks_are_the_same() -> None:
    shape = example_shape(widths=((6,), (12,)))
    zeros = {name: np.zeros_like(value) for name, value in example_tensors(shape).items()}
    root = coded_root.CodedRoot(shape, zeros | {"bins": np.array(shape.bins, np.int32)}, Recipe(trim=False))
    top = root.grid.planes - 1
    same = [at for at, region in enumerate(shape.regions) if region.tensor.startswith("skip")]
    rows, data = root.encode([[(same[0], top)], [(same[1], top)], [(same[0], top - 1)]])
    assert [row.cells for row in rows] == [((same[0], top), (same[1], top)), ((same[0], top - 1),)]
    assert set(data) == {row.sha256 for row in rows}


def test_first_chunk_is_small_where_a_small_cut_is_good_enough() -> None:
    head = example("wide")[2].head
    first, second = (row for row in head.cuts[:2])
    assert (first.chunks, second.chunks) == ((0,), (0, 1))
    assert first.accuracy >= 0.8 * max(row.accuracy for row in head.cuts)
    assert first.bytes <= 512 < second.bytes
