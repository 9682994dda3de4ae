"""The OpenAPI document: complete, and true of what the server does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as how
from service_examples import KEY, Limits, built, publish, settings

from netgraft.delivery.offering import incoming, requests
from netgraft.delivery.offering.requests import Answer
from netgraft.delivery.offering.shelf import Shelf, Stamps
from netgraft.service.access import Gate
from netgraft.service.app import create_app
from netgraft.service.journal import TelemetryFile
from netgraft.service.metrics import Metrics
from netgraft.service.watch import Service


def application(folder: Path) -> Any:
    """Return the application without a server in front."""
    given = settings(folder)
    limits = Limits(rate=0)

    async def chunk(sha256: str) -> bytes | Answer:
        found = requests.chunk(given.published.chunk(sha256), sha256)
        return found.body if found.status == 200 else found

    return create_app(
        Service(
            shelf=Shelf(given.published),
            stamps=Stamps(lambda: KEY),
            gate=Gate(limits, secret=given.secret, require_tokens=False, wall_s=time.time, steady_s=time.perf_counter),
            limits=limits,
            metrics=Metrics(),
            chunk=chunk,
            telemetry=TelemetryFile(None),
            wall_s=time.time,
            steady_s=time.perf_counter,
            version="1.2.3",
        )
    )


def ask(app: Any, method: str, path: str, **given: Any) -> httpx.Response:
    """Return the answer of the application."""

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return await client.request(method, path, **given)

    return asyncio.run(asked())


async def _parts() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b" " * 600_000


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("described")
    publish(folder)
    return application(folder)


def test_every_operation_is_described(app: Any) -> None:
    document = app.openapi()
    assert document["info"]["version"] == "1.2.3"
    operations = {(method, path) for path, each in document["paths"].items() for method in each}
    assert operations == {
        ("get", "/v1/models"),
        ("get", "/v1/models/{name}/head"),
        ("get", "/v1/models/{name}/stamp"),
        ("get", "/v1/models/{name}/opening"),
        ("get", "/v1/models/{name}/chunks"),
        ("post", "/v1/models/{name}/plan"),
        ("put", "/v1/models/{name}/versions/{version}"),
        ("delete", "/v1/models/{name}/versions/{version}"),
        ("get", "/v1/trust"),
        ("post", "/v1/telemetry"),
        ("get", "/c/{sha256}"),
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/metrics"),
    }
    for path, each in document["paths"].items():
        for operation in each.values():
            assert operation["summary"]
            assert "422" not in operation["responses"]
            if path.startswith(("/v1", "/c")):
                assert {"400", "401", "403", "413", "429", "503"} <= set(operation["responses"])
                assert operation["security"] == [{"token": []}, {}]


def test_every_reference_leads_somewhere(app: Any) -> None:
    document = app.openapi()
    named = document["components"]["schemas"]
    text = json.dumps(document)
    for reference in set(text.split('"$ref": "')[1:]):
        name = reference.partition('"')[0].removeprefix("#/components/schemas/")
        assert name in named
    situation = named["Situation"]
    assert {"memory_bytes", "rate_bps", "held"} <= set(situation["properties"])
    assert situation["additionalProperties"] is False


def test_plan_is_described_as_it_is(app: Any) -> None:
    described = app.openapi()["components"]["schemas"]["Plan"]["properties"]
    said = ask(app, "POST", "/v1/models/energy/plan", json={"situation": {"rate_bps": 1e6}}).json()
    assert set(said) == set(described)


def test_chunk_of_the_application_alone(app: Any) -> None:
    sha256, data = next(iter(built().chunks.items()))
    assert ask(app, "GET", f"/c/{sha256}").content == data
    assert ask(app, "HEAD", f"/c/{sha256}").headers["content-length"] == str(len(data))
    part = ask(app, "GET", f"/c/{sha256}", headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, data[1:4], f"bytes 1-3/{len(data)}")
    beyond = ask(app, "GET", f"/c/{sha256}", headers={"Range": "bytes=999999-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")
    assert ask(app, "GET", f"/c/{sha256}", headers={"Range": "bytes=1-3", "If-Range": "x"}).status_code == 200
    assert ask(app, "GET", f"/c/{sha256}", headers={"Range": "lines=1"}).status_code == 200
    assert ask(app, "GET", "/c/x").status_code == 404
    large = ask(app, "POST", "/v1/telemetry", content=_parts())
    assert (large.status_code, large.json()) == (
        413,
        {"error": "a body of at most 1000000 bytes is required, got more"},
    )


def test_requests_made_from_the_document_get_what_it_says(app: Any) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    tried = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        _try_operation(operation)
        tried.add(operation.path)
    assert tried == set(app.openapi()["paths"])


def _try_operation(operation: Any) -> None:
    from hypothesis import given
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    @how(
        max_examples=8,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        # no schema can say that no cut fits a situation
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    checked: Callable[[], None] = check
    checked()


def test_reports_that_the_schema_allows_are_read(app: Any) -> None:
    schema = app.openapi()["components"]["schemas"]["Telemetry"]
    assert set(schema["properties"]) == set(incoming.TELEMETRY.fields)
    assert schema["required"] == ["device", "name", "event"]
