"""Training of all agents in one network: explore, then act, learn and explore a little.

The schedule is that of Hu et al. 2022, section V-2: 3,000 steps of exploration and 5,500 of training. Left open there,
here: shares of the first phase are drawn from a Dirichlet distribution; its observations then set the scaling, and the
critics learn from them before the first actor moves (`Td3Settings.warm_up`); in the second phase the actors' logits get
normal noise that shrinks to nothing.

Everything random comes from seeds and counters, so a run that was interrupted goes on bit for bit on one machine: its
state is the agents, their memories and the shares so far, with which the network is brought to where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.agents.evaluation import Evaluation
from netgraft.agents.exploration import Exploration, dirichlet, gaussian_logits
from netgraft.agents.networks import act
from netgraft.agents.replay import Replay
from netgraft.agents.stored import pack, unpack
from netgraft.agents.td3 import Td3
from netgraft.errors import InputError, ModelError, SettingError
from netgraft.ran import Kpis, SlicingEnv
from netgraft.records import write_bytes

Floats = NDArray[np.float64]
KIND = "netgraft-training"
EXPLORE_STEPS, TRAIN_STEPS = 3_000, 5_500


@dataclass(frozen=True, eq=False)
class History:
    """What happened in T steps of training; arrays [T, K] but for the shares.

    Attributes:
        reward: of each cell, with exploration.
        throughput_satisfaction: of the slice that is worst off.
        delay_s: greatest of a slice.
        load: fraction of the cell's blocks in use.
        loss: of the critics; NaN where nothing was learned.
        shares: that were tried [T, K, N].
    """

    reward: Floats
    throughput_satisfaction: Floats
    delay_s: Floats
    load: Floats
    loss: Floats
    shares: Floats

    def __len__(self) -> int:
        return len(self.reward)


#: Is called after every step with the number of steps so far and a function that returns the history so far.
OnStep = Callable[[int, Callable[[], History]], None]


def train(
    env: SlicingEnv,
    td3: Td3,
    replay: Replay,
    *,
    seed: int,
    explore_steps: int = EXPLORE_STEPS,
    train_steps: int = TRAIN_STEPS,
    updates_per_step: int = 1,
    explore: Exploration | None = None,
    perturb: Exploration | None = None,
    agents: Sequence[int] | None = None,
    begun: History | None = None,
    on_step: OnStep | None = None,
) -> History:
    """Train agents in place and return what happened, from the first step on.

    Args:
        env: the network, one agent per cell; an episode begins.
        td3: the agents.
        replay: their memories.
        seed: of the episode, and of the default explorations.
        explore_steps: steps of the first phase.
        train_steps: steps of the second.
        updates_per_step: of every agent, in the second phase.
        explore: shares of the first phase; None: `dirichlet`.
        perturb: shares of the second phase; None: `gaussian_logits`, shrinking until the last step.
        agents: those that learn and explore; None: all. The others act as they have learned.
        begun: the history up to where an earlier run stopped, with the agents and memories of then (`load_training`).
        on_step: is called after every step.

    Raises:
        SettingError: a number of steps or updates is negative.
        InputError: agents, memories and network do not fit, there is no such agent, or actions are no shares.
    """
    counts = {"explore_steps": explore_steps, "train_steps": train_steps, "updates_per_step": updates_per_step}
    for name, value in counts.items():
        if value < 0:
            raise SettingError(f"{name} must be >= 0, got {value}")
    if td3.settings.output != "softmax":
        raise InputError(f"agents whose output is softmax are required, got {td3.settings.output}")
    learners = td3.chosen(agents)
    explore = explore or dirichlet(seed=seed)
    perturb = perturb or gaussian_logits(seed=seed, until=max(train_steps, 1))
    observation = env.reset(seed)
    record = _Record(begun)
    for shares in () if begun is None else begun.shares:
        observation, _, kpis = env.step(shares)
        record.periods.append(kpis)
    for step in range(len(record.periods), explore_steps + train_steps):
        training = step - explore_steps
        if training == 0:
            _begin_training(td3, replay, learners)
        logits = td3.logits(observation)
        shares = act(logits, td3.settings.output)
        shares[learners] = (explore(logits, step) if training < 0 else perturb(logits, training))[learners]
        following, reward, kpis = env.step(shares)
        replay.add(observation, shares, reward, following)
        updates = updates_per_step if training >= 0 else 0
        record.losses.append(td3.learn(replay, updates=updates, agents=learners)[:, 0])
        record.periods.append(kpis)
        observation = following
        if on_step is not None:
            on_step(step + 1, record.history)
    return record.history()


def save_training(path: Path | str, td3: Td3, replay: Replay, history: History) -> None:
    """Write what a run needs to go on; a failure leaves an old file.

    Raises:
        OutputError: the folder cannot be written.
    """
    parts = {"td3": td3.state(), "replay": replay.state(), "history": vars(history)}
    tensors = {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
    write_bytes(Path(path), pack(KIND, tensors, _facts(td3, replay)))


def load_training(path: Path | str, td3: Td3, replay: Replay) -> History:
    """Bring agents and memories to where `save_training` wrote them, and return the history up to there.

    Args:
        path: of the file.
        td3: agents of the same sizes, settings and seed.
        replay: memories of the same sizes and seed.

    Raises:
        ModelError: the file cannot be read, is none of a training, or of one with other sizes, settings or seeds.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"a {KIND} file is required, got {path}: {error.strerror}") from error
    tensors, facts = unpack(KIND, data)
    for name, value in _facts(td3, replay).items():
        if facts.get(name) != value:
            raise ModelError(f"a training with {name} {value} is required, got {facts.get(name)}")
    parts: dict[str, dict[str, NDArray[Any]]] = {"td3": {}, "replay": {}, "history": {}}
    for name, tensor in tensors.items():
        part, _, key = name.partition(".")
        parts[part][key] = tensor
    td3.restore(parts["td3"])
    replay.restore(parts["replay"])
    return History(**parts["history"])


def _begin_training(td3: Td3, replay: Replay, learners: Sequence[int]) -> None:
    """Scale what fresh agents see by what they remember, and let their critics learn before their actors move.

    Frozen layers expect the scaling they came with.
    """
    fresh = [agent for agent in learners if td3.stack.counts[agent, 2] and replay.remembered(agent)]
    new = [agent for agent in fresh if not td3.stack.frozen[agent]]
    if new:
        td3.standardise(np.concatenate([replay.observations(agent) for agent in new]), agents=new)
    if fresh:
        td3.learn(replay, updates=int(td3.stack.counts[fresh, 2].max()), agents=fresh)


def _facts(td3: Td3, replay: Replay) -> dict[str, Any]:
    """Return what must be the same for a run to go on, as JSON has it."""
    settings = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(td3.settings).items()}
    sizes = [td3.agents, td3.observation_size, td3.action_size, replay.own.shape[1]]
    return {"sizes": sizes, "settings": settings, "seeds": [td3.seed, replay.seed]}


class _Record:
    """What happened so far."""

    def __init__(self, begun: History | None) -> None:
        self.periods: list[Kpis] = []
        self.losses: list[Floats] = [] if begun is None else list(begun.loss)

    def history(self) -> History:
        measured = Evaluation.of(self.periods)
        shares = np.array([kpis.shares for kpis in self.periods])
        return History(**vars(measured), loss=np.array(self.losses), shares=shares)
