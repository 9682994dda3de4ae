"""The stamp: a short-lived note of the server that says which head is the newest of a name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from netgraft.delivery.strict_json import read_json
from netgraft.delivery.trust.keys import SigningKey
from netgraft.delivery.trust.signed import FORMAT, HEX_32, Signed, json_text, shown, signed_bytes, whole_number
from netgraft.errors import HeadError

MOST_STAMP_BYTES = 16_384
STAMP_MESSAGE = b"netgraft stamp 1\n"


@dataclass(frozen=True)
class Stamp:
    """Which head is the newest of a name, for a short time.

    Attributes:
        name: of the model.
        version: of the head.
        head: the head's SHA-256.
        issued_s: when it was signed, in seconds since 1970.
        expires_s: when it ends to count.
    """

    name: str
    version: int
    head: str
    issued_s: int
    expires_s: int

    def to_json(self) -> dict[str, Any]:
        """Return the stamp as JSON values."""
        return {
            "type": "stamp",
            "format": FORMAT,
            "name": self.name,
            "version": self.version,
            "head": self.head,
            "issued_s": self.issued_s,
            "expires_s": self.expires_s,
        }

    @staticmethod
    def from_json(value: Any) -> Stamp:
        """Return the stamp stored by `to_json`.

        Raises:
            HeadError: a field is missing or says what cannot be.
        """
        if not isinstance(value, dict) or value.get("type") != "stamp" or value.get("format") != FORMAT:
            raise HeadError(f"a stamp of format {FORMAT} is required, got something else")
        name, head = value.get("name"), value.get("head")
        if not isinstance(name, str) or not isinstance(head, str) or not HEX_32.fullmatch(head):
            raise HeadError(f"a stamp must have a name and the 64 hexadecimal digits of a head, got {shown(head)}")
        numbers = (whole_number(value, key, HeadError) for key in ("version", "issued_s", "expires_s"))
        version, issued_s, expires_s = numbers
        return Stamp(name, version, head, issued_s, expires_s)


def sign_stamp(stamp: Stamp, keys: Iterable[SigningKey]) -> bytes:
    """Return the bytes of a stamp signed by online keys."""
    text = json_text(stamp.to_json())
    signed = Signed(text, tuple(key.sign(STAMP_MESSAGE + text.encode()) for key in keys))
    return json_text(signed.to_json()).encode()


def read_stamp(signed: Signed) -> Stamp:
    """Return the stamp in a text whose signatures held.

    Raises:
        HeadError: it is none.
    """
    return Stamp.from_json(read_json(signed_bytes(signed.text), "a stamp", HeadError, most_bytes=MOST_STAMP_BYTES))
