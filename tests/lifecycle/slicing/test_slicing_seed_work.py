from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_studies import QUICK, SMALL

from netgraft.errors import ModelError
from netgraft.lifecycle.slicing.measured import Progress
from netgraft.lifecycle.slicing.seed_work import SeedWork


def work_of(out: Path, seed: int = 0) -> SeedWork:
    return SeedWork(out, SMALL, QUICK, seed)


def test_streams_differ_by_name_and_seed(out: Path) -> None:
    one, other = work_of(out), work_of(out, 1)
    streams = [make(name) for work in (one, other) for make in (work.traffic, work.learning) for name in ("a", "b")]
    assert len(set(streams)) == 8
    assert one.traffic("a") == work_of(out).traffic("a")


def test_a_stage_is_read_as_it_was_written(out: Path) -> None:
    work, tensors = work_of(out), {"rewards": np.arange(6.0).reshape(2, 3)}
    assert not work.has("drl")
    work.write("drl", tensors)
    assert work.has("drl")
    np.testing.assert_array_equal(work.read("drl")["rewards"], tensors["rewards"])


def test_stages_that_cannot_be_read(out: Path) -> None:
    work = work_of(out)
    with pytest.raises(ModelError, match=r"a stage's file is required, got .*drl.safetensors: No such file"):
        work.read("drl")
    work_of(out, 1).write("drl", {"rewards": np.zeros(1)})
    with pytest.raises(ModelError, match="must be of stage 'drl' and seed 0, got"):
        work.read("drl")
    (out / "drl.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="a netgraft-slicing-stage file is required"):
        work.read("drl")


def test_progress_is_that_of_the_last_evaluation() -> None:
    progress = Progress(np.array([10, 20, 40]), np.array([0.1, 0.2, 0.4]))
    assert [progress.at(step) for step in (0, 10, 19, 20, 39, 40, 99)] == [0.1, 0.1, 0.1, 0.2, 0.2, 0.4, 0.4]
