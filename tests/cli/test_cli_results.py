"""What the verbs write and print for good input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cli_tables import QUICK, Searched, fault_table, without_times

from netgraft.cli import main


def json_of(capsys: pytest.CaptureFixture[str], words: list[str]) -> dict[str, object]:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_search_writes_the_folder(power: Searched) -> None:
    held = sorted(path.name for path in power.folder.iterdir())
    assert held == ["details.json", "front.json", "graft", "journal.db", "model", "report.html"]
    front = json.loads((power.folder / "front.json").read_text())
    assert front["format"] == 1
    assert front["evaluations"] == 3
    assert front["task"]["kind"] == "regression"
    assert front["task"]["rows"]["test"] == 60
    assert front["picked"] in {point["id"] for point in front["points"]}
    assert all(point["test"]["r2"] <= 1 for point in front["points"])
    assert {objective["name"] for objective in front["objectives"]} >= {"error", "size"}


def test_size_is_that_of_the_stored_tensors(power: Searched) -> None:
    from safetensors.numpy import load_file

    front = json.loads((power.folder / "front.json").read_text())
    for point in front["points"]:
        tensors = load_file(power.folder / "model" / f"{point['root']}.safetensors")
        assert sum(tensor.nbytes for tensor in tensors.values()) == point["values"]["size"]


def test_search_prints_the_front_and_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault_table(60).write_csv(tmp_path / "t.csv")
    assert main(["search", str(tmp_path / "t.csv"), "--target", "fault", *QUICK, "--out", str(tmp_path / "o")]) == 0
    out = capsys.readouterr().out
    assert "boosted trees" in out
    assert f"Report: {tmp_path / 'o' / 'report.html'}" in out


def test_search_prints_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault_table(60).write_csv(tmp_path / "t.csv")
    words = ["search", str(tmp_path / "t.csv"), "--target", "fault", *QUICK, "--out", str(tmp_path / "o")]
    printed = json_of(capsys, words)
    assert printed.pop("out") == str(tmp_path / "o")
    assert printed == json.loads((tmp_path / "o" / "front.json").read_text())


def test_default_folder_is_named_after_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault_table(60).write_csv(tmp_path / "cells.csv")
    monkeypatch.chdir(tmp_path)
    assert main(["search", "cells.csv", "--target", "fault", *QUICK]) == 0
    assert (tmp_path / "netgraft-cells" / "front.json").exists()


def test_evaluate_equals_the_test_metrics_of_the_search(power: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    front = json.loads((power.folder / "front.json").read_text())
    for point in front["points"]:
        printed = json_of(capsys, ["evaluate", str(power.folder), str(power.test), "--point", point["id"]])
        assert printed == {"metrics": pytest.approx(point["test"], rel=1e-6)}


def test_evaluate_prints_a_table(power: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(power.folder), str(power.test)]) == 0
    assert "r2" in capsys.readouterr().out


def test_evaluate_counts_a_label_training_never_saw_as_wrong(
    fault: Searched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = fault_table(40, seed=2).with_columns(fault=pl.lit("violet"))
    table.write_csv(tmp_path / "t.csv")
    printed = json_of(capsys, ["evaluate", str(fault.folder), str(tmp_path / "t.csv")])
    assert printed["metrics"]["accuracy"] == 0  # type: ignore[index]


def test_predict_prints_csv(power: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["predict", str(power.folder), str(power.test)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "prediction,prediction_low,prediction_high"
    assert len(lines) == 61
    for line in lines[1:]:
        middle, low, high = map(float, line.split(","))
        assert low < middle < high


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict_writes_by_the_ending(fault: Searched, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"p.{ending}"
    assert main(["predict", str(fault.folder), str(fault.test), "--out", str(out)]) == 0
    frame = pl.read_csv(out) if ending == "csv" else pl.read_parquet(out)
    assert frame.columns == ["prediction", "probability_blue", "probability_green", "probability_red"]
    assert frame.height == 60
    assert np.allclose(frame.drop("prediction").sum_horizontal(), 1, atol=1e-5)
    names = np.array(["blue", "green", "red"])
    assert frame["prediction"].to_list() == names[frame.drop("prediction").to_numpy().argmax(axis=1)].tolist()


def test_predict_needs_no_target_and_prints_json(
    fault: Searched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fault_table(5, seed=3).drop("fault").write_csv(tmp_path / "t.csv")
    printed = json_of(capsys, ["predict", str(fault.folder), str(tmp_path / "t.csv")])
    assert printed["rows"] == 5
    assert len(printed["predictions"]) == 5  # type: ignore[arg-type]


def test_limit_takes_the_best_point_within_it(power: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    front = json.loads((power.folder / "front.json").read_text())
    sizes = sorted(point["values"]["size"] for point in front["points"])
    able = [point for point in front["points"] if point["values"]["size"] <= sizes[1]]
    best = min(able, key=lambda point: point["values"]["error"])
    words = ["evaluate", str(power.folder), str(power.test)]
    assert json_of(capsys, [*words, "--limit", f"size<={sizes[1]}"]) == json_of(capsys, [*words, "--point", best["id"]])


def test_onnx_predicts_what_predict_says(fault: Searched, tmp_path: Path) -> None:
    import onnxruntime

    out = tmp_path / "model.onnx"
    assert main(["export", str(fault.folder), "--format", "onnx", "--out", str(out)]) == 0
    assert main(["predict", str(fault.folder), str(fault.test), "--out", str(tmp_path / "p.parquet")]) == 0
    session = onnxruntime.InferenceSession(out.read_bytes(), providers=["CPUExecutionProvider"])
    table, expected = pl.read_csv(fault.test), pl.read_parquet(tmp_path / "p.parquet")
    feeds = {
        each.name: table[each.name].to_numpy().astype(object if "string" in each.type else np.float32).reshape(-1, 1)
        for each in session.get_inputs()
    }
    label, probabilities = session.run(["prediction", "probabilities"], feeds)
    assert np.abs(probabilities - expected.drop("prediction").to_numpy()).max() < 1e-5
    assert label.reshape(-1).astype(str).tolist() == expected["prediction"].to_list()


def test_safetensors_export_has_the_size_of_the_point(
    power: Searched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.numpy import load_file

    front = json.loads((power.folder / "front.json").read_text())
    out = tmp_path / "weights"
    printed = json_of(capsys, ["export", str(power.folder), "--format", "safetensors", "--out", str(out)])
    (weights,) = out.glob("*.safetensors")
    picked = next(point for point in front["points"] if point["id"] == front["picked"])
    assert sum(tensor.nbytes for tensor in load_file(weights).values()) == picked["values"]["size"]
    assert printed == {
        "point": picked["id"], "format": "safetensors", "size": picked["values"]["size"], "out": str(out),
    }  # fmt: skip
    assert not list(tmp_path.glob(".*"))


def test_report_is_written_again(power: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    report = power.folder / "report.html"
    before = report.read_text()
    report.unlink()
    assert json_of(capsys, ["report", str(power.folder)]) == {"report": str(report)}
    assert report.read_text() == before
    assert "power" in before


def test_details_tell_groups_and_predictions(power: Searched, fault: Searched) -> None:
    told = json.loads((power.folder / "details.json").read_text())
    assert told["groups"]["column"] == "site"
    rows = told["groups"]["rows"]
    assert sum(row["rows"] for row in rows) == 60
    front = json.loads((power.folder / "front.json").read_text())
    picked = next(point for point in front["points"] if point["id"] == front["picked"])
    mean = sum(row["rows"] * row["error"] for row in rows) / 60
    assert mean == pytest.approx(picked["test"]["error"])
    assert len(told["predicted"]["true"]) == len(told["predicted"]["low"]) == 60
    assert 0 <= told["conformal"]["coverage_test"] <= 1
    assert told["counts"]["evaluations"] == 3
    told = json.loads((fault.folder / "details.json").read_text())
    assert np.sum(told["confusion"]["counts"]) == 150
    assert 0 <= told["calibration"]["ece_after"] <= 1


def test_two_processes_find_what_one_finds(power: Searched, tmp_path: Path) -> None:
    words = ["search", str(power.table), "--target", "power", "--test", str(power.test), "--group", "site", *QUICK]
    assert main([*words, "--jobs", "2", "--out", str(tmp_path / "o")]) == 0
    assert without_times(tmp_path / "o") == without_times(power.folder)


def test_another_seed_finds_something_else(power: Searched, tmp_path: Path) -> None:
    words = ["search", str(power.table), "--target", "power", "--test", str(power.test), "--group", "site", *QUICK]
    assert main([*words, "--seed", "7", "--out", str(tmp_path / "o")]) == 0
    assert without_times(tmp_path / "o")["points"] != without_times(power.folder)["points"]


def test_finished_search_is_resumed_without_work(power: Searched, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(power.folder, tmp_path / "o")
    words = ["search", str(power.table), "--target", "power", "--test", str(power.test), "--group", "site", *QUICK]
    assert main([*words, "--resume", "--out", str(tmp_path / "o")]) == 0
    assert without_times(tmp_path / "o") == without_times(power.folder)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_front_fits_the_terminal(
    power: Searched, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from netgraft.cli import output

    front = json.loads((power.folder / "front.json").read_text())
    monkeypatch.setattr(output, "_WIDE", width)
    output.print_front(front)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    assert ("energy" in "".join(lines)) == (width == 140)
