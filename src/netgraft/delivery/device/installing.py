"""From a checked model to the one that answers: the slot in the folder, and the live model of an engine."""

from __future__ import annotations

from dataclasses import replace

from netgraft.delivery.device.engine import Exits, Live, confident
from netgraft.delivery.device.store import DeviceFolder, DeviceState, Installed
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import CutRow, OpenedHead
from netgraft.runtime import Inputs, Model
from netgraft.runtime.shapes import exits

#: Beside the numbers of a slot: its description and its share of the manifest, as a rule.
_DESCRIPTION_BYTES = 4_096
_NUMBER_BYTES = 4


def slot_bytes(row: CutRow) -> int:
    """Return about what the files of a cut's slot take, before they are there."""
    return _NUMBER_BYTES * row.parameters + _DESCRIPTION_BYTES


def install(folder: DeviceFolder, state: DeviceState, opened: OpenedHead, row: CutRow, model: Model) -> None:
    """Write a checked cut to the folder and make it the active one; the one of the version before stays known.

    It lasts when the folder is written down. A version that was refused is so until a later one is installed here.

    Args:
        folder: claimed.
        state: to begin from.
        opened: the head of the cut.
        row: the cut.
        model: of the cut, compared with its canary.

    Raises:
        StorageError: something cannot be written; the old model stays active.
    """
    head, old = opened.head, state.active
    active = Installed(opened.sha256, head.version, row.id, folder.free_slot(), row.accuracy, row.memory_bytes)
    previous = old if old is not None and old.head != opened.sha256 else state.previous
    values = {
        "error": 1 - row.accuracy,
        "operations": row.operations,
        "memory": row.memory_bytes,
        "download": row.bytes,
    }
    refused = None if state.refused is not None and head.version > state.refused.version else state.refused
    state = replace(state, name=head.name, active=active, previous=previous, refused=refused)
    folder.install(model, state, values)


def live_of(opened: OpenedHead, row: CutRow, model: Model, assembly: Assembly, confidence: float | None) -> Live:
    """Return a cut as a model that answers.

    Args:
        opened: its head.
        row: the cut.
        model: of the cut.
        assembly: that it was made from.
        confidence: at which rows leave early; None to run every layer for every row.
    """
    found = None if confidence is None or row.depth == 0 else _exits(opened, row, assembly, confidence)
    return Live(opened.head.version, row.id, model, row.memory_bytes, found)


def _exits(opened: OpenedHead, row: CutRow, assembly: Assembly, confidence: float) -> Exits:
    """Return how rows leave a cut early."""
    shape, tensors = opened.head.shape, assembly.tensors(row)
    leaves = confident(opened.output, confidence)

    def leave(inputs: Inputs):  # type: ignore[no-untyped-def]
        return exits(shape, tensors, inputs, shell=row.shell, depth=row.depth, confidence=leaves)

    return leave
