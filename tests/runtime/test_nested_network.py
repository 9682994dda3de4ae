"""The nested network in NumPy: its cuts are those of the root that was trained, its regions cover every number once."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from netgraft.errors import ModelError
from netgraft.root import Basis, Cut, NestedRecipe, NestedRoot, quantile_edges, random_frequencies
from netgraft.root.basis import FINEST_BINS
from netgraft.root.nested import shell_masks
from netgraft.runtime import Architecture, Inputs, NestedShape
from netgraft.runtime import nested as nested_module
from netgraft.runtime.nested import cost, exits, network
from netgraft.runtime.network import tensor_shapes

CHOICES = (2, 4, 8)
WIDTHS = ((2, 2, 2), (4, 4, 4), (8, 6, 8))
SLOTS = (4, 3)
D = 5


def inputs_of(rows: int, seed: int = 1) -> Inputs:
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, slots, rows) for slots in SLOTS], axis=1)
    return Inputs(rng.normal(size=(rows, D)).astype(np.float32), codes.astype(np.int64))


def root_of(wiring: str, kind: str, outputs: int = 3) -> NestedRoot:
    """Return a root with random numbers."""
    rng = np.random.default_rng(0)
    numeric = np.random.default_rng(2).normal(size=(200, D)).astype(np.float32)
    numeric[:, 0] = numeric[:, 0] > 0  # few distinct edges
    bases = {
        "linear": Basis("linear"),
        "quantile": Basis("quantile", quantile_edges(numeric)),
        "periodic": Basis("periodic", frequencies=random_frequencies(D, rng)),
    }
    token = 1 if kind == "linear" else 2
    a = Architecture(D, SLOTS, outputs, kind, 1 if kind == "linear" else FINEST_BINS, token, 3, WIDTHS[-1])
    shapes: dict[str, tuple[int, ...]] = {"categories": (sum(SLOTS), 3)}
    if kind != "linear":
        shapes["projection"] = (D, FINEST_BINS, token)
    for layer, (before, width) in enumerate(zip((a.tokens, *a.widths), a.widths, strict=False), start=1):
        shapes |= {f"weight_{layer}": (before, width), f"bias_{layer}": (width,), f"head@{layer}": (1, width, outputs)}
    for depth in range(a.depth + 1):
        shapes |= {f"head_bias@{depth}": (1, outputs), f"skip@{depth}": (a.tokens, outputs)}
    parameters = {name: rng.normal(0, 0.5, (1, *shape)).astype(np.float32) for name, shape in shapes.items()}
    recipe = NestedRecipe(a, CHOICES, wiring=wiring)
    if wiring == "shells":
        for name, mask in shell_masks(recipe).items():
            parameters[name] *= mask.numpy()
    return NestedRoot(recipe, parameters, bases[kind])


def published(root: NestedRoot) -> tuple[NestedShape, dict[str, np.ndarray[Any, Any]]]:
    """Return a root's shape and tensors as they are published."""
    a = root.recipe.architecture
    stored = root.basis.tensors(a.bins)
    tensors: dict[str, np.ndarray[Any, Any]] = {name: value[0] for name, value in root.parameters.items()}
    if stored:
        tensors["projection"] = np.concatenate([tensors["projection"][j, :n] for j, n in enumerate(stored["bins"])])
    bins = tuple(stored["bins"].tolist()) if stored else ()
    return NestedShape(a, WIDTHS, root.recipe.wiring == "shells", bins), tensors | stored


@pytest.mark.parametrize("kind", ["linear", "quantile", "periodic"])
@pytest.mark.parametrize("wiring", ["square", "shells"])
def test_every_cut_computes_what_the_root_computes(wiring: str, kind: str) -> None:
    root, inputs = root_of(wiring, kind), inputs_of(50)
    shape, tensors = published(root)
    for depth in range(shape.depth + 1):
        for shell, widths in enumerate(WIDTHS):
            found = network(shape, tensors, depth, shell).outputs(inputs)
            expected = root(inputs, Cut(depth, widths[:depth]))
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("wiring", ["square", "shells"])
def test_regions_hold_every_number_that_is_not_always_zero_once(wiring: str) -> None:
    shape, tensors = published(root_of(wiring, "quantile"))
    for name, size in shape.coded.items():
        places = np.concatenate([r.indices for r in shape.regions if r.tensor == name])
        assert len(np.unique(places)) == len(places)
        outside = np.setdiff1d(np.arange(int(np.prod(size))), places)
        assert not tensors[name].reshape(-1)[outside].any()
        assert shape.triangular or not len(outside)
    assert all(len(region.indices) for region in shape.regions)
    order = [(region.depth, region.shell) for region in shape.regions]
    assert order == sorted(order)


@settings(max_examples=30)
@given(
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 2),
    st.lists(st.integers(1, 9), min_size=9, max_size=9),
    st.booleans(),
)
def test_a_cut_needs_the_numbers_of_its_own_regions_only(
    triangular: bool, depth: int, shell: int, sizes: list[int], skip: bool
) -> None:
    grown = np.cumsum(np.array(sizes).reshape(3, 3), axis=0)
    widths = tuple(tuple(int(w) for w in row) for row in grown)
    shape = NestedShape(Architecture(3, (), 2, "linear", 1, 1, 1, widths[-1], skip=skip), widths, triangular)
    depth = max(depth, shape.least_depth)
    rng = np.random.default_rng(0)
    whole = {name: np.zeros(size, np.float32) for name, size in (shape.coded | shape.exact).items()}
    for region in shape.regions:
        whole[region.tensor].reshape(-1)[region.indices] = rng.normal(size=len(region.indices))
    own = {name: value.copy() for name, value in whole.items()}
    for region in shape.regions:
        if region.depth > depth or region.shell > shell:
            own[region.tensor].reshape(-1)[region.indices] = 99
    for name, value in network(shape, whole, depth, shell).tensors.items():
        np.testing.assert_array_equal(value, network(shape, own, depth, shell).tensors[name])
    fewer = [
        r.indices for r in shape.regions if r.depth <= depth and r.shell <= shell and r.tensor.startswith("weight")
    ]
    a = shape.cut_architecture(depth, shell)
    most = sum(x * y for x, y in zip((a.tokens, *a.widths[:-1]), a.widths, strict=False))
    assert sum(map(len, fewer)) <= most
    assert triangular or sum(map(len, fewer)) == most


def test_units_of_triangular_wiring_do_not_change_when_shells_come() -> None:
    shape, tensors = published(root_of("shells", "quantile"))
    inputs = inputs_of(20)
    hidden: list[np.ndarray[Any, Any]] = []
    for shell in range(shape.shells):
        net = network(shape, tensors, 2, shell)
        first = nested_module.tokens(net.architecture, net.tensors, inputs)
        for layer in (1, 2):
            first = np.maximum(first @ net.tensors[f"weight_{layer}"] + net.tensors[f"bias_{layer}"], 0)
        hidden.append(first)
    for inner, outer in pairwise(hidden):
        np.testing.assert_allclose(outer[:, : inner.shape[1]], inner, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wiring", ["square", "shells"])
def test_rows_leave_at_the_first_exit_that_is_confident(wiring: str) -> None:
    shape, tensors = published(root_of(wiring, "quantile"))
    inputs, asked = inputs_of(40), []

    def confidence(outputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        asked.append(len(outputs))
        return outputs.max(axis=1) > 1.5

    outputs, left = exits(shape, tensors, inputs, shell=1, depth=3, confidence=confidence)  # noqa: S604
    each = [network(shape, tensors, depth, 1).outputs(inputs)[:, 0] for depth in range(4)]
    expected = np.array([next((d for d in range(3) if each[d][i].max() > 1.5), 3) for i in range(40)])
    np.testing.assert_array_equal(left, expected)
    np.testing.assert_allclose(outputs, [each[d][i] for i, d in enumerate(expected)], rtol=2e-5, atol=2e-5)
    assert asked == [int((expected >= d).sum()) for d in range(3)]
    assert len(set(expected.tolist())) > 2


def test_exits_end_early_when_every_row_has_left() -> None:
    shape, tensors = published(root_of("square", "linear"))
    outputs, left = exits(  # noqa: S604
        shape, tensors, inputs_of(6), shell=2, depth=3, confidence=lambda made: np.ones(len(made), bool)
    )
    assert left.tolist() == [0] * 6
    np.testing.assert_allclose(outputs, network(shape, tensors, 0, 2).outputs(inputs_of(6))[:, 0], rtol=1e-5)


def test_cost_counts_what_a_cut_has() -> None:
    shape, tensors = published(root_of("square", "quantile"))
    for depth, shell in [(0, 0), (1, 2), (3, 1)]:
        found, net = cost(shape, depth, shell), network(shape, tensors, depth, shell)
        counted = {name: value.size for name, value in net.tensors.items() if name != "bins"}
        assert counted == {
            name: int(np.prod(size))
            for name, size in tensor_shapes(net.architecture, tensors["bins"]).items()
            if name != "bins"
        }
        assert found.parameters == sum(counted.values())
        products = [
            n for name, n in counted.items() if not name.startswith(("edges", "bias", "head_bias", "categories"))
        ]
        assert found.operations == 2 * sum(products)
        assert found.memory_bytes > 4 * found.parameters


def test_large_regions_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nested_module, "REGION_NUMBERS", 10)
    shape, _ = published(root_of("square", "linear"))
    assert max(len(region.indices) for region in shape.regions) == 10
    assert sum(len(region.indices) for region in shape.regions) == sum(int(np.prod(s)) for s in shape.coded.values())


def test_json_gives_the_shape_back() -> None:
    shape, _ = published(root_of("shells", "quantile"))
    assert NestedShape.from_json(json.loads(json.dumps(shape.to_json()))) == shape


def described(**changes: Any) -> dict[str, Any]:
    a = Architecture(2, (3,), 1, "quantile", 4, 2, 3, (4, 6)).to_json()
    value = {"architecture": a, "widths": [[2, 3], [4, 6]], "triangular": True, "bins": [4, 2]}
    own = {key: change for key, change in changes.items() if key in value or key == "more"}
    return value | own | {"architecture": a | {k: v for k, v in changes.items() if k not in own}}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"more": 1}, "a nested network must have the fields architecture, bins, triangular, widths"),
        ({"members": 2}, "a nested network must have 1 member, got 2"),
        ({"widths": [[2, 3], [4, 5]]}, "a nested network's last shell must have the widths (4, 6), got ((4, 5),)"),
        ({"widths": [[5, 3], [4, 6]]}, "a shell must be contained in the next, got (5, 3) and (4, 6)"),
        ({"widths": [[4, 6], [4, 6]]}, "a shell must be contained in the next, got (4, 6) and (4, 6)"),
        ({"widths": [[2], [4, 6]]}, "a shell must be contained in the next, got (2,) and (4, 6)"),
        ({"widths": [[0, 1], [4, 6]]}, "a shell must have 1 unit or more in each layer"),
        ({"widths": []}, "a nested network must have lists of whole numbers as widths and bins"),
        ({"widths": [[1]] * 65}, "a nested network must have lists of whole numbers as widths and bins"),
        ({"widths": 7}, "a nested network must have lists of whole numbers as widths and bins"),
        ({"widths": [7]}, "a nested network must have lists of whole numbers as widths, and be triangular or not"),
        ({"triangular": 1}, "a nested network must have lists of whole numbers as widths, and be triangular or not"),
        ({"bins": [4, 2.0]}, "a nested network must have lists of whole numbers as widths and bins"),
        ({"bins": [4]}, "a network must have 1 to 4 bins for each of its 2 numeric features"),
        ({"bins": [4, 5]}, "a network must have 1 to 4 bins for each of its 2 numeric features"),
        ({"basis": "linear"}, "a network without a basis must have no bins, got 2"),
        ({"basis": "linear", "bins": []}, "a network with a linear basis must have 1 number per token, got 2"),
        ({"basis": "periodic"}, "a periodic basis must have the same even number of bins everywhere, got (4, 2)"),
        ({"basis": "fourier"}, "a basis must be one of"),
        ({"numeric": 2.0}, "an architecture must have numeric >= 0, got 2.0"),
        ({"outputs": 0}, "an architecture must have outputs >= 1, got 0"),
        ({"token": 1 << 40}, "an architecture must have token >= 1, got 1099511627776"),
        ({"slots": 3}, "an architecture must have whole numbers as slots"),
        ({"slots": [0]}, "an architecture must have 1 slot or more for each code column"),
        ({"skip": 1}, "an architecture must have 1 slot or more for each code column, and a linear path or not"),
        ({"slots": [1 << 25]}, "a nested network must have at most 67108864 numbers"),
        ({"architecture": 5}, "a nested network must have an architecture"),
        ({"unknown": 5}, "an architecture must have the fields of format 1"),
    ],
)
def test_a_description_is_checked(changes: dict[str, Any], text: str) -> None:
    value = described(**changes)
    if "architecture" in changes:
        value["architecture"] = changes["architecture"]
    with pytest.raises(ModelError, match=re.escape(text)):
        NestedShape.from_json(value)


def test_a_cut_that_is_not_there_is_named() -> None:
    shape = NestedShape(Architecture(3, (), 2, "linear", 1, 1, 1, (4,), skip=False), ((2,), (4,)), True)
    for depth, shell in [(0, 0), (2, 0), (1, 2)]:
        with pytest.raises(ModelError, match=f"depth from 1 to 1 and a shell below 2, got {depth} and {shell}"):
            network(shape, {}, depth, shell)


def test_too_many_shells_or_layers_are_refused() -> None:
    widths = tuple((n,) for n in range(1, 66))
    with pytest.raises(ModelError, match="a nested network must have at most 64 shells and 64 layers"):
        NestedShape(Architecture(3, (), 2, "linear", 1, 1, 1, (65,)), widths, True)
