"""The specification of heads and chunks is enough to read them: a second reader, written from it, finds the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reference_reader as reference
from delivery_examples import KEY, accept, example, whole
from image_examples import image_example

from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import unpack_head

STORED = Path(__file__).parent / "stored"


@pytest.mark.parametrize("kind", ["plain", "tolerant", "wide", "image", "image square", "image tolerant"])
def test_a_reader_written_from_the_specification_finds_the_same(kind: str) -> None:
    _, _, built, head = image_example(kind) if kind.startswith("image") else example(kind)
    packed = built.pack([KEY])
    said, codes, lowest = reference.read(packed, built.chunks)
    regions, assembly = head.head.shape.regions, whole(built, head)
    found = reference.regions(said["network"])
    assert [(r.tensor, r.depth, r.shell, r.indices.tolist()) for r in regions] == found
    for cut in built.head.cuts:
        tensors, down = assembly.tensors(cut), head.head.lowest(cut)
        for at, region in enumerate(regions):
            if region.depth > cut.depth or region.shell > cut.shell:
                continue
            assert lowest[at] <= down
            expected = [reference.number(code, said["grid"], down) for code in codes[at]]
            np.testing.assert_array_equal(
                tensors[region.tensor].reshape(-1)[region.indices], np.array(expected, np.float32)
            )


def test_arrays_lie_as_specified() -> None:
    _, _, built, head = example("plain")
    content = reference.arrays(built.pack([KEY]))
    scale = head.arrays["encoding.scale"]
    n = len(scale)
    planes = np.frombuffer(content[4 * n : 8 * n], np.uint8).reshape(4, n)
    np.testing.assert_array_equal(np.ascontiguousarray(planes.T).view("<f4").ravel(), scale)
    assert content[-2 * head.arrays["canary.outputs"].size :] == b"".join(
        head.arrays["canary.outputs"].astype("<f2").reshape(-1).view(np.uint8).reshape(-1, 2).T.tobytes() for _ in [0]
    )


@pytest.mark.parametrize("kind", ["image", "image square"])
def test_image_networks_compute_and_cost_what_is_specified(kind: str) -> None:
    shape, _, built, head = image_example(kind)
    packed, assembly = built.pack([KEY]), whole(built, head)
    said, arrays = reference.document(packed), reference.image_arrays(packed)
    assert list(arrays) == list(head.arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(value, head.arrays[name])
    assert [name for name in shape.exact if name in arrays] == list(shape.exact)
    for at, cut in enumerate(head.head.cuts):
        costs = (cut.parameters, cut.operations, cut.memory_bytes)
        assert reference.image_cost(said["network"], cut.depth, cut.shell) == costs
        tensors = assembly.tensors(cut)
        made = [
            reference.image_outputs(said["network"], tensors, row, cut.depth, cut.shell)
            for row in arrays["canary.numeric"]
        ]
        np.testing.assert_allclose(made, arrays["canary.outputs"][at], rtol=2e-3, atol=2e-3)
    full = reference.image_cost(said["network"], shape.depth, shape.shells - 1)[0]
    assert head.head.full_bytes == 4 * (full + 4 * shape.architecture.numeric + 1)


def test_a_head_of_the_first_version_can_be_read() -> None:
    """A file that was stored when the format was released."""
    opened = unpack_head((STORED / "head-1").read_bytes(), accept)
    assembly = Assembly(opened)
    for at, row in enumerate(opened.head.chunks):
        assembly.add(at, (STORED / "chunks-1" / row.sha256).read_bytes())
    assert {row.codec for row in opened.head.chunks} == {"raw", "zstd"}
    assert len(assembly.held) == 5
    for cut in opened.head.cuts:
        assembly.check(cut, assembly.model(cut))
    best = assembly.ready()
    assert best is not None
    assert (best.id, round(best.accuracy, 5), opened.sha256[:16]) == ("d2s2p8", 0.9999, IDENTITY)


IDENTITY = "7e3fd102d9e21363"


def test_a_head_of_the_first_image_networks_can_be_read() -> None:
    """A file that was stored when the kind was added."""
    opened = unpack_head((STORED / "head-image-1").read_bytes(), accept)
    assembly = Assembly(opened)
    for at, row in enumerate(opened.head.chunks):
        assembly.add(at, (STORED / "chunks-image-1" / row.sha256).read_bytes())
    for cut in opened.head.cuts:
        assembly.check(cut, assembly.model(cut))
    best = assembly.ready()
    assert best is not None
    assert opened.head.network["kind"] == "image"
    assert (best.id, len(assembly.held), opened.sha256[:16]) == ("d2s2p6", 2, IMAGE_IDENTITY)


IMAGE_IDENTITY = "76bec7bc694834b0"
