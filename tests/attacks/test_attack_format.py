"""Hostile heads and chunks, each with the check that stops it. Nothing but errors of delivery comes out."""

from __future__ import annotations

import json
import random
import re
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from netgraft.delivery.coding.build import Recipe
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.codec import compress
from netgraft.delivery.format.container import MAGIC, join_sections, split_sections
from netgraft.delivery.format.head import MESSAGE, Head, unpack_head
from netgraft.delivery.strict_json import nesting, read_json
from netgraft.errors import ChunkError, DeliveryError, HeadError, TrustError

EXAMPLES = Path(__file__).parents[1] / "delivery"


@pytest.fixture(scope="module")
def made() -> Any:
    """Return the module of examples, which lies with the tests of delivery."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        import delivery_examples

        yield delivery_examples


@pytest.fixture(scope="module")
def packed(made: Any) -> bytes:
    return made.example("wide")[2].pack([made.KEY])


def verify_of(made: Any) -> Callable[[bytes, Any], None]:
    """Return a verifier that wants the right key's signature."""

    def verify(message: bytes, signatures: Any) -> None:
        if not any(made.KEY.public.verifies(message, signature) for signature in signatures):
            raise TrustError("a signature of the publisher is required, got none")

    return verify


def signed(made: Any, document: bytes, parts: list[bytes]) -> bytes:
    """Return a head with this document section, well signed."""
    signatures = json.dumps([made.KEY.sign(MESSAGE + document).to_json()]).encode()
    return join_sections([document, *parts, signatures])


def opened_with(made: Any, packed: bytes, text: bytes) -> None:
    """Open a head whose document is this text, well signed."""
    unpack_head(signed(made, compress(text), split_sections(packed)[1:3]), verify_of(made))


# -- damage on the way


def test_every_flipped_bit_of_a_head_is_detected(made: Any, packed: bytes) -> None:
    """All bits of magic, sizes and signatures; every eleventh of the rest."""
    sections = split_sections(packed)
    first = len(MAGIC) + 4 + len(sections[0])
    places = {*range(8 * (len(MAGIC) + 4)), *range(8 * first, 8 * first + 32), *range(0, 8 * len(packed), 11)}
    places |= set(range(8 * (len(packed) - len(sections[3]) - 4), 8 * len(packed)))
    missed = []
    for bit in sorted(places):
        wrong = bytearray(packed)
        wrong[bit // 8] ^= 1 << bit % 8
        try:
            unpack_head(bytes(wrong), verify_of(made))
            missed.append(bit)
        except (HeadError, TrustError):
            pass
    assert not missed


def test_every_flipped_bit_of_an_exact_chunk_is_detected(made: Any) -> None:
    _, _, built, head = made.example("wide")
    assembly = Assembly(head)
    for index, row in enumerate(head.head.chunks):
        data = built.chunks[row.sha256]
        for bit in range(index, 8 * len(data), 13):
            wrong = bytearray(data)
            wrong[bit // 8] ^= 1 << bit % 8
            with pytest.raises(ChunkError, match="must have this SHA-256"):
                assembly.add(index, bytes(wrong))
    assert assembly.held == {0}


def test_truncated_heads_are_refused(made: Any, packed: bytes) -> None:
    for size in [*range(40), *range(40, len(packed), 37), len(packed) - 1]:
        with pytest.raises((HeadError, TrustError)):
            unpack_head(packed[:size], verify_of(made))
    with pytest.raises(HeadError, match="a head must end after its sections, got 3 bytes more"):
        unpack_head(packed + b"abc", verify_of(made))
    with pytest.raises(HeadError, match=r"a head must begin with b'NGHEAD1\\n', got b'<html>'"):
        unpack_head(b"<html>", verify_of(made))
    with pytest.raises(HeadError, match="a head must have all of its 4 sections, got 12 bytes"):
        unpack_head(MAGIC + b"\xff\xff\xff\xff", verify_of(made))


def test_truncated_and_oversized_chunks_are_refused(made: Any) -> None:
    _, _, built, head = made.example("wide")
    data = built.chunks[head.head.chunks[1].sha256]
    for wrong in (b"", data[:1], data[:-1], data + b"\0", data * 1_000):
        with pytest.raises(ChunkError, match=f"must have {len(data)} bytes, got {len(wrong)}"):
            Assembly(head).add(1, wrong)


def test_swapped_chunks_are_refused(made: Any) -> None:
    _, _, built, head = made.example("wide")
    rows = head.head.chunks
    for index in range(1, len(rows)):
        other = built.chunks[rows[index % (len(rows) - 1) + 1].sha256]
        with pytest.raises(ChunkError):
            Assembly(head).add(index, other)


def test_sections_of_another_head_are_refused(made: Any, packed: bytes) -> None:
    other = made.example("plain")[2].pack([made.KEY])
    mine, theirs = split_sections(packed), split_sections(other)
    for at, text in [(1, "arrays must have the SHA-256"), (2, "a head's parts must be those that it names: chunk")]:
        mixed = [theirs[i] if i == at else mine[i] for i in range(4)]
        with pytest.raises(HeadError, match=text):
            unpack_head(join_sections(mixed), verify_of(made))
    with pytest.raises(TrustError, match="a signature of the publisher is required, got none"):
        unpack_head(join_sections([*mine[:3], theirs[3]]), verify_of(made))


# -- lies that are well signed


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "a head must be nested at most 24 deep, got 100000"),
        (b'{"a":' * 30 + b"1" + b"}" * 30, "a head must be nested at most 24 deep, got 30"),
        (b'{"name": 1, "name": 2}', "a head must name each key once, got 'name' twice"),
        (b'{"a": NaN}', "a head must have finite numbers, got NaN"),
        (b'{"a": -Infinity}', "a head must have finite numbers, got -Infinity"),
        (b'{"a": 1e999}', "a head must have finite numbers, got 1e999"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "a head must be JSON, got"),
        (b"{", "a head must be JSON, got"),
        (b"\xff\xfe", "a head must be JSON, got"),
        (b"[]", "a head must be an object, got list"),
        (b"null", "a head must be an object, got NoneType"),
        (b"{}", "a head must have the field 'format'"),
    ],
)
def test_hostile_json_is_refused(made: Any, packed: bytes, text: bytes, error: str) -> None:
    with pytest.raises(HeadError, match=re.escape(error)):
        opened_with(made, packed, text)


def test_brackets_in_strings_are_no_nesting() -> None:
    assert nesting(b'{"a": "[[[[\\"[[", "b": ["\\\\", 1]}') == 2
    assert read_json(b'{"a": "' + b"[" * 1_000 + b'"}', "a head", HeadError) == {"a": "[" * 1_000}


@pytest.mark.parametrize("text", [b'\\"' * 500_000, b'"' + b'\\"' * 500_000, b'"\\' * 500_000, b'"' * 1_000_001])
def test_strings_without_end_take_no_time(text: bytes) -> None:
    began_s = time.process_time()
    with pytest.raises(HeadError, match="a head must be JSON, got"):
        read_json(text, "a head", HeadError)
    assert time.process_time() - began_s < 2.0


def test_noise_cannot_make_up_a_region(made: Any) -> None:
    """A region whose highest plane and signs are tolerant would be whatever the line makes of it."""
    shape, tensors, *_ = made.example("plain")
    recipe = Recipe(exact_planes=1)
    object.__setattr__(recipe, "exact_planes", 0)  # which it refuses
    built = made.example_built(shape, tensors, recipe=recipe)
    with pytest.raises(HeadError, match="the highest plane of each region must be exact, got one in chunk 0, which is"):
        Head.from_document(json.loads(json.dumps(built.head.to_document())))


def bomb(size: int) -> bytes:
    return compress(bytes(size))


def test_a_document_that_is_a_zip_bomb_is_refused_before_it_grows(made: Any, packed: bytes) -> None:
    data = signed(made, bomb(1 << 28), split_sections(packed)[1:3])
    tracemalloc.start()
    try:
        with pytest.raises(HeadError, match="a head's document must state at most 16777216 bytes, got 268435456"):
            unpack_head(data, verify_of(made))
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


def test_arrays_that_are_a_zip_bomb_are_refused_before_they_grow(made: Any, packed: bytes) -> None:
    from netgraft.records import sha256_hex

    document = made.example("wide")[3].head.to_document()
    arrays = bomb(1 << 27)
    stated = {"sha256": sha256_hex(arrays), "bytes": len(arrays), "decoded_bytes": document["arrays"]["decoded_bytes"]}
    section = compress(json.dumps({**document, "arrays": stated}).encode())
    with pytest.raises(HeadError, match=r"a zstd frame must state a content of \d+ bytes, got 134217728"):
        unpack_head(signed(made, section, [arrays, split_sections(packed)[2]]), verify_of(made))
    grown = {**stated, "decoded_bytes": 1 << 27}
    section = compress(json.dumps({**document, "arrays": grown}).encode())
    with pytest.raises(HeadError, match=r"a head's arrays must have \d+ bytes, got 134217728"):
        unpack_head(signed(made, section, [arrays, split_sections(packed)[2]]), verify_of(made))


def test_a_chunk_that_is_a_zip_bomb_is_refused_before_it_grows(made: Any) -> None:
    """Its hash is right, since the publisher signed it."""
    from netgraft.records import sha256_hex

    _, _, _, head = made.example("wide")
    frame = bomb(1 << 27)
    for data in (b"\xff\xff" + frame, b"\0\0" + len(frame[:60_000]).to_bytes(2, "little") + frame):
        row = replace(head.head.chunks[1], sha256=sha256_hex(data), bytes=len(data), codec="zstd")
        chunks = (head.head.chunks[0], row, *head.head.chunks[2:])
        lying = replace(head, head=replace(head.head, chunks=chunks))
        with pytest.raises(ChunkError, match="134217728"):
            Assembly(lying).add(1, data)


def test_a_network_too_large_for_any_memory_is_refused(made: Any, packed: bytes) -> None:
    document = json.loads(json.dumps(made.example("wide")[3].head.to_document()))
    for change in ({"numeric": 10**7, "bins": 10**7}, {"outputs": 10**7}, {"slots": [3 * 10**7]}, {"token": 10**7}):
        lying = {
            **document,
            "network": {**document["network"], "architecture": {**document["network"]["architecture"], **change}},
        }
        with pytest.raises(HeadError, match="a head's network cannot be"):
            opened_with(made, packed, json.dumps(lying).encode())
    wide = json.loads(json.dumps(document))
    wide["network"]["architecture"]["widths"] = wide["network"]["widths"][-1] = [10**5, 10**5]
    tracemalloc.start()
    try:
        with pytest.raises(HeadError, match="a nested network must have at most 67108864 numbers"):
            opened_with(made, packed, json.dumps(wide).encode())
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


def test_cells_that_repeat_without_end_are_refused(made: Any, packed: bytes) -> None:
    document = json.loads(json.dumps(made.example("wide")[3].head.to_document()))
    document["chunks"]["cells"][1] = [0, 10, 7, 8] * 200_000
    with pytest.raises(HeadError, match="a head's chunks must hold each cell once, got more than"):
        opened_with(made, packed, json.dumps(document).encode())


def test_signatures_are_few_and_well_formed(made: Any, packed: bytes) -> None:
    sections = split_sections(packed)
    good = json.loads(sections[3])
    for value, text in [
        ([], "a head must have 1 to 64 signatures"),
        (good * 65, "a head must have 1 to 64 signatures"),
        ({"key": 1}, "a head must have 1 to 64 signatures"),
        ([1], "a head must have well-formed signatures"),
        ([{**good[0], "key": "../../etc"}], "a head must have well-formed signatures"),
        ([{**good[0], "signature": "00"}], "a head must have well-formed signatures"),
    ]:
        data = join_sections([*sections[:3], json.dumps(value).encode()])
        with pytest.raises(HeadError, match=re.escape(text)):
            unpack_head(data, verify_of(made))


def test_sections_are_bounded() -> None:
    with pytest.raises(HeadError, match="a section of a head must have at most 65536 bytes, got 65537"):
        join_sections([b"", b"", bytes(65_537), b""])
    data = MAGIC + (1 << 23).to_bytes(4, "little") + bytes(1 << 23) + bytes(12)
    with pytest.raises(HeadError, match="a section of a head must have at most 4194304 bytes, got 8388608"):
        split_sections(data)


# -- anything at all

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of all values in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, entry in inner for path in paths(entry, (*at, key)))]


@settings(max_examples=200)
@given(st.data())
def test_a_document_changed_anywhere_raises_nothing_but_head_errors(made: Any, data: st.DataObject) -> None:
    document = json.loads(json.dumps(made.example("wide")[3].head.to_document()))
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.sampled_from(paths(document)[1:]))
        holder: Any = document
        for key in at[:-1]:
            holder = holder[key]
        holder[at[-1]] = data.draw(values)
    try:
        Head.from_document(document)
    except HeadError:
        return


@settings(max_examples=100)
@given(st.binary(max_size=300), st.integers(0, 3))
def test_arbitrary_bytes_raise_nothing_but_delivery_errors(made: Any, data: bytes, at: int) -> None:
    _, _, built, head = made.example("wide")
    sections = split_sections(built.pack([made.KEY]))
    sections[at] = data
    for hostile in (data, MAGIC + data, join_sections(sections)):
        with pytest.raises(DeliveryError):
            unpack_head(hostile, lambda _message, _signatures: None)
    assert data != head.first


def test_noise_in_a_well_signed_chunk_raises_nothing_but_chunk_errors(made: Any) -> None:
    """The worst publisher: hashes of noise, for every way of coding."""
    from netgraft.records import sha256_hex

    _, _, _, head = made.example("wide")
    rng = random.Random(0)  # noqa: S311  no secret
    for codec in ("raw", "zstd", "range"):
        for _ in range(60):
            data = rng.randbytes(rng.randint(1, 60))
            if codec == "zstd" and rng.random() < 0.7:
                frame = compress(rng.randbytes(rng.randint(0, 40)))
                data = len(frame).to_bytes(2, "little") + b"\0\0" + frame + data
            row = replace(
                head.head.chunks[1],
                sha256=sha256_hex(data),
                bytes=len(data),
                codec=codec,
                decoded_sha256=sha256_hex(data),
                decoded_bytes=len(data) if codec == "raw" else 714,
            )
            lying = replace(head, head=replace(head.head, chunks=(head.head.chunks[0], row, *head.head.chunks[2:])))
            assembly = Assembly(lying)
            with pytest.raises(ChunkError):
                assembly.add(1, data)
            assert assembly.held == {0}


def test_tolerant_noise_stays_on_the_grid_and_meets_the_canary(made: Any) -> None:
    _, _, built, head = made.example("tolerant")
    size = head.head.chunks[1].bytes
    cut = max(head.head.cuts, key=lambda row: row.bytes)
    noise = np.random.default_rng(0).bytes(size)
    assembly = Assembly(head)
    assembly.add(1, noise)
    assert assembly.damaged == {1}
    model = assembly.model(cut)
    most = head.head.grid.step * 2**head.head.grid.planes
    coded = [value for name, value in model.parts[0].tensors.items() if name in ("weight_1", "weight_2", "skip")]
    assert max(float(np.abs(value).max()) for value in coded) <= most
    assert built.head.chunks[1].protection == "tolerant"
