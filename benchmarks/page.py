"""A page of results: the command, the machine, the versions, the tables; made from raw rows alone."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from benchmarks.raw import RESULTS, Raw

_LIBRARIES = [
    "netgraft",
    "numpy",
    "torch",
    "lightgbm",
    "scikit-learn",
    "onnxruntime",
    "polars",
    "pandas",
    "moocore",
    "catboost",
    "xgboost",
    "pytabkit",
    "optuna",
    "deephyper",
]


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


def machine() -> str:
    """Return the processor, its cores, the memory and the versions of the libraries in words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    cores = os.cpu_count()
    return f"{model}, {cores} cores, {memory:.0f} GiB; Python {platform.python_version()}; {', '.join(found)}"


def page(name: str, title: str, about: str | None, text: str, raw: Raw) -> None:
    """Write the page of a benchmark beside its raw rows.

    Args:
        name: of the benchmark.
        title: of the page.
        about: what was done, the module's docstring.
        text: the results.
        raw: where the rows are.
    """
    seeds = sorted({row["seed"] for row in raw.rows() if "seed" in row})
    commits = sorted({row.get("commit", "unknown") for row in raw.rows()})
    where = raw.path.relative_to(RESULTS)
    flags = " ".join(flag for flag in sys.argv[1:] if flag != "--report")
    command = f"python -m benchmarks.{Path(sys.argv[0]).stem} {flags}".strip()
    facts = [
        f"Command: `{command}`.",
        "",
        f"Machine: {machine()}. One thread per process, no accelerator.",
        f"Seeds: {', '.join(map(str, seeds))}. " if seeds else "",
        f"Commits: {', '.join(commits)}. Raw rows: [`{where}`]({where}).",
    ]
    body = "\n\n".join([f"# {title}", (about or "").strip(), "\n".join(filter(None, facts)), text])
    path = raw.path.with_suffix(".md") if "quick" in where.parts else RESULTS / f"{name}.md"
    path.write_text(body + "\n", encoding="utf-8")
    print(f"wrote {path}")
