"""``netgraft demo``: the main job on a table that the package makes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netgraft.cli.output import JsonOption, note, progress_bar
from netgraft.cli.search import show


def demo(
    out: Annotated[
        Path | None, typer.Option(help="Folder for the result; netgraft-demo, or netgraft-demo-2, ... by default.")
    ] = None,
    budget: Annotated[str, typer.Option(help="Time for the search.")] = "30s",
    seed: Annotated[int, typer.Option(help="Of the table and the search.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Search a front for the power draw of simulated radio sites and write it, with the tables, to a folder.

    Example: netgraft demo
    """
    from netgraft.lifecycle.demo import free_folder, search_demo
    from netgraft.units import parse_duration

    note("The power draw of 200 simulated radio sites, hour by hour; test rows are 60 sites never seen in training.")
    folder = out or free_folder()
    with progress_bar() as told:
        front = search_demo(folder, budget_s=parse_duration(budget), seed=seed, on_progress=told)
    show(front, folder, as_json=as_json)
