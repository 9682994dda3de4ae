from __future__ import annotations

import math

import numpy as np
import pytest
import reedsolo
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from netgraft.delivery.link.channel import Bursts, Channel, Independent, flipped
from netgraft.delivery.link.fec import CODES, RS_255_223, ReedSolomon, best_code, decode, encode, packet_code
from netgraft.errors import ChunkError
from netgraft.seeds import generator


def damaged(sent: bytes, words: int, wrong: int, lost: int, seed: int) -> tuple[bytes, NDArray[np.bool_]]:
    """Return interleaved words with so many wrong and lost symbols in each."""
    rng = generator(seed, "damage")
    came = np.frombuffer(sent, np.uint8).reshape(-1, words).copy()
    missing = np.zeros(came.shape, bool)
    for word in range(words):
        places = rng.permutation(len(came))[: wrong + lost]
        came[places[:wrong], word] ^= rng.integers(1, 256, wrong).astype(np.uint8)
        came[places[wrong:], word] = rng.integers(0, 256, lost).astype(np.uint8)
        missing[places[wrong:], word] = True
    return came.tobytes(), missing.ravel()


@pytest.mark.parametrize(("length", "data"), [(255, 223), (255, 239), (40, 20), (15, 11)])
def test_words_are_those_of_reedsolo(length: int, data: int) -> None:
    code, oracle = ReedSolomon(length, data), reedsolo.RSCodec(length - data)
    for size in (1, 2, data - 1, data):
        plain = generator(size, "plain").bytes(size)
        assert code.encode(plain) == bytes(oracle.encode(plain))
        received = bytearray(code.encode(plain))
        for place in range(code.parity // 2):
            received[place % len(received)] ^= 0x5A
        assert code.decode(bytes(received), size) == bytes(oracle.decode(received)[0]) == plain


@given(size=st.integers(0, 3_000), seed=st.integers(0, 100))
def test_what_was_encoded_comes_back(size: int, seed: int) -> None:
    plain = generator(seed, "plain").bytes(size)
    sent = encode(plain)
    assert len(sent) == RS_255_223.encoded_bytes(size)
    assert decode(sent, size) == plain


@given(size=st.integers(1, 700), wrong=st.integers(0, 16), seed=st.integers(0, 100), data=st.data())
def test_any_errors_and_erasures_within_reach_are_mended(size: int, wrong: int, seed: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, 32 - 2 * wrong))
    plain = generator(seed, "plain").bytes(size)
    words = RS_255_223.words(size)
    symbols = RS_255_223.encoded_bytes(size) // words
    wrong, lost = min(wrong, symbols), min(lost, symbols - min(wrong, symbols))
    came, missing = damaged(encode(plain), words, wrong, lost, seed)
    assert RS_255_223.decode(came, size, erased=missing) == plain


@pytest.mark.parametrize(("wrong", "lost"), [(17, 0), (40, 0), (0, 33), (10, 13), (200, 0)])
def test_damage_beyond_reach_is_an_error(wrong: int, lost: int) -> None:
    for seed in range(20):
        came, missing = damaged(encode(generator(seed, "plain").bytes(2_230)), 10, wrong, lost, seed)
        with pytest.raises(
            ChunkError, match=r"at most 16 wrong bytes a word are required, or 32 missing ones, got more in \d+ words"
        ):
            RS_255_223.decode(came, 2_230, erased=missing)


def test_all_wrong_words_of_a_block_are_mended_at_once() -> None:
    plain = generator(5, "plain").bytes(8_192)
    came, _ = damaged(encode(plain), RS_255_223.words(8_192), 16, 0, 3)
    assert decode(came, 8_192) == plain


@pytest.mark.parametrize(("length", "data"), [(256, 223), (10, 10), (10, 0)])
def test_code_must_have_data_and_parity(length: int, data: int) -> None:
    with pytest.raises(ChunkError, match=r"a code must have 0 < data < length <= 255, got RS\("):
        ReedSolomon(length, data)


def test_other_lengths_are_refused() -> None:
    with pytest.raises(ChunkError, match=r"100 bytes in RS\(255, 223\) must be 132, got 131"):
        decode(encode(bytes(100))[:-1], 100)


def test_rate_approaches_that_of_the_code() -> None:
    assert RS_255_223.encoded_bytes(65_536) / 65_536 == pytest.approx(255 / 223, rel=1e-3)
    assert RS_255_223.encoded_bytes(0) == 0


def test_failure_probability_is_the_binomial_tail() -> None:
    # the figures of the design notes: 64 KiB at a bit error rate of 1e-3
    assert RS_255_223.failure_probability(1e-3, 65_536) == pytest.approx(1.4e-8, rel=0.02)
    assert ReedSolomon(255, 231).failure_probability(1e-3, 65_536) == pytest.approx(5.7e-5, rel=0.01)
    wrong = 1 - (1 - 1e-3) ** 8
    tail = 1 - sum(math.comb(12, k) * wrong**k * (1 - wrong) ** (12 - k) for k in range(3))
    assert ReedSolomon(12, 8).failure_probability(1e-3, 8) == pytest.approx(tail, rel=1e-9)
    assert RS_255_223.failure_probability(0.0, 100) == 0.0
    assert RS_255_223.failure_probability(1e-3, 0) == 0.0
    assert RS_255_223.failure_probability(0.5, 10**6) == pytest.approx(1.0)


def test_best_code_sends_the_fewest_bytes() -> None:
    for rate in (1e-6, 1e-4, 1e-3, 1e-2, 3e-2):
        chosen = best_code(rate, 16_384)
        assert chosen.expected_bytes(rate, 16_384) == min(code.expected_bytes(rate, 16_384) for code in CODES)
    assert best_code(1e-6, 16_384).parity == 16
    assert best_code(1e-3, 16_384) == ReedSolomon(255, 239)
    assert best_code(1e-3, 65_536) == ReedSolomon(255, 231)
    assert best_code(1e-2, 16_384).parity >= 64
    assert best_code(0.5, 16_384).expected_bytes(0.5, 16_384) > 1e9


def test_measured_failures_agree_with_the_closed_form() -> None:
    # a weaker code, so that there is something to count: 4 of 255 bytes are mended
    code, size, blocks = ReedSolomon(255, 247), 8 * 247, 400
    sent, rng, failed = code.encode(bytes(size)), generator(0, "failures"), 0
    for _ in range(blocks):
        try:  # a code this weak now and then finds another word: the hash of a chunk is there for that
            failed += code.decode(flipped(sent, Independent(1e-3), rng), size) != bytes(size)
        except ChunkError:
            failed += 1
    expected = code.failure_probability(1e-3, size)
    assert 0.3 < expected < 0.4
    assert abs(failed / blocks - expected) < 3 * math.sqrt(expected * (1 - expected) / blocks)


def test_default_code_carries_chunks_at_1e_3() -> None:
    plain, rng = generator(1, "plain").bytes(65_536), generator(1, "noise")
    sent = encode(plain)
    assert all(decode(flipped(sent, Independent(1e-3), rng), len(plain)) == plain for _ in range(10))


def test_interleaving_carries_chunks_through_bursts() -> None:
    bursts, rng = Bursts.of(1e-3, 400), generator(2, "bursts")
    plain = generator(2, "plain").bytes(65_536)
    whole = encode(plain)
    assert all(decode(flipped(whole, bursts, rng), len(plain)) == plain for _ in range(10))
    lost = 0
    for place in range(0, len(plain) // 223 * 223, 223):  # the same words, one after the other
        word = encode(plain[place : place + 223])
        try:
            decode(flipped(word, bursts, rng), 223)
        except ChunkError:
            lost += 1
    assert lost >= 1


@pytest.mark.parametrize("size", [1, 900, 7_278, 45_399])
def test_a_code_over_packets_gives_everything_back_from_as_many_as_there_were(size: int) -> None:
    code, plain = packet_code(size, 0.05), generator(size, "plain").bytes(size)
    sent, packet = code.encode(plain), code.words(size)
    assert packet <= 1_024
    rng = generator(size, "packets")
    lost = np.zeros(len(sent) // packet, bool)
    lost[rng.permutation(len(lost))[: code.parity]] = True
    missing = np.repeat(lost, packet)
    came = np.where(missing, 0, np.frombuffer(sent, np.uint8)).astype(np.uint8)
    assert code.decode(came.tobytes(), size, erased=missing) == plain


def test_a_code_over_packets_fails_as_rarely_as_it_says() -> None:
    code = packet_code(20_000, 0.05, most_failing=1e-6)
    tails = [
        sum(math.comb(length, k) * 0.05**k * 0.95 ** (length - k) for k in range(length - 20 + 1, length + 1))
        for length in (code.length, code.length - 1)
    ]
    assert code.data == 20
    assert tails[0] <= 1e-6 < tails[1]
    # a code that is weaker on purpose, so that there is something to count
    weak, size, rng = packet_code(5_000, 0.2, most_failing=0.1), 5_000, generator(0, "weak")
    sent, channel = weak.encode(bytes(size)), Channel(packet_loss=0.2, packet_bytes=weak.words(size))
    failed = 0
    for _ in range(300):
        lost = channel.send(sent, rng).lost.reshape(-1, weak.words(size)).any(axis=1)
        failed += int(lost.sum()) > weak.parity
    expected = sum(
        math.comb(weak.length, k) * 0.2**k * 0.8 ** (weak.length - k) for k in range(weak.parity + 1, weak.length + 1)
    )
    assert 0.02 < expected <= 0.1
    assert abs(failed / 300 - expected) < 3 * math.sqrt(expected * (1 - expected) / 300)


def test_a_code_over_packets_needs_packets_that_arrive_and_fit() -> None:
    assert packet_code(0, 0.0) == ReedSolomon(2, 1)
    for size, loss in ((300_000, 0.05), (10_000, 0.99), (10, 1.0)):
        with pytest.raises(ChunkError, match="at most 255 packets are required with their parity, got"):
            packet_code(size, loss)
