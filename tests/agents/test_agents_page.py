"""The Python of docs/agents.md runs, with fewer steps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "agents.md").read_text()
SHORTER = {
    "explore_steps=3000, train_steps=5500": "explore_steps=20, train_steps=10",
    "seed=0, on_step": "seed=0, explore_steps=20, train_steps=10, on_step",
    "seed=0, begun": "seed=0, explore_steps=20, train_steps=10, begun",
    "% 1000": "% 25",
    "250": "5",
}


def test_python_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    text = "\n".join(blocks)
    for long, short in SHORTER.items():
        assert long in text
        text = text.replace(long, short)
    names: dict[str, object] = {}
    exec(compile(text, "agents.md", "exec"), names)  # noqa: S102
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cell-0.safetensors", "run.safetensors"]
    assert sum(names["shares"]) == pytest.approx(1)  # type: ignore[call-overload]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / target).exists(), target
