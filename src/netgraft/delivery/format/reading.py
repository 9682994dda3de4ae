"""Reads the fields of a head's document, trusting neither their presence nor their type nor their range."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from netgraft.errors import HeadError

MOST_INTEGER = 2**53
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_TEXT = 4_096


class Fields:
    """The fields of one JSON object, each read once."""

    def __init__(self, value: Any, where: str) -> None:
        """Read an object.

        Args:
            value: what came.
            where: what it is, for the text of an error.

        Raises:
            HeadError: it is no object.
        """
        if not isinstance(value, Mapping):
            raise HeadError(f"{where} must be an object, got {type(value).__name__}")
        self._left, self._where = dict(value), where

    def any(self, key: str) -> Any:
        """Return a field's value, whatever it is.

        Raises:
            HeadError: it is missing.
        """
        if key not in self._left:
            raise HeadError(f"{self._where} must have the field {key!r}")
        return self._left.pop(key)

    def integer(self, key: str, low: int = 0, high: int = MOST_INTEGER) -> int:
        """Return a whole number in a range."""
        return integer(self.any(key), f"{self._where}.{key}", low, high)

    def sha256(self, key: str) -> str:
        """Return a hash."""
        return sha256(self.any(key), f"{self._where}.{key}")

    def object(self, key: str) -> dict[str, Any]:
        """Return an object with whatever fields.

        Raises:
            HeadError: it is none.
        """
        value = self.any(key)
        if not isinstance(value, dict):
            raise HeadError(f"{self._where}.{key} must be an object, got {type(value).__name__}")
        return value

    def list(self, key: str, most: int, least: int = 0) -> list[Any]:
        """Return a list of bounded length.

        Raises:
            HeadError: it is none, or its length is out of range.
        """
        value = self.any(key)
        if not isinstance(value, list) or not least <= len(value) <= most:
            length = len(value) if isinstance(value, list) else type(value).__name__
            raise HeadError(f"{self._where}.{key} must be a list of {least} to {most} values, got {length}")
        return value

    def done(self) -> None:
        """Check that every field was read.

        Raises:
            HeadError: there are others.
        """
        if self._left:
            raise HeadError(f"{self._where} must have known fields only, got {str(min(self._left))[:60]!r}")


def integer(value: Any, where: str, low: int = 0, high: int = MOST_INTEGER) -> int:
    """Return a whole number in a range.

    Raises:
        HeadError: it is none, or out of range.
    """
    if type(value) is not int or not low <= value <= high:
        raise HeadError(f"{where} must be a whole number from {low} to {high}, got {shown(value)}")
    return value


def number(value: Any, where: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return a finite number in a range.

    Raises:
        HeadError: it is none, or out of range.
    """
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    if not plain or not math.isfinite(value) or not low <= value <= high:
        raise HeadError(f"{where} must be a finite number from {low:g} to {high:g}, got {shown(value)}")
    return float(value)


def sha256(value: Any, where: str) -> str:
    """Return a hash.

    Raises:
        HeadError: it is not 64 hexadecimal digits.
    """
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise HeadError(f"{where} must be a SHA-256 in 64 hexadecimal digits, got {shown(value)}")
    return value


def text(value: Any, where: str, most: int = _MOST_TEXT) -> str:
    """Return a text.

    Raises:
        HeadError: it is none, or too long.
    """
    if not isinstance(value, str) or len(value) > most:
        raise HeadError(f"{where} must be a text of at most {most} characters, got {shown(value)}")
    return value


def name(value: Any, where: str) -> str:
    """Return a name: 1 to 200 printable characters, no slash, no space at its ends, not ``.`` or ``..``.

    Raises:
        HeadError: it is none.
    """
    plain = isinstance(value, str) and 1 <= len(value) <= 200 and value.isprintable() and value == value.strip()
    if not plain or re.search(r"[/\\]", value) or value in (".", ".."):
        raise HeadError(f"{where} must be 1 to 200 printable characters without a slash, got {shown(value)}")
    return str(value)


def shown(value: Any) -> str:
    """Return a value as an error shows it: short, and never a list that is longer than a line."""
    if isinstance(value, int) and abs(value) > MOST_INTEGER:
        return "a number with too many digits"
    whole = repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return whole if len(whole) <= 60 else f"{whole[:57]}..."
