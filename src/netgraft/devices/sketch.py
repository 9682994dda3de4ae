"""The sizes of models, and the layers that describe models of those sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netgraft.devices.layer import FLOAT_BYTES, Layer, LayerKind
from netgraft.seeds import generator

#: Additions and multiplications of a function that is a series on most devices: exponential, sine, tanh.
_SERIES_OPERATIONS = 10


@dataclass(frozen=True)
class Sketch:
    """The sizes of a model.

    Attributes:
        numeric: raw columns of numbers.
        strings: raw columns of categories.
        datetimes: raw columns of date-times, each made into ``parts`` features.
        parts: features of a date-time.
        slots: known categories of each category column.
        embedding: numbers per category (e).
        bins: basis functions per numeric feature (T), 0 where features are used as they are.
        periodic: whether they are sines and cosines instead of piecewise-linear bins.
        token: numbers per feature that the basis is projected to.
        widths: hidden widths of the dense chain.
        activation: ``relu``, ``silu`` or ``tanh``.
        outputs: numbers the model predicts.
        members: ensemble members that share the hidden weights.
        skip: whether a linear path leads from the encoded inputs to the outputs.
        classify: whether a softmax and the choice of a label follow; otherwise the output is scaled and clipped.
        trees, depth: an ensemble of this many trees of this depth instead of a network.
    """

    numeric: int = 8
    strings: int = 0
    datetimes: int = 0
    parts: int = 4
    slots: int = 16
    embedding: int = 4
    bins: int = 0
    periodic: bool = False
    token: int = 4
    widths: tuple[int, ...] = ()
    activation: str = "relu"
    outputs: int = 1
    members: int = 1
    skip: bool = False
    classify: bool = False
    trees: int = 0
    depth: int = 6

    @property
    def features(self) -> int:
        """Return d, the numeric features."""
        return self.numeric + self.datetimes * self.parts

    @property
    def encoded(self) -> int:
        """Return how many numbers the first dense layer reads."""
        numbers = self.features * self.token if self.bins else self.features
        return numbers + self.strings * self.embedding


def sketch_layers(sketch: Sketch) -> tuple[Layer, ...]:
    """Return the layers of the model a sketch names."""
    layers = [Layer("input", 1, 1, operations=4)] * sketch.numeric
    layers += [Layer("input", 1, 0)] * sketch.strings
    layers += [Layer("datetime", 1, sketch.parts, operations=8 * sketch.parts)] * sketch.datetimes
    if sketch.trees:
        if sketch.strings:
            layers.append(Layer("embedding", sketch.strings, sketch.strings))
        nodes = sketch.trees * (2 ** (sketch.depth + 1) - 1)
        walk = sketch.trees * (sketch.depth + 1)
        trees = Layer(
            "trees", sketch.trees, sketch.outputs, 1, nodes, FLOAT_BYTES * 4 * nodes, walk, depth=sketch.depth
        )
        layers.append(trees)
    else:
        layers += _network_layers(sketch)
    k, c = (1 if sketch.trees else sketch.members), sketch.outputs
    if sketch.classify:
        layers.append(Layer("softmax", c, c, k, operations=_SERIES_OPERATIONS * k * c))
    if k > 1:
        layers.append(Layer("mean", c, c, k, operations=k * c))
    return tuple(layers)


def _network_layers(sketch: Sketch) -> list[Layer]:
    layers: list[Layer] = []
    d, k, c = sketch.features, sketch.members, sketch.outputs
    if sketch.bins and d:
        basis = d * sketch.bins
        weights = basis * (sketch.token + (1 if sketch.periodic else 2))
        each = _SERIES_OPERATIONS if sketch.periodic else 2
        layers.append(_stored("piecewise", basis, d * sketch.token, weights, basis * (each + 2 * sketch.token)))
    if sketch.strings:
        stored = sketch.strings * (sketch.slots + 1) * sketch.embedding
        layers.append(_stored("embedding", sketch.strings, sketch.strings * sketch.embedding, stored, 0))
    before = sketch.encoded
    for width in sketch.widths:
        adapters = k * before if k > 1 else 0
        cost = k * width * (2 * before + 1) + adapters
        layers.append(_stored("dense", before, width, before * width + width + adapters, cost, k))
        each = 1 if sketch.activation == "relu" else _SERIES_OPERATIONS
        layers.append(Layer("activation", width, width, k, operations=each * k * width))
        before = width
    # the heads are each member's own
    layers.append(_stored("dense", before, c, k * (before + 1) * c, k * c * (2 * before + 1), k))
    if sketch.skip:
        layers.append(_stored("dense", sketch.encoded, c, sketch.encoded * c, c * (2 * sketch.encoded + 1)))
    return layers


def _stored(kind: LayerKind, inputs: int, outputs: int, weights: int, operations: int, rows: int = 1) -> Layer:
    return Layer(kind, inputs, outputs, rows, weights, FLOAT_BYTES * weights, operations)


def random_sketches(count: int, seed: int) -> tuple[Sketch, ...]:
    """Return random models of the kind the search finds: mixed columns, any depth, width, members, bins; few trees."""
    rng = generator(seed, "sketches")
    return tuple(_random_sketch(rng) for _ in range(count))


def _random_sketch(rng: np.random.Generator) -> Sketch:
    def log_uniform(low: int, high: int) -> int:
        return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))

    numeric, strings = log_uniform(1, 64), int(rng.integers(0, 11)) if rng.random() < 0.5 else 0
    slots, embedding = log_uniform(2, 200), log_uniform(2, 16)
    if rng.random() < 0.1:
        trees, depth = log_uniform(20, 150), int(rng.integers(3, 8))
        return Sketch(numeric, strings, slots=slots, trees=trees, depth=depth)
    outputs = log_uniform(2, 12) if rng.random() < 0.5 else 1
    return Sketch(
        numeric,
        strings,
        datetimes=int(rng.random() < 0.2),
        parts=int(rng.integers(2, 9)),
        slots=slots,
        embedding=embedding,
        bins=2 * log_uniform(2, 32) if rng.random() < 0.6 else 0,
        periodic=bool(rng.random() < 0.2),
        token=log_uniform(1, 8),
        widths=tuple(log_uniform(4, 256) for _ in range(int(rng.integers(0, 5)))),
        activation=str(rng.choice(["relu", "relu", "silu", "tanh"])),
        outputs=outputs,
        members=log_uniform(2, 16) if rng.random() < 0.4 else 1,
        skip=bool(rng.random() < 0.5),
        classify=outputs > 1,
    )
