"""One step of a model as it is run, described by counts alone: what a device must store, hold and compute.

A model is a sequence of layers in the order in which they run, one row at a time (batch 1), in float32. Nothing here
knows weights or devices: the same layers cost different times on different profiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from netgraft.errors import SettingError, unknown_name

LayerKind = Literal["input", "datetime", "piecewise", "embedding", "dense", "activation", "softmax", "mean", "trees"]
LAYER_KINDS: tuple[LayerKind, ...] = get_args(LayerKind)
#: What a profile has figures for: each kind, and dense layers whose weights several members share.
RateName = LayerKind | Literal["members"]
RATE_NAMES: tuple[RateName, ...] = (*LAYER_KINDS, "members")
FLOAT_BYTES = 4
MOST_NUMERIC_FEATURES = 2
_COUNTS = ("inputs", "outputs", "weights", "weight_bytes", "operations", "depth", "held")


@dataclass(frozen=True)
class Layer:
    """One step of a model as it is run.

    What ``inputs`` and ``outputs`` count, by kind:

    - ``input``: one raw column fed and encoded; inputs 1, outputs the numeric features it makes (0 for a category).
    - ``datetime``: the same for a column of date-times; outputs its parts.
    - ``piecewise``: a piecewise-linear embedding of d features with T bins into k numbers; inputs d T, outputs d k.
    - ``embedding``: category lookups; inputs q codes, outputs q e numbers.
    - ``dense``, ``activation``, ``softmax``: the numbers read and written by one member; rows the members.
    - ``mean``: the average over members; inputs and outputs of one member; rows the members.
    - ``trees``: an ensemble of decision trees; inputs the trees, outputs the scores, depth the mean depth of a leaf.

    Attributes:
        kind: one of `LAYER_KINDS`.
        inputs, outputs: numbers read and written per row of the layer.
        rows: ensemble members that share the layer's weights.
        weights: stored numbers.
        weight_bytes: bytes of the stored numbers while the model runs.
        operations: additions and multiplications for one input row, all members together.
        depth: levels of a tree, 0 for other kinds; trees without it are taken to walk one level per operation.
        held: numbers that later layers still need while this one runs, beside its own inputs.
    """

    kind: LayerKind
    inputs: int
    outputs: int
    rows: int = 1
    weights: int = 0
    weight_bytes: int = 0
    operations: int = 0
    depth: int = 0
    held: int = 0

    def __post_init__(self) -> None:
        """Check the kind and the counts.

        Raises:
            SettingError: the kind is unknown, or a count is negative (rows: below 1).
        """
        if self.kind not in LAYER_KINDS:
            raise SettingError(unknown_name("a layer's kind", str(self.kind), LAYER_KINDS))
        if self.rows < 1:
            raise SettingError(f"a layer's rows must be >= 1, got {self.rows}")
        for name in _COUNTS:
            if getattr(self, name) < 0:
                raise SettingError(f"a layer's {name} must be >= 0, got {getattr(self, name)}")

    @property
    def rate_name(self) -> RateName:
        """Return whose figures of a profile hold for the layer.

        That is its kind, but ``members`` for a dense layer of several members, and ``datetime`` for a raw column of
        more than two features: a column of numbers makes at most two, its value and whether it is missing.
        """
        if self.kind == "dense" and self.rows > 1:
            return "members"
        if self.kind == "input" and self.outputs > MOST_NUMERIC_FEATURES:
            return "datetime"
        return self.kind

    @property
    def numbers(self) -> int:
        """Return how many numbers the layer handles one by one: those it reads and writes, lookups, or tree levels."""
        if self.kind == "embedding":
            return self.inputs
        if self.kind == "trees":
            return self.inputs * self.depth if self.depth else max(self.inputs, self.operations)
        return self.live_numbers - self.held

    @property
    def live_numbers(self) -> int:
        """Return how many float32 numbers must exist at once while the layer runs, its weights apart."""
        if self.kind == "trees":
            return self.outputs + self.held
        if self.kind == "mean":
            return self.rows * self.inputs + self.outputs + self.held
        return self.rows * (self.inputs + self.outputs) + self.held

    @property
    def read_bytes(self) -> int:
        """Return the bytes of weights read in each run: lookups and trees read only a few of theirs."""
        return 0 if self.kind in ("embedding", "trees") else self.weight_bytes


def operations(layers: Sequence[Layer]) -> int:
    """Return the additions and multiplications for one input row (a multiply-add counts 2)."""
    return sum(layer.operations for layer in layers)


def memory_bytes(layers: Sequence[Layer]) -> int:
    """Return the bytes a model needs while it answers one row: its weights and the peak of its activations.

    The peak is the largest sum of a layer's input and output buffers (float32, none shared). The layers that read raw
    columns count as one step, because all features exist before the first of them is used.

    >>> memory_bytes([Layer("dense", 10, 20, weight_bytes=880), Layer("dense", 20, 1, weight_bytes=84)])
    1084
    """
    reading = [layer for layer in layers if layer.kind in ("input", "datetime")]
    steps = [layer.live_numbers for layer in layers if layer.kind not in ("input", "datetime")]
    peak = max([sum(layer.live_numbers for layer in reading), *steps])
    return sum(layer.weight_bytes for layer in layers) + FLOAT_BYTES * peak
