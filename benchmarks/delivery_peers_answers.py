"""Answers while a model changes: only Netgraft has a runtime on the device, so this part of the course is its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from typing import IO, Any

from benchmarks.delivery_peers_course import SLOW_BPS, Course, environment
from benchmarks.delivery_peers_wire import Front
from netgraft.delivery.link.channel import Link, constant
from netgraft.delivery.link.proxy import ProxyThread

_AFTER, _MOST_S = 1_000, 60.0


def answers(course: Course) -> dict[str, Any]:
    """Ask `netgraft device run` without a pause while it fetches and takes version 2; return what it answered.

    Raises:
        RuntimeError: it did not come to version 2.
    """
    course.device("float32")
    link = Link(downlink=constant(SLOW_BPS), uplink=constant(SLOW_BPS))
    row = (course.lab.folder / "row.json").read_text()
    place = course.place
    command = [
        sys.executable, "-m", "netgraft", "device", "run", place.url, "bench", "--out", str(place.device / "model"),
        "--trust", str(place.keys / "publisher" / "key.pub"), "--poll", "1s",
    ]  # fmt: skip
    with (
        course.peer.serve(course.site("v1", "v2")) as server,
        ProxyThread(server, link) as url,
        Front(course.port, url),
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment(place), cwd=place.device,
        ) as device,
    ):  # fmt: skip
        assert device.stdin is not None
        assert device.stdout is not None
        try:
            return _asked(device.stdin, device.stdout, row)
        finally:
            device.stdin.close()
            device.terminate()


def _asked(questions: IO[str], replies: IO[str], row: str) -> dict[str, Any]:
    """Ask until version 2 has answered often enough."""
    by_version: Counter[int] = Counter()
    failed, longest_s = 0, 0.0
    end_s = time.monotonic() + _MOST_S
    while by_version[2] < _AFTER:
        asked_s = time.monotonic()
        if asked_s > end_s:
            raise RuntimeError(f"answers of version 2 are required, got {dict(by_version)} and {failed} that failed")
        questions.write(row + "\n")
        questions.flush()
        answer = json.loads(replies.readline() or "{}")
        if "prediction" in answer:
            if by_version:  # the first one waits for the interpreter
                longest_s = max(longest_s, time.monotonic() - asked_s)
            by_version[answer["version"]] += 1
        else:
            failed += 1
    return {"answers": {str(key): count for key, count in by_version.items()}, "failed_answers": failed,
            "longest_s": longest_s}  # fmt: skip
