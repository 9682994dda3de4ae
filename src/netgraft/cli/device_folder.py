"""``netgraft device status``, ``check`` and ``rollback``: the folder of a device, without any network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netgraft.cli.connecting import TolerantOption
from netgraft.cli.output import JsonOption, print_fields, print_json, say, tell_error

if TYPE_CHECKING:
    from netgraft.delivery.device.inspecting import Status
    from netgraft.delivery.device.state import Installed

_UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))

FolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of a device, such as --out of `netgraft fetch`.")
]


def status(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Say what answers in a device's folder, what came before it, and whom the device believes.

    A device that works there is not disturbed.

    Example: netgraft device status energy
    """
    import time

    from netgraft.delivery.device.inspecting import status_of

    found = status_of(folder)
    if as_json:
        print_json(found.to_json())
    else:
        print_fields(_fields(found, time.time()))


def check(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Check the hashes of a device's folder: heads, chunks, both slots, and the signature of the active version.

    One line per fault; exits 2 where there is one. Nothing is changed.

    The next fetch brings what is damaged again.

    Example: netgraft device check energy
    """
    from netgraft.delivery.device.inspecting import inspect
    from netgraft.errors import StorageError

    found = inspect(folder)
    counts = {"heads": found.heads, "chunks": found.chunks, "models": found.models}
    if not as_json:
        say("whole: " + ", ".join(f"{what} {count}" for what, count in counts.items()))
        for line in found.faults:
            say(line)
    if not found.faults:
        if as_json:
            print_json({**counts, "faults": []})
        return
    error = StorageError(f"a whole folder is required, got {folder} with {len(found.faults)} fault(s)")
    if as_json:
        print_json({**counts, "faults": list(found.faults), "error": str(error)})
    raise typer.Exit(tell_error(error))


def rollback(
    folder: FolderArgument,
    undo: Annotated[
        bool, typer.Option("--undo", help="Go forward again, to the version that was rolled back from.")
    ] = False,
    tolerant: TolerantOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go back to the version before the one that answers, and stay there until a later one comes.

    What was rolled back from is not installed again, unless --undo says so.

    A `device run` in the folder must be stopped before.

    Example: netgraft device rollback energy
    """
    from netgraft.delivery.device.restoring import refuse_active, take_back
    from netgraft.delivery.device.store import device_folder, holder_of

    holder_of(folder)  # says so where it is no device's, instead of making it one
    with device_folder(folder) as opened:
        live = take_back(opened, tolerant=tolerant) if undo else refuse_active(opened, tolerant=tolerant)
        active, refused = opened.state.active, opened.state.refused
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "version": None if active is None else active.version,
                "cut": None if active is None else active.cut,
                "refused": None if refused is None else refused.version,
            }
        )
    elif live is None:
        say("no version is refused any more; the next fetch installs the newest")
    else:
        stays = "" if refused is None else f"; version {refused.version} is refused until a later one comes"
        say(f"version {live.version} {live.cut} answers{stays}")


def _fields(found: Status, now_s: float) -> list[tuple[str, str]]:
    """Return what is said to people, as names and texts."""
    from netgraft.units import format_quantity

    state = found.state
    said = [("model", state.name or "none was fetched yet"), ("answers", _installed(state.active))]
    if found.head is not None:
        said.append(("expires", _moment(found.head.expires_s, now_s)))
    said.append(("before it", _installed(state.previous)))
    if state.refused is not None:
        said.append(("refused", f"version {state.refused.version}, until a later one comes"))
    said.append(("on disk", format_quantity(found.stored_bytes, "byte")))
    if found.holder is not None:
        said.append(("in use", f"by process {found.holder or 'unknown'}"))
    document, seen = state.trust.trust, state.trust.seen.get(state.name)
    if document is not None:
        said.append(("trust", f"version {document.version}, expires {_moment(document.expires_s, now_s)}"))
        for name, role in document.roles.items():
            keys = ", ".join(f"{key[:16]}..." for key in role.keys)
            said.append((f"  {name}", f"{role.threshold} of {keys}"))
    if seen is not None:
        said.append(("stamp", f"version {seen.version}, signed {_moment(seen.issued_s, now_s)}"))
    return said


def _installed(model: Installed | None) -> str:
    if model is None:
        return "nothing"
    return f"version {model.version}, cut {model.cut}, accuracy {model.accuracy:.4f}"


def _moment(seconds: float, now_s: float) -> str:
    """Return a time in UTC, and how far off it is."""
    from datetime import UTC, datetime

    if not seconds:
        return "never"
    try:
        when = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):  # no year that a calendar has
        return f"{seconds:.3g} s after 1970"
    away = abs(seconds - now_s)
    size, unit = next(((size, unit) for size, unit in _UNITS if away >= 2 * size), (1, "seconds"))
    count = f"{away / size:.0f}"
    far = f"{count} {unit if count != '1' else unit.removesuffix('s')}"
    return f"{when} ({'in ' + far if seconds > now_s else far + ' ago'})"
