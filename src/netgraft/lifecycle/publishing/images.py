"""Publishing an image root: no entry of a library and no table, a set of images instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netgraft.delivery.coding.build import Built, Release, build
from netgraft.delivery.coding.root import Recipe
from netgraft.delivery.coding.tolerance import Judge
from netgraft.delivery.offering.published import Published
from netgraft.errors import SettingError
from netgraft.library import Library
from netgraft.lifecycle.keyring import ensure_trust, lifetime_s, publisher_keys
from netgraft.lifecycle.publishing.judging import with_interval
from netgraft.lifecycle.publishing.publish import Publication
from netgraft.root import PLANES, Bits
from netgraft.root.calibration import fit_temperature
from netgraft.root.image import ImageRecipe, ImageRoot, Images, image_shape, train
from netgraft.runtime import Inputs, Model, Output
from netgraft.seeds import child_seed, generator

_CANARIES = 4


@dataclass(frozen=True)
class ImageDelivery:
    """How an image root is grown and judged.

    Attributes:
        width: channels of the first stage.
        stages: of the residual network.
        epochs: over the train images.
        batch: images of a step.
        learning_rate: of SGD.
        triangular: whether shells read lower shells only, else every channel reads all.
        judged: train images that are kept from training and judge every cut.
    """

    width: int = 16
    stages: int = 3
    epochs: int = 30
    batch: int = 64
    learning_rate: float = 0.1
    triangular: bool = True
    judged: int = 300


_RECIPE, _CODING = ImageDelivery(), Recipe(planes=PLANES)


def publish_images(
    library: Library,
    name: str,
    images: Images,
    *,
    keys: Sequence[Path] = (),
    threshold: int | None = None,
    days: float = 365.0,
    recipe: ImageDelivery = _RECIPE,
    coding: Recipe = _CODING,
    seed: int = 0,
    told: Callable[[int, float], None] | None = None,
    clock: Callable[[], float] = time.time,
) -> Publication:
    """Train an image root, publish it and return what devices are offered.

    An image is a row of its pixels, ``pixel_0`` on, row by row, the channels of a pixel side by side. Every version is
    grown afresh.

    Args:
        library: beside whose files it is published.
        name: of the model.
        images: to learn from; test images are not looked at.
        keys: files of the publisher's keys; by default the library's own.
        threshold: how many of them devices require; the first publishing sets it, 1 by default.
        days: until the head expires.
        recipe: how the root is grown and judged.
        coding: how it is coded.
        seed: of all that is drawn.
        told: called after each epoch with its number from 1 and its mean loss.
        clock: gives the seconds since 1970.

    Raises:
        SettingError: a setting is out of range.
        TrustError: the keys do not count.
        DeliveryError: the version was taken meanwhile, or the place cannot be written.
    """
    counts_s = lifetime_s(days, "a head")
    if not 2 * _CANARIES <= recipe.judged < len(images.train):
        raise SettingError(
            f"judged must be at least {2 * _CANARIES} and less than {len(images.train)} images, got {recipe.judged}"
        )
    started, now_s = time.monotonic(), int(clock())
    signing = publisher_keys(library, keys)
    ensure_trust(library, signing, threshold, now_s)
    published = Published.of(library)
    release = Release(
        name,
        published.next_version(name),
        now_s,
        now_s + counts_s,
        about={"target": "class", "metric": "accuracy", "family": "network", "images": images.name},
        lineage={"images": images.name, "seed": seed},
    )
    made = built_images(images, release, recipe=recipe, coding=coding, seed=seed, told=told)
    head = made.pack(signing)
    opened = published.add(head, made.chunks)
    return Publication(opened.head, opened.sha256, len(head), None, None, True, time.monotonic() - started)


def built_images(
    images: Images,
    release: Release,
    *,
    recipe: ImageDelivery = _RECIPE,
    coding: Recipe = _CODING,
    seed: int = 0,
    told: Callable[[int, float], None] | None = None,
) -> Built:
    """Return a trained image root as a head and chunks, judged on images that did not train it.

    Raises:
        HeadError, ModelError: as for `netgraft.delivery.coding.build.build`.
    """
    kept = generator(seed, "judged images").permutation(len(images.train))
    judges, taught = kept[: recipe.judged], kept[recipe.judged :]
    learns = replace(images, train=images.train[taught], train_labels=images.train_labels[taught])
    root = _trained(learns, recipe, coding.planes, seed, told)
    rows, labels = learns.inputs(images.train[judges]), images.train_labels[judges]
    whole = root.outputs(rows, shell=root.shape.shells - 1, depth=root.shape.depth)
    output = Output(
        "classification", images.classes, temperature=float(np.float32(fit_temperature(whole[:, None], labels)))
    )
    return build(
        root.shape,
        root.tensors,
        encoding=learns.encoding(),
        output=output,
        judge=_judge(rows, labels, seed),
        canaries=rows.take(np.arange(_CANARIES)),
        release=release,
        recipe=replace(coding, step=root.step),
    )


def _trained(
    images: Images, recipe: ImageDelivery, planes: int, seed: int, told: Callable[[int, float], None] | None
) -> ImageRoot:
    """Return the root: all depths, widths and planes trained together."""
    shape = image_shape(
        pixels=images.pixels,
        channels=images.channels,
        classes=len(images.classes),
        width=recipe.width,
        stages=recipe.stages,
        triangular=recipe.triangular,
    )
    how = ImageRecipe(epochs=recipe.epochs, batch=recipe.batch, learning_rate=recipe.learning_rate, bits=Bits(planes))
    return train(shape, images, how, seed=child_seed(seed, "image delivery"), told=told)


def _judge(rows: Inputs, labels: NDArray[np.int64], seed: int) -> Judge:
    """Return a judge by the share of images whose class is told, with a 95 % interval by the bootstrap."""

    def judge(model: Model) -> tuple[float, float, float]:
        right = model.parts[0].outputs(rows)[:, 0].argmax(axis=1) == labels
        return with_interval(lambda drawn: float(right[drawn].mean()), len(rows), seed)

    return judge
