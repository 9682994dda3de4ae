"""How a search shares its time and memory."""

from __future__ import annotations

import time

import pytest

from netgraft.errors import SettingError
from netgraft.lifecycle.pace import Clock, memory_allowed, pace_of


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the clock's reading, to be moved by hand."""
    at = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: at[0])
    return at


def test_a_clock_goes_on_where_it_was(now: list[float]) -> None:
    clock = Clock(60.0, spent_s=20.0)
    now[0] += 5
    assert clock.elapsed() == 25
    assert clock.remaining() == 35


def test_without_a_budget_nothing_is_limited() -> None:
    clock = Clock(None, spent_s=1e6)
    assert clock.remaining() == clock.batches_s(is_taught=False) == float("inf")
    assert clock.teacher_s() is clock.graft_s() is None
    pace = pace_of(clock, lambda: False, 1e9)
    assert pace.slice_s() is pace.nested_s is None
    assert pace.memory_bytes == 1e9


def test_batches_leave_time_for_the_teacher_until_it_has_grown(now: list[float]) -> None:
    clock = Clock(100.0)
    before, after = (clock.batches_s(is_taught=is_taught) for is_taught in (False, True))
    assert after - before == pytest.approx(clock.teacher_s())
    assert after < clock.remaining() == 100
    slices = [pace_of(clock, lambda is_taught=is_taught: is_taught, 1e9).slice_s() for is_taught in (False, True)]
    assert slices[1] / slices[0] == pytest.approx(after / before)


def test_slices_grow_until_the_last_is_all_that_is_left(now: list[float]) -> None:
    clock = Clock(100.0)
    pace = pace_of(clock, lambda: False, 1e9)
    shares = []
    while (left := clock.batches_s(is_taught=False)) > 1e-6:
        slice_s = pace.slice_s()
        assert slice_s is not None
        shares.append(slice_s / left)
        now[0] += slice_s
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.1
    assert shares[-1] == 1
    assert max(shares[:-1]) <= 0.25
    assert clock.remaining() > 0


def test_a_search_that_is_late_still_gets_a_little(now: list[float]) -> None:
    clock = Clock(10.0)
    now[0] += 50
    assert pace_of(clock, lambda: False, 1e9).slice_s() == 0.2
    assert clock.graft_s() == Clock(1.0).graft_s() > 0


def test_jobs_share_the_memory_that_is_free_and_the_user_says_it_for_each() -> None:
    assert memory_allowed("4GB", 1) == memory_allowed("4GB", 8) == 4e9
    assert 0 < memory_allowed(None, 8) < memory_allowed(None, 1)
    with pytest.raises(SettingError):
        memory_allowed("much", 1)
