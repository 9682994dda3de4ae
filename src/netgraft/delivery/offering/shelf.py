"""What a server keeps in memory of what is published: opened heads, and the stamps it has signed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from netgraft.delivery.format.head import OpenedHead, unpack_head
from netgraft.delivery.offering.published import Published
from netgraft.delivery.trust.accepting import SigningKey, Stamp, sign_stamp
from netgraft.errors import NetgraftError, TrustError

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A table that forgets what was put longest ago; several threads may use it."""

    def __init__(self, most: int) -> None:
        """Begin with nothing; at most so many are kept."""
        self.most, self._lock = most, threading.Lock()
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return what is kept under a key, or None."""
        return self._kept.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep a value."""
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)

    def values(self) -> list[V]:
        """Return all that is kept."""
        with self._lock:
            return list(self._kept.values())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()


@dataclass(frozen=True)
class Shown:
    """A version that is offered, opened.

    Attributes:
        version: its number.
        data: the signed head as it is sent.
        opened: the head.
        index: place of each chunk in the head's table, by SHA-256.
    """

    version: int
    data: bytes
    opened: OpenedHead
    index: Mapping[str, int]

    @property
    def sha256(self) -> str:
        """Return the identity of the head."""
        return self.opened.sha256


class Shelf:
    """What is published, with opened heads in memory; a new version is seen within a second."""

    def __init__(self, published: Published, *, fresh_s: float = 1.0, most_heads: int = 64) -> None:
        """Begin with nothing in memory.

        Args:
            published: where it lies.
            fresh_s: how long the latest version of a name is believed.
            most_heads: opened at the same time.
        """
        self.published = published
        self._fresh_s = fresh_s
        self._latest: Recent[str, tuple[float, int, str, tuple[int, ...] | None]] = Recent(64 * most_heads)
        self._heads: Recent[str, Shown] = Recent(most_heads)
        self._trust, self._lock = b"", threading.Lock()

    def peek(self, name: str, version: int | None, now_s: float) -> Shown | None:
        """Return a version from memory alone, or None where the place must be read."""
        known = self._latest.get(name)
        if known is None or version not in (None, known[1]):
            return None
        seen_s, latest, sha256, mark = known
        if not 0 <= now_s - seen_s < self._fresh_s:
            if mark is None or mark != self.published.mark(name, now_s):
                return None
            self._latest.put(name, (now_s, latest, sha256, mark))
        return self._heads.get(sha256)

    def open(self, name: str, version: int | None, now_s: float) -> Shown:
        """Return a version, by default the latest.

        Raises:
            SettingError: there is no such name or version.
            HeadError: its head is missing or damaged.
        """
        found = self.peek(name, version, now_s)
        while found is None:
            found = self._read(name, version, now_s)
        return found

    def _read(self, name: str, version: int | None, now_s: float) -> Shown | None:
        """Read a version; None where the keys that count were replaced meanwhile, so that it must be read again.

        Nothing is locked while files are read and a head is opened: whoever asks for another head need not wait. The
        mark is taken first and the trust chain before the head (who replaces keys signs heads first), so that what is
        kept is never older than what it is believed by.
        """
        trust = self._trust
        mark = self.published.mark(name, now_s)
        if version is None:
            number, sha256 = self.published.latest(name)
        else:
            number, sha256 = version, self.published.identity(name, version)
        chain = self._chain()
        found = self._heads.get(sha256) if chain == trust else None
        if found is None:
            found = _shown(number, self.published.head_of(sha256))
        with self._lock:
            if self._trust is not trust:
                return None
            if chain != trust:  # heads are opened anew: their signatures were replaced, too
                self._trust = chain
                self._heads.clear()
            self._heads.put(sha256, found)
            if version is None:
                self._latest.put(name, (now_s, number, sha256, mark))
        return found

    def _chain(self) -> bytes:
        """Return the chain of trust documents; the one before where none can be had: who asks for it is told."""
        try:
            return self.published.trust()
        except TrustError:
            return self._trust

    def warm(self, now_s: float, stopped: Callable[[], bool] = lambda: False) -> None:
        """Open the latest version of every name, as far as there is room; what cannot be read waits to be asked for.

        Args:
            now_s: seconds since 1970.
            stopped: whether nobody will ask any more; asked before each name.
        """
        for name in self.published.names()[: self._heads.most]:
            if stopped():
                return
            with suppress(NetgraftError):
                self.open(name, None, now_s)

    def offers(self, sha256: str) -> bool:
        """Return whether a head in memory names a chunk, of a delta too."""
        for each in self._heads.values():
            if sha256 in each.index:
                return True
            if any(row.sha256 == sha256 for delta in each.opened.head.deltas for row in delta.chunks):
                return True
        return False

    def trust(self) -> bytes:
        """Return the chain of trust documents as it was when a version was opened last.

        Raises:
            TrustError: none is published.
        """
        return self._trust or self.published.trust()

    def forget(self) -> None:
        """Believe no latest version any more: one has come or gone."""
        self._latest.clear()


class Stamps:
    """Signs which head is the newest of a name, for an hour; the same stamp is given for a few seconds."""

    def __init__(self, key: Callable[[], SigningKey], *, lasting_s: int = 3600, fresh_s: int = 5) -> None:
        """Name the key.

        Args:
            key: gives the online key; may raise TrustError where there is none.
            lasting_s: how long a stamp counts.
            fresh_s: how long the same one is given.
        """
        self._key, self._lasting_s, self._fresh_s = key, lasting_s, fresh_s
        self._given: Recent[tuple[str, str], tuple[int, bytes]] = Recent(4096)

    def of(self, name: str, shown_head: Shown, now_s: float) -> bytes:
        """Return the stamp of a head.

        Raises:
            TrustError: there is no online key.
        """
        place, now = (name, shown_head.sha256), int(now_s)
        issued_s, data = self._given.get(place) or (0, b"")
        if data and 0 <= now - issued_s < self._fresh_s:
            return data
        stamp = Stamp(name, shown_head.version, shown_head.sha256, now, now + self._lasting_s)
        data = sign_stamp(stamp, [self._key()])
        self._given.put(place, (now, data))
        return data


def _shown(version: int, data: bytes) -> Shown:
    opened = unpack_head(data, lambda _message, _signatures: None)  # devices check; this is our own file
    return Shown(version, data, opened, {row.sha256: place for place, row in enumerate(opened.head.chunks)})
