"""``netgraft device run``: a device that keeps answering while its model changes under it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from netgraft.cli.output import note

if TYPE_CHECKING:
    from netgraft.delivery.device.answering import AnswerServer
    from netgraft.delivery.device.client import DeviceClient
    from netgraft.delivery.device.engine import Engine
    from netgraft.delivery.device.events import Event
    from netgraft.delivery.device.store import DeviceFolder

_READY_LOOK_S = 0.01
_GOODBYE_S = 1.0


def run_device(
    url: UrlArgument,
    name: NameArgument,
    situation: SituationOption = None,
    trust: TrustOption = None,
    token: TokenOption = None,
    tier: TierOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the device; netgraft-device-NAME by default.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Answer HTTP on this port of 127.0.0.1 (0: any) instead of stdin."),
    ] = None,
    poll: Annotated[str, typer.Option(help="Time between two looks for a new version.")] = "5s",
    confidence: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Let a row leave the network early once a class is this likely."),
    ] = None,
    ask_server: ServerPlanOption = False,
    tolerant: TolerantOption = False,
    tell: TellOption = False,
    device_name: DeviceNameOption = None,
) -> None:
    """Answer rows with the newest model: one JSON object per line in, one out, with the version and cut that said it.

    After a stop or a kill it answers from its folder at once, before any network.

    Example: netgraft device run http://127.0.0.1:8080 energy --situation device.toml --port 9000
    """
    from urllib.parse import quote

    from netgraft.delivery.device.engine import Engine
    from netgraft.delivery.device.store import device_folder
    from netgraft.units import parse_duration

    poll_s, said, servers = parse_duration(poll), situation_of(situation), [url, *(tier or [])]
    check_servers(servers, trust)
    stop, engine = threading.Event(), Engine(memory_bytes=said.memory_bytes)
    with (
        nullcontext() if port is None else _listening(engine, port) as server,
        telling(servers, name, said, event_printer("failed"), token=token, tell=tell, device=device_name) as report,
        device_folder(out or Path(f"netgraft-device-{quote(name, safe='')}")) as folder,
    ):
        _restore(folder, engine, confidence, report, tolerant=tolerant)
        if engine.live is None:
            note(f"no model yet: waits for {name!r} from {', '.join(servers)}")
        _run(
            engine,
            stop,
            server,
            poll_s=poll_s,
            # the network's libraries are loaded in the thread: a device that has a model answers before
            connect=lambda: connected(
                folder,
                servers,
                name,
                said,
                trust=trust,
                token=token,
                ask_server=ask_server,
                report=report,
                sleep=stop.wait,
                engine=engine,
                confidence=confidence,
                tolerant=tolerant,
            ),
        )


def _restore(
    folder: DeviceFolder,
    engine: Engine,
    confidence: float | None,
    report: Callable[[Event], None],
    *,
    tolerant: bool,
) -> None:
    """Let what the folder holds answer, before any network."""
    from netgraft.delivery.device.events import Event
    from netgraft.delivery.device.restoring import restore
    from netgraft.errors import StorageError

    try:
        restored = restore(folder, confidence, tolerant=tolerant)
    except StorageError as error:  # a fetch makes it whole again
        note(f"nothing answers from the folder: {' '.join(str(error).split())}")
        return
    if restored is None:
        return
    live = restored.live
    engine.swap(live)
    note(f"answering from the folder ({restored.how}): version {live.version} {live.cut}")
    if restored.how == "previous":
        report(Event("rolled-back", 0.0, 0, live.version, live.cut, text="the later version is damaged"))


#: Opens a client.
Connect = Callable[[], AbstractContextManager["DeviceClient"]]


def _run(
    engine: Engine, stop: threading.Event, server: AnswerServer | None, *, poll_s: float, connect: Connect
) -> None:
    """Answer until the input ends or a signal comes, while a thread follows the newest version."""
    gave_up: list[Exception] = []
    follower = threading.Thread(target=_follow, args=(connect, engine, stop, poll_s, gave_up), daemon=True)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        follower.start()
        if server is None:
            _answer_stdin(engine, stop)
        else:
            _answer_http(server, stop)
    finally:
        stop.set()
        if follower.ident is not None:
            follower.join(timeout=_GOODBYE_S)
        signal.signal(signal.SIGTERM, before)
    if gave_up:
        raise gave_up[0]


def _follow(connect: Connect, engine: Engine, stop: threading.Event, poll_s: float, gave_up: list[Exception]) -> None:
    """Follow the newest version; without any model every fault but the network's ends the run."""
    from netgraft.delivery.device.following import follow

    error: Exception | None
    try:
        with connect() as client:
            error = follow(
                client,
                poll_s=poll_s,
                wait=stop.wait,
                told=lambda error: note(_going_on(error, engine)),
                answers=lambda: engine.live is not None,
            )
    except Exception as fault:  # in a thread nobody else would hear of it
        error = fault
        note(f"follows no further version: {type(fault).__name__}: {' '.join(str(fault).split())}")
    if error is not None:
        gave_up.append(error)
        if engine.live is None:
            stop.set()


def _going_on(error: Exception, engine: Engine) -> str:
    """Return what is said of a failure."""
    live, text = engine.live, " ".join(str(error).split())
    if live is None:
        return f"no model yet, asks again: {text}"
    return f"version {live.version} goes on answering: {text}"


def _answer_stdin(engine: Engine, stop: threading.Event) -> None:
    """Answer the lines of stdin; the first waits for a model."""
    from netgraft.delivery.device.answering import answer_lines

    while engine.live is None and not stop.wait(_READY_LOOK_S):
        pass
    if engine.live is not None:
        answer_lines(engine, sys.stdin, _write)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _listening(engine: Engine, port: int) -> AnswerServer:
    """Return a server that has its port, before a folder is made and anything fetched.

    Raises:
        OutputError: the port is taken.
    """
    from netgraft.delivery.device.answering import AnswerServer
    from netgraft.errors import OutputError

    try:
        return AnswerServer(engine, port)
    except OSError as error:
        raise OutputError(f"a free port is required, got {port}: {error.strerror}") from error


def _answer_http(server: AnswerServer, stop: threading.Event) -> None:
    """Answer on a port until the run ends."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    typer.echo(server.url)
    sys.stdout.flush()
    try:
        stop.wait()
    finally:
        server.shutdown()


def _interrupt(*_: Any) -> None:
    """Take SIGTERM for Ctrl-C: the same orderly end."""
    raise KeyboardInterrupt
