"""The nodes, constants and raw inputs of an ONNX graph while it is built.

Per node and per input overhead dominate the latency of small networks, so values that several parts of a model read are
made once, and the order of the numeric features is the one that takes fewest nodes: raw numbers, parts of date-times,
missing indicators. Readers permute their constants instead of the graph its columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from netgraft.errors import ModelError
from netgraft.runtime import Encoding
from netgraft.runtime.encoding import MISSING_TIME, Column, FloatArray

OPSET = 17
ML_OPSET = 3
IR_VERSION = 9
ML_DOMAIN = "ai.onnx.ml"
_DAY_S = 86_400
#: Of each periodic part of a date-time: seconds added, modulus, divisor of the rest, steps of the period.
#: 1970-01-01 was a Thursday, three days after a Monday.
_PHASES = {
    "hour": (0, _DAY_S, 1, _DAY_S),
    "weekday": (3 * _DAY_S, 7 * _DAY_S, _DAY_S, 7),
    "year": (0, 31_556_952, 1, 31_556_952),
}
#: How numeric features are read: clipped, centred and scaled as the runtime does; without the scale; without the clip.
STANDARD, CLIPPED, UNCLIPPED = "standard", "clipped", "unclipped"


class Graph:
    """Nodes and constants in the order in which they were added; values are named so that no column can clash."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        """Start an empty graph whose inputs will have the columns' names."""
        self.prefix = "ng"
        while any(name.startswith(self.prefix) for name in columns):
            self.prefix += "_"
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its value."""
        name = f"{self.prefix}{len(self.nodes)}"
        domain = ML_DOMAIN if op in ("LabelEncoder", "TreeEnsembleRegressor") else ""
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{name}_{op}", domain=domain, **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Return the name of a constant; equal constants are stored once."""
        array = np.ascontiguousarray(np.asarray(value, dtype)).reshape(np.shape(value))
        key = (str(array.dtype), array.shape, array.tobytes())
        if array.dtype == object or key not in self._known:
            name = f"{self.prefix}c{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, name))
            self._known[key] = name
            return name
        return self._known[key]

    def concat(self, values: list[str]) -> str:
        """Return the values side by side."""
        return values[0] if len(values) == 1 else self.add("Concat", *values, axis=1)

    def columns(self, value: str, chosen: list[int], width: int) -> str:
        """Return the chosen columns of a value of this width."""
        if chosen == list(range(width)):
            return value
        return self.add("Gather", value, self.constant(chosen, np.int64), axis=1)

    def rename(self, value: str, name: str) -> None:
        """Give the value of a node another name."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for i, old in enumerate(names):
                    if old == value:
                        names[i] = name


class EncodedInputs:
    """What the parts of a model read, made on first use: numeric features, category codes, codes read as numbers."""

    def __init__(self, graph: Graph, encoding: Encoding) -> None:
        """Feed every column of the encoding into the graph."""
        self._graph, self.encoding = graph, encoding
        self.feeds = input_names(encoding)
        self._made: dict[str, str] = {}
        first = 0
        values: dict[bool, list[int]] = {False: [], True: []}  # by whether the column is of date-times
        shown: dict[bool, list[int]] = {False: [], True: []}
        for column in encoding.columns:
            timed, count = column.kind == "datetime", len(column.numeric_features)
            place = list(range(first, first + count))
            if column.indicator and count:
                shown[timed].append(place.pop())
            values[timed] += place
            first += count
        # encoded features in the order of the graph: numbers, parts of date-times; then the missing indicators
        self._plain = values[False] + self._datetime_order(values[True])
        self._shown = shown[False] + shown[True]

    @property
    def order(self) -> NDArray[np.int64]:
        """Return the encoded feature at each place of the graph's numeric values; int64 [d]."""
        return np.array(self._plain + self._shown, np.int64)

    def inputs(self) -> list[Any]:
        """Return the graph's inputs, one per column, each [N, 1]."""
        kinds = {"categorical": TensorProto.STRING, "datetime": TensorProto.INT64}
        return [
            helper.make_tensor_value_info(self.feeds[c.name], kinds.get(c.kind, TensorProto.FLOAT), ["N", 1])
            for c in self.encoding.columns
        ]

    def numeric(self, mode: str) -> str:
        """Return the numeric features, 0 where missing, in the graph's order; float32 [N, d]."""
        if mode not in self._made:
            graph, blocks = self._graph, []
            if self._plain:
                blocks.append(graph.add("Where", self._missing(), graph.constant(0), self._transformed(mode)))
            if self._shown:
                shown = np.array(self._shown)
                zero, one = (transform(self.encoding, shown, np.float32(value), mode) for value in (0, 1))
                blocks.append(graph.add("Where", self._absent(), graph.constant(one), graph.constant(zero)))
            self._made[mode] = graph.concat(blocks)
        return self._made[mode]

    def raw(self) -> list[str]:
        """Return blocks of the numeric features before clipping, NaN where missing, in the graph's order."""
        if "raw blocks" not in self._made and self._shown:
            self._made["raw blocks"] = self._graph.add("Cast", self._absent(), to=TensorProto.FLOAT)
        return ([self._raw()] if self._plain else []) + ([self._made["raw blocks"]] if self._shown else [])

    def codes(self) -> str:
        """Return the rows of the stacked category tables; int64 [N, q]."""
        if "codes" not in self._made:
            starts = np.cumsum([0, *self.encoding.cardinalities])
            columns = enumerate(self.encoding.code_columns)
            self._made["codes"] = self._graph.concat(
                [self._looked_up(c, np.arange(starts[j], starts[j + 1])) for j, c in columns]
            )
        return self._made["codes"]

    def orders(self, order: FloatArray) -> list[str]:
        """Return blocks of the code columns read as numbers; float32 [N, q] in all."""
        if "codes" in self._made:
            return [self._graph.add("Gather", self._graph.constant(order), self._made["codes"], axis=0)]
        starts = np.cumsum([0, *self.encoding.cardinalities])
        columns = enumerate(self.encoding.code_columns)
        return [self._looked_up(c, order[starts[j] : starts[j + 1]]) for j, c in columns]

    def _looked_up(self, column: Column, values: NDArray[Any]) -> str:
        """Return what a column's categories stand for, the first value where unknown; [N, 1]."""
        known: dict[Any, Any] = {}
        for word, value in zip(column.vocabulary, values[1:], strict=True):
            known.setdefault(word, value)
        known = known or {"" if column.kind == "categorical" else 0.0: values[0]}
        floating = values.dtype.kind == "f"
        made = [float(v) if floating else int(v) for v in known.values()]
        attributes: dict[str, Any] = {
            "keys_strings" if column.kind == "categorical" else "keys_floats": list(known),
            "values_floats" if floating else "values_int64s": made,
            "default_float" if floating else "default_int64": float(values[0]) if floating else int(values[0]),
        }
        return self._graph.add("LabelEncoder", self.feeds[column.name], **attributes)

    def _transformed(self, mode: str) -> str:
        """Return the numeric features but for the indicators, NaN where missing."""
        graph, place, encoding = self._graph, np.array(self._plain), self.encoding
        value = self._raw()
        if mode != UNCLIPPED:
            value = graph.add("Max", value, graph.constant(encoding.low[place]))
            value = graph.add("Min", value, graph.constant(encoding.high[place]))
        value = graph.add("Sub", value, graph.constant(encoding.center[place]))
        return graph.add("Div", value, graph.constant(encoding.scale[place])) if mode != CLIPPED else value

    def _raw(self) -> str:
        """Return the raw numbers and the parts of date-times, NaN where missing; float32 [N, d less indicators]."""
        if "raw" not in self._made:
            numbers = [self.feeds[c.name] for c in self.encoding.columns if c.kind in ("numeric", "boolean", "code")]
            self._made["raw"] = self._graph.concat(numbers + self._datetime_values())
        return self._made["raw"]

    def _missing(self) -> str:
        """Return where raw numbers are missing; bool [N, d less indicators]."""
        if "missing" not in self._made:
            self._made["missing"] = self._graph.add("IsNaN", self._raw())
        return self._made["missing"]

    def _absent(self) -> str:
        """Return where the columns with an indicator are missing; bool [N, indicators]."""
        if "absent" not in self._made:
            graph = self._graph
            marked = [c for c in self.encoding.columns if c.indicator and c.kind != "categorical"]
            numbers = [c for c in self.encoding.columns if c.kind in ("numeric", "boolean", "code")]
            blocks = []
            if any(c.kind != "datetime" for c in marked):
                place = [numbers.index(c) for c in marked if c.kind != "datetime"]
                blocks.append(graph.columns(self._missing(), place, len(self._plain)))
            if any(c.kind == "datetime" for c in marked):
                place = [self._datetimes.index(c) for c in marked if c.kind == "datetime"]
                blocks.append(graph.columns(self._absent_times(), place, len(self._datetimes)))
            self._made["absent"] = graph.concat(blocks)
        return self._made["absent"]

    @property
    def _datetimes(self) -> list[Column]:
        return [c for c in self.encoding.columns if c.kind == "datetime"]

    def _times(self) -> str:
        """Return all date-times; int64 [N, columns]."""
        if "times" not in self._made:
            self._made["times"] = self._graph.concat([self.feeds[c.name] for c in self._datetimes])
        return self._made["times"]

    def _absent_times(self) -> str:
        """Return where date-times are missing; bool [N, columns]."""
        if "absent times" not in self._made:
            missing = self._graph.constant(MISSING_TIME, np.int64)
            self._made["absent times"] = self._graph.add("Equal", self._times(), missing)
        return self._made["absent times"]

    def _datetime_parts(self) -> list[tuple[int, str]]:
        """Return (date-time column, part) in the order of the encoding."""
        return [(j, part) for j, column in enumerate(self._datetimes) for part in column.parts]

    def _datetime_order(self, features: list[int]) -> list[int]:
        """Return the encoded features of date-times in the order of `_datetime_values`: seconds, sin, cos, weekend."""
        rank = {"seconds": 0, "sin": 1, "cos": 2, "weekend": 3}
        parts = self._datetime_parts()
        ranks = [rank[part.rpartition("_")[2]] for _, part in parts]
        self._arranged = [parts[i] for i in np.argsort(ranks, kind="stable")]
        return [features[i] for i in np.argsort(ranks, kind="stable")]

    def _datetime_values(self) -> list[str]:
        """Return the parts of all date-times, NaN where missing; at most one block, float32 [N, parts]."""
        if not self._arranged:
            return []
        graph, columns = self._graph, len(self._datetimes)
        blocks = []
        seconds = [j for j, part in self._arranged if part == "seconds"]
        if seconds:
            blocks.append(graph.add("Cast", graph.columns(self._times(), seconds, columns), to=TensorProto.FLOAT))
        blocks += self._periodic_parts()
        value = graph.concat(blocks)
        absent = self._absent_times()
        if columns > 1:
            absent = graph.columns(absent, [j for j, _ in self._arranged], columns)
        return [graph.add("Where", absent, graph.constant(np.nan), value)]

    def _periodic_parts(self) -> list[str]:
        """Return sines, cosines and weekends of date-times, each block float32."""
        graph = self._graph
        wanted = [(j, "weekday" if part == "weekend" else part.partition("_")[0]) for j, part in self._arranged]
        periodic = [w for w, (_, part) in zip(wanted, self._arranged, strict=True) if part != "seconds"]
        phases = list(dict.fromkeys(periodic))
        if not phases:
            return []
        added, modulus, divisor, steps = (np.array([_PHASES[base][i] for _, base in phases]) for i in range(4))
        rest = graph.columns(self._times(), [j for j, _ in phases], len(self._datetimes))
        if added.any():
            rest = graph.add("Add", rest, graph.constant(added, np.int64))
        rest = graph.add("Mod", rest, graph.constant(modulus, np.int64))
        if (divisor > 1).any():
            rest = graph.add("Div", rest, graph.constant(divisor, np.int64))
        blocks = []
        for wave, op in (("sin", "Sin"), ("cos", "Cos")):
            place = [phases.index((j, part[:-4])) for j, part in self._arranged if part.endswith(f"_{wave}")]
            if place:
                blocks.append(graph.add(op, graph.columns(self._angles(rest, steps), place, len(phases))))
        place = [phases.index((j, "weekday")) for j, part in self._arranged if part == "weekend"]
        if place:
            late = graph.add("Greater", graph.columns(rest, place, len(phases)), graph.constant(4, np.int64))
            blocks.append(graph.add("Cast", late, to=TensorProto.FLOAT))
        return blocks

    def _angles(self, rest: str, steps: NDArray[np.int64]) -> str:
        """Return the phases as angles; float32 [N, phases]."""
        if "angles" not in self._made:
            graph = self._graph
            exact = graph.add("Cast", rest, to=TensorProto.DOUBLE)
            turned = graph.add("Mul", exact, graph.constant(2 * np.pi / steps, np.float64))
            self._made["angles"] = graph.add("Cast", turned, to=TensorProto.FLOAT)
        return self._made["angles"]


def transform(encoding: Encoding, place: NDArray[np.int64], value: Any, mode: str) -> FloatArray:
    """Return raw values of numeric features as a mode reads them, in the arithmetic of the runtime.

    Args:
        encoding: of the features.
        place: the encoded features [m].
        value: float32, broadcast against [m].
        mode: `STANDARD`, `CLIPPED` or `UNCLIPPED`.
    """
    value = np.asarray(value, np.float32)
    if mode != UNCLIPPED:
        value = np.clip(value, encoding.low[place], encoding.high[place])
    value = value - encoding.center[place]
    return value / encoding.scale[place] if mode != CLIPPED else value


def input_names(encoding: Encoding) -> dict[str, str]:
    """Return the graph input of each column: its own name.

    Raises:
        ModelError: a column has no name, which ONNX does not allow.
    """
    if any(not column.name for column in encoding.columns):
        raise ModelError("an exported model's columns must have names, got ''")
    return {column.name: column.name for column in encoding.columns}
