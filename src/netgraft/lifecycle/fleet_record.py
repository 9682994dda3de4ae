"""What is known of a fleet: ``fleet.json``, format 1.

A domain is open until it is searched (done), could not be (failed), or has too few rows to be (skipped). A finished
fleet has no open ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from netgraft.errors import JournalError, ModelError
from netgraft.records import write_json, write_text
from netgraft.reports.fleet import render_fleet
from netgraft.reports.points import test_error

FORMAT = 1
FLEET, REPORT = "fleet.json", "report.html"
#: Settings that say who works, not what comes out.
_FREE = ("jobs", "engine")

State = Literal["open", "done", "failed", "skipped"]


@dataclass(frozen=True)
class DomainResult:
    """What became of one domain.

    Attributes:
        value: of the column.
        folder: of its front, relative to the fleet's.
        rows: how many it has.
        state: open, done, failed or skipped.
        reason: why it failed or was skipped.
        picked: the id of its picked point, whose values follow.
        error: on validation rows.
        size: in bytes.
        test_error: on test rows, or None without any.
        seconds: how long its search took.
        evaluations: how many candidates it trained.
        transfer: ``mode`` and the guard's ``decision``, or None without a library.
        sources: the entries that it could start from.
    """

    value: str
    folder: str
    rows: int
    state: State = "open"
    reason: str | None = None
    picked: str | None = None
    error: float | None = None
    size: float | None = None
    test_error: float | None = None
    seconds: float | None = None
    evaluations: int | None = None
    transfer: dict[str, Any] | None = None
    sources: tuple[str, ...] = ()

    def done(self, front: Mapping[str, Any]) -> DomainResult:
        """Return the result with what a front says.

        Args:
            front: the content of its ``front.json``.
        """
        point = next(point for point in front["points"] if point["id"] == front["picked"])
        told = front["transfer"]
        return replace(
            self,
            state="done",
            picked=point["id"],
            error=point["values"]["error"],
            size=point["values"]["size"],
            test_error=test_error(point, front["task"]["metric"]),
            seconds=front["seconds"],
            evaluations=front["evaluations"],
            transfer=told and {"mode": told["mode"], "decision": told["guard"]["decision"]},
            sources=tuple(source["name"] for source in told["sources"]) if told else (),
        )

    def failed(self, reason: str) -> DomainResult:
        """Return the result of a domain that could not be searched."""
        return replace(self, state="failed", reason=reason)


@dataclass(frozen=True)
class Fleet:
    """The result of a fleet.

    Attributes:
        table: the name of the table.
        by: the column.
        task: kind, target and metric.
        domains: those with most rows first.
        notes: what else the user should know.
        settings: how each domain is searched.
        seconds: how long it took.
        interrupted: whether the user stopped it.
    """

    table: str
    by: str
    task: dict[str, str]
    domains: tuple[DomainResult, ...]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    seconds: float = 0.0
    interrupted: bool = False

    def count(self, *states: State) -> int:
        """Return how many domains are in one of the states."""
        return sum(domain.state in states for domain in self.domains)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``fleet.json``."""
        return {"format": FORMAT, **asdict(self), "seconds": round(self.seconds, 3)}

    def write(self, path: Path) -> None:
        """Write ``fleet.json`` into a folder.

        Raises:
            OutputError: it cannot be written.
        """
        write_json(path / FLEET, self.to_json())

    def write_report(self, path: Path) -> None:
        """Write the report into a folder.

        Raises:
            OutputError: it cannot be written.
        """
        write_text(path / REPORT, render_fleet(self.to_json()))

    def resumed(self, earlier: Fleet) -> Fleet:
        """Return a planned fleet with what an earlier run has done of it; what failed then is open again.

        Raises:
            JournalError: the earlier fleet is of another table, column or setting.
        """
        old, new = _determines(earlier), _determines(self)
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                came = json.dumps(new.get(name), ensure_ascii=False)
                was = json.dumps(old.get(name), ensure_ascii=False)
                raise JournalError(f"{name} must be {was} as in {FLEET} to resume, got {came}")
        known = {domain.value: domain for domain in earlier.domains}
        if {(d.value, d.rows) for d in self.domains} != {(d.value, d.rows) for d in earlier.domains}:
            raise JournalError(f"the table of {FLEET} is required to resume, got one with other rows by {self.by!r}")
        kept = (known[domain.value] if known[domain.value].state == "done" else domain for domain in self.domains)
        return replace(self, domains=tuple(kept), seconds=earlier.seconds)


def open_fleet(path: Path) -> Fleet:
    """Return the fleet of a folder.

    Raises:
        ModelError: its ``fleet.json`` is damaged or of another format.
    """
    try:
        value = json.loads((path / FLEET).read_bytes())
        if value.pop("format") != FORMAT:
            raise ModelError(f"{path / FLEET} must be of format {FORMAT}, got another")
        domains = [DomainResult(**{**entry, "sources": tuple(entry["sources"])}) for entry in value.pop("domains")]
        return Fleet(**{**value, "domains": tuple(domains), "notes": tuple(value["notes"])})
    except (OSError, KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path / FLEET} must be that of a fleet, got: {error}") from error


def _determines(fleet: Fleet) -> dict[str, Any]:
    """Return what two runs of one fleet have in common, but for the table."""
    settings = {name: value for name, value in fleet.to_json()["settings"].items() if name not in _FREE}
    return json.loads(json.dumps({"by": fleet.by, **fleet.task, **settings}))
