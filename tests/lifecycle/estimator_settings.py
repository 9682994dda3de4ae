"""Searches of less than a second for the tests of the estimators."""

from __future__ import annotations

from typing import Any

#: The smallest search: one small candidate, the same every time.
SMALLEST: dict[str, Any] = {
    "budget_s": None,
    "evaluations": 1,
    "strategy": "random",
    "device": "raspberry-pi-4",
    "settings": {
        "depth": "0,1", "width_1": "4,8", "members": "1", "batch": "128", "token": "1", "bins": "4,8",
    },
}  # fmt: skip
