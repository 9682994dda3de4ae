"""``netgraft slicing``: a network of sliced cells, simulated and studied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netgraft.cli.output import JsonOption, print_json, print_rich, progress_bar
from netgraft.errors import SettingError

if TYPE_CHECKING:
    from netgraft.ran import Scenario

app = typer.Typer(help="A radio network of sliced cells: simulate it, and study agents that learn to share its blocks.")

_PRESET = "paper"
_COLUMNS = {"reward": "reward", "satisfaction": "throughput satisfaction", "below_0.95": "below 0.95", "delay_ms": "ms"}
PresetOption = Annotated[str | None, typer.Option(help="paper, three, twenty-one or fifty-seven; paper by default.")]
ScenarioOption = Annotated[Path | None, typer.Option("--scenario", help="A scenario in a TOML file, not a preset.")]


@app.command("simulate")
def simulate(
    out: Annotated[Path, typer.Option(help="A .parquet or .csv file.")],
    preset: PresetOption = None,
    scenario: ScenarioOption = None,
    seed: Annotated[int, typer.Option(help="Of users, traffic and shares.")] = 0,
    steps: Annotated[int, typer.Option(help="Periods, one row per cell each.")] = 1_000,
    shares: Annotated[str, typer.Option(help="Of the slices: random, or equal.")] = "random",
    as_json: JsonOption = False,
) -> None:
    """Simulate a network and write its KPI table, one row per cell and step, for a search to learn from.

    Example: netgraft slicing simulate --steps 2000 --out network.parquet
    """
    from netgraft.lifecycle.slicing.simulate import write_kpi_table

    network = _scenario(preset, scenario)
    with progress_bar() as told:
        table = write_kpi_table(out, network, seed=seed, steps=steps, shares=shares, on_progress=told)
    if as_json:
        print_json({"out": str(out), "rows": table.height, "columns": table.columns})
    else:
        typer.echo(f"Table: {out}, {table.height:,} rows, {table.width} columns")


@app.command("run")
def run(
    preset: PresetOption = None,
    scenario: ScenarioOption = None,
    seed: Annotated[int, typer.Option(help="Of everything random but the radio map; the first of several.")] = 0,
    seeds: Annotated[int, typer.Option(help="How many seeds to study.")] = 1,
    new_cell: Annotated[
        bool, typer.Option("--new-cell", help="Also switch on a new site while the others go on.")
    ] = False,
    updates: Annotated[int, typer.Option(help="Of every agent per step; the paper has one.")] = 1,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as train_steps=2000; may be repeated."),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes that work at once.")] = 1,
    engine: Annotated[str, typer.Option(help="Who works: local or ray.")] = "local",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; netgraft-slicing-<name> by default.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study in that folder.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Study agents that learn to share cells' blocks: baselines, DRL, transfer between cells, and who is like whom.

    Example: netgraft slicing run --seeds 3 --jobs 2 --out study
    """
    from netgraft.cli.search import settings_of
    from netgraft.lifecycle.slicing.settings import StudySettings
    from netgraft.lifecycle.slicing.study import REPORT, run_study

    if seeds < 1:
        raise SettingError(f"--seeds must be >= 1, got {seeds}")
    settings = StudySettings(updates_per_step=updates, new_cell=new_cell).with_texts(settings_of(setting))
    network = _scenario(preset, scenario)
    folder = out or Path(f"netgraft-slicing-{scenario.stem if scenario else preset or _PRESET}")
    with progress_bar() as told:
        results = run_study(
            folder,
            network,
            settings,
            seeds=range(seed, seed + seeds),
            jobs=jobs,
            engine=engine,
            resume=resume,
            on_progress=told,
        )
    if as_json:
        print_json({key: results[key] for key in ("methods", "similarity", "seconds")} | {"out": str(folder)})
        return
    _print_methods(results["methods"])
    for check in results["checks"]:
        typer.echo(f"{'holds' if check['holds'] else 'does not hold'}: {check['name']}")
    typer.echo(f"Report: {folder / REPORT}")


def _scenario(preset_name: str | None, path: Path | None) -> Scenario:
    """Return the network that is asked for.

    Raises:
        SettingError, TableError: there is no such preset, or the file is no scenario; or both are given.
    """
    from netgraft.ran import preset, read_scenario

    if preset_name is not None and path is not None:
        raise SettingError(f"a preset or a scenario is required, got both {preset_name!r} and {path}")
    return preset(preset_name or _PRESET) if path is None else read_scenario(path)


def _print_methods(methods: Mapping[str, Mapping[str, Any]]) -> None:
    from rich.table import Table

    table = Table("method", *_COLUMNS.values())
    for name, told in methods.items():
        cells = [f"{told[key]['mean']:.3f} ({told[key]['low']:.3f} to {told[key]['high']:.3f})" for key in _COLUMNS]
        table.add_row(name, *cells)
    print_rich(table)
