"""A published model that real devices may have today, and a real server of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import polars as pl

sys.path.append(str(Path(__file__).parents[1] / "service"))
sys.path.append(str(Path(__file__).parents[1] / "delivery"))

from delivery_examples import KEY
from device_fakes import energy
from service_examples import Running, publish, running, settings, trust_bytes

from netgraft.delivery.coding.build import Built
from netgraft.delivery.offering.published import Published
from netgraft.tables import InputColumn, Schema

COLUMNS = (
    *(InputColumn(f"x{j}", "numeric") for j in range(5)),
    *(InputColumn(f"w{j}", "categorical") for j in range(2)),
)
SCHEMA = Schema(COLUMNS, "energy", "classification", tuple(f"class {i}" for i in range(3)))


@cache
def today(version: int) -> Built:
    """Return a version of the small model that has not expired and says how its table is read."""
    built = energy(version)
    now_s = int(time.time())
    about = {"target": "energy", "metric": "accuracy", "schema": SCHEMA.to_json()}
    # deltas name the parent's head, which is another one here
    head = replace(built.head, published_s=now_s, expires_s=now_s + 86_400, about=about, deltas=(), parent=None)
    named = {row.sha256 for row in head.chunks}
    return replace(built, head=head, chunks={name: data for name, data in built.chunks.items() if name in named})


def offer(folder: Path, version: int) -> None:
    """Publish a version in a folder that is served."""
    Published(str(folder / "published")).add(today(version).pack([KEY]), today(version).chunks)


@contextmanager
def serving(folder: Path, *versions: int) -> Iterator[Running]:
    """Serve some versions of the model ``energy``."""
    publish(folder / "unused")
    place = folder / "served"
    published = Published(str(place / "published"))
    published.put_trust(trust_bytes())
    for version in versions:
        offer(place, version)
    (place / "online.key").write_bytes((folder / "unused" / "online.key").read_bytes())
    with running(settings(place)) as server:
        yield server


def rows_table(rows: int = 4) -> pl.DataFrame:
    """Return rows for the model."""
    numbers = {f"x{j}": [0.1 * i * (j + 1) for i in range(rows)] for j in range(5)}
    return pl.DataFrame(numbers | {"w0": ["a", "b", "c", "a"][:rows], "w1": ["b", "a", "b", None][:rows]})


__all__ = [name for name in dir() if not name.startswith("_")]
