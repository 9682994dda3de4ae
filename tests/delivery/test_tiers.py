from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from netgraft.delivery.exchange.tiers import EXCHANGE_BYTES, Retries, Tiers, Trouble
from netgraft.delivery.exchange.transport import Fault, Reply
from netgraft.errors import BudgetError, ChunkError, LinkError, SettingError, TokenError, TrustError

EDGE, LOCAL, CENTRAL = "http://edge", "http://local", "http://central"
FAULTS: list[Fault] = ["busy", "fault", "refused", "timeout", "short", "large", "unreachable"]


@dataclass
class Script:
    """A transport that gives replies in turn."""

    replies: list[Reply]
    asked: list[str] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    most_s: list[float] = field(default_factory=list)

    def ask(self, url: str, *, most_bytes: int, body: bytes | None = None, most_s: float = math.inf) -> Reply:
        self.asked.append(url)
        self.wanted.append(most_bytes)
        self.most_s.append(most_s)
        return self.replies.pop(0)

    def pour(self, url: str, take: Callable[[bytes], bool], *, most_bytes: int) -> Reply:
        """Give the body of the next reply in two parts."""
        reply = self.ask(url, most_bytes=most_bytes)
        half = len(reply.body) // 2
        if not (take(reply.body[:half]) and take(reply.body[half:])):
            return Reply(b"", reply.received_bytes)
        return Reply(b"", reply.received_bytes, reply.fault, reply.text)


def good(body: bytes = b"right") -> Reply:
    return Reply(body, 10 + len(body))


def bad(fault: Fault, text: str = "why", retry_after_s: float | None = None) -> Reply:
    return Reply(b"", 7, fault, text, retry_after_s)


@dataclass
class Setting:
    """Tiers that play a script."""

    tiers: Tiers
    script: Script
    waits: list[float]
    troubles: list[Trouble]


def setting(*replies: Reply, servers: tuple[str, ...] = (EDGE,), attempts: int = 4) -> Setting:
    script, waits, troubles = Script(list(replies)), list[float](), list[Trouble]()
    tiers = Tiers(
        script,
        servers,
        sleep=waits.append,
        generator=np.random.default_rng(0),
        retries=Retries(attempts=attempts, first_s=1.0, most_s=5.0),
        trouble=troubles.append,
    )
    return Setting(tiers, script, waits, troubles)


def ask(tiers: Tiers, right: Callable[[bytes], str | None] = lambda body: None, expected: int = 0) -> bytes:
    return tiers.ask("/p", most_bytes=100, expected_bytes=expected, right=right)


def only_right(body: bytes) -> str | None:
    return None if body == b"right" else "not what it should be"


def test_first_server_that_is_right_answers() -> None:
    made = setting(good())
    assert ask(made.tiers) == b"right"
    assert made.script.asked == ["http://edge/p"]
    assert made.tiers.received_bytes == 15
    assert made.waits == []
    assert made.troubles == []


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_tried_again_at_the_next_server_and_that_one_is_kept(fault: Fault) -> None:
    made = setting(bad(fault), good(), good(), servers=(EDGE, LOCAL, CENTRAL))
    assert ask(made.tiers) == b"right"
    assert ask(made.tiers) == b"right"
    assert made.script.asked == ["http://edge/p", "http://local/p", "http://local/p"]
    assert made.troubles == [Trouble(fault, EDGE, "why")]
    assert made.tiers.received_bytes == 7 + 15 + 15
    assert made.waits == []


def test_waits_grow_are_drawn_and_end() -> None:
    made = setting(*[bad("refused")] * 8, servers=(EDGE, LOCAL), attempts=8)
    with pytest.raises(
        LinkError, match="an answer to /p is required, got none that is right: refused from http://local"
    ):
        ask(made.tiers)
    assert len(made.script.asked) == 8
    assert len(made.waits) == 3
    for wait, most in zip(made.waits, [1.0, 2.0, 4.0], strict=True):
        assert 0 <= wait <= most
    assert len(set(made.waits)) == 3


def test_busy_server_is_given_the_time_it_asks_for_up_to_a_bound() -> None:
    made = setting(bad("busy", retry_after_s=3.0), bad("busy", retry_after_s=900.0), good())
    assert ask(made.tiers) == b"right"
    assert made.waits == [3.0, 5.0]


def test_damaged_answer_is_asked_for_elsewhere() -> None:
    made = setting(good(b"wrong"), good(), servers=(EDGE, LOCAL))
    assert ask(made.tiers, only_right) == b"right"
    assert made.troubles == [Trouble("corrupt", EDGE, "not what it should be")]
    assert made.tiers.received_bytes == 30


def test_damaged_answers_alone_are_an_error_of_the_chunk() -> None:
    made = setting(*[good(b"wrong")] * 4)
    with pytest.raises(ChunkError, match="corrupt from http://edge: not what it should be"):
        ask(made.tiers, only_right)


def test_server_that_does_not_have_it_is_not_asked_again() -> None:
    made = setting(bad("missing"), bad("short"), good(), servers=(EDGE, LOCAL))
    assert ask(made.tiers) == b"right"
    assert made.script.asked == ["http://edge/p", "http://local/p", "http://local/p"]


def test_what_nobody_has_is_an_error_at_once() -> None:
    made = setting(bad("missing", "404"), bad("missing", "404"), servers=(EDGE, LOCAL))
    with pytest.raises(LinkError, match="got none that is right: missing from http://local: 404"):
        ask(made.tiers)
    assert made.waits == []


def test_denied_question_is_not_repeated() -> None:
    made = setting(bad("denied", "401 no token"), bad("denied", "401 no token"), servers=(EDGE, LOCAL))
    with pytest.raises(TokenError, match="a token that http://local accepts is required, got the answer 401 no token"):
        ask(made.tiers)
    assert made.tiers.received_bytes == 14
    assert made.waits == []


def test_server_that_denies_is_left_for_the_next() -> None:
    made = setting(bad("denied"), good(), servers=(EDGE, LOCAL))
    assert ask(made.tiers) == b"right"


def test_answer_beyond_the_budget_is_asked_for_elsewhere() -> None:
    made = setting(bad("large"), good(), servers=(EDGE, LOCAL))
    made.tiers.limit_bytes = EXCHANGE_BYTES + 90
    assert ask(made.tiers) == b"right"


def test_server_without_it_does_not_end_the_waits_for_the_others() -> None:
    made = setting(bad("refused"), bad("missing"), bad("refused"), good(), servers=(EDGE, LOCAL), attempts=6)
    assert ask(made.tiers) == b"right"
    assert len(made.waits) == 2


def read(tiers: Tiers) -> int:
    def reader(data: bytes) -> int:
        if data != b"right":
            raise TrustError("another\nsignature is required")
        return len(data)

    return tiers.read("/p", reader, most_bytes=100)


def test_answer_that_the_reader_refuses_is_asked_for_elsewhere_and_once() -> None:
    made = setting(good(b"wrong"), bad("short"), good(), servers=(EDGE, LOCAL))
    assert read(made.tiers) == 5
    assert made.script.asked == ["http://edge/p", "http://local/p", "http://local/p"]
    assert made.troubles[0] == Trouble("corrupt", EDGE, "another signature is required")


def test_refusal_of_every_answer_is_the_readers() -> None:
    made = setting(good(b"wrong"), good(b"wrong"), servers=(EDGE, LOCAL))
    with pytest.raises(TrustError, match="another\nsignature is required"):
        read(made.tiers)
    made = setting(good(b"wrong"), *[bad("refused")] * 3, servers=(EDGE, LOCAL))
    with pytest.raises(LinkError, match="refused from http://local") as caught:
        read(made.tiers)
    assert isinstance(caught.value.__cause__, TrustError)


def test_budget_is_never_passed() -> None:
    made = setting(bad("short"), good())
    made.tiers.limit_bytes = EXCHANGE_BYTES + 20
    with pytest.raises(BudgetError, match=r"795 bytes of data are required for /p, got a budget of 788"):
        ask(made.tiers, expected=20)
    assert made.script.asked == ["http://edge/p"]
    assert made.script.wanted == [20]


def test_answer_of_unknown_size_is_cut_at_the_budget() -> None:
    made = setting(bad("large"))
    made.tiers.limit_bytes = EXCHANGE_BYTES + 50
    with pytest.raises(BudgetError, match="an answer within the data budget of 818 bytes is required, got more"):
        ask(made.tiers)
    assert made.script.wanted == [50]


@pytest.mark.parametrize(
    ("servers", "text"),
    [
        ((), "a server's address is required, got none"),
        (("ftp://x",), "a server's address must begin with http:// or https://, got 'ftp://x'"),
    ],
)
def test_addresses_are_checked(servers: tuple[str, ...], text: str) -> None:
    with pytest.raises(SettingError, match=text):
        setting(servers=servers)


def test_slash_at_the_end_of_an_address_does_not_matter() -> None:
    made = setting(good(), servers=("http://edge/",))
    ask(made.tiers)
    assert made.script.asked == ["http://edge/p"]


# --- several things in one answer


def text_of(data: bytes) -> str:
    """Return a text, or refuse it as a reader does."""
    if data != b"right":
        raise TrustError(f"what is right is required, got {data!r}")
    return data.decode()


def test_glance_takes_the_first_answer_that_counts() -> None:
    made = setting(bad("refused"), good(b"wrong"), good(), servers=(EDGE, LOCAL, CENTRAL))
    assert made.tiers.glance("/x", text_of, most_bytes=9) == "right"
    assert made.script.asked == [f"{EDGE}/x", f"{LOCAL}/x", f"{CENTRAL}/x"]
    assert [(each.kind, each.server) for each in made.troubles] == [("refused", EDGE), ("corrupt", LOCAL)]
    assert (made.waits, made.tiers.received_bytes) == ([], 7 + 15 + 15)
    made.script.replies.append(good())
    assert made.tiers.ask("/y", most_bytes=9) == b"right"
    assert made.script.asked[-1] == f"{CENTRAL}/y"


def test_glance_ends_at_a_server_that_does_not_know_the_path_and_nothing_is_told() -> None:
    made = setting(bad("refused"), bad("missing"), good(), servers=(EDGE, LOCAL, CENTRAL))
    assert made.tiers.glance("/x", text_of, most_bytes=9) is None
    assert [each.server for each in made.troubles] == [EDGE]
    assert made.tiers.ask("/y", most_bytes=9) == b"right"
    assert made.script.asked[-1] == f"{LOCAL}/y"


def test_glance_asks_each_server_once() -> None:
    made = setting(*[bad("busy")] * 2, servers=(EDGE, LOCAL))
    assert made.tiers.glance("/x", text_of, most_bytes=9) is None
    assert len(made.script.asked) == 2


def test_poured_bytes_count_as_they_come_and_once() -> None:
    made, counts = setting(good(b"12345678")), list[int]()

    def take(part: bytes) -> tuple[str, ...]:
        counts.append(made.tiers.received_bytes)
        return ()

    assert made.tiers.pour("/x", take, expected_bytes=8) is None
    assert counts == [4, 8]
    assert made.tiers.received_bytes == 18
    assert made.script.wanted == [8]


def test_pouring_goes_on_after_one_part_that_is_wrong() -> None:
    made, came = setting(good(b"12345678")), list[bytes]()

    def take(part: bytes) -> list[str]:
        came.append(part)
        return ["why"]

    assert made.tiers.pour("/x", take, expected_bytes=8) == Trouble("corrupt", EDGE, "why")
    assert came == [b"1234", b"5678"]
    assert made.troubles == [Trouble("corrupt", EDGE, "why")]


@pytest.mark.parametrize("fault", [*FAULTS, "missing", "denied"])
def test_pouring_that_fails_is_told_unless_nobody_knows_the_path(fault: Fault) -> None:
    made = setting(bad(fault))
    assert made.tiers.pour("/x", lambda part: (), expected_bytes=8) == Trouble(fault, EDGE, "why")
    assert (not made.troubles) == (fault == "missing")
    assert len(made.script.asked) == 1


def test_nothing_is_poured_beyond_the_budget() -> None:
    made = setting(good())
    made.tiers.limit_bytes = EXCHANGE_BYTES + 7
    with pytest.raises(BudgetError, match="bytes of data are required for /x"):
        made.tiers.pour("/x", lambda part: (), expected_bytes=8)
    assert made.script.asked == []


def test_fault_of_whoever_takes_ends_the_pouring_with_its_bytes_counted() -> None:
    made = setting(good(b"12345678"))

    def take(part: bytes) -> list[str]:
        raise TrustError("no")

    with pytest.raises(TrustError):
        made.tiers.pour("/x", take, expected_bytes=8)
    assert made.tiers.received_bytes == 18  # headers too


def test_something_is_done_before_every_question() -> None:
    made, before = setting(good(), good(), good()), list[int]()
    made.tiers.before = lambda: before.append(len(made.script.asked))
    made.tiers.ask("/x", most_bytes=9)
    made.tiers.glance("/x", text_of, most_bytes=9)
    made.tiers.pour("/x", lambda part: (), expected_bytes=5)
    assert before == [0, 1, 2]


def test_pouring_ends_after_two_things_that_are_wrong_in_one_part() -> None:
    made, came = setting(good(b"12345678")), list[bytes]()

    def take(part: bytes) -> list[str]:
        came.append(part)
        return ["why", "and why"]

    assert made.tiers.pour("/x", take, expected_bytes=8) == Trouble("corrupt", EDGE, "why")
    assert came == [b"1234"]


@pytest.mark.parametrize(("fault", "next_server"), [("short", LOCAL), ("denied", LOCAL), ("missing", EDGE)])
def test_server_that_fails_to_pour_is_left_for_the_next(fault: Fault, next_server: str) -> None:
    made = setting(bad(fault), good(), servers=(EDGE, LOCAL))
    made.tiers.pour("/x", lambda part: (), expected_bytes=8)
    assert ask(made.tiers) == b"right"
    assert made.script.asked[-1] == f"{next_server}/p"


def test_something_is_done_before_each_server_is_glanced_at() -> None:
    made, before = setting(bad("refused"), good(), servers=(EDGE, LOCAL)), list[int]()
    made.tiers.before = lambda: before.append(len(made.script.asked))
    assert made.tiers.glance("/x", text_of, most_bytes=9) == "right"
    assert before == [0, 1]


def test_long_paths_count_for_the_budget_before_they_are_asked_for() -> None:
    made, path = setting(good()), "/" + 1_099 * "1"
    assert made.tiers.left_bytes(path) == float("inf")
    made.tiers.limit_bytes = EXCHANGE_BYTES + 1_007
    assert (made.tiers.left_bytes("/x"), made.tiers.left_bytes(path)) == (1_007, 7)
    with pytest.raises(BudgetError, match="1776 bytes of data are required for /11"):
        made.tiers.pour(path, lambda part: (), expected_bytes=8)
    assert made.script.asked == []
    made.tiers.limit_bytes += 1
    assert made.tiers.pour(path, lambda part: (), expected_bytes=8) is None


def test_seconds_of_an_answer_are_those_of_its_question() -> None:
    made = setting(good(), good(), good())
    made.tiers.glance("/x", text_of, most_bytes=9, most_s=3.0)
    made.tiers.read("/x", text_of, most_bytes=9, most_s=2.0)
    made.tiers.ask("/x", most_bytes=9)
    assert made.script.most_s == [3.0, 2.0, math.inf]
