"""An entry of a library becomes what devices download: measured on its own rows, signed, and cheap to update."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import OpenedHead, unpack_head
from netgraft.delivery.offering.published import Published
from netgraft.delivery.trust.accepting import SigningKey, newest_trust
from netgraft.errors import SettingError, TableError, TrustError
from netgraft.library import Library
from netgraft.lifecycle.job import search_into
from netgraft.lifecycle.publishing import DeliveryRecipe, key_folder, publish
from netgraft.lifecycle.search import SearchSettings
from netgraft.lifecycle.shelf import add_to_library
from netgraft.tables import Task

QUICK = SearchSettings(evaluations=2, settings={"depth": "1", "width_1": "8,16", "members": "1"})
SHORT = DeliveryRecipe(seconds=60, steps=250, widths=(4, 8, 16), depth=2)


def waves(rows: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (rows, 3))
    mode = rng.choice(["on", "off"], rows)
    y = np.sin(2 * x[:, 0]) + (x[:, 1] > 0.5) + (mode == "on")
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "mode": mode, "y": y + rng.normal(0, 0.05, rows)})


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a library and the table that was searched."""
    folder = tmp_path_factory.mktemp("shelf")
    waves(800, 0).write_parquet(folder / "waves.parquet")
    search_into(folder / "out", lambda: Task.read(folder / "waves.parquet", target="y"), QUICK)
    library = Library.init(folder / "library")
    add_to_library(library, folder / "out", "site 7", licence="CC-BY-4.0")
    add_to_library(library, folder / "out", "kept", keep_rows=500)
    return folder


def opened(library: Library, name: str, version: int | None = None) -> tuple[OpenedHead, Assembly]:
    """Return a published version, its signatures checked by the trust document, with all its chunks."""
    published = Published.of(library)
    trust = newest_trust(published.trust())
    head = unpack_head(published.head(name, version), lambda message, signed: trust.check("publisher", message, signed))
    assembly = Assembly(head)
    for at, row in enumerate(head.head.chunks):
        data = published.chunk(row.sha256)
        assert data is not None
        assembly.add(at, data)
    return head, assembly


def test_what_is_published_predicts_as_well_as_its_table_says(shelf: Path) -> None:
    library = Library(shelf / "library")
    made = publish(library, "site 7", recipe=SHORT, clock=lambda: 1_000_000.0)
    head, assembly = opened(library, "site 7")
    assert (head.head.version, head.head.licence, head.head.published_s) == (1, "CC-BY-4.0", 1_000_000)
    chain = [cut for cut in head.head.cuts if cut.chain]
    assert [cut.bytes for cut in chain] == sorted(cut.bytes for cut in chain)
    assert chain[-1].accuracy > 0.8
    fresh = waves(400, 9)
    raw = {name: fresh[name].to_numpy().astype(np.float32) for name in "abc"}
    raw["mode"] = np.array(fresh["mode"].to_list(), object)
    y = fresh["y"].to_numpy()
    for cut in chain:
        values = assembly.model(cut).predict(raw).values
        r2 = 1 - ((values - y) ** 2).mean() / y.var()
        assert abs(r2 - cut.accuracy) < 0.1
        assert cut.low <= cut.accuracy <= cut.high
    assert made.to_json()["cuts"][0]["bytes"] == head.head.cuts[0].bytes
    assert made.head_bytes < made.head.full_bytes


def test_a_further_version_keeps_the_grid_and_is_cheap_to_update(shelf: Path) -> None:
    library = Library(shelf / "library")
    first = publish(library, "kept", recipe=SHORT)
    other = shelf / "drifted.parquet"
    waves(800, 5).with_columns(pl.col("y") + 0.2 * pl.col("c")).write_parquet(other)
    second = publish(library, "kept", recipe=SHORT, table=other)
    assert second.head.version == 2
    assert second.head.parent == first.sha256
    assert second.head.grid.step == first.head.grid.step
    _, before = opened(library, "kept", 1)
    head, after = opened(library, "kept", 2)
    published = Published.of(library)
    assert head.head.deltas
    for at, delta in enumerate(head.head.deltas):
        updated = Assembly(head)
        data = [published.chunk(row.sha256) or b"" for row in delta.chunks]
        updated.add_delta(at, before, data)
        cut = head.head.cut(delta.cut)
        for name, value in updated.tensors(cut).items():
            np.testing.assert_array_equal(value, after.tensors(cut)[name])
        assert delta.bytes < cut.bytes
    third = publish(library, "kept", recipe=SHORT, fresh=True)
    assert third.head.parent is None


def test_nothing_new_is_no_new_version_and_a_lost_key_is_not_replaced(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netgraft.lifecycle.publishing.delivery_root._AGAIN_RATE", 1e-12)
    library = Library(shelf / "library")
    first = publish(library, "kept", recipe=SHORT, fresh=True)
    again = publish(library, "kept", recipe=replace(SHORT, steps=1))
    assert not again.is_new
    assert (again.head.version, again.sha256) == (first.head.version, first.sha256)
    assert again.before == pytest.approx(again.accuracy)
    key = key_folder(library) / "publisher.key"
    key.rename(tmp_path / "aside")
    with pytest.raises(
        TrustError, match=r"the key that signed what is published is required, got no file .*name it by --key"
    ):
        publish(library, "kept", recipe=SHORT)
    (tmp_path / "aside").rename(key)


def test_kept_rows_are_enough_and_no_rows_are_an_error(shelf: Path, tmp_path: Path) -> None:
    library = Library(shelf / "library")
    aside = tmp_path / "aside.parquet"
    table = (shelf / "waves.parquet").rename(aside)
    try:
        assert publish(library, "kept", recipe=SHORT, fresh=True).head.cuts
        with pytest.raises(TableError, match=r"rows are required .* got none: .*waves.parquet is gone; give the table"):
            publish(library, "site 7", recipe=SHORT)
        assert publish(library, "site 7", recipe=SHORT, table=table, fresh=True).head.version >= 1
    finally:
        aside.rename(shelf / "waves.parquet")


def test_keys_are_made_once_and_others_are_refused(shelf: Path, tmp_path: Path) -> None:
    library = Library(shelf / "library")
    publish(library, "site 7", recipe=SHORT)
    folder = key_folder(library)
    assert {path.name for path in folder.iterdir()} == {
        f"{n}.key{s}" for n in ("publisher", "online") for s in ("", ".pub")
    }
    assert (folder / "publisher.key").stat().st_mode & 0o777 == 0o600
    SigningKey.new().write(tmp_path / "other")
    with pytest.raises(TrustError, match=r"1 key\(s\) of the publisher of .* are required, got 0 that count"):
        publish(library, "site 7", recipe=SHORT, keys=[tmp_path / "other"])


def test_settings_are_checked_first(shelf: Path) -> None:
    library = Library(shelf / "library")
    with pytest.raises(SettingError, match="days until a head expires must be > 0 and <= 36500, got 0"):
        publish(library, "site 7", days=0)
    with pytest.raises(
        SettingError, match="an entry must be one of kept, site 7, got 'site 8'; the nearest is 'site 7'"
    ):
        publish(library, "site 8")


def test_classes_that_differ_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    table = pl.DataFrame(
        {"x": x, "z": rng.normal(size=400), "y": np.where(x > 0.5, "high", np.where(x > -0.5, "mid", "low"))}
    )
    table.write_csv(tmp_path / "three.csv")
    search_into(tmp_path / "out", lambda: Task.read(tmp_path / "three.csv", target="y"), QUICK)
    library = Library.init(tmp_path / "library")
    add_to_library(library, tmp_path / "out", "levels")
    made = publish(library, "levels", recipe=SHORT)
    assert max(cut.accuracy for cut in made.head.cuts) > 0.8
    table.filter(pl.col("y") != "low").write_csv(tmp_path / "two.csv")
    with pytest.raises(TableError, match="rows of the classes 'high', 'low', 'mid' are required, got 'high', 'mid'"):
        publish(library, "levels", recipe=SHORT, table=tmp_path / "two.csv")
