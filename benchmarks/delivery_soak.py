"""A device that answers while its model changes under it: are answers right, does any fail, how soon after a kill.

    python -m benchmarks.delivery_soak [--seeds 1] [--inferences 1000000] [--swaps 1000] [--kills 50] [--quick]
        [--report]

A server of Netgraft in a process of its own offers one version after the other of a small nested root on the loopback
interface, through a proxy that turns bits of chunks and breaks connections off; the device may also ask the server
directly, as its second tier. Every answer is compared, number by number, with what the cut and version that it names
answer in a model that never saw the network; that answer is known before the version is offered. The answering thread
waits 20 microseconds after each answer: one that never lets go of Python's lock makes a fetch take seconds, not 20 ms.

``swap``: one thread answers, another fetches: into a new folder, where each cut that closes is a swap, and then each
next version into the same folder, by its delta. ``kill``: the command `netgraft device run` is asked without a pause,
killed with SIGKILL at a random moment, and started again on its folder; the time is from the start of the new process
to its first answer, the interpreter's own start included.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from netgraft.delivery.coding.build import Built, Recipe, Release, build
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import unpack_head
from netgraft.delivery.offering.published import Published
from netgraft.delivery.trust.accepting import SigningKey, TrustDocument, sign_trust, trust_chain
from netgraft.runtime import Architecture, Column, Encoding, Inputs, Model, NestedShape, Output
from netgraft.runtime.nested import network

NAME = "soak"
_DAY_S = 86_400
_NUMERIC, _CLASSES = 12, 4
_WIDTHS = ((8, 8), (16, 16), (32, 32), (64, 64))
_BIT_ERRORS, _CUTS_PER_MEGABYTE = 2e-5, 0.9
_FRESH = 4  # downloads from nothing per version
_LOOK_S = 0.05
Arrays = dict[str, np.ndarray]

_WAIT_S = 2e-5


@dataclass
class Publisher:
    """Makes version after version and knows what each of their cuts answers to one row."""

    folder: Path
    seed: int
    key: SigningKey = field(default_factory=SigningKey.new)
    version: int = 0
    answers: dict[tuple[int, str], np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the root and the keys."""
        self.rng = np.random.default_rng(self.seed)
        bins = tuple(3 + j % 3 for j in range(_NUMERIC))
        a = Architecture(_NUMERIC, (5,), _CLASSES, "quantile", max(bins), 2, 3, _WIDTHS[-1])
        self.shape = NestedShape(a, _WIDTHS, True, bins)
        self.tensors = drawn(self.shape, self.rng)
        self.parent: Assembly | None = None
        self.published = Published(str(self.folder / "published"))
        online = SigningKey.new()
        online.write(self.folder / "online.key")
        public, now_s = [self.key.public], int(time.time())
        document = TrustDocument.of(1, now_s + _DAY_S, root=public, publisher=public, online=[online.public])
        self.published.put_trust(trust_chain([sign_trust(document, [self.key])]))
        row = self.rng.normal(size=_NUMERIC)
        self.cells: dict[str, Any] = {f"x{j}": round(float(row[j]), 3) for j in range(_NUMERIC)} | {"w": "b"}
        self.raw = {name: np.array([cell], np.float32 if name != "w" else object) for name, cell in self.cells.items()}

    def publish(self) -> None:
        """Offer the next version, after a light training of the one before."""
        self.version += 1
        self.tensors = {name: self._nudged(name, value) for name, value in self.tensors.items()}
        built = self._built()
        data = built.pack([self.key])
        assembly = Assembly(unpack_head(data, lambda message, signatures: None))
        for index, row in enumerate(built.head.chunks):
            assembly.add(index, built.chunks[row.sha256])
        for cut in built.head.cuts:
            found = assembly.model(cut).predict(self.raw).probabilities
            assert found is not None
            self.answers[self.version, cut.id] = found
        self.parent = assembly
        self.published.add(data, built.chunks)

    def _nudged(self, name: str, value: np.ndarray) -> np.ndarray:
        """Return a tensor after a light training; what is zero by the wiring stays so."""
        if value.dtype.kind != "f" or name == "edges":
            return value
        noise = self.rng.normal(0, 0.02 * (value.std() + 1e-3), value.shape)
        return (value + (value != 0) * noise).astype(np.float32)

    def _built(self) -> Built:
        inputs = Inputs(
            self.rng.normal(size=(256, _NUMERIC)).astype(np.float32), self.rng.integers(0, 5, (256, 1)).astype(np.int64)
        )
        right = network(self.shape, self.tensors, 2, len(_WIDTHS) - 1).outputs(inputs)[:, 0].argmax(axis=1)

        def judge(model: Model) -> tuple[float, float, float]:
            accuracy = float((model.parts[0].outputs(inputs)[:, 0].argmax(axis=1) == right).mean())
            return accuracy, accuracy, accuracy

        now_s = int(time.time())
        one = np.ones(_NUMERIC, np.float32)
        columns = (*(Column(f"x{j}", "numeric") for j in range(_NUMERIC)), Column("w", "categorical", tuple("abcd")))
        return build(
            self.shape,
            self.tensors,
            encoding=Encoding(columns, 0 * one, one, -3 * one, 3 * one),
            output=Output("classification", tuple(f"class {i}" for i in range(_CLASSES))),
            judge=judge,
            canaries=inputs,
            release=Release(NAME, self.version, now_s, now_s + _DAY_S),
            recipe=Recipe(target_bytes=1_500),
            parent=self.parent,
        )


def drawn(shape: NestedShape, rng: np.random.Generator) -> Arrays:
    """Return tensors in which inner units matter most."""
    made: Arrays = {name: np.zeros(size, np.float32) for name, size in shape.coded.items()}
    for region in shape.regions:
        inputs = shape.coded[region.tensor][-2]
        values = rng.normal(0, 0.75**region.shell / np.sqrt(inputs), len(region.indices))
        made[region.tensor].reshape(-1)[region.indices] = values
    for name, size in shape.exact.items():
        made[name] = rng.normal(0, 0.3, size).astype(np.float32)
    made["bins"] = np.array(shape.bins, np.int32)
    made["edges"] = np.concatenate([np.linspace(-2, 2, bins + 1) for bins in shape.bins]).astype(np.float32)
    return made


def serve_folder(folder: Path, seed: int) -> None:
    """Serve a folder, directly and through a bad link, until stdin ends; prints both addresses."""
    from netgraft.delivery.link.channel import Independent, Link
    from netgraft.delivery.link.proxy import ProxyThread
    from netgraft.service import Limits, Settings, serve

    settings = Settings(
        published=Published(str(folder / "published")),
        secret=os.urandom(32),
        online_key=folder / "online.key",
        port=0,
        limits=Limits(rate=0),
    )
    link = Link(cut_per_megabyte=_CUTS_PER_MEGABYTE, errors=Independent(_BIT_ERRORS))

    def through(url: str) -> None:
        with ProxyThread(url, link, seed=seed) as bad:
            print(json.dumps([bad, url]), flush=True)
            sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    serve(settings, told=lambda url: threading.Thread(target=through, args=(url,), daemon=True).start(), log=sys.stderr)


@contextlib.contextmanager
def serving(folder: Path, seed: int) -> Iterator[list[str]]:
    """Give the addresses of a server in a process of its own: behind the bad link, and direct."""
    words = [sys.executable, "-m", "benchmarks.delivery_soak", "--serve", str(folder), "--seed", str(seed)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


class Asker(threading.Thread):
    """Asks an engine without a pause, and compares every answer."""

    def __init__(self, engine: Any, publisher: Publisher) -> None:
        """Prepare."""
        super().__init__(daemon=True)
        self.engine, self.publisher, self.stop = engine, publisher, threading.Event()
        self.count = self.wrong = self.failed = 0
        self.seconds: list[float] = []

    def run(self) -> None:
        """Ask until told to stop."""
        while not self.stop.is_set():
            begun = time.perf_counter()
            try:
                answer = self.engine.answer(self.publisher.raw)
            except Exception:  # any failure counts, whatever it is
                self.failed += 1
                continue
            self.seconds.append(time.perf_counter() - begun)
            expected = self.publisher.answers[answer.version, answer.cut]
            self.count += 1
            time.sleep(_WAIT_S)
            self.wrong += not np.array_equal(answer.prediction.probabilities, expected)


def soak(seed: int, inferences: int, swaps: int) -> Row:
    """Answer and fetch at the same time until there were enough of both."""
    from netgraft.delivery.device.engine import Engine
    from netgraft.delivery.device.restoring import restore

    folder = Path(tempfile.mkdtemp(prefix="netgraft-soak-"))
    kinds: Counter[str] = Counter()
    made, received, downloads, begun = 0, 0, 0, time.perf_counter()
    try:
        publisher = Publisher(folder, seed)
        publisher.publish()
        engine = Engine()
        asker = Asker(engine, publisher)
        with serving(folder, seed) as servers:
            while made < swaps or asker.count < inferences:
                for fresh in (*[True] * _FRESH, False):
                    out = folder / "device"
                    if fresh:
                        shutil.rmtree(out, ignore_errors=True)
                    with client_of(out, servers, engine, kinds, seed + downloads) as client:
                        if not fresh:
                            assert restore(client.folder) is not None
                            publisher.publish()
                            while not client.is_newer():
                                time.sleep(_LOOK_S)
                        before = kinds["usable"] + kinds["improved"]
                        received += client.fetch().received_bytes
                        made += kinds["usable"] + kinds["improved"] - before
                        downloads += 1
                    if asker.ident is None:
                        asker.start()
                print(f"{asker.count} inferences, {made} swaps, {dict(kinds)}", flush=True)
            asker.stop.set()
            asker.join()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    taken = np.array(asker.seconds)
    return {
        "part": "swap", "seed": seed, "inferences": asker.count, "wrong": asker.wrong, "failed": asker.failed,
        "swaps": made, "downloads": downloads, "received_bytes": received, "corrupt": kinds["corrupt"],
        "retried": kinds["retried"], "versions": publisher.version, "median_s": float(np.median(taken)),
        "p99_s": float(np.quantile(taken, 0.99)), "largest_s": float(taken.max()),
        "seconds": time.perf_counter() - begun,
    }  # fmt: skip


@contextlib.contextmanager
def client_of(out: Path, servers: list[str], engine: Any, kinds: Counter[str], seed: int) -> Iterator[Any]:
    """Give a client on the real network that counts its events."""
    import httpx

    from netgraft.delivery.device.client import DeviceClient
    from netgraft.delivery.device.deciding import plan_here
    from netgraft.delivery.device.store import device_folder
    from netgraft.delivery.exchange.tiers import Tiers
    from netgraft.delivery.exchange.transport import HttpTransport
    from netgraft.delivery.planning.situation import Situation

    with device_folder(out) as folder, httpx.Client(timeout=10.0) as client:
        transport = HttpTransport(client, time.monotonic)
        tiers = Tiers(transport, servers, sleep=time.sleep, generator=np.random.default_rng(seed))
        yield DeviceClient(
            folder,
            tiers,
            NAME,
            Situation(),
            plan_here,
            clock=time.time,
            elapsed=time.monotonic,
            report=lambda event: kinds.update([event.kind]),
            engine=engine,
        )


class Device:
    """`netgraft device run` as a process that is asked over its stdin."""

    def __init__(self, servers: list[str], out: Path, publisher: Publisher) -> None:
        """Start it."""
        self.publisher, self.begun = publisher, time.perf_counter()
        words = ["device", "run", servers[0], NAME, "--tier", servers[1], "--out", str(out), "--poll", "0.05s"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "netgraft", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self) -> tuple[bool, int]:
        """Return whether the answer to the row is right, and its version."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(self.publisher.cells).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        expected = self.publisher.answers[answer["version"], answer["cut"]][0]
        found = np.array([answer["probabilities"][f"class {i}"] for i in range(_CLASSES)])
        return bool(np.allclose(found, expected, rtol=0, atol=1e-6)), int(answer["version"])

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]


def kills(seed: int, count: int) -> Iterator[Row]:
    """Kill a device again and again while versions come; yield what each round gave."""
    folder = Path(tempfile.mkdtemp(prefix="netgraft-soak-"))
    rng = np.random.default_rng(seed)
    try:
        publisher = Publisher(folder, seed)
        publisher.publish()
        with serving(folder, seed) as servers:
            for number in range(count + 1):
                device = Device(servers, folder / "device", publisher)
                right, version = device.ask()
                first_s = time.perf_counter() - device.begun
                publisher.publish()
                until, asked, wrong = time.perf_counter() + rng.uniform(0.05, 2.5), 1, int(not right)
                while time.perf_counter() < until:
                    right, found = device.ask()
                    asked, wrong = asked + 1, wrong + (not right or found < version)
                    version = found
                device.kill()
                if number:  # the first has nothing to answer from yet
                    yield {
                        "part": "kill", "seed": seed, "number": number, "restart_s": first_s, "answers": asked,
                        "wrong": wrong, "version": version,
                    }  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Run every cell that is not done."""
    for seed in range(given.seeds):
        if not raw.has(part="swap", seed=seed, number=None):
            raw.add(soak(seed, given.inferences, given.swaps))
        if not raw.has(part="kill", seed=seed, number=given.kills):
            for row in kills(seed, given.kills):
                raw.add(row)


def summary(rows: list[Row]) -> str:
    """Return the tables."""
    lines = [
        [
            str(row["seed"]), f"{row['inferences']:,}", f"{row['swaps']:,}", str(row["downloads"]),
            str(row["corrupt"]), str(row["retried"]), str(row["wrong"]), str(row["failed"]),
            f"{row['median_s'] * 1e6:.0f}", f"{row['p99_s'] * 1e6:.0f}", f"{row['largest_s'] * 1e3:.1f}",
        ]
        for row in rows
        if row["part"] == "swap"
    ]  # fmt: skip
    head = ["seed", "inferences", "swaps", "downloads", "corrupt chunks", "other faults", "wrong", "failed"]
    text = markdown_table([*head, "median us", "p99 us", "largest ms"], lines)
    killed = [row for row in rows if row["part"] == "kill"]
    if killed:
        taken = np.array([row["restart_s"] for row in killed])
        cells = [
            str(len(killed)), f"{np.median(taken):.2f}", f"{taken.max():.2f}", f"{sum(r['answers'] for r in killed):,}",
            str(sum(r["wrong"] for r in killed)),
        ]  # fmt: skip
        names = ["kills", "median s to the first answer", "longest", "answers", "wrong or of an older version"]
        text += "\n\n" + markdown_table(names, [cells])
    return text


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--inferences", type=int, default=1_000_000)
    parser.add_argument("--swaps", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--quick", action="store_true", help="30,000 inferences, 40 swaps, 3 kills; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve_folder(given.serve, given.seed)
        return
    if given.quick:
        given = argparse.Namespace(**vars(given) | {"seeds": 1, "inferences": 30_000, "swaps": 40, "kills": 3})
    raw = Raw("delivery_soak", ("part", "seed", "number"), quick=given.quick)
    if not given.report:
        run(given, raw)
    text = summary(raw.rows())
    if given.report:
        page("delivery_soak", "A device under change", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
