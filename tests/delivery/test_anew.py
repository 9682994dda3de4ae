"""A cut made anew has the numbers of the published one, in chunks that a device reads."""

from __future__ import annotations

import pytest
from delivery_examples import example, example_shape, example_tensors
from image_examples import image_example
from numpy.testing import assert_array_equal

from netgraft.delivery.coding.anew import cut_anew
from netgraft.delivery.format.chain import Triple
from netgraft.delivery.format.chunk import MOST_BYTES, decode_chunk
from netgraft.delivery.format.coverage import cover, cut_regions
from netgraft.delivery.format.planes import Cells
from netgraft.errors import ModelError
from netgraft.runtime.grid import dequantise, fit_grid, quantise


@pytest.mark.parametrize("kind", ["plain", "wide", "image", "image square"])
def test_chunks_hold_the_numbers_of_the_cut_and_no_others(kind: str) -> None:
    shape, tensors, _, head = (image_example if kind.startswith("image") else example)(kind)
    grid = head.head.grid
    for cut in {Triple(1, 0, 3), Triple(shape.depth, shape.shells - 1, grid.planes), Triple(shape.depth, 1, 1)}:
        known = Cells(head.head.sizes, grid.planes)
        rows = []
        for row, data in cut_anew(shape, tensors, cut, grid):
            assert decode_chunk(row, data, known)
            assert row.codec == "raw"
            rows.append(row)
        cover(rows, head.head.sizes, grid.planes)  # which a reader checks
        mine = cut_regions(shape.regions, cut.depth, cut.shell)
        assert sorted(known.codes) == mine
        for at in mine:
            region = shape.regions[at]
            expected = quantise(tensors[region.tensor].reshape(-1)[region.indices], grid.step, grid.planes)
            lowest = grid.planes - cut.planes
            assert known.lowest[at] == lowest
            assert_array_equal(dequantise(known.codes[at], grid, lowest), dequantise(expected, grid, lowest))


def test_no_chunk_is_too_large() -> None:
    shape = example_shape(widths=((8, 8), (500, 500)), triangular=False)
    tensors = example_tensors(shape)
    grid = fit_grid([tensors[name] for name in shape.coded], 12)
    made = list(cut_anew(shape, tensors, Triple(2, 1, 12), grid))
    assert max(len(region.indices) for region in shape.regions) > 100_000
    assert max(len(data) for _, data in made) <= MOST_BYTES
    known = Cells([len(region.indices) for region in shape.regions], 12)
    assert all(decode_chunk(row, data, known) for row, data in made)
    assert set(known.lowest.values()) == {0}


@pytest.mark.parametrize("cut", [Triple(1, 0, 13), Triple(1, 0, 0), Triple(3, 0, 1), Triple(-1, 0, 1), Triple(1, 2, 1)])
def test_cut_that_there_is_not_is_refused(cut: Triple) -> None:
    shape = example_shape(widths=((4, 4), (8, 8)), triangular=False)
    tensors = example_tensors(shape)
    grid = fit_grid([tensors[name] for name in shape.coded], 12)
    text = f"a cut of depth {shape.least_depth} to 2, shell 0 to 1 and 1 to 12 planes is required, got "
    with pytest.raises(ModelError, match=text + f"{cut.depth}, {cut.shell} and {cut.planes}"):
        list(cut_anew(shape, tensors, cut, grid))


def test_first_cut_of_images_has_no_block() -> None:
    shape, tensors, _, head = image_example()
    assert shape.least_depth == 0
    assert list(cut_anew(shape, tensors, Triple(0, 1, 2), head.head.grid))
