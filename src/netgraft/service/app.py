"""The control plane: what a server answers beside chunks, as an ASGI application with an OpenAPI document.

Every route takes a request apart, asks `netgraft.delivery.offering.requests` and puts the answer together. `Watch`
stands in front of all of them: it asks the gate, counts, and writes a line per request.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from netgraft.delivery.exchange import batches
from netgraft.delivery.offering import incoming, requests
from netgraft.delivery.offering.requests import Answer, answered, error
from netgraft.delivery.offering.shelf import Shown
from netgraft.errors import NetgraftError
from netgraft.service import schema
from netgraft.service.batch import batch_response
from netgraft.service.watch import Service, Watch, refusal_of, response_of
from netgraft.service.wire import byte_range

_ABOUT = """Publishes models that can be used while they arrive.

Chunks under /c/ never change and can be served by any web server; everything else is small."""
_VERSION = {"ge": incoming.VERSION.low, "le": incoming.VERSION.high}
Version = Annotated[int, Path(description="of the model", **_VERSION)]
Wanted = Annotated[int | None, Query(description="of the model; the latest by default", **_VERSION)]
Of = Annotated[int, Query(description="of the model", **_VERSION)]
Held = Annotated[str | None, Query(description="SHA-256 of a head that need not come again", pattern="^[0-9a-f]{64}$")]
Places = Annotated[
    str,
    Query(
        description="ascending places of chunks in the head's table, those of its deltas behind it, such as 1-4,7",
        pattern=f"^{batches.PLACES_PATTERN}$",
        max_length=batches.MOST_PLACES_TEXT,
    ),
]


def create_app(service: Service) -> FastAPI:
    """Return the application."""
    app = FastAPI(
        title="Netgraft", version=service.version, description=_ABOUT, docs_url=None, redoc_url=None,
    )  # fmt: skip
    _add_models(app, service)
    _add_uploads(app, service)
    _add_others(app, service)
    _add_health(app, service)
    app.add_middleware(Watch, service=service)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _fault)
    _name_schemas(app)
    return app


def _add_models(app: FastAPI, service: Service) -> None:
    shelf = service.shelf

    @app.get("/v1/models", summary="What is published", responses=schema.answers(200, "Models", "names and versions"))
    async def models() -> Response:
        return await _beside(lambda: requests.models(shelf))

    @app.get(
        "/v1/models/{name}/head",
        summary="A signed head",
        responses={
            **schema.answers(200, None, "the head", 404),
            304: {"description": "the head is the one that If-None-Match names"},
        },
    )
    async def head(name: str, request: Request, version: Wanted = None) -> Response:
        known = request.headers.get("if-none-match")
        return await _shelved(service, name, version, lambda found, _now_s: requests.head(found, known=known))

    @app.get(
        "/v1/models/{name}/stamp",
        summary="Which head is the newest, signed for an hour",
        responses=schema.answers(200, None, "the stamp: JSON with its signatures", 404),
    )
    async def stamp(name: str) -> Response:
        return await _shelved(
            service, name, None, lambda found, now_s: requests.stamp(found, service.stamps, name, now_s=now_s)
        )

    @app.get(
        "/v1/models/{name}/opening",
        summary="All that a working model needs, in one answer",
        responses=schema.answers(200, None, "NGOPEN1, then trust chain and stamp, then the head", 404),
    )
    async def opening(name: str, held: Held = None) -> Response:
        def made(found: Shown, now_s: float) -> Answer:
            return requests.opening(found, shelf, service.stamps, name, now_s=now_s, held=held)

        return await _shelved(service, name, None, made)

    @app.post(
        "/v1/models/{name}/plan",
        summary="What a device in its situation should download",
        responses=schema.answers(200, "Plan", "the plan, with its reason and what else there was", 404),
        openapi_extra=schema.json_body("PlanRequest"),
    )
    async def plan(name: str, request: Request) -> Response:
        body = await _body(request, service.limits.body_bytes)
        if isinstance(body, Answer):
            return response_of(body)
        try:
            asked = incoming.read_plan_request(body)
        except NetgraftError as failure:
            return response_of(requests.refused(failure))

        def made(found: Shown, _now_s: float) -> Answer:
            planned = requests.plan(found, asked)
            service.metrics.planned(planned.decision)
            return planned.answer

        return await _shelved(service, name, asked.version, made)


def _add_uploads(app: FastAPI, service: Service) -> None:
    shelf = service.shelf
    path = "/v1/models/{name}/versions/{version}"

    @app.put(
        path,
        summary="Publish a version",
        status_code=201,
        responses=schema.answers(201, "Uploaded", "published", 404),
        openapi_extra=schema.binary_body("NGUPLD1, then the head and each chunk after its length (u32, little-endian)"),
    )
    async def upload(name: str, version: Version, request: Request) -> Response:
        body = await _body(request, service.limits.upload_bytes)
        if isinstance(body, Answer):
            return response_of(body)
        return await _beside(lambda: requests.upload(shelf, name, version, body))

    @app.delete(
        path,
        summary="Offer the latest version no more",
        responses=schema.answers(200, "Retracted", "retracted; its number is never free again", 404),
    )
    async def retract(name: str, version: Version) -> Response:
        return await _beside(lambda: requests.retract(shelf, name, version))


def _add_others(app: FastAPI, service: Service) -> None:
    published = service.shelf.published

    @app.get("/v1/trust", summary="Whose signatures count", responses=schema.answers(200, None, "the trust documents"))
    async def trust() -> Response:
        return await _beside(lambda: requests.trust(service.shelf))

    @app.post(
        "/v1/telemetry",
        summary="Tell what happened on a device",
        status_code=202,
        responses=schema.answers(202, "Kept", "counted, and kept where the library is a folder"),
        openapi_extra=schema.json_body("Telemetry"),
    )
    async def telemetry(request: Request) -> Response:
        body = await _body(request, service.limits.body_bytes)
        if isinstance(body, Answer):
            return response_of(body)

        def kept() -> Answer:
            report = incoming.telemetry(body)
            service.metrics.reported(report["event"])
            service.telemetry.append(report, service.wall_s())
            return Answer(202, b'{"kept": true}')

        return response_of(answered(kept))

    @app.get(
        "/v1/models/{name}/chunks",
        summary="Several chunks of a version, one after the other",
        responses=schema.answers(200, None, "the chunks in the order of their places", 404),
    )
    async def batch(name: str, version: Of, places: Places, request: Request) -> Response:
        try:
            rows = await run_in_threadpool(requests.batch, service.shelf, name, version, places, now_s=service.wall_s())
        except NetgraftError as failure:
            return response_of(requests.refused(failure))
        further = len(rows) - 1  # each chunk counts as a request, however it is asked for
        refused = refusal_of(service.gate, request.scope, further) if further else None
        return await batch_response(service.chunk, rows) if refused is None else response_of(refused)

    responses = {
        **schema.answers(200, None, "the chunk", 404, 416),
        206: {"description": "the part that Range asks for", "content": {"application/octet-stream": {}}},
    }

    @app.head("/c/{sha256}", include_in_schema=False)
    @app.get("/c/{sha256}", summary="A chunk, which never changes", responses=responses)
    async def chunk(sha256: str, request: Request) -> Response:
        """Answer as the chunk plane does; it answers all of these itself where it stands in front."""
        found = await run_in_threadpool(answered, lambda: requests.chunk(published.chunk(sha256), sha256))
        return response_of(_ranged(found, request.headers.get("range"), request.headers.get("if-range")))


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", summary="Whether the process lives", responses=_open("Health", "it does"))
    async def health() -> Response:
        return response_of(Answer(200, b'{"status": "ok"}'))

    ready_responses = _open("Readiness", "it can")
    ready_responses[503] = {**ready_responses[200], "description": "it cannot now, and why"}

    @app.get("/readyz", summary="Whether what is published can be read", responses=ready_responses)
    async def ready() -> Response:
        found = await run_in_threadpool(answered, lambda: requests.ready(service.shelf))
        if found.status != 200:
            why = json.loads(found.body)["error"]
            found = Answer(503, json.dumps({"ready": False, "why": why}).encode())
        return response_of(found)

    @app.get(
        "/metrics",
        summary="What the server counts, for Prometheus",
        responses={200: {"description": "metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        return response_of(Answer(200, service.metrics.text(), "text/plain; version=0.0.4; charset=utf-8"))


async def _shelved(
    service: Service, name: str, version: int | None, call: Callable[[Shown, float], Answer]
) -> Response:
    """Answer at once where the head is in memory, else beside the event loop."""
    shelf, now_s = service.shelf, service.wall_s()
    found = shelf.peek(name, version, now_s)
    if found is not None:
        return response_of(answered(lambda: call(found, now_s)))
    return await _beside(lambda: call(shelf.open(name, version, now_s), now_s))


async def _beside(call: Callable[[], Answer]) -> Response:
    """Answer beside the event loop: files are read."""
    return response_of(await run_in_threadpool(answered, call))


async def _body(request: Request, most_bytes: int) -> bytes | Answer:
    """Return a body, or why it is refused; never more than allowed is kept."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most_bytes:
            return error(413, f"a body of at most {most_bytes} bytes is required, got more")
        parts.append(part)
    return b"".join(parts)


def _ranged(found: Answer, ranged: str | None, if_range: str | None) -> Answer:
    """Return the part of an answer that is asked for."""
    headers = dict(found.headers)
    if found.status != 200 or ranged is None or if_range not in (None, headers.get("ETag")):
        return found
    size = len(found.body)
    part = byte_range(ranged, size)
    if part is None:
        return found
    if part == (0, 0):
        refused = error(416, f"a range within {size} bytes is required")
        return Answer(416, refused.body, headers=(("Content-Range", f"bytes */{size}"),))
    more = (("Content-Range", f"bytes {part[0]}-{part[1] - 1}/{size}"),)
    return Answer(206, found.body[part[0] : part[1]], found.media, (*found.headers, *more))


async def _http_error(_request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)
    response = response_of(error(failure.status_code, HTTPStatus(failure.status_code).phrase.lower()))
    response.headers.update(failure.headers or {})
    return response


async def _invalid(_request: Request, failure: Exception) -> Response:
    assert isinstance(failure, RequestValidationError)
    first = failure.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return response_of(error(400, f"{where}: {first['msg']}, got {str(first.get('input'))[:80]!r}"))


async def _fault(_request: Request, _failure: Exception) -> Response:
    return response_of(error(500, "a fault of the server, not of the request"))


def _open(name: str, about: str) -> dict[int | str, dict[str, Any]]:
    """Return the answer of an operation that refuses nobody."""
    reference = {"$ref": f"#/components/schemas/{quote(name)}"}
    return {200: {"description": about, "content": {"application/json": {"schema": reference}}}}


def _name_schemas(app: FastAPI) -> None:
    """Put the schemas and the tokens into the OpenAPI document, and take out what FastAPI says but we never do."""
    made = app.openapi()
    parts = made.setdefault("components", {})
    parts["schemas"] = schema.components()
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": "netgraft token new"}}
    for path in made["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"] = {
                status: {**answer, "content": {k: v for k, v in answer.get("content", {}).items() if _is_ours(k, v)}}
                for status, answer in operation["responses"].items()
            }
            if "401" in operation["responses"]:
                operation["security"] = [{"token": []}, {}]


def _is_ours(_media: str, content: dict[str, Any]) -> bool:
    return content != {"schema": {}}
