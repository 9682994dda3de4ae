"""What `fetch` and `device run` share: a client with real clocks and a real network, and events as lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netgraft.cli.output import note

if TYPE_CHECKING:
    from netgraft.delivery.device.client import DeviceClient
    from netgraft.delivery.device.engine import Engine
    from netgraft.delivery.device.events import Event, Kind
    from netgraft.delivery.device.store import DeviceFolder
    from netgraft.delivery.exchange.transport import HttpTransport
    from netgraft.delivery.planning.situation import Situation

UrlArgument = Annotated[str, typer.Argument(metavar="URL", help="Address of the server, such as http://edge:8080.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")]
SituationOption = Annotated[
    Path | None, typer.Option(help="A TOML or JSON file that says what the device and its link are like.")
]
TrustOption = Annotated[
    Path | None,
    typer.Option(metavar="PUBLIC_KEY", help="The only root key to believe; without it the first one that comes."),
]
TokenOption = Annotated[str | None, typer.Option(envvar="NETGRAFT_TOKEN", help="For a server that wants one.")]
TierOption = Annotated[
    list[str] | None, typer.Option(metavar="URL", help="A further server to ask when the first fails; in their order.")
]
ServerPlanOption = Annotated[bool, typer.Option("--ask-server", help="Let the server plan instead of the device.")]
TolerantOption = Annotated[
    bool,
    typer.Option("--tolerant", help="Take chunks that tolerate wrong bits with some; else none may have any."),
]
TellOption = Annotated[
    bool,
    typer.Option("--tell", help="Tell the server what happens (started, usable, done, failed, ...); no data, ever."),
]
DeviceNameOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="With --tell, the name by which the server knows this device.")
]
_CONNECT_S, _SILENCE_S = 5.0, 20.0
_TOLD_WITHIN_S, _GOODBYE_S = 5.0, 2.0


def situation_of(path: Path | None) -> Situation:
    """Return the situation of a file; one that says nothing without a file.

    Raises:
        SituationError: it is none.
    """
    from netgraft.delivery.planning import situation

    return situation.Situation() if path is None else situation.read(path)


def check_servers(servers: Sequence[str], trust: Path | None) -> None:
    """Check what a client needs before a folder is made for it.

    Raises:
        TrustError: the key file holds no public key.
        SettingError: an address is none.
    """
    from netgraft.delivery.exchange.tiers import check_addresses

    check_addresses(servers)
    if trust is not None:
        from netgraft.delivery.trust.keys import PublicKey

        PublicKey.read(trust)


@contextmanager
def connected(
    folder: DeviceFolder,
    servers: Sequence[str],
    name: str,
    situation: Situation,
    *,
    trust: Path | None,
    token: str | None,
    ask_server: bool,
    report: Callable[[Event], None],
    sleep: Callable[[float], Any] = time.sleep,
    engine: Engine | None = None,
    confidence: float | None = None,
    tolerant: bool = False,
) -> Iterator[DeviceClient]:
    """Give a client on the real network.

    Raises:
        TrustError: the key file holds no public key.
        SettingError: an address is none.
        StorageError: the folder is of another model.
    """
    import httpx
    import numpy as np

    from netgraft.delivery.device.client import DeviceClient
    from netgraft.delivery.device.deciding import ServerPlanner, plan_here
    from netgraft.delivery.exchange.tiers import Tiers
    from netgraft.delivery.exchange.transport import HttpTransport
    from netgraft.delivery.trust.accepting import PublicKey

    trusted = None if trust is None else PublicKey.read(trust)
    with httpx.Client(timeout=httpx.Timeout(_SILENCE_S, connect=_CONNECT_S)) as client:
        transport = HttpTransport(client, time.monotonic, token)
        tiers = Tiers(transport, servers, sleep=sleep, generator=np.random.default_rng())
        yield DeviceClient(
            folder,
            tiers,
            name,
            situation,
            ServerPlanner(tiers) if ask_server else plan_here,
            clock=time.time,
            elapsed=time.monotonic,
            report=report,
            trusted=trusted,
            engine=engine,
            confidence=confidence,
            tolerant=tolerant,
        )


@contextmanager
def telling(
    servers: Sequence[str],
    name: str,
    situation: Situation,
    report: Callable[[Event], None],
    *,
    token: str | None,
    tell: bool,
    device: str | None,
) -> Iterator[Callable[[Event], None]]:
    """Give a function that reports an event, and tells a server of it where the owner wants that.

    A server is told beside the work; at the end it gets two seconds for what it was not told yet.

    Raises:
        SettingError: the device has a name but nothing is told.
        SituationError: the name of the device is empty or too long.
    """
    from netgraft.errors import SettingError

    if device is not None and not tell:
        raise SettingError(f"--tell is required with the name of a device, got --device-name {device!r} alone")
    if tell and situation.data_budget_bytes is not None:
        note("nothing is told: the situation has a data budget, and telling would take from it")
    if not tell or situation.data_budget_bytes is not None:
        yield report
        return
    from netgraft.delivery.device.telling import Teller

    teller = Teller(partial(_asking, token), servers, name, device=device)

    def both(event: Event) -> None:
        report(event)
        teller.tell(event)

    try:
        yield both
    finally:
        teller.close(_GOODBYE_S)
        if teller.dropped:
            note(f"{teller.dropped} event(s) were not told: {teller.fault}")


@contextmanager
def _asking(token: str | None) -> Iterator[HttpTransport]:
    """Give what asks one short question over the network."""
    import httpx

    from netgraft.delivery.exchange.transport import HttpTransport

    with httpx.Client(timeout=_TOLD_WITHIN_S) as client:
        yield HttpTransport(client, time.monotonic, token)


def event_printer(*silent: Kind) -> Callable[[Event], None]:
    """Return a function that prints events as lines on stderr.

    What was said in the line before is not said again, nor are the words of some kinds, which are said elsewhere.

    Args:
        silent: these kinds.
    """
    before = ""

    def show(event: Event) -> None:
        nonlocal before
        text = "" if event.kind in silent else event.text
        _print_event(replace(event, text="as before" if text and text == before else text))
        before = text

    return show


def _print_event(event: Event) -> None:
    """Print an event as a line."""
    parts = [f"{event.kind:11}{event.seconds:8.3f} s {event.received_bytes:>9} bytes"]
    parts += [f"version {event.version}"] if event.version is not None else []
    parts += [f"cut {event.cut}"] if event.cut is not None else []
    parts += [f"accuracy {event.accuracy:.4f}"] if event.accuracy is not None else []
    note("  ".join([*parts, event.text]).rstrip())
