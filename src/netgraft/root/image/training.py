"""Joint training of an image root: every depth, width and number of planes of one network at once.

Each step has a pass of the widest shell on the labels, and passes of the smallest and of a random shell on the labels
and on the widest one's outputs (sandwich rule with in-place distillation: Yu and Huang 2019, "Universally Slimmable
Networks", section 3); a pass trains the heads of all depths. In a first share of the steps the widest shell learns
alone; then groups of channels are sorted by importance, so that a shell has the best. From another share on, weights
are rounded to the planes of one common step, the smaller passes to random numbers of planes (`netgraft.root.bits`).

The arithmetic is bfloat16 where the processor multiplies it in hardware; the weights and norms stay float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from netgraft.errors import SettingError
from netgraft.root.bits import Bits, bits_of, common_step, rounded
from netgraft.root.image.data import Images
from netgraft.root.image.network import Parameters, exits, fresh, masks, sort_groups, to_runtime, to_torch, wired
from netgraft.root.image.root import ImageRoot
from netgraft.runtime.image_shape import ImageShape
from netgraft.seeds import child_seed, generator

OPTIMISERS = ("sgd", "adamw")
_ALONE = 0.25
_WARM_UP = 0.05
_EARLY_HEADS = 0.5
_MOVED = 4


@dataclass(frozen=True)
class ImageRecipe:
    """How an image root is trained.

    Attributes:
        epochs: passes over the train images.
        batch: images of a step.
        optimiser: ``sgd`` (Nesterov momentum 0.9) or ``adamw``.
        learning_rate: its largest, before the cosine; None for the optimiser's own.
        weight_decay: of weights; norms and biases have none.
        nested: whether smaller shells are trained too.
        apart: whether the heads before the last learn from blocks that learn from the last alone, as classifiers that
            are put on an ordinary network do.
        bits: how it learns to do with fewer bits, or None.
        threads: of torch, or None to leave them as they are.
    """

    epochs: int = 10
    batch: int = 128
    optimiser: str = "sgd"
    learning_rate: float | None = None
    weight_decay: float = 5e-4
    nested: bool = True
    apart: bool = False
    bits: Bits | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            SettingError: one is unknown or out of range.
        """
        if self.optimiser not in OPTIMISERS:
            raise SettingError(f"an optimiser must be one of {', '.join(OPTIMISERS)}, got {self.optimiser!r}")
        if self.nested and self.apart:
            raise SettingError("heads that learn apart require nested=False, got nested=True")
        if self.epochs < 1 or self.batch < 1:
            raise SettingError(f"epochs and batch must be >= 1, got {self.epochs} and {self.batch}")

    @property
    def rate(self) -> float:
        """Return the largest learning rate."""
        return self.learning_rate or {"sgd": 0.1, "adamw": 4e-3}[self.optimiser]


def multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the processor says that it multiplies bfloat16 in hardware."""
    try:
        flags = cpuinfo.read_text(encoding="utf-8")
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def train(
    shape: ImageShape,
    images: Images,
    recipe: ImageRecipe,
    *,
    seed: int,
    start: Mapping[str, np.ndarray] | None = None,
    kept: Mapping[str, np.ndarray] | None = None,
    told: Callable[[int, float], None] | None = None,
) -> ImageRoot:
    """Return a trained root.

    Args:
        shape: of the root.
        images: to learn from; test images are not looked at.
        recipe: how.
        seed: of first weights, order of images, moves, random shells and planes.
        start: tensors to begin with in place of fresh ones; then nothing is sorted.
        kept: for each tensor of which numbers stay zero, 1 where a number is kept, else 0.
        told: called after each epoch with its number from 1 and its mean loss.
    """
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    training = _Training(shape, images, recipe, seed, start, kept)
    for epoch in range(1, recipe.epochs + 1):
        loss = training.epoch()
        if told is not None:
            told(epoch, loss)
    return training.root()


class _Training:
    """A root in training. Its parameters are those of torch, the widest shell's."""

    def __init__(
        self,
        shape: ImageShape,
        images: Images,
        recipe: ImageRecipe,
        seed: int,
        start: Mapping[str, np.ndarray] | None,
        kept: Mapping[str, np.ndarray] | None,
    ) -> None:
        self._shape, self._recipe = shape, recipe
        self._random = generator(seed, "image training")
        self._pixels = torch.from_numpy(np.ascontiguousarray(images.train.transpose(0, 3, 1, 2)))
        self._labels = torch.from_numpy(images.train_labels)
        encoding = images.encoding()
        centre, scale = (torch.from_numpy(v[: images.channels].copy()) for v in (encoding.center, encoding.scale))
        self._centre, self._scale = centre.view(1, -1, 1, 1), scale.view(1, -1, 1, 1)
        self._moves = images.moves
        self._kept = masks(shape) | (to_torch(kept) if kept else {})
        self._sorts = start is None and recipe.nested
        self._fast = multiplies_bfloat16()
        self._step_size: Tensor | None = None
        self._done, self._total = 0, recipe.epochs * math.ceil(len(images.train) / recipe.batch)
        self._begin(fresh(shape, generator(child_seed(seed, "image root"))) if start is None else start)

    def _begin(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take tensors as the parameters, with a fresh optimiser."""
        self._parameters = {name: value.requires_grad_() for name, value in to_torch(tensors).items()}
        weights = [value for value in self._parameters.values() if value.dim() > 1]
        others = [value for value in self._parameters.values() if value.dim() == 1]
        groups = [
            {"params": weights, "weight_decay": self._recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self._optimiser: torch.optim.Optimizer
        if self._recipe.optimiser == "sgd":
            self._optimiser = torch.optim.SGD(groups, lr=self._recipe.rate, momentum=0.9, nesterov=True)
        else:
            self._optimiser = torch.optim.AdamW(groups, lr=self._recipe.rate)

    def epoch(self) -> float:
        """Take one pass over the images; return the mean loss of the widest shell's last head."""
        order = torch.from_numpy(self._random.permutation(len(self._labels)))
        losses = [self._step(taken) for taken in torch.split(order, self._recipe.batch)]
        return float(np.mean(losses))

    def root(self) -> ImageRoot:
        """Return the root as it is."""
        tensors, step = to_runtime(wired(self._parameters, self._kept)), None
        if self._step_size is not None and self._recipe.bits is not None:
            step = float(self._step_size[0])
            most = np.float32(step * 2**self._recipe.bits.planes)
            for name in self._shape.coded:  # as the passes had them
                tensors[name] = np.clip(tensors[name], -most, most)
        for name in self._shape.exact:  # what is sent as it is compresses to half where float16 is enough
            tensors[name] = tensors[name].astype(np.float16).astype(np.float32)
        return ImageRoot(self._shape, tensors, step)

    def _step(self, taken: Tensor) -> float:
        """Take one step of the optimiser on some images; return the loss of the widest shell's last head."""
        share = self._done / self._total
        if self._sorts and share >= _ALONE:
            self._begin(sort_groups(self._shape, to_runtime(self._parameters)))
            self._sorts = False
        bits = self._recipe.bits
        if bits is not None and self._step_size is None and share >= bits.start:
            self._step_size = (
                common_step(_stacked(self._parameters), bits.planes) if bits.step is None else torch.tensor([bits.step])
            )
        for group in self._optimiser.param_groups:
            group["lr"] = self._recipe.rate * _factor(share)
        images, labels = self._batch(taken), self._labels[taken]
        with torch.autocast("cpu", torch.bfloat16, enabled=self._fast):
            loss, last = self._losses(images, labels, nested=self._recipe.nested and share >= _ALONE)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters.values(), 5.0)
        self._optimiser.step()
        self._done += 1
        return last

    def _losses(self, images: Tensor, labels: Tensor, *, nested: bool) -> tuple[Tensor, float]:
        """Return the loss of all passes, and that of the widest shell's last head alone."""
        own = wired(self._parameters, self._kept)
        widest = self._shape.shells - 1
        apart = self._recipe.apart
        made = exits(self._shape, self._on_grid(own, 0), images, widest, apart=apart)
        last = functional.cross_entropy(made[-1].float(), labels)
        taught = torch.softmax(made[-1].detach().float(), dim=1)
        loss = last + _EARLY_HEADS * _mean_loss(made[:-1], labels, taught)
        bits = self._recipe.bits
        if nested or self._step_size is not None:
            for shell in (0, int(self._random.integers(self._shape.shells))) if nested else (widest,):
                lowest = int(self._random.integers(0, bits.planes - 1)) if bits is not None else 0
                smaller = exits(self._shape, self._on_grid(own, lowest), images, shell, apart=apart)
                loss = loss + _mean_loss(smaller, labels, taught)
        if bits is not None and bits.rate > 0 and self._step_size is not None:
            loss = loss + bits.rate * bits_of(_stacked(own), self._step_size)
        return loss, last.item()

    def _on_grid(self, parameters: Parameters, lowest: int) -> Parameters:
        """Return the parameters with the planes from the lowest on, once the grid is there."""
        if self._step_size is None or self._recipe.bits is None:
            return parameters
        made = rounded(_stacked(parameters), self._step_size, lowest, self._recipe.bits.planes)
        return {name: value[0] for name, value in made.items()}

    def _batch(self, taken: Tensor) -> Tensor:
        """Return standardised images, mirrored and moved where the set allows; [b, channels, h, h]."""
        images = (self._pixels[taken].float() - self._centre) / self._scale
        if self._moves:
            images = self._moved(images)
        return images.contiguous(memory_format=torch.channels_last)

    def _moved(self, images: Tensor) -> Tensor:
        """Return images each moved by up to 4 pixels on both axes, half of them mirrored; the border is the mean."""
        side, b = images.shape[-1], len(images)
        padded = functional.pad(images, (_MOVED,) * 4)
        down, right = (torch.from_numpy(self._random.integers(0, 2 * _MOVED + 1, b)) for _ in range(2))
        rows = down[:, None] + torch.arange(side)  # [b, h]
        columns = right[:, None] + torch.arange(side)
        mirrored = torch.from_numpy(self._random.random(b) < 0.5)
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        every = torch.arange(b)[:, None, None]
        # [b, h, h, channels] -> [b, channels, h, h]
        return padded.permute(0, 2, 3, 1)[every, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _stacked(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return parameters as those of one copy, as `netgraft.root.bits` takes them."""
    return {name: value[None] for name, value in parameters.items()}


def _mean_loss(made: list[Tensor], labels: Tensor, taught: Tensor) -> Tensor:
    """Return the mean over heads of half the loss on labels and half that on what the widest shell's last head says."""
    losses = [
        0.5 * functional.cross_entropy(each.float(), labels) + 0.5 * functional.cross_entropy(each.float(), taught)
        for each in made
    ]
    return torch.stack(losses).mean() if losses else torch.zeros(())


def _factor(share: float) -> float:
    """Return the learning rate at a share of the training, over its largest: linear to it, then a cosine to zero."""
    if share < _WARM_UP:
        return (share + 1e-3) / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (share - _WARM_UP) / (1 - _WARM_UP)))
