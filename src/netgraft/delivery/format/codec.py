"""How the bytes of a chunk get smaller: not at all, by zstd, or by a range coder with one probability per run of bits.

zstd (RFC 8878) is always there. The range coder is that of the package constriction, which is optional; its
probabilities are whole numbers over 65,536 that a byte names, so every machine computes the same ones.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from netgraft.delivery.format.planes import Bits
from netgraft.errors import ChunkError

CODECS = ("raw", "zstd", "range")
_LEVEL = 19
_MOST_WINDOW = 1 << 27
_WHOLE = 1 << 16


def compress(data: bytes) -> bytes:
    """Return one zstd frame that states the size of its content."""
    return zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True, write_checksum=False).compress(data)


def expand(data: bytes, size: int) -> bytes:
    """Return the content of one zstd frame; nothing larger than ``size`` is ever made.

    Raises:
        ChunkError: the data are no such frame, or its content has another size.
    """
    try:
        stated = zstandard.get_frame_parameters(data)
        if stated.content_size != size:
            raise ChunkError(f"a zstd frame must state a content of {size} bytes, got {stated.content_size}")
        if stated.window_size > _MOST_WINDOW or stated.dict_id:
            raise ChunkError("a zstd frame must have a window of at most 128 MiB and no dictionary, got another")
        whole = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW).decompress(
            data, max_output_size=size, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise ChunkError(f"one whole zstd frame is required, got: {error}") from error
    return whole


def stated_bytes(data: bytes) -> int:
    """Return the size of the content that a zstd frame states.

    Raises:
        ChunkError: the data are no frame, or state no size.
    """
    try:
        stated = zstandard.frame_content_size(data)
    except zstandard.ZstdError as error:
        raise ChunkError(f"a zstd frame is required, got: {error}") from error
    if stated < 0:
        raise ChunkError("a zstd frame must state the size of its content, got one that does not")
    return int(stated)


class RangeWriter:
    """Codes runs of bits, each with its own probability."""

    def __init__(self) -> None:
        self._coder: Any = _constriction().stream.queue.RangeEncoder()
        self._odds = bytearray()

    def write(self, bits: Bits, run: str) -> None:
        """Add a run; signs are taken for even odds."""
        if run != "sign":
            self._odds.append(_name_of(float(bits.mean()) if len(bits) else 0.5))
        if len(bits):
            self._coder.encode(bits.astype(np.int32), _model(run, self._odds))

    def done(self) -> bytes:
        """Return the probabilities, then the code."""
        return bytes(self._odds) + self._coder.get_compressed().astype("<u4").tobytes()


class RangeReader:
    """Reads runs of bits that a `RangeWriter` coded."""

    def __init__(self, data: bytes, runs: int) -> None:
        """Read from the data.

        Args:
            data: the probabilities, then the code.
            runs: runs with a probability of their own.

        Raises:
            ChunkError: the data are too short or not whole, or the package is not installed.
        """
        if len(data) < runs or (len(data) - runs) % 4:
            raise ChunkError(f"a range code must have {runs} bytes and whole words after them, got {len(data)} bytes")
        self._odds, self._at = data[:runs], 0
        words: NDArray[np.uint32] = np.frombuffer(data, "<u4", offset=runs).astype(np.uint32)
        self._coder: Any = _constriction().stream.queue.RangeDecoder(words)

    def finish(self) -> None:
        """Do nothing: a code has no end that could be missed."""

    def __call__(self, count: int, run: str) -> Bits:
        """Return the next run of bits; [count].

        Raises:
            ChunkError: the code is none.
        """
        if run != "sign":
            self._at += 1
        if not count:
            return np.zeros(0, bool)
        try:
            read = self._coder.decode(_model(run, self._odds[: self._at]), count)
        except (ValueError, AssertionError) as error:
            raise ChunkError(f"a range code is required, got: {error}") from error
        return np.asarray(read).astype(bool)


def _constriction() -> Any:
    """Return the package.

    Raises:
        ChunkError: it is not installed.
    """
    try:
        return importlib.import_module("constriction")
    except ImportError as error:
        raise ChunkError(
            "the package constriction is required for range codes: pip install 'netgraft[codec]'"
        ) from error


def _model(run: str, odds: bytes | bytearray) -> Any:
    """Return the probability model of the run whose odds came last."""
    share = 0.5 if run == "sign" else probability(odds[-1]) / _WHOLE
    return _constriction().stream.model.Bernoulli(share, perfect=True)


def probability(name: int) -> int:
    """Return the probability that a byte names, in parts of 65,536: four bits of exponent, four of mantissa."""
    return max(1, ((16 + (name & 15)) << (name >> 4)) >> 4)


def _name_of(share: float) -> int:
    """Return the byte that names the probability nearest to a share."""
    return min(range(256), key=lambda name: abs(probability(name) - share * _WHOLE))
