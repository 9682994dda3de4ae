"""The section on transfer: what the guard did, what was gained, who is near; in words, tables and drawings."""

from __future__ import annotations

import copy
import doctest
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from report_browser import Browser, chromium
from report_examples import details, front

import netgraft.reports.gain
from netgraft.reports import render_front
from netgraft.reports.gain import gain_of, sentences
from netgraft.reports.scaling import classical_scaling
from netgraft.reports.similarity import MOST_MAPPED, curve_of, map_of

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{data}}'"
PROGRAM = chromium()
in_browser = pytest.mark.skipif(PROGRAM is None, reason="needs chromium")


def told(*, entries: int = 12, decision: str = "accepted", gains: bool = True, name: str = "cell") -> dict[str, Any]:
    """Return a transfer as a search with a library of so many entries tells of it."""
    places = np.random.default_rng(4).normal(size=(entries + 1, 5)) * [1, 0.7, 0.2, 0.1, 0.1]
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    order = [*np.argsort(distances[-1, :-1]).tolist(), entries]
    ranked = [
        {
            "name": f"{name} {index}",
            "distance": float(distances[-1, index]),
            "expected_gain": 0.03 - 0.02 * place if gains else None,
        }
        for place, index in enumerate(order[:-1])
    ]
    candidates = [
        ("network held", 0.104 if decision == "accepted" else 0.13, True), ("trees with source", 0.16, True),
        ("linear", 0.402, False), ("trees", 0.125, False),
    ]  # fmt: skip
    return {
        "mode": "held" if decision == "accepted" else "none",
        "sources": [{"name": r["name"], "measure": "sketch", "distance": r["distance"]} for r in ranked[:3]],
        "guard": {
            "decision": decision,
            "reason": "the least held-out errors say so",
            "candidates": [{"name": n, "error": e, "source": s} for n, e, s in candidates],
        },
        "ranked": ranked,
        "map": {
            "names": [*(r["name"] for r in ranked), "this table"],
            "distances": distances[np.ix_(order, order)].tolist(),
        },
    }


CURVE = {"with": [[1.0, 0.2], [3.0, 0.12], [9.0, 0.104]], "cold": [[2.0, 0.5], [9.5, 0.2], [20.0, 0.125]]}


def page_of(transfer: dict[str, Any] | None, more: dict[str, Any] | None = None) -> str:
    return render_front(front() | {"transfer": transfer}, more or {})


def section_of(page: str) -> str:
    found = re.search(r'<section id="transfer".*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def words_of(transfer: dict[str, Any]) -> str:
    return " ".join(sentences(transfer, gain_of(transfer)))


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(netgraft.reports.gain)
    assert result.attempted > 0
    assert result.failed == 0


def test_section_is_absent_without_a_library() -> None:
    assert section_of(page_of(None)) == ""
    assert '"transfer":{"map":null,"curve":null' in page_of(None)


def test_acceptance_is_told_with_its_reason_and_gain() -> None:
    said = words_of(told())
    assert said == (
        "The guard accepted the start from earlier models: the least held-out errors say so. On held-out rows a source"
        " makes the error 0.0210 (17 %) less. The networks start from the source's and are held to it (L2-SP)."
    )
    gain = gain_of(told())
    assert gain.achieved == pytest.approx(0.021)
    assert gain.expected == (told()["ranked"][0]["name"], 0.03)


def test_refusal_keeps_the_cold_start() -> None:
    said, gain = words_of(told(decision="refused")), gain_of(told(decision="refused"))
    assert "refused the start from earlier models, so the front is that of a cold start: the least" in said
    assert "makes the error 0.0050 (4.0 %) more." in said
    assert gain.achieved == 0
    assert gain.difference == pytest.approx(-0.005)
    page = section_of(page_of(told(decision="refused")))
    assert "the cold start was kept; with a source \N{MINUS SIGN}0.0050" in page


def test_candidates_are_told_apart_and_sorted() -> None:
    page = section_of(page_of(told()))
    rows = re.findall(r'<tr><th scope="row">(.*?)</th><td class="start (\w+)">(.*?)</td>', page)
    assert [(kind, words) for _, kind, words in rows] == [
        ("warm", "with a source"), ("cold", "cold"), ("warm", "with a source"), ("cold", "cold"),
    ]  # fmt: skip
    assert ["badge" in name for name, _, _ in rows] == [True, True, False, False]


def test_ranked_entries_are_listed_and_folded_when_many() -> None:
    assert "<details>" in section_of(page_of(told(entries=12)))
    short = section_of(page_of(told(entries=3)))
    assert "<details>" not in short
    assert "3 nearest entries" in short
    assert short.count(">tried</span>") == 3
    assert "expected gain" in short
    assert "expected gain" not in section_of(page_of(told(gains=False)))


def test_named_source_that_is_not_ranked_is_listed() -> None:
    transfer = told(entries=2)
    transfer["sources"] = [{"name": "far away", "measure": "sketch", "distance": None}]
    page = section_of(page_of(transfer))
    assert "far away" in page
    assert "3 nearest entries" in page


@pytest.mark.parametrize(
    "transfer",
    [
        {},
        {"mode": None, "sources": None, "guard": None, "ranked": None, "map": None},
        {"mode": "none", "sources": [], "guard": {}, "ranked": [], "map": {}},
        {"mode": "none", "sources": [], "guard": {"decision": "refused", "reason": "there is no source"}},
        {"guard": {"candidates": [{"name": "a"}, {"error": 0.2}, {"error": 0.0, "source": True}, {"error": None}]}},
        {"guard": {"candidates": [{"error": 0.0, "source": False}, {"error": 0.1, "source": True}]}},
        {"guard": {"decision": "accepted", "candidates": []}, "ranked": [{"name": "only"}], "map": {"names": ["only"]}},
        {"map": {"names": ["a", "b"], "distances": [[0, 1]]}},
        {"map": {"names": ["a", "b"], "distances": [[0, None], [None, 0]]}},
        {"map": {"names": ["a", "b"], "distances": [[0, 0.5], [0.5, 0]]}},
        {"map": {"names": ["a", "b", "c"], "distances": [[0, 1, None], [1, 0, 1], [None, 1, 0]]}},
        told(entries=1),
        {"mode": "other", "guard": {"decision": "put off"}},
    ],
)
def test_values_may_be_missing_or_empty(transfer: dict[str, Any]) -> None:
    page = page_of(transfer, {"transfer_curve": {"with": [], "cold": [[1.0, None]]}})
    assert section_of(page)
    assert "curve-plot" not in section_of(page)


@pytest.mark.parametrize("key", [*told(), "guard.decision", "guard.reason", "guard.candidates", "map.names"])
def test_every_key_may_be_absent(key: str) -> None:
    transfer = told()
    part, _, name = key.partition(".")
    del (transfer[part] if name else transfer)[name or part]
    assert section_of(page_of(transfer))


def test_nothing_told_is_said_so() -> None:
    assert words_of({}) == "The search had a library, and used nothing of it."


def test_hostile_names_stay_text() -> None:
    transfer = told(entries=3, name=HOSTILE)
    transfer["mode"] = transfer["guard"]["reason"] = transfer["guard"]["decision"] = HOSTILE
    transfer["guard"]["candidates"][0]["name"] = transfer["sources"][0]["measure"] = HOSTILE
    page = page_of(transfer)
    assert page.count("<script") == 2
    assert "<img" not in page


def test_map_puts_the_table_first_and_keeps_the_ranks() -> None:
    transfer = told(entries=4)
    known = map_of(transfer)
    assert known is not None
    assert known["names"] == ["this table", *(each["name"] for each in transfer["ranked"])]
    assert known["ranks"] == [None, 1, 2, 3, 4]
    assert (known["table"], known["used"]) == (0, [1, 2, 3])
    assert known["distances"][0][1:] == pytest.approx([each["distance"] for each in transfer["ranked"]], abs=1e-3)
    assert 0.9 < known["kept"] <= 1


def test_map_is_bounded_and_small() -> None:
    transfer = told(entries=300)
    known = map_of(transfer)
    assert known is not None
    assert len(known["names"]) == len(known["distances"]) == len(known["places"]) == MOST_MAPPED
    assert known["names"][0] == "this table"
    assert len(page_of(transfer)) < 400_000


def test_curves_are_drawn_in_time_only_when_both_are_there() -> None:
    assert curve_of({}) is None
    assert curve_of({"transfer_curve": {"with": CURVE["with"]}}) is None
    curves = curve_of({"transfer_curve": {"with": CURVE["with"][::-1], "cold": [*CURVE["cold"], [30.0, float("nan")]]}})
    assert curves == CURVE
    page = section_of(page_of(told(), {"transfer_curve": CURVE}))
    assert "last error is reached after 3\N{NO-BREAK SPACE}s instead of 20\N{NO-BREAK SPACE}s." in page
    late = {"with": CURVE["cold"], "cold": CURVE["with"]}
    assert "instead of" not in section_of(page_of(told(), {"transfer_curve": late}))


points = arrays(np.float64, st.tuples(st.integers(1, 9), st.just(2)), elements=st.floats(-10, 10, width=32))


@given(points)
def test_places_in_a_plane_come_back_with_their_distances(places: np.ndarray) -> None:
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    found, kept = classical_scaling(distances)
    assert np.linalg.norm(found[:, None] - found[None], axis=2) == pytest.approx(distances, abs=1e-5)
    assert found.mean(axis=0) == pytest.approx(0, abs=1e-6)
    assert kept == pytest.approx(1, abs=1e-6)


@given(arrays(np.float64, (5, 5), elements=st.floats(0, 5, width=32)))
def test_any_matrix_has_places(distances: np.ndarray) -> None:
    found, kept = classical_scaling(distances)
    assert np.isfinite(found).all()
    assert 0 <= kept <= 1 + 1e-9
    again, _ = classical_scaling(distances.T)
    assert np.array_equal(found, again)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(str(PROGRAM), tmp_path_factory.mktemp("profile")) as opened:
        yield opened


CASES = {
    "many": (told(entries=30), {"transfer_curve": CURVE}),
    "few": (told(entries=4, decision="refused", gains=False), {}),
    "one": (told(entries=1), {}),
    "none": ({}, {}),
    "alike": ({"map": {"names": ["a", "b", "c"], "distances": [[0.0] * 3] * 3}}, {}),
    "unknown distance": ({"map": {"names": ["a", "b"], "distances": [[0, 0.5], [None, 0]]}}, {}),
    "long names": (told(entries=5, name="a_name_without_a_space" * 8), {}),
    "hostile": (told(entries=3, name=HOSTILE), {}),
}


@in_browser
@pytest.mark.parametrize("name", CASES)
def test_section_is_drawn_on_a_phone_and_on_a_desk(browser: Browser, tmp_path: Path, name: str) -> None:
    transfer, more = CASES[name]
    path = tmp_path / "report.html"
    path.write_text(page_of(transfer, more), encoding="utf-8")
    count = len((transfer.get("map") or {}).get("names") or [])
    placed = name != "unknown distance"
    for width, dark in ((360, True), (1200, False)):
        browser.open(path, width=width, dark=dark)
        browser.ask("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask("document.documentElement.dataset.fault || ''") == ""
        assert browser.faults() == []
        assert browser.requested() == [path.as_uri()]
        cells = browser.ask("document.querySelectorAll('#heat-plot > svg .cell, #heat-plot .cell-empty').length")
        assert cells == count**2
        assert browser.ask("document.querySelectorAll('#near-plot > svg .mark').length") == count * placed
        assert browser.ask("document.querySelectorAll('#curve-plot > svg path').length") == 2 * bool(more)
        assert "NaN" not in browser.ask("document.getElementById('transfer').innerHTML")
        assert browser.ask("document.title.startsWith('owned')") is False


@in_browser
def test_cells_tell_their_distance_to_pointer_and_keyboard(browser: Browser, tmp_path: Path) -> None:
    transfer = told(entries=30)
    path = tmp_path / "report.html"
    path.write_text(page_of(transfer), encoding="utf-8")
    browser.open(path)
    browser.ask("document.querySelector('#heat-plot').scrollIntoView()")
    shown = "document.getElementById('tip').innerText"
    box = json.loads(
        browser.ask("JSON.stringify(document.querySelectorAll('#heat-plot .cell')[1].getBoundingClientRect())")
    )
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", **place)
    second = transfer["ranked"][1]
    assert browser.ask(shown) == f"this table\nand {second['name']}\ndistance {second['distance']:.4f}"
    browser.ask("document.querySelector('#heat-plot > svg').focus()")
    for key in ("ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key=key)
    first = transfer["ranked"][0]
    assert browser.ask(shown) == f"{first['name']}\nand this table\ndistance {first['distance']:.4f}"


@in_browser
def test_marks_of_the_map_tell_their_name_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    transfer = told(entries=6)
    path = tmp_path / "report.html"
    path.write_text(page_of(transfer), encoding="utf-8")
    browser.open(path)
    assert browser.ask("document.querySelectorAll('#near-plot [tabindex=\"0\"]').length") == 1
    browser.ask("document.querySelector('#near-plot [tabindex=\"0\"]').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight")
    first = transfer["ranked"][0]
    said = browser.ask("document.getElementById('tip').innerText")
    assert said == f"{first['name']}\na source that was tried\ndistance from this table: {first['distance']:.4f}"


@in_browser
def test_text_on_the_cells_has_enough_contrast(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page_of(told(entries=5)), encoding="utf-8")
    least = """(() => {
        const parts = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
        const light = (rgb) => { const [r, g, b] = rgb.map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const page = parts(getComputedStyle(document.body).backgroundColor);
        const ink = light(parts(getComputedStyle(document.querySelector('#heat-plot .cell-value')).fill));
        return Math.min(...[...document.querySelectorAll('#heat-plot .cell')].map((cell) => {
            const fill = parts(getComputedStyle(cell).fill), share = Number(cell.getAttribute('fill-opacity'));
            const back = light(fill.map((value, index) => share * value + (1 - share) * page[index]));
            return (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05); })); })()"""
    for dark in (False, True):
        browser.open(path, width=1200, dark=dark)
        assert browser.ask(least) >= 4.5


def test_the_rest_of_the_page_does_not_change() -> None:
    given = front()
    before = render_front(given, details())
    after = render_front(copy.deepcopy(given) | {"transfer": told()}, details())
    assert section_of(before) == ""
    assert after.replace(section_of(after), "").count("<section") == before.count("<section")
