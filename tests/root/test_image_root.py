"""Image roots: torch against NumPy, sorting, training, the sets of images."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from netgraft.errors import ModelError, SettingError, TableError
from netgraft.root import Bits
from netgraft.root.image import (
    ImageRecipe,
    ImageRoot,
    Images,
    digits,
    image_shape,
    images_named,
    multiplies_bfloat16,
    outputs_of,
    train,
)
from netgraft.root.image import data as image_data
from netgraft.root.image.network import fresh, sort_groups, to_runtime, to_torch
from netgraft.root.image.training import _Training
from netgraft.runtime.grid import dequantise, fit_grid, quantise
from netgraft.runtime.image_shape import ImageShape, network
from netgraft.seeds import generator

DIGITS = digits(0)
WIDEST = 1
SMALL = DIGITS.taken(600, 200)


def small_shape(*, triangular: bool = False) -> ImageShape:
    """Return a root of three blocks for digits."""
    return image_shape(
        pixels=8, channels=1, classes=10, width=8, stages=3, blocks=1, shells=(0.5, 1.0), triangular=triangular
    )


def random_root(*, triangular: bool = False) -> ImageRoot:
    """Return a root with random tensors."""
    shape = small_shape(triangular=triangular)
    random, masks = generator(0, "random root"), shape.masks()
    made = fresh(shape, random)
    made = {n: v + random.normal(0, 0.1, v.shape).astype(np.float32) for n, v in made.items()}
    return ImageRoot(shape, {n: v * masks[n] if n in masks else v for n, v in made.items()})


@pytest.mark.parametrize("triangular", [False, True])
def test_torch_and_numpy_compute_the_same_of_every_cut(triangular: bool) -> None:
    root, rows = random_root(triangular=triangular), SMALL.inputs(SMALL.test[:20])
    for depth in root.shape.depths:
        for shell in range(root.shape.shells):
            ours = network(root.shape, root.tensors, depth, shell).outputs(rows)[:, 0]
            np.testing.assert_allclose(ours, root.outputs(rows, shell=shell, depth=depth), rtol=1e-4, atol=1e-5)
            alone = network(root.shape, root.tensors, depth, shell).tensors
            cut = outputs_of(root.shape, alone, rows, shell=shell, depth=depth)
            np.testing.assert_allclose(ours, cut, rtol=1e-4, atol=1e-5)


def test_parameters_come_back_from_torch() -> None:
    root = random_root()
    back = to_runtime(to_torch(root.tensors))
    assert all((back[name] == value).all() for name, value in root.tensors.items())


def test_sorted_channels_compute_the_same_and_have_falling_importance() -> None:
    root, rows = random_root(), SMALL.inputs(SMALL.test[:20])
    made = ImageRoot(root.shape, sort_groups(root.shape, root.tensors))
    for depth in root.shape.depths:
        whole = [each.outputs(rows, shell=WIDEST, depth=depth) for each in (root, made)]
        np.testing.assert_allclose(*whole, rtol=1e-3, atol=1e-5)
    for block in (1, 2, 3):
        read = np.abs(made.tensors[f"weight_{block}b"]).sum(axis=(1, 2, 3)).reshape(-1, 4).sum(axis=1)
        assert (np.diff(read) <= 0).all()
    assert any((made.tensors[name] != value).any() for name, value in root.tensors.items())


@pytest.fixture(scope="module")
def trained() -> ImageRoot:
    """Return a nested root with few bits, trained for some seconds."""
    recipe = ImageRecipe(epochs=8, batch=50, bits=Bits(8), threads=1)
    return train(small_shape(triangular=True), SMALL, recipe, seed=3)


def test_every_cut_has_learned(trained: ImageRoot) -> None:
    rows = SMALL.inputs(SMALL.test)
    reached = [trained.accuracies(rows, SMALL.test_labels, shell) for shell in (0, 1)]
    assert reached[1][3] > 0.85
    assert reached[0][3] > 0.75
    assert min(each.min() for each in reached) > 0.4


def test_planes_of_the_common_step_keep_the_accuracy(trained: ImageRoot) -> None:
    assert trained.step is not None
    rows, coded = SMALL.inputs(SMALL.test), trained.shape.coded
    grid = fit_grid([trained.tensors[name] for name in coded], 8, trained.step)
    reached = []
    for lowest in (0, 3):
        made = {
            name: dequantise(quantise(value, grid.step, 8), grid, lowest) if name in coded else value
            for name, value in trained.tensors.items()
        }
        reached.append(ImageRoot(trained.shape, made).accuracies(rows, SMALL.test_labels, 1)[3])
    whole = trained.accuracies(rows, SMALL.test_labels, 1)[3]
    assert abs(reached[0] - whole) <= 0.02
    assert reached[1] >= whole - 0.1


def test_weights_stay_within_the_planes(trained: ImageRoot) -> None:
    assert trained.step is not None
    assert max(float(np.abs(trained.tensors[name]).max()) for name in trained.shape.coded) <= trained.step * 256 * 1.001


def test_numbers_that_are_not_wired_stay_zero(trained: ImageRoot) -> None:
    for name, mask in trained.shape.masks().items():
        assert not trained.tensors[name][~mask].any()
        assert trained.tensors[name][mask].any()


def test_exact_numbers_are_those_of_float16(trained: ImageRoot) -> None:
    for name in trained.shape.exact:
        value = trained.tensors[name]
        assert (value == value.astype(np.float16).astype(np.float32)).all()


def test_a_seed_gives_the_same_root_and_epochs_are_told() -> None:
    told: list[int] = []
    images = SMALL.taken(128, 10)
    recipe = ImageRecipe(epochs=2, batch=64, bits=Bits(start=0.5, rate=1e-7), optimiser="adamw")
    roots = [
        train(small_shape(), images, recipe, seed=seed, told=lambda epoch, _: told.append(epoch)) for seed in (0, 0, 1)
    ]
    assert told == [1, 2] * 3
    assert all((roots[1].tensors[name] == value).all() for name, value in roots[0].tensors.items())
    assert any((roots[2].tensors[name] != value).any() for name, value in roots[0].tensors.items())


def test_training_goes_on_from_tensors_and_keeps_pruned_weights_at_zero() -> None:
    root = random_root()
    kept = {name: (np.abs(value) > 0.1).astype(np.float32) for name, value in root.tensors.items() if "weight" in name}
    recipe = ImageRecipe(epochs=1, batch=64, nested=False, learning_rate=1e-4)
    images = SMALL.taken(128, 10)
    again = train(root.shape, images, recipe, seed=0, start=root.tensors, kept=kept)
    for name, mask in kept.items():
        assert not again.tensors[name][mask == 0].any()
        np.testing.assert_allclose(again.tensors[name], root.tensors[name] * mask, atol=5e-3)


def test_heads_apart_teach_the_blocks_nothing() -> None:
    root, images = random_root(), SMALL.taken(64, 10)
    other = {n: v + np.float32(1) if n.startswith("head@1") else v for n, v in root.tensors.items()}
    recipe = ImageRecipe(epochs=1, batch=64, nested=False, apart=True, weight_decay=0.0)
    first, second = (train(root.shape, images, recipe, seed=0, start=start) for start in (root.tensors, other))
    assert (first.tensors["weight_1a"] == second.tensors["weight_1a"]).all()
    assert (first.tensors["head@1"] != second.tensors["head@1"]).any()


def test_moved_images_are_parts_of_the_padded_ones() -> None:
    moving = replace(SMALL.taken(32, 4), moves=True)
    training = _Training(small_shape(), moving, ImageRecipe(epochs=1, batch=32), 0, None, None)
    images = torch.arange(64.0).view(1, 1, 8, 8).repeat(32, 1, 1, 1) + 1
    made = training._moved(images)
    padded = torch.nn.functional.pad(images[0, 0], (4, 4, 4, 4))
    parts = {
        tuple(each.flatten().tolist())
        for i in range(9)
        for j in range(9)
        for each in (padded[i : i + 8, j : j + 8], padded[i : i + 8, j : j + 8].flip(1))
    }
    assert all(tuple(image.flatten().tolist()) in parts for image in made[:, 0])
    assert len({tuple(image.flatten().tolist()) for image in made[:, 0]}) > 16


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"optimiser": "adam"}, "an optimiser must be one of sgd, adamw, got 'adam'"),
        ({"epochs": 0}, "epochs and batch must be >= 1, got 0 and 128"),
        ({"apart": True}, "heads that learn apart require nested=False"),
    ],
)
def test_recipes_are_checked(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingError, match=text):
        ImageRecipe(**fields)


def test_shells_of_a_shape_must_be_whole_groups() -> None:
    with pytest.raises(ModelError, match="whole groups of 4"):
        image_shape(pixels=8, channels=1, classes=10, width=8, shells=(0.3, 0.8, 1.0))


def test_whether_the_processor_multiplies_bfloat16(tmp_path: Path) -> None:
    (tmp_path / "with").write_text("flags : sse amx_bf16\n")
    (tmp_path / "without").write_text("flags : sse\n")
    assert multiplies_bfloat16(tmp_path / "with")
    assert not multiplies_bfloat16(tmp_path / "without")
    assert not multiplies_bfloat16(tmp_path / "absent")


def test_digits_are_split_by_the_seed() -> None:
    assert DIGITS.train.shape == (1258, 8, 8, 1)
    assert DIGITS.test.shape == (539, 8, 8, 1)
    assert (digits(0).test == DIGITS.test).all()
    assert (digits(1).test != DIGITS.test).any()
    both = np.concatenate([DIGITS.train, DIGITS.test]).sum(axis=0)
    assert (both == np.concatenate([digits(1).train, digits(1).test]).sum(axis=0)).all()


def test_images_are_encoded_as_a_table_of_pixels() -> None:
    encoding, rows = SMALL.encoding(), SMALL.inputs(SMALL.train)
    raw = {f"pixel_{i}": SMALL.train.reshape(600, -1)[:, i].astype(np.float32) for i in range(64)}
    np.testing.assert_allclose(encoding.apply(raw).numeric, rows.numeric, atol=1e-6)
    assert abs(float(rows.numeric.mean())) < 1e-3
    assert abs(float(rows.numeric.std()) - 1) < 1e-3


def cifar_folder(folder: Path, labels: list[str]) -> Path:
    """Write both halves of a set of images as bytes."""
    for half in ("train", "test"):
        table = pl.DataFrame({"label": labels, "file": labels, "jpeg": [bytes([i]) for i in range(len(labels))]})
        table.write_parquet(folder / f"{half}.parquet")
    return folder


def test_cifar_10_is_read_from_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_data, "decoded", lambda data: np.full((32, 32, 3), data[0], np.uint8))
    found = images_named("cifar10", folder=cifar_folder(tmp_path, ["ship", "cat", "ship"]))
    assert found.classes == ("cat", "ship")
    place = found.test[:, 0, 0, 0].tolist()
    assert sorted(place) == [0, 1, 2]
    assert found.test_labels.tolist() == [[1, 0, 1][i] for i in place]
    assert (images_named("cifar10", folder=tmp_path).test == found.test).all()
    assert found.moves
    assert found.pixels == 32
    assert found.channels == 3


def test_the_data_folder_is_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETGRAFT_DATA", str(tmp_path))
    with pytest.raises(TableError, match="must be a Parquet file with the columns label and jpeg"):
        images_named("cifar10")


def test_pillow_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(SettingError, match="Pillow is required to read JPEG images, got none: pip install pillow"):
        image_data.decoded(b"")


def test_jpeg_images_are_decoded() -> None:
    pillow = pytest.importorskip("PIL.Image")
    for side in (32, 31):
        buffer = io.BytesIO()
        pillow.fromarray(np.full((side, side, 3), 100, np.uint8)).save(buffer, "JPEG")
        if side == 32:
            assert (np.abs(image_data.decoded(buffer.getvalue()).astype(int) - 100) < 5).all()
        else:
            with pytest.raises(TableError, match="must have 32 x 32 pixels, got 31 x 31"):
                image_data.decoded(buffer.getvalue())
    with pytest.raises(TableError, match="an image must be a JPEG"):
        image_data.decoded(b"no image")


def test_cifar_100_is_read_from_its_binary_version(tmp_path: Path) -> None:
    record = np.zeros((2, 3074), np.uint8)
    record[:, 1] = (7, 99)
    record[0, 2:] = np.repeat([10, 20, 30], 1024)
    for half in ("train", "test"):
        (tmp_path / f"{half}.bin").write_bytes(record.tobytes())
    found = images_named("cifar100", folder=tmp_path)
    assert found.train_labels.tolist() == [7, 99]
    assert found.train[0, 5, 9].tolist() == [10, 20, 30]
    assert len(found.classes) == 100


def test_what_is_no_set_of_images(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="a set of images must be one of cifar10, cifar100, digits, got 'cifar'"):
        images_named("cifar")
    with pytest.raises(SettingError, match="the folder of CIFAR-100's binary version is required, got none"):
        images_named("cifar100")
    with pytest.raises(TableError, match=r"train\.bin is required: No such file"):
        images_named("cifar100", folder=tmp_path)
    (tmp_path / "train.bin").write_bytes(b"123")
    with pytest.raises(TableError, match="must be records of 3074 bytes, got 3 bytes"):
        images_named("cifar100", folder=tmp_path)
    (tmp_path / "train.bin").write_bytes(bytes([0, 100, *[0] * 3072]))
    with pytest.raises(TableError, match="must have labels of 0 to 99, got 100"):
        images_named("cifar100", folder=tmp_path)


def test_images_of_a_set_can_be_fewer() -> None:
    assert isinstance(SMALL, Images)
    assert (len(SMALL.train), len(SMALL.test_labels)) == (600, 200)
