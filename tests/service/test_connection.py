"""One connection with a transport and a clock of the test's own: what is made for whom, what is copied, what ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from service_examples import Limits
from uvicorn.server import ServerState

from netgraft.delivery.offering.published import Published
from netgraft.delivery.offering.requests import BYTES, Answer, error
from netgraft.service.access import Gate
from netgraft.service.chunks import ChunkProtocol
from netgraft.service.metrics import Metrics
from netgraft.service.plane import Plane
from netgraft.service.watch import response_of

OPENING = b"GET /v1/models/energy/opening HTTP/1.1\r\nHost: here\r\n\r\n"
HEAD = bytes(range(256)) * 1_000
MADE = Answer(200, b"notes", BYTES, (("Cache-Control", "no-cache"),), HEAD)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Kept(asyncio.Transport):
    """A transport to a client that takes nothing: what is written stays, and closing waits for it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("10.0.0.1", 1)})
        self.written, self.closing, self.aborted = list[Any](), False, False

    def write(self, data: Any) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Never full."""

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True


def plane(folder: Path, clock: Clock, *, require_tokens: bool = False, opening: Callable[[], Answer]) -> Plane:
    limits = Limits(rate=0.001, burst_s=2_000)
    gate = Gate(limits, secret=b"s" * 32, require_tokens=require_tokens, wall_s=clock, steady_s=clock)
    return Plane(
        published=Published(str(folder)), gate=gate, limits=limits, metrics=Metrics(), steady_s=clock, wall_s=clock,
        opening=lambda _name, _held: opening,
    )  # fmt: skip


def connected(given: Plane, app: Any = None) -> tuple[ChunkProtocol, Kept]:
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
    config.load()
    made, transport = ChunkProtocol(given, config=config, server_state=ServerState(), app_state={}), Kept()
    made.connection_made(transport)
    return made, transport


def said(transport: Kept) -> str:
    """Return what was written since it was asked last."""
    found = b"".join(transport.written)
    transport.written.clear()
    return found.decode("latin-1")


def test_opening_is_made_only_for_who_is_let_in_and_a_refusal_counts_once(tmp_path: Path) -> None:
    async def ask() -> None:
        given = plane(tmp_path, Clock(), require_tokens=True, opening=lambda: pytest.fail("it was made"))
        connection, transport = connected(given)
        for status in (401, 401, 429):  # two requests may come at once
            connection.data_received(OPENING)
            answer = said(transport)
            assert answer.startswith(f"HTTP/1.1 {status} ")
            assert ("WWW-Authenticate: Bearer\r\n" in answer) == (status == 401)
            assert ("Retry-After: 1000\r\n" in answer) == (status == 429)
        assert 'netgraft_requests_total{plane="control",status="401"} 2.0' in given.metrics.text().decode()

    asyncio.run(ask())


def test_head_is_not_copied_for_each_reader(tmp_path: Path) -> None:
    async def ask() -> None:
        given = plane(tmp_path, Clock(), opening=lambda: MADE)
        for _ in range(2):
            connection, transport = connected(given)
            connection.data_received(OPENING)
            assert transport.written[-1] is HEAD
            assert said(transport).endswith("\r\n\r\nnotes" + HEAD.decode("latin-1"))

    asyncio.run(ask())


def test_head_is_not_copied_by_the_application_either() -> None:
    async def ask() -> list[MutableMapping[str, Any]]:
        sent = list[MutableMapping[str, Any]]()

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await response_of(MADE)({"type": "http"}, asyncio.Event().wait, send)  # type: ignore[arg-type]  # never read
        return sent

    start, first, last = asyncio.run(ask())
    assert dict(start["headers"])[b"content-length"] == str(len(HEAD) + 5).encode()
    assert (first["body"], first["more_body"], last["more_body"]) == (b"notes", True, False)
    assert last["body"] is HEAD


def test_why_an_opening_cannot_be_made_is_told(tmp_path: Path) -> None:
    async def ask() -> None:
        connection, transport = connected(plane(tmp_path, Clock(), opening=lambda: error(503, "no key")))
        connection.data_received(OPENING)
        answer = said(transport)
        assert answer.startswith("HTTP/1.1 503 ")
        assert answer.endswith('{"error": "no key"}')

    asyncio.run(ask())


def test_connection_whose_answer_ended_early_is_ended_though_the_client_takes_nothing(tmp_path: Path) -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await may_end.wait()

    async def ask() -> None:
        clock = Clock()
        given = plane(tmp_path, clock, opening=lambda: MADE)
        connection, transport = connected(given, half)
        connection.data_received(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
        for _ in range(3):  # an answer may take its time
            clock.now_s += given.limits.idle_s
            assert connection.deadline_s <= clock.now_s
            connection.expire()
            assert not transport.is_closing()
        may_end.set()
        while not transport.is_closing():
            await asyncio.sleep(0)
        clock.now_s += given.limits.idle_s
        assert connection.deadline_s <= clock.now_s
        connection.expire()
        assert transport.aborted

    may_end = asyncio.Event()
    asyncio.run(ask())
