from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from http_origin import BODIES, answer, origin
from hypothesis import given
from hypothesis import strategies as st

from netgraft.delivery.link.channel import Independent, Link, Trace, constant
from netgraft.delivery.link.http_bodies import Answered, Asked
from netgraft.delivery.link.proxy import Proxy, ProxyThread
from netgraft.errors import LinkError

# --- which bytes are the body of a chunk; no sockets

REQUESTS = [
    ("GET", "/c/small", b""),
    ("GET", "/v1/models", b""),
    ("HEAD", "/c/small", b""),
    ("POST", "/v1/telemetry", b"GET /c/small HTTP/1.1\r\n\r\n"),
    ("GET", "/nothing", b""),
    ("GET", "/same", b""),
    ("GET", "/early", b""),
    ("GET", "/c/missing", b""),
    ("GET", "/c/small", b""),
]


def request(method: str, path: str, body: bytes = b"") -> bytes:
    return (
        b"%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (method.encode(), path.encode(), len(body)) + body
    )


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    place = 0
    for size in [*sizes, len(data)]:
        if piece := data[place : place + size]:
            yield piece
        place += size


@given(up=st.lists(st.integers(1, 400), max_size=8), down=st.lists(st.integers(1, 4_000), max_size=12))
def test_only_bodies_of_chunks_are_marked_however_the_bytes_come(up: list[int], down: list[int]) -> None:
    asked = Asked()
    answered = Answered(asked)
    for piece in pieces(b"".join(request(*one) for one in REQUESTS), up):
        asked.feed(piece)
    assert [entry[1] for entry in asked.waiting] == [path for _, path, _ in REQUESTS]
    sent = b"".join(answer(*one) for one in REQUESTS)
    found = [pair for piece in pieces(sent, down) for pair in answered.feed(piece)]
    assert b"".join(data for data, _ in found) == sent
    assert answered.rest() == b""
    assert b"".join(data for data, chunk in found if chunk) == 2 * BODIES["/c/small"]


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"x" * 70_000,
    ],
)
def test_what_cannot_be_followed_is_passed_on_untouched(head: bytes) -> None:
    asked = Asked()
    asked.feed(request("GET", "/c/small") * 2)
    answered = Answered(asked)
    later = answer("GET", "/c/small", b"")
    found = [*answered.feed(head), *answered.feed(later)]
    assert b"".join(data for data, _ in found) + answered.rest() == head + later
    assert not any(chunk for _, chunk in found)


@pytest.mark.parametrize(
    "sent", [b"GET /c/small\r\n\r\n", b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"y" * 70_000]
)
def test_requests_that_cannot_be_followed_mark_nothing(sent: bytes) -> None:
    asked = Asked()
    asked.feed(sent)
    answered = Answered(asked)
    later = answer("GET", "/c/small", b"")
    assert answered.feed(later[:10]) + answered.feed(later[10:]) == [(later[:10], False), (later[10:], False)]


@pytest.mark.parametrize(
    ("path", "marked"),
    [
        ("/v1/models/site%207/chunks?version=1&places=1-2", True),
        ("/v1/models/energy/chunks", False),
        ("/v1/models/energy/opening", False),
        ("/v1/models/a/b/chunks?x", False),
        ("/x/c/small", False),
    ],
)
def test_several_chunks_in_one_answer_are_marked_too(path: str, marked: bool) -> None:
    asked = Asked()
    asked.feed(request("GET", path))
    assert asked.next_is_chunk() == (marked, True)


# --- sockets


async def fetch(url: str, *paths: str) -> tuple[list[bytes], float]:
    """Return the bodies of a few pipelined requests on one connection, and the seconds that it took."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    start = time.perf_counter()
    bodies = []
    try:
        writer.write(b"".join(request("GET", path) for path in paths))
        for _ in paths:
            head = await reader.readuntil(b"\r\n\r\n")
            bodies.append(await reader.readexactly(int(head.partition(b"Content-Length: ")[2])))
        return bodies, time.perf_counter() - start
    finally:
        writer.close()
        await writer.wait_closed()


def through(link: Link, use: Callable[[str, Proxy], Awaitable[None]], seed: int = 0) -> None:
    """Run something against the origin behind a link."""

    async def run() -> None:
        async with origin() as target:
            proxy = Proxy(target, link, seed=seed)
            async with proxy as url:
                await use(url, proxy)

    asyncio.run(run())


def test_perfect_link_changes_nothing() -> None:
    async def use(url: str, proxy: Proxy) -> None:
        bodies, _ = await fetch(url, "/c/large", "/v1/models", "/c/small")
        assert bodies == [BODIES["/c/large"], BODIES["/v1/models"], BODIES["/c/small"]]
        assert proxy.counts.connections == 1
        assert proxy.counts.bytes_down > 202_000
        assert proxy.counts.bytes_up == len(b"".join(request("GET", p) for p in ("/c/large", "/v1/models", "/c/small")))

    through(Link(), use)


def test_rate_holds_for_one_connection_and_for_two_together() -> None:
    async def use(url: str, _: Proxy) -> None:
        _, one = await fetch(url, "/c/large")
        assert 0.09 < one < 3.0  # 1.6 Mb at 16 Mb/s
        start = time.perf_counter()
        await asyncio.gather(fetch(url, "/c/large"), fetch(url, "/c/large"))
        assert 0.19 < time.perf_counter() - start < 5.0

    through(Link(downlink=constant(16e6)), use)


def test_uplink_has_a_rate_of_its_own() -> None:
    async def use(url: str, _: Proxy) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            start = time.perf_counter()
            got = await client.post(f"{url}/v1/telemetry", content=bytes(50_000))
            assert 0.09 < time.perf_counter() - start < 3.0
            assert got.content == b"got " + bytes(50_000)

    through(Link(uplink=constant(4e6)), use)


def test_delay_is_there_both_ways_and_jitter_keeps_the_order() -> None:
    async def use(url: str, _: Proxy) -> None:
        bodies, seconds = await fetch(url, "/v1/models", "/c/large")
        assert bodies == [BODIES["/v1/models"], BODIES["/c/large"]]
        assert 0.08 <= seconds < 3.0

    through(Link(delay_s=0.04, jitter_s=0.02), use)


def test_rate_follows_the_trace() -> None:
    async def use(url: str, _: Proxy) -> None:
        _, seconds = await fetch(url, "/c/small")
        assert 0.1 < seconds < 3.0

    through(Link(downlink=Trace((0.0, 0.15), (0.0, 1e9))), use)


def test_bits_turn_in_bodies_of_chunks_only_and_the_same_each_time() -> None:
    seen: list[bytes] = []

    async def use(url: str, _: Proxy) -> None:
        bodies, _ = await fetch(url, "/v1/models", "/c/large", "/v1/models")
        assert bodies[0] == bodies[2] == BODIES["/v1/models"]
        wrong = sum(byte.bit_count() for byte in bodies[1])
        assert wrong / 1.6e6 == pytest.approx(1e-3, rel=0.15)
        seen.append(bodies[1])

    for _ in range(2):
        through(Link(errors=Independent(1e-3)), use, seed=4)
    assert seen[0] != BODIES["/c/large"]


def test_connections_break_off_where_the_seed_says() -> None:
    came: list[int] = []

    async def use(url: str, proxy: Proxy) -> None:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)) as caught:
            await fetch(url, "/c/large")
        assert proxy.counts.cuts == 1
        came.append(proxy.counts.bytes_down)
        assert caught.value is not None
        assert 0 <= proxy.counts.bytes_down < 200_000

    for _ in range(2):
        through(Link(downlink=constant(40e6), cut_per_megabyte=0.999_999), use, seed=1)
    assert came[0] == came[1]


def test_server_that_is_gone_closes_the_connection() -> None:
    async def run() -> None:
        async with origin() as target:
            pass
        async with Proxy(target, Link()) as url:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await fetch(url, "/c/small")

    asyncio.run(run())


def test_waits_and_time_are_given() -> None:
    waited: list[float] = []
    clock = [0.0]

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        clock[0] += seconds
        await asyncio.sleep(0)

    async def run() -> None:
        async with origin() as target:
            proxy = Proxy(target, Link(downlink=Trace((0.0, 7_200.0), (0.0, 1e6))), clock=lambda: clock[0], sleep=sleep)
            async with proxy as url:
                await fetch(url, "/c/small")

    asyncio.run(run())
    assert clock[0] >= 7_200.0
    assert max(waited) == 3_600.0


@contextmanager
def origin_thread() -> Iterator[str]:
    """Serve the origin from another thread."""
    ready, stop, urls = threading.Event(), threading.Event(), list[str]()

    async def serve() -> None:
        async with origin() as target:
            urls.append(target)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield urls[0]
    finally:
        stop.set()
        thread.join()


def test_proxy_in_a_thread_serves_synchronous_clients() -> None:
    with origin_thread() as target:
        proxy = ProxyThread(target, Link(downlink=constant(50e6)), seed=2)
        with proxy as url, httpx.Client(base_url=url, trust_env=False) as client:
            assert client.get("/c/large").content == BODIES["/c/large"]
            assert client.get("/v1/models").content == BODIES["/v1/models"]
        assert proxy.counts.connections == 1


@pytest.mark.parametrize("target", ["https://x:1", "http://x", "x:1", "http://:80"])
def test_target_must_be_an_address(target: str) -> None:
    with pytest.raises(LinkError, match="a proxy's target must be http://HOST:PORT, got"):
        Proxy(target, Link())
