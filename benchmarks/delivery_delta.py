"""What a further version costs a device that has the one before: differences on the frozen grid against plain chunks.

    python -m benchmarks.delivery_delta [--seeds 3] [--budget 60] [--tasks NAME,...] [--report]

Version 1 is grown on the first half of the training rows, version 2 goes on from it on all of them (a light
fine-tuning: a low learning rate, held to where it began), as `netgraft publish` does. For version 1's last cut:
the bytes of the differences, of version 2's chunks without them, of those chunks that version 1 has not, of float32,
and the score of both versions on version 2's validation rows.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from statistics import median
from typing import Any

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from benchmarks.tables import named, sample
from netgraft.delivery.coding.build import Built, Release
from netgraft.delivery.coding.root import Recipe
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import unpack_head
from netgraft.delivery.trust.accepting import SigningKey
from netgraft.lifecycle.prepare import task_output
from netgraft.lifecycle.publishing import DeliveryRecipe, built_from, grow_delivery_root
from netgraft.lifecycle.publishing.publish import start_from
from netgraft.runtime.model import mix
from netgraft.tables import Task
from netgraft.tables.splits import Split

TASKS = ("itu_energy", "covertype", "kth_mesh")
SHELLS = (16, 32, 64, 128)


def measured(source: Any, seed: int, budget: float) -> Row:
    """Return what an update costs."""
    drawn = sample(source, seed=seed)
    task = Task.read(drawn.train, target=drawn.target, kind=drawn.kind, group=drawn.group, seed=seed)
    encoding, output = task.encoding, task_output(task, task.splits[0].train, log1p=False)
    split = task.splits[0]
    half = replace(task, splits=(Split(split.train[: len(split.train) // 2], split.validation),))
    recipe, coding = DeliveryRecipe(seconds=budget, widths=SHELLS), Recipe(planes=9)
    first_grown = grow_delivery_root(half, encoding, output, recipe, seed=seed)
    release = Release("bench", 1, 0, 2**40)
    first = held(built_from(first_grown, half, encoding, output, release, coding=coding))
    before = start_from(first)
    grown = grow_delivery_root(task, encoding, output, recipe, seed=seed + 100, before=before)
    built = built_from(
        grown, task, encoding, output, replace(release, version=2), coding=coding, parent=first, seed=seed
    )
    second = held(built)
    last = second.opened.head.cut([cut for cut in first.opened.head.cuts if cut.chain][-1].id)
    deltas = {delta.cut: delta.bytes for delta in second.opened.head.deltas}
    old = {row.sha256 for row in first.opened.head.chunks}
    rows = [second.opened.head.chunks[at] for at in last.chunks]

    def score(assembly: Assembly) -> float:
        model = assembly.model(assembly.opened.head.cut(last.id))
        mixed = mix(model.parts, model.mixture, model.output, grown.data.inputs.take(grown.judges))
        return 1 - grown.data.error(mixed, grown.judges)

    return {
        "cut": last.id,
        "delta_bytes": deltas.get(last.id),
        "chunk_bytes": last.bytes,
        "new_chunk_bytes": sum(row.bytes for row in rows if row.sha256 not in old),
        "full_bytes": second.opened.head.full_bytes,
        "before": score(first),
        "after": score(second),
    }


def held(made: Built) -> Assembly:
    """Return a version with all its chunks."""
    opened = unpack_head(made.pack([SigningKey(bytes(32))]), lambda _message, _signatures: None)
    assembly = Assembly(opened)
    for at, row in enumerate(opened.head.chunks):
        assembly.add(at, made.chunks[row.sha256])
    return assembly


def summary(rows: list[Row]) -> str:
    """Return the table of the page."""
    lines, ratios = [], []
    for row in rows:
        spent = (
            row["new_chunk_bytes"] if row["delta_bytes"] is None else min(row["delta_bytes"], row["new_chunk_bytes"])
        )
        ratio = row["chunk_bytes"] / spent if spent else float("inf")
        if spent:
            ratios.append(ratio)
        delta = "larger" if row["delta_bytes"] is None else f"{row['delta_bytes']:,}"
        line = [
            row["task"],
            str(row["seed"]),
            row["cut"],
            f"{row['chunk_bytes']:,}",
            delta,
            f"{row['new_chunk_bytes']:,}",
        ]
        lines.append(
            [
                *line,
                f"{ratio:.1f}" if spent else "nothing better found",
                f"{row['full_bytes'] / spent:.0f}" if spent else "",
                f"{row['before']:.4f}",
                f"{row['after']:.4f}",
            ]
        )
    head = [
        "table",
        "seed",
        "cut",
        "chunks, bytes",
        "differences",
        "chunks that changed",
        "times smaller",
        "than float32",
    ]
    least = f"(median of {len(ratios)}; least {min(ratios):.1f})"
    text = (
        f"An update that changes anything takes {median(ratios):.1f} times fewer bytes than the whole version {least}."
    )
    return f"{text}\n\n{markdown_table([*head, 'score before', 'score after'], lines)}"


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds to train the first version")
    parser.add_argument("--tasks", help="comma-separated names")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    raw = Raw("delivery_delta", ("task", "seed", "budget"))
    if not given.report:
        for source in named(given.tasks, TASKS):
            for seed in range(given.seeds):
                cell = {"task": source.name, "seed": seed, "budget": given.budget}
                if not raw.has(**cell):
                    raw.add(cell | measured(source, seed, given.budget))
                    print(raw.rows()[-1], file=sys.stderr, flush=True)
    text = summary([row for row in raw.rows() if row["budget"] == given.budget])
    if given.report:
        page("delivery_delta", "What an update costs", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
