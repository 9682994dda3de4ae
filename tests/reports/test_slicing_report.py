"""The report of a slicing study: what it says, what its drawings get, and that it needs none of its inputs."""

from __future__ import annotations

import doctest
import json
import math
import re
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slicing_examples import PAPER, hostile, results, spoilt
from test_report_page import read

import netgraft.reports.slicing_checks
import netgraft.reports.slicing_methods
from netgraft.reports.slicing import render_slicing
from netgraft.reports.slicing_checks import value_text
from netgraft.reports.slicing_drawn import drawn, gain, masks, training
from netgraft.reports.slicing_methods import brief, measured, method, ordered
from netgraft.reports.slicing_network import network
from netgraft.reports.slicing_similarity import SWAPPED, similarity
from netgraft.reports.slicing_words import (
    delay_here,
    describe,
    gain_here,
    masks_here,
    satisfaction_here,
    similarity_here,
    training_here,
)

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{script}}'"
FULL = results()
FEW = ("proportional", "drl")
ONE_SEED = results(FEW, seeds=1)


def text_of(page: str) -> str:
    """Return what a reader sees without the drawings."""
    body = page[page.index("<body>") : page.index('<script type="application/json"')]
    return re.sub(r"<[^>]+>", "", body).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("module", [netgraft.reports.slicing_methods, netgraft.reports.slicing_checks])
def test_examples_in_docstrings(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_page_is_well_formed_small_and_self_contained() -> None:
    page = render_slicing(FULL)
    reader = read(page)
    assert len(page) < 500_000
    assert not [
        value for _, attributes in reader.elements for key, value in attributes.items() if key in ("src", "srcset")
    ]
    assert {attributes["href"] for _, attributes in reader.elements if "href" in attributes} == {"data:,"}
    policy = next(attributes["content"] for tag, attributes in reader.elements if attributes.get("http-equiv"))
    assert str(policy).startswith("default-src 'none'")
    assert not [attributes for _, attributes in reader.elements if "style" in attributes]


def test_every_section_is_there() -> None:
    found = re.findall(r'<section id="([\w-]+)"', render_slicing(FULL))
    assert found == [
        "picked", "checks", "methods", "network", "masks", "training", "satisfaction", "delay", "similarity", "gain",
        "run",
    ]  # fmt: skip


def test_verdict_says_what_holds_and_what_does_not() -> None:
    said = describe(FULL)
    assert said[0] == "2 of 4 checks hold; not so: throughput beyond the baseline; 1 could not be judged."
    assert said[1].startswith("Reward, least first: the baseline with perfect demand 0.729, DRL stopped at")
    assert said[2] == (
        "Of neighbours, the intervals of the baseline with perfect demand and DRL stopped at the transfer's steps are"
        " apart."
    )
    assert "DRL 0.880 (paper 0.90), the baseline with perfect demand 0.856 (paper 0.87)." in said[3]
    assert describe({}) == ["The study has no result yet."]
    assert describe(ONE_SEED)[-1] == "It is one seed: intervals tell of its periods, not of other seeds."
    assert describe({"checks": [{"name": "a", "holds": True}]}) == ["1 of 1 check holds."]


def test_order_says_which_intervals_overlap() -> None:
    apart = {
        name: {"reward": {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}}
        for name, mean in (("drl", 0.8), ("proportional", 0.7))
    }
    assert describe({"methods": apart})[1] == "No two neighbours' intervals overlap."
    wide = {name: {"reward": {"mean": 0.7 + 0.01 * i, "low": 0.6, "high": 0.9}} for i, name in enumerate(apart)}
    assert describe({"methods": wide})[1] == "All neighbours' intervals overlap."
    assert len(describe({"methods": {**apart, "tl_similar": {"reward": {"mean": 0.9}}}})) == 1


def test_checks_show_their_state_and_figures() -> None:
    page = render_slicing(FULL)
    rows = re.findall(r'<li class="(check-row[^"]*)">(.*?)</li>', page)
    assert [kind for kind, _ in rows] == ["check-row held", "check-row held", "check-row failed", "check-row"]
    assert "</span> does not hold</span>" in rows[2][1]
    assert "</span> not known</span>" in rows[3][1]
    assert "<dt>DRL, stopped early</dt><dd>0.822 (0." in rows[0][1]
    assert "checks</dt>" in page
    assert 'id="checks"' not in render_slicing({**FULL, "checks": []})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"), (False, "no"), (None, "\N{EN DASH}"), ("x", "x"), (4000, "4,000"),
        ({"a": 0.5, "b": [1, 2.5]}, "a 0.5, b 1, 2.5"), ({"mean": 0.5, "low": None, "high": 1.0}, "0.5"),
        (list(range(30)), f"{', '.join(map(str, range(16)))}, and 14 more"),
        (math.nan, "nan"),
    ],
)  # fmt: skip
def test_figures_of_checks(value: object, text: str) -> None:
    assert value_text(value) == text


def test_bounds_of_a_figure_are_told_with_it() -> None:
    values = {
        "drl": 0.82,
        "difference": -0.0251,
        "difference_low": -0.0334,
        "difference_high": 0.0157,
        "most_steps": 2125.0,
    }
    page = render_slicing({"checks": [{"name": "a", "holds": True, "values": values}]})
    assert "<dt>difference</dt><dd>\N{MINUS SIGN}0.0251 (\N{MINUS SIGN}0.0334 to 0.0157)</dd>" in page
    assert "<dt>most steps</dt><dd>2,125</dd>" in page
    assert "difference low" not in page


def test_distributions_begin_where_they_fall() -> None:
    told = {"x": [0.0, 0.1, 0.2, 0.3, 0.4], "y": [1.0, 0.9, 0.9, 0.9, 0.2]}
    found = drawn({"ccdf": {"satisfaction": {"drl": told}, "delay_ms": {"drl": told}}})
    assert found["satisfaction"][0]["x"] == told["x"]
    assert found["delay"][0]["x"] == [0.3, 0.4]


def test_methods_stand_beside_the_paper() -> None:
    page = render_slicing(FULL)
    table = page[page.index('<table class="sortable') :].split("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table)[1:]
    assert len(rows) == 15
    assert len(re.findall(r"<th[ >]", table.split("</thead>")[0])) == 9
    drl = next(row for row in rows if 'data-sort="DRL"' in row)
    assert 'data-sort="0.9">0.90</td>' in drl
    assert 'data-sort="0.19">19 %</td>' in drl
    assert 'data-sort="1.7">1.7</td>' in drl
    assert re.search(r"<td class=\"number\" data-sort=\"0\.\d+\">0\.850<small>0\.\d{3} to 0\.\d{3}</small></td>", drl)
    assert page.count('class="rail"') == 15


def test_methods_without_intervals_and_without_the_paper() -> None:
    page = render_slicing({**ONE_SEED, "paper": {}})
    table = page[page.index('<table class="sortable') :].split("</table>")[0]
    assert "paper</button>" not in table
    assert " to 0." not in table
    assert "interval (block bootstrap" not in text_of(page)
    assert "block bootstrap of the periods of 3 seeds" in text_of(render_slicing(FULL))
    ours = render_slicing({"paper": PAPER})
    assert ours.count('<td class="number" data-sort="">\N{EN DASH}</td>') == 4 * len(PAPER)


def test_measures_may_be_bare_numbers() -> None:
    assert measured({"methods": {"drl": {"reward": 0.7}}}, "drl", "reward").mean == 0.7
    assert (
        measured({"methods": {"drl": {"reward": {"mean": 0.7, "low": 0.7, "high": 0.7}}}}, "drl", "reward").interval
        is None
    )
    assert ordered({"own": 1, "drl": 2, "equal": 3}) == ["equal", "drl", "own"]
    assert method("own").label == "own"
    assert brief(0.00001) == "1.00e-5"


def test_words_beside_the_figures() -> None:
    assert masks_here(FULL) == (
        "Values lie between 0.2 and 1; the slices ask for most together at step 44 (3.45 of 4) and for least at step 94"
        " (1.35)."
    )
    assert re.fullmatch(
        r"Mean of the first 200 steps: transfer from a similar source 0\.8\d+, transfer from a dissimilar source"
        r" 0\.7\d+, DRL 0\.4\d+\. Mean of the last 500 steps: .*, DRL 0\.8\d+\.",
        training_here(FULL),
    )
    assert satisfaction_here(FULL).startswith("Below 0.95: transfer from a similar source 28 %, DRL 33 %")
    assert delay_here(FULL).endswith("the baseline with perfect demand 2.28 ms.")
    assert similarity_here(FULL).endswith("moments 100 %. Sources were chosen by vae-lemma1.")
    assert gain_here(FULL) == (
        "Gain in reward over DRL after 200 steps +43.6 % from the similar and +32.8 % from the dissimilar source, after"
        " 4,000 steps +17.9 % from the similar and +12.3 % from the dissimilar source."
    )
    for here in (masks_here, training_here, satisfaction_here, delay_here, similarity_here, gain_here):
        assert here({}) == ""


def test_masks_may_lie_either_way_and_be_shared() -> None:
    rows = [[0.1, 0.2, 0.1], [0.3, 0.4, 0.3], [0.5, 0.6, 0.5], [0.7, 0.8, 0.7]]
    columns = [list(column) for column in zip(*rows, strict=True)]
    either = [masks({"masks": {"slices": ["a", "b", "c"], "values": values}}) for values in (rows, columns)]
    assert either[0] == either[1]
    assert [(each["label"], each["y"]) for each in either[0]] == [("a, c", columns[0]), ("b", columns[1])]
    assert [each["label"] for each in masks({"masks": {"values": rows}})] == ["slice 1, slice 3", "slice 2"]


def test_levels_are_drawn_where_a_baseline_has_no_curve() -> None:
    told = training(FULL)
    assert told is not None
    levels = [each["name"] for each in told["series"] if each.get("level")]
    assert levels == ["equal", "causal", "proportional", "oracle"]
    assert told["split"] == 4000
    assert {each["name"] for each in told["series"] if each["on"]} == {
        "drl",
        "tl_similar",
        "tl_dissimilar",
        "proportional",
    }
    lone = training({"curves": {"own": {"step": [0, 1], "reward": [0.1, 0.2]}}})
    assert lone is not None
    assert (lone["series"][0]["on"], lone["split"]) == (True, None)
    assert training({"curves": {"own": {"step": [0, 1], "reward": [0.1, None]}}}) is None


def test_matrices_are_in_the_order_of_the_groups_with_the_chosen_first() -> None:
    told = similarity(FULL)
    assert told is not None
    assert told["numbers"] == [str(cell) for cell in (0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11)]
    assert told["groups"] == [0] * 6 + [1] * 6
    assert told["measures"][0]["name"] == FULL["similarity"]["chosen"]
    last = told["measures"][-1]
    assert (last["name"], last["cost"]) == (SWAPPED, True)
    assert all(row[place] == 0 for place, row in enumerate(last["matrix"]))
    assert last["matrix"][0][6] == pytest.approx(0.15, abs=0.011)
    assert all(told["groups"][best] == told["groups"][place] for place, best in enumerate(last["nearest"]))
    assert all(best != place for place, best in enumerate(last["nearest"]))
    given = FULL["similarity"]["vae"]
    shown = next(each for each in told["measures"] if each["name"] == "vae")
    assert shown["matrix"][3][7] == pytest.approx(given["matrix"][6][4], rel=1e-3)
    assert told["cells"][shown["nearest"][3]] == f"cell_{given['nearest'][6]}"


def test_matrices_of_cells_without_names_or_groups() -> None:
    told = similarity(
        {"similarity": {"a": {"matrix": [[0, 1.5], [None, 0]], "nearest": [1]}, "b": {"matrix": [[0, 1]]}}}
    )
    assert told is not None
    assert (told["cells"], told["numbers"], told["groups"]) == (["cell 1", "cell 2"], ["1", "2"], [0, 0])
    assert told["measures"] == [{"name": "a", "matrix": [[0, 1.5], [None, 0]], "nearest": [1, None], "chosen": False}]
    assert similarity({"similarity": {"chosen": "a"}}) is None


def test_gains_are_in_the_order_of_steps_and_distances() -> None:
    told = gain(FULL["gain"])
    assert told is not None
    assert [each["label"] for each in told["by_distance"]] == [
        "after 200 steps",
        "after 1,000 steps",
        "after 4,000 steps",
    ]
    assert told["by_distance"][0]["x"] == sorted(told["by_distance"][0]["x"])
    assert gain({}) is None


def test_cells_and_frames_of_different_length_are_drawn() -> None:
    cells = [{"name": f"c{k}", "x_m": 1.0 * k, "y_m": 0.0} for k in range(3)] + [{"name": "nowhere", "x_m": None}]
    frames = {"drl": {"step": [0, 1, 2], "load": [[0.1, 0.2], [0.3, math.nan, 0.4, 0.5, 0.6]]}, "none": {}}
    told = network({"network": {"cells": cells, "frames": frames}})
    assert told is not None
    assert [each["name"] for each in told["methods"]] == ["drl"]
    assert told["methods"][0]["load"] == [[0.1, 0.2, None, None], [0.3, None, 0.4, 0.5], [None] * 4]
    assert network({"network": {"cells": [{"name": "nowhere"}]}}) is None


@pytest.mark.parametrize("key", FULL)
def test_every_key_may_be_absent_or_empty(key: str) -> None:
    for value in (None, {}, [], "text", 3):
        read(render_slicing({**FULL, key: value}))
    read(render_slicing({name: value for name, value in FULL.items() if name != key}))


@pytest.mark.parametrize("key", ["methods", "curves", "similarity", "gain", "network", "masks", "ccdf", "paper"])
def test_every_inner_value_may_be_of_another_kind(key: str) -> None:
    for value in (None, {}, [], [[]], [None], "text", 3.0, {"a": None}, [[None], {}]):
        for name in ONE_SEED[key]:
            page = render_slicing({"methods": ONE_SEED["methods"], key: {**ONE_SEED[key], name: value}})
            assert page.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 0.0])
def test_numbers_that_are_not_finite_do_not_break_it(number: float) -> None:
    page = render_slicing(spoilt(FULL, number))
    read(page)
    data = re.search(r'id="data">(.*?)</script>', page)
    assert data is not None
    json.loads(data[1], parse_constant=pytest.fail)


def test_hostile_texts_stay_texts() -> None:
    page = render_slicing(hostile(HOSTILE))
    reader = read(page)
    assert sum(tag == "script" for tag, _ in reader.elements) == 2
    assert not [tag for tag, _ in reader.elements if tag == "img"]


KEYS = [*FULL, "drl", "tl_similar", "mean", "matrix", "values", "cells", "frames", "x", "step"]
LEAVES = st.none() | st.booleans() | st.floats() | st.text(max_size=5)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return lists of a kind of value, and mappings to it from keys that mean something."""
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)


@given(st.recursive(LEAVES, nested))
def test_any_json_renders(value: Any) -> None:
    given = value if isinstance(value, dict) else dict.fromkeys(FULL, value)
    assert render_slicing(given).startswith("<!DOCTYPE html>")


def test_everything_that_is_drawn_is_small() -> None:
    many = results(("equal", "proportional"), scenario="fifty-seven")
    assert len(json.dumps(drawn(many))) < 600_000
