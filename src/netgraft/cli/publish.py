"""``netgraft publish``: an entry of a library becomes a version that devices may download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netgraft.cli.output import JsonOption, note, print_json, print_rich, progress_bar, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from netgraft.library import Library
    from netgraft.lifecycle.publishing import Publication


# What is shipped may be less accurate than what was searched by so much before it is pointed out.
_MUCH_LESS = 0.01
# A root that grew from nothing in fewer steps, or passes over its rows, is no good: on a table of 120 rows 180 steps
# left it 0.10 of accuracy below the search's own point, 330 nothing (one seed).
_FEW_STEPS, _FEW_EPOCHS = 300, 2.0
_SIDE_OF_FOUR_STAGES = 32


def publish(
    library: Annotated[str, typer.Argument(metavar="LIB", help="A folder, a library.toml, or a database URL.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of an entry; of the model with --images.")],
    key: Annotated[
        list[Path] | None, typer.Option(help="Key that signs; may be repeated; the library's own by default.")
    ] = None,
    threshold: Annotated[
        int | None,
        typer.Option(min=1, help="How many keys devices require; set by the first publishing, else 1."),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="The rows, where the searched table is gone and none were kept.")
    ] = None,
    budget: Annotated[str, typer.Option(help="Time to grow the root that is shipped; more rows need more.")] = "60s",
    days: Annotated[float, typer.Option(help="Days until devices refuse this version.")] = 365.0,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="SET", help="Train on images in place of an entry: digits, cifar10, or a CIFAR-100 folder."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images, in place of a budget.")] = 30,
    tolerant: Annotated[
        bool,
        typer.Option(
            "--tolerant", help="Leave to lossy links the lowest planes whose damage costs 0.5 points at most."
        ),
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not go on from the version before.")] = False,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Publish an entry: one root of which every depth, width and number of bits works, in signed pieces.

    Example: netgraft publish models "site 7" --budget 2min
    """
    from netgraft.delivery.coding.root import Recipe
    from netgraft.delivery.coding.tolerance import Tolerance
    from netgraft.library import Library
    from netgraft.lifecycle.publishing import DeliveryRecipe, key_folder, publish
    from netgraft.root import PLANES
    from netgraft.units import parse_duration

    opened = Library(library)
    how: dict[str, Any] = {"keys": key or (), "threshold": threshold, "days": days, "seed": seed}
    how["coding"] = Recipe(planes=PLANES, tolerance=Tolerance() if tolerant else None)
    with progress_bar() as move:
        if images is None:
            move(f"growing the root that is shipped, {budget}", 0.0)
            recipe = DeliveryRecipe(seconds=parse_duration(budget))
            made = publish(opened, name, table=table, recipe=recipe, fresh=fresh, **how)
        else:
            _refuse_table(table, fresh=fresh)
            made = _publish_images(opened, name, images, epochs, move, how)
    if as_json:
        print_json(made.to_json())
        return
    if not made.is_new:
        dropped = "" if not tolerant or made.head.about.get("tolerance") else ", and --tolerant changed nothing"
        version = made.head.version
        say(f"no version was made: nothing better than version {version} was found{dropped}; --fresh grows a new root")
        return
    _print(made)
    _count(made)
    _compare(made)
    _tell_tolerance(made)
    if not key:
        path = key_folder(opened) / "publisher.key"
        note(f"signed with {path}; devices trust it by --trust {path}.pub")


def _refuse_table(table: Path | None, *, fresh: bool) -> None:
    """Refuse what images have no use for.

    Raises:
        SettingError: a table is given, or a version before is to be ignored.
    """
    from netgraft.errors import SettingError

    if table is not None or fresh:
        raise SettingError(f"--images without {'--table' if table is not None else '--fresh'} is required, got both")


def _publish_images(
    library: Library, name: str, images: str, epochs: int, move: Callable[[str, float], None], how: dict[str, Any]
) -> Publication:
    """Publish a set of images.

    Raises:
        SettingError: there is no such set, and no such folder.
    """
    from netgraft.errors import SettingError
    from netgraft.lifecycle.publishing import ImageDelivery, publish_images
    from netgraft.root.image import images_named

    is_folder = images not in ("digits", "cifar10")
    if is_folder and not Path(images).is_dir():
        raise SettingError(f"images must be digits, cifar10, or a folder of CIFAR-100, got {images!r}")
    given = images_named("cifar100", folder=Path(images)) if is_folder else images_named(images, seed=how["seed"])
    return publish_images(
        library,
        name,
        given,
        recipe=ImageDelivery(epochs=epochs, stages=3 if given.pixels < _SIDE_OF_FOUR_STAGES else 4),
        told=lambda epoch, loss: move(f"epoch {epoch} of {epochs}, loss {loss:.3f}", epoch / epochs),
        **how,
    )


def _count(made: Publication) -> None:
    """Say for how long the root was trained, and whether that was enough to be any good."""
    if made.steps is None or made.epochs is None:
        return
    parent = made.head.parent
    share = "" if parent is None else f"; going on from version {made.head.version - 1} takes a part of the budget only"
    note(f"grown in {made.seconds:.0f} s: {made.steps:,} steps, {made.epochs:,.1f} passes over the rows{share}")
    if parent is None and (made.steps < _FEW_STEPS or made.epochs < _FEW_EPOCHS):
        note(
            f"too few to be any good ({_FEW_STEPS} steps and {_FEW_EPOCHS:g} passes at least): give a longer --budget, "
            "or publish when this machine has less to do"
        )


def _compare(made: Publication) -> None:
    """Point out what is less accurate than what was there."""
    known = {"the search's own point": made.picked, f"version {made.head.version - 1}": made.before}
    for what, accuracy in known.items():
        if accuracy is not None and made.accuracy < accuracy - _MUCH_LESS:
            note(f"{what} reached {accuracy:.4f}, what is shipped {made.accuracy:.4f}; a longer --budget may help")


def _tell_tolerance(made: Publication) -> None:
    """Say which planes may arrive damaged, and what that was found to cost."""
    borne, planes = made.head.about.get("tolerance"), made.head.grid.planes
    if borne is None:
        return
    link = f"a bit error rate of {borne['bit_error_rate']:g} or {100 * borne['packet_loss']:g} % of packets lost"
    if borne["exact_planes"] == planes:
        note(f"all {planes} planes stay exact: at {link} even the lowest alone would cost too much")
    else:
        lowest, lost = planes - borne["exact_planes"], 100 * borne["lost"]
        note(f"the lowest {lowest} of {planes} planes are tolerant: at {link} the worst draw cost {lost:.2f} points")


def _print(made: Publication) -> None:
    """Print the chain of cuts."""
    from rich.table import Table

    from netgraft.units import format_quantity

    head = made.head
    table = Table(
        "cut", "chunks", "of float32", "accuracy", "95 % interval", "operations", "memory",
        box=None, pad_edge=False, padding=(0, 2, 0, 0),
    )  # fmt: skip
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
    say(f"published {head.name} version {head.version}: {table.row_count} cuts in a chain{more}")
    say(f"the head, sent once, adds {format_quantity(made.head_bytes - first, 'byte')} to every download")
    for delta in head.deltas:
        say(f"{delta.cut} from version {head.version - 1}: {format_quantity(delta.bytes, 'byte')}")
