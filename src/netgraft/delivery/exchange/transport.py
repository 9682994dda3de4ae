"""One question over the network and what came of it: an answer or a fault, with every byte counted.

A transport never raises and never asks twice: what to do about a fault is decided once, in
`netgraft.delivery.exchange.tiers`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import httpx

from netgraft.delivery.strict_json import read_json
from netgraft.errors import DeliveryError

#: ``missing``: 404. ``denied``: 401 or 403. ``busy``: 429 or 503. ``fault``: any other answer than 200 and 202.
#: ``refused``: no connection. ``timeout``: nothing came in time. ``short``: the connection ended before the answer did.
#: ``large``: more came than was asked for. ``unreachable``: all else.
Fault = Literal["missing", "denied", "busy", "fault", "refused", "timeout", "short", "large", "unreachable"]
_MOST_SAID, _MOST_ERROR, _MOST_REFUSAL_BYTES = 200, 1_000, 8_192
#: An answer that is slower than this after a while is not worth waiting for.
_PATIENCE_S, _LEAST_BYTES_PER_S = 30.0, 125.0
_TAKEN = frozenset({200, 202})  # a report is taken with 202
_STATUS: dict[int, Fault] = {401: "denied", 403: "denied", 404: "missing", 410: "missing", 429: "busy", 503: "busy"}


#: Gets a part of an answer; False ends the reading.
_Take = Callable[[bytes], bool | None]


@dataclass(frozen=True)
class Reply:
    """What came of a question.

    Attributes:
        body: of the answer; empty with a fault.
        received_bytes: over the network in both directions, as far as HTTP shows them: request and answer, with their
            lines and headers, whatever the outcome.
        fault: what went wrong; None when the answer is whole.
        text: what the other side or the system said of the fault.
        retry_after_s: how long a busy server asks to wait.
    """

    body: bytes
    received_bytes: int
    fault: Fault | None = None
    text: str = ""
    retry_after_s: float | None = None


class Transport(Protocol):
    """Asks one question."""

    def ask(self, url: str, *, most_bytes: int, body: bytes | None = None, most_s: float = math.inf) -> Reply:
        """Return what came of a GET, or of a POST of JSON where there is a body.

        Args:
            url: what is asked for.
            most_bytes: at which the reading stops.
            body: JSON.
            most_s: at which the reading stops, in seconds; an answer that drips may else last very long.
        """
        ...

    def pour(self, url: str, take: Callable[[bytes], bool], *, most_bytes: int) -> Reply:
        """Give the body of what a GET brings part by part as it comes; return what came of it, without a body.

        Args:
            url: what is asked for.
            take: gets each part of an answer that is right so far, and returns whether more is wanted.
            most_bytes: at which the reading stops.
        """
        ...


class HttpTransport:
    """Asks over HTTP with `httpx`, on connections that are kept."""

    def __init__(self, client: httpx.Client, elapsed: Callable[[], float], token: str | None = None) -> None:
        """Wrap a client.

        Args:
            client: with its time limits.
            elapsed: seconds of a clock that never goes back; an answer that drips is given up.
            token: sent with every question.
        """
        self._client, self._elapsed = client, elapsed
        # compressed answers would make the bytes of the wire and of the body differ
        self._headers = {"accept-encoding": "identity"} | ({"authorization": f"Bearer {token}"} if token else {})

    def ask(self, url: str, *, most_bytes: int, body: bytes | None = None, most_s: float = math.inf) -> Reply:
        """Return what came of the question; see `Transport`."""
        parts: list[bytes] = []
        reply = self._caught(url, parts.append, most_bytes, body, most_s)
        return reply if reply.fault is not None else replace(reply, body=b"".join(parts))

    def pour(self, url: str, take: Callable[[bytes], bool], *, most_bytes: int) -> Reply:
        """Give what comes part by part; see `Transport`."""
        return self._caught(url, take, most_bytes, None, math.inf)

    def _caught(self, url: str, take: _Take, most_bytes: int, body: bytes | None, most_s: float) -> Reply:
        """Return what came of a question, faults included."""
        count = _Count()
        try:
            return self._asked(url, take, most_bytes, body, count, most_s)
        except httpx.ConnectTimeout as error:
            return Reply(b"", count.total, "timeout", _said(error))
        except httpx.TimeoutException as error:
            return Reply(b"", count.total, "timeout", _said(error))
        except httpx.ConnectError as error:
            return Reply(b"", count.total, "refused", _said(error))
        except (httpx.RemoteProtocolError, httpx.ReadError) as error:
            return Reply(b"", count.total, "short", _said(error))
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            return Reply(b"", count.total, "unreachable", _said(error))

    def _asked(self, url: str, take: _Take, most_bytes: int, body: bytes | None, count: _Count, most_s: float) -> Reply:
        headers = self._headers | ({"content-type": "application/json"} if body is not None else {})
        with self._open("GET" if body is None else "POST", url, headers, body, count) as response:
            length = response.headers.get("content-length", "")
            if length.isascii() and length.isdigit() and int(length[:20]) > most_bytes:
                return Reply(b"", count.total, "large", f"more than {most_bytes} bytes")
            refusal: list[bytes] = []
            is_taken = response.status_code in _TAKEN
            size, begun_s = 0, self._elapsed()
            for part in response.iter_raw():
                size += len(part)
                count.total += len(part)
                if size > most_bytes:
                    return Reply(b"", count.total, "large", f"more than {most_bytes} bytes")
                if (take if is_taken else refusal.append)(part) is False:
                    return Reply(b"", count.total)
                taken_s = self._elapsed() - begun_s
                if taken_s > most_s or size < (taken_s - _PATIENCE_S) * _LEAST_BYTES_PER_S:
                    return Reply(b"", count.total, "timeout", f"{size} bytes in {taken_s:.0f} s")
        if is_taken:
            return Reply(b"", count.total)
        fault, said = _STATUS.get(response.status_code, "fault"), _refusal(b"".join(refusal))
        return Reply(b"", count.total, fault, f"{response.status_code} {said}", _seconds(response))

    @contextlib.contextmanager
    def _open(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, count: _Count
    ) -> Iterator[httpx.Response]:
        """Open an answer whose lines and headers are counted."""
        request = self._client.build_request(method, url, headers=headers, content=body)
        count.total += _header_bytes(request.headers) + len(method) + len(url) + len(body or b"")
        response = self._client.send(request, stream=True)
        try:
            count.total += _header_bytes(response.headers) + 17  # HTTP/1.1 200 OK
            yield response
        finally:
            response.close()


@dataclass
class _Count:
    """Bytes so far."""

    total: int = 0


def _refusal(content: bytes) -> str:
    """Return what an answer that refuses says: the text of its error where it has one, else how it begins."""
    with contextlib.suppress(DeliveryError):
        value = read_json(content, "a refusal", DeliveryError, most_bytes=_MOST_REFUSAL_BYTES)
        if isinstance(value, dict) and isinstance(value.get("error"), str):
            return " ".join(value["error"].split())[:_MOST_ERROR]
    return content[:_MOST_SAID].decode(errors="replace")


def _header_bytes(headers: httpx.Headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.raw) + 2


def _seconds(response: httpx.Response) -> float | None:
    """Return the seconds of a Retry-After header; a date there is not read."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _said(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:_MOST_SAID]
