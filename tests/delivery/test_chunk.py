"""Chunks: all of their cells or none, hash before anything else, sizes that can be."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from delivery_examples import HAS_RANGE
from hypothesis import given, settings

from netgraft.delivery.format.chunk import check_bytes, content_bounds, decode_chunk, decode_content, encode_chunk
from netgraft.delivery.format.planes import Cells, pack_cell
from netgraft.errors import ChunkError
from netgraft.records import sha256_hex

PLANES = 6
CODECS = [(), ("zstd",), *([("range",), ("zstd", "range")] if HAS_RANGE else [])]


def codes_of(sizes: list[int], seed: int = 0, scale: float = 6.0) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(seed)
    most = 2**PLANES - 1
    return {r: np.clip(rng.laplace(0, scale, n), -most, most).astype(np.int32) for r, n in enumerate(sizes)}


def every_cell(regions: int) -> list[tuple[int, int]]:
    return [(region, plane) for plane in range(PLANES - 1, -1, -1) for region in range(regions)]


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=4),
    st.sampled_from(CODECS),
    st.integers(0, 9),
    st.integers(1, 24),
)
def test_chunks_give_the_cells_back(sizes: list[int], codecs: tuple[str, ...], seed: int, cut: int) -> None:
    codes, cells = codes_of(sizes, seed), every_cell(len(sizes))
    known = Cells(sizes, PLANES)
    for part in (cells[:cut], cells[cut:]):
        if not part:
            continue
        row, data = encode_chunk(part, codes, codecs=codecs)
        assert (row.bytes, row.sha256) == (len(data), sha256_hex(data))
        assert row.codec in ("raw", *codecs)
        least, most = content_bounds(part, sizes)
        assert least <= row.decoded_bytes <= most
        assert row.bytes <= row.decoded_bytes
        assert decode_chunk(row, data, known)
    for region, expected in codes.items():
        np.testing.assert_array_equal(known.codes[region], expected)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=3), st.data())
def test_tolerant_chunks_take_any_bits(sizes: list[int], data_: st.DataObject) -> None:
    codes, cells = codes_of(sizes), every_cell(len(sizes))
    signs = frozenset((r, PLANES - 1) for r in codes)
    row, data = encode_chunk(cells, codes, signs=signs)
    assert (row.protection, row.codec, row.decoded_sha256) == ("tolerant", "raw", row.sha256)
    assert content_bounds(cells, sizes, signs=signs) == (len(data), len(data))
    known = Cells(sizes, PLANES)
    assert decode_chunk(row, data, known)
    for region, expected in codes.items():
        np.testing.assert_array_equal(known.codes[region], expected)
    noise = data_.draw(st.binary(min_size=len(data), max_size=len(data)))
    known = Cells(sizes, PLANES)
    assert decode_chunk(row, noise, known) == (noise == data)
    assert all(np.abs(known.codes[region]).max() < 2**PLANES for region in codes)
    with pytest.raises(ChunkError, match=f"must have {len(data)} bytes, got {len(data) - 1}"):
        decode_chunk(row, noise[:-1], Cells(sizes, PLANES))


@pytest.mark.parametrize("codecs", CODECS)
def test_every_wrong_bit_is_found_before_anything_is_read(codecs: tuple[str, ...]) -> None:
    codes = codes_of([200, 50])
    row, data = encode_chunk(every_cell(2), codes, codecs=codecs)
    known = Cells([200, 50], PLANES)
    for bit in range(0, 8 * len(data), 5):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ChunkError, match="must have this SHA-256, got"):
            decode_chunk(row, bytes(wrong), known)
    assert not known.codes


def test_a_chunk_of_another_size_is_refused() -> None:
    row, data = encode_chunk(every_cell(1), codes_of([99]))
    for wrong in (b"", data[:-1], data + b"\0"):
        with pytest.raises(ChunkError, match=f"must have {row.bytes} bytes, got {len(wrong)}"):
            check_bytes(row, wrong)


def test_content_must_be_what_the_head_names() -> None:
    codes = codes_of([300])
    row, data = encode_chunk(every_cell(1), codes)
    lies = [
        (replace(row, decoded_sha256="0" * 64), "must hold bytes of SHA-256 000000000000, got"),
        (replace(row, decoded_bytes=row.decoded_bytes + 1), "must .* bytes"),
        (replace(row, cells=row.cells[:-1]), "must hold"),
        (replace(row, cells=row.cells[1:]), "plane 4 of region 0 must come after the planes above it, got it before"),
    ]
    for lie, text in lies:
        known = Cells([300], PLANES)
        with pytest.raises(ChunkError, match=text):
            decode_chunk(lie, data, known)
        assert not known.codes
        assert not known.lowest
    raw, plain = encode_chunk(every_cell(1), codes, codecs=())
    with pytest.raises(ChunkError, match=f"must hold {raw.decoded_bytes - 1} bytes, got {raw.decoded_bytes}"):
        decode_chunk(replace(raw, decoded_bytes=raw.decoded_bytes - 1), plain, Cells([300], PLANES))


def test_another_encoding_than_the_head_says_is_refused() -> None:
    codes = codes_of([300])
    row, data = encode_chunk(every_cell(1), codes, codecs=())
    for codec in ("zstd", *(("range",) if HAS_RANGE else ())):
        with pytest.raises(ChunkError):
            decode_chunk(replace(row, codec=codec), data, Cells([300], PLANES))


def test_content_may_come_by_another_way() -> None:
    codes = codes_of([120])
    row, _ = encode_chunk(every_cell(1), codes)
    content = b"".join(pack_cell(codes[r], p) for r, p in row.cells)
    known = Cells([120], PLANES)
    decode_content(row, content, known)
    np.testing.assert_array_equal(known.codes[0], codes[0])
    with pytest.raises(ChunkError, match="must hold bytes of SHA-256"):
        decode_content(row, content[:-1] + b"\x01", Cells([120], PLANES))


def test_a_malformed_content_that_the_publisher_signed_is_refused() -> None:
    """The hashes hold, the bits do not."""
    codes = codes_of([117])
    row, data = encode_chunk([(0, PLANES - 1)], codes, codecs=())
    end = (117 + 7) // 8 - 1
    wrong = data[:end] + bytes([data[end] | 1]) + data[end + 1 :]
    signed = replace(row, sha256=sha256_hex(wrong), decoded_sha256=sha256_hex(wrong))
    with pytest.raises(ChunkError, match="a chunk must have zeros after a run"):
        decode_chunk(signed, wrong, Cells([117], PLANES))
