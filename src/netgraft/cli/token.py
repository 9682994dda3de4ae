"""``netgraft token``: who may ask a server for what."""

from __future__ import annotations

from typing import Annotated

import typer

from netgraft.cli.output import JsonOption, print_json

app = typer.Typer(help="Tokens for a server: who may ask it for what, until when.", no_args_is_help=True)


@app.callback()
def tokens() -> None:
    """Tokens for a server: who may ask it for what, until when."""


@app.command("new")
def new(
    scope: Annotated[str, typer.Option(help="device reads and reports, publisher uploads too, admin does everything.")],
    days: Annotated[float, typer.Option(help="How long it holds.")] = 365,
    as_json: JsonOption = False,
) -> None:
    """Make a token, signed with the secret of this user ($NETGRAFT_HOME or ~/.config/netgraft; made on first use).

    Example: netgraft token new --scope device --days 30
    """
    import time

    from netgraft.service.tokens import SECRET_FILE, home, load_secret, new_token, read_token

    secret, now_s = load_secret(home() / SECRET_FILE), time.time()
    token = new_token(secret, scope, days=days, now_s=now_s)
    claims = read_token(secret, token, now_s=now_s)
    if as_json:
        print_json({"token": token, "id": claims.id, "scope": claims.scope, "expires_s": claims.expires_s})
    else:
        typer.echo(token)
