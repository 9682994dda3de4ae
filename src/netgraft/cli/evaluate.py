"""``netgraft evaluate``: the metrics of a point on a labelled table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netgraft.cli.output import JsonOption, LimitOption, PointOption, limits_of, print_json, print_rich


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a search or of a fetch.")],
    table: Annotated[Path, typer.Argument(help="A file with the same columns and the target.")],
    point: PointOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a point on a labelled table.

    Example: netgraft evaluate netgraft-energy later.parquet --json
    """
    from netgraft.lifecycle.predict import evaluate_table

    metrics = evaluate_table(folder, table, point=point, limits=limits_of(limit))
    if as_json:
        print_json({"metrics": metrics})
        return
    from rich.table import Table

    shown = Table("metric", "value")
    for name, value in metrics.items():
        shown.add_row(name, f"{value:.5g}")
    print_rich(shown)
