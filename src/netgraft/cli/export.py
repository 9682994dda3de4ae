"""``netgraft export``: a point as a file that other programs run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netgraft.cli.output import JsonOption, LimitOption, PointOption, limits_of, note, print_json


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a search or of a fetch.")],
    form: Annotated[str, typer.Option("--format", help="onnx, or safetensors: a folder of weights and JSON.")],
    out: Annotated[Path, typer.Option(help="Where to.")],
    point: PointOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a point: raw columns in, prediction out.

    Example: netgraft export netgraft-energy --format onnx --out energy.onnx
    """
    from netgraft.lifecycle.export import export_point

    name, model = export_point(folder, out, form=form, point=point, limits=limits_of(limit))
    if as_json:
        print_json({"point": name, "format": form, "size": model.size_bytes, "out": str(out)})
    else:
        note(f"point {name} ({model.size_bytes} bytes of weights) as {form} in {out}")
