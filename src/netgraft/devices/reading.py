"""Reads the TOML file of a device profile; every complaint names the file and what a profile requires."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

from netgraft.devices.layer import RATE_NAMES
from netgraft.devices.profile import ANY, FORMAT, ORIGINS, LayerRate, Profile, Source
from netgraft.errors import SettingError, unknown_name


def read_profile(path: Path) -> Profile:
    """Return the profile in a TOML file.

    Raises:
        SettingError: the file cannot be read, or it is no profile.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "not UTF-8 text"
        raise SettingError(f"a device must be a name or a TOML file that can be read, got {path}: {why}") from error
    return parse_profile(text, str(path))


def parse_profile(text: str, where: str) -> Profile:
    """Return the profile in the text of a TOML file.

    Args:
        text: the file's text.
        where: the file's name, for the texts of errors.

    Raises:
        SettingError: the text is not TOML, or lacks what a profile requires.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"a device profile must be a TOML file, got {where}: {error}") from error
    return _Reader(where).profile(tables)


class _Reader:
    """Reads the tables of one file; every complaint names the file."""

    def __init__(self, where: str) -> None:
        self.where = where

    def fail(self, required: str, came: str) -> SettingError:
        return SettingError(f"a device profile must have {required}, got {came} in {self.where}")

    def profile(self, tables: dict[str, Any]) -> Profile:
        if tables.get("format") != FORMAT:
            raise self.fail(f"format = {FORMAT}", repr(tables.get("format")))
        formats = tables.get("formats")
        if not isinstance(formats, list) or not formats or not all(isinstance(item, str) for item in formats):
            raise self.fail('formats, for example ["float32"]', repr(formats))
        sources: dict[str, Source] = {}
        run, memory, compute, bandwidth, power = (
            self.table(tables, name, sources) for name in ("run", "memory", "compute", "bandwidth", "power")
        )
        return Profile(
            name=self.text(tables, "name"),
            description=self.text(tables, "description"),
            formats=tuple(formats),
            memory_bytes=int(self.number(memory, "memory", "bytes", above=0)),
            overhead_s=self.number(run, "run", "overhead_s"),
            operations_per_s=self.number(compute, "compute", "operations_per_s", above=0),
            bandwidth_bytes_per_s=self.number(bandwidth, "bandwidth", "bytes_per_s", above=0),
            active_w=self.number(power, "power", "active_w"),
            layers=self.layers(tables, sources),
            sources=sources,
            p95_ratio=self.number(run, "run", "p95_ratio", above=0) if "p95_ratio" in run else None,
            machine=self.text(tables, "machine") if "machine" in tables else "",
        )

    def layers(self, tables: dict[str, Any], sources: dict[str, Source]) -> dict[str, LayerRate]:
        found = tables.get("layers")
        if not isinstance(found, dict):
            raise self.fail("tables [layers.KIND]", repr(found))
        for name in found:
            if name not in (*RATE_NAMES, ANY):
                raise SettingError(f"{unknown_name('a layer table', name, (*RATE_NAMES, ANY))} in {self.where}")
        lacking = [name for name in RATE_NAMES if name not in found]
        if lacking and ANY not in found:
            raise self.fail("a table [layers.any] or one for each kind of layer", f"none for {', '.join(lacking)}")
        return {name: self.rate(found, name, sources) for name in found}

    def rate(self, found: dict[str, Any], name: str, sources: dict[str, Source]) -> LayerRate:
        path = f"layers.{name}"
        table = self.table(found, name, sources, path)
        rate = self.number(table, path, "operations_per_s", above=0) if "operations_per_s" in table else None
        return LayerRate(self.number(table, path, "overhead_s"), self.number(table, path, "number_s"), rate)

    def table(
        self, tables: dict[str, Any], name: str, sources: dict[str, Source], path: str | None = None
    ) -> dict[str, Any]:
        table, path = tables.get(name), path or name
        if not isinstance(table, dict):
            raise self.fail(f"a table [{path}]", repr(table))
        origin, text = table.get("origin"), table.get("source")
        if origin not in ORIGINS:
            raise self.fail(f"an origin (declared or measured) in [{path}]", repr(origin))
        if not isinstance(text, str) or not text.strip():
            raise self.fail(f"a source in [{path}]", repr(text))
        sources[path] = Source(origin, text)
        return table

    def number(self, table: dict[str, Any], path: str, key: str, above: float | None = None) -> float:
        value = table.get(key)
        bound = ">= 0" if above is None else f"> {above:g}"
        wrong = self.fail(f"a finite number {key} {bound} in [{path}]", repr(value))
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise wrong
        if value < 0 or (above is not None and value <= above):
            raise wrong
        return float(value)

    def text(self, tables: dict[str, Any], key: str) -> str:
        value = tables.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.fail(f"a text {key}", repr(value))
        return value
