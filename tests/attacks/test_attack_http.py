"""Hostile requests to a real server, each with the check that stops it; afterwards it serves as before."""

from __future__ import annotations

import ipaddress
import json
import math
import random
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "service"))

from service_examples import KEY, Running, Wire, bearer, built, publish, request, running, settings, token

from netgraft.delivery.offering.incoming import pack_upload, read_plan_request
from netgraft.delivery.offering.published import Published
from netgraft.delivery.offering.requests import Answer, answered, plan
from netgraft.delivery.offering.shelf import Shelf
from netgraft.records import sha256_hex
from netgraft.service import Limits

SHA256, DATA = next(iter(built().chunks.items()))
CHUNK = f"/c/{SHA256}"
#: Parts of a second in place of ten, so that the tests need not wait.
SHORT = Limits(rate=0, request_s=0.2, idle_s=0.4)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attacked")
    publish(folder)
    (folder / "secret.txt").write_text("not for you")
    (folder / "published" / "secret.txt").write_text("not for you")
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Running]:
    with running(settings(place)) as found:
        yield found
        with Wire(found.address) as wire:
            assert wire.ask(CHUNK).body == DATA


@pytest.fixture(scope="module")
def hurried(place: Path) -> Iterator[Running]:
    with running(settings(place, limits=SHORT)) as found:
        yield found
        with Wire(found.address) as wire:
            assert wire.ask(CHUNK).body == DATA


@pytest.mark.parametrize(
    "path",
    [
        "/c/../secret.txt",
        "/c/../../etc/passwd",
        "/c/..%2f..%2fsecret.txt",
        "/c/%2e%2e/secret.txt",
        "/c/%2e%2e%2fsecret.txt",
        "/c/..%5c..%5csecret.txt",
        "/c//secret.txt",
        "/c/%00",
        f"/c/{SHA256}%00",
        f"/c/{SHA256}/../../secret.txt",
        f"/%63/..%2f{'0' * 64}",
        "/v1/models/..%2f..%2fsecret.txt/head",
        "/v1/models/../head",
        "/v1/models/./head",
        "/v1/models/%2e%2e/head",
        "/v1/models/%2e%2e/stamp",
        "/v1/models/%ff%fe/head",
        "/v1/models/" + "n" * 3000 + "/head",
    ],
)
def test_path_tricks_lead_nowhere(server: Running, path: str) -> None:
    with Wire(server.address) as wire:
        reply = wire.ask(path)
        assert reply.status == 404
        assert b"not for you" not in reply.body
        assert b"root:" not in reply.body


def test_token_of_a_request_does_not_count_for_another_one(guarded: Running) -> None:
    line = f"Authorization: {bearer()['Authorization']}"
    with Wire(guarded.address) as wire:
        assert wire.ask(CHUNK).status == 401
        for method, target in [("HEAD", CHUNK), ("GET", f"{CHUNK}?a=b"), ("GET", CHUNK)]:
            assert wire.ask(target, line, method=method).status == 200
            assert [wire.ask(CHUNK).status for _ in range(2)] == [401, 401]


def test_encoded_path_of_a_chunk_is_still_checked(place: Path) -> None:
    with running(settings(place, require_tokens=True)) as found, Wire(found.address) as wire:
        assert wire.ask(f"/%63/{SHA256}").status == 401
        assert wire.ask(f"/%63/{SHA256}", f"Authorization: {bearer()['Authorization']}").body == DATA


@pytest.mark.parametrize(
    ("sent", "status", "text"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "a request of HTTP/1.1"),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 400, "a request of HTTP/1.1"),
        (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "a request of HTTP/1.1"),
        (b"get / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "a request of HTTP/1.1"),
        (b"GET /\n HTTP/1.1\r\nHost: h\r\n\r\n", 400, "a request of HTTP/1.1"),
        (f"GET {CHUNK} HTTP/1.1\r\n\r\n".encode(), 400, "with a Host"),
        (b"GET /c/a HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", 400, "one header 'host' is required, got two"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400, "headers of the form 'name: value'"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nA: b\nC: d\r\n\r\n", 400, "headers of the form 'name: value'"),
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400, "headers of the form 'name: value'"),
        (b"POST /v1/telemetry HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "Transfer-Encoding"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "got two"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400, "Content-Length must be a number"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1e3\r\n\r\n", 400, "Content-Length must be a number"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n", 413, "a body of at most 1000000 bytes"),
        (b"PUT /v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999\r\n\r\n", 413, "a body of at most 256000000"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 200 + b"\r\n", 400, "at most 100 headers"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nA: " + b"b" * 20_000, 413, "headers of at most 16384 bytes"),
        (b"GET /" + b"a" * 20_000, 413, "headers of at most 16384 bytes"),
    ],
)
def test_request_that_could_be_read_in_two_ways_is_refused(
    server: Running, sent: bytes, status: int, text: str
) -> None:
    with Wire(server.address) as wire:
        wire.send(sent)
        reply = wire.reply()
        assert (reply.status, reply.headers["connection"]) == (status, "close")
        assert text in reply.error
        assert wire.closed()


def test_request_hidden_in_a_body_is_not_one(server: Running) -> None:
    hidden = request(CHUNK)
    with Wire(server.address) as wire:
        assert wire.ask("/v1/telemetry", method="POST", body=hidden).status == 400
        assert wire.ask(CHUNK, "Range: bytes=0-0").body == DATA[:1]
        assert wire.ask(CHUNK, method="GET", body=hidden).status == 200
        assert wire.ask("/healthz").body == b'{"status": "ok"}'


@pytest.mark.parametrize("part", [b"", b"G", b"GET /c/", request(CHUNK)[:-1], request("/v1/models")[:-2]])
def test_slow_loris_is_closed(hurried: Running, part: bytes) -> None:
    with Wire(hurried.address) as wire:
        wire.send(part)
        if part:
            reply = wire.reply()
            assert reply.status == 408
            assert reply.error == "a whole request within 0.2 s is required, got a part"
        assert wire.closed()


def test_slow_loris_cannot_buy_time_with_single_bytes(hurried: Running) -> None:
    sent = 0
    with Wire(hurried.address, timeout_s=0.03) as wire:
        for place in range(200):
            try:
                wire.send(b"GET /c/" + b"a" * 200 if place == 0 else b"a")
                sent += 1
                if wire.socket.recv(1 << 16):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert 1 < sent < 30


def test_slow_body_is_closed(hurried: Running) -> None:
    with Wire(hurried.address) as wire:
        wire.send(b"POST /v1/telemetry HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{")
        assert wire.closed()


def test_slow_body_after_an_early_answer_is_closed(hurried: Running) -> None:
    with Wire(hurried.address) as wire:
        wire.send(b"PUT /v1/models/energy/versions/2 HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nab")
        assert wire.reply().status == 401
        assert wire.closed()


def test_body_that_nobody_waits_for_holds_no_connection(hurried: Running) -> None:
    """The answer is there before the body, whose size would have earned it an hour."""
    with Wire(hurried.address) as wire:
        wire.send(b"PUT /v1/models/energy/versions/2 HTTP/1.1\r\nHost: h\r\nContent-Length: 200000000\r\n\r\n")
        assert wire.reply().status == 401
        assert wire.closed()


def test_body_without_progress_is_closed_whatever_its_size(hurried: Running) -> None:
    line = f"Authorization: {bearer('publisher')['Authorization']}\r\n".encode()
    with Wire(hurried.address) as wire:
        head = b"PUT /v1/models/energy/versions/2 HTTP/1.1\r\nHost: h\r\nContent-Length: 200000000\r\n"
        wire.send(head + line + b"\r\n" + bytes(1000))
        assert wire.closed()


def test_body_that_comes_after_an_early_answer_keeps_the_connection(server: Running) -> None:
    with Wire(server.address) as wire:
        wire.send(b"PUT /v1/models/energy/versions/2 HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n")
        assert wire.reply().status == 401
        wire.send(bytes(100))
        assert wire.ask(CHUNK).body == DATA


def test_idle_connection_is_closed(hurried: Running) -> None:
    with Wire(hurried.address) as wire:
        assert wire.ask(CHUNK).status == 200
        assert wire.ask("/healthz").status == 200
        assert wire.closed()


def test_client_that_takes_no_answers_is_closed(place: Path) -> None:
    data = bytes(4_000_000)
    published = Published(str(place / "published"))
    sha256 = sha256_hex(data)
    path = published.chunk_path(sha256)
    assert path is not None
    path.write_bytes(data)
    with running(settings(place, limits=SHORT)) as found, Wire(found.address) as wire:
        wire.send(request(f"/c/{sha256}") * 20)
        with Wire(found.address) as other:
            while b'answer_bytes_total{plane="chunk"} 0.0' in other.ask("/metrics").body:
                assert found.codes == []  # the first answer has not gone to the kernel yet
            assert other.closed()  # idle as long as the first one takes nothing
        with Wire(found.address) as other:
            assert b"netgraft_connections 1.0" in other.ask("/metrics").body
    assert "took too long" in found.log.getvalue()


def test_clients_that_take_part_of_their_answers_are_closed(tmp_path: Path) -> None:
    """Some leave less unread than makes the server wait before it goes on."""
    published = publish(tmp_path)
    data = bytes(64_000)
    sha256 = sha256_hex(data)
    path = published.chunk_path(sha256)
    assert path is not None
    path.write_bytes(data)
    with running(settings(tmp_path, limits=SHORT)) as found, ExitStack() as stack:
        for count in range(20, 70):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(found.address)
            slow.sendall(request(f"/c/{sha256}") * count)
        for _ in range(4):
            with Wire(found.address) as other:
                assert other.closed()  # idle; by then the others have taken nothing for as long
        with Wire(found.address) as other:
            assert b"netgraft_connections 1.0" in other.ask("/metrics").body


def test_store_that_fails_in_any_way_gets_an_answer(place: Path) -> None:
    class Broken(Published):
        def chunk(self, sha256: str) -> bytes | None:
            raise RuntimeError(f"SlowDown: {self.address}/c/{sha256}")

    with running(settings(place, published=Broken(str(place / "published")))) as found, Wire(found.address) as wire:
        for _ in range(2):
            reply = wire.ask(CHUNK)
            assert reply.status == 503
            assert str(place) not in reply.error
        assert wire.ask("/healthz").status == 200
    assert "SlowDown" in found.log.getvalue()


def test_no_answer_says_where_files_lie(tmp_path: Path) -> None:
    publish(tmp_path)
    (tmp_path / "published" / "c" / ("0" * 64)).mkdir()
    (tmp_path / "online.key").chmod(0o666)
    (tmp_path / "online.key").write_text("no key")
    with running(settings(tmp_path)) as found, Wire(found.address) as wire:
        (tmp_path / "published" / "names").rename(tmp_path / "names")
        (tmp_path / "published" / "names").write_text("no folder")
        targets = [f"/c/{'0' * 64}", f"/%63/{'0' * 64}", "/readyz", "/v1/models", "/v1/models/other/head"]
        for target in targets:
            reply = wire.ask(target)
            assert reply.status == 503
            assert str(tmp_path).encode() not in reply.body
        (tmp_path / "published" / "names").unlink()
        (tmp_path / "names").rename(tmp_path / "published" / "names")
        reply = wire.ask("/v1/models/energy/stamp")
        assert (reply.status, str(tmp_path) in reply.error) == (503, False)
    assert str(tmp_path) in found.log.getvalue()


def test_handshake_that_does_not_come_is_given_up(place: Path, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with running(settings(place, limits=SHORT, certificate=certificate, private_key=key)) as found:
        with Wire(found.address) as wire:
            assert wire.closed()
        trusted = ssl.create_default_context(cafile=str(certificate))
        with trusted.wrap_socket(socket.create_connection(found.address), server_hostname="127.0.0.1") as wrapped:
            wrapped.sendall(request("/healthz"))
            assert wrapped.recv(12) == b"HTTP/1.1 200"


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Return the files of a certificate for this machine and of its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1)
    made = made.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = made.add_extension(here, critical=False).sign(key, hashes.SHA256())
    (folder / "c.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    (folder / "k.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "c.pem", folder / "k.pem"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("PUT", "/v1/models/energy/versions/2", "publisher"),
        ("DELETE", "/v1/models/energy/versions/1", "admin"),
        ("GET", "/v1/models", "device"),
        ("GET", "/v1/models/energy/head", "device"),
        ("GET", "/v1/models/energy/stamp", "device"),
        ("POST", "/v1/models/energy/plan", "device"),
        ("GET", "/v1/trust", "device"),
        ("POST", "/v1/telemetry", "device"),
        ("GET", CHUNK, "device"),
        ("HEAD", CHUNK, "device"),
        ("GET", "/nothing", "device"),
        ("PATCH", "/v1/models", "device"),
    ],
)
def test_every_operation_asks_for_its_scope(place: Path, guarded: Running, method: str, path: str, scope: str) -> None:
    del place
    scopes = ["device", "publisher", "admin"]
    bad = [(None, 401), (token(scope, days=1, now_s=1e9), 401), (token(scope, secret=b"y" * 32), 401)]
    bad += [(token(lower), 403) for lower in scopes[: scopes.index(scope)]]
    with Wire(guarded.address) as wire:
        for each, status in bad:
            lines = [] if each is None else [f"Authorization: Bearer {each}"]
            assert wire.ask(path, *lines, method=method).status == status


@pytest.fixture(scope="module")
def guarded(place: Path) -> Iterator[Running]:
    with running(settings(place, require_tokens=True)) as found:
        yield found


def test_upload_of_a_forged_head_is_refused(server: Running) -> None:
    from netgraft.delivery.trust.accepting import SigningKey

    line = f"Authorization: {bearer('publisher')['Authorization']}"
    second = built(2)
    forged = second.pack([SigningKey(b"m" * 32)])
    with Wire(server.address) as wire:
        for head, text in [
            (forged, "valid signature(s) of the publisher role are required"),
            (second.pack([KEY])[:-20], "a head must have all of its 4 sections"),
            (b"", "a head"),
        ]:
            reply = wire.ask("/v1/models/energy/versions/2", line, method="PUT", body=pack_upload(head, second.chunks))
            assert reply.status == 400
            assert text in reply.error
        assert json.loads(wire.ask("/v1/models").body) == {"models": [{"name": "energy", "versions": [1]}]}


def test_upload_brings_no_chunks_of_its_own(server: Running) -> None:
    line, junk = f"Authorization: {bearer('publisher')['Authorization']}", b"anything" * 100
    with Wire(server.address) as wire:
        for version, made in [(1, built()), (2, built(2))]:
            body = pack_upload(made.pack([KEY]), {**made.chunks, sha256_hex(junk): junk})
            reply = wire.ask(f"/v1/models/energy/versions/{version}", line, method="PUT", body=body)
            assert reply.status == 400
            assert reply.error.startswith("chunks that the head names are required, got 1 more, first ")
        assert wire.ask(f"/c/{sha256_hex(junk)}").status == 404
        assert json.loads(wire.ask("/v1/models").body) == {"models": [{"name": "energy", "versions": [1]}]}


def absurd(rng: random.Random, deep: int = 0) -> object:
    """Return a value that no situation should have."""
    whole = [0, -1, 1, 2**63, 10**400, -(10**30), True, None]
    numbers = [math.inf, -math.inf, math.nan, 1e308, -0.0, 5e-324]
    texts = ["", "\0", "\ud800", "x" * 5000, "../../etc/passwd", "this", "/etc/passwd", "2026-99-99T00:00:00Z", "NaN"]
    nested = (
        [] if deep > 2 else [[absurd(rng, deep + 1)] * rng.randrange(3), {rng.choice(texts): absurd(rng, deep + 1)}]
    )
    return rng.choice([rng.choice(whole), rng.choice(numbers), rng.choice(texts), *nested])


def test_ten_thousand_absurd_situations_get_an_answer_each(place: Path) -> None:
    shelf = Shelf(Published(str(place / "published")))
    rng = random.Random(5)  # noqa: S311  not for secrets
    keys = [
        *("memory_bytes", "storage_bytes", "device", "rate_bps", "latency_s", "bit_error_rate", "deadline_s", "time"),
        *(
            "min_accuracy",
            "max_latency_s",
            "data_budget_bytes",
            "expected_samples",
            "power_w",
            "location",
            "uplink_bps",
        ),
        *("codecs", "formats", "held", "bits", ""),
    ]

    def planned(data: bytes) -> Answer:
        asked = read_plan_request(data)
        return plan(shelf.open("energy", asked.version, 0.0), asked).answer

    statuses = []
    for _ in range(10_000):
        situation = {rng.choice(keys): absurd(rng) for _ in range(rng.randrange(4))}
        body = {"situation": rng.choice([situation, situation, situation, absurd(rng)])}
        if rng.random() < 0.1:
            body[rng.choice(["held", "version", "live", "more"])] = absurd(rng)
        data = json.dumps(body).encode()
        found = answered(partial(planned, data))
        statuses.append(found.status)
        said = json.loads(found.body)
        assert found.status in (200, 400, 404)
        assert (said["decision"] in ("device", "split", "server", "stay")) if found.status == 200 else said["error"]
        assert len(found.body) < 8000
    assert statuses.count(400) > 5000
    assert statuses.count(200) > 100


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 100_000,
        b'{"situation":' * 50_000,
        b'{"a":1,"a":2}',
        b'{"situation":{"rate_bps":1,"rate_bps":2}}',
        b"\xff\xfe\x00",
        b"9" * 100_000,
        b'{"version":' + b"9" * 10_000 + b"}",
        b'{"held":["' + b"0" * 64 + b'",5]}',
        b'{"situation":{"memory_bytes":NaN}}',
        b"null",
        b'"text"',
    ],
)
def test_bodies_that_are_no_request_for_a_plan(server: Running, body: bytes) -> None:
    with Wire(server.address) as wire:
        reply = wire.ask("/v1/models/energy/plan", method="POST", body=body)
        assert reply.status == 400
        assert "must" in reply.error or "got" in reply.error
        assert len(reply.body) < 2500
        assert wire.ask("/v1/telemetry", method="POST", body=body).status == 400
