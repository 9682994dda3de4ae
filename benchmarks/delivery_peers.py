"""Systems that bring models or files to devices, each on the same course: bytes, seconds, kills, wrong bytes, forgery.

    python -m benchmarks.delivery_peers [--task covertype] [--seeds 1] [--budget 60] [--repeats 3] [--peers NAME,...]
                                        [--nncodec PYTHON] [--folder DIR] [--quick] [--report]

*What is delivered.* Version 1 of a network, and version 2, which went on from it with more rows. Every other system
brings one safetensors file: float32, and beside it 8-bit weights with a scale per output, version 2 on the scales of
version 1. Netgraft brings the root of the same table, trained as long (`delivery_bytes` says what of its size is due to
that, and compares at equal score; the scores here are below). Widths and training are those of `delivery_link`.

*How.* Real servers and real clients, each at its defaults, or as its manual says where it asks for keys; the client is
a process of its own. Between the two lie a proxy that paces bytes to 10 Mb/s both ways (100 Mb/s where only the outcome
counts) and a relay that counts what the client gets and sends, all headers included. Seconds are from the first
connection until the model is checked and in its place; starting an interpreter is not in them. No TLS anywhere.

*Usable* is the first model with 80 % of the float32 network's score. *A tenth*: the device says that it can spare a
tenth of the memory and of the bytes to download that the float32 network takes. *Killed*: SIGKILL when half of the
bytes were there, then started again; what came beyond one whole download was fetched twice. *Wrong on the server*: one
bit in every new file of weights, for a device that has version 1. *Wrong on the way*: one bit, once, for a new device;
started again if it failed. *Forged*: another signer, with keys of its own, offers another network as version 2 to a
device with version 1. *Old again*: after version 2 the server is once more as it was before. What the device would use
then is compared with all releases by its SHA-256; with Netgraft by the identity of the head whose model is active, and
models before the last one are known by its events. *Bold* is what should not be.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.delivery_peers_answers import answers
from benchmarks.delivery_peers_codecs import USABLE
from benchmarks.delivery_peers_codecs import rows as codec_rows
from benchmarks.delivery_peers_course import Course, Limits, Missing, Peer
from benchmarks.delivery_peers_files import Casync, Netgraft, PlainHttp, Zchunk, Zsync
from benchmarks.delivery_peers_hubs import Hub, Kserve, Mlflow, Oras, Skopeo, XetHub
from benchmarks.delivery_peers_lab import Lab, Setting, lab
from benchmarks.delivery_peers_page import summary
from benchmarks.delivery_peers_signed import Mender, Rauc, SwUpdate, Tuf
from benchmarks.page import page
from benchmarks.raw import Raw, Row

PEERS: tuple[type[Peer], ...] = (
    Netgraft, PlainHttp, Hub, XetHub, Mlflow, Kserve, Mender, Rauc, SwUpdate, Tuf, Casync, Oras, Skopeo, Zchunk, Zsync,
)  # fmt: skip
WIDTHS = (16, 32, 64, 128, 256)
_FOLDER = Path(__file__).resolve().parents[1] / "build" / "delivery_peers"
_FLOAT_BYTES, _LITTLE = 4, 10


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Measure every seed and system that is not done."""
    wanted = chosen(given.peers)
    for seed in range(given.seeds):
        made = lab(Setting(given.task, seed, given.budget, WIDTHS), Path(given.folder))
        cell = {"task": given.task, "seed": seed, "budget": given.budget}
        if not raw.has(**cell, peer="", part="lab"):
            raw.add(cell | {"peer": "", "part": "lab", "scores": dict(made.scores), **made.facts})
        for peer in (kind() for kind in PEERS if kind.name in wanted):
            for part, row in measured(peer, made, given.repeats, raw, cell | {"peer": peer.name}):
                raw.add(cell | {"peer": peer.name, **part, **row})
                print(peer.name, part, {k: v for k, v in row.items() if k != "models"}, file=sys.stderr, flush=True)
        if not raw.has(**cell, peer="", part="codecs", codec="float32"):
            for row in list(codec_rows(made, given.nncodec)):
                raw.add(cell | {"peer": "", "part": "codecs", **row})


def chosen(names: str | None) -> list[str]:
    """Return the names of the systems to run: those that are listed, all by default.

    Raises:
        SystemExit: there is no such system.
    """
    known = [peer.name for peer in PEERS]
    wanted = names.split(",") if names else known
    for name in wanted:
        if name not in known:
            print(f"--peers must be of {', '.join(known)}, got {name!r}", file=sys.stderr)
            raise SystemExit(2)
    return wanted


def measured(peer: Peer, made: Lab, repeats: int, raw: Raw, cell: Row) -> Iterator[tuple[Row, Row]]:
    """Yield the cells of a system that are not done: which, and what was found; a system that fails goes on."""
    try:
        about = {"version": peer.version(), "made_for": peer.made_for}
    except Missing as error:
        yield {"part": "missing"}, {"missing": str(error)}
        return
    with tempfile.TemporaryDirectory() as folder:
        course = Course(peer, made, Path(folder))
        whole_down = 0
        for part, form, repeat in parts(peer, repeats):
            which = {"part": part, "form": form, "repeat": repeat}
            if raw.has(**cell, **which):
                continue
            if not whole_down and part in ("kill", "way"):
                whole_down = course.whole("float32")["down"]
            try:
                row = one(course, part, form, whole_down) | {"usable_score": USABLE * made.scores["float32 v1"]}
            except (RuntimeError, OSError, ValueError, AssertionError) as error:
                row = {"failed": f"{type(error).__name__}: {error}"}
            if part == "whole" and form == "float32" and "failed" not in row:
                whole_down = row["down"]
            yield which, row | about


def parts(peer: Peer, repeats: int) -> Iterator[tuple[str, str, int]]:
    """Yield the parts of the course: name, form of the file, and which time."""
    forms = ("float32",) if peer.adapts else ("float32", "int8")
    for form in forms:
        yield from (("whole", form, repeat) for repeat in range(repeats))
        yield "update", form, 0
    for part in ("kill", "rest", "way", "forged", "old", *(("small", "answers") if peer.adapts else ())):
        yield part, "float32", 0


def one(course: Course, part: str, form: str, whole_down: int) -> Row:
    """Return what one part of the course found."""
    found: Row = {
        "whole": lambda: course.whole(form),
        "update": lambda: course.update(form),
        "small": lambda: course.small(a_tenth(course.lab)),
        "kill": lambda: course.kill(whole_down),
        "rest": course.flipped_at_rest,
        "way": lambda: course.flipped_on_the_way(whole_down),
        "forged": course.forged,
        "old": course.rolled_back,
        "answers": lambda: answers(course),
    }[part]()
    return found


def a_tenth(made: Lab) -> Limits:
    """Return a tenth of what the float32 network takes: of its numbers in memory, and of its file."""
    return Limits(_FLOAT_BYTES * made.facts["numbers"] // _LITTLE, made.release("v1").file.stat().st_size // _LITTLE)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="covertype", help="the table")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds to train each network")
    parser.add_argument("--repeats", type=int, default=3, help="of whole downloads")
    parser.add_argument("--peers", help="comma-separated names, as in the table")
    parser.add_argument("--nncodec", help="a Python that has nncodec")
    parser.add_argument("--folder", default=str(_FOLDER), help="where the releases are kept between runs")
    parser.add_argument("--quick", action="store_true", help="5 s of training, one repeat")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    if given.quick:
        given.seeds, given.budget, given.repeats = 1, 5.0, 1
    raw = Raw(
        "delivery_peers", ("task", "seed", "budget", "peer", "part", "form", "repeat", "codec"), quick=given.quick
    )
    if not given.report:
        run(given, raw)
    rows = [row for row in raw.rows() if (row["task"], row["budget"]) == (given.task, given.budget)]
    text = summary(rows, [peer.name for peer in PEERS])
    if given.report:
        page("delivery_peers", "Beside other systems", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
