"""How far two sets of diagonal Gaussians lie apart: the mean divergence of all pairs, in linear time.

The paper (Hu et al. 2022, eq. 7 and 8) averages over every pair of a source's sample n and a target's sample m

    D_KL(n || m) = 1/2 sum_l [ log s_m - log s_n - 1 + (s_n + (u_n - u_m)^2) / s_m ]

with u the mean and s the variance of latent number l. The pairs separate. Let P be the mean of 1 / s_m, w the mean of
u_m weighted by 1 / s_m, and Q the mean of (u_m - w)^2 / s_m. The average over m of (u_n - u_m)^2 / s_m is then
P (u_n - w)^2 + Q (the mixed term vanishes by the choice of w), and the average over n of (u_n - w)^2 is the variance of
the u_n plus the square of their mean less w. So

    D_ik = 1/2 sum_l [ mean log s_m - mean log s_n - 1 + P (mean s_n + var u_n + (mean u_n - w)^2) + Q ]

which needs one pass over each set: `LatentMoments`. Nothing is approximated, and as the terms are centred nothing
cancels: a sum of raw powers would lose its digits where the variances are tiny.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DoubleArray = NDArray[np.float64]
#: Variances below are taken to be this (the prior's is 1). The paper sees 1e-5 and less; 1 / 1e-8 still leaves eight of
#: the sixteen digits of a double to the differences.
VARIANCE_FLOOR = 1e-8


@dataclass(frozen=True, eq=False)
class LatentMoments:
    """What the mean divergence needs to know of a set of n diagonal Gaussians; l latent numbers.

    The moments of a union of two sets are the sum of theirs.

    Attributes:
        count: n.
        mean: of the means [l].
        spread: variance of the means [l].
        variance: mean of the variances [l].
        log_variance: mean of the logarithms of the variances [l].
        precision: mean of 1 / variance [l].
        centre: mean of the means, weighted by 1 / variance [l].
        scatter: mean of (mean - centre)^2 / variance [l].
    """

    count: int
    mean: DoubleArray
    spread: DoubleArray
    variance: DoubleArray
    log_variance: DoubleArray
    precision: DoubleArray
    centre: DoubleArray
    scatter: DoubleArray

    @classmethod
    def of(cls, mean: NDArray[np.floating], log_variance: NDArray[np.floating]) -> LatentMoments:
        """Return the moments of n Gaussians in one pass.

        Args:
            mean: [n, l].
            log_variance: logarithms of the variances [n, l]; below that of `VARIANCE_FLOOR` they are raised to it.
        """
        means = np.ascontiguousarray(mean.T, np.float64)  # [l, n]: the long axis is summed along memory
        logs = np.maximum(np.ascontiguousarray(log_variance.T, np.float64), math.log(VARIANCE_FLOOR))
        variances = np.exp(logs)
        precisions = 1 / variances
        precision = precisions.mean(axis=1)
        middle = means.mean(axis=1)
        centre = (precisions * means).mean(axis=1) / precision
        return cls(
            count=len(mean),
            mean=middle,
            spread=np.square(means - middle[:, None]).mean(axis=1),
            variance=variances.mean(axis=1),
            log_variance=logs.mean(axis=1),
            precision=precision,
            centre=centre,
            scatter=(precisions * np.square(means - centre[:, None])).mean(axis=1),
        )

    def __add__(self, other: LatentMoments) -> LatentMoments:
        """Return the moments of both sets together."""
        count = self.count + other.count
        a, b = self.count / count, other.count / count
        precision = a * self.precision + b * other.precision
        p, q = a * self.precision / precision, b * other.precision / precision
        return LatentMoments(
            count=count,
            mean=a * self.mean + b * other.mean,
            spread=a * self.spread + b * other.spread + a * b * np.square(self.mean - other.mean),
            variance=a * self.variance + b * other.variance,
            log_variance=a * self.log_variance + b * other.log_variance,
            precision=precision,
            centre=p * self.centre + q * other.centre,
            scatter=a * self.scatter + b * other.scatter + precision * p * q * np.square(self.centre - other.centre),
        )


def mean_pairwise_kl(source: LatentMoments, target: LatentMoments) -> float:
    """Return the mean of D_KL(n || m) over all pairs of a source's n and a target's m (eq. 7 with 8), in nats."""
    ratio = source.variance + source.spread + np.square(source.mean - target.centre)
    logs = target.log_variance - source.log_variance
    return float(0.5 * (logs - 1 + target.precision * ratio + target.scatter).sum())


def mean_pairwise_square(source: LatentMoments, target: LatentMoments) -> float:
    """Return the mean squared distance of the means over all pairs (eq. 7 with Lemma 1).

    Were all variances one small constant s, this would be 2 s times `mean_pairwise_kl` (eq. 9). It equals the squared
    distance of the two sets' centres plus the spread of each.
    """
    return float((source.spread + target.spread + np.square(source.mean - target.mean)).sum())


def debiased(
    distance: Callable[[LatentMoments, LatentMoments], float], source: LatentMoments, target: LatentMoments
) -> float:
    """Return D_ik - (D_ii + D_kk) / 2: zero for a set and itself.

    The paper's distance of a set to itself is not zero but grows with its spread, so it favours sources of little
    variance. Of `mean_pairwise_square` the debiased form is the squared distance of the two sets' centres. Of
    `mean_pairwise_kl` it may be negative where the variances of two sets differ, and then ranks a source of tiny
    variances first that is unlike the target: prefer the former.

    Args:
        distance: D, one of the two.
        source: i.
        target: k.
    """
    return distance(source, target) - (distance(source, source) + distance(target, target)) / 2
