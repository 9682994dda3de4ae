"""Keeps a device at the newest version: fetch, wait, ask for the stamp, fetch again. A failure stops no answer."""

from __future__ import annotations

from collections.abc import Callable

from netgraft.delivery.device.client import DeviceClient
from netgraft.errors import LinkError, NetgraftError

_LONGEST_S = 300.0


def follow(
    client: DeviceClient,
    *,
    poll_s: float,
    wait: Callable[[float], bool],
    told: Callable[[NetgraftError], None],
    answers: Callable[[], bool],
) -> NetgraftError | None:
    """Fetch whatever is new until it is told to stop.

    Args:
        client: of the folder.
        poll_s: seconds between two looks; twice as many after each failure that follows another, up to five minutes.
        wait: waits for seconds and returns whether to stop.
        told: is told of every failure.
        answers: returns whether a model answers; while none does, only a fault of the network is worth another try.

    Returns:
        What made it give up; None when it was told to stop.
    """
    whole, failures = False, 0
    while True:
        try:
            if not whole or client.is_newer():
                whole = False
                client.fetch()
                whole = True
            failures = 0
        except NetgraftError as error:
            failures += 1
            told(error)
            if not answers() and not isinstance(error, LinkError):
                return error
        if wait(max(poll_s, min(_LONGEST_S, poll_s * 2.0 ** max(0, min(failures, 20) - 1)))):
            return None
