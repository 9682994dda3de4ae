"""The device's side of a delivery: stamp, head, plan, then chunk by chunk, a better model as soon as one is whole.

Order of one fetch: the trust chain, the stamp, the head (each checked before the next counts), what the folder holds of
it, the plan, its delta, its chunks in the order of the head. A chunk is checked when it arrives and kept at once, so a
device killed at any byte asks for at most one chunk twice. Each cut that closes is built beside the live one, compared
with its canary, written to the slot that is not active, and only then switched to. What was accepted is written down
before anything more is asked of a server. Whatever goes wrong, the model that worked goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from netgraft.delivery.device.downloading import Download
from netgraft.delivery.device.engine import Engine
from netgraft.delivery.device.events import Event, Kind
from netgraft.delivery.device.holding import Fetched, Holding, Planner
from netgraft.delivery.device.newest import Announced, Newest
from netgraft.delivery.device.restoring import held_chunks, reopened, restore
from netgraft.delivery.device.store import DeviceFolder
from netgraft.delivery.exchange.tiers import EXCHANGE_BYTES, Tiers, Trouble
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.chunk import ChunkRow
from netgraft.delivery.format.head import Head, OpenedHead
from netgraft.delivery.planning.planned import Plan
from netgraft.delivery.planning.situation import Situation
from netgraft.delivery.trust.accepting import PublicKey, TrustState
from netgraft.errors import BudgetError, LinkError, ModelError, NetgraftError, StorageError, TrustError

#: A look alone writes down the time of a stamp when it is so much later than the last one that was written down.
_NOTED_S = 60


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
        tolerant: bool = False,
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
            tolerant: whether a chunk that tolerates wrong bits is taken with some; else every hash must be right.

        Raises:
            StorageError: the folder is of another model.
        """
        if folder.state.name not in ("", name):
            raise StorageError(
                f"a folder of {name!r} or a new one is required, got {folder.path} of {folder.state.name!r}"
            )
        self.folder, self.tiers, self.name, self.situation = folder, tiers, name, situation
        self._planner, self._elapsed, self._report = planner, elapsed, report
        self._engine, self._confidence, self._tolerant = engine, confidence, tolerant
        self._newest = Newest(folder, tiers, name, clock=clock, tell=self._tell, trusted=trusted)
        self._begun_s = elapsed()
        self._spent_bytes = self._asking_bytes = 0
        self._chunks = 0
        self._version: int | None = None
        self._counts = False
        tiers.trouble, tiers.before = self._told_of, folder.write_down

    def is_newer(self) -> bool:
        """Ask for the stamp alone and return whether a fetch may find something new.

        It may where the stamp names another head than the active one, or is signed by keys that are not known yet.

        Raises:
            NetgraftError: no stamp that counts came.
        """
        self.tiers.limit_bytes = None
        state = self.folder.state
        if state.trust.trust is None or state.active is None:
            return True
        try:
            trust, stamp = self._newest.stamped(state.trust)
        except (TrustError, LinkError) as error:
            if isinstance(error, TrustError) or isinstance(error.__cause__, TrustError):
                return True
            raise
        if trust.latest_s >= state.trust.latest_s + _NOTED_S:
            self.folder.record(replace(state, trust=trust))
        return stamp.head != state.active.head and not state.refuses(stamp.head, stamp.version)

    def fetch(self) -> Fetched:
        """Bring the folder, and the engine, to what the plan says.

        Raises:
            NetgraftError: it could not be done; what worked before goes on, and a further fetch goes on from here.
        """
        self._begun_s, self.tiers.received_bytes, self._chunks = self._elapsed(), 0, 0
        self._spent_bytes = self._asking_bytes = 0
        self._version, self._counts = None, False
        self.tiers.limit_bytes = self.situation.data_budget_bytes
        self._tell("started")
        try:
            fetched = self._fetched()
        except NetgraftError as error:
            self._tell("failed", text=" ".join(str(error).split()), fault=type(error).__name__)
            if self._counts:
                self._note_spent()
            self.folder.write_down()
            raise
        self._tell("done", cut=fetched.cut, accuracy=fetched.accuracy, text=fetched.reason)
        return fetched

    def _fetched(self) -> Fetched:
        # what an answer brings counts for the budget of the version it names, which is known only then
        announced = self._newest.announced(at_once=self.situation.data_budget_bytes is None)
        if self.folder.state.refuses(announced.stamp.head, announced.stamp.version):
            return self._waited(announced.trust)
        self._go_on_from(announced)
        opened, trust = self._newest.head(announced)
        self._version = opened.head.version
        self.folder.note(replace(self.folder.state, trust=trust, spent_bytes=self._total()))
        self._mend()
        assembly = Assembly(opened)
        held_chunks(self.folder, assembly, tolerant=self._tolerant)
        parent = self._parent(opened)
        if self.situation.storage_bytes is not None:
            self._clean(opened)
        plan = self._plan(opened, assembly, parent)
        self._carry_out(plan, assembly, parent)
        if self._engine is not None and self.situation.memory_bytes is not None:
            plan = self._improved(plan, assembly)
        self._note_spent()
        return self._ended(plan.decision, plan.reason)

    def _carry_out(self, plan: Plan, assembly: Assembly, parent: Assembly | None) -> None:
        """Download what a plan wants."""
        opened = assembly.opened
        row = next((row for row in opened.head.cuts if row.id == plan.cut), None)
        if row is None:
            return
        download = Download(
            self.folder,
            self.tiers,
            assembly,
            parent,
            self._engine,
            self._confidence,
            self._total,
            self._tell,
            self._tolerant,
            self.situation.storage_bytes,
        )
        try:
            download.run(plan, row)
        finally:
            self._chunks += download.chunks
        self._clean(opened)

    def _improved(self, plan: Plan, assembly: Assembly) -> Plan:
        """Return what a further plan brings, if it is better: beside the model before less had room than has now."""
        try:
            again = self._plan(assembly.opened, assembly, None)
        except BudgetError:
            return plan
        if again.decision != "device" or again.cut == plan.cut or (again.accuracy or 0.0) <= (plan.accuracy or 0.0):
            return plan
        self._carry_out(again, assembly, None)
        return again

    def _waited(self, trust: TrustState) -> Fetched:
        """Stay with what answers, which may be nothing: the newest version was rolled back from by hand."""
        self.folder.note(replace(self.folder.state, trust=trust))
        self.folder.write_down()
        self._mend()
        active, refused = self.folder.state.active, self.folder.state.refused
        assert refused is not None
        if active is None:
            text = f"Version {refused.version} was rolled back from by hand, and no other is left."
            return self._ended("stay", f"{text} A later one will be installed.")
        self._version = active.version
        text = f"Stay with version {active.version}: version {refused.version} was rolled back from by hand."
        self._tell("rolled-back", cut=active.cut, accuracy=active.accuracy, text=text)
        return self._ended("stay", f"{text} A later one will be installed.")

    def _ended(self, decision: str, reason: str) -> Fetched:
        """Return how a fetch ended that did what was decided."""
        active = self.folder.state.active
        return Fetched(
            decision,
            reason,
            None if active is None else active.version,
            None if active is None else active.cut,
            None if active is None else active.accuracy,
            self.tiers.received_bytes,
            self._chunks,
            self._elapsed() - self._begun_s,
        )

    def _parent(self, opened: OpenedHead) -> Assembly | None:
        """Return the assembly of the active version where this head has deltas from it."""
        active = self.folder.state.active
        if active is None or not any(delta.parent == active.head for delta in opened.head.deltas):
            return None
        parent = reopened(self.folder, active.head)
        if parent is not None:
            held_chunks(self.folder, parent, tolerant=self._tolerant)
        return parent

    def _mend(self) -> None:
        """Make sure that the active model works where nobody loaded it: from its chunks, or as if there were none."""
        if self._engine is not None and self._engine.live is not None:
            return
        try:
            self.folder.model()
        except ModelError:
            try:
                restored = restore(self.folder, tolerant=self._tolerant)
            except StorageError:
                self.folder.record(replace(self.folder.state, active=None, previous=None))
            else:
                if restored is not None and restored.how == "previous":
                    live = restored.live
                    self._tell("rolled-back", version=live.version, cut=live.cut, text="the later version is damaged")

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
            stored_bytes=self.folder.stored_bytes(),
            hashes=tuple(row.sha256 for row in rows),
            accuracy=None if active is None else active.accuracy,
        )
        return self._planned(head, holding)

    def _planned(self, head: Head, holding: Holding) -> Plan:
        """Return the best plan whose chunks, each with the lines and headers of its exchange, fit the data budget."""
        if self.tiers.limit_bytes is None:
            return self._planner(head, self.situation, holding)
        budget = max(0, self.tiers.limit_bytes - self.tiers.received_bytes)
        before = math.inf
        for _ in range(len(head.cuts) + 1):  # each further plan is of another cut
            plan = self._planner(head, replace(self.situation, data_budget_bytes=budget), holding)
            left = max(0, self.tiers.limit_bytes - self.tiers.received_bytes)
            exchanges = _exchanges(head, plan)
            if not exchanges or plan.wire_bytes + exchanges * EXCHANGE_BYTES <= left:
                return plan
            if plan.wire_bytes >= before or not budget:
                break
            before = plan.wire_bytes
            budget = max(0, min(budget, math.ceil(before)) - 1)  # the next smaller one
        raise BudgetError(f"a plan within {left} bytes of data is required, got one of {plan.wire_bytes:.0f}")

    def _clean(self, opened: OpenedHead) -> None:
        """Remove what neither this version nor the one before needs."""
        state = self.folder.state
        kept: set[str] = set()
        for head in {i.head for i in (state.active, state.previous) if i is not None} - {opened.sha256}:
            assembly = reopened(self.folder, head)
            kept |= set() if assembly is None else _addresses(assembly.opened.head.chunks)
        self.folder.collect((), kept | _addresses(opened.head.chunks))

    def _go_on_from(self, announced: Announced) -> None:
        """Note what is fetched, and count what came for it before: a data budget is for all that a version takes.

        The questions for trust and stamp count in the fetch that asks them, but add up to nothing over many fetches.
        """
        budget, state = self.situation.data_budget_bytes, self.folder.state
        self._asking_bytes = self.tiers.received_bytes - len(announced.data)
        if state.target == announced.stamp.head:
            self._spent_bytes = state.spent_bytes
        if budget is not None:
            self.tiers.limit_bytes = max(0, budget - self._spent_bytes)
        target, trust = announced.stamp.head, announced.trust
        self.folder.note(replace(state, name=self.name, trust=trust, target=target, spent_bytes=self._total()))
        self._counts = True

    def _total(self) -> int:
        """Return what came for the head and its chunks, in earlier fetches too."""
        return self._spent_bytes + self.tiers.received_bytes - self._asking_bytes

    def _note_spent(self) -> None:
        """Write down what came for the target, so that a restart does not begin a new budget."""
        self.folder.note(replace(self.folder.state, spent_bytes=self._total()))
        self.folder.write_down()

    def _told_of(self, trouble: Trouble) -> None:
        kind: Kind = "corrupt" if trouble.kind == "corrupt" else "retried"
        self._tell(kind, text=f"{trouble.kind} from {trouble.server}: {trouble.text}", fault=trouble.kind)

    def _tell(
        self,
        kind: Kind,
        *,
        version: int | None = None,
        cut: str | None = None,
        accuracy: float | None = None,
        text: str = "",
        fault: str = "",
    ) -> None:
        seconds, of = self._elapsed() - self._begun_s, self._version if version is None else version
        self._report(Event(kind, seconds, self.tiers.received_bytes, of, cut, accuracy, text, fault))


def _exchanges(head: Head, plan: Plan) -> int:
    """Return how many chunks a plan asks for."""
    delta = plan.delta is not None and 0 <= plan.delta < len(head.deltas)
    return len(plan.chunks) + (len(head.deltas[plan.delta or 0].chunks) if delta else 0)


def _held_cuts(assembly: Assembly) -> Iterable[str]:
    return (row.id for row in assembly.opened.head.cuts if assembly.has(row))


def _addresses(chunks: Iterable[ChunkRow]) -> set[str]:
    return {address for chunk in chunks for address in (chunk.sha256, chunk.decoded_sha256)}
