"""A device tells a real server what happens, where its owner wants that; nothing else ever leaves it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from device_cli_examples import Running, rows_table, serving, today
from test_device_run_cli import running as running_device

from netgraft.cli import main
from netgraft.delivery.exchange.tiers import Retries

ALLOWED = {"time", "device", "name", "event", "version", "cut", "accuracy", "seconds", "bytes", "fault"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path, 1) as found:
        yield found


def reports(folder: Path) -> list[dict[str, Any]]:
    """Return what the server has written down."""
    path = folder / "served" / "telemetry" / "reports.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def counted(server: Running) -> dict[str, float]:
    """Return how many reports of each event the metrics show."""
    start = 'netgraft_telemetry_total{event="'
    lines = [line for line in httpx.get(f"{server.url}/metrics").text.splitlines() if line.startswith(start)]
    return {line.removeprefix(start).partition('"')[0]: float(line.split()[-1]) for line in lines}


def test_fetch_tells_what_happened(server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fetch", server.url, "energy", "--out", str(tmp_path / "out"), "--tell", "--device-name", "mast 7"]
    assert main(words) == 0
    events = [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    told = reports(tmp_path)
    assert [said["event"] for said in told] == events
    assert set(events) == {"started", "pinned", "usable", "improved", "done"}
    assert {(said["device"], said["name"]) for said in told} == {("mast 7", "energy")}
    assert set().union(*told) <= ALLOWED
    best = max(today(1).head.cuts, key=lambda row: row.accuracy)
    assert (told[-1]["version"], told[-1]["cut"], told[-1]["accuracy"]) == (1, best.id, best.accuracy)
    assert counted(server) == {event: float(events.count(event)) for event in events}


def test_nothing_is_told_unless_the_owner_says_so(server: Running, tmp_path: Path) -> None:
    assert main(["fetch", server.url, "energy", "--out", str(tmp_path / "out")]) == 0
    assert counted(server) == {}
    assert reports(tmp_path) == []


def test_failure_is_told_without_its_words(server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tiny.toml").write_text("memory_bytes = 10\n")
    words = ["--situation", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "out"), "--tell"]
    assert main(["fetch", server.url, "energy", *words]) == 2
    told = reports(tmp_path)
    assert (told[-1]["event"], told[-1]["fault"], told[-1]["device"]) == ("failed", "BudgetError", "unnamed")
    assert set().union(*told) <= ALLOWED
    lines = capsys.readouterr().err.splitlines()
    assert sum("a cut that fits the situation is required" in line for line in lines) == 1  # and said once


def test_server_that_cannot_be_told_changes_nothing(
    server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netgraft.delivery.device.telling.TELEMETRY_PATH", "/v1/nowhere")
    assert main(["fetch", server.url, "energy", "--out", str(tmp_path / "out"), "--tell"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("version 1 of energy")
    assert " event(s) were not told: missing: 404 not found" in said.err.splitlines()[-1]


@contextmanager
def deaf(server: Running) -> Iterator[str]:
    """Stand in front of a server: pass on what is asked, and never answer what is told."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = httpx.get(server.url + self.path)
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def do_POST(self) -> None:
            released.wait()

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as front:
        threading.Thread(target=front.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{front.server_port}"
        finally:
            released.set()
            front.shutdown()


def test_server_that_never_answers_a_report_delays_nothing(
    server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netgraft.cli.connecting._GOODBYE_S", 0.0)
    with deaf(server) as url:
        assert main(["fetch", url, "energy", "--out", str(tmp_path / "out"), "--tell"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("version 1 of energy")
    assert "event(s) were not told" in said.err
    assert reports(tmp_path) == []


def test_data_budget_pays_for_no_report(server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "budget.toml").write_text("data_budget_bytes = 1_000_000\n")
    words = ["--situation", str(tmp_path / "budget.toml"), "--out", str(tmp_path / "out"), "--tell"]
    assert main(["fetch", server.url, "energy", *words]) == 0
    assert "nothing is told: the situation has a data budget" in capsys.readouterr().err
    assert counted(server) == {}


def test_name_without_telling_and_a_name_that_cannot_be_are_refused(
    server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fetch", server.url, "energy", "--out", str(tmp_path / "out"), "--device-name"]
    assert main([*words, "mast 7"]) == 2
    assert "--tell is required with the name of a device, got --device-name 'mast 7' alone" in capsys.readouterr().err
    assert main([*words, "x" * 300, "--tell"]) == 2
    assert "the name of a device must be a text of 1 to 256 characters" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_device_that_runs_tells_too(server: Running, tmp_path: Path) -> None:
    row = json.dumps(rows_table().row(0, named=True))
    out = ["--out", tmp_path / "device", "--tell", "--device-name", "mast 7"]
    with running_device(server.url, "energy", *out) as made:
        assert made.ask(row)["version"] == 1
        made.until("done")
        assert made.end() == 0
    told = reports(tmp_path)
    assert [said["event"] for said in told][::2][0] == "started"
    assert told[-1]["event"] == "done"
    assert set().union(*told) <= ALLOWED
    assert "load" not in json.dumps(told)  # no row


def test_retries_are_told(server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retries, "wait_s", lambda self, rounds, generator: 0.0)
    words = ["fetch", "http://127.0.0.1:9", "energy", "--tier", server.url, "--out", str(tmp_path / "out"), "--tell"]
    assert main(words) == 0
    retried = [said for said in reports(tmp_path) if said["event"] == "retried"]
    assert [said["fault"] for said in retried] == ["refused"]
