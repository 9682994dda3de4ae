"""``netgraft retract``: a version is offered no more."""

from __future__ import annotations

from typing import Annotated

import typer

from netgraft.cli.connecting import TokenOption
from netgraft.cli.output import JsonOption, note, print_json, say

_PLACE = "A library (folder, library.toml, database URL), or the http:// address of a server."


def retract(
    library: Annotated[str, typer.Argument(metavar="LIB", help=_PLACE)],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the published model.")],
    version: Annotated[
        int | None, typer.Option(min=1, help="The latest version, to be sure of it; by default whatever is.")
    ] = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Offer the latest version of a model no more. Its number is never free again.

    Devices that have it keep it and take nothing older: publish a better one.

    On a device itself there is `netgraft device rollback`.

    At a server this needs a token of scope admin.

    Example: netgraft retract models "site 7"
    """
    from dataclasses import asdict

    from netgraft.lifecycle.retracting import retract, retract_at

    if library.startswith(("http://", "https://")):
        gone = retract_at(library, name, version, token=token)
    else:
        from netgraft.library import Library

        gone = retract(Library(library), name, version)
    if gone.refused is not None:
        note(
            f"devices refuse version {gone.offered} of {gone.name}: {gone.refused}; publish a version of it, or where "
            "keys were replaced since: netgraft key rotate LIB --key NEW --trust OLD.pub"
        )
    if as_json:
        print_json(asdict(gone))
    else:
        left = "nothing is offered under this name now" if gone.offered is None else f"the newest is {gone.offered} now"
        say(f"retracted version {gone.version} of {gone.name}; {left}")
