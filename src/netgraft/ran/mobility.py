"""How users move and when their activity is drawn again; compiled code repeats it number for number.

``direction``: straight on at one speed; with probability ``step_s / heading_s`` per step a new heading and speed, and
mirrored at the border, which keeps users evenly spread. ``waypoint``: straight to a random point of the area at a
random speed, then to the next, without a pause; users then crowd in the middle (Bettstetter et al. 2003).

A user is active while its draw q is below ``activity`` times the mask of its slice. With probability
``step_s / session_s`` per step q is drawn again. Headings are one of 1,024, whose sines are tabulated once: no other
function is called whose last bit may differ between NumPy and compiled code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netgraft.ran.layout import Area
from netgraft.ran.randomness import uniform_array
from netgraft.ran.scenario import Scenario

Floats = NDArray[np.float64]
#: streams of `netgraft.ran.randomness`; a draw at step 0 places a user, later ones move it.
PLACE_X, PLACE_Y, TURN, HEADING, SPEED, TARGET_X, TARGET_Y, RENEW, ACTIVITY = range(9)
HEADINGS = 1024
COSINES = np.cos(2 * np.pi * np.arange(HEADINGS) / HEADINGS)
SINES = np.sin(2 * np.pi * np.arange(HEADINGS) / HEADINGS)


@dataclass(frozen=True, eq=False)
class Users:
    """State of all users, float64 [U] each.

    Attributes:
        x: metres.
        y: metres.
        velocity_x: metres per second, for ``direction``.
        velocity_y: metres per second, for ``direction``.
        speed: metres per second.
        target_x: metres, for ``waypoint``.
        target_y: metres, for ``waypoint``.
        q: draw of activity in [0, 1).
    """

    x: Floats
    y: Floats
    velocity_x: Floats
    velocity_y: Floats
    speed: Floats
    target_x: Floats
    target_y: Floats
    q: Floats


def place(scenario: Scenario, area: Area, seed: int) -> Users:
    """Return all users, evenly spread over the area, before step 1.

    Args:
        scenario: how many, how fast.
        area: x0, y0, x1, y1 in metres.
        seed: of users and traffic.
    """
    x, y = _points(scenario, area, seed, 0, PLACE_X, PLACE_Y)
    target_x, target_y = _points(scenario, area, seed, 0, TARGET_X, TARGET_Y)
    speed = _speeds(scenario, seed, 0)
    cosine, sine = _headings(scenario, seed, 0)
    q = _draw(scenario, seed, ACTIVITY, 0)
    return Users(x, y, speed * cosine, speed * sine, speed, target_x, target_y, q)


def move(users: Users, scenario: Scenario, area: Area, seed: int, step: int) -> Users:
    """Return the users one step later.

    Args:
        users: at the step before.
        scenario: how they move.
        area: x0, y0, x1, y1 in metres.
        seed: the one they were placed with.
        step: number of the step that begins, >= 1.
    """
    renewed = _draw(scenario, seed, RENEW, step) < scenario.step_s / scenario.session_s
    q = np.where(renewed, _draw(scenario, seed, ACTIVITY, step), users.q)
    step_of = _step_straight if scenario.mobility == "direction" else _step_to_target
    return step_of(users, scenario, area, seed, step, q)


def active(users: Users, scenario: Scenario, masks: Floats) -> NDArray[np.bool_]:
    """Return which users are active, [U].

    Args:
        users: whose draws count.
        scenario: its activity.
        masks: of the slices at this step, [N].
    """
    return users.q < scenario.activity * np.repeat(masks, scenario.users // scenario.slices)


def _step_straight(users: Users, scenario: Scenario, area: Area, seed: int, step: int, q: Floats) -> Users:
    turns = _draw(scenario, seed, TURN, step) < scenario.step_s / scenario.heading_s
    speed = np.where(turns, _speeds(scenario, seed, step), users.speed)
    cosine, sine = _headings(scenario, seed, step)
    x, velocity_x = _mirrored(
        users.x, np.where(turns, speed * cosine, users.velocity_x), scenario.step_s, area[0], area[2]
    )
    y, velocity_y = _mirrored(
        users.y, np.where(turns, speed * sine, users.velocity_y), scenario.step_s, area[1], area[3]
    )
    return Users(x, y, velocity_x, velocity_y, speed, users.target_x, users.target_y, q)


def _mirrored(position: Floats, velocity: Floats, step_s: float, low: float, high: float) -> tuple[Floats, Floats]:
    """Return position and velocity of one axis a step later; a step is shorter than the area."""
    moved = position + velocity * step_s
    under, over = moved < low, moved > high
    moved = np.where(under, 2 * low - moved, np.where(over, 2 * high - moved, moved))
    return moved, np.where(under | over, -velocity, velocity)


def _step_to_target(users: Users, scenario: Scenario, area: Area, seed: int, step: int, q: Floats) -> Users:
    way_x, way_y = users.target_x - users.x, users.target_y - users.y
    distance = np.sqrt(way_x * way_x + way_y * way_y)
    length = users.speed * scenario.step_s
    there = distance <= length
    part = length / np.where(there, 1.0, distance)
    x = np.where(there, users.target_x, users.x + way_x * part)
    y = np.where(there, users.target_y, users.y + way_y * part)
    next_x, next_y = _points(scenario, area, seed, step, TARGET_X, TARGET_Y)
    target_x, target_y = np.where(there, next_x, users.target_x), np.where(there, next_y, users.target_y)
    speed = np.where(there, _speeds(scenario, seed, step), users.speed)
    return Users(x, y, users.velocity_x, users.velocity_y, speed, target_x, target_y, q)


def _points(
    scenario: Scenario, area: Area, seed: int, step: int, stream_x: int, stream_y: int
) -> tuple[Floats, Floats]:
    x0, y0, x1, y1 = area
    x = x0 + (x1 - x0) * _draw(scenario, seed, stream_x, step)
    return x, y0 + (y1 - y0) * _draw(scenario, seed, stream_y, step)


def _speeds(scenario: Scenario, seed: int, step: int) -> Floats:
    spread = scenario.speed_max_mps - scenario.speed_min_mps
    return scenario.speed_min_mps + spread * _draw(scenario, seed, SPEED, step)


def _headings(scenario: Scenario, seed: int, step: int) -> tuple[Floats, Floats]:
    """Return cosine and sine of each user's new heading."""
    index = (_draw(scenario, seed, HEADING, step) * HEADINGS).astype(np.int64)
    return COSINES[index], SINES[index]


def _draw(scenario: Scenario, seed: int, stream: int, step: int) -> Floats:
    return uniform_array(seed, stream, step, np.arange(scenario.users))
