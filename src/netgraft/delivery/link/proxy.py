"""A TCP proxy that puts a `Link` between a device and a server, on real sockets of this machine.

All connections share the rates of the link. Bytes leave on a schedule that does not depend on how late a timer fires,
so the rate is right over many bytes though each sleep is coarse. Bits are turned only inside the bodies of answers to
requests for chunks, as over a link that protects all else. For tests and measurements; it speaks plain HTTP.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

import numpy as np

from netgraft.delivery.link.channel import Link, Trace, flipped
from netgraft.delivery.link.http_bodies import Answered, Asked
from netgraft.errors import LinkError
from netgraft.seeds import generator

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_READ_BYTES = 65_536
_PIECE_S = 0.004  # how long a piece of a stream takes on the link
_AHEAD_S = 0.02  # how far ahead of the clock a connection may book the link
_TIMER_S = 0.0001  # shorter waits are not worth a timer
_LONGEST_WAIT_S = 3_600.0
_QUEUE = 256


@dataclass
class Counts:
    """What a proxy has done so far."""

    connections: int = 0
    cuts: int = 0
    bytes_down: int = 0
    bytes_up: int = 0


class _Pacer:
    """One direction of a link, shared by its connections."""

    def __init__(self, trace: Trace | None, clock: Clock) -> None:
        self.trace, self.clock, self.free_s = trace, clock, 0.0

    def piece_bytes(self) -> int:
        """Return how many bytes to book at once."""
        if self.trace is None:
            return _READ_BYTES
        return int(min(_READ_BYTES, max(512.0, self.trace.rate_at(self.clock()) * _PIECE_S / 8)))

    def book(self, count: int) -> float:
        """Return when so many bytes have left."""
        now = self.clock()
        if self.trace is None:
            return now
        self.free_s = self.trace.finished_s(max(now, self.free_s), 8.0 * count)
        return self.free_s


class Proxy:
    """A proxy in front of a server: ``async with Proxy(target, link) as url``."""

    def __init__(
        self,
        target: str,
        link: Link,
        *,
        seed: int = 0,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Prepare a proxy; nothing listens yet.

        Args:
            target: the server, ``http://HOST:PORT``.
            link: what lies between.
            seed: of jitter, cuts and bit errors; each connection has a stream of its own.
            clock: seconds that only rise.
            sleep: waits.

        Raises:
            LinkError: the target is no such address.
        """
        parts = urlsplit(target)
        if parts.scheme != "http" or not parts.hostname or parts.port is None:
            raise LinkError(f"a proxy's target must be http://HOST:PORT, got {target!r}")
        self.host, self.port = parts.hostname, parts.port
        self.link, self.seed, self.sleep = link, seed, sleep
        self.counts = Counts()
        self._clock, self._start_s = clock, clock()
        self._down, self._up = _Pacer(link.downlink, self.now), _Pacer(link.uplink, self.now)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        """Return the seconds since the link began."""
        return self._clock() - self._start_s

    async def __aenter__(self) -> str:
        """Listen on a free port of the loopback interface and return the URL."""
        self._start_s = self._clock()
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and break off what is open."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def until(self, moment_s: float) -> None:
        """Wait for a moment of the link."""
        while (left := moment_s - self.now()) > _TIMER_S:
            await self.sleep(min(left, _LONGEST_WAIT_S))

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.counts.connections += 1
        draws = generator(self.seed, "proxy", self.counts.connections)
        writers = [writer]
        try:
            behind, behind_writer = await asyncio.open_connection(self.host, self.port)
            writers.append(behind_writer)
            await _joined(*self._streams((reader, writer), (behind, behind_writer), draws))
        except (OSError, asyncio.CancelledError):  # only `__aexit__` cancels, and it asks for nothing more
            for broken in writers:
                broken.transport.abort()
        finally:
            self._tasks.discard(task)
            for open_writer in writers:
                open_writer.close()
                with suppress(OSError, asyncio.CancelledError):
                    await open_writer.wait_closed()

    def _streams(self, device: _Ends, server: _Ends, draws: np.random.Generator) -> tuple[_Stream, _Stream]:
        """Return the streams towards the device and towards the server."""
        asked = Asked()
        answered = Answered(asked)
        for_up, for_down, for_errors, for_cut = draws.spawn(4)

        def up(data: bytes) -> bytes:
            asked.feed(data)
            self.counts.bytes_up += len(data)
            return data

        def down(data: bytes) -> bytes:
            pieces = answered.feed(data) if data else [(answered.rest(), False)]
            return b"".join(flipped(p, self.link.errors, for_errors) if chunk else p for p, chunk in pieces)

        until_cut = self.link.bytes_until_cut(for_cut)
        return (
            _Stream(self, server[0], device[1], self._down, down, for_down, until_cut),
            _Stream(self, device[0], server[1], self._up, up, for_up, math.inf),
        )


async def _joined(down: _Stream, up: _Stream) -> None:
    """Carry bytes both ways until the server has ended or a side has broken off."""
    tasks = [asyncio.create_task(stream.run()) for stream in (down, up)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[1].done():
            tasks[1].result()
            await tasks[0]  # the device has said all: the answer may still be on its way
        else:
            tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Stream:
    """Carries the bytes of one connection in one direction."""

    def __init__(
        self,
        proxy: Proxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pacer: _Pacer,
        changed: Callable[[bytes], bytes],
        draws: np.random.Generator,
        until_cut: float,
    ) -> None:
        """Prepare a stream.

        Args:
            proxy: whose link it crosses.
            reader: where bytes come from.
            writer: where they go to.
            pacer: the direction of the link.
            changed: what becomes of bytes, and with none what is left at the end.
            draws: of the jitter.
            until_cut: bytes until it breaks off.
        """
        self.proxy, self.reader, self.writer, self.pacer = proxy, reader, writer, pacer
        self.changed, self.draws, self.until_cut = changed, draws, until_cut
        self.due_s = 0.0
        self.queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUE)

    async def run(self) -> None:
        """Carry bytes until there are no more.

        Raises:
            OSError: a side has broken off.
        """
        sending = asyncio.create_task(self._sending())
        reading = asyncio.create_task(self._reading())
        try:
            done, _ = await asyncio.wait([sending, reading], return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in (sending, reading):
                task.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)

    async def _reading(self) -> None:
        """Read to the end, and queue every piece for when it arrives."""
        while data := await self.reader.read(_READ_BYTES):
            await self._carry(self.changed(data))
        await self._carry(self.changed(b""))
        await self.queue.put((self.due_s, b""))

    async def _carry(self, data: bytes) -> None:
        """Book the link for the bytes, piece by piece."""
        link, start = self.proxy.link, 0
        while start < len(data):
            piece = data[start : start + self.pacer.piece_bytes()]
            start += len(piece)
            left_s = self.pacer.book(len(piece))
            late_s = link.delay_s + (link.jitter_s * float(self.draws.random()) if link.jitter_s else 0.0)
            self.due_s = max(self.due_s, left_s + late_s)
            await self.queue.put((self.due_s, piece))
            await self.proxy.until(left_s - _AHEAD_S)

    async def _sending(self) -> None:
        """Write each piece when it is due; an empty one ends the stream."""
        while True:
            due_s, piece = await self.queue.get()
            await self.proxy.until(due_s)
            if not piece:
                if self.writer.can_write_eof():
                    self.writer.write_eof()
                return
            self._send(piece)
            await self.writer.drain()

    def _send(self, piece: bytes) -> None:
        """Write a piece, or what comes of it before the cut.

        Raises:
            ConnectionAbortedError: the link breaks off here.
        """
        if self.writer.is_closing():
            raise ConnectionAbortedError("the other side is gone")
        whole = len(piece) <= self.until_cut
        part = piece if whole else piece[: int(self.until_cut)]
        self.writer.write(part)
        self.until_cut -= len(part)
        if self.pacer is self.proxy._down:
            self.proxy.counts.bytes_down += len(part)
        if not whole:
            self.proxy.counts.cuts += 1
            raise ConnectionAbortedError("the link broke off")


def exact_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop whose timers are exact to microseconds; those of epoll are late by up to a millisecond."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


class ProxyThread:
    """The same proxy in a thread of its own: ``with ProxyThread(target, link) as url``."""

    def __init__(self, target: str, link: Link, *, seed: int = 0) -> None:
        """Prepare a proxy; see `Proxy`.

        Raises:
            LinkError: the target is no address.
        """
        self.proxy = Proxy(target, link, seed=seed)
        self._url = ""
        self._failed: BaseException | None = None
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    @property
    def counts(self) -> Counts:
        """Return what the proxy has done so far."""
        return self.proxy.counts

    def __enter__(self) -> str:
        """Start the thread and return the URL.

        Raises:
            OSError: no port could be had.
        """
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        return self._url

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the proxy and wait for its thread."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=exact_loop) as runner:
                runner.run(self._serve())
        except OSError as error:
            self._failed = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self.proxy as self._url:
            self._ready.set()
            await self._stop.wait()
