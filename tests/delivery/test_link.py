from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.delivery.link.channel import Bursts, Channel, Independent, Link, Trace, constant, flipped
from netgraft.errors import SituationError
from netgraft.seeds import generator


def test_independent_errors_have_their_rate_and_come_in_order() -> None:
    places = Independent(1e-2).wrong_bits(1_000_000, generator(0, "x"))
    assert len(places) / 1e6 == pytest.approx(1e-2, rel=0.03)
    assert (np.diff(places) > 0).all()
    assert len(Independent(0.0).wrong_bits(1_000_000, generator(0, "x"))) == 0
    # neighbours are as likely as chance says
    many = Independent(1e-2).wrong_bits(10_000_000, generator(1, "x"))
    assert np.count_nonzero(np.diff(many) == 1) / len(many) == pytest.approx(1e-2, abs=1e-3)


def test_bursts_have_their_mean_rate_and_length() -> None:
    bursts = Bursts.of(1e-2, 100)
    assert bursts.rate == pytest.approx(1e-2)
    places = bursts.wrong_bits(4_000_000, generator(0, "bursts"))
    assert len(places) / 4e6 == pytest.approx(1e-2, rel=0.1)
    assert (np.diff(places) > 0).all()
    # within a burst every other bit is wrong; between bursts there are thousands of right ones
    gaps = np.diff(places)
    assert np.count_nonzero(gaps > 50) / len(places) == pytest.approx(1 / 50, rel=0.2)


def test_bursts_with_errors_everywhere() -> None:
    both = Bursts(1e-3, 0.1, 0.01, 0.05)
    assert both.rate == pytest.approx((0.05 * 1e-3 + 0.01 * 0.1) / 0.06)
    assert len(both.wrong_bits(500_000, generator(1, "b"))) / 5e5 == pytest.approx(both.rate, rel=0.1)
    assert len(both.wrong_bits(0, generator(1, "b"))) == 0


def test_flipped_turns_exactly_the_wrong_bits() -> None:
    data = bytes(1_000)
    turned = np.unpackbits(np.frombuffer(flipped(data, Independent(0.05), generator(3, "x")), np.uint8))
    assert np.flatnonzero(turned).tolist() == Independent(0.05).wrong_bits(8_000, generator(3, "x")).tolist()
    assert flipped(data, Independent(0.0), generator(3, "x")) is data


def test_channel_loses_whole_packets_and_says_which() -> None:
    data = b"\xff" * 100_500
    channel = Channel(packet_loss=0.2, packet_bytes=1_000)
    received = channel.send(data, generator(0, "loss"))
    came = np.frombuffer(received.data, np.uint8)
    assert len(came) == len(received.lost) == len(data)
    assert (came[received.lost] == 0).all()
    assert (came[~received.lost] == 255).all()
    by_packet = received.lost[:100_000].reshape(100, 1_000)
    assert (by_packet.all(axis=1) | ~by_packet.any(axis=1)).all()
    assert 10 <= by_packet.all(axis=1).sum() <= 30
    assert channel.send(data, generator(0, "loss")).data == received.data
    assert Channel().send(data, generator(0, "loss")).data == data
    assert Channel().send(b"", generator(0, "loss")).data == b""


@given(size=st.integers(0, 5_000), loss=st.floats(0, 0.9), packet=st.integers(1, 400), seed=st.integers(0, 50))
def test_lost_packets_alone_are_sent_again(size: int, loss: float, packet: int, seed: int) -> None:
    plain = generator(seed, "plain").bytes(size)
    channel = Channel(packet_loss=loss, packet_bytes=packet)
    came, sent = channel.send_all(plain, generator(seed, "again"))
    assert came == plain
    assert sent >= size
    assert loss > 0 or sent == size


def test_sending_again_costs_what_is_lost() -> None:
    plain = bytes(2_000_000)
    _, sent = Channel(packet_loss=0.05).send_all(plain, generator(0, "again"))
    assert sent / len(plain) == pytest.approx(1 / 0.95, rel=0.01)
    came, sent = Channel(Independent(1e-3), packet_loss=0.05).send_all(plain, generator(0, "again"))
    wrong = np.unpackbits(np.frombuffer(came, np.uint8)).mean()
    assert wrong == pytest.approx(1e-3, rel=0.05)
    with pytest.raises(SituationError, match="a packet loss must be below 1 for lost packets to arrive, got 1"):
        Channel(packet_loss=1.0).send_all(plain, generator(0, "again"))


@given(
    spans=st.lists(st.tuples(st.floats(0.01, 5), st.just(0.0) | st.floats(0.1, 1e6)), min_size=1, max_size=6),
    start=st.floats(0, 10),
    bits=st.floats(1, 1e6),
)
def test_trace_sends_what_fits(spans: list[tuple[float, float]], start: float, bits: float) -> None:
    moments = [0.0]
    for length, _ in spans[:-1]:
        moments.append(moments[-1] + length)
    trace = Trace(tuple(moments), tuple(rate for _, rate in spans))
    end = trace.finished_s(start, bits)
    assert end >= start
    if math.isfinite(end):
        assert trace.bits_before(end) - trace.bits_before(start) == pytest.approx(bits, rel=1e-6, abs=1e-3)
    else:
        assert trace.bits_per_s[-1] == 0
    assert all(a <= b for a, b in pairwise(trace.bits_before(s) for s in np.linspace(0, 30, 50)))


def test_trace_by_hand() -> None:
    trace = Trace((0.0, 1.0, 3.0), (100.0, 0.0, 50.0))
    assert [trace.rate_at(s) for s in (-1, 0, 0.9, 1, 2.9, 3, 99)] == [100, 100, 100, 0, 0, 50, 50]
    assert trace.finished_s(0.0, 100.0) == 1.0
    assert trace.finished_s(0.0, 150.0) == 4.0
    assert trace.finished_s(2.0, 0.0) == 2.0
    assert constant(8.0).finished_s(5.0, 16.0) == 7.0
    assert Trace((0.0, 1.0), (1.0, 0.0)).finished_s(0.0, 2.0) == math.inf


def test_cut_comes_with_the_stated_probability() -> None:
    link = Link(cut_per_megabyte=0.3)
    rng = generator(0, "cuts")
    lengths = np.array([link.bytes_until_cut(rng) for _ in range(4_000)])
    assert (lengths < 1e6).mean() == pytest.approx(0.3, abs=0.03)
    assert Link().bytes_until_cut(rng) == math.inf


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Independent(0.6), "a bit error rate must be from 0 to 0.5, got 0.6"),
        (lambda: Independent(math.nan), "a bit error rate must be from 0 to 0.5, got nan"),
        (lambda: Bursts(0.0, 0.7, 0.1, 0.1), "a bit error rate must be from 0 to 0.5, got 0.7"),
        (lambda: Bursts(0.0, 0.5, 0.0, 0.1), "to_bad must be a probability above 0, got 0.0"),
        (lambda: Bursts.of(0.5, 10), "bursts must have 0 < rate < bad_rate and 1 bit or more, got 0.5"),
        (lambda: Bursts.of(0.1, 0.5), "bursts must have 0 < rate < bad_rate and 1 bit or more"),
        (lambda: Channel(packet_loss=1.5), "a packet loss must be from 0 to 1, got 1.5"),
        (lambda: Channel(packet_bytes=0), "a packet must have 1 byte or more, got 0"),
        (lambda: Trace((), ()), "a trace must have one rate per moment, rising from 0 s"),
        (lambda: Trace((0.0, 0.0), (1.0, 1.0)), "a trace must have one rate per moment, rising from 0 s"),
        (lambda: Trace((1.0,), (1.0,)), "a trace must have one rate per moment, rising from 0 s"),
        (lambda: Trace((0.0,), (-1.0,)), "a trace's rates must be finite and 0 or more"),
        (lambda: Link(delay_s=-1.0), "delay_s must be 0 s or more, got -1.0"),
        (lambda: Link(jitter_s=math.inf), "jitter_s must be 0 s or more, got inf"),
        (lambda: Link(cut_per_megabyte=1.0), "cut_per_megabyte must be a probability below 1, got 1.0"),
    ],
)
def test_numbers_out_of_range_are_refused(make, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SituationError, match=text):
        make()
