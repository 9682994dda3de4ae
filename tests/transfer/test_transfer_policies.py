from __future__ import annotations

import numpy as np
import pytest

from netgraft.agents import Replay, Td3
from netgraft.errors import InputError, SettingError
from netgraft.seeds import generator
from netgraft.transfer.policies import MODES, Mix, PolicySource, generalists, transfer_policy

AGENTS, SEEN, SHARES = 2, 5, 3


def source_of(seed: int = 9, rows: int = 40) -> PolicySource:
    """Return an agent that differs from fresh ones in everything, and transitions with its own rewards."""
    td3, replay = Td3(1, SEEN, SHARES, seed=seed), Replay(1, SEEN, SHARES, seed=seed)
    rng = generator(seed, "source")
    td3.standardise(rng.normal(3.0, 2.0, (50, SEEN)))
    for _ in range(rows):
        shares = rng.dirichlet(np.ones(SHARES), 1)
        replay.add(rng.normal(size=(1, SEEN)), shares, shares[:, 0] + seed, rng.normal(size=(1, SEEN)))
    td3.learn(replay, updates=30)
    return PolicySource(td3.agent(0), replay.transitions(0))


def given(mode: str, source: PolicySource, mix: Mix | None = None) -> tuple[Td3, Replay]:
    td3, replay = Td3(AGENTS, SEEN, SHARES, seed=1), Replay(AGENTS, SEEN, SHARES, seed=1)
    transfer_policy(td3, replay, 1, source, mode, mix=mix)
    return td3, replay


@pytest.mark.parametrize("mode", MODES)
def test_what_a_mode_transfers(mode: str) -> None:
    source = source_of()
    td3, replay = given(mode, source)
    fresh = Td3(AGENTS, SEEN, SHARES, seed=1)
    same = td3.stack.parameters[1] == source.agent.parameters
    assert bool(same.all()) == (mode in ("model", "integrated"))
    assert replay.remembered(1) == (len(source.transitions) if mode in ("instance", "integrated") else 0)
    if mode == "feature":
        lowest = td3.layouts.lower(1)
        np.testing.assert_array_equal(same, lowest | same)
        assert td3.stack.frozen.tolist() == [0, 1]
    if mode == "instance":
        np.testing.assert_array_equal(td3.stack.parameters, fresh.stack.parameters)
    # the other agent has nothing of it
    np.testing.assert_array_equal(td3.stack.parameters[0], fresh.stack.parameters[0])
    assert replay.remembered(0) == 0


@pytest.mark.parametrize("mode", ["model", "integrated"])
def test_a_target_with_the_model_does_what_the_source_does(mode: str) -> None:
    source = source_of()
    td3, _ = given(mode, source)
    seen = generator(3, "seen").normal(size=(AGENTS, SEEN)).astype(np.float32)
    np.testing.assert_allclose(td3.act(seen)[1], source.agent.policy().act(seen[1]), rtol=1e-6)
    assert not td3.stack.first[1].any()  # moments of other weights are forgotten


def test_kept_layers_do_not_learn_and_the_others_do() -> None:
    source = source_of()
    td3, replay = given("feature", source)
    replay.set_source(1, source.transitions)
    td3.stack.counts[1, 2] = 0
    before, lowest = td3.stack.parameters[1].copy(), td3.layouts.lower(1)
    td3.learn(replay, updates=10, agents=[1])
    moved = td3.stack.parameters[1] != before
    assert not moved[lowest].any()
    assert moved[~lowest].any()


def test_transitions_are_mixed_as_told() -> None:
    source = source_of()
    assert given("integrated", source)[1].source_shares()[1] == 1  # nothing of its own yet
    _, replay = given("integrated", source, Mix(share=0.5, anneal=20))
    rng = generator(4, "own")
    for own in range(1, 31):
        shares = rng.dirichlet(np.ones(SHARES), AGENTS)
        replay.add(rng.normal(size=(AGENTS, SEEN)), shares, shares[:, 0], rng.normal(size=(AGENTS, SEEN)))
        assert replay.source_shares()[1] == pytest.approx(max(0.0, 0.5 * (1 - own / 20)))


def test_unknown_mode() -> None:
    with pytest.raises(SettingError, match=r"a mode of transfer must be one of .*, got 'modell'; the nearest is"):
        given("modell", source_of())


def test_source_of_another_shape() -> None:
    source = source_of()
    td3, replay = Td3(1, SEEN + 1, SHARES), Replay(1, SEEN + 1, SHARES)
    with pytest.raises(InputError, match=r"an agent with actor \(6, 48, 24, 3\).* is required, got one with actor"):
        transfer_policy(td3, replay, 0, source, "model")
    with pytest.raises(InputError, match=r"transitions must have shape \(n, 16\), got \(40, 14\)"):
        transfer_policy(td3, replay, 0, source, "instance")


def test_a_generalist_learns_from_all_of_its_pool_and_leaves_what_it_learned_from() -> None:
    near, far = source_of(1), source_of(5)
    both, alone = generalists([[near, far], [near]], updates=20, rows_each=30, seed=2)
    rewards = {
        name: set(found.transitions[:, SEEN + SHARES].round()) for name, found in (("both", both), ("one", alone))
    }
    assert rewards["both"] > rewards["one"]
    assert (len(both.transitions), len(alone.transitions)) == (60, 30)
    again = generalists([[near, far], [near]], updates=20, rows_each=30, seed=2)
    np.testing.assert_array_equal(again[0].agent.parameters, both.agent.parameters)
    shares = both.agent.policy().act(np.zeros(SEEN))
    assert shares.sum() == pytest.approx(1)


def test_generalists_of_nothing() -> None:
    source = source_of()
    with pytest.raises(InputError, match="a generalist requires at least one source, got none"):
        generalists([[source], []], updates=1)
    with pytest.raises(SettingError, match="updates must be >= 1, got 0"):
        generalists([[source]], updates=0)
    with pytest.raises(SettingError, match="rows_each must be >= 1, got 0"):
        generalists([[source]], updates=1, rows_each=0)
