"""A search in a process that is killed at any point and resumed ends as one that was not killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from search_planted import Planted, search

from netgraft.search import Archive, Journal, objectives_named

# The process kills itself at the n-th event; an event is a call of the problem or a statement of the journal.
_CHILD = """
import os, signal, sys
from pathlib import Path
from netgraft.search import Journal
from search_planted import Planted, search

path, strategy, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def event(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

class Mortal(Planted):
    def refine(self, requests):
        event()
        outcomes = super().refine(requests)
        event()
        return outcomes

    def score(self, candidates):
        event()
        return super().score(candidates)

with Journal.open(path, "planted", {"strategy": strategy}, resume=True) as journal:
    journal._database._connection.set_trace_callback(event)
    search(strategy, Mortal(), journal, evaluations=72)
"""


def run_until_killed(path: Path, strategy: str, events: int) -> int:
    folders = [str(Path(__file__).parent), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _CHILD, str(path), strategy, str(events)]
    return subprocess.run(command, env=environment, check=False, timeout=120).returncode


def plain(archive: Archive) -> tuple[object, ...]:
    front = archive.front(objectives_named(("error", "size")))
    return archive.evaluations, archive.history, archive.scored, front


@pytest.mark.parametrize("strategy", ["nested", "evolution"])
def test_a_killed_search_resumes_to_the_same_archive(tmp_path: Path, strategy: str) -> None:
    whole = search(strategy, Planted(), evaluations=72)
    path = tmp_path / "journal.db"
    killed, recorded = 0, []
    rng = np.random.default_rng(3)
    while run_until_killed(path, strategy, int(rng.integers(20, 80))) == -signal.SIGKILL:
        killed += 1
        with Journal.read(path) as journal:
            recorded.append(sum(len(batch.evaluations) for batch in journal.batches()))
        assert killed < 30
    assert killed >= 2
    assert recorded == sorted(recorded)
    assert all(count % 16 == 0 for count in recorded)
    with Journal.open(path, "planted", {"strategy": strategy}, resume=True) as journal:
        idle = Planted()
        resumed = search(strategy, idle, journal, evaluations=72)
        kept = {e.id: journal.blob(e.id) for e in resumed.evaluations if journal.blob(e.id) is not None}
    assert idle.refined == []
    assert plain(resumed) == plain(whole)
    assert kept == {number: f"weights {number}".encode() for number in kept}
    assert set(kept) >= {e.id for e in resumed.front(objectives_named(("error", "size")))}


def test_a_resumed_search_may_be_given_more_evaluations(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal.open(path, "planted", {}, resume=False) as journal:
        search("nested", Planted(), journal, evaluations=32)
    with Journal.open(path, "planted", {}, resume=True) as journal:
        problem = Planted()
        resumed = search("nested", problem, journal, evaluations=64)
    assert [request.id for request in problem.refined] == list(range(32, 64))
    assert plain(resumed) == plain(search("nested", Planted(), evaluations=64))
