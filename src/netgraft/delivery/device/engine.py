"""A model that answers while it is replaced: the switch is one reference store, and no answer waits or fails for it.

Rules the module keeps: an answer reads the reference once, so its version, its cut and its numbers belong together; a
model that answers is never changed, an improved one is a new one; `Engine.answer` may be called from any number of
threads, `Engine.swap` from one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.device.slots import Slots
from netgraft.errors import DeliveryError
from netgraft.runtime import Inputs, Model, Output, Prediction
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import finish, softmax

#: From encoded rows to the outputs [n, c] and the depth [n] at which each row left.
Exits = Callable[[Inputs], tuple[FloatArray, NDArray[np.int64]]]


@dataclass(frozen=True, eq=False)
class Live:
    """A model that answers.

    Attributes:
        version: of the head it came with.
        cut: its id.
        model: as it is deployed.
        memory_bytes: while it runs.
        exits: how rows leave early where the device wants that; None to run every layer for every row.
    """

    version: int
    cut: str
    model: Model
    memory_bytes: int = 0
    exits: Exits | None = None

    def answer(self, raw: Mapping[str, NDArray[Any]]) -> Answer:
        """Return what this model says of raw columns, as `netgraft.runtime.encoding` defines them.

        Raises:
            TableError: a column is missing.
        """
        inputs, output = self.model.encoding.apply(raw), self.model.output
        if self.exits is None:
            return Answer(self.version, self.cut, self.model.predict_encoded(inputs), None, output)
        outputs, depths = self.exits(inputs)
        return Answer(self.version, self.cut, _finished(output, outputs), depths, output)


@dataclass(frozen=True)
class Answer:
    """What a model says of n rows.

    Attributes:
        version: of the model that said it.
        cut: of that model.
        prediction: for the rows.
        depths: int64 [n] at which each row left; None without early exits.
        output: how the prediction is read.
    """

    version: int
    cut: str
    prediction: Prediction
    depths: NDArray[np.int64] | None
    output: Output


class Engine:
    """Answers with the live model."""

    def __init__(self, *, memory_bytes: int | None = None) -> None:
        """Begin without a model.

        Args:
            memory_bytes: what the live and the next model together may take; None for no limit.
        """
        self.slots = Slots(memory_bytes)
        self._live: Live | None = None

    @property
    def live(self) -> Live | None:
        """Return the model that answers now."""
        return self._live

    def swap(self, live: Live) -> None:
        """Let another model answer from now on.

        Raises:
            BudgetError: it does not fit into memory beside those that still answer; the old one stays.
        """
        self.slots.require(live.memory_bytes)
        self.slots.hold(live, live.memory_bytes)
        self._live = live

    def answer(self, raw: Mapping[str, NDArray[Any]]) -> Answer:
        """Return what the live model says of raw columns.

        Args:
            raw: one array per column, as `netgraft.runtime.encoding` defines them.

        Raises:
            DeliveryError: there is no model yet.
            TableError: a column is missing.
        """
        return self.current().answer(raw)

    def current(self) -> Live:
        """Return the model that answers now; whoever keeps it gets the answers of that model alone.

        Raises:
            DeliveryError: there is no model yet.
        """
        live = self._live
        if live is None:
            raise DeliveryError("a model is required before anything can be answered, got none yet")
        return live


def confident(output: Output, least: float) -> Callable[[FloatArray], NDArray[np.bool_]]:
    """Return the function that says which rows may leave at an exit: those whose likeliest class is likely enough.

    Args:
        output: of the model.
        least: probability of the likeliest class. A regression says no probability: none of its rows leaves early.
    """

    def leaves(outputs: FloatArray) -> NDArray[np.bool_]:
        if output.kind == "regression":
            return np.zeros(len(outputs), bool)
        return np.asarray(softmax(outputs / np.float32(output.temperature)).max(axis=1) >= least)

    return leaves


def _finished(output: Output, outputs: FloatArray) -> Prediction:
    """Return the predictions of one network's outputs; float32 [n, c]."""
    if output.kind == "classification":
        outputs = softmax(outputs / np.float32(output.temperature))
    return finish(output, outputs)
