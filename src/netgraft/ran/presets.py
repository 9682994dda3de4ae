"""Scenarios by name, and scenarios in TOML files.

A file has the fields of `Scenario` as keys; ``base`` names a preset whose values hold for the keys that are not given.
A table or list that is given replaces the base's whole. ``file`` in ``[masks]`` names a CSV file of masks.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from netgraft.errors import SettingError, unknown_name
from netgraft.ran.scenario import Scenario
from netgraft.ran.traffic import read_masks

_SUFFIX = ".toml"


def presets() -> tuple[str, ...]:
    """Return the names of the presets."""
    files = (resources.files("netgraft.ran") / "catalogue").iterdir()
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in files if file.name.endswith(_SUFFIX)))


@lru_cache
def preset(name: str) -> Scenario:
    """Return the scenario of a name.

    Raises:
        SettingError: no preset has the name.
    """
    if name not in presets():
        raise SettingError(unknown_name("a preset", name, presets()))
    text = (resources.files("netgraft.ran") / "catalogue" / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
    return Scenario.from_payload(_with_base(tomllib.loads(text)))


def read_scenario(path: str | Path) -> Scenario:
    """Return the scenario in a TOML file.

    Raises:
        SettingError: the file cannot be read, is no TOML, or is no scenario; the text ends with the file's name.
        TableError: its table of masks is not usable.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "not UTF-8 text"
        raise SettingError(f"a scenario must be a TOML file that can be read, got {path}: {why}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"a scenario must be a TOML file, got {path}: {error}") from error
    try:
        table = {"name": path.stem, **_with_base(table)}
        return Scenario.from_payload({**table, **_masks_of_file(table, path)})
    except SettingError as error:
        raise SettingError(f"{error} in {path}") from error


def _with_base(table: dict[str, Any]) -> dict[str, Any]:
    """Return the table over the values of the preset it names as its base, if any."""
    table = dict(table)
    if "base" not in table:
        return table
    base = table.pop("base")
    return {**preset(str(base)).payload(), **table}


def _masks_of_file(table: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the key ``masks`` with the table of the CSV file that it names, or nothing."""
    masks = table.get("masks")
    if not isinstance(masks, dict) or "file" not in masks:
        return {}
    others = [key for key in masks if key != "file"]
    if others:
        raise SettingError(f"masks with a file must have no other key, got {others[0]}")
    return {"masks": {"table": read_masks(path.parent / str(masks["file"]), _slice_names(table))}}


def _slice_names(table: dict[str, Any]) -> tuple[str, ...]:
    """Return the slices' names of a table, which must be a scenario but for its masks."""
    return Scenario.from_payload({key: value for key, value in table.items() if key != "masks"}).slice_names
