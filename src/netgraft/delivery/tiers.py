"""Asks servers, the nearest first, until one gives what is right: bounded retries, counted bytes, a budget that holds.

A device knows one or more servers (edge, local, central) that offer the same. One that fails is left for the next; one
that answered well is asked first from then on. Waiting grows with each round and is drawn at random, so that a fleet
that lost its server does not come back all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from netgraft.delivery.transport import Reply, Transport
from netgraft.errors import BudgetError, ChunkError, LinkError, NetgraftError, SettingError, TokenError

_T = TypeVar("_T")

#: Lines and headers of one exchange that are set aside before it begins.
EXCHANGE_BYTES = 768
# An answer that is poured is read on after one wrong part: the next are as good as ever, and already on their way.
_MOST_WRONG_PARTS = 1


@dataclass(frozen=True)
class Retries:
    """How often and how patiently to ask.

    Attributes:
        attempts: questions at most, over all servers.
        first_s: longest wait after the first round; it doubles each round.
        most_s: longest wait at all, also where a server asks for more.
    """

    attempts: int = 6
    first_s: float = 0.2
    most_s: float = 10.0

    def wait_s(self, rounds: int, generator: np.random.Generator) -> float:
        """Return how long to wait after some rounds over all servers: uniform up to a bound that doubles."""
        return float(generator.uniform(0, min(self.most_s, self.first_s * 2.0 ** min(rounds, 30))))


@dataclass(frozen=True)
class Trouble:
    """One question that did not give what is right.

    Attributes:
        kind: ``corrupt`` or a fault of the transport.
        server: that was asked.
        text: in words.
    """

    kind: str
    server: str
    text: str


class Tiers:
    """Asks one server after the other. Not for use by several threads."""

    def __init__(
        self,
        transport: Transport,
        servers: Sequence[str],
        *,
        sleep: Callable[[float], None],
        generator: np.random.Generator,
        retries: Retries | None = None,
        trouble: Callable[[Trouble], None] = lambda trouble: None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin with nothing received.

        Args:
            transport: asks one question.
            servers: their addresses, the nearest first.
            sleep: waits for seconds.
            generator: draws the waits.
            retries: how often and how patiently.
            trouble: is told of every question that went wrong.
            before: is called before every question.

        Raises:
            SettingError: there is no server, or one is no HTTP address.
        """
        if not servers:
            raise SettingError("a server's address is required, got none")
        for server in servers:
            if not server.startswith(("http://", "https://")):
                raise SettingError(f"a server's address must begin with http:// or https://, got {server!r}")
        self.servers = tuple(server.rstrip("/") for server in servers)
        self.received_bytes = 0
        self.limit_bytes: int | None = None
        self.trouble, self.before = trouble, before
        self._transport = transport
        self._sleep = sleep
        self._generator = generator
        self._retries = retries or Retries()
        self._first = 0

    def ask(
        self,
        path: str,
        *,
        most_bytes: int,
        expected_bytes: int = 0,
        right: Callable[[bytes], str | None] = lambda body: None,
        body: bytes | None = None,
        again: bool = True,
    ) -> bytes:
        """Return what the first server gives that has it and gives it right.

        Args:
            path: behind a server's address.
            most_bytes: the largest answer that is read.
            expected_bytes: what is going to come; 0 where that is not known.
            right: says what is wrong with an answer, or None.
            body: JSON to send.
            again: whether a server is asked again after an answer that was wrong.

        Raises:
            BudgetError: the bytes would go beyond the limit.
            TokenError: the last server wants a token, or another one.
            ChunkError: every answer that came was damaged.
            LinkError: nothing came, or no server has it.
        """
        self.before()
        servers = self._in_order()
        last: Trouble | None = None
        reply, beyond = Reply(b"", 0), False
        without: set[str] = set()
        attempts = max(self._retries.attempts, len(servers))
        for attempt in range(attempts):
            if attempt and attempt % len(servers) == 0:
                self._sleep(self._wait_s(attempt // len(servers) - 1, reply))
            server = servers[attempt % len(servers)]
            if server in without:
                continue
            wanted = self._allowed(path, most_bytes, expected_bytes)
            reply = self._transport.ask(server + path, most_bytes=wanted, body=body)
            self.received_bytes += reply.received_bytes
            last = _judged(reply, server, right)
            if last is None:
                self._first = self.servers.index(server)
                return reply.body
            self.trouble(last)
            beyond = last.kind == "large" and wanted < most_bytes
            if beyond or last.kind in ("missing", "denied") or (last.kind == "corrupt" and not again):
                without.add(server)
            if len(without) == len(servers):
                break
        assert last is not None
        raise self._nothing(path, last, beyond=beyond)

    def read(self, path: str, reader: Callable[[bytes], _T], *, most_bytes: int, body: bytes | None = None) -> _T:
        """Return what a reader makes of the first answer that it does not refuse; each server may be wrong once.

        Args:
            path: behind a server's address.
            reader: raises a NetgraftError for an answer that does not count.
            most_bytes: the largest answer that is read.
            body: JSON to send.

        Raises:
            NetgraftError: what the reader said of the last answer, where one came from every server; else as `ask`.
        """
        made: list[_T] = []
        refused: list[NetgraftError] = []

        def wrong(data: bytes) -> str | None:
            try:
                made.append(reader(data))
            except NetgraftError as error:
                refused.append(error)
                return " ".join(str(error).split())
            return None

        try:
            self.ask(path, most_bytes=most_bytes, right=wrong, body=body, again=False)
        except ChunkError as error:
            raise refused[-1] from error
        except LinkError as error:
            raise error from (refused[-1] if refused else None)
        return made[-1]

    def glance(self, path: str, reader: Callable[[bytes], _T], *, most_bytes: int) -> _T | None:
        """Return what a reader makes of the first answer that it does not refuse, each server being asked once.

        None where nothing came, or where a server does not know the path: whoever asks then has another way, which
        begins at that server.

        Args:
            path: behind a server's address.
            reader: raises a NetgraftError for an answer that does not count.
            most_bytes: the largest answer that is read.

        Raises:
            BudgetError: the bytes would go beyond the limit.
        """
        self.before()
        for server in self._in_order():
            reply = self._transport.ask(server + path, most_bytes=self._allowed(path, most_bytes, 0))
            self.received_bytes += reply.received_bytes
            made: _T | None = None
            if reply.fault is None:
                try:
                    made = reader(reply.body)
                except NetgraftError as error:
                    self.trouble(Trouble("corrupt", server, " ".join(str(error).split())))
                    continue
            elif reply.fault != "missing":
                self.trouble(Trouble(reply.fault, server, reply.text))
                continue
            self._first = self.servers.index(server)
            return made
        return None

    def pour(self, path: str, take: Callable[[bytes], str | None], *, expected_bytes: int) -> Trouble | None:
        """Give what one server answers part by part as it comes; return what went wrong, None where nothing did.

        The server that answered well last is asked, once; every byte counts when it comes.

        Args:
            path: behind a server's address.
            take: gets each part, and says what is wrong with it, or None.
            expected_bytes: of the whole answer; no more is read.

        Raises:
            BudgetError: the bytes would go beyond the limit.
        """
        self.before()
        server, poured, wrong = self.servers[self._first], [0], list[str]()

        def counted(part: bytes) -> bool:
            poured[0] += len(part)
            self.received_bytes += len(part)
            said = take(part)
            wrong.extend([said] if said is not None else [])
            return len(wrong) <= _MOST_WRONG_PARTS

        most_bytes = self._allowed(path, expected_bytes, expected_bytes)
        reply = self._transport.pour(server + path, counted, most_bytes=most_bytes)
        self.received_bytes += reply.received_bytes - poured[0]
        if reply.fault is None and not wrong:
            return None
        trouble = Trouble(reply.fault or "corrupt", server, reply.text if reply.fault else wrong[0])
        if trouble.kind != "missing":
            self.trouble(trouble)
        return trouble

    def _in_order(self) -> list[str]:
        """Return the servers, the one that answered well last before the others."""
        return [*self.servers[self._first :], *self.servers[: self._first]]

    def _nothing(self, path: str, last: Trouble, *, beyond: bool) -> NetgraftError:
        """Return the error of a question that nobody answered right."""
        if last.kind == "denied":
            return TokenError(f"a token that {last.server} accepts is required, got the answer {last.text}")
        if beyond:
            return BudgetError(f"an answer within the data budget of {self.limit_bytes} bytes is required, got more")
        kind = ChunkError if last.kind == "corrupt" else LinkError
        return kind(
            f"an answer to {path} is required, got none that is right: {last.kind} from {last.server}: {last.text}"
        )

    def _allowed(self, path: str, most_bytes: int, expected_bytes: int) -> int:
        """Return how many bytes of an answer may be read."""
        if self.limit_bytes is None:
            return most_bytes
        left = self.limit_bytes - self.received_bytes - EXCHANGE_BYTES
        if left < max(1, expected_bytes):
            raise BudgetError(
                f"{self.received_bytes + expected_bytes + EXCHANGE_BYTES} bytes of data are required for {path}, "
                f"got a budget of {self.limit_bytes}"
            )
        return min(most_bytes, left)

    def _wait_s(self, rounds: int, reply: Reply) -> float:
        drawn = self._retries.wait_s(rounds, self._generator)
        return min(self._retries.most_s, max(drawn, reply.retry_after_s or 0.0))


def _judged(reply: Reply, server: str, right: Callable[[bytes], str | None]) -> Trouble | None:
    """Return what is wrong with a reply; None when it is right."""
    if reply.fault is not None:
        return Trouble(reply.fault, server, reply.text)
    wrong = right(reply.body)
    return None if wrong is None else Trouble("corrupt", server, wrong)
