"""From the files of a device's folder back to chunks, models and the version before, without any network.

What a folder holds was verified when it came, and is verified again here by its hashes: a head has the identity that
the state names, a chunk the hash that the head names. Nothing that was changed on the disk is believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from netgraft.delivery.device.engine import Live
from netgraft.delivery.device.installing import install, live_of
from netgraft.delivery.device.state import Refused
from netgraft.delivery.device.store import DeviceFolder, DeviceState, Installed
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.format.head import unpack_head
from netgraft.errors import ChunkError, HeadError, ModelError, StorageError
from netgraft.records import sha256_hex


def reopened(folder: DeviceFolder, sha256: str) -> Assembly | None:
    """Return a head that the folder holds, with its first chunk; None where it is gone or damaged."""
    data = folder.head(sha256)
    if data is None:
        return None
    try:
        # its signatures were checked when it came, by keys that may have gone since; the state names its identity
        opened = unpack_head(data, lambda message, signatures: None)
        return Assembly(opened) if opened.sha256 == sha256 else None
    except (HeadError, ChunkError):
        return None


def held_chunks(folder: DeviceFolder, assembly: Assembly, *, tolerant: bool = False) -> None:
    """Add every chunk that the folder holds; what is damaged is left out, so that it is fetched again.

    It is removed, too, but for tolerant chunks with wrong bits, which may be all there is of the version before.

    Args:
        folder: claimed.
        assembly: of the version.
        tolerant: whether a chunk that tolerates wrong bits may have some.
    """
    for index, row in enumerate(assembly.opened.head.chunks):
        if index not in assembly.held:
            _add_held(folder, assembly, index, row, tolerant)


def keep_contents(folder: DeviceFolder, assembly: Assembly, indices: Iterable[int]) -> None:
    """Keep chunks that came by a delta, by their decoded bytes, so that the parent's chunks may go one day.

    Raises:
        StorageError: they cannot be written.
    """
    for index in indices:
        row = assembly.opened.head.chunks[index]
        if row.protection == "exact":
            folder.keep_chunk(row.decoded_sha256, assembly.content(index))


@dataclass(frozen=True)
class Restored:
    """What a device answers with after a start.

    Attributes:
        live: the model.
        how: ``whole`` (its files were), ``rebuilt`` (from its chunks) or ``previous`` (the version before).
    """

    live: Live
    how: str


def restore(folder: DeviceFolder, confidence: float | None = None, *, tolerant: bool = False) -> Restored | None:
    """Return what the folder can answer with, the last good version at worst; None where nothing was installed yet.

    Args:
        folder: claimed.
        confidence: at which rows leave early; None to run every layer for every row.
        tolerant: whether a chunk that tolerates wrong bits may have some.

    Raises:
        StorageError: something was installed, but neither it nor the version before can be had from the folder.
    """
    active = folder.state.active
    if active is None:
        return None
    try:
        model = folder.model()
        assert model is not None
        if confidence is None:
            return Restored(Live(active.version, active.cut, model, active.memory_bytes), "whole")
    except ModelError:
        model = None
    found = rebuilt(folder, active, confidence, write=model is None, tolerant=tolerant)
    if found is not None:
        return Restored(found, "whole" if model is not None else "rebuilt")
    if model is not None:  # early exits need the chunks, answers do not
        return Restored(Live(active.version, active.cut, model, active.memory_bytes), "whole")
    return Restored(roll_back(folder, confidence, tolerant=tolerant), "previous")


def roll_back(
    folder: DeviceFolder,
    confidence: float | None = None,
    *,
    tolerant: bool = False,
    state: DeviceState | None = None,
) -> Live:
    """Make the last model of the version before the active one again, and return it.

    What was accepted last stays known, so no server can offer less than before; the next fetch offers the newest again.

    Args:
        folder: claimed.
        confidence: at which rows leave early.
        tolerant: whether a chunk that tolerates wrong bits may have some.
        state: to write; the folder's by default.

    Raises:
        StorageError: there is none, it cannot be had from the folder, or it was rolled back from by hand.
    """
    previous, refused = folder.state.previous, folder.state.refused
    if previous is None or (refused is not None and previous.head == refused.head):
        raise StorageError(f"a version before the active one is required to go back, got none in {folder.path}")
    live = rebuilt(folder, previous, confidence, write=True, tolerant=tolerant, state=state)
    if live is None:
        raise StorageError(
            f"whole chunks of version {previous.version} are required in {folder.path}, got damaged ones"
        )
    return live


def refuse_active(folder: DeviceFolder, *, tolerant: bool = False) -> Live:
    """Go back to the version before the active one by hand, and return its model.

    The version that was active is not installed again until a later one was, or `take_back`.

    Args:
        folder: claimed.
        tolerant: whether a chunk that tolerates wrong bits may have some.

    Raises:
        StorageError: there is no version before, or it cannot be had from the folder.
    """
    active, previous = folder.state.active, folder.state.previous
    if active is None or previous is None or previous.version > active.version:
        raise StorageError(f"a version before the active one is required to go back, got none in {folder.path}")
    refused = Refused(active.head, active.version)
    live = roll_back(folder, tolerant=tolerant, state=replace(folder.state, refused=refused))
    folder.write_down()
    return live


def take_back(folder: DeviceFolder, *, tolerant: bool = False) -> Live | None:
    """Undo `refuse_active`; return the model of the version that was refused, or None where a fetch must bring it.

    Args:
        folder: claimed.
        tolerant: whether a chunk that tolerates wrong bits may have some.

    Raises:
        StorageError: no version is refused.
    """
    refused, previous = folder.state.refused, folder.state.previous
    if refused is None:
        raise StorageError(f"a version that was rolled back from is required, got none in {folder.path}")
    state = replace(folder.state, refused=None)
    if previous is not None and previous.head == refused.head:
        live = rebuilt(folder, previous, None, write=True, tolerant=tolerant, state=state)
        if live is not None:
            folder.write_down()
            return live
    folder.record(state)
    return None


def rebuilt(
    folder: DeviceFolder,
    wanted: Installed,
    confidence: float | None,
    *,
    write: bool,
    tolerant: bool = False,
    state: DeviceState | None = None,
) -> Live | None:
    """Return a model made from the chunks of the folder; None where they are gone or damaged.

    Args:
        folder: claimed.
        wanted: the model.
        confidence: at which rows leave early.
        write: whether to install it.
        tolerant: whether a chunk that tolerates wrong bits may have some.
        state: to write with it; the folder's by default.

    Raises:
        StorageError: it cannot be written.
    """
    assembly = reopened(folder, wanted.head)
    if assembly is None:
        return None
    held_chunks(folder, assembly, tolerant=tolerant)
    row = next((cut for cut in assembly.opened.head.cuts if cut.id == wanted.cut), None)
    if row is None or not assembly.has(row):
        return None
    model = assembly.model(row)
    try:
        assembly.check(row, model)
    except ChunkError:
        return None
    if write:
        install(folder, state or folder.state, assembly.opened, row, model)
        folder.write_down()
    return live_of(assembly.opened, row, model, assembly, confidence)


def _add_held(folder: DeviceFolder, assembly: Assembly, index: int, row: ChunkRow, tolerant: bool) -> None:
    exact = row.protection == "exact"
    data = folder.chunk(row.sha256, exact=exact)
    if data is not None and not exact and not tolerant and sha256_hex(data) != row.sha256:
        return
    content = folder.chunk(row.decoded_sha256) if data is None and exact else None
    try:
        if data is not None:
            assembly.add(index, data)
        elif content is not None:
            assembly.add_content(index, content)
    except ChunkError:
        if data is not None:
            folder.forget_chunk(row.sha256)
