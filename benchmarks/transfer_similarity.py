"""Which similarity tells from whom to transfer: rank correlation of each measure with the gain that was achieved.

    python -m benchmarks.transfer_similarity [--draws 3] [--rows 200] [--tables NAME,...] [--shard 0/2] [--quick]
                                             [--report]

Every domain of a table (`benchmarks.transfer_tasks`) is a target once, with up to 6 others as sources, of which one
at a time is used. The gain is the error of a cold learner less that of the same learner with the source, on test rows
of groups never seen, the median over draws of the target's rows. Three learners: ridge (or logistic) regression and
LightGBM, given the prediction of the source's LightGBM as a feature, and a plain network, fine-tuned from the source's.
No search is involved. Distances are compared with gains target by target, because distances from different targets have
no common unit; a target needs 3 sources. A measure sees 1,000 rows of each source and the target's training rows.

Correlations are of similarity (the negated distance) with gain: 1 would be a perfect order, 0 is chance. ``regret`` is
the gain of the best source less that of the nearest one, as a share of the range of gains; choosing at random has the
regret of the last line.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import kendalltau, spearmanr

from benchmarks.page import markdown_table, page
from benchmarks.raw import Raw, Row
from benchmarks.tables import Sample
from benchmarks.transfer_peers import Reader, SourceTrees, TrainedNetwork, labels, lightgbm, linear
from benchmarks.transfer_tasks import TABLES, Case, case, domain_rows
from netgraft.transfer import MEASURES, compare, sketch_of
from netgraft.transfer import Sample as Known

LEARNERS = ("linear", "lightgbm", "network")
SEEN_ROWS, SOURCES, FEWEST_SOURCES = 1_000, 6, 3
#: Twice the rows and half of them held out for the test leave a domain enough.
_ENOUGH = 2.5


def targets(table: str, rows: int) -> list[str]:
    """Return the domains of a table that have enough rows to be a target."""
    return [domain for domain, own in domain_rows(TABLES[table]).items() if own.height >= _ENOUGH * rows]


def run_target(table: str, domain: str, rows: int, draws: int, models: Models) -> Row:
    """Return gains and distances of each source of one target."""
    gains: dict[str, list[dict[str, float]]] = {learner: [] for learner in LEARNERS}
    distances: list[dict[str, list[float]]] = []
    spent: list[float] = []
    sources: list[str] = []
    for draw in range(draws):
        one = case(f"{table}/{domain}", rows=rows, seed=draw, sources=SOURCES)
        sources = list(one.sources)
        for learner, found in _gains(one, models, draw).items():
            gains[learner].append(found)
        started = time.process_time()
        distances.append({name: list(map(float, values)) for name, values in _distances(one, models, draw).items()})
        spent.append(time.process_time() - started)
    return {
        "sources": sources,
        "gains": {name: [float(np.median([d[s] for d in found])) for s in sources] for name, found in gains.items()},
        "distances": {name: np.median([found[name] for found in distances], axis=0).tolist() for name in MEASURES},
        "compare_s": round(float(np.median(spent)), 3),
    }


class Models:
    """The models of the sources of one table, trained once."""

    def __init__(self) -> None:
        self._trees: dict[str, SourceTrees] = {}
        self._networks: dict[str, TrainedNetwork] = {}

    def trees(self, one: Case, source: str) -> SourceTrees:
        """Return the LightGBM of a source."""
        if source not in self._trees:
            self._trees[source] = SourceTrees(one.source(source))
        return self._trees[source]

    def network(self, one: Case, source: str) -> TrainedNetwork:
        """Return the plain network of a source."""
        if source not in self._networks:
            table = TABLES[one.name.split("/")[0]]
            every = [frame.select(table.target).to_pandas() for frame in domain_rows(table).values()]
            classes = labels(one.sample, every)
            self._networks[source] = TrainedNetwork.of([one.sources[source]], one.sample, classes, 0)
        return self._networks[source]


def _gains(one: Case, models: Models, seed: int) -> dict[str, dict[str, float]]:
    """Return the gain of each source by learner; errors are 1 - R2 or 1 - accuracy."""
    sample = one.sample
    cold = {
        "linear": sample.score(linear(sample, seed).predict(sample.test)),
        "lightgbm": sample.score(lightgbm(sample, seed).predict(sample.test)),
    }
    found: dict[str, dict[str, float]] = {learner: {} for learner in LEARNERS}
    for source in one.sources:
        hinted, network = models.trees(one, source).hinted(sample), models.network(one, source)
        if "network" not in cold:
            cold["network"] = sample.score(network.fresh(sample, seed).predict(sample.test))
        scores = {
            "linear": sample.score(linear(hinted, seed).predict(hinted.test)),
            "lightgbm": sample.score(lightgbm(hinted, seed).predict(hinted.test)),
            "network": sample.score(network.tuned(sample, seed).predict(sample.test)),
        }
        for learner, score in scores.items():
            found[learner][source] = score - cold[learner]
    return found


def _distances(one: Case, models: Models, seed: int) -> dict[str, Any]:
    """Return the distance of each source by measure."""
    sample = one.sample
    rng = np.random.default_rng(seed)
    frames = [frame.iloc[np.sort(rng.permutation(len(frame))[:SEEN_ROWS])] for frame in one.sources.values()]
    pooled = pd.concat([*frames, sample.train], ignore_index=True)
    reader = Reader(pooled, sample.features, sample.categorical)
    known = [
        Known(x=reader(frame), y=_outcomes(frame, pooled, sample), sketch=_sketch(frame, sample)) for frame in frames
    ]
    sources = [
        Known(x=k.x, y=k.y, sketch=k.sketch, features=models.network(one, source).features(sample.train))
        for source, k in zip(one.sources, known, strict=True)
    ]
    target = Known(
        x=reader(sample.train), y=_outcomes(sample.train, pooled, sample), sketch=_sketch(sample.train, sample)
    )
    return compare(sources, target, seed=seed)


def _outcomes(frame: pd.DataFrame, pooled: pd.DataFrame, sample: Sample) -> np.ndarray:
    """Return the outcome standardised over all rows that are compared [n, 1], or one-hot classes [n, c]."""
    target = frame[sample.target]
    if sample.kind == "classification":
        classes = np.unique(pooled[sample.target].to_numpy().astype(str))
        return (target.to_numpy().astype(str)[:, None] == classes[None]).astype(np.float32)
    spread = float(pooled[sample.target].std(ddof=0)) or 1.0
    return ((target.to_numpy(np.float64) - pooled[sample.target].mean()) / spread).astype(np.float32)[:, None]


def _sketch(frame: pd.DataFrame, sample: Sample) -> np.ndarray:
    """Return the sketch of rows."""
    columns = {
        name: frame[name].fillna("").astype(str).to_numpy(object)
        if name in sample.categorical
        else frame[name].to_numpy(np.float32)
        for name in sample.features
    }
    outcome = frame[sample.target].to_numpy()
    return sketch_of(columns, outcome if sample.kind == "classification" else outcome.astype(np.float64), sample.kind)


def run(given: argparse.Namespace, raw: Raw) -> None:
    """Run every target of this shard that is not done; a table is of one shard."""
    shard, shards = map(int, given.shard.split("/"))
    for table in given.tables[shard::shards]:
        models = Models()
        for domain in targets(table, given.rows):
            cell = {"table": table, "domain": domain, "rows": given.rows, "draws": given.draws}
            if raw.has(**cell):
                continue
            started = time.process_time()
            result = run_target(table, domain, given.rows, given.draws, models)
            raw.add(cell | result | {"cpu_s": round(time.process_time() - started, 2)})
            print(f"{table}/{domain}: {time.process_time() - started:.1f} CPU-s", file=sys.stderr, flush=True)


def judged(rows: Sequence[Row], measure: str, learner: str) -> dict[str, list[float]]:
    """Return Spearman's and Kendall's correlation and the regret, one number per target."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        gains, near = np.array(row["gains"][learner]), -np.array(row["distances"][measure])
        if len(gains) < FEWEST_SOURCES or np.ptp(gains) == 0 or np.ptp(near) == 0:
            continue
        found["spearman"].append(float(spearmanr(near, gains).statistic))
        found["kendall"].append(float(kendalltau(near, gains).statistic))
        found["regret"].append(float((gains.max() - gains[near.argmax()]) / np.ptp(gains)))
        found["chance"].append(float((gains.max() - gains.mean()) / np.ptp(gains)))
    return found


def summary(rows: list[Row]) -> str:
    """Return the tables of the page."""
    used = [row for row in rows if len(row["sources"]) >= FEWEST_SOURCES]
    if not used:
        return "no target with enough sources"
    pairs = sum(len(row["sources"]) for row in used)
    seconds = np.median([row["compare_s"] for row in used])
    tables = len({row["table"] for row in used})
    parts = [
        f"{pairs} pairs of {len(used)} targets in {tables} tables. All measures of a target take {seconds:.1f} CPU-s.",
        "## All learners together: mean over targets and learners (standard error over targets)",
        _together(used),
    ]
    parts += ["## Spearman's correlation by learner: mean over targets", _by_learner(used)]
    parts += ["## Spearman's correlation by table: mean over targets and learners", _by_table(used)]
    parts += ["## How often a source helps: share of pairs with a gain above 0, and the median gain", _helps(used)]
    return "\n\n".join(parts)


def _together(rows: Sequence[Row]) -> str:
    """Return what each measure is worth."""
    lines = []
    chance: list[float] = []
    for measure in MEASURES:
        by_learner = [judged(rows, measure, learner) for learner in LEARNERS]
        joined = {name: [v for found in by_learner for v in found[name]] for name in ("spearman", "kendall", "regret")}
        chance = chance or [v for found in by_learner for v in found["chance"]]
        error = np.std(joined["spearman"], ddof=1) / np.sqrt(len(rows))
        lines.append(
            [
                measure,
                f"{np.mean(joined['spearman']):+.3f} ({error:.3f})",
                f"{np.mean(joined['kendall']):+.3f}",
                f"{np.mean(joined['regret']):.3f}",
                f"{np.mean(np.array(joined['regret']) == 0):.0%}",
            ]
        )
    lines.sort(key=lambda line: -float(line[1].split(" ")[0]))
    lines.append(["a random source", "0", "0", f"{np.mean(chance):.3f}", ""])
    return markdown_table(["measure", "Spearman", "Kendall", "regret", "nearest is best"], lines)


def _by_learner(rows: Sequence[Row]) -> str:
    lines = [
        [measure, *(f"{np.mean(judged(rows, measure, learner)['spearman']):+.3f}" for learner in LEARNERS)]
        for measure in MEASURES
    ]
    return markdown_table(["measure", *LEARNERS], lines)


def _by_table(rows: Sequence[Row]) -> str:
    tables = list(dict.fromkeys(row["table"] for row in rows))
    lines = []
    for measure in MEASURES:
        cells = []
        for table in tables:
            own = [row for row in rows if row["table"] == table]
            cells.append(np.mean([v for learner in LEARNERS for v in judged(own, measure, learner)["spearman"]]))
        lines.append([measure, *(f"{cell:+.2f}" for cell in cells)])
    heads = [f"{table} ({sum(row['table'] == table for row in rows)})" for table in tables]
    return markdown_table(["measure", *heads], lines)


def _helps(rows: Sequence[Row]) -> str:
    tables = list(dict.fromkeys(row["table"] for row in rows))
    lines = []
    for table in tables:
        cells = []
        for learner in LEARNERS:
            gains = np.array([gain for row in rows if row["table"] == table for gain in row["gains"][learner]])
            cells.append(f"{(gains > 0).mean():.0%}, {np.median(gains):+.3f}")
        lines.append([table, *cells])
    return markdown_table(["table", *LEARNERS], lines)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=3, help="of a target's rows")
    parser.add_argument("--rows", type=int, default=200, help="rows that targets have")
    parser.add_argument("--tables", help=f"comma-separated; default {','.join(TABLES)}")
    parser.add_argument("--shard", default="0/1", help="run only this share of the tables, such as 0/2")
    parser.add_argument("--quick", action="store_true", help="one draw, two tables; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    if given.quick:
        given = argparse.Namespace(**vars(given) | {"draws": 1, "tables": given.tables or "apps,covertype"})
    given.tables = given.tables.split(",") if given.tables else list(TABLES)
    torch.set_num_threads(1)
    raw = Raw("transfer_similarity", ("table", "domain", "rows", "draws"), quick=given.quick)
    if not given.report:
        run(given, raw)
    rows = [row for row in raw.rows() if row["rows"] == given.rows and row["draws"] == given.draws]
    text = summary([row for row in rows if row["table"] in given.tables])
    if given.report:
        page("transfer_similarity", "Similarity and the gain of a transfer", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
