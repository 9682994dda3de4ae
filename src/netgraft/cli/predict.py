"""``netgraft predict``: the predictions of a point for a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netgraft.cli.output import JsonOption, LimitOption, PointOption, limits_of, note, print_json


def predict(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a search or of a fetch.")],
    table: Annotated[Path, typer.Argument(help="A file with the same columns; the target is not needed.")],
    point: PointOption = None,
    limit: LimitOption = None,
    out: Annotated[Path | None, typer.Option(help="A .csv or .parquet file; CSV on stdout by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict each row of a table: `prediction`, and `probability_<class>` or the bounds of a 90 % interval.

    Example: netgraft predict netgraft-energy new.parquet --limit "size<=4KB" --out predictions.csv
    """
    from netgraft.lifecycle.predict import check_ending, predict_table, write_frame

    if out is not None:
        check_ending(out)
    frame = predict_table(folder, table, point=point, limits=limits_of(limit))
    if out is not None:
        write_frame(out, frame)
        note(f"{frame.height} predictions in {out}")
    if as_json:
        print_json({"rows": frame.height, **({"out": str(out)} if out else {"predictions": frame.to_dicts()})})
    elif out is None:
        typer.echo(frame.write_csv(), nl=False)
