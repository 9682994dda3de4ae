"""A device whose servers answer with several things at once: what comes, what is kept, what is refused."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from delivery_examples import KEY, NOW, example_built, example_shape, example_tensors
from device_fakes import (
    CENTRAL,
    EDGE,
    ONLINE,
    OVERHEAD,
    ROOT,
    Device,
    Fault,
    Killed,
    Servers,
    chain_of,
    device,
    energy,
    killed_at_rename,
    once,
    published,
)

from netgraft.delivery.coding.build import Recipe
from netgraft.delivery.device.engine import Engine
from netgraft.delivery.device.events import Event
from netgraft.delivery.device.restoring import refuse_active, reopened, restore
from netgraft.delivery.device.store import DeviceFolder
from netgraft.delivery.exchange.opening import Opening, pack_opening, unpack_opening
from netgraft.delivery.exchange.transport import Reply
from netgraft.delivery.format import delta
from netgraft.delivery.planning.situation import Situation
from netgraft.delivery.trust.accepting import SigningKey, TrustDocument, extend_chain
from netgraft.errors import HeadError, LinkError, StorageError, TrustError

BEST = "d2s2p8"
CHAIN = [row.id for row in energy(1).head.cuts if row.chain]


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sync nothing: no test here loses power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def quick(*versions: int, part_bytes: int = 100) -> Servers:
    servers = published(*versions)
    servers.at_once, servers.part_bytes = True, part_bytes
    return servers


def asked(servers: Servers) -> list[str]:
    """Return what was asked for, without servers and numbers."""
    return [url.split("//")[1].split("/", 1)[1].split("?")[0].split("/")[-1] for url in servers.asked]


def active(made: Device) -> tuple[int, str] | None:
    """Return version and cut of the model that answers, which was loaded from its files."""
    model = made.folder.model()
    if model is None:
        return None
    assert made.folder.state.active is not None
    return made.folder.state.active.version, made.folder.state.active.cut


def at(path: str, make: Callable[[bytes], Reply | None], *, server: str | None = None) -> Fault:
    """Return a fault of the answers at one place."""

    def fault(asked: str, where: str, body: bytes) -> Reply | None:
        return make(body) if where.endswith(path) and server in (None, asked) else None

    return fault


def test_two_questions_bring_the_best_model_and_every_one_on_the_way(tmp_path: Path) -> None:
    servers = quick(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        fetched = made.client().fetch()
        assert asked(servers) == ["opening", "chunks"]
        assert active(made) == (1, BEST)
        assert made.told() == ["started", "pinned", "usable", *["improved"] * (len(CHAIN) - 1), "done"]
        assert [event.cut for event in made.events if event.kind in ("usable", "improved")] == CHAIN
        opening = pack_opening(Opening(servers.chain, servers.stamp(), servers.heads[1]))
        chunks = sum(row.bytes for row in energy(1).head.chunks[1:])
        assert fetched.received_bytes == len(opening) + chunks + 2 * OVERHEAD
        assert fetched.chunks == len(energy(1).head.chunks) - 1
        assert made.folder.state.spent_bytes == len(servers.heads[1]) + chunks + OVERHEAD
        counts = [event.received_bytes for event in made.events]
        assert counts == sorted(counts)
        assert len(set(counts[2:-1])) == len(CHAIN)


def test_model_answers_before_the_second_question(tmp_path: Path) -> None:
    servers = quick(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        so_far: list[list[str]] = []
        made.client(report=lambda event: so_far.append(asked(servers)) if event.kind == "usable" else None).fetch()
        assert so_far == [["opening"]]


def test_chunks_that_come_together_make_one_better_model(tmp_path: Path) -> None:
    servers = quick(1, part_bytes=10**6)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        assert made.told() == ["started", "pinned", "usable", "improved", "done"]
        assert active(made) == (1, BEST)


def test_head_that_is_held_does_not_come_again(tmp_path: Path) -> None:
    servers = quick(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        servers.asked.clear()
        fetched = made.client().fetch()
        assert servers.asked == [f"{EDGE}/v1/models/energy/opening?held={servers.stamps[1]}"]
        assert fetched.received_bytes < OVERHEAD + len(servers.chain) + len(servers.stamp())
        servers.publish(energy(2))
        made.client().fetch()
        assert active(made) == (2, BEST)


def test_head_that_was_damaged_on_the_disk_is_asked_for_by_itself(tmp_path: Path) -> None:
    servers = quick(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        (tmp_path / "d" / "heads" / servers.stamps[1]).write_bytes(b"")
        servers.asked.clear()
        made.client().fetch()
        assert asked(servers) == ["opening", "head"]
        assert (tmp_path / "d" / "heads" / servers.stamps[1]).read_bytes() == servers.heads[1]


def test_data_budget_is_kept_by_asking_for_one_thing_after_the_other(tmp_path: Path) -> None:
    servers = quick(1)
    situation = Situation(data_budget_bytes=60_000)
    with device(tmp_path / "d", servers, situation=situation) as made:
        assert made.client().fetch().received_bytes < 60_000
        assert asked(servers) == ["trust", "stamp", "head", "chunks"]


@pytest.mark.parametrize("spare", [700, 1_000, 2_000, 3_000, 5_000])
def test_several_chunks_never_go_beyond_the_data_budget(tmp_path: Path, spare: int) -> None:
    servers = quick(1)
    head = len(servers.chain) + len(servers.stamp()) + len(servers.heads[1]) + 3 * OVERHEAD
    budget = head + spare
    with device(tmp_path / "d", servers, situation=Situation(data_budget_bytes=budget)) as made:
        fetched = made.client().fetch()
        assert fetched.received_bytes <= budget
        assert active(made) is not None


def test_second_part_of_a_budget_is_spent_on_chunks_alone(tmp_path: Path) -> None:
    servers = quick(1)
    servers.faults.append(once(at("/chunks", lambda body: Reply(body[:1_500], OVERHEAD + 1_500, "short", "cut"))))
    with device(tmp_path / "d", servers, situation=Situation(data_budget_bytes=100_000)) as made:
        made.client().fetch()
        sizes = [row.bytes for row in energy(1).head.chunks[1:]]
        lost = 1_500 - max(sum(sizes[:at]) for at in range(len(sizes)) if sum(sizes[:at]) <= 1_500)
        alone = OVERHEAD if "/c/" in " ".join(servers.asked) else 0
        assert made.folder.state.spent_bytes == (
            len(servers.heads[1]) + sum(sizes) + lost + (1 + asked(servers).count("chunks")) * OVERHEAD + alone
        )


@pytest.mark.parametrize("place", range(0, 40, 3))
def test_device_killed_at_any_byte_fetches_one_chunk_twice_at_most(tmp_path: Path, place: int) -> None:
    servers = quick(1, part_bytes=97)
    poured = [0]
    pour = servers.pour

    def dying(url: str, take: Callable[[bytes], bool], *, most_bytes: int) -> Reply:
        def taken(part: bytes) -> bool:
            if poured[0] == place:
                raise Killed
            poured[0] += 1
            return take(part)

        return pour(url, taken, most_bytes=most_bytes)

    servers.pour = dying  # type: ignore[method-assign]
    with device(tmp_path / "d", servers) as made, suppress(Killed):
        made.client().fetch()
    servers.pour = pour  # type: ignore[method-assign]
    servers.poured.clear()
    servers.asked.clear()
    sizes = [row.bytes for row in energy(1).head.chunks[1:]]
    whole = sum(1 for at in range(len(sizes)) if sum(sizes[: at + 1]) <= 97 * place)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        assert restore(made.folder) is not None
        made.client().fetch()
        assert active(made) == (1, BEST)
    again = servers.poured + servers.fetched()
    assert again == [row.sha256 for row in energy(1).head.chunks[1 + whole :]]


@pytest.mark.parametrize("step", range(32))
def test_device_killed_at_any_rename_goes_on(tmp_path: Path, step: int) -> None:
    servers = quick(1)
    with device(tmp_path / "d", servers) as made, killed_at_rename(step):
        made.client().fetch()
        assert step > 20
    with device(tmp_path / "d", servers) as made:
        active(made)
        made.client().fetch()
        assert active(made) == (1, BEST)
    taken = servers.poured + servers.fetched()
    assert set(taken) == {row.sha256 for row in energy(1).head.chunks[1:]}


def test_what_was_accepted_is_written_down_before_anything_more_is_asked(tmp_path: Path) -> None:
    servers = quick(1)
    states: list[DeviceFolder] = []

    def look(server: str, path: str, body: bytes) -> Reply | None:
        states.append(DeviceFolder(tmp_path / "d"))
        return None

    servers.faults.append(look)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
    before, after = (folder.state for folder in states)
    assert before.trust.trust is None
    assert (after.target, after.active is not None) == (servers.stamps[1], True)
    assert after.trust.seen["energy"].head == servers.stamps[1]


@pytest.mark.parametrize("part_bytes", [100, 10**6])
def test_wrong_chunk_among_several_is_told_and_asked_for_by_itself(tmp_path: Path, part_bytes: int) -> None:
    servers = quick(1, part_bytes=part_bytes)
    rows = energy(1).head.chunks[1:]
    place = rows[0].bytes + 5

    def spoil(body: bytes) -> Reply:
        return Reply(body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :], OVERHEAD + len(body))

    servers.faults.append(at("/chunks", spoil))
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        assert active(made) == (1, BEST)
        told = [event for event in made.events if event.kind == "corrupt"]
        assert [event.text for event in told] == [
            f"corrupt from {EDGE}: the SHA-256 {rows[1].sha256[:16]}... is required, got {told[0].text[-19:]}"
        ]
        assert servers.fetched() == [rows[1].sha256]
        assert asked(servers).count("chunks") == 1


def test_chunks_of_a_delta_come_in_one_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = quick(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        made.client().fetch()
        with monkeypatch.context() as patch:
            patch.setattr(delta, "MOST_BYTES", 400)
            servers.publish(energy.__wrapped__(2))
        deltas = servers.built[2].head.deltas
        wanted = [row.sha256 for row in deltas[-1].chunks]
        assert deltas[-1].cut == BEST
        assert len(wanted) > 2
        servers.poured.clear()
        servers.asked.clear()
        place = deltas[-1].chunks[0].bytes + 3
        servers.faults.append(once(at("/chunks", flipped_at(place))))
        made.client().fetch()
        assert active(made) == (2, BEST)
        assert asked(servers)[:2] == ["opening", "chunks"]
        assert servers.poured == wanted
        assert servers.fetched() == [wanted[1]]  # a bit of it was wrong


def test_answer_with_two_wrong_chunks_is_not_read_on(tmp_path: Path) -> None:
    servers = quick(1, part_bytes=10)
    rows = energy(1).head.chunks[1:]
    assert len(rows) > 3

    def spoil(body: bytes) -> Reply:
        turned = bytearray(body)
        for chunk in (0, 1):
            turned[sum(row.bytes for row in rows[:chunk])] ^= 1
        return Reply(bytes(turned), OVERHEAD + len(body))

    servers.faults.append(at("/chunks", spoil))
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        assert active(made) == (1, BEST)
        assert made.told().count("corrupt") == 1
        assert servers.fetched() == [row.sha256 for row in rows]


@pytest.mark.parametrize("cut", [0, 700, 1_500, 3_000])
def test_answer_that_breaks_off_goes_on_where_it_was(tmp_path: Path, cut: int) -> None:
    servers = quick(1, part_bytes=50)
    servers.faults.append(once(at("/chunks", lambda body: Reply(body[:cut], OVERHEAD + cut, "short", "cut off"))))
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        assert active(made) == (1, BEST)
        assert [event.text for event in made.events if event.kind == "retried"] == [f"short from {EDGE}: cut off"]
        rows, taken = energy(1).head.chunks[1:], servers.poured[len(energy(1).head.chunks) - 1 :] + servers.fetched()
        whole = sum(1 for at in range(len(rows)) if sum(row.bytes for row in rows[: at + 1]) <= cut)
        assert sorted(taken) == sorted(row.sha256 for row in rows[whole:])


def test_server_that_breaks_off_is_left_for_the_next(tmp_path: Path) -> None:
    servers = quick(1, part_bytes=50)
    rows = energy(1).head.chunks[1:]
    whole = rows[0].bytes
    servers.faults.append(at("/chunks", lambda body: Reply(body[:whole], OVERHEAD, "short", "cut off"), server=EDGE))
    with device(tmp_path / "d", servers) as made:
        made.client(urls=[EDGE, CENTRAL]).fetch()
        assert active(made) == (1, BEST)
        assert asked(servers) == ["opening", "chunks", rows[1].sha256, "chunks"]
        assert [url.split("/v1")[0].split("/c/")[0] for url in servers.asked] == [EDGE, EDGE, CENTRAL, CENTRAL]


def test_after_an_answer_that_breaks_off_one_chunk_is_asked_for_by_itself(tmp_path: Path) -> None:
    servers = quick(1, part_bytes=50)
    rows = energy(1).head.chunks[1:]
    whole = rows[0].bytes
    servers.faults.append(at("/chunks", lambda body: Reply(body[:whole], OVERHEAD, "short", "cut off")))
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        assert active(made) == (1, BEST)
        assert asked(servers)[1:5] == ["chunks", rows[1].sha256, "chunks", rows[3].sha256]


def test_tolerant_chunk_behind_a_wrong_one_is_not_taken_with_wrong_bits(tmp_path: Path) -> None:
    shape = example_shape(widths=((8, 8), (24, 24), (64, 64)))
    built = example_built(shape, example_tensors(shape), recipe=Recipe(exact_planes=4, target_bytes=700))
    servers = quick(part_bytes=10**6)
    servers.publish(built)
    rows = built.head.chunks[1:]
    assert (rows[0].protection, rows[-1].protection) == ("exact", "tolerant")

    def spoil(body: bytes) -> Reply:
        return Reply(bytes([body[0] ^ 1]) + body[1:-1] + bytes([body[-1] ^ 1]), OVERHEAD + len(body))

    servers.faults.append(at("/chunks", spoil))
    with device(tmp_path / "d", servers) as made:
        made.client(tolerant=True).fetch()
        assert "damaged" not in made.told()
        assert servers.fetched() == [rows[0].sha256, rows[-1].sha256]


@pytest.mark.parametrize("fault", ["missing", "denied", "large", "busy", "timeout", "refused", "fault"])
def test_server_that_does_not_give_several_gives_each(tmp_path: Path, fault: str) -> None:
    servers = quick(1)
    servers.faults.append(at("/chunks", lambda body: Reply(b"", OVERHEAD, fault, "no")))  # type: ignore[arg-type]
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        assert active(made) == (1, BEST)
        assert servers.fetched() == [row.sha256 for row in energy(1).head.chunks[1:]]
        assert (asked(servers).count("chunks") == 1) == (fault in ("missing", "denied", "large"))
        assert ("retried" in made.told()) == (fault != "missing")


def test_answer_without_chunks_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    servers = quick(1)
    servers.faults.append(at("/chunks", lambda body: Reply(b"", OVERHEAD)))
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        assert active(made) == (1, BEST)
        assert servers.fetched() == [row.sha256 for row in energy(1).head.chunks[1:]]


def test_disk_that_fills_under_an_answer_ends_the_fetch_and_the_model_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = quick(1)

    def full(self: DeviceFolder, sha256: str, data: bytes) -> None:
        raise StorageError("a disk with room is required, got a full one")

    with device(tmp_path / "d", servers, engine=Engine()) as made:
        with monkeypatch.context() as patch:
            patch.setattr(DeviceFolder, "keep_chunk", full)
            with pytest.raises(StorageError, match="a disk with room is required"):
                made.client().fetch()
        assert active(made) == (1, CHAIN[0])
        assert made.folder.state.spent_bytes > len(servers.heads[1])
        made.client().fetch()
        assert active(made) == (1, BEST)


# --- openings that do not count


def changed(**parts: bytes) -> Callable[[bytes], Reply]:
    """Return what makes an opening with other parts."""

    def make(body: bytes) -> Reply:
        data = pack_opening(replace(unpack_opening(body), **parts))
        return Reply(data, OVERHEAD + len(data))

    return make


def flipped_at(place: int) -> Callable[[bytes], Reply]:
    """Return what turns a bit of an answer."""

    def make(body: bytes) -> Reply:
        at = place % len(body)
        return Reply(body[:at] + bytes([body[at] ^ 4]) + body[at + 1 :], OVERHEAD + len(body))

    return make


@pytest.mark.parametrize("place", [0, 9, 13, 60, 300, 700, 900, 1_500, 2_500, -1, -150])
def test_opening_with_a_wrong_bit_is_told_and_its_parts_are_asked_for(tmp_path: Path, place: int) -> None:
    servers = quick(1)
    servers.faults.append(once(at("/opening", flipped_at(place))))
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        assert active(made) == (1, BEST)
        assert asked(servers)[:4] == ["opening", "trust", "stamp", "head"]
        (told,) = [event.text for event in made.events if event.kind == "corrupt"]
        assert told.startswith(f"corrupt from {EDGE}: ")


def test_wrong_opening_is_asked_of_the_next_server(tmp_path: Path) -> None:
    servers = quick(1)
    servers.faults.append(at("/opening", changed(head=energy(2).pack([KEY])), server=EDGE))
    with device(tmp_path / "d", servers) as made:
        made.client(urls=[EDGE, CENTRAL]).fetch()
        assert active(made) == (1, BEST)
        assert [url.split("/v1")[0] for url in servers.asked] == [EDGE, CENTRAL, CENTRAL]
        assert made.told().count("corrupt") == 1


def test_server_that_is_down_is_left_for_one_that_gives_all_at_once(tmp_path: Path) -> None:
    servers = quick(1)
    servers.faults.append(lambda server, path, body: Reply(b"", 0, "refused", "no") if server == EDGE else None)
    with device(tmp_path / "d", servers) as made:
        made.client(urls=[EDGE, CENTRAL]).fetch()
        assert [url.split("/v1")[0] for url in servers.asked] == [EDGE, CENTRAL, CENTRAL]
        assert made.told().count("retried") == 1


def test_near_server_without_openings_stays_the_first(tmp_path: Path) -> None:
    servers = quick(1)
    servers.faults.append(at("/opening", lambda body: Reply(b"", OVERHEAD, "missing", "404"), server=EDGE))
    with device(tmp_path / "d", servers) as made:
        made.client(urls=[EDGE, CENTRAL]).fetch()
        assert asked(servers) == ["opening", "trust", "stamp", "head", "chunks"]
        assert {url.split("/v1")[0] for url in servers.asked} == {EDGE}


def test_no_server_at_all_is_told_as_before(tmp_path: Path) -> None:
    servers = quick(1)
    servers.faults.append(lambda server, path, body: Reply(b"", 0, "refused", "no"))
    with device(tmp_path / "d", servers) as made, pytest.raises(LinkError, match="an answer to /v1/trust is required"):
        made.client().fetch()


@pytest.mark.parametrize(
    ("spoil", "error", "text"),
    [
        (lambda s: setattr(s, "chain", chain_of(SigningKey(b"z" * 32))), TrustError, "trust"),
        (lambda s: setattr(s, "now_s", s.now_s - 100), HeadError, "a replay of"),
        (lambda s: setattr(s, "newest", 1), HeadError, "the older version 1"),
    ],
    ids=["forged", "replayed", "rolled back"],
)  # fmt: skip
def test_attack_is_stopped_in_an_opening_as_in_its_parts(
    tmp_path: Path, spoil: Callable[[Servers], None], error: type[Exception], text: str
) -> None:
    servers = quick(1, 2)
    with device(tmp_path / "d", servers) as made:
        clock = {"clock": lambda: float(NOW)}
        made.client(**clock).fetch()
        before = made.folder.state
        servers.now_s += 10
        spoil(servers)
        with pytest.raises(error, match=text):
            made.client(**clock).fetch()
        assert active(made) == (2, BEST)
        assert made.folder.state.trust.seen == before.trust.seen


def test_key_that_was_withdrawn_stays_so_when_the_rest_of_the_opening_does_not_count(tmp_path: Path) -> None:
    servers = quick(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
    other = SigningKey(b"q" * 32)
    document = TrustDocument.of(2, NOW + 10**9, root=[ROOT.public], publisher=[other.public], online=[ONLINE.public])
    servers.chain = extend_chain(servers.chain, document, [ROOT])
    servers.faults.append(lambda server, path, body: None if path.endswith("/opening") else Reply(b"", 0, "refused"))
    with device(tmp_path / "d", servers) as made, pytest.raises(LinkError):
        made.client().fetch()
    with device(tmp_path / "d", servers) as made:
        assert made.folder.state.trust.trust == document


def test_time_of_a_stamp_counts_when_the_head_of_the_opening_does_not(tmp_path: Path) -> None:
    servers = quick(1)
    servers.faults.append(
        lambda server, path, body: (
            changed(head=b"none")(body) if path.endswith("/opening") else Reply(b"", 0, "refused", "no")
        )
    )
    with device(tmp_path / "d", servers) as made, pytest.raises(LinkError):
        made.client().fetch()
    with device(tmp_path / "d", servers) as made:
        assert made.folder.state.trust.seen["energy"].issued_s == servers.now_s


def test_only_heads_and_chunks_may_take_long(tmp_path: Path) -> None:
    servers, most_s = quick(1), dict[str, float]()
    ask = servers.ask

    def timed(url: str, **more: Any) -> Reply:
        reply = ask(url, **more)
        most_s[asked(servers)[-1]] = more.get("most_s", math.inf)
        return reply

    servers.ask = timed  # type: ignore[method-assign]
    servers.faults.append(at("/opening", lambda body: Reply(b"", OVERHEAD, "timeout", "slow")))
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
    assert most_s == {"opening": 300, "trust": 300, "stamp": 300, "head": math.inf, "chunks": math.inf}


def test_device_killed_right_after_an_install_has_the_head_of_what_answers(tmp_path: Path) -> None:
    def dying(event: Event) -> None:
        if event.kind == "usable":
            raise Killed

    with device(tmp_path / "d", quick(1)) as made, suppress(Killed):
        made.client(report=dying).fetch()
    with device(tmp_path / "d", quick(1)) as made:
        assert made.folder.state.active is not None
        assert reopened(made.folder, made.folder.state.active.head) is not None


def test_version_that_was_rolled_back_from_is_not_opened(tmp_path: Path) -> None:
    servers = quick(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        servers.publish(energy(2))
        made.client().fetch()
        refuse_active(made.folder)
        made.events.clear()
        assert made.client().fetch().decision == "stay"
        assert made.told() == ["started", "rolled-back", "done"]
        assert made.folder.state.active is not None
        assert made.folder.state.active.version == 1
