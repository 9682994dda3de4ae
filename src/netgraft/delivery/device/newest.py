"""What a device believes of the newest version: trust chain, stamp and head, each checked before the next counts.

One answer that has all three is asked for first. Where no server gives it, each is asked for by itself. Whatever counts
is noted in the folder at once: a key that was withdrawn stays so, whatever follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import quote

from netgraft.delivery.device.events import Kind
from netgraft.delivery.device.store import DeviceFolder
from netgraft.delivery.exchange.opening import MOST_OPENING_BYTES, opening_path, unpack_opening
from netgraft.delivery.exchange.tiers import Tiers
from netgraft.delivery.format.container import MOST_HEAD_BYTES
from netgraft.delivery.format.head import OpenedHead, unpack_head
from netgraft.delivery.trust.accepting import (
    MOST_STAMP_BYTES,
    MOST_TRUST_BYTES,
    PublicKey,
    Stamp,
    TrustState,
    accept_head,
    accept_stamp,
    accept_trust,
    head_verifier,
)
from netgraft.errors import HeadError, TrustError

_TRUST_PATH = "/v1/trust"
#: Trust chain, stamp and opening must be there by then, so that no server keeps a device from asking the next one.
_MOST_S = 300.0


@dataclass(frozen=True)
class Announced:
    """Which version is the newest.

    Attributes:
        trust: the state after the stamp.
        stamp: names the head.
        data: the head as it came with the stamp; empty where it did not.
        opened: that head.
    """

    trust: TrustState
    stamp: Stamp
    data: bytes = b""
    opened: OpenedHead | None = None


class Pinned(Protocol):
    """Tells that a root key is believed because it came first."""

    def __call__(self, kind: Kind, *, text: str = "") -> None:
        """Report the event."""
        ...


class Newest:
    """Asks servers for the newest version of a model."""

    def __init__(
        self,
        folder: DeviceFolder,
        tiers: Tiers,
        name: str,
        *,
        clock: Callable[[], float],
        tell: Pinned,
        trusted: PublicKey | None = None,
    ) -> None:
        """Name whom to ask.

        Args:
            folder: claimed.
            tiers: the servers.
            name: of the model.
            clock: seconds since 1970.
            tell: reports an event.
            trusted: the only root key to begin with; the first one that comes if None.
        """
        self._folder, self._tiers, self._name = folder, tiers, name
        self._clock, self._tell, self._trusted = clock, tell, trusted
        self._path = f"/v1/models/{quote(name, safe='')}"

    def announced(self, *, at_once: bool) -> Announced:
        """Return which version is the newest.

        Args:
            at_once: whether one answer may bring the head, too.

        Raises:
            NetgraftError: nothing that counts came.
        """
        found = self._opening() if at_once else None
        if found is not None:
            return found
        trust = self._tiers.read(_TRUST_PATH, self._trust, most_bytes=MOST_TRUST_BYTES, most_s=_MOST_S)
        return Announced(*self.stamped(trust))

    def stamped(self, trust: TrustState) -> tuple[TrustState, Stamp]:
        """Return the state after the stamp of the server, and the stamp.

        Raises:
            NetgraftError: none that counts came.
        """
        return self._tiers.read(
            f"{self._path}/stamp",
            lambda data: self._stamp(trust, data),
            most_bytes=MOST_STAMP_BYTES,
            most_s=_MOST_S,
        )

    def head(self, announced: Announced) -> tuple[OpenedHead, TrustState]:
        """Return the newest head, from the folder where it is there, and the state after it.

        Raises:
            NetgraftError: none that counts came.
            StorageError: it cannot be kept.
        """
        trust, stamp = announced.trust, announced.stamp
        kept = announced.opened or self._kept(trust, stamp.head)
        data = announced.data
        if kept is None:
            path = f"{self._path}/head?version={stamp.version}"
            data, kept = self._tiers.read(
                path, lambda came: (came, self._opened(trust, stamp, came)), most_bytes=MOST_HEAD_BYTES
            )
        accepted = self._accepted(trust, stamp, kept)
        if data:
            self._folder.require_space(len(data))
            self._folder.keep_head(kept.sha256, data)
        return kept, accepted

    def _opening(self) -> Announced | None:
        """Return what one answer says; None where no server gives it."""
        target = self._folder.state.target
        held = target if target is not None and self._folder.head(target) is not None else None
        path = opening_path(self._name, held)
        return self._tiers.glance(path, self._read, most_bytes=MOST_OPENING_BYTES, most_s=_MOST_S)

    def _read(self, data: bytes) -> Announced:
        """Return what an opening says, after every check that its parts would get by themselves.

        Raises:
            TrustError, HeadError: a part does not count.
        """
        opening = unpack_opening(data)
        trust, stamp = self._stamp(self._trust(opening.trust), opening.stamp)
        self._folder.note(replace(self._folder.state, trust=trust))
        if not opening.head or self._folder.state.refuses(stamp.head, stamp.version):
            return Announced(trust, stamp)
        return Announced(trust, stamp, opening.head, self._opened(trust, stamp, opening.head))

    def _trust(self, data: bytes) -> TrustState:
        """Return the state after a trust chain."""
        state = self._folder.state
        trust = accept_trust(state.trust, data, now_s=int(self._clock()), pinned=self._trusted)
        self._folder.note(replace(state, trust=trust))
        if state.trust.trust is None and self._trusted is None:
            keys = ", ".join(f"{key[:16]}..." for key in trust.pinned)
            self._tell("pinned", text=f"root key {keys} is believed from now on because it came first")
        return trust

    def _stamp(self, trust: TrustState, data: bytes) -> tuple[TrustState, Stamp]:
        """Return the state after a stamp, and the stamp."""
        return accept_stamp(trust, data, name=self._name, now_s=int(self._clock()))

    def _opened(self, trust: TrustState, stamp: Stamp, data: bytes) -> OpenedHead:
        """Return the head of a stamp."""
        try:
            opened = unpack_head(data, head_verifier(trust))
        except TrustError as error:
            raise TrustError(f"{error}, on the head of version {stamp.version} of {self._name!r}") from error
        self._accepted(trust, stamp, opened)
        return opened

    def _accepted(self, trust: TrustState, stamp: Stamp, opened: OpenedHead) -> TrustState:
        """Return the state after a head."""
        head = opened.head
        return accept_head(
            trust,
            stamp,
            name=head.name,
            version=head.version,
            sha256=opened.sha256,
            expires_s=head.expires_s,
            now_s=int(self._clock()),
        )

    def _kept(self, trust: TrustState, sha256: str) -> OpenedHead | None:
        """Return a head that the folder holds; None where it is not there, damaged or signed by others."""
        data = self._folder.head(sha256)
        if data is None:
            return None
        try:
            opened = unpack_head(data, head_verifier(trust))
        except (HeadError, TrustError):
            return None
        return opened if opened.sha256 == sha256 else None
