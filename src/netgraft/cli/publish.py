"""``netgraft publish``: an entry of a library becomes a version that devices may download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netgraft.cli.output import JsonOption, note, print_json, print_rich, progress_bar

if TYPE_CHECKING:
    from netgraft.lifecycle.publishing import Publication


# What is shipped may be less accurate than what was searched by so much before it is pointed out.
_MUCH_LESS = 0.01


def publish(
    library: Annotated[str, typer.Argument(metavar="LIB", help="A folder, a library.toml, or a database URL.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of an entry.")],
    key: Annotated[
        list[Path] | None, typer.Option(help="Key that signs; may be repeated; the library's own by default.")
    ] = None,
    threshold: Annotated[int, typer.Option(help="How many keys devices require; set by the first publishing.")] = 1,
    table: Annotated[
        Path | None, typer.Option(help="The rows, where the searched table is gone and none were kept.")
    ] = None,
    budget: Annotated[str, typer.Option(help="Time to grow the root that is shipped.")] = "60s",
    days: Annotated[float, typer.Option(help="Days until devices refuse this version.")] = 365.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not go on from the version before.")] = False,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Publish an entry: one root of which every depth, width and number of bits works, in signed pieces.

    Example: netgraft publish models "site 7" --budget 2min
    """
    from netgraft.library import Library
    from netgraft.lifecycle.publishing import DeliveryRecipe, key_folder, publish
    from netgraft.units import parse_duration

    opened = Library(library)
    recipe = DeliveryRecipe(seconds=parse_duration(budget))
    with progress_bar() as move:
        move(f"growing the root that is shipped, {budget}", 0.0)
        made = publish(
            opened,
            name,
            table=table,
            keys=key or (),
            threshold=threshold,
            days=days,
            recipe=recipe,
            fresh=fresh,
            seed=seed,
        )
    if as_json:
        print_json(made.to_json())
        return
    _print(made)
    if made.is_new:
        _compare(made)
    else:
        note(
            f"no version was made: nothing better than version {made.head.version} was found; --fresh grows a new root"
        )
    if not key:
        path = key_folder(opened) / "publisher.key"
        note(f"signed with {path}; devices trust it by --trust {path}.pub")


def _compare(made: Publication) -> None:
    """Point out what is less accurate than what was there."""
    known = {"the search's own point": made.picked, f"version {made.head.version - 1}": made.before}
    for what, accuracy in known.items():
        if accuracy is not None and made.accuracy < accuracy - _MUCH_LESS:
            note(f"{what} reached {accuracy:.4f}, what is shipped {made.accuracy:.4f}; a longer --budget may help")


def _print(made: Publication) -> None:
    """Print the chain of cuts."""
    from rich.table import Table

    from netgraft.units import format_quantity

    head = made.head
    table = Table("cut", "chunks", "of float32", "accuracy", "95 % interval", "operations", "memory")
    for cut in (cut for cut in head.cuts if cut.chain):
        table.add_row(
            cut.id,
            format_quantity(cut.bytes, "byte"),
            f"{100 * cut.bytes / head.full_bytes:.1f} %",
            f"{cut.accuracy:.4f}",
            f"{cut.low:.4f} to {cut.high:.4f}",
            f"{cut.operations:,}",
            format_quantity(cut.memory_bytes, "byte"),
        )
    print_rich(table)
    others = len(head.cuts) - table.row_count
    first = head.chunks[0].bytes
    more = f", {others} more for other limits" if others else ""
    typer.echo(
        f"published {head.name} version {head.version}: {table.row_count} cuts in a chain{more}; "
        f"the head, sent once, adds {format_quantity(made.head_bytes - first, 'byte')} to every download"
    )
    for delta in head.deltas:
        typer.echo(f"{delta.cut} from version {head.version - 1}: {format_quantity(delta.bytes, 'byte')}")
