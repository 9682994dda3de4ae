"""What a start from earlier models gained, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netgraft.reports.figures import finite, percent, plain, quantity
from netgraft.reports.points import MINUS

Told = Mapping[str, Any]

#: How the networks start, by what is kept of the sources.
_MODES = {
    "model": "The networks start from the source's, all of it trained further.",
    "held": "The networks start from the source's and are held to it (L2-SP).",
    "feature": "The networks start from the source's, its lower layers frozen.",
    "instance": "The networks start fresh and learn from the source's rows beside the table's.",
    "integrated": "The networks start from the source's and learn from its rows beside the table's.",
    "generalist": "The networks start from one that was grown on the rows of all sources.",
    "cold": "The networks start fresh; the sources only help to teach them.",
}
_DECISIONS = {
    "accepted": "The guard accepted the start from earlier models",
    "refused": "The guard refused the start from earlier models, so the front is that of a cold start",
}


@dataclass(frozen=True)
class Gain:
    """What a start from earlier models was expected to gain, and gained, in error on held-out rows.

    Attributes:
        decision: of the guard, or an empty text.
        cold, warm: the best candidate without and with a source, or None.
        expected: the largest expected gain of the sources that were used, with that source's name, or None.
    """

    decision: str
    cold: Told | None
    warm: Told | None
    expected: tuple[str, float] | None

    @property
    def difference(self) -> float | None:
        """Return the error of the best cold candidate minus that of the best with a source."""
        return None if self.cold is None or self.warm is None else float(self.cold["error"] - self.warm["error"])

    @property
    def achieved(self) -> float | None:
        """Return the error of the best cold candidate minus that of what was taken: 0 where the guard refused."""
        return {"accepted": self.difference, "refused": None if self.cold is None else 0.0}.get(self.decision)


def gain_of(told: Told) -> Gain:
    """Return the gain of a transfer as `front.json` tells of it."""
    used = {each.get("name") for each in told.get("sources") or []}
    expected = [
        (str(each["name"]), gain)
        for each in told.get("ranked") or []
        if each.get("name") in used and (gain := finite(each.get("expected_gain"))) is not None
    ]
    ordered = candidates_of(told)
    return Gain(
        str((told.get("guard") or {}).get("decision") or ""),
        next((each for each in ordered if each.get("source") is False), None),
        next((each for each in ordered if each.get("source") is True), None),
        max(expected, key=lambda pair: pair[1], default=None),
    )


def candidates_of(told: Told) -> list[Told]:
    """Return the guard's candidates with an error, the least error first."""
    given = (told.get("guard") or {}).get("candidates") or []
    return sorted((each for each in given if finite(each.get("error")) is not None), key=lambda each: each["error"])


def sentences(told: Told, gain: Gain) -> list[str]:
    """Return in words what the guard decided and why, what that changed, and how the networks start."""
    reason, mode = (
        str((told.get("guard") or {}).get("reason") or "").strip().rstrip("."),
        str(told.get("mode") or "none"),
    )
    decided = _DECISIONS.get(gain.decision, f"The guard decided: {gain.decision}" if gain.decision else "")
    said = [f"{': '.join(part for part in (decided, reason) if part)}."] if decided or reason else []
    if gain.difference is not None:
        said.append(_difference(gain.difference, gain.cold))
    if mode != "none" and gain.decision != "refused":
        said.append(_MODES.get(mode, f"What is kept of the sources: {mode}."))
    return said or ["The search had a library, and used nothing of it."]


def _difference(less: float, cold: Told | None) -> str:
    if not less:
        return "On held-out rows a source makes no difference."
    share = f" ({percent(abs(less) / cold['error'])})" if cold is not None and cold["error"] > 0 else ""
    return f"On held-out rows a source makes the error {plain(abs(less))}{share} {'less' if less > 0 else 'more'}."


def signed(value: float | None) -> str:
    """Return a gain with its sign, in the typographer's minus.

    >>> signed(0.019), signed(-0.004) == chr(0x2212) + "0.0040", signed(0.0)
    ('+0.0190', True, '0')
    """
    if not value:
        return quantity(value)
    return f"{'+' if value > 0 else MINUS}{plain(abs(value))}"
