"""The public names of a part are those in its ``__all__``, and all of them can be imported."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import netgraft

ROOT = Path(netgraft.__file__).parent
PARTS = ["netgraft", *sorted(f"netgraft.{path.parent.name}" for path in ROOT.glob("*/__init__.py"))]
#: Parts whose names are imported when first used.
LAZY = {"netgraft", "netgraft.delivery", "netgraft.lifecycle"}


@pytest.mark.parametrize("name", PARTS)
def test_every_name_of_all_can_be_imported(name: str) -> None:
    module = importlib.import_module(name)
    for member in module.__all__:
        assert getattr(module, member) is not None


@pytest.mark.parametrize("name", [name for name in PARTS if name not in LAZY and name != "netgraft.cli"])
def test_everything_public_is_in_all(name: str) -> None:
    module = importlib.import_module(name)
    public = {key for key, value in vars(module).items() if not key.startswith("_") and not _is_submodule(value)}
    assert public - {"annotations"} <= set(module.__all__)


def _is_submodule(value: object) -> bool:
    return isinstance(value, ModuleType)


@pytest.mark.parametrize("name", sorted(LAZY))
def test_lazy_names_are_those_of_all(name: str) -> None:
    module = importlib.import_module(name)
    homes = {member for members in module._HOMES.values() for member in members}
    assert homes == set(module.__all__) - {"__version__", "ran"}  # a part, which is its own home


@pytest.mark.parametrize("name", sorted(LAZY))
def test_unknown_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = importlib.import_module(name).nothing


def test_import_loads_nothing_heavy() -> None:
    heavy = "{'numpy', 'torch', 'polars', 'sklearn', 'rich', 'onnx'}"
    code = f"import sys, netgraft, netgraft.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version_is_that_of_the_package() -> None:
    import tomllib

    stated = tomllib.loads((ROOT.parents[1] / "pyproject.toml").read_text())["project"]["version"]
    assert netgraft.__version__ == stated
