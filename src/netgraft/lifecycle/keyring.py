"""The keys of a library: the publisher's sign heads, the online key signs what a server says about them.

They lie beside the library's files where it is a folder, else in the user's own folder; each is made when it is first
needed, readable by its owner only. The publisher's key can stay elsewhere, on a machine without a network.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from netgraft.delivery.offering.published import Published
from netgraft.delivery.trust.accepting import SigningKey, TrustDocument, newest_trust, sign_trust, trust_chain
from netgraft.errors import OutputError, SettingError, TrustError
from netgraft.library import Library
from netgraft.records import sha256_hex

PUBLISHER, ONLINE = "publisher.key", "online.key"
_HOME = "NETGRAFT_HOME"
_TRUST_DAYS = 3_650
_DAY_S, _LONGEST_DAYS = 86_400, 36_500.0


def key_folder(library: Library) -> Path:
    """Return where the keys of a library lie."""
    folder = Published.of(library).folder
    if folder is not None:
        return folder.parent / "keys"
    home = Path(os.environ.get(_HOME) or Path.home() / ".config" / "netgraft")
    return home / "keys" / sha256_hex(library.label.encode())[:16]


def publisher_keys(library: Library, given: Sequence[Path] = ()) -> tuple[SigningKey, ...]:
    """Return the keys that sign heads: the given files, or the library's own, made before anything is published.

    Raises:
        TrustError: a file is no signing key, or the library's own is gone although devices know it.
        OutputError: the library's own cannot be written.
    """
    if given:
        return tuple(map(SigningKey.read, given))
    path = key_folder(library) / PUBLISHER
    if not path.exists() and _is_trusted(library):
        raise TrustError(f"the key that signed what is published is required, got no file {path}; name it by --key")
    return (_own(library, PUBLISHER),)


def online_key(library: Library) -> SigningKey:
    """Return the key that signs stamps.

    Raises:
        TrustError: the file is no signing key.
        OutputError: it cannot be written.
    """
    return _own(library, ONLINE)


def own_keys(library: Library) -> list[tuple[Path, str, SigningKey]]:
    """Return the library's own key files that are there, the role that each serves, and the key.

    Raises:
        TrustError: a file is no signing key.
    """
    files = {key_folder(library) / name: role for name, role in ((PUBLISHER, "publisher"), (ONLINE, "online"))}
    return [(path, role, SigningKey.read(path)) for path, role in files.items() if path.exists()]


def lifetime_s(days: float, what: str) -> int:
    """Return how many seconds something signed counts.

    Args:
        days: the same in days.
        what: names it in the text of an error.

    Raises:
        SettingError: the days are out of range.
    """
    if not 0 < days <= _LONGEST_DAYS:
        raise SettingError(f"days until {what} expires must be > 0 and <= {_LONGEST_DAYS:g}, got {days:g}")
    return int(days * _DAY_S)


def ensure_trust(library: Library, keys: Sequence[SigningKey], threshold: int | None, now_s: int) -> TrustDocument:
    """Return the trust document by which devices judge a library's heads; the first publishing makes it.

    Args:
        library: that is published.
        keys: of the publisher.
        threshold: how many of them must sign; 1 by default when it is made, and what it says afterwards.
        now_s: seconds since 1970.

    Raises:
        TrustError: too few of the keys count in the document that is there, or the threshold cannot be reached.
        SettingError: the document that is there has another threshold.
    """
    published = Published.of(library)
    try:
        document = newest_trust(published.trust())
    except TrustError:  # nothing is published yet
        public = [key.public for key in keys]
        document = TrustDocument.of(
            1,
            now_s + _TRUST_DAYS * _DAY_S,
            root=public,
            publisher=public,
            online=[online_key(library).public],
            thresholds=dict.fromkeys(("root", "publisher"), threshold or 1),
        )
        published.put_trust(trust_chain([sign_trust(document, keys)]))
        return document
    role = document.roles["publisher"]
    if threshold not in (None, role.threshold):
        raise SettingError(
            f"a threshold of {role.threshold} is required, as before, got {threshold}; netgraft key rotate changes it"
        )
    able = {key.id for key in keys} & set(role.keys)
    if len(able) < role.threshold:
        raise TrustError(
            f"{role.threshold} key(s) of the publisher of {library.label} are required, got {len(able)} that count; "
            "netgraft key list names those that do, --key takes their files"
        )
    return document


def _is_trusted(library: Library) -> bool:
    """Return whether there is a trust document."""
    try:
        return bool(Published.of(library).trust())
    except TrustError:
        return False


def _own(library: Library, name: str) -> SigningKey:
    """Return a key of the library's folder, made where there is none."""
    path = key_folder(library) / name
    if not path.exists():
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"a folder that can be written is required, got {path.parent}: {error.strerror}"
            ) from error
        SigningKey.new().write(path)
    return SigningKey.read(path)
