"""The report and the terminal's table of a fleet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_browser import Browser, chromium
from rich.console import Console

from netgraft.reports.fleet import render_fleet
from netgraft.reports.fleet_domains import describe_fleet, start_of
from netgraft.reports.fleet_table import fleet_table

PROGRAM = chromium()
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{script}}'"


def domain(value: str, **more: Any) -> dict[str, Any]:
    """Return a domain that is done."""
    found = {
        "value": value, "folder": f"domains/{value}", "rows": 900, "state": "done", "reason": None, "picked": "n7",
        "error": 0.0817, "size": 2310.0, "test_error": None, "seconds": 61.2, "evaluations": 84,
        "transfer": {"mode": "root", "decision": "accepted"}, "sources": ["power/S1", "power/S4"],
    }  # fmt: skip
    return {**found, **more}


def fleet(domains: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """Return a fleet of two dozen sites: warm, cold, refused, failed, skipped and open ones."""
    many = [
        domain(f"S{i}", rows=40_000 // (i + 1), error=0.02 + 0.013 * (i * 7 % 24), size=300.0 + 700 * (i * 5 % 11))
        for i in range(24)
    ]
    many[0] |= {"transfer": {"mode": "none", "decision": "refused"}, "sources": []}
    many[5] |= {"transfer": {"mode": "none", "decision": "refused"}}
    absent = {"picked": None, "error": None, "size": None, "seconds": None, "evaluations": None, "transfer": None}
    many.append(domain("broken", state="failed", reason="the target must vary, got only 1", **absent, sources=[]))
    many.append(domain("new", state="skipped", reason="at least 20 rows are required, got 7", **absent, sources=[]))
    many.append(domain("last", state="open", **absent, sources=[]))
    return {
        "format": 1, "table": "power", "by": "site", "domains": many if domains is None else domains,
        "task": {"kind": "regression", "target": "power", "metric": "r2"}, "notes": ["3 rows have no 'site'"],
        "settings": {"objectives": ["error", "size"], "device": "cortex-m7", "budget_s": 60.0}, "seconds": 1512.0,
        "interrupted": False, **more,
    }  # fmt: skip


def test_domains_lead_to_their_own_reports() -> None:
    page = render_fleet(fleet([domain("a b", folder="domains/a%20b"), domain("c")]))
    assert 'href="domains/a%2520b/report.html"' in page
    assert 'href="domains/c/report.html"' in page


def test_words() -> None:
    assert describe_fleet(fleet()) == [
        "24 of 27 domains have a front (1 failed, 1 skipped, 1 open).",
        "23 had earlier models to start from: the guard accepted 22, refused 1.",
        "The error is largest for S17 (0.3190, 2,222 rows) and least for S0 (0.0200).",
    ]
    assert describe_fleet(fleet([])) == ["0 of 0 domains have a front."]
    assert start_of(domain("a")) == "from power/S1, power/S4"
    assert start_of(domain("a", sources=[])) == "cold"
    assert start_of(domain("a", transfer=None, sources=[])) == "cold"
    assert start_of(domain("a", state="failed")) == "\N{EN DASH}"


def test_reasons_are_shown() -> None:
    page = render_fleet(fleet())
    for text in ("the target must vary, got only 1", "at least 20 rows are required, got 7", "not searched yet"):
        assert text in page


def test_test_errors_have_a_column_where_there_are_any() -> None:
    assert "test error" not in render_fleet(fleet())
    assert "test error" in render_fleet(fleet([domain("a", test_error=0.1), domain("b")]))


@pytest.mark.parametrize(
    "value", [{}, fleet([]), fleet([domain("a", error=None, size=None)]), fleet([domain("a", error=0)])]
)
def test_page_without_much_to_show(value: dict[str, Any]) -> None:
    assert render_fleet(value).startswith("<!DOCTYPE html>")


def test_table_for_a_terminal() -> None:
    console = Console(width=140, file=io.StringIO())
    console.print(fleet_table(fleet([domain(f"S{i}") for i in range(45)])))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Fronts for power by site" in shown
    assert "5 more in fleet.json" in shown
    assert shown.count("from power/S1, power/S4") == 40


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("needs chromium")
    with Browser(PROGRAM, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


EXAMPLES = {
    "fleet": fleet(),
    "long names": fleet([domain("site_" * 30, sources=["power/" + "site_" * 30]), domain("b")]),
    "nothing": {},
    "hostile": fleet(
        [domain(HOSTILE, folder=HOSTILE, sources=[HOSTILE]), domain("x", state="failed", reason=HOSTILE)],
        by=HOSTILE, table=HOSTILE, notes=[HOSTILE], task={"kind": HOSTILE, "target": HOSTILE, "metric": HOSTILE},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_phone_scrolls_in_one_direction_only(browser: Browser, tmp_path: Path, name: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_fleet(EXAMPLES[name]), encoding="utf-8")
    for width, dark in ((360, True), (1280, False)):
        browser.open(path, width=width, dark=dark)
        browser.ask("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask("document.title.startsWith('owned')") is False
        assert browser.faults() == []
        assert browser.requested() == [path.as_uri()]


def test_table_sorts(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_fleet(fleet()), encoding="utf-8")
    browser.open(path)
    order = "[...document.querySelectorAll('.fleet tbody th')].map(each => each.textContent)"
    press = "[...document.querySelectorAll('.fleet thead button')].find(each => each.textContent === 'error').click()"
    assert browser.ask(order)[0] == "S0"
    browser.ask(press)
    assert browser.ask(order)[-1] == "S17"
    browser.ask(press)
    assert browser.ask(order)[0] == "S17"
