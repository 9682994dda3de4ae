"""Forward error correction: Reed-Solomon code words over GF(256), interleaved, in NumPy.

The code is that of Reed and Solomon 1960 with the field polynomial 0x11d and the roots 1, 2, 4, ... (what the package
reedsolo has by default), shortened so that all words of a block are equally long. Decoding is Berlekamp-Massey with
erasures, Chien search and Forney's formula (Blahut 1983, "Theory and Practice of Error Control Codes", chapter 7), for
all damaged words at once. Words are sent column by column: a burst of b bytes hits each of w words about b / w times.
Sizes are known to the reader (a head states them), so nothing but code words is sent.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.galois import BYTES, Bytes, evaluated, inverse, parities, power, product, products
from netgraft.errors import ChunkError


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
        if not 0 < self.data < self.length <= BYTES - 1:
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
        rows = padded.reshape(words, each).T  # [each, words]
        return np.concatenate([rows, parities(rows, self.parity)]).tobytes()

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
        mended = _mended(came, lost, self.parity)
        return mended[: len(came) - self.parity].T.tobytes()[:size]

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
    wrong = -math.expm1(8 * math.log1p(-bit_error_rate))
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


def _mended(came: Bytes, lost: NDArray[np.bool_], parity: int) -> Bytes:
    """Return the words [symbols, words] with all errors corrected; only damaged words cost more than a check.

    Raises:
        ChunkError: a word is beyond repair.
    """
    came = np.where(lost, np.uint8(0), came)
    syndromes = evaluated(came[::-1], parity, 1)  # [parity, words]
    damaged = np.flatnonzero(syndromes.any(axis=0))
    if not len(damaged):
        return came
    missing = lost[:, damaged]
    fixed = _corrected(came[:, damaged], missing, syndromes[:, damaged])
    beyond = evaluated(fixed[::-1], parity, 1).any(axis=0) | (missing.sum(axis=0) > parity)
    if beyond.any():
        text = f"at most {parity // 2} wrong bytes a word are required, or {parity} missing ones"
        raise ChunkError(f"{text}, got more in {np.count_nonzero(beyond)} words")
    came[:, damaged] = fixed
    return came


def _corrected(came: Bytes, lost: NDArray[np.bool_], syndromes: Bytes) -> Bytes:
    """Return words without the errors that their syndromes tell of; nonsense where there are too many.

    Args:
        came: [symbols, words], highest coefficient first.
        lost: [symbols, words], which symbols are known to be missing.
        syndromes: [parity, words].
    """
    parity, symbols = len(syndromes), len(came)
    locator = _locator(syndromes, _erasures(lost[::-1], parity), np.minimum(lost.sum(axis=0), parity))
    evaluator = products(syndromes, locator)[:parity]
    derivative = locator[1:].copy()
    derivative[1::2] = 0
    # a symbol whose place is X is wrong where lambda(1/X) = 0, by X * omega(1/X) / lambda'(1/X)
    root, slope, value = (evaluated(p, symbols, -1) for p in (locator, derivative, evaluator))  # [symbols, words]
    wrong = (root == 0) & (slope != 0)
    size = product(product(power(np.arange(symbols))[:, None], value), inverse(np.where(slope, slope, np.uint8(1))))
    return came ^ np.where(wrong, size, np.uint8(0))[::-1]


def _erasures(lost: NDArray[np.bool_], parity: int) -> Bytes:
    """Return the polynomial that is 0 at one over the place of each lost symbol, of at most ``parity``.

    Args:
        lost: [symbols, words], lowest place first.
        parity: the most there can be.

    Returns:
        Its coefficients, the lowest first, [parity + 1, words].
    """
    made = np.zeros((parity + 1, lost.shape[1]), np.uint8)
    made[0] = 1
    counted = np.cumsum(lost, axis=0)
    for place in np.flatnonzero(lost.any(axis=1)):
        shifted = np.zeros_like(made)
        shifted[1:] = product(made[:-1], power(np.array([place])))
        made ^= np.where(lost[place] & (counted[place] <= parity), shifted, np.uint8(0))
    return made


def _locator(syndromes: Bytes, erasures: Bytes, known: NDArray[np.int64]) -> Bytes:
    """Return the polynomial that is 0 at one over the place of each error and erasure (Berlekamp-Massey).

    Args:
        syndromes: [parity, words].
        erasures: what is known of it from the start, [parity + 1, words].
        known: erasures of each word, [words].

    Returns:
        Its coefficients, the lowest first, [parity + 1, words].
    """
    locator, before, length = erasures.copy(), erasures.copy(), known.copy()
    for step in range(len(syndromes)):
        terms = product(locator[: step + 1], syndromes[step::-1])
        discrepancy = np.bitwise_xor.reduce(terms, axis=0)  # [words]
        active = step >= known
        changed = active & (discrepancy != 0)
        longer = changed & (2 * length <= step + known)
        shifted = np.zeros_like(before)
        shifted[1:] = before[:-1]
        scaled = product(locator, inverse(np.where(discrepancy, discrepancy, np.uint8(1)))[None])
        locator = np.where(changed, locator ^ product(shifted, discrepancy[None]), locator)
        before = np.where(longer, scaled, np.where(active, shifted, before))
        length = np.where(longer, step + 1 + known - length, length)
    return locator
