"""A part of the package imports only parts of a lower rank, never its own; imports inside functions count."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import netgraft

ROOT = Path(netgraft.__file__).parent
#: docs/architecture.md draws this.
RANKS = {
    "errors": 0,
    "units": 1, "seeds": 1, "records": 1,
    "runtime": 2,
    "tables": 3, "ran": 3, "reports": 3,
    "devices": 4, "root": 4, "search": 4, "agents": 4,
    "library": 5,
    "transfer": 6, "delivery": 6,
    "lifecycle": 7,
    "service": 8, "conformance": 8,
    "cli": 9,
    "__init__": 10, "__main__": 10,
}  # fmt: skip
#: The folders of delivery, drawn there too; a module beside them is a part of its own.
DELIVERY_RANKS = {
    "fields": 0, "strict_json": 0,
    "trust": 1, "link": 1,
    "format": 2,
    "exchange": 3, "coding": 3, "planning": 3,
    "offering": 4,
    "device": 5,
    "__init__": 6,
}  # fmt: skip
MODULES = sorted(ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    """Return the part that a module belongs to."""
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imported(text: str, package: tuple[str, ...]) -> Iterator[str]:
    """Yield the dotted names that the text of a module of a package imports, wherever in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            if module == "netgraft":
                yield from (f"netgraft.{alias.name}" for alias in node.names)


def imported_by(path: Path) -> list[str]:
    """Return the dotted names that a module imports."""
    return list(imported(path.read_text(), ("netgraft", *path.relative_to(ROOT).parent.parts)))


def parts_in(text: str, package: tuple[str, ...]) -> set[str]:
    """Return the parts that the text of a module imports."""
    names = (name.split(".") for name in imported(text, package))
    return {name[1] for name in names if name[0] == "netgraft" and len(name) > 1 and not name[1].startswith("__")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_lower_ranks_only(path: Path) -> None:
    own = part_of(path)
    for part in parts_in(path.read_text(), ("netgraft", *path.relative_to(ROOT).parent.parts)) - {own}:
        assert RANKS[part] < RANKS[own], f"{own} (rank {RANKS[own]}) imports {part} (rank {RANKS[part]})"


@pytest.mark.parametrize("path", sorted((ROOT / "delivery").rglob("*.py")), ids=lambda path: path.stem)
def test_module_of_delivery_imports_lower_ranks_only(path: Path) -> None:
    first = path.relative_to(ROOT / "delivery").parts[0]
    own = first.removesuffix(".py")
    names = imported(path.read_text(), ("netgraft", *path.relative_to(ROOT).parent.parts))
    inner = {name.split(".")[2] for name in names if name.startswith("netgraft.delivery.")} - {own}
    for part in inner & set(DELIVERY_RANKS):
        assert DELIVERY_RANKS[part] < DELIVERY_RANKS[own], f"delivery.{own} imports delivery.{part}"


def test_every_part_has_a_rank() -> None:
    assert {path.name.removesuffix(".py") for path in (ROOT / "delivery").iterdir()} <= {*DELIVERY_RANKS, "__pycache__"}
    assert {part_of(path) for path in MODULES} <= set(RANKS)


def test_walk_sees_imports_inside_functions_and_relative_ones() -> None:
    lines = ["from netgraft.root import Cut", "import netgraft.devices.layer", "from ..tables import Task"]
    text = "def f():\n" + "".join(f"    {line}\n" for line in lines)
    assert parts_in(text, ("netgraft", "search")) == {"root", "devices", "tables"}


@pytest.mark.parametrize("part", ["runtime", "tables", "reports"])
def test_parts_that_do_not_train_need_no_torch(part: str) -> None:
    for path in (ROOT / part).rglob("*.py"):
        assert not [name for name in imported_by(path) if name.split(".")[0] == "torch"], path


def test_runtime_needs_numpy_and_safetensors_only() -> None:
    allowed = {"numpy", "safetensors", "netgraft", *sys.stdlib_module_names}
    for path in (ROOT / "runtime").rglob("*.py"):
        assert {name.split(".")[0] for name in imported_by(path)} <= allowed, path
