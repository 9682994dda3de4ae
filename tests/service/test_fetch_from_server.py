"""A device that fetches from a real server: with a token, planning on either side, through nginx in front."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import nginx_server
import pytest

sys.path.append(str(Path(__file__).parents[1] / "cli"))

from device_cli_examples import offer, today
from service_examples import ONLINE, Running, running, settings, token, trust_bytes

from netgraft.cli import main
from netgraft.delivery.offering.published import Published


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a version that has not expired."""
    folder = tmp_path_factory.mktemp("offered")
    Published(str(folder / "published")).put_trust(trust_bytes())
    offer(folder, 1)
    ONLINE.write(folder / "online.key")
    return folder


@pytest.fixture(scope="module")
def guarded(place: Path) -> Iterator[Running]:
    with running(settings(place, require_tokens=True)) as found:
        yield found


@pytest.mark.parametrize("planned", [[], ["--ask-server"]])
def test_device_with_a_token_gets_the_best_cut(
    guarded: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], planned: list[str]
) -> None:
    words = ["fetch", guarded.url, "energy", "--token", token(), *planned, "--out", str(tmp_path / "out"), "--json"]
    assert main(words) == 0
    fetched = json.loads(capsys.readouterr().out)
    best = max(today(1).head.cuts, key=lambda row: row.accuracy)
    assert (fetched["version"], fetched["cut"]) == (1, best.id)
    paths = guarded.log.getvalue()
    assert "/v1/models/energy/opening" in paths
    assert "/v1/models/energy/chunks" in paths
    assert "/v1/trust" not in paths


def test_device_without_a_token_is_told(guarded: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", guarded.url, "energy", "--out", str(tmp_path / "out")]) == 2
    assert "a token of scope device is required, got none" in capsys.readouterr().err


@pytest.mark.skipif(nginx_server.program() is None, reason="nginx is not installed (apt-get install nginx)")
def test_device_gets_its_chunks_from_nginx(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    aside = tmp_path / "nginx"
    aside.mkdir()
    with running(settings(place)) as server, nginx_server.nginx(aside, place / "published", server.address) as url:
        assert main(["fetch", url, "energy", "--out", str(tmp_path / "out"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["received_bytes"] > 0
        assert "/v1/models/energy/chunks" not in server.log.getvalue()
        assert 'netgraft_answer_bytes_total{plane="chunk"} 0.0' in httpx.get(f"{server.url}/metrics").text
