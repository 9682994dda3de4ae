"""Assemblies: in any order, from any down-closed set, always the same models."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from delivery_examples import Assembly, example, example_inputs, whole
from hypothesis import given, settings

from netgraft.delivery.format.chunk import decode_chunk, encode_chunk
from netgraft.delivery.format.planes import Cells
from netgraft.errors import ChunkError
from netgraft.runtime import dequantise
from netgraft.runtime.nested import network

KINDS = ["plain", "tolerant", "wide"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_alone_is_a_working_model(kind: str) -> None:
    _, _, built, head = example(kind)
    assembly = Assembly(head)
    cut = assembly.ready()
    assert assembly.held == {0}
    assert cut is not None
    assert cut.accuracy >= 0.8
    assembly.check(cut, assembly.model(cut))
    assert built.head.chunks[0].bytes == len(head.first)


@settings(max_examples=25)
@given(st.sampled_from(KINDS), st.randoms(use_true_random=False))
def test_the_order_of_chunks_does_not_matter_and_models_do_not_change(kind: str, random: Any) -> None:
    _, _, built, head = example(kind)
    order = list(range(len(built.head.chunks)))
    random.shuffle(order)
    assembly, seen = Assembly(head), dict[str, Any]()
    inputs = example_inputs(built.head.shape, 7)
    final = whole(built, head)
    for index in order:
        assembly.add(index, built.chunks[built.head.chunks[index].sha256])
        for cut in built.head.cuts:
            if assembly.has(cut):
                outputs = assembly.model(cut).parts[0].outputs(inputs)
                np.testing.assert_array_equal(seen.setdefault(cut.id, outputs), outputs)
    assert assembly.held == set(order)
    assert len(seen) == len(built.head.cuts)
    for cut in built.head.cuts:
        np.testing.assert_array_equal(seen[cut.id], final.model(cut).parts[0].outputs(inputs))
        assembly.check(cut, assembly.model(cut))


@settings(max_examples=25)
@given(st.data())
def test_every_down_closed_set_of_cells_decodes(data: st.DataObject) -> None:
    """Not only the cuts of the table: any choice of how many planes of each region."""
    _, _, built, head = example("plain")
    full = whole(built, head)
    sizes, planes = head.head.sizes, head.head.grid.planes
    kept = data.draw(st.lists(st.integers(0, planes), min_size=len(sizes), max_size=len(sizes)))
    codes = {region: full.codes(region) for region in range(len(sizes))}
    cells = [(r, p) for p in range(planes - 1, -1, -1) for r in range(len(sizes)) if p >= planes - kept[r]]
    cut = data.draw(st.integers(0, len(cells)))
    known = Cells(sizes, planes)
    for part in (cells[:cut], cells[cut:]):
        if part:
            decode_chunk(*encode_chunk(part, codes), known)
    for region, count in enumerate(kept):
        lowest = planes - count
        found = dequantise(known.known(region), head.head.grid, lowest)
        np.testing.assert_array_equal(found, dequantise(codes[region], head.head.grid, lowest))


def test_a_cuts_numbers_are_contained_in_a_larger_cuts() -> None:
    for kind in KINDS:
        _, _, built, head = example(kind)
        assembly = whole(built, head)
        chain = [cut for cut in built.head.cuts if cut.chain]
        for small, large in pairwise(chain):
            assert set(small.chunks) <= set(large.chunks)
            inner, outer = assembly.tensors(small), assembly.tensors(large)
            for name in set(inner) - set(head.head.shape.exact):
                same = np.sign(inner[name]) == np.sign(outer[name])
                assert (same | (inner[name] == 0)).all()


def test_units_of_a_triangular_network_compute_the_same_in_every_shell() -> None:
    _, _, built, head = example("plain")
    assembly = whole(built, head)
    cut = built.head.cut("d2s2p8")
    tensors = assembly.tensors(cut)
    shape, inputs = head.head.shape, example_inputs(head.head.shape, 9)
    assert shape.triangular
    found = []
    for shell in range(shape.shells):
        net = network(shape, tensors, 2, shell)
        probe = dict(net.tensors)
        width = shape.widths[0][1]
        probe["head"] = np.zeros_like(net.tensors["head"])
        probe["head"][0, :width] = tensors["head@2"][0, :width]
        found.append(replace(net, tensors=probe).outputs(inputs))
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    np.testing.assert_allclose(found[0], found[2], atol=1e-6)


def test_the_best_of_what_is_held_is_ready() -> None:
    _, _, built, head = example("wide")
    assembly = Assembly(head)
    accuracies = []
    for index, row in enumerate(built.head.chunks):
        assembly.add(index, built.chunks[row.sha256])
        cut = assembly.ready()
        assert cut is not None
        assert cut.chunks[-1] <= index
        accuracies.append(cut.accuracy)
    assert accuracies == sorted(accuracies)
    assert accuracies[-1] == max(row.accuracy for row in built.head.cuts)


def test_the_model_says_what_it_is() -> None:
    _, _, built, head = example("plain")
    assembly = Assembly(head)
    cut = assembly.ready()
    assert cut is not None
    about = assembly.model(cut).about
    assert about["delivered"] == {"name": "energy", "version": 1, "cut": cut.id, "head": head.sha256}
    assert about["target"] == built.head.about["target"]


def test_chunks_that_are_not_there_are_named() -> None:
    _, _, built, head = example("wide")
    assembly = Assembly(head)
    for index in (-1, len(built.head.chunks), 1.0, True):
        with pytest.raises(ChunkError, match=r"a chunk must be one of 0 to \d, got "):
            assembly.add(index, b"")  # type: ignore[arg-type]
    last = max(built.head.cuts, key=lambda cut: cut.bytes)
    with pytest.raises(ChunkError, match=rf"cut {last.id} requires the chunks 1, 2, .*, got none of them"):
        assembly.tensors(last)


def test_a_damaged_chunk_is_refused_and_the_right_one_taken_after_it() -> None:
    _, _, built, head = example("wide")
    assembly = Assembly(head)
    data = built.chunks[built.head.chunks[1].sha256]
    with pytest.raises(ChunkError, match="must have this SHA-256"):
        assembly.add(1, data[:-1] + bytes([data[-1] ^ 1]))
    assert assembly.held == {0}
    assembly.add(1, data)
    assembly.add(1, data)
    assert assembly.held == {0, 1}


def test_hash_swapped_chunks_are_refused() -> None:
    _, _, built, head = example("wide")
    with pytest.raises(ChunkError):
        Assembly(head).add(1, built.chunks[built.head.chunks[2].sha256])


def test_tolerant_chunks_with_wrong_bits_are_counted_and_gated_by_the_canary() -> None:
    _, _, built, head = example("tolerant")
    data = bytearray(built.chunks[built.head.chunks[1].sha256])
    data[-1] ^= 1  # one of the lowest bits
    assembly = Assembly(head)
    assembly.add(1, bytes(data))
    assert (assembly.held, assembly.damaged) == ({0, 1}, {1})
    cut = assembly.ready()
    assert cut is not None
    assembly.check(cut, assembly.model(cut))
    with pytest.raises(ChunkError, match="must have 516 bytes, got 515"):
        Assembly(head).add(1, bytes(data[:-1]))
    with pytest.raises(ChunkError, match="chunk 1 must be exact and held to have a content, got another"):
        assembly.content(1)
    with pytest.raises(ChunkError, match="chunk 1 must be exact to be added by its content, got a tolerant one"):
        assembly.add_content(1, bytes(data))


def test_the_canary_finds_wrong_numbers() -> None:
    _, _, built, head = example("plain")
    assembly = whole(built, head)
    cut = built.head.cuts[0]
    model = assembly.model(cut)
    part = model.parts[0]
    for wrong in (0.2, np.nan):
        tensors = dict(part.tensors) | {"head_bias": part.tensors["head_bias"] + np.float32(wrong)}
        with pytest.raises(ChunkError, match=rf"the canary of cut {cut.id} must be answered within .*, got"):
            assembly.check(cut, replace(model, parts=(replace(part, tensors=tensors),)))


def test_contents_are_as_good_as_chunks() -> None:
    """For a store that holds what a delta made, which has no encoded bytes."""
    _, _, built, head = example("wide")
    full, made = whole(built, head), Assembly(head)
    for index in range(1, len(built.head.chunks)):
        made.add_content(index, full.content(index))
        made.add_content(index, full.content(index))
    assert made.held == full.held
    best = made.ready()
    assert best is not None
    np.testing.assert_array_equal(made.tensors(best)["weight_2"], full.tensors(best)["weight_2"])
    with pytest.raises(ChunkError, match="must hold"):
        Assembly(head).add_content(1, b"\0")
    with pytest.raises(ChunkError, match="chunk 2 must be exact and held to have a content, got another"):
        Assembly(head).content(2)


def test_a_head_without_canaries_has_nothing_to_check() -> None:
    _, _, built, head = example("plain")
    arrays = dict(head.arrays) | {"canary.outputs": head.arrays["canary.outputs"][:, :0]}
    assembly = whole(built, replace(head, arrays=arrays))
    assembly.check(built.head.cuts[0], assembly.model(built.head.cuts[0]))
