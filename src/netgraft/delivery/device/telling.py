"""Tells a server what happens on a device, beside the work: it never delays, fails or outlives what it tells of.

Rules the module keeps: `Teller.tell` only puts an event into a queue of bounded length, and drops it where that is
full; one thread sends, with a bounded number of tries for each report; at the end it gets a bounded time for what still
waits. What is sent is `report_of` and nothing else: no row, no prediction, no text of an error, no path.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from netgraft.delivery.device.events import Event
from netgraft.delivery.exchange.transport import Reply, Transport
from netgraft.delivery.offering.incoming import TELEMETRY

#: The name of a device whose owner gave it none.
UNNAMED = "unnamed"
TELEMETRY_PATH = "/v1/telemetry"
_MOST_WAITING, _TRIES, _FIRST_WAIT_S = 64, 3, 0.5
_MOST_ANSWER_BYTES = 4_096
#: Asking again would not help.
_FINAL = frozenset({"missing", "denied", "large"})

#: Opens what asks one question; the thread of the teller does so, and closes it.
Connect = Callable[[], AbstractContextManager[Transport]]


def report_of(event: Event, name: str, device: str) -> dict[str, Any]:
    """Return what is told of an event.

    Args:
        event: what happened.
        name: of the model.
        device: the name that its owner gave it.
    """
    said = {
        "device": device,
        "name": name,
        "event": event.kind,
        "version": event.version,
        "cut": event.cut,
        "accuracy": event.accuracy,
        "seconds": round(event.seconds, 3),
        "bytes": event.received_bytes,
        "fault": event.fault or None,
    }
    return {key: value for key, value in said.items() if value is not None}


class Teller:
    """Sends reports of events in a thread of its own."""

    def __init__(
        self,
        connect: Connect,
        servers: Sequence[str],
        name: str,
        *,
        device: str | None = None,
        wait_s: float = _FIRST_WAIT_S,
    ) -> None:
        """Begin with nothing to tell.

        Args:
            connect: opens what asks one question.
            servers: their addresses; the first that takes a report has it.
            name: of the model.
            device: a name that the owner gave it; ``unnamed`` without one.
            wait_s: before the second try; twice that before the third.

        Raises:
            SituationError: the name of the device is empty or too long.
        """
        self._device = TELEMETRY.fields["device"].read(UNNAMED if device is None else device, "the name of a device")
        self._connect, self._name, self._wait_s = connect, name, wait_s
        self._servers = tuple(server.rstrip("/") for server in servers)
        self._waiting: deque[Event] = deque()
        self._changed, self._hurried = threading.Condition(), threading.Event()
        self._closing = False
        #: Events that were not told, because the queue was full or nobody took them.
        self.dropped = 0
        #: Why the last one was not taken.
        self.fault = ""
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Put an event into the queue; where that is full it is dropped."""
        with self._changed:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(event)
                self._changed.notify()
            else:
                self.dropped, self.fault = self.dropped + 1, "too many at once"

    def close(self, patience_s: float) -> None:
        """Wait a bounded time for what still waits to be told; the rest is dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(patience_s)
        self._hurried.set()
        with self._changed:
            self.dropped += len(self._waiting)
            self._waiting.clear()

    def _run(self) -> None:
        event = self._next()
        if event is None:
            return
        with self._connect() as transport:
            while event is not None:
                self._send(transport, event)
                event = self._next()

    def _next(self) -> Event | None:
        """Return the next event as soon as there is one; None when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return self._waiting.popleft() if self._waiting else None

    def _send(self, transport: Transport, event: Event) -> None:
        """Send one report: to the first server that takes it, and to all of them again after a wait that doubles."""
        body = json.dumps(report_of(event, self._name, self._device)).encode()
        left, reply = list(self._servers), Reply(b"", 0, "unreachable")
        for number in range(_TRIES):
            if not left or (number and self._hurried.wait(self._wait_s * 2 ** (number - 1))):
                break
            for server in list(left):
                reply = transport.ask(server + TELEMETRY_PATH, most_bytes=_MOST_ANSWER_BYTES, body=body)
                if reply.fault is None:
                    return
                if reply.fault in _FINAL:
                    left.remove(server)
        with self._changed:
            self.dropped, self.fault = self.dropped + 1, f"{reply.fault}: {reply.text}".rstrip(": ")
