from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from td3_examples import AGENTS, D, N, random_replay, random_rows

from netgraft.agents.replay import Replay
from netgraft.errors import InputError, SettingError

EVERYONE = np.arange(AGENTS)
STARTS = np.zeros(AGENTS, np.int64)


def step(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    rows = random_rows(rng, AGENTS)
    return rows[:, :D], rows[:, D : D + N], rows[:, D + N], rows[:, D + N + 1 :]


def test_a_transition_is_kept_as_it_came() -> None:
    replay = Replay(AGENTS, D, N)
    observation, action, reward, following = step(np.random.default_rng(0))
    replay.add(observation, action, reward, following)
    row = np.concatenate([observation[1], action[1], reward[1:2], following[1]])
    np.testing.assert_array_equal(replay.transitions(1), row[None])
    assert replay.sizes.tolist() == [1] * AGENTS


@given(st.integers(1, 9), st.integers(0, 25), st.integers(0, 12))
def test_the_ring_keeps_the_latest_in_order(capacity: int, count: int, last: int) -> None:
    replay = Replay(1, 1, 1, capacity=capacity)
    for index in range(count):
        replay.add([[index]], [[1.0]], [0.5], [[index + 1]])
    kept = replay.transitions(0, last)[:, 0].tolist()
    assert kept == list(range(count))[-min(capacity, last) :][: min(count, capacity, last)]
    assert replay.remembered(0) == min(capacity, count)


def test_own_memory_can_be_given() -> None:
    replay = Replay(2, D, N, capacity=10)
    rows = random_rows(np.random.default_rng(1), 25)
    replay.remember(1, rows)
    np.testing.assert_array_equal(replay.transitions(1), rows[-10:])
    assert replay.sizes.tolist() == [0, 10]


def test_rows_are_uniform_over_own_transitions() -> None:
    replay = random_replay(rows=50)
    rows = replay.rows(400, 32, EVERYONE, STARTS)
    counts = np.bincount(rows.ravel(), minlength=50)
    assert counts.size == 50
    # chi-square with 49 degrees of freedom: 99.9 % are below 86
    expected = rows.size / 50
    assert ((counts - expected) ** 2 / expected).sum() < 86


def test_rows_go_on_where_the_last_call_ended() -> None:
    replay = random_replay()
    together = replay.rows(5, 8, EVERYONE, STARTS)
    np.testing.assert_array_equal(together[2:], replay.rows(3, 8, EVERYONE, STARTS + 2))
    assert (together[0] != together[1]).any()


def test_rows_do_not_depend_on_other_agents() -> None:
    few, many = random_replay(agents=2), random_replay(agents=5)
    np.testing.assert_array_equal(
        few.rows(3, 8, np.arange(2), STARTS[:2]), many.rows(3, 8, np.array([4, 1, 0]), np.zeros(5, np.int64))[:, :2]
    )


def test_source_share_is_even_over_all_transitions_by_default() -> None:
    replay = random_replay(rows=100)
    replay.set_source(1, random_rows(np.random.default_rng(2), 300))
    assert replay.source_shares().tolist() == [0, 0.75, 0]
    rows = replay.rows(300, 32, EVERYONE, STARTS)[:, 1]
    assert (rows < 0).mean() == pytest.approx(0.75, abs=0.02)
    assert set(np.unique(-1 - rows[rows < 0])) == set(range(300))
    assert rows.max() == 99


def test_source_share_can_shrink() -> None:
    replay = Replay(1, D, N)
    replay.set_source(0, random_rows(np.random.default_rng(2), 300), share=0.8, anneal=4)
    shares = []
    for _ in range(6):
        shares.append(float(replay.source_shares()[0]))
        replay.add(*(part[:1] for part in step(np.random.default_rng(3))))
    # with nothing of its own an agent has only the source
    assert shares == pytest.approx([1.0, 0.6, 0.4, 0.2, 0.0, 0.0])


def test_a_source_can_be_taken_away() -> None:
    replay = random_replay()
    replay.set_source(0, random_rows(np.random.default_rng(2), 30))
    replay.set_source(0, np.zeros((0, replay.width)))
    assert replay.source_shares()[0] == 0
    assert replay.observations(0).shape == (200, D)


def test_observations_are_own_and_source() -> None:
    replay = random_replay(rows=20)
    source = random_rows(np.random.default_rng(2), 7)
    replay.set_source(2, source)
    np.testing.assert_array_equal(replay.observations(2)[20:], source[:, :D])
    assert replay.remembered(2) == 27


def test_state_comes_back() -> None:
    replay = random_replay()
    replay.set_source(1, random_rows(np.random.default_rng(2), 30), share=0.4, anneal=1000)
    other = Replay(AGENTS, D, N, capacity=1000, seed=0)
    other.restore(replay.state())
    np.testing.assert_array_equal(other.rows(4, 16, EVERYONE, STARTS), replay.rows(4, 16, EVERYONE, STARTS))
    np.testing.assert_array_equal(other.transitions(1), replay.transitions(1))
    np.testing.assert_array_equal(other.source_shares(), replay.source_shares())


def test_an_agent_without_memory_cannot_learn() -> None:
    replay = Replay(AGENTS, D, N)
    replay.set_source(0, random_rows(np.random.default_rng(2), 5))
    replay.rows(1, 4, np.array([0]), STARTS)
    with pytest.raises(InputError, match="an agent must remember a transition to learn, got none of agent 2"):
        replay.rows(1, 4, np.array([0, 2]), STARTS)


def test_bad_settings() -> None:
    with pytest.raises(SettingError, match="capacity must be >= 1, got 0"):
        Replay(2, D, N, capacity=0)
    with pytest.raises(SettingError, match="agents must be >= 1, got 0"):
        Replay(0, D, N)
    replay = random_replay()
    with pytest.raises(SettingError, match="last must be >= 0, got -1"):
        replay.transitions(0, -1)
    rows = replay.transitions(0)
    with pytest.raises(SettingError, match=r"share must be in \[0, 1\], got 1.2"):
        replay.set_source(0, rows, share=1.2)
    with pytest.raises(SettingError, match="anneal must be > 0, got 0"):
        replay.set_source(0, rows, anneal=0)


def test_bad_transitions() -> None:
    replay = random_replay()
    observation, action, reward, following = step(np.random.default_rng(0))
    with pytest.raises(InputError, match=r"action must have shape \(3, 4\), got \(3, 3\)"):
        replay.add(observation, action[:, :3], reward, following)
    with pytest.raises(InputError, match=r"reward must have shape \(3,\), got \(3, 1\)"):
        replay.add(observation, action, reward[:, None], following)
    with pytest.raises(InputError, match="transitions must be finite, got nan"):
        replay.add(observation, action, reward * np.nan, following)
    with pytest.raises(InputError, match=r"transitions must have shape \(n, 19\), got \(2, 3\)"):
        replay.set_source(0, np.zeros((2, 3)))
    assert replay.added.tolist() == [200] * AGENTS
