"""The arithmetic of a network against a slow reading of its description, row by row and unit by unit."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraft.errors import ModelError
from netgraft.runtime import Architecture, Inputs
from netgraft.runtime.network import ACTIVATIONS, BASES, activate, check_tensors, forward, projected, tensor_shapes

ARCHITECTURES = st.builds(
    lambda basis, bins, token, **rest: Architecture(
        basis=basis, bins=1 if basis == "linear" else bins, token=1 if basis == "linear" else token, **rest
    ),
    numeric=st.integers(0, 3),
    slots=st.lists(st.integers(1, 4), min_size=1, max_size=2).map(tuple),
    outputs=st.integers(1, 3),
    basis=st.sampled_from(BASES),
    bins=st.sampled_from([2, 4]),
    token=st.integers(1, 2),
    category=st.integers(1, 2),
    widths=st.lists(st.integers(1, 4), max_size=2).map(tuple),
    members=st.integers(1, 3),
    activation=st.sampled_from(ACTIVATIONS),
    skip=st.just(True),
)


def random_tensors(a: Architecture, rng: np.random.Generator) -> dict[str, np.ndarray]:
    bins = np.full(a.numeric, a.bins) if a.basis == "periodic" else rng.integers(1, a.bins + 1, a.numeric)
    tensors = {name: rng.normal(size=s).astype(np.float32) for name, s in tensor_shapes(a, bins).items()}
    if "bins" in tensors:
        tensors["bins"] = bins.astype(np.int32)
    if "edges" in tensors:
        edges = [np.cumsum(rng.uniform(0.1, 1, count + 1)) - 1 for count in bins]
        tensors["edges"] = np.concatenate(edges).astype(np.float32)
    return tensors


def slow_basis(a: Architecture, tensors: dict[str, np.ndarray], feature: int, x: float) -> list[float]:
    if a.basis == "linear":
        return [x]
    if a.basis == "periodic":
        turns = [2 * math.pi * float(f) * x for f in tensors["frequencies"][feature]]
        return [math.sin(t) for t in turns] + [math.cos(t) for t in turns]
    counts = tensors["bins"].tolist()
    first = sum(counts[:feature]) + feature
    edges = tensors["edges"][first : first + counts[feature] + 1].tolist()
    return [min(max((x - low) / (high - low), 0), 1) for low, high in itertools.pairwise(edges)]


def slow_row(a: Architecture, t: dict[str, np.ndarray], numeric: np.ndarray, codes: np.ndarray) -> np.ndarray:
    tokens: list[float] = []
    row = 0
    for j, x in enumerate(numeric.tolist()):
        basis = slow_basis(a, t, j, x)
        if a.basis == "linear":
            tokens += basis
            continue
        tokens += (np.array(basis) @ t["projection"][row : row + len(basis)]).tolist()
        row += len(basis)
    for j, code in enumerate(codes.tolist()):
        tokens += t["categories"][sum(a.slots[:j]) + code].tolist()
    first = np.array(tokens)
    outputs = []
    for k in range(a.members):
        hidden = first
        for layer in range(1, a.depth + 1):
            scaled = hidden * t[f"adapter_{layer}"][k] if a.members > 1 else hidden
            z = scaled @ t[f"weight_{layer}"] + t[f"bias_{layer}"]
            hidden = {"relu": np.maximum(z, 0), "tanh": np.tanh(z), "silu": z / (1 + np.exp(-z))}[a.activation]
        head = hidden @ t["head"][k] if a.depth else 0
        outputs.append(t["head_bias"][k] + head + first @ t["skip"])
    return np.array(outputs)


@settings(max_examples=150, deadline=None)
@given(ARCHITECTURES, st.integers(0, 10**6), st.sampled_from([1, 3, 70]))
def test_forward_computes_what_its_description_says(a: Architecture, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    tensors = random_tensors(a, rng)
    check_tensors(a, tensors)
    codes = np.stack([rng.integers(0, count, n) for count in a.slots], axis=1)
    inputs = Inputs(rng.normal(size=(n, a.numeric)).astype(np.float32), codes)
    found = forward(a, tensors, inputs)
    assert (found.shape, found.dtype) == ((n, a.members, a.outputs), np.float32)
    for i in (0, n - 1):
        expected = slow_row(a, tensors, inputs.numeric[i], inputs.codes[i])
        np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-4)


def test_activations_at_the_ends_give_no_warning() -> None:
    ends = np.array([-1e4, -100, 0, 100, 1e4], np.float32)
    np.testing.assert_array_equal(activate("relu", ends), np.maximum(ends, 0))
    np.testing.assert_allclose(activate("silu", ends), [0, 0, 0, 100, 1e4], atol=1e-6)
    np.testing.assert_allclose(activate("tanh", ends), [-1, -1, 0, 1, 1])


def test_json_gives_the_architecture_back() -> None:
    a = Architecture(2, (3, 4), 5, widths=(8, 4), members=2)
    assert Architecture.from_json(a.to_json()) == a
    with pytest.raises(ModelError, match="an architecture must have the fields of format 1, got"):
        Architecture.from_json({"numeric": 1, "colour": "red"})


def test_names_are_checked() -> None:
    with pytest.raises(ModelError, match="a basis must be one of linear, quantile, tree, periodic, got 'wavelet'"):
        Architecture(1, (), 1, basis="wavelet")
    with pytest.raises(ModelError, match="an activation must be one of relu, silu, tanh, got 'gelu'"):
        Architecture(1, (), 1, activation="gelu")
    with pytest.raises(ModelError, match="a network of depth 0 must have the linear path, got skip=False"):
        Architecture(1, (), 1, widths=(), skip=False)


def test_tensors_are_checked() -> None:
    a = Architecture(2, (), 1)
    tensors = random_tensors(a, np.random.default_rng(0))
    without = {name: value for name, value in tensors.items() if name != "head"}
    with pytest.raises(ModelError, match="a network must have the tensor 'head'"):
        check_tensors(a, without)
    with pytest.raises(ModelError, match=r"tensor 'bias_1' must have shape \(32,\), got \(3,\)"):
        check_tensors(a, tensors | {"bias_1": np.zeros(3, np.float32)})
    for bins in (np.array([9, -1], np.int32), np.array([4], np.int32), np.array([4.0, 4.0])):
        with pytest.raises(ModelError, match="1 bin or more for each of its 2 numeric features"):
            check_tensors(a, tensors | {"bins": bins})


def test_few_rows_and_many_give_the_same_tokens() -> None:
    rng = np.random.default_rng(0)
    bins = np.array([3] * 7 + [1] * 9, np.int32)
    basis = rng.normal(size=(100, bins.sum())).astype(np.float32)
    projection = rng.normal(size=(bins.sum(), 2)).astype(np.float32)
    many, few = projected(basis, bins, projection), projected(basis[:3], bins, projection)
    assert many.shape == (100, 32)
    np.testing.assert_allclose(few, many[:3], rtol=1e-6, atol=1e-6)
