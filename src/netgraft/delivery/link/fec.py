"""Forward error correction: Reed-Solomon code words, interleaved, and which code suits a link.

The words are those of the package reedsolo (extra ``codec``), with its field polynomial 0x11d and roots 1, 2, 4, ...,
shortened so that all words of a block are equally long. Choosing a code needs no package. Words are sent column by
column: a burst of b bytes hits each of w words about b / w times. Sizes are known to the reader (a head states them),
so nothing but code words is sent. With as many words as a packet has bytes, every packet holds one byte of each word,
and any packets that are as many as those before coding give everything back (`packet_code`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import ChunkError

_LONGEST = 255


@dataclass(frozen=True)
class ReedSolomon:
    """A code of words of at most ``length`` bytes, ``data`` of them data; half as many as the rest can be wrong."""

    length: int = 255
    data: int = 223

    def __post_init__(self) -> None:
        """Check the lengths.

        Raises:
            ChunkError: a word has no data, no parity or more than 255 bytes.
        """
        if not 0 < self.data < self.length <= _LONGEST:
            raise ChunkError(f"a code must have 0 < data < length <= 255, got RS({self.length}, {self.data})")

    @property
    def parity(self) -> int:
        """Return the parity bytes of a word."""
        return self.length - self.data

    def words(self, size: int) -> int:
        """Return how many words carry ``size`` bytes."""
        return -(-size // self.data)

    def encoded_bytes(self, size: int) -> int:
        """Return how many bytes are sent for ``size`` bytes."""
        words = self.words(size)
        return words * (-(-size // words) + self.parity) if words else 0

    def expected_bytes(self, bit_error_rate: float, size: int) -> float:
        """Return the expected bytes until ``size`` bytes are there whole, sent again as often as it takes."""
        failing = self.failure_probability(bit_error_rate, size)
        return self.encoded_bytes(size) / (1 - failing) if failing < 1 else math.inf

    def encode(self, data: bytes) -> bytes:
        """Return the words that carry the data, interleaved."""
        words = self.words(len(data))
        if not words:
            return b""
        each = -(-len(data) // words)
        padded = np.zeros(words * each, np.uint8)
        padded[: len(data)] = np.frombuffer(data, np.uint8)
        coder = _coder(self.parity)
        coded = [np.frombuffer(bytes(coder.encode(row.tobytes())), np.uint8) for row in padded.reshape(words, each)]
        return np.stack(coded, axis=1).tobytes()  # [each + parity, words]

    def decode(self, data: bytes, size: int, *, erased: NDArray[np.bool_] | None = None) -> bytes:
        """Return the ``size`` bytes that were encoded.

        Args:
            data: what came.
            size: bytes before they were encoded.
            erased: bool [bytes that came]: which of them are known to be missing, for twice the reach.

        Raises:
            ChunkError: there are not as many bytes as were sent, or a word is beyond repair.
        """
        expected = self.encoded_bytes(size)
        if len(data) != expected:
            raise ChunkError(f"{size} bytes in RS({self.length}, {self.data}) must be {expected}, got {len(data)}")
        if not size:
            return b""
        words = self.words(size)
        came = np.frombuffer(data, np.uint8).reshape(-1, words)  # [symbols, words]
        lost = np.zeros(came.shape, np.bool_) if erased is None else np.asarray(erased, np.bool_).reshape(came.shape)
        mended = [_mended(_coder(self.parity), came[:, word], lost[:, word]) for word in range(words)]
        if beyond := mended.count(None):
            text = f"at most {self.parity // 2} wrong bytes a word are required, or {self.parity} missing ones"
            raise ChunkError(f"{text}, got more in {beyond} words")
        return b"".join(word for word in mended if word is not None)[:size]

    def failure_probability(self, bit_error_rate: float, size: int) -> float:
        """Return the probability that ``size`` bytes are beyond repair after independent bit errors (binomial)."""
        words = self.words(size)
        if not words:
            return 0.0
        symbols = -(-size // words) + self.parity
        return -math.expm1(
            words * math.log1p(-min(_word_failure(bit_error_rate, symbols, self.parity // 2), 1 - 1e-16))
        )


#: 14.3 % more bytes; 16 wrong bytes of 255 are corrected.
RS_255_223 = ReedSolomon()
#: What `best_code` chooses from: 8 to 64 wrong bytes of 255 are corrected.
CODES = tuple(ReedSolomon(255, 255 - parity) for parity in (16, 24, 32, 48, 64, 96, 128))


@functools.lru_cache(maxsize=4096)
def best_code(bit_error_rate: float, size: int) -> ReedSolomon:
    """Return the code that sends the fewest bytes until ``size`` bytes are there whole, repetitions expected."""
    return min(CODES, key=lambda code: code.expected_bytes(bit_error_rate, size))


def packet_code(size: int, packet_loss: float, *, packet_bytes: int = 1_024, most_failing: float = 1e-6) -> ReedSolomon:
    """Return the code over packets of ``code.words(size)`` bytes with which nothing has to be asked for again.

    Args:
        size: bytes to send, all of them at once.
        packet_loss: probability that a packet is lost, independent of others.
        packet_bytes: the most bytes of a packet.
        most_failing: the probability that too many are lost.

    Raises:
        ChunkError: the packets with their parity would be more than 255.
    """
    count = max(1, -(-size // packet_bytes))
    for length in range(count + 1, _LONGEST + 1):
        if _more_than(length, packet_loss, length - count) <= most_failing:
            return ReedSolomon(length, count)
    raise ChunkError(f"at most {_LONGEST} packets are required with their parity, got {count} before it")


def encode(data: bytes, code: ReedSolomon = RS_255_223) -> bytes:
    """Return the code words that carry the data, interleaved; see `ReedSolomon.encode`."""
    return code.encode(data)


def decode(data: bytes, size: int, code: ReedSolomon = RS_255_223) -> bytes:
    """Return the ``size`` bytes that were encoded; see `ReedSolomon.decode`.

    Raises:
        ChunkError: there are not as many bytes as were sent, or a word is beyond repair.
    """
    return code.decode(data, size)


@functools.lru_cache(maxsize=4096)
def _word_failure(bit_error_rate: float, symbols: int, correctable: int) -> float:
    """Return the probability of more wrong bytes in a word than can be corrected."""
    return _more_than(symbols, -math.expm1(8 * math.log1p(-bit_error_rate)), correctable)


def _more_than(symbols: int, wrong: float, correctable: int) -> float:
    """Return the probability that of so many symbols more than some are wrong, each with the same probability."""
    if wrong >= 1:
        return float(correctable < symbols)
    if wrong <= 0 or correctable >= symbols:
        return 0.0
    odds = wrong / (1 - wrong)
    if correctable < symbols * wrong:  # the sum away from the mean has the terms that shrink
        down = _terms(symbols, wrong, correctable, lambda count: count / (symbols - count + 1) / odds, -1)
        return max(0.0, 1.0 - down)
    return _terms(symbols, wrong, correctable + 1, lambda count: (symbols - count) / (count + 1) * odds, 1)


def _terms(symbols: int, wrong: float, count: int, ratio: Callable[[int], float], step: int) -> float:
    """Return the sum of a binomial distribution's terms from one on, in steps, until they no longer matter."""
    ways = math.lgamma(symbols + 1) - math.lgamma(count + 1) - math.lgamma(symbols - count + 1)
    term = math.exp(ways + count * math.log(wrong) + (symbols - count) * math.log1p(-wrong))
    total = 0.0
    while 0 <= count <= symbols and term > 1e-17 * total:
        total += term
        term *= ratio(count)
        count += step
    return total


@functools.cache
def _coder(parity: int) -> Any:
    """Return the coder of words with so many parity bytes."""
    import reedsolo

    return reedsolo.RSCodec(parity)


def _mended(coder: Any, came: NDArray[np.uint8], lost: NDArray[np.bool_]) -> bytes | None:
    """Return the data of a word [symbols], None where it is beyond repair."""
    import reedsolo

    try:
        return bytes(coder.decode(came.tobytes(), erase_pos=np.flatnonzero(lost).tolist())[0])
    except reedsolo.ReedSolomonError:
        return None
