"""From a plan to a model that answers: a delta, then chunk by chunk; every better cut is installed once it is whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from netgraft.delivery.device.engine import Engine
from netgraft.delivery.device.events import Kind
from netgraft.delivery.device.installing import install, live_of, slot_bytes
from netgraft.delivery.device.restoring import held_chunks, keep_contents
from netgraft.delivery.device.store import DeviceFolder
from netgraft.delivery.exchange.batches import Splitter, batch_path, first_batch, rows_of
from netgraft.delivery.exchange.tiers import Tiers
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.format.head import CutRow
from netgraft.delivery.planning.planned import Plan
from netgraft.errors import ChunkError
from netgraft.records import sha256_hex

#: After these the server is not asked for several chunks at once again.
_NO_MORE_POURS = frozenset({"missing", "denied", "corrupt", "large"})


class Tell(Protocol):
    """Reports an event."""

    def __call__(self, kind: Kind, *, cut: str | None = None, accuracy: float | None = None, text: str = "") -> None:
        """Report it."""
        ...


@dataclass
class Download:
    """One download of one version.

    Attributes:
        folder: where everything is kept.
        tiers: the servers.
        assembly: of the version, with what the folder holds.
        parent: of the active version, where there is a delta from it.
        engine: answers while models change; None where nothing answers.
        confidence: at which rows leave early.
        spent: returns the bytes that came for the version so far.
        tell: reports an event.
        tolerant: whether a tolerant chunk is taken with wrong bits, until a canary says that it has too many.
        storage_bytes: what everything that is kept may take; None for no limit.
        chunks: how many were fetched.
    """

    folder: DeviceFolder
    tiers: Tiers
    assembly: Assembly
    parent: Assembly | None
    engine: Engine | None
    confidence: float | None
    spent: Callable[[], int]
    tell: Tell
    tolerant: bool = False
    storage_bytes: int | None = None
    chunks: int = 0
    _pours: bool = field(default=True, init=False)

    def run(self, plan: Plan, row: CutRow) -> None:
        """Fetch what a cut needs, and install every cut on the way that is better than what answers.

        Args:
            plan: what it wants of the delta counts; which chunks are needed follows from the cut.
            row: the cut of the plan.

        Raises:
            NetgraftError: it could not be done; what was installed stays.
        """
        head, missing = self.assembly.opened.head, self._left(row)
        if missing or not self._runs(row.id):
            self.folder.require_space(sum(head.chunks[index].bytes for index in missing) + 4 * row.parameters)
        self._improve(row)
        if plan.delta is not None and self.parent is not None and 0 <= plan.delta < len(head.deltas):
            self._try_delta(self.parent, plan.delta)
            self._improve(row)
        self._fill(row)
        self._improve(row, last=True)
        if self._left(row):  # chunks with too many wrong bits were removed
            self._fill(row)
            self._improve(row, last=True)

    def _left(self, row: CutRow) -> list[int]:
        """Return the places of a cut's chunks that are not held yet."""
        return [index for index in sorted(row.chunks) if index not in self.assembly.held]

    def _fill(self, row: CutRow) -> None:
        """Fetch what a cut needs, and install every better cut on the way."""
        while self._left(row):
            if not self._poured(self._left(row), self._add, lambda: self._improve(row)):
                for index in self._left(row)[:1]:
                    self._add(index, self._fetched(self.assembly.opened.head.chunks[index]))
                    self._improve(row)

    def _poured(self, left: Sequence[int], keep: Callable[[int, bytes], None], then: Callable[[], None]) -> bool:
        """Fetch chunks in one answer, each kept when it is whole; return whether all was right and any came.

        What comes together makes one better model. After an answer that breaks off the next chunk is asked for by
        itself, of any server; after one with a wrong chunk, which is left out, all that are missing are. What follows a
        wrong chunk may begin at another byte than it should, so it counts only with its hash.

        Args:
            left: ascending places of chunks, those of deltas behind the head's own.
            keep: gets the place and the bytes of each that is right.
            then: is called after each part of the answer.
        """
        head, wrong = self.assembly.opened.head, list[str]()
        every = rows_of(head)
        places = first_batch(left, every, self.tiers.left_bytes())
        places = first_batch(places, every, self.tiers.left_bytes(batch_path(head, places)))
        if not self._pours or len(places) < 2:
            return False
        rows, before = [every[place] for place in places], self.chunks
        splitter = Splitter([row.bytes for row in rows])

        def take(part: bytes) -> Sequence[str]:
            known = len(wrong)
            for number, data in splitter.feed(part):
                said = wrong_chunk(rows[number], data, tolerant=self.tolerant and not wrong)
                if said is not None:
                    wrong.append(said)
                    continue
                self.chunks += 1
                keep(places[number], data)
            then()
            return wrong[known:]

        expected_bytes = sum(row.bytes for row in rows)
        trouble = self.tiers.pour(batch_path(head, places), take, expected_bytes=expected_bytes)
        self._pours = trouble is None or trouble.kind not in _NO_MORE_POURS
        return trouble is None and self.chunks > before

    def _try_delta(self, parent: Assembly, number: int) -> None:
        """Fetch a delta and turn the parent's cut into this version's; where it fails, plain chunks follow.

        These may be more bytes than were planned. They are counted as all others and end where the data budget does.
        """
        try:
            data = self._delta_chunks(number)
            before = self.assembly.held
            self.assembly.add_delta(number, parent, data)
        except ChunkError as error:
            self.tell("corrupt", text=f"the delta does not fit, plain chunks are fetched instead: {error}")
            return
        keep_contents(self.folder, self.assembly, sorted(self.assembly.held - before))

    def _delta_chunks(self, number: int) -> list[bytes]:
        """Return the chunks of a delta, those that are missing fetched and kept."""
        head = self.assembly.opened.head
        rows = rows_of(head)
        first = len(head.chunks) + sum(len(delta.chunks) for delta in head.deltas[:number])
        places = range(first, first + len(head.deltas[number].chunks))
        found = {place: self.folder.chunk(rows[place].sha256) for place in places}

        def keep(place: int, data: bytes) -> None:
            self.folder.keep_chunk(rows[place].sha256, data)
            found[place] = data

        def left() -> list[int]:
            return [place for place, data in found.items() if data is None]

        while left():
            if not self._poured(left(), keep, lambda: None):
                for place in left()[:1]:
                    keep(place, self._fetched(rows[place]))
        return [data for data in found.values() if data is not None]

    def _add(self, index: int, data: bytes) -> None:
        """Keep a chunk that was verified, and decode it."""
        chunk = self.assembly.opened.head.chunks[index]
        self.folder.keep_chunk(chunk.sha256, data)
        try:
            self.assembly.add(index, data)
        except ChunkError:
            self.folder.forget_chunk(chunk.sha256)
            raise
        if index in self.assembly.damaged:
            self.tell("damaged", text=f"chunk {index} has wrong bits and is taken, as it tolerates some")

    def _fetched(self, chunk: ChunkRow) -> bytes:
        """Return the bytes of a chunk from the first server that gives them right."""
        data = self.tiers.ask(
            f"/c/{chunk.sha256}",
            most_bytes=chunk.bytes,
            expected_bytes=chunk.bytes,
            right=lambda body: wrong_chunk(chunk, body, tolerant=self.tolerant),
        )
        self.chunks += 1
        return data

    def _improve(self, wanted: CutRow, *, last: bool = False) -> None:
        """Install the best cut that is whole, where it is better than what answers."""
        row = best_whole(self.assembly, wanted)
        if row is None or self._runs(row.id) or not self._is_better(row, wanted, last=last):
            return
        if not last and not self._fits(row, wanted):
            return
        active = self.folder.state.active
        first = active is None or active.head != self.assembly.opened.sha256
        if self._activate(row):
            self.tell("usable" if first else "improved", cut=row.id, accuracy=row.accuracy)

    def _is_better(self, row: CutRow, wanted: CutRow, *, last: bool) -> bool:
        """Return whether a cut should take over from the active one.

        One of another version does when it is as accurate as the active one, or when all of it is there. One of the
        same version does when it is more accurate, or when the active one is not within the wanted one any more.
        """
        active, opened = self.folder.state.active, self.assembly.opened
        if active is None:
            return True
        if active.head != opened.sha256:
            return last or row.accuracy >= active.accuracy
        runs = next((cut for cut in opened.head.cuts if cut.id == active.cut), None)
        return runs is None or not contained(runs, wanted) or row.accuracy > runs.accuracy

    def _fits(self, row: CutRow, wanted: CutRow) -> bool:
        """Return whether a cut on the way fits beside the model that answers, and the wanted one beside it then."""
        return self._fits_storage(row, wanted) and self._fits_memory(row, wanted)

    def _fits_storage(self, row: CutRow, wanted: CutRow) -> bool:
        if self.storage_bytes is None:
            return True
        head, held = self.assembly.opened.head, self.assembly.held
        missing = sum(head.chunks[index].bytes for index in wanted.chunks if index not in held)
        slots = slot_bytes(row) + (slot_bytes(wanted) if row.id != wanted.id else 0)
        return self.folder.stored_bytes() + missing + slots <= self.storage_bytes

    def _fits_memory(self, row: CutRow, wanted: CutRow) -> bool:
        limit = None if self.engine is None else self.engine.slots.memory_bytes
        if self.engine is None or limit is None:
            return True
        return max(self.engine.slots.used_bytes, wanted.memory_bytes) + row.memory_bytes <= limit

    def _activate(self, row: CutRow) -> bool:
        """Build a cut, compare it with its canary, write it, and let the engine answer with it; return whether it does.

        It does not where chunks have too many wrong bits: these are asked for again then.
        """
        opened = self.assembly.opened
        model = self.assembly.model(row)
        try:
            self.assembly.check(row, model)
        except ChunkError as error:
            if not self.assembly.damaged.intersection(row.chunks):
                raise
            self._forget_damaged()
            self.tell("corrupt", text=f"chunks have too many wrong bits and are fetched again: {error}")
            return False
        if self.engine is not None:
            self.engine.slots.require(row.memory_bytes)
        state = replace(self.folder.state, spent_bytes=self.spent())
        install(self.folder, state, opened, row, model)
        if self.engine is not None:
            self.engine.swap(live_of(opened, row, model, self.assembly, self.confidence))
        return True

    def _forget_damaged(self) -> None:
        """Remove every chunk with wrong bits, and take none for the rest of this download."""
        opened = self.assembly.opened
        for index in self.assembly.damaged:
            self.folder.forget_chunk(opened.head.chunks[index].sha256)
        self.tolerant, self.assembly = False, Assembly(opened)
        held_chunks(self.folder, self.assembly)

    def _runs(self, cut: str) -> bool:
        """Return whether a cut of this version is the active one."""
        active = self.folder.state.active
        return active is not None and (active.head, active.cut) == (self.assembly.opened.sha256, cut)


def wrong_chunk(chunk: ChunkRow, data: bytes, *, tolerant: bool = False) -> str | None:
    """Return what is wrong with a chunk's bytes, before anything is decoded; None when nothing is.

    Args:
        chunk: its row.
        data: what came.
        tolerant: whether wrong bits in a chunk that tolerates some are none of it.
    """
    if len(data) != chunk.bytes:
        return f"{chunk.bytes} bytes are required, got {len(data)}"
    if (chunk.protection == "exact" or not tolerant) and sha256_hex(data) != chunk.sha256:
        return f"the SHA-256 {chunk.sha256[:16]}... is required, got {sha256_hex(data)[:16]}..."
    return None


def best_whole(assembly: Assembly, wanted: CutRow) -> CutRow | None:
    """Return the most accurate cut within the wanted one whose chunks are all held."""
    whole = [row for row in assembly.opened.head.cuts if contained(row, wanted) and assembly.has(row)]
    return max(whole, key=lambda row: (row.accuracy, -row.bytes), default=None)


def contained(row: CutRow, outer: CutRow) -> bool:
    """Return whether a cut's cells are all cells of another."""
    return row.depth <= outer.depth and row.shell <= outer.shell and row.planes <= outer.planes
