from __future__ import annotations

import pytest
from device_fakes import energy
from hypothesis import given
from hypothesis import strategies as st

from netgraft.delivery.exchange.batches import (
    MOST_BATCH_BYTES,
    MOST_CHUNKS,
    MOST_PLACES_TEXT,
    Splitter,
    batch_path,
    first_batch,
    places_text,
    read_places,
    rows_of,
)
from netgraft.delivery.format.chunk import ChunkRow
from netgraft.errors import SettingError


def rows(*sizes: int) -> list[ChunkRow]:
    return [ChunkRow(f"{at:064x}", size, "", size, "raw", "exact", ()) for at, size in enumerate(sizes)]


@given(st.sets(st.integers(0, 999), min_size=1, max_size=MOST_CHUNKS))
def test_places_come_back_from_their_text(places: set[int]) -> None:
    every = rows(*[1] * 1_000)
    text = places_text(sorted(places))
    assert read_places(text, every) == [every[place] for place in sorted(places)]


def test_most_places_fit_the_text() -> None:
    assert len(places_text(range(100_000, 100_000 + 2 * MOST_CHUNKS, 2))) <= MOST_PLACES_TEXT
    assert places_text([1, 2, 3, 4, 7]) == "1-4,7"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "places of chunks such as 1-4,7 are required, got ''"),
        ("x", "places of chunks such as"),
        ("1,", "places of chunks such as"),
        ("-1", "places of chunks such as"),
        ("1\n", "places of chunks such as"),
        ("٣", "places of chunks such as"),
        ("1," * 2_000 + "1", "places of chunks such as"),
        ("4", "ascending places of 4 chunks are required, got 4"),
        ("0-4", "ascending places of 4 chunks are required, got 0-4"),
        ("2-1", "ascending places of 4 chunks are required, got 2-1"),
        ("1,1", "ascending places of 4 chunks are required, got 1"),
        ("0-999999", "ascending places of 4 chunks"),
    ],
)
def test_places_that_cannot_be_are_refused(text: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        read_places(text, rows(1, 2, 3, 4))


def test_too_much_at_once_is_refused() -> None:
    with pytest.raises(SettingError, match=f"at most {MOST_CHUNKS} chunks are answered at once, got more"):
        read_places(f"0-{MOST_CHUNKS}", rows(*[1] * 1_000))
    with pytest.raises(SettingError, match=f"at most {MOST_BATCH_BYTES} bytes are answered at once, got"):
        read_places("0-65", rows(*[65_536] * 66))


def test_batch_ends_where_an_answer_does() -> None:
    assert first_batch([1, 2, 5], rows(*[10] * 6), 1e9) == [1, 2, 5]
    assert first_batch([1, 2, 5], rows(*[10] * 6), 29) == [1, 2]
    assert first_batch([1, 2, 5], rows(*[10] * 6), -1) == []
    assert first_batch(range(1_000), rows(*[10] * 1_000), 1e9) == list(range(MOST_CHUNKS))
    most = first_batch(range(200), rows(*[65_536] * 200), 1e9)
    assert len(most) == MOST_BATCH_BYTES // 65_536
    assert read_places(places_text(most), rows(*[65_536] * 200))


def test_chunks_of_deltas_have_places_behind_those_of_the_head() -> None:
    head = energy(2).head
    assert head.deltas
    every = rows_of(head)
    assert every[: len(head.chunks)] == head.chunks
    assert every[len(head.chunks)] == head.deltas[0].chunks[0]
    assert batch_path(head, [1, 2]) == "/v1/models/energy/chunks?version=2&places=1-2"


@given(st.lists(st.integers(1, 50), max_size=10), st.lists(st.integers(1, 30), max_size=40))
def test_chunks_come_out_whole_however_the_bytes_come(sizes: list[int], parts: list[int]) -> None:
    sent = bytes(at % 251 for at in range(sum(sizes) + 9))  # some more than was asked for
    splitter, found, start = Splitter(sizes), [], 0
    for part in [*parts, len(sent)]:
        found += list(splitter.feed(sent[start : start + part]))
        start += part
    ends = [sum(sizes[: at + 1]) for at in range(len(sizes))]
    assert found == [(at, sent[end - sizes[at] : end]) for at, end in enumerate(ends)]
