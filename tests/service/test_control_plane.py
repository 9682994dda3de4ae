"""The control plane over real sockets: every operation, every status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_examples import KEY, ONLINE, Running, bearer, built, publish, running, settings, trust_bytes

from netgraft.delivery.format.head import unpack_head
from netgraft.delivery.offering.incoming import pack_upload
from netgraft.delivery.planning.planner import Plan
from netgraft.delivery.trust.accepting import TrustState, accept_head, accept_stamp, accept_trust, head_verifier
from netgraft.service import Limits

HEAD = built().pack([KEY])


@pytest.fixture
def client(server: Running) -> Any:
    with httpx.Client(base_url=server.url) as found:
        yield found


def test_models_are_listed(client: httpx.Client) -> None:
    reply = client.get("/v1/models")
    assert reply.status_code == 200
    assert reply.json() == {"models": [{"name": "energy", "versions": [1]}]}
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_head_with_its_identity(client: httpx.Client) -> None:
    reply = client.get("/v1/models/energy/head")
    assert (reply.status_code, reply.content) == (200, HEAD)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["cache-control"] == "public, max-age=5"
    etag = reply.headers["etag"]
    assert etag == f'"{unpack_head(HEAD, lambda _message, _signatures: None).sha256}"'
    for known in (etag, f'"x", W/{etag}', "*"):
        again = client.get("/v1/models/energy/head", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get("/v1/models/energy/head", headers={"If-None-Match": '"x"'}).status_code == 200
    assert client.get("/v1/models/energy/head", params={"version": 1}).content == HEAD


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        (
            "/v1/models/energi/head",
            404,
            "a published model must be one of energy, got 'energi'; the nearest is 'energy'",
        ),
        ("/v1/models/energy/head?version=7", 404, "a version of 'energy' is required, got 7; there are 1"),
        ("/v1/models/energy/head?version=x", 400, "query.version: Input should be a valid integer"),
        (
            "/v1/models/energy/head?version=-1",
            400,
            "query.version: Input should be greater than or equal to 1, got '-1'",
        ),
        ("/v1/models/other/stamp", 404, "got 'other'"),
        ("/v1/nothing", 404, "not found"),
        ("/", 404, "not found"),
    ],
)
def test_what_is_not_there(client: httpx.Client, path: str, status: int, text: str) -> None:
    reply = client.get(path)
    assert reply.status_code == status
    assert text in reply.json()["error"]


def test_other_method_is_405(client: httpx.Client) -> None:
    for method, path in [("POST", "/v1/models"), ("POST", f"/c/{'0' * 64}"), ("PATCH", "/v1/models/energy/head")]:
        reply = client.request(method, path)
        assert (reply.status_code, reply.json()) == (405, {"error": "method not allowed"})
        assert reply.headers["allow"] == "GET"


def test_a_device_believes_what_it_gets(client: httpx.Client) -> None:
    import time

    now_s = int(time.time())
    state = accept_trust(TrustState(), client.get("/v1/trust").content, now_s=now_s, pinned=KEY.public)
    data = client.get("/v1/models/energy/stamp").content
    state, stamp = accept_stamp(state, data, name="energy", now_s=now_s)
    assert stamp.expires_s - stamp.issued_s == 3600
    opened = unpack_head(client.get("/v1/models/energy/head").content, head_verifier(state))
    assert opened.sha256 == stamp.head
    expires_s = stamp.expires_s  # the example's head expired long ago
    accept_head(state, stamp, name="energy", version=1, sha256=opened.sha256, expires_s=expires_s, now_s=now_s)
    assert client.get("/v1/models/energy/stamp").headers["cache-control"] == "no-cache"


def test_plan(client: httpx.Client) -> None:
    body: dict[str, Any] = {"situation": {"memory_bytes": 500_000, "rate_bps": 1e6, "device": "raspberry-pi-4"}}
    said = client.post("/v1/models/energy/plan", json=body).json()
    assert (said.pop("version"), said.pop("chunks_url")) == (1, "/c/")
    assert client.get("/v1/models/energy/head").headers["etag"] == f'"{said.pop("head")}"'
    plan = Plan.from_json(said)
    assert plan.decision == "device"
    assert plan.chunks[0] != 0 or len(plan.chunks) > 1
    rows = unpack_head(HEAD, lambda _message, _signatures: None).head.chunks
    held = [rows[index].sha256 for index in plan.chunks[:2]]
    again = client.post("/v1/models/energy/plan", json={**body, "held": held, "version": 1}).json()
    assert again["download_bytes"] < plan.download_bytes
    inside = client.post("/v1/models/energy/plan", json={"situation": {**body["situation"], "held": held}}).json()
    assert inside["chunks"] == again["chunks"]
    assert client.post("/v1/models/energy/plan", json={}).json()["decision"] in ("device", "stay")


@pytest.mark.parametrize(
    ("name", "body", "status", "text"),
    [
        ("energy", b"", 400, "a request for a plan must be JSON, got"),
        ("energy", b"[]", 400, "a request for a plan must be a JSON object, got []"),
        ("energy", b'{"a": 1}', 400, "a request for a plan may have situation, held, version, live, got 'a'"),
        ("energy", b'{"situation": {"memory": 1}}', 400, "a key of a situation must be one of"),
        ("energy", b'{"situation": {"rate_bps": -1}}', 400, "rate_bps of a situation must be a number"),
        ("energy", b'{"situation": {"rate_bps": Infinity}}', 400, "must have finite numbers, got Infinity"),
        ("energy", b'{"situation": {}, "situation": {}}', 400, "must name each key once, got 'situation' twice"),
        ("energy", b'{"held": ["x"]}', 400, "held[0] must be 64 hexadecimal digits"),
        ("energy", b'{"held": {}}', 400, "held must be a list of at most 65536 values, got {}"),
        ("energy", b'{"version": 0}', 400, "version must be a whole number from 1"),
        ("energy", b'{"version": 9}', 404, "a version of 'energy' is required, got 9"),
        ("energy", b'{"situation": {"memory_bytes": 1}}', 400, "memory"),
        ("other", b"{}", 404, "a published model must be one of energy"),
    ],
)
def test_plan_that_cannot_be(client: httpx.Client, name: str, body: bytes, status: int, text: str) -> None:
    reply = client.post(f"/v1/models/{name}/plan", content=body)
    assert (reply.status_code, list(reply.json())) == (status, ["error"])
    assert text in reply.json()["error"]


def test_telemetry_is_counted_and_kept(place: Path, client: httpx.Client) -> None:
    report = {"device": "meter 7", "name": "energy", "version": 1, "cut": "d2s1p5", "event": "usable", "seconds": 0.5}
    reply = client.post("/v1/telemetry", json={**report, "bytes": 900, "battery": 0.7, "roaming": False, "why": None})
    assert (reply.status_code, reply.json()) == (202, {"kept": True})
    assert client.post("/v1/telemetry", json={**report, "event": "sneezed"}).status_code == 202
    lines = (place / "telemetry" / "reports.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines[-2:]] == ["usable", "sneezed"]
    assert json.loads(lines[-2])["battery"] == 0.7
    text = client.get("/metrics").text
    assert 'netgraft_telemetry_total{event="usable"} 1.0' in text
    assert 'netgraft_telemetry_total{event="other"} 1.0' in text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"device": ""}, "device of a report must be a text of 1 to 256 characters"),
        ({"device": None}, "device of a report must be a text"),
        ({"event": "Not An Event"}, "event of a report must be a name of small letters"),
        ({"bytes": -1}, "bytes of a report must be a whole number"),
        ({"seconds": "5"}, "seconds of a report must be a number"),
        ({"More": 1}, "a key of a report must be a name of small letters"),
        ({"more": []}, "more of a report must be a number"),
        ({"more": "x" * 300}, "more of a report must be a text of 1 to 256 characters"),
        ({f"more{i}": i for i in range(17)}, "a report must have at most 16 further fields, got 17"),
    ],
)
def test_report_that_is_none(client: httpx.Client, change: dict[str, Any], text: str) -> None:
    reply = client.post("/v1/telemetry", json={"device": "d", "name": "energy", "event": "done", **change})
    assert reply.status_code == 400
    assert text in reply.json()["error"]


def test_body_that_is_too_large(client: httpx.Client) -> None:
    reply = client.post("/v1/telemetry", content=b" " * 1_000_001)
    assert reply.status_code == 413
    assert reply.json()["error"] == "a body of at most 1000000 bytes is required, got 1000001"


def test_health_and_metrics(client: httpx.Client, guarded: Running) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"ready": True, "why": "what is published can be read"}
    client.post("/v1/models/energy/plan", json={})
    text = client.get("/metrics").text
    for line in [
        'netgraft_requests_total{plane="control",status="200"}',
        'netgraft_answer_bytes_total{plane="chunk"}',
        'netgraft_answer_seconds_bucket{le="0.005",plane="control"}',
        "netgraft_plans_total{decision=",
        "netgraft_connections ",
    ]:
        assert line in text
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert httpx.get(guarded.url + path).status_code == 200


def test_upload_and_retract(tmp_path: Path) -> None:
    publish(tmp_path)
    second = built(2)
    body = pack_upload(second.pack([KEY]), second.chunks)
    with running(settings(tmp_path)) as found, httpx.Client(base_url=found.url) as client:
        path = "/v1/models/energy/versions/2"
        assert client.put(path, content=body).status_code == 401
        assert client.put(path, content=body, headers=bearer("device")).status_code == 403
        uploaded = client.put(path, content=body, headers=bearer("publisher"))
        assert uploaded.status_code == 201
        assert uploaded.json()["version"] == 2
        assert client.put(path, content=body, headers=bearer("admin")).status_code == 201
        assert client.get("/v1/models").json()["models"][0]["versions"] == [1, 2]
        assert client.get("/v1/models/energy/head").headers["etag"] == f'"{uploaded.json()["head"]}"'
        for sha256, data in second.chunks.items():
            assert client.get(f"/c/{sha256}").content == data

        wrong = client.put("/v1/models/energy/versions/3", content=body, headers=bearer("publisher"))
        assert wrong.status_code == 400
        assert "a head of version 3 of 'energy' is required, got version 2 of 'energy'" in wrong.json()["error"]

        assert client.delete(path, headers=bearer("publisher")).status_code == 403
        old = client.delete("/v1/models/energy/versions/1", headers=bearer("admin"))
        assert (old.status_code, "the latest version of 'energy' is required" in old.text) == (400, True)
        assert client.delete("/v1/models/energy/versions/9", headers=bearer("admin")).status_code == 404
        assert client.delete(path, headers=bearer("admin")).json() == {"name": "energy", "retracted": 2}
        assert client.get("/v1/models").json()["models"][0]["versions"] == [1]
        again = client.put(path, content=body, headers=bearer("publisher"))
        assert (again.status_code, "a free version of 'energy' is required, got 2" in again.text) == (400, True)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "an upload that begins with b'NGUPLD1\\\\n' is required, got b''"),
        (b"NGUPLD1\n", "an upload with a head is required, got an empty one"),
        (b"NGUPLD1\n\x05\0", "cut short at byte 8"),
        (b"NGUPLD1\n\xff\xff\xff\xff123", "cut short at byte 15"),
        (pack_upload(HEAD[:50], {}), "a head"),
    ],
)
def test_upload_that_is_none(server: Running, body: bytes, text: str) -> None:
    reply = httpx.put(f"{server.url}/v1/models/energy/versions/2", content=body, headers=bearer("publisher"))
    assert reply.status_code == 400
    assert text in reply.text


def test_server_without_keys_says_so(tmp_path: Path) -> None:
    with running(settings(tmp_path)) as found, httpx.Client(base_url=found.url) as client:
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert "a trust document is required, got none" in ready.json()["why"]
        assert client.get("/v1/models").json() == {"models": []}
        trust = client.get("/v1/trust")
        assert trust.status_code == 503
        assert trust.json()["error"] == "a trust document is required, got none; netgraft publish makes it"
        assert client.put("/v1/models/a/versions/1", content=b"x", headers=bearer("admin")).status_code == 503
        assert "nothing is published yet" in client.get("/v1/models/energy/head").json()["error"]
        # what is published while the server runs is seen
        published = publish(tmp_path)
        (tmp_path / "online.key").unlink()
        stamp = client.get("/v1/models/energy/stamp")
        assert stamp.status_code == 503
        assert "an online key is required to sign stamps, got no file online.key" in stamp.json()["error"]
        (tmp_path / "online.key.pub").unlink()
        ONLINE.write(tmp_path / "online.key")
        assert client.get("/v1/models/energy/stamp").status_code == 200
        assert published.trust() == client.get("/v1/trust").content == trust_bytes()
        assert client.get("/readyz").status_code == 200
        # and a place that cannot be read is no readiness
        (tmp_path / "published" / "names").rename(tmp_path / "aside")
        (tmp_path / "published" / "names").write_text("a file")
        reply = client.get("/readyz")
        assert reply.status_code == 503
        assert reply.json()["ready"] is False
        assert "a place for models that can be used is required" in reply.json()["why"]


def test_fault_of_ours_is_500_and_says_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import netgraft.delivery.offering.requests

    def fail(*_words: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(netgraft.delivery.offering.requests, "models", fail)
    with running(settings(place, json_logs=True)) as found:
        reply = httpx.get(f"{found.url}/v1/models")
        assert (reply.status_code, reply.json()) == (500, {"error": "a fault of the server, not of the request"})
        assert httpx.get(f"{found.url}/healthz").status_code == 200
    lines = [json.loads(line) for line in found.log.getvalue().splitlines()]
    assert any("secret detail" in line.get("fault", "") for line in lines)
    logged = next(line for line in lines if line.get("path") == "/v1/models")
    assert (logged["event"], logged["status"], logged["level"]) == ("request", 500, "info")


def test_log_names_no_token(place: Path) -> None:
    with running(settings(place)) as found:
        headers = bearer()
        assert httpx.get(f"{found.url}/v1/models", headers=headers).status_code == 200
    assert "path=/v1/models" in found.log.getvalue()
    assert headers["Authorization"][7:] not in found.log.getvalue()


def test_rate_holds_for_every_operation(place: Path) -> None:
    limits = Limits(rate=0.001, burst_s=2000)
    with running(settings(place, limits=limits)) as found, httpx.Client(base_url=found.url) as client:
        statuses = [client.get("/v1/models").status_code for _ in range(4)]
        assert statuses == [200, 200, 429, 429]
        reply = client.post("/v1/telemetry", json={})
        assert (reply.status_code, int(reply.headers["retry-after"]) > 0) == (429, True)
        assert client.get("/healthz").status_code == 200
