from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_studies import QUICK, SMALL, Finished, without_seconds

from netgraft.agents import Policy
from netgraft.errors import JournalError, ModelError, NetgraftError, OutputError, SettingError
from netgraft.lifecycle.engines import LocalEngine
from netgraft.lifecycle.slicing import study as study_module
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.lifecycle.slicing.study import RESULTS, SEEDS, STUDY, policy_file, run_study
from netgraft.ran import Scenario, preset

NAMES = {
    "equal", "proportional", "causal", "oracle", "drl", "drl_4000", "tl_similar", "tl_dissimilar", "tl_model",
    "tl_feature", "tl_instance", "tl_generalist", "new_cell_cold", "new_cell_similar", "new_cell_dissimilar",
}  # fmt: skip


def held(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / RESULTS).read_text()))


def test_what_a_folder_holds(finished: Finished) -> None:
    names = {path.name for path in finished.out.iterdir()}
    assert names == {"policies", "report.html", "results.json", "seeds", "study.json"}
    assert held(finished.out) == json.loads(json.dumps(finished.results))
    assert "<html" in (finished.out / "report.html").read_text()


def test_the_results_have_every_method_with_an_interval(finished: Finished) -> None:
    methods = finished.results["methods"]
    assert set(methods) == NAMES
    for told in methods.values():
        assert set(told) == {"reward", "satisfaction", "below_0.95", "delay_ms"}
        for each in told.values():
            assert each["low"] <= each["mean"] <= each["high"]


def test_the_results_have_the_figures(finished: Finished) -> None:
    found, cells = finished.results, SMALL.cells
    assert (found["format"], found["seeds"], found["updates_per_step"]) == (1, [0, 1], 1)
    assert Scenario.from_payload(found["scenario"]) == SMALL
    assert set(found["paper"]) == {"proportional", "drl", "tl_similar"}
    assert len(found["masks"]["values"]) == 200
    for told in found["similarity"].values():
        if isinstance(told, dict):
            assert np.shape(told["matrix"]) == (cells, cells)
            assert len(told["nearest"]) == cells
    assert found["similarity"]["chosen"] == "energy"
    assert len(found["gain"]["steps"]) == len(found["gain"]["similar"]) == len(found["gain"]["dissimilar"])
    assert len(found["gain"]["points"]) == 4 * 2
    assert set(found["gain"]["points"][0]["gain"]) == {"200", "1000", "4000"}
    assert set(found["ccdf"]) == {"satisfaction", "delay_ms"}
    assert set(found["network"]["frames"]) == {"proportional", "drl", "tl_similar"}
    assert np.shape(found["network"]["frames"]["drl"]["users"]) == (QUICK.evaluation_steps, cells)
    assert [cell["group"] for cell in found["network"]["cells"]] == SMALL.group_of_cell.tolist()
    assert found["curves"]["drl"]["step"][-1] == QUICK.explore_steps + QUICK.train_steps
    assert found["curves"]["tl_similar"]["step"][-1] == QUICK.transfer_steps


def test_policies_act_as_they_were_evaluated(finished: Finished) -> None:
    policy = Policy.load(finished.out / "policies" / policy_file("tl_similar", 1, 5))
    assert policy.act(np.zeros(16)).sum() == pytest.approx(1)
    assert len(list((finished.out / "policies").iterdir())) == 2 * 2 * SMALL.cells


def test_an_interrupted_study_goes_on_to_the_same_results(finished: Finished, out: Path) -> None:
    shutil.copytree(finished.out, out)
    for left in ("results.json", "report.html", f"{SEEDS}/0/tl_model.safetensors", f"{SEEDS}/1/drl.safetensors"):
        (out / left).unlink()
    again = run_study(out, SMALL, finished.settings, seeds=(0, 1), resume=True)
    assert without_seconds(again) == without_seconds(finished.results)
    for stage in ("drl", "tl_model"):
        for seed in (0, 1):
            before, after = (
                SeedWork(at / SEEDS / str(seed), SMALL, QUICK, seed).read(stage) for at in (finished.out, out)
            )
            for name, tensor in before.items():
                np.testing.assert_array_equal(after[name], tensor)


def test_a_study_may_go_on_with_other_seeds(finished: Finished, out: Path) -> None:
    shutil.copytree(finished.out, out)
    assert run_study(out, SMALL, finished.settings, seeds=(1,), resume=True)["seeds"] == [1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    [
        "local",
        pytest.param("ray", marks=pytest.mark.skipif(find_spec("ray") is None, reason="needs ray")),
    ],
)
def test_other_processes_come_to_the_same_results(finished: Finished, out: Path, engine: str) -> None:
    found = run_study(out, SMALL, finished.settings, seeds=(0, 1), jobs=2, engine=engine)
    assert without_seconds(found) == without_seconds(finished.results)


def test_progress_is_told(finished: Finished) -> None:
    told: list[tuple[str, float]] = []
    run_study(
        finished.out,
        SMALL,
        finished.settings,
        seeds=(0, 1),
        resume=True,
        on_progress=lambda text, share: told.append((text, share)),
    )
    assert told[-1] == ("stages of before", 1.0)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no jobs": ({"jobs": 0}, "jobs must be >= 1, got 0"),
    "no seed": ({"seeds": ()}, r"seeds must be different whole numbers >= 0, at least one, got \[\]"),
    "negative seed": ({"seeds": (-1,)}, r"seeds must be .*, got \[-1\]"),
    "seed twice": ({"seeds": (1, 1)}, r"seeds must be .*, got \[1, 1\]"),
    "unknown engine": ({"engine": "cluster"}, "an engine must be one of local, ray, got 'cluster'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_are_refused_before_anything_is_written(case: str, out: Path) -> None:
    settings, text = REFUSED[case]
    with pytest.raises(SettingError, match=text):
        run_study(out, SMALL, QUICK, **settings)
    assert not out.exists()


def test_a_network_of_two_cells_is_too_small(out: Path) -> None:
    small = preset("three")
    groups = (replace(small.groups[0], cells=(0, 1)),)
    with pytest.raises(SettingError, match="a study requires at least 3 cells, got 2"):
        run_study(out, replace(small, sectors=2, groups=groups), QUICK)


def test_folders_that_are_refused(finished: Finished, out: Path) -> None:
    with pytest.raises(OutputError, match=r"a new or empty folder is required, got .* --resume goes on with it"):
        run_study(finished.out, SMALL, finished.settings, seeds=(0, 1))
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"a folder with a study.json is required to resume, got .* without one"):
        run_study(out, SMALL, QUICK, resume=True)
    with pytest.raises(OutputError, match=r"a new or empty folder is required, got .* with 'mine.txt' in it"):
        run_study(out, SMALL, QUICK)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_another_study_does_not_go_on(finished: Finished, out: Path) -> None:
    with pytest.raises(JournalError, match=r"must be the same to go on, got another train_steps$"):
        run_study(finished.out, SMALL, replace(finished.settings, train_steps=41), resume=True)
    with pytest.raises(JournalError, match=r"must be the same to go on, got another overhead$"):
        run_study(finished.out, replace(SMALL, overhead=0.5), finished.settings, resume=True)
    out.mkdir()
    (out / STUDY).write_text("{")
    with pytest.raises(JournalError, match=r"study.json must be the record of a study, got one that cannot be read"):
        run_study(out, SMALL, QUICK, resume=True)


def test_a_damaged_stage_is_told(finished: Finished, out: Path) -> None:
    shutil.copytree(finished.out, out)
    path = out / SEEDS / "0" / "tl_model.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ModelError, match="a netgraft-slicing-stage file is required, got one that cannot be read"):
        run_study(out, SMALL, finished.settings, seeds=(0, 1), resume=True)


def stopped(job: object) -> str:
    raise KeyboardInterrupt


def test_a_study_that_is_stopped_at_once_leaves_nothing(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_module, "do_stage", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_study(out, SMALL, QUICK)
    assert not out.exists()


def test_a_study_that_is_stopped_later_keeps_its_stages(
    finished: Finished, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished.out, out)
    (out / SEEDS / "0" / "tl_model.safetensors").unlink()
    monkeypatch.setattr(study_module, "do_stage", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_study(out, SMALL, finished.settings, seeds=(0, 1), resume=True)
    assert (out / SEEDS / "0" / "drl.safetensors").exists()


def test_a_lost_process_is_told(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(engine: LocalEngine, call: object, items: Any) -> Any:
        yield from ((item, None) for item in items)

    monkeypatch.setattr(LocalEngine, "run", lost)
    with pytest.raises(
        NetgraftError, match="got one that ended in drl of seed 0: there may have been too little memory"
    ):
        run_study(out, SMALL, QUICK)
    assert not out.exists()
