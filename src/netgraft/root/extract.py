"""From trained parameters to a plain network, and from a larger network to a cut of it."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from torch import Tensor

from netgraft.root.basis import Basis
from netgraft.root.cut import Cut, cut_architecture
from netgraft.runtime.model import Network
from netgraft.runtime.network import Architecture

A = TypeVar("A", np.ndarray, Tensor)


def to_network(architecture: Architecture, basis: Basis, parameters: dict[str, np.ndarray]) -> Network:
    """Return the network that runs without torch.

    Args:
        architecture: of the network.
        basis: the finest basis it was trained with.
        parameters: unpadded, by name, the projection [d, bins, token].
    """
    tensors = {name: value for name, value in parameters.items() if name != "projection"}
    if "projection" in parameters:
        stored = basis.tensors(architecture.bins)
        counts = stored["bins"]
        kept = [parameters["projection"][j, :count] for j, count in enumerate(counts)]
        tensors |= dict(stored) | {"projection": np.concatenate(kept)}
    return Network(architecture, tensors)


def cut_parameters(parameters: dict[str, A], architecture: Architecture, cut: Cut) -> dict[str, A]:
    """Return the parameters of a cut: slices of the whole network's, so its numbers are contained in theirs.

    Leading dimensions (folds) are kept. The parameters must be those of a nested root, whose heads carry their depth.

    Raises:
        SettingError: the cut is not contained in the network.
    """
    small = cut_architecture(architecture, cut)
    made = {name: parameters[name] for name in ("projection", "categories") if name in parameters}
    previous = small.tokens
    for layer, width in enumerate(cut.widths, start=1):
        made[f"weight_{layer}"] = parameters[f"weight_{layer}"][..., :previous, :width]
        made[f"bias_{layer}"] = parameters[f"bias_{layer}"][..., :width]
        if cut.members > 1:
            made[f"adapter_{layer}"] = parameters[f"adapter_{layer}"][..., : cut.members, :previous]
        previous = width
    if cut.depth:
        made["head"] = parameters[f"head@{cut.depth}"][..., : cut.members, :previous, :]
    made["head_bias"] = parameters[f"head_bias@{cut.depth}"][..., : cut.members, :]
    made["skip"] = parameters[f"skip@{cut.depth}"]
    return made
