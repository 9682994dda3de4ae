"""A real server in a thread, with a small model published in a folder."""

from __future__ import annotations

import asyncio
import io
import json
import queue
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

sys.path.append(str(Path(__file__).parents[1] / "delivery"))

from delivery_examples import KEY, NOW, example, example_built, nudged

from netgraft.delivery.coding.build import Built
from netgraft.delivery.offering.published import Published
from netgraft.delivery.trust.accepting import SigningKey, TrustDocument, sign_trust, trust_chain
from netgraft.service import Limits, Settings, new_token, serve

SECRET = b"s" * 32
ONLINE = SigningKey(b"o" * 32)
#: Large enough for tests that ask a lot.
NO_RATE = Limits(rate=0)


@cache
def trust_bytes() -> bytes:
    """Return a trust chain in which `KEY` is root and publisher and `ONLINE` signs stamps."""
    public = KEY.public
    document = TrustDocument.of(1, NOW + 10**9, root=[public], publisher=[public], online=[ONLINE.public])
    return trust_chain([sign_trust(document, [KEY])])


@cache
def built(version: int = 1, name: str = "energy") -> Built:
    """Return a version of a small model."""
    shape, tensors, first, _ = example("wide")
    if version == 1 and name == "energy":
        return first
    return example_built(shape, nudged(tensors), version=version, name=name)


def publish(folder: Path) -> Published:
    """Publish version 1 of ``energy`` in a folder, with a key that signs stamps beside it."""
    published = Published(str(folder / "published"))
    published.put_trust(trust_bytes())
    published.add(built().pack([KEY]), built().chunks)
    if not (folder / "online.key").exists():
        ONLINE.write(folder / "online.key")
    return published


def settings(folder: Path, **given: Any) -> Settings:
    """Return settings for what `publish` made in a folder."""
    plain = Settings(
        published=Published(str(folder / "published")),
        secret=SECRET,
        online_key=folder / "online.key",
        port=0,
        limits=NO_RATE,
        telemetry=folder / "telemetry" / "reports.jsonl",
    )
    return replace(plain, **given)


def token(scope: str = "device", *, days: float = 1.0, now_s: float | None = None, secret: bytes = SECRET) -> str:
    """Return a token of the server."""
    return new_token(secret, scope, days=days, now_s=time.time() if now_s is None else now_s)


def bearer(scope: str = "device", **given: Any) -> dict[str, str]:
    """Return the headers with a token."""
    return {"Authorization": f"Bearer {token(scope, **given)}"}


@dataclass
class Running:
    """A server that runs.

    Attributes:
        url: where it listens.
        log: its lines.
        codes: its exit code, when it has ended.
    """

    url: str
    log: io.StringIO
    codes: list[int]

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port."""
        host, _, port = self.url.rpartition("//")[2].rpartition(":")
        return host, int(port)


@contextmanager
def running(given: Settings) -> Iterator[Running]:
    """Run a server in a thread; it is stopped, and its thread joined, at the end."""
    told: queue.Queue[tuple[str, asyncio.AbstractEventLoop]] = queue.Queue()
    stop, log, codes = asyncio.Event(), io.StringIO(), list[int]()

    def run() -> None:
        codes.append(serve(given, told=lambda url: told.put((url, asyncio.get_running_loop())), log=log, stop=stop))

    thread = threading.Thread(target=run)
    thread.start()
    url, loop = told.get(timeout=20)
    try:
        yield Running(url, log, codes)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=20)
        assert not thread.is_alive()


@dataclass
class Reply:
    """An answer read from a socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """Return what a refusal says."""
        return str(json.loads(self.body)["error"])


class Wire:
    """A connection on which anything can be sent."""

    def __init__(self, address: tuple[str, int], *, timeout_s: float = 10.0) -> None:
        """Connect."""
        self.socket = socket.create_connection(address, timeout=timeout_s)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def ask(self, target: str, *lines: str, method: str = "GET", body: bytes = b"", version: str = "1.1") -> Reply:
        """Send a request and read the answer."""
        self.send(request(target, *lines, method=method, body=body, version=version))
        return self.reply(method)

    def reply(self, method: str = "GET") -> Reply:
        """Read an answer."""
        line = self._file.readline()
        assert line, "the server closed the connection without an answer"
        headers: dict[str, str] = {}
        while (text := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = text.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        status = int(line.split()[1])
        bare = method == "HEAD" or status in (204, 304)
        return Reply(status, headers, b"" if bare else self._file.read(int(headers.get("content-length", "0"))))

    def closed(self) -> bool:
        """Return whether the server has closed; waits until it does or time is over."""
        try:
            return self._file.read(1) == b""
        except ConnectionError:
            return True


def request(target: str, *lines: str, method: str = "GET", body: bytes = b"", version: str = "1.1") -> bytes:
    """Return a request."""
    headers = ["Host: here", *lines, *([f"Content-Length: {len(body)}"] if body else [])]
    return "\r\n".join([f"{method} {target} HTTP/{version}", *headers, "", ""]).encode("latin-1") + body
