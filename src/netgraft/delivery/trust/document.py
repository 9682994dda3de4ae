"""The trust document: which keys count for what (TUF's root role), and the chain of all there were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netgraft.delivery.strict_json import read_json
from netgraft.delivery.trust.keys import PublicKey, Signature, SigningKey
from netgraft.delivery.trust.signed import (
    FORMAT,
    HEX_32,
    MOST_SIGNATURES,
    Signed,
    json_text,
    shown,
    signed_bytes,
    whole_number,
)
from netgraft.errors import TrustError

ROLES = ("root", "publisher", "online")
MOST_TRUST_BYTES = 1_048_576
TRUST_MESSAGE = b"netgraft trust 1\n"


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
        version = whole_number(value, "version", TrustError)
        if version < 1:
            raise TrustError(f"the version of a trust document must be >= 1, got {version}")
        return TrustDocument(version, whole_number(value, "expires_s", TrustError), known, parsed)

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


def sign_trust(document: TrustDocument, keys: Iterable[SigningKey]) -> Signed:
    """Return a trust document signed by the keys."""
    text = json_text(document.to_json())
    return Signed(text, tuple(key.sign(TRUST_MESSAGE + text.encode()) for key in keys))


def trust_chain(documents: Sequence[Signed]) -> bytes:
    """Return the bytes of ``/v1/trust``: every trust document from the first to the newest.

    All of them are kept, so that a device that was off for years can follow the root keys step by step.
    """
    return json_text({"format": FORMAT, "trust": [document.to_json() for document in documents]}).encode()


def read_chain(data: bytes) -> tuple[tuple[Signed, TrustDocument], ...]:
    """Return the trust documents of a chain, their signatures not yet checked.

    Raises:
        TrustError: it is damaged, too long or empty.
    """
    value = read_json(data, "a trust chain", TrustError, most_bytes=MOST_TRUST_BYTES)
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
    check_next(chain[-1][1], document, signed)
    return trust_chain([*(each for each, _ in chain), signed])


def check_next(old: TrustDocument, new: TrustDocument, signed: Signed) -> None:
    """Check that a trust document follows another: the next version, signed by enough root keys of both."""
    if new.version != old.version + 1:
        raise TrustError(f"trust of version {old.version + 1} is required next, got {new.version}")
    message = TRUST_MESSAGE + signed_bytes(signed.text)
    for document in (old, new):
        try:
            document.check("root", message, signed.signatures)
        except TrustError as error:
            roots = ", ".join(f"{key[:16]}..." for key in document.roles["root"].keys)
            raise TrustError(f"{error}, by the root keys of trust version {document.version}: {roots}") from error


def _document_of(signed: Signed) -> TrustDocument:
    return TrustDocument.from_json(
        read_json(signed_bytes(signed.text), "a trust document", TrustError, most_bytes=MOST_TRUST_BYTES)
    )


def _key(name: Any, value: Any) -> tuple[str, PublicKey]:
    """Return a key of a trust document with its id."""
    if not isinstance(value, str) or not HEX_32.fullmatch(value):
        raise TrustError(f"a public key must be 64 hexadecimal digits, got {shown(value)}")
    key = PublicKey(bytes.fromhex(value))
    if name != key.id:
        raise TrustError(f"a key's id must be the SHA-256 of the key, got {shown(name)}")
    return key.id, key


def _role(name: str, value: Any, known: Mapping[str, PublicKey]) -> Role:
    """Return a role of a trust document."""
    keys, threshold = (value.get("keys"), value.get("threshold")) if isinstance(value, dict) else (None, None)
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) and key in known for key in keys):
        raise TrustError(f"the {name} role must have keys of the document, got others or none")
    if len(set(keys)) != len(keys):
        raise TrustError(f"the {name} role must name each key once, got one twice")
    if type(threshold) is not int or not 1 <= threshold <= len(keys):
        raise TrustError(f"the threshold of the {name} role must be 1 to {len(keys)}, got {shown(threshold)}")
    return Role(tuple(keys), threshold)
