"""Fields of documents from outside: each is declared once and both read and described (JSON Schema) from that.

Reading never trusts a type: a boolean is no number, a number is finite and in its range, a text has a length. What
JSON Schema cannot say (a date that is in no calendar, text that is not Unicode) the reader refuses all the same.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from netgraft.errors import SituationError, unknown_name

#: No byte, second, sample or rate that anyone means is larger.
LARGEST = 10**18
_SHOWN = 60


class Field(Protocol):
    """One field of a document."""

    def read(self, value: Any, where: str) -> Any:
        """Return the checked value; ``where`` names the field in the text of an error."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of the field."""
        ...


@dataclass(frozen=True)
class Number:
    """A finite number in a range.

    Attributes:
        about: what it is, for the schema.
        low, high: the range; both ends belong to it.
        open_low: whether ``low`` itself is out of range.
        whole: whether it must be a whole number (``65536.0`` and ``6e4`` are).
        hint: what a number that is refused may have been meant to be, in words behind the text of the error.
    """

    about: str
    low: float = 0
    high: float = LARGEST
    open_low: bool = False
    whole: bool = False
    hint: Callable[[float], str] = lambda value: ""

    def read(self, value: Any, where: str) -> int | float:
        """Return the number: an int where it must be whole, else a float."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not self._holds(value):
            kind = "a whole number" if self.whole else "a number"
            start = f"greater than {self.low:g} and at most" if self.open_low else f"from {self.low:g} to"
            hint = self.hint(value) if is_number else ""
            raise SituationError(f"{where} must be {kind} {start} {self.high:g}, got {shown(value)}{hint}")
        return int(value) if self.whole else float(value)

    def _holds(self, value: float) -> bool:
        if isinstance(value, float) and (not math.isfinite(value) or (self.whole and not value.is_integer())):
            return False
        return (value > self.low if self.open_low else value >= self.low) and value <= self.high

    def schema(self) -> dict[str, Any]:
        """Return the schema."""
        low = {"exclusiveMinimum": self.low} if self.open_low else {"minimum": self.low}
        kind = "integer" if self.whole else "number"
        return {"description": self.about, "type": kind, **low, "maximum": self.high}


@dataclass(frozen=True)
class Text:
    """A text of bounded length.

    Attributes:
        about: what it is, for the schema.
        longest: characters.
        pattern: a regular expression without anchors that the whole text must match, or None.
        form: the pattern in words, for the text of an error.
        valid: what JSON Schema cannot say.
    """

    about: str
    longest: int = 256
    pattern: str | None = None
    form: str = "a text"
    valid: Callable[[str], bool] = lambda text: True

    def read(self, value: Any, where: str) -> str:
        """Return the text."""
        if not isinstance(value, str) or not self._holds(value):
            raise SituationError(f"{where} must be {self.form} of 1 to {self.longest} characters, got {shown(value)}")
        return value

    def _holds(self, value: str) -> bool:
        if not 1 <= len(value) <= self.longest or any("\ud800" <= character <= "\udfff" for character in value):
            return False
        return (self.pattern is None or re.fullmatch(self.pattern, value) is not None) and self.valid(value)

    def schema(self) -> dict[str, Any]:
        """Return the schema."""
        made: dict[str, Any] = {"description": self.about, "type": "string", "minLength": 1, "maxLength": self.longest}
        return made if self.pattern is None else {**made, "pattern": f"^{self.pattern}$"}


@dataclass(frozen=True)
class Items:
    """A list of values of one kind.

    Attributes:
        about: what it is, for the schema.
        item: each of them.
        most: how many there may be.
    """

    about: str
    item: Field
    most: int

    def read(self, value: Any, where: str) -> tuple[Any, ...]:
        """Return the values."""
        if not isinstance(value, list | tuple) or len(value) > self.most:
            raise SituationError(f"{where} must be a list of at most {self.most} values, got {shown(value)}")
        return tuple(self.item.read(item, f"{where}[{place}]") for place, item in enumerate(value))

    def schema(self) -> dict[str, Any]:
        """Return the schema."""
        return {"description": self.about, "type": "array", "items": self.item.schema(), "maxItems": self.most}


@dataclass(frozen=True)
class Maybe:
    """A field that may be null."""

    field: Field

    def read(self, value: Any, where: str) -> Any:
        """Return the value, or None."""
        return None if value is None else self.field.read(value, where)

    def schema(self) -> dict[str, Any]:
        """Return the schema."""
        return {"anyOf": [self.field.schema(), {"type": "null"}]}


@dataclass(frozen=True)
class Table:
    """A table of named fields; a name that is not among them is an error.

    Attributes:
        about: what it is, for the schema.
        fields: the fields by name.
        required: the names that must be there.
    """

    about: str
    fields: Mapping[str, Field]
    required: tuple[str, ...] = ()

    def read(self, value: Any, where: str) -> dict[str, Any]:
        """Return the checked values by name."""
        if not isinstance(value, Mapping):
            raise SituationError(f"{where} must be a table of keys and values, got {shown(value)}")
        for key in value:
            if key not in self.fields:
                name = key if isinstance(key, str) else shown(key)
                raise SituationError(unknown_name(f"a key of {where}", name[:_SHOWN], self.fields))
        for key in self.required:
            if key not in value:
                raise SituationError(f"{where} must have the key {key!r}, got {', '.join(value) or 'none'}")
        return {key: self.fields[key].read(item, f"{key} of {where}") for key, item in value.items()}

    def schema(self) -> dict[str, Any]:
        """Return the schema."""
        properties = {key: field.schema() for key, field in self.fields.items()}
        made = {"description": self.about, "type": "object", "properties": properties, "additionalProperties": False}
        return {**made, "required": list(self.required)} if self.required else made


def shown(value: Any) -> str:
    """Return a short text for a value of any type, however large or deep it is."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST:
        return f"a number of {value.bit_length()} bits"  # Python refuses to write very long ones
    try:
        text = reprlib.repr(value)
    except ValueError:  # such a number inside a list
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
