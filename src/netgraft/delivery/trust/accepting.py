"""Who may say what: keys, signatures, and the rules that keep a device from being lied to.

The rules are those of The Update Framework (TUF specification 1.0, section 5), with three roles. ``root`` says which
keys count and is replaced only by a document that the old and the new root keys sign, version by version.
``publisher`` signs heads. ``online`` signs stamps: short-lived notes that say which head is the newest of a name, so
that a server cannot keep an old one alive; a stamp stands for TUF's timestamp and snapshot, because there is one head
per name.

Every function here is pure: it takes a `TrustState` and gives the next one, or raises and gives none. Whoever keeps the
state writes it down only after all checks have passed. Time never goes backwards: what counts is the latest time ever
seen with an accepted stamp, so a clock that is set back revives nothing, and a clock that once ran ahead cannot spoil
the state, because nothing is accepted then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from netgraft.delivery.strict_json import read_json
from netgraft.delivery.trust.document import (
    MOST_TRUST_BYTES,
    TRUST_MESSAGE,
    Role,
    TrustDocument,
    check_next,
    extend_chain,
    newest_trust,
    read_chain,
    sign_trust,
    trust_chain,
)
from netgraft.delivery.trust.keys import PublicKey, Signature, SigningKey
from netgraft.delivery.trust.signed import MOST_SIGNATURES, Signed, shown, signed_bytes
from netgraft.delivery.trust.stamps import MOST_STAMP_BYTES, STAMP_MESSAGE, Stamp, read_stamp, sign_stamp
from netgraft.errors import HeadError, TrustError

__all__ = [
    "MOST_SIGNATURES",
    "MOST_STAMP_BYTES",
    "MOST_TRUST_BYTES",
    "PublicKey",
    "Role",
    "Seen",
    "Signature",
    "Signed",
    "SigningKey",
    "Stamp",
    "TrustDocument",
    "TrustState",
    "accept_head",
    "accept_stamp",
    "accept_trust",
    "extend_chain",
    "head_verifier",
    "newest_trust",
    "read_chain",
    "sign_stamp",
    "sign_trust",
    "trust_chain",
    "verified_chain",
]


@dataclass(frozen=True)
class Seen:
    """What was accepted last of a name.

    Attributes:
        issued_s: of its stamp.
        version: of its head; 0 before the first.
        head: the head's SHA-256; empty before the first.
    """

    issued_s: int = 0
    version: int = 0
    head: str = ""


@dataclass(frozen=True)
class TrustState:
    """All that a device must remember to be safe from replays.

    Attributes:
        trust: the newest accepted trust document.
        pinned: ids of the root keys of the first one.
        latest_s: the latest time seen with an accepted stamp, in seconds since 1970.
        seen: what was accepted last, by name of the model.
    """

    trust: TrustDocument | None = None
    pinned: tuple[str, ...] = ()
    latest_s: int = 0
    seen: Mapping[str, Seen] = field(default_factory=dict)

    def time_s(self, now_s: int) -> int:
        """Return the time that counts: the clock's, but never earlier than the latest time seen."""
        return max(now_s, self.latest_s)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "trust": None if self.trust is None else self.trust.to_json(),
            "pinned": list(self.pinned),
            "latest_s": self.latest_s,
            "seen": {name: vars(each) for name, each in sorted(self.seen.items())},
        }

    @staticmethod
    def from_json(value: Any) -> TrustState:
        """Return the state stored by `to_json`.

        Raises:
            TrustError: a field is missing or malformed.
        """
        try:
            trust = None if value["trust"] is None else TrustDocument.from_json(value["trust"])
            seen = {
                str(name): Seen(int(each["issued_s"]), int(each["version"]), str(each["head"]))
                for name, each in value["seen"].items()
            }
            return TrustState(trust, tuple(map(str, value["pinned"])), int(value["latest_s"]), seen)
        except (KeyError, TypeError, AttributeError) as error:
            raise TrustError(f"a stored trust state must have every field, got none for {error}") from error


def accept_trust(state: TrustState, data: bytes, *, now_s: int, pinned: PublicKey | None = None) -> TrustState:
    """Return the state after a trust chain came.

    Args:
        state: before.
        data: the chain.
        now_s: seconds since 1970.
        pinned: the only key that counts for the first document, which is the first of the chain that it signed;
            without it the first document that comes is believed.

    Raises:
        TrustError: the chain is damaged, forged, older than what was accepted, leaves out a version or has expired,
            or the pinned key did not sign it.
    """
    chain = read_chain(data)
    if state.trust is None:
        state = _first(state, chain, pinned)
    elif pinned is not None and pinned.id not in state.pinned:
        raise TrustError(
            f"the key that was trusted first ({state.pinned[0][:16]}...) is required, got {pinned.id[:16]}..."
        )
    document = state.trust
    assert document is not None
    if chain[-1][1].version < document.version:
        raise TrustError(f"trust of version {document.version} or later is required, got {chain[-1][1].version}")
    for signed, found in chain:
        if found.version == document.version and found != document:
            raise TrustError(f"one trust document of version {found.version} is required, got two that differ")
        if found.version > document.version:
            check_next(document, found, signed)
            state = _recovered(state, document, found)
            document = found
    if document.expires_s <= state.time_s(now_s):
        raise TrustError(f"a trust document that counts is required, got one that expired at {document.expires_s} s")
    return replace(state, trust=document)


def verified_chain(data: bytes, keys: Sequence[PublicKey]) -> tuple[TrustDocument, ...]:
    """Return the documents of a chain from the first that a known root key signed, each checked against the one before.

    What came before that one is left out: nobody who is known vouches for it. Whether they have expired is not asked.

    Args:
        data: the chain.
        keys: root keys that are known.

    Raises:
        TrustError: the chain is damaged or forged, or none of the keys is a root key that signed one of it.
    """
    chain = read_chain(data)
    start = next((at for at, each in enumerate(chain) if any(_vouches(key, *each) for key in keys)), None)
    if start is None:
        raise TrustError(
            f"a published trust document that a known root key signed is required, got {len(chain)} that "
            f"{' and '.join(f'{key.id[:16]}...' for key in keys)} did not sign as root; --trust names a key that did"
        )
    _check_first(*chain[start])
    for (_, old), (signed, new) in pairwise(chain[start:]):
        check_next(old, new, signed)
    return tuple(document for _, document in chain[start:])


def accept_stamp(state: TrustState, data: bytes, *, name: str, now_s: int) -> tuple[TrustState, Stamp]:
    """Return the state after a stamp came, and the stamp.

    Args:
        state: before.
        data: of the stamp.
        name: of the model that was asked for.
        now_s: seconds since 1970.

    Raises:
        TrustError: it is forged, or no trust document was accepted yet.
        HeadError: it is of another model, replayed, rolled back or has expired.
    """
    signed = Signed.from_json(read_json(data, "a stamp", HeadError, most_bytes=MOST_STAMP_BYTES))
    _trusted(state).check("online", STAMP_MESSAGE + signed_bytes(signed.text), signed.signatures)
    stamp = read_stamp(signed)
    if stamp.name != name:
        raise HeadError(f"a stamp of {name!r} is required, got one of {shown(stamp.name)}")
    seen = state.seen.get(name, Seen())
    if stamp.issued_s < seen.issued_s:
        raise HeadError(f"a stamp issued at {seen.issued_s} s or later is required, got a replay of {stamp.issued_s} s")
    if stamp.version < seen.version:
        raise HeadError(
            f"version {seen.version} or later of {name!r} is required, since that is known here, got the older "
            f"version {stamp.version}"
        )
    if stamp.version == seen.version and stamp.head != seen.head:
        raise HeadError(f"one head of version {stamp.version} of {name!r} is required, got two that differ")
    latest_s = max(state.time_s(now_s), stamp.issued_s)
    if stamp.expires_s <= latest_s:
        raise HeadError(f"a stamp that counts is required, got one that expired at {stamp.expires_s} s: the server or "
                        "somebody between gives no newer one")  # fmt: skip
    accepted = replace(seen, issued_s=stamp.issued_s)
    return replace(state, latest_s=latest_s, seen={**state.seen, name: accepted}), stamp


def accept_head(
    state: TrustState, stamp: Stamp, *, name: str, version: int, sha256: str, expires_s: int, now_s: int
) -> TrustState:
    """Return the state after a head came whose signatures were checked by `head_verifier`.

    Args:
        state: after the stamp.
        stamp: accepted.
        name: that the head says.
        version: that the head says.
        sha256: of the head that came.
        expires_s: that the head says.
        now_s: seconds since 1970.

    Raises:
        HeadError: it is not the head of the stamp, or has expired.
    """
    if (name, version, sha256) != (stamp.name, stamp.version, stamp.head):
        raise HeadError(
            f"the head {stamp.head[:16]}... of version {stamp.version} of {stamp.name!r} is required, "
            f"got {sha256[:16]}... of version {version} of {shown(name)}"
        )
    if expires_s <= state.time_s(now_s):
        raise HeadError(f"a head that counts is required, got one that expired at {expires_s} s")
    return replace(state, seen={**state.seen, name: Seen(stamp.issued_s, version, sha256)})


def head_verifier(state: TrustState) -> Callable[[bytes, Sequence[Signature]], None]:
    """Return the function that checks a head's signatures; it raises TrustError when too few publishers signed.

    Raises:
        TrustError: no trust document was accepted yet.
    """
    document = _trusted(state)
    return lambda message, signatures: document.check("publisher", message, signatures)


def _trusted(state: TrustState) -> TrustDocument:
    if state.trust is None:
        raise TrustError("an accepted trust document is required first, got none")
    return state.trust


def _first(state: TrustState, chain: Sequence[tuple[Signed, TrustDocument]], pinned: PublicKey | None) -> TrustState:
    """Return the state after the first trust chain that ever came: at the document from which on it is followed.

    A device that is set up after the root keys were replaced is given a new one, and begins where that one does.
    """
    signed, document = next((entry for entry in chain if pinned is None or _vouches(pinned, *entry)), (None, None))
    if signed is None or document is None:
        assert pinned is not None
        raise TrustError(f"a trust document signed by the root key {pinned.id[:16]}... is required, got another")
    _check_first(signed, document)
    return replace(state, trust=document, pinned=document.roles["root"].keys)


def _check_first(signed: Signed, document: TrustDocument) -> None:
    """Check that enough root keys of a trust document signed it."""
    document.check("root", TRUST_MESSAGE + signed_bytes(signed.text), signed.signatures)


def _vouches(key: PublicKey, signed: Signed, document: TrustDocument) -> bool:
    """Return whether a key is a root key of a trust document and has signed it."""
    message = TRUST_MESSAGE + signed_bytes(signed.text)
    return key.id in document.roles["root"].keys and any(key.verifies(message, each) for each in signed.signatures)


def _recovered(state: TrustState, old: TrustDocument, new: TrustDocument) -> TrustState:
    """Return the state without what a withdrawn key may have driven ahead (TUF 5.3.11, fast-forward attacks)."""
    seen = dict(state.seen)
    latest_s = state.latest_s
    if set(old.roles["online"].keys) - set(new.roles["online"].keys):
        seen, latest_s = {name: replace(each, issued_s=0) for name, each in seen.items()}, 0
    if set(old.roles["publisher"].keys) - set(new.roles["publisher"].keys):
        seen = {name: replace(each, version=0, head="") for name, each in seen.items()}
    return replace(state, seen=seen, latest_s=latest_s)
