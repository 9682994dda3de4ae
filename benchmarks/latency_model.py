"""How well the latency model of `netgraft.devices` predicts this machine: fitted on sketches, tested on real exports.

Measures a profile of this machine, then makes random models (columns of every kind, any depth, width, members, basis,
and boosted trees), exports each to ONNX as the product does, times it in ONNX Runtime at batch 1 and compares with the
latency predicted from its layers. The profile has never seen an exported model.

    python benchmarks/latency_model.py [--models 15] [--seeds 3] [--budget 0.6] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from netgraft.devices import Layer, latency_s, measure_this, open_session
from netgraft.devices.measure import QUICK_BUDGET_S
from netgraft.devices.this import machine_identity
from netgraft.devices.timing import time_models
from netgraft.root.onnx import onnx_inputs, to_onnx
from netgraft.runtime import Architecture, Column, Encoding, Model, Network, Output, Trees
from netgraft.runtime.layers import layers
from netgraft.runtime.network import tensor_shapes
from netgraft.seeds import generator

TIMING_S = 3.0


def log_uniform(rng: np.random.Generator, low: int, high: int) -> int:
    """Return a random whole number, uniform in its logarithm."""
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))


def random_encoding(rng: np.random.Generator) -> Encoding:
    """Return an encoding of random columns: 1 to 64 numbers, in half of the cases up to 10 categories, a few dates."""
    columns = [Column(f"x{j}", "numeric", indicator=bool(rng.random() < 0.1)) for j in range(log_uniform(rng, 1, 64))]
    if rng.random() < 0.5:
        for j in range(int(rng.integers(1, 11))):
            words = tuple(f"category-{i}" for i in range(log_uniform(rng, 2, 200)))
            columns.append(Column(f"s{j}", "categorical", words))
    if rng.random() < 0.2:
        columns.append(Column("t", "datetime", parts=("seconds", "hour_sin", "hour_cos", "weekend")))
    d = sum(len(column.numeric_features) for column in columns)
    center, scale = np.zeros(d, np.float32), np.ones(d, np.float32)
    return Encoding(tuple(columns), center, scale, np.full(d, -3, np.float32), np.full(d, 3, np.float32))


def random_network(rng: np.random.Generator, encoding: Encoding, outputs: int) -> Network:
    """Return a network of a random architecture with random weights."""
    basis = str(rng.choice(["linear", "quantile", "quantile", "tree", "periodic"]))
    depth = int(rng.integers(0, 5))
    architecture = Architecture(
        numeric=len(encoding.numeric_features),
        slots=encoding.cardinalities,
        outputs=outputs,
        basis=basis,
        bins=1 if basis == "linear" else 2 * log_uniform(rng, 2, 24),
        token=1 if basis == "linear" else log_uniform(rng, 1, 8),
        category=log_uniform(rng, 2, 16),
        widths=tuple(log_uniform(rng, 4, 256) for _ in range(depth)),
        members=log_uniform(rng, 2, 16) if depth and rng.random() < 0.4 else 1,
        activation=str(rng.choice(["relu", "relu", "silu", "tanh"])),
        skip=depth == 0 or bool(rng.random() < 0.7),
    )
    tensors: dict[str, Any] = {
        name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in tensor_shapes(architecture).items()
    }
    if "bins" in tensors:
        tensors["bins"] = np.full(architecture.numeric, architecture.bins, np.int32)
    if "edges" in tensors:
        tensors["edges"] = np.tile(np.linspace(-3, 3, architecture.bins + 1, dtype=np.float32), architecture.numeric)
    return Network(architecture, tensors)


def random_trees(rng: np.random.Generator, encoding: Encoding, outputs: int) -> Trees:
    """Return complete trees with random splits."""
    depth, count = int(rng.integers(3, 7)), outputs * log_uniform(rng, 20, 150)
    inner, nodes = 2**depth - 1, 2 ** (depth + 1) - 1
    place = np.arange(nodes)
    features = len(encoding.numeric_features) + len(encoding.cardinalities)
    feature = np.where(np.tile(place >= inner, count), -1, rng.integers(0, features, count * nodes)).astype(np.int16)
    start = np.repeat(np.arange(count) * nodes, nodes)
    left = np.where(feature < 0, 0, start + np.tile(2 * place + 1, count)).astype(np.int32)
    tensors = {
        "root": (np.arange(count) * nodes).astype(np.int32),
        "feature": feature,
        "value": rng.normal(size=count * nodes).astype(np.float32),
        "left": left,
        "order": rng.normal(size=sum(encoding.cardinalities)).astype(np.float32),
    }
    return Trees(encoding.cardinalities, outputs, tensors)


def random_model(rng: np.random.Generator) -> Model:
    """Return a random model: nine networks in ten, else trees; half of them classify."""
    encoding = random_encoding(rng)
    classes = tuple(f"class-{j}" for j in range(log_uniform(rng, 2, 12))) if rng.random() < 0.5 else ()
    output = Output("classification", classes) if classes else Output("regression", low=-9.0, high=9.0)
    make = random_network if rng.random() < 0.9 else random_trees
    return Model(encoding, (make(rng, encoding, output.outputs),), np.ones(1, np.float32), output)


def raw_row(model: Model, rng: np.random.Generator) -> dict[str, Any]:
    """Return one row of raw columns."""
    row: dict[str, Any] = {}
    for column in model.encoding.columns:
        if column.kind == "datetime":
            row[column.name] = rng.integers(0, 2_000_000_000, 1)
        elif column.kind == "categorical":
            row[column.name] = np.array([str(rng.choice(column.vocabulary))], dtype=object)
        else:
            row[column.name] = rng.normal(size=1).astype(np.float32)
    return onnx_inputs(model, row)


def describe(model: Model) -> str:
    """Return a short text for a model."""
    kinds = [column.kind for column in model.encoding.columns]
    text = f"{kinds.count('numeric')} numbers, {kinds.count('categorical')} strings, {kinds.count('datetime')} dates"
    part = model.parts[0]
    if isinstance(part, Trees):
        return f"{text}, {len(part.tensors['root'])} trees, {part.classes} outputs"
    a = part.architecture
    basis = "" if a.basis == "linear" else f", {a.basis} {a.bins} into {a.token}"
    return f"{text}{basis}, widths {a.widths}, {a.members} members, {a.activation}, {a.outputs} outputs"


def compare(count: int, seed: int, budget_s: float) -> list[dict[str, Any]]:
    """Return for each random model what it is, the predicted and the measured seconds, and the relative error."""
    profile = measure_this(budget_s=budget_s, seed=seed)
    models = [random_model(generator(seed, "model", i)) for i in range(count)]
    sessions = [open_session(to_onnx(model).SerializeToString()) for model in models]
    rows = [raw_row(model, generator(seed, "row", i)) for i, model in enumerate(models)]
    found = []
    for model, timing in zip(models, time_models(sessions, rows, budget_s=TIMING_S), strict=True):
        predicted = latency_s([Layer(**asdict(step)) for step in layers(model)], profile)
        figures = {"predicted_s": predicted, "measured_s": timing.median_s, "p95_s": timing.p95_s}
        error = predicted / timing.median_s - 1
        found.append({"seed": seed, "model": describe(model), **figures, "relative_error": error})
    return found


def summary(rows: list[dict[str, Any]], budget_s: float) -> dict[str, Any]:
    """Return the machine and the spread of the relative errors."""
    errors = [abs(row["relative_error"]) for row in rows]
    seeds = sorted({row["seed"] for row in rows})
    return {
        "machine": machine_identity(),
        "models": len(rows),
        "profile_budget_s": budget_s,
        "median_relative_error": statistics.median(errors),
        "median_by_seed": [statistics.median(abs(r["relative_error"]) for r in rows if r["seed"] == s) for s in seeds],
        "median_signed_error": statistics.median(row["relative_error"] for row in rows),
        "worst_relative_error": max(errors),
        "within_20_percent": sum(error <= 0.2 for error in errors) / len(errors),
    }


def main() -> None:
    """Run the comparison, print the table to stderr and the JSON to stdout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=15, help="random models per seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=QUICK_BUDGET_S, help="seconds of timing for the profile")
    parser.add_argument("--out", type=Path, help="write the JSON here as well")
    given = parser.parse_args()
    rows = [row for seed in range(given.seeds) for row in compare(given.models, seed, given.budget)]
    print("predicted   measured      error  model (times in µs)", file=sys.stderr)
    for row in rows:
        times = f"{row['predicted_s'] * 1e6:9.1f}  {row['measured_s'] * 1e6:9.1f}  {row['relative_error']:+9.1%}"
        print(f"{times}  {row['model']}", file=sys.stderr)
    result = summary(rows, given.budget)
    print(f"median relative error {result['median_relative_error']:.1%}", file=sys.stderr)
    text = json.dumps({**result, "rows": rows}, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
