"""Fronts and details that look like real ones, for the tests of the report."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

FOUR = ("error", "size", "latency", "energy")
_UNITS = {"error": "", "size": "byte", "latency": "s", "energy": "j"}
_ORIGINS = {"error": "exact", "size": "exact", "latency": "modelled", "energy": "modelled"}


def front(
    *,
    kind: str = "regression",
    objectives: tuple[str, ...] = ("error", "size"),
    networks: int = 14,
    tested: bool = True,
    seed: int = 0,
) -> dict[str, Any]:
    """Return a front of networks with a tree and a linear reference, as a search would write it."""
    rng = np.random.default_rng(seed)
    points = [_network(rng, index, networks, objectives, kind, tested=tested) for index in range(networks)]
    references = (("trees", 0.128, 412_300, 96_000), ("linear", 0.412, 1_180, 288))
    points += [_reference(*reference, objectives, kind, tested=tested) for reference in references]
    return {
        "format": 1,
        "task": {
            "kind": kind,
            "target": "Energy" if kind == "regression" else "label",
            "metric": "r2" if kind == "regression" else "accuracy",
            "columns": ["load_mean", "ESMode1", "RUType", "TXpower", "bandwidth_total", "hour"],
            "rows": {"train": 38_214, "validation": 9_551, "test": 12_321 if tested else 0},
        },
        "strategy": "nested", "seed": 0, "seconds": 61.8, "evaluations": 312, "scored": 4096,
        "device": "raspberry-pi-4", "space": {"smallest_bytes": 812, "largest_bytes": 2_411_000}, "transfer": None,
        "objectives": [{"name": name, "unit": _UNITS[name], "origin": _ORIGINS[name]} for name in objectives],
        "history": [
            {"seconds": 2.0 + 1.5 * step, "evaluations": 8 * step, "hypervolume": 0.8 - 0.36 * math.exp(-step / 9)}
            for step in range(40)
        ],
        "points": points,
        "picked": points[networks // 2]["id"],
    }  # fmt: skip


def _network(
    rng: Any, index: int, count: int, objectives: tuple[str, ...], kind: str, *, tested: bool
) -> dict[str, Any]:
    share = index / max(count - 1, 1)
    size = round(900 * 10 ** (2.1 * share))
    error = 0.121 + 0.27 * math.exp(-3.1 * share) + 0.002 * float(rng.normal())
    depth = 1 + int(share * 3.5)
    widths = [int(4 * 2 ** (share * 5)) + 4 * layer for layer in range(depth)][::-1]
    metrics = _metrics(error, kind)
    return {
        "id": f"n{index:03d}", "family": "network", "root": f"root{index % 3}",
        "cut": {"depth": depth, "widths": widths, "members": 1 if share < 0.7 else 4, "bits": 32},
        "parameters": size // 4, "values": _values(error, size, objectives),
        "validation": metrics, "test": _metrics(error + 0.008 * float(rng.normal()) + 0.006, kind) if tested else None,
    }  # fmt: skip


def _reference(
    family: str, error: float, size: int, parameters: int, objectives: tuple[str, ...], kind: str, *, tested: bool
) -> dict[str, Any]:
    return {
        "id": family, "family": family, "root": family, "cut": None, "parameters": parameters,
        "values": _values(error, size, objectives), "validation": _metrics(error, kind),
        "test": _metrics(error + 0.005, kind) if tested else None,
    }  # fmt: skip


def _values(error: float, size: int, objectives: tuple[str, ...]) -> dict[str, float]:
    known = {"error": error, "size": size, "latency": 4e-6 + size * 2.4e-10, "energy": 2e-5 + size * 1.1e-9}
    return {name: known[name] for name in objectives}


def _metrics(error: float, kind: str) -> dict[str, float]:
    if kind == "regression":
        return {"r2": 1 - error, "mae": 12.1 * error, "rmse": 21.5 * math.sqrt(error)}
    return {
        "accuracy": 1 - error,
        "balanced_accuracy": 1 - 1.15 * error,
        "macro_f1": 1 - 1.2 * error,
        "log_loss": 2.2 * error,
    }


def details(*, kind: str = "regression", evaluations: int = 312, seed: int = 1) -> dict[str, Any]:
    """Return details with everything that a search of that kind can tell."""
    rng = np.random.default_rng(seed)
    shared: dict[str, Any] = {
        "folder": "runs/energy",
        "notes": ["The target is heavy-tailed; log1p was tried and was not better on validation rows."],
        "dropped": [
            {"name": "ESMode4", "reason": "constant"},
            {"name": "row_id", "reason": "a different value in every row"},
        ],
        "settings": {"group": "BS", "target_transform": "auto", "budget_s": 60.0, "jobs": 2, "library": None},
        "limits": {"size": 131_072},
        "space": [
            {"name": "depth", "low": 1, "high": 4},
            {"name": "width", "values": [4, 8, 16, 32, 64, 128, 256]},
            {"name": "embedding", "values": ["none", "piecewise", "periodic"]},
            {"name": "learning_rate", "low": 1e-4, "high": 3e-2, "log": True},
        ],
        "counts": {"evaluations": evaluations, "rejected": 41, "skipped": 2, "failed": 1, "scored": 4096},
        "evaluations": [_tried(rng, index) for index in range(evaluations)],
        "references": ["trees", "linear"],
        "groups": {"column": "RUType", "on": "test", "rows": _groups(rng)},
    }
    return {**shared, **(_regression(rng) if kind == "regression" else _classification(rng))}


def _tried(rng: Any, index: int) -> dict[str, Any]:
    size = 10 ** rng.uniform(2.95, 5.4)
    rate = 10 ** rng.uniform(-4, -1.52)
    error = (
        0.12
        + 0.3 * math.exp(-1.45 * (math.log10(size) - 2.95))
        + abs(rng.normal(0, 0.03))
        + 0.05 * abs(math.log10(rate) + 2.6)
    )
    genes = {
        "depth": int(rng.integers(1, 5)), "width": int(2 ** rng.integers(2, 9)),
        "embedding": str(rng.choice(["none", "piecewise", "periodic"])), "learning_rate": rate,
        "dropout": float(rng.choice([0.0, 0.1, 0.2])), "activation": str(rng.choice(["relu", "silu", "gelu"])),
    }  # fmt: skip
    values = {"error": error, "size": size, "latency": 4e-6 + size * 2.4e-10, "energy": 2e-5 + size * 1.1e-9}
    return {"id": f"e{index}", "values": values, "genes": genes, "state": "done"}


def _groups(rng: Any) -> list[dict[str, Any]]:
    names = ["Type4", "Type6", "Type3_outdoor_massive_mimo", "Type2", "Type5"]
    return [
        {
            "group": name,
            "rows": int(400 * 2**index),
            "error": 0.09 + 0.05 * index + 0.01 * float(rng.random()),
            "mae": 1.1 + index,
        }
        for index, name in enumerate(names)
    ]


def _regression(rng: Any) -> dict[str, Any]:
    true = rng.gamma(4.0, 7.0, size=1000)
    predicted = true * 0.93 + 2.0 + rng.normal(0, 4.2, size=1000)
    return {
        "predicted": {
            "on": "test", "true": true.tolist(), "predicted": predicted.tolist(),
            "low": (predicted - 7.1).tolist(), "high": (predicted + 7.1).tolist(),
        },
        "conformal": {"level": 0.9, "half_width": 7.1, "coverage_test": 0.894},
    }  # fmt: skip


def _classification(rng: Any) -> dict[str, Any]:
    labels = ["embb", "mmtc", "urllc", "idle"]
    counts = rng.integers(2, 60, size=(4, 4)) + np.diag([2210, 1640, 480, 3900])
    bins = [
        {
            "confidence": 0.3 + 0.07 * step,
            "accuracy": 0.3 + 0.068 * step + 0.01 * float(rng.normal()),
            "rows": 20 * 2**step,
        }
        for step in range(10)
    ]
    before = [{**each, "accuracy": each["accuracy"] - 0.06 * (1 - index / 12)} for index, each in enumerate(bins)]
    return {
        "confusion": {"on": "test", "labels": labels, "counts": counts.tolist()},
        "calibration": {
            "on": "test", "temperature": 1.42, "ece_before": 0.061, "ece_after": 0.012,
            "bins": bins, "bins_before": before,
        },
    }  # fmt: skip


def hostile(front: dict[str, Any], details: dict[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return copies in which every name that comes from data is the hostile one."""
    front, details = copy.deepcopy(front), copy.deepcopy(details)
    front["task"] |= {"target": name, "columns": [name], "metric": name, "kind": name}
    front |= {"device": name, "strategy": name, "seed": name}
    front["points"][0] |= {"id": name, "family": name}
    front["points"][0]["values"][name] = 1.5
    front["points"][0]["test"] = {name: 0.5}
    front["picked"] = name
    front["objectives"].append({"name": name, "unit": name, "origin": name})
    source, decision = {"name": name, "measure": name, "distance": 0.2}, {"name": name, "error": 0.3}
    guard = {"decision": name, "reason": name, "candidates": [decision]}
    front["transfer"] = {"mode": name, "sources": [source], "guard": guard}
    details |= {"folder": name, "notes": [name], "dropped": [{"name": name, "reason": name}], "settings": {name: name}}
    details |= {"limits": {name: 2.0}, "space": [{"name": name, "values": [name]}], "counts": {name: name}}
    details["groups"] = {"column": name, "on": name, "rows": [{"group": name, "rows": 3, "error": 0.2, name: 0.4}]}
    details["confusion"] = {"on": name, "labels": [name, name], "counts": [[3, 1], [1, 4]]}
    details["evaluations"] = [
        {"id": name, "state": name, "values": {"error": 0.1 * step, name: 1.0}, "genes": {name: name * step}}
        for step in range(1, 12)
    ]
    return front, details
