"""A device that was rolled back by hand stays there until a later version comes, or its owner says otherwise."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from delivery_examples import example_built, example_shape, example_tensors, nudged
from device_fakes import Device, device, energy, flipped, on_chunks, published

from netgraft.delivery.coding.build import Built, Recipe
from netgraft.delivery.device.engine import Engine
from netgraft.delivery.device.restoring import refuse_active, restore, roll_back, take_back
from netgraft.delivery.device.state import DeviceState, Refused
from netgraft.delivery.exchange.transport import Reply
from netgraft.errors import LinkError, StorageError


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sync nothing: no test here loses power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def versions(made: Device) -> tuple[int | None, int | None, int | None]:
    """Return the versions that answer, came before, and are refused."""
    state = made.folder.state
    found = (state.active, state.previous, state.refused)
    active, previous, refused = (None if each is None else each.version for each in found)
    return active, previous, refused


def updated(made: Device) -> None:
    """Fetch version 1, then version 2."""
    made.client().fetch()
    made.servers.publish(energy(2))
    made.client().fetch()
    assert versions(made) == (2, 1, None)


def test_version_that_was_rolled_back_from_is_not_installed_again(tmp_path: Path) -> None:
    with device(tmp_path / "d", published(1)) as made:
        updated(made)
        assert refuse_active(made.folder).version == 1
        assert versions(made) == (1, 2, 2)
    with device(tmp_path / "d", made.servers, engine=Engine()) as again:
        restored = restore(again.folder)
        assert restored is not None
        assert (restored.live.version, restored.how) == (1, "whole")
        assert again.engine is not None
        again.engine.swap(restored.live)
        asked = len(again.servers.fetched())
        client = again.client()
        fetched = client.fetch()
        assert (fetched.decision, fetched.version) == ("stay", 1)
        assert fetched.reason.startswith("Stay with version 1: version 2 was rolled back from by hand.")
        assert again.told() == ["started", "rolled-back", "done"]
        assert {event.version for event in again.events[1:]} == {1}
        assert not client.is_newer()
        assert len(again.servers.fetched()) == asked
        assert versions(again) == (1, 2, 2)
        assert again.folder.state.trust.seen["energy"].version == 2  # no server may offer less than before


def test_later_version_is_installed_and_ends_it(tmp_path: Path) -> None:
    with device(tmp_path / "d", published(1)) as made:
        updated(made)
        refuse_active(made.folder)
        made.servers.publish(energy(3))
        assert made.client().is_newer()
        assert made.client().fetch().version == 3
        assert versions(made) == (3, 1, None)
        assert refuse_active(made.folder).version == 1
        assert versions(made) == (1, 3, 3)


def test_later_version_that_was_not_installed_ends_nothing(tmp_path: Path) -> None:
    with device(tmp_path / "d", published(1)) as made:
        updated(made)
        refuse_active(made.folder)
        made.servers.publish(energy(3))
        made.servers.faults.append(on_chunks(lambda body: Reply(b"", 5, "refused", "no")))
        with pytest.raises(LinkError):
            made.client().fetch()
        assert versions(made) == (1, 2, 2)
        with pytest.raises(StorageError, match="a version before the active one is required to go back, got none"):
            roll_back(made.folder)
        made.servers.faults.clear()
        assert made.client().fetch().version == 3
        assert versions(made) == (3, 1, None)


def test_version_is_refused_by_its_number_and_by_its_head() -> None:
    state = DeviceState(refused=Refused("a" * 64, 2))
    assert state.refuses("a" * 64, 2)
    assert state.refuses("b" * 64, 2)
    assert not state.refuses("b" * 64, 1)
    assert not state.refuses("b" * 64, 3)
    assert not DeviceState().refuses("a" * 64, 2)


def tolerant_version(version: int) -> Built:
    shape = example_shape(widths=((8, 8), (24, 24), (64, 64)))
    tensors = example_tensors(shape)
    tensors = tensors if version == 1 else nudged(tensors, seed=version)
    return example_built(shape, tensors, version=version, recipe=Recipe(exact_planes=4, target_bytes=700))


def test_way_back_that_needs_tolerant_chunks_keeps_them_until_they_are_wanted(tmp_path: Path) -> None:
    servers, first = published(), tolerant_version(1)
    servers.publish(first)
    noisy = [row.sha256 for row in first.head.chunks if row.protection == "tolerant"][-1]
    servers.faults.append(lambda server, path, body: flipped(body) if path.endswith(noisy) else None)
    with device(tmp_path / "d", servers) as made:
        made.client(tolerant=True).fetch()
        assert "damaged" in made.told()
        servers.publish(tolerant_version(2))
        made.client(tolerant=True).fetch()
        with pytest.raises(StorageError, match=r"whole chunks of version 1 are required in .*, got damaged ones"):
            refuse_active(made.folder)
        assert (tmp_path / "d" / "chunks" / noisy).exists()
        assert refuse_active(made.folder, tolerant=True).version == 1


def test_it_can_be_taken_back(tmp_path: Path) -> None:
    with device(tmp_path / "d", published(1)) as made:
        updated(made)
        refuse_active(made.folder)
        live = take_back(made.folder)
        assert live is not None
        assert live.version == 2
        assert versions(made) == (2, 1, None)
        with pytest.raises(StorageError, match="a version that was rolled back from is required, got none in "):
            take_back(made.folder)


def test_damaged_version_is_taken_back_by_the_next_fetch(tmp_path: Path) -> None:
    with device(tmp_path / "d", published(1)) as made:
        updated(made)
        refuse_active(made.folder)
        head = made.folder.state.refused
        assert head is not None
        (tmp_path / "d" / "heads" / head.head).unlink()
        assert take_back(made.folder) is None
        assert versions(made) == (1, 2, None)
        assert made.client().fetch().version == 2


def test_nothing_leads_back_to_what_was_refused(tmp_path: Path) -> None:
    with device(tmp_path / "d", published(1)) as made:
        updated(made)
        refuse_active(made.folder)
        for back in (refuse_active, roll_back):
            with pytest.raises(StorageError, match="a version before the active one is required to go back, got none"):
                back(made.folder)
        for path in (tmp_path / "d").glob("model/*.safetensors"):
            path.write_bytes(b"")
        (tmp_path / "d" / "heads" / energy_head(made)).write_bytes(b"")
        with pytest.raises(StorageError, match="a version before the active one is required to go back, got none"):
            restore(made.folder)
        fetched = made.client().fetch()
        assert (fetched.decision, fetched.version, fetched.cut) == ("stay", None, None)
        assert fetched.reason.startswith("Version 2 was rolled back from by hand, and no other is left.")
        made.servers.publish(energy(3))
        assert made.client().fetch().version == 3
        assert versions(made) == (3, None, None)


def energy_head(made: Device) -> str:
    active = made.folder.state.active
    assert active is not None
    return active.head


def test_there_must_be_a_version_before(tmp_path: Path) -> None:
    with device(tmp_path / "d", published(1)) as made:
        made.client().fetch()
        with pytest.raises(StorageError, match="a version before the active one is required to go back, got none in "):
            refuse_active(made.folder)
        assert versions(made) == (1, None, None)


def names(version: int) -> set[str]:
    """Return the names that chunks of a version may have in a folder."""
    return {name for row in energy(version).head.chunks[1:] for name in (row.sha256, row.decoded_sha256)}


def test_damaged_version_falls_back_and_says_so(tmp_path: Path) -> None:
    with device(tmp_path / "d", published(1)) as made:
        updated(made)
        only = names(2) - names(1)
        for path in [*(tmp_path / "d").glob("model/*"), *(tmp_path / "d").glob("chunks/*")]:
            if path.parent.name == "model" or path.name in only:
                path.write_bytes(b"")
        made.client().fetch()
        assert made.told().count("rolled-back") == 1
        event = next(event for event in made.events if event.kind == "rolled-back")
        assert event.version == 1
        assert versions(made) == (2, 1, None)


def test_refused_version_survives_json_and_old_states_have_none(tmp_path: Path) -> None:
    state = DeviceState(refused=Refused("a" * 64, 2))
    stored = json.loads(json.dumps(state.to_json()))
    assert DeviceState.from_json(stored) == state
    del stored["refused"]
    assert DeviceState.from_json(stored).refused is None
    with pytest.raises(StorageError, match="a refused version must have every field, got none for 'version'"):
        DeviceState.from_json({**stored, "refused": {"head": "a" * 64}})
    with pytest.raises(StorageError, match="a refused version must have a head, got 'x'"):
        DeviceState.from_json({**stored, "refused": {"head": "x", "version": 1}})
