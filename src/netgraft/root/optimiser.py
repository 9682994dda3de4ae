"""AdamW for a stack: one fused pass over one flat buffer, with a learning rate and weight decay per network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class StackedAdamW:
    """Parameters of P networks in one [P, N] buffer, updated by AdamW (Loshchilov and Hutter 2019, algorithm 2).

    `parameters` are leaves that view the buffer. The fused kernel of torch knows one
    learning rate, so it steps from zero in a scratch buffer, and each network adds that step times its own rate.
    """

    def __init__(
        self, stacked: dict[str, np.ndarray], rates: np.ndarray, decays: np.ndarray, beta2: float = 0.99
    ) -> None:
        """Copy the stacked parameters.

        Args:
            stacked: float32 [P, ...] by name.
            rates: learning rate of each network [P].
            decays: weight decay of each network [P].
            beta2: decay of the second moment.
        """
        self._shapes = {name: value.shape[1:] for name, value in stacked.items()}
        p = len(rates)
        flat = torch.from_numpy(np.concatenate([value.reshape(p, -1) for value in stacked.values()], axis=1))
        self._rates = torch.as_tensor(rates, dtype=torch.float32).view(-1, 1)
        self._decays = torch.as_tensor(decays, dtype=torch.float32).view(-1, 1)
        self._beta2 = beta2
        self._bind(flat.contiguous(), None)

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
        self._flat.mul_(1 - rates * self._decays).addcmul_(self._scratch, rates)

    @torch.no_grad()
    def keep(self, networks: Tensor) -> None:
        """Keep only the networks with these indices [P'], with their moments."""
        old = self._adam.state[self._scratch]
        state = {key: value[networks].contiguous() if value.dim() else value for key, value in old.items()}
        self._rates, self._decays = self._rates[networks], self._decays[networks]
        self._bind(self._flat[networks].contiguous(), state or None)

    def snapshot(self, network: int) -> dict[str, np.ndarray]:
        """Return a copy of one network's padded parameters by name."""
        return {name: value[network].detach().numpy().copy() for name, value in self.parameters.items()}


def _views(flat: Tensor, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return detached views [P, ...] of the columns of a flat buffer [P, N]."""
    views, start = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        views[name] = torch.unflatten(flat[:, start : start + size], 1, shape).detach()
        start += size
    return views
