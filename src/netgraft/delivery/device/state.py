"""What a device remembers between starts, as values and as JSON."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from netgraft.delivery.trust.accepting import TrustState
from netgraft.errors import StorageError

FORMAT = 1
SLOTS = ("a", "b")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Installed:
    """A model that a device can answer with.

    Attributes:
        head: SHA-256 of the head it was made from.
        version: of the head.
        cut: id of the cut.
        slot: ``a`` or ``b``.
        accuracy: 1 - error, as the head says.
        memory_bytes: while it runs, as the head says.
    """

    head: str
    version: int
    cut: str
    slot: str
    accuracy: float
    memory_bytes: int

    @staticmethod
    def from_json(value: Any) -> Installed:
        """Return what was stored as JSON values.

        Raises:
            StorageError: a field is missing or malformed.
        """
        try:
            found = Installed(
                str(value["head"]),
                int(value["version"]),
                str(value["cut"]),
                str(value["slot"]),
                float(value["accuracy"]),
                int(value["memory_bytes"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError(f"an installed model must have every field, got none for {error}") from error
        if found.slot not in SLOTS or not SHA256.fullmatch(found.head):
            raise StorageError(f"an installed model must have the slot a or b and a head, got {found.slot!r}")
        return found


@dataclass(frozen=True)
class Refused:
    """A version that was rolled back from by hand: it is not installed again until a later one is.

    Attributes:
        head: SHA-256 of its head.
        version: of the head.
    """

    head: str
    version: int

    @staticmethod
    def from_json(value: Any) -> Refused:
        """Return what was stored as JSON values.

        Raises:
            StorageError: a field is missing or malformed.
        """
        try:
            found = Refused(str(value["head"]), int(value["version"]))
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError(f"a refused version must have every field, got none for {error}") from error
        if not SHA256.fullmatch(found.head):
            raise StorageError(f"a refused version must have a head, got {found.head[:40]!r}")
        return found


@dataclass(frozen=True)
class DeviceState:
    """What a device remembers.

    Attributes:
        name: of the model; empty before the first fetch.
        trust: what was accepted last.
        active: what answers now.
        previous: the last model of the version before.
        target: SHA-256 of the head that is being fetched, or was last.
        spent_bytes: that came over the network for the target so far.
        refused: the version that was rolled back from by hand, until a later one is installed.
    """

    name: str = ""
    trust: TrustState = field(default_factory=TrustState)
    active: Installed | None = None
    previous: Installed | None = None
    target: str | None = None
    spent_bytes: int = 0
    refused: Refused | None = None

    def refuses(self, head: str, version: int) -> bool:
        """Return whether a head is the one that was rolled back from by hand, or is said to be of its version."""
        return self.refused is not None and (head == self.refused.head or version == self.refused.version)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "format": FORMAT,
            "name": self.name,
            "active": None if self.active is None else asdict(self.active),
            "previous": None if self.previous is None else asdict(self.previous),
            "target": self.target,
            "spent_bytes": self.spent_bytes,
            "refused": None if self.refused is None else asdict(self.refused),
            "trust": self.trust.to_json(),
        }

    @staticmethod
    def from_json(value: Any) -> DeviceState:
        """Return the state stored by `to_json`.

        Raises:
            StorageError: it is of another format, or a field is missing or malformed.
        """
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            said = value.get("format") if isinstance(value, dict) else type(value).__name__
            raise StorageError(f"format {FORMAT} is required, got {said!r:.40}")
        try:
            active, previous, target = value["active"], value["previous"], value["target"]
            refused = value.get("refused")  # states of before have none
            if target is not None and not SHA256.fullmatch(target):
                raise StorageError(f"a target must be 64 hexadecimal digits, got {target[:40]!r}")
            return DeviceState(
                str(value["name"]),
                TrustState.from_json(value["trust"]),
                None if active is None else Installed.from_json(active),
                None if previous is None else Installed.from_json(previous),
                target,
                int(value["spent_bytes"]),
                None if refused is None else Refused.from_json(refused),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, StorageError):
                raise
            raise StorageError(f"a device's state must have every field, got: {error}") from error
