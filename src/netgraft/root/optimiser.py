"""AdamW for a stack: one fused pass over one flat buffer, with a learning rate and weight decay per network.

A network may be held to where it began instead of to zero (L2-SP: Li et al. 2018, "Explicit Inductive Bias for
Transfer Learning with Convolutional Networks", equation 3, with the pull decoupled from the gradient as AdamW does with
weight decay), and some of its parameters may stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor


class StackedAdamW:
    """Parameters of P networks in one [P, N] buffer, updated by AdamW (Loshchilov and Hutter 2019, algorithm 2).

    `parameters` are leaves that view the buffer. The fused kernel of torch knows one
    learning rate, so it steps from zero in a scratch buffer, and each network adds that step times its own rate.
    """

    def __init__(
        self,
        stacked: dict[str, np.ndarray],
        rates: np.ndarray,
        decays: np.ndarray,
        *,
        anchor: dict[str, np.ndarray] | None = None,
        pulls: np.ndarray | None = None,
        frozen: Sequence[Collection[str]] | None = None,
        beta2: float = 0.99,
    ) -> None:
        """Copy the stacked parameters.

        Args:
            stacked: float32 [P, ...] by name.
            rates: learning rate of each network [P].
            decays: weight decay of each network [P].
            anchor: parameters [P, ...] by name that networks are pulled to, or None.
            pulls: strength of each network's pull [P]; none without an anchor.
            frozen: the names of each network's parameters that stay as they are, P collections.
            beta2: decay of the second moment.
        """
        self._shapes = {name: value.shape[1:] for name, value in stacked.items()}
        flat = _flat(stacked, len(rates))
        self._rates = torch.as_tensor(rates, dtype=torch.float32).view(-1, 1)
        self._decays = torch.as_tensor(decays, dtype=torch.float32).view(-1, 1)
        self._beta2 = beta2
        self._anchor = None if anchor is None else _flat(anchor, len(rates))
        self._pulls = torch.as_tensor(np.zeros(len(rates)) if pulls is None else pulls, dtype=torch.float32).view(-1, 1)
        self._moves = None if frozen is None else self._moving(frozen)
        self._bind(flat.contiguous(), None)

    def _moving(self, frozen: Sequence[Collection[str]]) -> Tensor:
        """Return 0 where a parameter of a network stays as it is, else 1; [P, N]."""
        rows = [
            np.concatenate([np.full(int(np.prod(shape)), name not in names) for name, shape in self._shapes.items()])
            for names in frozen
        ]
        return torch.from_numpy(np.stack(rows).astype(np.float32))

    def _bind(self, flat: Tensor, state: dict[str, Tensor] | None) -> None:
        """Set the buffers, and the leaves that view them."""
        self._flat = flat
        self._gradient = torch.zeros_like(flat)
        self._scratch = torch.zeros_like(flat)
        self._scratch.grad = self._gradient
        self._adam = torch.optim.Adam([self._scratch], lr=1.0, betas=(0.9, self._beta2), fused=True)
        if state is not None:
            self._adam.state[self._scratch] = state
        self.parameters = _views(self._flat, self._shapes)
        for leaf in self.parameters.values():
            leaf.requires_grad_(True)
        self._gradients = _views(self._gradient, self._shapes)

    def step(self, loss: Tensor, factor: float) -> None:
        """Differentiate the loss and update every network with its learning rate times ``factor``."""
        gradients = torch.autograd.grad(loss, list(self.parameters.values()), allow_unused=True)
        self._update(gradients, factor)

    @torch.no_grad()
    def _update(self, gradients: tuple[Tensor | None, ...], factor: float) -> None:
        for view, gradient in zip(self._gradients.values(), gradients, strict=True):
            if gradient is None:  # no cut of this step used it
                view.zero_()
            else:
                view.copy_(gradient)
        self._scratch.zero_()
        self._adam.step()
        rates = self._rates * factor
        if self._moves is not None:
            rates = rates * self._moves
        if self._anchor is not None:
            self._flat.lerp_(self._anchor, (rates * self._pulls).expand_as(self._flat))
        self._flat.mul_(1 - rates * self._decays).addcmul_(self._scratch, rates)

    @torch.no_grad()
    def keep(self, networks: Tensor) -> None:
        """Keep only the networks with these indices [P'], with their moments."""
        old = self._adam.state[self._scratch]
        state = {key: value[networks].contiguous() if value.dim() else value for key, value in old.items()}
        self._rates, self._decays = self._rates[networks], self._decays[networks]
        self._pulls = self._pulls[networks]
        self._anchor, self._moves = (None if x is None else x[networks] for x in (self._anchor, self._moves))
        self._bind(self._flat[networks].contiguous(), state or None)

    def snapshot(self, network: int) -> dict[str, np.ndarray]:
        """Return a copy of one network's padded parameters by name."""
        return {name: value[network].detach().numpy().copy() for name, value in self.parameters.items()}


def _flat(stacked: dict[str, np.ndarray], networks: int) -> Tensor:
    """Return stacked parameters as one buffer [P, N]."""
    rows = [value.reshape(networks, -1) for value in stacked.values()]
    return torch.from_numpy(np.concatenate(rows, axis=1).astype(np.float32, copy=False))


def _views(flat: Tensor, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return detached views [P, ...] of the columns of a flat buffer [P, N]."""
    views, start = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        views[name] = torch.unflatten(flat[:, start : start + size], 1, shape).detach()
        start += size
    return views
