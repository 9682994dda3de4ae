"""``netgraft fetch``: plans, downloads, verifies and installs a model on this device."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netgraft.cli.connecting import (
    DeviceNameOption,
    NameArgument,
    ServerPlanOption,
    SituationOption,
    TellOption,
    TierOption,
    TokenOption,
    TolerantOption,
    TrustOption,
    UrlArgument,
    check_servers,
    connected,
    event_printer,
    situation_of,
    telling,
)
from netgraft.cli.output import JsonOption, note, print_json, say, tell_error

if TYPE_CHECKING:
    from netgraft.delivery.device.client import DeviceClient
    from netgraft.delivery.device.holding import Fetched
    from netgraft.delivery.device.store import DeviceFolder


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
    tell: TellOption = False,
    device_name: DeviceNameOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the model that fits this device's situation. DIR then works with `netgraft predict`.

    Exits 0 where a model answers afterwards, also an earlier one because a new version does not fit, and says why.

    Exits 2 where it failed, also where an earlier model goes on answering, or where nothing answers.

    Example: netgraft fetch http://127.0.0.1:8080 energy --situation device.toml --trust site.key.pub --out energy
    """
    from netgraft.delivery.device.store import device_folder

    said, servers = situation_of(situation), [url, *(tier or [])]
    check_servers(servers, trust)
    with telling(
        servers, name, said, event_printer("done", "failed"), token=token, tell=tell, device=device_name
    ) as report:
        with (
            device_folder(out) as folder,
            connected(
                folder,
                servers,
                name,
                said,
                trust=trust,
                token=token,
                ask_server=ask_server,
                report=report,
                tolerant=tolerant,
            ) as client,
        ):
            fetched = _fetched(client, folder)
        code = _show(fetched, name, out, as_json=as_json)
    raise typer.Exit(code)


def _fetched(client: DeviceClient, folder: DeviceFolder) -> Fetched:
    """Fetch; say of a failure what it leaves.

    Raises:
        NetgraftError: it failed.
    """
    from netgraft.errors import NetgraftError

    try:
        return client.fetch()
    except NetgraftError:
        if (active := folder.state.active) is not None:
            note(f"version {active.version} goes on answering from {folder.path}")
        raise


def _show(fetched: Fetched, name: str, out: Path, *, as_json: bool) -> int:
    """Print how a fetch ended and return the exit code: 2 where nothing answers."""
    said = {"name": name, "out": str(out), **asdict(fetched)}
    if fetched.cut is None and fetched.decision != "server":
        error = f"a model that can be installed is required, got none and nothing answers: {fetched.reason}"
        if as_json:
            print_json({**said, "error": error})
        return tell_error(error)
    if as_json:
        print_json(said)
    elif fetched.cut is None:
        say(f"nothing was installed in {out}: {fetched.reason}")
    else:
        say(f"version {fetched.version} of {name}, cut {fetched.cut}, accuracy {fetched.accuracy:.4f}, in {out}")
        say(f"{fetched.reason} {fetched.received_bytes:,} bytes came in {fetched.seconds:.2f} s.")
    return 0
