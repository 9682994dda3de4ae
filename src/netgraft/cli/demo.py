"""``netgraft demo``: a fleet of cells and a search from their models, on tables that the package makes itself."""

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
    budget: Annotated[str, typer.Option(help="Time for all searches.")] = "100s",
    jobs: Annotated[int, typer.Option(min=1, help="Cells searched at once.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the network, its traffic and the searches.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Simulate a radio network, search models of the load of its cells, and start a new cell's search from them.

    Example: netgraft demo
    """
    from netgraft.lifecycle.demo import FEW, STEPS, free_folder, search_demo
    from netgraft.units import parse_duration

    note(f"A simulated network of 12 cells: models of the load of 11 of them, {STEPS} periods each, come first.")
    note(f"The 12th was measured in {FEW} of them; its search starts from the others. Later periods are the test rows.")
    folder = out or free_folder()
    with progress_bar() as told:
        found = search_demo(folder, budget_s=parse_duration(budget), seed=seed, jobs=jobs, on_progress=told)
    show(found.front, found.folder, as_json=as_json)
    warm, cold = found.test_errors
    note(f"Test error of the picked point: {warm:.4f} from the other cells' models, {cold:.4f} from nothing.")
