"""Publishing: an entry of a library becomes a version that devices may download.

The root to ship is grown on the entry's rows, every cut of it is judged on rows that did not train it, and what was
judged is what goes out, signed. A further version of the same columns starts from the one before, on the same grid.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.coding.build import Built, Release, build
from netgraft.delivery.coding.root import Recipe
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import Head, OpenedHead, unpack_head
from netgraft.delivery.offering.published import Published
from netgraft.errors import ChunkError, HeadError
from netgraft.library import Entry, Library
from netgraft.lifecycle.keyring import ensure_trust, lifetime_s, publisher_keys
from netgraft.lifecycle.publishing.delivery_root import Before, DeliveryRecipe, Grown, grow_delivery_root
from netgraft.lifecycle.publishing.entry_rows import entry_task
from netgraft.lifecycle.publishing.judging import with_interval
from netgraft.root import PLANES
from netgraft.root.calibration import conformal_half_width, fit_temperature
from netgraft.runtime import Encoding, Model, Output
from netgraft.runtime.nested import NestedShape, network
from netgraft.seeds import generator
from netgraft.tables import Task
from netgraft.transfer.source import load_source

_INTERVAL_LEVEL = 0.9
_CANARIES = 4
# Of accuracy; where biases alone have changed, less is no reason for a version.
_GAIN = 0.001
_RECIPE, _CODING = DeliveryRecipe(), Recipe(planes=PLANES)


@dataclass(frozen=True)
class Publication:
    """What was published.

    Attributes:
        head: what it says.
        sha256: its identity.
        head_bytes: its size, the first chunk included.
        picked: 1 - error of the point that the entry's search picked, on its validation rows; None without an entry.
        before: accuracy of the best cut of the version before, on the rows of its time; None where there was none.
        is_new: whether there is a new version; False where nothing better than the version before was found.
        seconds: what it took.
        steps: optimiser steps that the root was trained for; None where they are not counted.
        epochs: how often that passed over the training rows, likewise.
    """

    head: Head
    sha256: str
    head_bytes: int
    picked: float | None
    before: float | None
    is_new: bool
    seconds: float
    steps: int | None = None
    epochs: float | None = None

    @property
    def accuracy(self) -> float:
        """Return that of the best cut."""
        return max(cut.accuracy for cut in self.head.cuts)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        head = self.head
        return {
            "name": head.name,
            "version": head.version,
            "sha256": self.sha256,
            "parent": head.parent,
            "expires_s": head.expires_s,
            "head_bytes": self.head_bytes,
            "full_bytes": head.full_bytes,
            "accuracy": self.accuracy,
            "picked_accuracy": self.picked,
            "accuracy_before": self.before,
            "new": self.is_new,
            "chunks": len(head.chunks),
            "deltas": {delta.cut: delta.bytes for delta in head.deltas},
            "cuts": [
                {
                    "id": cut.id,
                    "bytes": cut.bytes,
                    "accuracy": cut.accuracy,
                    "low": cut.low,
                    "high": cut.high,
                    "operations": cut.operations,
                    "memory_bytes": cut.memory_bytes,
                    "chain": cut.chain,
                }
                for cut in head.cuts
            ],
            "seconds": round(self.seconds, 2),
            "steps": self.steps,
            "epochs": None if self.epochs is None else round(self.epochs, 1),
        }


def publish(
    library: Library,
    name: str,
    *,
    table: Path | None = None,
    keys: Sequence[Path] = (),
    threshold: int | None = None,
    days: float = 365.0,
    recipe: DeliveryRecipe = _RECIPE,
    coding: Recipe = _CODING,
    fresh: bool = False,
    seed: int = 0,
    clock: Callable[[], float] = time.time,
) -> Publication:
    """Publish an entry of a library and return what devices are offered.

    Args:
        library: that has the entry, and is published beside its files.
        name: of the entry.
        table: its rows, if neither the searched table is there nor rows were kept.
        keys: files of the publisher's keys; by default the library's own.
        threshold: how many of them devices require; the first publishing sets it, 1 by default.
        days: until the head expires.
        recipe: how the root is grown.
        coding: how it is coded.
        fresh: whether to grow a new root even where a version before could be gone on from.
        seed: of all that is drawn.
        clock: gives the seconds since 1970.

    Raises:
        SettingError: there is no such entry, or a setting is out of range.
        TableError: there are no rows to measure with.
        LibraryError: the entry is damaged.
        TrustError: the keys do not count.
        HeadError: the version before is damaged.
        DeliveryError: the version was taken meanwhile, or the place cannot be written.
    """
    counts_s = lifetime_s(days, "a head")
    started, now_s = time.monotonic(), int(clock())
    entry = library.get(name)
    source = load_source(library, entry, "", float("nan"))
    task = entry_task(library, entry, source, table)
    signing = publisher_keys(library, keys)
    ensure_trust(library, signing, threshold, now_s)
    published = Published.of(library)
    version, latest = published.next_version(name), _latest(published, name)
    accuracy_before = None if latest is None else max(cut.accuracy for cut in latest.head.cuts)
    parent = None if fresh or latest is None else _parent(published, latest, source.model.encoding)
    before = None if parent is None else start_from(parent)
    grown = grow_delivery_root(task, source.model.encoding, source.model.output, recipe, seed=seed, before=before)
    release = Release(
        name,
        version,
        now_s,
        now_s + counts_s,
        about={**source.model.about, "family": "network"},
        lineage=_lineage(entry, seed),
        licence=entry.licence,
    )
    made = built_from(
        grown, task, source.model.encoding, source.model.output, release, coding=coding, parent=parent, seed=seed
    )
    is_new = latest is None or parent is None or not _is_same(made, parent)
    data = made.pack(signing) if is_new else published.head(name)
    opened = published.add(data, made.chunks) if is_new or latest is None else latest
    return Publication(
        opened.head,
        opened.sha256,
        len(data),
        1 - entry.error,
        accuracy_before,
        is_new,
        time.monotonic() - started,
        grown.steps,
        grown.epochs,
    )


def built_from(
    grown: Grown,
    task: Task,
    encoding: Encoding,
    output: Output,
    release: Release,
    *,
    coding: Recipe,
    parent: Assembly | None = None,
    seed: int = 0,
) -> Built:
    """Return a grown root as a head and chunks, judged on the rows that did not train it.

    Raises:
        HeadError, ModelError: as for `netgraft.delivery.coding.build.build`.
    """
    shape, tensors = _shape(grown), _tensors(grown)
    if parent is not None and isinstance(parent.opened.head.shape, NestedShape):
        shape = parent.opened.head.shape
        tensors = _within(shape, tensors)
    rows, inputs = grown.judges, grown.data.inputs.take(grown.judges)
    whole = network(shape, tensors, shape.depth, shape.shells - 1)
    output = _calibrated(output, whole.outputs(inputs), grown, task)

    def judge(model: Model) -> tuple[float, float, float]:
        return _accuracy(grown, model, seed)

    order = generator(seed, "canaries").permutation(len(rows))[:_CANARIES]
    return build(
        shape,
        tensors,
        encoding=encoding,
        output=output,
        judge=judge,
        canaries=inputs.take(order),
        release=release,
        recipe=replace(coding, step=grown.step),
        parent=parent,
    )


def _shape(grown: Grown) -> NestedShape:
    """Return the shape of a grown root as it is shipped."""
    recipe, basis = grown.root.recipe, grown.root.basis
    a = recipe.architecture
    bins = tuple(int(count) for count in basis.counts(a.bins)) if basis.kind != "linear" else ()
    return NestedShape(a, recipe.shells, recipe.wiring == "shells", bins)


def _tensors(grown: Grown) -> dict[str, NDArray[Any]]:
    """Return the tensors of a grown root as they are shipped, by name."""
    a, basis = grown.root.recipe.architecture, grown.root.basis
    made: dict[str, NDArray[Any]] = {name: value[-1] for name, value in grown.root.parameters.items()}
    if basis.kind == "linear":
        made.pop("projection", None)
        return made
    stored = basis.tensors(a.bins)
    counts = stored["bins"]
    made["projection"] = np.concatenate([made["projection"][j, :count] for j, count in enumerate(counts)])
    return made | stored


def _calibrated(output: Output, outputs: NDArray[np.float32], grown: Grown, task: Task) -> Output:
    """Return the output with the temperature or the interval of the whole root's outputs [rows, 1, c]."""
    rows = grown.judges
    weights = None if task.rows.weights is None else task.rows.weights[rows]
    if output.kind == "classification":
        fitted = fit_temperature(outputs, grown.data.target[rows], weights)
        return replace(output, temperature=float(np.float32(fitted)))
    values = outputs[:, 0, 0] * output.scale + output.mean
    values = np.expm1(values) if output.log1p else values
    residuals = np.abs(np.asarray(grown.y)[rows] - np.clip(values, output.low, output.high))
    return replace(output, interval=conformal_half_width(residuals, _INTERVAL_LEVEL))


def _accuracy(grown: Grown, model: Model, seed: int) -> tuple[float, float, float]:
    """Return 1 - error on the rows that judge, with a 95 % interval by the bootstrap."""
    from netgraft.runtime.model import mix

    rows = grown.judges
    inputs = grown.data.inputs.take(rows)
    mixed = mix(model.parts, model.mixture, model.output, inputs)
    return with_interval(lambda drawn: 1 - grown.data.error(mixed[drawn], rows[drawn]), len(rows), seed)


def _lineage(entry: Entry, seed: int) -> dict[str, Any]:
    """Return where a version comes from."""
    return {
        "entry": entry.name,
        "created": entry.created,
        "fingerprint": entry.lineage.get("fingerprint"),
        "seed": seed,
    }


def _latest(published: Published, name: str) -> OpenedHead | None:
    """Return the latest version of a name, or None before the first."""
    return unpack_head(published.head(name), _own) if published.versions(name) else None


def _is_same(made: Built, parent: Assembly) -> bool:
    """Return whether a version has the coded numbers of its parent and is hardly better."""
    mine, theirs = made.head, parent.opened.head
    gain = max(cut.accuracy for cut in mine.cuts) - max(cut.accuracy for cut in theirs.cuts)
    return gain < _GAIN and {row.sha256 for row in mine.chunks} == {row.sha256 for row in theirs.chunks}


def _parent(published: Published, opened: OpenedHead, encoding: Encoding) -> Assembly | None:
    """Return a version with all its chunks, if it reads columns in the same way."""
    name = opened.head.name
    if not _reads_alike(opened, encoding):
        return None
    assembly = Assembly(opened)
    for at, row in enumerate(opened.head.chunks):
        data = published.chunk(row.sha256)
        if data is None:
            raise HeadError(f"version {opened.head.version} of {name!r} must have chunk {row.sha256}, got none")
        try:
            assembly.add(at, data)
        except ChunkError as error:
            raise HeadError(f"version {opened.head.version} of {name!r} is damaged: {error}") from error
    return assembly


def _reads_alike(opened: OpenedHead, encoding: Encoding) -> bool:
    """Return whether a version's encoding is the same to the last number."""
    before = opened.encoding
    same = all(np.array_equal(before.arrays()[key], value) for key, value in encoding.arrays().items())
    return before.columns == encoding.columns and same


def start_from(parent: Assembly) -> Before | None:
    """Return a version's largest cut of the chain as a start for the next, or None where there are no bins to keep."""
    shape, head = parent.opened.head.shape, parent.opened.head
    if not isinstance(shape, NestedShape) or not shape.bins:
        return None
    last = [cut for cut in head.cuts if cut.chain][-1]
    tensors = parent.tensors(last)
    architecture = shape.cut_architecture(last.depth, last.shell)
    sizes = NestedShape(architecture, (architecture.widths,), shape.triangular, shape.bins)
    kept = {
        name: tensors[name][tuple(slice(n) for n in size)]
        for name, size in (sizes.coded | sizes.exact).items()
        if name not in ("projection", "edges", "bins")
    }
    edges = np.split(np.asarray(tensors["edges"], np.float32), np.cumsum(np.array(shape.bins) + 1)[:-1])
    counts = shape.bins
    padded = np.zeros((architecture.numeric, architecture.bins, architecture.token), np.float32)
    for j, (start, count) in enumerate(zip(np.cumsum(counts) - counts, counts, strict=True)):
        padded[j, :count] = tensors["projection"][start : start + count]
    kept["projection"] = padded
    widths = tuple(max(shell) for shell in shape.widths[: last.shell + 1])
    return Before(architecture, widths, tuple(edges), kept, head.grid.step, shape.triangular)


def _within(shape: NestedShape, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the tensors of a root in the shape of a larger one, zeros where it has none."""
    made: dict[str, NDArray[Any]] = {}
    for name, size in (shape.coded | shape.exact).items():
        given = tensors.get(name)
        made[name] = np.zeros(size, np.float32) if given is None or given.shape != size else given
        if given is not None and given.shape != size:
            made[name][tuple(slice(n) for n in given.shape)] = given
    return made


def _own(_message: bytes, _signatures: object) -> None:
    """Accept a head of the library's own: whoever reads the library could have written it."""
