"""Heads: packed and opened again, and every field of their document checked."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from delivery_examples import (
    KEY,
    NOW,
    accept,
    changed_document,
    example,
    example_built,
    example_shape,
    example_tensors,
    nudged,
    opened,
    whole,
)

from netgraft.delivery.format.arrays import array_layout, split_arrays
from netgraft.delivery.format.chunk_table import blocks_of
from netgraft.delivery.format.container import join_sections, split_sections
from netgraft.delivery.format.coverage import cover
from netgraft.delivery.format.head import MESSAGE, Head, identity, pack_head, shape_of, unpack_head
from netgraft.delivery.trust.accepting import SigningKey
from netgraft.errors import HeadError, TrustError
from netgraft.records import sha256_hex


def test_a_head_says_again_what_it_was_told() -> None:
    for kind in ("plain", "tolerant", "wide"):
        _, _, built, head = example(kind)
        assert head.head == built.head
        assert head.first == built.chunks[head.head.chunks[0].sha256]
        for name, value in built.arrays.items():
            np.testing.assert_array_equal(head.arrays[name], value)
        assert Head.from_document(json.loads(json.dumps(head.head.to_document()))) == head.head


def test_the_identity_is_that_of_the_document_whoever_signs() -> None:
    _, _, built, head = example()
    one, two = built.pack([KEY]), built.pack([KEY, SigningKey(b"o" * 32)])
    assert head.sha256 == identity(one) == identity(two) == sha256_hex(split_sections(one)[0])


def test_the_signed_message_is_the_document_as_sent() -> None:
    _, _, built, _ = example()
    seen: list[Any] = []
    data = built.pack([KEY, SigningKey(b"o" * 32)])
    unpack_head(data, lambda message, signatures: seen.append((message, [s.key for s in signatures])))
    assert seen == [(MESSAGE + split_sections(data)[0], [KEY.id, SigningKey(b"o" * 32).id])]


def test_nothing_is_read_before_the_signatures_hold() -> None:
    def refuse(_message: bytes, _signatures: object) -> None:
        raise TrustError("not signed")

    _, _, built, _ = example()
    sections = split_sections(built.pack([KEY]))
    data = join_sections([b"no zstd frame", b"", b"", sections[3]])
    with pytest.raises(TrustError, match="not signed"):
        unpack_head(data, refuse)


def test_encoding_and_output_come_with_it() -> None:
    shape, _, _, head = example()
    assert len(head.encoding.numeric_features) == shape.architecture.numeric
    assert head.output.classes == ("class 0", "class 1", "class 2")
    assert head.output.temperature == 1.5
    single = example_shape(outputs=1)
    made = opened(example_built(single, example_tensors(single)))
    assert (made.output.kind, made.output.mean, made.output.high) == ("regression", 10.0, 20.0)


@pytest.mark.parametrize("basis", ["linear", "periodic"])
@pytest.mark.parametrize("slots", [(), (4, 3)])
def test_every_basis_can_be_sent(basis: str, slots: tuple[int, ...]) -> None:
    shape = example_shape(basis=basis, slots=slots, triangular=False)
    built = example_built(shape, example_tensors(shape))
    assembly = whole(built)
    for cut in built.head.cuts:
        assembly.check(cut, assembly.model(cut))


def test_a_network_without_a_linear_path_can_be_sent() -> None:
    shape = example_shape(skip=False)
    built = example_built(shape, example_tensors(shape))
    assert min(row.depth for row in built.head.cuts) == 1
    assembly = whole(built)
    for cut in built.head.cuts:
        assembly.check(cut, assembly.model(cut))


def test_full_bytes_are_those_of_the_largest_model() -> None:
    for kind in ("plain", "wide"):
        _, _, built, _ = example(kind)
        assembly = whole(built)
        largest = max(built.head.cuts, key=lambda cut: (cut.depth, cut.shell))
        assert (largest.depth, largest.shell) == (built.head.shape.depth, built.head.shape.shells - 1)
        assert assembly.model(largest).size_bytes == built.head.full_bytes


def test_unknown_cut_is_named() -> None:
    with pytest.raises(HeadError, match=r"a cut must be one of .*d2s2p8.*, got 'd9'"):
        example()[3].head.cut("d9")


def test_blocks_hold_neighbours() -> None:
    cells = [(r, p) for p in (7, 6) for r in (2, 3, 4)] + [(9, 5), (1, 5)]
    assert blocks_of(cells) == [2, 3, 7, 2, 9, 1, 5, 1, 1, 1, 5, 1]


def put(path: str, value: Any) -> dict[str, Any]:
    """Return the example's document with one value changed; the path's last part may be an index."""
    document = json.loads(json.dumps(example("wide")[3].head.to_document()))
    at: Any = document
    *parts, last = path.split(".")
    for part in parts:
        at = at[int(part)] if isinstance(at, list) else at[part]
    if isinstance(at, list):
        at[int(last)] = value
    elif value is KeyError:
        del at[last]
    else:
        at[last] = value
    return document


HASH = "a SHA-256 in 64 hexadecimal digits"
LIES: list[tuple[str, Any, str]] = [
    ("name", KeyError, "a head must have the field 'name'"),
    ("unknown", 1, "a head must have known fields only, got 'unknown'"),
    ("format", 2, "a head.format must be a whole number from 1 to 1, got 2"),
    ("minimum_runtime", 9, "a head.minimum_runtime must be a whole number from 1 to 1, got 9"),
    ("name", "a/b", "a head's name must be 1 to 200 printable characters without a slash, got 'a/b'"),
    ("name", "..", "a head's name must be 1 to 200 printable characters without a slash, got '..'"),
    ("name", "a\nb", "a head's name must be 1 to 200 printable characters"),
    ("name", " a", "a head's name must be 1 to 200 printable characters"),
    ("name", "", "a head's name must be 1 to 200 printable characters"),
    ("name", "x" * 201, "a head's name must be 1 to 200 printable characters"),
    ("version", 0, "a head.version must be a whole number from 1 to"),
    ("version", True, "a head.version must be a whole number from 1 to 9007199254740992, got True"),
    ("version", 1.0, "a head.version must be a whole number from 1 to 9007199254740992, got 1.0"),
    ("version", 10**30, "a head.version must be a whole number from 1 to 9007199254740992, got a number with too many"),
    ("expires_s", NOW, f"a head must expire after {NOW}, when it is published, got {NOW}"),
    ("parent", "abc", f"a head's parent must be {HASH}, got 'abc'"),
    ("licence", 5, "a head's licence must be a text of at most 200 characters, got 5"),
    ("about", [], "a head.about must be an object, got list"),
    ("lineage", None, "a head.lineage must be an object, got NoneType"),
    ("network", {"kind": "trees"}, "a head's network cannot be: a network must be of the kind nested or image"),
    ("network.architecture.members", 3, "a head's network cannot be: a nested network must have 1 member, got 3"),
    ("network.architecture.outputs", 2, "a head's"),
    ("grid.step", -1, "a head's grid cannot be: a grid must have a step > 0, got -1.0"),
    ("grid.planes", 7, "a head's grid cannot be: a grid must have centroids for 7 planes, got 8"),
    ("columns.0.kind", "blob", "a head's column must have a known kind, known parts and an indicator or not, got 'x0'"),
    ("columns.0.parts", ["moon"], "a head's column must have a known kind, known parts"),
    ("columns.0.indicator", 1, "a head's column must have a known kind, known parts and an indicator or not"),
    ("columns.0.name", 7, "a column's name must be a text of at most 4096 characters, got 7"),
    ("columns.0.vocabulary", [1], "a category must be a text of at most 4096 characters, got 1"),
    ("columns.0", 3, "a head's column must be an object, got int"),
    ("columns", {}, "a head.columns must be a list of 0 to 100000 values, got dict"),
    (
        "output.kind",
        "ranking",
        "a head's output must be a regression or classification, on log(1 + y) or not, got 'ranking'",
    ),
    ("output.log1p", 0, "a head's output must be a regression or classification, on log(1 + y) or not"),
    ("output.classes", [], "a head's output must have classes for classification only, got 0"),
    ("output.classes", [[1]], "a head's classes must be texts, numbers or booleans, got others"),
    ("cuts.depth", [], "a head's cuts.depth must be a list of 1 to 64 values, got 0"),
    ("cuts.depth", [0] * 65, "a head's cuts.depth must be a list of 1 to 64 values, got 65"),
    ("cuts.shell", [0], "a head's cuts.shell must be a list of"),
    ("cuts.depth.0", 3, "a cut's depth must be a whole number from 0 to 2, got 3"),
    ("cuts.shell.0", 3, "a cut's shell must be a whole number from 0 to 2, got 3"),
    ("cuts.planes.0", 9, "a cut's planes must be a whole number from 1 to 8, got 9"),
    ("cuts.planes.0", 0, "a cut's planes must be a whole number from 1 to 8, got 0"),
    ("cuts.accuracy.0", 1.5, "a cut's accuracy must be a finite number from -1e+09 to 1, got 1.5"),
    ("cuts.accuracy.0", "high", "a cut's accuracy must be a finite number from -1e+09 to 1, got 'high'"),
    ("cuts.accuracy.0", True, "a cut's accuracy must be a finite number from -1e+09 to 1, got True"),
    ("cuts.low.0", 1, "a cut's low accuracy must be a finite number"),
    ("cuts.high.0", 0, "a cut's high accuracy must be a finite number"),
    ("cuts.chain.0", 2, "a cut's chain must be a whole number from 0 to 1, got 2"),
    ("chunks.sha256.1", "0", f"a head's chunks.sha256 must be {HASH}, got '0'"),
    ("chunks.bytes.1", 65_537, "a head's chunks.bytes must be a whole number from 1 to 65536, got 65537"),
    ("chunks.bytes.2", 2, "chunk 2 is raw and must have"),
    ("chunks.bytes.1", 60_000, "chunk 1 must have 1 to"),
    ("chunks.decoded_bytes.0", 1 << 25, "a head's chunks.decoded_bytes must be a whole number from 1 to 16777216"),
    ("chunks.decoded_bytes.0", 100_000, "bytes of cells, got 100000"),
    ("chunks.decoded_bytes.0", 9, "bytes of cells, got 9"),
    ("chunks.decoded_sha256.2", "0" * 64, "a head's chunks.decoded_sha256 must be null for a raw chunk, got '0000"),
    ("chunks.decoded_sha256.1", None, f"a head's chunks.decoded_sha256 must be {HASH}, got None"),
    ("chunks.codec.0", 3, "a head's chunks.codec must be a whole number from 0 to 2, got 3"),
    ("chunks.protection.1", 1, "a tolerant chunk must be raw, got zstd"),
    ("chunks.cells.1", [], "a chunk's cells must be blocks of four whole numbers, got something else"),
    ("chunks.cells.1", [0, 1, 2], "a chunk's cells must be blocks of four whole numbers, got something else"),
    ("chunks.cells.1", [99, 1, 3, 1], "a block's first region must be a whole number from 0 to"),
    ("chunks.cells.1", [0, 99, 3, 1], "a block's regions must be a whole number from 1 to"),
    ("chunks.cells.1", [0, 1, 8, 1], "a block's highest plane must be a whole number from 0 to 7, got 8"),
    ("chunks.cells.1", [0, 1, 3, 5], "a block's planes must be a whole number from 1 to 4, got 5"),
    ("chunks.cells.1", [0, 1, 7, 1], "plane 7 of region 0 must be in one chunk, got it twice"),
    ("chunks.cells.1", [0, 1, 2, 1], "plane 2 of region 0 must come after the plane above it, got it before"),
    ("chunks.cells.1", [0, 1, 3, 1] * 300, "a head's chunks must hold each cell once, got more than"),
    ("chunks.sha256", [], "a head's chunks.bytes must be a list of 0 to 0 values, got"),
    ("arrays.sha256", "f" * 64, "a head's arrays must have the SHA-256 ffffffffffff"),
    ("arrays.decoded_bytes", 10**15, "a head's arrays must have"),
    ("arrays.bytes", 1, "a head's arrays must have the SHA-256"),
    ("canaries", 4_097, "a head.canaries must be a whole number from 0 to 4096, got 4097"),
    ("canaries", 2, "a head's arrays must have"),
    ("deltas", [{}], "a head with deltas must have a parent, got none"),
]


@pytest.mark.parametrize(("path", "value", "text"), LIES, ids=[f"{path}-{i}" for i, (path, _, _) in enumerate(LIES)])
def test_a_lie_is_refused(path: str, value: Any, text: str) -> None:
    _, _, built, _ = example("wide")
    with pytest.raises(HeadError, match=re.escape(text)):
        signed(put(path, value), built)


def signed(document: Any, built: Any) -> None:
    """Open a head with such a document, well signed."""
    from netgraft.delivery.format.codec import compress

    sections = split_sections(built.pack([KEY]))
    section = compress(json.dumps(document).encode())
    signatures = json.dumps([KEY.sign(MESSAGE + section).to_json()]).encode()
    unpack_head(join_sections([section, *sections[1:3], signatures]), accept)


def test_tables_must_hold_together() -> None:
    _, _, built, head = example("wide")
    document = head.head.to_document()
    twice = json.loads(json.dumps(document))
    twice["chunks"]["sha256"][2] = twice["chunks"]["sha256"][1]
    with pytest.raises(HeadError, match="a head's chunks must have different SHA-256, got one twice"):
        signed(twice, built)
    cuts = json.loads(json.dumps(document))
    for key in cuts["cuts"]:
        cuts["cuts"][key][1] = cuts["cuts"][key][0]
    with pytest.raises(HeadError, match="a head's cuts must be different, got one twice"):
        signed(cuts, built)
    turned = json.loads(json.dumps(document))
    for key in turned["cuts"]:
        turned["cuts"][key][:2] = turned["cuts"][key][1::-1]
    with pytest.raises(HeadError, match="a cut of the chain must be contained in the next, got d2s2p4 and d2s0p4"):
        signed(turned, built)
    short = json.loads(json.dumps(document))
    short["chunks"] = {key: column[:-1] for key, column in short["chunks"].items()}
    with pytest.raises(HeadError, match=r"a chunk must hold plane \d of region \d+, which a cut needs, got none"):
        signed(short, built)
    empty = changed_document(head.head, chunks={key: [] for key in document["chunks"]})
    with pytest.raises(HeadError, match="a head must have 1 chunk or more, got none"):
        signed(empty, built)


def raised(document: Any, built: Any) -> str:
    with pytest.raises(HeadError) as caught:
        signed(document, built)
    return str(caught.value)


def test_exact_planes_below_tolerant_ones_are_refused() -> None:
    _, _, built, head = example("tolerant")
    document = json.loads(json.dumps(head.head.to_document()))
    assert document["chunks"]["protection"] == [0, 1]
    document["chunks"]["protection"], document["chunks"]["codec"] = [1, 0], [0, 0]
    document["chunks"]["decoded_sha256"] = [None, None]
    least = int(re.search(r"must hold (\d+) to", raised(document, built))[1])
    document["chunks"]["bytes"][0] = document["chunks"]["decoded_bytes"][0] = least
    with pytest.raises(
        HeadError, match=r"planes of region \d+ below a tolerant one must be tolerant, got chunk 1 exact"
    ):
        signed(document, built)


def test_deltas_are_checked() -> None:
    shape, tensors, built, _ = example("wide")
    next_ = example_built(shape, nudged(tensors), version=2, parent=whole(built))
    document = next_.head.to_document()

    def with_delta(**changes: Any) -> dict[str, Any]:
        first = {**document["deltas"][0], **changes}
        return {**document, "deltas": [first, *document["deltas"][1:]]}

    def with_chunks(**changes: Any) -> dict[str, Any]:
        return with_delta(chunks={**document["deltas"][0]["chunks"], **changes})

    signed(document, next_)
    five = {"bytes": [5], "decoded_bytes": [5], "codec": [0], "decoded_sha256": [None]}
    cases = [
        (with_delta(cut="d9"), "a delta's cut must be one of d2s0p4"),
        (with_delta(cut=document["deltas"][1]["cut"]), "a head's deltas must be of different cuts, got one twice"),
        (with_delta(more=1), "a delta must have known fields only, got 'more'"),
        (with_chunks(cells=[[0, 1, 5, 6]]), "a delta's planes must come once each, from at most 4 down, got 5"),
        (with_chunks(cells=[[0, 1, 1, 1]], **five), "a delta must have every plane of its regions down to the lowest"),
        (with_chunks(cells=[[0, 1, 1, 1, 0, 1, 1, 2]]), "a delta's planes must come once each"),
        (with_chunks(cells=[[0, 1, 15, 1]]), "a delta's planes must come once each, from at most 4 down, got 15"),
        (with_chunks(cells=[[0, 1, 16, 1]]), "a block's highest plane must be a whole number from 0 to 15, got 16"),
        (
            with_chunks(protection=[1], codec=[0], decoded_sha256=[None]),
            "a delta's chunks must be exact, got a tolerant one",
        ),
        (with_chunks(decoded_bytes=[60_000]), "a delta's chunk must hold"),
    ]
    for lie, text in cases:
        with pytest.raises(HeadError, match=re.escape(text)):
            signed(lie, next_)


def test_a_delta_is_of_its_cuts_regions() -> None:
    shape, tensors, built, _ = example("wide")
    next_ = example_built(shape, nudged(tensors), version=2, parent=whole(built))
    document = json.loads(json.dumps(next_.head.to_document()))
    small = next(row for row in next_.head.cuts if not row.chain and row.depth == 0)
    document["deltas"] = [document["deltas"][0] | {"cut": small.id}]
    with pytest.raises(HeadError, match=rf"a delta's regions must be those of {small.id}, got \d+"):
        signed(document, next_)


def arrays_with(name: str, value: Any) -> dict[str, Any]:
    _, _, built, _ = example()
    return {key: array.copy() for key, array in built.arrays.items()} | {name: value}


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("bias_1", np.nan, "a head's array 'bias_1' must hold finite numbers, got others"),
        ("encoding.scale", 0, "a head's array 'encoding.scale' must hold numbers > 0, got others"),
        ("edges", 0, "a head's array 'edges' must rise within each feature, got others"),
        ("bins", 3, "a head's array 'bins' must be the bins of its network, got others"),
        ("canary.codes", 9, "a head's canaries must have known codes, got others"),
        ("canary.codes", -1, "a head's canaries must have known codes, got others"),
        ("canary.outputs", np.inf, "a head's array 'canary.outputs' must hold finite numbers, got others"),
    ],
)
def test_arrays_must_be_usable(name: str, change: float, text: str) -> None:
    from netgraft.delivery.format.head import pack_arrays

    _, _, built, _ = example()
    arrays = arrays_with(name, np.full_like(built.arrays[name], change))
    head = replace(built.head, arrays=pack_arrays(built.head, arrays)[1])
    with pytest.raises(HeadError, match=re.escape(text)):
        pack_head(head, arrays, built.first, [KEY])


def test_parts_must_be_those_that_the_head_names() -> None:
    _, _, built, _ = example()
    with pytest.raises(HeadError, match="a head's arrays must have the SHA-256"):
        pack_head(built.head, arrays_with("bias_1", built.arrays["bias_1"] + 1), built.first, [KEY])
    with pytest.raises(HeadError, match="a head's parts must be those that it names: chunk"):
        pack_head(built.head, built.arrays, built.first + b"\0", [KEY])
    with pytest.raises(HeadError, match=r"a head must have the arrays encoding.center, .*, got "):
        pack_head(built.head, {}, built.first, [KEY])
    with pytest.raises(HeadError, match=r"a head's array 'bias_1' must have shape \(16,\), got \(3,\)"):
        pack_head(built.head, arrays_with("bias_1", np.zeros(3)), built.first, [KEY])


def test_the_network_must_fit_its_columns() -> None:
    _, _, built, head = example()
    columns = head.head.to_document()["columns"]
    with pytest.raises(HeadError, match="a head's arrays cannot be: encoding array 'center' must have shape"):
        signed(changed_document(head.head, columns=columns[1:]), built)
    with pytest.raises(HeadError, match="a head's network must fit its columns and output"):
        signed(changed_document(head.head, columns=columns[:-1]), built)
    with pytest.raises(HeadError, match="a head's network cannot be: a network must be of the kind nested or image"):
        shape_of([])


def test_categories_are_bounded_and_codes_are_numbers() -> None:
    _, _, built, head = example("plain")
    columns = json.loads(json.dumps(head.head.to_document()["columns"]))
    many = [
        *columns[:-1],
        {**columns[-1], "vocabulary": ["w"] * 600_000},
        {**columns[-1], "vocabulary": ["w"] * 600_000},
    ]
    with pytest.raises(HeadError, match="a head's columns must have at most 1000000 categories, got 1200003"):
        signed(changed_document(head.head, columns=many), built)
    with pytest.raises(HeadError, match="a code must be a finite number from -inf to inf, got 'a'"):
        signed(changed_document(head.head, columns=[{**columns[-1], "kind": "code", "vocabulary": ["a"]}]), built)


def test_arrays_of_another_length_are_refused() -> None:
    layout = array_layout(example("plain")[2].head)
    with pytest.raises(HeadError, match=r"a head's arrays must have \d+ bytes, got 3"):
        split_arrays(layout, b"abc")


def test_cells_that_do_not_exist_are_refused() -> None:
    _, _, built, _ = example("plain")
    row = replace(built.head.chunks[0], cells=((99, 7),))
    with pytest.raises(HeadError, match="a cell must be of 3 regions and 8 planes, got 99 and 7"):
        cover([row], [4, 4, 4], 8)
