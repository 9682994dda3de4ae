"""``netgraft serve`` as a process: its line, its end, what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from service_examples import KEY, ONLINE, Wire, built, request, trust_bytes

from netgraft.cli import main
from netgraft.delivery.offering.published import Published
from netgraft.library import Library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a library with a model that is published."""
    folder = tmp_path_factory.mktemp("library") / "models"
    published = Published.of(Library.init(folder))
    published.put_trust(trust_bytes())
    published.add(built().pack([KEY]), built().chunks)
    (folder / "keys").mkdir(mode=0o700)
    ONLINE.write(folder / "keys" / "online.key")
    return folder


@contextmanager
def served(library: Path, home: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Give a process that serves, and its URL."""
    command = [sys.executable, "-m", "netgraft", "serve", str(library), "--port", "0", *options]
    environment = {**os.environ, "NETGRAFT_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(rf"serving {re.escape(str(library))} at (https?://\S+)\n", line)
        assert found, line or process.communicate()
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


def test_serves_until_a_signal_comes(library: Path, tmp_path: Path) -> None:
    with served(library, tmp_path, "--json-logs") as (process, url):
        assert httpx.get(f"{url}/v1/models").json() == {"models": [{"name": "energy", "versions": [1]}]}
        assert httpx.get(f"{url}/v1/models/energy/stamp").status_code == 200
        report = {"device": "d", "name": "energy", "event": "done"}
        assert httpx.post(f"{url}/v1/telemetry", json=report).status_code == 202
        process.send_signal(signal.SIGTERM)
        printed, told = process.communicate(timeout=20)
    assert (process.returncode, printed) == (0, "")
    lines = [json.loads(line) for line in told.splitlines()]
    assert [line["path"] for line in lines] == ["/v1/models", "/v1/models/energy/stamp", "/v1/telemetry"]
    assert json.loads((library / "telemetry" / "reports.jsonl").read_text().splitlines()[-1])["event"] == "done"
    assert (tmp_path / "token-secret").stat().st_mode & 0o077 == 0


def test_interrupt_finishes_the_answer_that_is_under_way(library: Path, tmp_path: Path) -> None:
    data = bytes(range(256)) * 8000
    large = Published.of(Library(library)).chunk_path("0" * 64)
    assert large is not None
    import hashlib

    sha256 = hashlib.sha256(data).hexdigest()
    (large.parent / sha256).write_bytes(data)
    with served(library, tmp_path) as (process, url):
        host, _, port = url.rpartition("//")[2].rpartition(":")
        with Wire((host, int(port))) as wire, Wire((host, int(port))) as idle:
            assert idle.ask("/healthz").status == 200
            wire.send(request(f"/c/{sha256}", method="HEAD"))
            assert wire.reply("HEAD").status == 200
            wire.send(request(f"/c/{sha256}"))
            first = wire.socket.recv(1000)
            process.send_signal(signal.SIGINT)
            assert idle.closed()
            rest = first
            while part := wire.socket.recv(1 << 20):
                rest += part
        _, told = process.communicate(timeout=20)
    assert rest.endswith(data)
    assert process.returncode == 130
    assert told.splitlines()[-1] == "netgraft: interrupted"


def test_tls(library: Path, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, which makes the certificate of this test")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    options = ["--certificate", str(certificate), "--private-key", str(key)]
    with served(library, tmp_path, *options) as (_, url):
        assert url.startswith("https://127.0.0.1:")
        with httpx.Client(verify=ssl.create_default_context(cafile=str(certificate))) as client:
            sha256, data = next(iter(built().chunks.items()))
            assert client.get(f"{url}/c/{sha256}").content == data
            assert client.get(f"{url}/v1/models").status_code == 200


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--host", "::"], "tokens are required to serve beyond this machine, got --host :: without --require-tokens"),
        (["--host", "192.0.2.1", "--require-tokens"], "a free address is required, got 192.0.2.1 port 8080"),
        (["--host", "no.such.host.invalid", "--require-tokens"], "an address of this machine is required, got no.such"),
        (["--port", "70000"], "a port from 0 to 65535 is required, got 70000"),
        (["--rate", "-1"], "the limit rate must be > 0, got -1.0"),
        (["--certificate", "a.pem"], "TLS requires --certificate and --private-key, got one of them"),
        (["--certificate", "a.pem", "--private-key", "b.pem"], "a PEM file is required for TLS, got a.pem, which is"),
    ],
)
def test_refusals(
    library: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    text: str,
) -> None:
    monkeypatch.setenv("NETGRAFT_HOME", str(tmp_path))
    assert main(["serve", str(library), *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert text in printed.err
    assert printed.err.count("\n") == 1


def test_more_refusals(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NETGRAFT_HOME", str(tmp_path))
    assert main(["serve", str(tmp_path / "nothing")]) == 2
    assert "a library is required, got none at" in capsys.readouterr().err
    for name in ("a.pem", "b.pem"):
        (tmp_path / name).write_text("no certificate")
    files = ["--certificate", str(tmp_path / "a.pem"), "--private-key", str(tmp_path / "b.pem")]
    assert main(["serve", str(library), "--port", "0", *files]) == 2
    assert "a certificate and its private key are required, got" in capsys.readouterr().err
    with served(library, tmp_path) as (_, url):
        assert main(["serve", str(library), "--port", url.rpartition(":")[2]]) == 2
    assert "a free address is required, got 127.0.0.1 port" in capsys.readouterr().err
    (tmp_path / "token-secret").chmod(0o644)
    assert main(["serve", str(library)]) == 2
    assert "a secret that only its owner may read is required" in capsys.readouterr().err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    assert "Example: netgraft serve models --port 8080" in " ".join(capsys.readouterr().out.split())
