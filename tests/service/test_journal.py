"""Log lines, the file of reports, and metrics."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest

from netgraft.service.journal import LOG, TelemetryFile, log_no_more, log_to
from netgraft.service.metrics import Metrics


def test_reports_are_kept_and_the_oldest_given_up(tmp_path: Path) -> None:
    path = tmp_path / "telemetry" / "reports.jsonl"
    file = TelemetryFile(path, most_bytes=100)
    for number in range(12):
        file.append({"number": number, "pad": "x" * 20}, now_s=0.0)
    kept = sorted(found.name for found in path.parent.iterdir())
    assert kept == ["reports.jsonl.1", "reports.jsonl.2", "reports.jsonl.3"]
    lines = [json.loads(line) for name in reversed(kept) for line in (path.parent / name).read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(6, 12))
    assert lines[0]["time"] == "1970-01-01T00:00:00.000+00:00"


def test_no_file_keeps_nothing_and_one_that_fails_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TelemetryFile(None).append({}, now_s=0.0)
    (tmp_path / "a").write_text("")
    file = TelemetryFile(tmp_path / "a" / "b")
    file.append({}, now_s=0.0)
    file.append({}, now_s=0.0)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("netgraft: telemetry is not kept: ")


@pytest.mark.parametrize("as_json", [True, False])
def test_log_lines(as_json: bool) -> None:
    stream = io.StringIO()
    handler = log_to(stream, as_json=as_json)
    try:
        LOG.info("request", extra={"fields": {"path": "/a", "status": 200}})
        try:
            int("detail")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("failed")
    finally:
        log_no_more(handler)
    LOG.info("not shown")
    lines = stream.getvalue().splitlines()
    if as_json:
        first, second = map(json.loads, lines)
        assert first | {"time": ""} == {"time": "", "level": "info", "event": "request", "path": "/a", "status": 200}
        assert second["level"] == "error"
        assert "ValueError: invalid literal" in second["fault"]
    else:
        assert lines[0][8:] == " request path=/a status=200"
        assert lines[-1].startswith("ValueError: invalid literal")


def test_metrics_as_prometheus_reads_them() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    metrics = Metrics()
    for seconds in (5e-6, 2e-5, 0.3, 100.0):
        metrics.chunk.add(200, 10, seconds)
    metrics.chunk.add(404, 0, 0.0)
    metrics.planned("device")
    metrics.reported("usable")
    metrics.reported("invented")
    metrics.watch("connections", "Open.", lambda: 3.0)
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }
    plane = ("plane", "chunk")
    assert samples["netgraft_requests_total", plane, ("status", "200")] == 4
    assert samples["netgraft_requests_total", plane, ("status", "404")] == 1
    assert samples["netgraft_answer_bytes_total", plane] == 40
    assert samples["netgraft_answer_seconds_bucket", ("le", "1e-05"), plane] == 2
    assert samples["netgraft_answer_seconds_bucket", ("le", "0.5"), plane] == 4
    assert samples["netgraft_answer_seconds_bucket", ("le", "+Inf"), plane] == 5
    assert samples["netgraft_answer_seconds_count", plane] == 5
    assert samples["netgraft_answer_seconds_sum", plane] == pytest.approx(100.300025)
    assert samples["netgraft_plans_total", ("decision", "device")] == 1
    assert samples["netgraft_telemetry_total", ("event", "usable")] == 1
    assert samples["netgraft_telemetry_total", ("event", "other")] == 1
    assert samples["netgraft_connections",] == 3
