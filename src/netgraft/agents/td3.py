"""TD3 for A agents at once; each learns from its own transitions alone, as if it were the only one.

Actions of a softmax are shares of a cell's blocks; the noise of target actions is then on the logits. What keeps a
softmax out of its corners, where it has no gradient: fresh actors start at the uniform action, wait until their critic
has learned something (`warm_up`), and logits cost a little (`logit_penalty`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netgraft.agents.agent import Agent
from netgraft.agents.draws import draw_noise
from netgraft.agents.kernels import Draws, Rates, Stack, learn
from netgraft.agents.networks import act, forward, initial_parameters, layouts_of
from netgraft.agents.policy import Policy
from netgraft.agents.replay import Replay
from netgraft.agents.settings import Td3Settings
from netgraft.errors import InputError, SettingError
from netgraft.ran.randomness import seed_word
from netgraft.seeds import child_seed

Floats = NDArray[np.float64]
#: Updates for which noise is drawn at once: bounds its memory.
_UPDATES = 32
#: Below this standard deviation an observation's number counts as constant and is not blown up.
_LEAST_DEVIATION = 1e-2


class Td3:
    """Actors and critics of A agents with their optimiser.

    Attributes:
        settings: how they learn.
        layouts: of the networks of one agent.
        stack: what they have learned; arrays that may be read and written in place.
        seed: of weights and noise.
    """

    def __init__(
        self,
        agents: int,
        observation_size: int,
        action_size: int,
        *,
        settings: Td3Settings | None = None,
        seed: int = 0,
    ) -> None:
        """Draw the weights.

        Args:
            agents: how many, A.
            observation_size: numbers of an observation, D.
            action_size: numbers of an action, N.
            settings: None: those of the paper.
            seed: of weights and noise.

        Raises:
            SettingError: a number is below 1.
        """
        for name, value in (("agents", agents), ("observation_size", observation_size), ("action_size", action_size)):
            if value < 1:
                raise SettingError(f"{name} must be >= 1, got {value}")
        self.settings = settings or Td3Settings()
        self.layouts = layouts_of(observation_size, action_size, self.settings)
        self.seed = seed
        self._noise_seed = seed_word(child_seed(seed, "target noise"))
        parameters = self._fresh(agents, seed)
        actors = np.zeros((agents, self.layouts.actor.size), np.float32)
        seen = np.zeros((agents, observation_size), np.float32)
        counts = np.zeros((agents, 4), np.int64)
        counts[:, 2] = self.settings.warm_up
        self.stack = Stack(
            parameters=parameters,
            targets=parameters.copy(),
            first=np.zeros_like(parameters),
            second=np.zeros_like(parameters),
            counts=counts,
            frozen=np.zeros(agents, np.int64),
            anchor=actors,
            pull=np.zeros(agents, np.float32),
            shift=seen,
            scale=np.ones_like(seen),
        )

    @property
    def agents(self) -> int:
        """How many agents, A."""
        return len(self.stack.parameters)

    @property
    def observation_size(self) -> int:
        """Numbers of an observation, D."""
        return self.layouts.actor.widths[0]

    @property
    def action_size(self) -> int:
        """Numbers of an action, N."""
        return self.layouts.actor.widths[-1]

    def standardise(self, observations: ArrayLike, *, agents: Sequence[int] | None = None) -> None:
        """Scale what agents see to mean 0 and deviation 1 over observations; before they learn.

        Args:
            observations: [..., D].
            agents: whose scaling it becomes; None: all.

        Raises:
            InputError: the shape is another, or there is no such agent.
        """
        seen = np.asarray(observations, np.float64)
        if seen.ndim < 2 or seen.shape[-1] != self.observation_size or not seen.size:
            raise InputError(f"observations must have shape (..., {self.observation_size}), got {seen.shape}")
        rows = seen.reshape(-1, self.observation_size)
        chosen = self.chosen(agents)
        self.stack.shift[chosen] = rows.mean(axis=0)
        self.stack.scale[chosen] = 1 / np.maximum(rows.std(axis=0), _LEAST_DEVIATION)

    def chosen(self, agents: Sequence[int] | None) -> list[int]:
        """Return the numbers of the named agents; None: of all.

        Raises:
            InputError: there is no such agent.
        """
        return list(range(self.agents)) if agents is None else [self._checked(agent) for agent in agents]

    def logits(self, observations: ArrayLike) -> Floats:
        """Return what the actors' last layers say, [A, N], for observations [A, D].

        Raises:
            InputError: the shape is another, or a number is not finite.
        """
        seen = np.asarray(observations, np.float32)
        shape = (self.agents, self.observation_size)
        if seen.shape != shape:
            raise InputError(f"observations must have shape {shape}, got {seen.shape}")
        if not np.isfinite(seen).all():
            agent = np.argwhere(~np.isfinite(seen))[0, 0]
            raise InputError(f"observations must be finite, got {seen[agent].tolist()} of agent {agent}")
        actor, _, _ = self.layouts.parts(self.stack.parameters)
        scaled = (seen - self.stack.shift) * self.stack.scale
        # [A, 1, D] through networks [A, ...]
        return forward(self.layouts.actor.layers(actor), scaled[:, None])[:, 0].astype(np.float64)

    def act(self, observations: ArrayLike) -> Floats:
        """Return the actors' actions [A, N] for observations [A, D], without exploration.

        Raises:
            InputError: the shape is another, or a number is not finite.
        """
        return act(self.logits(observations), self.settings.output)

    def learn(self, replay: Replay, *, updates: int = 1, agents: Sequence[int] | None = None) -> Floats:
        """Update agents and return [A, 2]: the last loss of their critics, and the value of their actor's actions.

        Args:
            replay: the agents' memories.
            updates: how many.
            agents: those that learn; None: all. The losses of others, and the value before an actor moved, are NaN.

        Raises:
            InputError: the memories are of other sizes, an agent that learns remembers nothing, or there is no such
                agent.
            SettingError: a negative number of updates.
        """
        if updates < 0:
            raise SettingError(f"updates must be >= 0, got {updates}")
        sizes = (self.agents, self.observation_size, self.action_size)
        came = (replay.agents, replay.observation_size, replay.action_size)
        if came != sizes:
            raise InputError(f"memories of {sizes} agents, observation and action numbers are required, got {came}")
        chosen = np.array(self.chosen(agents), np.int64)
        losses = np.full((self.agents, 2), np.nan)
        while updates:
            now = min(updates, _UPDATES)
            draws = self._draws(replay, now, chosen)
            learn(
                self.stack, draws, chosen, self.layouts.actor.widths, self.layouts.critic.widths, self._rates(), losses
            )
            updates -= now
        return losses

    def agent(self, agent: int) -> Agent:
        """Return what one agent has learned, as a value.

        Raises:
            InputError: there is no such agent.
        """
        k = self._checked(agent)
        stack = self.stack
        return Agent(
            layouts=self.layouts,
            parameters=stack.parameters[k].copy(),
            targets=stack.targets[k].copy(),
            shift=stack.shift[k].copy(),
            scale=stack.scale[k].copy(),
            output=self.settings.output,
        )

    def policy(self, agent: int) -> Policy:
        """Return what one agent does, as a value.

        Raises:
            InputError: there is no such agent.
        """
        return self.agent(agent).policy()

    def replace(self, agent: int, source: Agent, *, layers: int = 3) -> None:
        """Give an agent what another has learned (model transfer), or only the lower layers of it (feature transfer).

        Targets are copied too, and the moments of the optimiser are those of a fresh agent. An agent that got all
        layers follows its critic at once.

        Args:
            agent: who gets it.
            source: what it gets.
            layers: of the three of each network, from below.

        Raises:
            InputError: there is no such agent, or the networks of the source have other sizes or outputs.
            SettingError: layers are not 1 to 3.
        """
        k = self._checked(agent)
        if not 1 <= layers <= 3:
            raise SettingError(f"layers must be 1 to 3, got {layers}")
        if (source.layouts, source.output) != (self.layouts, self.settings.output):
            raise InputError(
                f"an agent with {_described(self.agent(k))} is required, got one with {_described(source)}"
            )
        self.reset_moments(k)
        taken = self.layouts.lower(layers)
        self.stack.parameters[k, taken] = source.parameters[taken]
        self.stack.targets[k, taken] = source.targets[taken]
        self.stack.shift[k], self.stack.scale[k] = source.shift, source.scale
        if layers == 3:
            self.stack.counts[k, 2] = 0

    def restart(self, agent: int, *, seed: int | None = None) -> None:
        """Make an agent fresh: new weights, no moments, nothing frozen, no anchor; its scaling stays.

        Args:
            agent: which one.
            seed: of the weights; None: those with which it began.

        Raises:
            InputError: there is no such agent.
        """
        k = self._checked(agent)
        fresh = self._fresh(self.agents, self.seed if seed is None else seed)[k]
        self.stack.parameters[k] = fresh
        self.stack.targets[k] = fresh
        self.stack.frozen[k] = 0
        self.stack.pull[k] = 0
        self.reset_moments(k)

    def reset_moments(self, agent: int) -> None:
        """Forget an agent's moments and counts: those of other weights would lead the first steps astray.

        Raises:
            InputError: there is no such agent.
        """
        k = self._checked(agent)
        self.stack.first[k] = 0
        self.stack.second[k] = 0
        self.stack.counts[k, :3] = (0, 0, self.settings.warm_up)

    def freeze(self, agent: int, layers: int) -> None:
        """Keep the lower layers of an agent's networks as they are; 0 frees them.

        Raises:
            InputError: there is no such agent.
            SettingError: layers are not 0 to 2.
        """
        if not 0 <= layers <= 2:
            raise SettingError(f"frozen layers must be 0 to 2, got {layers}")
        self.stack.frozen[self._checked(agent)] = layers

    def anchor(self, agent: int, pull: float) -> None:
        """Pull an agent's actor to where it is now (L2-SP: Li et al. 2018); 0 lets it go.

        Raises:
            InputError: there is no such agent.
            SettingError: the pull is negative or not finite.
        """
        if not 0 <= pull < np.inf:
            raise SettingError(f"pull must be >= 0 and finite, got {pull}")
        k = self._checked(agent)
        self.stack.anchor[k] = self.layouts.parts(self.stack.parameters[k])[0]
        self.stack.pull[k] = pull

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return copies of all arrays of `stack` by name."""
        return {name: array.copy() for name, array in self.stack._asdict().items()}

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take over what `state` returned of agents of the same sizes."""
        for name, array in self.stack._asdict().items():
            array[...] = state[name]

    def _fresh(self, agents: int, seed: int) -> NDArray[np.float32]:
        # a mean share is 1 / N
        gain = self.layouts.actor.widths[-1] if self.settings.output == "softmax" else 1
        return initial_parameters(self.layouts, agents, seed, action_gain=gain)

    def _draws(self, replay: Replay, updates: int, agents: NDArray[np.int64]) -> Draws:
        starts, batch = self.stack.counts[:, 3].copy(), self.settings.batch
        rows = replay.rows(updates, batch, agents, starts)
        noise = draw_noise(
            self._noise_seed, updates, batch, self.action_size, agents, starts,
            self.settings.target_noise, self.settings.noise_clip,
        )  # fmt: skip
        return Draws(replay.own, replay.source, rows, noise)

    def _rates(self) -> Rates:
        s = self.settings
        return Rates(
            actor_rate=np.float32(s.actor_rate),
            critic_rate=np.float32(s.critic_rate),
            gamma=np.float32(s.gamma),
            tau=np.float32(s.tau),
            logit_penalty=np.float32(s.logit_penalty),
            policy_delay=s.policy_delay,
            softmax=s.output == "softmax",
        )

    def _checked(self, agent: int) -> int:
        if not 0 <= agent < self.agents:
            raise InputError(f"an agent must be 0 to {self.agents - 1}, got {agent}")
        return int(agent)


def _described(agent: Agent) -> str:
    return f"actor {agent.layouts.actor.widths}, critic {agent.layouts.critic.widths} and output {agent.output}"
