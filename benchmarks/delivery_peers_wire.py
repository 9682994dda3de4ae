"""Between a device and a server: a port that stays the same, counts bytes, and can turn one bit of what goes down.

The link's rate is the business of `netgraft.delivery.link.proxy`, which lies behind.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

_READ_BYTES = 65_536
_LOOK_BYTES, _BINARY = 16, 4  # a byte counts as data where so many of so many neighbours are no ASCII
_FLIPPED_BIT = 0x10
_READY_S, _LOOK_S = 60.0, 0.02


@dataclass
class Seen:
    """What went through.

    Attributes:
        down, up: bytes.
        first_s: moment of the first connection, on the system's monotonic clock; None before it.
        flipped: whether a bit was turned.
    """

    down: int = 0
    up: int = 0
    first_s: float | None = None
    flipped: bool = False


class Front:
    """A relay that listens on a given port: ``with Front(port, target) as seen``."""

    def __init__(self, port: int, target: str, *, flip_at: int | None = None) -> None:
        """Prepare a relay.

        Args:
            port: to listen on, of the loopback interface.
            target: ``http://HOST:PORT``.
            flip_at: after so many bytes down one bit of the next byte of data is turned, once; None for never.
        """
        parts = urlsplit(target)
        self._port, self._host, self._target_port = port, parts.hostname, parts.port
        self._flip_at = flip_at
        self.seen = Seen()
        self._ready, self._failed = threading.Event(), ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="front", daemon=True)

    def __enter__(self) -> Seen:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        self._thread.start()
        self._ready.wait()
        if self._failed:
            raise OSError(self._failed)
        return self.seen

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and break off what is open."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._failed = str(error)
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        self._stop, self._tasks = asyncio.Event(), set[asyncio.Task[None]]()
        server = await asyncio.start_server(self._accepted, "127.0.0.1", self._port)
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        if self.seen.first_s is None:
            self.seen.first_s = time.monotonic()
        behind_writer = None
        try:
            behind, behind_writer = await asyncio.open_connection(self._host, self._target_port)
            await asyncio.gather(self._carry(reader, behind_writer, down=False), self._carry(behind, writer, down=True))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for each in (writer, behind_writer):
                if each is not None:
                    with suppress(OSError, RuntimeError):
                        each.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool) -> None:
        """Carry bytes in one direction until they end."""
        while data := await reader.read(_READ_BYTES):
            if down:
                data = self._spoilt(data)
                self.seen.down += len(data)
            else:
                self.seen.up += len(data)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    def _spoilt(self, data: bytes) -> bytes:
        """Return bytes as they go on: one bit turned if the place for it is among them."""
        if self._flip_at is None or self.seen.flipped or self.seen.down + len(data) <= self._flip_at:
            return data
        for at in range(max(0, self._flip_at - self.seen.down), len(data) - _LOOK_BYTES):
            if sum(byte > 127 for byte in data[at : at + _LOOK_BYTES]) >= _BINARY:
                self.seen.flipped = True
                place = at + _LOOK_BYTES // 2
                return data[:place] + bytes([data[place] ^ _FLIPPED_BIT]) + data[place + 1 :]
        return data


def flip_file(path: Path) -> None:
    """Turn one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= _FLIPPED_BIT
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(data)
    path.chmod(mode)


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(command: Sequence[str], port: int, log: Path, **environment: str) -> Iterator[str]:
    """Run a server until the context ends and give its URL once its port answers.

    Raises:
        RuntimeError: it ended, or its port did not answer in time.
    """
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command, stdout=sink, stderr=sink, env={**os.environ, **environment}, start_new_session=True
        )
    try:
        _wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a port answers.

    Raises:
        RuntimeError: its process ended, or it did not answer in time.
    """
    end_s = time.monotonic() + _READY_S
    while time.monotonic() < end_s and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(_LOOK_S)
    raise RuntimeError(f"a server on port {port} is required, got none: {log.read_text(errors='replace')[-400:]}")


_NGINX = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
user root;
events {{ worker_connections 256; }}
http {{ access_log off; default_type application/octet-stream; keepalive_requests 100000;
  client_max_body_size 0; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; root {root}; {behind} }} }}
"""


@contextmanager
def nginx(root: Path, behind: str = "") -> Iterator[str]:
    """Serve the files of a folder with nginx; the value is its URL.

    Args:
        root: the folder.
        behind: URL of a server that answers everything under ``/v2/``; empty for none.
    """
    folder, port = root.parent / f"{root.name}.nginx", free_port()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    config = folder / "nginx.conf"
    further = f"location /v2/ {{ proxy_pass {behind}; proxy_set_header Host $http_host; }}" if behind else ""
    text = _NGINX.format(folder=folder, port=port, root=root, behind=further)
    config.write_text(text if os.geteuid() == 0 else text.replace("user root;\n", ""))
    with running(["nginx", "-e", str(folder / "error.log"), "-c", str(config)], port, folder / "log") as url:
        yield url
