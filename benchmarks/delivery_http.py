"""The server: chunks beside one nginx worker, and plan, head and stamp under load.

    python -m benchmarks.delivery_http [--part chunks|control] [--rounds 3] [--seconds 4] [--quick] [--report]

Chunks: `netgraft serve` (one process; tokens required, rates and times limited) and one worker of nginx serve the same
files, without TLS, on the first core, asked in turn; the load comes from the second core, over 16 connections that are
kept open. Beside answers per second there are answers per second that the server computed (its CPU time), which other
work on the machine disturbs less. nginx runs twice: as `examples/nginx-chunks.conf` sets it up (a cache of open files,
sendfile), and with Debian's defaults (neither). It checks no token and limits no rate. "part" asks for 1,000 bytes of
the middle (Range). Every answer of a round has the same chunk, which favours all.

Control: four connections ask for the plan of a root with some twenty cuts, its head or its stamp, alone and while
four more connections ask for chunks of 64 KiB as fast as they come.

The load is made by wrk where it is installed, else by a small generator of our own (`--load own` asks for it), which
takes more time per request and so measures itself more than the servers.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from netgraft.delivery.coding.build import Release, build
from netgraft.delivery.offering.published import Published
from netgraft.delivery.trust.accepting import SigningKey, TrustDocument, sign_trust, trust_chain
from netgraft.library import Library
from netgraft.runtime import Architecture, Column, Encoding, Inputs, Model, NestedShape, Output
from netgraft.service import new_token
from netgraft.service.tokens import SECRET_FILE, load_secret

SIZES = {"4 KiB": 4096, "16 KiB": 16_384, "64 KiB": 65_536}
SERVERS = ("nginx, open files cached", "nginx, Debian's defaults", "netgraft")
CONNECTIONS, BESIDE = 16, 4
KEY = SigningKey(b"k" * 32)
SITUATION = {"situation": {"memory_bytes": 500_000, "rate_bps": 1e6, "latency_s": 0.05, "device": "raspberry-pi-4"}}
NGINX = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; default_type application/octet-stream;
client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d;
scgi_temp_path {folder}/e;
server {{ listen 127.0.0.1:{port}; location /c/ {{ root {root}; {more}
add_header Cache-Control "public, max-age=31536000, immutable"; }} }} }}
"""
TUNED = "sendfile on; tcp_nopush on; open_file_cache max=10000 inactive=60s;"
FIRST, SECOND = "0", "1"


def chunk_of(size: int) -> tuple[str, bytes]:
    """Return a chunk that does not compress, and its hash."""
    data = np.random.default_rng(size).bytes(size)
    return hashlib.sha256(data).hexdigest(), data


def publish(place: Path) -> None:
    """Publish chunks of every size, and a root, beside a library."""
    published = Published.of(Library.init(place / "models"))
    (place / "models" / "keys").mkdir(mode=0o700)
    SigningKey(b"o" * 32).write(place / "models" / "keys" / "online.key")
    public, online = KEY.public, SigningKey(b"o" * 32).public
    now_s = int(time.time())
    trust = TrustDocument.of(1, now_s + 10**8, root=[public], publisher=[public], online=[online])
    published.put_trust(trust_chain([sign_trust(trust, [KEY])]))
    made = root(now_s)
    published.add(made.pack([KEY]), made.chunks)
    for size in SIZES.values():
        sha256, data = chunk_of(size)
        path = published.chunk_path(sha256)
        assert path is not None
        path.write_bytes(data)


def root(now_s: int) -> Any:
    """Return a root of random numbers whose accuracy is made up: it grows with units and with levels of the weights."""
    widths = ((16, 16, 16), (32, 32, 32), (64, 64, 64), (128, 128, 128))
    shape = NestedShape(Architecture(20, (), 1, "quantile", 6, 2, 8, widths[-1], skip=True), widths, True, (6,) * 20)
    rng = np.random.default_rng(0)
    tensors: dict[str, Any] = {name: np.zeros(size, np.float32) for name, size in shape.coded.items()}
    for region in shape.regions:
        scale = 0.7**region.shell / np.sqrt(shape.coded[region.tensor][-2])
        tensors[region.tensor].reshape(-1)[region.indices] = rng.normal(0, scale, len(region.indices))
    edges = np.concatenate([np.linspace(-2, 2, 7)] * 20).astype(np.float32)
    fixed = {"edges": edges, "bins": np.full(20, 6, np.int32)}
    tensors |= {name: fixed.get(name, np.zeros(size, np.float32)) for name, size in shape.exact.items()}
    rows = Inputs(rng.normal(size=(200, 20)).astype(np.float32), np.zeros((200, 0), np.int64))

    def judge(model: Model) -> tuple[float, float, float]:
        part = model.parts[0]
        levels = max(len(np.unique(np.abs(tensor))) for tensor in part.tensors.values() if tensor.ndim > 1)
        accuracy = 1.0 - 0.4 / (1 + sum(part.architecture.widths) / 50) - 0.4 / min(levels, 256)
        return accuracy, accuracy - 0.01, min(1.0, accuracy + 0.01)

    one = np.ones(20, np.float32)
    return build(
        shape,
        tensors,
        encoding=Encoding(tuple(Column(f"x{j}", "numeric") for j in range(20)), 0 * one, one, -3 * one, 3 * one),
        output=Output("regression", mean=0.0, scale=1.0, low=-9.0, high=9.0),
        judge=judge,
        canaries=Inputs(rows.numeric[:4], rows.codes[:4]),
        release=Release("root", 1, now_s, now_s + 10**7, {"metric": "r2"}, {}, None),
    )


@contextmanager
def process(words: Sequence[str], core: str, **given: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a program on a core and end it."""
    started = subprocess.Popen([program("taskset"), "-c", core, *words], stdout=subprocess.PIPE, text=True, **given)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        started.communicate(timeout=30)


@contextmanager
def netgraft(place: Path) -> Iterator[tuple[str, int]]:
    """Serve the library and give the URL and its process."""
    words = [sys.executable, "-m", "netgraft", "serve", str(place / "models"), "--port", "0", "--require-tokens"]
    environment = {**os.environ, "NETGRAFT_HOME": str(place)}
    log = (place / "server.log").open("w")
    with process([*words, "--rate", "1000000"], FIRST, env=environment, stderr=log) as started:
        assert started.stdout is not None
        yield started.stdout.readline().split()[-1], started.pid
    log.close()


@contextmanager
def nginx(place: Path, number: int, more: str) -> Iterator[tuple[str, int]]:
    """Serve the same files with nginx and give the URL and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = place / f"nginx{number}"
    folder.mkdir()
    for each in (place, folder):
        each.chmod(0o755)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, root=place / "models" / "published", more=more))
    with process([program("nginx"), "-c", str(config), "-e", str(folder / "error.log")], FIRST) as started:
        for _ in range(500):
            try:
                asyncio.run(_connect(port))
                break
            except OSError:
                time.sleep(0.01)
        yield f"http://127.0.0.1:{port}", started.pid


async def _connect(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


def program(name: str) -> str:
    """Return a program that must be installed."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise SystemExit(f"{name} is required (apt-get install {name})")
    return found


def loaded(url: str, headers: Sequence[str], *, seconds: float, connections: int, load: str, body: str = "") -> Row:
    """Return what a load on a URL found: answers per second and latencies."""
    if load == "wrk" and shutil.which("wrk"):
        return with_wrk(url, headers, seconds, connections, body)
    words = [sys.executable, "-m", "benchmarks.delivery_http", "--generate", url, *headers]
    words += ["--seconds", str(seconds), "--connections", str(connections), "--body", body]
    with process(words, SECOND) as started:
        return json.loads(started.communicate()[0])


def with_wrk(url: str, headers: Sequence[str], seconds: float, connections: int, body: str) -> Row:
    """Return what wrk measured."""
    lines = [f"wrk.body = {json.dumps(body)}", 'wrk.method = "POST"'] if body else []
    lines += [
        "done = function(summary, latency, requests)",
        'io.write(string.format("FOUND %d %d %d %d %d\\n", summary.requests, summary.duration,',
        "summary.errors.status + summary.errors.read + summary.errors.timeout, latency:percentile(50),",
        "latency:percentile(99))) end",
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines))
        script.flush()
        words = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", script.name]
        for header in headers:
            words += ["-H", header]
        with process([*words, url], SECOND) as started:
            printed = started.communicate()[0]
    found = re.search(r"FOUND (\d+) (\d+) (\d+) (\d+) (\d+)", printed)
    assert found, printed
    requests, micros, errors, p50, p99 = map(int, found.groups())
    return {
        "per_s": requests / (micros / 1e6),
        "answers": requests,
        "errors": errors,
        "p50_s": p50 / 1e6,
        "p99_s": p99 / 1e6,
    }


class Client(asyncio.Protocol):
    """One connection of our own generator: asks again as soon as it has an answer."""

    def __init__(self, request: bytes, took_s: list[float]) -> None:
        """Name the request."""
        self.request, self.took_s = request, took_s
        self.missing, self.errors, self.data = 0, 0, b""

    def connection_made(self, transport: Any) -> None:
        """Ask for the first time."""
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        """Ask once more."""
        self.began_s = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Count bytes until the answer is whole."""
        if not self.missing:
            self.data += data
            end = self.data.find(b"\r\n\r\n")
            if end < 0:
                return
            length = re.search(rb"(?i)content-length: (\d+)", self.data[:end])
            self.missing = end + 4 + int(length[1] if length else 0)
            self.errors += not self.data.startswith(b"HTTP/1.1 20")
            data, self.data = self.data, b""
        self.missing -= len(data)
        if not self.missing:
            self.took_s.append(time.perf_counter() - self.began_s)
            self.ask()


async def generate(url: str, headers: Sequence[str], seconds: float, connections: int, body: str) -> Row:
    """Return what our own generator measured."""
    address, _, path = url.removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    lines = [f"{'POST' if body else 'GET'} /{path} HTTP/1.1", f"Host: {address}", *headers]
    lines += [f"Content-Length: {len(body)}"] if body else []
    request = ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
    took_s: list[float] = []
    loop = asyncio.get_running_loop()
    clients = [Client(request, took_s) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, host, int(port))  # type: ignore[misc]
    await asyncio.sleep(seconds)
    ordered = np.sort(took_s)
    return {
        "per_s": len(ordered) / seconds,
        "answers": len(ordered),
        "errors": sum(client.errors for client in clients),
        "p50_s": float(np.percentile(ordered, 50)),
        "p99_s": float(np.percentile(ordered, 99)),
    }


def chunks(raw: Raw, place: Path, given: argparse.Namespace) -> None:
    """Measure chunks on each server in turn."""
    token = new_token(load_secret(place / SECRET_FILE), "device", days=1, now_s=time.time())
    with nginx(place, 1, TUNED) as cached, nginx(place, 2, "") as plain, netgraft(place) as own:
        running = dict(zip(SERVERS, (cached, plain, own), strict=True))
        for turn, size, asked, server in product(range(given.rounds), SIZES, ("whole", "part"), SERVERS):
            cell = {"part": "chunks", "size": size, "asked": asked, "server": server, "round": turn}
            if raw.has(**cell):
                continue
            url, pid = running[server]
            headers = [f"Authorization: Bearer {token}"]
            middle = SIZES[size] // 2
            headers += [f"Range: bytes={middle}-{middle + 999}"] if asked == "part" else []
            target = f"{url}/c/{chunk_of(SIZES[size])[0]}"
            before_s = cpu_s(pid)
            found = loaded(target, headers, seconds=given.seconds, connections=CONNECTIONS, load=given.load)
            found["per_cpu_s"] = found["answers"] / max(1e-9, cpu_s(pid) - before_s)
            raw.add({**cell, **found, "load": given.load})
            print(cell, round(found["per_s"]), "per CPU-second", round(found["per_cpu_s"]), "errors", found["errors"])


def cpu_s(pid: int) -> float:
    """Return the seconds that a process and its children have computed so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own_s + sum(cpu_s(int(child)) for child in children)


def control(raw: Raw, place: Path, given: argparse.Namespace) -> None:
    """Measure plan, head and stamp, alone and beside a load of chunks."""
    token = new_token(load_secret(place / SECRET_FILE), "device", days=1, now_s=time.time())
    headers = [f"Authorization: Bearer {token}"]
    paths = {"plan": json.dumps(SITUATION), "head": "", "stamp": ""}
    with netgraft(place) as (url, _):
        for turn in range(given.rounds):
            for asked, body in paths.items():
                for beside in ("nothing", "chunks"):
                    cell = {"part": "control", "asked": asked, "beside": beside, "round": turn}
                    if raw.has(**cell):
                        continue
                    target = f"{url}/v1/models/root/{asked}"
                    if beside == "nothing":
                        found = loaded(
                            target, headers, seconds=given.seconds, connections=BESIDE, load=given.load, body=body
                        )
                    else:
                        found = beside_chunks(url, target, headers, given, body)
                    raw.add({**cell, **found, "load": given.load})
                    print(cell, round(found["per_s"]), f"p99 {1e3 * found['p99_s']:.2f} ms", "errors", found["errors"])


def beside_chunks(url: str, target: str, headers: Sequence[str], given: argparse.Namespace, body: str) -> Row:
    """Return what a load found while another one asked for chunks."""
    chunk = f"{url}/c/{chunk_of(SIZES['64 KiB'])[0]}"
    words = [sys.executable, "-m", "benchmarks.delivery_http", "--generate", chunk, *headers]
    words += ["--seconds", str(given.seconds + 1), "--connections", str(BESIDE)]
    with process(words, SECOND) as other:
        time.sleep(0.5)
        found = loaded(target, headers, seconds=given.seconds, connections=BESIDE, load=given.load, body=body)
        found["chunks_per_s"] = json.loads(other.communicate()[0])["per_s"]
    return found


def summary(rows: list[Row]) -> str:
    """Return the tables of the page."""
    parts = [_chunk_table([row for row in rows if row["part"] == "chunks"])]
    parts.append(_control_table([row for row in rows if row["part"] == "control"]))
    return "\n\n".join(parts)


def _chunk_table(rows: list[Row]) -> str:
    parts = []
    for name, about in (("per_s", "Answers per second"), ("per_cpu_s", "Answers per second of the server's CPU time")):
        head = ["chunk", "asked", *SERVERS, "to cached nginx", "to default nginx", "our p99, ms"]
        lines = [
            line for size in SIZES for asked in ("whole", "part") if (line := _chunk_line(rows, size, asked, name))
        ]
        parts.append(f"{about}:\n\n{markdown_table(head, lines)}")
    failed = sum(row["errors"] for row in rows)
    text = f"Medians of the rounds; ratios of the same round, lowest and highest in brackets. {failed} answers failed."
    return "\n\n".join(["## Chunks", *parts, text])


def _chunk_line(rows: list[Row], size: str, asked: str, name: str) -> list[str]:
    cells = {s: [r for r in rows if (r["size"], r["asked"], r["server"]) == (size, asked, s)] for s in SERVERS}
    if not all(cells.values()):
        return []
    rates = [f"{median(row[name] for row in cells[server]):,.0f}" for server in SERVERS]
    ratios = [_ratios(cells[SERVERS[2]], cells[server], name) for server in SERVERS[:2]]
    return [size, asked, *rates, *ratios, f"{1e3 * median(row['p99_s'] for row in cells[SERVERS[2]]):.2f}"]


def _ratios(ours: list[Row], theirs: list[Row], name: str) -> str:
    """Return our rate divided by theirs, round by round."""
    other = {row["round"]: row[name] for row in theirs}
    found = sorted(row[name] / other[row["round"]] for row in ours if row["round"] in other)
    return f"{median(found):.2f} [{found[0]:.2f}, {found[-1]:.2f}]" if found else ""


def _control_table(rows: list[Row]) -> str:
    head = ["asked", "beside it", "answers/s", "p50, ms", "p99, ms", "highest p99, ms", "chunks/s beside"]
    lines = []
    for asked in ("plan", "head", "stamp"):
        for beside in ("nothing", "chunks"):
            cells = [row for row in rows if (row["asked"], row["beside"]) == (asked, beside)]
            if cells:
                times = [median(row[name] for row in cells) * 1e3 for name in ("p50_s", "p99_s")]
                worst = max(row["p99_s"] for row in cells) * 1e3
                other = median(row.get("chunks_per_s", 0.0) for row in cells)
                values = [f"{median(row['per_s'] for row in cells):,.0f}", *(f"{each:.2f}" for each in (*times, worst))]
                lines.append([asked, beside, *values, f"{other:,.0f}" if other else ""])
    failed = sum(row["errors"] for row in rows)
    return (
        f"## Plan, head and stamp\n\n{markdown_table(head, lines)}\n\nMedians of the rounds. {failed} answers failed."
    )


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["chunks", "control"], help="one part; both by default")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--load", choices=["wrk", "own"], default="wrk" if shutil.which("wrk") else "own")
    parser.add_argument("--quick", action="store_true", help="one short round; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    parser.add_argument("--generate", nargs="+", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--connections", type=int, default=4, help=argparse.SUPPRESS)
    parser.add_argument("--body", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.generate:
        import uvloop

        url, *headers = given.generate
        print(json.dumps(uvloop.run(generate(url, headers, given.seconds, given.connections, given.body))))
        return
    raw = Raw("delivery_http", ("part", "size", "asked", "server", "beside", "round"), quick=given.quick)
    if given.quick:
        given.rounds, given.seconds = 1, 1.0
    if not given.report:
        with tempfile.TemporaryDirectory() as folder:
            publish(Path(folder))
            if given.part != "control":
                chunks(raw, Path(folder), given)
            if given.part != "chunks":
                control(raw, Path(folder), given)
    text = summary(raw.rows())
    if given.report:
        page("delivery_http", "Serving chunks and plans", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
