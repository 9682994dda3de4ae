"""What controllers achieve that do not learn, and the users that all methods serve."""

from __future__ import annotations

import numpy as np

from netgraft.agents import BASELINES, baseline, evaluate
from netgraft.agents.stored import Tensors
from netgraft.lifecycle.slicing.measured import evaluation_tensors, final_of
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.ran import SlicingEnv
from netgraft.ran.shares import equal_shares

#: Baselines that figure 4 shows beside the agents.
SHOWN = ("equal", "proportional")


def measure_baselines(work: SeedWork) -> Tensors:
    """Return what each baseline achieves, rewards on the traffic of the transfers, and the users of the evaluation."""
    env = SlicingEnv(work.scenario)
    found: Tensors = {}
    for name in BASELINES:
        found |= evaluation_tensors(name, final_of(work, baseline(name)))
    for name in SHOWN:
        steps, seed = work.settings.transfer_steps, work.traffic("transfer")
        reward = evaluate(env, baseline(name), steps, seed=seed).reward
        found[f"{name}.training"] = reward.astype(np.float32)
    env.reset(work.traffic("evaluation"))
    users = env.simulator.run(equal_shares(work.scenario), work.settings.evaluation_steps).users
    return {**found, "users": users.sum(axis=-1).astype(np.int32)}
