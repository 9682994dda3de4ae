"""``netgraft search``: from a table to a front of small networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netgraft.cli.output import JsonOption, limits_of, note, print_front, print_json, progress_bar
from netgraft.errors import SettingError

if TYPE_CHECKING:
    from netgraft.lifecycle.search import Front

_TABLE, _SEARCH, _RUN = "The table", "The search", "The run"
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
    engine: Annotated[str, typer.Option(help="Who trains: local.", rich_help_panel=_RUN)] = "local",
    jobs: Annotated[int, typer.Option(help="Processes that train.", rich_help_panel=_RUN)] = 1,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", rich_help_panel=_RUN)] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the result; netgraft-<table> by default.", rich_help_panel=_RUN),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in that folder.", rich_help_panel=_RUN)
    ] = False,
    as_json: JsonOption = False,
    library: Annotated[str | None, typer.Option(hidden=True)] = None,
    source: Annotated[Texts, typer.Option(hidden=True)] = None,
    by: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Search the networks worth deploying for a table, and write them to a folder.

    Example: netgraft search energy.parquet --target Energy --group BS --limit "size<=64KB" --budget 60s
    """
    _not_yet({"--library": library, "--source": source, "--by": by})
    from netgraft.lifecycle.folder import default_folder
    from netgraft.lifecycle.job import check_engine, search_into
    from netgraft.lifecycle.search import SearchSettings
    from netgraft.tables import Task
    from netgraft.units import parse_duration

    check_engine(engine)
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
    )

    def read() -> Task:
        return Task.read(
            table,
            target=target,
            test=test,
            kind=kind,  # type: ignore[arg-type]  # checked there
            drop=drop or (),
            group=group,
            time=time,
            weight=weight,
            metric=metric,
            target_transform=target_transform,  # type: ignore[arg-type]  # checked there
            lag=lag,
            na=na or (),
            seed=seed,
        )

    folder = out or default_folder(table)
    with progress_bar() as told:
        front = search_into(folder, read, settings, resume=resume, on_progress=told)
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
        print_front(front.to_json())
        typer.echo(f"Report: {folder / REPORT}")
    if front.interrupted:
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


def _not_yet(options: dict[str, Any]) -> None:
    """Refuse options of parts that do not exist yet.

    Raises:
        SettingError: one of them is given.
    """
    for name, value in options.items():
        if value:
            raise SettingError(f"{name} is not available yet in this version")


__all__ = ["search", "settings_of", "show"]
