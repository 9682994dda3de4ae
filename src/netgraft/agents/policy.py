"""What one agent does, as a value: the weights of its actor and how it scales what it sees.

NumPy alone computes it; numba and torch are not needed to load one and act. A file is safetensors with the tensors
``layer{i}.weight`` [out, in], ``layer{i}.bias`` [out], ``observation.shift`` and ``observation.scale`` [D], i from 0 to
2, and in its header the format ``netgraft-policy``, version 1, and the facts ``widths`` and ``output``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netgraft.agents.networks import Floats, Layout, act, forward
from netgraft.agents.settings import OUTPUTS
from netgraft.agents.stored import pack, required, unpack
from netgraft.errors import InputError, ModelError
from netgraft.records import write_bytes

KIND = "netgraft-policy"


@dataclass(frozen=True, eq=False)
class Policy:
    """An actor.

    Attributes:
        layout: of its layers.
        parameters: float32 [Pa], as the layout says.
        shift: subtracted from observations, float32 [D].
        scale: multiplied afterwards, float32 [D].
        output: ``"softmax"`` or ``"tanh"``.

    Raises:
        ModelError: an array has another shape than the layout asks for.
    """

    layout: Layout
    parameters: NDArray[np.float32]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32]
    output: str = "softmax"

    def __post_init__(self) -> None:
        shapes = {"parameters": (self.layout.size,), "shift": self.layout.widths[:1], "scale": self.layout.widths[:1]}
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                raise ModelError(f"{name} of a policy must have shape {shape}, got {np.shape(getattr(self, name))}")

    @property
    def observation_size(self) -> int:
        """Numbers that it sees, D."""
        return self.layout.widths[0]

    @property
    def action_size(self) -> int:
        """Numbers that it decides, N."""
        return self.layout.widths[-1]

    def act(self, observation: ArrayLike) -> NDArray[np.float64]:
        """Return actions [..., N] for observations [..., D]; those of a softmax sum to one.

        Raises:
            InputError: an observation has another size, or a number that is not finite.
        """
        seen = np.asarray(observation, np.float32)
        if seen.shape[-1:] != (self.observation_size,):
            raise InputError(f"an observation must have {self.observation_size} numbers, got shape {seen.shape}")
        if not np.isfinite(seen).all():
            raise InputError(f"an observation must be finite, got {seen[~np.isfinite(seen)][0]}")
        rows = ((seen - self.shift) * self.scale).reshape(-1, self.observation_size)
        logits = forward(self.layout.layers(self.parameters), rows)
        return act(logits, self.output).reshape(*seen.shape[:-1], self.action_size)

    def to_bytes(self) -> bytes:
        """Return it as a file."""
        tensors: dict[str, NDArray[Any]] = {"observation.shift": self.shift, "observation.scale": self.scale}
        for i, (weight, bias) in enumerate(self.layout.layers(self.parameters)):
            tensors |= {f"layer{i}.weight": weight.T, f"layer{i}.bias": bias}
        return pack(KIND, tensors, {"widths": list(self.layout.widths), "output": self.output})

    @classmethod
    def from_bytes(cls, data: bytes) -> Policy:
        """Return the policy of a file.

        Raises:
            ModelError: it is no policy, damaged, or of another version.
        """
        tensors, facts = unpack(KIND, data)
        layout, output = checked_layout(KIND, facts.get("widths")), facts.get("output")
        if output not in OUTPUTS:
            raise ModelError(f"the output of a {KIND} must be one of {', '.join(OUTPUTS)}, got {output!r}")
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (before, after) in enumerate(zip(layout.widths, layout.widths[1:], strict=False)):
            shapes |= {f"layer{i}.weight": (after, before), f"layer{i}.bias": (after,)}
        *layers, shift, scale = required(
            KIND, tensors, {**shapes, "observation.shift": layout.widths[:1], "observation.scale": layout.widths[:1]}
        )
        return cls(layout, np.concatenate([_row(layer) for layer in layers]), shift, scale, output)

    def save(self, path: Path | str) -> None:
        """Write the file; a failure leaves an old one.

        Raises:
            OutputError: the folder cannot be written.
        """
        write_bytes(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: Path | str) -> Policy:
        """Return the policy of a file at a path.

        Raises:
            ModelError: the file cannot be read, or is none of a policy.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ModelError(f"a policy file is required, got {path}: {error.strerror}") from error
        return cls.from_bytes(data)


def checked_layout(kind: str, widths: Any) -> Layout:
    """Return the layout of four widths that a file states.

    Raises:
        ModelError: they are not four whole numbers from 1.
    """
    if not (isinstance(widths, list) and len(widths) == 4 and all(isinstance(w, int) and w >= 1 for w in widths)):
        raise ModelError(f"the widths of a {kind} must be four whole numbers from 1, got {widths!r}")
    d, first, second, outputs = widths
    return Layout((d, first, second, outputs))


def _row(layer: Floats) -> Floats:
    """Return a stored weight [out, in] or bias [out] as it lies in a flat vector."""
    return layer.T.ravel()
