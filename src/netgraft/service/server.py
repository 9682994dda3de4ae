"""Runs both planes on one port until a signal comes; answers that are being made are finished first."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from netgraft.delivery.offering.requests import opening_at_hand
from netgraft.delivery.offering.shelf import Shelf, Stamps
from netgraft.errors import SettingError, TrustError
from netgraft.service.access import Gate
from netgraft.service.journal import LOG, TelemetryFile, log_no_more, log_to
from netgraft.service.settings import Settings

if TYPE_CHECKING:
    import uvicorn

    from netgraft.delivery.trust.accepting import SigningKey

_READERS = 4
_GRACE_S = 30
_INTERRUPTED = 130
#: uvicorn's own watch over idle connections must never end one that the chunk plane is using.
_NEVER_S = 10**8


def serve(
    settings: Settings, *, told: Callable[[str], None], log: TextIO | None = None, stop: asyncio.Event | None = None
) -> int:
    """Serve until SIGTERM or SIGINT comes, and return the exit code: 0, or 130 after SIGINT.

    Args:
        settings: how.
        told: called with the URL as soon as the server listens.
        log: where log lines go; stderr by default.
        stop: for a server in a thread, where signals never arrive: set it (from the server's loop) to stop.

    Raises:
        SettingError: the address cannot be listened on, or the files for TLS are not usable.
    """
    bound = _listening(settings.host, settings.port)
    handler = log_to(sys.stderr if log is None else log, as_json=settings.json_logs)
    readers, ended = ThreadPoolExecutor(_READERS, thread_name_prefix="chunks"), threading.Event()
    try:
        shelf = Shelf(settings.published)
        server = _built(settings, readers, shelf)
        readers.submit(shelf.warm, time.time(), ended.is_set)  # so that no device waits for the opening of a large head
        scheme = "https" if settings.certificate else "http"
        host, port = bound.getsockname()[:2]
        url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        with _signals(server) as came:
            listening = _until_stopped(server, bound, lambda: told(url), stop)
            asyncio_run(listening, server.config, handshake_s=settings.limits.request_s)
        return _INTERRUPTED if signal.SIGINT in came else 0
    finally:
        ended.set()  # Python waits for the threads of a pool when it exits
        readers.shutdown(wait=False, cancel_futures=True)
        bound.close()
        log_no_more(handler)


def asyncio_run(main: Any, config: uvicorn.Config, *, handshake_s: float) -> None:
    """Run a coroutine in the event loop that uvicorn would choose; a handshake of TLS must be done in time."""
    made = config.get_loop_factory() or asyncio.new_event_loop

    def hurried() -> asyncio.AbstractEventLoop:
        loop = made()
        if config.is_ssl:  # uvicorn has no setting for it
            listen = partial(loop.create_server, ssl_handshake_timeout=handshake_s)
            loop.create_server = listen  # type: ignore[method-assign]
        return loop

    with asyncio.Runner(loop_factory=hurried) as runner:
        runner.run(main)


async def _until_stopped(
    server: uvicorn.Server, bound: socket.socket, listening: Callable[[], None], stop: asyncio.Event | None
) -> None:
    """Run a server; tell when it listens; end it when the event is set."""
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.001)
    if server.started:
        listening()
    if stop is not None:
        await asyncio.wait({serving, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
    await serving


def _built(settings: Settings, readers: ThreadPoolExecutor, shelf: Shelf) -> uvicorn.Server:
    """Return the server with both planes."""
    import uvicorn

    from netgraft import __version__
    from netgraft.service.app import create_app
    from netgraft.service.broken import BrokenChunks
    from netgraft.service.chunks import ChunkProtocol
    from netgraft.service.metrics import Metrics
    from netgraft.service.plane import Plane
    from netgraft.service.watch import Service

    metrics = Metrics()
    gate = Gate(
        settings.limits,
        secret=settings.secret,
        require_tokens=settings.require_tokens,
        wall_s=time.time,
        steady_s=time.perf_counter,
    )
    stamps = Stamps(partial(online_key, settings.online_key))
    plane = Plane(
        published=settings.published,
        gate=gate,
        limits=settings.limits,
        metrics=metrics,
        steady_s=time.perf_counter,
        wall_s=time.time,
        executor=readers,
        broken=BrokenChunks(metrics),
        offered=shelf.offers,
        opening=lambda name, held: opening_at_hand(shelf, stamps, name, held, now_s=time.time()),
        dropped=lambda address, why: LOG.warning("dropped", extra={"fields": {"client": address, "why": why}}),
    )
    service = Service(
        shelf=shelf,
        stamps=stamps,
        gate=gate,
        limits=settings.limits,
        metrics=metrics,
        chunk=plane.chunk,
        telemetry=TelemetryFile(settings.telemetry),
        wall_s=time.time,
        steady_s=time.perf_counter,
        version=__version__,
    )
    config = uvicorn.Config(
        create_app(service),
        http=partial(ChunkProtocol, plane),  # type: ignore[arg-type]  # it is called as a class would be
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_NEVER_S,
        timeout_graceful_shutdown=_GRACE_S,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.private_key,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise SettingError(f"a certificate and its private key are required, got {error}") from error
    return uvicorn.Server(config)


def online_key(path: Path) -> SigningKey:
    """Return the key that signs stamps; it is read anew each time, because it may come after the server.

    Raises:
        TrustError: there is none, or it cannot be read.
    """
    from netgraft.delivery.trust.accepting import SigningKey

    if not path.exists():
        raise TrustError(
            f"an online key is required to sign stamps, got no file {path.name}; netgraft publish makes it"
        )
    try:
        return SigningKey.read(path)
    except TrustError as error:
        LOG.warning("online key not read", extra={"fields": {"why": str(error)}})
        raise TrustError(f"an online key that can be read is required to sign stamps, got {path.name}") from error


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that is bound.

    Raises:
        SettingError: the address is taken or is none of this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        bound = socket.socket(family, kind)
    except OSError as error:
        raise SettingError(f"an address of this machine is required, got {host}: {error}") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise SettingError(f"a free address is required, got {host} port {port}: {error.strerror}") from error
    return bound


@contextmanager
def _signals(server: uvicorn.Server) -> Iterator[list[int]]:
    """Collect the signals that end the server; uvicorn raises them again when it has ended, which must not kill us."""
    came: list[int] = []

    def collect(number: int, _frame: Any) -> None:
        came.append(number)
        server.should_exit = True

    try:
        before = {number: signal.signal(number, collect) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: signals never arrive
        yield came
        return
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
