"""JSON schemas of what goes in and out, for the OpenAPI document."""

from __future__ import annotations

import copy
from typing import Any

from netgraft.delivery.offering import incoming
from netgraft.delivery.planning import planned, situation

HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NAME = {"type": "string", "minLength": 1}
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def components() -> dict[str, Any]:
    """Return the named schemas."""
    given = copy.deepcopy(situation.json_schema())
    given.pop("$schema", None)
    telemetry = copy.deepcopy(incoming.TELEMETRY.schema())
    more = [incoming.MORE_NUMBER.schema(), incoming.MORE_TEXT.schema(), {"type": "boolean"}, {"type": "null"}]
    telemetry["additionalProperties"] = {"anyOf": more}
    telemetry["maxProperties"] = len(telemetry["properties"]) + incoming.MOST_MORE
    telemetry["propertyNames"] = {"pattern": "^[a-z][a-z0-9_]*$", "maxLength": 40}
    return {
        "Error": _object({"error": {"type": "string", "description": "one line: what is required, what came"}}),
        "Situation": given,
        "PlanRequest": {
            "description": "what a device asks for; every key is optional",
            "type": "object",
            "properties": {
                "situation": {"anyOf": [{"$ref": "#/components/schemas/Situation"}, {"type": "null"}]},
                "held": {"anyOf": [incoming.HELD.schema(), {"type": "null"}]},
                "version": {"anyOf": [incoming.VERSION.schema(), {"type": "null"}]},
                "live": {"anyOf": [incoming.LIVE.schema(), {"type": "null"}]},
            },
            "additionalProperties": False,
        },
        "Plan": _plan(),
        "Telemetry": telemetry,
        "Models": _object(
            {"models": _list(_object({"name": _NAME, "versions": _list({"type": "integer", "minimum": 1})}))}
        ),
        "Uploaded": _object({"name": _NAME, "version": {"type": "integer"}, "head": HASH}),
        "Retracted": _object({"name": _NAME, "retracted": {"type": "integer"}}),
        "Kept": _object({"kept": {"type": "boolean"}}),
        "Health": _object({"status": {"const": "ok"}}),
        "Readiness": _object({"ready": {"type": "boolean"}, "why": {"type": "string"}}),
    }


def answers(status: int, schema: str | None, about: str, *refusals: int) -> dict[int | str, dict[str, Any]]:
    """Return the answers of an operation.

    Args:
        status: when all went well.
        schema: name of the schema of that answer, or None for bytes.
        about: what that answer is.
        refusals: statuses beside 400, 401, 403, 413, 429 and 503 that may come instead.
    """
    good = {"application/json": {"schema": _reference(schema)}} if schema else _BINARY
    bad = {"application/json": {"schema": _reference("Error")}}
    found: dict[int | str, dict[str, Any]] = {status: {"description": about, "content": good}}
    for each in sorted({400, 401, 403, 413, 429, 503, *refusals}):
        found[each] = {"description": _REFUSALS[each], "content": bad}
    found[429]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return found


def json_body(schema: str) -> dict[str, Any]:
    """Return the part of an operation that describes its JSON body."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _reference(schema)}}}}


def binary_body(about: str) -> dict[str, Any]:
    """Return the part of an operation that describes its body of bytes."""
    return {"requestBody": {"required": True, "description": about, "content": _BINARY}}


_REFUSALS = {
    400: "the request says what cannot be",
    401: "a token is required, or the one that came does not hold",
    403: "the token is of another scope",
    404: "nothing has that name, version or hash",
    413: "the body or the headers are too large",
    416: "the range holds no byte of the chunk",
    429: "too many requests; come again after the seconds that Retry-After says",
    503: "the server cannot answer now",
}


def _plan() -> dict[str, Any]:
    """Return the schema of a plan with what the answer says beside it."""
    beside = {"head": HASH, "version": {"type": "integer", "minimum": 1}, "chunks_url": {"type": "string"}}
    schema = copy.deepcopy(planned.plan_schema())
    return schema | {"properties": schema["properties"] | beside, "required": [*schema["required"], *beside]}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _reference(name: str | None) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
