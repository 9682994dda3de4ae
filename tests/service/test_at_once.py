"""Answers of the control plane that have several things at once, over real sockets."""

from __future__ import annotations

import asyncio
import queue
import socket
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_examples import KEY, Running, bearer, built, publish, running, settings, trust_bytes

from netgraft.delivery.exchange.opening import unpack_opening
from netgraft.delivery.format.head import unpack_head
from netgraft.delivery.offering.shelf import Shelf
from netgraft.delivery.trust.accepting import TrustState, accept_stamp, accept_trust, head_verifier
from netgraft.service import Limits
from netgraft.service.batch import batch_response

HEAD = built().pack([KEY])
ROWS = built().head.chunks
OPENING, CHUNKS = "/v1/models/energy/opening", "/v1/models/energy/chunks"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("at once")
    publish(folder)
    with running(settings(folder)) as found:
        yield found


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as found:
        yield found


def test_opening_has_all_that_a_device_believes(client: httpx.Client) -> None:
    reply = client.get(OPENING)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["cache-control"] == "no-cache"
    found = unpack_opening(reply.content)
    assert (found.trust, found.head) == (trust_bytes(), HEAD)
    trust = accept_trust(TrustState(), found.trust, now_s=0)
    trust, stamp = accept_stamp(trust, found.stamp, name="energy", now_s=0)
    opened = unpack_head(found.head, head_verifier(trust))
    assert (stamp.version, stamp.head) == (1, opened.sha256)


def test_opening_from_memory_is_the_one_that_was_read(client: httpx.Client) -> None:
    first, second = client.get(OPENING), client.get(OPENING)
    assert first.content == second.content
    same = ("content-type", "cache-control", "x-content-type-options", "content-length")
    assert {key: first.headers[key] for key in same} == {key: second.headers[key] for key in same}
    closed = client.get(OPENING, headers={"Connection": "close"})
    assert (closed.content, closed.headers["connection"]) == (first.content, "close")


def test_head_that_is_held_is_left_out(client: httpx.Client) -> None:
    identity = unpack_head(HEAD, lambda _message, _signatures: None).sha256
    assert unpack_opening(client.get(OPENING, params={"held": identity}).content).head == b""
    assert unpack_opening(client.get(OPENING, params={"held": "0" * 64}).content).head == HEAD


def test_chunks_come_one_after_the_other(client: httpx.Client) -> None:
    every = b"".join(built().chunks[row.sha256] for row in ROWS)
    reply = client.get(CHUNKS, params={"version": 1, "places": f"0-{len(ROWS) - 1}"})
    assert (reply.status_code, reply.content) == (200, every)
    assert reply.headers["content-length"] == str(len(every))
    assert "immutable" in reply.headers["cache-control"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    two = client.get(CHUNKS, params={"version": 1, "places": f"0,{len(ROWS) - 1}"}).content
    assert two == built().chunks[ROWS[0].sha256] + built().chunks[ROWS[-1].sha256]


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/v1/models/energi/opening", 404, "a published model must be one of energy, got 'energi'"),
        (f"{OPENING}?held=x", 400, "query.held: String should match pattern"),
        ("/v1/models/energi/chunks?version=1&places=1", 404, "a published model must be one of energy"),
        (f"{CHUNKS}?version=7&places=1", 404, "a version of 'energy' is required, got 7; there are 1"),
        (f"{CHUNKS}?version=1", 400, "query.places: Field required"),
        (f"{CHUNKS}?places=1", 400, "query.version: Field required"),
        (f"{CHUNKS}?version=1&places=../x", 400, "query.places: String should match pattern"),
        (f"{CHUNKS}?version=1&places=999999", 404, f"ascending places of {len(ROWS)} chunks are required, got 999999"),
        (f"{CHUNKS}?version=1&places=1-0", 404, "ascending places of"),
        (f"{CHUNKS}?version=1&places=" + "0," * 1_200 + "0", 400, "query.places: String should have at most 2048"),
    ],
)
def test_what_cannot_be_is_refused(client: httpx.Client, path: str, status: int, text: str) -> None:
    reply = client.get(path)
    assert reply.status_code == status
    assert text in reply.json()["error"]


def test_damaged_first_chunk_is_told_and_a_later_one_ends_the_connection(tmp_path: Path) -> None:
    publish(tmp_path)
    with running(settings(tmp_path)) as server, httpx.Client(base_url=server.url) as client:
        path = tmp_path / "published" / "c" / ROWS[1].sha256
        path.write_bytes(b"x" + path.read_bytes()[1:])
        reply = client.get(CHUNKS, params={"version": 1, "places": "1"})
        assert (reply.status_code, "is damaged here" in reply.json()["error"]) == (503, True)
        with client.stream("GET", CHUNKS, params={"version": 1, "places": "0-1"}) as broken:
            parts = broken.iter_raw()
            came = next(parts)
            with pytest.raises(httpx.RemoteProtocolError):
                came += b"".join(parts)
        assert built().chunks[ROWS[0].sha256].startswith(came)
        assert client.get(OPENING).status_code == 200
    assert "chunk damaged" in server.log.getvalue()
    assert "Traceback" not in server.log.getvalue()


def test_tokens_and_rates_hold_for_both(tmp_path: Path) -> None:
    publish(tmp_path)
    given = settings(tmp_path, require_tokens=True, limits=Limits(rate=3, burst_s=1))
    with running(given) as server, httpx.Client(base_url=server.url) as client:
        for path in (OPENING, f"{CHUNKS}?version=1&places=0"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers=bearer("publisher")).status_code == 200
        mine = bearer()
        codes = {client.get(OPENING, headers=mine).status_code for _ in range(20)}
        assert 429 in codes


def test_each_chunk_of_an_answer_counts_as_a_request(tmp_path: Path) -> None:
    publish(tmp_path)
    all_of_them = f"{CHUNKS}?version=1&places=0-{len(ROWS) - 1}"
    with (
        running(settings(tmp_path, limits=Limits(rate=0.001, burst_s=1_000.0 * (len(ROWS) + 1)))) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        assert [client.get(all_of_them).status_code for _ in range(2)] == [200, 429]
        assert client.get(f"{CHUNKS}?version=1&places=0").status_code == 429  # one was left, for the refusal


def test_chunks_come_from_memory(tmp_path: Path) -> None:
    published = publish(tmp_path)
    with running(settings(tmp_path)) as server, httpx.Client(base_url=server.url) as client:
        first = client.get(CHUNKS, params={"version": 1, "places": "0-1"})
        for row in ROWS:
            path = published.chunk_path(row.sha256)
            assert path is not None
            path.unlink()
        again = client.get(CHUNKS, params={"version": 1, "places": "0-1"})
        assert (again.status_code, again.content) == (200, first.content)
        assert client.get(CHUNKS, params={"version": 1, "places": "2"}).status_code == 404


def test_no_chunk_is_read_for_a_client_that_has_gone() -> None:
    read, sent = list[str](), list[bytes]()

    async def reading(sha256: str) -> bytes:
        read.append(sha256)
        return built().chunks[sha256]

    async def receive() -> dict[str, Any]:
        if len(sent) < 3:
            await asyncio.Event().wait()  # nothing comes
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("body", b""))

    async def answer() -> None:
        response = await batch_response(reading, ROWS)
        await response({"type": "http"}, receive, send)

    asyncio.run(answer())
    assert read == [row.sha256 for row in ROWS[:2]]
    assert sent == [b"", *(built().chunks[row.sha256] for row in ROWS[:2])]


def test_warming_is_told_when_the_server_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path)
    told: queue.Queue[Callable[[], bool]] = queue.Queue()
    monkeypatch.setattr(Shelf, "warm", lambda _shelf, _now_s, stopped: told.put(stopped))
    with running(settings(tmp_path)):
        stopped = told.get(timeout=20)
        assert not stopped()
    assert stopped()


def test_both_are_counted_and_logged(tmp_path: Path) -> None:
    publish(tmp_path)
    with running(settings(tmp_path)) as server, httpx.Client(base_url=server.url) as client:
        size = len(client.get(OPENING).content) + len(client.get(f"{CHUNKS}?version=1&places=0-1").content)
        assert f'netgraft_answer_bytes_total{{plane="control"}} {float(size)}' in client.get("/metrics").text
    for path in (OPENING, CHUNKS):
        assert path in server.log.getvalue()


def test_client_that_takes_nothing_of_several_chunks_is_left(tmp_path: Path) -> None:
    publish(tmp_path)
    with running(settings(tmp_path, limits=Limits(rate=0, idle_s=0.2))) as server:
        with socket.create_connection(server.address) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            places = f"0-{len(ROWS) - 1}"
            request = f"GET {CHUNKS}?version=1&places={places} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            slow.sendall(request * 400)
            slow.settimeout(20)
            came = 0
            try:
                while data := slow.recv(1 << 16):
                    came += len(data)
            except ConnectionResetError:
                pass
        assert httpx.get(f"{server.url}{OPENING}").status_code == 200
