"""The public names, the examples in the text, and a schema that is damaged."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import netgraft.tables
from netgraft.errors import ModelError
from netgraft.tables import Schema, Task

MODULES = [f"netgraft.tables.{module.name}" for module in pkgutil.iter_modules(netgraft.tables.__path__)]


def test_public_names_exist() -> None:
    assert all(hasattr(netgraft.tables, name) for name in netgraft.tables.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_damaged_schemas() -> None:
    good = Task.from_arrays(np.eye(4), np.arange(4), kind="regression").schema.to_json()
    assert Schema.from_json(good).target == "target"
    with pytest.raises(ModelError, match="a task's kind must be regression or classification, got 'other'"):
        Schema.from_json(good | {"kind": "other"})
    with pytest.raises(ModelError, match="a schema must have the entries of its format, got 'columns'"):
        Schema.from_json({"kind": "regression"})
    with pytest.raises(ModelError, match=r"a column's kind must be one of .*, got 'odd'"):
        Schema.from_json(good | {"columns": [{"name": "a", "kind": "odd", "form": ""}]})
