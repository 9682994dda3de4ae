"""``netgraft report``: writes the report of a folder again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netgraft.cli.output import JsonOption, print_json


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a search.")],
    as_json: JsonOption = False,
) -> None:
    """Write report.html again from what the folder holds.

    Example: netgraft report netgraft-energy
    """
    from netgraft.lifecycle.job import rewrite_report

    path = rewrite_report(folder)
    if as_json:
        print_json({"report": str(path)})
    else:
        typer.echo(str(path))
