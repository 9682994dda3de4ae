"""What a device says of itself, its link and its needs, so that a model can be cut to fit (its situation).

Every field is optional, and a field that is not given limits nothing. Units are SI. A situation from the wire is data
only: it names a profile of the catalogue or carries its figures, and never makes anyone open a file or measure a
machine. A situation *file* on the device itself may also name a profile's TOML file, or ``this`` machine; both become
figures when the file is read.

>>> from_json({"memory_bytes": 65536, "rate_bps": 1e6}).memory_bytes
65536
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from netgraft.delivery.fields import Field, Items, Number, Table, Text, shown
from netgraft.delivery.planning.figures import FORMATS, Figures, figures_table
from netgraft.delivery.strict_json import read_json
from netgraft.errors import NetgraftError, SituationError, unknown_name

SCHEMA = "https://json-schema.org/draft/2020-12/schema"
#: A device that knows the codec ``reed-solomon`` can be sent forward error correction.
REED_SOLOMON = "reed-solomon"
_MOST_FILE_BYTES = 8_000_000  # 65,536 hashes of held chunks and room to spare
_THIS = "this"
_DATE = r"[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_TIME_FORM = "a date and time with an offset from UTC, such as 2026-05-04T12:30:00+02:00,"
_LOWEST_ACCURACY = -1e9  # R2 has no lower end, but none that means anything is below
_OFFSET = r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"


@dataclass(frozen=True)
class Situation:
    """A device's situation; None where it has not said.

    Attributes:
        memory_bytes: memory for models while they run, two at once during a change.
        storage_bytes: room for what is downloaded.
        device: the name of a profile of the catalogue, or figures.
        rate_bps: rate of the downlink; below 1: the link is down.
        latency_s: seconds of one exchange over the link (round trip), whatever its size.
        bit_error_rate: share of bits that arrive wrong.
        deadline_s: seconds from now until the model must be complete.
        min_accuracy: least accuracy (1 - error).
        max_latency_s: most seconds until a prediction is there.
        data_budget_bytes: most bytes over the link, whatever they are for.
        expected_samples: predictions that will be asked for before the next model.
        power_w: most power for predictions: one every ``max_latency_s``, back to back where that is not given.
        location: where the device is, in its owner's words.
        time: the moment it speaks of, with an offset from UTC.
        uplink_bps: rate of the uplink; without it nothing can be asked of a server.
        codecs: codecs it can decode; zstd and raw chunks always. None: those, and `REED_SOLOMON`.
        formats: number formats it computes with.
        held: SHA-256 of the chunks it has.
    """

    memory_bytes: int | None = None
    storage_bytes: int | None = None
    device: str | Figures | None = None
    rate_bps: float | None = None
    latency_s: float | None = None
    bit_error_rate: float | None = None
    deadline_s: float | None = None
    min_accuracy: float | None = None
    max_latency_s: float | None = None
    data_budget_bytes: int | None = None
    expected_samples: float | None = None
    power_w: float | None = None
    location: str | None = None
    time: str | None = None
    uplink_bps: float | None = None
    codecs: tuple[str, ...] | None = None
    formats: tuple[str, ...] | None = None
    held: tuple[str, ...] = ()

    @property
    def most_bytes(self) -> float:
        """Return the bytes a model may have by storage, data budget, and what the link carries until the deadline."""
        carried = math.inf
        if self.rate_bps is not None and self.deadline_s is not None:
            carried = self.rate_bps / 8 * max(0.0, self.deadline_s - (self.latency_s or 0.0))
        said = (self.storage_bytes, self.data_budget_bytes)
        return min([carried, *(value for value in said if value is not None)])

    def to_json(self) -> dict[str, Any]:
        """Return what was said as JSON values, which `from_json` reads back."""
        said = {item.name: getattr(self, item.name) for item in fields(self)}
        return {key: _json_value(value) for key, value in said.items() if value is not None and value != ()}


def from_json(value: Any, *, folder: Path | None = None) -> Situation:
    """Return the situation in JSON values.

    Args:
        value: an object with the keys of `Situation`.
        folder: where the name of a profile's file begins, for a document that the device itself wrote; None for one
            from the wire, which may name neither a file nor ``this`` machine.

    Raises:
        SituationError: a key is unknown, or a value is out of range.
    """
    if isinstance(value, Mapping) and isinstance(value.get("time"), datetime):
        value = {**value, "time": value["time"].isoformat()}  # TOML has date-times of its own
    device = value.get("device") if isinstance(value, Mapping) else None
    if folder is not None and isinstance(device, str):
        value = {**value, "device": _local_figures(device, folder)}
    return Situation(**_table().read(value, "a situation"))


def read(path: Path) -> Situation:
    """Return the situation in a file of the device itself: JSON where its name ends in ``.json``, else TOML.

    Raises:
        SituationError: the file cannot be read, a key is unknown, or a value is out of range.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_FILE_BYTES + 1)
        data.decode()
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "not UTF-8 text"
        raise SituationError(f"a situation must be a TOML or JSON file that can be read, got {path}: {why}") from error
    if len(data) > _MOST_FILE_BYTES:
        raise SituationError(f"a situation's file must have at most {_MOST_FILE_BYTES} bytes, got more in {path}")
    is_json = path.suffix.lower() == ".json"
    value = read_json(data, "a situation", SituationError) if is_json else _parsed_toml(data.decode())
    return from_json(value, folder=path.parent)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a situation on the wire."""
    return {"$schema": SCHEMA, "title": "Situation", **_table().schema()}


@dataclass(frozen=True)
class _Device:
    """The field ``device``: the name of a profile of the catalogue, or figures."""

    def read(self, value: Any, where: str) -> str | Figures:
        if isinstance(value, Figures):
            return value
        if isinstance(value, Mapping):
            return Figures.from_json(value, where)
        if not isinstance(value, str):
            known = ", ".join(_catalogue())
            raise SituationError(f"{where} must be one of {known}, or a table of figures, got {shown(value)}")
        if value not in _catalogue():
            raise SituationError(f"{unknown_name(where, value[:64], _catalogue())}; or a table of figures")
        return value

    def schema(self) -> dict[str, Any]:
        name = {"description": "a profile of the catalogue", "enum": list(_catalogue())}
        return {"description": "the device that runs the model", "anyOf": [name, figures_table().schema()]}


@functools.cache
def _table() -> Table:
    name = Text("a codec", 32, r"[a-z0-9][a-z0-9_-]*", "a name of small letters and digits")
    chunk = Text("SHA-256 of a chunk", 64, r"[0-9a-f]{64}", "64 hexadecimal digits")
    given: dict[str, Field] = {
        "memory_bytes": Number("memory for models while they run, two at once during a change", 1, whole=True),
        "storage_bytes": Number("room for what is downloaded", whole=True),
        "device": _Device(),
        "rate_bps": Number("rate of the downlink in bits per second; below 1: the link is down"),
        "latency_s": Number("seconds of one exchange over the link, whatever its size"),
        "bit_error_rate": Number("share of bits that arrive wrong", high=0.5),
        "deadline_s": Number("seconds until the model must be complete", open_low=True),
        "min_accuracy": Number("least accuracy, 1 - error", low=_LOWEST_ACCURACY, high=1, hint=_as_share),
        "max_latency_s": Number("most seconds until a prediction is there", open_low=True),
        "data_budget_bytes": Number("most bytes over the link, whatever they are for", whole=True),
        "expected_samples": Number("predictions that will be asked for before the next model"),
        "power_w": Number("most power for predictions", open_low=True),
        "location": Text("where the device is, in its owner's words"),
        "time": Text("the moment it speaks of", 40, f"{_DATE}T{_CLOCK}{_OFFSET}", _TIME_FORM, _in_calendar),
        "uplink_bps": Number("rate of the uplink in bits per second; below 1: it is down"),
        "codecs": Items("codecs it can decode, beside zstd and raw", name, 16),
        "formats": FORMATS,
        "held": Items("the chunks it has", chunk, 65_536),
    }
    return Table("what a device says of itself, its link and its needs; every key is optional", given)


@functools.cache
def _catalogue() -> tuple[str, ...]:
    from netgraft.devices import device_names

    return tuple(name for name in device_names() if name != _THIS)


def _local_figures(name: str, folder: Path) -> str | Figures:
    """Return the figures of a profile's file or of this machine; a name of the catalogue stays one."""
    if name != _THIS and not name.endswith(".toml"):
        return name
    from netgraft.devices.profile import Profile

    try:
        return Figures.of(Profile.load(name if name == _THIS else folder / name))
    except ImportError as error:
        raise SituationError(
            f"device = 'this' requires ONNX Runtime, which measures this machine ({error.name} is missing); "
            f"name a profile ({', '.join(_catalogue())}) or give figures"
        ) from error
    except NetgraftError as error:
        raise SituationError(str(error)) from error


def _as_share(accuracy: float) -> str:
    """Return what an accuracy in percent should have been."""
    return f"; accuracy is a share of 1, did you mean {accuracy / 100:g}?" if 2 <= accuracy <= 100 else ""


def _in_calendar(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _parsed_toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SituationError(f"a situation must be a TOML file, got text that is none: {error}") from error


def _json_value(value: Any) -> Any:
    if isinstance(value, Figures):
        return value.to_json()
    return list(value) if isinstance(value, tuple) else value
