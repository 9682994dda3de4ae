"""What each part of the root is worth: embedding, linear path, members, teacher, wiring; at fixed small architectures.

    python -m benchmarks.ablation [--seeds 2] [--tables NAME,...] [--rows 12000] [--steps 1000] [--quick] [--report]

Networks that can share a stack are trained together by `netgraft.root.Population`, each with two learning rates; the
better one on validation rows counts. Everything is compared with one base: quantile embedding (32 bins, 4 numbers per
feature), linear path, one member, no teacher. The wiring is compared on nested roots, over a fixed set of cuts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from benchmarks.tables import named, sample
from netgraft.lifecycle.prepare import Prepared, prepare
from netgraft.root import Cut, NestedRecipe, NestedTraining, Population, Recipe, Schedule, cut_architecture, to_network
from netgraft.runtime import Architecture, Network
from netgraft.runtime.layers import size_bytes
from netgraft.runtime.model import finish, softmax
from netgraft.seeds import child_seed
from netgraft.tables import METRICS, Task

TABLES = ["itu_energy", "kth_mesh", "kth_boutique", "tractor", "ucc", "nsl_kdd", "covertype", "letter", "houses", "pol"]
WIDTHS = ((32, 32), (128, 128))
RATES = (2e-3, 6e-3)
BASE = {"basis": "quantile", "token": 4, "skip": True, "members": 1, "distill": 0.0}
CUTS = (
    Cut(0, ()),
    Cut(1, (8,)),
    Cut(1, (32,)),
    Cut(2, (16, 16)),
    Cut(2, (64, 64)),
    Cut(3, (32, 32, 32)),
    Cut(4, (128,) * 4),
)


@dataclass(frozen=True)
class Stack:
    """Variants that are trained side by side: the same basis and members."""

    name: str
    variants: tuple[dict[str, Any], ...]


def stacks() -> list[Stack]:
    """Return every variant once, grouped into stacks."""
    made = []
    for basis in ("linear", "quantile", "tree", "periodic"):
        variants = [BASE | {"basis": basis, "skip": skip} for skip in (True, False)]
        if basis != "linear":
            variants.append(BASE | {"basis": basis, "token": 1})
        made.append(Stack(basis, tuple(variants)))
    for basis in ("quantile", "tree"):
        taught = tuple(BASE | {"basis": basis, "distill": share} for share in (0.3, 0.6, 0.9))
        made.append(Stack(f"{basis}-taught", taught))
    made += [Stack(f"members-{members}", (BASE | {"members": members},)) for members in (4, 8)]
    made.append(Stack("tree-members-4", (BASE | {"basis": "tree", "members": 4},)))
    return made


def recipes(variant: dict[str, Any], widths: tuple[int, ...], prepared: Prepared, batch: int) -> list[Recipe]:
    """Return a variant with each learning rate."""
    data = prepared.data
    embedded = variant["basis"] != "linear"
    architecture = Architecture(
        data.inputs.numeric.shape[1], data.slots, data.outputs,
        basis=variant["basis"], bins=32 if embedded else 1, token=variant["token"] if embedded else 1, category=4,
        widths=widths, members=variant["members"], activation="relu", skip=variant["skip"],
    )  # fmt: skip
    return [Recipe(architecture, rate, 1e-4, 0.0, batch, variant["distill"]) for rate in RATES]


def test_error(prepared: Prepared, network: Network) -> float:
    """Return the error of a network on the test rows."""
    test = prepared.task.test
    assert test is not None
    outputs = network.outputs(prepared.encoding.apply(test.raw))
    classes = prepared.output.kind == "classification"
    prediction = finish(prepared.output, (softmax(outputs) if classes else outputs).mean(axis=1))
    return METRICS[prepared.task.metric].error(test.y, prediction.values, prediction.probabilities)


def run_stack(stack: Stack, prepared: Prepared, steps: int, seed: int) -> list[Row]:
    """Train the variants of a stack, widths after widths, and return a row for each."""
    rows = []
    for widths in WIDTHS:
        started = time.process_time()
        listed = [(variant, recipe) for variant in stack.variants for recipe in recipes(variant, widths, prepared, 256)]
        basis = prepared.bases[stack.variants[0]["basis"]]
        seeded = child_seed(seed, "ablation", *widths)
        population = Population([r for _, r in listed], prepared.data, prepared.bases, seed=seeded)
        trained = population.train(Schedule(steps))
        spent = time.process_time() - started
        for i, variant in enumerate(stack.variants):
            tried = trained[i * len(RATES) : (i + 1) * len(RATES)]
            best = int(np.argmin([result.error for result in tried]))
            recipe = listed[i * len(RATES) + best][1]
            deployed = {name: value[-1] for name, value in tried[best].parameters.items()}
            network = to_network(recipe.architecture, basis, deployed)
            bins = None if recipe.architecture.basis == "linear" else basis.counts(recipe.architecture.bins)
            rows.append(
                {
                    "widths": list(widths),
                    **variant,
                    "rate": recipe.learning_rate,
                    "validation": tried[best].error,
                    "test": test_error(prepared, network),
                    "bytes": size_bytes(recipe.architecture, prepared.encoding, bins, prepared.output.kind),
                    "stack_cpu_s": round(spent, 2),
                }
            )
    return rows


def run_wiring(wiring: str, prepared: Prepared, steps: int, seed: int) -> list[Row]:
    """Train a nested root and return the mean error over its cuts."""
    data = prepared.data
    numeric = data.inputs.numeric.shape[1]
    started = time.process_time()
    architecture = Architecture(
        numeric, data.slots, data.outputs, basis="quantile", bins=32, token=2, category=4, widths=(128,) * 4
    )
    recipe = NestedRecipe(architecture, wiring=wiring)
    training = NestedTraining(recipe, data, prepared.bases["quantile"], seed=child_seed(seed, "ablation nested"))
    (root,) = training.train(steps)
    spent = time.process_time() - started
    errors = training.errors(CUTS)
    rows = []
    for cut, error in zip(CUTS, errors, strict=True):
        small = cut_architecture(root.recipe.architecture, cut)
        network = to_network(small, prepared.bases["quantile"], root.cut(cut, data.deployed))
        rows.append(
            {
                "wiring": wiring,
                "cut": list(cut.widths),
                "validation": float(error),
                "test": test_error(prepared, network),
                "cpu_s": round(spent, 2),
            }
        )
    return rows


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Run every cell that is not done."""
    for seed in range(given.seeds):
        for source in named(given.tables, TABLES):
            cells = [stack.name for stack in stacks()] + ["square", "shells"]
            if all(raw.has(table=source.name, seed=seed, stack=name) for name in cells):
                continue
            rows = sample(source, seed=seed, rows=given.rows)
            task = Task.read(
                rows.train, target=rows.target, kind=rows.kind, group=rows.group, test=rows.test, seed=seed
            )
            prepared = prepare(task, seed=seed, teacher_s=None)
            trees = {reference.family: reference.error for reference in prepared.teacher.references}
            common = {"table": source.name, "seed": seed, "steps": given.steps, "rows": given.rows, "references": trees}
            for stack in stacks():
                if not raw.has(table=source.name, seed=seed, stack=stack.name):
                    raw.add(common | {"stack": stack.name, "results": run_stack(stack, prepared, given.steps, seed)})
            for wiring in ("square", "shells"):
                if not raw.has(table=source.name, seed=seed, stack=wiring):
                    raw.add(common | {"stack": wiring, "results": run_wiring(wiring, prepared, given.steps, seed)})
            print(f"{source.name} seed {seed}: done", file=sys.stderr, flush=True)


#: name of a comparison -> (fields that differ from the base, the base it is compared with)
COMPARISONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "embedding linear": ({"basis": "linear"}, {}),
    "embedding tree bins": ({"basis": "tree"}, {}),
    "embedding periodic": ({"basis": "periodic"}, {}),
    "quantile, 1 number per feature": ({"token": 1}, {}),
    "tree bins, 1 number per feature": ({"basis": "tree", "token": 1}, {}),
    "periodic, 1 number per feature": ({"basis": "periodic", "token": 1}, {}),
    "no linear path (linear embedding)": ({"basis": "linear", "skip": False}, {"basis": "linear"}),
    "no linear path (quantile)": ({"skip": False}, {}),
    "no linear path (tree)": ({"basis": "tree", "skip": False}, {"basis": "tree"}),
    "no linear path (periodic)": ({"basis": "periodic", "skip": False}, {"basis": "periodic"}),
    "4 members": ({"members": 4}, {}),
    "8 members": ({"members": 8}, {}),
    "4 members (tree)": ({"basis": "tree", "members": 4}, {"basis": "tree"}),
    "teacher 0.3": ({"distill": 0.3}, {}),
    "teacher 0.6": ({"distill": 0.6}, {}),
    "teacher 0.9": ({"distill": 0.9}, {}),
    "teacher 0.3 (tree)": ({"basis": "tree", "distill": 0.3}, {"basis": "tree"}),
    "teacher 0.6 (tree)": ({"basis": "tree", "distill": 0.6}, {"basis": "tree"}),
    "teacher 0.9 (tree)": ({"basis": "tree", "distill": 0.9}, {"basis": "tree"}),
}


def indexed(rows: list[Row]) -> dict[tuple[Any, ...], Row]:
    """Return the trained networks by table, seed, widths and variant."""
    found = {}
    for row in rows:
        for result in row["results"]:
            if "wiring" not in result:
                variant = {name: result[name] for name in BASE}
                found[row["table"], row["seed"], tuple(result["widths"]), tuple(variant.items())] = result
    return found


def differences(rows: list[Row], name: str, widths: tuple[int, ...], rows_of: str) -> dict[str, list[float]]:
    """Return per table the score of a comparison minus that of its base, one number per seed."""
    changed, base = COMPARISONS[name]
    index = indexed(rows)
    found: dict[str, list[float]] = defaultdict(list)
    for table, seed in sorted({(row["table"], row["seed"]) for row in rows}):
        one = index.get((table, seed, widths, tuple((BASE | changed).items())))
        other = index.get((table, seed, widths, tuple((BASE | base).items())))
        if one and other:
            found[table].append(other[rows_of] - one[rows_of])  # errors: less is better
    return found


def summary(rows: list[Row]) -> str:
    """Return the tables of the page."""
    parts = []
    for widths in WIDTHS:
        lines = []
        for name in COMPARISONS:
            validation, test = (differences(rows, name, widths, of) for of in ("validation", "test"))
            if not test:
                continue
            means = {table: float(np.mean(values)) for table, values in test.items()}
            every = [float(np.mean(values)) for values in validation.values()]
            lines.append(
                [
                    name,
                    f"{np.mean(every):+.4f}",
                    f"{np.mean(list(means.values())):+.4f}",
                    f"{np.median(list(means.values())):+.4f}",
                    f"{sum(v > 0.001 for v in means.values())} / {sum(v < -0.001 for v in means.values())}",
                    *(f"{value:+.4f}" for value in means.values()),
                ]
            )
        tables = sorted({row["table"] for row in rows})
        head = ["change", "mean validation", "mean test", "median test", "better / worse by 0.001", *tables]
        parts += [
            f"## Hidden layers {list(widths)}: score minus the base's, test rows per table",
            markdown_table(head, lines),
        ]
    return "\n\n".join([*parts, base_table(rows), wiring_table(rows)])


def base_table(rows: list[Row]) -> str:
    """Return the errors of the base and of the references."""
    index, lines = indexed(rows), []
    for table in sorted({row["table"] for row in rows}):
        cells = [table]
        for widths in WIDTHS:
            found = [r for (t, _, w, v), r in index.items() if t == table and w == widths and v == tuple(BASE.items())]
            cells += [f"{np.mean([r['validation'] for r in found]):.4f}", f"{np.mean([r['test'] for r in found]):.4f}"]
        references = [row["references"] for row in rows if row["table"] == table]
        cells += [f"{np.mean([r[name] for r in references]):.4f}" for name in ("trees", "linear")]
        lines.append(cells)
    head = ["table"] + [f"{list(w)} {of}" for w in WIDTHS for of in ("validation", "test")]
    return "## Errors of the base\n\n" + markdown_table([*head, "trees validation", "linear validation"], lines)


def wiring_table(rows: list[Row]) -> str:
    """Return the score of shells minus that of square, cut by cut."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    errors = {
        (row["table"], row["seed"], result["wiring"], str(result["cut"])): result
        for row in rows
        for result in row["results"]
        if "wiring" in result
    }
    for (table, seed, wiring, cut), result in errors.items():
        if wiring == "shells" and (table, seed, "square", cut) in errors:
            found[table, cut].append(errors[table, seed, "square", cut]["test"] - result["test"])
    tables = sorted({table for table, _ in found})
    lines = []
    for cut in [str(list(cut.widths)) for cut in CUTS]:
        means = [float(np.mean(found[table, cut])) for table in tables if (table, cut) in found]
        if means:
            lines.append([cut, f"{np.mean(means):+.4f}", f"{np.median(means):+.4f}", *(f"{v:+.4f}" for v in means)])
    return "## Wiring: test score of shells minus square, by cut\n\n" + markdown_table(
        ["cut", "mean", "median", *tables], lines
    )


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tables", help=f"comma-separated; default {','.join(TABLES)}")
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--quick", action="store_true", help="one seed, 60 steps, two tables, to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    if given.quick:
        given = argparse.Namespace(
            **vars(given) | {"seeds": 1, "steps": 60, "tables": given.tables or "kth_mesh,nsl_kdd"}
        )
    torch.set_num_threads(1)
    raw = Raw("ablation", ("table", "seed", "stack"), quick=given.quick)
    if not given.report:
        run(given, raw)
    text = summary(raw.rows())
    if given.report:
        page("ablation", "Ablation of the root", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
