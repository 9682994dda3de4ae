"""``netgraft device``: the devices that models are found for; the verbs of a device itself are in other modules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netgraft.cli.output import JsonOption, note, print_json, print_rich, progress_bar

if TYPE_CHECKING:
    from netgraft.devices import Profile

app = typer.Typer(
    help="Devices: what they can do, what a layer costs on them, and a device that fetches and runs models.",
    no_args_is_help=True,
)


@app.command("list")
def list_devices(as_json: JsonOption = False) -> None:
    """List the device profiles that come with Netgraft, and this machine.

    Example: netgraft device list
    """
    from netgraft.devices import device_names

    profiles = [profile for name in device_names() if (profile := _kept_or_declared(name)) is not None]
    if as_json:
        print_json({"devices": [_summary(profile) for profile in profiles]})
        return
    from rich.table import Table

    table = Table("device", "memory", "operations", "per run", "power", "latency figures", "description")
    for profile in profiles:
        table.add_row(profile.name, *_headline(profile), profile.sources["run"].origin, profile.description)
    print_rich(table)


@app.command("show")
def show_device(
    name: Annotated[str, typer.Argument(help="A name of `device list`, a FILE.toml, or this.")],
    as_json: JsonOption = False,
) -> None:
    """Show every figure of a device profile, with its source. This machine is measured first if it was not yet.

    Example: netgraft device show raspberry-pi-4
    """
    from netgraft.devices import Profile

    _print_profile(Profile.load(name), as_json=as_json)


@app.command("measure")
def measure_device(
    out: Annotated[Path | None, typer.Option(help="Write the profile here instead of keeping it for `this`.")] = None,
    budget: Annotated[str, typer.Option(help="Time for the measurement.")] = "15s",
    seed: Annotated[int, typer.Option(help="Of the random models that are timed.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Time real layers on this machine in ONNX Runtime and fit a device profile to them.

    Example: netgraft device measure --out gateway.toml
    """
    from netgraft.errors import OutputError
    from netgraft.records import write_text
    from netgraft.units import parse_duration

    budget_s = parse_duration(budget)
    if out is not None and out.is_dir():
        raise OutputError(f"a file to write the profile to is required, got the folder {out}")
    profile = _measure(budget_s, seed)
    if out is not None:
        write_text(out, profile.to_toml())
    else:
        _keep(profile)
    _print_profile(profile, as_json=as_json)


def _measure(budget_s: float, seed: int) -> Profile:
    from netgraft.devices import measure_this

    with progress_bar() as move:
        return measure_this(budget_s=budget_s, seed=seed, progress=lambda part: move("timing layers", part))


def _keep(profile: Profile) -> None:
    from netgraft.devices import cache_path, keep

    kept = keep(profile)
    text = f"kept as 'this' in {kept}" if kept else f"not kept: {cache_path()} cannot be written"
    note(text)


def _kept_or_declared(name: str) -> Profile | None:
    """Return a profile without measuring: listing must not take seconds; None where this machine cannot be measured."""
    from netgraft.devices import Profile, catalogue, this

    if name != this.NAME:
        return Profile.load(name)
    try:
        return this.kept_profile() or catalogue.declared(name)
    except ModuleNotFoundError:  # the base installation has no ONNX Runtime
        return None


def _headline(profile: Profile) -> tuple[str, str, str, str]:
    from netgraft.units import format_quantity

    return (
        format_quantity(profile.memory_bytes, "byte"),
        f"{profile.operations_per_s / 1e9:.3g} G/s",
        format_quantity(profile.overhead_s, "s"),
        f"{profile.active_w:.2g} W",
    )


def _summary(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "description": profile.description,
        "formats": list(profile.formats),
        "memory_bytes": profile.memory_bytes,
        "operations_per_s": profile.operations_per_s,
        "overhead_s": profile.overhead_s,
        "active_w": profile.active_w,
        "origin": profile.sources["run"].origin,
    }


def _print_profile(profile: Profile, *, as_json: bool) -> None:
    if as_json:
        print_json(profile.to_json())
        return
    from rich.table import Table

    tables = profile.to_json()
    layers = tables.pop("layers")
    named = {name: value for name, value in tables.items() if isinstance(value, dict)}
    named |= {f"layers.{name}": value for name, value in layers.items()}
    table = Table("figures", "value", "origin", "source", title=f"{profile.name}: {profile.description}")
    for name, fields in named.items():
        figures = "\n".join(f"{key} {value:.4g}" for key, value in fields.items() if key not in ("origin", "source"))
        table.add_row(name, figures, fields["origin"], fields["source"])
    print_rich(table)
