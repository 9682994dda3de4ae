"""Layers and profile texts that the tests of devices/ share."""

from __future__ import annotations

from hypothesis import strategies as st

from netgraft.devices import LAYER_KINDS, Layer

SMALL_PROFILE = """
format = 1
name = "gateway"
description = "a gateway"
formats = ["float32"]
[memory]
bytes = 1000
origin = "declared"
source = "data sheet"
[run]
overhead_s = 1e-5
origin = "declared"
source = "assumption"
[compute]
operations_per_s = 1e9
origin = "declared"
source = "data sheet"
[bandwidth]
bytes_per_s = 1e9
origin = "declared"
source = "data sheet"
[power]
active_w = 2
origin = "declared"
source = "data sheet"
[layers.any]
overhead_s = 1e-6
number_s = 1e-9
origin = "declared"
source = "assumption"
"""


def dense(inputs: int, outputs: int, rows: int = 1) -> Layer:
    """Return a dense layer in float32 with its true counts."""
    weights = inputs * outputs + outputs
    return Layer("dense", inputs, outputs, rows, weights, 4 * weights, rows * (2 * inputs * outputs + outputs))


layers = st.builds(
    Layer,
    kind=st.sampled_from(LAYER_KINDS),
    inputs=st.integers(0, 300),
    outputs=st.integers(0, 300),
    rows=st.integers(1, 16),
    weights=st.integers(0, 100_000),
    weight_bytes=st.integers(0, 400_000),
    operations=st.integers(0, 10**7),
    depth=st.integers(0, 10),
    held=st.integers(0, 300),
)
