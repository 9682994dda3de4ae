"""What one agent has learned, as a value: actor, critics, their targets, and how it scales what it sees.

It is what transfer moves from one cell to another, and what is kept of a source that should be able to learn further;
what only acts is a `netgraft.agents.policy.Policy`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.agents.networks import Layouts
from netgraft.agents.policy import Policy, checked_layout
from netgraft.agents.settings import OUTPUTS
from netgraft.agents.stored import pack, required, unpack
from netgraft.errors import ModelError

KIND = "netgraft-agent"


@dataclass(frozen=True, eq=False)
class Agent:
    """An actor with its critics.

    Attributes:
        layouts: of its networks.
        parameters: float32 [P], as the layouts say.
        targets: their slow copies, float32 [P].
        shift: subtracted from observations, float32 [D].
        scale: multiplied afterwards, float32 [D].
        output: ``"softmax"`` or ``"tanh"``.
    """

    layouts: Layouts
    parameters: NDArray[np.float32]
    targets: NDArray[np.float32]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32]
    output: str

    def policy(self) -> Policy:
        """Return what it does."""
        actor, _, _ = self.layouts.parts(self.parameters)
        return Policy(self.layouts.actor, actor.copy(), self.shift, self.scale, self.output)

    def to_bytes(self) -> bytes:
        """Return it as a safetensors file."""
        tensors = {name: getattr(self, name) for name in ("parameters", "targets", "shift", "scale")}
        widths = {"actor": list(self.layouts.actor.widths), "critic": list(self.layouts.critic.widths)}
        return pack(KIND, tensors, {**widths, "output": self.output})

    @classmethod
    def from_bytes(cls, data: bytes) -> Agent:
        """Return the agent of a file.

        Raises:
            ModelError: it is no agent, damaged, or of another version.
        """
        tensors, facts = unpack(KIND, data)
        layouts = Layouts(checked_layout(KIND, facts.get("actor")), checked_layout(KIND, facts.get("critic")))
        observation, action = layouts.actor.widths[0], layouts.actor.widths[-1]
        if (layouts.critic.widths[0], layouts.critic.widths[-1]) != (observation + action, 1):
            raise ModelError(f"the critic of a {KIND} must have {observation + action} inputs and 1 output, got others")
        if facts.get("output") not in OUTPUTS:
            raise ModelError(f"the output of a {KIND} must be one of {', '.join(OUTPUTS)}, got {facts.get('output')!r}")
        shapes = {"parameters": (layouts.size,), "targets": (layouts.size,)}
        parameters, targets, shift, scale = required(
            KIND, tensors, {**shapes, "shift": (observation,), "scale": (observation,)}
        )
        return cls(layouts, parameters, targets, shift, scale, facts["output"])
