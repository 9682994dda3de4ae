"""The page in a real browser: what is drawn, on a phone, by keyboard, in dark mode."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from report_browser import FLAGS, Browser, chromium
from report_examples import FOUR, details, front, hostile

from netgraft.reports import render_front
from netgraft.reports.figures import quantity

PROGRAM = chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs chromium")
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{data}}'"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(str(PROGRAM), tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(render_front(front(objectives=FOUR), details()), encoding="utf-8")
    return path


def test_dumped_page_holds_the_drawn_points(page: Path, tmp_path: Path) -> None:
    flags = [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,800", "--dump-dom"]
    dumped = subprocess.run(
        [str(PROGRAM), *flags, page.as_uri()], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert 'data-drawn="yes"' in dumped
    assert "data-fault" not in dumped
    assert dumped.count('class="mark network') == 14
    assert dumped.count('class="dot') >= 1000


EXAMPLES = {
    "regression": (front(), details()),
    "classification": (front(kind="classification", objectives=FOUR), details(kind="classification")),
    "sixty points": (front(networks=60, objectives=FOUR), details(evaluations=2000)),
    "one point": (front(networks=1, tested=False), {}),
    "nothing": ({}, {}),
    "long names": (front() | {"task": {**front()["task"], "target": "throughput_" * 12}}, details()),
    "hostile": hostile(front(), details(), HOSTILE),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_phone_scrolls_in_one_direction_only(browser: Browser, tmp_path: Path, name: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_front(*EXAMPLES[name]), encoding="utf-8")
    for width, dark in ((360, True), (1280, False)):
        browser.open(path, width=width, dark=dark)
        browser.ask("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask("document.documentElement.dataset.fault || ''") == ""
        assert browser.ask("document.querySelectorAll('#front-plot .mark').length") == len(
            EXAMPLES[name][0].get("points", [])
        )
        assert browser.ask("document.title.startsWith('owned')") is False
        assert browser.faults() == []
        assert browser.requested() == [path.as_uri()]


def test_dark_mode_follows_the_reader(browser: Browser, page: Path) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    browser.open(page, dark=True)
    dark = browser.ask(colour)
    browser.open(page, dark=False)
    assert (dark, browser.ask(colour)) == ("rgb(18, 22, 26)", "rgb(250, 250, 248)")


def test_text_has_enough_contrast(browser: Browser, page: Path) -> None:
    luminance = """(text) => { const [r, g, b] = text.match(/[\\d.]+/g).map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; }"""
    for dark in (False, True):
        browser.open(page, dark=dark)
        for selector in (
            ".lead",
            ".facts dt",
            ".choose",
            ".badge",
            "#front-plot text",
            ".command .point",
            "#front-plot .label",
        ):
            colours = f"""(() => {{ const light = {luminance}; const node = document.querySelector('{selector}');
                const style = getComputedStyle(node), a = light(node instanceof SVGElement ? style.fill : style.color);
                const b = light(getComputedStyle(document.body).backgroundColor);
                return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }})()"""
            assert browser.ask(colours) >= 4.5, selector


def test_choosing_a_point_changes_card_table_and_commands(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.ask("document.querySelector('.command .point').textContent") == "n007"
    browser.ask(
        "document.querySelector('#front-plot .mark.trees').dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )
    assert browser.ask("document.querySelector('.command .point').textContent") == "trees"
    assert browser.ask("document.querySelector('#chosen h3').textContent") == "trees"
    assert browser.ask("document.querySelector('#points-table tr.chosen').dataset.id") == "trees"


def test_keyboard_reaches_every_point(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.ask("document.querySelectorAll('#front-plot [tabindex=\"0\"]').length") == 1
    browser.ask("document.querySelector('#front-plot [tabindex=\"0\"]').focus()")
    for key in ("Home", "ArrowRight", "ArrowRight"):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key=key)
    assert browser.ask("document.activeElement.dataset.id") == "n001"
    assert browser.ask("document.getElementById('tip').hidden") is False
    assert "size: 1.31 KB" in browser.ask("document.getElementById('tip').innerText")
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Enter", text="\r" if kind == "keyDown" else "")
    assert (
        browser.ask("document.activeElement.dataset.id + document.querySelector('#chosen h3').textContent")
        == "n001n001"
    )


def test_hover_shows_the_point_and_its_values(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.ask("document.querySelector('#front-plot').scrollIntoView()")
    box = browser.ask("JSON.stringify(document.querySelector('#front-plot .mark.picked').getBoundingClientRect())")
    place = json.loads(box)
    browser.call(
        "Input.dispatchMouseEvent",
        type="mouseMoved",
        x=place["x"] + place["width"] / 2,
        y=place["y"] + place["height"] / 2,
    )
    shown = browser.ask("document.getElementById('tip').innerText")
    assert shown.startswith("n007\nnetwork 29-25")
    assert "latency: 6.92 µs" in shown


def test_axes_can_be_changed(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.ask(
        "(() => { const box = document.getElementById('axis-x'); box.value = 'values.latency';"
        " box.dispatchEvent(new Event('change')); })()"
    )
    assert browser.ask(
        "[...document.querySelectorAll('#front-plot .title')].map(each => each.textContent).join()"
    ).startswith("latency")
    assert browser.ask("document.querySelectorAll('#axis-y option').length") == 12


def test_table_sorts_by_number_with_absent_values_last(browser: Browser, tmp_path: Path) -> None:
    given = front()
    del given["points"][4]["values"]["error"]
    path = tmp_path / "report.html"
    path.write_text(render_front(given, {}), encoding="utf-8")
    browser.open(path)
    order = "[...document.querySelectorAll('#points-table tbody tr')].map(each => each.dataset.id)"
    press = "document.querySelectorAll('#points-table thead button')[2].click()"
    for _ in range(2):
        browser.ask(press)
        assert browser.ask(order)[-1] == "n004"
    assert browser.ask(order)[0] == "linear"
    assert browser.ask("document.querySelectorAll('#points-table th[aria-sort=descending]').length") == 1


def test_scripts_write_numbers_as_python_does(browser: Browser) -> None:
    rng = np.random.default_rng(5)
    numbers = [*(10 ** rng.uniform(-7, 13, size=300)).tolist(), 0.0, 3.0, 999_700.0, 1e6, -12.5]
    script = (files("netgraft.reports") / "assets" / "figures.js").read_text(encoding="utf-8")
    for unit, least, most in (("", 0.0, 1e13), ("byte", 1.0, 1e13), ("s", 1e-9, 1e4), ("j", 1e-9, 1e4)):
        numbers = [number for number in numbers if least <= abs(number) <= most or number == 0]
        found = browser.ask(
            f"(() => {{ {script}\nreturn {json.dumps(numbers)}.map(each => quantity(each, {json.dumps(unit)})); }})()"
        )
        assert found == [quantity(number, unit) for number in numbers]
