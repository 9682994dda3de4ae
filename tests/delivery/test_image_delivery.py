"""An image root from training to a device: head, chunks, every cut against torch, early exits, and hostile shapes."""

from __future__ import annotations

import json
import tracemalloc
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from delivery_examples import KEY, NOW, accept, opened, whole
from image_examples import WIDTHS, image_example

from netgraft.delivery.coding.build import Built, Release, build
from netgraft.delivery.coding.root import Recipe
from netgraft.delivery.device.installing import live_of
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.codec import compress
from netgraft.delivery.format.container import join_sections, split_sections
from netgraft.delivery.format.head import MESSAGE, OpenedHead, unpack_head
from netgraft.errors import ChunkError, HeadError
from netgraft.records import sha256_hex
from netgraft.root import Bits
from netgraft.root.image import ImageRecipe, ImageRoot, digits, image_shape, outputs_of, train
from netgraft.root.image.network import fresh
from netgraft.runtime import Model, Output
from netgraft.runtime.image import ImageNetwork
from netgraft.runtime.image_shape import ImageShape
from netgraft.runtime.model import load, save
from netgraft.runtime.shapes import exits, network
from netgraft.seeds import generator

IMAGES = digits(0).taken(600, 150)
ROWS = IMAGES.inputs(IMAGES.test)
RAW = {f"pixel_{i}": IMAGES.test.reshape(150, 64)[:, i].astype(np.float32) for i in range(64)}


def judged(model: Model) -> tuple[float, float, float]:
    """Return the mean probability of the right class: it tells cuts apart that are right alike."""
    probabilities = model.predict_encoded(ROWS).probabilities
    assert probabilities is not None
    right = float(probabilities[np.arange(len(probabilities)), IMAGES.test_labels].mean())
    return right, max(0.0, right - 0.03), min(1.0, right + 0.03)


def published(
    root: ImageRoot, *, version: int = 1, recipe: Recipe | None = None, parent: Assembly | None = None
) -> Built:
    """Return an image root of digits ready to be signed."""
    return build(
        root.shape,
        root.tensors,
        encoding=IMAGES.encoding(),
        output=Output("classification", IMAGES.classes),
        judge=judged,
        canaries=ROWS,
        release=Release("digits", version, NOW, NOW + 86_400, {"target": "digit"}, {"source": "digits"}, None),
        recipe=recipe or Recipe(step=root.step, usable_share=0.3, target_bytes=400),
        parent=parent,
    )


def small_shape(*, triangular: bool) -> ImageShape:
    """Return two blocks in two shells."""
    return image_shape(
        pixels=8, channels=1, classes=10, width=8, stages=2, blocks=1, shells=(0.5, 1.0), triangular=triangular
    )


@cache
def sent(kind: str) -> tuple[ImageRoot, Built, OpenedHead]:
    """Return a root of digits, what is published of it and its opened head; made once per kind.

    Args:
        kind: ``trained``, with shells; ``square``, with random weights; ``tolerant``, trained, below three planes.
    """
    shape = small_shape(triangular=kind != "square")
    if kind == "square":
        root = ImageRoot(shape, fresh(shape, generator(0, "image delivery")))
    elif kind == "tolerant":
        root = sent("trained")[0]
    else:
        root = train(shape, IMAGES, ImageRecipe(epochs=8, batch=50, bits=Bits(8), threads=1), seed=3)
    built = published(root, recipe=Recipe(step=root.step, exact_planes=3) if kind == "tolerant" else None)
    return root, built, opened(built)


def test_training_shows_in_the_table_of_cuts() -> None:
    _, _, head = sent("trained")
    accuracies = [cut.accuracy for cut in head.head.cuts]
    chain = [cut for cut in head.head.cuts if cut.chain]
    assert max(accuracies) > 0.8
    assert [cut.accuracy for cut in chain] == sorted(cut.accuracy for cut in chain)
    assert len(chain) > 1
    assert len(head.head.chunks) > 3
    assert {cut.depth for cut in head.head.cuts} == {0, 1, 2}
    assert head.head.network["kind"] == "image"
    assert chain[0].bytes < head.head.full_bytes / 4


@pytest.mark.parametrize("kind", ["trained", "square", "tolerant"])
def test_every_cut_of_the_table_opens_from_its_own_chunks(kind: str) -> None:
    root, built, head = sent(kind)
    for cut in head.head.cuts:
        held = Assembly(head)
        for at in cut.chunks:
            held.add(at, built.chunks[head.head.chunks[at].sha256])
        model = held.model(cut)
        held.check(cut, model)
        assert held.ready() is not None
        (part,) = model.parts
        assert isinstance(part, ImageNetwork)
        assert part.architecture == root.shape.cut_architecture(cut.depth, cut.shell)
        assert round(judged(model)[0], 4) == cut.accuracy
        assert model.about["delivered"]["cut"] == cut.id


@pytest.mark.parametrize("kind", ["trained", "square"])
def test_cuts_answer_as_the_torch_network_does(kind: str) -> None:
    root, built, head = sent(kind)
    held = whole(built, head)
    for cut in head.head.cuts:
        at_most = {"shell": cut.shell, "depth": cut.depth}
        ours = held.model(cut).parts[0].outputs(ROWS)[:, 0]
        everywhere = dict(root.tensors) | held.tensors(cut)
        np.testing.assert_allclose(ours, outputs_of(root.shape, everywhere, ROWS, **at_most), rtol=1e-3, atol=1e-4)


def test_the_best_cut_is_near_the_network_that_was_trained() -> None:
    root, built, head = sent("trained")
    held, best = whole(built, head), max(head.head.cuts, key=lambda cut: (cut.depth, cut.shell, cut.planes))
    near = held.model(best).parts[0].outputs(ROWS)[:, 0]
    exact = root.outputs(ROWS, shell=best.shell, depth=best.depth)
    assert ((near - exact) ** 2).mean() < 0.05 * exact.var()


def test_a_model_is_saved_loaded_and_predicts_from_raw_pixels(tmp_path: Path) -> None:
    _, built, head = sent("trained")
    held = whole(built, head)
    cut = max(head.head.cuts, key=lambda cut: cut.accuracy)
    model = held.model(cut)
    save(tmp_path, {"digits": model})
    again = load(tmp_path, "digits")
    ours, theirs = model.predict(RAW), again.predict(RAW)
    np.testing.assert_array_equal(theirs.values, ours.values)
    assert ours.probabilities is not None
    assert theirs.probabilities is not None
    np.testing.assert_array_equal(theirs.probabilities, ours.probabilities)
    assert (theirs.values == IMAGES.test_labels).mean() > 0.9
    assert round(judged(again)[0], 4) == cut.accuracy
    assert again.parts[0].tensors.keys() == model.parts[0].tensors.keys()
    assert model.parameters - 4 * 64 - 1 == cut.parameters
    held.check(cut, again)


def test_rows_leave_early_where_a_head_is_confident() -> None:
    _, built, head = sent("trained")
    held = whole(built, head)
    cut = max(head.head.cuts, key=lambda cut: (cut.depth, cut.accuracy))
    assert cut.depth == 2
    model, tensors = held.model(cut), held.tensors(cut)
    each = [network(head.head.shape, tensors, depth, cut.shell).outputs(ROWS)[:, 0] for depth in range(3)]
    limit = float(np.median(each[0].max(axis=1)))
    made, left = exits(
        head.head.shape, tensors, ROWS, shell=cut.shell, depth=2, confidence=lambda o: o.max(axis=1) > limit
    )
    expected = np.where(each[0].max(axis=1) > limit, 0, np.where(each[1].max(axis=1) > limit, 1, 2))
    np.testing.assert_array_equal(left, expected)
    np.testing.assert_allclose(made, np.stack(each)[left, np.arange(150)], rtol=1e-3, atol=1e-4)
    early = live_of(head, cut, model, held, 0.6).answer(RAW)
    assert early.depths is not None
    assert set(early.depths.tolist()) == {0, 1, 2}
    always = live_of(head, cut, model, held, 1.1).answer(RAW)
    assert always.depths is not None
    assert set(always.depths.tolist()) == {2}
    np.testing.assert_array_equal(always.prediction.values, model.predict(RAW).values)


def test_a_later_version_comes_by_what_changed() -> None:
    root, built, head = sent("trained")
    before, random = whole(built, head), generator(1, "later digits")
    masks = root.shape.masks()
    nudged = {
        name: (value + random.normal(0, 0.002, value.shape) * masks.get(name, 1)).astype(np.float32)
        for name, value in root.tensors.items()
    }
    later = published(ImageRoot(root.shape, nudged, root.step), version=2, parent=before)
    after = opened(later)
    assert after.head.deltas
    for at, delta in enumerate(after.head.deltas):
        cut, made = after.head.cut(delta.cut), Assembly(after)
        made.add_delta(at, before, [later.chunks[row.sha256] for row in delta.chunks])
        made.check(cut, made.model(cut))
        assert delta.bytes < cut.bytes


def test_damaged_bits_of_tolerant_chunks_leave_a_network() -> None:
    _, built, head = sent("tolerant")
    held = Assembly(head)
    for at, row in enumerate(head.head.chunks):
        data = bytearray(built.chunks[row.sha256])
        if row.protection == "tolerant":
            data[len(data) // 2] ^= 16
        held.add(at, bytes(data))
    assert held.damaged
    cut = max(head.head.cuts, key=lambda cut: cut.accuracy)
    held.check(cut, held.model(cut))
    assert abs(judged(held.model(cut))[0] - cut.accuracy) < 0.1


def test_a_network_of_other_numbers_fails_the_canary() -> None:
    _, built, head = sent("trained")
    held = whole(built, head)
    best = max(head.head.cuts, key=lambda cut: cut.accuracy)
    other = min(head.head.cuts, key=lambda cut: cut.accuracy)
    with pytest.raises(ChunkError, match=f"the canary of cut {best.id} must be answered within"):
        held.check(best, held.model(other))


# -- hostile shapes, well signed


def opened_with(**changes: Any) -> OpenedHead:
    """Open the head of an image network whose shape says something else."""
    _, _, built, head = image_example("image")
    document = json.loads(json.dumps(head.head.to_document()))
    for key, value in changes.items():
        holder = document["network"] if key in ("widths", "triangular", "bins") else document["network"]["architecture"]
        holder[key] = value
    _, arrays, first, _ = split_sections(built.pack([KEY]))
    section = compress(json.dumps(document).encode())
    signatures = json.dumps([KEY.sign(MESSAGE + section).to_json()]).encode()
    return unpack_head(join_sections([section, arrays, first, signatures]), accept)


@pytest.mark.parametrize("key", ["pixels", "channels", "outputs", "group", "pool"])
@pytest.mark.parametrize("value", [-1, 0, True, 2.0, "5", None, 4_097, 10**30, [5]])
def test_numbers_of_a_shape_are_whole_and_in_range(key: str, value: Any) -> None:
    refused("an image network must have whole numbers from 1 to 4096, got", **{key: value})


def refused(text: str, *, most_bytes: int = 1 << 20, **changes: Any) -> None:
    """Check that a shape is refused without much memory."""
    image_example("image")
    tracemalloc.start()
    try:
        with pytest.raises(HeadError, match=text):
            opened_with(**changes)
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()


WHOLE = "an image network must have whole numbers from 1 to 4096, got"
LISTS = "a nested image network must have lists of whole numbers as widths"
FORMAT = "an image network must have the fields of format 1, got"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"strides": [1, True]}, WHOLE),
        ({"strides": [1, -1]}, WHOLE),
        ({"strides": [1, 3]}, "the strides of an image network must be 1 or 2"),
        ({"strides": {"1": 2}}, WHOLE),
        ({"strides": [[1], 2]}, WHOLE),
        ({"strides": None}, FORMAT),
        ({"strides": [1]}, "a shell must have channels for the stem and 1 blocks"),
        ({"strides": [1] * 65, "shells": [[4] * 66], "widths": [[4] * 66]}, "at most 64 blocks"),
        ({"shells": [[True, 12, 20]]}, WHOLE),
        ({"shells": [[-4, 12, 20]]}, WHOLE),
        ({"shells": [[4 * 10**9] * 3]}, WHOLE),
        ({"shells": []}, "a shell must have channels for the stem and 2 blocks"),
        ({"shells": [4]}, FORMAT),
        ({"shells": [WIDTHS[-1], WIDTHS[-1]]}, "each shell must have more channels than the one inside it"),
        ({"shells": [*WIDTHS]}, "the last shell must have the channels"),
        ({"colour": 1}, FORMAT),
        ({"bins": []}, "a nested image network must have the fields architecture, triangular, widths"),
        ({"triangular": 1}, "a nested image network must be triangular or not, got 1"),
        ({"widths": []}, "an image network must have 1 to 64 shells and at most 64 blocks"),
        ({"widths": {}}, LISTS),
        ({"widths": [4, 8, 12]}, LISTS),
        ({"widths": [*WIDTHS] * 30}, "an image network must have 1 to 64 shells and at most 64 blocks"),
        ({"widths": [*WIDTHS[::-1]]}, "the last shell must have the channels"),
        ({"widths": [(4, 4, True), *WIDTHS[1:]]}, WHOLE),
        ({"widths": [(-4, -4, -8), *WIDTHS[1:]]}, WHOLE),
        ({"widths": [(4, 4), *WIDTHS[1:]]}, "a shell must have channels for the stem and 2 blocks"),
        ({"widths": [(4, 4, 6), *WIDTHS[1:]]}, "the channels of a shell must be whole groups of 4"),
        ({"widths": [(4, 8, 8), *WIDTHS[1:]]}, "each shell must have more channels than the one inside it"),
        ({"widths": [(4, 8, 8), (12, 12, 20)]}, "channels must grow at the same blocks in every shell"),
    ],
    ids=str,
)
def test_shapes_that_cannot_be_are_refused(changes: dict[str, Any], text: str) -> None:
    refused(text, **changes)


def test_huge_shapes_are_refused_before_they_are_made() -> None:
    """Each number may be the largest there is; what they make together is bounded."""
    many = 20_000
    refused("at most 67108864 numbers, got 2214601529", pool=4_096)
    refused("at most 67108864 numbers", shells=[[4_096] * 3], widths=[*WIDTHS[:2], [4_096] * 3])
    refused("a head's arrays must have .*671089522", pixels=4_096)
    refused("the channels of a shell must be whole groups of 4096", group=4_096)
    stages = {"strides": [1] * many, "shells": [[4] * (many + 1)], "widths": [[4] * (many + 1)]}
    refused("at most 64 blocks", most_bytes=1 << 23, **stages)


def test_a_shape_of_other_size_does_not_fit_its_chunks() -> None:
    refused("chunk 0 must hold", most_bytes=1 << 24, channels=4_096)
    refused("chunk 0 must hold", most_bytes=1 << 24, outputs=4_096)
    with pytest.raises(ChunkError, match="a chunk must have zeros after a run of first bits, got ones"):
        Assembly(opened_with(pool=1))


def test_arrays_of_a_huge_image_are_refused_before_they_are_expanded() -> None:
    """Four kilobytes that state, and hold, hundreds of megabytes."""
    _, _, built, head = image_example("image")
    document = json.loads(json.dumps(head.head.to_document()))
    document["network"]["architecture"]["pixels"], document["canaries"] = 2_048, 0
    size = head.head.arrays[2] + 4 * 4 * (2_048**2 * 2 - 50) - (4 * 50 + 2 * len(head.head.cuts) * 3)
    arrays = compress(bytes(size))
    document["arrays"] = {"sha256": sha256_hex(arrays), "bytes": len(arrays), "decoded_bytes": size}
    section = compress(json.dumps(document).encode())
    signatures = json.dumps([KEY.sign(MESSAGE + section).to_json()]).encode()
    data = join_sections([section, arrays, built.first, signatures])
    tracemalloc.start()
    try:
        with pytest.raises(HeadError, match=f"a head's arrays must have at most 67108864 bytes, got {size}"):
            unpack_head(data, accept)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_very_many_shells_are_refused_at_once() -> None:
    """Adding them up one by one would take minutes."""
    refused("a shell must have channels for the stem and 2 blocks", most_bytes=1 << 26, shells=[[4]] * 200_000)
