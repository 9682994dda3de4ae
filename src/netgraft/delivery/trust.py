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

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from netgraft.delivery.keys import PublicKey, Signature, SigningKey
from netgraft.errors import HeadError, TrustError

__all__ = [
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
]

ROLES = ("root", "publisher", "online")
FORMAT = 1
MOST_STAMP_BYTES = 16_384
MOST_TRUST_BYTES = 1_048_576
MOST_SIGNATURES = 64
_TRUST_MESSAGE, _STAMP_MESSAGE = b"netgraft trust 1\n", b"netgraft stamp 1\n"
_HEX_32 = re.compile(r"[0-9a-f]{64}")
_MOST_INTEGER = 2**53


@dataclass(frozen=True)
class Role:
    """Which keys may speak, and how many of them must.

    Attributes:
        keys: ids.
        threshold: how many different keys must sign.
    """

    keys: tuple[str, ...]
    threshold: int = 1


@dataclass(frozen=True)
class TrustDocument:
    """Which keys count for what (TUF's root role).

    Attributes:
        version: 1, 2, ...; each replaces the one before.
        expires_s: when it ends to count, in seconds since 1970.
        keys: every key by its id.
        roles: one per name of `ROLES`.
    """

    version: int
    expires_s: int
    keys: Mapping[str, PublicKey]
    roles: Mapping[str, Role]

    @staticmethod
    def of(
        version: int,
        expires_s: int,
        *,
        root: Sequence[PublicKey],
        publisher: Sequence[PublicKey],
        online: Sequence[PublicKey],
        thresholds: Mapping[str, int] | None = None,
    ) -> TrustDocument:
        """Return the document that names these keys.

        Args:
            version: of the document.
            expires_s: seconds since 1970.
            root: keys that may replace the document.
            publisher: keys that may sign heads.
            online: keys that may sign stamps.
            thresholds: by role; 1 where not given.

        Raises:
            TrustError: a role has no key, a key twice, or a threshold that its keys cannot reach.
        """
        given = {"root": root, "publisher": publisher, "online": online}
        roles = {
            name: {"keys": [key.id for key in keys], "threshold": (thresholds or {}).get(name, 1)}
            for name, keys in given.items()
        }
        keys = {key.id: key.raw.hex() for each in given.values() for key in each}
        return TrustDocument.from_json(
            {
                "type": "trust",
                "format": FORMAT,
                "version": version,
                "expires_s": expires_s,
                "keys": keys,
                "roles": roles,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the document as JSON values."""
        return {
            "type": "trust",
            "format": FORMAT,
            "version": self.version,
            "expires_s": self.expires_s,
            "keys": {key: public.raw.hex() for key, public in sorted(self.keys.items())},
            "roles": {name: {"keys": list(r.keys), "threshold": r.threshold} for name, r in self.roles.items()},
        }

    @staticmethod
    def from_json(value: Any) -> TrustDocument:
        """Return the document stored by `to_json`.

        Raises:
            TrustError: a field is missing or says what cannot be.
        """
        if not isinstance(value, dict) or value.get("type") != "trust" or value.get("format") != FORMAT:
            raise TrustError(f"a trust document of format {FORMAT} is required, got something else")
        keys, roles = value.get("keys"), value.get("roles")
        if not isinstance(keys, dict) or not isinstance(roles, dict) or set(roles) != set(ROLES):
            raise TrustError(f"a trust document must have keys and the roles {', '.join(ROLES)}, got others")
        known = dict(_key(*item) for item in keys.items())
        parsed = {name: _role(name, roles[name], known) for name in ROLES}
        version = _integer(value, "version", TrustError)
        if version < 1:
            raise TrustError(f"the version of a trust document must be >= 1, got {version}")
        return TrustDocument(version, _integer(value, "expires_s", TrustError), known, parsed)

    def check(self, role: str, message: bytes, signatures: Sequence[Signature]) -> None:
        """Check that enough different keys of a role signed a message; the same key twice counts once.

        Raises:
            TrustError: too few did.
        """
        if len(signatures) > MOST_SIGNATURES:
            raise TrustError(f"at most {MOST_SIGNATURES} signatures are allowed, got {len(signatures)}")
        wanted = self.roles[role]
        able = {s.key for s in signatures if s.key in wanted.keys and self.keys[s.key].verifies(message, s)}
        if len(able) < wanted.threshold:
            raise TrustError(
                f"{wanted.threshold} valid signature(s) of the {role} role are required, got {len(able)} "
                f"of {len(signatures)} signature(s)"
            )


@dataclass(frozen=True)
class Signed:
    """A text with its signatures; the text is kept as it came, because its bytes were signed."""

    text: str
    signatures: tuple[Signature, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the text and its signatures as JSON values."""
        return {"signed": self.text, "signatures": [signature.to_json() for signature in self.signatures]}

    @staticmethod
    def from_json(value: Any) -> Signed:
        """Return what was stored by `to_json`.

        Raises:
            TrustError: a field is missing, or there are too many signatures.
        """
        text, signatures = (value.get("signed"), value.get("signatures")) if isinstance(value, dict) else (None, None)
        if not isinstance(text, str) or not isinstance(signatures, list):
            raise TrustError("a signed text and its signatures are required, got something else")
        if len(signatures) > MOST_SIGNATURES:
            raise TrustError(f"at most {MOST_SIGNATURES} signatures are allowed, got {len(signatures)}")
        return Signed(text, tuple(map(Signature.from_json, signatures)))


@dataclass(frozen=True)
class Stamp:
    """Which head is the newest of a name, for a short time.

    Attributes:
        name: of the model.
        version: of the head.
        head: the head's SHA-256.
        issued_s: when it was signed, in seconds since 1970.
        expires_s: when it ends to count.
    """

    name: str
    version: int
    head: str
    issued_s: int
    expires_s: int

    def to_json(self) -> dict[str, Any]:
        """Return the stamp as JSON values."""
        return {
            "type": "stamp",
            "format": FORMAT,
            "name": self.name,
            "version": self.version,
            "head": self.head,
            "issued_s": self.issued_s,
            "expires_s": self.expires_s,
        }

    @staticmethod
    def from_json(value: Any) -> Stamp:
        """Return the stamp stored by `to_json`.

        Raises:
            HeadError: a field is missing or says what cannot be.
        """
        if not isinstance(value, dict) or value.get("type") != "stamp" or value.get("format") != FORMAT:
            raise HeadError(f"a stamp of format {FORMAT} is required, got something else")
        name, head = value.get("name"), value.get("head")
        if not isinstance(name, str) or not isinstance(head, str) or not _HEX_32.fullmatch(head):
            raise HeadError(f"a stamp must have a name and the 64 hexadecimal digits of a head, got {_short(head)}")
        numbers = (_integer(value, key, HeadError) for key in ("version", "issued_s", "expires_s"))
        version, issued_s, expires_s = numbers
        return Stamp(name, version, head, issued_s, expires_s)


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


def sign_trust(document: TrustDocument, keys: Iterable[SigningKey]) -> Signed:
    """Return a trust document signed by the keys."""
    text = _text(document.to_json())
    return Signed(text, tuple(key.sign(_TRUST_MESSAGE + text.encode()) for key in keys))


def trust_chain(documents: Sequence[Signed]) -> bytes:
    """Return the bytes of ``/v1/trust``: every trust document from the first to the newest.

    All of them are kept, so that a device that was off for years can follow the root keys step by step.
    """
    return _text({"format": FORMAT, "trust": [document.to_json() for document in documents]}).encode()


def read_chain(data: bytes) -> tuple[tuple[Signed, TrustDocument], ...]:
    """Return the trust documents of a chain, their signatures not yet checked.

    Raises:
        TrustError: it is damaged, too long or empty.
    """
    value = _parsed(data, MOST_TRUST_BYTES, "a trust chain", TrustError)
    entries = value.get("trust") if isinstance(value, dict) and value.get("format") == FORMAT else None
    if not isinstance(entries, list) or not entries:
        raise TrustError(f"a trust chain of format {FORMAT} with a document is required, got none")
    signed = [Signed.from_json(entry) for entry in entries]
    return tuple((each, _document_of(each)) for each in signed)


def newest_trust(data: bytes) -> TrustDocument:
    """Return the newest document of a chain without checking signatures: what a server reads of its own files.

    Raises:
        TrustError: the chain is damaged.
    """
    return read_chain(data)[-1][1]


def extend_chain(data: bytes, document: TrustDocument, keys: Sequence[SigningKey]) -> bytes:
    """Return a chain with one more document, checked as a device will check it.

    Args:
        data: the chain so far.
        document: its version must be the next.
        keys: root keys of the old and of the new document.

    Raises:
        TrustError: the version is another, or too few keys of either sign.
    """
    chain = read_chain(data)
    signed = sign_trust(document, keys)
    _check_next(chain[-1][1], document, signed)
    return trust_chain([*(each for each, _ in chain), signed])


def accept_trust(state: TrustState, data: bytes, *, now_s: int, pinned: PublicKey | None = None) -> TrustState:
    """Return the state after a trust chain came.

    Args:
        state: before.
        data: the chain.
        now_s: seconds since 1970.
        pinned: the only key that counts for the first document; without it the first document that comes is believed.

    Raises:
        TrustError: the chain is damaged, forged, older than what was accepted, leaves out a version or has expired,
            or the pinned key did not sign it.
    """
    chain = read_chain(data)
    if state.trust is None:
        state = _first(state, chain[0], pinned)
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
            _check_next(document, found, signed)
            state = _recovered(state, document, found)
            document = found
    if document.expires_s <= state.time_s(now_s):
        raise TrustError(f"a trust document that counts is required, got one that expired at {document.expires_s} s")
    return replace(state, trust=document)


def sign_stamp(stamp: Stamp, keys: Iterable[SigningKey]) -> bytes:
    """Return the bytes of a stamp signed by online keys."""
    text = _text(stamp.to_json())
    signed = Signed(text, tuple(key.sign(_STAMP_MESSAGE + text.encode()) for key in keys))
    return _text(signed.to_json()).encode()


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
    signed = Signed.from_json(_parsed(data, MOST_STAMP_BYTES, "a stamp", HeadError))
    _trusted(state).check("online", _STAMP_MESSAGE + _encoded(signed.text), signed.signatures)
    stamp = Stamp.from_json(_parsed(_encoded(signed.text), MOST_STAMP_BYTES, "a stamp", HeadError))
    if stamp.name != name:
        raise HeadError(f"a stamp of {name!r} is required, got one of {_short(stamp.name)}")
    seen = state.seen.get(name, Seen())
    if stamp.issued_s < seen.issued_s:
        raise HeadError(f"a stamp issued at {seen.issued_s} s or later is required, got a replay of {stamp.issued_s} s")
    if stamp.version < seen.version:
        raise HeadError(f"version {seen.version} or later of {name!r} is required, got the rolled back {stamp.version}")
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
            f"got {sha256[:16]}... of version {version} of {_short(name)}"
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


def _first(state: TrustState, entry: tuple[Signed, TrustDocument], pinned: PublicKey | None) -> TrustState:
    """Return the state after the first trust document that ever came."""
    signed, document = entry
    message = _TRUST_MESSAGE + _encoded(signed.text)
    if pinned is not None and not (
        pinned.id in document.roles["root"].keys and any(pinned.verifies(message, s) for s in signed.signatures)
    ):
        raise TrustError(f"a trust document signed by the root key {pinned.id[:16]}... is required, got another")
    document.check("root", message, signed.signatures)
    return replace(state, trust=document, pinned=document.roles["root"].keys)


def _check_next(old: TrustDocument, new: TrustDocument, signed: Signed) -> None:
    """Check that a trust document follows another: the next version, signed by enough root keys of both."""
    if new.version != old.version + 1:
        raise TrustError(f"trust of version {old.version + 1} is required next, got {new.version}")
    message = _TRUST_MESSAGE + _encoded(signed.text)
    for document in (old, new):
        document.check("root", message, signed.signatures)


def _recovered(state: TrustState, old: TrustDocument, new: TrustDocument) -> TrustState:
    """Return the state without what a withdrawn key may have driven ahead (TUF 5.3.11, fast-forward attacks)."""
    seen = dict(state.seen)
    latest_s = state.latest_s
    if set(old.roles["online"].keys) - set(new.roles["online"].keys):
        seen, latest_s = {name: replace(each, issued_s=0) for name, each in seen.items()}, 0
    if set(old.roles["publisher"].keys) - set(new.roles["publisher"].keys):
        seen = {name: replace(each, version=0, head="") for name, each in seen.items()}
    return replace(state, seen=seen, latest_s=latest_s)


def _document_of(signed: Signed) -> TrustDocument:
    return TrustDocument.from_json(_parsed(_encoded(signed.text), MOST_TRUST_BYTES, "a trust document", TrustError))


def _key(name: Any, value: Any) -> tuple[str, PublicKey]:
    """Return a key of a trust document with its id."""
    if not isinstance(value, str) or not _HEX_32.fullmatch(value):
        raise TrustError(f"a public key must be 64 hexadecimal digits, got {_short(value)}")
    key = PublicKey(bytes.fromhex(value))
    if name != key.id:
        raise TrustError(f"a key's id must be the SHA-256 of the key, got {_short(name)}")
    return key.id, key


def _role(name: str, value: Any, known: Mapping[str, PublicKey]) -> Role:
    """Return a role of a trust document."""
    keys, threshold = (value.get("keys"), value.get("threshold")) if isinstance(value, dict) else (None, None)
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) and key in known for key in keys):
        raise TrustError(f"the {name} role must have keys of the document, got others or none")
    if len(set(keys)) != len(keys):
        raise TrustError(f"the {name} role must name each key once, got one twice")
    if type(threshold) is not int or not 1 <= threshold <= len(keys):
        raise TrustError(f"the threshold of the {name} role must be 1 to {len(keys)}, got {_short(threshold)}")
    return Role(tuple(keys), threshold)


def _integer(value: Mapping[str, Any], key: str, kind: type[TrustError | HeadError]) -> int:
    found = value.get(key)
    if type(found) is not int or not 0 <= found < _MOST_INTEGER:
        raise kind(f"{key} must be an integer >= 0, got {_short(found)}")
    return found


def _parsed(data: bytes, most: int, what: str, kind: type[TrustError | HeadError]) -> Any:
    """Return the JSON value of bytes of a limited size."""
    if len(data) > most:
        raise kind(f"{what} of at most {most} bytes is required, got {len(data)}")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise kind(f"{what} must be JSON, got something else") from error


def _encoded(text: str) -> bytes:
    """Return a text's bytes; what is no Unicode text was never signed."""
    return text.encode(errors="replace")


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _short(value: Any) -> str:
    return repr(value)[:40]
