"""The device profiles that come with the package, one TOML file each."""

from __future__ import annotations

from importlib import resources

from netgraft.devices.profile import Profile
from netgraft.devices.reading import parse_profile
from netgraft.errors import SettingError, unknown_name


def names() -> tuple[str, ...]:
    """Return the names of the catalogue's profiles, ``this`` machine among them."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def declared(name: str) -> Profile:
    """Return the profile of a name as the catalogue declares it; ``this`` is not measured.

    Raises:
        SettingError: the catalogue has no such name.
    """
    known = names()
    if name not in known:
        raise SettingError(f"{unknown_name('a device', name, known)}; or a TOML file (netgraft device measure --out)")
    return parse_profile((resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8"), f"{name}.toml")
