"""Asks servers, the nearest first, until one gives what is right: bounded retries, counted bytes, a budget that holds.

A device knows one or more servers (edge, local, central) that offer the same. One that fails is left for the next; one
that answered well is asked first from then on. Waiting grows with each round and is drawn at random, so that a fleet
that lost its server does not come back all at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from netgraft.delivery.exchange.transport import Reply, Transport
from netgraft.errors import BudgetError, ChunkError, LinkError, NetgraftError, SettingError, TokenError

_T = TypeVar("_T")

#: Lines and headers of one exchange that are set aside before it begins; what a path has beyond so much comes on top.
EXCHANGE_BYTES, _PATH_BYTES = 768, 100
# An answer that is poured is read on after one thing that is wrong: the next may be right, and are on their way.
_MOST_WRONG = 1


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


def check_addresses(servers: Sequence[str]) -> None:
    """Check the addresses of servers.

    Raises:
        SettingError: there is none, or one is no HTTP address.
    """
    if not servers:
        raise SettingError("a server's address is required, got none")
    for server in servers:
        if not server.startswith(("http://", "https://")):
            raise SettingError(f"a server's address must begin with http:// or https://, got {server!r}")


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
        check_addresses(servers)
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
        most_s: float = math.inf,
    ) -> bytes:
        """Return what the first server gives that has it and gives it right.

        Args:
            path: behind a server's address.
            most_bytes: the largest answer that is read.
            expected_bytes: what is going to come; 0 where that is not known.
            right: says what is wrong with an answer, or None.
            body: JSON to send.
            again: whether a server is asked again after an answer that was wrong.
            most_s: seconds in which an answer must be there.

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
            reply = self._transport.ask(server + path, most_bytes=wanted, body=body, most_s=most_s)
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

    def read(
        self,
        path: str,
        reader: Callable[[bytes], _T],
        *,
        most_bytes: int,
        body: bytes | None = None,
        most_s: float = math.inf,
    ) -> _T:
        """Return what a reader makes of the first answer that it does not refuse; each server may be wrong once.

        Args:
            path: behind a server's address.
            reader: raises a NetgraftError for an answer that does not count.
            most_bytes: the largest answer that is read.
            body: JSON to send.
            most_s: seconds in which an answer must be there.

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
            self.ask(path, most_bytes=most_bytes, right=wrong, body=body, again=False, most_s=most_s)
        except ChunkError as error:
            raise refused[-1] from error
        except LinkError as error:
            raise error from (refused[-1] if refused else None)
        return made[-1]

    def glance(
        self, path: str, reader: Callable[[bytes], _T], *, most_bytes: int, most_s: float = math.inf
    ) -> _T | None:
        """Return what a reader makes of the first answer that it does not refuse, each server being asked once.

        None where nothing came, or where a server does not know the path: whoever asks then has another way, which
        begins at that server.

        Args:
            path: behind a server's address.
            reader: raises a NetgraftError for an answer that does not count.
            most_bytes: the largest answer that is read.
            most_s: seconds in which an answer must be there.

        Raises:
            BudgetError: the bytes would go beyond the limit.
        """
        for server in self._in_order():
            self.before()
            reply = self._transport.ask(server + path, most_bytes=self._allowed(path, most_bytes, 0), most_s=most_s)
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

    def pour(self, path: str, take: Callable[[bytes], Sequence[str]], *, expected_bytes: int) -> Trouble | None:
        """Give what one server answers part by part as it comes; return what went wrong, None where nothing did.

        The server that answered well last is asked, once; one that fails is left for the next. Every byte counts when
        it comes.

        Args:
            path: behind a server's address.
            take: gets each part, and says each thing that is wrong in it.
            expected_bytes: of the whole answer; no more is read.

        Raises:
            BudgetError: the bytes would go beyond the limit.
            NetgraftError: what `take` raised.
        """
        self.before()
        server, poured = self.servers[self._first], 0
        wrong, failed = list[str](), list[NetgraftError]()

        def counted(part: bytes) -> bool:
            nonlocal poured
            poured += len(part)
            self.received_bytes += len(part)
            try:
                wrong.extend(take(part))
            except NetgraftError as error:  # the lines and headers of the answer are counted first
                failed.append(error)
            return len(wrong) <= _MOST_WRONG and not failed

        most_bytes = self._allowed(path, expected_bytes, expected_bytes)
        reply = self._transport.pour(server + path, counted, most_bytes=most_bytes)
        self.received_bytes += reply.received_bytes - poured
        if failed:
            raise failed[0]
        if reply.fault is None and not wrong:
            return None
        trouble = Trouble(reply.fault or "corrupt", server, reply.text if reply.fault else wrong[0])
        if trouble.kind != "missing":
            self._first = (self._first + 1) % len(self.servers)
            self.trouble(trouble)
        return trouble

    def left_bytes(self, path: str = "") -> float:
        """Return how many bytes an answer to a path may have within the limit; infinity where there is none."""
        if self.limit_bytes is None:
            return math.inf
        return self.limit_bytes - self.received_bytes - _exchange_bytes(path)

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
        left = self.left_bytes(path)
        if left < max(1, expected_bytes):
            needed = self.received_bytes + expected_bytes + _exchange_bytes(path)
            raise BudgetError(f"{needed} bytes of data are required for {path}, got a budget of {self.limit_bytes}")
        return int(min(most_bytes, left))

    def _wait_s(self, rounds: int, reply: Reply) -> float:
        drawn = self._retries.wait_s(rounds, self._generator)
        return min(self._retries.most_s, max(drawn, reply.retry_after_s or 0.0))


def _exchange_bytes(path: str) -> int:
    """Return what lines and headers of one exchange are taken for."""
    return EXCHANGE_BYTES + max(0, len(path) - _PATH_BYTES)


def _judged(reply: Reply, server: str, right: Callable[[bytes], str | None]) -> Trouble | None:
    """Return what is wrong with a reply; None when it is right."""
    if reply.fault is not None:
        return Trouble(reply.fault, server, reply.text)
    wrong = right(reply.body)
    return None if wrong is None else Trouble("corrupt", server, wrong)
