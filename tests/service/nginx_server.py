"""A real nginx with the configuration of the examples, for the tests that need one."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "nginx-chunks.conf"


def program() -> str | None:
    """Return nginx, or None where it is not installed."""
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@contextmanager
def nginx(folder: Path, published: Path, backend: tuple[str, int]) -> Iterator[str]:
    """Run nginx and give its URL.

    Args:
        folder: for its own files.
        published: what ``LIB/published`` stands for.
        backend: where ``netgraft serve`` listens.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = EXAMPLE.read_text()
    for old, new in [
        ("/srv/netgraft/models/published", str(published)),
        ("127.0.0.1:8080", f"{backend[0]}:{backend[1]}"),
        ("listen 8000;", f"listen 127.0.0.1:{port};"),
    ]:
        assert text.count(old) >= 1
        text = "\n".join(line if line.startswith("#") else line.replace(old, new) for line in text.splitlines())
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{ worker_connections 64; }}\nhttp {{\naccess_log off;\n{paths}\n{text}\n}}\n"
    )
    command = [str(program()), "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        _wait(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until nginx listens."""
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            continue
        return
    raise AssertionError(process.communicate()[0].decode())
