"""JSON from outside: one reader, with a bound on everything before it is made.

A text that two readers could understand differently is refused: a key that is there twice, a number that is none.
"""

from __future__ import annotations

import json
import re
from typing import Any

from netgraft.errors import DeliveryError

_MOST_NESTING = 24
# One that does not end goes to the end, and nothing is given back: each byte is looked at once, whatever comes.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def read_json(data: bytes, what: str, kind: type[DeliveryError], *, most_bytes: int | None = None) -> Any:
    """Return the value of a JSON text.

    Args:
        data: the text in UTF-8.
        what: names it in the text of an error.
        kind: of error that is raised.
        most_bytes: its largest size, unless whoever received it has seen to that.

    Raises:
        DeliveryError: of the kind: it is too large or nested too deeply, is not JSON, names a key twice, or has a
            number that is not finite.
    """
    if most_bytes is not None and len(data) > most_bytes:
        raise kind(f"{what} of at most {most_bytes} bytes is required, got {len(data)}")
    if (depth := nesting(data)) > _MOST_NESTING:
        raise kind(f"{what} must be nested at most {_MOST_NESTING} deep, got {depth}")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in pairs:
            if key in made:
                raise kind(f"{what} must name each key once, got {key[:64]!r} twice")
            made[key] = value
        return made

    def constant(text: str) -> float:
        raise kind(f"{what} must have finite numbers, got {text[:20]}")

    def number(text: str) -> float:
        return found if abs(found := float(text)) != float("inf") else constant(text)

    try:
        return json.loads(data.decode(), object_pairs_hook=unique, parse_constant=constant, parse_float=number)
    except DeliveryError:
        raise
    except (ValueError, RecursionError) as error:
        raise kind(f"{what} must be JSON, got: {str(error)[:200]}") from error


def nesting(data: bytes) -> int:
    """Return how deep the brackets of a JSON text go; those in strings do not count."""
    deepest = depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", data)):
        depth += 1 if bracket.group() in (b"[", b"{") else -1
        deepest = max(deepest, depth)
    return deepest
