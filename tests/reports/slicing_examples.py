"""Results of a slicing study that look like real ones: a short simulation, and curves as training would give them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgraft.agents import baselines
from netgraft.ran import Kpis, Scenario, SlicingEnv, preset
from netgraft.ran.layout import cell_azimuths_deg, cell_sites, site_positions_m
from netgraft.ran.traffic import mask_values

Array = NDArray[np.float64]
Controller = Callable[[SlicingEnv, Kpis], Array]
STEPS = 120
PAPER = {
    "proportional": {"satisfaction": 0.87, "below_0.95": 0.25, "delay_ms": 1.8},
    "drl": {"satisfaction": 0.90, "below_0.95": 0.19, "delay_ms": 1.7},
    "tl_similar": {"satisfaction": 0.92, "below_0.95": 0.12, "delay_ms": 1.5},
}
MEASURES = ("vae-lemma1", "vae", "vae-debiased", "energy", "mmd", "moments")


def _setting(name: str) -> Scenario:
    """Return a preset under a load of its own, so that figures stay when a preset is calibrated anew."""
    return replace(preset(name), overhead=0.05, packet_bits=550)


def between(share: float) -> Controller:
    """Return a controller that gives so much by need, the rest equally: stands for one that learns."""

    def decide(env: SlicingEnv, last: Kpis) -> Array:
        need = env.simulator.need(last.cell_load) + 1e-9
        return share * need / need.sum(axis=-1, keepdims=True) + (1 - share) / env.slices

    return decide


METHODS: dict[str, Controller] = {
    "equal": baselines.equal, "causal": baselines.causal, "proportional": baselines.proportional,
    "oracle": baselines.oracle, "drl_4000": between(0.3), "drl": between(0.5), "tl_dissimilar": between(0.55),
    "tl_similar": between(0.65), "tl_model": between(0.6), "tl_feature": between(0.52), "tl_instance": between(0.4),
    "tl_generalist": between(0.57), "new_cell_cold": between(0.25), "new_cell_dissimilar": between(0.5),
    "new_cell_similar": between(0.6),
}  # fmt: skip
CURVES = ("drl", "tl_dissimilar", "tl_similar", "tl_model", "tl_feature", "tl_instance", "tl_generalist")


@cache
def episode(name: str, scenario: str = "paper") -> tuple[Kpis, ...]:
    """Return the measures of a method's periods, the same traffic for all."""
    env = SlicingEnv(_setting(scenario), seed=7, fast=False)
    env.reset(7)
    return tuple(env.step(METHODS[name](env, env.measured), checked=False)[2] for _ in range(STEPS))


def of_cells(name: str, scenario: str = "paper") -> dict[str, Array]:
    """Return what a method reached, [T, K] each."""
    periods = episode(name, scenario)
    return {
        "reward": np.array([each.reward for each in periods]),
        "satisfaction": np.array([each.throughput_satisfaction.min(axis=-1) for each in periods]),
        "delay_ms": 1e3 * np.array([each.delay_s.max(axis=-1) for each in periods]),
        "load": np.array([each.cell_load for each in periods]),
        "users": np.array([each.users.sum(axis=-1) for each in periods]),
    }


def results(names: Sequence[str] = tuple(METHODS), *, scenario: str = "paper", seeds: int = 3) -> dict[str, Any]:
    """Return the content of a `results.json` with these methods."""
    rng = np.random.default_rng(3)
    reached = {name: of_cells(name, scenario) for name in names}
    methods = {name: _summary(rng, told, seeds) for name, told in reached.items()}
    curves = {name: _curve(rng, name, methods[name]["reward"]["mean"]) for name in CURVES if name in names}
    setting = _setting(scenario)
    return {
        "format": 1, "scenario": setting.payload(), "seeds": list(range(seeds)), "seconds": 512.4,
        "settings": {"explore_steps": 3000, "train_steps": 5500, "transfer_steps": 4000, "gamma": 0.1},
        "updates_per_step": 1, "methods": methods, "paper": PAPER, "checks": checks(methods), "curves": curves,
        "ccdf": {key: {name: _ccdf(reached[name][key]) for name in names} for key in ("satisfaction", "delay_ms")},
        "masks": {"slices": list(setting.slice_names), "values": mask_values(setting, range(200)).tolist()},
        "similarity": similarity(setting.group_of_cell), "swapped": swapped(setting.group_of_cell),
        "gain": gain(rng), "network": _network(scenario, reached),
    }  # fmt: skip


def _summary(rng: np.random.Generator, told: dict[str, Array], seeds: int) -> dict[str, Any]:
    low = told["satisfaction"] < 0.95
    found = {
        "reward": told["reward"],
        "satisfaction": told["satisfaction"],
        "below_0.95": low,
        "delay_ms": told["delay_ms"],
    }
    half = {key: (0.02 + 0.01 * float(rng.random())) * (seeds > 1) for key in found}
    return {
        key: {"mean": (mean := float(np.mean(each))), "low": mean * (1 - half[key]), "high": mean * (1 + half[key])}
        for key, each in found.items()
    }


def _curve(rng: np.random.Generator, name: str, end: float) -> dict[str, list[float]]:
    length = 8500 if name == "drl" else 4000
    steps = np.linspace(0, length, 170)
    explored = (
        np.where(steps < 3000, 0.0, 1 - np.exp(-(steps - 3000) / 1200)) if name == "drl" else 1 - np.exp(-steps / 500)
    )
    start = {"drl": 0.45, "tl_similar": 0.95 * end, "tl_instance": 0.4}.get(name, 0.88 * end)
    reward = start + (end - start) * explored + 0.012 * np.sin(steps / 97) + 0.004 * rng.normal(size=steps.size)
    return {
        "step": steps.tolist(), "reward": reward.tolist(), "low": (reward - 0.015).tolist(),
        "high": (reward + 0.015).tolist(),
    }  # fmt: skip


def _ccdf(values: Array) -> dict[str, list[float]]:
    x = np.unique(np.quantile(values, np.linspace(0, 1, 120)))
    return {"x": x.tolist(), "y": [float(np.mean(values > each)) for each in x]}


def similarity(groups: NDArray[np.int64]) -> dict[str, Any]:
    """Return matrices in which cells of a group are near each other, the clearer the later the measure."""
    rng = np.random.default_rng(5)
    found: dict[str, Any] = {"chosen": "vae-lemma1"}
    for place, name in enumerate(MEASURES):
        apart = groups[:, None] != groups[None]
        matrix = 65 + 4 * rng.random(apart.shape) + apart * (3 + 6 * place) + 5 * np.eye(len(groups))
        away = matrix + 1e9 * np.eye(len(groups))
        nearest = away.argmin(axis=1)
        found[name] = {
            "matrix": matrix.tolist(), "nearest": nearest.tolist(),
            "nearest_in_group": float(np.mean(groups[nearest] == groups)),
            "rank_correlation": 0.1 * place,
            "between_within": float(matrix[apart].mean() / matrix[~apart].mean()) if apart.any() else float("nan"),
        }  # fmt: skip
    return found


def swapped(groups: NDArray[np.int64]) -> list[list[float]]:
    """Return rewards that are less by the policy of a cell of another group."""
    rewards = 0.8 + 0.05 * np.eye(len(groups)) - 0.1 * (groups[:, None] != groups[None])
    found: list[list[float]] = (rewards + 0.01 * np.random.default_rng(6).random(rewards.shape)).tolist()
    return found


def gain(rng: np.random.Generator) -> dict[str, Any]:
    """Return relative gains that fall with the distance of the source, less so after more steps."""
    steps = [0, 200, *range(250, 4001, 250)]
    distances = np.sort(65 + 30 * rng.random(12))
    return {
        "steps": steps,
        "similar": [0.9 - 0.2 * np.log10(step + 10) for step in steps],
        "dissimilar": [0.7 - 0.16 * np.log10(step + 10) for step in steps],
        "points": [{"distance": float(d), "gain": _gains(float(d))} for d in distances],
    }


def _gains(distance: float) -> dict[str, float]:
    return {str(s): 0.3 - 0.05 * np.log10(s) - (distance - 65) / s**0.5 / 100 for s in (200, 1000, 4000)}


def checks(methods: dict[str, Any]) -> list[dict[str, Any]]:
    """Return checks that hold, that do not, and one that could not be judged."""
    rewards = {
        name: methods[name]["reward"] for name in ("proportional", "drl_4000", "tl_similar", "drl") if name in methods
    }
    return [
        {
            "name": "order of rewards", "holds": True, "values": rewards,
            "text": "The baseline is below DRL at the transfer's 4,000 steps, and that below the transfer.",
        },
        {
            "name": "nearest source", "holds": True, "values": {"share": 1.0},
            "text": "The nearest source of every cell has the same targets.",
        },
        {
            "name": "throughput beyond the baseline", "holds": False,
            "values": {"tl_similar": 0.893, "proportional": 0.912},
            "text": "Throughput satisfaction is higher than that of the baseline that knows the demand.",
        },
        {"name": "new cell", "holds": None, "values": {}, "text": "Run with --new-cell to judge it."},
    ]  # fmt: skip


def _network(scenario: str, reached: dict[str, dict[str, Array]]) -> dict[str, Any]:
    setting = _setting(scenario)
    sites, positions = cell_sites(setting), site_positions_m(setting)
    cells = [
        {
            "name": f"cell_{k}", "site": int(sites[k]), "group": int(setting.group_of_cell[k]),
            "x_m": float(positions[sites[k], 0]), "y_m": float(positions[sites[k], 1]),
            "azimuth_deg": float(cell_azimuths_deg(setting)[k]),
        }
        for k in range(setting.cells)
    ]  # fmt: skip
    shown = [name for name in ("proportional", "drl", "tl_similar") if name in reached]
    frames = {
        name: {
            "step": list(range(100)),
            **{key: reached[name][key][:100].tolist() for key in ("load", "satisfaction", "users")},
        }
        for name in shown
    }
    return {"cells": cells, "frames": frames}


def spoilt(value: Any, number: float) -> Any:
    """Return a copy in which every number is another, whole ones and truths apart."""
    if isinstance(value, float):
        return number
    if isinstance(value, dict):
        return {key: spoilt(item, number) for key, item in value.items()}
    return [spoilt(item, number) for item in value] if isinstance(value, list) else value


def renamed(value: Any, name: str) -> Any:
    """Return a copy in which every text and every key that comes from data is a hostile one."""
    if isinstance(value, str):
        return name + value
    if isinstance(value, dict):
        return {key: renamed(item, name) for key, item in value.items()}
    return [renamed(item, name) for item in value] if isinstance(value, list) else value


def hostile(name: str) -> dict[str, Any]:
    """Return results whose every text is hostile, with a method, a measure and a setting named so."""
    found: dict[str, Any] = renamed(results(), name)
    found["seeds"] = [name]
    found["updates_per_step"] = found["format"] = name
    for key in ("methods", "paper", "curves", "settings", "scenario"):
        found[key][name] = found[key].get("drl", name)
    for key in ("satisfaction", "delay_ms"):
        found["ccdf"][key][name] = found["ccdf"][key]["drl"]
    found["similarity"][name] = found["similarity"]["vae"]
    found["network"]["frames"][name] = found["network"]["frames"]["drl"]
    found["gain"]["points"] = [{"distance": d, "gain": {name: 0.1, "200": 0.2}} for d in (1.0, 2.0)]
    found["checks"].append({"name": name, "text": name, "holds": name, "values": {name: name}})
    return found
