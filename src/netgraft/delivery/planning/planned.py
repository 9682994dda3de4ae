"""What a planner decided, as a value and as JSON: what to fetch, why, and what else there was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, get_args

from netgraft.delivery.fields import Field, Items, Maybe, Number, Table, Text
from netgraft.delivery.planning.offers import Decision
from netgraft.errors import DeliveryError, SituationError

DECISIONS: tuple[Decision, ...] = get_args(Decision)


@dataclass(frozen=True)
class Alternative:
    """Something that was not chosen, and why."""

    decision: Decision
    cut: str | None
    accuracy: float
    download_bytes: int
    why: str


@dataclass(frozen=True)
class Plan:
    """What a device should do.

    Attributes:
        decision: ``device`` (run the cut), ``split`` (run it and send its features to a server), ``server`` (send raw
            inputs), ``stay`` (go on with what answers now).
        cut: the cut on the device; None for a server alone, and where nothing of this version is there to stay with.
        chunks: the chunks of the head to fetch, the most useful first.
        delta: the delta of the head to fetch before them, or None.
        download_bytes: bytes of both.
        wire_bytes: expected bytes over the link, with the head, repetitions and uploads.
        download_s: expected seconds of the download; None where the rate is unknown.
        latency_s: modelled seconds of a prediction; None where the device is unknown.
        energy_j: modelled joules of a prediction on the device, likewise.
        upload_bits: per prediction.
        accuracy: of the answers (1 - error); None where nothing of this version answers.
        reason: why, in words.
        alternatives: what else there was, and why not.
    """

    decision: Decision
    cut: str | None
    chunks: tuple[int, ...]
    delta: int | None
    download_bytes: int
    wire_bytes: float
    download_s: float | None
    latency_s: float | None
    energy_j: float | None
    upload_bits: int
    accuracy: float | None
    reason: str
    alternatives: tuple[Alternative, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values, which `from_json` reads back."""
        made = asdict(self)
        return {**made, "chunks": list(self.chunks), "alternatives": list(made["alternatives"])}

    @staticmethod
    def from_json(value: Any) -> Plan:
        """Return the plan in JSON values from the wire; the chunks are checked against a head by whoever fetches them.

        Raises:
            DeliveryError: a key is unknown or missing, or a value is out of range.
        """
        try:
            read = _TABLE.read(value, "a plan")
        except SituationError as error:
            raise DeliveryError(str(error)) from error
        return Plan(**{**read, "alternatives": tuple(Alternative(**item) for item in read["alternatives"])})


def plan_schema() -> dict[str, Any]:
    """Return the JSON Schema of a plan."""
    return _TABLE.schema()


_AMOUNT = Number("an amount", high=1e300)
_ID = Maybe(Text("the cut on the device", 64, r"[a-z0-9]+", "an id of letters and digits"))
_SAID = Text("in words", 4_000)
_ALTERNATIVE: dict[str, Field] = {
    "decision": Text("what kind", 16, "|".join(DECISIONS), f"one of {', '.join(DECISIONS)}, a text"),
    "cut": _ID,
    "accuracy": Number("1 - error", -1e9, 1),
    "download_bytes": Number("bytes of chunks and delta to fetch", whole=True),
    "why": _SAID,
}
_PLAN: dict[str, Field] = {
    "decision": _ALTERNATIVE["decision"],
    "cut": _ID,
    "chunks": Items("the chunks to fetch, the most useful first", Number("a chunk", high=2**31, whole=True), 1_000_000),
    "delta": Maybe(Number("the delta to fetch before them", high=2**31, whole=True)),
    "download_bytes": _ALTERNATIVE["download_bytes"],
    "wire_bytes": _AMOUNT,
    "download_s": Maybe(_AMOUNT),
    "latency_s": Maybe(_AMOUNT),
    "energy_j": Maybe(_AMOUNT),
    "upload_bits": Number("bits to send per prediction", whole=True),
    "accuracy": Maybe(_ALTERNATIVE["accuracy"]),
    "reason": _SAID,
    "alternatives": Items("what else there was", Table("an alternative", _ALTERNATIVE, tuple(_ALTERNATIVE)), 64),
}
_TABLE = Table("what a device should do", _PLAN, tuple(_PLAN))
