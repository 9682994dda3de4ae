from __future__ import annotations

import errno
import fcntl
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from delivery_examples import example_encoding, example_output, example_shape, example_tensors

from netgraft.delivery.device.inspecting import Inspected, inspect
from netgraft.delivery.device.store import (
    SPARE_BYTES,
    DeviceFolder,
    DeviceState,
    Installed,
    device_folder,
    free_bytes,
    holder_of,
)
from netgraft.delivery.trust.accepting import Seen, TrustState
from netgraft.errors import ModelError, StorageError
from netgraft.lifecycle.folder import load_point, open_front
from netgraft.records import sha256_hex
from netgraft.runtime import Model
from netgraft.runtime.nested import network

HEAD, OTHER = "ab" * 32, "cd" * 32


def model(depth: int = 2, cut: str = "d2s0p4") -> Model:
    shape = example_shape()
    part = network(shape, example_tensors(shape), depth, 0)
    about = {"target": "y", "delivered": {"name": "m", "version": 1, "cut": cut, "head": HEAD}}
    return Model(example_encoding(shape), (part,), np.ones(1, np.float32), example_output(shape), about)


def state(slot: str = "a", *, version: int = 1, cut: str = "d2s0p4", head: str = HEAD) -> DeviceState:
    return DeviceState("m", active=Installed(head, version, cut, slot, 0.9, 1_000), target=head)


def installed(folder: DeviceFolder, depth: int = 2, cut: str = "d2s0p4") -> Model:
    """Install a model in the slot that is free."""
    made = model(depth, cut)
    folder.install(made, state(folder.free_slot(), cut=cut), {"error": 0.1})
    return made


def same(found: Model | None, expected: Model) -> bool:
    assert found is not None
    ours, theirs = found.tensors(), expected.tensors()
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[k], theirs[k], equal_nan=True) for k in ours)


def test_state_survives_json() -> None:
    whole = replace(
        state(),
        previous=Installed(OTHER, 1, "d0s0p1", "b", 0.5, 10),
        spent_bytes=7,
        trust=TrustState(seen={"m": Seen(1, 2, HEAD)}),
    )
    assert DeviceState.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    assert DeviceState.from_json(DeviceState().to_json()) == DeviceState()


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"format": 2}, "format 1 is required, got 2"),
        ({"target": "../x"}, r"a target must be 64 hexadecimal digits, got '\.\./x'"),
        ({"active": {"head": HEAD}}, "an installed model must have every field, got none for 'version'"),
        ({"spent_bytes": None}, "a device's state must have every field, got: "),
        ({"trust": {}}, "a device's state must have every field, got: a stored trust state must"),
    ],
)
def test_states_that_cannot_be_are_refused(changed: dict[str, object], text: str) -> None:
    with pytest.raises(StorageError, match=text):
        DeviceState.from_json({**state().to_json(), **changed})


def test_installed_model_must_have_a_slot() -> None:
    value = vars(Installed(HEAD, 1, "d0s0p1", "c", 0.5, 10))
    with pytest.raises(StorageError, match="an installed model must have the slot a or b and a head, got 'c'"):
        Installed.from_json(value)


def test_new_folder_is_made_and_has_nothing(tmp_path: Path) -> None:
    with device_folder(tmp_path / "deep" / "d") as folder:
        assert folder.state == DeviceState()
        assert folder.model() is None
        assert folder.free_slot() == "a"
        assert inspect(folder.path) == Inspected(0, 0, 0, ())
    assert free_bytes(tmp_path) > 0


def test_second_client_gets_a_clear_error(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d"):
        text = f"a folder that no other client uses is required, got .*d, in use by process {os.getpid()}"
        with pytest.raises(StorageError, match=text), device_folder(tmp_path / "d"):
            pass
    with device_folder(tmp_path / "d") as folder:
        assert folder.state == DeviceState()


def test_folder_that_is_looked_at_for_an_instant_can_be_claimed(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d"):
        pass
    with (tmp_path / "d" / "lock").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        waited = list[float]()

        def wait(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 2:
                fcntl.flock(looking, fcntl.LOCK_UN)

        with device_folder(tmp_path / "d", wait=wait) as folder:
            assert holder_of(folder.path) == os.getpid()
            held = list[float]()
            with pytest.raises(StorageError, match="in use by process"), device_folder(folder.path, wait=held.append):
                pass
        assert (len(waited), sum(held)) == (2, pytest.approx(0.05))


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    text = "a new or empty folder or one of a device is required, got .* with 'thesis.tex'"
    with pytest.raises(StorageError, match=text), device_folder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = r"a folder that can be written is required, got .*file: "
    with pytest.raises(StorageError, match=text), device_folder(tmp_path / "file"):
        pass


def test_damaged_state_is_not_forgotten_but_refused(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d") as folder:
        folder.record(state())
    (tmp_path / "d" / "state.json").write_text("{")
    text = r"state\.json must be a device's state \("
    with pytest.raises(StorageError, match=text), device_folder(tmp_path / "d"):
        pass


@pytest.mark.parametrize("damage", [b"", b"{", None], ids=["empty", "cut", "gone"])
def test_state_that_a_loss_of_power_spoiled_is_the_one_before(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "d" / "state.json"
    with device_folder(tmp_path / "d") as folder:
        installed(folder)
        folder.write_down()
        before = folder.state
        folder.record(replace(before, spent_bytes=7))
    path.unlink() if damage is None else path.write_bytes(damage)
    with device_folder(tmp_path / "d") as folder:
        assert folder.state == before
        assert folder.model() is not None
        folder.record(replace(before, spent_bytes=8))
    path.write_bytes(b"")
    with device_folder(tmp_path / "d") as folder:
        assert folder.state == before


def test_state_before_is_kept_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(self: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    with device_folder(tmp_path / "d") as folder:
        folder.record(state())
        folder.record(state("b"))
    (tmp_path / "d" / "state.json").write_bytes(b"")
    with device_folder(tmp_path / "d") as folder:
        assert folder.state == state()


def test_states_that_are_both_damaged_are_refused(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d") as folder:
        folder.record(state())
        folder.record(state("b"))
    for name in ("state.json", "state.old.json"):
        (tmp_path / "d" / name).write_bytes(b"")
    text = r"state\.old\.json must be a device's state \("
    with pytest.raises(StorageError, match=text), device_folder(tmp_path / "d"):
        pass


def test_install_is_synced_when_it_is_written_down_the_state_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def noted(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink().relative_to(tmp_path / "d")))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    with device_folder(tmp_path / "d") as folder:
        installed(folder)
        assert not synced
        folder.write_down()
        files = ["front.json", "model/a.json", "model/a.safetensors", "model/manifest.json", "state.json"]
        assert synced == [*files, "model", "."]
        folder.write_down()
        assert len(synced) == 7
        folder.note(replace(folder.state, spent_bytes=9))
        folder.note(folder.state)
        folder.write_down()
        assert synced[7:] == [".state.json.new", "."]
        synced.clear()
    with device_folder(tmp_path / "d") as folder:
        assert synced == ["state.json"]  # a client that was killed may not have synced it
        folder.write_down()
        assert synced[1:] == ["model/a.json", "model/a.safetensors", "model/manifest.json", "model"]
    assert json.loads((tmp_path / "d" / "state.json").read_bytes())["spent_bytes"] == 9


def test_state_that_is_not_synced_yet_never_takes_the_place_of_the_only_one_that_is(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d") as folder:
        folder.record(DeviceState("m", spent_bytes=5))
        installed(folder)
    (tmp_path / "d" / "state.json").write_bytes(b"")
    with device_folder(tmp_path / "d") as folder:
        assert folder.state == DeviceState("m", spent_bytes=5)


def test_slot_that_the_last_synced_state_names_is_not_written_before_a_later_one_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").readlink()))
    with device_folder(tmp_path / "d") as folder:
        installed(folder)
        folder.write_down()
        synced.clear()
        second = installed(folder, 1, "d1s0p4")
        assert not synced
        installed(folder, 0, "d0s0p4")  # to the slot of the first
        assert {tmp_path / "d" / name for name in ("model/b.safetensors", "model/b.json", "state.json")} <= set(synced)
    for name in ("state.json", "model/a.json", "model/a.safetensors"):  # were not synced: the power is lost
        (tmp_path / "d" / name).write_bytes(b"")
    with device_folder(tmp_path / "d") as folder:
        assert folder.state.active is not None
        assert folder.state.active.cut == "d1s0p4"
        assert same(folder.model(), second)


def test_head_is_on_the_disk_before_its_model_is_active(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d") as folder:
        folder.keep_head(HEAD, b"head")
        installed(folder)
        assert (tmp_path / "d" / "heads" / HEAD).read_bytes() == b"head"


def test_folder_that_lost_its_first_state_with_the_power_is_new(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d") as folder:
        installed(folder)
    (tmp_path / "d" / "state.json").write_bytes(b"")
    with device_folder(tmp_path / "d") as folder:
        assert folder.state == DeviceState()
        assert same(folder.model() or installed(folder), model())


def test_what_cannot_be_synced_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with device_folder(tmp_path / "d") as folder:
        made = installed(folder)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            with pytest.raises(StorageError, match=r"a folder that can be written is required, got .*: Input/output"):
                folder.write_down()
        folder.write_down()
        assert same(folder.model(), made)


def test_file_system_that_syncs_no_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refusing)
    with device_folder(tmp_path / "d") as folder:
        made = installed(folder)
        folder.write_down()
        assert same(folder.model(), made)


@pytest.mark.parametrize("changed", [{"version": 2}, {"cut": "d1s0p4"}, {"head": OTHER}])
def test_slot_of_another_version_or_cut_than_the_state_says_is_damaged(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    with device_folder(tmp_path / "d") as folder:
        installed(folder)
        active = folder.state.active
        assert active is not None
        folder.record(replace(folder.state, active=replace(active, **changed)))  # type: ignore[arg-type]
        with pytest.raises(ModelError, match=r"the slot 'a' of .*d must hold version . d.s0p4, got another"):
            folder.model()
        assert any(line.startswith("the slot a: ") for line in inspect(folder.path).faults)


def test_everything_that_is_kept_counts(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d") as folder:
        assert folder.stored_bytes() == 0
        folder.keep_chunk(sha256_hex(b"123"), b"123")
        folder.keep_head(HEAD, b"head")
        assert folder.stored_bytes() == 7
        installed(folder)
        assert folder.stored_bytes() == 7 + sum(path.stat().st_size for path in (tmp_path / "d" / "model").iterdir())


def test_heads_and_chunks_are_kept_and_checked(tmp_path: Path) -> None:
    data = b"some chunk"
    name = sha256_hex(data)
    with device_folder(tmp_path / "d") as folder:
        assert folder.chunk(name) is None
        assert folder.head(HEAD) is None
        folder.keep_chunk(name, data)
        folder.keep_head(HEAD, b"head")
        assert folder.head(HEAD) == b"head"
        folder.write_down()
    with device_folder(tmp_path / "d") as folder:
        assert folder.chunk(name) == data
        assert folder.head(HEAD) == b"head"
        (tmp_path / "d" / "chunks" / name).write_bytes(b"some chonk")
        assert inspect(folder.path) == Inspected(0, 0, 0, (f"the chunk {name[:16]}... is damaged",))
        assert folder.chunk(name, exact=False) == b"some chonk"
        assert folder.chunk(name) is None
        assert not (tmp_path / "d" / "chunks" / name).exists()
        folder.keep_chunk(name, data)
        folder.forget_chunk(name)
        assert folder.chunk(name) is None


@pytest.mark.parametrize("name", ["../state.json", "ab" * 31, "AB" * 32, "/etc/passwd", ""])
def test_names_that_are_no_hashes_never_become_paths(tmp_path: Path, name: str) -> None:
    with device_folder(tmp_path / "d") as folder:
        for call in (folder.chunk, folder.head, folder.forget_chunk):
            with pytest.raises(StorageError, match="a name of 64 hexadecimal digits is required, got"):
                call(name)
        with pytest.raises(StorageError, match="a name of 64 hexadecimal digits is required, got"):
            folder.keep_chunk(name, b"")


def test_space_is_asked_for_before_work(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d", free=lambda path: SPARE_BYTES + 99) as folder:
        folder.require_space(99)
        with pytest.raises(StorageError, match=r"65636 free bytes are required in .*, got 65635; nothing was changed"):
            folder.require_space(100)


def test_installed_model_is_there_after_a_restart_and_predicts(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d") as folder:
        first = installed(folder)
        assert same(folder.model(), first)
        second = installed(folder, 1, "d1s0p4")
        assert same(folder.model(), second)
        assert folder.state.active is not None
        assert folder.state.active.slot == "b"
    with device_folder(tmp_path / "d") as folder:
        assert same(folder.model(), second)
    front = open_front(tmp_path / "d")
    assert front["delivered"] == {"name": "m", "version": 1, "cut": "d1s0p4", "head": HEAD}
    assert front["points"][0]["values"] == {"error": 0.1, "size": second.size_bytes}
    assert same(load_point(tmp_path / "d"), second)


def test_model_for_the_active_slot_is_refused(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d") as folder:
        installed(folder)
        with pytest.raises(StorageError, match="a model for the slot 'b' is required, got another"):
            folder.install(model(), state("a"), {"error": 0.1})


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@pytest.mark.parametrize("step", range(7))
def test_kill_at_any_rename_leaves_a_model_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    with device_folder(tmp_path / "d") as folder:
        first = installed(folder)
        installed(folder, 1, "d1s0p4")
    renamed = [0]
    rename = Path.replace

    def replaced(self: Path, target: Path) -> Path:
        if renamed[0] == step:
            raise Killed
        renamed[0] += 1
        return rename(self, target)

    third = model(0, "d0s0p4")
    with device_folder(tmp_path / "d") as folder, monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replaced)
        try:
            folder.install(third, state("a", cut="d0s0p4"), {"error": 0.1})
        except Killed:
            pass
        else:
            assert step == 6, "every rename of an install was interrupted once"
    with device_folder(tmp_path / "d") as folder:
        active = folder.state.active
        assert active is not None
        assert same(folder.model(), third if active.cut == "d0s0p4" else model(1))
        assert open_front(tmp_path / "d")["picked"] == active.cut
        assert same(load_point(tmp_path / "d"), third if active.cut == "d0s0p4" else model(1))
        assert not list((tmp_path / "d").rglob(".*"))
        assert (active.cut == "d0s0p4") == (step == 6)
        again = installed(folder, 2)
        assert same(folder.model(), again)
        assert same(again, first)


@pytest.mark.parametrize("step", range(6))
def test_disk_that_fills_in_the_middle_of_an_install_keeps_the_old_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    rename, left = Path.replace, [step]

    def filled(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] == -1:
            full(0)
        return rename(self, target)

    with device_folder(tmp_path / "d") as folder:
        first = installed(folder)
        before = folder.state
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", filled)
            with pytest.raises(StorageError, match=r"(writable; the old files stay|can be written.*): .*No space left"):
                installed(folder, 1)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(StorageError, match="No space left on device"):
                folder.record(DeviceState())
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", lambda *_: full(0))
            with pytest.raises(StorageError, match="No space left on device"):
                folder.keep_chunk(HEAD, b"x")
        assert folder.state == before
        assert same(folder.model(), first)
        assert same(load_point(tmp_path / "d"), first)


def test_damaged_model_is_found(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d") as folder:
        installed(folder)
        (tmp_path / "d" / "model" / "a.safetensors").write_bytes(b"")
        assert any("must have the SHA-256 of the manifest" in line for line in inspect(folder.path).faults)
        with pytest.raises(ModelError, match="must have the SHA-256 of the manifest"):
            folder.model()


def test_only_what_nothing_needs_is_removed(tmp_path: Path) -> None:
    names = [sha256_hex(bytes([i])) for i in range(4)]
    with device_folder(tmp_path / "d") as folder:
        for i, name in enumerate(names):
            folder.keep_chunk(name, bytes([i]))
            folder.keep_head(name, b"head")
        pinned = Installed(names[1], 1, "c", "b", 0.5, 1)
        folder.record(replace(state(head=names[0]), previous=pinned, target=names[2]))
        assert folder.collect((), names[:2]) == 3
        assert [name for name in names if folder.chunk(name) is not None] == names[:2]
        assert [name for name in names if folder.head(name) is not None] == names[:3]


def test_unreadable_file_is_told(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d") as folder:
        (tmp_path / "d" / "chunks" / HEAD).mkdir(parents=True)
        with pytest.raises(StorageError, match=r"a file that can be read is required, got .*: Is a directory"):
            folder.chunk(HEAD)


def test_copy_of_a_folder_without_its_lock_is_a_devices_still(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d") as folder:
        folder.record(replace(folder.state, name="energy"))
    (tmp_path / "d" / "lock").unlink()
    assert holder_of(tmp_path / "d") is None
    with device_folder(tmp_path / "d") as folder:
        assert folder.state.name == "energy"
    (tmp_path / "other").mkdir()
    with pytest.raises(StorageError, match=r"the folder of a device is required, got .*other: No such file"):
        holder_of(tmp_path / "other")
