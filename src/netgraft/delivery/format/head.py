"""The head: everything about a model but its numbers, small and signed. `docs/formats/head.md` is its specification.

A head says what the network looks like, which cuts there are and how good they are, which chunks hold which cells, and
what the network answers to a few rows; and it carries the arrays that are sent as they are and the first chunk. What
can be computed is not said: bytes, chunks, operations and memory of a cut follow from the rest, so no table can lie
about them. Nothing of a head is read before its signatures hold but the sizes of its sections.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.format.arrays import array_layout, join_arrays, split_arrays
from netgraft.delivery.format.chunk import ChunkRow, check_bytes
from netgraft.delivery.format.codec import compress, expand, stated_bytes
from netgraft.delivery.format.container import DOCUMENT_BYTES, join_sections, split_sections
from netgraft.delivery.strict_json import read_json
from netgraft.delivery.trust.accepting import Signature, SigningKey
from netgraft.errors import ChunkError, HeadError, ModelError, TrustError
from netgraft.records import canonical_json, sha256_hex
from netgraft.runtime.encoding import Encoding
from netgraft.runtime.grid import Grid
from netgraft.runtime.model import Output
from netgraft.runtime.shapes import Shape, shape_from_json

FORMAT = 1
#: What this reader can read; a head that asks for more is refused.
RUNTIME = 1
MESSAGE = b"netgraft head 1\n"
_MOST_SIGNATURES = 64


@dataclass(frozen=True)
class CutRow:
    """One cut: which cells it has, how good it is and what it costs.

    Attributes:
        id: such as ``d2s1p5``.
        depth, shell: of the network.
        planes: how many of the highest planes.
        bytes: of all its chunks, encoded, the first one included.
        accuracy, low, high: 1 - error on the publisher's validation rows, with its 95 % interval.
        parameters, operations, memory_bytes: as `netgraft.runtime.nested.cost` says.
        chunks: their places in the table of chunks, in order.
        chain: whether it is one of the chain, each of which is contained in the next.
    """

    id: str
    depth: int
    shell: int
    planes: int
    bytes: int
    accuracy: float
    low: float
    high: float
    parameters: int
    operations: int
    memory_bytes: int
    chunks: tuple[int, ...]
    chain: bool


@dataclass(frozen=True)
class Delta:
    """What turns a cut of the parent into the cut of the same id of this version.

    Attributes:
        parent: identity of the parent's head.
        cut: id of the cut in both versions.
        chunks: cells of the differences; a region's planes begin where its largest difference does.
    """

    parent: str
    cut: str
    chunks: tuple[ChunkRow, ...]

    @property
    def bytes(self) -> int:
        """Return the bytes to download."""
        return sum(chunk.bytes for chunk in self.chunks)


@dataclass(frozen=True)
class Head:
    """What a head's document says.

    Attributes:
        name, version: of the model; versions count from 1.
        published_s, expires_s: seconds since 1970 (UTC).
        network: the shape of the nested network as JSON values.
        grid: the step and the centroids.
        columns: the encoding's columns as JSON values.
        output: ``kind``, ``classes`` and ``log1p`` of the output.
        about: JSON values that are not needed to compute.
        cuts: the table of cuts.
        chunks: the table of chunks; chunk 0 is in the head.
        arrays: SHA-256, bytes and decoded bytes of the section of arrays.
        parent: identity of the head whose grid this one shares, or None.
        deltas: from the parent's cuts.
        lineage: JSON values that say where it comes from.
        licence: of the model, or None.
        minimum_runtime: the least reader that can read it.
        full_bytes: the largest cut as a plain model in float32.
        canaries: rows that the head has the answers to.
    """

    name: str
    version: int
    published_s: int
    expires_s: int
    network: dict[str, Any]
    grid: Grid
    columns: tuple[Mapping[str, Any], ...]
    output: dict[str, Any]
    about: dict[str, Any]
    cuts: tuple[CutRow, ...]
    chunks: tuple[ChunkRow, ...]
    arrays: tuple[str, int, int]
    parent: str | None = None
    deltas: tuple[Delta, ...] = ()
    lineage: dict[str, Any] = field(default_factory=dict)
    licence: str | None = None
    minimum_runtime: int = 1
    full_bytes: int = 0
    canaries: int = 0

    @cached_property
    def shape(self) -> Shape:
        """Return the shape of the network.

        Raises:
            HeadError: the network is of another kind, or says what cannot be.
        """
        return shape_of(self.network)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Return how many numbers each region has."""
        return tuple(region.numbers for region in self.shape.regions)

    def cut(self, name: str) -> CutRow:
        """Return the cut of an id.

        Raises:
            HeadError: there is none.
        """
        for row in self.cuts:
            if row.id == name:
                return row
        raise HeadError(f"a cut must be one of {', '.join(row.id for row in self.cuts)}, got {name[:40]!r}")

    def lowest(self, cut: CutRow) -> int:
        """Return the lowest plane of a cut."""
        return self.grid.planes - cut.planes

    def to_document(self) -> dict[str, Any]:
        """Return the head as JSON values."""
        from netgraft.delivery.format.document import to_document

        return to_document(self)

    @staticmethod
    def from_document(value: Any) -> Head:
        """Return the head that a document says, after every check.

        Raises:
            HeadError: a field is missing, unknown, of another type, out of range, or against another.
        """
        from netgraft.delivery.format.document import from_document

        return from_document(value)


@dataclass(frozen=True)
class OpenedHead:
    """A head whose signatures held and whose every part was checked.

    Attributes:
        head: what its document says.
        arrays: by name, what is sent as it is.
        first: the bytes of chunk 0.
        sha256: the SHA-256 of its document section: its identity.
    """

    head: Head
    arrays: Mapping[str, NDArray[Any]]
    first: bytes
    sha256: str

    @cached_property
    def encoding(self) -> Encoding:
        """Return the encoding of raw columns."""
        below = {name[9:]: value for name, value in self.arrays.items() if name.startswith("encoding.")}
        return Encoding.from_json([dict(column) for column in self.head.columns], below)

    @cached_property
    def output(self) -> Output:
        """Return what becomes of the network's outputs."""
        said = self.head.output
        return Output.from_array(said["kind"], tuple(said["classes"]), said["log1p"], self.arrays["output"])


def shape_of(value: Any) -> Shape:
    """Return the shape that a head's network says.

    Raises:
        HeadError: it is of another kind, or says what cannot be.
    """
    try:
        return shape_from_json(value)
    except ModelError as error:
        raise HeadError(f"a head's network cannot be: {error}") from error


def pack_arrays(head: Head, arrays: Mapping[str, NDArray[Any]]) -> tuple[bytes, tuple[str, int, int]]:
    """Return the section of arrays, and its SHA-256, bytes and decoded bytes.

    Raises:
        HeadError: an array is missing or of another shape.
    """
    whole = join_arrays(array_layout(head), arrays)
    data = compress(whole)
    return data, (sha256_hex(data), len(data), len(whole))


def pack_head(head: Head, arrays: Mapping[str, NDArray[Any]], first: bytes, keys: Sequence[SigningKey]) -> bytes:
    """Return a signed head as bytes.

    Args:
        head: what it says.
        arrays: by name, as `netgraft.delivery.format.arrays.array_layout` lists them.
        first: the bytes of chunk 0.
        keys: those that sign.

    Raises:
        HeadError: the head says what cannot be, or does not fit the arrays or the first chunk.
    """
    text = json.dumps(head.to_document(), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    _open(read_json(text, "a head", HeadError), arrays_section := pack_arrays(head, arrays)[0], first, "")
    document = compress(text)
    signatures = [key.sign(MESSAGE + document).to_json() for key in keys]
    return join_sections([document, arrays_section, first, canonical_json(signatures, indent=None).encode()])


def signed_again(data: bytes, keys: Sequence[SigningKey]) -> bytes:
    """Return a head that these keys have signed, too; what it says, and so its identity, stays the same.

    Raises:
        HeadError: the bytes are no head.
    """
    document, arrays, first, before = split_sections(data)
    mine = [key.sign(MESSAGE + document) for key in keys]
    others = [each for each in _signatures(before) if each.key not in {key.id for key in keys}]
    signatures = [each.to_json() for each in (*mine, *others)][:_MOST_SIGNATURES]
    return join_sections([document, arrays, first, canonical_json(signatures, indent=None).encode()])


def unpack_head(data: bytes, verify: Callable[[bytes, Sequence[Signature]], None]) -> OpenedHead:
    """Return a head after its signatures and everything it says were checked.

    Args:
        data: its bytes.
        verify: gets the signed message and the signatures, and raises unless enough of the right keys signed.

    Raises:
        HeadError: it is damaged, or says what cannot be.
        TrustError: as ``verify`` says.
    """
    document, arrays, first, signatures = split_sections(data)
    verify(MESSAGE + document, _signatures(signatures))
    text = _expand_document(document)
    return _open(read_json(text, "a head", HeadError), arrays, first, sha256_hex(document))


def identity(data: bytes) -> str:
    """Return the identity of a head's bytes without any check of what it says.

    Raises:
        HeadError: the bytes are no head.
    """
    return sha256_hex(split_sections(data)[0])


def _signatures(data: bytes) -> list[Signature]:
    """Return the signatures of a head.

    Raises:
        HeadError: they are malformed or too many.
    """
    value = read_json(data, "a head", HeadError)
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_SIGNATURES:
        raise HeadError(f"a head must have 1 to {_MOST_SIGNATURES} signatures, got another number or none")
    try:
        return [Signature.from_json(each) for each in value]
    except TrustError as error:
        raise HeadError(f"a head must have well-formed signatures: {error}") from error


def _expand_document(data: bytes) -> bytes:
    """Return the text of a document.

    Raises:
        HeadError: it is not one zstd frame, or larger than a document may be.
    """
    try:
        size = stated_bytes(data)
        if size > DOCUMENT_BYTES:
            raise HeadError(f"a head's document must state at most {DOCUMENT_BYTES} bytes, got {size}")
        return expand(data, size)
    except ChunkError as error:
        raise HeadError(f"a head's document must be one zstd frame, got: {error}") from error


def _open(value: Any, arrays: bytes, first: bytes, sha256: str) -> OpenedHead:
    """Return the head that a document says, with its arrays and its first chunk checked."""
    head = Head.from_document(value)
    stated, found = head.arrays, (sha256_hex(arrays), len(arrays))
    if stated[:2] != found:
        raise HeadError(f"a head's arrays must have the SHA-256 {stated[0][:12]} and {stated[1]} bytes, got others")
    layout = array_layout(head)
    try:
        check_bytes(head.chunks[0], first)
        made = split_arrays(layout, expand(arrays, stated[2]))
    except ChunkError as error:
        raise HeadError(f"a head's parts must be those that it names: {error}") from error
    opened = OpenedHead(head, made, first, sha256)
    try:
        _check_fit(opened)
    except ModelError as error:
        raise HeadError(f"a head's arrays cannot be: {error}") from error
    return opened


def _rising(edges: NDArray[Any], bins: NDArray[Any]) -> bool:
    """Return whether the edges of each feature rise."""
    steps = np.diff(edges)
    between = np.cumsum(bins + 1)[:-1] - 1  # from one feature's last edge to the next one's first
    return bool((np.delete(steps, between) > 0).all())


def _check_fit(opened: OpenedHead) -> None:
    """Check that encoding, output and network fit each other, and that arrays hold numbers.

    Raises:
        HeadError: they do not.
        ModelError: so says the encoding or the output.
    """
    a, head = opened.head.shape.architecture, opened.head
    found = (len(opened.encoding.numeric_features), opened.encoding.cardinalities, opened.output.outputs)
    if found != (a.numeric, a.slots, a.outputs):
        raise HeadError(f"a head's network must fit its columns and output {found}, got another number of them")
    for name, value in opened.arrays.items():
        if value.dtype.kind == "f" and name not in ("output",) and not np.isfinite(value).all():
            raise HeadError(f"a head's array {name!r} must hold finite numbers, got others")
    if not (opened.arrays["encoding.scale"] > 0).all():
        raise HeadError("a head's array 'encoding.scale' must hold numbers > 0, got others")
    if "bins" in opened.arrays and tuple(opened.arrays["bins"].tolist()) != head.shape.bins:
        raise HeadError("a head's array 'bins' must be the bins of its network, got others")
    if "edges" in opened.arrays and not _rising(opened.arrays["edges"], opened.arrays["bins"]):
        raise HeadError("a head's array 'edges' must rise within each feature, got others")
    codes = opened.arrays["canary.codes"]
    if (codes < 0).any() or (codes >= np.array(a.slots, np.int64).reshape(1, -1)).any():
        raise HeadError("a head's canaries must have known codes, got others")
