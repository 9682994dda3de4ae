"""What every verb prints in the same way: JSON on stdout, progress and notes on stderr."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TextIO

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
PointOption = Annotated[str | None, typer.Option(help="Id of a point of the front; the picked one by default.")]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(help='Instead of a point, bounds such as "size<=64KB": the most accurate point within them.'),
]
_WIDE = 140


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def print_rich(renderable: Any) -> None:
    """Print a table on stdout, wide where stdout is no terminal."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else _WIDE).print(renderable)


def print_front(front: Mapping[str, Any]) -> None:
    """Print a front on stdout: every value where there is room, else those that were searched for."""
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement

    from netgraft.reports import front_table

    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    searched = [objective["name"] for objective in front["objectives"]]
    points = [{**point, "values": {name: point["values"][name] for name in searched}} for point in front["points"]]
    narrow = front_table({**front, "points": points})
    plain = front_table({**front, "points": points})
    plain.box, plain.pad_edge, plain.padding = box.SIMPLE_HEAD, False, (0, 1, 0, 0)
    free = console.options.update(max_width=10_000)
    for table in (front_table(front), narrow, plain):
        if table is plain or Measurement.get(console, free, table).maximum <= console.width:
            console.print(table)
            return


def note(text: str) -> None:
    """Print a line on stderr, broken between words where that is a terminal."""
    typer.echo(_broken(text, sys.stderr), err=True)


def say(text: str) -> None:
    """Print a line on stdout, broken between words where that is a terminal."""
    typer.echo(_broken(text, sys.stdout))


def _broken(text: str, stream: TextIO) -> str:
    """Return a text in lines that a terminal has room for; whatever is no terminal gets one line."""
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return textwrap.fill(
        text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )


def print_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Print names and texts on stdout, one pair a line."""
    width = max(len(name) for name, _ in fields)
    for name, text in fields:
        typer.echo(f"{name:{width}}  {text}")


def tell_error(text: object) -> int:
    """Print what is wrong with the input in one line on stderr, and return the exit code."""
    typer.echo(f"netgraft: error: {' '.join(str(text).split())}", err=True)
    return 2


def limits_of(texts: list[str] | None) -> tuple[Any, ...]:
    """Return the limits written on the command line.

    Raises:
        SettingError: one is not written ``OBJECTIVE<=VALUE``.
    """
    from netgraft.search import OBJECTIVES
    from netgraft.units import parse_limit

    return tuple(parse_limit(text, OBJECTIVES) for text in texts or ())


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """Show a progress bar on stderr where it is a terminal; gives the function that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=1.0)
        yield lambda text, share: progress.update(task, description=text, completed=share)
