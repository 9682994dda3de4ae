"""Networks of many agents as one flat vector per agent, so that one kernel call trains all of them.

An agent's vector is its actor, then its first critic, then its second. A network is three layers with ReLU between
them; a layer is its weight [in, out], then its bias [out]. The same functions serve one agent and stacks of agents,
because leading axes broadcast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.agents.settings import Td3Settings
from netgraft.seeds import generator

Floats = NDArray[np.floating[Any]]
Layers = list[tuple[Floats, Floats]]


@dataclass(frozen=True)
class Layout:
    """Where the layers of one network lie in its flat vector.

    Attributes:
        widths: inputs, two hidden layers, outputs.
    """

    widths: tuple[int, int, int, int]

    @property
    def ends(self) -> tuple[int, int, int]:
        """The position after each layer."""
        d, first, second, outputs = self.widths
        one = (d + 1) * first
        two = one + (first + 1) * second
        return one, two, two + (second + 1) * outputs

    @property
    def size(self) -> int:
        """The numbers of the whole network."""
        return self.ends[-1]

    def layers(self, flat: Floats) -> Layers:
        """Return views (weight [..., in, out], bias [..., out]) of each layer of vectors [..., size]."""
        found, start = [], 0
        for before, after in zip(self.widths[:-1], self.widths[1:], strict=True):
            middle = start + before * after
            weight = flat[..., start:middle].reshape(*flat.shape[:-1], before, after)
            found.append((weight, flat[..., middle : middle + after]))
            start = middle + after
        return found


@dataclass(frozen=True)
class Layouts:
    """The networks of one agent.

    Attributes:
        actor: observation to action.
        critic: observation and action to value; there are two.
    """

    actor: Layout
    critic: Layout

    @property
    def size(self) -> int:
        """The numbers P of one agent: an actor and two critics."""
        return self.actor.size + 2 * self.critic.size

    def parts(self, flat: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return views of the actor, the first and the second critic in vectors [..., P]."""
        actor, critic = self.actor.size, self.critic.size
        return flat[..., :actor], flat[..., actor : actor + critic], flat[..., actor + critic :]

    def lower(self, layers: int) -> NDArray[np.bool_]:
        """Return which of the P numbers are in the lowest layers, 0 to 3, of their network."""
        found = np.empty(self.size, bool)
        for layout, part in zip((self.actor, self.critic, self.critic), self.parts(found), strict=True):
            part[...] = np.arange(layout.size) < (0, *layout.ends)[layers]
        return found


def layouts_of(observation_size: int, action_size: int, settings: Td3Settings) -> Layouts:
    """Return the layouts of an agent with D observation numbers and N action numbers."""
    return Layouts(
        Layout((observation_size, *settings.actor, action_size)),
        Layout((observation_size + action_size, *settings.critic, 1)),
    )


def initial_parameters(layouts: Layouts, agents: int, seed: int, *, action_gain: float = 1.0) -> NDArray[np.float32]:
    """Return fresh parameters, float32 [A, P].

    Weights and biases are uniform within 1/sqrt(inputs), as torch draws them, with two exceptions. The last layer of an
    actor is a hundredth of that, so that an agent starts near the uniform action, where a softmax has a gradient. And a
    critic's weights of the action are `action_gain` times that: shares differ by a few hundredths where scaled
    observations differ by one, and a critic that hardly sees what was done misleads its actor for long.

    Args:
        layouts: of one agent.
        agents: how many.
        seed: agent k gets the same numbers however many agents there are.
        action_gain: factor on the critics' weights of the action.
    """
    found = np.stack([_one_agent(layouts, generator(seed, "weights", agent)) for agent in range(agents)])
    for critic in layouts.parts(found)[1:]:
        weight, _ = layouts.critic.layers(critic)[0]
        weight[:, layouts.actor.widths[0] :] *= np.float32(action_gain)
    return found


def _one_agent(layouts: Layouts, rng: np.random.Generator) -> NDArray[np.float32]:
    flat = np.empty(layouts.size, np.float32)
    actor, first, second = layouts.parts(flat)
    for layout, part in ((layouts.actor, actor), (layouts.critic, first), (layouts.critic, second)):
        for inputs, (weight, bias) in zip(layout.widths, layout.layers(part), strict=False):
            bound = 1 / math.sqrt(inputs)
            weight[...] = rng.uniform(-bound, bound, weight.shape)
            bias[...] = rng.uniform(-bound, bound, bias.shape)
    flat[layouts.actor.ends[1] : layouts.actor.size] *= np.float32(0.01)
    return flat


def forward(layers: Layers, x: Floats) -> Floats:
    """Return the outputs [..., n, out] of networks for rows [..., n, in], ReLU between layers."""
    for weight, bias in layers[:-1]:
        x = np.maximum(x @ weight + bias[..., None, :], 0)
    weight, bias = layers[-1]
    return np.asarray(x @ weight + bias[..., None, :])


def act(logits: Floats, output: str) -> NDArray[np.float64]:
    """Return actions [..., N]: the softmax of the logits, or their hyperbolic tangent."""
    values = logits.astype(np.float64)
    if output == "tanh":
        return np.tanh(values)
    raised = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))
