"""The page of a slicing study in a real browser: what is drawn, the player, the keyboard, a phone, dark mode."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_browser import Browser, chromium
from slicing_examples import hostile, renamed, results, spoilt

from netgraft.reports.slicing import render_slicing

PROGRAM = chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs chromium")
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{script}}'"
FULL = results()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(str(PROGRAM), tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_slicing(FULL), encoding="utf-8")
    return path


def bare(part: str) -> dict[str, Any]:
    """Return results of which only one part is known."""
    return {part: FULL[part]}


CASES = {
    "full": FULL,
    "one seed": results(("proportional", "drl"), seeds=1),
    "three cells": results(("equal", "proportional"), scenario="three"),
    "57 cells": results(("equal", "proportional"), scenario="fifty-seven"),
    "nothing": {},
    "hostile": hostile(HOSTILE),
    "spoilt": spoilt(FULL, math.nan),
    "zeros": spoilt(FULL, 0.0),
    "map alone": {"network": {"cells": FULL["network"]["cells"]}},
    "one frame": {"network": {**FULL["network"], "frames": {"drl": {"step": [5], "users": [[1.0] * 12]}}}},
    "long names": renamed(FULL, "a_name_without_a_space" * 6),
    **{f"{part} alone": bare(part) for part in ("curves", "ccdf", "masks", "similarity", "gain", "methods")},
}


@pytest.mark.parametrize("name", CASES)
def test_page_is_drawn_on_a_phone_and_on_a_desk(browser: Browser, tmp_path: Path, name: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_slicing(CASES[name]), encoding="utf-8")
    for width, dark in ((360, True), (1280, False)):
        browser.open(path, width=width, dark=dark)
        browser.ask("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask("document.documentElement.dataset.fault || ''") == ""
        assert browser.ask("document.documentElement.dataset.drawn") == "yes"
        assert browser.faults() == []
        assert browser.requested() == [path.as_uri()]
        assert browser.ask("/NaN|undefined|Infinity/.test(document.querySelector('main').innerHTML)") is False
        assert browser.ask("document.title.startsWith('owned')") is False


def test_everything_is_drawn(browser: Browser, page: Path) -> None:
    browser.open(page)
    counts = "['#masks-plot .curve', '#training-plot > div > svg > .curve', '.wedge[d]', '.nearest', '#matrix-0 .cell']"
    found = browser.ask(f"{counts}.map(each => document.querySelectorAll(each).length)")
    assert found == [8, 5, 12, 84, 132 + 5]
    assert browser.ask("document.querySelectorAll('#satisfaction-plot > div > svg > .curve').length") == 5


LIGHT = """const parts = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const light = (rgb) => { const [r, g, b] = rgb.map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const back = parts(getComputedStyle(document.body).backgroundColor);"""


def test_dark_mode_follows_the_reader_and_text_has_enough_contrast(browser: Browser, page: Path) -> None:
    found = f"""((selector) => {{ {LIGHT}
        const node = document.querySelector(selector), style = getComputedStyle(node);
        return contrast(light(parts(node instanceof SVGElement ? style.fill : style.color)), light(back)); }})"""
    for dark in (False, True):
        browser.open(page, dark=dark)
        expected = "rgb(18, 22, 26)" if dark else "rgb(250, 250, 248)"
        assert browser.ask("getComputedStyle(document.body).backgroundColor") == expected
        selectors = (".held .state", ".failed .state", ".values dt", ".said dt", ".key", ".more-keys summary", "small")
        for selector in (*selectors, "#network text", ".limit-name"):
            assert browser.ask(f"{found}({json.dumps(selector)})") >= 4.5, selector


@pytest.mark.parametrize("measure", ["satisfaction", "load"])
def test_numbers_on_the_map_can_be_read_on_every_colour(browser: Browser, page: Path, measure: str) -> None:
    least = f"""(() => {{ {LIGHT}
        const ink = light(parts(getComputedStyle(document.querySelector('.wedge-value')).fill));
        const filled = [...document.querySelectorAll('.stop .wedge:not(.none)')];
        return Math.min(...filled.map((each) => {{
            const share = Number(each.getAttribute('fill-opacity')), fill = parts(getComputedStyle(each).fill);
            return contrast(ink, light(fill.map((value, index) => share * value + (1 - share) * back[index])));
        }})); }})()"""
    for dark in (False, True):
        browser.open(page, dark=dark)
        choose(browser, "Colour", measure)
        assert browser.ask(least) >= 4.5


def choose(browser: Browser, label: str, text: str) -> None:
    """Choose an option of the player by its text."""
    browser.ask(f"""(() => {{
        const labels = [...document.querySelectorAll('#network label')];
        const select = labels.find(each => each.textContent.startsWith('{label}')).querySelector('select');
        select.value = [...select.options].findIndex(each => each.textContent === '{text}');
        select.dispatchEvent(new Event('change')); }})()""")


def slide(browser: Browser, frame: int) -> None:
    """Move the player's slider."""
    browser.ask(f"""(() => {{ const slider = document.querySelector('.steps-slider input');
        slider.value = {frame}; slider.dispatchEvent(new Event('input')); }})()""")


def box_of(browser: Browser, selector: str) -> dict[str, float]:
    """Return where an element stands in the window."""
    found: dict[str, float] = json.loads(
        browser.ask(f"JSON.stringify(document.querySelector('{selector}').getBoundingClientRect())")
    )
    return found


SHOWN = "[...document.querySelectorAll('.wedge-value')].map(each => each.textContent)"
STEP = "document.querySelector('.steps-slider output').textContent"


def press(browser: Browser, *keys: str) -> None:
    for key in keys:
        for kind in ("keyDown", "keyUp"):
            text = " " if key == " " and kind == "keyDown" else ""
            browser.call(
                "Input.dispatchKeyEvent", type=kind, key=key, text=text, windowsVirtualKeyCode=CODES.get(key, 0)
            )


CODES = {" ": 32, "ArrowLeft": 37, "ArrowRight": 39, "End": 35, "Home": 36, "Enter": 13}


def frame(method: str, measure: str, step: int) -> list[str]:
    return [f"{value:.2f}" for value in FULL["network"]["frames"][method][measure][step]]


def close(shown: list[str], expected: list[str]) -> bool:
    """Return whether texts are the same numbers; the page rounds twice."""
    return all(abs(float(a) - float(b)) < 0.0151 for a, b in zip(shown, expected, strict=True))


def test_player_shows_each_step_of_each_method(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.ask(STEP) == "step 0"
    assert close(browser.ask(SHOWN), frame("tl_similar", "satisfaction", 0))
    slide(browser, 37)
    assert browser.ask(STEP) == "step 37"
    assert close(browser.ask(SHOWN), frame("tl_similar", "satisfaction", 37))
    choose(browser, "Method", "proportional, perfect demand")
    assert browser.ask(STEP) == "step 37"
    assert close(browser.ask(SHOWN), frame("proportional", "satisfaction", 37))
    choose(browser, "Colour", "load")
    assert close(browser.ask(SHOWN), frame("proportional", "load", 37))
    assert browser.ask("document.querySelectorAll('.map .wedge.loaded').length") == 12


CLOCK = """window.timers = new Map(); window.delays = []; let count = 0;
    window.setTimeout = (run, delay) => { delays.push(delay); timers.set(++count, run); return count; };
    window.clearTimeout = (id) => timers.delete(id);
    window.pass = () => { const due = [...timers.values()]; timers.clear(); due.forEach(run => run()); };"""
PLAY = "document.querySelector('.play').click()"
PLAYING = "document.querySelector('.play').textContent === 'Pause'"


def test_player_plays_pauses_and_stops_at_the_end(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.ask(CLOCK)
    assert browser.ask(PLAYING) is False
    browser.ask(PLAY)
    assert browser.ask(PLAYING) is True
    browser.ask("pass(), pass(), pass()")
    assert browser.ask(STEP) == "step 3"
    assert close(browser.ask(SHOWN), frame("tl_similar", "satisfaction", 3))
    browser.ask(PLAY)
    browser.ask("pass()")
    assert (browser.ask(STEP), browser.ask(PLAYING)) == ("step 3", False)
    slide(browser, 98)
    browser.ask(PLAY)
    browser.ask("pass(), pass(), pass()")
    assert (browser.ask(STEP), browser.ask(PLAYING), browser.ask("timers.size")) == ("step 99", False, 0)
    browser.ask(PLAY)
    assert (browser.ask(STEP), browser.ask(PLAYING)) == ("step 0", True)
    slide(browser, 40)
    assert (browser.ask(STEP), browser.ask(PLAYING)) == ("step 40", False)


def test_player_is_calm_for_who_wants_less_motion(browser: Browser, page: Path) -> None:
    found = []
    for wish in ("no-preference", "reduce"):
        browser.open(page)
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": wish}])
        browser.ask(CLOCK)
        browser.ask(PLAY)
        browser.ask("pass()")
        found.append(browser.ask("[getComputedStyle(document.querySelector('.wedge')).transitionDuration, delays[1]]"))
    assert found == [["0.15s", 160], ["0s", 900]]


def test_player_goes_by_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.ask("document.querySelector('.steps-slider input').focus()")
    press(browser, "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft")
    assert browser.ask(STEP) == "step 2"
    press(browser, "End")
    assert browser.ask(STEP) == "step 99"
    press(browser, "Home", " ")
    assert browser.ask("document.querySelector('.play').textContent") == "Pause"
    press(browser, " ")
    assert browser.ask("document.querySelector('.play').textContent") == "Play"
    assert browser.ask("document.querySelector('.steps-slider input').getAttribute('aria-valuetext')").startswith(
        "step "
    )


def test_cells_of_the_map_tell_themselves_by_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.ask("document.querySelectorAll('.map [tabindex=\"0\"]').length") == 1
    browser.ask("document.querySelector('.map [tabindex=\"0\"]').focus()")
    press(browser, "ArrowRight", "ArrowRight", "ArrowRight")
    said = browser.ask("document.getElementById('tip').innerText").split("\n")
    assert said[:2] == ["cell_3", "site 1, group 2"]
    assert [line.split(":")[0] for line in said[2:]] == ["load", "satisfaction", "users"]
    press(browser, "Enter")
    assert browser.ask("document.querySelector('.cell-mark[aria-pressed=true]').dataset.id") == "cell_3"
    assert browser.ask("[...document.querySelectorAll('.over-time .legend span')].map(each => each.textContent)") == [
        "worst cell", "mean of cells", "cell_3",
    ]  # fmt: skip
    assert browser.ask("document.activeElement.dataset.id") == "cell_3"


def test_wedges_point_where_their_antennas_do(browser: Browser, page: Path) -> None:
    browser.open(page)
    numbers = (
        "[...document.querySelectorAll('.wedge-value')].map(each => ['x', 'y'].map(side => each.getAttribute(side)))"
    )
    places = [[float(side) for side in place] for place in browser.ask(numbers)]
    (east, _), (west, _), (_, south) = places[:3]
    assert east > west
    assert south > max(places[0][1], places[1][1])
    assert places[6][1] < places[0][1]  # site 2 stands north of site 0


def test_timeline_seeks(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.ask("document.querySelector('.over-time').scrollIntoView()")
    box = box_of(browser, ".over-time svg")
    place = {"x": box["x"] + 0.9 * box["width"], "y": box["y"] + 80}
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)
    assert int(browser.ask(STEP).split()[1]) > 70


def test_curves_are_read_by_pointer_and_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.ask("document.querySelector('#training').scrollIntoView()")
    browser.ask("document.querySelector('#training-plot svg').focus()")
    press(browser, "ArrowRight", "ArrowRight")
    said = browser.ask("document.getElementById('tip').innerText").split("\n")
    assert said[0] == "step 425"
    assert [line.split(":")[0] for line in said[1:]] == [
        "DRL", "transfer, dissimilar source", "transfer, similar source",
        "proportional, perfect demand",
    ]  # fmt: skip
    box = box_of(browser, "#training-plot svg")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=box["x"] + box["width"] * 0.8, y=box["y"] + 90)
    assert "transfer, similar source: \N{EN DASH}" in browser.ask("document.getElementById('tip').innerText")


def test_curves_can_be_seen_as_recorded(browser: Browser, page: Path) -> None:
    browser.open(page)
    path = "document.querySelector('#training-plot .curve.similar').getAttribute('d')"
    mean = browser.ask(path)
    browser.ask(
        "(() => { const select = document.querySelector('#training-plot select');"
        " select.value = 1; select.dispatchEvent(new Event('change')); })()"
    )
    assert len(browser.ask(path)) == pytest.approx(len(mean), rel=0.05)
    assert browser.ask(path) != mean


def test_keys_show_and_hide_methods(browser: Browser, page: Path) -> None:
    browser.open(page)
    lines = "document.querySelectorAll('#satisfaction-plot > div > svg > .curve').length"
    before = browser.ask(lines)
    browser.ask("document.querySelector('#satisfaction-plot .key[data-name=oracle]').click()")
    assert browser.ask(lines) == before + 1
    browser.ask("document.querySelectorAll('#satisfaction-plot .key[aria-pressed=true]').forEach(each => each.click())")
    assert browser.ask(lines) == 0
    assert browser.ask("document.documentElement.dataset.fault || ''") == ""


def test_cells_of_the_matrix_tell_their_distance(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.ask("document.querySelector('#matrix-0 svg').focus()")
    press(browser, "ArrowRight")
    said = browser.ask("document.getElementById('tip').innerText").split("\n")
    assert said[:2] == ["cell_0", "from cell_1, same targets"]
    assert said[2].startswith("distance ")


def test_methods_sort(browser: Browser, page: Path) -> None:
    browser.open(page)
    order = "[...document.querySelectorAll('.methods tbody th')].map(each => each.dataset.sort)"
    assert browser.ask(order)[0] == "equal split"
    browser.ask(
        "[...document.querySelectorAll('.methods thead button')].find(each => each.textContent === 'reward').click()"
    )
    assert browser.ask(order)[0] == "proportional, last demand"
    assert browser.ask(order)[-1] == "oracle"
