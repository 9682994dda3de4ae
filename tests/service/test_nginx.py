"""A static server in the place of the chunk plane: nginx with the configuration of the examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import nginx_server
import pytest
from service_examples import Running, built

from netgraft.records import sha256_hex

pytestmark = pytest.mark.skipif(nginx_server.program() is None, reason="nginx is not installed (apt-get install nginx)")


@pytest.fixture(scope="module")
def front(place: Path, server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Give a client of nginx in front of a server."""
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    with nginx_server.nginx(folder, place / "published", server.address) as url, httpx.Client(base_url=url) as client:
        yield client


def test_device_gets_everything_through_it(front: httpx.Client, server: Running) -> None:
    assert front.get("/v1/models").json()["models"][0]["name"] == "energy"
    assert front.get("/v1/models/energy/head").content == httpx.get(f"{server.url}/v1/models/energy/head").content
    plan = front.post("/v1/models/energy/plan", json={"situation": {"rate_bps": 1e6}}).json()
    rows = built().head.chunks
    assert plan["chunks"]
    for index in plan["chunks"]:
        reply = front.get(f"{plan['chunks_url']}{rows[index].sha256}")
        assert reply.status_code == 200
        assert sha256_hex(reply.content) == rows[index].sha256
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert reply.headers["content-type"] == "application/octet-stream"
        assert reply.headers["x-content-type-options"] == "nosniff"
    counted = httpx.get(f"{server.url}/metrics").text
    assert 'netgraft_answer_bytes_total{plane="chunk"} 0.0' in counted


def test_parts_and_heads_are_as_on_the_chunk_plane(front: httpx.Client, server: Running) -> None:
    sha256, data = next((sha256, data) for sha256, data in built().chunks.items() if len(data) > 200)
    for base in ("", server.url):
        for ranged, status, part in [
            ("bytes=0-9", 206, data[:10]),
            ("bytes=100-", 206, data[100:]),
            ("bytes=-7", 206, data[-7:]),
        ]:
            reply = front.get(f"{base}/c/{sha256}", headers={"Range": ranged})
            assert (reply.status_code, reply.content) == (status, part)
        beyond = front.get(f"{base}/c/{sha256}", headers={"Range": f"bytes={len(data)}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")
        head = front.head(f"{base}/c/{sha256}")
        assert (head.headers["content-length"], head.content) == (str(len(data)), b"")


@pytest.mark.parametrize(
    "path", [f"/c/{'0' * 64}", "/c/", "/c/..%2fnames", "/c/%2e%2e/trust.json", "/c/../trust.json", "/heads/"]
)
def test_nothing_else_lies_open(front: httpx.Client, path: str) -> None:
    assert front.get(path).status_code == 404


def test_upload_needs_its_token_there_too(front: httpx.Client) -> None:
    assert front.put("/v1/models/energy/versions/2", content=iter([b"x", b"y"])).status_code == 401
    sha256 = next(iter(built().chunks))
    assert front.put(f"/c/{sha256}", content=b"x").status_code == 403
