"""One variational autoencoder for all samples of a comparison (Hu et al. 2022, section IV-B, figure 2, eq. 6).

It is trained on the union of the rows (state, outcome) of every source and the target, so that all are described in one
latent space. The paper fixes the widths (64, 24, 4 and back) and leaves the rest open: here ReLU, Adam at 2e-3, 1,200
steps of 128 rows whatever the number of rows, and a weight of the divergence of 1e-4, at which the posterior variances
are as small as the paper reports. Rows come standardised over the union.

torch uses one thread while it trains; random numbers come from the seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import linear, relu

from netgraft.seeds import child_seed
from netgraft.transfer.gaussian import VARIANCE_FLOOR

LATENT = 4
_HIDDEN = (64, 24)
_STEPS = 1_200
_BATCH = 128
_RATE = 2e-3
_LOG_VARIANCES = (math.log(VARIANCE_FLOOR), 5.0)


class JointVae:
    """Encoder and decoder as two lists of (weight [out, in], bias [out])."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        """Draw the weights.

        Args:
            width: numbers of a row, states and outcomes together.
            generator: of the weights.
        """
        self.encoder = _layers((width, *_HIDDEN, 2 * LATENT), generator)
        self.decoder = _layers((LATENT, *reversed(_HIDDEN), width), generator)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance [b, l] of the posterior of rows [b, width]."""
        mean, log_variance = _forward(self.encoder, x).chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCES)

    def loss(self, x: Tensor, noise: Tensor, alpha: float) -> Tensor:
        """Return eq. (6), the mean over rows [b, width], with the latent drawn by the noise [b, l]."""
        mean, log_variance = self.encode(x)
        drawn = mean + noise * torch.exp(log_variance / 2)
        error = (x - _forward(self.decoder, drawn)).square().sum(dim=1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return (error + alpha * divergence).mean()


def train_vae(rows: NDArray[np.floating], *, seed: int, alpha: float = 1e-4, steps: int = _STEPS) -> JointVae:
    """Return an autoencoder trained on the union of all rows.

    Args:
        rows: standardised [n, width].
        seed: of weights, batches and noise.
        alpha: weight of the divergence in eq. (6).
        steps: of Adam.
    """
    generator = torch.Generator().manual_seed(child_seed(seed, "vae"))
    with _one_thread():
        x = torch.from_numpy(np.ascontiguousarray(rows, np.float32))
        vae = JointVae(x.shape[1], generator)
        leaves = [leaf.requires_grad_() for layer in (*vae.encoder, *vae.decoder) for leaf in layer]
        adam = torch.optim.Adam(leaves, lr=_RATE, fused=True)
        for _ in range(steps):
            batch = torch.randint(len(x), (_BATCH,), generator=generator)
            loss = vae.loss(x[batch], torch.randn(_BATCH, LATENT, generator=generator), alpha)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
    return vae


def encode_jointly(
    samples: Sequence[NDArray[np.floating]], *, seed: int
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return mean and log-variance [n, l] of every row of every sample, by one autoencoder trained on all of them.

    Args:
        samples: standardised rows [n, width], one array per sample, all of one width.
        seed: of the training.
    """
    vae = train_vae(np.concatenate(samples), seed=seed)
    with _one_thread(), torch.no_grad():
        parts = [vae.encode(torch.from_numpy(np.ascontiguousarray(rows, np.float32))) for rows in samples]
        return [(mean.numpy(), log_variance.numpy()) for mean, log_variance in parts]


def _layers(widths: Sequence[int], generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """Return layers whose weights are normal with variance 2 / inputs (He et al. 2015), biases zero."""
    return [
        (torch.randn(after, before, generator=generator) * math.sqrt(2 / before), torch.zeros(after))
        for before, after in pairwise(widths)
    ]


def _forward(layers: Sequence[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
    """Return the last layer's outputs, with ReLU between layers."""
    for weight, bias in layers[:-1]:
        x = relu(linear(x, weight, bias))
    return linear(x, *layers[-1])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: at this size more threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
