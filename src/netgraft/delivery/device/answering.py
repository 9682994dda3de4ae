"""Questions in, answers out: lines of a stream, or HTTP on this machine alone."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from netgraft.delivery.device.engine import Engine
from netgraft.delivery.device.rows import MOST_LINE_BYTES, answer_line

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost")
_IDLE_S = 60


def answer_lines(engine: Engine, lines: Iterable[str], write: Callable[[str], None]) -> int:
    """Answer each line that is not empty with a line of JSON; return how many.

    Args:
        engine: answers; waits are the caller's.
        lines: one JSON object each.
        write: gets each answer with its newline.
    """
    answered = 0
    for line in lines:
        if line.strip():
            write(text_of(answer_line(engine, line.strip())))
            answered += 1
    return answered


def text_of(answer: dict[str, Any]) -> str:
    """Return an answer as a line."""
    return json.dumps(answer, ensure_ascii=False) + "\n"


class AnswerServer(ThreadingHTTPServer):
    """Answers ``POST /`` with one JSON line per line of the body, and ``GET /`` with what answers now.

    It listens on 127.0.0.1 only, and only to requests that name this machine, so that no page of the web in a browser
    here can ask in another name.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, engine: Engine, port: int = 0) -> None:
        """Listen.

        Args:
            engine: answers.
            port: 0 for any free one.
        """
        self.engine = engine
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://{HOST}:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that ended early."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    wbufsize = -1  # an answer leaves in one piece
    server: AnswerServer

    def setup(self) -> None:
        """Send every answer at once."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def do_GET(self) -> None:
        """Say which model answers."""
        if not self._may_ask():
            return
        live = self.server.engine.live
        found = {"version": None, "cut": None} if live is None else {"version": live.version, "cut": live.cut}
        self._send(200 if live is not None else 503, text_of(found))

    def do_POST(self) -> None:
        """Answer rows."""
        if not self._may_ask():
            return
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            self._refuse(411, "a Content-Length is required, got none")
        elif int(length) > MOST_LINE_BYTES:
            self._refuse(413, f"a body of at most {MOST_LINE_BYTES} bytes is required, got {length}")
        else:
            self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        lines = [line for line in body.splitlines() if line.strip()]
        answers = [answer_line(self.server.engine, line) for line in lines]
        status = 200
        if not lines or (len(answers) == 1 and "error" in answers[0]):
            status = 400 if self.server.engine.live is not None else 503
        text = "".join(map(text_of, answers)) or text_of({"error": "a JSON object per line is required, got none"})
        self._send(status, text)

    def _may_ask(self) -> bool:
        """Return whether the request names this machine and the path ``/``; it is refused otherwise."""
        host, path = self.headers.get("host", "").rsplit(":", 1)[0], self.path.partition("?")[0]
        if host not in _NAMES:
            self._refuse(403, f"a request to {HOST} is required, got one to {host[:60]!r}")
        elif path != "/":
            self._refuse(404, f"the path / is required, got {path[:60]!r}")
        return host in _NAMES and path == "/"

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no GET or POST in JSON, as everything else."""
        del explain
        self._refuse(code, f"a GET or POST request of HTTP is required, got: {(message or str(code))[:80]}")

    def _refuse(self, status: int, text: str) -> None:
        self.close_connection = True
        self._send(status, text_of({"error": text}))

    def _send(self, status: int, text: str) -> None:
        """Send an answer in one piece."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: a device has better uses for its disk."""
