"""The page of figures 3 and 4."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_browser import Browser, chromium

from netgraft.reports.delivery import render_delivery
from netgraft.reports.delivery_drawn import RATES, drawn
from netgraft.reports.delivery_parts import percent_of, points_text, reached_text
from netgraft.reports.figures import ABSENT

PROGRAM = chromium()
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{script}}'"


def reached(mean: float, worst: float | None = None) -> dict[str, float]:
    return {"mean": mean, "worst": mean - 0.02 if worst is None else worst}


def point(label: str, percent: float, mean: float, *, exact: float | None = None) -> dict[str, Any]:
    """Return a point that bit errors make worse."""
    return {
        "label": label, "percent": percent, "percent_hardened": percent * 0.9, "percent_exact": exact,
        "clean": reached(mean),
        "naive": {rate: reached(0.1) for rate in RATES},
        "hardened": {rate: reached(mean - 0.01 * number) for number, rate in enumerate(RATES)},
    }  # fmt: skip


def line(method: str, *points: dict[str, Any], retrained: bool = False) -> dict[str, Any]:
    return {"method": method, "retrained": retrained, "points": list(points)}


def images(name: str = "digits") -> dict[str, Any]:
    """Return what one set of images shows."""
    pruned = line("magnitude", point("0.1", 11, 0.7), point("0.5", 53, 0.97))
    planes = line(
        "planes", point("4 planes", 10, 0.95, exact=4), point("5 planes", 12, 0.98, exact=6.5), retrained=True
    )
    return {
        "name": name, "seeds": [0, 1], "numbers": 184_150, "root_bytes": 706_792,
        "levels": [
            {"name": "parameter", "title": "Parameter level: fewer weights", "lines": [pruned]},
            {"name": "bit", "title": "Bit level: fewer bits per weight", "lines": [planes]},
        ],
        "claims": [
            {"claim": "robust against compression", "ours": "+0.1 points lost", "holds": True},
            {"claim": "1e-3 is sufficient, naive", "ours": "87 points lost", "holds": False},
        ],
        "equal": [
            {"level": "parameter", "method": "magnitude", "retrained": False, "percent": None, "best": 0.97},
            {"level": "bit", "method": "planes", "retrained": True, "percent": 6.5, "best": 0.98},
        ],
    }  # fmt: skip


RATE_LINES = [
    {"model": model, "application": application, "latency_s": latency,
     "points": [[share, number * 32 * share / latency / 100] for share in (1, 10, 100)]}
    for application, latency in (("image recognition", 1.0), ("tactile communication", 1e-3))
    for model, number in (("ResNet-50", 23e6), ("ViT-L", 307e6))
]  # fmt: skip
FOURTH = {
    "lines": RATE_LINES,
    "levels": {"6G user rate": 1e9, "6G peak rate": 1e12},
    "claims": [{"claim": "ViT needs up to 10 Gb/s", "ours": "9.82 Gb/s", "holds": True}],
    "notes": ["The text gives no number for the peak rate."],
    "bits": [{"set": "digits", "bits": 2.08, "percent": 6.5}],
    "modelled": [
        {"set": "digits", "model": "ViT-L", "application": "image recognition", "rate_bps": 6.4e8,
         "share_at_user_rate": 1.0}
    ],
}  # fmt: skip
FULL = {"figure_3": {"sets": [images(), images("cifar10")]}, "figure_4": FOURTH}


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("<body>")[1])).replace("\u00a0", " ")


def test_words_and_numbers() -> None:
    text = text_of(render_delivery(FULL))
    for said in (
        "15.4 times", "planes, accuracy of float32 less 0.2 points", "1 of 2", "does not hold", "97.0 (95.0)", "6.5 %",
        "2.080 bits on digits", "640 M", "Modelled: that these networks would need as many was not measured.",
        "Figure 4: data rates", "Image recognition, within 1 s", "Tactile communication, within 1 ms",
        "The text gives no number for the peak rate.", "707 KB, 707 KB",
    ):  # fmt: skip
        assert said in text, said


def test_drawings_have_hardened_lines_shown_and_naive_ones_folded() -> None:
    plots = drawn(FULL)["plots"]
    clean, spoilt = plots["set-0-1-clean"]["series"], plots["set-0-1-0.001"]["series"]
    assert [each["label"] for each in clean] == ["planes, trained for it"]
    assert clean[0]["x"] == [4, 6.5]  # in chunks
    assert clean[0]["y"] == [95, 98]
    assert clean[0]["low"] == [93, 96]
    assert [(each["label"], each["on"]) for each in spoilt] == [
        ("planes, trained for it", True), ("planes, trained for it, naive", False),
    ]  # fmt: skip
    assert spoilt[0]["x"] == [9, 10.8]
    assert spoilt[0]["y"] == [94, 97]
    assert spoilt[1]["y"] == [10, 10]


def test_rates_are_drawn_by_application_with_the_rates_there_are() -> None:
    shown = drawn(FULL)
    assert list(shown["titles"]) == ["rate-0", "rate-1"]
    series = shown["plots"]["rate-0"]["series"]
    assert [each["label"] for each in series] == ["ResNet-50", "ViT-L", "6G user rate", "6G peak rate"]
    assert series[1]["y"][-1] == 9.824e9
    assert series[2]["x"] == [1, 100]


def test_small_texts() -> None:
    assert percent_of(0.5, 0) == "50 %"
    assert points_text(6.49) == "6.49 %"
    assert points_text(None) == reached_text({}) == ABSENT


@pytest.mark.parametrize("value", [{}, {"figure_3": {"sets": []}}, {"figure_4": {}}, {"figure_3": None}])
def test_page_of_nothing(value: dict[str, Any]) -> None:
    assert "No experiment was run yet." in render_delivery(value)


@pytest.mark.parametrize("value", [None, {}, [], [None], [[]], "text", 3.0, math.nan, {"a": None}])
def test_every_value_may_be_of_another_kind(value: Any) -> None:
    for key in images():
        page = render_delivery({"figure_3": {"sets": [{**images(), key: value}]}, "figure_4": FOURTH})
        data = re.search(r'id="data">(.*?)</script>', page)
        assert data is not None
        json.loads(data[1], parse_constant=pytest.fail)
    for key in FOURTH:
        render_delivery({"figure_3": FULL["figure_3"], "figure_4": {**FOURTH, key: value}})
    for key in ("points", "method"):
        changed = {**images(), "levels": [{"title": "t", "lines": [{**line("m", point("p", 1, 0.5)), key: value}]}]}
        render_delivery({"figure_3": {"sets": [changed]}})
    for key in point("p", 1, 0.5):
        spoilt = line("m", {**point("p", 1, 0.5), key: value})
        render_delivery({"figure_3": {"sets": [{**images(), "levels": [{"title": "t", "lines": [spoilt]}]}]}})
    for key in RATE_LINES[0]:
        render_delivery({"figure_4": {"lines": [{**RATE_LINES[0], key: value}]}})


def hostile(value: Any) -> Any:
    """Return the value with every text replaced by markup."""
    if isinstance(value, dict):
        return {key: hostile(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


def test_hostile_texts_stay_texts() -> None:
    page = render_delivery(hostile(FULL))
    assert page.count("<script") == 2
    assert "<img" not in page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("needs chromium")
    with Browser(PROGRAM, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("name", ["full", "hostile", "nothing"])
def test_page_in_a_browser(browser: Browser, tmp_path: Path, name: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_delivery({"full": FULL, "hostile": hostile(FULL), "nothing": {}}[name]), encoding="utf-8")
    for width, dark in ((360, True), (1280, False)):
        browser.open(path, width=width, dark=dark)
        browser.ask("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert browser.ask("document.documentElement.dataset.drawn") == "yes"
        assert browser.ask("document.documentElement.dataset.fault || ''") == ""
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask("document.title.startsWith('owned')") is False
        assert browser.faults() == []
        assert browser.requested() == [path.as_uri()]
    if name == "full":
        assert browser.ask("document.querySelectorAll('.plot svg[tabindex]').length") == 18
