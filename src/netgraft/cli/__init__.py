"""The command line: parses, calls `netgraft.lifecycle`, prints; one module per verb.

Heavy packages are imported inside the verbs, so that ``netgraft --help`` answers at once. Exit codes: 0 done, 2 the
input is wrong (one line on stderr), 1 a fault of ours, 130 interrupted. With ``--json`` an error is a JSON object on
stdout, too: ``{"error": text, "kind": class}``.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from netgraft.cli import (
    demo,
    device,
    device_folder,
    device_run,
    evaluate,
    export,
    fetch,
    key,
    library,
    predict,
    publish,
    report,
    retract,
    search,
    serve,
    slicing,
    token,
)
from netgraft.cli.output import print_json, tell_error
from netgraft.errors import NetgraftError

__all__ = ["app", "main"]

_INTERRUPTED = 130

app = typer.Typer(
    name="netgraft",
    help="From a table to a front of small networks, ready to deploy.",
    epilog="Example: netgraft search energy.parquet --target Energy --group BS --budget 60s",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("search")(search.search)
app.command("predict")(predict.predict)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("report")(report.report)
app.add_typer(device.app, name="device")
app.add_typer(library.app, name="library")
app.add_typer(slicing.app, name="slicing")
app.command("publish")(publish.publish)
app.command("retract")(retract.retract)
app.command("serve")(serve.serve)
app.command("fetch")(fetch.fetch)
device.app.command("run")(device_run.run_device)
device.app.command("status")(device_folder.status)
device.app.command("check")(device_folder.check)
device.app.command("rollback")(device_folder.rollback)
app.add_typer(key.app, name="key")
app.add_typer(token.app, name="token")
app.command("demo")(demo.demo)


def _version(wanted: bool) -> None:
    if wanted:
        from netgraft import __version__

        typer.echo(f"netgraft {__version__}")
        raise typer.Exit


@app.callback()
def netgraft(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """From a table to a front of small networks, ready to deploy."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: the words after ``netgraft``; those of the process by default.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        command = typer.main.get_command(app)
        code = int(command.main(words, prog_name="netgraft", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nothing to say, and nobody to say it to
        return 1
    except Exception as error:
        return _failed(error, as_json="--json" in words)
    if code == _INTERRUPTED:  # the parser turns Ctrl-C into this code
        print("netgraft: interrupted", file=sys.stderr)
    return code


def _failed(error: Exception, *, as_json: bool) -> int:
    """Print what went wrong, and return the exit code."""
    text = _wrong_input(error)
    if text == "":  # the parser has printed the help in place of an error
        return 2
    if as_json:
        said = text or f"a fault of netgraft, not of your input: {type(error).__name__}: {_one_line(error)}"
        print_json({"error": _one_line(said), "kind": type(error).__name__})
    return _fault(error) if text is None else tell_error(text)


def _wrong_input(error: Exception) -> str | None:
    """Return what is wrong with the input; None where the fault is ours."""
    if isinstance(error, NetgraftError):
        return str(error) or type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        return _lacking(error)
    if hasattr(error, "format_message"):  # wrong usage; the parser's classes differ between versions of typer
        return str(error.format_message())
    return None


def _lacking(error: ModuleNotFoundError) -> str | None:
    """Return which package is missing: the base installation fetches and runs models only; None for one of ours."""
    if (error.name or "netgraft").startswith("netgraft"):
        return None
    return (
        f"the package {error.name!r} is required for this command, got an installation without it: "
        f"pip install 'netgraft[{_extra_of(str(error.name))}]'"
    )


def _extra_of(package: str) -> str:
    """Return the extra that brings a package, ``full`` where several do or none says so."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        stated = requires("netgraft") or []
    except PackageNotFoundError:
        return "full"
    found = {
        line.rpartition("extra ==")[2].strip(" '\"")
        for line in stated
        if line.startswith(package.split(".")[0].replace("_", "-")) and "extra ==" in line
    }
    return found.pop() if found == {"serve"} else "full"


def _fault(error: Exception) -> int:
    """Print that the fault is ours."""
    if os.environ.get("NETGRAFT_DEBUG"):
        traceback.print_exc()
    print(
        f"netgraft: a fault of netgraft, not of your input: {type(error).__name__}: {_one_line(error)[:300]}\n"
        "Please report it with the text that the same command prints with NETGRAFT_DEBUG=1 set.",
        file=sys.stderr,
    )  # fmt: skip
    return 1


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
