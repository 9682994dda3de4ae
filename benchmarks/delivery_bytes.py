"""Bytes over the wire at equal accuracy: a published root against float32, quantisers, and the ISO codec NNCodec.

    python -m benchmarks.delivery_bytes [--seeds 5] [--budget 60] [--tasks NAME,...] [--nncodec PYTHON] [--report]

Three tables, each with ``--seeds`` draws of 20,000 rows. ``plain`` is the same largest network, trained as long in
float32, without nesting and any thought of bits, with the same teacher; all else is measured against it.
``planes`` is the published root: all its bytes are counted, the head with its exact tensors, table, canaries and
signature, and every chunk of the cut. A cut counts as equal when its score on validation rows is at most 0.002 below
that of the plain network; the smallest is taken, its score on test rows shown beside. ``after`` puts the
plain network itself on the grid of planes, without training for it. ``uniform`` and ``k-means`` are 2 to 8 bits per
weight of the plain network, each tensor with its own scale or codebook, packed by zstd. ``nncodec`` is NNCodec (ISO/IEC
15938-17), run by the Python of an environment of its own that has it, on the plain network (``nncodec plain``) and on
the published root's float32 weights (``nncodec root``): quantisation parameters from coarse to fine, the least bytes at
equal score. The exact tensors are counted with it too, the encoding and a signature are not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from benchmarks.tables import named, sample
from netgraft.delivery.coding.build import Built, Release
from netgraft.delivery.coding.root import Recipe
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import unpack_head
from netgraft.delivery.trust.accepting import SigningKey
from netgraft.lifecycle.prepare import task_output
from netgraft.lifecycle.publishing import DeliveryRecipe, Grown, built_from, grow_delivery_root
from netgraft.root import Basis, Population, Schedule, to_network
from netgraft.root import Recipe as Training
from netgraft.runtime import Model, Network
from netgraft.runtime.grid import dequantise, fit_grid, quantise
from netgraft.seeds import child_seed
from netgraft.tables import Task

TASKS = ("itu_energy", "covertype", "kth_mesh")
EQUAL = 0.002
SHELLS = (16, 32, 64, 128, 256)
QPS = (-10, -13, -16, -19, -22, -25, -28, -32)
_PLAIN_STEPS = 100_000
_CODED = ("projection", "categories", "weight_", "head", "skip")
Tensors = dict[str, NDArray[Any]]


class Judge:
    """Scores networks on validation and on test rows."""

    def __init__(
        self, grown: Grown, task: Task, model: Model, score: Callable[[NDArray[Any]], float], test: Any
    ) -> None:
        self._data, self._rows, self._model, self._score = grown.data, grown.judges, model, score
        self._raw = task.schema.read(test, labelled=False).raw
        self._classes = np.array(task.classes, object)

    def validation(self, network: Network) -> float:
        """Return 1 - error on validation rows."""
        model = replace(self._model, parts=(network,))
        from netgraft.runtime.model import mix

        mixed = mix(model.parts, model.mixture, model.output, self._data.inputs.take(self._rows))
        return 1 - self._data.error(mixed, self._rows)

    def test(self, network: Network) -> float:
        """Return R2 or accuracy on test rows."""
        values = replace(self._model, parts=(network,)).predict(self._raw).values
        return self._score(self._classes[values] if len(self._classes) else values)


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Measure every task and seed that is not done."""
    for source in named(given.tasks, TASKS):
        for seed in range(given.seeds):
            cell = {"task": source.name, "seed": seed, "budget": given.budget}
            if raw.has(**cell, method="planes") and (not given.nncodec or raw.has(**cell, method="nncodec root")):
                continue
            for row in measured(source, seed, given.budget, given.nncodec):
                raw.add(cell | row)
                print(cell | row, file=sys.stderr, flush=True)


def measured(source: Any, seed: int, budget: float, nncodec: str | None) -> Iterator[Row]:
    """Yield a row for each method."""
    drawn = sample(source, seed=seed)
    task = Task.read(drawn.train, target=drawn.target, kind=drawn.kind, group=drawn.group, seed=seed)
    encoding, output = task.encoding, task_output(task, task.splits[0].train, log1p=False)
    recipe = DeliveryRecipe(seconds=budget, widths=SHELLS)
    grown = grow_delivery_root(task, encoding, output, recipe, seed=seed)
    release = Release("bench", 1, 0, 2**40, about={"target": task.target})
    made = built_from(grown, task, encoding, output, release, coding=Recipe(planes=9, codecs=("zstd", "range")))
    opened = unpack_head(made.pack([SigningKey(bytes(32))]), lambda _message, _signatures: None)
    assembly = Assembly(opened)
    for at, row in enumerate(opened.head.chunks):
        assembly.add(at, made.chunks[row.sha256])
    widest = max(opened.head.cuts, key=lambda cut: (cut.depth, cut.shell, cut.planes))
    judge = Judge(grown, task, assembly.model(widest), drawn.score, drawn.test)

    plain = plain_network(grown, budget, seed)
    target, full = judge.validation(plain), opened.head.full_bytes
    yield {"method": "plain", "bytes": full, "validation": target, "test": judge.test(plain)}
    yield {
        "method": "zstd of plain",
        "bytes": len(packed(plain.tensors)),
        "validation": target,
        "test": judge.test(plain),
    }
    yield planes_row(made, assembly, judge, target, seed) | {"full_bytes": full}
    for name, forms in (("after", gridded(plain)), ("uniform", uniform(plain)), ("k-means", k_means(plain, seed))):
        yield {"method": name} | least(forms, judge, target)
    if nncodec:
        yield {"method": "nncodec plain"} | least(coded_by(nncodec, plain), judge, target)
        root = to_network(grown.root.recipe.architecture, grown.root.basis, grown.root.cut(_whole(grown), -1))
        yield {"method": "nncodec root"} | least(coded_by(nncodec, root), judge, target)


def _whole(grown: Grown) -> Any:
    from netgraft.root import Cut

    return Cut.of(grown.root.recipe.architecture)


def plain_network(grown: Grown, budget: float, seed: int) -> Network:
    """Return the largest network trained in float32, by itself, for as long as the root."""
    a = grown.root.recipe.architecture
    recipe = Training(a, learning_rate=3e-3, weight_decay=1e-4, batch=256, distill=0.5)
    bases: Mapping[str, Basis] = {a.basis: grown.root.basis}
    population = Population([recipe], grown.data, bases, seed=child_seed(seed, "plain"))
    (trained,) = population.train(Schedule(_PLAIN_STEPS, seconds=0.75 * budget))
    return to_network(a, grown.root.basis, {name: value[-1] for name, value in trained.parameters.items()})


def planes_row(made: Built, assembly: Assembly, judge: Judge, target: float, seed: int) -> Row:
    """Return the smallest cut of the published root that is as good as the plain network, all bytes counted."""
    whole = len(made.pack([SigningKey(bytes(32))]))
    head = whole - len(made.first)
    tried = []
    for cut in assembly.opened.head.cuts:
        network = assembly.model(cut).parts[0]
        tried.append(
            {"bytes": head + cut.bytes, "cut": cut.id, "validation": judge.validation(network), "network": network}
        )
    able = [row for row in tried if row["validation"] >= target - EQUAL]
    chosen = min(able, key=lambda row: row["bytes"]) if able else max(tried, key=lambda row: row["validation"])
    first = min((row for row in tried), key=lambda row: row["bytes"])
    return {
        "method": "planes",
        "bytes": chosen["bytes"],
        "cut": chosen["cut"],
        "head_bytes": head,
        "validation": chosen["validation"],
        "test": judge.test(chosen["network"]),
        "reached": bool(able),
        "first": {"cut": first["cut"], "bytes": first["bytes"], "validation": first["validation"]},
        "cuts": [{key: row[key] for key in ("cut", "bytes", "validation")} for row in tried],
    }


Form = tuple[int, str, Tensors]


def least(forms: Iterable[tuple[int, str, Network]], judge: Judge, target: float) -> Row:
    """Return the form with the fewest bytes that is as good as the target, or the best if none is."""
    tried = [
        {"bytes": size, "setting": setting, "validation": judge.validation(network), "network": network}
        for size, setting, network in forms
    ]
    able = [row for row in tried if row["validation"] >= target - EQUAL]
    chosen = min(able, key=lambda row: row["bytes"]) if able else max(tried, key=lambda row: row["validation"])
    kept = {key: chosen[key] for key in ("bytes", "setting", "validation")}
    return kept | {"test": judge.test(chosen["network"]), "reached": bool(able)}


def packed(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Return tensors one after the other, made smaller by zstd."""
    return zstandard.ZstdCompressor(level=19).compress(
        b"".join(np.ascontiguousarray(t).tobytes() for t in tensors.values())
    )


def _split(network: Network) -> tuple[Tensors, Tensors]:
    coded = {name: value for name, value in network.tensors.items() if name.startswith(_CODED) and name != "head_bias"}
    return coded, {name: value for name, value in network.tensors.items() if name not in coded}


def gridded(network: Network) -> Iterator[tuple[int, str, Network]]:
    """Yield a network on the common grid with fewer and fewer planes, bytes as one zstd of its codes."""
    coded, exact = _split(network)
    grid = fit_grid(list(coded.values()), 10)
    exact_bytes = len(packed(exact))
    for lowest in range(7):
        codes = {name: quantise(value, grid.step, grid.planes) for name, value in coded.items()}
        size = len(packed({name: (np.sign(c) * (np.abs(c) >> lowest)).astype(np.int16) for name, c in codes.items()}))
        values = {name: dequantise(c, grid, lowest) for name, c in codes.items()}
        yield size + exact_bytes, f"{10 - lowest} planes", Network(network.architecture, exact | values)


def uniform(network: Network) -> Iterator[tuple[int, str, Network]]:
    """Yield a network with every tensor on its own uniform scale."""
    coded, exact = _split(network)
    for bits in range(2, 9):
        levels, codes, values = 2 ** (bits - 1) - 1, {}, {}
        for name, value in coded.items():
            scale = float(np.abs(value).max()) / levels or 1.0
            codes[name] = np.round(value / scale).astype(np.int8)
            values[name] = (codes[name] * np.float32(scale)).astype(np.float32)
        yield len(packed(codes | exact)) + 4 * len(coded), f"{bits} bits", Network(network.architecture, exact | values)


def k_means(network: Network, seed: int) -> Iterator[tuple[int, str, Network]]:
    """Yield a network with a codebook per tensor (Han et al. 2016, "Deep Compression", section 3)."""
    coded, exact = _split(network)
    for bits in range(2, 7):
        codes, values, books = {}, {}, 0
        for name, value in coded.items():
            flat = value.reshape(-1, 1)
            fitted = KMeans(min(2**bits, len(np.unique(flat))), n_init=1, max_iter=20, random_state=seed).fit(flat)
            codes[name] = fitted.labels_.astype(np.uint8)
            values[name] = fitted.cluster_centers_[fitted.labels_].reshape(value.shape).astype(np.float32)
            books += 4 * len(fitted.cluster_centers_)
        yield len(packed(codes | exact)) + books, f"{bits} bits", Network(network.architecture, exact | values)


def coded_by(python: str, network: Network) -> Iterator[tuple[int, str, Network]]:
    """Yield a network as NNCodec codes and decodes it, from coarse to fine; exact tensors as zstd."""
    coded, exact = _split(network)
    exact_bytes = len(packed(exact))
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "given.npz", **coded)
        script = Path(__file__).with_name("nncodec_peer.py")
        command = [python, str(script), folder, json.dumps(QPS)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        for qp in QPS:
            size = (Path(folder) / f"{qp}.nnc").stat().st_size
            with np.load(Path(folder) / f"{qp}.npz") as stored:
                values = {name: stored[name].astype(np.float32).reshape(coded[name].shape) for name in coded}
            yield size + exact_bytes, f"qp {qp}", Network(network.architecture, exact | values)


def summary(rows: list[Row]) -> str:
    """Return the tables of the page."""
    by_cell: dict[tuple[str, int], dict[str, Row]] = {}
    for row in rows:
        by_cell.setdefault((row["task"], row["seed"]), {})[row["method"]] = row
    methods = ["planes", "after", "uniform", "k-means", "zstd of plain", "nncodec plain", "nncodec root"]
    lines, details = [], []
    for method in methods:
        found = [(cell, rows_) for cell, rows_ in by_cell.items() if method in rows_ and "plain" in rows_]
        if not found:
            continue
        ratios = [r["plain"]["bytes"] / r[method]["bytes"] for _, r in found]
        lost = [r["plain"]["test"] - r[method]["test"] for _, r in found]
        reached = sum(r[method].get("reached", True) for _, r in found)
        for task in sorted({cell[0] for cell, _ in found}):
            own = [x for x, (cell, _) in zip(ratios, found, strict=True) if cell[0] == task]
            theirs = [r for cell, r in found if cell[0] == task]
            down = median(r["plain"]["test"] - r[method]["test"] for r in theirs)
            sizes = f"{median(r[method]['bytes'] for r in theirs):,.0f}"
            hits = sum(r[method].get("reached", True) for r in theirs)
            details.append(
                [task, method, sizes, f"{median(own):.1f}", f"{min(own):.1f}", f"{down:+.4f}", f"{hits} of {len(own)}"]
            )
        lines.append(
            [
                method,
                f"{median(ratios):.1f}",
                f"{min(ratios):.1f}",
                f"{median(lost):+.4f}",
                f"{reached} of {len(found)}",
            ]
        )
    head = [
        "method",
        "times smaller than float32, median",
        "least",
        "test score lost to plain, median",
        "equal on validation",
    ]
    parts = [markdown_table(head, lines)]
    details.sort()
    parts += [
        "## By table",
        markdown_table(
            ["table", "method", "bytes, median", "times smaller", "least", "test score lost", "equal"], details
        ),
    ]
    pairs = [r for r in by_cell.values() if {"planes", "nncodec plain"} <= set(r)]
    if pairs:
        ratio = median(r["planes"]["bytes"] / r["nncodec plain"]["bytes"] for r in pairs)
        parts.insert(
            1, f"The published root takes {ratio:.2f} times the bytes of NNCodec on the plain network (median)."
        )
    return "\n\n".join(parts)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds to train each network")
    parser.add_argument("--tasks", help="comma-separated names")
    parser.add_argument("--nncodec", help="the Python of an environment that has nncodec")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    raw = Raw("delivery_bytes", ("task", "seed", "budget", "method"))
    if not given.report:
        run(given, raw)
    text = summary([row for row in raw.rows() if row["budget"] == given.budget])
    if given.report:
        page("delivery_bytes", "Bytes at equal accuracy", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
