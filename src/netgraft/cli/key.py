"""``netgraft key``: keys that sign what is published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netgraft.cli.output import JsonOption, print_json

app = typer.Typer(help="Keys that sign what is published.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Keys that sign what is published."""


@app.command("new")
def new_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file for the secret half; keep it safe.")],
    as_json: JsonOption = False,
) -> None:
    """Make an Ed25519 key: FILE (for its owner only) signs, FILE.pub tells devices whom to trust.

    Example: netgraft key new site.key
    """
    from netgraft.delivery.trust import SigningKey

    key = SigningKey.new()
    public = key.write(file)
    if as_json:
        print_json({"key": str(file), "public": str(public), "id": key.id})
    else:
        typer.echo(f"{file} signs, {public} is for devices; id {key.id}")
