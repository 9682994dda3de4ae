"""Streams and codes of bits: what is written is read, all else is refused, nothing grows beyond its bound."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
import zstandard
from delivery_examples import HAS_RANGE
from hypothesis import given, settings

from netgraft.delivery.format import codec
from netgraft.delivery.format.codec import (
    RangeReader,
    RangeWriter,
    compress,
    expand,
    probability,
    stated_bytes,
)
from netgraft.delivery.format.streams import StreamReader, StreamWriter, gaps_of
from netgraft.errors import ChunkError

needs_range = pytest.mark.skipif(not HAS_RANGE, reason="constriction is not installed")
Runs = list[tuple[np.ndarray, str]]


@st.composite
def runs(draw: st.DrawFn) -> Runs:
    """Return the runs of some cells, sparse and dense."""
    made: Runs = []
    rng = np.random.default_rng(draw(st.integers(0, 1_000)))
    for _ in range(draw(st.integers(1, 4))):
        share = draw(st.sampled_from([0.0, 0.001, 0.02, 0.3, 0.5, 1.0]))
        count = draw(st.sampled_from([0, 1, 9, 300, 4_000]))
        made += [(rng.random(count) < share, "first"), (rng.random(count // 3) < 0.5, "later")]
        made.append((rng.random(int(made[-2][0].sum())) < 0.5, "sign"))
    return made


def packed_bytes(made: Runs) -> int:
    return sum((len(bits) + 7) // 8 for bits, _ in made)


def written(writer: StreamWriter | RangeWriter, made: Runs) -> bytes:
    for bits, run in made:
        writer.write(bits, run)
    return writer.done()


@settings(max_examples=60)
@given(runs())
def test_streams_give_every_run_back(made: Runs) -> None:
    data = written(StreamWriter(), made)
    reader = StreamReader(data, len(made) // 3, packed_bytes(made))
    for bits, run in made:
        np.testing.assert_array_equal(reader(len(bits), run), bits)
    reader.finish()


@needs_range
@settings(max_examples=40)
@given(runs())
def test_range_codes_give_every_run_back(made: Runs) -> None:
    data = written(RangeWriter(), made)
    reader = RangeReader(data, len(made) // 3 * 2)
    for bits, run in made:
        np.testing.assert_array_equal(reader(len(bits), run), bits)


@needs_range
def test_range_codes_come_near_the_entropy() -> None:
    bits = np.random.default_rng(0).random(20_000) < 0.03
    data = written(RangeWriter(), [(bits, "first"), (bits[:0], "later")])
    share = bits.mean()
    entropy = -len(bits) * (share * np.log2(share) + (1 - share) * np.log2(1 - share)) / 8
    assert entropy < len(data) < 1.01 * entropy + 8


def test_streams_come_nearer_the_entropy_than_one_frame() -> None:
    rng = np.random.default_rng(0)
    made = [(rng.random(30_000) < 0.01, "first"), (rng.random(9_000) < 0.5, "later"), (rng.random(300) < 0.5, "sign")]
    one = compress(b"".join(np.packbits(bits).tobytes() for bits, _ in made))
    assert len(written(StreamWriter(), made)) < 0.95 * len(one)


def test_small_things_are_one_frame() -> None:
    made = [(np.zeros(900, bool), "first"), (np.zeros(600, bool), "later"), (np.zeros(0, bool), "sign")]
    data = written(StreamWriter(), made)
    assert data[:2] == b"\xff\xff"
    reader = StreamReader(data, 1, packed_bytes(made))
    assert [reader(len(bits), run).any() for bits, run in made] == [False] * 3
    reader.finish()


@given(st.lists(st.integers(0, 2_000), max_size=20), st.integers(1, 300))
def test_gaps_say_where_the_ones_are(gaps: list[int], tail: int) -> None:
    ones = np.cumsum(np.array(gaps, np.int64) + 1) - 1
    bits = np.zeros((int(ones[-1]) + 1 if len(ones) else 0) + tail, bool)
    bits[ones] = True
    assert len(gaps_of(bits)) == len(gaps) + 1 + sum(gap // 255 for gap in [*gaps, tail])


def test_probabilities_are_whole_numbers_in_order() -> None:
    names = [probability(name) for name in range(256)]
    assert names == sorted(names)
    assert names[0] == 1
    assert names[-1] == 63_488


def test_frames_are_bounded_before_they_are_expanded() -> None:
    data = compress(b"a" * 10_000)
    assert expand(data, 10_000) == b"a" * 10_000
    assert stated_bytes(data) == 10_000
    with pytest.raises(ChunkError, match="a zstd frame must state a content of 9999 bytes, got 10000"):
        expand(data, 9_999)
    with pytest.raises(ChunkError, match="one whole zstd frame is required, got"):
        expand(b"no frame at all", 3)
    with pytest.raises(ChunkError, match="one whole zstd frame is required, got"):
        expand(data + b"x", 10_000)
    with pytest.raises(ChunkError, match="one whole zstd frame is required, got"):
        expand(data[:-3], 10_000)
    unstated = zstandard.ZstdCompressor(write_content_size=False).compress(b"a" * 100)
    with pytest.raises(ChunkError, match="a zstd frame must state a content of 100 bytes"):
        expand(unstated, 100)
    with pytest.raises(ChunkError, match="a zstd frame must state the size of its content"):
        stated_bytes(unstated)
    with pytest.raises(ChunkError, match="a zstd frame is required, got"):
        stated_bytes(b"no frame")


def test_a_frame_that_lies_about_its_size_is_refused() -> None:
    data = bytearray(compress(np.random.default_rng(0).bytes(200) * 5))
    assert stated_bytes(bytes(data)) == 1_000
    at = next(i for i in range(len(data)) if int.from_bytes(data[i : i + 2], "little") == 1_000 - 256)
    data[at : at + 2] = (900 - 256).to_bytes(2, "little")
    with pytest.raises(ChunkError, match="one whole zstd frame is required, got"):
        expand(bytes(data), 900)


def test_a_dictionary_or_a_large_window_is_refused() -> None:
    words = [b"the same words again and again %d" % i for i in range(2_000)]
    dictionary = zstandard.train_dictionary(1_024, words)
    data = zstandard.ZstdCompressor(dict_data=dictionary).compress(words[0])
    with pytest.raises(ChunkError, match="a window of at most 128 MiB and no dictionary, got another"):
        expand(data, len(words[0]))


SPOILT: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda data: data[:3], "a chunk must begin with the sizes of two frames, got 3 bytes"),
    (lambda data: b"\x00\xf0" + data[2:], "a chunk must have two frames of 61440 and"),
    (lambda data: data[:-1], "a chunk must hold .* bytes of .* bits, got"),
    (lambda data: data + b"\0", "a chunk must hold .* bytes of cells, got"),
    (lambda data: b"\0\0" + data[2:4] + data[4 + int.from_bytes(data[:2], "little") :], "a chunk must .*"),
    (lambda data: b"\xff\xff" + data[2:], "one whole zstd frame is required, got"),
]


@pytest.mark.parametrize(("spoil", "text"), SPOILT)
def test_spoilt_streams_are_refused(spoil: Callable[[bytes], bytes], text: str) -> None:
    rng = np.random.default_rng(1)
    made = [(rng.random(3_000) < share, run) for share, run in [(0.02, "first"), (0.5, "later"), (0.5, "sign")]]
    data = spoil(written(StreamWriter(), made))
    with pytest.raises(ChunkError, match=text):
        read_all(data, made)


def read_all(data: bytes, made: Runs) -> None:
    reader = StreamReader(data, len(made) // 3, packed_bytes(made))
    for bits, run in made:
        reader(len(bits), run)
    reader.finish()


def streams(forms_and_gaps: bytes, packed: bytes = b"", plain: bytes = b"") -> bytes:
    frames = [compress(each) if each else b"" for each in (forms_and_gaps, packed)]
    return b"".join([*(len(frame).to_bytes(2, "little") for frame in frames), *frames, plain])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (streams(b"\x02\x05"), "gaps must end behind a run of 10 bits, got others"),  # a one, and no end
        (streams(b"\x02\x05\x0b"), "gaps must end behind a run of 10 bits, got others"),  # beyond the end
        (streams(b"\x02\xff"), "gaps must end behind a run of 10 bits, got others"),
        (streams(b"\x02\x0a\x00"), "a chunk must hold 2 bytes of gaps, got 3"),
        (streams(b"\x03"), "a run must be in stream 0, 1 or 2, got 3"),
        (streams(b""), "a chunk must hold 2 bytes of first bits, got 0"),
        (streams(b"\x02" * 40), "a chunk's frame must hold at most 3 bytes, got 40"),
        (streams(b"", b"\0\0\0"), "a chunk's frame must hold at most 2 bytes, got 3"),
    ],
)
def test_malformed_gaps_and_frames_are_refused(data: bytes, text: str) -> None:
    with pytest.raises(ChunkError, match=text):
        read_all(data, [(np.zeros(10, bool), "first"), (np.zeros(0, bool), "later"), (np.zeros(0, bool), "sign")])


def test_every_cell_must_say_where_it_is() -> None:
    with pytest.raises(ChunkError, match="a chunk must say of 3 cells where they are, got 2"):
        StreamReader(streams(b"\0\0"), 3, 10)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_arbitrary_bytes_raise_nothing_else(data: bytes, count: int) -> None:
    made = [(np.zeros(count, bool), "first"), (np.zeros(count, bool), "later"), (np.zeros(3, bool), "sign")]
    try:
        read_all(data, made)
    except ChunkError:
        return


@needs_range
@given(st.binary(max_size=100))
def test_arbitrary_range_codes_raise_nothing_else(data: bytes) -> None:
    try:
        reader = RangeReader(data, 2)
        reader(500, "first")
        reader(500, "later")
        reader(500, "sign")
    except ChunkError:
        return


@needs_range
def test_range_codes_are_whole() -> None:
    with pytest.raises(ChunkError, match="a range code must have 4 bytes and whole words after them, got 3 bytes"):
        RangeReader(b"abc", 4)
    with pytest.raises(ChunkError, match="a range code must have 4 bytes and whole words after them, got 6 bytes"):
        RangeReader(b"abcdef", 4)
    with pytest.raises(ChunkError, match="a range code is required, got"):
        RangeReader(b"\x10\x10" + b"\xff" * 12, 2)(100_000, "first")


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise ImportError

    monkeypatch.setattr(codec.importlib, "import_module", missing)
    with pytest.raises(ChunkError, match=r"the package constriction is required for range codes: pip install"):
        RangeWriter()
