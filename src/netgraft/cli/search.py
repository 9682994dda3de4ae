"""``netgraft search``: from a table to a front of small networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netgraft.cli.output import JsonOption, limits_of, note, print_front, print_json, print_rich, progress_bar
from netgraft.errors import SettingError

if TYPE_CHECKING:
    from netgraft.lifecycle.fleet_record import Fleet
    from netgraft.lifecycle.search import Front

_TABLE, _SEARCH, _TRANSFER, _RUN = "The table", "The search", "Earlier models", "The run"
Texts = list[str] | None


def search(
    table: Annotated[Path, typer.Argument(help="A .csv, .tsv, .parquet, .arrow or .feather file.")],
    target: Annotated[str, typer.Option(help="The column to predict.", rich_help_panel=_TABLE)],
    test: Annotated[
        Path | None,
        typer.Option(help="A labelled table to report on; never used to choose.", rich_help_panel=_TABLE),
    ] = None,
    kind: Annotated[str, typer.Option(help="auto, regression or classification.", rich_help_panel=_TABLE)] = "auto",
    drop: Annotated[Texts, typer.Option(help="A column to leave out; may be repeated.", rich_help_panel=_TABLE)] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Rows with one value of this column stay on one side.", rich_help_panel=_TABLE),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Validation rows come later in this column.", rich_help_panel=_TABLE)
    ] = None,
    weight: Annotated[str | None, typer.Option(help="How often each row counts.", rich_help_panel=_TABLE)] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="What error is made of; r2 or accuracy by default.", rich_help_panel=_TABLE),
    ] = None,
    target_transform: Annotated[str, typer.Option(help="auto, none or log1p.", rich_help_panel=_TABLE)] = "auto",
    lag: Annotated[
        int, typer.Option(help="How many earlier rows of the same group become inputs.", rich_help_panel=_TABLE)
    ] = 0,
    na: Annotated[
        Texts, typer.Option(help="A value that means missing; may be repeated.", rich_help_panel=_TABLE)
    ] = None,
    objective: Annotated[
        Texts,
        typer.Option(
            help="error, size, latency, memory, energy or operations; may be repeated. Error and size by default.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    limit: Annotated[
        Texts, typer.Option(help='A hard bound such as "size<=64KB"; may be repeated.', rich_help_panel=_SEARCH)
    ] = None,
    device: Annotated[
        str,
        typer.Option(help="What latency and energy are modelled for; see `device list`.", rich_help_panel=_SEARCH),
    ] = "this",
    budget: Annotated[
        str | None,
        typer.Option(help="Time, such as 60s or 10min; 60s without --evaluations.", rich_help_panel=_SEARCH),
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option(help="How many candidates to train.", rich_help_panel=_SEARCH)
    ] = None,
    strategy: Annotated[str, typer.Option(help="nested, evolution or random.", rich_help_panel=_SEARCH)] = "nested",
    setting: Annotated[
        Texts,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Restrict a choice, such as depth=1,2; may be repeated.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="A fleet: one search for each value of this column, which is no input.", rich_help_panel=_RUN
        ),
    ] = None,
    keep_rows: Annotated[
        int,
        typer.Option(help="Of a fleet: rows of each domain that go into the library.", rich_help_panel=_RUN),
    ] = 0,
    engine: Annotated[
        str, typer.Option(help="Who searches: local, or for a fleet ray.", rich_help_panel=_RUN)
    ] = "local",
    jobs: Annotated[
        int, typer.Option(help="Processes that train; of a fleet, domains at once.", rich_help_panel=_RUN)
    ] = 1,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", rich_help_panel=_RUN)] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the result; netgraft-<table> by default.", rich_help_panel=_RUN),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in that folder.", rich_help_panel=_RUN)
    ] = False,
    as_json: JsonOption = False,
    library: Annotated[
        str | None,
        typer.Option(help="Earlier models to start from: a folder or a database URL.", rich_help_panel=_TRANSFER),
    ] = None,
    source: Annotated[
        Texts,
        typer.Option(
            help="auto (the nearest), none, or the name of an entry; may be repeated.", rich_help_panel=_TRANSFER
        ),
    ] = None,
) -> None:
    """Search the networks worth deploying for a table, and write them to a folder.

    Example: netgraft search energy.parquet --target Energy --group BS --limit "size<=64KB" --budget 60s
    """
    from netgraft.lifecycle.folder import default_folder
    from netgraft.lifecycle.job import check_engine, search_into
    from netgraft.lifecycle.search import SearchSettings
    from netgraft.tables import Task
    from netgraft.units import parse_duration

    settings = SearchSettings(
        objectives=tuple(objective) if objective else ("error", "size"),
        limits=limits_of(limit),
        device=device,
        budget_s=None if budget is None else parse_duration(budget),
        evaluations=evaluations,
        strategy=strategy,
        settings=settings_of(setting),
        jobs=jobs,
        seed=seed,
        library=library,
        sources=tuple(source) if source else ("auto",),
    )
    reading: dict[str, Any] = {
        "target": target,
        "kind": kind,
        "drop": tuple(drop or ()),
        "group": group,
        "time": time,
        "weight": weight,
        "metric": metric,
        "target_transform": target_transform,
        "lag": lag,
        "na": tuple(na or ()),
        "seed": seed,
    }
    folder = out or default_folder(table)
    if by is not None:
        from netgraft.lifecycle.fleet import search_fleet
        from netgraft.tables.settings import Settings

        how = Settings(**reading)
        with progress_bar() as told:
            fleet = search_fleet(
                folder,
                table,
                settings,
                by=by,
                reading=how,
                test=test,
                engine=engine,
                keep_rows=keep_rows,
                resume=resume,
                on_progress=told,
            )
        show_fleet(fleet, folder, as_json=as_json)
        return
    check_engine(engine)
    if keep_rows:
        raise SettingError("--keep-rows is of a fleet: --by COLUMN is required; for one search see library add")
    with progress_bar() as told:
        front = search_into(
            folder, lambda: Task.read(table, test=test, **reading), settings, resume=resume, on_progress=told
        )
    show(front, folder, as_json=as_json)


def show(front: Front, folder: Path, *, as_json: bool) -> None:
    """Print a front and where it lies.

    Raises:
        KeyboardInterrupt: the user stopped the search; its front so far was printed.
    """
    from netgraft.lifecycle.folder import REPORT

    if as_json:
        print_json({**front.to_json(), "out": str(folder)})
    else:
        for each in front.task.dropped:
            note(f"not used: {each.name} ({each.reason})")
        for text in front.notes:
            note(f"note: {text}")
        if front.transfer is not None:
            note(f"earlier models {front.transfer['guard']['decision']}: {front.transfer['guard']['reason']}")
        print_front(front.to_json())
        typer.echo(f"Report: {folder / REPORT}")
    if front.interrupted:
        raise KeyboardInterrupt


def show_fleet(fleet: Fleet, folder: Path, *, as_json: bool) -> None:
    """Print a fleet and where it lies.

    Raises:
        KeyboardInterrupt: the user stopped the fleet; what is done was printed.
    """
    from netgraft.lifecycle.folder import REPORT
    from netgraft.reports.fleet_table import fleet_table

    if as_json:
        print_json({**fleet.to_json(), "out": str(folder)})
    else:
        for text in fleet.notes:
            note(f"note: {text}")
        for domain in fleet.domains:
            if domain.state in ("failed", "skipped"):
                note(f"{domain.state}: {domain.value} ({domain.reason})")
        print_rich(fleet_table(fleet.to_json()))
        typer.echo(f"Report: {folder / REPORT}")
    if fleet.interrupted:
        raise KeyboardInterrupt


def settings_of(texts: Texts) -> dict[str, str]:
    """Return the settings written ``KEY=VALUE``.

    Raises:
        SettingError: one is not written so, or comes twice.
    """
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise SettingError(f"a setting must be written KEY=VALUE, for example depth=1,2, got {text!r}")
        if name in found:
            raise SettingError(f"a setting must come once, with several values as {name}=A,B, got {name} twice")
        found[name] = value
    return found


__all__ = ["search", "settings_of", "show", "show_fleet"]
