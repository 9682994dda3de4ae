"""How fast: steps of the network against mobile-env, updates of the agents against Stable-Baselines3, a whole study.

    python -m benchmarks.slicing_speed [--part PART] [--repeats 5] [--studies 1] [--quick] [--report]

The parts are simulator, training and study; without --part all are run.

Simulator: calls per second of CPU time, each for at least a second, all ways of a case one after the other in each
repeat. `step` is `Simulator.step` with other shares every time, `run` is `Simulator.run` with shares that stay, 200
steps a call, `environment` is `SlicingEnv.step`, with observations, rewards and checked shares. mobile-env is its
central environment (the faster of its two forms) with as many stations and users, everything else at its defaults,
and random actions that were drawn before. They do not do the same work. mobile-env decides which users connect to
which stations, ours how cells share their blocks among slices; mobile-env has Okumura-Hata over distance and no
interference, ours a radio map with shadowing and antennas, and interference that depends on load, to its fixed point;
all users of mobile-env ask for service at all times, of ours those who are active (the table has their mean number;
with an activity of 1 the traffic masks alone decide, which is nearest); mobile-env observes per user, ours per cell.

Training: joint updates per second of CPU time, one update of each of 12 agents, sampling of the batch included.
Networks 48-24 and 64-24, batch 32, 3,000 transitions of 16 + 4 numbers each, an actor's update with every second of
the critics'. The peer is 12 models of Stable-Baselines3, `train()` of one after the other, their parameters checked to
have moved. The comparison of values gives one agent and one model the same weights, batch and noise, with their tanh
outputs and one learning rate; an update without the actor and one with it.

Study: seconds of `netgraft slicing run --seed 0` with one update per step as a user sees them, from the command to its
end, after a small study that compiles everything; the CPU time is that of the command and all its processes (not of
Ray's). Two processes study two seeds. All arrays of seed 0 must be the same bits whoever makes them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from benchmarks.page import page
from benchmarks.raw import Raw, Row
from benchmarks.slicing_speed_tables import summary
from netgraft.agents import Replay, Td3, Td3Settings
from netgraft.ran import Scenario, Simulator, SlicingEnv, preset

PARTS = ("simulator", "training", "study")
RUN_STEPS, AGENTS, TRANSITIONS = 200, 12, 3_000
UPDATES_PER_CALL = (1, 20)
COMPARED_UPDATES = (1, 2)
_LIBRARIES = {
    "simulator": ("numba", "gymnasium", "mobile-env"),
    "training": ("numba", "torch", "stable-baselines3"),
    "study": ("numba", "torch", "ray"),
}
_SMALL = (
    "explore_steps=40", "train_steps=60", "transfer_steps=60", "evaluation_steps=50", "progress_every=30",
    "progress_steps=20", "sample_steps=60", "instances=50", "generalist_updates=20",
)  # fmt: skip


@dataclass(frozen=True)
class Network:
    """A network to step.

    Attributes:
        preset: that it comes from.
        users: in the whole network.
        activity: probability that a user whose slice has mask 1 is active; that of the preset, or 1.
        peer: whether mobile-env is measured beside it; it takes 16 s for a step of 7,296 users.
    """

    preset: str
    users: int
    activity: float = 1 / 12
    peer: bool = True

    def scenario(self) -> Scenario:
        """Return the scenario."""
        base = preset(self.preset)
        users = {"user_scope": "network", "users_per_slice": self.users // base.slices}
        return replace(base, **users, activity=self.activity)


NETWORKS = (
    Network("paper", 128),
    Network("paper", 384),
    Network("paper", 1_536),
    Network("paper", 128, 1.0),
    Network("paper", 1_536, 1.0),
    Network("fifty-seven", 7_296),
    Network("fifty-seven", 7_296, 1.0, peer=False),
)
#: Most users of mobile-env in a trial.
_QUICK_PEER_USERS = 384


@dataclass(frozen=True)
class Study:
    """A study to time.

    Attributes:
        engine: local or ray.
        jobs: processes at once, and seeds.
    """

    engine: str
    jobs: int


STUDIES = tuple(Study(engine, jobs) for engine in ("local", "ray") for jobs in (1, 2))


def rate_of(call: Callable[[], Any], least_s: float) -> float:
    """Return calls per second of CPU time, over at least as much."""
    calls, block, started = 0, 1, time.process_time()
    while True:
        for _ in range(block):
            call()
        calls += block
        spent_s = time.process_time() - started
        if spent_s >= least_s:
            return calls / spent_s
        block *= 2


@cache
def ways_of(network: Network, with_peer: bool) -> dict[str, tuple[Callable[[], Any], int]]:
    """Return the ways to step a network: what to call, and the steps of a call; compiled."""
    scenario = network.scenario()
    drawn = np.random.default_rng(0).dirichlet(np.ones(scenario.slices), (64, scenario.cells))
    shares = cycle(drawn)
    stepped, ran, env = Simulator(scenario), Simulator(scenario), SlicingEnv(scenario)
    env.reset()
    ways: dict[str, tuple[Callable[[], Any], int]] = {
        "step": (lambda: stepped.step(next(shares)), 1),
        "run": (lambda: ran.run(drawn[0], RUN_STEPS), RUN_STEPS),
        "environment": (lambda: env.step(next(shares)), 1),
    }
    if with_peer:
        from benchmarks.slicing_speed_peers import mobile_env_step

        ways["mobile-env"] = mobile_env_step(scenario.cells, network.users), 1
    for call, _ in list(ways.values())[:3]:
        call()
    return ways


def run_simulator(given: argparse.Namespace, raw: Raw) -> None:
    """Step every network that is not done."""
    for repeat in range(given.repeats):
        for network in NETWORKS:
            cell = {"part": "simulator", "case": asdict(network), "repeat": repeat}
            if raw.has(**cell):
                continue
            scenario = network.scenario()
            ways = ways_of(network, network.peer and not (given.quick and network.users > _QUICK_PEER_USERS))
            rates = {way: steps * rate_of(call, given.least_s) for way, (call, steps) in ways.items()}
            users = Simulator(scenario).run(np.full((scenario.cells, scenario.slices), 1 / scenario.slices), 500).users
            sizes = {"cells": scenario.cells, "active_users": float(users.sum(axis=(1, 2)).mean())}
            add(raw, cell | sizes | {"steps_per_cpu_s": rates})


@cache
def learners() -> tuple[Td3, Replay, list[Any]]:
    """Return our agents, their memories, and the peer's models with as many transitions."""
    from benchmarks.slicing_speed_peers import OBSERVATION, SHARES, random_transitions, sb3_td3

    settings = Td3Settings(warm_up=0)
    rows = random_transitions(AGENTS, TRANSITIONS)
    memories = Replay(AGENTS, OBSERVATION, SHARES, capacity=settings.capacity)
    for agent in range(AGENTS):
        memories.remember(agent, rows[agent])
    return Td3(AGENTS, OBSERVATION, SHARES, settings=settings), memories, [sb3_td3(settings, row) for row in rows]


def run_training(given: argparse.Namespace, raw: Raw) -> None:
    """Time the updates, and compare their values."""
    from benchmarks.slicing_speed_peers import difference

    for updates in COMPARED_UPDATES:
        cell = {"part": "values", "case": {"updates": updates}, "repeat": 0}
        if not raw.has(**cell):
            add(raw, cell | difference(updates))
    for repeat in range(given.repeats):
        for updates in UPDATES_PER_CALL:
            cell = {"part": "training", "case": {"updates_per_call": updates}, "repeat": repeat}
            if not raw.has(**cell):
                add(raw, cell | {"updates_per_cpu_s": update_rates(updates, given.least_s)})


def update_rates(updates: int, least_s: float) -> Row:
    """Return joint updates per second of CPU time, theirs and ours."""
    agents, memories, models = learners()

    def train_all() -> None:
        for model in models:
            model.train(gradient_steps=updates, batch_size=agents.settings.batch)

    def actors() -> list[Any]:
        theirs = [model.actor.mu[0].weight.detach().numpy().copy() for model in models]
        return [*theirs, *agents.layouts.parts(agents.stack.parameters)[0].copy()]

    ways = {"Stable-Baselines3": train_all, "ours": lambda: agents.learn(memories, updates=updates)}
    for call in ways.values():
        call()
    begun = actors()
    rates = {way: updates * rate_of(call, least_s) for way, call in ways.items()}
    assert all((now != before).any() for now, before in zip(actors(), begun, strict=True)), "an actor did not move"
    return rates


def run_study(given: argparse.Namespace, raw: Raw) -> None:
    """Time every study that is not done, after one that compiles."""
    left = [
        (cell, study)
        for repeat in range(given.studies)
        for study in STUDIES
        if (study.engine == "local" or find_spec("ray"))
        and not raw.has(**(cell := {"part": "study", "case": asdict(study), "repeat": repeat}))
    ]
    if not left:
        return
    with compiled_apart():
        first = study_row(Study("local", 1), _SMALL)
        cell = {"part": "study", "case": "small, nothing compiled", "repeat": 0}
        if not raw.has(**cell):
            add(raw, cell | first)
        cell = {"part": "study", "case": "small", "repeat": 0}
        if not raw.has(**cell):
            add(raw, cell | study_row(Study("local", 1), _SMALL))
        for cell, study in left:
            add(raw, cell | study_row(study, _SMALL if given.quick else ()))


@contextmanager
def compiled_apart() -> Iterator[None]:
    """Make processes that are started keep what they compile in a folder that is empty at first."""
    before = os.environ.get("NUMBA_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NUMBA_CACHE_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("NUMBA_CACHE_DIR")
            if before is not None:
                os.environ["NUMBA_CACHE_DIR"] = before


def study_row(study: Study, settings: Sequence[str]) -> Row:
    """Return the seconds of a study by the command line, and what identifies its results of seed 0."""
    command = [sys.executable, "-m", "netgraft", "slicing", "run", "--seed", "0", "--seeds", str(study.jobs)]
    command += ["--jobs", str(study.jobs), "--engine", study.engine]
    command += [part for setting in settings for part in ("--set", setting)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "study"
        before, started = cpu_of_children_s(), time.monotonic()
        ended = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, check=False)
        wall_s, cpu_s = time.monotonic() - started, cpu_of_children_s() - before
        if ended.returncode:
            return {"failed": ended.stderr.strip()[-300:] or f"exit {ended.returncode}"}
        return {
            "whole": not settings,
            "wall_s": round(wall_s, 2),
            "cpu_s": round(cpu_s, 2),
            "seed_0": digest(out / "seeds" / "0"),
        }


def cpu_of_children_s() -> float:
    """Return the CPU time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def digest(folder: Path) -> str:
    """Return the start of a hash of all arrays in the files of a folder; the order in their headers is not fixed."""
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        for name, array in sorted(load_file(path).items()):
            found.update(f"{path.name} {name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return found.hexdigest()[:12]


def add(raw: Raw, row: Row) -> None:
    """Append a row with the versions it depends on, and tell it."""
    libraries = _LIBRARIES["training" if row["part"] == "values" else row["part"]]
    installed = [name for name in libraries if name != "ray" or find_spec(name)]
    raw.add(row | {"versions": {name: metadata.version(name) for name in installed}})
    print({key: row[key] for key in row if key != "versions"}, file=sys.stderr, flush=True)


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, help="all by default")
    parser.add_argument("--repeats", type=int, default=5, help="of the parts simulator and training")
    parser.add_argument("--studies", type=int, default=1, help="repeats of the part study")
    parser.add_argument("--quick", action="store_true", help="one repeat, small studies; to another file")
    parser.add_argument("--report", action="store_true", help="write the page from the raw rows and run nothing")
    given = parser.parse_args()
    given.least_s = 1.0
    if given.quick:
        given = argparse.Namespace(**vars(given) | {"repeats": 1, "studies": 1, "least_s": 0.2})
    raw = Raw("slicing_speed", ("part", "case", "repeat"), quick=given.quick)
    runs = {"simulator": run_simulator, "training": run_training, "study": run_study}
    for part in PARTS if given.part is None else (given.part,):
        if not given.report:
            runs[part](given, raw)
    repeats = {"study": given.studies}
    text = summary([row for row in raw.rows() if row["repeat"] < repeats.get(row["part"], given.repeats)])
    if given.report:
        page("slicing_speed", "How fast networks are simulated, agents trained and studies done", __doc__, text, raw)
    print(text)


if __name__ == "__main__":
    main()
