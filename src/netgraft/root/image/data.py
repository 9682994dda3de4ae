"""Images to train on: scikit-learn's digits, CIFAR-10 as JPEG bytes in Parquet, CIFAR-100 in its binary version.

Nothing is ever unpickled: the Python version of the CIFAR sets is not read. Test images are those of the set; digits
have none of their own, so a share is drawn by the seed.
"""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import SettingError, TableError, unknown_name
from netgraft.runtime import Column, Encoding, Inputs
from netgraft.seeds import generator

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]
_TEST_SHARE = 0.3
_SIDE = 32
_CIFAR_100_RECORD = 2 + 3 * _SIDE * _SIDE


@dataclass(frozen=True)
class Images:
    """A set of labelled images, split into train and test.

    Attributes:
        name: of the set.
        train, test: uint8 [n, h, h, channels].
        train_labels, test_labels: int64 [n].
        classes: the labels in words.
        moves: whether images may be mirrored and moved while training; digits may not.
    """

    name: str
    train: Bytes
    train_labels: Labels
    test: Bytes
    test_labels: Labels
    classes: tuple[str, ...]
    moves: bool

    @property
    def pixels(self) -> int:
        """Return the pixels on a side."""
        return self.train.shape[1]

    @property
    def channels(self) -> int:
        """Return the channels of a pixel."""
        return self.train.shape[3]

    def encoding(self) -> Encoding:
        """Return the encoding of an image as a row of pixels: one centre and scale per channel, of the train images."""
        count = self.pixels * self.pixels
        values = self.train.reshape(-1, self.channels).astype(np.float32)
        each = (values.mean(axis=0), values.std(axis=0) + np.float32(1e-6), values.min(axis=0), values.max(axis=0))
        columns = tuple(Column(f"pixel_{i}", "numeric") for i in range(count * self.channels))
        return Encoding(columns, *(np.tile(numbers.astype(np.float32), count) for numbers in each))

    def inputs(self, images: Bytes) -> Inputs:
        """Return images as encoded rows."""
        encoding = self.encoding()
        numeric = (images.reshape(len(images), -1).astype(np.float32) - encoding.center) / encoding.scale
        return Inputs(numeric.astype(np.float32), np.zeros((len(images), 0), np.int64))

    def taken(self, train: int, test: int) -> Images:
        """Return the first images of both halves."""
        return Images(
            self.name, self.train[:train], self.train_labels[:train], self.test[:test], self.test_labels[:test],
            self.classes, self.moves,
        )  # fmt: skip


def images_named(name: str, *, folder: Path | None = None, seed: int = 0) -> Images:
    """Return a set of images by name.

    Args:
        name: ``digits``, ``cifar10`` or ``cifar100``.
        folder: of the set; ``cifar10_jpeg`` below `NETGRAFT_DATA` for CIFAR-10 if not given.
        seed: of the split of digits.

    Raises:
        SettingError: the name is unknown, or a folder is required.
        TableError: the folder's files are missing or damaged.
    """
    readers: dict[str, Callable[[], Images]] = {
        "digits": lambda: digits(seed),
        "cifar10": lambda: cifar10(folder or data_folder() / "cifar10_jpeg"),
        "cifar100": lambda: cifar100(folder),
    }
    if name not in readers:
        raise SettingError(unknown_name("a set of images", name, readers))
    return readers[name]()


def data_folder() -> Path:
    """Return the folder of real data that `NETGRAFT_DATA` names, by default `../shared/data`."""
    return Path(os.environ.get("NETGRAFT_DATA", "../shared/data"))


def digits(seed: int) -> Images:
    """Return scikit-learn's 1,797 digits of 8 x 8 pixels, 30 % of them drawn for the test."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    images, labels = loaded.images.astype(np.uint8)[..., None], loaded.target.astype(np.int64)
    order = generator(seed, "digits").permutation(len(images))
    tests = round(_TEST_SHARE * len(images))
    test, train = order[:tests], order[tests:]
    classes = tuple(map(str, range(10)))
    return Images("digits", images[train], labels[train], images[test], labels[test], classes, moves=False)


def cifar10(folder: Path) -> Images:
    """Return CIFAR-10 from ``train.parquet`` and ``test.parquet`` with the columns ``label`` and ``jpeg``.

    The files are sorted by label; the images come in an order that is drawn, always the same.

    Raises:
        TableError: a file is missing or has no such columns.
        SettingError: Pillow is not installed.
    """
    halves = [_parquet_images(folder / f"{half}.parquet") for half in ("train", "test")]
    classes = tuple(sorted(set(halves[0][1])))
    place = {name: index for index, name in enumerate(classes)}
    labels = [np.array([place[name] for name in names], np.int64) for _, names in halves]
    orders = [generator(0, "cifar10", half).permutation(len(each)) for half, each in enumerate(labels)]
    (train, train_labels), (test, test_labels) = (
        (images[order], each[order]) for (images, _), each, order in zip(halves, labels, orders, strict=True)
    )
    return Images("cifar10", train, train_labels, test, test_labels, classes, moves=True)


def _parquet_images(path: Path) -> tuple[Bytes, list[str]]:
    """Return the images and labels of one file."""
    import polars as pl

    try:
        table = pl.read_parquet(path, columns=["label", "jpeg"])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise TableError(f"{path} must be a Parquet file with the columns label and jpeg, got: {error}") from error
    images = np.empty((len(table), _SIDE, _SIDE, 3), np.uint8)
    for i, data in enumerate(table["jpeg"].to_list()):
        images[i] = decoded(data)
    return images, table["label"].to_list()


def decoded(data: bytes) -> Bytes:
    """Return the pixels of a JPEG of 32 x 32; uint8 [32, 32, 3].

    Raises:
        SettingError: Pillow is not installed.
        TableError: the bytes are no such image.
    """
    try:
        pillow = importlib.import_module("PIL.Image")  # an optional package
    except ImportError as error:
        raise SettingError("Pillow is required to read JPEG images, got none: pip install pillow") from error
    try:
        with pillow.open(io.BytesIO(data), formats=["JPEG"]) as image:
            pixels = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise TableError(f"an image must be a JPEG, got: {error}") from error
    if pixels.shape != (_SIDE, _SIDE, 3):
        raise TableError(f"an image must have 32 x 32 pixels, got {pixels.shape[1]} x {pixels.shape[0]}")
    return pixels


def cifar100(folder: Path | None) -> Images:
    """Return CIFAR-100 from ``train.bin`` and ``test.bin`` of its binary version, with the 100 fine labels.

    Raises:
        SettingError: no folder is given.
        TableError: a file is missing, or is not whole records of two labels and 3,072 bytes.
    """
    if folder is None:
        raise SettingError("the folder of CIFAR-100's binary version is required, got none")
    (train, train_labels), (test, test_labels) = (_binary(folder / f"{half}.bin") for half in ("train", "test"))
    classes = tuple(map(str, range(100)))
    return Images("cifar100", train, train_labels, test, test_labels, classes, moves=True)


def _binary(path: Path) -> tuple[Bytes, Labels]:
    """Return the images and fine labels of one file of records: coarse label, fine label, red, green, blue planes."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise TableError(f"{path} is required: {error.strerror}") from error
    if not len(data) or len(data) % _CIFAR_100_RECORD:
        raise TableError(f"{path} must be records of {_CIFAR_100_RECORD} bytes, got {len(data)} bytes")
    records = data.reshape(-1, _CIFAR_100_RECORD)
    labels = records[:, 1].astype(np.int64)
    if labels.max() > 99:
        raise TableError(f"{path} must have labels of 0 to 99, got {labels.max()}")
    planes = records[:, 2:].reshape(-1, 3, _SIDE, _SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels
