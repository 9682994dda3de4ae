from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.agents.networks import Layout, act, forward, initial_parameters, layouts_of
from netgraft.agents.settings import Td3Settings

WIDTHS = st.tuples(*[st.integers(1, 9)] * 4)


@given(WIDTHS)
def test_layers_cover_the_vector_once(widths: tuple[int, int, int, int]) -> None:
    layout = Layout(widths)
    flat = np.arange(layout.size, dtype=np.float32)
    layers = layout.layers(flat)
    assert [weight.shape for weight, _ in layers] == list(pairwise(widths))
    np.testing.assert_array_equal(np.concatenate([part.ravel() for layer in layers for part in layer]), flat)
    assert all(np.shares_memory(part, flat) for layer in layers for part in layer)


def test_the_papers_agent_has_7950_numbers() -> None:
    layouts = layouts_of(16, 4, Td3Settings())
    assert (layouts.actor.size, layouts.critic.size, layouts.size) == (2092, 2929, 7950)


def test_lower_layers() -> None:
    layouts = layouts_of(16, 4, Td3Settings())
    assert [int(layouts.lower(layers).sum()) for layers in range(4)] == [
        0,
        17 * 48 + 2 * 21 * 64,
        17 * 48 + 49 * 24 + 2 * (21 * 64 + 65 * 24),
        7950,
    ]


def test_stacks_and_single_agents_agree() -> None:
    layouts = layouts_of(5, 3, Td3Settings())
    flat = initial_parameters(layouts, 4, seed=1)
    x = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
    actors = layouts.parts(flat)[0]
    together = forward(layouts.actor.layers(actors), x)
    for agent in range(4):
        np.testing.assert_allclose(together[agent], forward(layouts.actor.layers(actors[agent]), x[agent]), rtol=1e-5)


def test_fresh_actors_are_near_uniform_and_differ() -> None:
    layouts = layouts_of(16, 4, Td3Settings())
    flat = initial_parameters(layouts, 3, seed=0)
    actors, critics, _ = layouts.parts(flat)
    logits = forward(layouts.actor.layers(actors), np.ones((3, 1, 16), np.float32))
    assert np.abs(logits).max() < 0.02
    assert np.abs(act(logits, "softmax") - 0.25).max() < 0.005
    assert len(np.unique(critics[:, 0])) == 3


def test_an_agent_begins_the_same_whatever_stands_beside_it() -> None:
    layouts = layouts_of(16, 4, Td3Settings())
    np.testing.assert_array_equal(initial_parameters(layouts, 5, 7)[:2], initial_parameters(layouts, 2, 7))
    assert (initial_parameters(layouts, 1, 7) != initial_parameters(layouts, 1, 8)).any()


def test_gain_of_the_action_is_in_the_critics_first_layer_only() -> None:
    layouts = layouts_of(6, 4, Td3Settings())
    plain, gained = (initial_parameters(layouts, 2, 0, action_gain=gain) for gain in (1.0, 4.0))
    ratio = gained / plain
    for part, layout in zip(layouts.parts(ratio), (layouts.actor, layouts.critic, layouts.critic), strict=True):
        weight = layout.layers(part)[0][0]
        expected = 4.0 if layout is layouts.critic else 1.0
        np.testing.assert_allclose(weight[:, 6:], expected)
        weight[:, 6:] = 1
    np.testing.assert_allclose(ratio, 1)


@pytest.mark.parametrize("output", ["softmax", "tanh"])
def test_actions_of_great_logits_are_finite(output: str) -> None:
    actions = act(np.array([[1e30, -1e30, 0.0]], np.float32), output)
    assert np.isfinite(actions).all()
    assert actions.dtype == np.float64
