"""Delivery over poor links: seconds to a usable and to an equally good model; what bit errors and lost packets cost.

    python -m benchmarks.delivery_link [--seeds 5] [--budget 60] [--tasks NAME,...] [--part time|loss]
                                       [--exact-planes N] [--quick] [--report]

*Time.* A library with the published root is served by ``netgraft serve`` in a process of its own; between it and the
device lies a proxy on real sockets that paces bytes (1, 10, 100 Mb/s and 10 Gb/s; 10 Mb/s also with 20 ms each way).
The device's client asks for trust, stamp and head, plans, and installs the cuts that its chunks complete: hashes,
canaries and writing to disk are in its time (it syncs what answers right after). ``float32`` is the same largest
network, trained for as long in float32 without nesting, as one safetensors file over a link of the same rate, checked
by its hash and loaded. *Usable* is the first cut with 80 % of that network's score on validation rows, *equal* the
first within 0.002 of it. One fetch without a proxy comes first, so that no import is in any time.

*Loss.* What arrives of the root when bits are wrong or packets of 1,024 bytes are lost, at the three levels: by depth,
by shell, by planes. ``exact`` sends every chunk in the Reed-Solomon code that is best for the channel's bit error rate,
interleaved, until its hash is right, and lost packets alone again, and says how many bytes that took. ``once`` sends
all chunks together in a Reed-Solomon code over packets, for links on which nothing can be asked for again: at most one
time in a million too many packets are lost. ``tolerant`` is the same root with its lower planes in tolerant chunks,
which are taken as they come; numbers whose bytes were lost are known to the planes above. Exact chunks and the head are
repeated until they are right. How many planes stay exact was chosen when the root was built
(`netgraft.delivery.coding.tolerance`): no cut may lose more than half a point at BER 1e-3, with 5 % of packets lost, or
by the loss of any one packet, in draws other than those here.
``naive`` is the float32 network as it comes, its score 0 at least. Points of score lost, mean and worst over seeds and
draws. Requests, packet headers and heads are not counted.
"""

from __future__ import annotations

import argparse
import http.server
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from benchmarks.tables import named
from netgraft.delivery.coding.build import Built
from netgraft.delivery.coding.root import Recipe
from netgraft.delivery.coding.tolerance import Tolerance, along, arrival, largest
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import CutRow, OpenedHead, unpack_head
from netgraft.delivery.link.channel import Bursts, Channel, Independent, Link, constant
from netgraft.delivery.link.fec import best_code, packet_code
from netgraft.delivery.link.proxy import ProxyThread
from netgraft.delivery.planning.situation import Situation
from netgraft.delivery.trust.accepting import SigningKey
from netgraft.errors import ChunkError
from netgraft.runtime import Model, Network
from netgraft.runtime.model import load, save
from netgraft.seeds import generator

TASKS = ("itu_energy", "covertype")
LINKS = {
    "1 Mb/s": (1e6, 0.0),
    "10 Mb/s": (1e7, 0.0),
    "10 Mb/s, 20 ms": (1e7, 0.02),
    "100 Mb/s": (1e8, 0.0),
    "10 Gb/s": (1e10, 0.0),
}
USABLE, EQUAL = 0.8, 0.002
CHANNELS = {
    "BER 1e-5": Channel(Independent(1e-5)),
    "BER 1e-3": Channel(Independent(1e-3)),
    "BER 1e-3 in bursts of 200 bits": Channel(Bursts.of(1e-3, 200)),
    "BER 1e-2": Channel(Independent(1e-2)),
    "1 % of packets": Channel(packet_loss=0.01),
    "5 % of packets": Channel(packet_loss=0.05),
    "20 % of packets": Channel(packet_loss=0.2),
}
_DRAWS = 3
_REPEATS = 3
_MOST_SENDS = 1_000
_KEY = SigningKey(bytes(range(32)))
Judge = Callable[[Network], float]


@dataclass(frozen=True)
class Published:
    """A root as it is published, and how good networks are.

    Attributes:
        exact: all chunks exact.
        tolerant: the lower planes in tolerant chunks.
        plain: the same largest network in float32, without nesting.
        judge: 1 - error on rows that trained nothing.
    """

    exact: Built
    tolerant: Built
    plain: Network
    judge: Judge


def published_root(task: str, seed: int, budget: float, exact_planes: int | None) -> Published:
    """Return the root of a table that would be published, twice coded, and the network that it is compared with."""
    from benchmarks.delivery_bytes import SHELLS, plain_network
    from benchmarks.tables import sample
    from netgraft.delivery.coding.build import Release
    from netgraft.lifecycle.prepare import task_output
    from netgraft.lifecycle.publishing import DeliveryRecipe, built_from, grow_delivery_root
    from netgraft.runtime.model import mix
    from netgraft.tables import Task

    (source,) = named(task, TASKS)
    drawn = sample(source, seed=seed)
    read = Task.read(drawn.train, target=drawn.target, kind=drawn.kind, group=drawn.group, seed=seed)
    encoding, output = read.encoding, task_output(read, read.splits[0].train, log1p=False)
    grown = grow_delivery_root(read, encoding, output, DeliveryRecipe(seconds=budget, widths=SHELLS), seed=seed)
    release = Release("bench", 1, int(time.time()), int(time.time()) + 10**7, about={"target": read.target})
    recipe = Recipe(planes=9, codecs=("zstd",))
    spared = replace(recipe, exact_planes=exact_planes, tolerance=None if exact_planes else Tolerance())
    exact, tolerant = (built_from(grown, read, encoding, output, release, coding=coding) for coding in (recipe, spared))
    model = whole(opened_of(exact), exact.chunks)[1]
    inputs = grown.data.inputs.take(grown.judges)

    def judge(network: Network) -> float:
        made = replace(model, parts=(network,))
        return 1 - grown.data.error(mix(made.parts, made.mixture, made.output, inputs), grown.judges)

    return Published(exact, tolerant, plain_network(grown, budget, seed), judge)


def opened_of(made: Built) -> OpenedHead:
    """Return a head as a device opens it."""
    return unpack_head(made.pack([_KEY]), lambda _message, _signatures: None)


def whole(opened: OpenedHead, chunks: Mapping[str, bytes]) -> tuple[Assembly, Model]:
    """Return a head with all its chunks, and the model of its largest cut."""
    assembly = Assembly(opened)
    for index, row in enumerate(opened.head.chunks):
        assembly.add(index, chunks[row.sha256])
    return assembly, assembly.model(largest(opened.head))


# --- time


def times(given: Published, folder: Path, links: Mapping[str, tuple[float, float]], repeats: int) -> Iterator[Row]:
    """Yield for each link the seconds to usable and equal, ours and the float32 file's."""
    opened = opened_of(given.exact)
    file = folder / "plain"
    save(file, {"model": replace(whole(opened, given.exact.chunks)[1], parts=(given.plain,))})
    target = given.judge(given.plain)
    with served(given.exact, folder / "library") as server, file_server(file) as plain_server:
        fetched(server, folder / "warm", Situation())
        fetched_file(plain_server, file, folder / "loaded")
        for name, (rate, delay_s) in links.items():
            for repeat in range(repeats):
                link = Link(downlink=constant(rate), uplink=constant(rate), delay_s=delay_s)
                with ProxyThread(server, link, seed=repeat) as url:
                    events = fetched(
                        url, folder / f"device {name} {repeat}".replace("/", " "), Situation(rate_bps=rate)
                    )
                with ProxyThread(plain_server, link, seed=repeat) as url:
                    plain_s, plain_bytes = fetched_file(url, file, folder / "loaded")
                usable = next((e for e in events if (e.accuracy or -9.0) >= USABLE * target), None)
                equal = next((e for e in events if (e.accuracy or -9.0) >= target - EQUAL), None)
                row: Row = {"part": "time", "link": name, "repeat": repeat, "target": target}
                row |= {"float32_s": plain_s, "float32_bytes": plain_bytes, "first_s": events[0].seconds}
                for key, event in (("usable", usable), ("equal", equal)):
                    row |= {f"{key}_s": event and event.seconds, f"{key}_bytes": event and event.received_bytes}
                    row |= {f"{key}_accuracy": event and event.accuracy, f"{key}_cut": event and event.cut}
                yield row


def fetched(url: str, folder: Path, situation: Situation) -> list[Any]:
    """Return the events at which the device's client had another model to answer with."""
    from netgraft.cli.connecting import connected
    from netgraft.delivery.device.store import device_folder

    events: list[Any] = []
    with (
        device_folder(folder) as place,
        connected(
            place, [url], "bench", situation, trust=None, token=None, ask_server=False, report=events.append
        ) as client,
    ):
        client.fetch()
    return [event for event in events if event.kind in ("usable", "improved")]


def fetched_file(url: str, original: Path, folder: Path) -> tuple[float, int]:
    """Return the seconds to fetch a model folder in float32, check it and load it, and its bytes."""
    import httpx

    files = sorted(path.name for path in original.iterdir())
    hashes = {name: sha256((original / name).read_bytes()).hexdigest() for name in files}
    folder.mkdir(exist_ok=True)
    with httpx.Client(base_url=url, trust_env=False, timeout=600) as client:
        started, count = time.perf_counter(), 0
        for name in files:
            data = client.get(f"/{name}").raise_for_status().content
            assert sha256(data).hexdigest() == hashes[name]
            (folder / name).write_bytes(data)
            count += len(data)
        load(folder, "model")
        return time.perf_counter() - started, count


@contextmanager
def served(made: Built, folder: Path) -> Iterator[str]:
    """Serve a root from a library by ``netgraft serve`` in another process; the value is its URL."""
    from netgraft.delivery.offering.published import Published as Shelf
    from netgraft.library import Library
    from netgraft.lifecycle.keyring import ensure_trust, publisher_keys

    library = Library.init(str(folder))
    keys = publisher_keys(library)
    ensure_trust(library, keys, 1, int(time.time()))
    Shelf.of(library).add(made.pack(keys), made.chunks)
    command = [sys.executable, "-m", "netgraft", "serve", str(folder), "--port", "0", "--rate", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Serve the files of a folder as any static server would; the value is its URL."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


# --- loss


def levels(opened: OpenedHead) -> list[tuple[str, CutRow]]:
    """Return the cuts of each level: one of depth, shell and planes is varied, the others are the largest."""
    return [(level, cut) for level in ("depth", "shell", "planes") for cut in along(opened.head, level)]


def losses(given: Published, seed: int, draws: int) -> Iterator[Row]:
    """Yield for each channel and level the points lost by each way to send."""
    exact, _ = whole(opened_of(given.exact), given.exact.chunks)
    opened = opened_of(given.tolerant)
    clean, _ = whole(opened, given.tolerant.chunks)
    cuts = levels(opened)
    scores = {cut.id: given.judge(network_of(clean, cut)) for _, cut in cuts}
    # the same numbers in both codings: what is exact loses nothing at all
    assert all(abs(scores[cut.id] - given.judge(network_of(exact, cut))) < 1e-3 for _, cut in levels(exact.opened))
    plain = given.judge(given.plain)
    for name, channel in CHANNELS.items():
        for draw in range(draws):
            rng = generator(seed, "loss", name, draw)
            row: Row = {"part": "loss", "channel": name, "draw": draw}
            sent, plain_bytes, sends = exact_sending(given.exact, channel, rng)
            row |= {"exact_bytes": sent, "coded_bytes": plain_bytes, "sends": sends} | tolerant_coding(given.tolerant)
            if channel.packet_loss:
                row |= {"once_bytes": sending_once(given.exact, channel, rng)}
            spoilt = arrival(opened, given.tolerant.chunks, channel, rng)
            for level in ("depth", "shell", "planes"):
                own = [cut for kind, cut in cuts if kind == level]
                lost = [scores[cut.id] - given.judge(network_of(spoilt, cut)) for cut in own]
                row |= {f"tolerant_{level}": max(lost), f"tolerant_{level}_mean": float(np.mean(lost))}
            row["naive"] = plain - max(0.0, given.judge(naive_arrival(given.plain, channel, rng)))
            yield row


def network_of(assembly: Assembly, cut: CutRow) -> Network:
    """Return the network of a cut."""
    (network,) = assembly.model(cut).parts
    assert isinstance(network, Network)
    return network


def exact_sending(made: Built, channel: Channel, rng: np.random.Generator) -> tuple[int, int, float]:
    """Return the bytes sent until every chunk is right, the bytes of the chunks, and the mean number of sends."""
    sent = plain = sends = 0
    for row in made.head.chunks:
        data = made.chunks[row.sha256]
        code = best_code(channel.errors.rate, len(data)) if channel.errors.rate else None
        coded = code.encode(data) if code else data
        for _ in range(_MOST_SENDS):
            came, count = channel.send_all(coded, rng)
            sends, sent = sends + count / len(coded), sent + count
            try:
                if (code.decode(came, len(data)) if code else came) == data:
                    break
            except ChunkError:
                continue
        else:
            raise RuntimeError(f"chunk {row.sha256[:12]} must arrive, got {_MOST_SENDS} sends that failed")
        plain += len(data)
    return sent, plain, sends / len(made.head.chunks)


def sending_once(made: Built, channel: Channel, rng: np.random.Generator) -> int | None:
    """Return the bytes of all chunks in a code over packets, of which none is asked for again; None if that failed."""
    data = b"".join(made.chunks[row.sha256] for row in made.head.chunks)
    code = packet_code(len(data), channel.packet_loss, packet_bytes=channel.packet_bytes)
    coded = code.encode(data)
    received = replace(channel, packet_bytes=code.words(len(data))).send(coded, rng)
    try:
        return len(coded) if code.decode(received.data, len(data), erased=received.lost) == data else None
    except ChunkError:
        return None


def tolerant_coding(made: Built) -> Row:
    """Return how a root with tolerant chunks is coded."""
    rows = made.head.chunks
    planes = {plane for row in rows if row.protection == "tolerant" for _, plane in row.cells}
    tolerant = sum(row.bytes for row in rows if row.protection == "tolerant")
    exact_planes = made.head.grid.planes - 1 - max(planes, default=-1)
    return {"exact_planes": exact_planes, "tolerant_bytes": tolerant, "both_bytes": sum(row.bytes for row in rows)}


def naive_arrival(network: Network, channel: Channel, rng: np.random.Generator) -> Network:
    """Return a float32 network as it arrives, every number of it exposed; what is no number becomes 0."""
    spoilt: dict[str, NDArray[Any]] = {}
    for name, value in network.tensors.items():
        if value.dtype != np.float32:
            spoilt[name] = value
            continue
        came = np.frombuffer(channel.send(np.ascontiguousarray(value).tobytes(), rng).data, np.float32)
        spoilt[name] = np.nan_to_num(came, posinf=0, neginf=0).reshape(value.shape)
    return Network(network.architecture, spoilt)


# --- pages


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Measure every task and seed that is not done."""
    links = {name: LINKS[name] for name in ("10 Mb/s", "10 Gb/s")} if given.quick else LINKS
    for source in named(given.tasks, TASKS):
        for seed in range(given.seeds):
            cell = {"task": source.name, "seed": seed, "budget": given.budget, "planes": given.exact_planes}
            parts = [p for p in ("time", "loss") if given.part in (None, p) and not raw.has(**cell, part=p, done=True)]
            if not parts:
                continue
            root = published_root(source.name, seed, given.budget, given.exact_planes)
            with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
                for part in parts:
                    rows = (
                        times(root, Path(folder), links, 1 if given.quick else _REPEATS)
                        if part == "time"
                        else losses(root, seed, 1 if given.quick else _DRAWS)
                    )
                    for row in rows:
                        raw.add(cell | row)
                        print(cell | row, file=sys.stderr, flush=True)
                    raw.add(cell | {"part": part, "done": True})


def summary(rows: list[Row]) -> str:
    """Return the tables of the page."""
    timed = [row for row in rows if row["part"] == "time" and "link" in row]
    lost = [row for row in rows if row["part"] == "loss" and "channel" in row]
    return "\n\n".join([*_time_tables(timed), *_loss_tables(lost)])


def _time_tables(rows: list[Row]) -> Iterator[str]:
    lines = []
    for task in sorted({row["task"] for row in rows}):
        for link in LINKS:
            own = [row for row in rows if (row["task"], row["link"]) == (task, link)]
            if own:
                lines.append([task, link, *_time_cells(own)])
    head = [
        "table",
        "link",
        "float32 s",
        "usable s",
        "times sooner",
        "least",
        "equal s",
        "times sooner",
        "least",
        "equal",
    ]
    if lines:
        yield "## Time"
        yield markdown_table(head, lines)


def _time_cells(rows: list[Row]) -> list[str]:
    cells = [f"{statistics.median(row['float32_s'] for row in rows):.3f}"]
    for key in ("usable", "equal"):
        found = [row for row in rows if row[f"{key}_s"]]
        ratios = [row["float32_s"] / row[f"{key}_s"] for row in found]
        middle = statistics.median([row[f"{key}_s"] for row in found]) if found else float("nan")
        cells += [f"{middle:.4f}"]
        cells += [f"{statistics.median(ratios):.1f}", f"{min(ratios):.1f}"] if ratios else ["-", "-"]
    return [*cells, f"{sum(bool(row['equal_s']) for row in rows)} of {len(rows)}"]


def _loss_tables(rows: list[Row]) -> Iterator[str]:
    if not rows:
        return
    lines = []
    for channel in CHANNELS:
        own = [row for row in rows if row["channel"] == channel]
        if not own:
            continue
        more = statistics.mean(row["exact_bytes"] / row["coded_bytes"] for row in own)
        once = [
            row["once_bytes"] / row["coded_bytes"] if row["once_bytes"] else None for row in own if "once_bytes" in row
        ]
        tolerant = [
            f"{100 * statistics.mean(row[f'tolerant_{level}_mean'] for row in own):.2f} / "
            f"{100 * max(row[f'tolerant_{level}'] for row in own):.2f}"
            for level in ("depth", "shell", "planes")
        ]
        naive = [100 * row["naive"] for row in own]
        sends = statistics.mean(row["sends"] for row in own)
        lines.append(
            [
                *(channel, "0", f"{more:.3f}", f"{sends:.3f}", _once_cell(once)),
                *(*tolerant, f"{statistics.mean(naive):.1f} / {max(naive):.1f}"),
            ]
        )
    head = ["channel", "exact: points lost", "bytes sent per byte", "sends per chunk", "once: bytes sent per byte"]
    head += [f"tolerant, by {level}: mean / worst" for level in ("depth", "shell", "planes")]
    yield "## Loss"
    yield markdown_table([*head, "naive float32: mean / worst"], lines)
    yield _coding_table(rows)


def _once_cell(ratios: list[float | None]) -> str:
    """Return the mean bytes per byte of what was sent once, and how often it failed."""
    if not ratios:
        return "-"
    arrived = [ratio for ratio in ratios if ratio]
    return f"{statistics.mean(arrived):.3f}, {len(ratios) - len(arrived)} of {len(ratios)} failed"


def _coding_table(rows: list[Row]) -> str:
    """Return the table of how the roots are coded."""
    lines = []
    for task, seed in sorted({(row["task"], row["seed"]) for row in rows}):
        row = next(row for row in rows if (row["task"], row["seed"]) == (task, seed))
        share = row["both_bytes"] / row["coded_bytes"]
        cells = (row["exact_planes"], row["coded_bytes"], row["both_bytes"], row["tolerant_bytes"], f"{share:.2f}")
        lines.append([task, seed, *map(str, cells)])
    head = ["table", "seed", "exact planes of 9", "bytes, all exact", "bytes with tolerant chunks", "of them tolerant"]
    return markdown_table([*head, "times the bytes"], lines)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds to train each network")
    parser.add_argument("--tasks", help="comma-separated names")
    parser.add_argument("--part", choices=["time", "loss"], help="only this one")
    parser.add_argument("--exact-planes", type=int, help="planes that stay exact in the tolerant coding; else chosen")
    parser.add_argument("--quick", action="store_true", help="one table, one seed, 5 s of training")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    if given.quick:
        given.seeds, given.budget, given.tasks = 1, 5.0, given.tasks or TASKS[0]
    raw = Raw(
        "delivery_link",
        ("task", "seed", "budget", "planes", "part", "link", "repeat", "channel", "draw", "done"),
        quick=given.quick,
    )
    if not given.report:
        run(given, raw)
    rows = [row for row in raw.rows() if row["budget"] == given.budget]
    text = summary(rows)
    if given.report:
        page("delivery_link", "Delivery over poor links", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
