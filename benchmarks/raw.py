"""Raw results: one JSON object per line, appended the moment a cell is finished, so that a stopped run goes on.

A row's key says which cell it is; a cell that is in the file is not run again, unless it failed. Rows of a quick trial
go to another file.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
Row = dict[str, Any]


def revision() -> str:
    """Return the commit of the repository, with a plus where files were changed since."""
    root = Path(__file__).resolve().parents[1]
    commands = (["git", "rev-parse", "--short", "HEAD"], ["git", "status", "--porcelain", "--", "src"])
    head, changed = (subprocess.run(c, cwd=root, capture_output=True, text=True, check=False).stdout for c in commands)
    return head.strip() + ("+" if changed.strip() else "") if head else "unknown"


class Raw:
    """The raw rows of one benchmark."""

    def __init__(self, name: str, keys: tuple[str, ...], *, quick: bool = False) -> None:
        """Open the file of a benchmark.

        Args:
            name: of the benchmark.
            keys: the fields of a row that say which cell it is.
            quick: whether this is a trial, whose rows must not mix with results.
        """
        folder = RESULTS / "raw"
        self.path = folder / (f"quick/{name}.jsonl" if quick else f"{name}.jsonl")
        self.keys = keys
        self._commit = revision()
        self._done = {self._key(row) for row in self.rows() if "failed" not in row}

    def rows(self) -> list[Row]:
        """Return all rows; of two with one key the later."""
        if not self.path.exists():
            return []
        found = {}
        for line in self.path.read_text(encoding="utf-8").splitlines():
            if line.endswith("}"):  # a line cut off by a kill is run again
                row = json.loads(line)
                found[self._key(row)] = row
        return list(found.values())

    def has(self, **cell: Any) -> bool:
        """Return whether a cell is done."""
        return self._key(cell) in self._done

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({**row, "commit": self._commit}, sort_keys=False, default=float)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        if "failed" not in row:
            self._done.add(self._key(row))

    def _key(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(json.dumps(row.get(key), default=str) for key in self.keys)
