"""Replacing the keys of a library: a further trust document, signed by enough root keys of before and of now.

Devices follow the chain of documents step by step, so one that was off for years does, too. The newest head of each
name is signed again where its signatures would not count any more; what it says stays the same to the byte.

Whoever can write to the published files is not believed: the chain is followed from a document that a known root key
signed, and only a head that a publisher of that chain had signed is signed again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from netgraft.delivery.format.head import signed_again, unpack_head
from netgraft.delivery.offering.published import Published
from netgraft.delivery.trust.accepting import (
    PublicKey,
    Signature,
    SigningKey,
    TrustDocument,
    extend_chain,
    newest_trust,
    verified_chain,
)
from netgraft.delivery.trust.document import ROLES
from netgraft.errors import DeliveryError, HeadError, SettingError, TrustError, unknown_name
from netgraft.library import Library
from netgraft.lifecycle.keyring import lifetime_s, publisher_keys

DEFAULT_ROLES = ("root", "publisher")
_KEY_ID = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Rotated:
    """A trust document that replaced another.

    Attributes:
        before: the one that it replaced.
        document: the new one.
        signed_again: name and version of each head that got further signatures.
        left: name of each model whose newest head was left as it is, and why: publish a version of it.
    """

    before: TrustDocument
    document: TrustDocument
    signed_again: tuple[tuple[str, int], ...]
    left: tuple[tuple[str, str], ...]

    def kept(self, key: str) -> list[str]:
        """Return the roles in which the key of an id counts as before, and another was added."""
        changes = {role: (set(self.before.roles[role].keys), set(self.document.roles[role].keys)) for role in ROLES}
        return [role for role, (old, new) in changes.items() if key in old & new and new - old]


def trust_of(library: Library) -> TrustDocument:
    """Return the trust document by which devices judge what a library publishes.

    Raises:
        TrustError: nothing was published yet, or it is damaged.
    """
    return newest_trust(Published.of(library).trust())


def rotate(
    library: Library,
    *,
    add: Sequence[Path] = (),
    remove: Sequence[str] = (),
    keys: Sequence[Path] = (),
    roles: Sequence[str] = DEFAULT_ROLES,
    threshold: int | None = None,
    days: float = 3_650.0,
    trust: Path | None = None,
    clock: Callable[[], float] = time.time,
) -> Rotated:
    """Publish a trust document with other keys, and return it. Without changes it renews the time it counts.

    Args:
        library: that is published.
        add: files of public keys.
        remove: ids of keys, their first eight or more digits, or files of public keys.
        keys: files of the keys that sign: enough root keys of before and of now, and enough publishers of now where
            heads must be signed again; the library's own by default.
        roles: for which the keys are added and removed.
        threshold: how many keys of these roles must sign; as before by default.
        days: until the document ends to count.
        trust: file of a public root key that signed a published document, where none of the keys that sign did, or
            where heads count that were signed before one of them did.
        clock: gives the seconds since 1970.

    Raises:
        SettingError: a role or a key is unknown, a key is there already, or the days are out of range.
        TrustError: nothing is published, no known key signed a published document, the chain from there on is forged,
            a file is no key, too few keys sign, or the threshold cannot be reached.
    """
    expires_s = int(clock()) + lifetime_s(days, "the trust document")
    for role in roles:
        if role not in ROLES:
            raise SettingError(unknown_name("a role", role, ROLES))
    published = Published.of(library)
    chain = published.trust()
    signing = publisher_keys(library, keys)
    held = verified_chain(
        chain, [*(key.public for key in signing), *map(PublicKey.read, () if trust is None else [trust])]
    )
    old = held[-1]
    gone = {_id_of(text, old, roles) for text in remove}
    named = {role: _keys(old, role, gone if role in roles else set()) for role in ROLES}
    for key in map(PublicKey.read, add):
        _add(key, named, roles)
    levels = {name: role.threshold for name, role in old.roles.items()}
    levels |= dict.fromkeys(roles, threshold) if threshold is not None else {}
    new = TrustDocument.of(old.version + 1, expires_s, **named, thresholds=levels)
    longer = extend_chain(chain, new, signing)
    again = _signed_again(published, held, new, signing)
    for head, _ in again.signed:  # a signature too many does no harm; one too few keeps devices from a version
        published.sign_again(head)
    published.put_trust(longer)
    return Rotated(old, new, tuple(which for _, which in again.signed), tuple(again.left))


@dataclass(frozen=True)
class _Again:
    """Heads with further signatures, their name and version; and names of those that were left, and why."""

    signed: list[tuple[bytes, tuple[str, int]]] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


def _keys(document: TrustDocument, role: str, gone: set[str]) -> list[PublicKey]:
    """Return the keys of a role without some."""
    return [document.keys[key] for key in document.roles[role].keys if key not in gone]


def _add(key: PublicKey, named: dict[str, list[PublicKey]], roles: Sequence[str]) -> None:
    """Add a key to roles.

    Raises:
        SettingError: it has all of them already.
    """
    fresh = [role for role in roles if key not in named[role]]
    if not fresh:
        raise SettingError(f"a key that is new to {' and '.join(roles)} is required, got {key.id[:16]}...")
    for role in fresh:
        named[role].append(key)


def _id_of(text: str, document: TrustDocument, roles: Sequence[str]) -> str:
    """Return the id of a key that is to be removed.

    Raises:
        SettingError: none, or more than one, of the roles' keys is meant.
        TrustError: a file is no public key.
    """
    known = sorted({key for role in roles for key in document.roles[role].keys})
    wanted = PublicKey.read(Path(text)).id if not _KEY_ID.fullmatch(text) else text
    found = [key for key in known if key.startswith(wanted)]
    if len(found) != 1:
        listed = ", ".join(f"{key[:16]}..." for key in known)
        raise SettingError(f"a key of {' or '.join(roles)} is required, one of {listed}, got {wanted[:16]!r}")
    return found[0]


def _signed_again(
    published: Published, held: Sequence[TrustDocument], document: TrustDocument, keys: Sequence[SigningKey]
) -> _Again:
    """Return the newest head of each name, signed again, where its signatures would not count any more.

    Older ones are not: with a withdrawn publisher devices forget which versions they have seen, and nobody shall be
    able to offer them an old one. One that is damaged, or that no publisher had signed, is left and does not keep the
    others from it: a stolen key must be replaced at once.

    Raises:
        TrustError: too few of the keys are publishers of the document.
    """
    able = [key for key in keys if key.id in document.roles["publisher"].keys]
    again = _Again()
    for name in published.names():
        try:
            version, head = _newest(published, name, [*held, document])
        except (DeliveryError, SettingError) as error:
            again.left.append((name, str(error)))
            continue
        if _counts(head, document):
            continue
        head = signed_again(head, able)
        if not _counts(head, document):
            raise TrustError(
                f"{document.roles['publisher'].threshold} key(s) of the new publishers are required to sign "
                f"version {version} of {name!r} again, got {len(able)}; name them by --key"
            )
        again.signed.append((head, (name, version)))
    return again


def _newest(published: Published, name: str, documents: Sequence[TrustDocument]) -> tuple[int, bytes]:
    """Return the newest version of a name and its head, which publishers of one of the trust documents signed.

    Raises:
        HeadError: the head is missing, damaged, or of another name or version.
        TrustError: too few publishers of any of the documents signed it.
        StorageError: its file cannot be read.
        SettingError: the name has no version any more.
    """

    def verify(message: bytes, signatures: Sequence[Signature]) -> None:
        if not any(_signed(document, message, signatures) for document in documents):
            raise TrustError(
                f"a head that publishers of trust version {documents[0].version} to {documents[-1].version} signed is "
                "required, got none; --trust names an earlier root key"
            )

    version, sha256 = published.latest(name)
    data = published.head_of(sha256)
    opened = unpack_head(data, verify)
    if (opened.sha256, opened.head.name, opened.head.version) != (sha256, name, version):
        raise HeadError(
            f"the head of version {version} of {name!r} is required, got version {opened.head.version} of "
            f"{opened.head.name!r}"
        )
    return version, data


def _signed(document: TrustDocument, message: bytes, signatures: Sequence[Signature]) -> bool:
    """Return whether enough publishers of a trust document have signed a message."""
    try:
        document.check("publisher", message, signatures)
    except TrustError:
        return False
    return True


def _counts(head: bytes, document: TrustDocument) -> bool:
    """Return whether enough publishers of a trust document have signed a head that can be read."""
    try:
        unpack_head(head, lambda message, signatures: document.check("publisher", message, signatures))
    except TrustError:
        return False
    return True
