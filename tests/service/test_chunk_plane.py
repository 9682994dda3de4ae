"""The chunk plane over real sockets: whole chunks, parts, many requests at once, and everything that is refused."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import pytest
from service_examples import NO_RATE, Running, Wire, bearer, built, publish, request, running, settings, token

from netgraft.delivery.offering.shelf import Shelf
from netgraft.service import Limits

SHA256, DATA = next((sha256, data) for sha256, data in built().chunks.items() if len(data) > 200)
CHUNK = f"/c/{SHA256}"


def test_chunk_comes_whole_and_may_be_kept_for_ever(server: Running) -> None:
    with Wire(server.address) as wire:
        for _ in range(3):  # read from the file, then from memory, then as the same client asks again
            reply = wire.ask(CHUNK)
            assert (reply.status, reply.body) == (200, DATA)
            assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert reply.headers["etag"] == f'"{SHA256}"'
            assert reply.headers["date"].endswith("GMT")
            assert "connection" not in reply.headers


def test_head_has_no_body(server: Running) -> None:
    with Wire(server.address) as wire:
        first, second = (wire.ask(CHUNK, method="HEAD") for _ in range(2))
        assert first.status == second.status == 200
        assert first.headers["content-length"] == str(len(DATA))
        assert wire.ask(CHUNK).body == DATA


@pytest.mark.parametrize(
    ("ranged", "part", "said"),
    [
        ("bytes=0-0", DATA[:1], f"bytes 0-0/{len(DATA)}"),
        ("bytes=5-99", DATA[5:100], f"bytes 5-99/{len(DATA)}"),
        ("bytes=100-", DATA[100:], f"bytes 100-{len(DATA) - 1}/{len(DATA)}"),
        ("bytes=-7", DATA[-7:], f"bytes {len(DATA) - 7}-{len(DATA) - 1}/{len(DATA)}"),
        ("bytes=10-999999999", DATA[10:], f"bytes 10-{len(DATA) - 1}/{len(DATA)}"),
    ],
)
def test_part_of_a_chunk(server: Running, ranged: str, part: bytes, said: str) -> None:
    with Wire(server.address) as wire:
        for _ in range(3):  # once, then as the same client asks again
            reply = wire.ask(CHUNK, f"Range: {ranged}")
            assert (reply.status, reply.body, reply.headers["content-range"]) == (206, part, said)
        assert wire.ask(CHUNK).body == DATA


@pytest.mark.parametrize("ranged", ["bytes=5-2", "bytes=0-1,4-5", "lines=0-1", "bytes=x-", "bytes=-", "bytes 0-1"])
def test_range_that_cannot_be_read_is_ignored(server: Running, ranged: str) -> None:
    with Wire(server.address) as wire:
        reply = wire.ask(CHUNK, f"Range: {ranged}")
        assert (reply.status, reply.body) == (200, DATA)


@pytest.mark.parametrize("ranged", [f"bytes={len(DATA)}-", "bytes=-0", "bytes=999999999-999999999"])
def test_range_beyond_the_chunk_is_416(server: Running, ranged: str) -> None:
    with Wire(server.address) as wire:
        reply = wire.ask(CHUNK, f"Range: {ranged}")
        assert (reply.status, reply.headers["content-range"]) == (416, f"bytes */{len(DATA)}")
        assert reply.error == f"a range within {len(DATA)} bytes is required"


def test_range_counts_only_for_the_content_that_if_range_names(server: Running) -> None:
    with Wire(server.address) as wire:
        assert wire.ask(CHUNK, "Range: bytes=0-3", f'If-Range: "{SHA256}"').status == 206
        assert wire.ask(CHUNK, "Range: bytes=0-3", 'If-Range: "other"').body == DATA


def test_requests_sent_at_once_are_answered_in_order(server: Running) -> None:
    targets = [CHUNK, "/healthz", f"/c/{'0' * 64}", "/v1/models", CHUNK, "/nothing", CHUNK] * 5
    with Wire(server.address) as wire:
        wire.send(b"".join(request(target) for target in targets))
        found = [wire.reply() for _ in targets]
    assert [reply.status for reply in found] == [200, 200, 404, 200, 200, 404, 200] * 5
    assert [reply.body == DATA for reply in found[:7]] == [True, False, False, False, True, False, True]


def test_no_more_is_read_ahead_than_is_worth_keeping(server: Running) -> None:
    padded = request("/healthz", f"Pad: {'x' * 4000}")
    with Wire(server.address) as wire:
        wire.send((padded + request(CHUNK)) * 60)
        found = [wire.reply() for _ in range(120)]
    assert [len(reply.body) for reply in found] == [16, len(DATA)] * 60


def test_request_in_any_pieces_is_the_same(server: Running) -> None:
    whole = request(CHUNK) + request("/v1/telemetry", method="POST", body=b"{}") + request(CHUNK, "Range: bytes=0-1")
    with Wire(server.address) as wire:
        for place in range(len(whole)):
            wire.send(whole[place : place + 1])
        assert [wire.reply().status for _ in range(3)] == [200, 400, 206]
    for cut in range(1, len(whole), 37):
        with Wire(server.address) as wire:
            wire.send(whole[:cut])
            wire.send(whole[cut:])
            assert [wire.reply().status for _ in range(3)] == [200, 400, 206]


def test_hash_alone_is_no_request(server: Running) -> None:
    with Wire(server.address) as wire:
        assert wire.ask(CHUNK).status == 200
        wire.send(f"GET {CHUNK}".encode())
        wire.send(b" HTTP/1.1\r\nHost: here\r\n\r\n")
        assert wire.reply().body == DATA


def test_close_is_honoured(server: Running) -> None:
    for lines, version in [(["Connection: close"], "1.1"), ([], "1.0")]:
        for method in ("GET", "HEAD"):
            with Wire(server.address) as wire:
                reply = wire.ask(CHUNK, *lines, method=method, version=version)
                assert (reply.status, reply.headers["connection"]) == (200, "close")
                assert reply.body == (DATA if method == "GET" else b"")
                assert wire.closed()


def test_part_and_refusal_with_close(server: Running) -> None:
    for target, line, status in [(CHUNK, "Range: bytes=0-3", 206), (f"/c/{'1' * 64}", "A: b", 404)]:
        with Wire(server.address) as wire:
            reply = wire.ask(target, line, "Connection: close")
            assert (reply.status, reply.headers["connection"]) == (status, "close")
            assert wire.closed()


@pytest.mark.parametrize("target", [f"/c/{'0' * 64}", f"/c/{SHA256[:-1]}", f"/c/{SHA256.upper()}", f"{CHUNK}0", "/c/"])
def test_unknown_chunk_is_404(server: Running, target: str) -> None:
    with Wire(server.address) as wire:
        reply = wire.ask(target)
        assert reply.status == 404
        assert "is required" in reply.error
        assert wire.ask(target, method="HEAD").status == 404
        assert wire.ask(CHUNK).body == DATA


def test_query_does_not_matter(server: Running) -> None:
    with Wire(server.address) as wire:
        assert wire.ask(f"{CHUNK}?a=b").body == DATA


PLACE = next(place for place, row in enumerate(built().head.chunks) if row.sha256 == SHA256)


def test_damaged_file_is_not_served(tmp_path: Path) -> None:
    published = publish(tmp_path)
    path = published.chunk_path(SHA256)
    assert path is not None
    path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    with running(settings(tmp_path)) as found, Wire(found.address) as wire:
        reply = wire.ask(CHUNK)
        assert reply.status == 503
        assert "is damaged here; ask another server" in reply.error
        path.write_bytes(DATA)
        assert wire.ask(CHUNK).body == DATA


def test_broken_file_is_logged_once_and_counted_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shelf, "warm", lambda *_: None)  # so that it is known which heads were asked for
    published = publish(tmp_path)
    path = published.chunk_path(SHA256)
    assert path is not None
    with running(settings(tmp_path, json_logs=True)) as found, Wire(found.address) as wire:

        def broken() -> dict[str, int]:
            lines = wire.ask("/metrics").body.decode().splitlines()
            start = 'netgraft_broken_chunks_total{why="'
            shown = [line.removeprefix(start).split() for line in lines if line.startswith(start)]
            return {name.rstrip('"}'): int(float(count)) for name, count in shown}

        path.write_bytes(DATA[:-1])
        assert [wire.ask(CHUNK).status for _ in range(3)] == [503] * 3
        assert broken() == {"damaged": 3}
        path.unlink()
        assert wire.ask(CHUNK).status == 404  # no head was asked for yet: nobody knows that it should be there
        assert wire.ask("/v1/models/energy/head").status == 200
        assert wire.ask(CHUNK).status == 404
        assert wire.ask(f"/c/{'0' * 64}").status == 404
        assert broken() == {"damaged": 3, "missing": 1}
        batch = f"/v1/models/energy/chunks?version=1&places={PLACE}"
        assert wire.ask(batch).status == 404
        assert broken() == {"damaged": 3, "missing": 2}
        path.write_bytes(DATA)
        assert wire.ask(CHUNK).body == wire.ask(batch).body == DATA
    said = [json.loads(line) for line in found.log.getvalue().splitlines()]
    told = [(line["level"], line["event"], line["sha256"]) for line in said if line["event"].startswith("chunk")]
    assert told == [("warning", "chunk damaged", SHA256)]  # once, until the file was whole again


def test_token_is_asked_for(guarded: Running) -> None:
    with Wire(guarded.address) as wire:
        reply = wire.ask(CHUNK)
        assert (reply.status, reply.error) == (401, "a token of scope device is required, got none")
        assert reply.headers["www-authenticate"] == "Bearer"
        for scope in ("device", "publisher", "admin"):
            line = f"Authorization: Bearer {token(scope)}"
            assert [wire.ask(CHUNK, line).status for _ in range(3)] == [200, 200, 200]
        assert wire.ask(CHUNK).status == 401


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (f"Authorization: Bearer {token(days=1, now_s=1e9)}", "a token that holds is required, got one that expired"),
        (f"Authorization: Bearer {token(secret=b'x' * 32)}", "got one with another signature"),
        ("Authorization: Bearer ng1.e30.AA", "got one with another signature"),
        ("Authorization: Basic abc", "a header 'Authorization: Bearer TOKEN' is required, got another kind"),
        ("Authorization: Bearer ", "a token that begins with ng1. is required"),
    ],
)
def test_token_must_hold_even_where_none_is_needed(server: Running, guarded: Running, line: str, text: str) -> None:
    for found in (server, guarded):
        with Wire(found.address) as wire:
            reply = wire.ask(CHUNK, line)
            assert reply.status == 401
            assert text in reply.error


def test_rate_of_each_client(place: Path) -> None:
    with running(settings(place, limits=Limits(rate=0.001, burst_s=3000))) as found, Wire(found.address) as wire:
        assert [wire.ask(CHUNK).status for _ in range(5)] == [200, 200, 200, 429, 429]
        reply = wire.ask(CHUNK)
        assert reply.error == "fewer requests per second are required"
        assert 900 <= int(reply.headers["retry-after"]) <= 1000
        assert wire.ask("/v1/models").status == 429
        assert wire.ask("/healthz").status == 200
        line = f"Authorization: {bearer()['Authorization']}"
        assert [wire.ask(CHUNK, line).status for _ in range(4)] == [200, 200, 200, 429]


def test_cache_is_bounded(place: Path) -> None:
    sizes = sorted(len(data) for data in built().chunks.values())
    limits = Limits(rate=0, cache_bytes=4 * sizes[-1])
    with running(settings(place, limits=limits)) as found, Wire(found.address) as wire:
        for sha256, data in list(built().chunks.items()) * 3:
            assert wire.ask(f"/c/{sha256}").body == data
        lines = wire.ask("/metrics").body.decode().splitlines()
    cached = next(float(line.split()[1]) for line in lines if line.startswith("netgraft_cached_chunk_bytes "))
    assert 0 < cached <= 4 * sizes[-1]


def test_too_many_connections(place: Path) -> None:
    limits = Limits(rate=0, connections=2)
    with running(settings(place, limits=limits)) as found, Wire(found.address) as one, Wire(found.address) as two:
        assert one.ask(CHUNK).status == two.ask(CHUNK).status == 200
        with Wire(found.address) as three:
            reply = three.reply()
            assert (reply.status, reply.headers["retry-after"]) == (503, "1")
            assert reply.error == "fewer connections are required; come again later"


def test_too_many_connections_of_one_address(place: Path) -> None:
    limits = Limits(rate=0, address_connections=2)
    with running(settings(place, limits=limits)) as found, Wire(found.address) as one, Wire(found.address) as two:
        assert one.ask(CHUNK).status == two.ask(CHUNK).status == 200
        with Wire(found.address) as three:
            assert three.reply().status == 503
        with socket.create_connection(found.address, source_address=("127.0.0.2", 0)) as elsewhere:
            elsewhere.sendall(request("/healthz"))
            assert elsewhere.recv(12) == b"HTTP/1.1 200"
        assert one.ask(CHUNK, "Connection: close").status == 200
        assert one.closed()  # the server has forgotten it before its end arrives here
        with Wire(found.address) as four:
            assert four.ask(CHUNK).status == 200


def test_large_answers_wait_for_a_client_that_reads_late(tmp_path: Path) -> None:
    published = publish(tmp_path)
    data = bytes(range(256)) * 4000
    sha256 = hashlib.sha256(data).hexdigest()
    path = published.chunk_path(sha256)
    assert path is not None
    path.write_bytes(data)
    asked = 40
    with running(settings(tmp_path, limits=NO_RATE)) as found, Wire(found.address) as wire:
        wire.send(request(f"/c/{sha256}") * asked)
        assert [wire.reply().body == data for _ in range(asked)] == [True] * asked
        part = wire.ask(f"/c/{sha256}", "Range: bytes=1000-500999")
        assert (part.status, part.body) == (206, data[1000:501_000])
