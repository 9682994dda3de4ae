from __future__ import annotations

import math

import pytest

from netgraft.agents.settings import Td3Settings
from netgraft.errors import SettingError


def test_defaults_are_those_of_the_paper() -> None:
    settings = Td3Settings()
    assert (settings.actor, settings.critic) == ((48, 24), (64, 24))
    assert (settings.actor_rate, settings.critic_rate, settings.batch, settings.gamma) == (5e-4, 1e-3, 32, 0.1)


def test_widths_may_come_as_a_list() -> None:
    assert Td3Settings(actor=[8, 4]).actor == (8, 4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"actor": (48,)}, r"actor must be two widths >= 1, got \(48,\)"),
        ({"critic": (64, 0)}, r"critic must be two widths >= 1, got \(64, 0\)"),
        ({"gamma": 1.5}, r"gamma must be in \[0, 1\], got 1.5"),
        ({"tau": -0.1}, r"tau must be in \[0, 1\], got -0.1"),
        ({"actor_rate": math.nan}, r"actor_rate must be in \[0, 1\], got nan"),
        ({"noise_clip": -1.0}, "noise_clip must be >= 0 and finite, got -1.0"),
        ({"target_noise": math.inf}, "target_noise must be >= 0 and finite, got inf"),
        ({"batch": 0}, "batch must be >= 1, got 0"),
        ({"policy_delay": 0}, "policy_delay must be >= 1, got 0"),
        ({"warm_up": -1}, "warm_up must be >= 0, got -1"),
        ({"output": "sofmax"}, "output must be one of softmax, tanh, got 'sofmax'; the nearest is 'softmax'"),
    ],
)
def test_out_of_range(changed: dict[str, object], text: str) -> None:
    with pytest.raises(SettingError, match=text):
        Td3Settings(**changed)  # type: ignore[arg-type]
