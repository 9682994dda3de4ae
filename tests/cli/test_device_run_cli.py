"""A device as a process: it answers, takes a new version while it answers, and survives kill -9."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from device_cli_examples import offer, rows_table, serving

from netgraft.cli import main

NOBODY = "http://127.0.0.1:9"
WAIT_S = 60


class Process:
    """A running device whose lines can be waited for."""

    def __init__(self, *words: object) -> None:
        command = [sys.executable, "-m", "netgraft", "device", "run", *map(str, words)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.said: queue.Queue[str] = queue.Queue()
        self.out: queue.Queue[str] = queue.Queue()
        self.readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.out), (self.process.stderr, self.said))
        ]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, lines: queue.Queue[str]) -> None:
        for line in stream:
            lines.put(line)

    def until(self, start: str) -> str:
        """Wait for a line on stderr."""
        while not (line := self.said.get(timeout=WAIT_S)).startswith(start):
            pass
        return line

    def ask(self, line: str) -> dict[str, Any]:
        """Ask on stdin and wait for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.out.get(timeout=WAIT_S))
        return found

    def end(self) -> int:
        """Close stdin and return the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(timeout=WAIT_S)


@contextmanager
def running(*words: object) -> Iterator[Process]:
    made = Process(*words)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        for reader in made.readers:
            reader.join()
        for stream in (made.process.stdin, made.process.stdout, made.process.stderr):
            assert stream is not None
            stream.close()


def post(url: str, body: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, body.encode(), timeout=WAIT_S) as response:  # noqa: S310
        found: dict[str, Any] = json.loads(response.read())
        return found


ROW = json.dumps(rows_table().row(0, named=True))


def test_device_answers_takes_a_new_version_and_survives_a_kill(tmp_path: Path) -> None:
    out = tmp_path / "device"
    with serving(tmp_path, 1) as server, running(server.url, "energy", "--out", out, "--poll", "0.05s") as first:
        assert first.ask(ROW)["version"] == 1
        assert "a row must be a JSON object" in first.ask("nonsense")["error"]
        first.until("done")
        offer(tmp_path / "served", 2)
        while first.ask(ROW)["version"] == 1:
            pass
        best = first.ask(ROW)
        assert best["version"] == 2
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
    with running(NOBODY, "energy", "--out", out, "--port", "0") as again:
        assert again.until("answering").startswith("answering from the folder (whole): version 2 ")
        url = again.out.get(timeout=WAIT_S).strip()
        answer = post(url, ROW)
        assert answer["version"] == 2
        assert set(answer) == {"prediction", "probabilities", "version", "cut"}
        with pytest.raises(urllib.error.HTTPError, match="400"):
            post(url, "nonsense")
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(timeout=WAIT_S) == 130
    with running(NOBODY, "energy", "--out", out, "--confidence", "0.4") as early:
        assert early.ask(ROW)["depth"] in (0, 1, 2)
        assert early.end() == 0


def test_device_that_lost_its_model_fetches_it_again(tmp_path: Path) -> None:
    out = tmp_path / "device"
    with serving(tmp_path, 1) as server:
        assert main(["fetch", server.url, "energy", "--out", str(out)]) == 0
        for folder in ("model", "chunks", "heads"):
            for path in (out / folder).iterdir():
                path.write_bytes(b"")
        with running(server.url, "energy", "--out", out, "--tolerant") as again:
            assert "is required to go back" in again.until("nothing answers from the folder")
            assert again.ask(ROW)["version"] == 1
            assert again.end() == 0


def test_fault_that_is_not_the_networks_ends_a_device_without_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.toml").write_text("memory_bytes = 10\n")
    words = ["energy", "--situation", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with serving(tmp_path, 1) as server:
        for more in ([], ["--port", "0"]):
            assert main(["device", "run", server.url, *words, *more]) == 2
            said = capsys.readouterr().err.splitlines()
            assert "a cut that fits the situation is required" in said[-1]


def test_device_without_a_model_says_what_it_waits_for(tmp_path: Path) -> None:
    out = tmp_path / "device"
    with running(NOBODY, "energy", "--out", out, "--poll", "0.05s") as waiting:
        assert waiting.said.get(timeout=WAIT_S) == f"no model yet: waits for 'energy' from {NOBODY}\n"
        assert "is required, got none that is right: refused" in waiting.until("no model yet, asks again")
        waiting.process.send_signal(signal.SIGTERM)
        assert waiting.process.wait(timeout=WAIT_S) == 130


def test_port_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path, 1) as server:
        port = server.address[1]
        words = ["device", "run", server.url, "energy", "--out", str(tmp_path / "out"), "--port", str(port)]
        assert main(words) == 2
    said = capsys.readouterr().err
    assert f"a free port is required, got {port}: Address already in use" in said
    assert said.count("\n") == 1  # nothing is said, asked of a server or made before
    assert not (tmp_path / "out").exists()


def test_second_device_on_one_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from netgraft.delivery.device.store import device_folder

    with device_folder(tmp_path / "out"):
        assert main(["device", "run", NOBODY, "energy", "--out", str(tmp_path / "out")]) == 2
    assert "a folder that no other client uses is required" in capsys.readouterr().err
