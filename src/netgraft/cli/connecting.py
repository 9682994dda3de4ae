"""What `fetch` and `device run` share: a client with real clocks and a real network, and events as lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netgraft.cli.output import note

if TYPE_CHECKING:
    from netgraft.delivery.client import DeviceClient
    from netgraft.delivery.engine import Engine
    from netgraft.delivery.events import Event
    from netgraft.delivery.situation import Situation
    from netgraft.delivery.store import DeviceFolder

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
_CONNECT_S, _SILENCE_S = 5.0, 20.0


def situation_of(path: Path | None) -> Situation:
    """Return the situation of a file; one that says nothing without a file.

    Raises:
        SituationError: it is none.
    """
    from netgraft.delivery import situation

    return situation.Situation() if path is None else situation.read(path)


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

    from netgraft.delivery.client import DeviceClient
    from netgraft.delivery.planning import ServerPlanner, plan_here
    from netgraft.delivery.tiers import Tiers
    from netgraft.delivery.transport import HttpTransport
    from netgraft.delivery.trust import PublicKey

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


def print_event(event: Event) -> None:
    """Print an event as a line on stderr."""
    parts = [f"{event.kind:8}", f"{event.seconds:9.3f} s", f"{event.received_bytes:>10} bytes"]
    parts += [f"version {event.version}"] if event.version is not None else []
    parts += [f"cut {event.cut}"] if event.cut is not None else []
    parts += [f"accuracy {event.accuracy:.4f}"] if event.accuracy is not None else []
    note("  ".join([*parts, event.text]).rstrip())
