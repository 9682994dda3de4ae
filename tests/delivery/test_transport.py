from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import httpx
import pytest

from netgraft.delivery.exchange.transport import HttpTransport, Reply
from netgraft.errors import StorageError

URL = "http://edge/c/x"


def asked(handler: Callable[[httpx.Request], httpx.Response], *, most_bytes: int = 100, **more: bytes) -> Reply:
    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        return HttpTransport(client, lambda: 0.0, "secret").ask(URL, most_bytes=most_bytes, **more)


def test_answer_comes_with_all_its_bytes_counted() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=iter([b"12", b"345"]), headers={"etag": "x"})

    reply = asked(handler)
    assert (reply.body, reply.fault) == (b"12345", None)
    assert seen[0].method == "GET"
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert seen[0].headers["accept-encoding"] == "identity"
    request = sum(len(k) + len(v) + 4 for k, v in seen[0].headers.raw)
    assert request + 5 < reply.received_bytes < request + 200


def test_body_is_posted_as_json() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"] == "application/json"
        return httpx.Response(200, content=iter([request.method.encode(), request.content]))

    assert asked(handler, body=b"{}").body == b"POST{}"


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (401, "denied"), (403, "denied"), (404, "missing"), (410, "missing"), (429, "busy"), (503, "busy"),
        (400, "fault"), (500, "fault"), (206, "fault"), (301, "fault"), (418, "fault"),
    ],
)  # fmt: skip
def test_status_becomes_a_fault(status: int, fault: str) -> None:
    headers = {"retry-after": "3", "location": "http://elsewhere"}
    reply = asked(lambda request: httpx.Response(status, content=iter([b"why\nnot"]), headers=headers))
    assert (reply.body, reply.fault, reply.retry_after_s) == (b"", fault, 3.0)
    assert reply.text.startswith(f"{status} why")


@pytest.mark.parametrize("text", ["", "-1", "soon", "99999999", "\u0663", "1.5"])
def test_unreadable_wait_is_none(text: str) -> None:
    headers = [(b"retry-after", text.encode())]
    assert asked(lambda request: httpx.Response(503, content=iter([b""]), headers=headers)).retry_after_s is None


def test_reading_stops_when_more_comes_than_was_asked_for() -> None:
    sent: list[int] = []

    def endless() -> Iterator[bytes]:
        for i in itertools.count():
            sent.append(i)
            yield b"x" * 60

    reply = asked(lambda request: httpx.Response(200, content=endless()))
    assert (reply.body, reply.fault, reply.text) == (b"", "large", "more than 100 bytes")
    assert len(sent) == 2
    assert reply.received_bytes > 120


def test_answer_that_says_it_is_too_long_is_not_read() -> None:
    def unread() -> Iterator[bytes]:
        raise AssertionError("nothing is read")
        yield b""

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=unread(), headers={"content-length": "101"})

    reply = asked(handler)
    assert (reply.fault, reply.text) == ("large", "more than 100 bytes")
    assert reply.received_bytes < 300


def test_answer_that_drips_is_given_up() -> None:
    clock = itertools.count(0, 10)

    def drip() -> Iterator[bytes]:
        while True:
            yield b"x"

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=drip())

    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        reply = HttpTransport(client, lambda: float(next(clock))).ask(URL, most_bytes=100)
    assert (reply.fault, reply.text) == ("timeout", "4 bytes in 40 s")


@pytest.mark.parametrize("most_s", [25.0, math.inf])
def test_answer_that_takes_too_long_is_given_up_however_fast_it_comes(most_s: float) -> None:
    clock = itertools.count(0, 10)

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=iter([bytes(5_000)] * 4))

    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        reply = HttpTransport(client, lambda: float(next(clock))).ask(URL, most_bytes=20_000, most_s=most_s)
    wanted = (None, "") if most_s == math.inf else ("timeout", "15000 bytes in 30 s")
    assert (reply.fault, reply.text) == wanted


ERRORS: list[tuple[Exception, str]] = [
    (httpx.ConnectError("no"), "refused"),
    (httpx.ConnectTimeout("late"), "timeout"),
    (httpx.ReadTimeout("late"), "timeout"),
    (httpx.PoolTimeout("late"), "timeout"),
    (httpx.ReadError("reset"), "short"),
    (httpx.RemoteProtocolError("peer closed connection"), "short"),
    (httpx.WriteError("broken"), "unreachable"),
    (httpx.UnsupportedProtocol("x"), "unreachable"),
    (httpx.InvalidURL("x"), "unreachable"),
]


@pytest.mark.parametrize(("error", "fault"), ERRORS, ids=lambda value: type(value).__name__)
def test_errors_of_the_network_become_faults(error: Exception, fault: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    reply = asked(handler)
    assert (reply.body, reply.fault, reply.text) == (b"", fault, str(error))


def test_bytes_that_came_before_a_short_end_are_counted() -> None:
    def part() -> Iterator[bytes]:
        yield b"x" * 40
        raise httpx.ReadError("")

    whole = asked(lambda request: httpx.Response(200, content=iter([b""])))
    reply = asked(lambda request: httpx.Response(200, content=part()))
    assert (reply.fault, reply.text) == ("short", "ReadError")
    assert reply.received_bytes >= whole.received_bytes + 40 - 20


def poured(
    handler: Callable[[httpx.Request], httpx.Response], take: Callable[[bytes], bool], *, most_bytes: int = 100
) -> Reply:
    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        return HttpTransport(client, lambda: 0.0).pour(URL, take, most_bytes=most_bytes)


def test_parts_are_given_as_they_come() -> None:
    came: list[bytes] = []

    def take(part: bytes) -> bool:
        came.append(part)
        return True

    reply = poured(lambda request: httpx.Response(200, content=iter([b"12", b"345"])), take)
    assert came == [b"12", b"345"]
    assert (reply.body, reply.fault) == (b"", None)
    assert reply.received_bytes > 5


def test_reading_ends_when_no_more_is_wanted() -> None:
    sent: list[int] = []

    def endless() -> Iterator[bytes]:
        for i in itertools.count():
            sent.append(i)
            yield b"x"

    reply = poured(lambda request: httpx.Response(200, content=endless()), lambda part: len(sent) < 3)
    assert (len(sent), reply.fault) == (3, None)


def test_nothing_is_given_of_a_refusal_or_beyond_what_was_asked_for() -> None:
    def never(part: bytes) -> bool:
        raise AssertionError("nothing is given")

    assert poured(lambda request: httpx.Response(404, content=iter([b"no"])), never).fault == "missing"
    assert poured(lambda request: httpx.Response(200, content=iter([b"x" * 101])), never).fault == "large"


def test_error_of_whoever_takes_is_its_own() -> None:
    def full(part: bytes) -> bool:
        raise StorageError("full")

    with pytest.raises(StorageError, match="full"):
        poured(lambda request: httpx.Response(200, content=iter([b"x"])), full)
