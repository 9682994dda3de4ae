"""The example with Stable-Baselines3 runs."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed")
EXAMPLE = Path(__file__).parents[2] / "examples" / "stable_baselines3_cell.py"


def test_their_td3_trains_on_our_cell(capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(EXAMPLE))["main"]
    equal, learned = main(["--steps", "120", "--explore-steps", "60"])
    assert 0 < equal <= 1
    assert 0 < learned <= 1
    assert f"{equal:.3f} with equal shares, {learned:.3f} with TD3" in capsys.readouterr().out
