"""scikit-learn's own checks, all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from estimator_settings import SMALLEST
from sklearn.utils.estimator_checks import parametrize_with_checks

import netgraft as ng


@parametrize_with_checks([ng.NetgraftRegressor(**SMALLEST), ng.NetgraftClassifier(**SMALLEST)])
def test_check_of_scikit_learn(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def test_checks_that_need_a_variable_set_before_start() -> None:
    """scikit-learn skips its check of array API input unless SciPy was told of it when it was imported."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", __file__, "-q", "-k", "check_array_api_input"],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
