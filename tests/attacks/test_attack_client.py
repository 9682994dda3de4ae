"""Servers that lie to a device: each gets a clear error, nothing is lost, the old model goes on answering."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "delivery"))

from delivery_examples import KEY, NOW, example_built, example_shape, example_tensors, opened
from device_fakes import (
    CENTRAL,
    EDGE,
    ONLINE,
    OVERHEAD,
    ROOT,
    Device,
    Servers,
    chain_of,
    device,
    energy,
    flipped,
    on_chunks,
)

from netgraft.delivery.device.engine import Engine
from netgraft.delivery.device.store import device_folder
from netgraft.delivery.exchange.transport import Reply
from netgraft.delivery.format.container import MOST_HEAD_BYTES
from netgraft.delivery.format.head import pack_head
from netgraft.delivery.trust.accepting import (
    MOST_STAMP_BYTES,
    MOST_TRUST_BYTES,
    SigningKey,
    Stamp,
    TrustDocument,
    extend_chain,
    read_chain,
    sign_stamp,
    sign_trust,
    trust_chain,
)
from netgraft.errors import ChunkError, HeadError, LinkError, NetgraftError, StorageError, TrustError

ATTACKER = SigningKey(b"x" * 32)


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sync nothing: no test here loses power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Device]:
    """Give a device that answers with version 1, to whose servers version 2 has just come."""
    servers = Servers()
    servers.publish(energy(1))
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        made.client().fetch()
        servers.publish(energy(2))
        servers.now_s += 10
        servers.asked.clear()
        yield made


def refused(victim: Device, kind: type[NetgraftError], text: str) -> None:
    """Check that a fetch fails with a clear error and everything is as before."""
    state, files = victim.folder.state, contents(victim)
    with pytest.raises(kind, match=text):
        victim.client().fetch()
    assert victim.engine is not None
    assert victim.engine.current().version == 1
    assert victim.folder.state.active == state.active
    assert victim.folder.model() is not None
    after = contents(victim)
    assert all(after.get(name) == data for name, data in files.items() if not name.startswith("state."))
    assert victim.told()[-1] == "failed"


def unchanged(victim: Device, kind: type[NetgraftError], text: str) -> None:
    """Check that a fetch fails before anything at all was written down."""
    files = contents(victim)
    refused(victim, kind, text)
    assert contents(victim) == files


def only_noted(victim: Device, kind: type[NetgraftError], text: str) -> None:
    """Check that a fetch fails over its head: only what was accepted before, and the bytes, were written down."""
    state, files = victim.folder.state, contents(victim)
    refused(victim, kind, text)
    now = victim.folder.state
    assert now.target == victim.servers.stamps[2]
    assert now.spent_bytes > 0
    assert now.trust.latest_s == victim.servers.now_s
    assert now.trust.seen["energy"].version < 2
    assert replace(now, target=state.target, spent_bytes=state.spent_bytes, trust=state.trust) == state
    assert set(contents(victim)) == set(files)


def contents(victim: Device) -> dict[str, bytes]:
    files = (path for path in victim.folder.path.rglob("*") if path.is_file())
    return {str(path.relative_to(victim.folder.path)): path.read_bytes() for path in files}


def instead(path: str, data: bytes) -> Callable[[str, str, bytes], Reply | None]:
    """Return a fault that answers one path with other bytes."""
    return lambda server, asked, body: Reply(data, OVERHEAD + len(data)) if asked.endswith(path) else None


def stamped(
    version: int, *, name: str = "energy", issued_s: int = NOW + 10, head: str = "", key: SigningKey = ONLINE
) -> bytes:
    found = head or opened(energy(version)).sha256
    return sign_stamp(Stamp(name, version, found, issued_s, NOW + 3_600), [key])


def test_forged_stamp(victim: Device) -> None:
    victim.servers.faults.append(instead("/stamp", stamped(2, key=ATTACKER)))
    unchanged(victim, TrustError, "of the online role are required, got 0 of 1")


def test_replayed_stamp(victim: Device) -> None:
    victim.servers.faults.append(instead("/stamp", stamped(1, issued_s=NOW - 1)))
    unchanged(victim, HeadError, "got a replay of")


def test_rolled_back_version(victim: Device) -> None:
    victim.client().fetch()
    victim.servers.now_s += 10
    data = stamped(1, issued_s=NOW + 20)
    victim.servers.faults.append(instead("/stamp", data))
    before = contents(victim)
    with pytest.raises(HeadError, match="since that is known here, got the older version 1"):
        victim.client().fetch()
    assert contents(victim) == before


def test_frozen_server(victim: Device) -> None:
    old = victim.servers.stamp()
    victim.servers.now_s += 7_200
    victim.servers.faults.append(instead("/stamp", old))
    unchanged(victim, HeadError, "a stamp that counts is required, got one that expired")


def test_clock_that_was_set_back(victim: Device) -> None:
    old = stamped(2, issued_s=NOW + 10)
    victim.servers.now_s = NOW + 100_000
    victim.servers.publish(energy(1))
    victim.client().fetch()
    victim.servers.now_s = NOW
    victim.servers.faults.append(instead("/stamp", old))
    unchanged(victim, HeadError, "got a replay of")


def test_stamp_of_another_model(victim: Device) -> None:
    victim.servers.faults.append(instead("/stamp", stamped(2, name="other")))
    unchanged(victim, HeadError, "a stamp of 'energy' is required, got one of 'other'")


def test_forged_head(victim: Device) -> None:
    built = energy(2)
    victim.servers.heads[2] = built.pack([ATTACKER])
    only_noted(victim, TrustError, "of the publisher role are required, got 0 of 1")


def test_head_of_another_version(victim: Device) -> None:
    victim.servers.heads[2] = energy(1).pack([KEY])
    only_noted(victim, HeadError, "the head .* of version 2 of 'energy' is required, got .* of version 1")


def test_head_of_another_model(victim: Device) -> None:
    shape = example_shape()
    other = example_built(shape, example_tensors(shape), version=2, name="other")
    victim.servers.heads[2] = other.pack([KEY])
    only_noted(victim, HeadError, "of version 2 of 'energy' is required, got .* of 'other'")


def test_expired_head(victim: Device) -> None:
    built = energy(2)
    old = replace(built.head, expires_s=NOW + 5)
    victim.servers.heads[2] = pack_head(old, built.arrays, built.first, [KEY])
    sha256 = opened(replace(built, head=old)).sha256
    victim.servers.stamps[2] = sha256
    only_noted(victim, HeadError, "a head that counts is required, got one that expired at")


@pytest.mark.parametrize("damage", [slice(0, 100), slice(0, 0), slice(0, -1)], ids=["cut", "empty", "one"])
def test_truncated_head(victim: Device, damage: slice) -> None:
    victim.servers.heads[2] = victim.servers.heads[2][damage]
    only_noted(victim, HeadError, "a head must ")


@pytest.mark.parametrize("place", [3, 20, 900, -3])
def test_flipped_bit_of_a_head(victim: Device, place: int) -> None:
    data = bytearray(victim.servers.heads[2])
    data[place] ^= 4
    victim.servers.heads[2] = bytes(data)
    only_noted(victim, NetgraftError, "a head must|of the publisher role are required")


def test_forged_trust(victim: Device) -> None:
    victim.servers.chain = chain_of(ATTACKER)
    unchanged(victim, TrustError, "one trust document of version 1 is required, got two that differ")


def test_root_that_skips_a_version(victim: Device) -> None:
    skipped = TrustDocument.of(
        3, NOW + 10**9, root=[ATTACKER.public], publisher=[ATTACKER.public], online=[ATTACKER.public]
    )
    signed = [signed for signed, _ in read_chain(victim.servers.chain)]
    victim.servers.chain = trust_chain([*signed, sign_trust(skipped, [ATTACKER, ROOT])])
    unchanged(victim, TrustError, "trust of version 2 is required next, got 3")


def test_withdrawn_publisher(victim: Device) -> None:
    other = SigningKey(b"p" * 32)
    document = TrustDocument.of(2, NOW + 10**9, root=[ROOT.public], publisher=[other.public], online=[ONLINE.public])
    victim.servers.chain = extend_chain(victim.servers.chain, document, [ROOT])
    only_noted(victim, TrustError, "of the publisher role are required, got 0 of 1")


@pytest.mark.parametrize("path", ["/stamp", "/head"])
def test_withdrawn_publisher_is_remembered_though_what_follows_fails(victim: Device, path: str) -> None:
    other, old = SigningKey(b"p" * 32), victim.servers.chain
    document = TrustDocument.of(2, NOW + 10**9, root=[ROOT.public], publisher=[other.public], online=[ONLINE.public])
    victim.servers.chain = extend_chain(old, document, [ROOT])
    victim.servers.faults.append(instead(path, b"x"))
    with pytest.raises(NetgraftError, match=r"a head must|a stamp"):
        victim.client().fetch()
    victim.servers.faults.clear()
    victim.servers.chain = old
    unchanged(victim, TrustError, "trust of version 2 or later is required, got 1")


def test_stamp_that_was_seen_is_remembered_though_the_head_fails(victim: Device) -> None:
    earlier = stamped(2, issued_s=NOW + 5)
    victim.servers.heads[2] = b"x"
    with pytest.raises(HeadError, match="a head must"):
        victim.client().fetch()
    victim.servers.faults.append(instead("/stamp", earlier))
    unchanged(victim, HeadError, "got a replay of")


def test_look_alone_remembers_the_time(victim: Device) -> None:
    victim.servers.publish(energy(1))
    old = victim.servers.stamp()
    before = contents(victim)
    assert not victim.client().is_newer()
    assert contents(victim) == before, "a few seconds are not worth a write"
    victim.servers.now_s += 7_200
    assert not victim.client().is_newer()
    victim.servers.now_s = NOW + 20
    victim.servers.faults.append(instead("/stamp", old))
    with pytest.raises(HeadError, match="got a replay of"):
        victim.client().is_newer()


def test_online_key_that_was_replaced_does_not_keep_a_device_at_its_version(victim: Device) -> None:
    fresh = SigningKey(b"n" * 32)
    document = TrustDocument.of(2, NOW + 10**9, root=[ROOT.public], publisher=[KEY.public], online=[fresh.public])
    victim.servers.chain = extend_chain(victim.servers.chain, document, [ROOT])
    victim.servers.faults.append(instead("/stamp", stamped(2, key=fresh)))
    assert victim.client().is_newer()
    down = Reply(b"", 5, "refused", "no")
    victim.servers.faults.insert(0, lambda server, path, body: down if server == CENTRAL else None)
    assert victim.client(urls=[EDGE, CENTRAL]).is_newer()
    assert victim.client(urls=[EDGE, CENTRAL]).fetch().version == 2
    assert not victim.client(urls=[EDGE, CENTRAL]).is_newer()
    with pytest.raises(LinkError, match="refused from"):
        victim.client(urls=[CENTRAL]).is_newer()


@pytest.mark.parametrize("path", ["/trust", "/stamp", "/head"])
@pytest.mark.parametrize(
    "lie",
    [Reply(b"<html>", 9), Reply(b"", 9), Reply(b"{}", 9), Reply(b"", 9, "denied", "401"), Reply(b"", 9, "large", "")],
    ids=["page", "empty", "json", "denied", "large"],
)
def test_edge_that_lies_is_left_for_the_next_server(victim: Device, path: str, lie: Reply) -> None:
    victim.servers.faults.append(lambda server, asked, body: lie if server == EDGE and asked.endswith(path) else None)
    assert victim.client(urls=[EDGE, CENTRAL]).fetch().version == 2
    assert "retried" in victim.told() or "corrupt" in victim.told()
    assert len([url for url in victim.servers.asked if url.startswith(EDGE) and path in url]) == 1


def test_edge_that_replays_a_stamp_is_left_for_the_next_server(victim: Device) -> None:
    old = stamped(1, issued_s=NOW - 1)
    victim.servers.faults.append(
        lambda server, asked, body: Reply(old, 9) if server == EDGE and asked.endswith("/stamp") else None
    )
    assert victim.client(urls=[EDGE, CENTRAL]).fetch().version == 2


def test_edge_that_plans_nonsense_is_left_for_the_next_server(victim: Device) -> None:
    from netgraft.delivery.device.deciding import ServerPlanner

    victim.servers.faults.append(
        lambda server, asked, body: Reply(b"[]", 9) if server == EDGE and asked.endswith("/plan") else None
    )
    victim.servers.plan = lambda asked: {}
    client = victim.client(urls=[EDGE, CENTRAL])
    with pytest.raises(NetgraftError, match="a plan for version 2 is required, got one for another"):
        victim.client(planner=ServerPlanner(client.tiers), tiers=client.tiers).fetch()
    assert [url.split("/v1")[0] for url in victim.servers.asked if url.endswith("/plan")] == [CENTRAL] or (
        victim.servers.asked[-1].startswith(CENTRAL)
    )


def test_answers_without_end(victim: Device) -> None:
    for path, most in (("/trust", MOST_TRUST_BYTES), ("/stamp", MOST_STAMP_BYTES), ("/head", MOST_HEAD_BYTES)):
        wanted: list[int] = []

        class Endless:
            def ask(self, url: str, *, most_bytes: int, body: bytes | None = None, most_s: float = math.inf) -> Reply:
                if path in url:  # noqa: B023
                    wanted.append(most_bytes)  # noqa: B023
                    return Reply(b"", most_bytes, "large", "more")
                return victim.servers.ask(url, most_bytes=most_bytes, body=body)

        with pytest.raises(LinkError, match="large from http://edge: more"):
            victim.client(transport=Endless()).fetch()
        assert set(wanted) == {most}


def test_chunk_that_is_damaged_everywhere(victim: Device) -> None:
    victim.servers.faults.append(on_chunks(flipped))
    refused(victim, ChunkError, "corrupt from http://edge: the SHA-256 .* is required, got")
    assert "corrupt" in victim.told()


@pytest.mark.parametrize("size", [-1, 1, 10_000], ids=["short", "long", "huge"])
def test_chunk_of_another_size(victim: Device, size: int) -> None:
    def other(body: bytes) -> Reply:
        made = body[:size] if size < 0 else body + bytes(size)
        return Reply(made, OVERHEAD + len(made))

    victim.servers.faults.append(on_chunks(other))
    refused(victim, ChunkError, "corrupt from http://edge: [0-9]+ bytes are required, got [0-9]+")


def test_chunks_that_were_exchanged(victim: Device) -> None:
    servers = victim.servers
    servers.stamps.clear()
    fresh = Servers()
    fresh.publish(energy(1))
    first, second = [row.sha256 for row in energy(1).head.chunks[1:3]]
    fresh.chunks = {**fresh.chunks, first: fresh.chunks[second], second: fresh.chunks[first]}
    with device(victim.folder.path.parent / "e", fresh) as made:
        with pytest.raises(NetgraftError, match="bytes"):
            made.client().fetch()
        assert made.folder.model() is not None
        assert not list((made.folder.path / "chunks").glob("*"))


def test_addresses_of_chunks_are_no_paths(victim: Device) -> None:
    victim.client().fetch()
    asked = [url for url in victim.servers.asked if "/c/" in url]
    assert asked
    assert all(len(url.removeprefix(f"{EDGE}/c/")) == 64 for url in asked)


def test_name_of_a_model_is_no_path(tmp_path: Path) -> None:
    servers = Servers()
    with device(tmp_path / "d", servers) as made:
        from netgraft.delivery.device.client import DeviceClient

        settings = made.client()
        hostile = DeviceClient(
            made.folder, settings.tiers, "../../c/x?y=z#", settings.situation, lambda *_: None,  # type: ignore[arg-type, return-value]
            clock=lambda: float(NOW), elapsed=lambda: 0.0,
        )  # fmt: skip
        with pytest.raises(LinkError):
            hostile.fetch()
        assert servers.asked[-1] == f"{EDGE}/v1/models/..%2F..%2Fc%2Fx%3Fy%3Dz%23/stamp"


def test_two_clients_race_for_one_folder(victim: Device) -> None:
    text = r"a folder that no other client uses is required, got .* in use by process"
    with pytest.raises(StorageError, match=text), device_folder(victim.folder.path):
        pass
    victim.client().fetch()
    assert victim.engine is not None
    assert victim.engine.current().version == 2
