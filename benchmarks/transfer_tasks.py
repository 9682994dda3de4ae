"""Tables with domains: a target is few rows of one domain, its sources are the other domains of the same table.

The tables are those of `benchmarks.tables`, cleaned as there, with a column that says which domain a row is of; that
column is no feature. Half of the rows of a target, in whole groups, are kept for the test, of which 4,000 at most are
used; the training rows are drawn at random from the other half, so that the 50 are among the 200 and these among the
1,000. A source is at most 4,000 rows of another domain, the same for every seed.

Phones (``uji``) hear the same places as other phones do: the target's phone was never where its test rows are from, but
a source's may have been. That is what a transfer between phones is for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.tables import DATA, SOURCES, Kind, Sample

ROWS = (50, 200, 1_000)
SOURCE_ROWS, TEST_ROWS, MOST_SOURCES = 4_000, 4_000, 4
DOMAIN, GROUP, _SIDE = "__domain", "__group", "__side"
_ENOUGH_ROWS = 300


@dataclass(frozen=True)
class Divided:
    """A table with domains.

    Attributes:
        name: short.
        kind: of the task.
        target: the column to predict.
        load: returns features, target, the domain and perhaps the group of each row.
        groups: what a group is, in words.
    """

    name: str
    kind: Kind
    target: str
    load: Callable[[], pl.DataFrame]
    groups: str


@dataclass(frozen=True)
class Case:
    """A target and its sources.

    Attributes:
        name: table and domain.
        domain: of the target.
        sample: the target's rows as every method gets them.
        sources: by domain, the one with most rows first: features, target and, if there is one, the group.
    """

    name: str
    domain: str
    sample: Sample
    sources: dict[str, pd.DataFrame]

    def source(self, domain: str) -> Sample:
        """Return a source as the train rows of a sample with the target's test rows."""
        sample = self.sample
        return Sample(
            domain, sample.kind, sample.target, self.sources[domain], sample.test, sample.group, sample.categorical
        )


def domain_rows(table: Divided) -> dict[str, pl.DataFrame]:
    """Return the rows of each domain that has enough of them, the one with most first."""
    frame = _loaded(table.name)
    counts = frame.group_by(DOMAIN).len().sort("len", DOMAIN, descending=[True, False])
    kept = counts.filter(pl.col("len") >= _ENOUGH_ROWS)[DOMAIN].to_list()
    return {domain: frame.filter(pl.col(DOMAIN) == domain).drop(DOMAIN) for domain in kept}


def case(target: str, *, rows: int, seed: int, sources: int = MOST_SOURCES) -> Case:
    """Return a target with so many training rows, and its sources.

    Args:
        target: name of a table and of a domain, such as ``energy/Type2``.
        rows: the target has for training.
        seed: of the split and the draw.
        sources: at most so many, those with most rows.
    """
    name, domain = target.split("/", 1)
    table = TABLES[name]
    by_domain = domain_rows(table)
    own = by_domain.pop(domain)
    rng = np.random.default_rng([seed, *target.encode()])
    train, test = _sides(own, rng)
    text = tuple(c for c, kind in own.schema.items() if kind == pl.String and c not in (GROUP, table.target))
    frames = [_pandas(own[part], table, text) for part in (train[:rows], test)]
    sample = Sample(
        target,
        table.kind,
        table.target,
        frames[0],
        frames[1].drop(columns="group", errors="ignore"),
        "group" if GROUP in own.columns else None,
        text,
    )
    chosen = list(by_domain)[:sources]
    return Case(target, domain, sample, {d: _pandas(source_rows(table, d, by_domain[d]), table, text) for d in chosen})


def source_rows(table: Divided, domain: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return at most `SOURCE_ROWS` rows of a domain, the same in every run."""
    order = np.random.default_rng([*table.name.encode(), *domain.encode()]).permutation(frame.height)
    return frame[np.sort(order[:SOURCE_ROWS])]


def _sides(frame: pl.DataFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of train rows in random order and of test rows; no group is in both."""
    names = frame[GROUP].to_numpy() if GROUP in frame.columns else np.arange(frame.height)
    groups = np.unique(names, return_inverse=True)[1]
    sizes = np.bincount(groups)
    order = rng.permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    held = np.isin(groups, order[before < frame.height / 2])
    train, test = rng.permutation(np.flatnonzero(~held)), rng.permutation(np.flatnonzero(held))
    return train, np.sort(test[:TEST_ROWS])


def _pandas(frame: pl.DataFrame, table: Divided, text: tuple[str, ...]) -> pd.DataFrame:
    """Return rows as pandas holds them: categories and classes as text, the group last."""
    made = frame.drop(GROUP, strict=False).to_pandas()
    for name in text:
        made[name] = made[name].astype(object)
    if table.kind == "classification":
        made[table.target] = made[table.target].astype(str).astype(object)
    return made if GROUP not in frame.columns else made.assign(group=frame[GROUP].to_list())


@cache
def _loaded(name: str) -> pl.DataFrame:
    return TABLES[name].load()


def _energy() -> pl.DataFrame:
    frame = SOURCES["itu_energy"].load().rename({"RUType": DOMAIN})
    few = frame.group_by(DOMAIN).agg(pl.col(GROUP).n_unique()).filter(pl.col(GROUP) < 30)[DOMAIN]
    return frame.filter(~pl.col(DOMAIN).is_in(few.implode()))


def _services() -> pl.DataFrame:
    """Return the rows of both services of the mesh, cleaned as ``kth_mesh`` is."""
    frame = pl.read_parquet(DATA / "kth_service_mesh/cnsm2022_long.parquet").filter(pl.col("delay_path2") > 0)
    control = ["route_self", "route_other", "block_self", "block_other"]
    group = pl.concat_str([pl.col(name).cast(pl.String) for name in control], separator="/").alias(GROUP)
    delay = (pl.col("delay_path2").cast(pl.Float64) * 1_000).log1p().alias("log_delay_ms")
    return frame.select(*control, "offered_self", "offered_other", delay, group, pl.col("service").alias(DOMAIN))


def _routes() -> pl.DataFrame:
    """Return the mesh with a domain for each service and routing weight."""
    route = pl.concat_str([DOMAIN, pl.col("route_self").cast(pl.String)], separator=" route ").alias(DOMAIN)
    return _services().with_columns(route).drop("route_self")


def _apps() -> pl.DataFrame:
    return SOURCES["kth_apps"].load().rename({"app": DOMAIN})


def _loads() -> pl.DataFrame:
    return SOURCES["kth_boutique"].load().with_columns(_first_of_group())


def _trials() -> pl.DataFrame:
    return SOURCES["tractor"].load().with_columns(_first_of_group())


def _first_of_group() -> pl.Expr:
    """Return what a group begins with: the trial or trace that its block is of."""
    return pl.col(GROUP).str.split("/").list.first().alias(DOMAIN)


def _drives() -> pl.DataFrame:
    domain = pl.concat_str(["application", "mobility"], separator=" ").alias(DOMAIN)
    return SOURCES["ucc"].load().with_columns(domain).drop("application", "mobility")


def _phones() -> pl.DataFrame:
    """Return the fingerprints with phones as domains and places as groups; without access points hardly ever heard."""
    stored = pl.read_parquet(DATA / "uji_indoorloc/fingerprints.parquet")
    heard = [name for name in stored.columns if name.startswith("WAP") and (stored[name] != 100).mean() >= 0.01]  # type: ignore[operator]
    place = [pl.col(name).cast(pl.String) for name in ("BUILDINGID", "SPACEID", "RELATIVEPOSITION")]
    about = stored.select(
        pl.format("phone {}", "PHONEID").alias(DOMAIN), pl.concat_str(place, separator="/").alias(GROUP)
    )
    return SOURCES["uji"].load().select(*heard, "FLOOR").hstack(about)


def _areas() -> pl.DataFrame:
    return SOURCES["covertype"].load().rename({"wilderness": DOMAIN})


_BLOCKS = "blocks of 30 consecutive steps"

TABLES: dict[str, Divided] = {
    table.name: table
    for table in (
        Divided("energy", "regression", "Energy", _energy, "base stations"),
        Divided("services", "regression", "log_delay_ms", _services, "control tuples"),
        Divided("apps", "regression", "log_delay_ms", _apps, _BLOCKS),
        Divided("tractor", "classification", "traffic", _trials, "blocks of 12.5 s"),
        Divided("ucc", "regression", "log_bitrate", _drives, "traces"),
        Divided("uji", "classification", "FLOOR", _phones, "places"),
        Divided("covertype", "classification", "Cover_Type", _areas, "single rows"),
        Divided("routes", "regression", "log_delay_ms", _routes, "control tuples"),
        Divided("loads", "regression", "log_delay_ms", _loads, _BLOCKS),
    )
}

#: Ordered so that the first few are of several tables.
TARGETS = (
    "energy/Type2",
    "services/S2",
    "apps/hipster_shop",
    "tractor/Trial3",
    "ucc/netflix driving",
    "covertype/w4",
    "energy/Type5",
    "uji/phone 13",
    "services/S1",
    "apps/online_boutique",
    "tractor/Trial2",
    "ucc/download driving",
    "covertype/w3",
    "energy/Type3",
    "energy/Type6",
    "tractor/Trial1",
    "uji/phone 14",
)


def targets_named(names: str | None, default: tuple[str, ...] = TARGETS) -> list[str]:
    """Return the targets of a comma-separated list of names, or the default ones.

    Raises:
        SystemExit: a name is unknown.
    """
    wanted = list(default) if names is None else [name.strip() for name in names.split(",")]
    unknown = [name for name in wanted if name not in TARGETS]
    if unknown:
        raise SystemExit(f"targets must be among {', '.join(TARGETS)}, got {', '.join(unknown)}")
    return wanted
