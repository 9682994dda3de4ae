from __future__ import annotations

import pytest
import zstandard
from delivery_examples import opened
from device_fakes import energy, published
from hypothesis import given
from hypothesis import strategies as st

from netgraft.delivery.exchange.opening import (
    MAGIC,
    MOST_OPENING_BYTES,
    Opening,
    opening_path,
    pack_opening,
    unpack_opening,
)
from netgraft.delivery.trust.accepting import MOST_STAMP_BYTES, MOST_TRUST_BYTES
from netgraft.errors import HeadError


def frame(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=True).compress(data)


def with_notes(notes: bytes, rest: bytes = b"") -> bytes:
    return MAGIC + len(notes).to_bytes(4, "little") + notes + rest


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300))
def test_parts_come_back_as_they_are(trust: bytes, stamp: bytes, head: bytes) -> None:
    made = Opening(trust, stamp, head)
    assert unpack_opening(pack_opening(made)) == made


def test_keys_that_are_named_often_cost_their_bytes_once() -> None:
    servers = published(1)
    packed = pack_opening(Opening(servers.chain, servers.stamp(), servers.heads[1]))
    assert len(packed) < len(servers.heads[1]) + 0.75 * (len(servers.chain) + len(servers.stamp()))
    assert len(packed) < MOST_OPENING_BYTES


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", r"an opening must begin with b'NGOPEN1\\n' and a size, got b''"),
        (b"NGHEAD1\n" + bytes(20), "an opening must begin with"),
        (MAGIC + b"\0\0\0", "an opening must begin with"),
        (MAGIC + b"\x01\0\0\0", "an opening must have 13 bytes before its head, got 12"),
        (with_notes(b"no frame"), "an opening's notes must be one zstd frame"),
        (with_notes(frame(bytes(8))[:-1]), "an opening's notes must be one zstd frame"),
        (with_notes(frame(bytes(8)) + b"x"), "an opening's notes must be one zstd frame"),
        (with_notes(frame(b"\x05\0\0\0abcd")), "an opening's notes must have 9 bytes before the stamp, got 8"),
        (with_notes(frame(b"\x01\0")), "an opening's notes must have 5 bytes before the stamp, got 2"),
        (with_notes(frame(bytes(5 + MOST_TRUST_BYTES + MOST_STAMP_BYTES))), "an opening must state notes of at most"),
    ],
    ids=["empty", "other", "short", "cut", "no frame", "cut frame", "two", "beyond", "no size", "bomb"],
)
def test_what_is_no_opening_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(HeadError, match=text):
        unpack_opening(data)


def test_name_and_held_head_are_in_the_path() -> None:
    assert opening_path("site 7/a", None) == "/v1/models/site%207%2Fa/opening"
    sha256 = opened(energy(1)).sha256
    assert opening_path("m", sha256) == f"/v1/models/m/opening?held={sha256}"
