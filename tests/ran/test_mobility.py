from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraft.ran.layout import area_m
from netgraft.ran.mobility import COSINES, SINES, Users, active, move, place
from netgraft.ran.presets import preset
from netgraft.ran.scenario import Scenario

DIRECTION = preset("three")
WAYPOINT = replace(DIRECTION, mobility="waypoint")
AREA = area_m(DIRECTION)
models = st.sampled_from([DIRECTION, WAYPOINT])


def walked(scenario: Scenario, seed: int, steps: int) -> list[Users]:
    """Return the users at every step, from the placement on."""
    path = [place(scenario, AREA, seed)]
    for step in range(1, steps + 1):
        path.append(move(path[-1], scenario, AREA, seed, step))
    return path


def same(first: Users, second: Users) -> bool:
    """Return whether all arrays are equal."""
    return all(np.array_equal(getattr(first, item.name), getattr(second, item.name)) for item in fields(Users))


@settings(max_examples=20, deadline=None)
@given(models, st.integers(0, 2**63 - 1), st.floats(1, 50))
def test_users_stay_in_the_area_whatever_their_speed(scenario: Scenario, seed: int, speed_mps: float) -> None:
    fast = replace(scenario, speed_max_mps=10 * speed_mps, heading_s=5.0)
    for users in walked(fast, seed, 20):
        assert (users.x >= AREA[0]).all()
        assert (users.x <= AREA[2]).all()
        assert (users.y >= AREA[1]).all()
        assert (users.y <= AREA[3]).all()


@pytest.mark.parametrize("scenario", [DIRECTION, WAYPOINT], ids=["direction", "waypoint"])
def test_same_seed_is_the_same_walk_and_another_is_another(scenario: Scenario) -> None:
    first, again, other = (walked(scenario, seed, 10) for seed in (5, 5, 6))
    assert all(same(one, two) for one, two in zip(first, again, strict=True))
    assert (first[-1].x != other[-1].x).all()


def test_users_go_straight_at_their_speed_between_turns() -> None:
    calm = replace(DIRECTION, heading_s=1e12)
    before, after = walked(calm, 1, 1)
    inside = (after.velocity_x == before.velocity_x) & (after.velocity_y == before.velocity_y)
    assert inside.mean() > 0.9
    way = np.hypot(after.x - before.x, after.y - before.y)[inside]
    np.testing.assert_allclose(way, before.speed[inside] * calm.step_s, rtol=1e-9)
    assert ((before.speed >= calm.speed_min_mps) & (before.speed <= calm.speed_max_mps)).all()


def test_border_mirrors_position_and_velocity() -> None:
    calm = replace(DIRECTION, heading_s=1e12, users_per_slice=1, user_scope="network")
    start = place(calm, AREA, 0)
    users = replace(
        start, x=np.array([-249.0, 249.0, 0.0, 0.0]), y=np.array([0.0, 0.0, -249.0, 249.0]),
        velocity_x=np.array([-3.0, 3.0, 0.0, 0.0]), velocity_y=np.array([0.0, 0.0, -3.0, 3.0]),
    )  # fmt: skip
    after = move(users, calm, AREA, 0, 1)
    assert after.x.tolist() == [-248, 248, 0, 0]
    assert after.y.tolist() == [0, 0, -248, 248]
    assert after.velocity_x.tolist() == [3, -3, 0, 0]
    assert after.velocity_y.tolist() == [0, 0, 3, -3]


def test_turns_and_new_draws_come_as_often_as_said() -> None:
    path = walked(replace(DIRECTION, heading_s=20.0, session_s=10.0), 2, 200)
    turned = np.mean([(one.speed != two.speed).mean() for one, two in pairwise(path)])
    renewed = np.mean([(one.q != two.q).mean() for one, two in pairwise(path)])
    assert turned == pytest.approx(1 / 20, rel=0.05)
    assert renewed == pytest.approx(1 / 10, rel=0.05)


def test_waypoint_goes_to_its_target_and_then_to_another() -> None:
    near = replace(WAYPOINT, speed_min_mps=8.0)
    path = walked(near, 3, 150)
    for before, after in pairwise(path):
        reached = before.target_x != after.target_x
        np.testing.assert_array_equal(after.x[reached], before.target_x[reached])
        left = np.hypot(before.target_x - before.x, before.target_y - before.y)
        assert (left[reached] <= before.speed[reached] * near.step_s).all()
        now = np.hypot(before.target_x - after.x, before.target_y - after.y)
        np.testing.assert_allclose(now[~reached], (left - before.speed * near.step_s)[~reached], atol=1e-9)
    assert (path[0].target_x != path[-1].target_x).all()


@pytest.mark.parametrize(("scenario", "low", "high"), [(DIRECTION, 0.22, 0.28), (WAYPOINT, 0.32, 0.5)])
def test_direction_keeps_users_evenly_spread_and_waypoint_does_not(scenario: Scenario, low: float, high: float) -> None:
    quick = replace(scenario, speed_max_mps=100.0, speed_min_mps=50.0)
    path = walked(quick, 4, 120)[20::10]
    x, y = np.concatenate([users.x for users in path]), np.concatenate([users.y for users in path])
    inner = (np.abs(x) < 125) & (np.abs(y) < 125)
    assert low < inner.mean() < high


def test_active_users_are_the_activity_times_the_mask() -> None:
    scenario = replace(DIRECTION, users_per_slice=3000, user_scope="network", activity=0.5)
    masks = np.array([0.0, 0.2, 0.6, 1.0])
    on = active(place(scenario, AREA, 0), scenario, masks).reshape(4, -1).mean(axis=1)
    assert on == pytest.approx(masks / 2, abs=0.03)
    assert on[0] == 0


def test_who_is_active_at_a_low_mask_is_active_at_a_higher() -> None:
    users = place(DIRECTION, AREA, 0)
    low, high = (active(users, DIRECTION, np.full(4, mask)) for mask in (0.3, 0.8))
    assert (high | ~low).all()


def test_headings_cover_the_circle() -> None:
    np.testing.assert_allclose(COSINES**2 + SINES**2, 1)
    assert abs(COSINES.sum()) < 1e-9
    users = place(replace(DIRECTION, users_per_slice=2000), AREA, 1)
    quarters = np.bincount((2 * (users.velocity_x > 0) + (users.velocity_y > 0)).astype(int), minlength=4)
    assert quarters / quarters.sum() == pytest.approx([0.25] * 4, abs=0.02)
