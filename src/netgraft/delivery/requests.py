"""What a server answers, without a network: values of a request, what is published and the time in, an answer out.

Nothing here knows HTTP's wire or any framework; `netgraft.service` carries requests and answers. Whatever a request
says is checked here, so the worst it gets is an answer that says what was required.
"""

from __future__ import annotations

import json
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netgraft.delivery.fields import Number, Table, Text, shown
from netgraft.delivery.published import Published
from netgraft.errors import (
    BudgetError,
    ChunkError,
    DeliveryError,
    HeadError,
    NetgraftError,
    SettingError,
    SituationError,
    TrustError,
)
from netgraft.records import sha256_hex

if TYPE_CHECKING:
    from netgraft.delivery.head import OpenedHead
    from netgraft.delivery.trust import SigningKey

CHUNKS_URL = "/c/"
JSON, BYTES = "application/json", "application/octet-stream"
UPLOAD_MAGIC = b"NGUPLD1\n"
IMMUTABLE = "public, max-age=31536000, immutable"
_LENGTH = struct.Struct("<I")
_SHORT_LIVED = "public, max-age=5"
_MOST_UPLOADED = 65_536


@dataclass(frozen=True)
class Answer:
    """What goes back.

    Attributes:
        status: of HTTP.
        body: its bytes.
        media: their type.
        headers: further ones.
    """

    status: int
    body: bytes
    media: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Shown:
    """A version that is offered, opened.

    Attributes:
        version: its number.
        data: the signed head as it is sent.
        opened: the head.
        index: place of each chunk in the head's table, by SHA-256.
    """

    version: int
    data: bytes
    opened: OpenedHead
    index: Mapping[str, int]

    @property
    def sha256(self) -> str:
        """Return the identity of the head."""
        return self.opened.sha256


class Shelf:
    """What is published, with opened heads in memory; a new version is seen within a second."""

    def __init__(self, published: Published, *, fresh_s: float = 1.0, most_heads: int = 64) -> None:
        """Begin with nothing in memory.

        Args:
            published: where it lies.
            fresh_s: how long the latest version of a name is believed.
            most_heads: opened at the same time.
        """
        self.published = published
        self._fresh_s, self._most_heads = fresh_s, most_heads
        self._latest: OrderedDict[str, tuple[float, int, str]] = OrderedDict()
        self._heads: OrderedDict[str, Shown] = OrderedDict()

    def peek(self, name: str, version: int | None, now_s: float) -> Shown | None:
        """Return a version from memory alone, or None where the place must be read."""
        known = self._latest.get(name)
        if known is None or not 0 <= now_s - known[0] < self._fresh_s or version not in (None, known[1]):
            return None
        return self._heads.get(known[2])

    def open(self, name: str, version: int | None, now_s: float) -> Shown:
        """Return a version, by default the latest.

        Raises:
            SettingError: there is no such name or version.
            HeadError: its head is missing or damaged.
        """
        found = self.peek(name, version, now_s)
        if found is not None:
            return found
        if version is None:
            version, sha256 = self.published.latest(name)
            _put(self._latest, name, (now_s, version, sha256), 64 * self._most_heads)
        else:
            sha256 = self.published.identity(name, version)
        shown_head = self._heads.get(sha256)
        if shown_head is None:
            shown_head = _shown(version, self.published.head_of(sha256))
        _put(self._heads, sha256, shown_head, self._most_heads)
        return shown_head

    def forget(self) -> None:
        """Believe no latest version any more: one has come or gone."""
        self._latest.clear()


class Stamps:
    """Signs which head is the newest of a name, for an hour; the same stamp is given for a few seconds."""

    def __init__(self, key: Callable[[], SigningKey], *, lasting_s: int = 3600, fresh_s: int = 5) -> None:
        """Name the key.

        Args:
            key: gives the online key; may raise TrustError where there is none.
            lasting_s: how long a stamp counts.
            fresh_s: how long the same one is given.
        """
        self._key, self._lasting_s, self._fresh_s = key, lasting_s, fresh_s
        self._given: OrderedDict[tuple[str, str], tuple[int, bytes]] = OrderedDict()

    def of(self, name: str, shown_head: Shown, now_s: float) -> bytes:
        """Return the stamp of a head.

        Raises:
            TrustError: there is no online key.
        """
        from netgraft.delivery.trust import Stamp, sign_stamp

        place, now = (name, shown_head.sha256), int(now_s)
        issued_s, data = self._given.get(place, (0, b""))
        if data and 0 <= now - issued_s < self._fresh_s:
            return data
        stamp = Stamp(name, shown_head.version, shown_head.sha256, now, now + self._lasting_s)
        data = sign_stamp(stamp, [self._key()])
        _put(self._given, place, (now, data), 4096)
        return data


def error(status: int, text: object, *, retry_after_s: int = 0) -> Answer:
    """Return an answer that says in one line what is required."""
    body = json.dumps({"error": " ".join(str(text).split())[:2000]}).encode()
    return Answer(status, body, headers=(("Retry-After", str(retry_after_s)),) if retry_after_s else ())


def answered(call: Callable[[], Answer]) -> Answer:
    """Return what a call answers; an error of Netgraft becomes the answer that says so."""
    try:
        return call()
    except NetgraftError as failure:
        return error(_status_of(failure), failure)


def models(shelf: Shelf) -> Answer:
    """Answer with the names that are offered and their versions."""
    published = shelf.published
    listed = [{"name": name, "versions": published.versions(name)} for name in published.names()]
    return _json({"models": listed})


def head(shelf: Shelf, name: str, version: int | None, *, now_s: float, known: str | None = None) -> Answer:
    """Answer with a signed head.

    Args:
        shelf: what is published.
        name: of the model.
        version: its number, or None for the latest.
        now_s: seconds since 1970.
        known: the header If-None-Match.

    Raises:
        SettingError, HeadError: as for `Shelf.open`.
    """
    found = shelf.open(name, version, now_s)
    headers = (("ETag", f'"{found.sha256}"'), ("Cache-Control", _SHORT_LIVED), ("X-Version", str(found.version)))
    if known is not None and (known.strip() == "*" or found.sha256 in known):
        return Answer(304, b"", BYTES, headers)
    return Answer(200, found.data, BYTES, headers)


def stamp(shelf: Shelf, stamps: Stamps, name: str, *, now_s: float) -> Answer:
    """Answer with a signed stamp: which head is the newest of a name.

    Raises:
        SettingError, HeadError: as for `Shelf.open`.
        TrustError: the server has no online key.
    """
    data = stamps.of(name, shelf.open(name, None, now_s), now_s)
    return Answer(200, data, BYTES, (("Cache-Control", "no-cache"),))


def ready(shelf: Shelf) -> Answer:
    """Answer whether what is published can be read.

    Raises:
        DeliveryError: it cannot.
    """
    shelf.published.check()
    return _json({"ready": True, "why": "what is published can be read"})


def trust(shelf: Shelf) -> Answer:
    """Answer with the chain of trust documents.

    Raises:
        TrustError: none is published.
    """
    return Answer(200, shelf.published.trust(), BYTES, (("Cache-Control", _SHORT_LIVED),))


def plan_version(body: bytes) -> int | None:
    """Return the version that a request for a plan names.

    Raises:
        SituationError: the body is no request for a plan.
    """
    version: int | None = _plan_values(body)["version"]
    return version


@dataclass(frozen=True)
class Planned:
    """The answer with a plan, and its decision, which is counted."""

    answer: Answer
    decision: str


def plan(shelf: Shelf, name: str, body: bytes, *, now_s: float) -> Planned:
    """Return the answer with the plan for a situation.

    Args:
        shelf: what is published.
        name: of the model.
        body: JSON with ``situation``, ``held`` (SHA-256 of chunks) and ``version``, each optional.
        now_s: seconds since 1970.

    Raises:
        SituationError: the body says what cannot be.
        BudgetError: no cut fits the situation.
        SettingError, HeadError: as for `Shelf.open`.
    """
    from netgraft.delivery import planner, situation
    from netgraft.delivery.costs import completed, costs_of

    values = _plan_values(body)
    asked = completed(situation.from_json(values["situation"]))
    found = shelf.open(name, values["version"], now_s)
    held = frozenset(found.index[each] for each in (*values["held"], *asked.held) if each in found.index)
    fetched = 0 if held else len(found.data)  # who holds chunks of this head has the head
    made = planner.plan(
        found.opened.head, asked, held=held, costs=costs_of(asked, found.opened.head), head_bytes=fetched
    )
    more = {"head": found.sha256, "version": found.version, "chunks_url": CHUNKS_URL}
    return Planned(_json({**made.to_json(), **more}), made.decision)


def chunk(data: bytes | None, sha256: str) -> Answer:
    """Answer with a chunk that was read, after its hash was checked."""
    if data is None:
        return error(404, f"a published chunk is required, got {sha256[:80]!r}")
    if sha256_hex(data) != sha256:
        return error(503, f"a whole chunk is required, but the file of {sha256} is damaged here; ask another server")
    headers = (("ETag", f'"{sha256}"'), ("Cache-Control", IMMUTABLE), ("Accept-Ranges", "bytes"))
    return Answer(200, data, BYTES, headers)


def upload(shelf: Shelf, name: str, version: int, body: bytes) -> Answer:
    """Publish a version that came over the network.

    Args:
        shelf: what is published.
        name: that the head must have.
        version: that the head must have.
        body: as `pack_upload` makes it.

    Raises:
        ChunkError: the upload is damaged.
        TrustError: no trust document says who may publish.
        DeliveryError: the version is taken.
    """
    from netgraft.delivery.head import unpack_head
    from netgraft.delivery.trust import newest_trust

    document = newest_trust(shelf.published.trust())
    head_bytes, chunks = unpack_upload(body)
    try:
        opened = unpack_head(head_bytes, lambda message, signatures: document.check("publisher", message, signatures))
    except (HeadError, TrustError) as failure:
        return error(400, failure)
    if (opened.head.name, opened.head.version) != (name, version):
        found = f"version {opened.head.version} of {opened.head.name!r}"
        return error(400, f"a head of version {version} of {name!r} is required, got {found}")
    shelf.published.add(head_bytes, chunks)
    shelf.forget()
    return _json({"name": name, "version": version, "head": opened.sha256}, status=201)


def retract(shelf: Shelf, name: str, version: int) -> Answer:
    """Offer the latest version of a name no more.

    Raises:
        SettingError: there is no such version.
        DeliveryError: it is not the latest.
    """
    shelf.published.retract(name, version)
    shelf.forget()
    return _json({"name": name, "retracted": version})


def telemetry(body: bytes) -> dict[str, Any]:
    """Return what a device reports, checked; further fields must be numbers, booleans or short texts.

    Raises:
        SituationError: it is no report.
    """
    values = _object(body, "a report")
    known = {key: value for key, value in values.items() if key in TELEMETRY.fields}
    checked = TELEMETRY.read(known, "a report")
    more = {key: value for key, value in values.items() if key not in known}
    if len(more) > MOST_MORE:
        raise SituationError(f"a report must have at most {MOST_MORE} further fields, got {len(more)}")
    for key, value in more.items():
        MORE_KEY.read(key, "a key of a report")
        if isinstance(value, str):
            MORE_TEXT.read(value, f"{key} of a report")
        elif value is not None and not isinstance(value, bool):
            MORE_NUMBER.read(value, f"{key} of a report")
    return {**checked, **more}


def pack_upload(head_bytes: bytes, chunks: Mapping[str, bytes]) -> bytes:
    """Return the body of an upload: a magic word, then head and chunks, each after its length (u32, little-endian)."""
    sections = [head_bytes, *chunks.values()]
    return UPLOAD_MAGIC + b"".join(_LENGTH.pack(len(section)) + section for section in sections)


def unpack_upload(body: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Return the head and the chunks by SHA-256 of an upload.

    Raises:
        ChunkError: the body is no upload, or is cut short.
    """
    if not body.startswith(UPLOAD_MAGIC):
        raise ChunkError(f"an upload that begins with {UPLOAD_MAGIC!r} is required, got {body[:8]!r}")
    sections, place = [], len(UPLOAD_MAGIC)
    while place < len(body):
        if place + _LENGTH.size > len(body) or len(sections) > _MOST_UPLOADED:
            raise ChunkError(f"an upload of whole sections is required, got one cut short at byte {place}")
        (length,) = _LENGTH.unpack_from(body, place)
        place += _LENGTH.size
        if place + length > len(body):
            raise ChunkError(f"an upload of whole sections is required, got one cut short at byte {len(body)}")
        sections.append(body[place : place + length])
        place += length
    if not sections:
        raise ChunkError("an upload with a head is required, got an empty one")
    return sections[0], {sha256_hex(each): each for each in sections[1:]}


MOST_MORE = 16
MORE_KEY = Text("a further field", 40, "[a-z][a-z0-9_]*", "a name of small letters, digits and underscores")
MORE_TEXT = Text("a short text")
MORE_NUMBER = Number("a number", low=-1e18)
#: What a device reports. The list of what may happen to it is open: versions of clients differ.
TELEMETRY = Table(
    "what happened on a device; up to 16 further fields are numbers, booleans or short texts",
    {
        "device": Text("a name that its owner chose"),
        "name": Text("of the model"),
        "version": Number("of the model", whole=True),
        "cut": Text("id of the cut that answers now", 64),
        "event": Text("what happened", 32, "[a-z][a-z0-9_-]*", "a name of small letters, digits and dashes"),
        "seconds": Number("since the fetch began"),
        "bytes": Number("that came over the network", whole=True),
    },
    required=("device", "name", "event"),
)
_HELD = Text("SHA-256 of a chunk", 64, "[0-9a-f]{64}", "64 hexadecimal digits")
_PLAN_KEYS = ("situation", "held", "version")


def _plan_values(body: bytes) -> dict[str, Any]:
    values = _object(body, "a request for a plan")
    unknown = [key for key in values if key not in _PLAN_KEYS]
    if unknown:
        raise SituationError(f"a request for a plan may have {', '.join(_PLAN_KEYS)}, got {shown(unknown[0])}")
    held, version = values.get("held") or [], values.get("version")
    if not isinstance(held, list) or len(held) > _MOST_UPLOADED:
        raise SituationError(f"held must be a list of at most {_MOST_UPLOADED} hashes, got {shown(held)}")
    for each in held:
        _HELD.read(each, "each hash of held")
    if version is not None:
        version = VERSION.read(version, "version")
    given = values.get("situation")
    return {"situation": {} if given is None else given, "held": held, "version": version}


VERSION = Number("of the model", 1, 99_999_999, whole=True)


def _object(body: bytes, what: str) -> dict[str, Any]:
    """Return the JSON object in a body."""
    try:
        value = json.loads(body, object_pairs_hook=_once, parse_constant=_not_finite)
    except SituationError:
        raise
    except (ValueError, RecursionError) as failure:
        raise SituationError(f"{what} must be a JSON object, got text that is none: {str(failure)[:200]}") from failure
    if not isinstance(value, dict):
        raise SituationError(f"{what} must be a JSON object, got {shown(value)}")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise SituationError(f"each key of a JSON object must be there once, got {len(pairs) - len(made)} twice")
    return made


def _not_finite(text: str) -> Any:
    raise SituationError(f"numbers must be finite, got {text}")


def _shown(version: int, data: bytes) -> Shown:
    from netgraft.delivery.head import unpack_head

    opened = unpack_head(data, lambda _message, _signatures: None)  # devices check; this is our own file
    return Shown(version, data, opened, {row.sha256: place for place, row in enumerate(opened.head.chunks)})


def _status_of(failure: NetgraftError) -> int:
    if isinstance(failure, SettingError):
        return 404
    if isinstance(failure, SituationError | BudgetError | ChunkError):
        return 400
    if isinstance(failure, TrustError | HeadError):
        return 503
    return 400 if isinstance(failure, DeliveryError) else 500


def _json(value: Mapping[str, Any], *, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value, ensure_ascii=False, allow_nan=False).encode())


def _put(table: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Put a value into a table that forgets its oldest."""
    table[key] = value
    table.move_to_end(key)
    while len(table) > most:
        table.popitem(last=False)
