"""Measures what layers cost on this machine, with the runtime that serves exported models."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from netgraft.devices import catalogue
from netgraft.devices.fit import Fit, fit_latency
from netgraft.devices.graphs import onnx_model, raw_row
from netgraft.devices.profile import Profile, Source
from netgraft.devices.sketch import Sketch, random_sketches, sketch_layers
from netgraft.devices.this import machine_identity
from netgraft.devices.timing import Clock, Timing, open_session, time_models
from netgraft.errors import SettingError
from netgraft.seeds import generator

QUICK_BUDGET_S = 0.6
FULL_BUDGET_S = 15.0
QUICK_COMPOSITES = 24
FULL_COMPOSITES = 60

#: Models that differ in one thing at a time, so that every figure has some that show it.
DESIGN: tuple[Sketch, ...] = (
    *(Sketch(numeric) for numeric in (1, 4, 16, 32, 64)),
    *(Sketch(0, strings=strings) for strings in (1, 4, 10)),
    *(Sketch(8, strings=strings, slots=64, embedding=16) for strings in (1, 6)),
    *(Sketch(4, datetimes=count, parts=parts) for count, parts in ((1, 2), (1, 4), (1, 8), (2, 4))),
    *(Sketch(8, widths=(width,) * depth) for width in (8, 64, 256) for depth in (1, 4)),
    *(Sketch(8, widths=(width,) * 2, members=members) for width in (8, 64, 256) for members in (2, 16)),
    *(Sketch(8, bins=bins, token=size) for bins, size in ((4, 2), (16, 4), (64, 16))),
    *(Sketch(40, bins=bins, token=size) for bins, size in ((8, 4), (48, 2), (48, 12))),
    *(Sketch(24, bins=bins, periodic=True) for bins in (4, 32)),
    *(Sketch(8, widths=(64,) * 3, activation=name) for name in ("silu", "tanh")),
    *(Sketch(8, outputs=outputs, classify=True) for outputs in (2, 10, 40)),
    *(Sketch(8, trees=trees, depth=depth) for trees, depth in ((10, 6), (50, 4), (50, 7), (100, 6))),
    Sketch(8, strings=4, trees=50, depth=6),
    Sketch(24, strings=3, widths=(96, 48), skip=True),
    Sketch(16, strings=2, bins=16, token=4, widths=(64, 64), members=4, skip=True, classify=True, outputs=5),
)


def measure_this(
    *,
    budget_s: float = FULL_BUDGET_S,
    seed: int = 0,
    sketches: Sequence[Sketch] | None = None,
    clock: Clock = time.perf_counter_ns,
    progress: Callable[[float], None] | None = None,
) -> Profile:
    """Return a measured profile of this machine.

    Random models of known layers are built, run one row at a time in ONNX Runtime on one thread, and the latency
    model is fitted to their medians. Memory is what the operating system reports; power is declared, because no
    portable counter gives it.

    Args:
        budget_s: seconds of timing, apart from building the models (about two seconds).
        seed: of the models' weights and of the composite models' sizes.
        sketches: the models to time; None: `DESIGN`, and composite ones (more of them from five seconds on).
        clock: nanoseconds that never go back.
        progress: called now and then with the part of the budget used, 0 to 1.

    Raises:
        SettingError: the budget is not positive.
    """
    if not budget_s > 0:
        raise SettingError(f"a measuring budget must be > 0 seconds, got {budget_s:g}")
    if sketches is None:
        sketches = (*DESIGN, *random_sketches(FULL_COMPOSITES if budget_s >= 5 else QUICK_COMPOSITES, seed))
    timings = time_sketches(sketches, seed=seed, budget_s=budget_s, clock=clock, progress=progress)
    fit = fit_latency([sketch_layers(sketch) for sketch in sketches], [timing.median_s for timing in timings])
    return _profile(fit, timings)


def time_sketches(
    sketches: Sequence[Sketch],
    *,
    seed: int = 0,
    budget_s: float,
    clock: Clock = time.perf_counter_ns,
    progress: Callable[[float], None] | None = None,
) -> list[Timing]:
    """Return the time of one run of each sketch's model here."""
    sessions = [open_session(onnx_model(s, generator(seed, "weights", i))) for i, s in enumerate(sketches)]
    rows = [raw_row(s, generator(seed, "row", i)) for i, s in enumerate(sketches)]
    return time_models(sessions, rows, budget_s=budget_s, clock=clock, progress=progress)


def _profile(fit: Fit, timings: Sequence[Timing]) -> Profile:
    import psutil

    machine = machine_identity()
    base = catalogue.declared("this")
    runs = sum(timing.runs for timing in timings)
    text = (
        f"measured: {len(timings)} models, {runs} runs of one row in ONNX Runtime on one thread; "
        f"non-negative least squares, median relative error {fit.median_error:.1%}"
    )
    measured = Source("measured", text)
    sources = dict.fromkeys(("run", "compute", "bandwidth", *(f"layers.{name}" for name in fit.layers)), measured)
    return replace(
        base,
        description=f"this machine: {machine}",
        memory_bytes=int(psutil.virtual_memory().total),
        overhead_s=fit.overhead_s,
        operations_per_s=fit.operations_per_s,
        bandwidth_bytes_per_s=fit.bandwidth_bytes_per_s,
        layers=fit.layers,
        sources={**sources, "memory": Source("measured", "the operating system"), "power": base.sources["power"]},
        p95_ratio=float(np.median([timing.p95_s / timing.median_s for timing in timings])),
        machine=machine,
    )
