"""The profile of this machine: measured once, kept in the user's cache, measured again when the processor changes."""

from __future__ import annotations

import functools
import os
import platform
from importlib.metadata import version
from pathlib import Path

from netgraft.devices.profile import Profile
from netgraft.devices.reading import read_profile
from netgraft.errors import OutputError, SettingError
from netgraft.records import write_text

NAME = "this"
PATH_VARIABLE = "NETGRAFT_DEVICE_THIS"
#: Raised whenever the timed models or the meaning of a figure change, so that older profiles are measured again.
MODEL_VERSION = 1
_CPU_INFO = Path("/proc/cpuinfo")


def cache_path() -> Path:
    """Return where the profile of this machine is kept: ``$NETGRAFT_DEVICE_THIS`` or the user's cache."""
    named = os.environ.get(PATH_VARIABLE)
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(cache) if cache else Path.home() / ".cache"
    except RuntimeError:  # a user without a home: a place that cannot be written, so nothing is kept
        folder = Path(os.devnull)
    return folder / "netgraft" / "this.toml"


def this_profile() -> Profile:
    """Return the profile of this machine; measures it within three seconds where none is kept.

    A file named by ``$NETGRAFT_DEVICE_THIS`` is used as it is when it exists, whatever machine it was measured on.

    Raises:
        SettingError: the file named by ``$NETGRAFT_DEVICE_THIS`` is no profile.
    """
    kept = kept_profile()
    if kept is not None:
        return kept
    profile = _measured_once(machine_identity())
    keep(profile)
    return profile


def kept_profile() -> Profile | None:
    """Return the profile of this machine if one is kept; measures nothing.

    Raises:
        SettingError: the file named by ``$NETGRAFT_DEVICE_THIS`` is no profile.
    """
    path = cache_path()
    if os.environ.get(PATH_VARIABLE) and path.is_file():
        return read_profile(path)
    try:
        profile = read_profile(path)
    except SettingError:  # absent, or damaged: the cache is not the user's to repair
        return None
    return profile if profile.machine == machine_identity() else None


def keep(profile: Profile) -> Path | None:
    """Write the profile of this machine where `this_profile` finds it; None where that place cannot be written."""
    path = cache_path()
    try:
        write_text(path, profile.to_toml())
    except OutputError:
        return None
    return path


def machine_identity() -> str:
    """Return what a measured profile is valid for: the processor, the runtime and the version of the latency model."""
    processor = platform.processor() or platform.machine()
    if _CPU_INFO.is_file():
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
        wanted = ("model name", "model", "stepping", "cache size", "CPU implementer", "CPU part", "Hardware")
        found: dict[str, str] = {}
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() in wanted:
                found.setdefault(key.strip(), value.strip())
        processor = ", ".join(f"{key} {value}" for key, value in found.items()) or processor
    return f"{processor}; ONNX Runtime {version('onnxruntime')}; latency model {MODEL_VERSION}"


@functools.cache
def _measured_once(machine: str) -> Profile:
    """Return the measured profile; once per process, for the case that the cache cannot be written."""
    from netgraft.devices.measure import QUICK_BUDGET_S, measure_this

    del machine  # the key under which the result is kept
    return measure_this(budget_s=QUICK_BUDGET_S)
