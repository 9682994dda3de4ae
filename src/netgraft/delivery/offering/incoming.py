"""What comes in the bodies of requests, read and checked: requests for a plan, reports of devices, uploads."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netgraft.delivery.fields import Items, Number, Table, Text, shown
from netgraft.delivery.strict_json import read_json
from netgraft.errors import ChunkError, SituationError
from netgraft.records import sha256_hex

UPLOAD_MAGIC = b"NGUPLD1\n"
_LENGTH = struct.Struct("<I")
_MOST_UPLOADED = 65_536


@dataclass(frozen=True)
class PlanRequest:
    """A request for a plan.

    Attributes:
        situation: as it came; `netgraft.delivery.planning.situation` reads it.
        held: SHA-256 of chunks that the device has.
        version: of the model; None for the latest.
        live: id of the cut of that version that answers now; None where none does.
    """

    situation: Any
    held: tuple[str, ...]
    version: int | None
    live: str | None = None


def read_plan_request(body: bytes) -> PlanRequest:
    """Return the request for a plan in a body: JSON with ``situation``, ``held``, ``version``, ``live``.

    Each is optional.

    Raises:
        SituationError: it is none.
    """
    values = _object(body, "a request for a plan")
    unknown = [key for key in values if key not in _PLAN_KEYS]
    if unknown:
        raise SituationError(f"a request for a plan may have {', '.join(_PLAN_KEYS)}, got {shown(unknown[0])}")
    given, held, version, live = (values.get(key) for key in _PLAN_KEYS)
    return PlanRequest(
        {} if given is None else given,
        () if held is None else HELD.read(held, "held"),
        None if version is None else int(VERSION.read(version, "version")),
        None if live is None else LIVE.read(live, "live"),
    )


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
    sections: list[bytes] = []
    place = len(UPLOAD_MAGIC)
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
HELD = Items("chunks", Text("SHA-256 of a chunk", 64, "[0-9a-f]{64}", "64 hexadecimal digits"), 65_536)
VERSION = Number("of the model", 1, 99_999_999, whole=True)
LIVE = Text("id of the cut that answers now", 64, r"[a-z0-9]+", "an id of letters and digits")
_PLAN_KEYS = ("situation", "held", "version", "live")


def _object(body: bytes, what: str) -> dict[str, Any]:
    """Return the JSON object in a body."""
    value = read_json(body, what, SituationError)
    if not isinstance(value, dict):
        raise SituationError(f"{what} must be a JSON object, got {shown(value)}")
    return value
