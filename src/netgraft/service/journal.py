"""What a server writes down: log lines on stderr, and the reports of devices in a file."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

LOG = logging.getLogger("netgraft.service")
_KEPT_FILES = 3


class JsonLines(logging.Formatter):
    """One JSON object per line: time, level, what happened, and the fields that came with it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            said["fault"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


class PlainLines(logging.Formatter):
    """One short line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        said = " ".join([record.getMessage(), *(f"{key}={value}" for key, value in fields.items())])
        return f"{when} {said}" + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else "")


def log_to(stream: TextIO, *, as_json: bool) -> logging.Handler:
    """Send the lines of the server, and of uvicorn from warnings on, to a stream; return what to remove again."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if as_json else PlainLines())
    for name, level in (("netgraft.service", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = False
        logger.addHandler(handler)
    return handler


def log_no_more(handler: logging.Handler) -> None:
    """Undo `log_to`."""
    for name in ("netgraft.service", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.removeHandler(handler)
        logger.propagate = True


class TelemetryFile:
    """Reports of devices as JSON lines; when the file is full it is put aside, and the oldest of three is given up."""

    def __init__(self, path: Path | None, *, most_bytes: int = 16_000_000) -> None:
        """Name the file; None keeps nothing.

        Args:
            path: of the file; its folder is made.
            most_bytes: of one file.
        """
        self._path, self._most_bytes = path, most_bytes
        self._failed = False

    def append(self, report: Mapping[str, Any], now_s: float) -> None:
        """Write a report down. A file that cannot be written is told once: telemetry must not stop a server."""
        if self._path is None:
            return
        time = datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, **report}, ensure_ascii=False) + "\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
                full = file.tell() >= self._most_bytes
            if full:
                self._rotate(self._path)
        except OSError as error:
            if not self._failed:
                print(f"netgraft: telemetry is not kept: {error}", file=sys.stderr)
            self._failed = True

    def _rotate(self, path: Path) -> None:
        """Put the file aside as ``.1``, and each one aside one further."""
        for number in range(_KEPT_FILES - 1, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{number + 1}"))
        path.replace(path.with_name(f"{path.name}.1"))
