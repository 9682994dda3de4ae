"""Agents that learn to share a cell's blocks among slices, all at once, and the baselines to judge them by.

Names are imported when they are first used: what only acts (`Policy`) loads neither numba nor torch.
"""

import typing
from importlib import import_module as _import_module

if typing.TYPE_CHECKING:
    from netgraft.agents.agent import Agent
    from netgraft.agents.baselines import (
        BASELINES,
        Controller,
        baseline,
        causal,
        equal,
        oracle,
        proportional,
        with_floor,
    )
    from netgraft.agents.evaluation import Evaluation, acting, evaluate
    from netgraft.agents.exploration import Exploration, dirichlet, gaussian_logits
    from netgraft.agents.policy import Policy
    from netgraft.agents.replay import Replay
    from netgraft.agents.settings import Td3Settings
    from netgraft.agents.td3 import Td3
    from netgraft.agents.training import History, load_training, save_training, train

__all__ = [
    "BASELINES",
    "Agent",
    "Controller",
    "Evaluation",
    "Exploration",
    "History",
    "Policy",
    "Replay",
    "Td3",
    "Td3Settings",
    "acting",
    "baseline",
    "causal",
    "dirichlet",
    "equal",
    "evaluate",
    "gaussian_logits",
    "load_training",
    "oracle",
    "proportional",
    "save_training",
    "train",
    "with_floor",
]

_HOMES = {
    "agent": ("Agent",),
    "baselines": ("BASELINES", "Controller", "baseline", "causal", "equal", "oracle", "proportional", "with_floor"),
    "evaluation": ("Evaluation", "acting", "evaluate"),
    "exploration": ("Exploration", "dirichlet", "gaussian_logits"),
    "policy": ("Policy",),
    "replay": ("Replay",),
    "settings": ("Td3Settings",),
    "td3": ("Td3",),
    "training": ("History", "load_training", "save_training", "train"),
}


def __getattr__(name: str) -> object:
    """Return a public name from its home (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(_import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
