"""The examples that people copy are executed: the README's Python, its commands, and the doctests."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
from pathlib import Path

import pytest

import netgraft
from netgraft.cli import app

ROOT = Path(__file__).parents[1]
SOURCE = Path(netgraft.__file__).parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
MODULES = [
    ".".join(["netgraft", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("text", PYTHON, ids=[f"block {i}" for i in range(len(PYTHON))])
def test_python_of_the_readme(text: str) -> None:
    """Run a block with a small budget in place of a minute."""
    assert "budget_s=60" in text
    exec(compile(text.replace("budget_s=60", "budget_s=2"), "README.md", "exec"), {})  # noqa: S102


def test_readme_has_python() -> None:
    assert len(PYTHON) == 2


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0
    assert found.failed == 0


def commands() -> list[str]:
    """Return the commands of the README, each in one line."""
    text = README.replace("\\\n", " ")
    return re.findall(r"^    (netgraft .*)$", text, re.MULTILINE)


@pytest.mark.parametrize("line", commands())
def test_command_of_the_readme_has_known_options(line: str) -> None:
    import typer

    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_readme_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
