"""Attacks on what a device believes, each with the rule that stops it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from netgraft.delivery.trust.accepting import (
    MOST_SIGNATURES,
    MOST_STAMP_BYTES,
    MOST_TRUST_BYTES,
    Seen,
    Signature,
    Signed,
    SigningKey,
    Stamp,
    TrustDocument,
    TrustState,
    accept_head,
    accept_stamp,
    accept_trust,
    extend_chain,
    head_verifier,
    read_chain,
    sign_stamp,
    sign_trust,
    trust_chain,
)
from netgraft.errors import HeadError, TrustError

NOW, LATER = 1_000, 10_000
HEAD, OTHER_HEAD = "ab" * 32, "cd" * 32


def key(number: int) -> SigningKey:
    return SigningKey(bytes([number]) * 32)


ROOT, PUBLISHER, ONLINE, ATTACKER = key(1), key(2), key(3), key(66)


def document(version: int = 1, *, root: SigningKey = ROOT, expires_s: int = LATER, **more: Any) -> TrustDocument:
    return TrustDocument.of(
        version, expires_s, root=[root.public], publisher=[PUBLISHER.public], online=[ONLINE.public], **more
    )


CHAIN = trust_chain([sign_trust(document(), [ROOT])])
STATE = accept_trust(TrustState(), CHAIN, now_s=NOW)


def stamp(version: int = 5, signer: SigningKey = ONLINE, **changed: Any) -> bytes:
    fields: dict[str, Any] = {"name": "m", "head": HEAD, "issued_s": NOW, "expires_s": NOW + 100} | changed
    return sign_stamp(Stamp(version=version, **fields), [signer])


@pytest.fixture
def seen() -> TrustState:
    """Give the state of a device that runs version 5."""
    state, found = accept_stamp(STATE, stamp(), name="m", now_s=NOW)
    return accept_head(state, found, name="m", version=5, sha256=HEAD, expires_s=LATER, now_s=NOW)


def test_forged_trust_document() -> None:
    with pytest.raises(TrustError, match=r"1 valid signature\(s\) of the root role are required, got 0 of 1"):
        accept_trust(TrustState(), trust_chain([sign_trust(document(), [ATTACKER])]), now_s=NOW)


def test_trust_of_another_root_than_the_pinned_key() -> None:
    chain = trust_chain([sign_trust(document(root=ATTACKER), [ATTACKER])])
    with pytest.raises(TrustError, match=r"a trust document signed by the root key .* is required, got another"):
        accept_trust(TrustState(), chain, now_s=NOW, pinned=ROOT.public)


def test_pinned_key_that_is_listed_but_did_not_sign() -> None:
    listed = TrustDocument.of(
        1, LATER, root=[ROOT.public, ATTACKER.public], publisher=[ATTACKER.public], online=[ATTACKER.public]
    )
    chain = trust_chain([sign_trust(listed, [ATTACKER])])
    with pytest.raises(TrustError, match=r"a trust document signed by the root key .* is required, got another"):
        accept_trust(TrustState(), chain, now_s=NOW, pinned=ROOT.public)


def test_another_pinned_key_than_the_first_time() -> None:
    with pytest.raises(TrustError, match=r"the key that was trusted first .* is required, got"):
        accept_trust(STATE, CHAIN, now_s=NOW, pinned=ATTACKER.public)


def test_other_trust_after_the_first() -> None:
    chain = trust_chain([sign_trust(document(root=ATTACKER), [ATTACKER])])
    with pytest.raises(TrustError, match="one trust document of version 1 is required, got two that differ"):
        accept_trust(STATE, chain, now_s=NOW)


def test_next_trust_that_the_old_root_did_not_sign() -> None:
    forged = trust_chain([*(s for s, _ in read_chain(CHAIN)), sign_trust(document(2, root=ATTACKER), [ATTACKER])])
    with pytest.raises(TrustError, match=r"1 valid signature.* of the root role are required, got 0 of 1"):
        accept_trust(STATE, forged, now_s=NOW)


def test_next_trust_that_its_own_root_did_not_sign() -> None:
    with pytest.raises(TrustError, match=r"1 valid signature.* of the root role are required, got 0 of 1"):
        extend_chain(CHAIN, document(2, root=key(9)), [ROOT])


def test_root_skipping() -> None:
    chain = trust_chain([*(s for s, _ in read_chain(CHAIN)), sign_trust(document(3), [ROOT])])
    with pytest.raises(TrustError, match="trust of version 2 is required next, got 3"):
        accept_trust(STATE, chain, now_s=NOW)


def test_rolled_back_trust() -> None:
    newer = accept_trust(STATE, extend_chain(CHAIN, document(2), [ROOT]), now_s=NOW)
    with pytest.raises(TrustError, match="trust of version 2 or later is required, got 1"):
        accept_trust(newer, CHAIN, now_s=NOW)


def test_expired_trust() -> None:
    with pytest.raises(TrustError, match="a trust document that counts is required, got one that expired at 10000 s"):
        accept_trust(STATE, CHAIN, now_s=LATER)


def test_threshold_is_not_met_by_the_same_key_twice() -> None:
    two = TrustDocument.of(
        1, LATER, root=[ROOT.public, key(9).public], publisher=[PUBLISHER.public], online=[ONLINE.public],
        thresholds={"root": 2},
    )  # fmt: skip
    with pytest.raises(TrustError, match=r"2 valid signature\(s\) of the root role are required, got 1 of 2"):
        accept_trust(TrustState(), trust_chain([sign_trust(two, [ROOT, ROOT])]), now_s=NOW)


def test_one_key_under_two_names() -> None:
    value = document().to_json()
    value["keys"]["00" * 32] = ROOT.public.raw.hex()
    value["roles"]["root"] = {"keys": [ROOT.id, "00" * 32], "threshold": 2}
    with pytest.raises(TrustError, match="a key's id must be the SHA-256 of the key, got '0000"):
        TrustDocument.from_json(value)


def test_signature_of_another_role() -> None:
    with pytest.raises(TrustError, match=r"of the online role are required, got 0 of 1"):
        accept_stamp(STATE, stamp(signer=PUBLISHER), name="m", now_s=NOW)
    with pytest.raises(TrustError, match=r"of the publisher role are required, got 0 of 1"):
        head_verifier(STATE)(b"head", [ONLINE.sign(b"head")])


def test_signature_of_another_kind_of_document() -> None:
    text = json.dumps(Stamp("m", 5, HEAD, NOW, NOW + 100).to_json())
    moved = Signed(text, (ONLINE.sign(b"netgraft trust 1\n" + text.encode()),))
    with pytest.raises(TrustError, match=r"of the online role are required, got 0 of 1"):
        accept_stamp(STATE, json.dumps(moved.to_json()).encode(), name="m", now_s=NOW)


def test_forged_stamp() -> None:
    value = json.loads(stamp())
    value["signed"] = value["signed"].replace('"version":5', '"version":6')
    with pytest.raises(TrustError, match=r"1 valid signature.* of the online role are required, got 0 of 1"):
        accept_stamp(STATE, json.dumps(value).encode(), name="m", now_s=NOW)


def test_stamp_of_another_model() -> None:
    with pytest.raises(HeadError, match="a stamp of 'other' is required, got one of 'm'"):
        accept_stamp(STATE, stamp(), name="other", now_s=NOW)


def test_replayed_stamp(seen: TrustState) -> None:
    with pytest.raises(HeadError, match="a stamp issued at 1000 s or later is required, got a replay of 999 s"):
        accept_stamp(seen, stamp(issued_s=999), name="m", now_s=NOW)


def test_rolled_back_version(seen: TrustState) -> None:
    with pytest.raises(
        HeadError, match="version 5 or later of 'm' is required, since that is known here, got the older v"
    ):
        accept_stamp(seen, stamp(4, issued_s=NOW + 1), name="m", now_s=NOW)


def test_two_heads_of_one_version(seen: TrustState) -> None:
    with pytest.raises(HeadError, match="one head of version 5 of 'm' is required, got two that differ"):
        accept_stamp(seen, stamp(head=OTHER_HEAD, issued_s=NOW + 1), name="m", now_s=NOW)


def test_frozen_server(seen: TrustState) -> None:
    with pytest.raises(HeadError, match="a stamp that counts is required, got one that expired at 1100 s: the server"):
        accept_stamp(seen, stamp(), name="m", now_s=NOW + 100)


def test_clock_set_back_revives_nothing(seen: TrustState) -> None:
    later, _ = accept_stamp(seen, stamp(issued_s=NOW + 5_000, expires_s=NOW + 6_000), name="m", now_s=NOW)
    with pytest.raises(HeadError, match="got a replay of 1000 s"):
        accept_stamp(later, stamp(), name="m", now_s=NOW)
    other = stamp(name="other", issued_s=NOW, expires_s=NOW + 100)
    with pytest.raises(HeadError, match="got one that expired at 1100 s"):
        accept_stamp(later, other, name="other", now_s=NOW)
    with pytest.raises(HeadError, match="a head that counts is required, got one that expired at 5999 s"):
        accept_head(
            later, Stamp("m", 5, HEAD, NOW, 0), name="m", version=5, sha256=HEAD, expires_s=5_999, now_s=NOW
        )  # fmt: skip


def test_clock_that_runs_ahead_spoils_nothing(seen: TrustState) -> None:
    with pytest.raises(HeadError, match="got one that expired"):
        accept_stamp(seen, stamp(issued_s=NOW + 1), name="m", now_s=2**40)
    assert accept_stamp(seen, stamp(issued_s=NOW + 1), name="m", now_s=NOW + 1)[1].version == 5


@pytest.mark.parametrize(
    "changed", [{"sha256": OTHER_HEAD}, {"version": 6}, {"name": "other"}], ids=["sha256", "version", "name"]
)
def test_head_that_is_not_the_one_of_the_stamp(changed: dict[str, Any]) -> None:
    state, found = accept_stamp(STATE, stamp(), name="m", now_s=NOW)
    fields: dict[str, Any] = {"name": "m", "version": 5, "sha256": HEAD} | changed
    with pytest.raises(HeadError, match=r"the head abab.* of version 5 of 'm' is required, got"):
        accept_head(state, found, expires_s=LATER, now_s=NOW, **fields)


def test_nothing_is_believed_before_a_trust_document() -> None:
    for call in (lambda: head_verifier(TrustState()), lambda: accept_stamp(TrustState(), stamp(), name="m", now_s=NOW)):
        with pytest.raises(TrustError, match="an accepted trust document is required first, got none"):
            call()


def test_too_many_signatures() -> None:
    many = [PUBLISHER.sign(b"x")] * (MOST_SIGNATURES + 1)
    with pytest.raises(TrustError, match="at most 64 signatures are allowed, got 65"):
        head_verifier(STATE)(b"x", many)
    data = json.dumps({"signed": "x", "signatures": [s.to_json() for s in many]}).encode()
    with pytest.raises(TrustError, match="at most 64 signatures are allowed, got 65"):
        accept_stamp(STATE, data, name="m", now_s=NOW)


def test_oversized_and_recursive_documents() -> None:
    with pytest.raises(HeadError, match="a stamp of at most 16384 bytes is required, got 16385"):
        accept_stamp(STATE, b" " * (MOST_STAMP_BYTES + 1), name="m", now_s=NOW)
    with pytest.raises(TrustError, match="a trust chain of at most 1048576 bytes is required, got 1048577"):
        accept_trust(STATE, b" " * (MOST_TRUST_BYTES + 1), now_s=NOW)
    deep = "a stamp must be nested at most 24 deep, got 16000"
    for data, text in (
        (b"[" * 16_000, deep),
        *((data, "a stamp must be JSON, got: ") for data in (b"\xff", b"", b"9" * 10_000)),
    ):
        with pytest.raises(HeadError, match=text):
            accept_stamp(STATE, data, name="m", now_s=NOW)
        with pytest.raises(TrustError, match="a trust chain"):
            accept_trust(STATE, data, now_s=NOW)


def test_text_that_is_no_unicode() -> None:
    data = b'{"signed": "\\ud800", "signatures": []}'
    with pytest.raises(TrustError, match="of the online role are required, got 0"):
        accept_stamp(STATE, data, name="m", now_s=NOW)
    with pytest.raises(TrustError, match="a trust document must be JSON"):
        accept_trust(STATE, b'{"format": 1, "trust": [' + data + b"]}", now_s=NOW)


BAD_DOCUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "type": ({"type": "stamp"}, "a trust document of format 1 is required, got something else"),
    "format": ({"format": 2}, "a trust document of format 1 is required, got something else"),
    "roles": ({"roles": {}}, "must have keys and the roles root, publisher, online, got others"),
    "version": ({"version": 0}, "the version of a trust document must be >= 1, got 0"),
    "negative": ({"version": -1}, "version must be an integer >= 0, got -1"),
    "boolean": ({"version": True}, "version must be an integer >= 0, got True"),
    "float": ({"expires_s": 1.5}, "expires_s must be an integer >= 0, got 1.5"),
    "huge": ({"expires_s": 2**53}, "expires_s must be an integer >= 0, got 9007199254740992"),
    "key": ({"keys": {"x": 1}}, "a public key must be 64 hexadecimal digits, got 1"),
}


@pytest.mark.parametrize(("changed", "text"), BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS)
def test_documents_that_say_what_cannot_be(changed: dict[str, Any], text: str) -> None:
    with pytest.raises(TrustError, match=text):
        TrustDocument.from_json({**document().to_json(), **changed})


BAD_ROLES: dict[str, tuple[Any, str]] = {
    "nothing": (None, "the root role must have keys of the document, got others or none"),
    "none": ({"keys": [], "threshold": 1}, "the root role must have keys of the document, got others or none"),
    "unknown": ({"keys": ["00" * 32], "threshold": 1}, "the root role must have keys of the document, got others"),
    "twice": ({"keys": [ROOT.id, ROOT.id], "threshold": 2}, "the root role must name each key once, got one twice"),
    "zero": ({"keys": [ROOT.id], "threshold": 0}, "the threshold of the root role must be 1 to 1, got 0"),
    "many": ({"keys": [ROOT.id], "threshold": 2}, "the threshold of the root role must be 1 to 1, got 2"),
    "boolean": ({"keys": [ROOT.id], "threshold": True}, "the threshold of the root role must be 1 to 1, got True"),
}


@pytest.mark.parametrize(("role", "text"), BAD_ROLES.values(), ids=BAD_ROLES)
def test_roles_that_say_what_cannot_be(role: Any, text: str) -> None:
    value = document().to_json()
    value["roles"]["root"] = role
    with pytest.raises(TrustError, match=text):
        TrustDocument.from_json(value)


def test_chains_and_signatures_that_are_none() -> None:
    for data in (b"[]", b"{}", b'{"format": 1, "trust": []}', b'{"format": 2, "trust": [1]}'):
        with pytest.raises(TrustError, match="a trust chain of format 1 with a document is required, got none"):
            read_chain(data)
    with pytest.raises(TrustError, match="a signed text and its signatures are required, got something else"):
        read_chain(b'{"format": 1, "trust": [1]}')
    with pytest.raises(TrustError, match="a signature must name its key by 64 hexadecimal digits, got None"):
        Signature.from_json([])
    with pytest.raises(TrustError, match="a signature must have 128 hexadecimal digits, got 'AB'"):
        Signature.from_json({"key": HEAD, "signature": "AB"})


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"type": "trust"}, "a stamp of format 1 is required, got something else"),
        ({"head": "../../etc/passwd"}, "a stamp must have a name and the 64 hexadecimal digits of a head, got '../../"),
        ({"version": "5"}, "version must be an integer >= 0, got '5'"),
    ],
)
def test_signed_stamps_that_say_what_cannot_be(changed: dict[str, Any], text: str) -> None:
    told = json.dumps({**Stamp("m", 5, HEAD, NOW, NOW + 100).to_json(), **changed})
    signed = Signed(told, (ONLINE.sign(b"netgraft stamp 1\n" + told.encode()),))
    with pytest.raises(HeadError, match=text):
        accept_stamp(STATE, json.dumps(signed.to_json()).encode(), name="m", now_s=NOW)


def test_failed_checks_change_nothing(seen: TrustState) -> None:
    before = replace(seen)
    for data in (stamp(4), stamp(signer=ATTACKER), stamp(issued_s=1), b"{}"):
        with pytest.raises((HeadError, TrustError)):
            accept_stamp(seen, data, name="m", now_s=NOW)
    assert seen == before
    assert seen.seen["m"] == Seen(NOW, 5, HEAD)
