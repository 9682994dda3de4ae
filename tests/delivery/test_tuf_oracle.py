"""The rules of trust beside python-tuf: the same offers are made to both, and both accept or refuse them alike.

A trust document is TUF's root, a stamp its timestamp; a head is snapshot and targets at once, both of them signed by
publishers. The oracle takes the steps of TUF's client workflow (specification 1.0, section 5.3 to 5.6) on metadata in
memory, with the files that were accepted before read first. What they judge otherwise, on purpose, has a case each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netgraft.delivery.trust.accepting import (
    Signature,
    SigningKey,
    Stamp,
    TrustDocument,
    TrustState,
    accept_head,
    accept_stamp,
    accept_trust,
    head_verifier,
    sign_stamp,
    sign_trust,
    trust_chain,
)
from netgraft.delivery.trust.document import TRUST_MESSAGE
from netgraft.delivery.trust.signed import json_text
from netgraft.errors import NetgraftError

pytest.importorskip("tuf", reason="python-tuf is the oracle: pip install 'netgraft[dev]'")

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import EqualVersionNumberError, RepositoryError
from tuf.api.metadata import Key, Metadata, MetaFile, Role, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

NAME, MESSAGE = "m", b"netgraft head 1\n"
NOW, FAR = 1_000, 10**9
POOL = 12
Keys = tuple[int, ...]


@dataclass(frozen=True)
class Roles:
    """Which keys, by number, have each role, and how many of them must sign."""

    root: Keys = (1,)
    online: Keys = (2,)
    publisher: Keys = (3,)
    thresholds: tuple[int, int, int] = (1, 1, 1)


@dataclass(frozen=True)
class Rooted:
    """A trust document and who signs it."""

    version: int = 1
    roles: Roles = Roles()
    signers: Keys = (1,)
    expires_s: int = FAR


@dataclass(frozen=True)
class Headed:
    """A head and who signs it; heads of one version with another content are different heads."""

    version: int = 1
    content: int = 0
    signers: Keys = (3,)
    expires_s: int = FAR

    @property
    def message(self) -> bytes:
        return MESSAGE + f"{self.version} {self.content} {self.expires_s}".encode()

    @property
    def sha256(self) -> str:
        return sha256(self.message).hexdigest()


@dataclass(frozen=True)
class Stamped:
    """A stamp, the head that it names, and who signs it."""

    issued_s: int = NOW
    names: Headed = Headed()
    signers: Keys = (2,)
    expires_s: int = FAR
    version: int | None = None  # that it says, where that is not the head's

    @property
    def said(self) -> int:
        return self.names.version if self.version is None else self.version


@dataclass(frozen=True)
class Offer:
    """What a server gives at some time of the device's clock."""

    trust: tuple[Rooted, ...] = (Rooted(),)
    stamp: Stamped = Stamped()
    head: Headed = Headed()
    now_s: int = NOW


@cache
def key(number: int) -> SigningKey:
    return SigningKey(bytes([number]) * 32)


@cache
def signer(number: int) -> CryptoSigner:
    return CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


@dataclass
class Ours:
    """A device with the rules of `netgraft.delivery.trust.accepting`."""

    state: TrustState = field(default_factory=TrustState)
    held: dict[str, Headed] = field(default_factory=dict)

    def refresh(self, offer: Offer) -> tuple[int, int]:
        """Return version and content of the head that is accepted; what was accepted is kept as soon as it counts."""
        self.state = accept_trust(self.state, chain_of(offer.trust), now_s=offer.now_s)
        after, stamp = accept_stamp(self.state, stamp_of(offer.stamp), name=NAME, now_s=offer.now_s)
        self.state = after
        verify, head = head_verifier(after), self._held(after, stamp) or offer.head
        verify(head.message, [key(n).sign(head.message) for n in head.signers])
        self.state = accept_head(
            after,
            stamp,
            name=NAME,
            version=head.version,
            sha256=head.sha256,
            expires_s=head.expires_s,
            now_s=offer.now_s,
        )
        self.held[head.sha256] = head
        return head.version, head.content

    def _held(self, state: TrustState, stamp: Stamp) -> Headed | None:
        """Return a stamp's head where it is held and still signed by enough publishers."""
        head = self.held.get(stamp.head)
        try:
            if head is not None:
                head_verifier(state)(head.message, [key(n).sign(head.message) for n in head.signers])
        except NetgraftError:
            return None
        return head


@dataclass
class Oracle:
    """A device with the rules of python-tuf."""

    root: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)

    def refresh(self, offer: Offer) -> tuple[int, int]:
        """Return version and content of the targets that are accepted."""
        self.root = self.root or root_of(offer.trust[0])
        trusted = TrustedMetadataSet(self.root, EnvelopeType.METADATA)
        trusted.reference_time = at(offer.now_s)
        for document in offer.trust:
            if document.version > trusted.root.version:
                trusted.update_root(root_of(document))
                self.root = root_of(document)
        self._held("timestamp", trusted.update_timestamp)
        with suppress(EqualVersionNumberError):  # the one that is held goes on
            self._take("timestamp", timestamp_of(offer), trusted.update_timestamp)
        if not self._held("snapshot", lambda data: trusted.update_snapshot(data, trusted=True)):
            self._take("snapshot", snapshot_of(offer.head), trusted.update_snapshot)
        if not self._held("targets", trusted.update_targets):
            self._take("targets", targets_of(offer.head), trusted.update_targets)
        return trusted.targets.version, trusted.targets.targets["model"].length

    def _held(self, name: str, update: Callable[[bytes], Any]) -> bool:
        """Return whether what was accepted before still counts as the last word."""
        try:
            if name in self.files:
                update(self.files[name])
        except RepositoryError:
            return False
        return name in self.files

    def _take(self, name: str, data: bytes, update: Callable[[bytes], Any]) -> None:
        update(data)
        self.files[name] = data


def chain_of(trust: Iterable[Rooted]) -> bytes:
    return trust_chain([sign_trust(_document(each), map(key, each.signers)) for each in trust])


def _document(given_: Rooted) -> TrustDocument:
    roles = given_.roles
    root, online, publisher = ([key(n).public for n in keys] for keys in (roles.root, roles.online, roles.publisher))
    thresholds = dict(zip(("root", "online", "publisher"), roles.thresholds, strict=True))
    return TrustDocument.of(
        given_.version, given_.expires_s, root=root, online=online, publisher=publisher, thresholds=thresholds
    )


def stamp_of(given_: Stamped) -> bytes:
    stamp = Stamp(NAME, given_.said, given_.names.sha256, given_.issued_s, given_.expires_s)
    return sign_stamp(stamp, map(key, given_.signers))


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def signed(what: Any, signers: Keys) -> bytes:
    metadata = Metadata(what)
    for number in signers:
        metadata.sign(signer(number), append=True)
    return metadata.to_bytes()


def root_of(given_: Rooted) -> bytes:
    roles = given_.roles
    root, online, publisher = (
        Role([signer(n).public_key.keyid for n in keys], threshold)
        for keys, threshold in zip((roles.root, roles.online, roles.publisher), roles.thresholds, strict=True)
    )
    keys: dict[str, Key] = {
        signer(n).public_key.keyid: signer(n).public_key for n in (*roles.root, *roles.online, *roles.publisher)
    }
    by_role = {"root": root, "timestamp": online, "snapshot": publisher, "targets": publisher}
    return signed(Root(version=given_.version, expires=at(given_.expires_s), keys=keys, roles=by_role), given_.signers)


def timestamp_of(offer: Offer) -> bytes:
    stamp, head = offer.stamp, offer.head
    named = head if stamp.names.sha256 == head.sha256 else stamp.names  # the hash is of the file with its signatures
    meta = MetaFile(stamp.said, hashes={"sha256": sha256(snapshot_of(named)).hexdigest()})
    return signed(Timestamp(version=stamp.issued_s, expires=at(stamp.expires_s), snapshot_meta=meta), stamp.signers)


def snapshot_of(head: Headed) -> bytes:
    meta = {"targets.json": MetaFile(head.version, hashes={"sha256": sha256(targets_of(head)).hexdigest()})}
    return signed(Snapshot(version=head.version, expires=at(head.expires_s), meta=meta), head.signers)


def targets_of(head: Headed) -> bytes:
    model = TargetFile(head.content, {"sha256": head.sha256}, "model")
    return signed(Targets(version=head.version, expires=at(head.expires_s), targets={"model": model}), head.signers)


def told(device: Ours | Oracle, offer: Offer) -> tuple[int, int] | None:
    """Return what a device accepts, None where it refuses."""
    try:
        return device.refresh(offer)
    except (NetgraftError, RepositoryError):
        return None


def verdicts(*offers: Offer) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return what we and the oracle say to the last of some offers."""
    ours, oracle = Ours(), Oracle()
    for offer in offers:
        said = told(ours, offer), told(oracle, offer)
    return said


TWO = Roles(root=(1, 4), online=(2, 5), publisher=(3, 6), thresholds=(2, 2, 2))
FIRST = Offer()
LATER = Offer(stamp=Stamped(NOW + 10, Headed(5)), head=Headed(5), now_s=NOW + 10)


def follows(roles: Roles, *signers: int, version: int = 2, **changed: Any) -> tuple[Rooted, ...]:
    return (Rooted(), Rooted(version, roles, signers, **changed))


def later(offer: Offer = LATER, **changed: Any) -> Offer:
    """Return an offer ten seconds after another, of a stamp that is as much newer."""
    stamp = replace(offer.stamp, issued_s=offer.stamp.issued_s + 10)
    return replace(replace(offer, stamp=stamp, now_s=offer.now_s + 10), **changed)


def of_head(head: Headed, offer: Offer = LATER, **stamp: Any) -> Offer:
    """Return a later offer of a head that its stamp names."""
    made = later(offer)
    return replace(made, head=head, stamp=replace(made.stamp, names=head, **stamp))


NEW_ROOT, NEW_ONLINE = Roles(root=(7,)), Roles(online=(8,), publisher=(9,))
ACCEPTED: dict[str, tuple[Offer, ...]] = {
    "first contact": (FIRST,),
    "the same again, newly stamped": (FIRST, later(FIRST)),
    "a further version": (FIRST, LATER),
    "versions left out": (FIRST, LATER, of_head(Headed(90))),
    "root key replaced, signed by old and new": (FIRST, later(FIRST, trust=follows(NEW_ROOT, 1, 7))),
    "more keys signed than must": (FIRST, later(FIRST, trust=follows(NEW_ROOT, 1, 7, 8, 9))),
    "an expired root on the way": (
        FIRST,
        later(FIRST, trust=(*follows(NEW_ROOT, 1, 7, expires_s=5), Rooted(3, NEW_ROOT, (7,)))),
    ),
    "thresholds of two reached": (
        Offer((Rooted(1, TWO, (1, 4)),), Stamped(signers=(2, 5), names=Headed(signers=(3, 6))), Headed(signers=(3, 6))),
    ),
    "online and publisher withdrawn: their versions are forgotten": (
        LATER,
        Offer(follows(NEW_ONLINE, 1), Stamped(NOW, Headed(2), (8,)), Headed(2, signers=(9,)), NOW + 20),
    ),
    "a head that is held needs no server": (LATER, replace(later(), head=Headed(77, signers=()))),
}
REFUSED: dict[str, tuple[Offer, ...]] = {
    "root not signed by the old key": (FIRST, later(FIRST, trust=follows(NEW_ROOT, 7))),
    "root not signed by the new key": (FIRST, later(FIRST, trust=follows(NEW_ROOT, 1))),
    "first root signed by one of two": (Offer((Rooted(1, TWO, (1,)),)),),
    "root version left out": (FIRST, later(FIRST, trust=follows(NEW_ROOT, 1, 7, version=3))),
    "the newest root has expired": (FIRST, later(FIRST, trust=follows(NEW_ROOT, 1, 7, expires_s=NOW + 10))),
    "the only root has expired": (Offer((Rooted(expires_s=NOW),)),),
    "a withdrawn online key stamps on": (LATER, later(trust=follows(NEW_ONLINE, 1))),
    "a stamp by a key of another role": (FIRST, of_head(Headed(6), signers=(3,))),
    "a stamp by one of two": (
        Offer((Rooted(1, TWO, (1, 4)),), Stamped(names=Headed(signers=(3, 6))), Headed(signers=(3, 6))),
    ),
    "a stamp without signature": (FIRST, of_head(Headed(6), signers=())),
    "a stamp that has expired: freeze": (FIRST, later(FIRST, stamp=Stamped(NOW + 5, expires_s=NOW + 10))),
    "a stamp from before: replay": (LATER, replace(LATER, stamp=replace(LATER.stamp, issued_s=NOW + 9))),
    "a version from before: rollback": (LATER, of_head(Headed(4))),
    "a version from before after the online key changed": (
        LATER,
        replace(of_head(Headed(4), signers=(8,)), trust=follows(Roles(online=(8,)), 1)),
    ),
    "a head by a key of another role": (FIRST, of_head(Headed(6, signers=(2,)))),
    "a head that has expired": (FIRST, of_head(Headed(6, expires_s=NOW + 20))),
    "another head than the stamp names": (FIRST, replace(of_head(Headed(6)), head=Headed(6, content=1))),
    "an older head under the newest stamp: mix and match": (LATER, replace(of_head(Headed(6)), head=Headed(5))),
    "a stamp that says another version than its head": (FIRST, of_head(Headed(6), version=7)),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_both_accept(name: str) -> None:
    ours, theirs = verdicts(*ACCEPTED[name])
    assert ours == theirs
    assert ours is not None


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse(name: str) -> None:
    assert all(None not in verdicts(*REFUSED[name][: n + 1]) for n in range(len(REFUSED[name]) - 1))
    assert verdicts(*REFUSED[name]) == (None, None)


#: What they do otherwise, on purpose: offers, our verdict on the last, python-tuf's.
DIFFERENCES: dict[str, tuple[tuple[Offer, ...], tuple[int, int] | None, tuple[int, int] | None]] = {
    # time never goes back: what had expired at the latest time seen stays so, whatever the clock says now
    "the clock was set back": (
        (LATER, replace(later(), stamp=replace(later().stamp, expires_s=NOW + 9), now_s=NOW)),
        None,
        (5, 0),
    ),
    # a stamp tells the time to a device whose clock is slow, so an expired head is known to be so
    "the clock is slow": (
        (FIRST, replace(of_head(Headed(6, expires_s=NOW + 15)), now_s=NOW)),
        None,
        (6, 0),
    ),
    # a server gives all documents at once: one that gives fewer than were seen is behind, and another is asked
    "a chain that ends before what was accepted": (
        (replace(LATER, trust=follows(NEW_ROOT, 1, 7)), later()),
        None,
        (5, 0),
    ),
    # TUF never looks at roots it has; two documents of one version are proof of a forgery
    "another document of a version that was accepted": (
        (LATER, later(trust=(replace(Rooted(), expires_s=FAR - 1),))),
        None,
        (5, 0),
    ),
    # a stamp's time stands for TUF's count of timestamps: two in one second are no replay
    "a newer version in the same second": (
        (FIRST, replace(of_head(Headed(6)), stamp=Stamped(NOW, Headed(6)))),
        (6, 0),
        (1, 0),
    ),
    # TUF keeps what it has and says nothing; a version has one head for ever, so a second one is told as an error
    "another head of the version that is held": ((LATER, of_head(Headed(5, content=1))), None, (5, 0)),
    # TUF 5.3.11 forgets timestamp and snapshot when either key changes; python-tuf keeps what still verifies, here the
    # timestamp with its version. We forget the versions that a withdrawn publisher may have driven ahead
    "only the publisher was withdrawn": (
        (LATER, replace(of_head(Headed(2, signers=(9,))), trust=follows(Roles(publisher=(9,)), 1))),
        (2, 0),
        None,
    ),
    # a stolen online key alone cannot drive versions ahead: one counts only when a publisher signed its head
    "a version that was stamped, its head never signed": (
        (LATER, of_head(Headed(90, signers=())), of_head(Headed(6), later())),
        (6, 0),
        None,
    ),
    # a chain counts whole or not at all; TUF keeps the first step, so it no longer knows the withdrawn online key
    "a chain whose second step is forged": (
        (LATER, later(trust=(*follows(NEW_ONLINE, 1), Rooted(3, NEW_ROOT, (7,)))), later(later())),
        (5, 0),
        None,
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_known_differences(name: str) -> None:
    offers, ours, theirs = DIFFERENCES[name]
    assert verdicts(*offers) == (ours, theirs)


def test_one_key_under_two_ids_counts_once_for_us() -> None:
    """TUF leaves key ids to the repository, so there one key can reach a threshold of two; ours are hashes."""
    public = signer(1).public_key
    other = Key.from_dict("other", public.to_dict())
    roles = {"root": Role([public.keyid, "other"], 2)} | {
        name: Role([public.keyid], 1) for name in ("timestamp", "snapshot", "targets")
    }
    metadata = Metadata(Root(expires=at(FAR), keys={public.keyid: public, "other": other}, roles=roles))
    metadata.sign(signer(1))
    mine = metadata.signatures[public.keyid]
    metadata.signatures["other"] = type(mine)("other", mine.signature)
    assert TrustedMetadataSet(metadata.to_bytes(), EnvelopeType.METADATA).root.version == 1

    document = _document(Rooted(roles=Roles(root=(1, 4), thresholds=(2, 1, 1)))).to_json()
    document["keys"][key(4).id] = document["keys"][key(1).id]
    text = json_text(document)
    made = {"signed": text, "signatures": [key(1).sign(TRUST_MESSAGE + text.encode()).to_json()]}
    with pytest.raises(NetgraftError, match="a key's id must be the SHA-256 of the key"):
        accept_trust(TrustState(), json_text({"format": 1, "trust": [made]}).encode(), now_s=NOW)


def test_one_signature_twice_counts_once_for_us_and_spoils_the_file_for_tuf() -> None:
    text = json_text(_document(Rooted()).to_json())
    twice = [key(1).sign(TRUST_MESSAGE + text.encode())] * 2
    made = {"signed": text, "signatures": [Signature.to_json(each) for each in twice]}
    chain = json_text({"format": 1, "trust": [made]}).encode()
    assert accept_trust(TrustState(), chain, now_s=NOW).trust == _document(Rooted())
    root = json.loads(root_of(Rooted()))
    root["signatures"] *= 2
    with pytest.raises(RepositoryError):
        TrustedMetadataSet(json.dumps(root).encode(), EnvelopeType.METADATA)


numbers = st.integers(1, POOL)
some_keys = st.sets(numbers, min_size=1, max_size=3).map(lambda keys: tuple(sorted(keys)))


@st.composite
def some_roles(draw: st.DrawFn, before: Roles | None = None) -> Roles:
    """Draw roles; after others, the online keys stay or are all new, and publishers change with them only."""
    root, online, publisher = draw(some_keys), draw(some_keys), draw(some_keys)
    if before is not None:
        changed = draw(st.sampled_from(["root", "online", "both"]))
        root = root if changed == "root" else before.root
        online = before.online if changed == "root" else online
        publisher = publisher if changed == "both" else before.publisher
        assume(online == before.online or not set(online) & set(before.online))
        assume(publisher == before.publisher or not set(publisher) & set(before.publisher))
    thresholds = tuple(draw(st.integers(1, len(keys))) for keys in (root, online, publisher))
    return Roles(root, online, publisher, thresholds)  # type: ignore[arg-type]


@st.composite
def signers_of(draw: st.DrawFn, *roles: Keys) -> Keys:
    """Draw who signs: mostly all of some roles, else anyone."""
    enough = tuple(sorted({number for keys in roles for number in keys}))
    return draw(st.one_of(st.just(enough), st.just(enough), st.sets(numbers, max_size=6).map(tuple)))


def honest(trust: tuple[Rooted, ...], version: int, now_s: int) -> Offer:
    """Return what a server gives when nobody lies."""
    roles = trust[-1].roles
    head = Headed(version, signers=roles.publisher)
    return Offer(trust, Stamped(now_s, head, roles.online, now_s + 100), head, now_s)


@st.composite
def histories(draw: st.DrawFn) -> list[Offer]:
    """Draw honest offers: keys are replaced, versions rise, time passes."""
    roles = draw(some_roles())
    trust, version, now_s = (Rooted(1, roles, roles.root),), draw(st.integers(1, 3)), NOW
    made = [honest(trust, version, now_s)]
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            new = draw(some_roles(before=roles))
            trust += (Rooted(len(trust) + 1, new, tuple({*roles.root, *new.root})),)
            roles = new
        version, now_s = version + draw(st.integers(0, 2)), now_s + draw(st.integers(1, 30))
        made.append(honest(trust, version, now_s))
    return made


@st.composite
def any_offer(draw: st.DrawFn, before: Offer) -> Offer:
    """Draw an offer by a server that may lie in everything but what is known to be judged otherwise."""
    trust = before.trust
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        roles, new = trust[-1].roles, draw(some_roles(before=trust[-1].roles))
        version = trust[-1].version + draw(st.sampled_from([1, 1, 1, 2]))
        expires_s = draw(st.sampled_from([FAR, FAR, before.now_s]))
        trust += (Rooted(version, new, draw(signers_of(roles.root, new.root)), expires_s),)
    roles, now_s = trust[-1].roles, before.now_s + draw(st.integers(0, 30))
    issued_s = before.stamp.issued_s + draw(st.integers(-10, 30).filter(bool))
    assume(issued_s <= now_s)
    version = max(1, before.head.version + draw(st.integers(-2, 3)))
    content = 0 if version == before.head.version else draw(st.integers(0, 1))
    expires_s = FAR if version == before.head.version else draw(st.sampled_from([FAR, FAR, now_s]))
    head = Headed(version, content, draw(signers_of(roles.publisher)), expires_s)
    names = draw(st.sampled_from([head, head, head, replace(head, version=version + 1), replace(head, content=2)]))
    said = draw(st.sampled_from([None, None, None, names.version + 1]))
    stamp = Stamped(issued_s, names, draw(signers_of(roles.online)), now_s + draw(st.integers(-2, 50)), said)
    assume(stamp.said != before.head.version or names.sha256 == before.head.sha256)
    return Offer(trust, stamp, head, now_s)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_after_any_honest_history_any_offer_is_judged_alike(data: st.DataObject) -> None:
    history = data.draw(histories())
    ours, oracle = Ours(), Oracle()
    for offer in history:
        assert told(ours, offer) == told(oracle, offer) == (offer.head.version, 0)
    offer = data.draw(any_offer(history[-1]))
    said = told(ours, offer)
    assert said == told(oracle, offer)
    if said is None and offer.trust == history[-1].trust:
        now_s = offer.now_s + 31
        again = honest(offer.trust, max(offer.stamp.said, history[-1].head.version) + 1, now_s)
        assert told(ours, again) == told(oracle, again) == (again.head.version, 0)
