"""What stands in front of the application: asks the gate, counts, and writes a line per request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from netgraft.delivery.offering.requests import Answer, error
from netgraft.delivery.offering.shelf import Shelf, Stamps
from netgraft.service.access import Gate
from netgraft.service.journal import LOG, TelemetryFile
from netgraft.service.limits import Limits
from netgraft.service.metrics import Metrics

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Service:
    """What the application needs.

    Attributes:
        shelf: what is published.
        stamps: signs which head is the newest.
        gate: says who is let in.
        limits: bounds.
        metrics: counts.
        chunk: reads a chunk by its SHA-256 and checks it, from memory where it is there; says why there is none.
        telemetry: where reports of devices go.
        wall_s: seconds since 1970.
        steady_s: seconds that never go back.
        version: of Netgraft, for the document.
    """

    shelf: Shelf
    stamps: Stamps
    gate: Gate
    limits: Limits
    metrics: Metrics
    chunk: Callable[[str], Awaitable[bytes | Answer]]
    telemetry: TelemetryFile
    wall_s: Callable[[], float]
    steady_s: Callable[[], float]
    version: str


class Watch:
    """Asks the gate before a request reaches the application, and counts its answer."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], service: Service) -> None:
        """Stand in front of an application."""
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        service, began_s = self._service, self._service.steady_s()
        sent: dict[str, Any] = {"status": 500, "size_bytes": 0}

        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
            else:
                sent["size_bytes"] += len(message.get("body", b""))
            await send(message)

        try:
            refused = refusal_of(service.gate, scope)
            if refused is not None:
                await response_of(refused)(scope, receive, counted)
            else:
                await self._app(scope, receive, counted)
        finally:
            took_s = service.steady_s() - began_s
            service.metrics.control.add(sent["status"], sent["size_bytes"], took_s)
            fields = {"method": scope["method"], "path": scope["path"], **sent, "seconds": round(took_s, 6)}
            LOG.info("request", extra={"fields": fields})


def refusal_of(gate: Gate, scope: Scope, count: int = 1) -> Answer | None:
    """Return why a request, which may count as several, is not let in, or None."""
    headers = dict(scope["headers"])
    authorization = headers.get(b"authorization")
    client = scope.get("client")
    refused = gate.check(
        method=scope["method"],
        path=scope["path"],
        authorization=None if authorization is None else authorization.decode("latin-1"),
        address=str(client[0]) if client else "local",
        count=count,
    )
    if refused is None:
        return None
    return error(refused.status, refused.text, retry_after_s=refused.retry_after_s)


def response_of(answer: Answer) -> Response:
    """Return an answer as the framework sends it."""
    headers = {**dict(answer.headers), "X-Content-Type-Options": "nosniff"}
    if answer.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    media = None if answer.status == 304 else answer.media
    if not answer.shared:
        return Response(answer.body, answer.status, headers=headers, media_type=media)
    headers["Content-Length"] = str(answer.size_bytes)
    return _InTwo(answer, headers)


class _InTwo(Response):
    """Sends bytes that are in memory once for all without a copy for whoever takes them slowly."""

    def __init__(self, answer: Answer, headers: dict[str, str]) -> None:
        super().__init__(None, answer.status, headers=headers, media_type=answer.media)
        self._parts = answer.body, answer.shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part, more in zip(self._parts, (True, False), strict=True):
            await send({"type": "http.response.body", "body": part, "more_body": more})
