"""Writes a profile as TOML or JSON; the standard library only reads TOML."""

from __future__ import annotations

import json
from typing import Any

from netgraft.devices.profile import FORMAT, Profile

Table = dict[str, Any]


def profile_tables(profile: Profile) -> Table:
    """Return a profile as the nested tables of its TOML file, which are JSON values too."""
    head: Table = {
        "format": FORMAT,
        "name": profile.name,
        "description": profile.description,
        "formats": list(profile.formats),
    }
    if profile.machine:
        head["machine"] = profile.machine
    run: Table = {"overhead_s": profile.overhead_s}
    if profile.p95_ratio is not None:
        run["p95_ratio"] = profile.p95_ratio
    tables: dict[str, Table] = {
        "memory": {"bytes": profile.memory_bytes},
        "run": run,
        "compute": {"operations_per_s": profile.operations_per_s},
        "bandwidth": {"bytes_per_s": profile.bandwidth_bytes_per_s},
        "power": {"active_w": profile.active_w},
    }
    layers = {name: _rate_table(profile, name) for name in profile.layers}
    return {
        **head,
        **{name: {**figures, **_source_table(profile, name)} for name, figures in tables.items()},
        "layers": layers,
    }


def profile_toml(profile: Profile) -> str:
    """Return the text of a profile's TOML file; `parse_profile` reads the same profile back."""
    tables = profile_tables(profile)
    layers: dict[str, Table] = tables.pop("layers")
    lines = [f"{key} = {_value(value)}" for key, value in tables.items() if not isinstance(value, dict)]
    named = {name: value for name, value in tables.items() if isinstance(value, dict)}
    for name, figures in {**named, **{f"layers.{name}": figures for name, figures in layers.items()}}.items():
        lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in figures.items())]
    return "\n".join(lines) + "\n"


def _rate_table(profile: Profile, name: str) -> Table:
    rate = profile.layers[name]
    figures: Table = {"overhead_s": rate.overhead_s, "number_s": rate.number_s}
    if rate.operations_per_s is not None:
        figures["operations_per_s"] = rate.operations_per_s
    return {**figures, **_source_table(profile, f"layers.{name}")}


def _source_table(profile: Profile, name: str) -> Table:
    source = profile.sources[name]
    return {"origin": source.origin, "source": source.text}


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, str):
        # the escapes of JSON are those of a TOML basic string, but JSON leaves DEL as it is
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
