"""Cells as bytes: exact ones round-trip and nothing else passes, raw ones take any bits."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from netgraft.delivery.format.planes import (
    BitReader,
    Cells,
    pack_cell,
    pack_raw,
    read_cell,
    read_raw,
    size_bounds,
    split_cell,
)
from netgraft.errors import ChunkError

PLANES = 5
codes_ = hnp.arrays(np.int32, st.integers(1, 70), elements=st.integers(-(2**PLANES) + 1, 2**PLANES - 1))


def kept(codes: np.ndarray, lowest: int) -> np.ndarray:
    return np.sign(codes) * (np.abs(codes) >> lowest << lowest)


@given(codes_, st.integers(0, PLANES - 1))
def test_exact_cells_give_the_planes_back(codes: np.ndarray, lowest: int) -> None:
    cells = Cells([len(codes)], PLANES)
    for plane in range(PLANES - 1, lowest - 1, -1):
        data = pack_cell(codes, plane)
        least, most = size_bounds(len(codes), raw=False, signs=False)
        assert least <= len(data) <= most
        reader = BitReader(data)
        assert cells.expects(0, plane)
        read_cell(cells, (0, plane), reader)
        reader.finish()
    np.testing.assert_array_equal(cells.codes[0], kept(codes, lowest))


@given(codes_, st.integers(0, PLANES), st.randoms(use_true_random=False))
def test_raw_cells_give_the_planes_back_and_a_wrong_bit_spoils_one_number(
    codes: np.ndarray, exact: int, random: object
) -> None:
    cells = Cells([len(codes)], PLANES)
    for plane in range(PLANES - 1, -1, -1):
        if plane >= PLANES - exact:
            read_cell(cells, (0, plane), BitReader(pack_cell(codes, plane)))
            continue
        first = plane == PLANES - 1 - exact
        data = pack_raw(codes, plane, signs=first)
        assert (len(data),) * 2 == size_bounds(len(codes), raw=True, signs=first)
        read_raw(cells, (0, plane), BitReader(data, strict=False))
    np.testing.assert_array_equal(cells.codes[0], codes)


@given(codes_, st.data())
def test_one_wrong_bit_of_a_raw_plane_changes_one_number_by_that_bit(codes: np.ndarray, data: st.DataObject) -> None:
    plane, place = data.draw(st.integers(0, PLANES - 1)), data.draw(st.integers(0, len(codes) - 1))
    cells = Cells([len(codes)], PLANES)
    for at in range(PLANES - 1, -1, -1):
        raw = bytearray(pack_raw(codes, at, signs=at == PLANES - 1))
        if at == plane:
            byte = (len(codes) + 7) // 8 * (at == PLANES - 1) + place // 8
            raw[byte] ^= 0x80 >> place % 8
        read_raw(cells, (0, at), BitReader(bytes(raw), strict=False))
    difference = np.abs(np.abs(cells.codes[0]) - np.abs(codes))
    assert difference[place] == 1 << plane
    assert np.delete(difference, place).sum() == 0


def test_the_runs_of_a_cell_are_those_of_the_specification() -> None:
    codes = np.array([0b101, -0b110, 0b001, 0, -0b011], np.int32)
    first, later, signs = split_cell(codes, 1)
    assert (first.tolist(), later.tolist(), signs.tolist()) == ([False, False, True], [False, True], [True])
    assert pack_cell(codes, 1) == bytes([0b00100000, 0b01000000, 0b10000000])
    assert pack_raw(codes, 1, signs=True) == bytes([0b01001000, 0b01001000])


def test_what_is_not_a_cell_is_refused() -> None:
    codes = np.array([1, -1, 3], np.int32)
    data = pack_cell(codes, 1)
    cells = Cells([3], 2)
    with pytest.raises(ChunkError, match="a chunk must hold 1 bytes of first bits, got 0"):
        read_cell(cells, (0, 1), BitReader(b""))
    with pytest.raises(ChunkError, match="a chunk must have zeros after a run of first bits, got ones"):
        read_cell(cells, (0, 1), BitReader(bytes([data[0] | 1]) + data[1:]))
    reader = BitReader(data + b"\0")
    read_cell(Cells([3], 2), (0, 1), reader)
    with pytest.raises(ChunkError, match=r"a chunk must hold \d bytes of cells, got \d"):
        reader.finish()


def test_cells_come_from_the_highest_plane_down() -> None:
    cells = Cells([4], 3)
    assert [cells.expects(0, plane) for plane in range(3)] == [False, False, True]
    assert all(Cells([4], None).expects(0, plane) for plane in range(3))
    read_cell(cells, (0, 2), BitReader(bytes(2)))
    assert [cells.expects(0, plane) for plane in range(3)] == [False, True, False]
