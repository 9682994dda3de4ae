"""Replacing the keys of a library: a further trust document, signed by enough root keys of before and of now.

Devices follow the chain of documents step by step, so one that was off for years does, too. The newest head of each
name is signed again where its signatures would not count any more; what it says stays the same to the byte.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from netgraft.delivery.head import signed_again, unpack_head
from netgraft.delivery.published import Published
from netgraft.delivery.trust import PublicKey, SigningKey, TrustDocument, extend_chain, newest_trust
from netgraft.delivery.trust_document import ROLES
from netgraft.errors import SettingError, TrustError, unknown_name
from netgraft.library import Library
from netgraft.lifecycle.keyring import publisher_keys

DEFAULT_ROLES = ("root", "publisher")
_DAY_S = 86_400
_KEY_ID = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Rotated:
    """A trust document that replaced another.

    Attributes:
        document: the new one.
        signed_again: name and version of each head that got further signatures.
    """

    document: TrustDocument
    signed_again: tuple[tuple[str, int], ...]


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
        clock: gives the seconds since 1970.

    Raises:
        SettingError: a role or a key is unknown, a key is there already, or the days are out of range.
        TrustError: nothing is published, a file is no key, too few keys sign, or the threshold cannot be reached.
    """
    if not days > 0:
        raise SettingError(f"days until the trust document expires must be > 0, got {days:g}")
    for role in roles:
        if role not in ROLES:
            raise SettingError(unknown_name("a role", role, ROLES))
    published = Published.of(library)
    chain = published.trust()
    old = newest_trust(chain)
    signing = publisher_keys(library, keys)
    gone = {_id_of(text, old, roles) for text in remove}
    named = {role: _keys(old, role, gone if role in roles else set()) for role in ROLES}
    for key in map(PublicKey.read, add):
        _add(key, named, roles)
    levels = {name: role.threshold for name, role in old.roles.items()}
    levels |= dict.fromkeys(roles, threshold) if threshold is not None else {}
    new = TrustDocument.of(old.version + 1, int(clock() + days * _DAY_S), **named, thresholds=levels)
    longer = extend_chain(chain, new, signing)
    again = list(_signed_again(published, new, signing))
    for head, _ in again:  # a signature too many does no harm; one too few keeps devices from a version
        published.sign_again(head)
    published.put_trust(longer)
    return Rotated(new, tuple(which for _, which in again))


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
    published: Published, document: TrustDocument, keys: Sequence[SigningKey]
) -> list[tuple[bytes, tuple[str, int]]]:
    """Return the newest head of each name, signed again, where its signatures would not count any more.

    Older ones are not: with a withdrawn publisher devices forget which versions they have seen, and nobody shall be
    able to offer them an old one.

    Raises:
        TrustError: too few of the keys are publishers of the document.
    """
    able = [key for key in keys if key.id in document.roles["publisher"].keys]
    newest = [(name, published.latest(name)[0]) for name in published.names()]
    made: list[tuple[bytes, tuple[str, int]]] = []
    for name, version in newest:
        head = published.head(name, version)
        if _counts(head, document):
            continue
        head = signed_again(head, able)
        if not _counts(head, document):
            raise TrustError(
                f"{document.roles['publisher'].threshold} key(s) of the new publishers are required to sign "
                f"version {version} of {name!r} again, got {len(able)}; name them by --key"
            )
        made.append((head, (name, version)))
    return made


def _counts(head: bytes, document: TrustDocument) -> bool:
    """Return whether enough publishers of a trust document have signed a head."""
    try:
        unpack_head(head, lambda message, signatures: document.check("publisher", message, signatures))
    except TrustError:
        return False
    return True
