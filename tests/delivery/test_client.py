from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from delivery_examples import KEY, example_built, example_shape, example_tensors, opened, whole
from device_fakes import (
    CENTRAL,
    EDGE,
    OVERHEAD,
    Device,
    Killed,
    Servers,
    device,
    energy,
    flipped,
    killed_at_rename,
    on_chunks,
    once,
    published,
)

from netgraft.delivery.device.deciding import ServerPlanner, plan_here
from netgraft.delivery.device.downloading import wrong_chunk
from netgraft.delivery.device.engine import Engine
from netgraft.delivery.device.events import Event
from netgraft.delivery.device.holding import Fetched, Holding
from netgraft.delivery.device.restoring import restore, roll_back
from netgraft.delivery.device.store import SPARE_BYTES
from netgraft.delivery.exchange.tiers import EXCHANGE_BYTES
from netgraft.delivery.exchange.transport import Reply
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import CutRow, Head, pack_head
from netgraft.delivery.planning.situation import Situation
from netgraft.errors import (
    BudgetError,
    ChunkError,
    DeliveryError,
    LinkError,
    ModelError,
    StorageError,
    TokenError,
)
from netgraft.lifecycle.folder import load_point
from netgraft.runtime import Model

BEST, SMALLEST = "d2s2p8", "d2s1p4"
DEVICE = "raspberry-pi-4"
#: The cuts that are better than all before them, in the order in which their chunks come.
CHAIN = [row.id for row in energy(1).head.cuts if row.chain]


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sync nothing: no test here loses power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def same(found: Model | None, version: int, cut: str) -> bool:
    """Return whether a model is a cut of a version of the example."""
    assembly = whole(energy(version))
    expected = assembly.model(assembly.opened.head.cut(cut)).tensors()
    assert found is not None
    return all(np.array_equal(value, expected[name]) for name, value in found.tensors().items())


def installed(made: Device) -> tuple[int, str]:
    """Return version and cut of the active model after a look at its files."""
    active = made.folder.state.active
    assert active is not None
    assert same(made.folder.model(), active.version, active.cut)
    if made.engine is not None and made.engine.live is not None:
        assert (made.engine.live.version, made.engine.live.cut) == (active.version, active.cut)
    return active.version, active.cut


def addresses(version: int) -> list[str]:
    """Return the addresses of a version's chunks beside the one in the head."""
    return [row.sha256 for row in energy(version).head.chunks[1:]]


def test_fetch_makes_a_model_usable_then_better_and_keeps_the_best(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        fetched = made.client().fetch()
        assert installed(made) == (1, BEST)
        assert made.told() == ["started", "pinned", "usable", *["improved"] * (len(CHAIN) - 1), "done"]
        assert servers.fetched() == addresses(1)
        assert (fetched.decision, fetched.version, fetched.cut, fetched.chunks) == ("device", 1, BEST, 5)
        improved = [event.accuracy for event in made.events if event.kind in ("usable", "improved")]
        assert improved == sorted(improved)  # type: ignore[type-var]
        assert [event.cut for event in made.events if event.kind in ("usable", "improved")] == CHAIN
        assert {event.version for event in made.events[2:]} == {1}
        received = len(servers.chain) + len(servers.stamp()) + len(servers.heads[1])
        received += sum(row.bytes for row in energy(1).head.chunks[1:]) + len(servers.asked) * OVERHEAD
        assert fetched.received_bytes == received == made.events[-1].received_bytes
        asking = len(servers.chain) + len(servers.stamp()) + 3 * OVERHEAD
        assert made.folder.state.spent_bytes == received - asking
        assert same(load_point(tmp_path / "d"), 1, BEST)


def test_first_model_answers_before_any_chunk_was_asked_for(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        asked: list[int] = []

        def report(event: Event) -> None:
            if event.kind == "usable":
                assert made.engine is not None
                assert made.engine.current().cut == SMALLEST
                asked.append(len(servers.fetched()))

        made.client(report=report).fetch()
        assert asked == [0]


def test_second_fetch_asks_for_no_chunk(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        servers.asked.clear()
        made.events.clear()
        fetched = made.client().fetch()
        asked = [url.rsplit("/", 1)[1] for url in servers.asked]
        assert asked == [f"opening?held={servers.stamps[1]}", "trust", "stamp"]
        assert made.told() == ["started", "done"]
        assert (fetched.version, fetched.cut, fetched.chunks) == (1, BEST, 0)


def test_stamp_alone_tells_whether_there_is_something_new(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        client = made.client()
        assert client.is_newer()
        client.fetch()
        servers.asked.clear()
        assert not client.is_newer()
        servers.publish(energy(2))
        assert client.is_newer()
        assert [url.rsplit("/", 1)[1] for url in servers.asked] == ["stamp", "stamp"]


def cut_off(servers: Servers, number: int) -> Callable[[str, str, bytes], Reply | None]:
    """Return a fault that kills the device in its n-th question."""

    def fault(server: str, path: str, body: bytes) -> Reply | None:
        if len(servers.asked) > number:
            raise Killed
        return None

    return fault


@pytest.mark.parametrize("number", range(11))
def test_device_killed_in_any_question_goes_on_with_at_most_one_chunk_twice(tmp_path: Path, number: int) -> None:
    servers = published(1)
    servers.faults.append(cut_off(servers, number))
    killed = False
    with device(tmp_path / "d", servers) as made:
        try:
            made.client().fetch()
        except Killed:
            killed = True
    assert killed == (number < 10)
    servers.faults.clear()
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        restored = restore(made.folder)
        if number > 4:  # the head had come, so a model answers before any network
            assert restored is not None
            assert same(restored.live.model, 1, restored.live.cut)
        made.client().fetch()
        assert installed(made) == (1, BEST)
    fetched = servers.fetched()
    assert set(fetched) == set(addresses(1))
    assert len(fetched) <= len(set(fetched)) + 1
    heads = [url for url in servers.asked if "/head" in url]
    assert len(heads) <= 2


@pytest.mark.parametrize("step", range(0, 44, 2))
def test_device_killed_at_any_rename_goes_on(tmp_path: Path, step: int) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made, killed_at_rename(step):
        made.client().fetch()
        assert step > 30
    with device(tmp_path / "d", servers) as made:
        active = made.folder.state.active
        if active is not None:
            assert same(made.folder.model(), 1, active.cut)
        made.client().fetch()
        assert installed(made) == (1, BEST)
    fetched = servers.fetched()
    assert len(fetched) <= len(set(fetched)) + 1


def test_damaged_chunk_is_fetched_again_from_the_next_server_and_told(tmp_path: Path) -> None:
    servers = published(1)
    servers.faults.append(once(on_chunks(flipped, server=EDGE)))
    with device(tmp_path / "d", servers) as made:
        fetched = made.client(urls=[EDGE, CENTRAL]).fetch()
        assert installed(made) == (1, BEST)
        told = [event for event in made.events if event.kind == "corrupt"]
        assert len(told) == 1
        assert "corrupt from http://edge: the SHA-256" in told[0].text
        assert servers.fetched() == [addresses(1)[0], *addresses(1)]
        assert [url.split("/c/")[0] for url in servers.asked if "/c/" in url] == [EDGE, *[CENTRAL] * 5]
        clean = OVERHEAD * 10 + len(servers.chain) + len(servers.stamp()) + len(servers.heads[1])
        clean += sum(row.bytes for row in energy(1).head.chunks[1:])
        assert fetched.received_bytes == clean + OVERHEAD + energy(1).head.chunks[1].bytes


@pytest.mark.parametrize("fault", ["short", "timeout", "refused", "busy", "unreachable", "fault"])
def test_link_that_fails_for_a_while_is_asked_again(tmp_path: Path, fault: Any) -> None:
    servers = published(1)
    servers.faults.append(once(on_chunks(lambda body: Reply(b"", 5, fault, "why"))))
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        assert installed(made) == (1, BEST)
        told = [event.text for event in made.events if event.kind == "retried"]
        assert told == [f"{fault} from http://edge: why"]
        assert len(made.waits) == 1


def test_link_that_stays_down_ends_the_fetch_and_the_model_goes_on(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        made.client().fetch()
        servers.publish(energy(2))
        servers.faults.append(on_chunks(lambda body: Reply(b"", 5, "refused", "no")))
        with pytest.raises(LinkError, match="got none that is right: refused from http://edge: no"):
            made.client().fetch()
        assert made.told()[-1] == "failed"
        assert "refused from http://edge" in made.events[-1].text
        assert installed(made) == (1, BEST)
        servers.faults.clear()
        made.client().fetch()
        assert installed(made) == (2, BEST)


def test_chunk_that_nobody_has_ends_the_fetch(tmp_path: Path) -> None:
    servers = published(1)
    del servers.chunks[addresses(1)[2]]
    with device(tmp_path / "d", servers) as made:
        with pytest.raises(LinkError, match="missing from http://central: 404"):
            made.client(urls=[EDGE, CENTRAL]).fetch()
        assert installed(made)[0] == 1
        assert made.waits == []


def test_missing_token_ends_the_fetch(tmp_path: Path) -> None:
    servers = published(1)
    servers.faults.append(on_chunks(lambda body: Reply(b"", 5, "denied", "401")))
    with device(tmp_path / "d", servers) as made:
        with pytest.raises(TokenError, match="a token that http://edge accepts is required"):
            made.client().fetch()
        assert installed(made) == (1, SMALLEST)


def test_plan_fits_the_data_budget_with_every_exchange(tmp_path: Path) -> None:
    servers = published(1)
    row = energy(1).head.cut(CHAIN[-2])
    budget = beginning(servers) + costs_of_chunks(row)
    with device(tmp_path / "d", servers, situation=Situation(data_budget_bytes=budget)) as made:
        fetched = made.client().fetch()
        assert fetched.cut == row.id
        assert fetched.received_bytes <= budget
    less = Situation(data_budget_bytes=budget - EXCHANGE_BYTES)
    with device(tmp_path / "less", servers, situation=less) as made:
        fetched = made.client().fetch()
        assert fetched.cut == CHAIN[-3]
        assert fetched.received_bytes <= budget


def beginning(servers: Servers) -> int:
    """Return what comes before the first chunk."""
    return len(servers.chain) + len(servers.stamp()) + len(servers.heads[1]) + 3 * OVERHEAD


def costs_of_chunks(row: CutRow) -> int:
    """Return what must be free in a budget for a cut, its first chunk apart."""
    return sum(energy(1).head.chunks[index].bytes + EXCHANGE_BYTES for index in row.chunks[1:])


def test_retries_count_and_the_budget_stops_them_but_not_the_model(tmp_path: Path) -> None:
    servers = published(1)
    budget = beginning(servers) + costs_of_chunks(energy(1).head.cut(CHAIN[1]))
    lost = on_chunks(lambda body: Reply(b"", OVERHEAD + len(body), "short", "cut"))
    servers.faults += [once(lost), once(lost), once(lost)]
    situation = Situation(data_budget_bytes=budget)
    with device(tmp_path / "d", servers, situation=situation) as made:
        with pytest.raises(BudgetError, match=f"bytes of data are required for /c/.*, got a budget of {budget}"):
            made.client().fetch()
        assert installed(made) == (1, SMALLEST)
        assert made.tiers_received <= budget
        spent = made.folder.state.spent_bytes
        assert len(servers.heads[1]) < spent < made.tiers_received
    with device(tmp_path / "d", servers, situation=situation) as made:
        for _ in range(3):
            assert made.client().fetch().cut == SMALLEST
            assert made.folder.state.spent_bytes == spent
        assert installed(made) == (1, SMALLEST)


def test_budget_too_small_for_the_head_is_told(tmp_path: Path) -> None:
    servers = published(1)
    text = "an answer within the data budget of 4000 bytes is required, got more"
    with device(tmp_path / "d", servers, situation=Situation(data_budget_bytes=4_000)) as made:
        client = made.client()
        with pytest.raises(BudgetError, match=text):
            client.fetch()


def test_new_version_comes_as_a_delta_and_survives_its_parent(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        made.client().fetch()
        for version in (2, 3):
            servers.publish(energy(version))
            servers.asked.clear()
            made.client().fetch()
            assert installed(made) == (version, BEST)
            used = servers.fetched()
            deltas = {row.sha256 for delta in energy(version).head.deltas for row in delta.chunks}
            assert len(used) == 1
            assert set(used) <= deltas
        assert made.folder.state.previous is not None
        assert made.folder.state.previous.version == 2
        held = {path.name for path in (tmp_path / "d" / "chunks").iterdir()}
        assert held.isdisjoint(addresses(1))
        assert len(list((tmp_path / "d" / "heads").iterdir())) == 2
        (tmp_path / "d" / "model" / "a.safetensors").write_bytes(b"")
        (tmp_path / "d" / "model" / "b.safetensors").write_bytes(b"")
        restored = restore(made.folder)
        assert restored is not None
        assert restored.how == "rebuilt"
        assert same(restored.live.model, 3, BEST)


def test_delta_that_does_not_fit_is_replaced_by_plain_chunks_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        servers.publish(energy(2))
        servers.asked.clear()

        def fails(self: Assembly, index: int, parent: Assembly, data: list[bytes]) -> None:
            raise ChunkError("nothing fits")

        monkeypatch.setattr(Assembly, "add_delta", fails)
        made.client().fetch()
        assert installed(made) == (2, BEST)
        told = [event.text for event in made.events if event.kind == "corrupt"]
        assert told == ["the delta does not fit, plain chunks are fetched instead: nothing fits"]
        assert servers.fetched()[-len(addresses(2)) :] == addresses(2)


def test_head_that_was_damaged_on_the_disk_is_fetched_again(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        path = tmp_path / "d" / "heads" / servers.stamps[1]
        for damage in (b"", path.read_bytes()[:-9], energy(2).pack([KEY])):
            path.write_bytes(damage)
            servers.asked.clear()
            made.client().fetch()
            asked = [url.rsplit("/", 1)[1] for url in servers.asked]
            assert asked[-3:] == ["trust", "stamp", "head?version=1"]
            assert path.read_bytes() == servers.heads[1]
            assert installed(made) == (1, BEST)


def test_new_version_takes_over_only_when_it_is_as_good_or_whole(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        built = energy(2)
        plain = replace(built.head, parent=None, deltas=())
        servers.heads[2] = pack_head(plain, built.arrays, built.first, [KEY])
        servers.stamps[2] = opened(replace(built, head=plain)).sha256
        servers.chunks |= built.chunks
        servers.newest = 2
        made.events.clear()
        made.client().fetch()
        assert made.told() == ["started", "usable", "done"]
        assert installed(made) == (2, BEST)


def test_canary_that_is_not_answered_keeps_the_old_model(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        made.client().fetch()
        built = energy(2)
        arrays = {**built.arrays, "canary.outputs": built.arrays["canary.outputs"] + np.float16(1)}
        from netgraft.delivery.format.head import pack_arrays

        head = replace(built.head, arrays=pack_arrays(built.head, arrays)[1])
        servers.publish(replace(built, head=head, arrays=arrays))
        with pytest.raises(ChunkError, match=r"the canary of cut .* must be answered within"):
            made.client().fetch()
        assert installed(made) == (1, BEST)
        assert made.told()[-1] == "failed"


def test_root_key_that_is_named_is_the_only_one_that_counts(tmp_path: Path) -> None:
    from device_fakes import ROOT

    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client(trusted=ROOT.public).fetch()
        assert "pinned" not in made.told()
        assert made.folder.state.trust.pinned == (ROOT.id,)


def test_disk_without_room_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    servers = published(1)
    room = [1 << 30]
    with device(tmp_path / "d", servers, free=lambda path: room[0]) as made:
        made.client().fetch()
        servers.publish(energy(2))
        servers.asked.clear()
        room[0] = SPARE_BYTES + len(servers.heads[2]) + 500
        with pytest.raises(StorageError, match=r"free bytes are required in .*; nothing was changed"):
            made.client().fetch()
        assert servers.fetched() == []
        assert installed(made) == (1, BEST)
        room[0] = SPARE_BYTES
        (tmp_path / "d" / "heads" / servers.stamps[2]).unlink()
        with pytest.raises(StorageError, match=r"free bytes are required in .*; nothing was changed"):
            made.client().fetch()
        assert not (tmp_path / "d" / "heads" / servers.stamps[2]).exists()


def test_folder_of_another_model_is_refused(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        made.folder.record(replace(made.folder.state, name="other"))
        with pytest.raises(StorageError, match=r"a folder of 'energy' or a new one is required, got .* of 'other'"):
            made.client()


def test_narrower_situation_installs_a_smaller_cut_without_any_chunk(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        made.situation = Situation(memory_bytes=6_000)
        servers.asked.clear()
        fetched = made.client().fetch()
        assert fetched.cut == SMALLEST
        assert installed(made) == (1, SMALLEST)
        assert servers.fetched() == []


def test_situation_that_nothing_fits_installs_nothing(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers, situation=Situation(memory_bytes=10)) as made:
        with pytest.raises(BudgetError, match="a cut that fits the situation is required, got none; the closest is"):
            made.client().fetch()
        assert made.folder.state.active is None
        assert made.told()[-1] == "failed"


def test_update_that_had_to_be_small_beside_the_old_model_grows_once_that_is_gone(tmp_path: Path) -> None:
    servers, limit = published(1), 28_000
    memory = {row.id: row.memory_bytes for row in energy(2).head.cuts}
    assert 2 * memory[BEST] > limit >= memory[BEST] + memory["d2s0p4"]
    situation = Situation(memory_bytes=limit)
    with device(tmp_path / "d", servers, engine=Engine(memory_bytes=limit), situation=situation) as made:
        made.client().fetch()
        assert installed(made) == (1, BEST)
        servers.publish(energy(2))
        fetched = made.client().fetch()
        assert installed(made) == (2, BEST)
        assert (fetched.version, fetched.cut, fetched.decision) == (2, BEST, "device")
        cuts = [event.cut for event in made.events if event.version == 2 and event.kind in ("usable", "improved")]
        assert cuts[0] == "d2s0p4"  # the best that fits beside
        assert made.engine is not None
        assert made.engine.live is not None
        assert (made.engine.live.version, made.engine.live.cut) == (2, BEST)
        servers.asked.clear()
        made.client().fetch()
        assert not servers.fetched()


def test_engine_with_room_for_one_slot_and_a_half_is_not_overfilled(tmp_path: Path) -> None:
    servers = published(1)
    memory = {row.id: row.memory_bytes for row in energy(1).head.cuts}
    limit = memory[BEST] + memory[SMALLEST]
    with device(
        tmp_path / "d", servers, engine=Engine(memory_bytes=limit), situation=Situation(memory_bytes=limit)
    ) as made:
        made.client().fetch()
        assert made.engine is not None
        assert made.engine.slots.used_bytes <= limit
        assert installed(made)[0] == 1


def test_previous_version_can_be_had_again(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        with pytest.raises(StorageError, match="a version before the active one is required to go back, got none"):
            roll_back(made.folder)
        servers.publish(energy(2))
        made.client().fetch()
        live = roll_back(made.folder)
        assert (live.version, live.cut) == (1, BEST)
        assert installed(made) == (1, BEST)
        assert made.folder.state.previous is not None
        assert made.folder.state.previous.version == 2
        assert made.folder.state.trust.seen["energy"].version == 2


def test_damaged_files_are_rebuilt_or_the_version_before_answers(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        assert restore(made.folder) is None
        made.client().fetch()
        servers.publish(energy(2))
        made.client().fetch()
        whole_ = restore(made.folder)
        assert whole_ is not None
        assert whole_.how == "whole"
        active = made.folder.state.active
        assert active is not None
        (tmp_path / "d" / "model" / f"{active.slot}.json").write_text("{}")
        rebuilt = restore(made.folder)
        assert rebuilt is not None
        assert rebuilt.how == "rebuilt"
        assert installed(made) == (2, BEST)
        (tmp_path / "d" / "model" / "manifest.json").unlink()
        (tmp_path / "d" / "heads" / active.head).write_bytes(b"NGHEAD1\n")
        before = restore(made.folder)
        assert before is not None
        assert before.how == "previous"
        assert installed(made) == (1, BEST)
        for path in (tmp_path / "d" / "chunks").iterdir():
            path.write_bytes(b"")
        (tmp_path / "d" / "model" / "manifest.json").unlink()
        with pytest.raises(StorageError, match=r"whole chunks of version 2 are required in .*, got damaged ones"):
            restore(made.folder)


def test_chunk_that_was_damaged_on_the_disk_is_fetched_again(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        (tmp_path / "d" / "chunks" / addresses(1)[3]).write_bytes(b"rot")
        (tmp_path / "d" / "model" / "a.json").write_text("{")
        (tmp_path / "d" / "model" / "b.json").write_text("{")
        with pytest.raises(ModelError, match="must have the SHA-256"):
            made.folder.model()
        servers.asked.clear()
        made.folder.record(replace(made.folder.state, active=None))
        made.client().fetch()
        assert servers.fetched() == [addresses(1)[3]]
        assert installed(made) == (1, BEST)


def test_early_exits_are_there_after_a_restart_too(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        made.client(confidence=0.5).fetch()
        assert made.engine is not None
        assert made.engine.current().exits is not None
        restored = restore(made.folder, 0.5)
        assert restored is not None
        assert (restored.how, restored.live.cut) == ("whole", BEST)
        assert restored.live.exits is not None
        for path in (tmp_path / "d" / "chunks").iterdir():
            path.unlink()
        without = restore(made.folder, 0.5)
        assert without is not None
        assert without.live.exits is None


def test_server_may_plan(tmp_path: Path) -> None:
    servers = published(1)
    nothing = Holding(frozenset({0}), {}, None, 0, 0, ())
    made_plan = plan_here(energy(1).head, Situation(memory_bytes=6_000), nothing)
    servers.plan = lambda asked: {**made_plan.to_json(), "head": "x", "version": asked["version"], "chunks_url": "/c/"}
    with device(tmp_path / "d", servers, situation=Situation(location="lab")) as made:
        client = made.client()
        client = made.client(planner=ServerPlanner(client.tiers), tiers=client.tiers)
        assert client.fetch().cut == SMALLEST
        assert servers.plans[0]["situation"] == {"location": "lab"}
        assert servers.plans[0]["version"] == 1
        assert servers.plans[0]["held"] == [energy(1).head.chunks[0].sha256]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ([], "a plan for version 1 is required, got one for another"),
        ({"version": 2}, "a plan for version 1 is required, got one for another"),
        ({"version": 1, "decision": "explode"}, "decision"),
    ],
)
def test_answer_that_is_no_plan_is_refused(tmp_path: Path, answer: Any, text: str) -> None:
    servers = published(1)
    servers.plan = lambda asked: answer
    with device(tmp_path / "d", servers) as made:
        client = made.client()
        with pytest.raises(DeliveryError, match=text):
            made.client(planner=ServerPlanner(client.tiers), tiers=client.tiers).fetch()
        assert made.folder.state.active is None


def fetched_by_server(made: Device, cut: str, **changed: Any) -> Fetched:
    """Return what a fetch made after a server named a cut, with whatever figures."""
    nothing = Holding(frozenset({0}), {}, None, 0, 0, ())
    honest = plan_here(energy(made.servers.newest).head, Situation(), nothing).to_json()
    values = {**honest, "cut": cut, "reason": "said the server", **changed}
    made.servers.plan = lambda asked: {**values, "version": asked["version"]}
    client = made.client()
    return made.client(planner=ServerPlanner(client.tiers), tiers=client.tiers).fetch()


LIMITS = [
    Situation(memory_bytes=6_000),
    Situation(device=DEVICE, max_latency_s=5e-6),
    Situation(device=DEVICE, power_w=1e-9),
    Situation(rate_bps=1e4, deadline_s=1.0),
    Situation(min_accuracy=0.999),
    Situation(formats=("int8",)),
    Situation(data_budget_bytes=6_500),
    Situation(storage_bytes=21_000),
]


@pytest.mark.parametrize("limits", LIMITS, ids=lambda each: next(iter(each.to_json())))
@pytest.mark.parametrize("cut", [BEST, SMALLEST])
def test_cut_that_a_server_names_is_held_to_every_limit_of_the_device(
    tmp_path: Path, limits: Situation, cut: str
) -> None:
    ended = []
    for planned in (True, False):
        with device(tmp_path / str(planned), published(1), situation=limits) as made:
            try:
                fetched = fetched_by_server(made, cut, wire_bytes=0.0) if planned else made.client().fetch()
                ended.append((fetched.cut, fetched.reason))
            except BudgetError as error:
                ended.append((None, str(error)))
    by_server, own = ended
    if by_server[1] == "said the server":  # it may be followed where it fits
        assert by_server[0] == cut
        assert cut == (BEST if limits.min_accuracy else SMALLEST)
    else:
        assert by_server[0] == own[0] != cut


def test_codec_that_the_device_cannot_read_is_not_taken_from_a_server(tmp_path: Path) -> None:
    built = energy(1)
    rows = tuple(replace(row, codec="range") if n == 5 else row for n, row in enumerate(built.head.chunks))
    head = replace(built.head, chunks=rows)
    nothing = Holding(frozenset({0}), {}, None, 0, 0, ())
    wish = plan_here(built.head, Situation(), nothing)
    servers = published(1)
    servers.plan = lambda asked: {**wish.to_json(), "version": 1}
    with device(tmp_path / "d", servers) as made:
        client = made.client()
        assert wish.cut == BEST
        assert ServerPlanner(client.tiers)(head, Situation(), nothing).cut not in (None, BEST)


def test_server_cannot_lower_what_answers(tmp_path: Path) -> None:
    with device(tmp_path / "d", published(1), engine=Engine()) as made:
        made.client().fetch()
        fetched = fetched_by_server(made, SMALLEST)
        assert (fetched.decision, fetched.cut) == ("stay", BEST)
        made.servers.publish(energy(2))
        assert fetched_by_server(made, SMALLEST).cut == BEST
        assert installed(made) == (2, BEST)


def test_server_may_lower_what_no_longer_fits(tmp_path: Path) -> None:
    with device(tmp_path / "d", published(1)) as made:
        made.client().fetch()
        made.situation = Situation(memory_bytes=6_000)
        assert fetched_by_server(made, SMALLEST).cut == SMALLEST
        assert made.servers.plans[-1]["live"] == BEST


def test_delta_is_used_where_a_server_plans(tmp_path: Path) -> None:
    with device(tmp_path / "d", published(1)) as made:
        made.client().fetch()
        made.servers.publish(energy(2))
        made.servers.asked.clear()
        assert fetched_by_server(made, BEST).reason == "said the server"
        assert len(made.servers.fetched()) == 1


def test_planner_that_never_ends_is_ended(tmp_path: Path) -> None:
    asked: list[int] = []

    def creeping(head: Head, situation: Situation, holding: Holding) -> Any:
        asked.append(1)
        return replace(plan_here(head, Situation(), holding), wire_bytes=1e9 - len(asked))

    servers = published(1)
    with device(tmp_path / "d", servers, situation=Situation(data_budget_bytes=20_000)) as made:
        with pytest.raises(BudgetError, match=r"a plan within [0-9]+ bytes of data is required, got one of 9999999"):
            made.client(planner=creeping).fetch()
        assert len(asked) <= len(energy(1).head.cuts) + 1


@pytest.mark.parametrize("storage_bytes", [12_000, 34_000, 40_000, 50_000, 60_000, 90_000, 200_000])
def test_everything_that_is_kept_stays_within_the_storage(tmp_path: Path, storage_bytes: int) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers, situation=Situation(storage_bytes=storage_bytes)) as made:
        for version in (1, 2, 3):
            servers.publish(energy(version))
            if version == 1:
                assert made.client().fetch().cut == (SMALLEST if storage_bytes == 12_000 else BEST)
            else:
                with suppress(BudgetError):
                    made.client().fetch()
            heads = 0 if version == 1 else len(servers.heads[version])  # one has to be read before it can be refused
            assert made.folder.stored_bytes() <= storage_bytes + heads
        assert made.folder.model() is not None
        assert installed(made) == (3, BEST) or storage_bytes < 200_000


def test_storage_without_room_for_the_smallest_cut_is_told(tmp_path: Path) -> None:
    text = r"[0-9]+ bytes of storage are required for what is kept and the smallest cut that fits otherwise, got 4000"
    with device(tmp_path / "d", published(1), situation=Situation(storage_bytes=4_000)) as made:
        with pytest.raises(BudgetError, match=text):
            made.client().fetch()
        assert made.folder.state.active is None


def test_bytes_of_a_fetch_without_a_head_count(tmp_path: Path) -> None:
    servers = published(1)
    lost = once(lambda server, path, body: Reply(b"", 900, "missing", "404") if path.endswith("/head") else None)
    servers.faults.append(lost)
    with device(tmp_path / "d", servers, situation=Situation(data_budget_bytes=10**6)) as made:
        with pytest.raises(LinkError, match="missing from"):
            made.client().fetch()
        assert (made.folder.state.target, made.folder.state.spent_bytes) == (servers.stamps[1], 900)
        made.client().fetch()
        assert made.folder.state.spent_bytes > 900 + len(servers.heads[1])


def test_model_that_was_lost_is_fetched_again(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
    for name in ("model", "chunks", "heads"):
        for path in (tmp_path / "d" / name).iterdir():
            path.write_bytes(b"")
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        assert installed(made) == (1, BEST)
    for path in (tmp_path / "d" / "model").iterdir():
        path.write_bytes(b"")
    with device(tmp_path / "d", servers) as made:
        servers.asked.clear()
        made.client().fetch()
        assert installed(made) == (1, BEST)
        assert servers.fetched() == []


def test_older_state_over_newer_slots_never_lends_its_version_to_another_model(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
    old = (tmp_path / "d" / "state.json").read_bytes()
    servers.publish(energy(2))
    with device(tmp_path / "d", servers) as made:
        for memory_bytes in (None, 6_000):  # both slots are of version 2 then
            made.situation = Situation(memory_bytes=memory_bytes)
            made.client().fetch()
    (tmp_path / "d" / "state.json").write_bytes(old)
    with device(tmp_path / "d", servers) as made:
        restored = restore(made.folder)
        assert restored is not None
        assert restored.live.version == 1
        assert restored.how == "rebuilt"
        assert same(restored.live.model, 1, restored.live.cut)


def test_plan_that_is_no_json_is_refused(tmp_path: Path) -> None:
    servers = published(1)
    servers.faults.append(lambda server, path, body: Reply(b"{", 9) if path.endswith("plan") else None)
    with device(tmp_path / "d", servers) as made:
        client = made.client()
        with pytest.raises(DeliveryError, match="a plan must be JSON, got"):
            made.client(planner=ServerPlanner(client.tiers), tiers=client.tiers).fetch()


def test_decision_that_leaves_the_device_alone_installs_nothing(tmp_path: Path) -> None:
    servers = published(1)

    def elsewhere(head: Head, situation: Situation, holding: Holding) -> Any:
        made_plan = plan_here(head, situation, holding)
        return replace(made_plan, decision="server", cut=None, chunks=(), reason="the server knows better")

    with device(tmp_path / "d", servers) as made:
        fetched = made.client(planner=elsewhere).fetch()
        assert (fetched.decision, fetched.version, fetched.cut) == ("server", None, None)
        assert made.told() == ["started", "pinned", "done"]


def test_holding_names_what_the_planner_needs(tmp_path: Path) -> None:
    servers = published(1)
    seen: list[Holding] = []

    def planner(head: Head, situation: Situation, holding: Holding) -> Any:
        seen.append(holding)
        return plan_here(head, situation, holding)

    with device(tmp_path / "d", servers, engine=Engine()) as made:
        made.client(planner=planner).fetch()
        made.client(planner=planner).fetch()
        servers.publish(energy(2))
        made.client(planner=planner).fetch()
    first, second, third = seen
    assert (first.held, first.live, first.live_memory_bytes, first.deltas_from) == (frozenset({0}), None, 0, {})
    assert (second.held, second.live) == (frozenset(range(6)), BEST)
    assert second.live_memory_bytes > 0
    assert second.stored_bytes > sum(row.bytes for row in energy(1).head.chunks[1:]) + len(servers.heads[1])
    assert (first.accuracy, third.accuracy) == (None, energy(1).head.cut(BEST).accuracy)
    assert third.live is None
    assert set(third.deltas_from) == {opened(energy(1)).sha256}
    assert BEST in third.deltas_from[opened(energy(1)).sha256]


def test_tolerant_chunk_with_wrong_bits_is_taken_and_kept(tmp_path: Path) -> None:
    from netgraft.delivery.coding.build import Recipe

    shape = example_shape(widths=((8, 8), (24, 24), (64, 64)))
    built = example_built(shape, example_tensors(shape), recipe=Recipe(exact_planes=4, target_bytes=700))
    servers = Servers()
    servers.publish(built)
    rows = {row.sha256: row for row in built.head.chunks}
    tolerant = [name for name, row in rows.items() if row.protection == "tolerant"]

    def noise(server: str, path: str, body: bytes) -> Reply | None:
        return flipped(body) if path.rsplit("/", 1)[1] in tolerant[-1:] else None

    servers.faults.append(noise)
    with device(tmp_path / "d", servers) as made:
        with pytest.raises(ChunkError, match="corrupt from http://edge: the SHA-256"):
            made.client().fetch()
        made.events.clear()
        fetched = made.client(tolerant=True).fetch()
        assert fetched.cut == max(built.head.cuts, key=lambda row: row.accuracy).id
        assert "corrupt" not in made.told()
        assert [event.text for event in made.events if event.kind == "damaged"] == [
            f"chunk {len(built.head.chunks) - 1} has wrong bits and is taken, as it tolerates some"
        ]
        servers.asked.clear()
        made.client(tolerant=True).fetch()
        assert servers.fetched() == []
        for path in (tmp_path / "d" / "model").iterdir():
            path.write_bytes(b"")
        restored = restore(made.folder, tolerant=True)
        assert restored is not None
        assert restored.how == "rebuilt"
        servers.faults.clear()
        made.client().fetch()
        assert servers.fetched() == tolerant[-1:]


@pytest.mark.parametrize("at_once", [False, True])
def test_tolerant_chunk_with_too_many_wrong_bits_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    from netgraft.delivery.coding.build import Recipe
    from netgraft.delivery.format import assembly

    monkeypatch.setattr(assembly, "_DAMAGED_TOLERANCE", 1e-9)  # one bit is too many
    shape = example_shape(widths=((8, 8), (24, 24), (64, 64)))
    built = example_built(shape, example_tensors(shape), recipe=Recipe(exact_planes=4, target_bytes=700))
    servers = Servers(at_once=at_once)
    servers.publish(built)
    best = max(built.head.cuts, key=lambda row: row.accuracy).id
    garbage = next(row.sha256 for row in built.head.chunks[1:] if row.protection == "tolerant")
    whole = servers.chunks[garbage]
    servers.chunks[garbage] = bytes(255 - byte for byte in whole)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        with pytest.raises(ChunkError, match="corrupt from http://edge: the SHA-256"):
            made.client(tolerant=True).fetch()
        assert "chunks have too many wrong bits and are fetched again: the canary of cut" in " ".join(
            event.text for event in made.events if event.kind == "corrupt"
        )
        assert not (tmp_path / "d" / "chunks" / garbage).exists()
        servers.chunks[garbage] = whole
        servers.asked.clear()
        assert made.client(tolerant=True).fetch().cut == best
    path = tmp_path / "d" / "chunks" / garbage
    path.write_bytes(bytes(255 - byte for byte in whole))  # as the next start finds it
    for slot in (tmp_path / "d" / "model").iterdir():
        slot.write_bytes(b"")
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        assert made.client(tolerant=True).fetch().cut == best
        assert path.read_bytes() == whole


def test_wrong_chunks_are_told_apart() -> None:
    row = energy(1).head.chunks[1]
    data = energy(1).chunks[row.sha256]
    assert wrong_chunk(row, data) is None
    assert wrong_chunk(row, data[:-1]) == f"{row.bytes} bytes are required, got {row.bytes - 1}"
    assert "the SHA-256" in str(wrong_chunk(row, bytes(row.bytes)))
    assert wrong_chunk(replace(row, protection="tolerant"), bytes(row.bytes), tolerant=True) is None
    assert "the SHA-256" in str(wrong_chunk(replace(row, protection="tolerant"), bytes(row.bytes)))
    assert "the SHA-256" in str(wrong_chunk(row, bytes(row.bytes), tolerant=True))


def test_events_are_json_without_what_is_not_known() -> None:
    assert json.dumps(Event("started", 0.5, 7).to_json()) == '{"kind": "started", "seconds": 0.5, "received_bytes": 7}'
