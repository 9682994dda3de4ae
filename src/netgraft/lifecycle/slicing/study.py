"""A study of slicing: every stage of every seed, then the results, a report and the policies.

Rules the module keeps: a folder that holds anything is refused unless its study is resumed; ``study.json`` comes first
and says what is studied, each stage has a file that is written whole, and ``results.json`` comes last, so a folder that
has one is complete. Stages that are done are not done again, and nothing depends on who does them or in which order.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netgraft.errors import JournalError, NetgraftError, OutputError, SettingError
from netgraft.lifecycle.engines import Engine, engine_named
from netgraft.lifecycle.folder import ClaimedFolder, claim
from netgraft.lifecycle.interrupts import undisturbed
from netgraft.lifecycle.slicing.drl import agents_from
from netgraft.lifecycle.slicing.results import results_of
from netgraft.lifecycle.slicing.seed_work import SeedWork
from netgraft.lifecycle.slicing.settings import StudySettings
from netgraft.lifecycle.slicing.stages import StageJob, do_stage, waves_of
from netgraft.ran import Scenario
from netgraft.records import write_bytes, write_json, write_text

FORMAT = 1
STUDY, RESULTS, REPORT = "study.json", "results.json", "report.html"
SEEDS, POLICIES = "seeds", "policies"
#: Agents whose policies are kept for use elsewhere.
KEPT = ("drl", "tl_similar")
_FEWEST_CELLS = 3
Told = Callable[[str, float], None]


def run_study(
    out: Path,
    scenario: Scenario,
    settings: StudySettings,
    *,
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    engine: str = "local",
    resume: bool = False,
    on_progress: Told | None = None,
) -> dict[str, Any]:
    """Return the results of a study after they were written to a folder.

    Args:
        out: the folder.
        scenario: the network.
        settings: how it is studied.
        seeds: of everything random but the radio map; each is studied on its own.
        jobs: stages at once.
        engine: who does them, local or ray.
        resume: whether to go on with the study in the folder; seeds may be others.
        on_progress: called with a text and the share done, 0 to 1.

    Raises:
        SettingError: a setting is not allowed, or the network is too small.
        OutputError: the folder holds something already, or no study to resume, or cannot be written.
        JournalError: the study in the folder is another.
        ModelError: a stage's file is damaged.
        NetgraftError: a process was lost.
    """
    began = time.monotonic()
    _check(scenario, seeds, jobs)
    runner = engine_named(engine, jobs)
    folder = _claim(out, {"format": FORMAT, "scenario": scenario.payload(), "settings": settings.payload()}, resume)
    works = [SeedWork((out / SEEDS / str(seed)).absolute(), scenario, settings, seed) for seed in seeds]
    try:
        _do(works, settings, runner, on_progress or (lambda _text, _share: None))
    except BaseException:
        _forget(folder)
        raise
    with undisturbed():
        results = results_of(works, time.monotonic() - began)
        _write(out, works, results)
    return results


def _check(scenario: Scenario, seeds: Sequence[int], jobs: int) -> None:
    """Check what no other part does.

    Raises:
        SettingError: no seed, one below 0 or twice, jobs below 1, or too few cells.
    """
    if jobs < 1:
        raise SettingError(f"jobs must be >= 1, got {jobs}")
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise SettingError(f"seeds must be different whole numbers >= 0, at least one, got {list(seeds)}")
    if scenario.cells < _FEWEST_CELLS:
        raise SettingError(f"a study requires at least {_FEWEST_CELLS} cells, got {scenario.cells}")


def _claim(path: Path, study: dict[str, Any], resume: bool) -> ClaimedFolder:
    """Return the folder for a study, with ``study.json`` in it."""
    if (path / STUDY).exists():
        if not resume:
            hint = "--resume goes on with it"
            raise OutputError(f"a new or empty folder is required, got {path} with a study in it; {hint}")
        _check_same(path, study)
        return ClaimedFolder(path, (), is_fresh=False)
    if resume and path.is_dir() and any(path.iterdir()):
        raise OutputError(f"a folder with a {STUDY} is required to resume, got {path} without one")
    folder = claim(path, resume=False)
    write_json(path / STUDY, study)
    return folder


def _check_same(path: Path, study: dict[str, Any]) -> None:
    """Check that the study in a folder is the one that is to go on.

    Raises:
        JournalError: it is another, or its record is damaged.
    """
    try:
        held = json.loads((path / STUDY).read_bytes())
        differing = [key for key in study if held.get(key) != study[key]]
    except (OSError, ValueError, AttributeError) as error:
        raise JournalError(f"{path / STUDY} must be the record of a study, got one that cannot be read") from error
    if differing:
        names = [name for key in differing for name in _differing(held.get(key), study[key])] or differing
        raise JournalError(f"the study in {path} must be the same to go on, got another {', '.join(names)}")


def _differing(held: Any, wanted: Any) -> list[str]:
    """Return the keys in which two objects differ."""
    if not (isinstance(held, dict) and isinstance(wanted, dict)):
        return []
    return [key for key in wanted if held.get(key) != wanted[key]]


def _forget(folder: ClaimedFolder) -> None:
    """Leave nothing of a study without any stage done that was not there before."""
    if folder.is_fresh and not any(folder.path.glob(f"{SEEDS}/*/*.safetensors")):
        (folder.path / STUDY).unlink(missing_ok=True)
        for left in sorted(folder.path.glob(f"{SEEDS}/**/"), reverse=True):
            left.rmdir()
        folder.release()


@dataclass
class _Counter:
    """Tells how many stages are done."""

    told: Told
    total: int
    done: int = 0

    def tell(self, text: str) -> None:
        self.told(text, self.done / self.total)


def _do(works: Sequence[SeedWork], settings: StudySettings, engine: Engine, told: Told) -> None:
    """Do what is not done of all stages.

    Raises:
        NetgraftError: a process was lost.
    """
    waves = [[StageJob(work, stage) for work in works for stage in wave] for wave in waves_of(settings)]
    counter = _Counter(told, sum(map(len, waves)))
    for wave in waves:
        open_jobs = [job for job in wave if not job.work.has(job.stage)]
        counter.done += len(wave) - len(open_jobs)
        counter.tell("stages of before" if counter.done else "the network")
        with closing(engine.run(do_stage, open_jobs)) as results:
            for job, found in results:
                if found is None:
                    raise NetgraftError(
                        f"a process that lives until its stage is done is required, got one that ended in"
                        f" {job.stage} of seed {job.work.seed}: there may have been too little memory; --resume goes on"
                    )
                counter.done += 1
                counter.tell(f"{job.stage}, seed {job.work.seed}")


def _write(out: Path, works: Sequence[SeedWork], results: dict[str, Any]) -> None:
    """Write policies, report and results.

    Raises:
        OutputError: the folder cannot be written.
    """
    from netgraft.reports.slicing import render_slicing

    for work in works:
        for stage in KEPT:
            for cell, agent in enumerate(agents_from(work.read(stage), work.scenario.slices)):
                write_bytes(out / POLICIES / policy_file(stage, work.seed, cell), agent.policy().to_bytes())
    write_text(out / REPORT, render_slicing(results))
    write_json(out / RESULTS, results)


def policy_file(method: str, seed: int, cell: int) -> str:
    """Return the name of the file of a cell's policy."""
    return f"{method}-seed{seed}-cell{cell:02d}.safetensors"
