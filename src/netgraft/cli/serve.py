"""``netgraft serve``: publishes the models of a library to devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_LIBRARY = "A library, as for `netgraft library`."
_RATE = "Requests per second of one client (a token, else an address); 0 for no bound."


def serve(
    library: Annotated[str, typer.Argument(metavar="LIB", help=_LIBRARY)],
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond this machine only with tokens.")
    ] = "127.0.0.1",
    require_tokens: Annotated[bool, typer.Option("--require-tokens", help="Reading needs a token, too.")] = False,
    certificate: Annotated[Path | None, typer.Option(help="PEM file of a certificate, for TLS.")] = None,
    private_key: Annotated[Path | None, typer.Option(help="PEM file of its private key.")] = None,
    rate: Annotated[float, typer.Option(help=_RATE)] = 1000,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log lines on stderr are JSON.")] = False,
) -> None:
    """Serve what a library has published until Ctrl-C or SIGTERM; prints its URL when it listens.

    Tiers with a parent server (--tier, --parent) are not part of this version.

    Example: netgraft serve models --port 8080
    """
    from netgraft.service import Limits, serve, settings_for

    settings = settings_for(
        library,
        host=host,
        port=port,
        require_tokens=require_tokens,
        certificate=certificate,
        private_key=private_key,
        limits=Limits(rate=rate),
        json_logs=json_logs,
    )
    code = serve(settings, told=lambda url: typer.echo(f"serving {library} at {url}"))
    raise typer.Exit(code)
