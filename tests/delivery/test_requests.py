"""Requests without a network: what is remembered, what is signed, what is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from delivery_examples import KEY, NOW, example, example_built, nudged
from hypothesis import given
from hypothesis import strategies as st

from netgraft.delivery.coding.build import Built
from netgraft.delivery.exchange.opening import unpack_opening
from netgraft.delivery.offering import incoming, requests
from netgraft.delivery.offering.incoming import UPLOAD_MAGIC, PlanRequest, pack_upload, read_plan_request, unpack_upload
from netgraft.delivery.offering.published import Published
from netgraft.delivery.offering.requests import Answer, answered
from netgraft.delivery.offering.shelf import Shelf, Stamps
from netgraft.delivery.trust.accepting import (
    SigningKey,
    TrustDocument,
    TrustState,
    accept_stamp,
    accept_trust,
    sign_trust,
    trust_chain,
)
from netgraft.errors import BudgetError, ChunkError, SituationError, StorageError, TrustError

ONLINE = SigningKey(b"o" * 32)
LATER_S = 1e11  # long after the files were written, whatever the clock of this machine says


@cache
def built(version: int) -> Built:
    shape, tensors, first, _ = example("wide")
    return first if version == 1 else example_built(shape, nudged(tensors, seed=version), version=version)


def chain_start() -> bytes:
    public = KEY.public
    document = TrustDocument.of(1, NOW + 10**6, root=[public], publisher=[public], online=[ONLINE.public])
    return sign_trust(document, [KEY])


def chain() -> bytes:
    return trust_chain([chain_start()])


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    published = Published(str(tmp_path / "published"))
    published.put_trust(chain())
    published.add(built(1).pack([KEY]), built(1).chunks)
    return Shelf(published)


def said(answer: Answer) -> Any:
    return json.loads(answer.body)


def test_new_version_is_seen_after_a_second_and_an_old_one_stays(shelf: Shelf) -> None:
    assert shelf.peek("energy", None, 10.0) is None
    first = shelf.open("energy", None, 10.0)
    assert shelf.peek("energy", None, 10.9) is shelf.peek("energy", 1, 10.9) is first
    shelf.published.add(built(2).pack([KEY]), built(2).chunks)
    assert shelf.open("energy", None, 10.9) is first
    assert shelf.peek("energy", None, 11.1) is None
    assert shelf.peek("energy", None, 9.0) is None  # a clock that was set back
    second = shelf.open("energy", None, 11.1)
    assert (second.version, second.data) == (2, built(2).pack([KEY]))
    assert shelf.open("energy", 1, 11.1) is first
    shelf.forget()
    assert shelf.peek("energy", None, 11.1) is None


def test_version_is_believed_for_longer_while_its_place_has_not_changed(shelf: Shelf) -> None:
    later_s = 1e11  # long after the files were written, whatever the clock of this machine says
    first = shelf.open("energy", None, later_s)
    assert shelf.peek("energy", None, later_s + 50) is first
    shelf.published.add(built(2).pack([KEY]), built(2).chunks)
    assert shelf.peek("energy", None, later_s + 50.9) is first
    assert shelf.peek("energy", None, later_s + 51.1) is None
    assert shelf.open("energy", None, later_s + 51.1).version == 2


def test_opening_comes_from_memory_where_all_of_it_is_there(shelf: Shelf) -> None:
    stamps = Stamps(lambda: ONLINE)
    assert requests.opening_at_hand(shelf, stamps, "energy", None, now_s=10.0) is None
    made = requests.opening(shelf.open("energy", None, 10.0), shelf, stamps, "energy", now_s=10.0)
    at_hand = requests.opening_at_hand(shelf, stamps, "energy", None, now_s=10.5)
    assert at_hand is not None
    assert at_hand() == made
    assert unpack_opening(made.body + made.shared).head == built(1).pack([KEY])
    shown = shelf.open("energy", None, 10.5)
    assert at_hand().shared is made.shared is shown.data  # one in memory, however many ask
    held = requests.opening(shown, shelf, stamps, "energy", now_s=10.5, held=shown.sha256)
    assert (unpack_opening(held.body).head, held.shared) == (b"", b"")

    def no_key() -> SigningKey:
        raise TrustError("no key")

    refused = requests.opening_at_hand(shelf, Stamps(no_key), "energy", None, now_s=10.5)
    assert refused is not None
    assert (refused().status, said(refused())) == (503, {"error": "no key"})
    with pytest.raises(TrustError, match="no key"):
        requests.opening(shown, shelf, Stamps(no_key), "energy", now_s=10.5)


def test_opening_at_hand_reads_nothing_when_it_is_made(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen in memory is what is answered, whatever changes in between."""
    made = requests.opening(shelf.open("energy", None, 10.0), shelf, Stamps(lambda: ONLINE), "energy", now_s=10.5)
    at_hand = requests.opening_at_hand(shelf, Stamps(lambda: ONLINE), "energy", None, now_s=10.5)
    assert at_hand is not None
    shelf.forget()
    monkeypatch.setattr(Published, "_read", lambda _self, name: pytest.fail(f"{name} was read"))
    assert at_hand().shared is made.shared


def test_head_that_was_read_while_keys_were_replaced_is_not_kept(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two openings at once: the slow one has read the head of old keys when the fast one has seen the new keys."""
    published, fresh, read = shelf.published, SigningKey(b"n" * 32), Published.head_of

    def slowly(self: Published, sha256: str) -> bytes:
        data = read(self, sha256)
        monkeypatch.setattr(Published, "head_of", read)
        published.sign_again(built(1).pack([fresh]))
        public = [KEY.public, fresh.public]
        document = TrustDocument.of(2, NOW + 10**6, root=[KEY.public], publisher=public, online=[ONLINE.public])
        published.put_trust(trust_chain([chain_start(), sign_trust(document, [KEY])]))
        assert shelf.open("energy", None, LATER_S).data == built(1).pack([fresh])
        return data

    shelf.open("energy", 1, 0.0)
    shelf.forget()
    shelf._heads.clear()  # as if others had been asked for since
    monkeypatch.setattr(Published, "head_of", slowly)
    assert shelf.open("energy", None, LATER_S).data == built(1).pack([fresh])
    kept = shelf.peek("energy", None, LATER_S + 50)
    assert kept is not None
    assert (kept.data, shelf.trust()) == (built(1).pack([fresh]), published.trust())


def test_heads_in_memory_are_bounded(shelf: Shelf) -> None:
    small = Shelf(shelf.published, most_heads=1)
    shelf.published.add(built(2).pack([KEY]), built(2).chunks)
    first = small.open("energy", 1, 0.0)
    small.open("energy", 2, 0.0)
    assert small.open("energy", 1, 0.0) is not first


def test_head_and_its_tag(shelf: Shelf) -> None:
    answer = requests.head(shelf.open("energy", None, 0.0))
    tag = dict(answer.headers)["ETag"]
    assert (answer.status, answer.body) == (200, built(1).pack([KEY]))
    assert requests.head(shelf.open("energy", 1, 0.0), known=tag).status == 304
    assert requests.head(shelf.open("energy", 1, 0.0), known="*").body == b""
    assert requests.head(shelf.open("energy", 1, 0.0), known='"other"').status == 200


def test_stamp_is_signed_by_the_online_key_and_given_again(shelf: Shelf) -> None:
    stamps = Stamps(lambda: ONLINE, lasting_s=60, fresh_s=5)
    state = accept_trust(TrustState(), chain(), now_s=NOW, pinned=KEY.public)
    first = requests.stamp(shelf.open("energy", None, NOW), stamps, "energy", now_s=NOW).body
    state, stamp = accept_stamp(state, first, name="energy", now_s=NOW)
    assert (stamp.version, stamp.issued_s, stamp.expires_s) == (1, NOW, NOW + 60)
    assert requests.stamp(shelf.open("energy", None, NOW + 4.9), stamps, "energy", now_s=NOW + 4.9).body == first
    later = requests.stamp(shelf.open("energy", None, NOW + 5), stamps, "energy", now_s=NOW + 5).body
    assert later != first
    state, _ = accept_stamp(state, later, name="energy", now_s=NOW + 5)
    shelf.published.add(built(2).pack([KEY]), built(2).chunks)
    newest = requests.stamp(shelf.open("energy", None, NOW + 6.5), stamps, "energy", now_s=NOW + 6.5).body
    assert accept_stamp(state, newest, name="energy", now_s=NOW + 6)[1].version == 2


def test_stamp_needs_a_key(shelf: Shelf) -> None:
    def no_key() -> SigningKey:
        raise TrustError("an online key is required")

    answer = answered(lambda: requests.stamp(shelf.open("energy", None, 0.0), Stamps(no_key), "energy", now_s=0.0))
    assert (answer.status, said(answer)) == (503, {"error": "an online key is required"})


def test_models_and_trust(shelf: Shelf) -> None:
    assert said(requests.models(shelf)) == {"models": [{"name": "energy", "versions": [1]}]}
    assert requests.trust(shelf).body == chain()
    assert said(requests.ready(shelf))["ready"] is True


def test_plan_knows_what_is_held(shelf: Shelf) -> None:
    rows = built(1).head.chunks
    asked = PlanRequest({"memory_bytes": 10**6, "rate_bps": 1e6}, (), None)
    plan = requests.plan(shelf.open("energy", None, 0.0), asked)
    assert plan.decision == said(plan.answer)["decision"] == "device"
    every = (*(row.sha256 for row in rows), "0" * 64)
    held = said(requests.plan(shelf.open("energy", None, 0.0), PlanRequest(asked.situation, every, 1)).answer)
    assert (held["download_bytes"], held["decision"]) == (0, "device")
    live = PlanRequest(asked.situation, every, 1, held["cut"])
    assert requests.plan(shelf.open("energy", None, 0.0), live).decision == "stay"


def test_head_brings_chunk_0_and_is_counted_once(shelf: Shelf) -> None:
    head, head_bytes = built(1).head, len(built(1).pack([KEY]))
    plan = said(requests.plan(shelf.open("energy", None, 0.0), PlanRequest({}, (), None)).answer)
    row = next(row for row in head.cuts if row.id == plan["cut"])
    assert plan["chunks"] == [index for index in row.chunks if index]
    assert plan["download_bytes"] == sum(head.chunks[index].bytes for index in plan["chunks"])
    assert plan["wire_bytes"] == plan["download_bytes"] + head_bytes
    tight = {"storage_bytes": plan["download_bytes"] + head_bytes, "data_budget_bytes": plan["wire_bytes"]}
    assert (
        said(requests.plan(shelf.open("energy", None, 0.0), PlanRequest(tight, (), None)).answer)["cut"] == plan["cut"]
    )


def test_cut_of_held_chunks_answers_only_when_the_device_says_so(shelf: Shelf) -> None:
    """Whoever has the head has chunk 0; its cut must meet the limits before it answers."""
    head = built(1).head
    first = next(row for row in head.cuts if row.chunks == (0,))
    situation = {"data_budget_bytes": 0, "min_accuracy": first.accuracy + 0.01}
    asked = PlanRequest(situation, (head.chunks[0].sha256,), 1)
    with pytest.raises(BudgetError, match="a cut that fits the situation is required, got none"):
        requests.plan(shelf.open("energy", None, 0.0), asked)
    stays = said(requests.plan(shelf.open("energy", None, 0.0), replace(asked, live=first.id)).answer)
    assert (stays["decision"], stays["cut"]) == ("stay", first.id)
    answer = answered(lambda: requests.plan(shelf.open("energy", None, 0.0), replace(asked, live="d9s9p9")).answer)
    assert (answer.status, said(answer)["error"]) == (400, "the live cut must be one of the head's, got 'd9s9p9'")


def test_chunk_is_checked(shelf: Shelf) -> None:
    sha256, data = next(iter(built(1).chunks.items()))
    assert requests.chunk(data, sha256).status == 200
    assert requests.chunk(None, sha256).status == 404
    damaged = requests.chunk(data + b"x", sha256)
    assert damaged.status == 503
    assert said(damaged)["error"].endswith("is damaged here; ask another server")


def test_upload_and_retract(shelf: Shelf) -> None:
    body = pack_upload(built(2).pack([KEY]), built(2).chunks)
    assert requests.upload(shelf, "energy", 2, body).status == 201
    assert shelf.open("energy", None, 0.0).version == 2
    assert said(requests.retract(shelf, "energy", 2)) == {"name": "energy", "retracted": 2}
    assert shelf.open("energy", None, 0.0).version == 1


@pytest.mark.parametrize(
    ("name", "version", "key", "text"),
    [
        ("energy", 3, KEY, "a head of version 3 of 'energy' is required, got version 2 of 'energy'"),
        ("other", 2, KEY, "a head of version 2 of 'other' is required, got version 2 of 'energy'"),
        ("energy", 2, ONLINE, "1 valid signature(s) of the publisher role are required, got 0 of 1 signature(s)"),
    ],
)
def test_upload_of_another_head_is_refused(shelf: Shelf, name: str, version: int, key: SigningKey, text: str) -> None:
    body = pack_upload(built(2).pack([key]), built(2).chunks)
    answer = requests.upload(shelf, name, version, body)
    assert (answer.status, said(answer)) == (400, {"error": text})
    assert shelf.published.versions("energy") == [1]


@given(st.binary(max_size=50), st.lists(st.binary(max_size=50), max_size=5))
def test_upload_is_taken_apart_as_it_was_put_together(head: bytes, chunks: list[bytes]) -> None:
    from netgraft.records import sha256_hex

    given_chunks = {sha256_hex(each): each for each in chunks}
    body = pack_upload(head, given_chunks)
    assert unpack_upload(body) == (head, given_chunks)
    for end in range(len(UPLOAD_MAGIC) + 1, len(body)):
        with suppress(ChunkError):
            assert unpack_upload(body[:end])[0] == head


@given(st.binary(max_size=80))
def test_any_bytes_are_an_upload_or_refused(data: bytes) -> None:
    for body in (data, UPLOAD_MAGIC + data):
        with suppress(ChunkError):
            unpack_upload(body)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(st.binary(max_size=60) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_understood_or_refused(body: bytes) -> None:
    for read in (read_plan_request, incoming.telemetry):
        with suppress(SituationError):
            read(body)  # type: ignore[operator]


def test_request_for_a_plan() -> None:
    assert read_plan_request(b"{}") == PlanRequest({}, (), None)
    full = read_plan_request(
        b'{"situation": {"rate_bps": 1}, "held": ["%s"], "version": 3, "live": "d1s0p4"}' % (b"a" * 64)
    )
    assert full == PlanRequest({"rate_bps": 1}, ("a" * 64,), 3, "d1s0p4")
    with pytest.raises(SituationError, match="live must be an id of letters and digits"):
        read_plan_request(b'{"live": "../x"}')
    assert read_plan_request(b'{"situation": null, "held": null, "version": null}') == PlanRequest({}, (), None)


def test_report() -> None:
    report = {"device": "d", "name": "energy", "event": "done", "version": 1, "seconds": 1.5, "more": "x"}
    assert incoming.telemetry(json.dumps(report).encode()) == report
    with pytest.raises(SituationError, match="a report must have the key 'event', got device, name"):
        incoming.telemetry(b'{"device": "d", "name": "n"}')


@pytest.mark.parametrize(
    ("failure", "status"), [("LibraryError", 500), ("BudgetError", 400), ("HeadError", 503), ("SettingError", 404)]
)
def test_status_of_an_error(failure: str, status: int) -> None:
    import netgraft.errors

    made = getattr(netgraft.errors, failure)("one\n line is\trequired")
    answer = requests.refused(made)
    assert (answer.status, said(answer)) == (status, {"error": "one line is required"})


def test_store_that_fails_is_told_without_its_place() -> None:
    answer = requests.refused(StorageError("a place is required, got /srv/models: full"))
    assert (answer.status, "/srv" in said(answer)["error"]) == (503, False)


def test_warm_shelf_answers_from_memory(shelf: Shelf) -> None:
    assert shelf.peek("energy", None, NOW) is None
    shelf.warm(NOW)
    warm = shelf.peek("energy", None, NOW)
    assert warm is not None
    assert warm.data == shelf.published.head("energy")


def test_warming_ends_when_nobody_will_ask(shelf: Shelf) -> None:
    other = example_built(example("wide")[0], example("wide")[1], name="other")
    shelf.published.add(other.pack([KEY]), other.chunks)
    answers = iter([False, True])
    shelf.warm(NOW, lambda: next(answers))
    assert [shelf.peek(name, None, NOW) is not None for name in ("energy", "other")] == [True, False]
