"""``netgraft fetch``: plans, downloads, verifies and installs a model on this device."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from netgraft.cli.connecting import (
    NameArgument,
    ServerPlanOption,
    SituationOption,
    TierOption,
    TokenOption,
    TolerantOption,
    TrustOption,
    UrlArgument,
    connected,
    print_event,
    situation_of,
)
from netgraft.cli.output import JsonOption, print_json


def fetch(
    url: UrlArgument,
    name: NameArgument,
    out: Annotated[Path, typer.Option(help="Folder of the device; one that was stopped is gone on with.")],
    situation: SituationOption = None,
    trust: TrustOption = None,
    token: TokenOption = None,
    tier: TierOption = None,
    ask_server: ServerPlanOption = False,
    tolerant: TolerantOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch the model that fits this device's situation. DIR then works with `netgraft predict`.

    Example: netgraft fetch http://127.0.0.1:8080 energy --situation device.toml --trust site.key.pub --out energy
    """
    from netgraft.delivery.store import device_folder

    said = situation_of(situation)
    with (
        device_folder(out) as folder,
        connected(
            folder,
            [url, *(tier or [])],
            name,
            said,
            trust=trust,
            token=token,
            ask_server=ask_server,
            report=print_event,
            tolerant=tolerant,
        ) as client,
    ):
        fetched = client.fetch()
    if as_json:
        print_json({"name": name, "out": str(out), **asdict(fetched)})
        return
    if fetched.cut is None:
        typer.echo(f"nothing was installed: {fetched.reason}")
        return
    typer.echo(
        f"version {fetched.version} of {name}, cut {fetched.cut}, accuracy {fetched.accuracy:.4f}, in {out}: "
        f"{fetched.received_bytes} bytes in {fetched.seconds:.2f} s. {fetched.reason}"
    )
