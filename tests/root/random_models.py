"""Random models of every kind, and raw columns to feed them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.runtime import Architecture, Column, Encoding, Model, Network, Output, Trees
from netgraft.runtime.encoding import DATETIME_PARTS, MISSING_TIME
from netgraft.runtime.network import tensor_shapes

WORDS = ("a", "b", "Zürich 5G", "cell-1", "0", "nan")


@dataclass(frozen=True)
class Shape:
    """What kind of model to draw."""

    columns: tuple[str, ...] = ("numeric", "boolean", "code", "categorical", "datetime")
    parts: tuple[str, ...] = ("network",)
    classes: tuple[object, ...] = ()
    log1p: bool = False
    basis: str = "quantile"
    bins: int = 6
    token: int = 2
    category: int = 3
    widths: tuple[int, ...] = (8,)
    members: int = 1
    activation: str = "relu"
    skip: bool = True


def random_model(shape: Shape, seed: int) -> Model:
    """Return a model of this shape with random numbers."""
    rng = np.random.default_rng(seed)
    encoding = random_encoding(shape.columns, rng)
    outputs = max(1, len(shape.classes))
    parts = tuple(
        random_network(shape, encoding, outputs, rng) if kind == "network" else random_trees(encoding, outputs, rng)
        for kind in shape.parts
    )
    mixture = rng.dirichlet(np.ones(len(parts))).astype(np.float32) if len(parts) > 1 else np.ones(1, np.float32)
    if shape.classes:
        output = Output("classification", shape.classes, temperature=float(np.float32(rng.uniform(0.5, 2))))
    elif shape.log1p:
        output = Output("regression", (), True, 2.0, 0.5, 0.0, 40.0)
    else:
        output = Output("regression", (), False, 100.0, 25.0, 0.0, 210.0)
    return Model(encoding, parts, mixture, output, {"target": "y"})


def random_encoding(kinds: tuple[str, ...], rng: np.random.Generator) -> Encoding:
    """Return an encoding with one column per kind."""
    columns = []
    for i, kind in enumerate(kinds):
        indicator = bool(rng.random() < 0.4) and kind != "categorical"
        vocabulary: tuple[object, ...] = ()
        if kind == "categorical":
            vocabulary = tuple(rng.permutation(WORDS)[: rng.integers(0, len(WORDS) + 1)].tolist())
        elif kind == "code":
            vocabulary = tuple(float(v) for v in rng.permutation([1.0, 2.0, 0.1, -3.0, 1e6])[: rng.integers(0, 6)])
            vocabulary = tuple(float(np.float32(v)) for v in vocabulary)
        chosen = rng.random(len(DATETIME_PARTS)) < 0.6
        named = tuple(p for p, c in zip(DATETIME_PARTS, chosen, strict=True) if c) if kind == "datetime" else ()
        columns.append(Column(f"{kind} {i}", kind, vocabulary, named, indicator))
    names = [name for column in columns for name in column.numeric_features]
    seconds = np.array([name.endswith(":seconds") for name in names], bool)
    center = np.where(seconds, 1.7e9, rng.normal(0, 2, len(names))).astype(np.float32)
    scale = np.where(seconds, 1e6, rng.uniform(0.3, 3, len(names))).astype(np.float32)
    low, high = (center + scale * rng.uniform(1, 3) * sign for sign in (-1, 1))
    return Encoding(tuple(columns), center, scale, low.astype(np.float32), high.astype(np.float32))


def random_network(shape: Shape, encoding: Encoding, outputs: int, rng: np.random.Generator) -> Network:
    """Return a network with random tensors; features have fewer bins than allowed now and then."""
    linear = shape.basis == "linear"
    a = Architecture(
        len(encoding.numeric_features),
        encoding.cardinalities,
        outputs,
        shape.basis,
        1 if linear else shape.bins,
        1 if linear else shape.token,
        shape.category,
        shape.widths,
        shape.members,
        shape.activation,
        shape.skip or not shape.widths,
    )
    ragged = rng.integers(1, a.bins + 1, a.numeric)
    bins = (np.full(a.numeric, a.bins) if shape.basis == "periodic" else ragged).astype(np.int32)
    tensors: dict[str, NDArray] = {}
    for name, sizes in tensor_shapes(a, bins).items():
        fan_in = sizes[-2] if len(sizes) > 1 and name not in ("categories", "frequencies") else 1
        tensors[name] = (rng.normal(size=sizes) / np.sqrt(fan_in)).astype(np.float32)
    if "bins" in tensors:
        tensors["bins"] = bins
    if "edges" in tensors:
        edges = [_edges(rng, count) for count in bins]
        tensors["edges"] = np.concatenate(edges) if edges else np.zeros(0, np.float32)
    return Network(a, tensors)


def _edges(rng: np.random.Generator, bins: int) -> NDArray[np.float32]:
    """Return increasing edges; some bins are narrow, some sets reach over the range that the encoding clips to."""
    inner = np.sort(rng.uniform(-1, 1, bins + 1))
    inner += np.arange(bins + 1) * 10.0 ** -rng.integers(1, 5)
    if rng.random() < 0.5:
        inner[0], inner[-1] = -4, 4
    return inner.astype(np.float32)


def random_trees(encoding: Encoding, outputs: int, rng: np.random.Generator, rounds: int = 5) -> Trees:
    """Return trees of random shape; for two classes every other tree is the shared empty leaf."""
    features = len(encoding.numeric_features) + len(encoding.cardinalities)
    root, feature, value, left = [], [-1], [0.0], [0]
    for tree in range(rounds * outputs):
        if outputs == 2 and tree % 2 == 0:
            root.append(0)
            continue
        root.append(len(feature))
        feature.append(-1)
        value.append(rng.normal())
        left.append(0)
        open_nodes = [root[-1]]
        for _ in range(rng.integers(0, 8)):
            node = open_nodes.pop(int(rng.integers(len(open_nodes))))
            feature[node], left[node] = int(rng.integers(features)), len(feature)
            value[node] = rng.choice([rng.normal(), 0.0, -9.0, 9.0])
            open_nodes += [len(feature), len(feature) + 1]
            feature += [-1, -1]
            value += rng.normal(0, 0.3, 2).tolist()
            left += [0, 0]
    tensors = {
        "root": np.array(root, np.int32),
        "feature": np.array(feature, np.int16),
        "value": np.array(value, np.float32),
        "left": np.array(left, np.int32),
        "order": rng.normal(size=sum(encoding.cardinalities)).astype(np.float32),
    }
    return Trees(encoding.cardinalities, outputs, tensors)


def random_raw(encoding: Encoding, rows: int, seed: int) -> dict[str, NDArray]:
    """Return raw columns with missing cells, unknown categories and values beyond the range."""
    rng = np.random.default_rng(seed)
    raw: dict[str, NDArray] = {}
    for column in encoding.columns:
        absent = rng.random(rows) < 0.2
        if column.kind == "categorical":
            words = np.array([*WORDS, "never seen", "B "], object)
            cells = rng.choice(words, rows)
            cells[absent] = ""
        elif column.kind == "datetime":
            cells = rng.integers(-(10**9), 4 * 10**9, rows)
            cells[absent] = MISSING_TIME
        else:
            cells = rng.normal(0, 6, rows).astype(np.float32)
            if column.kind == "code":
                cells = rng.choice(np.array([1, 2, 0.1, -3, 1e6, 7, 0], np.float32), rows)
            if column.kind == "boolean":
                cells = (cells > 0).astype(np.float32)
            cells[absent] = np.nan
        raw[column.name] = cells
    return raw
