"""What a device can do: its memory, the time a layer takes on it, its power; every figure with its source.

A profile is a TOML file. Each of its tables holds figures and says where they come from (``source``) and whether they
were ``declared`` (a data sheet, a published measurement, or an assumption that says so) or ``measured`` on the device.

The time of a layer is ``overhead_s + number_s * numbers + operations / operations_per_s + read_bytes / bandwidth``, and
a run costs one more overhead. A kind of layer without figures of its own has those of the table ``layers.any``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from netgraft.devices.layer import Layer, RateName

FORMAT = 1
ANY = "any"
FigureOrigin = Literal["declared", "measured"]
ORIGINS: tuple[FigureOrigin, ...] = get_args(FigureOrigin)


@dataclass(frozen=True)
class Source:
    """Where the figures of one table of a profile come from."""

    origin: FigureOrigin
    text: str


@dataclass(frozen=True)
class LayerRate:
    """What a layer of one kind costs on a device.

    Attributes:
        overhead_s: seconds per layer, whatever its size.
        number_s: seconds per number the layer handles (`Layer.numbers`).
        operations_per_s: additions and multiplications per second; None: the device's own rate.
    """

    overhead_s: float
    number_s: float
    operations_per_s: float | None = None


@dataclass(frozen=True)
class Profile:
    """What a device can do.

    Attributes:
        name: the name in the catalogue, or the one a file gives itself.
        description: one line for people.
        formats: number formats the device computes with, such as ``float32`` and ``int8``.
        memory_bytes: memory for weights and activations.
        overhead_s: seconds per run, whatever the model.
        operations_per_s: additions and multiplications per second of one core.
        bandwidth_bytes_per_s: bytes of weights read per second.
        active_w: power of one busy core above idle.
        layers: what each kind of layer costs, by `Layer.rate_name`; ``any`` stands for those not named.
        sources: for each table of the profile (``memory``, ``layers.dense``, ...) where its figures come from.
        p95_ratio: the 95th percentile of a run's time over its median; None where nobody has measured it.
        machine: the processor and runtime that were measured, empty for declared profiles.
    """

    name: str
    description: str
    formats: tuple[str, ...]
    memory_bytes: int
    overhead_s: float
    operations_per_s: float
    bandwidth_bytes_per_s: float
    active_w: float
    layers: Mapping[str, LayerRate]
    sources: Mapping[str, Source] = field(repr=False)
    p95_ratio: float | None = None
    machine: str = ""

    def rate(self, name: RateName) -> LayerRate:
        """Return what a layer costs on this device; ``name`` is a `Layer.rate_name`."""
        return self.layers[name] if name in self.layers else self.layers[ANY]

    def layer_s(self, layer: Layer) -> float:
        """Return the modelled seconds of one layer for one input row."""
        rate = self.rate(layer.rate_name)
        computing_s = layer.operations / (rate.operations_per_s or self.operations_per_s)
        reading_s = layer.read_bytes / self.bandwidth_bytes_per_s
        return rate.overhead_s + rate.number_s * layer.numbers + computing_s + reading_s

    @staticmethod
    def load(name: str | Path) -> Profile:
        """Return the profile of a catalogue name, of ``this`` machine, or of a TOML file.

        ``this`` is read from the file in ``$NETGRAFT_DEVICE_THIS`` or from the user's cache; where there is none yet,
        or it belongs to another processor, the machine is measured within three seconds and the cache written.

        Raises:
            SettingError: the name is unknown, the file cannot be read, or it is no profile.
        """
        from netgraft.devices import catalogue, this
        from netgraft.devices.reading import read_profile

        text = str(name)
        if text == this.NAME:
            return this.this_profile()
        if text.endswith(".toml") or "/" in text or "\\" in text:
            return read_profile(Path(text))
        return catalogue.declared(text)

    def to_toml(self) -> str:
        """Return the profile as the text of a TOML file, which `netgraft.devices.parse_profile` reads back."""
        from netgraft.devices.toml import profile_toml

        return profile_toml(self)

    def to_json(self) -> dict[str, Any]:
        """Return the profile as JSON values: the tables of its TOML file."""
        from netgraft.devices.toml import profile_tables

        return profile_tables(self)
