"""The numbers of docs/slicing-study.md are those of its raw file, its example runs, and its links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from small_studies import Finished

from netgraft.lifecycle.slicing.library import KIND
from netgraft.ran import preset

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "slicing-study.md").read_text()
RAW = json.loads((DOCS / "results" / "raw" / "slicing_study_runs.json").read_text())


def test_the_tables_are_those_of_the_raw_file() -> None:
    digits = {"reward": 3, "satisfaction": 3, "below_0.95": 3, "delay_ms": 2}
    for name, told in RAW["seeds 0 to 2"]["methods"].items():
        cells = [
            f"{told[key]['mean']:.{n}f} ({told[key]['low']:.{n}f} to {told[key]['high']:.{n}f})"
            for key, n in digits.items()
        ]
        assert f"| `{name}` | {' | '.join(cells)} |" in PAGE
    for check in RAW["seeds 0 to 2"]["checks"]:
        assert f"| {check['name']} | {'holds' if check['holds'] else '**does not hold**'} |" in PAGE


def test_the_raw_file_is_of_the_preset() -> None:
    for run in RAW.values():
        assert run["scenario"] == json.loads(json.dumps(preset("paper").payload()))


def test_the_example_runs(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "study").symlink_to(finished.out)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(block, "slicing-study.md", "exec"), names)  # noqa: S102
    assert names["library"].list(kind=KIND)  # type: ignore[attr-defined]


def test_every_key_of_the_results_is_described(finished: Finished) -> None:
    described = set(re.findall(r"`([a-z_]+)`", PAGE[PAGE.index("## `results.json`") :]))
    assert set(finished.results) <= described


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https)([^)#]+)", PAGE):
        assert (DOCS / target).exists(), target
