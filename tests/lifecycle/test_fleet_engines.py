"""What every engine keeps to: all results, so many at once, the next one only when asked, nothing left running."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from netgraft.errors import OutputError, SettingError
from netgraft.lifecycle import engines
from netgraft.lifecycle.engines import ENGINES, Engine, LocalEngine, RayEngine, engine_named

NEEDS_RAY = pytest.mark.skipif(find_spec("ray") is None, reason="needs ray: pip install 'netgraft[ray]'")
BOTH = [LocalEngine(1), LocalEngine(2)]
ALL = [*BOTH, pytest.param(RayEngine(2), marks=NEEDS_RAY)]


def refuse(number: int) -> int:
    raise OutputError(f"a place is required, got {number}")


def vanish(number: int) -> int:
    """End the process for odd numbers."""
    if number % 2:
        os._exit(3)
    return number


def mark(path: str) -> str:
    """Sleep for a minute, then leave a file."""
    Path(path).with_suffix(".began").touch()
    time.sleep(60)
    Path(path).touch()
    return path


@pytest.fixture(autouse=True)
def _found_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ray's processes find this module as they find an installed one."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.parametrize("engine", ALL, ids=repr)
def test_every_item_has_its_result(engine: Engine) -> None:
    assert sorted(engine.run(math.sqrt, [16, 1, 9, 4])) == [(1, 1.0), (4, 2.0), (9, 3.0), (16, 4.0)]


@pytest.mark.parametrize("engine", BOTH, ids=repr)
def test_no_items_no_results(engine: Engine) -> None:
    assert list(engine.run(math.sqrt, [])) == []


@pytest.mark.parametrize("engine", BOTH, ids=repr)
def test_items_are_taken_when_there_is_room_and_somebody_asks(engine: LocalEngine) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(8):
            taken.append(number)
            yield number

    seen = 0
    for _item, _result in engine.run(math.sqrt, items()):
        seen += 1
        assert len(taken) <= seen + engine.jobs - 1
    assert seen == 8


@pytest.mark.parametrize("engine", ALL, ids=repr)
def test_what_a_call_raises_is_raised_as_it_is(engine: Engine) -> None:
    with (
        pytest.raises(OutputError, match=r"^a place is required, got 7$") as caught,
        closing(engine.run(refuse, [7])) as results,
    ):
        next(results)
    assert type(caught.value) is OutputError


@pytest.mark.parametrize("engine", ALL[1:], ids=repr)
def test_lost_process_costs_its_item_only(engine: Engine) -> None:
    found = dict(engine.run(vanish, [1, 2, 3, 4, 6]))
    assert found == {1: None, 2: 2, 3: None, 4: 4, 6: 6}


def test_closing_early_ends_the_other_processes(tmp_path: Path) -> None:
    began = time.monotonic()
    paths = [str(tmp_path / "a"), str(tmp_path / "b")]
    started = [Path(path).with_suffix(".began") for path in paths]

    def items() -> Iterator[str]:
        yield paths[0]
        while not started[0].exists() and time.monotonic() - began < 30:
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(LocalEngine(2).run(mark, items()))
    assert time.monotonic() - began < 30
    assert not Path(paths[0]).exists()


def test_engines_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_named("local", 3) == LocalEngine(3)
    with pytest.raises(SettingError, match="an engine must be one of local, ray, got 'rai'; the nearest is 'ray'"):
        engine_named("rai", 1)
    monkeypatch.setattr(engines, "find_spec", lambda _name: None)
    with pytest.raises(SettingError, match=r"not installed; pip install 'netgraft\[ray\]' adds it$"):
        engine_named("ray", 1)
    assert set(ENGINES) == {"local", "ray"}


@NEEDS_RAY
def test_cluster_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "nowhere")
    with pytest.raises(SettingError, match="RAY_ADDRESS must be that of a Ray cluster, got 'nowhere'"):
        next(RayEngine(1).run(math.sqrt, [1]))
