from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.delivery.trust.accepting import (
    PublicKey,
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
    newest_trust,
    read_chain,
    sign_stamp,
    sign_trust,
    trust_chain,
    verified_chain,
)
from netgraft.errors import OutputError, TrustError

#: RFC 8032, section 7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNED = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
NOW, LATER = 1_000, 10_000
HEAD = "ab" * 32


def key(number: int) -> SigningKey:
    return SigningKey(bytes([number]) * 32)


ROOT, PUBLISHER, ONLINE = key(1), key(2), key(3)


def document(version: int = 1, **changed: object) -> TrustDocument:
    settings: dict[str, object] = {
        "root": [ROOT.public], "publisher": [PUBLISHER.public], "online": [ONLINE.public], "thresholds": None,
    }  # fmt: skip
    settings |= changed
    expires_s = int(settings.pop("expires_s", LATER))  # type: ignore[call-overload]
    return TrustDocument.of(version, expires_s, **settings)  # type: ignore[arg-type]


def accepted(*signers: SigningKey, state: TrustState | None = None, **changed: object) -> TrustState:
    chain = trust_chain([sign_trust(document(**changed), signers or (ROOT,))])  # type: ignore[arg-type]
    return accept_trust(state or TrustState(), chain, now_s=NOW)


def stamp(version: int = 1, *, head: str = HEAD, issued_s: int = NOW, expires_s: int = NOW + 100) -> bytes:
    return sign_stamp(Stamp("m", version, head, issued_s, expires_s), [ONLINE])


def test_key_makes_the_signature_of_the_standard() -> None:
    signing = SigningKey(SEED)
    assert signing.public.raw.hex() == PUBLIC
    assert signing.sign(b"\x72").signature == SIGNED
    assert signing.public.verifies(b"\x72", Signature(signing.id, SIGNED))
    assert not signing.public.verifies(b"\x73", Signature(signing.id, SIGNED))
    assert not signing.public.verifies(b"\x72", Signature(key(1).id, SIGNED))


def test_key_pair_survives_its_files(tmp_path: Path) -> None:
    beside = ROOT.write(tmp_path / "k")
    assert beside == tmp_path / "k.pub"
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    assert SigningKey.read(tmp_path / "k") == ROOT
    assert PublicKey.read(beside) == ROOT.public
    assert b"secret" not in repr(ROOT).encode()
    assert ROOT.seed.hex() not in repr(ROOT)


@pytest.mark.parametrize("name", ["k", "k.pub"])
def test_key_file_is_never_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match=f"a new file is required, got .*{name}, which is there already"):
        ROOT.write(tmp_path / "k")
    assert (tmp_path / name).read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_key_file_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a file that can be written is required, got .*: No such file"):
        ROOT.write(tmp_path / "no" / "k")


def test_files_that_are_no_keys_are_refused(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(TrustError, match="a PEM file with an Ed25519 signing key is required, got something else"):
        SigningKey.read(tmp_path / "k")
    with pytest.raises(TrustError, match="a PEM file with an Ed25519 public key is required, got something else"):
        PublicKey.read(tmp_path / "k")
    with pytest.raises(TrustError, match=r"a key file that can be read is required, got .*: No such file"):
        PublicKey.read(tmp_path / "absent")


def test_other_kinds_of_keys_are_refused() -> None:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    other = X25519PrivateKey.from_private_bytes(SEED)
    private = other.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    public = other.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(TrustError, match="an Ed25519 signing key is required, got X25519PrivateKey"):
        SigningKey.from_pem(private)
    with pytest.raises(TrustError, match="an Ed25519 public key is required, got X25519PublicKey"):
        PublicKey.from_pem(public)


def test_keys_have_their_length() -> None:
    with pytest.raises(TrustError, match="a public key must have 32 bytes, got 3"):
        PublicKey(b"abc")
    with pytest.raises(TrustError, match="a signing key must have 32 secret bytes, got 0"):
        SigningKey(b"")


def test_new_keys_differ_and_take_their_secret_from_where_they_are_told() -> None:
    assert SigningKey.new() != SigningKey.new()
    assert SigningKey.new(lambda size: b"\x01" * size) == ROOT


def test_documents_and_states_survive_json() -> None:
    state = replace(accepted(), seen={"m": Seen(5, 2, HEAD)}, latest_s=7)
    assert TrustState.from_json(state.to_json()) == state
    assert TrustState.from_json(TrustState().to_json()) == TrustState()
    found = Stamp("m", 1, HEAD, 2, 3)
    assert Stamp.from_json(found.to_json()) == found


def test_stored_state_without_a_field_is_refused() -> None:
    with pytest.raises(TrustError, match="a stored trust state must have every field, got none for 'trust'"):
        TrustState.from_json({})


def test_device_follows_root_keys_step_by_step() -> None:
    second, third = key(11), key(12)
    chain = trust_chain([sign_trust(document(), [ROOT])])
    first = accept_trust(TrustState(), chain, now_s=NOW)
    chain = extend_chain(chain, document(2, root=[second.public]), [ROOT, second])
    chain = extend_chain(chain, document(3, root=[third.public]), [second, third])
    for state in (first, TrustState()):
        found = accept_trust(state, chain, now_s=NOW)
        assert found.trust == newest_trust(chain)
        assert found.pinned == (ROOT.id,)
    assert len(read_chain(chain)) == 3


def test_new_device_begins_at_the_first_document_that_its_key_signed() -> None:
    second, third = key(4), key(5)
    chain = trust_chain([sign_trust(document(), [ROOT])])
    chain = extend_chain(chain, document(2, root=[ROOT.public, second.public]), [ROOT])  # named, but did not sign
    chain = extend_chain(chain, document(3, root=[second.public, third.public]), [ROOT, second])
    chain = extend_chain(chain, document(4, root=[third.public]), [second, third])
    for known, pinned in ((ROOT, (ROOT.id,)), (second, (second.id, third.id)), (third, (third.id,))):
        state = accept_trust(TrustState(), chain, now_s=NOW, pinned=known.public)
        assert state.trust is not None
        assert (state.trust.version, state.pinned) == (4, pinned)
        assert accept_trust(state, chain, now_s=NOW, pinned=known.public) == state
    with pytest.raises(TrustError, match=f"a trust document signed by the root key {key(9).id[:16]}"):
        accept_trust(TrustState(), chain, now_s=NOW, pinned=key(9).public)


def test_chain_counts_from_the_first_document_that_a_known_root_key_signed() -> None:
    second, stranger = key(4), key(9)
    made = [sign_trust(document(), [ROOT]), sign_trust(document(2, root=[second.public]), [ROOT, second])]
    chain = trust_chain(made)
    assert verified_chain(chain, [ROOT.public]) == (document(), document(2, root=[second.public]))
    assert verified_chain(chain, [second.public, stranger.public]) == (document(2, root=[second.public]),)
    assert verified_chain(chain, [second.public, ROOT.public])[0].version == 1
    with pytest.raises(TrustError, match="a published trust document that a known root key signed is required, got 2"):
        verified_chain(chain, [stranger.public])


@pytest.mark.parametrize(
    ("later", "text"),
    [
        (sign_trust(document(2, root=[key(9).public]), [key(9)]), "of the root role are required, got 0 of 1"),
        (sign_trust(document(), [ROOT]), "trust of version 2 is required next, got 1"),
        (sign_trust(document(3), [ROOT]), "trust of version 2 is required next, got 3"),
    ],
)
def test_chain_that_no_root_key_went_on_with_is_refused(later: Signed, text: str) -> None:
    with pytest.raises(TrustError, match=text):
        verified_chain(trust_chain([sign_trust(document(), [ROOT]), later]), [ROOT.public])


def test_chain_begins_with_as_many_signatures_as_its_document_says() -> None:
    two = document(root=[ROOT.public, key(4).public], thresholds={"root": 2})
    with pytest.raises(TrustError, match=r"2 valid signature\(s\) of the root role are required, got 1"):
        verified_chain(trust_chain([sign_trust(two, [ROOT])]), [ROOT.public])


def test_document_that_came_before_may_come_again() -> None:
    state = accepted()
    assert accepted(state=state) == state


def test_expired_documents_between_do_not_matter() -> None:
    chain = trust_chain([sign_trust(document(expires_s=5), [ROOT])])
    chain = extend_chain(chain, document(2), [ROOT])
    assert accept_trust(TrustState(), chain, now_s=NOW).trust == document(2)


def test_stamp_then_head_are_accepted_and_remembered() -> None:
    state, found = accept_stamp(accepted(), stamp(), name="m", now_s=NOW)
    assert state.seen["m"] == Seen(NOW, 0, "")
    assert state.latest_s == NOW
    state = accept_head(state, found, name="m", version=1, sha256=HEAD, expires_s=LATER, now_s=NOW)
    assert state.seen["m"] == Seen(NOW, 1, HEAD)
    again, _ = accept_stamp(state, stamp(issued_s=NOW + 50), name="m", now_s=NOW + 50)
    assert again.seen["m"] == Seen(NOW + 50, 1, HEAD)


def test_models_are_remembered_apart() -> None:
    state, found = accept_stamp(accepted(), stamp(version=9), name="m", now_s=NOW)
    state = accept_head(state, found, name="m", version=9, sha256=HEAD, expires_s=LATER, now_s=NOW)
    other = sign_stamp(Stamp("other", 1, HEAD, NOW - 50, NOW + 100), [ONLINE])
    assert accept_stamp(state, other, name="other", now_s=NOW)[1].version == 1


def test_head_verifier_wants_as_many_publishers_as_the_document_says() -> None:
    both = [PUBLISHER.public, key(4).public]
    verify = head_verifier(accepted(publisher=both, thresholds={"publisher": 2}))
    verify(b"head", [PUBLISHER.sign(b"head"), key(4).sign(b"head")])
    with pytest.raises(TrustError, match=r"2 valid signature\(s\) of the publisher role are required, got 1 of 1"):
        verify(b"head", [PUBLISHER.sign(b"head")])


def test_slow_clock_is_helped_by_the_time_of_a_stamp() -> None:
    state, _ = accept_stamp(accepted(), stamp(issued_s=NOW, expires_s=NOW + 100), name="m", now_s=0)
    assert state.time_s(0) == NOW


def test_withdrawn_online_key_takes_its_time_and_stamps_along() -> None:
    state, found = accept_stamp(accepted(), stamp(issued_s=9_000, expires_s=9_100), name="m", now_s=NOW)
    state = accept_head(state, found, name="m", version=1, sha256=HEAD, expires_s=LATER, now_s=NOW)
    other = key(13)
    chain = trust_chain([sign_trust(document(), [ROOT])])
    chain = extend_chain(chain, document(2, online=[other.public]), [ROOT])
    state = accept_trust(state, chain, now_s=NOW)
    assert state.latest_s == 0
    assert state.seen["m"] == Seen(0, 1, HEAD)
    fresh = sign_stamp(Stamp("m", 1, HEAD, NOW + 1, NOW + 100), [other])
    assert accept_stamp(state, fresh, name="m", now_s=NOW)[1].issued_s == NOW + 1


def test_withdrawn_publisher_takes_its_versions_along_and_a_further_one_does_not() -> None:
    state = replace(accepted(), seen={"m": Seen(NOW, 2**40, HEAD)})
    chain = trust_chain([sign_trust(document(), [ROOT])])
    more = extend_chain(chain, document(2, publisher=[PUBLISHER.public, key(4).public]), [ROOT])
    assert accept_trust(state, more, now_s=NOW).seen["m"].version == 2**40
    other = extend_chain(chain, document(2, publisher=[key(4).public]), [ROOT])
    assert accept_trust(state, other, now_s=NOW).seen["m"] == Seen(NOW, 0, "")


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 60), st.integers(1, 40), st.integers(0, 90)),
        min_size=1,
        max_size=12,
    )
)
def test_what_is_accepted_never_goes_back(tried: list[tuple[int, int, int, int]]) -> None:
    state = accepted()
    for version, issued_s, life_s, now_s in tried:
        head = f"{version:064x}"
        data = stamp(version, head=head, issued_s=issued_s, expires_s=issued_s + life_s)
        before = state.seen.get("m", Seen())
        try:
            after, found = accept_stamp(state, data, name="m", now_s=now_s)
            after = accept_head(after, found, name="m", version=version, sha256=head, expires_s=LATER, now_s=now_s)
        except ValueError:
            continue
        assert after.seen["m"].issued_s >= before.issued_s
        assert after.seen["m"].version >= before.version
        assert after.latest_s >= max(state.latest_s, now_s, issued_s)
        assert found.expires_s > after.latest_s
        state = after
