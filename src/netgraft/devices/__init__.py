"""What a device can do, and what a list of layers costs on it.

A model is described by its `Layer` list, a device by a `Profile` (a catalogue name, ``this`` machine, or a TOML file).
Sizes, memory and operations are exact; latency and energy are modelled from the profile's figures, each of which says
where it comes from. `measure_this` fits those figures to this machine.

>>> layers = [Layer("input", 1, 1), Layer("dense", 1, 8, weights=16, weight_bytes=64, operations=24)]
>>> cost(layers, Profile.load("raspberry-pi-5"), size_bytes=64)["memory"]
Cost(value=100, origin='exact')
"""

from netgraft.devices.catalogue import names as device_names
from netgraft.devices.cost import Cost, cost, energy_j, fits, latency_s
from netgraft.devices.layer import LAYER_KINDS, Layer, LayerKind, memory_bytes, operations
from netgraft.devices.measure import measure_this
from netgraft.devices.profile import LayerRate, Profile, Source
from netgraft.devices.reading import parse_profile, read_profile
from netgraft.devices.this import cache_path, keep
from netgraft.devices.timing import Timing, open_session, time_onnx

__all__ = [
    "LAYER_KINDS",
    "Cost",
    "Layer",
    "LayerKind",
    "LayerRate",
    "Profile",
    "Source",
    "Timing",
    "cache_path",
    "cost",
    "device_names",
    "energy_j",
    "fits",
    "keep",
    "latency_s",
    "measure_this",
    "memory_bytes",
    "open_session",
    "operations",
    "parse_profile",
    "read_profile",
    "time_onnx",
]
