"""A link that is slow, late, noisy and breaks off: what it does to bytes, how its rate moves; seeded, without clock.

Bit errors are independent, or come in bursts: the two states of Gilbert 1960 ("Capacity of a Burst-Noise Channel") and
Elliott 1963 ("Estimates of Error Rates for Codes on Burst-Noise Channels"), a good one and a bad one, with a rate of
errors each. Packets are lost whole and independently. `netgraft.delivery.link.proxy` puts a link between real sockets.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import SituationError

_BITS = 8


def _within(what: str, value: float, most: float) -> None:
    if not 0 <= value <= most:
        raise SituationError(f"{what} must be from 0 to {most:g}, got {value}")


@dataclass(frozen=True)
class Independent:
    """Every bit arrives wrong with the same probability."""

    rate: float

    def __post_init__(self) -> None:
        """Check the rate.

        Raises:
            SituationError: it is no probability up to one half.
        """
        _within("a bit error rate", self.rate, 0.5)

    def wrong_bits(self, bits: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Return the places of the bits that arrive wrong, in order."""
        count = int(generator.binomial(bits, self.rate)) if bits and self.rate else 0
        return np.sort(generator.choice(bits, count, replace=False, shuffle=False)).astype(np.int64)


@dataclass(frozen=True)
class Bursts:
    """A good and a bad state, which last for a geometric number of bits.

    Attributes:
        good_rate, bad_rate: the bit error rate in each state.
        to_bad, to_good: the probability to change the state after a bit.
    """

    good_rate: float
    bad_rate: float
    to_bad: float
    to_good: float

    def __post_init__(self) -> None:
        """Check the probabilities.

        Raises:
            SituationError: a rate is above one half, or a probability not in (0, 1].
        """
        _within("a bit error rate", self.good_rate, 0.5)
        _within("a bit error rate", self.bad_rate, 0.5)
        for name in ("to_bad", "to_good"):
            if not 0 < getattr(self, name) <= 1:
                raise SituationError(f"{name} must be a probability above 0, got {getattr(self, name)}")

    @staticmethod
    def of(rate: float, mean_burst_bits: float, bad_rate: float = 0.5) -> Bursts:
        """Return bursts with a mean bit error rate, a mean length, and no errors between them.

        Raises:
            SituationError: the bursts would have to be everywhere, or a number is out of range.
        """
        if not 0 < rate < bad_rate or mean_burst_bits < 1:
            raise SituationError(
                f"bursts must have 0 < rate < bad_rate and 1 bit or more, got {rate}, {bad_rate}, {mean_burst_bits}"
            )
        to_good, share = 1 / mean_burst_bits, rate / bad_rate
        return Bursts(0.0, bad_rate, min(1.0, to_good * share / (1 - share)), to_good)

    @property
    def rate(self) -> float:
        """Return the mean bit error rate."""
        return (self.to_good * self.good_rate + self.to_bad * self.bad_rate) / (self.to_good + self.to_bad)

    def wrong_bits(self, bits: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Return the places of the bits that arrive wrong, in order."""
        bad = bool(generator.random() < self.to_bad / (self.to_bad + self.to_good))
        found: list[NDArray[np.int64]] = []
        start = 0
        while start < bits:
            length = min(bits - start, int(generator.geometric(self.to_good if bad else self.to_bad)))
            rate = self.bad_rate if bad else self.good_rate
            found.append(start + Independent(rate).wrong_bits(length, generator))
            start, bad = start + length, not bad
        return np.concatenate(found) if found else np.zeros(0, np.int64)


BitErrors = Independent | Bursts
NO_ERRORS = Independent(0.0)


@dataclass(frozen=True)
class Received:
    """What arrives: the bytes, zero where they were lost, and bool [bytes] which were lost."""

    data: bytes
    lost: NDArray[np.bool_]


@dataclass(frozen=True)
class Channel:
    """What a link does to bytes.

    Attributes:
        errors: the bit errors.
        packet_loss: probability that a packet is lost whole.
        packet_bytes: bytes of a packet.
    """

    errors: BitErrors = NO_ERRORS
    packet_loss: float = 0.0
    packet_bytes: int = 1_024

    def __post_init__(self) -> None:
        """Check the packets.

        Raises:
            SituationError: the loss is no probability, or a packet has no bytes.
        """
        _within("a packet loss", self.packet_loss, 1.0)
        if self.packet_bytes < 1:
            raise SituationError(f"a packet must have 1 byte or more, got {self.packet_bytes}")

    def send_all(self, data: bytes, generator: np.random.Generator) -> tuple[bytes, int]:
        """Return what arrives when lost packets alone are sent again until none is missing, and the bytes sent for it.

        Raises:
            SituationError: no packet ever arrives.
        """
        if self.packet_loss == 1:
            raise SituationError("a packet loss must be below 1 for lost packets to arrive, got 1")
        plain = np.frombuffer(data, np.uint8)
        came, missing, sent = np.zeros_like(plain), np.ones(len(plain), np.bool_), 0
        while missing.any():
            received = self.send(plain[missing].tobytes(), generator)
            sent += len(received.data)
            came[missing] = np.frombuffer(received.data, np.uint8)
            missing[missing] = received.lost
        return came.tobytes(), sent

    def send(self, data: bytes, generator: np.random.Generator) -> Received:
        """Return what arrives of the data."""
        arrived = np.frombuffer(flipped(data, self.errors, generator), np.uint8).copy()
        packets = -(-len(data) // self.packet_bytes)
        lost = np.repeat(generator.random(packets) < self.packet_loss, self.packet_bytes)[: len(data)]
        arrived[lost] = 0
        return Received(arrived.tobytes(), lost)


def flipped(data: bytes, errors: BitErrors, generator: np.random.Generator) -> bytes:
    """Return the data with the bits turned that arrive wrong."""
    places = errors.wrong_bits(_BITS * len(data), generator)
    if not len(places):
        return data
    turned = np.frombuffer(data, np.uint8).copy()
    np.bitwise_xor.at(turned, places // _BITS, (np.uint8(128) >> (places % _BITS).astype(np.uint8)).astype(np.uint8))
    return turned.tobytes()


@dataclass(frozen=True)
class Trace:
    """The rate of a link over time: from each moment on, until the next, so many bits per second; the last one stays.

    Attributes:
        seconds: the moments, rising, the first 0.
        bits_per_s: the rates, 0 or more.
    """

    seconds: tuple[float, ...]
    bits_per_s: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the moments and rates.

        Raises:
            SituationError: they are not as many, the moments do not rise from 0, or a rate is negative.
        """
        rising = all(a < b for a, b in zip(self.seconds, self.seconds[1:], strict=False))
        if not self.seconds or len(self.seconds) != len(self.bits_per_s) or self.seconds[0] != 0 or not rising:
            raise SituationError(f"a trace must have one rate per moment, rising from 0 s, got {self.seconds[:4]}")
        if not all(math.isfinite(value) and value >= 0 for value in (*self.bits_per_s, self.seconds[-1])):
            raise SituationError(f"a trace's rates must be finite and 0 or more, got {self.bits_per_s[:4]}")

    @cached_property
    def _bits(self) -> list[float]:
        """Return the bits that fit before each moment."""
        sent = [0.0]
        for place in range(1, len(self.seconds)):
            span = self.seconds[place] - self.seconds[place - 1]
            sent.append(sent[-1] + span * self.bits_per_s[place - 1])
        return sent

    def rate_at(self, second: float) -> float:
        """Return the bits per second at a moment; before 0 as at 0."""
        return self.bits_per_s[self._place(second)]

    def bits_before(self, second: float) -> float:
        """Return how many bits fit between 0 and a moment."""
        place = self._place(second)
        return self._bits[place] + max(0.0, second - self.seconds[place]) * self.bits_per_s[place]

    def finished_s(self, start_s: float, bits: float) -> float:
        """Return when bits that are sent from a moment on have all left; infinite if never."""
        if bits <= 0:
            return start_s
        wanted = self.bits_before(start_s) + bits
        place = max(self._place(start_s), bisect.bisect_left(self._bits, wanted) - 1)
        rate = self.bits_per_s[place]
        return self.seconds[place] + (wanted - self._bits[place]) / rate if rate > 0 else math.inf

    def _place(self, second: float) -> int:
        return max(0, bisect.bisect_right(self.seconds, second) - 1)


def constant(rate_bps: float) -> Trace:
    """Return the trace of a link whose rate never changes."""
    return Trace((0.0,), (rate_bps,))


@dataclass(frozen=True)
class Link:
    """A link between a device and a server, for the proxy.

    Attributes:
        downlink: the rate towards the device; None: as fast as it can.
        uplink: the rate towards the server, likewise.
        delay_s: seconds each way.
        jitter_s: most seconds beyond the delay, uniform; bytes never overtake each other.
        cut_per_megabyte: probability that a connection breaks off within a million bytes towards the device.
        errors: bit errors in the bodies of chunks.
    """

    downlink: Trace | None = None
    uplink: Trace | None = None
    delay_s: float = 0.0
    jitter_s: float = 0.0
    cut_per_megabyte: float = 0.0
    errors: BitErrors = NO_ERRORS

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            SituationError: a delay is negative, or the cut no probability below 1.
        """
        for name in ("delay_s", "jitter_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SituationError(f"{name} must be 0 s or more, got {getattr(self, name)}")
        if not 0 <= self.cut_per_megabyte < 1:
            raise SituationError(f"cut_per_megabyte must be a probability below 1, got {self.cut_per_megabyte}")

    def bytes_until_cut(self, generator: np.random.Generator) -> float:
        """Return after how many bytes towards the device a new connection breaks off; infinite if never."""
        if self.cut_per_megabyte == 0:
            return math.inf
        return float(generator.exponential(1e6 / -math.log1p(-self.cut_per_megabyte)))
