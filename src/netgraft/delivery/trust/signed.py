"""Texts whose bytes were signed, and their JSON values: nothing is made of either that was not bounded and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netgraft.delivery.trust.keys import Signature
from netgraft.errors import HeadError, TrustError

FORMAT = 1
MOST_SIGNATURES = 64
HEX_32 = re.compile(r"[0-9a-f]{64}")
_MOST_INTEGER = 2**53


@dataclass(frozen=True)
class Signed:
    """A text with its signatures; the text is kept as it came, because its bytes were signed."""

    text: str
    signatures: tuple[Signature, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the text and its signatures as JSON values."""
        return {"signed": self.text, "signatures": [signature.to_json() for signature in self.signatures]}

    @staticmethod
    def from_json(value: Any) -> Signed:
        """Return what was stored by `to_json`.

        Raises:
            TrustError: a field is missing, or there are too many signatures.
        """
        text, signatures = (value.get("signed"), value.get("signatures")) if isinstance(value, dict) else (None, None)
        if not isinstance(text, str) or not isinstance(signatures, list):
            raise TrustError("a signed text and its signatures are required, got something else")
        if len(signatures) > MOST_SIGNATURES:
            raise TrustError(f"at most {MOST_SIGNATURES} signatures are allowed, got {len(signatures)}")
        return Signed(text, tuple(map(Signature.from_json, signatures)))


def whole_number(value: Mapping[str, Any], key: str, kind: type[TrustError | HeadError]) -> int:
    """Return a field that must be a whole number; raise the kind of error otherwise."""
    found = value.get(key)
    if type(found) is not int or not 0 <= found < _MOST_INTEGER:
        raise kind(f"{key} must be an integer >= 0, got {shown(found)}")
    return found


def signed_bytes(text: str) -> bytes:
    """Return a text's bytes; what is no Unicode text was never signed."""
    return text.encode(errors="replace")


def json_text(value: Any) -> str:
    """Return JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def shown(value: Any) -> str:
    """Return the beginning of what came, for the text of an error."""
    return repr(value)[:40]
