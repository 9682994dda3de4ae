"""The paper's figures 3 and 4: accuracy against the size of a sub-model, and the data rates that downloading needs.

    python -m benchmarks.delivery_figures figure-3 [--set digits|cifar10] [--seeds 5] [--parts depth,bit,...]
                                                   [--wiring shells|square] [--threads 1] [--quick] [--report]
    python -m benchmarks.delivery_figures figure-4

Figure 3. Residual networks with group norms on images, width 16; within a run test images choose nothing, but that four
planes are exact, and the order of a head's steps, were settled on the digits of seed 0. The ordinary root is
trained for its last head alone, and is what the paper compresses: classifiers put on its blocks, weights pruned by
magnitude and by gradient, weights quantised (uniform with a step per output, k-means, bits per layer by a search). The
nested root is ours: all depths, widths and planes trained together for as many epochs, though each of its steps costs
about twice as much. *Size* is per cent of the ordinary root in float32 with one head, all bytes counted: norms, biases,
scales, codebooks, masks at their entropy. A bit error rate spoils what a form exposes (`delivery_forms.py`): *naive*
exposes every number that is sent, *hardened* keeps the few norms, biases, scales and ranges safe, as the paper keeps
its topology. Planes under bit errors are raw, hardened with the highest plane of each output known; *4 exact*, and all
cuts of the nested root, have their 4 highest planes in chunks with forward error correction and only the others raw.
*In chunks* is the size of all planes in chunks of zstd, which arrive exact or not at all. Each line is the mean over
seeds and draws of errors; worst is the worst of all of them.

Figure 4. Rate = numbers x 32 bits x share / latency, and again with the bits per number that roots of figure 3 need.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.delivery_levels import PARTS, SETUPS, Setup, Study, run_part
from benchmarks.delivery_rates import figure_4
from benchmarks.delivery_tables import figure_3
from benchmarks.page import page
from benchmarks.raw import RESULTS, Raw
from netgraft.records import write_text
from netgraft.reports.delivery import render_delivery

_QUICK = Setup(epochs=4, again=1, calibrated=100, shares=(0.1, 0.5), draws=1)
_KEYS = ("set", "wiring", "setup", "seed", "part")


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Run every part that is not done."""
    setup = _QUICK if given.quick else SETUPS[given.set]
    for seed in range(given.seeds):
        study: Study | None = None
        for part in given.parts.split(","):
            cell = {"set": given.set, "wiring": given.wiring, "setup": repr(setup), "seed": seed, "part": part}
            if raw.has(**cell):
                continue
            started = time.monotonic()
            study = study or Study(given.set, setup, seed, triangular=given.wiring == "shells")
            row = run_part(study, part)
            raw.add({**cell, **row, "seconds": round(time.monotonic() - started, 1)})
            print(f"{given.set} seed {seed} {part}: {time.monotonic() - started:.0f} s", flush=True)


def write_page(name: str, title: str, text: str, raw: Raw) -> None:
    """Write a page below ``docs/results/delivery``; links to raw rows lead out of it."""
    (RESULTS / "delivery").mkdir(parents=True, exist_ok=True)
    page(f"delivery/{name}", title, __doc__, text, raw)
    path = RESULTS / "delivery" / f"{name}.md"
    if path.exists() and "quick" not in raw.path.parts:
        path.write_text(path.read_text(encoding="utf-8").replace("](raw/", "](../raw/"), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=("figure-3", "figure-4"))
    parser.add_argument("--set", choices=sorted(SETUPS), default="digits")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--wiring", choices=("shells", "square"), default="shells")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one seed of a small root, to another file")
    parser.add_argument("--report", action="store_true", help="write the pages from the raw rows and run nothing")
    given = parser.parse_args(arguments)
    given.seeds = 1 if given.quick else given.seeds
    torch.set_num_threads(given.threads)
    raw = Raw("delivery_figure_3", _KEYS, quick=given.quick)
    if given.figure == "figure-3" and not given.report:
        run(given, raw)
    third, fourth = figure_3(raw.rows()), figure_4(raw.rows())
    if given.figure == "figure-3":
        write_page("figure-3", "Figure 3: accuracy against downloaded size", third.text, raw)
    else:
        write_page("figure-4", "Figure 4: data rates for in-situ downloading", fourth.text, raw)
    where = raw.path.with_suffix(".html") if given.quick else Path(RESULTS / "delivery" / "figures.html")
    write_text(where, render_delivery({"figure_3": third.shown, "figure_4": fourth.shown}))
    print((third if given.figure == "figure-3" else fourth).text)


if __name__ == "__main__":
    main()
