"""What a prediction of a cut costs: seconds and joules on a device, bits to a server.

Seconds and joules are modelled by `netgraft.devices` from the figures of the device that a situation names; a device
without a name, or without figures, costs nobody knows what.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from netgraft.delivery.format.head import CutRow, Head
from netgraft.delivery.planning.figures import Figures
from netgraft.delivery.planning.situation import Situation
from netgraft.errors import HeadError
from netgraft.runtime.encoding import Column
from netgraft.runtime.layers import OutputKind, architecture_layers
from netgraft.runtime.nested import NestedShape

if TYPE_CHECKING:
    from netgraft.devices import Layer, Profile

_NUMBER_BITS = 32
_NUMBER_BYTES = 4
_TIME_BITS = 64


def costs_of(situation: Situation, head: Head) -> Callable[[CutRow], tuple[float, float] | None] | None:
    """Return what one prediction of a cut of a head takes on the situation's device; None where no device is named.

    The function returns seconds and joules, both modelled; joules are 0 where the device's power is unknown.

    Raises:
        SettingError: the device is no profile of the catalogue.
    """
    if situation.device is None:
        return None
    cost = _cost(situation.device, _shape(head), _columns(head), str(head.output["kind"]))
    return lambda row: cost(row.depth, row.shell, row.parameters, row.operations)


@functools.lru_cache(maxsize=64)
def _cost(
    device: str | Figures, shape: NestedShape | None, columns: tuple[Column, ...], kind: str
) -> Callable[[int, int, int, int], tuple[float, float]]:
    """Return what gives seconds and joules for depth, shell, parameters and operations, each computed once."""
    profile = _profile(device)

    @functools.cache
    def cost(depth: int, shell: int, parameters: int, operations: int) -> tuple[float, float]:
        from netgraft.devices import energy_j, latency_s

        steps = _cut_layers(shape, columns, kind, depth, shell) if shape else _one_layer(parameters, operations)
        return latency_s(steps, profile), energy_j(steps, profile)

    return cost


def profile_of(situation: Situation) -> Profile | None:
    """Return the profile of a situation's device; None where it names none.

    Raises:
        SettingError: it is no profile of the catalogue.
    """
    return None if situation.device is None else _profile(situation.device)


def completed(situation: Situation) -> Situation:
    """Return the situation with what its device implies where it says nothing itself: memory and number formats.

    Raises:
        SettingError: the device is no profile of the catalogue.
    """
    profile = profile_of(situation)
    if profile is None:
        return situation
    memory_bytes = situation.memory_bytes or profile.memory_bytes or None
    formats = profile.formats if situation.formats is None else situation.formats
    return replace(situation, memory_bytes=memory_bytes, formats=formats)


def raw_bits(head: Head) -> int:
    """Return the bits of one row of raw inputs: 32 for a number or category, 64 for a date-time."""
    return sum(_TIME_BITS if column["kind"] == "datetime" else _NUMBER_BITS for column in head.columns)


def feature_bits(head: Head, row: CutRow) -> int:
    """Return the bits of one row of features at the exit of a cut, in float32.

    Those are the units of its last layer, and where the network has a linear path what that path adds to the outputs.
    """
    shape = _shape(head)
    if shape is None:
        return raw_bits(head)
    straight = shape.architecture.outputs if shape.architecture.skip else 0
    units = shape.widths[row.shell][row.depth - 1] if row.depth else shape.architecture.tokens
    return _NUMBER_BITS * (units + straight)


def _columns(head: Head) -> tuple[Column, ...]:
    """Return the columns without their vocabularies, which cost nothing that is counted here."""
    return tuple(
        Column(str(c["name"]), c["kind"], parts=tuple(c["parts"]), indicator=c["indicator"]) for c in head.columns
    )


@functools.lru_cache(maxsize=4_096)
def _cut_layers(
    shape: NestedShape, columns: tuple[Column, ...], output: str, depth: int, shell: int
) -> tuple[Layer, ...]:
    from netgraft.devices import Layer

    bins = np.array(shape.bins, np.int64) if shape.bins else None
    kind: OutputKind = "classification" if output == "classification" else "regression"
    steps = architecture_layers(shape.cut_architecture(depth, shell), columns, kind, bins)
    return tuple(Layer(**vars(step)) for step in steps)


def _shape(head: Head) -> NestedShape | None:
    """Return the shape of a nested table network, None for another kind."""
    try:
        shape = head.shape
    except HeadError:
        return None
    return shape if isinstance(shape, NestedShape) else None


@functools.lru_cache(maxsize=64)
def _profile(device: str | Figures) -> Profile:
    from netgraft.devices import catalogue

    return device.profile() if isinstance(device, Figures) else catalogue.declared(device)


def _one_layer(parameters: int, operations: int) -> tuple[Layer, ...]:
    """Return a network as one step, where nothing more is known of it."""
    from netgraft.devices import Layer

    return (Layer("dense", 1, 1, weights=parameters, weight_bytes=_NUMBER_BYTES * parameters, operations=operations),)
