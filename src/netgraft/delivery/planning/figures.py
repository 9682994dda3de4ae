"""What a device can do, as a situation carries it: a profile's figures without their sources.

A device that names a profile of its own sends these figures along, so that a server never opens a file it was told of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netgraft.delivery.fields import Field, Items, Number, Table, Text

if TYPE_CHECKING:
    from netgraft.devices.profile import Profile

FORMATS = Items(
    "number formats the device computes with; float32 if not given",
    Text("a number format, such as int8", 64),
    64,
)
_RATE: dict[str, Field] = {
    "overhead_s": Number("seconds per layer, whatever its size"),
    "number_s": Number("seconds per number the layer handles"),
    "operations_per_s": Number("additions and multiplications per second", 1),
}
_INLINE = "given inline"


@dataclass(frozen=True)
class LayerFigures:
    """What a layer of one kind costs on a device; the fields are those of `netgraft.devices.LayerRate`."""

    kind: str
    overhead_s: float = 0.0
    number_s: float = 0.0
    operations_per_s: float | None = None


@dataclass(frozen=True)
class Figures:
    """What a device can do.

    Attributes:
        operations_per_s: additions and multiplications per second of one core.
        bandwidth_bytes_per_s: bytes of weights read per second.
        overhead_s: seconds per run, whatever the model.
        active_w: power of one busy core above idle; None where nobody has said.
        memory_bytes: memory for weights and activations; None where nobody has said.
        formats: number formats it computes with.
        layers: what single kinds of layers cost beyond their operations and bytes.
        name: for people.
    """

    operations_per_s: float
    bandwidth_bytes_per_s: float
    overhead_s: float = 0.0
    active_w: float | None = None
    memory_bytes: int | None = None
    formats: tuple[str, ...] = ("float32",)
    layers: tuple[LayerFigures, ...] = ()
    name: str = "device"

    @staticmethod
    def of(profile: Profile) -> Figures:
        """Return the figures of a profile."""
        return Figures(
            operations_per_s=profile.operations_per_s,
            bandwidth_bytes_per_s=profile.bandwidth_bytes_per_s,
            overhead_s=profile.overhead_s,
            active_w=profile.active_w,
            memory_bytes=profile.memory_bytes,
            formats=profile.formats,
            layers=tuple(
                LayerFigures(kind, rate.overhead_s, rate.number_s, rate.operations_per_s)
                for kind, rate in sorted(profile.layers.items())
            ),
            name=profile.name[:256],
        )

    def profile(self) -> Profile:
        """Return the figures as a profile, every source of which is the situation."""
        from netgraft.devices.profile import ANY, LayerRate, Profile, Source

        rates = {item.kind: LayerRate(item.overhead_s, item.number_s, item.operations_per_s) for item in self.layers}
        tables = ("memory", "run", "compute", "bandwidth", "power", *(f"layers.{kind}" for kind in {ANY, *rates}))
        return Profile(
            name=self.name,
            description="a device described by its situation",
            formats=self.formats,
            memory_bytes=self.memory_bytes or 0,
            overhead_s=self.overhead_s,
            operations_per_s=self.operations_per_s,
            bandwidth_bytes_per_s=self.bandwidth_bytes_per_s,
            active_w=self.active_w or 0.0,
            layers={ANY: LayerRate(0.0, 0.0), **rates},
            sources=dict.fromkeys(tables, Source("declared", _INLINE)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the figures as the inline table of a situation."""
        made: dict[str, Any] = {
            "name": self.name,
            "operations_per_s": self.operations_per_s,
            "bandwidth_bytes_per_s": self.bandwidth_bytes_per_s,
            "overhead_s": self.overhead_s,
            "formats": list(self.formats),
        }
        optional = {"active_w": self.active_w, "memory_bytes": self.memory_bytes}
        made |= {key: value for key, value in optional.items() if value is not None}
        layers = {
            item.kind: {key: value for key in _RATE if (value := getattr(item, key)) is not None}
            for item in self.layers
        }
        return {**made, "layers": layers} if layers else made

    @staticmethod
    def from_json(value: Any, where: str) -> Figures:
        """Return the figures in an inline table.

        Raises:
            SituationError: a key is unknown or missing, or a value is out of range.
        """
        read = figures_table().read(value, where)
        layers = tuple(LayerFigures(kind, **rate) for kind, rate in sorted(read.pop("layers", {}).items()))
        return Figures(layers=layers, **read)


def figures_table() -> Table:
    """Return the fields of an inline table."""
    from netgraft.devices.layer import RATE_NAMES
    from netgraft.devices.profile import ANY

    rate = Table("what a layer of this kind costs; any stands for those not named", _RATE)
    fields: dict[str, Field] = {
        "name": Text("for people"),
        "operations_per_s": Number("additions and multiplications per second of one core", 1),
        "bandwidth_bytes_per_s": Number("bytes of weights read per second", 1),
        "overhead_s": Number("seconds per run, whatever the model"),
        "active_w": Number("power of one busy core above idle"),
        "memory_bytes": Number("memory for weights and activations", 1, whole=True),
        "formats": FORMATS,
        "layers": Table("what single kinds of layers cost", dict.fromkeys((*RATE_NAMES, ANY), rate)),
    }
    return Table("figures of a device", fields, ("operations_per_s", "bandwidth_bytes_per_s"))
