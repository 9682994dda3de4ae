"""Limits, buckets and the gate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.errors import SettingError
from netgraft.service.access import Gate, Pass, Refusal, scope_for
from netgraft.service.limits import MOST_CLIENTS, Buckets, Limits
from netgraft.service.tokens import new_token

SECRET = b"s" * 32


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def gate(clock: Clock, *, rate: float = 0, require_tokens: bool = False) -> Gate:
    return Gate(Limits(rate=rate), secret=SECRET, require_tokens=require_tokens, wall_s=clock, steady_s=clock)


@pytest.mark.parametrize("name", ["rate", "request_s", "idle_s", "head_bytes", "connections", "cache_bytes"])
def test_limit_must_be_positive(name: str) -> None:
    with pytest.raises(SettingError, match=f"the limit {name} must be > 0, got -1"):
        Limits(**{name: -1})


def test_rate_may_be_zero_and_means_none() -> None:
    bucket = Buckets(Limits(rate=0)).of("a", 0.0)
    assert [bucket.take(0.0) for _ in range(1000)] == [0.0] * 1000
    with pytest.raises(SettingError, match="the limit idle_s must be > 0, got nan"):
        Limits(idle_s=float("nan"))


def test_what_came_of_a_body_earns_time_for_the_rest() -> None:
    assert [Limits().seconds_for(came_bytes) for came_bytes in (0, 655_360)] == [10.0, 20.0]


@given(st.floats(0.1, 1e4), st.floats(0.1, 10), st.lists(st.floats(0, 5), max_size=60))
def test_bucket_never_gives_more_than_its_rate(rate: float, burst_s: float, steps: list[float]) -> None:
    bucket, now_s, taken = Buckets(Limits(rate=rate, burst_s=burst_s)).of("a", 0.0), 0.0, 0
    for step in steps:
        now_s += step
        wait_s = bucket.take(now_s)
        taken += wait_s == 0.0
        assert wait_s >= 0.0
        assert taken <= max(1.0, rate * burst_s) + rate * now_s + 1e-6


def test_answer_that_stands_for_many_requests_is_owed() -> None:
    bucket = Buckets(Limits(rate=2, burst_s=5)).of("a", 0.0)
    assert (bucket.take(0.0, 6), bucket.take(0.0, 6)) == (0.0, 1.0)  # 4 are left
    assert bucket.take(3.0, 25) == 0.0  # as many as the bucket holds are enough
    assert (bucket.level, bucket.take(3.0)) == (-15.0, 8.0)
    assert bucket.take(11.0) == 0.0


def test_refused_client_may_come_after_the_wait() -> None:
    bucket = Buckets(Limits(rate=0.5, burst_s=2.0)).of("a", 0.0)
    assert [bucket.take(0.0), bucket.take(0.0)] == [0.0, 2.0]
    assert bucket.take(1.0) == 1.0
    assert bucket.take(2.0) == 0.0


def test_clients_are_apart_and_bounded() -> None:
    buckets = Buckets(Limits(rate=1.0, burst_s=1.0))
    first = buckets.of("a", 0.0)
    assert (first.take(0.0), buckets.of("b", 0.0).take(0.0)) == (0.0, 0.0)
    assert buckets.of("a", 0.0) is first
    for number in range(MOST_CLIENTS):
        buckets.of(f"c{number}", 0.0)
    assert buckets.of("a", 0.0) is not first


def test_scopes_of_operations() -> None:
    assert scope_for("GET", "/v1/models") == scope_for("POST", "/v1/telemetry") == scope_for("HEAD", "/c/x") == "device"
    assert scope_for("PUT", "/v1/models/a/versions/1") == "publisher"
    assert scope_for("DELETE", "/v1/models/a/versions/1") == "admin"
    assert {scope_for("GET", path) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json")} == {None}


def test_gate_lets_in_and_refuses() -> None:
    clock = Clock()
    closed, opened = gate(clock, require_tokens=True), gate(clock)
    device = f"Bearer {new_token(SECRET, 'device', days=1, now_s=clock.now_s)}"
    assert opened.check_scope("device", None, "a") is None
    assert closed.check_scope("device", device, "a") is None
    assert closed.check_scope("device", device.replace("Bearer", "bearer"), "a") is None
    none = Refusal(401, "a token of scope device is required, got none")
    assert closed.check_scope("device", None, "a") == none
    assert opened.check_scope("publisher", None, "a") == Refusal(
        401, "a token of scope publisher is required, got none"
    )
    wrong = Refusal(403, "a token of scope admin is required, got one of scope device")
    assert opened.check_scope("admin", device, "a") == wrong
    assert closed.check(method="GET", path="/healthz", authorization=None, address="a") is None
    assert closed.check(method="GET", path="/v1/trust", authorization=None, address="a") == none


def test_token_that_held_is_looked_up_until_it_ends() -> None:
    clock = Clock()
    found = gate(clock)
    device = f"Bearer {new_token(SECRET, 'device', days=1, now_s=clock.now_s)}"
    passed = found.admit("device", device, "a")
    assert isinstance(passed, Pass)
    assert passed.until_s == clock.now_s + 60
    clock.now_s += 86_399
    again = found.admit("device", device, "a")
    assert isinstance(again, Pass)
    assert again.until_s == clock.now_s + 1
    clock.now_s += 1
    refused = found.admit("device", device, "a")
    assert isinstance(refused, Refusal)
    assert "expired 0 s ago" in refused.text


def test_many_tokens_are_known_for_a_while_only() -> None:
    clock = Clock()
    found = gate(clock)
    for number in range(5000):
        token = new_token(SECRET, "device", days=1, now_s=clock.now_s, identity=str(number))
        assert found.check_scope("device", f"Bearer {token}", "a") is None


def test_guesses_at_tokens_count() -> None:
    clock = Clock()
    found = gate(clock, rate=1.0)
    statuses = [found.check_scope("device", "Bearer ng1.AAAA.AAAA", "a") for _ in range(4)]
    assert [refused.status for refused in statuses if refused] == [401, 401, 429, 429]
    assert statuses[-1] == Refusal(429, "fewer requests per second are required", 1)
    assert found.check_scope("device", None, "b") is None
