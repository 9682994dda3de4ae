"""Ways to make a trained image root smaller, beside pruning: quantisers, bits per layer by search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.delivery_forms import Coded, Codes, is_coded

Array = NDArray[Any]
_ROUNDS = 25


def uniform(value: Array, bits: int) -> Coded:
    """Return a weight on whole steps, a step for each output, from its largest magnitude."""
    most = 2 ** (bits - 1) - 1
    largest = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0)
    scale = np.maximum(largest, 1e-12) / most
    codes = np.clip(np.rint(value / scale), -most, most).astype(np.int64) + 2 ** (bits - 1)
    levels = np.arange(2**bits, dtype=np.float32) - 2 ** (bits - 1)
    return Coded(codes.astype(np.uint32), levels, scale.astype(np.float32), bits, signed=True)


def codebook(value: Array, bits: int) -> Coded:
    """Return a weight by its nearest of some values, which are the means of what is nearest to them (k-means).

    Han et al. 2016, "Deep Compression", section 3; the first values lie evenly between the smallest and the largest.
    """
    flat = value.ravel().astype(np.float64)
    levels = np.linspace(flat.min(), flat.max(), 2**bits)
    for _ in range(_ROUNDS):
        codes = np.searchsorted((levels[1:] + levels[:-1]) / 2, flat)
        count = np.bincount(codes, minlength=len(levels))
        sums = np.bincount(codes, flat, len(levels))
        levels = np.sort(np.where(count > 0, sums / np.maximum(count, 1), levels))
    codes = np.searchsorted((levels[1:] + levels[:-1]) / 2, flat)
    one = np.ones(1, np.float32)
    return Coded(codes.reshape(value.shape).astype(np.uint32), levels.astype(np.float32), one, bits, signed=False)


def quantised(tensors: Mapping[str, Array], how: Callable[[Array, int], Coded], bits: Mapping[str, int]) -> Codes:
    """Return a network whose weights are quantised to bits that each has."""
    coded = {name: how(value, bits[name]) for name, value in tensors.items() if is_coded(name)}
    return Codes(coded, {name: value for name, value in tensors.items() if not is_coded(name)})


def searched_bits(
    tensors: Mapping[str, Array],
    loss: Callable[[Mapping[str, Array]], float],
    *,
    target: float,
    random: np.random.Generator,
    proposals: int = 40,
    choices: tuple[int, ...] = (2, 3, 4, 5, 6, 8),
) -> dict[str, int]:
    """Return bits for each weight whose mean over all numbers is at most a target.

    Stands for the reinforcement learning of HAQ (Wang et al. 2019): first from how much the loss grows when one weight
    alone has fewer bits, the cheapest saving again and again; then by random exchanges that are kept when the loss of
    the whole network falls.

    Args:
        tensors: of the network.
        loss: of the network with other weights, on images that choose.
        target: most bits per number, on average.
        random: of the exchanges.
        proposals: exchanges that are tried.
        choices: bits a weight may have.
    """
    names = [name for name in tensors if is_coded(name)]
    sizes = {name: tensors[name].size for name in names}
    alone = {(name, b): loss({**tensors, name: uniform(tensors[name], b).values()}) for name in names for b in choices}
    bits = dict.fromkeys(names, choices[-1])
    total = sum(sizes.values())

    def mean() -> float:
        return sum(sizes[name] * bits[name] for name in names) / total

    while mean() > target and any(bits[name] > choices[0] for name in names):
        fewer = {name: choices[choices.index(bits[name]) - 1] for name in names if bits[name] > choices[0]}
        price = {
            name: (alone[name, b] - alone[name, bits[name]]) / (sizes[name] * (bits[name] - b))
            for name, b in fewer.items()
        }
        cheapest = min(price, key=lambda name: price[name])
        bits[cheapest] = fewer[cheapest]
    best = loss(_whole(tensors, bits))
    for _ in range(proposals):
        tried = _exchanged(bits, choices, random)
        if sum(sizes[name] * tried[name] for name in names) / total > target:
            continue
        reached = loss(_whole(tensors, tried))
        if reached < best:
            bits, best = tried, reached
    return bits


def _whole(tensors: Mapping[str, Array], bits: Mapping[str, int]) -> dict[str, Array]:
    return {name: uniform(value, bits[name]).values() if name in bits else value for name, value in tensors.items()}


def _exchanged(bits: Mapping[str, int], choices: tuple[int, ...], random: np.random.Generator) -> dict[str, int]:
    """Return bits of which one weight's are one choice more and another's one choice fewer."""
    more, fewer = random.choice(list(bits), 2, replace=False)
    made = dict(bits)
    made[more] = choices[min(choices.index(bits[more]) + 1, len(choices) - 1)]
    made[fewer] = choices[max(choices.index(bits[fewer]) - 1, 0)]
    return made
