"""The folder of a search: claimed, released, written whole, opened again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from netgraft.errors import LimitError, ModelError, OutputError, SettingError
from netgraft.lifecycle.demo import free_folder
from netgraft.lifecycle.folder import choose_point, claim, default_folder, load_point, open_details, open_front
from netgraft.lifecycle.interrupts import postponed, undisturbed
from netgraft.lifecycle.job import check_engine, check_settings
from netgraft.lifecycle.predict import check_ending, predicted_frame, schema_of, write_frame
from netgraft.lifecycle.search import SearchSettings
from netgraft.runtime import Column, Encoding, Model, Output, Trees
from netgraft.units import Limit


def stump(**output: Any) -> Model:
    """Return one tree with one leaf that says 1 whatever comes."""
    numbers = np.array([0.0], np.float32)
    encoding = Encoding((Column("a", "numeric"),), numbers, numbers + 1, numbers - 1, numbers + 1)
    outputs = Output(**{"kind": "regression", **output})
    arrays = {
        "root": np.zeros(outputs.outputs, np.int32), "feature": np.array([-1], np.int16),
        "value": np.ones(1, np.float32), "left": np.zeros(1, np.int32), "order": np.zeros(0, np.float32),
    }  # fmt: skip
    return Model(encoding, (Trees((), outputs.outputs, arrays),), np.ones(1, np.float32), outputs)


def front(*errors: float) -> dict[str, Any]:
    points = [
        {"id": f"n{i}", "family": "network", "root": f"n{i}", "values": {"error": error, "size": 100.0 * (i + 1)}}
        for i, error in enumerate(errors)
    ]
    return {"format": 1, "points": points, "picked": points[-1]["id"] if points else None}


def test_claim_makes_folders_and_release_removes_them(tmp_path: Path) -> None:
    claimed = claim(tmp_path / "a" / "b", resume=False)
    claimed.journal.write_bytes(b"x")
    assert claimed.path.is_dir()
    claimed.release()
    assert list(tmp_path.iterdir()) == []


def test_release_keeps_what_others_put_there(tmp_path: Path) -> None:
    claimed = claim(tmp_path / "a", resume=False)
    (claimed.path / "mine").write_text("")
    claimed.release()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["mine"]


def test_release_keeps_a_resumed_folder(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"x")
    claim(tmp_path, resume=True).release()
    assert (tmp_path / "journal.db").exists()


def test_write_replaces_an_earlier_result(tmp_path: Path) -> None:
    claimed = claim(tmp_path / "a", resume=False)
    claimed.write(front(0.3, 0.2), {"notes": ["first"]}, {"n0": stump(), "n1": stump()}, {"origin.json": b"{}"})
    claimed.write(front(0.3), {"notes": ["second"]}, {"n0": stump()}, {})
    assert open_details(claimed.path) == {"notes": ["second"]}
    assert sorted(path.name for path in (claimed.path / "model").iterdir()) == [
        "manifest.json", "n0.json", "n0.safetensors",
    ]  # fmt: skip
    assert load_point(claimed.path).predict({"a": np.zeros(3, np.float32)}).values.tolist() == [1, 1, 1]
    assert sorted(path.name for path in claimed.path.iterdir()) == [
        "details.json", "front.json", "model", "report.html",
    ]  # fmt: skip


def test_write_that_fails_leaves_the_earlier_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from netgraft.lifecycle import folder

    claimed = claim(tmp_path / "a", resume=False)
    claimed.write(front(0.3), {}, {"n0": stump()}, {})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "save", full)
    with pytest.raises(OutputError, match=r"a folder that can be written is required, got .*: No space left on device"):
        claimed.write(front(0.2), {}, {"n0": stump()}, {})
    assert open_front(claimed.path)["points"][0]["values"]["error"] == 0.3


def test_choose_point() -> None:
    several = front(0.3, 0.1, 0.2)
    assert choose_point(several)["id"] == "n2"
    assert choose_point(several, "n0")["id"] == "n0"
    assert choose_point(several, limits=[Limit("size", 250.0)])["id"] == "n1"
    with pytest.raises(SettingError, match="a point must be one of n0, n1, n2, got 'n9'"):
        choose_point(several, "n9")
    with pytest.raises(LimitError, match="a point with size<=50 B is required, got none: the closest is n0 with size"):
        choose_point(several, limits=[Limit("size", 50.0)])
    with pytest.raises(SettingError, match="a point or limits are required, got both 'n0' and size<=50 B"):
        choose_point(several, "n0", [Limit("size", 50.0)])


def test_details_may_be_absent(tmp_path: Path) -> None:
    assert open_details(tmp_path) == {}


def test_default_folder() -> None:
    assert default_folder("data/energy.csv.gz") == Path("netgraft-energy")
    assert default_folder(".csv") == Path("netgraft-table")


def test_predictions_of_truth_values_and_numbers() -> None:
    cells = {"a": np.zeros(2, np.float32)}
    found = predicted_frame(stump(kind="classification", classes=(False, True)), cells)
    assert found.columns == ["prediction", "probability_false", "probability_true"]
    assert found["prediction"].dtype == pl.Boolean
    assert predicted_frame(stump(), cells).columns == ["prediction"]
    found = predicted_frame(stump(interval=0.5), cells)
    assert found.row(0) == (1.0, 0.5, 1.5)


def test_model_that_does_not_say_how_its_table_is_read() -> None:
    with pytest.raises(ModelError, match="a model must say how its table is read, got none"):
        schema_of(stump())
    plain = replace(stump(), about={"target": "y"})
    assert [(column.name, column.kind) for column in schema_of(plain).inputs] == [("a", "numeric")]
    assert (schema_of(plain).target, schema_of(plain).kind) == ("y", "regression")


def test_frames_are_written_by_the_ending(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": [1, 2]})
    write_frame(tmp_path / "t.csv", table)
    write_frame(tmp_path / "t.parquet", table)
    assert pl.read_csv(tmp_path / "t.csv").equals(pl.read_parquet(tmp_path / "t.parquet"))
    with pytest.raises(OutputError, match=r"a file ending in .csv or .parquet is required, got t.json"):
        check_ending(Path("t.json"))


def test_settings_are_checked_before_any_work() -> None:
    check_settings(SearchSettings(device="raspberry-pi-4", settings={"depth": "1,2", "memory": "1GB"}))
    with pytest.raises(SettingError, match=r"a setting must be one of .* got 'wdth_1'; the nearest is 'width_1'"):
        check_settings(SearchSettings(settings={"wdth_1": "4"}))
    with pytest.raises(SettingError, match="an engine must be one of local, ray, got"):
        check_engine("cluster")


def test_signals_wait_until_a_result_is_written() -> None:
    with undisturbed():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_signal_takes_effect_when_two_records_are_written() -> None:
    written = []

    @postponed()
    def write() -> None:
        written.append("journal")
        signal.raise_signal(signal.SIGINT)
        written.append("archive")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert written == ["journal", "archive"]
    with postponed():
        pass


def test_demo_takes_a_free_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert free_folder() == Path("netgraft-demo")
    Path("netgraft-demo").mkdir()
    assert free_folder() == Path("netgraft-demo-2")


def test_front_that_no_search_wrote(tmp_path: Path) -> None:
    (tmp_path / "front.json").write_text(json.dumps({"format": 3}))
    with pytest.raises(ModelError, match="must be of format 1, got 3"):
        open_front(tmp_path)


@pytest.mark.parametrize("name", ["folder", "predict"])
def test_what_only_predicts_never_loads_what_trains(name: str) -> None:
    code = f"import sys, netgraft.lifecycle.{name}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
