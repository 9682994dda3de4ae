from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from device_fakes import CENTRAL, EDGE

from netgraft.delivery.device.events import Event
from netgraft.delivery.device.telling import Teller, report_of
from netgraft.delivery.exchange.transport import Reply
from netgraft.delivery.offering.incoming import telemetry
from netgraft.errors import SituationError

PATIENCE_S = 20.0
TAKEN = Reply(b"", 10)


class Taker:
    """Takes reports, or answers in another way."""

    def __init__(self, answer: Callable[[str], Reply] = lambda server: TAKEN) -> None:
        self.asked: list[str] = []
        self.told: list[dict[str, Any]] = []
        self.opened = self.closed = 0
        self._answer = answer

    @contextmanager
    def connect(self) -> Iterator[Taker]:
        """Stand in for a connection."""
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1

    def ask(self, url: str, *, most_bytes: int, body: bytes | None = None, most_s: float = math.inf) -> Reply:
        """Take a report."""
        assert body is not None
        server, _, path = url.rpartition("/v1/")
        assert path == "telemetry"
        self.asked.append(server)
        reply = self._answer(server)
        if reply.fault is None:
            self.told.append(json.loads(body))
        return reply

    def pour(self, url: str, take: Callable[[bytes], bool], *, most_bytes: int) -> Reply:
        """Give nothing."""
        raise AssertionError(url)


def event(kind: Any = "usable", **given: Any) -> Event:
    return Event(kind, 1.23456, 700, **given)


def told_by(taker: Taker, *events: Event, servers: tuple[str, ...] = (EDGE,), **given: Any) -> Teller:
    """Tell events and wait until all are told or dropped."""
    teller = Teller(taker.connect, servers, "energy", wait_s=0.0, **given)
    for each in events:
        teller.tell(each)
    teller.close(PATIENCE_S)
    return teller


def test_report_says_what_happened_and_no_words() -> None:
    said = report_of(
        event("failed", version=2, cut="d1s1p4", accuracy=0.5, text="no room in /home/x", fault="StorageError"),
        "energy",
        "mast 7",
    )
    assert said == {
        "device": "mast 7", "name": "energy", "event": "failed", "version": 2, "cut": "d1s1p4", "accuracy": 0.5,
        "seconds": 1.235, "bytes": 700, "fault": "StorageError",
    }  # fmt: skip
    assert telemetry(json.dumps(said).encode()) == said
    assert set(report_of(event("started"), "energy", "d")) == {"device", "name", "event", "seconds", "bytes"}


def test_events_are_told_in_their_order_over_one_connection() -> None:
    taker = Taker()
    teller = told_by(taker, event("started"), event("usable"), event("done"), device="mast 7")
    assert [said["event"] for said in taker.told] == ["started", "usable", "done"]
    assert {said["device"] for said in taker.told} == {"mast 7"}
    assert (taker.opened, taker.closed, teller.dropped) == (1, 1, 0)


def test_nothing_is_opened_where_nothing_happened() -> None:
    taker = Taker()
    assert told_by(taker).dropped == 0
    assert taker.opened == 0


def test_full_queue_drops_and_never_waits() -> None:
    release, begun = threading.Event(), threading.Event()

    def stuck(server: str) -> Reply:
        begun.set()
        assert release.wait(PATIENCE_S)
        return TAKEN

    taker = Taker(stuck)
    teller = Teller(taker.connect, [EDGE], "energy")
    teller.tell(event("started"))
    assert begun.wait(PATIENCE_S)
    for _ in range(100):  # none of these can be sent now
        teller.tell(event())
    assert teller.dropped == 100 - 64
    teller.close(0.0)  # the rest is given up
    assert teller.dropped == 100
    release.set()


@pytest.mark.parametrize(("fault", "tries"), [("refused", 3), ("busy", 3), ("denied", 1), ("missing", 1)])
def test_tries_are_bounded_and_what_is_refused_for_good_is_not_sent_again(fault: Any, tries: int) -> None:
    taker = Taker(lambda server: Reply(b"", 0, fault, "in words"))
    teller = told_by(taker, event("started"), event("done"))
    assert taker.asked == [EDGE] * 2 * tries
    assert (teller.dropped, teller.fault) == (2, f"{fault}: in words")


def test_next_server_is_told_where_the_first_does_not_listen() -> None:
    taker = Taker(lambda server: TAKEN if server == CENTRAL else Reply(b"", 0, "missing", "404"))
    teller = told_by(taker, event("started"), servers=(EDGE + "/", CENTRAL))
    assert (taker.asked, teller.dropped) == ([EDGE, CENTRAL], 0)


@pytest.mark.parametrize("name", ["", "x" * 257])
def test_name_that_no_report_can_have_is_refused(name: str) -> None:
    with pytest.raises(SituationError, match="the name of a device must be a text of 1 to 256 characters, got "):
        Teller(Taker().connect, [EDGE], "energy", device=name)
