"""The cells of figure 3: for one set of images and one seed, what each way of compressing sends and reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from benchmarks.delivery_compress import codebook, quantised, searched_bits, uniform
from benchmarks.delivery_forms import Chunked, Codes, Floats, Planes, is_coded
from benchmarks.raw import Row
from netgraft.delivery.format.codec import compress
from netgraft.root.bits import Bits
from netgraft.root.image import ImageRecipe, ImageRoot, Images, image_shape, images_named, outputs_of, train
from netgraft.root.image.network import sort_groups
from netgraft.root.image.pruning import gradient, magnitude, most_important, trained_without
from netgraft.runtime import Inputs
from netgraft.runtime.grid import fit_grid, quantise
from netgraft.runtime.image import ImageNetwork
from netgraft.runtime.image_shape import ImageShape, cost, exits, network
from netgraft.seeds import child_seed, generator

Array = NDArray[Any]
RATES = (1e-5, 1e-3, 1e-2)
PARTS = ("depth", "parameter", "bit", "cuts")
PLANES = 8
_FEW = 6
#: Highest planes that are sent exact where the others are tolerant, and what correcting their errors costs: the
#: Reed-Solomon code (255, 231), by which 64 KB fail with a probability of 6e-5 at a bit error rate of 1e-3.
_CERTAIN = 4
_CORRECTED = 255 / 231
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
_SURE = (0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Setup:
    """What is trained on one set of images.

    Attributes:
        width, stages: of the root.
        epochs: of the ordinary and of the nested root.
        again: epochs of re-training after pruning, at a tenth of the learning rate.
        batch: images of a step.
        taught: train images at most.
        judged: test images at most.
        calibrated: train images that are kept from training, to choose with.
        shares: weights that pruning keeps.
        draws: of bit errors.
        learning_rate: of SGD.
    """

    width: int = 16
    stages: int = 3
    epochs: int = 30
    again: int = 4
    batch: int = 64
    taught: int = 50_000
    judged: int = 10_000
    calibrated: int = 150
    shares: tuple[float, ...] = SHARES
    draws: int = 3
    learning_rate: float = 0.1


SETUPS = {
    "digits": Setup(),
    "cifar10": Setup(
        stages=4,
        epochs=10,
        again=1,
        batch=128,
        taught=20_000,
        judged=1_000,
        calibrated=500,
        shares=(0.1, 0.3, 0.5),
        draws=1,
    ),
}


@dataclass(frozen=True)
class Point:
    """One way to send a sub-model.

    Attributes:
        method: name of the way.
        retrained: whether the root was trained for it, or again after it.
        label: of the point on its line.
        form: what is sent.
        depth, shell: of the cut.
        exact_bytes: bytes where it is compressed without loss in chunks, or None.
    """

    method: str
    retrained: bool
    label: str
    form: Floats | Codes | Planes
    shape: ImageShape
    depth: int
    shell: int
    exact_bytes: float | None = None


class Study:
    """One set of images and one seed: its roots, trained when first asked for."""

    def __init__(self, name: str, setup: Setup, seed: int, *, triangular: bool) -> None:
        """Read the images and keep some from training."""
        whole = images_named(name, seed=seed)
        order = generator(seed, "delivery calibration").permutation(len(whole.train))
        held, taught = order[: setup.calibrated], order[setup.calibrated :][: setup.taught]
        self.images = Images(
            whole.name, whole.train[taught], whole.train_labels[taught],
            whole.test[: setup.judged], whole.test_labels[: setup.judged], whole.classes, whole.moves,
        )  # fmt: skip
        self.setup, self.seed = setup, seed
        self.calibration = (self.images.inputs(whole.train[held]), whole.train_labels[held])
        self.test = (self.images.inputs(self.images.test), self.images.test_labels)
        self._triangular = triangular

    def shape(self, *, triangular: bool) -> ImageShape:
        """Return the shape of a root."""
        i = self.images
        return image_shape(
            pixels=i.pixels, channels=i.channels, classes=len(i.classes), width=self.setup.width,
            stages=self.setup.stages, triangular=triangular,
        )  # fmt: skip

    def _recipe(self, **changed: Any) -> ImageRecipe:
        given = {"epochs": self.setup.epochs, "batch": self.setup.batch, "learning_rate": self.setup.learning_rate}
        return ImageRecipe(**given | changed)

    @cached_property
    def ordinary(self) -> ImageRoot:
        """Return the paper's root: trained for its last head alone, classifiers put on its blocks, channels sorted."""
        root = train(
            self.shape(triangular=False), self.images, self._recipe(nested=False, apart=True),
            seed=child_seed(self.seed, "ordinary"),
        )  # fmt: skip
        return ImageRoot(root.shape, sort_groups(root.shape, root.tensors))

    @cached_property
    def nested(self) -> ImageRoot:
        """Return our root: all depths, widths and planes trained together."""
        shape = self.shape(triangular=self._triangular)
        return train(shape, self.images, self._recipe(bits=Bits(PLANES)), seed=child_seed(self.seed, "nested"))

    def trained_again(self, kept: Mapping[str, Array]) -> ImageRoot:
        """Return the ordinary root without the weights that are not kept, trained on."""
        recipe = self._recipe(
            nested=False, apart=True, epochs=self.setup.again, learning_rate=self.setup.learning_rate / 10
        )
        return trained_without(self.ordinary, self.images, kept, recipe=recipe, seed=child_seed(self.seed, "again"))

    @property
    def root_bytes(self) -> int:
        """Return the bytes of the whole root in float32 with its last head."""
        shape = self.ordinary.shape
        return 4 * cost(shape, shape.depth, shape.shells - 1).parameters


def cut_of(root: ImageRoot, depth: int, shell: int) -> dict[str, Array]:
    """Return the tensors of one cut with its one head."""
    return dict(network(root.shape, root.tensors, depth, shell).tensors)


def accuracy(point: Point, tensors: Mapping[str, Array], rows: tuple[Inputs, Array]) -> float:
    """Return the accuracy of what arrived."""
    with np.errstate(all="ignore"):
        made = outputs_of(point.shape, tensors, rows[0], shell=point.shell, depth=point.depth)
    return float((np.nan_to_num(made, nan=-np.inf).argmax(axis=1) == rows[1]).mean())


def judged(point: Point, study: Study, level: str) -> Row:
    """Return what a point sends, and reaches on test images without and with bit errors."""
    random = generator(study.seed, "bit errors", level, point.method, str(point.retrained), point.label)
    row: Row = {
        "level": level, "method": point.method, "retrained": point.retrained, "label": point.label,
        "bytes": point.form.size_bytes(), "bytes_hardened": point.form.size_bytes(hardened=True),
        "bytes_exact": point.exact_bytes, "depth": point.depth, "shell": point.shell,
        "accuracy": accuracy(point, point.form.received(0.0, random, hardened=True), study.test),
    }  # fmt: skip
    for hardened in (False, True):
        row["hardened" if hardened else "naive"] = {
            f"{rate:g}": [
                accuracy(point, point.form.received(rate, random, hardened=hardened), study.test)
                for _ in range(study.setup.draws)
            ]
            for rate in RATES
        }
    return row


def depth_points(study: Study) -> Iterator[Point]:
    """Yield a classifier on every block: put on the ordinary root, and trained with the nested one."""
    for method, root in (("classifier put on", study.ordinary), ("nested head", study.nested)):
        widest = root.shape.shells - 1
        for depth in root.shape.depths:
            form = floats_of(root, depth, widest)
            yield Point(method, root is study.nested, f"depth {depth}", form, root.shape, depth, widest)
    grids = Grids(study.nested)
    for depth in study.nested.shape.depths:
        yield grids.point(
            f"nested head, {_FEW} planes", depth, widest, PLANES - _FEW, label=f"depth {depth}", certain=_CERTAIN
        )


def parameter_points(study: Study) -> Iterator[Point]:
    """Yield pruned roots by two importances, and widths."""
    root = study.ordinary
    shape, widest = root.shape, root.shape.shells - 1
    rows = study.images.inputs(study.images.train[:1024]), study.images.train_labels[:1024]
    own = {name: value for name, value in root.tensors.items() if name in cut_of(root, shape.depth, widest)}
    alone = ImageRoot(shape, own)
    for method, importance in (("magnitude", magnitude(alone)), ("gradient", gradient(root, *rows))):
        chosen = {name: value for name, value in importance.items() if name in own}
        for share in study.setup.shares:
            kept = most_important(chosen, share)
            pruned = {name: value * kept.get(name, 1) for name, value in own.items()}
            again = study.trained_again(kept)
            tensors = {name: again.tensors[name] for name in own}
            for retrained, sent in ((False, pruned), (True, tensors)):
                yield Point(method, retrained, f"{share:g}", Floats(sent, kept), shape, shape.depth, widest)
    for each in (root, study.nested):
        for shell in range(each.shape.shells):
            form = floats_of(each, each.shape.depth, shell)
            yield Point("widths", each is study.nested, f"shell {shell}", form, each.shape, each.shape.depth, shell)
    grids = Grids(study.nested)
    for shell in range(shape.shells):
        yield grids.point(
            f"widths, {_FEW} planes", shape.depth, shell, PLANES - _FEW, label=f"shell {shell}", certain=_CERTAIN
        )


def floats_of(root: ImageRoot, depth: int, shell: int) -> Floats:
    """Return a cut in float32, without the numbers that the wiring says are zero."""
    tensors, masks = cut_of(root, depth, shell), root.shape.masks()
    kept = {
        name: masks[name][tuple(slice(size) for size in value.shape)]
        for name, value in tensors.items()
        if name in masks
    }
    return Floats(tensors, kept, known=True)


def bit_points(study: Study) -> Iterator[Point]:
    """Yield quantised roots: uniform, k-means, searched bits, and planes of the ordinary and the nested root."""
    root = study.ordinary
    shape, widest = root.shape, root.shape.shells - 1
    own = cut_of(root, shape.depth, widest)
    names = [name for name in own if is_coded(name)]
    for method, how, choices in (("uniform", uniform, (2, 3, 4, 6, 8)), ("k-means", codebook, (2, 3, 4))):
        for bits in choices:
            form = quantised(own, how, dict.fromkeys(names, bits))
            yield Point(method, False, f"{bits} bits", form, shape, shape.depth, widest)
    loss = calibration_loss(study, shape, widest)
    for target in (3.0, 4.0, 5.0):
        random = generator(study.seed, "searched bits", str(target))
        found = searched_bits(own, loss, target=target, random=random)
        form = quantised(own, uniform, found)
        yield Point("searched bits", False, f"{target:g} bits", form, shape, shape.depth, widest)
    for each in (root, study.nested):
        yield from plane_points(each, retrained=each is study.nested)


def plane_points(root: ImageRoot, *, retrained: bool) -> Iterator[Point]:
    """Yield the whole root on one common step with 2 to all planes."""
    shape, widest = root.shape, root.shape.shells - 1
    grids = Grids(root)
    for method, certain in (("planes", 0), (f"planes, {_CERTAIN} exact", _CERTAIN)):
        for lowest in range(PLANES - max(1, certain)):
            label = f"{PLANES - lowest} planes"
            yield grids.point(method, shape.depth, widest, lowest, label=label, retrained=retrained, certain=certain)


class Grids:
    """A root on its common step: any cut as planes."""

    def __init__(self, root: ImageRoot) -> None:
        """Quantise every weight once."""
        self._root = root
        weights = [root.tensors[name] for name in root.shape.coded]
        self.grid = fit_grid(weights, PLANES, root.step)
        self._codes = {name: quantise(root.tensors[name], self.grid.step, PLANES) for name in root.shape.coded}
        self._chunks = Chunked(root.shape, self._codes, PLANES)
        # the head has the norms and biases of all depths
        exact = [root.tensors[name].tobytes() for name in sorted(root.shape.exact)]
        self._exact_bytes = len(compress(b"".join(exact))) + 8 * PLANES

    def point(
        self,
        method: str,
        depth: int,
        shell: int,
        lowest: int,
        *,
        label: str | None = None,
        retrained: bool = True,
        certain: int = 0,
    ) -> Point:
        """Return a cut with the planes from the lowest on."""
        shape = self._root.shape
        tensors = cut_of(self._root, depth, shell)
        masks = shape.masks()
        codes, sent = {}, {}
        for name, value in tensors.items():
            if is_coded(name):
                place = tuple(slice(size) for size in value.shape)
                codes[name] = self._codes[name][place]
                sent[name] = masks[name][place] if name in masks else np.ones(value.shape, bool)
        exact = {name: value for name, value in tensors.items() if not is_coded(name)}
        certain_bytes = _CORRECTED * self._chunks.size_bytes(depth, shell, PLANES - certain) if certain else 0.0
        form = Planes(codes, sent, self.grid, lowest, exact, certain, certain_bytes)
        size = float(self._chunks.size_bytes(depth, shell, lowest) + self._exact_bytes)
        named = label or f"d{depth}s{shell}p{PLANES - lowest}"
        return Point(method, retrained, named, form, shape, depth, shell, size)


def calibration_loss(study: Study, shape: ImageShape, shell: int) -> Callable[[Mapping[str, Array]], float]:
    """Return the cross-entropy of other weights on images that were kept from training."""
    inputs, labels = study.calibration
    whole = Point("", False, "", Floats({}), shape, shape.depth, shell)
    return lambda tensors: loss_of(whole, tensors, inputs, labels)


def loss_of(point: Point, tensors: Mapping[str, Array], inputs: Inputs, labels: Array) -> float:
    """Return the cross-entropy of tensors of a point's cut."""
    made = outputs_of(point.shape, tensors, inputs, shell=point.shell, depth=point.depth)
    return float(-log_softmax(made, axis=1)[np.arange(len(labels)), labels].mean())


def cut_points(study: Study) -> Iterator[Point]:
    """Yield the chain of cuts of the nested root: each time what lowers the calibration loss most per byte."""
    root, grids = study.nested, Grids(study.nested)
    every = {
        (depth, shell, PLANES - lowest): grids.point(
            "cuts", depth, shell, lowest, certain=min(_CERTAIN, PLANES - lowest)
        )
        for depth in root.shape.depths
        for shell in range(root.shape.shells)
        for lowest in range(PLANES - 1)
    }
    random, (inputs, labels) = generator(study.seed, "no errors"), study.calibration
    reached = {
        key: -loss_of(point, point.form.received(0.0, random, hardened=True), inputs, labels)
        for key, point in every.items()
    }
    sizes = {key: point.exact_bytes or 0.0 for key, point in every.items()}
    for key in chain(reached, sizes):
        yield every[key]


def chain(reached: Mapping[tuple[int, ...], float], sizes: Mapping[tuple[int, ...], float]) -> list[tuple[int, ...]]:
    """Return cuts each contained in the next: from the best per byte on, that with the largest gain per byte added."""
    at = max(sizes, key=lambda key: (reached[key] - min(reached.values())) / sizes[key])
    found = [at]
    while True:
        larger = [
            key for key in sizes
            if key != at and all(a >= b for a, b in zip(key, at, strict=True)) and reached[key] > reached[at]
        ]  # fmt: skip
        if not larger:
            return found
        here = at
        at = max(larger, key=lambda key: (reached[key] - reached[here]) / max(1.0, sizes[key] - sizes[here]))
        found.append(at)


def leaving(study: Study) -> list[Row]:
    """Return for some confidences how many test images leave at each head of the nested root, and what that costs."""
    root = study.nested
    shape, widest = root.shape, root.shape.shells - 1
    operations = np.array([cost(shape, depth, widest).operations for depth in shape.depths], np.float64)
    rows = []
    for least in _SURE:

        def sure(outputs: Array, least: float = least) -> Array:
            return np.exp(log_softmax(outputs, axis=1).max(axis=1)) >= least

        made, left = exits(shape, root.tensors, study.test[0], shell=widest, depth=shape.depth, confidence=sure)
        counts = np.bincount(left, minlength=shape.depth + 1) / len(left)
        rows.append(
            {
                "confidence": least,
                "accuracy": float((made.argmax(axis=1) == study.test[1]).mean()),
                "left": counts.round(4).tolist(),
                "operations": float(operations[left].mean() / operations[-1]),
            }
        )
    return rows


def run_part(study: Study, part: str) -> Row:
    """Return the row of one part of the study."""
    ways: dict[str, Callable[[Study], Iterator[Point]]] = {
        "depth": depth_points, "parameter": parameter_points, "bit": bit_points, "cuts": cut_points,
    }  # fmt: skip
    root = study.ordinary
    depth, shell = root.shape.depth, root.shape.shells - 1
    whole = [
        Point(name, each is study.nested, "float32", floats_of(each, depth, shell), each.shape, depth, shell)
        for name, each in (("ordinary root", root), ("nested root", study.nested))
    ]
    points = [judged(point, study, "root") for point in whole] if part == "depth" else []
    points += [judged(point, study, part) for point in ways[part](study)]
    more = {"leaving": leaving(study)} if part == "depth" else {}
    return {"root_bytes": study.root_bytes, "numbers": root.shape.numbers, "points": points, **more}


def runtime_difference(study: Study) -> float:
    """Return the largest difference between the outputs of NumPy and of torch on test images."""
    root = study.nested
    shape, rows = root.shape, study.test[0].take(slice(0, 64))
    ours = ImageNetwork(shape.cut_architecture(shape.depth, 0), cut_of(root, shape.depth, 0)).outputs(rows)[:, 0]
    theirs: Sequence[Any] = outputs_of(shape, root.tensors, rows, shell=0, depth=shape.depth)
    return float(np.abs(ours - theirs).max())
