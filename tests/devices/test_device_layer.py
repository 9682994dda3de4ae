from __future__ import annotations

import pytest
from device_examples import dense, layers
from hypothesis import given
from hypothesis import strategies as st

from netgraft.devices import Layer, memory_bytes, operations
from netgraft.errors import SettingError


def test_memory_is_weights_and_the_largest_pair_of_buffers():
    # 10 -> 20 -> 20 -> 1: the activation has the most live numbers, 20 + 20
    model = [dense(10, 20), Layer("activation", 20, 20, operations=20), dense(20, 1)]
    assert memory_bytes(model) == 4 * (220 + 21) + 4 * 40


def test_all_raw_columns_are_alive_before_the_first_feature_is_used():
    model = [Layer("input", 1, 1)] * 100 + [dense(100, 2)]
    assert memory_bytes(model) == 4 * 202 + 4 * 200


def test_members_multiply_buffers_but_not_weights():
    model = [dense(8, 16, rows=4), Layer("mean", 16, 16, rows=4)]
    assert memory_bytes(model) == 4 * 144 + 4 * (4 * 24)
    assert Layer("mean", 16, 16, rows=4).live_numbers == 4 * 16 + 16


def test_what_later_layers_need_counts_while_a_layer_runs():
    assert memory_bytes([Layer("dense", 4, 4, held=10)]) == 4 * 18


def test_trees_need_their_nodes_and_their_outputs():
    assert memory_bytes([Layer("trees", 50, 3, weight_bytes=1000, depth=6)]) == 1000 + 12


def test_no_layers_need_no_memory():
    assert memory_bytes([]) == 0


@given(st.lists(layers, max_size=6), layers)
def test_another_layer_never_needs_less_memory_or_operations(model: list[Layer], more: Layer):
    assert memory_bytes([*model, more]) >= memory_bytes(model)
    assert operations([*model, more]) == operations(model) + more.operations


def test_figures_that_hold_for_a_layer():
    assert dense(4, 4).rate_name == "dense"
    assert dense(4, 4, rows=2).rate_name == "members"
    assert Layer("input", 1, 2).rate_name == "input"
    assert Layer("input", 1, 8).rate_name == "datetime"


def test_numbers_of_lookups_and_trees():
    assert Layer("embedding", 5, 40).numbers == 5
    assert Layer("trees", 50, 1, depth=6).numbers == 300
    assert Layer("trees", 50, 1, operations=350).numbers == 350


def test_an_unknown_kind_is_named_with_the_nearest():
    with pytest.raises(SettingError, match=r"a layer's kind must be one of .*got 'dens'; the nearest is 'dense'"):
        Layer("dens", 1, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["inputs", "outputs", "weights", "weight_bytes", "operations", "depth", "held"])
def test_a_negative_count_is_refused(name: str):
    with pytest.raises(SettingError, match=f"a layer's {name} must be >= 0, got -1"):
        Layer(**{"kind": "dense", "inputs": 1, "outputs": 1, name: -1})


def test_rows_below_one_are_refused():
    with pytest.raises(SettingError, match="a layer's rows must be >= 1, got 0"):
        Layer("dense", 1, 1, rows=0)
