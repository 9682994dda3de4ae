"""Cutting on demand at the size of ResNet-18: a situation to a plan, float32 to chunks, chunks to a network.

    python -m benchmarks.delivery_cut [--part plan|anew|device] [--situations 200] [--repeats 50] [--quick] [--report]

The root has the shape of ResNet-18 for images of 32 x 32 pixels: 64 to 512 channels, 8 blocks, 4 shells, 11.2 million
numbers. Its weights are those it begins training with, and its table of accuracies is made up (it grows with depth,
channels and planes): no time here depends on what was learnt, but the bytes do. It is built and served once.

``plan`` is what our servers do on demand: a situation is drawn (memory, storage, rate, deadline, data budget, accuracy,
chunks that are held), and the clock runs from the first byte of the request to the last byte of the plan with its list
of chunks, over HTTP from another process, on a connection that is kept. Situations that no cut fits
are answered with 400 and counted apart. ``anew`` is what a system without prepared chunks does, and ours only for a cut
that nobody published: the cut's numbers are taken out of the float32 root, put on the grid, packed in raw planes and
hashed, chunk by chunk (`netgraft.delivery.coding.anew`); for random cuts, and for the whole root with 4 and with 8
planes. ``zstd`` is the same chunk format with the entropy code that publishing has. ``device`` is the other end: the
chunks of the smallest, the middle and the largest cut of the chain, in memory, become a network that can be asked,
hashes checked, after the head was opened (``head``, once).
``cpu`` is the time of the thread itself, which other work on the machine disturbs less. One thread each.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from benchmarks.delivery_http import KEY, netgraft
from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from netgraft.delivery.coding.anew import cut_anew
from netgraft.delivery.coding.build import Built, Release, build
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.chain import Triple
from netgraft.delivery.format.chunk import encode_chunk
from netgraft.delivery.format.coverage import cut_regions
from netgraft.delivery.format.head import unpack_head
from netgraft.delivery.offering.published import Published
from netgraft.delivery.trust.accepting import SigningKey, TrustDocument, sign_trust, trust_chain
from netgraft.library import Library
from netgraft.root.image import Images, image_shape
from netgraft.root.image.network import fresh
from netgraft.runtime import Inputs, Model, Output
from netgraft.runtime.grid import quantise
from netgraft.runtime.image_shape import ImageShape
from netgraft.seeds import generator
from netgraft.service import new_token
from netgraft.service.tokens import SECRET_FILE, load_secret

CLASSES = tuple(map(str, range(10)))
PLANES, PIXELS = 8, 32
_ONLINE = SigningKey(b"o" * 32)
_RARE_REPEATS = 5
_HELD_SHARES = (0.0, 0.0, 0.3, 1.0)


def root(*, quick: bool) -> tuple[ImageShape, dict[str, Any], Built]:
    """Return a root of the size of ResNet-18 (a quarter of the channels for a trial): shape, tensors, chunks."""
    shape = image_shape(pixels=PIXELS, channels=3, classes=len(CLASSES), width=16 if quick else 64, stages=4)
    tensors = fresh(shape, generator(0, "cut"))
    rows = np.random.default_rng(0).normal(size=(4, shape.architecture.numeric)).astype(np.float32)
    pixels = np.zeros((2, PIXELS, PIXELS, 3), np.uint8)
    blank = Images("none", pixels, np.zeros(2, np.int64), pixels, np.zeros(2, np.int64), CLASSES, moves=False)
    now_s = int(time.time())
    made = build(
        shape,
        tensors,
        encoding=blank.encoding(),
        output=Output("classification", CLASSES),
        judge=partial(made_up, shape),
        canaries=Inputs(rows, np.zeros((len(rows), 0), np.int64)),
        release=Release("root", 1, now_s, now_s + 10**7, {"target": "class"}),
    )
    return shape, tensors, made


def made_up(shape: ImageShape, model: Model) -> tuple[float, float, float]:
    """Return an accuracy that grows with depth, channels and levels of the weights, in no time."""
    part: Any = model.parts[0]
    share = part.tensors["weight_0"].shape[-1] / shape.architecture.shells[-1][0]
    levels = len(np.unique(np.abs(part.tensors["weight_0"])))
    accuracy = 0.95 * (1 - 0.6 ** (1 + part.architecture.depth)) * (1 - 0.2 * (1 - share)) * (1 - 1 / (1 + levels))
    return accuracy, accuracy - 0.01, min(1.0, accuracy + 0.01)


def publish(place: Path, made: Built) -> None:
    """Publish a root beside a new library."""
    published = Published.of(Library.init(place / "models"))
    (place / "models" / "keys").mkdir(mode=0o700)
    _ONLINE.write(place / "models" / "keys" / "online.key")
    trust = TrustDocument.of(
        1, int(time.time()) + 10**8, root=[KEY.public], publisher=[KEY.public], online=[_ONLINE.public]
    )
    published.put_trust(trust_chain([sign_trust(trust, [KEY])]))
    published.add(made.pack([KEY]), made.chunks)


# --- plans


def plans(made: Built, count: int) -> Iterator[Row]:
    """Yield for each situation that a cut fits the seconds until the last byte of its plan was there."""
    with tempfile.TemporaryDirectory() as folder, served(made, Path(folder)) as (connection, headers):
        found = refused = 0
        rng = generator(0, "situations")
        while found < count:
            body = json.dumps(situation(rng, [row.sha256 for row in made.head.chunks])).encode()
            started = time.perf_counter()
            connection.request("POST", "/v1/models/root/plan", body, headers)
            answer = connection.getresponse()
            data = answer.read()
            took_s = time.perf_counter() - started
            if answer.status != 200:
                assert answer.status == 400, data
                refused += 1
                continue
            plan, group = json.loads(data), "random situations" if found else "the first of a new server"
            row = {"asked_bytes": len(body), "bytes": len(data), "chunks": len(plan.get("chunks") or ())}
            yield {"part": "plan", "group": group, "draw": found, "s": took_s} | row | {"refused": refused}
            found += 1


@contextmanager
def served(made: Built, place: Path) -> Iterator[tuple[http.client.HTTPConnection, dict[str, str]]]:
    """Serve a root; the value is a connection that is kept, and the headers of a request."""
    publish(place, made)
    with netgraft(place) as (url, _):
        token = new_token(load_secret(place / SECRET_FILE), "device", days=1, now_s=time.time())
        parts = urlsplit(url)
        assert parts.hostname
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        yield connection, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.close()


def situation(rng: np.random.Generator, chunks: list[str]) -> dict[str, Any]:
    """Return a request for a plan in a random situation."""

    def spread(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    said: dict[str, Any] = {
        "memory_bytes": int(spread(3e5, 3e8)),
        "storage_bytes": int(spread(1e5, 1e8)),
        "rate_bps": spread(1e5, 1e9),
        "latency_s": spread(1e-3, 0.2),
        "deadline_s": spread(1, 100),
        "data_budget_bytes": int(spread(1e5, 1e8)),
        "min_accuracy": float(rng.uniform(0, 0.8)),
    }
    kept = {key: value for key, value in said.items() if rng.random() < 0.6}
    share = _HELD_SHARES[int(rng.integers(len(_HELD_SHARES)))]
    return {"situation": kept, "held": [sha256 for sha256 in chunks if rng.random() < share]}


# --- cutting anew


def anew(shape: ImageShape, tensors: dict[str, Any], made: Built, repeats: int) -> Iterator[Row]:
    """Yield the seconds to make the chunks of cuts out of the float32 root; the first look for regions comes before."""
    rng, grid, top = generator(0, "cuts"), made.head.grid, (shape.depth, shape.shells - 1)
    drawn = [
        Triple(int(rng.integers(shape.depth + 1)), int(rng.integers(shape.shells)), int(rng.integers(1, PLANES + 1)))
        for _ in range(repeats)
    ]
    groups = {"random": drawn, "whole, 4 planes": [Triple(*top, 4)] * repeats}
    groups["whole, 8 planes"] = [Triple(*top, PLANES)] * repeats
    list(cut_anew(shape, tensors, Triple(*top, 1), grid))
    for group, cuts in groups.items():
        for draw, cut in enumerate(cuts):
            row, parts = timed(lambda cut=cut: list(cut_anew(shape, tensors, cut, grid)))  # type: ignore[misc]
            yield {"part": "anew", "group": group, "draw": draw, "cut": f"d{cut.depth}s{cut.shell}p{cut.planes}"} | (
                row | {"chunks": len(parts), "bytes": sum(len(data) for _, data in parts)}
            )
    whole = Triple(*top, 4)
    row, count = timed(lambda: with_zstd(shape, tensors, whole, made))
    yield {"part": "anew", "group": "whole, 4 planes, zstd", "draw": 0, "cut": "whole"} | row | {"bytes": count}


def with_zstd(shape: ImageShape, tensors: dict[str, Any], cut: Triple, made: Built) -> int:
    """Return the bytes of a cut's chunks, one for each region, coded as publishing does."""
    grid, count = made.head.grid, 0
    for at in cut_regions(shape.regions, cut.depth, cut.shell):
        region = shape.regions[at]
        codes = {at: quantise(tensors[region.tensor].reshape(-1)[region.indices], grid.step, grid.planes)}
        cells = [(at, plane) for plane in range(grid.planes - 1, grid.planes - 1 - cut.planes, -1)]
        count += len(encode_chunk(cells, codes)[1])
    return count


def timed(work: Callable[[], Any]) -> tuple[Row, Any]:
    """Return the seconds that some work took, by the clock and of this thread, and its result."""
    started, own = time.perf_counter(), time.thread_time()
    result = work()
    return {"s": time.perf_counter() - started, "cpu_s": time.thread_time() - own}, result


# --- the device


def device(made: Built, repeats: int) -> Iterator[Row]:
    """Yield the seconds from the bytes of chunks to a network, and those of its answer to one image."""
    packed = made.pack([KEY])
    row, opened = timed(lambda: unpack_head(packed, lambda _message, _signatures: None))
    yield {"part": "device", "group": "head", "draw": 0, "bytes": len(packed)} | row
    chain = [cut for cut in opened.head.cuts if cut.chain]
    image = Inputs(np.zeros((1, opened.head.shape.architecture.numeric), np.float32), np.zeros((1, 0), np.int64))
    for group, cut in {"smallest": chain[0], "middle": chain[len(chain) // 2], "largest": chain[-1]}.items():
        data = {at: made.chunks[opened.head.chunks[at].sha256] for at in cut.chunks}
        for draw in range(repeats):

            def decoded(cut: Any = cut, data: dict[int, bytes] = data) -> Model:
                assembly = Assembly(opened)
                for at, each in data.items():
                    assembly.add(at, each)
                return assembly.model(cut)

            row, model = timed(decoded)
            answered, _ = timed(lambda model=model: model.parts[0].outputs(image))  # type: ignore[misc]
            yield {"part": "device", "group": group, "draw": draw, "cut": cut.id, "bytes": cut.bytes} | row | {
                "chunks": len(data), "parameters": cut.parameters, "answer_s": answered["s"]
            }  # fmt: skip


# --- pages


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Measure every part that is not done."""
    parts = [p for p in ("plan", "anew", "device") if given.part in (None, p) and not raw.has(part=p, done=True)]
    if not parts:
        return
    row, (shape, tensors, made) = timed(lambda: root(quick=given.quick))
    chunks = made.head.chunks
    about = {"numbers": shape.numbers, "cuts": len(made.head.cuts), "chunks": len(chunks)}
    about |= {"head_bytes": len(made.pack([KEY])), "chunk_bytes": sum(each.bytes for each in chunks)}
    raw.add({"part": "root"} | row | about)
    repeats = 3 if given.quick else given.repeats
    work = {
        "plan": lambda: plans(made, 10 if given.quick else given.situations),
        "anew": lambda: anew(shape, tensors, made, repeats),
        "device": lambda: device(
            made, min(repeats, _RARE_REPEATS) if given.quick else max(_RARE_REPEATS, repeats // 5)
        ),
    }
    for part in parts:
        for found in work[part]():
            raw.add(found)
            print(found, file=sys.stderr, flush=True)
        raw.add({"part": part, "done": True})


def summary(rows: list[Row]) -> str:
    """Return the table of the page."""
    (made,) = [row for row in rows if row["part"] == "root"][-1:]
    lines = []
    for part in ("plan", "anew", "device"):
        own = [row for row in rows if row["part"] == part and "s" in row]
        for group in dict.fromkeys(row["group"] for row in own):
            mine = [row for row in own if row["group"] == group]
            lines.append([part, group, str(len(mine)), *_cells(mine)])
    head = ["part", "what", "times", "median ms", "p99 ms", "most ms", "cpu, median ms", "cpu, p99 ms", "chunks", "kB"]
    about = (
        f"The root has {made['numbers']:,} numbers, {made['cuts']} cuts and {made['chunks']} chunks of "
        f"{made['chunk_bytes'] / 1e6:.2f} MB; its head has {made['head_bytes'] / 1e3:.1f} kB. Building it (judging "
        f"every cut, entropy coding) took {made['s']:.0f} s, once. {_answers(rows)}"
    )
    return f"{about}\n\n{markdown_table(head, lines)}"


def _cells(rows: list[Row]) -> list[str]:
    """Return the times, chunks and bytes of a line."""
    took = 1e3 * np.array([row["s"] for row in rows])
    cpu = [1e3 * row["cpu_s"] for row in rows if "cpu_s" in row]
    chunks = [row["chunks"] for row in rows if "chunks" in row]
    return [
        *(f"{value:.2f}" for value in (np.median(took), np.quantile(took, 0.99), took.max())),
        *((f"{np.median(cpu):.2f}", f"{np.quantile(cpu, 0.99):.2f}") if cpu else ("-", "-")),
        f"{np.median(chunks):.0f}" if chunks else "-",
        f"{np.median([row['bytes'] for row in rows]) / 1e3:.1f}",
    ]


def _answers(rows: list[Row]) -> str:
    """Return in words what is beside the table."""
    plans_ = [row for row in rows if row["part"] == "plan" and "s" in row]
    asked = [row["answer_s"] for row in rows if row.get("group") == "largest"]
    words = []
    if plans_:
        words.append(f"{plans_[-1]['refused']} more situations were refused, as no cut fits them.")
    if asked:
        words.append(f"The largest network answers one image in {1e3 * float(np.median(asked)):.0f} ms (median).")
    return " ".join(words)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["plan", "anew", "device"], help="only this one")
    parser.add_argument("--situations", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=50, help="of each kind of cut; a fifth of it on the device")
    parser.add_argument("--quick", action="store_true", help="a quarter of the channels, few repeats")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    raw = Raw("delivery_cut", ("part", "group", "draw", "done"), quick=given.quick)
    if not given.report:
        run(given, raw)
    text = summary(raw.rows())
    if given.report:
        page("delivery_cut", "Cutting on demand", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
