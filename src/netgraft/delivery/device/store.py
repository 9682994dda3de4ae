"""The folder of a device: what it holds survives a kill at any moment, and it always has a model that works.

::

    DIR/state.json      what is active, what came before it, what was accepted last; written last, in one rename
    DIR/state.old.json  the state before; read where ``state.json`` was damaged
    DIR/front.json      names the active slot; `netgraft predict DIR TABLE` reads it
    DIR/model/          two slots, ``a`` and ``b``: a new model goes to the one that is not active
    DIR/heads/SHA-256   signed heads
    DIR/chunks/SHA-256  chunks, kept the moment they were verified
    DIR/lock            held while a client works in the folder; the system lets go of it when the client dies

Rules the module keeps: every file is written aside and renamed into place, so a kill loses nothing. An installed model
answers first and is synced after, by `DeviceFolder.write_down`: what a loss of power may take in between has a hash and
is fetched again, a model says itself of which version and cut it is, and a state that was synced stays beside one that
is not; without any, an empty file is a new folder's, as no file is. Nothing that the active or the previous version
needs is ever removed; a path is joined only with names this module made or with 64 hexadecimal digits.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from netgraft.delivery.device.state import SHA256, SLOTS, DeviceState, Installed
from netgraft.errors import ModelError, OutputError, StorageError, TrustError
from netgraft.records import canonical_json, sha256_hex
from netgraft.runtime import Model, load
from netgraft.runtime.model import manifest_of, model_files

__all__ = [
    "SPARE_BYTES",
    "DeviceFolder",
    "DeviceState",
    "Installed",
    "device_folder",
    "free_bytes",
    "front_of",
    "holder_of",
    "model_of",
    "state_in",
]

#: What must stay free beyond the bytes that are about to be written.
SPARE_BYTES = 65_536
_TRIES, _BETWEEN_S = 6, 0.01
_STATE, _BEFORE, _FRONT, _LOCK, _MODEL, _HEADS, _CHUNKS = (
    "state.json", "state.old.json", "front.json", "lock", "model", "heads", "chunks",
)  # fmt: skip


def free_bytes(path: Path) -> int:
    """Return how many bytes can still be written to the disk of a folder."""
    return shutil.disk_usage(path).free


@contextmanager
def device_folder(
    path: Path, *, free: Callable[[Path], int] = free_bytes, wait: Callable[[float], None] = time.sleep
) -> Iterator[DeviceFolder]:
    """Claim the folder of a device for as long as the context lasts; it is made if need be.

    Args:
        path: of the folder.
        free: returns the free bytes of its disk.
        wait: waits some seconds.

    Raises:
        StorageError: another client works in it, it is no device's folder but holds something, it is damaged, or it
            cannot be written.
    """
    with _writing(path):
        path.mkdir(parents=True, exist_ok=True)
        foreign = [] if _is_devices(path) else [entry.name for entry in path.iterdir()]
        if foreign:
            raise StorageError(f"a new or empty folder or one of a device is required, got {path} with {foreign[0]!r}")
        handle = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _claimed(handle, wait):
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
            raise StorageError(
                f"a folder that no other client uses is required, got {path}, in use by process {holder}"
            )
        with _writing(path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield DeviceFolder(path, free)
    finally:
        os.close(handle)


def _is_devices(path: Path) -> bool:
    """Return whether a folder is a device's; a copy of one may lack the lock."""
    return any((path / name).exists() for name in (_LOCK, _STATE, _BEFORE))


def _claimed(handle: int, wait: Callable[[float], None]) -> bool:
    """Return whether the lock could be had; `holder_of` has it for an instant, too, so it is tried for 50 ms."""
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if left:
                wait(_BETWEEN_S)
        else:
            return True
    return False


def holder_of(path: Path) -> int | None:
    """Return the process that works in the folder of a device, 0 where it is not known; None where none does.

    Raises:
        StorageError: the folder is no device's.
    """
    try:
        with (path / _LOCK).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = file.read(20).decode("ascii", "replace").strip()
                return int(text) if text.isdigit() else 0
    except FileNotFoundError as error:
        if not _is_devices(path):
            raise StorageError(f"the folder of a device is required, got {path}: {error.strerror}") from error
    except OSError as error:
        raise StorageError(f"the folder of a device is required, got {path}: {error.strerror}") from error
    return None


class DeviceFolder:
    """The folder of a device, claimed by `device_folder`. One thread at a time may change it."""

    def __init__(self, path: Path, free: Callable[[Path], int] = free_bytes) -> None:
        """Open a folder whose lock is held.

        Args:
            path: of the folder.
            free: returns the free bytes of its disk.

        Raises:
            StorageError: its state is damaged.
        """
        self.path = path
        self._free = free
        self._is_safe = False  # whether the file of the state is there and outlasts a loss of power
        self._is_ahead = False  # whether the state is another than in its file
        self._heads: dict[str, bytes] = {}  # that are not written yet
        self._unsynced: set[Path] = set()
        self.state = self._read_state()
        self._settle()
        if self.state.active is not None:  # a client that was killed may not have synced it
            self._unsynced = {*(path / _MODEL).glob(f"{self.state.active.slot}.*"), path / _MODEL / "manifest.json"}

    def note(self, state: DeviceState) -> None:
        """Remember a state; `write_down` writes it."""
        self._is_ahead |= state != self.state
        self.state = state

    def write_down(self) -> None:
        """Make sure that the state and what was installed outlast a loss of power.

        Raises:
            StorageError: something cannot be written.
        """
        self._write_heads()
        with _writing(self.path):
            for path in sorted(self._unsynced):  # the state is the last
                _sync(path)
            for folder in sorted({path.parent for path in self._unsynced}, reverse=True):
                _sync(folder)
        self._is_safe |= self.path / _STATE in self._unsynced
        self._unsynced.clear()
        if self._is_ahead:
            self.record(self.state)

    def record(self, state: DeviceState) -> None:
        """Write the state, in one rename, so that it outlasts a loss of power; the one before is kept beside it.

        Raises:
            StorageError: it cannot be written.
        """
        self._write_heads()
        self._write_state(state, sync=True)

    def stored_bytes(self) -> int:
        """Return what the kept chunks, heads and models take."""
        folders = (self.path / name for name in (_CHUNKS, _HEADS, _MODEL))
        noted = sum(map(len, self._heads.values()))
        return noted + sum(path.stat().st_size for folder in folders for path in _files(folder))

    def head(self, sha256: str) -> bytes | None:
        """Return the bytes of a head as they were kept; its signatures are checked by whoever opens it."""
        return self._heads.get(sha256) or _read(self._place(_HEADS, sha256))

    def keep_head(self, sha256: str, data: bytes) -> None:
        """Keep the bytes of a head under its identity; `write_down` writes them."""
        self._heads[sha256] = data

    def chunk(self, sha256: str, *, exact: bool = True) -> bytes | None:
        """Return a chunk that is held, its hash checked; one that was damaged since is removed.

        Args:
            sha256: of the chunk.
            exact: False for a chunk that tolerates wrong bits, which may have been kept with some.
        """
        path = self._place(_CHUNKS, sha256)
        data = _read(path)
        if data is not None and exact and sha256_hex(data) != sha256:
            path.unlink(missing_ok=True)
            return None
        return data

    def keep_chunk(self, sha256: str, data: bytes) -> None:
        """Keep a chunk that was verified.

        Raises:
            StorageError: it cannot be written.
        """
        with _writing(self.path):
            _write(self._place(_CHUNKS, sha256), data)

    def forget_chunk(self, sha256: str) -> None:
        """Remove a chunk that turned out to be unusable."""
        self._place(_CHUNKS, sha256).unlink(missing_ok=True)

    def require_space(self, needed_bytes: int) -> None:
        """Check before any work that the disk has room.

        Raises:
            StorageError: it has not.
        """
        with _writing(self.path):
            found = self._free(self.path)
        if found < needed_bytes + SPARE_BYTES:
            raise StorageError(
                f"{needed_bytes + SPARE_BYTES} free bytes are required in {self.path}, got {found}; nothing was changed"
            )

    def free_slot(self) -> str:
        """Return the slot that is not active."""
        return SLOTS[1] if self.state.active is not None and self.state.active.slot == SLOTS[0] else SLOTS[0]

    def install(self, model: Model, state: DeviceState, values: Mapping[str, float]) -> None:
        """Write a model to the slot that is not active and switch to it; `write_down` makes it last.

        The slot may be the one that the newest synced state names, so what was installed since is written down first.

        Args:
            model: checked.
            state: in which that slot is active.
            values: of the model, for ``front.json``.

        Raises:
            StorageError: something cannot be written; the old model then stays active.
        """
        installed = state.active
        if installed is None or installed.slot != self.free_slot():
            raise StorageError(f"a model for the slot {self.free_slot()!r} is required, got another")
        if self._unsynced:
            self.write_down()
        self._write_heads()
        with _writing(self.path):
            self._write_slot(installed.slot, model)
            self._write_later(self.path / _FRONT, _json(front_of(model, state, values)))
        try:
            self._write_state(state, sync=False)
        except StorageError:
            self._follow_state()
            raise

    def model(self) -> Model | None:
        """Return the active model; None when there is none.

        Raises:
            ModelError: its files were damaged or removed, or are of another version or cut than the state says.
        """
        return None if self.state.active is None else model_of(self.path, self.state.active)

    def collect(self, heads: Iterable[str], chunks: Iterable[str]) -> int:
        """Remove heads and chunks that nothing needs; return how many files went.

        Args:
            heads: SHA-256 of those to keep besides the active, the previous and the target's.
            chunks: SHA-256 of those to keep: of the active, the previous and the target version.
        """
        installed = (self.state.active, self.state.previous)
        pinned = [each.head for each in installed if each is not None] + [self.state.target or ""]
        kept: dict[str, set[str]] = {_HEADS: {*pinned, *heads}, _CHUNKS: set(chunks)}
        gone = 0
        for folder, names in kept.items():
            for path in _files(self.path / folder):
                if path.name not in names:
                    path.unlink(missing_ok=True)
                    gone += 1
        return gone

    def _place(self, folder: str, sha256: str) -> Path:
        """Return where a head or chunk lies; its name comes from outside, so nothing but digits is joined."""
        if not SHA256.fullmatch(sha256):
            raise StorageError(f"a name of 64 hexadecimal digits is required, got {sha256[:40]!r}")
        return self.path / folder / sha256

    def _write_heads(self) -> None:
        """Write the heads that were kept since."""
        with _writing(self.path):
            for sha256, data in self._heads.items():
                _write(self._place(_HEADS, sha256), data)
        self._heads.clear()

    def _write_state(self, state: DeviceState, *, sync: bool) -> None:
        """Write the state; the newest one that outlasts a loss of power is kept beside it."""
        path = self.path / _STATE
        with _writing(self.path):
            if self._is_safe:
                self._keep_state()
            _write(path, _json(state.to_json()), sync=sync)
        self.state, self._is_safe, self._is_ahead = state, sync, False
        self._unsynced = self._unsynced - {path} if sync else self._unsynced | {path}

    def _write_later(self, path: Path, data: bytes) -> None:
        """Write a file that `write_down` syncs."""
        _write(path, data)
        self._unsynced.add(path)

    def _write_slot(self, slot: str, model: Model) -> None:
        """Write the files of one slot, then the manifest of both; the other slot's files are not touched."""
        folder, files = self.path / _MODEL, model_files(slot, model)
        manifest = manifest_of([slot], files)
        active = self.state.active
        if active is not None:
            with suppress(OSError, ValueError, KeyError, TypeError):
                held = json.loads((folder / "manifest.json").read_bytes())["files"]
                kept = {name: digest for name, digest in held.items() if name.startswith(f"{active.slot}.")}
                manifest["roots"] = [active.slot, slot]
                manifest["files"] = dict(sorted({**kept, **manifest["files"]}.items()))
        for name, data in files.items():
            self._write_later(folder / name, data)
        self._write_later(folder / "manifest.json", _json(manifest))

    def _keep_state(self) -> None:
        """Keep the file of the state, which was synced, as the one before."""
        aside = self.path / f".{_BEFORE}"
        aside.unlink(missing_ok=True)
        try:
            aside.hardlink_to(self.path / _STATE)
        except OSError:  # not every file system has links
            _write(aside, (self.path / _STATE).read_bytes(), sync=True)
        aside.replace(self.path / _BEFORE)

    def _read_state(self) -> DeviceState:
        """Return the state, the one before where it is damaged; an empty one in a new folder."""
        try:
            found = state_in(self.path / _STATE)
            if found is not None:  # a client that was killed may not have synced it
                with _writing(self.path):
                    _sync(self.path / _STATE)
            self._is_safe = found is not None
        except StorageError:
            found = state_in(self.path / _BEFORE)
            if found is None and (self.path / _STATE).stat().st_size:
                raise
        return found or state_in(self.path / _BEFORE) or DeviceState()

    def _settle(self) -> None:
        """Finish or undo what a killed client had begun: ``front.json`` follows the state."""
        for folder in (_HEADS, _CHUNKS, _MODEL, ""):
            for path in _files(self.path / folder):
                if path.name.startswith(".") and path.is_file():
                    path.unlink(missing_ok=True)
        self._follow_state()

    def _follow_state(self) -> None:
        """Let ``front.json`` name what the state says."""
        active = self.state.active
        data = _read(self.path / _FRONT)
        if active is None or data is None:
            return
        with suppress(ValueError, KeyError, TypeError, IndexError):
            if json.loads(data)["points"][0]["root"] == active.slot:
                return
        with suppress(ModelError, StorageError), _writing(self.path):
            model = self.model()
            assert model is not None
            _write(self.path / _FRONT, _json(front_of(model, self.state, {"error": 1 - active.accuracy})), sync=True)


def model_of(path: Path, installed: Installed) -> Model:
    """Return an installed model from its slot in the folder of a device.

    Raises:
        ModelError: its files were damaged or removed, or are of another version or cut.
    """
    model = load(path / _MODEL, installed.slot)
    said = model.about.get("delivered")
    wanted = {"version": installed.version, "cut": installed.cut, "head": installed.head}
    if not isinstance(said, dict) or {key: said.get(key) for key in wanted} != wanted:
        raise ModelError(
            f"the slot {installed.slot!r} of {path} must hold version {installed.version} {installed.cut}, got another"
        )
    return model


def front_of(model: Model, state: DeviceState, values: Mapping[str, float]) -> dict[str, Any]:
    """Return the content of ``front.json`` of a device: one point, the active model.

    Args:
        model: active.
        state: in which it is active.
        values: at least ``error``; the size is added.
    """
    active = state.active
    assert active is not None
    point = {
        "id": active.cut,
        "family": "network",
        "root": active.slot,
        "cut": None,
        "parameters": model.parameters,
        "values": {**values, "size": model.size_bytes},
        "validation": {},
        "test": None,
    }
    return {
        "format": 1,
        "task": {
            "kind": model.output.kind,
            "target": model.about.get("target"),
            "metric": model.about.get("metric"),
            "columns": [column.name for column in model.encoding.columns],
        },
        "delivered": {"name": state.name, "version": active.version, "cut": active.cut, "head": active.head},
        "points": [point],
        "picked": active.cut,
    }


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what the system says of a failed write into an error of the device's folder."""
    try:
        yield
    except OutputError as error:
        raise StorageError(f"{path} must have room and be writable; the old files stay: {error}") from error
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise StorageError(f"a folder that can be written is required, got {path}: {said}") from error


def state_in(path: Path) -> DeviceState | None:
    """Return the state in a file; None where there is none.

    Raises:
        StorageError: the file cannot be read, or holds something else.
    """
    data = _read(path)
    if data is None:
        return None
    try:
        return DeviceState.from_json(json.loads(data))
    except (ValueError, RecursionError, TrustError, StorageError) as error:
        raise StorageError(f"{path} must be a device's state ({error}); a new folder begins anew") from error


def _write(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write a file aside and rename it into place; nobody else writes in a folder that is claimed.

    Raises:
        OutputError: the folder cannot be written; the old file is still there.
    """
    aside = path.with_name(f".{path.name}.new")
    try:
        try:
            file = aside.open("wb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = aside.open("wb")
        with file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        aside.replace(path)
        if sync:
            _sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise OutputError(f"a file that can be written is required, got {path}: {error.strerror}") from error


def _json(value: Mapping[str, Any]) -> bytes:
    """Return a value as the content of a JSON file."""
    return (canonical_json(value, indent=None) + "\n").encode()


def _sync(path: Path) -> None:
    """Make sure that a file, or the names in a folder, outlast a loss of power; what has gone since needs not."""
    with suppress(FileNotFoundError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno != errno.EINVAL or not path.is_dir():  # some file systems sync no folder
                raise
        finally:
            os.close(handle)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"a file that can be read is required, got {path}: {error.strerror}") from error


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
