"""Settings of twin delayed deterministic policy gradients (TD3, Fujimoto et al. 2018, algorithm 1).

What Hu et al. 2022 fix (section V-2): widths, learning rates, batch and discount. The rest is TD3's own, or ours where
neither says: the penalty that keeps a softmax out of its corners, and how long a fresh critic learns before its actor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from netgraft.errors import SettingError, unknown_name

OUTPUTS = ("softmax", "tanh")
_RANGES = {
    "actor_rate": (0.0, 1.0),
    "critic_rate": (0.0, 1.0),
    "gamma": (0.0, 1.0),
    "tau": (0.0, 1.0),
    "target_noise": (0.0, math.inf),
    "noise_clip": (0.0, math.inf),
    "logit_penalty": (0.0, math.inf),
}
_LEAST = {"batch": 1, "policy_delay": 1, "warm_up": 0, "capacity": 1}


@dataclass(frozen=True, kw_only=True)
class Td3Settings:
    """How agents learn.

    Attributes:
        actor: widths of the two hidden layers of an actor.
        critic: widths of the two hidden layers of each of the twin critics.
        actor_rate: learning rate of Adam for the actor.
        critic_rate: learning rate of Adam for the critics.
        batch: transitions of one update.
        gamma: discount; low, because shares act on the period they are for.
        tau: share of the way that target networks go to the networks after each update of the actor.
        policy_delay: critic updates for each actor update.
        target_noise: standard deviation of the noise on the target action (on its logits for a softmax).
        noise_clip: bound of that noise.
        logit_penalty: weight of the mean squared logit in the actor's loss; a softmax only.
        output: ``"softmax"``: shares that sum to one; ``"tanh"``: actions in [-1, 1], as the original has them.
        warm_up: updates of a fresh critic before its actor begins to follow it.
        capacity: transitions of its own that an agent remembers.

    Raises:
        SettingError: a setting is out of range or the output is unknown; the text names it.
    """

    actor: tuple[int, int] = (48, 24)
    critic: tuple[int, int] = (64, 24)
    actor_rate: float = 5e-4
    critic_rate: float = 1e-3
    batch: int = 32
    gamma: float = 0.1
    tau: float = 0.005
    policy_delay: int = 2
    target_noise: float = 0.2
    noise_clip: float = 0.5
    logit_penalty: float = 0.1
    output: str = "softmax"
    warm_up: int = 500
    capacity: int = 10_000

    def __post_init__(self) -> None:
        for name in ("actor", "critic"):
            widths = tuple(getattr(self, name))
            if len(widths) != 2 or not all(isinstance(width, int) and width >= 1 for width in widths):
                raise SettingError(f"{name} must be two widths >= 1, got {widths}")
            object.__setattr__(self, name, widths)
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise SettingError(f"{name} must be {_range_text(low, high)}, got {value}")
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise SettingError(f"{name} must be >= {least}, got {getattr(self, name)}")
        if self.output not in OUTPUTS:
            raise SettingError(unknown_name("output", self.output, OUTPUTS))


def _range_text(low: float, high: float) -> str:
    return f">= {low:g} and finite" if high == math.inf else f"in [{low:g}, {high:g}]"
