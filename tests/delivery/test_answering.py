from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from delivery_examples import whole
from device_fakes import energy

from netgraft.delivery.device.answering import AnswerServer, answer_lines
from netgraft.delivery.device.engine import Engine
from netgraft.delivery.device.installing import live_of

ROW = {f"x{j}": 0.5 * j for j in range(5)} | {"w0": "a", "w1": "b"}


def engine() -> Engine:
    assembly = whole(energy(1))
    row = assembly.opened.head.cuts[0]
    made = Engine()
    made.swap(live_of(assembly.opened, row, assembly.model(row), assembly, None))
    return made


@contextmanager
def served(answers: Engine) -> Iterator[AnswerServer]:
    server = AnswerServer(answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def asked(
    server: AnswerServer, method: str, body: str | None = None, path: str = "/", **headers: str
) -> tuple[int, list[dict[str, object]]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, [json.loads(line) for line in response.read().splitlines()]
    finally:
        connection.close()


def test_every_line_is_answered_and_a_bad_one_stops_nothing() -> None:
    written: list[str] = []
    lines = [json.dumps(ROW), "\n", "nonsense\n", json.dumps(ROW)]
    assert answer_lines(engine(), lines, written.append) == 3
    first, bad, last = map(json.loads, written)
    assert first == last
    assert first["version"] == 1
    assert list(bad) == ["error"]
    assert bad["error"].endswith("'nonsense'")


def test_answers_over_http() -> None:
    with served(engine()) as server:
        status, found = asked(server, "POST", json.dumps(ROW))
        assert (status, found[0]["version"]) == (200, 1)
        status, found = asked(server, "POST", f"{json.dumps(ROW)}\nnonsense\n")
        assert status == 200
        assert [set(answer) >= {"version"} for answer in found] == [True, False]
        assert asked(server, "GET") == (200, [{"version": 1, "cut": found[0]["cut"]}])
        assert server.url == f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(
    ("body", "headers", "status", "text"),
    [
        ("nonsense", {}, 400, "a row must be a JSON object"),
        ("", {}, 400, "a JSON object per line is required, got none"),
        ("x", {"Content-Length": "9999999"}, 413, "a body of at most 1048576 bytes is required, got 9999999"),
        ("x", {"Content-Length": "-1"}, 411, "a Content-Length is required, got none"),
        ("x", {"Host": "evil.example"}, 403, "a request to 127.0.0.1 is required, got one to 'evil.example'"),
    ],
)
def test_requests_that_cannot_be_answered(body: str, headers: dict[str, str], status: int, text: str) -> None:
    with served(engine()) as server:
        found, answers = asked(server, "POST", body, **headers)
        assert found == status
        assert text in str(answers[0]["error"])
        assert asked(server, "POST", json.dumps(ROW))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/x?y=1", 404, "the path / is required, got '/x'"),
        ("POST", "/x", 404, "the path / is required, got '/x'"),
        ("PUT", "/", 501, "a GET or POST request of HTTP is required, got: Unsupported method ('PUT')"),
    ],
)
def test_other_paths_and_methods_are_refused_in_json(method: str, path: str, status: int, text: str) -> None:
    with served(engine()) as server:
        assert asked(server, method, path=path) == (status, [{"error": text}])
        assert asked(server, "GET", path="/?look")[0] == 200


def test_before_the_first_model_nothing_can_be_answered() -> None:
    with served(Engine()) as server:
        assert asked(server, "GET") == (503, [{"version": None, "cut": None}])
        status, answers = asked(server, "POST", json.dumps(ROW))
        assert status == 503
        assert "a model is required before anything can be answered" in str(answers[0]["error"])


def test_connection_answers_again_and_again() -> None:
    with served(engine()) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        for _ in range(3):
            connection.request("POST", "/", json.dumps(ROW))
            assert connection.getresponse().read()
        connection.close()
