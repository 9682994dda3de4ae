"""The tables of the benchmarks: real public data, cut to a size, split as the data's own notes say is honest.

Every method is given the same train and test rows as pandas frames: numbers as they are, categories as text, missing
cells as NaN. Co-targets, identifiers and columns that the notes call leaks are left out for all. Targets with a heavy
tail (delays, bit rates) are learnt and judged as log(1 + y), as the notes advise, by all. The group column is there so
that a method can split its own training rows without leakage; it is no feature.

What is random (which rows are kept, which are test rows) follows from the seed. Tables come from the folder that the
environment variable ``NETGRAFT_DATA`` names, by default ``../shared/data`` beside the repository.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import polars as pl

Kind = Literal["regression", "classification"]
DATA = Path(os.environ.get("NETGRAFT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
ROWS = 20_000
_TEST_SHARE = 0.2
_GROUP, _SIDE = "__group", "__side"


@dataclass(frozen=True)
class Source:
    """One table of the benchmarks.

    Attributes:
        name: short.
        kind: of the task.
        target: the column to predict.
        load: returns features and target; with a column ``__group`` whole groups go to one side, with a column
            ``__side`` ("train", "test") the sides are given; else rows are drawn, stratified by class.
        split: how train and test differ, in words.
        networking: whether the table is of a communication network.
    """

    name: str
    kind: Kind
    target: str
    load: Callable[[], pl.DataFrame]
    split: str
    networking: bool


@dataclass(frozen=True)
class Sample:
    """Rows of a table as every method gets them.

    Attributes:
        name, kind, target: of the table.
        train, test: frames with the features, the target and, in ``train``, the group column if there is one.
        group: name of the group column, or None.
        categorical: features that are text.
    """

    name: str
    kind: Kind
    target: str
    train: pd.DataFrame
    test: pd.DataFrame
    group: str | None
    categorical: tuple[str, ...]

    @property
    def features(self) -> list[str]:
        """Return the names of the features."""
        return [name for name in self.test.columns if name != self.target]

    def score(self, predicted: np.ndarray) -> float:
        """Return R2 or accuracy on the test rows; predictions are in the target's unit or class labels."""
        true = self.test[self.target].to_numpy()
        if self.kind == "classification":
            return float(np.mean(true.astype(str) == np.asarray(predicted).astype(str)))
        true = true.astype(np.float64)
        return float(1 - ((true - np.asarray(predicted, np.float64)) ** 2).mean() / true.var())


def sample(source: Source, *, seed: int, rows: int = ROWS) -> Sample:
    """Return at most ``rows`` rows of a table, split into train and test."""
    frame = source.load()
    rng = np.random.default_rng([seed, *source.name.encode()])
    train, test = _sides(frame, source, rng, rows)
    text = [name for name, dtype in frame.schema.items() if dtype in (pl.String, pl.Categorical)]
    hidden = [name for name in (_GROUP, _SIDE) if name in frame.columns]
    categorical = tuple(name for name in text if name not in (*hidden, source.target))
    shown = frame.drop(hidden)
    parts = [shown[np.sort(part)].to_pandas() for part in (train, test)]
    for part in parts:
        for name in categorical:
            part[name] = part[name].astype(object)
        if source.kind == "classification":
            part[source.target] = part[source.target].astype(str).astype(object)
    if _GROUP in hidden:
        parts[0] = parts[0].assign(group=frame[np.sort(train)][_GROUP].to_list())
    group = "group" if _GROUP in hidden else None
    return Sample(source.name, source.kind, source.target, parts[0], parts[1], group, categorical)


def _sides(frame: pl.DataFrame, source: Source, rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers of train and test."""
    order = rng.permutation(frame.height)
    if _SIDE in frame.columns:
        is_test = (frame[_SIDE] == "test").to_numpy()
        test = order[is_test[order]][: int(_TEST_SHARE * rows)]
        train = order[~is_test[order]][: rows - len(test)]
        return train, test
    if _GROUP in frame.columns:
        groups = np.unique(frame[_GROUP].to_numpy(), return_inverse=True)[1]
        return _group_sides(groups, rng, rows)
    order = order[:rows]
    size = int(_TEST_SHARE * len(order))
    if source.kind == "regression":
        return order[size:], order[:size]
    classes = np.unique(frame[source.target].to_numpy(), return_inverse=True)[1][order]
    ranked = order[np.argsort(classes, kind="stable")]  # every fifth row of the rows sorted by class is a test row
    held = np.arange(len(ranked)) % round(1 / _TEST_SHARE) == 0
    return ranked[~held], ranked[held]


def _group_sides(groups: np.ndarray, rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return row numbers of whole groups: as many as fit, the first fifth of the rows for the test."""
    sizes = np.bincount(groups)
    order = rng.permutation(len(sizes))
    wanted = min(rows, len(groups))
    side = np.zeros(len(sizes), np.int64)
    total = 0
    for group in order:
        if total + sizes[group] > 1.02 * wanted:
            continue
        side[group] = 2 if total < _TEST_SHARE * wanted else 1
        total += sizes[group]
    return np.flatnonzero(side[groups] == 1), np.flatnonzero(side[groups] == 2)


def _read(path: str) -> pl.DataFrame:
    """Return a stored table."""
    return pl.read_parquet(DATA / path)


def _blocks(frame: pl.DataFrame, keys: Iterable[str], length: int) -> pl.DataFrame:
    """Return the frame with a group per block of consecutive steps of a run."""
    block = (pl.col("step") // length).cast(pl.String)
    return frame.with_columns(
        pl.concat_str([*(pl.col(key).cast(pl.String) for key in keys), block], separator="/").alias(_GROUP)
    )


def _log_ms(column: str) -> pl.Expr:
    """Return log(1 + milliseconds) of a column in seconds."""
    return (pl.col(column).cast(pl.Float64) * 1_000).log1p().alias("log_delay_ms")


def _energy() -> pl.DataFrame:
    frame = _read("itu_5g_energy/energy.parquet")
    return frame.with_columns(pl.col("BS").alias(_GROUP)).drop("BS", "Time")


def _mesh() -> pl.DataFrame:
    frame = _read("kth_service_mesh/cnsm2022_long.parquet")
    frame = frame.filter((pl.col("service") == "S1") & (pl.col("delay_path2") > 0))
    control = ["route_self", "route_other", "block_self", "block_other"]
    group = pl.concat_str([pl.col(name).cast(pl.String) for name in control], separator="/").alias(_GROUP)
    return frame.select(*control, "offered_self", "offered_other", _log_ms("delay_path2"), group)


def _scaling() -> pl.DataFrame:
    frame = _blocks(_read("kth_service_mesh/tnsm2024_scaling.parquet"), ["trace"], 30)
    return frame.select("max_l1", "l1", "p1", "b1", "c1", _log_ms("d1"), _GROUP)


def _boutique() -> pl.DataFrame:
    frame = _blocks(_read("kth_microservices/online_boutique_load_patterns.parquet"), ["trace"], 30)
    # the sum of the sidecars' request durations is the response time by another name
    hidden = ["trace", "step", "d", "d_std", "d_90", "d_99", "drops", "istio_request_duration_ms_sum"]
    return frame.with_columns(_log_ms("d")).drop(hidden)


def _apps() -> pl.DataFrame:
    frame = _blocks(_read("kth_microservices/four_apps.parquet"), ["app", "trace"], 30)
    return frame.with_columns(_log_ms("d")).drop("trace", "step", "d", "d_std", "d_90", "d_99", "drops")


def _tractor() -> pl.DataFrame:
    frame = _blocks(_read("tractor_oran/single_ue.parquet"), ["trial", "run"], 50)
    indicators = [name for name in frame.columns if name not in ("trial", "run", "traffic", "step", _GROUP)]
    # means over the last 8 reports (2 s) of the same block: single reports are weak
    means = [
        pl.col(name)
        .cast(pl.Float32)
        .rolling_mean(8, min_samples=1)
        .over(_GROUP, order_by="step")
        .alias(f"{name}_mean8")
        for name in indicators
    ]
    return frame.with_columns(means).drop("trial", "run", "step")


def _throughput() -> pl.DataFrame:
    frame = _read("ucc_5g_production/traces.parquet").filter(pl.col("State") == "D")
    kept = [
        "application",
        "mobility",
        "Speed",
        "NetworkMode",
        "RSRP",
        "RSRQ",
        "SNR",
        "CQI",
        "RSSI",
        "NRxRSRP",
        "NRxRSRQ",
    ]
    target = pl.col("DL_bitrate").cast(pl.Float64).log1p().alias("log_bitrate")
    lags = [
        pl.col("log_bitrate").shift(back).over("trace", order_by="step").alias(f"log_bitrate_lag{back}")
        for back in (1, 2, 3)
    ]
    radio = [
        pl.col(name).shift(1).over("trace", order_by="step").alias(f"{name}_lag1") for name in ("RSRP", "SNR", "CQI")
    ]
    return frame.with_columns(target).with_columns(lags + radio).select(
        *kept, *(f"log_bitrate_lag{back}" for back in (1, 2, 3)), "RSRP_lag1", "SNR_lag1", "CQI_lag1", "log_bitrate",
        pl.col("trace").alias(_GROUP),
    )  # fmt: skip


def _floors() -> pl.DataFrame:
    frame = _read("uji_indoorloc/fingerprints.parquet")
    heard = [name for name in frame.columns if name.startswith("WAP")]
    recoded = [
        pl.when(pl.col(name) == 100).then(-110).otherwise(pl.col(name)).cast(pl.Int16).alias(name) for name in heard
    ]
    side = pl.when(pl.col("split") == "train").then(pl.lit("train")).otherwise(pl.lit("test")).alias(_SIDE)
    return frame.select(*recoded, "FLOOR", side)


def _intrusion() -> pl.DataFrame:
    frame = _read("nsl_kdd/flows.parquet")
    side = pl.when(pl.col("split") == "test").then(pl.lit("test")).otherwise(pl.lit("train")).alias(_SIDE)
    return frame.with_columns(side).drop("attack", "difficulty", "split")


def _covertype() -> pl.DataFrame:
    frame = _read("covertype_ramp/covertype.parquet")
    return frame.with_columns(
        pl.format("w{}", "wilderness").alias("wilderness"), pl.format("s{}", "soil").alias("soil")
    )


def _generic(name: str, categorical: Iterable[str] = ()) -> Callable[[], pl.DataFrame]:
    """Return how to load a table of the PMLB folder; categories are codes there."""

    def load() -> pl.DataFrame:
        return _read(f"pmlb_generic/{name}.parquet").with_columns(
            pl.format("c{}", column).alias(column) for column in categorical
        )

    return load


_ADULT = ("workclass", "education", "marital-status", "occupation", "relationship", "race", "sex", "native-country")
_BLOCKS = "unseen blocks of 30 consecutive steps"
_ROWS = "random rows"

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source("itu_energy", "regression", "Energy", _energy, "unseen base stations", True),
        Source("kth_mesh", "regression", "log_delay_ms", _mesh, "unseen control tuples", True),
        Source("kth_scaling", "regression", "log_delay_ms", _scaling, _BLOCKS, True),
        Source("kth_boutique", "regression", "log_delay_ms", _boutique, _BLOCKS, True),
        Source("kth_apps", "regression", "log_delay_ms", _apps, _BLOCKS, True),
        Source("tractor", "classification", "traffic", _tractor, "unseen blocks of 12.5 s of known runs", True),
        Source("ucc", "regression", "log_bitrate", _throughput, "unseen traces", True),
        Source("uji", "classification", "FLOOR", _floors, "measured months later", True),
        Source(
            "nsl_kdd", "classification", "attack_class", _intrusion, "the given test set, with unseen attacks", True
        ),
        Source("covertype", "classification", "Cover_Type", _covertype, _ROWS, False),
        Source("adult", "classification", "target", _generic("adult", _ADULT), _ROWS, False),
        Source("letter", "classification", "target", _generic("letter"), _ROWS, False),
        Source("magic", "classification", "target", _generic("magic"), _ROWS, False),
        Source("houses", "regression", "target", _generic("houses_reg"), _ROWS, False),
        Source("house_16h", "regression", "target", _generic("house_16H_reg"), _ROWS, False),
        Source("pol", "regression", "target", _generic("pol_reg"), _ROWS, False),
    )
}


def named(names: str | None, default: Iterable[str]) -> list[Source]:
    """Return the sources of a comma-separated list of names, or the default ones.

    Raises:
        SystemExit: a name is unknown.
    """
    wanted = list(default) if names is None else [name.strip() for name in names.split(",")]
    unknown = [name for name in wanted if name not in SOURCES]
    if unknown:
        raise SystemExit(f"tables must be among {', '.join(SOURCES)}, got {', '.join(unknown)}")
    return [SOURCES[name] for name in wanted]
