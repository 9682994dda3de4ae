"""``netgraft key``: keys that sign what is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netgraft.cli.output import JsonOption, note, print_json

if TYPE_CHECKING:
    from netgraft.delivery.trust.accepting import TrustDocument
    from netgraft.library import Library
    from netgraft.lifecycle.rotation import Rotated

LibraryArgument = Annotated[str, typer.Argument(metavar="LIB", help="A folder, a library.toml, or a database URL.")]

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
    from netgraft.delivery.trust.accepting import SigningKey

    key = SigningKey.new()
    public = key.write(file)
    if as_json:
        print_json({"key": str(file), "public": str(public), "id": key.id})
    else:
        typer.echo(f"{file} signs, {public} is for devices; id {key.id}")


@app.command("list")
def list_keys(library: LibraryArgument, as_json: JsonOption = False) -> None:
    """List the keys that count for what a library publishes: who may replace keys, sign heads, sign stamps.

    Example: netgraft key list models
    """
    from netgraft.library import Library
    from netgraft.lifecycle.rotation import trust_of

    _show(trust_of(Library(library)), as_json=as_json)


@app.command("rotate")
def rotate_keys(
    library: LibraryArgument,
    add: Annotated[
        list[Path] | None, typer.Option(metavar="FILE.pub", help="Public key to add; may be repeated.")
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Key to remove: its file, or 8 or more digits of its id; may be repeated."),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(help="Key that signs: enough root keys of before and of now; the library's own by default."),
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="root, publisher or online; root and publisher by default.")
    ] = None,
    threshold: Annotated[int | None, typer.Option(help="How many keys must sign; as before by default.")] = None,
    days: Annotated[float, typer.Option(help="Days until the keys must be renewed.")] = 3650.0,
    trust: Annotated[
        Path | None,
        typer.Option(metavar="FILE.pub", help="A root key of before that you know, where no --key signed as one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the keys that devices believe: those that know the old ones follow, new ones get the new FILE.pub.

    Where a removed key had signed the newest version of a model, that is signed again. Add and remove in one step.

    Without --add and --remove, the time that the keys count is renewed.

    Example: netgraft key rotate models --add new.key.pub --remove old.key.pub --key old.key --key new.key
    """
    from netgraft.library import Library
    from netgraft.lifecycle.rotation import DEFAULT_ROLES, rotate

    opened = Library(library)
    rotated = rotate(
        opened,
        add=add or (),
        remove=remove or (),
        keys=key or (),
        roles=role or DEFAULT_ROLES,
        threshold=threshold,
        days=days,
        trust=trust,
    )
    for name, version in rotated.signed_again:
        note(f"signed again: {name} version {version}")
    if rotated.before.roles == rotated.document.roles:
        note(f"the keys are those of before; they count until {_day(rotated.document.expires_s)}")
    for name, why in rotated.left:
        note(f"not signed again, publish a version of it: {name}: {why}")
    _warn(opened, rotated)
    _show(rotated.document, as_json=as_json)


def _show(document: TrustDocument, *, as_json: bool) -> None:
    """Print which keys count for what."""
    if as_json:
        roles = {name: {"keys": list(each.keys), "threshold": each.threshold} for name, each in document.roles.items()}
        print_json({"version": document.version, "expires_s": document.expires_s, "roles": roles})
        return
    typer.echo(f"trust version {document.version}, until {_day(document.expires_s)}")
    for name, each in document.roles.items():
        for place, key in enumerate(each.keys):
            typer.echo(f"{name if not place else '':9}  {f'{each.threshold} of' if not place else '':4} {key}")


def _day(seconds: int) -> str:
    """Return a day in UTC."""
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):  # no year that a calendar has
        return f"{seconds:.3g} s after 1970"


def _warn(library: Library, rotated: Rotated) -> None:
    """Say which of the library's own key files do not count any more, and which still do beside an added one."""
    from netgraft.lifecycle.keyring import own_keys

    document = rotated.document
    for name, role, key in own_keys(library):
        if key.id not in document.roles[role].keys:
            what = "publish with --key from now on" if role == "publisher" else "put one that counts in its place"
            note(f"{name} does not count as {role} any more: {what}")
        if kept := rotated.kept(key.id):
            note(
                f"{name} still counts as {' and '.join(kept)} beside the added key: to withdraw it, add a further key "
                "in the same step and give devices that one"
            )
