"""Looks into the folder of a device without claiming it: what it is like, and what in it is damaged.

Nothing is changed and no lock is held, so a device that works there is not disturbed; what it writes in the same moment
may look damaged for that moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from netgraft.delivery.device.state import SHA256, SLOTS, DeviceState, Installed
from netgraft.delivery.device.store import holder_of, model_of, state_in
from netgraft.delivery.format.head import Head, OpenedHead, unpack_head
from netgraft.delivery.trust.accepting import TrustState, head_verifier
from netgraft.errors import ChunkError, HeadError, ModelError, StorageError, TrustError
from netgraft.records import sha256_hex
from netgraft.runtime import load

_ROLES = ("root", "publisher", "online")


@dataclass(frozen=True)
class Status:
    """What the folder of a device says of itself.

    Attributes:
        path: of the folder.
        state: what it remembers.
        holder: the process that works in it, 0 where that is not known; None where none does.
        head: of the active version; None where nothing is active, or its file is missing or damaged.
        stored_bytes: what chunks, heads and models take.
    """

    path: Path
    state: DeviceState
    holder: int | None
    head: Head | None
    stored_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; times are seconds since 1970."""
        state, head = self.state, self.head
        newer = state.target is not None and (state.active is None or state.target != state.active.head)
        return {
            "folder": str(self.path),
            "name": state.name or None,
            "in_use_by": self.holder,
            "active": None if state.active is None else asdict(state.active),
            "published_s": None if head is None else head.published_s,
            "expires_s": None if head is None else head.expires_s,
            "previous": None if state.previous is None else asdict(state.previous),
            "refused": None if state.refused is None else asdict(state.refused),
            "fetching": state.target if newer else None,
            "stored_bytes": self.stored_bytes,
            "spent_bytes": state.spent_bytes,
            "trust": _trust_json(state.trust, state.name),
        }


@dataclass(frozen=True)
class Inspected:
    """What a check of a folder found.

    Attributes:
        heads, chunks, models: how many are whole.
        faults: what is not, one line each.
    """

    heads: int
    chunks: int
    models: int
    faults: tuple[str, ...]


def status_of(path: Path) -> Status:
    """Return what a folder says of itself.

    Raises:
        StorageError: it is no device's, or its state is damaged.
    """
    holder = holder_of(path)
    state, _ = _state(path)
    head = None
    if state.active is not None:
        try:
            head = _opened(path, state.active).head
        except (HeadError, StorageError):
            head = None
    files = [file for name in ("chunks", "heads", "model") for file in _files(path / name)]
    return Status(path, state, holder, head, sum(map(_size_bytes, files)))


def inspect(path: Path) -> Inspected:
    """Return what is whole in a folder and what is not: state, heads, signature, chunks, both slots.

    Raises:
        StorageError: it is no device's, or its state and the one before are damaged.
    """
    holder_of(path)
    state, faults = _state(path)
    installed = [each for each in (state.active, state.previous) if each is not None]
    heads: list[OpenedHead] = []
    for each in installed:
        try:
            heads.append(_opened(path, each))
            if each is state.active:
                unpack_head((path / "heads" / each.head).read_bytes(), head_verifier(state.trust))
        except (HeadError, ChunkError, StorageError, TrustError, OSError) as error:
            faults.append(f"the head of version {each.version}: {_line(error)}")
    whole, damaged = _chunks(path, _tolerant(heads))
    faults += [f"the chunk {name[:16]}... is damaged" for name in damaged]
    faults += [line for each in installed for line in _missing(each, heads, whole.union(damaged))]
    models, broken = _models(path, state.active)
    faults += broken
    return Inspected(len(heads), len(whole), models, tuple(faults))


def _trust_json(trust: TrustState, name: str) -> dict[str, Any] | None:
    """Return whom a device believes and what it has seen, or None before the first trust document."""
    document, seen = trust.trust, trust.seen.get(name)
    if document is None:
        return None
    roles = {role: {"keys": list(r.keys), "threshold": r.threshold} for role, r in document.roles.items()}
    return {
        "version": document.version,
        "expires_s": document.expires_s,
        "pinned": list(trust.pinned),
        **{role: roles[role] for role in _ROLES},
        "latest_s": trust.latest_s,
        "stamp": None if seen is None else asdict(seen),
    }


def _state(path: Path) -> tuple[DeviceState, list[str]]:
    """Return the state, the one before where it is damaged, and what is to say about that."""
    try:
        found, faults = state_in(path / "state.json"), []
    except StorageError as error:
        found, faults = None, [_line(error)]
    before = None if found is not None else state_in(path / "state.old.json")
    if found is None and before is None and faults:
        raise StorageError(faults[0])
    return found or before or DeviceState(), faults


def _opened(path: Path, installed: Installed) -> OpenedHead:
    """Return the head of an installed model, its identity checked.

    Raises:
        HeadError: it is missing, damaged or another.
    """
    try:
        data = (path / "heads" / installed.head).read_bytes()
    except OSError as error:
        raise HeadError(f"a file is required, got {error.strerror}") from error
    opened = unpack_head(data, lambda message, signatures: None)
    if opened.sha256 != installed.head:
        raise HeadError(f"the head {installed.head[:16]}... is required, got another")
    return opened


def _tolerant(heads: list[OpenedHead]) -> dict[str, int]:
    """Return the names of chunks that may have been taken with wrong bits, and their bytes."""
    return {row.sha256: row.bytes for opened in heads for row in opened.head.chunks if row.protection == "tolerant"}


def _chunks(path: Path, tolerant: dict[str, int]) -> tuple[set[str], list[str]]:
    """Return the names of the chunks that are whole, and of those that are not."""
    files = [file for file in _files(path / "chunks") if SHA256.fullmatch(file.name)]
    whole = {
        file.name
        for file in files
        if (_size_bytes(file) == tolerant[file.name] if file.name in tolerant else _hash_of(file) == file.name)
    }
    return whole, [file.name for file in files if file.name not in whole]


def _missing(installed: Installed, heads: list[OpenedHead], there: set[str]) -> Iterator[str]:
    """Yield a line for each chunk that is not there, without which a model cannot be built again."""
    opened = next((each for each in heads if each.sha256 == installed.head), None)
    cut = None if opened is None else next((row for row in opened.head.cuts if row.id == installed.cut), None)
    if opened is None or cut is None:
        return
    for index in sorted(set(cut.chunks) - {0}):  # chunk 0 is in the head
        row = opened.head.chunks[index]
        if not there & {row.sha256, row.decoded_sha256}:
            yield f"chunk {index} of version {installed.version} is missing: {installed.cut} cannot be built again"


def _models(path: Path, active: Installed | None) -> tuple[int, list[str]]:
    """Return how many of the two slots are whole, and what is wrong with the others."""
    whole, faults = 0, []
    for slot in SLOTS:
        if not any((path / "model").glob(f"{slot}.*")) and (active is None or active.slot != slot):
            continue
        try:
            if active is not None and active.slot == slot:
                model_of(path, active)
            else:
                load(path / "model", slot)
            whole += 1
        except ModelError as error:
            faults.append(f"the slot {slot}: {_line(error)}")
    if active is not None and _front_slot(path) != active.slot:
        faults.append(f"front.json must name the slot {active.slot}, got another or none")
    return whole, faults


def _front_slot(path: Path) -> str | None:
    """Return the slot that ``front.json`` names."""
    try:
        return str(json.loads((path / "front.json").read_bytes())["points"][0]["root"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _hash_of(path: Path) -> str | None:
    try:
        return sha256_hex(path.read_bytes())
    except OSError:  # a device that works here may have removed it
        return None


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
