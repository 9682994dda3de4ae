"""The fronts of sources as first candidates of a task: carried over, their heads fitted to its rows, nothing trained.

It costs a few milliseconds per network and is often nearly what a long search from nothing ends with. The heads are
fitted to the train rows of each fold and the networks judged on its validation rows, like any other candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netgraft.errors import TransferError
from netgraft.lifecycle.prepare import Prepared
from netgraft.root import SoftRows, mix_members, resample_columns, to_network, validation_outputs
from netgraft.root.population import spread
from netgraft.runtime import Inputs, Network
from netgraft.runtime.encoding import FloatArray
from netgraft.runtime.model import softmax
from netgraft.runtime.network import Architecture, forward
from netgraft.seeds import generator
from netgraft.transfer.align import Alignment, align_with
from netgraft.transfer.carry import carried, carried_architecture
from netgraft.transfer.head import fitted_head, turned, unit_head
from netgraft.transfer.source import Source

# A head is fitted to at most about so many rows.
_MOST_ROWS = 4_000
# Soft rows: so many per train row, at least and at most; each column of each is another row's with this probability.
_SOFT_COPIES, _SOFT_ROWS, _RESAMPLED_SHARE = 9, (1_000, 6_000), 0.3


@dataclass(frozen=True)
class Carried:
    """A source's network as a candidate of the task.

    Attributes:
        source: name of its entry.
        architecture: over the task's columns.
        parameters: [F, ...] by name, one network per fold.
        error: on the validation rows.
    """

    source: str
    architecture: Architecture
    parameters: dict[str, FloatArray]
    error: float


def carried_fronts(prepared: Prepared, sources: Sequence[Source]) -> list[Carried]:
    """Return the networks of the sources' fronts over a task's columns that do better than a constant.

    Args:
        prepared: the task; its columns stay read as they are, and piecewise-linear bins are its ``quantile`` ones.
        sources: of the task's kind; those that share no column give none.
    """
    found = []
    for source in sources:
        for model in source.front:
            try:
                alignment = align_with(model.encoding, prepared.encoding)
            except TransferError:
                break
            network = model.parts[0]
            assert isinstance(network, Network)
            found.append(_carried(prepared, source, network, alignment))
    bound = prepared.constant_error()
    return [network for network in found if network.error < bound]  # also leaves out what is no number


def taught_by(prepared: Prepared, networks: Sequence[Carried], further: Inputs | None) -> SoftRows:
    """Return resampled train rows, and rows of sources, with what carried networks say of them on average.

    It keeps networks that are trained on near to what the sources know, where the task's own rows are few.

    Args:
        prepared: the task.
        networks: that teach.
        further: encoded rows of sources, or None.
    """
    data = prepared.data
    train = data.inputs.take(data.folds[-1].train)
    count = int(np.clip(_SOFT_COPIES * len(train), *_SOFT_ROWS))
    inputs = resample_columns(train, count, _RESAMPLED_SHARE, generator(prepared.seed, "carried rows"))
    if further is not None:
        inputs = inputs.joined(further.take(slice(count)))
    targets = np.zeros((len(data.folds), len(inputs), data.outputs), np.float32)
    for network in networks:
        basis = prepared.bases[network.architecture.basis]
        for f in range(len(data.folds)):
            own = to_network(network.architecture, basis, {n: v[f] for n, v in network.parameters.items()})
            said = forward(own.architecture, own.tensors, inputs)  # [m, k, c]
            targets[f] += (softmax(said) if data.is_classification else said).mean(axis=1) / len(networks)
    return SoftRows(inputs, targets)


def _carried(prepared: Prepared, source: Source, network: Network, alignment: Alignment) -> Carried:
    """Return one network, its head fitted in every fold."""
    data, basis = prepared.data, prepared.piecewise
    head = unit_head(source.model.output, prepared.output)
    a = carried_architecture(network.architecture, alignment, basis, data.outputs)
    first = carried(network, alignment, basis, head, generator(prepared.seed, "new columns"))
    here = to_network(a, prepared.bases[a.basis], first)
    folds = []
    for fold in data.folds:
        rows = spread(fold.train, _MOST_ROWS)
        said = forward(a, here.tensors, data.inputs.take(rows)).mean(axis=1)  # members differ little: their mean
        folds.append(turned(first, *fitted_head(said, data.target[rows])))
    parameters = {name: np.stack([fold[name] for fold in folds]) for name in first}
    outputs = validation_outputs(a, parameters, data, prepared.bases)
    error = data.error(mix_members(outputs, data.is_classification), prepared.validation_rows)
    return Carried(source.name, a, parameters, error)
