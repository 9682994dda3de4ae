"""The examples of docs/slicing-environment.md are executed, in their order, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "slicing-environment.md"


def test_examples_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)  # noqa: S102
    assert len(blocks) == 8
    equal, by_demand = (
        names["mean_reward"](policy) for policy in (lambda env, kpis: names["shares"], names["by_demand"])
    )  # type: ignore[operator]
    assert 0.5 < equal < by_demand < 1


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https)([^)#]+)\)", PAGE.read_text()):
        assert (PAGE.parent / target).exists(), target
