"""The device's side of a delivery: stamp, head, plan, then chunk by chunk, a better model as soon as one is whole.

Order of one fetch: the trust chain, the stamp, the head (each checked before the next is asked for), what the folder
holds of it, the plan, its delta, its chunks in the order of the head. A chunk is checked when it arrives and kept at
once, so a device killed at any byte asks for at most one chunk twice. Each cut that closes is built beside the live
one, compared with its canary, written to the slot that is not active, and only then switched to. Whatever goes wrong,
the model that worked goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import quote

from netgraft.delivery.assembly import Assembly
from netgraft.delivery.chunk import ChunkRow
from netgraft.delivery.engine import Engine
from netgraft.delivery.events import Event, Kind
from netgraft.delivery.head import CutRow, Head, OpenedHead, unpack_head
from netgraft.delivery.installing import install, live_of
from netgraft.delivery.planned import Plan
from netgraft.delivery.restoring import held_chunks, keep_contents, reopened
from netgraft.delivery.situation import Situation
from netgraft.delivery.store import DeviceFolder
from netgraft.delivery.tiers import EXCHANGE_BYTES, Tiers, Trouble
from netgraft.delivery.trust import (
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
from netgraft.errors import ChunkError, NetgraftError, StorageError
from netgraft.records import sha256_hex

#: Largest head that is read.
MOST_HEAD_BYTES = 71_303_168
_TRUST_PATH = "/v1/trust"


@dataclass(frozen=True)
class Holding:
    """What a device has already, for the planner.

    Attributes:
        held: indices of the head's chunks.
        deltas_from: SHA-256 of an earlier head -> ids of its cuts that are held.
        live: id of the head's cut that answers now.
        live_memory_bytes: of the model that answers now while the next one is made.
        stored_bytes: that the held chunks take.
        hashes: SHA-256 of the held chunks.
    """

    held: frozenset[int]
    deltas_from: dict[str, tuple[str, ...]]
    live: str | None
    live_memory_bytes: int
    stored_bytes: int
    hashes: tuple[str, ...]


class Planner(Protocol):
    """Decides what to run: here, or by asking a server."""

    def __call__(self, head: Head, situation: Situation, holding: Holding) -> Plan:
        """Return the plan."""
        ...


@dataclass(frozen=True)
class Fetched:
    """How a fetch ended.

    Attributes:
        decision: of the plan.
        reason: of the plan, in words.
        version: that answers now; None where none does.
        cut: its cut.
        accuracy: of that cut, as the head says.
        received_bytes: that came over the network.
        chunks: how many were fetched.
        seconds: that it took.
    """

    decision: str
    reason: str
    version: int | None
    cut: str | None
    accuracy: float | None
    received_bytes: int
    chunks: int
    seconds: float


class DeviceClient:
    """Fetches one model into a folder. For one thread; the engine may answer in others."""

    def __init__(
        self,
        folder: DeviceFolder,
        tiers: Tiers,
        name: str,
        situation: Situation,
        planner: Planner,
        *,
        clock: Callable[[], float],
        elapsed: Callable[[], float],
        report: Callable[[Event], None] = lambda event: None,
        trusted: PublicKey | None = None,
        engine: Engine | None = None,
        confidence: float | None = None,
    ) -> None:
        """Prepare a fetch.

        Args:
            folder: claimed.
            tiers: the servers.
            name: of the model.
            situation: of the device.
            planner: decides.
            clock: seconds since 1970.
            elapsed: seconds of a clock that never goes back.
            report: is told of every event.
            trusted: the only root key to begin with; the first one that comes if None.
            engine: answers while models change; None where nothing answers.
            confidence: at which rows leave the network early; None to run every layer for every row.

        Raises:
            StorageError: the folder is of another model.
        """
        if folder.state.name not in ("", name):
            raise StorageError(
                f"a folder of {name!r} or a new one is required, got {folder.path} of {folder.state.name!r}"
            )
        self.folder, self.tiers, self.name, self.situation = folder, tiers, name, situation
        self._planner, self._clock, self._elapsed, self._report = planner, clock, elapsed, report
        self._trusted, self._engine, self._confidence = trusted, engine, confidence
        self._path = f"/v1/models/{quote(name, safe='')}"
        self._begun_s = elapsed()
        self._spent_bytes = 0
        self._chunks = 0
        self._version: int | None = None
        tiers.trouble = self._told_of

    def is_newer(self) -> bool:
        """Ask for the stamp alone and return whether a fetch would find another head than the active one.

        Raises:
            NetgraftError: no stamp that counts came.
        """
        self.tiers.limit_bytes = None
        if self.folder.state.trust.trust is None or self.folder.state.active is None:
            return True
        _, stamp = self._stamped(self.folder.state.trust)
        return stamp.head != self.folder.state.active.head

    def fetch(self) -> Fetched:
        """Bring the folder, and the engine, to what the plan says.

        Raises:
            NetgraftError: it could not be done; what worked before goes on, and a further fetch goes on from here.
        """
        self._begun_s, self.tiers.received_bytes, self._chunks = self._elapsed(), 0, 0
        self._spent_bytes, self._version = self.folder.state.spent_bytes, None
        self.tiers.limit_bytes = self._limit()
        self._tell("started")
        try:
            fetched = self._fetched()
        except NetgraftError as error:
            self._tell("failed", text=" ".join(str(error).split()))
            self._note_spent(self.folder.state.target)
            raise
        self._tell("done", cut=fetched.cut, accuracy=fetched.accuracy, text=fetched.reason)
        return fetched

    def _fetched(self) -> Fetched:
        trust, stamp = self._stamped(self._trust())
        opened, trust = self._head(trust, stamp)
        state = self.folder.state
        if state.target != opened.sha256:
            self._spent_bytes = 0
        self._version = opened.head.version
        self.folder.record(replace(state, name=self.name, trust=trust, target=opened.sha256, spent_bytes=self._total()))
        assembly = Assembly(opened)
        held_chunks(self.folder, assembly)
        parent = self._parent(opened)
        plan = self._plan(opened, assembly, parent)
        row = next((row for row in opened.head.cuts if row.id == plan.cut), None)
        if row is not None:
            self._download(opened, assembly, parent, plan, row)
            self._clean(opened)
        self._note_spent(opened.sha256, finished=True)
        active = self.folder.state.active
        return Fetched(
            plan.decision,
            plan.reason,
            None if active is None else active.version,
            None if active is None else active.cut,
            None if active is None else active.accuracy,
            self.tiers.received_bytes,
            self._chunks,
            self._elapsed() - self._begun_s,
        )

    def _trust(self) -> TrustState:
        """Return the state after the trust chain of the server."""
        before = self.folder.state.trust
        data = self.tiers.ask(_TRUST_PATH, most_bytes=MOST_TRUST_BYTES)
        trust = accept_trust(before, data, now_s=int(self._clock()), pinned=self._trusted)
        if before.trust is None and self._trusted is None:
            keys = ", ".join(f"{key[:16]}..." for key in trust.pinned)
            self._tell("pinned", text=f"root key {keys} is believed from now on because it came first")
        return trust

    def _stamped(self, trust: TrustState) -> tuple[TrustState, Stamp]:
        """Return the state after the stamp of the server, and the stamp."""
        data = self.tiers.ask(f"{self._path}/stamp", most_bytes=MOST_STAMP_BYTES)
        return accept_stamp(trust, data, name=self.name, now_s=int(self._clock()))

    def _head(self, trust: TrustState, stamp: Stamp) -> tuple[OpenedHead, TrustState]:
        """Return the head of a stamp, from the folder where it is there, and the state after it."""
        verify = head_verifier(trust)
        data = self.folder.head(stamp.head)
        kept = data is not None
        if data is None:
            path = f"{self._path}/head?version={stamp.version}"
            data = self.tiers.ask(path, most_bytes=MOST_HEAD_BYTES)
        opened = unpack_head(data, verify)
        head = opened.head
        accepted = accept_head(
            trust,
            stamp,
            name=head.name,
            version=head.version,
            sha256=opened.sha256,
            expires_s=head.expires_s,
            now_s=int(self._clock()),
        )
        if not kept:
            self.folder.require_space(len(data))
            self.folder.keep_head(opened.sha256, data)
        return opened, accepted

    def _parent(self, opened: OpenedHead) -> Assembly | None:
        """Return the assembly of the active version where this head has deltas from it."""
        active = self.folder.state.active
        if active is None or not any(delta.parent == active.head for delta in opened.head.deltas):
            return None
        parent = reopened(self.folder, active.head)
        if parent is not None:
            held_chunks(self.folder, parent)
        return parent

    def _plan(self, opened: OpenedHead, assembly: Assembly, parent: Assembly | None) -> Plan:
        """Return what the planner says."""
        active, head = self.folder.state.active, opened.head
        rows = [head.chunks[index] for index in assembly.held]
        deltas = {} if active is None or parent is None else {active.head: tuple(_held_cuts(parent))}
        live = None if self._engine is None else self._engine.live
        holding = Holding(
            held=assembly.held,
            deltas_from=deltas,
            live=active.cut if active is not None and active.head == opened.sha256 else None,
            live_memory_bytes=0 if live is None else live.memory_bytes,
            stored_bytes=sum(row.bytes for row in rows),
            hashes=tuple(row.sha256 for row in rows),
        )
        return self._planned(head, holding)

    def _planned(self, head: Head, holding: Holding) -> Plan:
        """Return the plan whose chunks, each with the lines and headers of its exchange, fit the data budget."""
        if self.tiers.limit_bytes is None:
            return self._planner(head, self.situation, holding)
        left = max(0, self.tiers.limit_bytes - self.tiers.received_bytes)
        aside = 0
        while True:
            plan = self._planner(head, replace(self.situation, data_budget_bytes=max(0, left - aside)), holding)
            exchanges = len(plan.chunks) + (0 if plan.delta is None else len(head.deltas[plan.delta].chunks))
            if exchanges * EXCHANGE_BYTES <= aside:
                return plan
            aside = exchanges * EXCHANGE_BYTES

    def _download(
        self, opened: OpenedHead, assembly: Assembly, parent: Assembly | None, plan: Plan, row: CutRow
    ) -> None:
        """Fetch what a cut needs, and install every cut on the way that is better than what answers."""
        head = opened.head
        missing = [index for index in sorted(row.chunks) if index not in assembly.held]
        needed = sum(head.chunks[index].bytes for index in missing)
        if missing or not self._runs(opened.sha256, row.id):
            self.folder.require_space(needed + 4 * row.parameters)
        self._improve(opened, assembly, row)
        if plan.delta is not None and parent is not None and 0 <= plan.delta < len(head.deltas):
            self._apply_delta(opened, assembly, parent, plan.delta)
            self._improve(opened, assembly, row)
        for index in missing:
            if index not in assembly.held:
                self._add(assembly, index, head.chunks[index])
                self._improve(opened, assembly, row)
        self._improve(opened, assembly, row, last=True)

    def _add(self, assembly: Assembly, index: int, chunk: ChunkRow) -> None:
        """Fetch a chunk, keep it and decode it."""
        data = self._chunk(chunk)
        self.folder.keep_chunk(chunk.sha256, data)
        try:
            assembly.add(index, data)
        except ChunkError:
            self.folder.forget_chunk(chunk.sha256)
            raise

    def _apply_delta(self, opened: OpenedHead, assembly: Assembly, parent: Assembly, number: int) -> None:
        """Fetch a delta and turn the parent's cut into this version's."""
        data = []
        for chunk in opened.head.deltas[number].chunks:
            held = self.folder.chunk(chunk.sha256)
            if held is None:
                held = self._chunk(chunk)
                self.folder.keep_chunk(chunk.sha256, held)
            data.append(held)
        before = assembly.held
        assembly.add_delta(number, parent, data)
        keep_contents(self.folder, assembly, sorted(assembly.held - before))

    def _chunk(self, chunk: ChunkRow) -> bytes:
        """Return the bytes of a chunk from the first server that gives them right."""
        data = self.tiers.ask(
            f"/c/{chunk.sha256}",
            most_bytes=chunk.bytes,
            expected_bytes=chunk.bytes,
            right=lambda body: wrong_chunk(chunk, body),
        )
        self._chunks += 1
        return data

    def _improve(self, opened: OpenedHead, assembly: Assembly, wanted: CutRow, *, last: bool = False) -> None:
        """Install the best cut that is whole, where it is better than what answers.

        Another version takes over when it is as accurate as the active one, or when all of it is there.
        """
        row = _best_whole(assembly, wanted)
        active = self.folder.state.active
        if row is None or self._runs(opened.sha256, row.id):
            return
        if active is not None and active.head == opened.sha256:
            runs = next((cut for cut in opened.head.cuts if cut.id == active.cut), None)
            if runs is not None and _contained(runs, wanted) and runs.accuracy >= row.accuracy:
                return
        elif active is not None and row.accuracy < active.accuracy and not last:
            return
        first = active is None or active.head != opened.sha256
        if not self._fits(row) and not last:
            return
        self._activate(opened, assembly, row)
        self._tell("usable" if first else "improved", cut=row.id, accuracy=row.accuracy)

    def _fits(self, row: CutRow) -> bool:
        """Return whether a cut fits into memory beside the model that answers."""
        slots = None if self._engine is None else self._engine.slots
        return slots is None or slots.memory_bytes is None or slots.used_bytes + row.memory_bytes <= slots.memory_bytes

    def _activate(self, opened: OpenedHead, assembly: Assembly, row: CutRow) -> None:
        """Build a cut, compare it with its canary, write it, and let the engine answer with it."""
        model = assembly.model(row)
        assembly.check(row, model)
        if self._engine is not None:
            self._engine.slots.require(row.memory_bytes)
        state = replace(self.folder.state, spent_bytes=self._total())
        install(self.folder, state, opened, row, model)
        if self._engine is not None:
            self._engine.swap(live_of(opened, row, model, assembly, self._confidence))

    def _runs(self, head: str, cut: str) -> bool:
        active = self.folder.state.active
        return active is not None and (active.head, active.cut) == (head, cut)

    def _clean(self, opened: OpenedHead) -> None:
        """Remove what neither this version nor the one before needs."""
        state = self.folder.state
        kept: set[str] = set()
        for head in {i.head for i in (state.active, state.previous) if i is not None} - {opened.sha256}:
            assembly = reopened(self.folder, head)
            kept |= set() if assembly is None else _addresses(assembly.opened.head.chunks)
        self.folder.collect((), kept | _addresses(opened.head.chunks))

    def _limit(self) -> int | None:
        """Return how many bytes may come in this fetch."""
        budget = self.situation.data_budget_bytes
        return None if budget is None else max(0, budget - self._spent_bytes)

    def _total(self) -> int:
        return self._spent_bytes + self.tiers.received_bytes

    def _note_spent(self, target: str | None, *, finished: bool = False) -> None:
        """Write down what came for a version, so that a restart does not begin a new budget; a whole one ends it."""
        spent = 0 if finished else self._total()
        if self.folder.state.target == target and self.folder.state.spent_bytes != spent:
            self.folder.record(replace(self.folder.state, spent_bytes=spent))

    def _told_of(self, trouble: Trouble) -> None:
        kind: Kind = "corrupt" if trouble.kind == "corrupt" else "retried"
        self._tell(kind, text=f"{trouble.kind} from {trouble.server}: {trouble.text}")

    def _tell(self, kind: Kind, *, cut: str | None = None, accuracy: float | None = None, text: str = "") -> None:
        seconds = self._elapsed() - self._begun_s
        self._report(Event(kind, seconds, self.tiers.received_bytes, self._version, cut, accuracy, text))


def wrong_chunk(chunk: ChunkRow, data: bytes) -> str | None:
    """Return what is wrong with a chunk's bytes, before anything is decoded; None when nothing is."""
    if len(data) != chunk.bytes:
        return f"{chunk.bytes} bytes are required, got {len(data)}"
    if chunk.protection == "exact" and sha256_hex(data) != chunk.sha256:
        return f"the SHA-256 {chunk.sha256[:16]}... is required, got {sha256_hex(data)[:16]}..."
    return None


def _best_whole(assembly: Assembly, wanted: CutRow) -> CutRow | None:
    """Return the most accurate cut within the wanted one whose chunks are all held."""
    whole = [row for row in assembly.opened.head.cuts if _contained(row, wanted) and assembly.has(row)]
    return max(whole, key=lambda row: (row.accuracy, -row.bytes), default=None)


def _contained(row: CutRow, outer: CutRow) -> bool:
    return row.depth <= outer.depth and row.shell <= outer.shell and row.planes <= outer.planes


def _held_cuts(assembly: Assembly) -> Iterable[str]:
    return (row.id for row in assembly.opened.head.cuts if assembly.has(row))


def _addresses(chunks: Iterable[ChunkRow]) -> set[str]:
    return {address for chunk in chunks for address in (chunk.sha256, chunk.decoded_sha256)}
