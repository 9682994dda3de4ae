"""scikit-learn's own checks, all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from estimator_settings import SMALLEST
from sklearn.utils.estimator_checks import parametrize_with_checks

import netgraft as ng


@parametrize_with_checks([ng.NetgraftRegressor(**SMALLEST), ng.NetgraftClassifier(**SMALLEST)])
def test_check_of_scikit_learn(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
