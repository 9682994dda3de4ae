"""What a server answers, without a network: values of a request, what is published and the time in, an answer out.

Nothing here knows HTTP's wire or any framework; `netgraft.service` carries requests and answers. Whatever a request
says is checked here, so the worst it gets is an answer that says what was required.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from netgraft.delivery.exchange import batches
from netgraft.delivery.exchange.opening import pack_notes
from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.format.head import unpack_head
from netgraft.delivery.offering.incoming import PlanRequest, unpack_upload
from netgraft.delivery.offering.shelf import Shelf, Shown, Stamps
from netgraft.delivery.planning import planner, situation
from netgraft.delivery.planning.costs import completed, costs_of
from netgraft.delivery.trust.accepting import newest_trust
from netgraft.errors import (
    BudgetError,
    ChunkError,
    DeliveryError,
    HeadError,
    NetgraftError,
    SettingError,
    SituationError,
    StorageError,
    TrustError,
)
from netgraft.records import sha256_hex

CHUNKS_URL = "/c/"
JSON, BYTES = "application/json", "application/octet-stream"
IMMUTABLE = "public, max-age=31536000, immutable"
_SHORT_LIVED = "public, max-age=5"
_LOG = logging.getLogger("netgraft.service")


@dataclass(frozen=True)
class Answer:
    """What goes back.

    Attributes:
        status: of HTTP.
        body: its bytes.
        media: their type.
        headers: further ones.
        shared: the bytes behind those of the body, which are in memory once for all who ask.
    """

    status: int
    body: bytes
    media: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    shared: bytes = b""

    @property
    def size_bytes(self) -> int:
        """Return the size of all that goes back behind the headers."""
        return len(self.body) + len(self.shared)


def error(status: int, text: object, *, retry_after_s: int = 0) -> Answer:
    """Return an answer that says in one line what is required."""
    body = json.dumps({"error": " ".join(str(text).split())[:2000]}).encode()
    return Answer(status, body, headers=(("Retry-After", str(retry_after_s)),) if retry_after_s else ())


def refused(failure: NetgraftError) -> Answer:
    """Return the answer that says what an error of Netgraft says.

    Where files lie is for the log alone.
    """
    if isinstance(failure, StorageError):
        _LOG.warning("store failed", extra={"fields": {"why": str(failure)}})
        return unreadable()
    return error(_status_of(failure), failure)


def unreadable() -> Answer:
    """Return the answer that says that the place of the files fails."""
    return error(503, "a place for models that can be used is required, but this server's fails; ask another server")


def answered(call: Callable[[], Answer]) -> Answer:
    """Return what a call answers; an error of Netgraft becomes the answer that says so."""
    try:
        return call()
    except NetgraftError as failure:
        return refused(failure)


def models(shelf: Shelf) -> Answer:
    """Answer with the names that are offered and their versions."""
    published = shelf.published
    listed = [{"name": name, "versions": published.versions(name)} for name in published.names()]
    return _json({"models": listed})


def head(found: Shown, *, known: str | None = None) -> Answer:
    """Answer with a signed head.

    Args:
        found: the version.
        known: the header If-None-Match.
    """
    headers = (("ETag", f'"{found.sha256}"'), ("Cache-Control", _SHORT_LIVED), ("X-Version", str(found.version)))
    if known is not None and (known.strip() == "*" or found.sha256 in known):
        return Answer(304, b"", BYTES, headers)
    return Answer(200, found.data, BYTES, headers)


def stamp(found: Shown, stamps: Stamps, name: str, *, now_s: float) -> Answer:
    """Answer with a signed stamp: which head is the newest of a name.

    Raises:
        TrustError: the server has no online key.
    """
    data = stamps.of(name, found, now_s)
    return Answer(200, data, BYTES, (("Cache-Control", "no-cache"),))


def opening(found: Shown, shelf: Shelf, stamps: Stamps, name: str, *, now_s: float, held: str | None = None) -> Answer:
    """Answer with all that a working model needs: trust chain, stamp and head in one.

    Args:
        found: the latest version.
        shelf: what is published.
        stamps: signs which head is the newest.
        name: of the model.
        now_s: seconds since 1970.
        held: SHA-256 of a head that need not come again.

    Raises:
        TrustError: no trust document is published, or the server has no online key.
    """
    shared = b"" if held == found.sha256 else found.data
    notes = pack_notes(shelf.trust(), stamps.of(name, found, now_s))
    return Answer(200, notes, BYTES, (("Cache-Control", "no-cache"),), shared)


def opening_at_hand(
    shelf: Shelf, stamps: Stamps, name: str, held: str | None, *, now_s: float
) -> Callable[[], Answer] | None:
    """Return what answers as `opening` does, or None where the place must be read; looking costs next to nothing."""
    found = shelf.peek(name, None, now_s)
    if found is None:
        return None
    return lambda: answered(lambda: opening(found, shelf, stamps, name, now_s=now_s, held=held))


def batch(shelf: Shelf, name: str, version: int, places: str, *, now_s: float) -> list[ChunkRow]:
    """Return the chunks of a version that an answer is to have.

    Args:
        shelf: what is published.
        name: of the model.
        version: its number.
        places: as `netgraft.delivery.exchange.batches.places_text` makes them.
        now_s: seconds since 1970.

    Raises:
        SettingError: there is no such version or chunk, or too much is asked for.
        HeadError: as for `Shelf.open`.
    """
    return batches.read_places(places, batches.rows_of(shelf.open(name, version, now_s).opened.head))


def ready(shelf: Shelf) -> Answer:
    """Answer whether devices can be served: what is published can be read, and there is a trust document.

    Raises:
        DeliveryError: they cannot.
    """
    shelf.published.check()
    shelf.published.trust()
    return _json({"ready": True, "why": "what is published can be read"})


def trust(shelf: Shelf) -> Answer:
    """Answer with the chain of trust documents.

    Raises:
        TrustError: none is published.
    """
    return Answer(200, shelf.published.trust(), BYTES, (("Cache-Control", _SHORT_LIVED),))


@dataclass(frozen=True)
class Planned:
    """The answer with a plan, and its decision, which is counted."""

    answer: Answer
    decision: str


def plan(found: Shown, asked: PlanRequest) -> Planned:
    """Return the answer with the plan for a situation.

    Args:
        found: the version that is asked for.
        asked: what the device asks for.

    Raises:
        SituationError: the situation says what cannot be, or the head has no cut that is said to answer.
        BudgetError: no cut fits the situation.
    """
    given = completed(situation.from_json(asked.situation))
    shown_head = found.opened.head
    held = frozenset(found.index[each] for each in (*asked.held, *given.held) if each in found.index)
    made = planner.plan(
        shown_head,
        given,
        held=held | {0} if held else held,
        costs=costs_of(given, shown_head),
        answers=asked.live is not None,
        live=asked.live,
        head_bytes=0 if held else len(found.data),  # who holds chunks of this head has the head
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
