"""What a list of layers costs on a device, each value marked exact or modelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from netgraft.devices.layer import Layer, memory_bytes, operations
from netgraft.devices.profile import Profile
from netgraft.units import format_quantity

CostOrigin = Literal["exact", "measured", "modelled"]


@dataclass(frozen=True)
class Cost:
    """One cost of a model, in SI units."""

    value: float
    origin: CostOrigin


def latency_s(layers: Sequence[Layer], profile: Profile) -> float:
    """Return the modelled seconds of one run with one input row."""
    return profile.overhead_s + sum(profile.layer_s(layer) for layer in layers)


def energy_j(layers: Sequence[Layer], profile: Profile) -> float:
    """Return the modelled energy of one run: its time at the power of one busy core above idle."""
    return latency_s(layers, profile) * profile.active_w


def cost(layers: Sequence[Layer], profile: Profile, size_bytes: int) -> dict[str, Cost]:
    """Return every cost of a model on a device.

    Args:
        layers: the model as it is run.
        profile: the device.
        size_bytes: the bytes of the model as stored, which its owner counts.

    Returns:
        ``size``, ``memory``, ``operations`` (exact), ``latency`` and ``energy`` (modelled).
    """
    return {
        "size": Cost(size_bytes, "exact"),
        "memory": Cost(memory_bytes(layers), "exact"),
        "operations": Cost(operations(layers), "exact"),
        "latency": Cost(latency_s(layers, profile), "modelled"),
        "energy": Cost(energy_j(layers, profile), "modelled"),
    }


def fits(layers: Sequence[Layer], profile: Profile) -> str | None:
    """Return why a model does not fit the device's memory, or None where it does."""
    needed = memory_bytes(layers)
    if needed <= profile.memory_bytes:
        return None
    have, need = format_quantity(profile.memory_bytes, "byte"), format_quantity(needed, "byte")
    return f"the model must fit the {have} of memory of {profile.name}, got {need}"
