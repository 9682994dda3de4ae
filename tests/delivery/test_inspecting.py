"""The folder of a device is looked into without a change: what it says, and each kind of damage."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from delivery_examples import KEY, NOW, example_built, example_shape, example_tensors
from device_fakes import ONLINE, ROOT, device, energy, published

from netgraft.delivery.coding.build import Recipe
from netgraft.delivery.device.inspecting import inspect, status_of
from netgraft.delivery.device.store import device_folder
from netgraft.delivery.trust.accepting import SigningKey, TrustDocument
from netgraft.errors import StorageError

BEST = "d2s2p8"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with two versions, the second active."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        servers.publish(energy(2))
        made.client().fetch()
    return tmp_path / "d"


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_whole_folder_has_no_faults_and_is_not_changed(folder: Path) -> None:
    before = everything(folder)
    found = inspect(folder)
    assert (found.heads, found.models, found.faults) == (2, 2, ())
    assert found.chunks == len(list((folder / "chunks").iterdir()))
    status_of(folder)
    assert everything(folder) == before


def first(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def head_of(folder: Path, which: str) -> Path:
    value = json.loads((folder / "state.json").read_bytes())
    return folder / "heads" / str(value[which]["head"])


DAMAGES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "chunk": (lambda folder: first(folder, "chunks/*"), r"the chunk [0-9a-f]{16}\.\.\. is damaged"),
    "active head": (lambda folder: head_of(folder, "active"), "the head of version 2: a head"),
    "head before": (lambda folder: head_of(folder, "previous"), "the head of version 1: a head"),
    "slot a": (lambda folder: folder / "model" / "a.safetensors", "the slot a: .*must have the SHA-256"),
    "slot b": (lambda folder: folder / "model" / "b.json", "the slot b: .*must have the SHA-256"),
    "front": (lambda folder: folder / "front.json", "front.json must name the slot [ab], got another or none"),
    "state": (lambda folder: folder / "state.json", r"state\.json must be a device's state"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_each_damage_is_one_line(folder: Path, what: str) -> None:
    place, text = DAMAGES[what]
    path = place(folder)
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    lines = inspect(folder).faults
    assert len(lines) == 1 or what == "state", lines  # the state before may be of another cut
    assert "\n" not in lines[0]
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(lines[0])


def test_missing_files_are_told(folder: Path) -> None:
    active = json.loads((folder / "state.json").read_bytes())["active"]
    for chunk in (folder / "chunks").iterdir():
        chunk.unlink()
    lines = inspect(folder).faults
    assert f"chunk 1 of version 2 is missing: {active['cut']} cannot be built again" in lines
    assert any(line.startswith("chunk 1 of version 1 is missing") for line in lines)
    (folder / "heads" / active["head"]).unlink()
    assert inspect(folder).faults[0] == "the head of version 2: a file is required, got No such file or directory"


def test_head_whose_publisher_was_withdrawn_is_told(folder: Path) -> None:
    other = SigningKey(b"p" * 32)
    document = TrustDocument.of(2, NOW + 10**9, root=[ROOT.public], publisher=[other.public], online=[ONLINE.public])
    with device_folder(folder) as opened:
        state = opened.state
        opened.record(replace(state, trust=replace(state.trust, trust=document)))
    (line,) = inspect(folder).faults
    assert line.startswith("the head of version 2: 1 valid signature(s) of the publisher role are required")


def test_status_says_what_answers_and_whom_the_device_believes(folder: Path) -> None:
    found = status_of(folder).to_json()
    assert (found["name"], found["in_use_by"], found["fetching"], found["refused"]) == ("energy", None, None, None)
    assert (found["active"]["version"], found["active"]["cut"]) == (2, BEST)
    assert found["previous"]["version"] == 1
    assert found["published_s"] == energy(2).head.published_s
    assert found["expires_s"] == energy(2).head.expires_s
    assert found["stored_bytes"] == sum(
        path.stat().st_size for name in ("chunks", "heads", "model") for path in (folder / name).iterdir()
    )
    assert found["trust"]["root"] == {"keys": [ROOT.id], "threshold": 1}
    assert found["trust"]["publisher"] == {"keys": [KEY.id], "threshold": 1}
    assert found["trust"]["pinned"] == [ROOT.id]
    assert found["trust"]["stamp"] == {"issued_s": NOW, "version": 2, "head": found["active"]["head"]}
    assert json.loads(json.dumps(found)) == found


def test_status_names_the_process_that_works_there(folder: Path) -> None:
    with device_folder(folder):
        assert status_of(folder).holder == os.getpid()
    assert status_of(folder).holder is None


def test_new_folder_has_nothing_to_say(tmp_path: Path) -> None:
    with device_folder(tmp_path / "d"):
        pass
    found = status_of(tmp_path / "d").to_json()
    assert (found["name"], found["active"], found["trust"], found["stored_bytes"]) == (None, None, None, 0)
    assert inspect(tmp_path / "d").faults == ()


def test_folder_of_something_else_is_refused_and_stays(tmp_path: Path) -> None:
    for call in (status_of, inspect):
        with pytest.raises(StorageError, match=r"the folder of a device is required, got .*: No such file"):
            call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_damaged_states_are_an_error(folder: Path) -> None:
    for name in ("state.json", "state.old.json"):
        (folder / name).write_text("{}")
    for call in (status_of, inspect):
        with pytest.raises(StorageError, match=r"must be a device's state \(format 1 is required, got None\)"):
            call(folder)


def test_tolerant_chunk_may_have_wrong_bits_but_not_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    shape = example_shape(widths=((8, 8), (24, 24), (64, 64)))
    built = example_built(shape, example_tensors(shape), recipe=Recipe(exact_planes=4, target_bytes=700))
    servers = published()
    servers.publish(built)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
    name = next(row.sha256 for row in built.head.chunks[1:] if row.protection == "tolerant")
    path = tmp_path / "d" / "chunks" / name
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    assert inspect(tmp_path / "d").faults == ()
    path.write_bytes(data[:-1])
    assert inspect(tmp_path / "d").faults == (f"the chunk {name[:16]}... is damaged",)
