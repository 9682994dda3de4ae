"""A source: an earlier model from a library with what a new task may take from it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from netgraft.errors import LibraryError
from netgraft.library import Entry, LibraryPort
from netgraft.root import NestedRoot, root_from_parts
from netgraft.runtime import Column, Encoding, Inputs, Model
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import mix
from netgraft.transfer.align import NEW, alike, filled
from netgraft.transfer.files import ARCHIVE, FRONT, MODEL, ROOT, ROWS

_TARGET = "__target"
_BLOCK_ROWS = 16_384


@dataclass(frozen=True)
class KeptRows:
    """Rows of a source that its owner agreed to keep.

    Attributes:
        raw: one array of n cells per input column, as `netgraft.runtime.encoding` reads them.
        y: numbers [n], or labels [n].
    """

    raw: dict[str, NDArray[Any]]
    y: NDArray[Any]

    def to_parquet(self) -> bytes:
        """Return the rows as a Parquet file."""
        buffer = io.BytesIO()
        pl.DataFrame({**self.raw, _TARGET: self.y}, strict=False).write_parquet(buffer)
        return buffer.getvalue()

    @staticmethod
    def from_parquet(data: bytes) -> KeptRows:
        """Return the rows of `to_parquet`."""
        frame = pl.read_parquet(io.BytesIO(data))
        columns = {name: _cells(frame[name]) for name in frame.columns}
        return KeptRows({n: c for n, c in columns.items() if n != _TARGET}, columns[_TARGET])


def _cells(series: pl.Series) -> NDArray[Any]:
    """Return a column as it was stored."""
    if series.dtype == pl.String:
        return np.array(series.to_list(), object)
    return series.to_numpy()


@dataclass(frozen=True)
class Source:
    """An earlier model as a new task sees it.

    Attributes:
        name: of its entry.
        measure, distance: how far its data are from the task's.
        model: the picked point.
        root: the nested root, or None where its search grew none.
        rows: what was kept of its rows, or None.
        tried: its archive: genes, error and size of what was trained, the least error first.
        front: the networks of its front, each as a model.
    """

    name: str
    measure: str
    distance: float
    model: Model
    root: NestedRoot | None
    rows: KeptRows | None
    tried: tuple[dict[str, Any], ...]
    front: tuple[Model, ...] = ()

    def answer(self, encoding: Encoding) -> Callable[[Inputs], FloatArray]:
        """Return a function that gives the source's outputs on rows of another encoding.

        They are the standardised target [m, 1], or log probabilities [m, classes]. Columns that the encoding lacks are
        taken as missing.
        """
        model, columns = self.model, _Reading.of(self.model.encoding, encoding)

        def outputs(inputs: Inputs) -> FloatArray:
            blocks = []
            for start in range(0, max(1, len(inputs)), _BLOCK_ROWS):
                read = columns.read(inputs.take(slice(start, start + _BLOCK_ROWS)))
                mixed = mix(model.parts, model.mixture, model.output, read)
                blocks.append(np.log(np.maximum(mixed, 1e-6)) if model.output.kind == "classification" else mixed)
            return np.concatenate(blocks)

        return outputs


@dataclass(frozen=True)
class _Reading:
    """How rows of one encoding are read as those of another.

    Attributes:
        theirs, ours: the encodings: that of the source, that of the rows.
        numeric: int64 [d] our numeric feature of each of theirs, or `NEW`.
        codes: per code column of theirs our code column and their code of each of our codes; None if we lack it.
        default: float32 [d] what a feature of theirs is that we lack: that of a missing cell, but where we have the
            column and only its indicator is lacking, that of a known one.
    """

    theirs: Encoding
    ours: Encoding
    numeric: NDArray[np.int64]
    codes: tuple[tuple[int, NDArray[np.int64]] | None, ...]
    default: FloatArray

    @staticmethod
    def of(theirs: Encoding, ours: Encoding) -> _Reading:
        """Return how rows of ours are read as rows of theirs."""
        own = {column.name: column for column in ours.columns}
        shared = {c.name for c in theirs.columns if c.name in own and alike(c.kind, own[c.name].kind)}
        features = {name: j for j, name in enumerate(ours.numeric_features)}
        numeric = [
            features.get(name, NEW) if column.name in shared else NEW
            for column in theirs.columns
            for name in column.numeric_features
        ]
        places = {column.name: q for q, column in enumerate(ours.code_columns)}
        codes = [
            (places[c.name], _code_map(c, own[c.name])) if c.name in shared and c.name in places else None
            for c in theirs.code_columns
        ]
        default = theirs.apply(filled(theirs, {}, 1)).numeric[0]
        said = [
            column.name in shared and column.indicator and name == column.numeric_features[-1]
            for column in theirs.columns
            for name in column.numeric_features
        ]
        default[said] = (-theirs.center / theirs.scale)[said]
        return _Reading(theirs, ours, np.array(numeric, np.int64), tuple(codes), default)

    def read(self, inputs: Inputs) -> Inputs:
        """Return rows as the source encodes them."""
        n, known = len(inputs), self.numeric != NEW
        numeric = np.zeros((n, len(self.numeric)), np.float32)
        places = self.numeric[known]
        raw = inputs.numeric[:, places] * self.ours.scale[places] + self.ours.center[places]
        raw = np.clip(raw, self.theirs.low[known], self.theirs.high[known])
        numeric[:, known] = (raw - self.theirs.center[known]) / self.theirs.scale[known]
        numeric[:, ~known] = self.default[~known]
        codes = np.zeros((n, len(self.codes)), np.int64)
        for q, found in enumerate(self.codes):
            if found is not None:
                codes[:, q] = found[1][inputs.codes[:, found[0]]]
        return Inputs(numeric, codes)


def _code_map(theirs: Column, ours: Column) -> NDArray[np.int64]:
    """Return their code of each of our codes, 0 for words they do not know."""
    return np.array([0, *(theirs.codes.get(word, 0) for word in ours.vocabulary)], np.int64)


def load_source(library: LibraryPort, entry: Entry, measure: str, distance: float) -> Source:
    """Return an entry as a source.

    Raises:
        LibraryError: a file of the entry is missing, damaged or not what a source has; the text names the entry.
    """

    def tensors(name: str) -> dict[str, NDArray[Any]]:
        return dict(safetensors.numpy.load(library.read(entry, name)))

    def value(name: str) -> Any:
        return json.loads(library.read(entry, name))

    def point(name: str) -> Model:
        return Model.from_parts(value(f"{MODEL}/{name}.json"), tensors(f"{MODEL}/{name}.safetensors"))

    try:
        model, root = point(str(entry.facts.get("picked"))), None
        if f"{ROOT}.json" in entry.files:
            root = root_from_parts(value(f"{ROOT}.json"), tensors(f"{ROOT}.safetensors"))
        rows = KeptRows.from_parquet(library.read(entry, ROWS)) if ROWS in entry.files else None
        tried = tuple(value(ARCHIVE)) if ARCHIVE in entry.files else ()
        found = value(FRONT)["points"] if FRONT in entry.files else []
        front = tuple(point(str(each["root"])) for each in found if each["family"] == "network")
    except LibraryError:
        raise
    except (KeyError, TypeError, ValueError, SafetensorError, pl.exceptions.PolarsError) as error:
        told = " ".join(str(error).split())
        raise LibraryError(f"the entry {entry.name!r} must hold a model that can be a source, got: {told}") from error
    return Source(entry.name, measure, distance, model, root, rows, tried, front)
