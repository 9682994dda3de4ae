"""``netgraft library``: earlier models to start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netgraft.cli.output import JsonOption, print_json, print_rich, tell_error

if TYPE_CHECKING:
    from netgraft.library import CheckReport, Entry, Heading

# The nearest entries whose gain is estimated, and those shown.
_GAINS, _SHOWN = 5, 30

app = typer.Typer(
    help="A library of earlier models: a folder, or a database and an object store.", no_args_is_help=True
)

LibraryArgument = Annotated[str, typer.Argument(metavar="LIB", help="A folder, a library.toml, or a database URL.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of an entry.")]


@app.command("init")
def init_library(
    library: LibraryArgument,
    database: Annotated[str | None, typer.Option(help="URL of a database for the index.")] = None,
    blobs: Annotated[str | None, typer.Option(help="Folder or URL of an object store for the files.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a library: a new folder, or with URLs a database and an object store.

    Example: netgraft library init models --database postgresql://netgraft@db/models --blobs s3://bucket/models
    """
    from netgraft.library import Library

    made = Library.init(library, database=database, blobs=blobs)
    if as_json:
        print_json({"library": made.label, "blobs": made.blobs.address})
    else:
        typer.echo(f"made {made.label}, files in {made.blobs.address}")


@app.command("add")
def add_entry(
    library: LibraryArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished search.")],
    name: Annotated[str, typer.Option(help="Name of the entry.")],
    domain: Annotated[str | None, typer.Option(help="Where the rows come from, such as a site.")] = None,
    keep_rows: Annotated[int, typer.Option(help="Rows to keep for later transfers; none by default.")] = 0,
    licence: Annotated[str | None, typer.Option(help="Licence of the data.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a finished search: its models, its root and where its data lie; no rows unless asked.

    Example: netgraft library add models netgraft-energy --name "site 7" --domain Type4 --keep-rows 1000
    """
    from netgraft.library import Library
    from netgraft.lifecycle.shelf import add_to_library

    entry = add_to_library(Library(library), folder, name, domain=domain, keep_rows=keep_rows, licence=licence)
    if as_json:
        print_json(entry.to_json())
    else:
        typer.echo(f"added {entry.name}: {len(entry.files)} files, {entry.size_bytes / 1000:.0f} KB")


@app.command("similar")
def similar_entries(
    library: LibraryArgument,
    table: Annotated[Path, typer.Argument(help="A .csv, .tsv, .parquet, .arrow or .feather file.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    kind: Annotated[str, typer.Option(help="auto, regression or classification.")] = "auto",
    drop: Annotated[list[str] | None, typer.Option(help="A column to leave out; may be repeated.")] = None,
    group: Annotated[str | None, typer.Option(help="Rows with one value of this column belong together.")] = None,
    time: Annotated[str | None, typer.Option(help="The column of times.")] = None,
    weight: Annotated[str | None, typer.Option(help="How often each row counts.")] = None,
    lag: Annotated[int, typer.Option(help="How many earlier rows of the same group are inputs.")] = 0,
    na: Annotated[list[str] | None, typer.Option(help="A value that means missing; may be repeated.")] = None,
    measure: Annotated[str, typer.Option(help="What tells how far apart data lie.")] = "sketch",
    as_json: JsonOption = False,
) -> None:
    """Rank the entries of a library as sources for a table, the most similar first.

    Example: netgraft library similar models new-site.parquet --target Energy --group BS
    """
    from netgraft.library import Library
    from netgraft.lifecycle.ranking import rank_sources
    from netgraft.tables import Task

    opened = Library(library)
    task = Task.read(
        table,
        target=target,
        kind=kind,  # type: ignore[arg-type]  # checked there
        drop=drop or (),
        group=group,
        time=time,
        weight=weight,
        lag=lag,
        na=na or (),
    )
    ranked = rank_sources(opened, task, measure, gains=_GAINS)
    if as_json:
        print_json({"measure": measure, "ranked": [asdict(each) for each in ranked]})
    else:
        _print_ranked(measure, [asdict(each) for each in ranked])


@app.command("list")
def list_entries(
    library: LibraryArgument,
    domain: Annotated[str | None, typer.Option(help="Only entries of this domain.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only entries of this kind, such as regression.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the entries of a library.

    Example: netgraft library list models --kind regression
    """
    from netgraft.library import Library

    headings = Library(library).list(domain, kind)
    if as_json:
        print_json({"entries": [heading._asdict() for heading in headings]})
    else:
        _print_headings(headings)


@app.command("show")
def show_entry(library: LibraryArgument, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show everything that is known of an entry.

    Example: netgraft library show models "site 7"
    """
    from netgraft.library import Library

    entry = Library(library).get(name)
    if as_json:
        print_json(entry.to_json())
    else:
        _print_entry(entry)


@app.command("remove")
def remove_entry(library: LibraryArgument, name: NameArgument, as_json: JsonOption = False) -> None:
    """Remove an entry, and its files that no other entry has.

    Example: netgraft library remove models "site 7"
    """
    from netgraft.library import Library

    Library(library).remove(name)
    if as_json:
        print_json({"removed": name})
    else:
        typer.echo(f"removed {name}")


@app.command("check")
def check_library(
    library: LibraryArgument,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what can be, mark what cannot.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check every hash of a library. Exits 2 when an entry must not be used.

    Example: netgraft library check models --repair
    """
    from netgraft.errors import LibraryError
    from netgraft.library import Library

    report = Library.mend(library) if repair else Library(library).check()
    if not report.unusable:
        _print_checked(report, as_json=as_json)
        return
    error = LibraryError(
        f"a library of whole entries is required, got {len(report.unusable)} of {report.entries} that must not be"
        f" used, first {report.unusable[0]!r}"
    )
    _print_checked(report, as_json=as_json, error=str(error))
    raise typer.Exit(tell_error(error))


def _print_ranked(measure: str, ranked: Sequence[Mapping[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("name", f"distance ({measure})", "expected gain")
    for each in ranked[:_SHOWN]:
        gain = each["expected_gain"]
        table.add_row(Text(each["name"]), f"{each['distance']:.4g}", "" if gain is None else f"{gain:+.4f}")
    print_rich(table)
    if len(ranked) > _SHOWN:
        typer.echo(f"and {len(ranked) - _SHOWN} more; --json prints all")


def _print_headings(headings: list[Heading]) -> None:
    from rich.table import Table
    from rich.text import Text

    from netgraft.units import format_quantity

    table = Table("name", "domain", "kind", "target", "error", "metric", "rows", "size", "licence", "created", "")
    for each in headings:
        cells = [each.name, each.domain or "\u2013", each.kind, each.target, f"{each.error:.4f}", each.metric]
        cells += [f"{each.rows:,}", format_quantity(each.size_bytes, "byte"), each.licence or "\u2013"]
        cells += [each.created[:10], "damaged" if each.damaged else ""]
        table.add_row(*map(Text, cells))
    print_rich(table)


def _print_entry(entry: Entry) -> None:
    import json

    from rich.table import Table
    from rich.text import Text

    from netgraft.units import format_quantity

    table = Table("field", "value", show_lines=True)
    shown = entry.to_json()
    shown["columns"] = "\n".join(f"{name}  {kind}" for name, kind in entry.columns)
    shown["files"] = "\n".join(
        f"{name}  {format_quantity(file.size, 'byte')}  {file.sha256[:12]}" for name, file in entry.files.items()
    )
    for field, value in shown.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
        table.add_row(Text(field), Text(text.encode("utf-8", "replace").decode()))
    print_rich(table)


def _print_checked(report: CheckReport, *, as_json: bool, **more: str) -> None:
    if as_json:
        print_json(report.to_json() | more)
    else:
        _print_report(report)


def _print_report(report: CheckReport) -> None:
    for what, lines in report.to_json().items():
        if what not in ("entries", "unusable"):
            for line in lines:
                typer.echo(f"{what}: {line}")
    typer.echo(f"{report.entries} entries checked, {len(report.unusable)} must not be used")
