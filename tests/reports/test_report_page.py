"""The page is well-formed, self-contained, small, safe with hostile names, and needs none of its inputs."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_examples import FOUR, details, front, hostile

from netgraft.reports import render_front
from netgraft.reports.markup import escape, fill, script_json, tag
from netgraft.reports.payload import payload, thin

VOID = {"meta", "link", "br", "hr", "input", "img", "col"}
HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"' onclick='x' {{data}} ]]> <!-- \u2028 \ud800 \x00"
)


class Reader(HTMLParser):
    """Reads a page, keeps its elements, and fails on one that is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute of {tag} is given twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"{tag} is closed but not open"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    return reader


def embedded(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    value: dict[str, Any] = json.loads(found[1])
    return value


CASES = {
    "regression": (front(), details()),
    "classification, four objectives": (front(kind="classification", objectives=FOUR), details(kind="classification")),
    "sixty points": (front(networks=60, objectives=FOUR), details(evaluations=2500)),
    "one point": (front(networks=1), details()),
    "no test rows": (front(tested=False), details()),
    "nothing but the front": (front(), {}),
    "nothing at all": ({}, {}),
    "no point": (front() | {"points": [], "picked": None}, details()),
    "hostile": hostile(front(), details(), HOSTILE),
}


@pytest.mark.parametrize("name", CASES)
def test_page_is_well_formed_and_self_contained(name: str) -> None:
    page = render_front(*CASES[name])
    reader = read(page)
    page.encode()
    assert len(page.encode()) < 2_000_000
    loads = [
        (element, attributes)
        for element, attributes in reader.elements
        if {"src", "srcset", "action"} & set(attributes) or (element == "link" and attributes.get("href") != "data:,")
    ]
    assert loads == []
    for address in re.findall(r"(?:https?:)?//[a-z][\w.-]*\.[a-z]+[^\s\"'`<]*", page):
        assert address == "http://www.w3.org/2000/svg"


def test_usual_page_is_small() -> None:
    assert len(render_front(front(), details())) < 200_000
    assert len(render_front(front(networks=60, objectives=FOUR), details(evaluations=20_000))) < 400_000


def test_every_point_stands_in_the_html_itself() -> None:
    given = front()
    reader = read(render_front(given, details()))
    rows = [
        attributes["data-id"] for element, attributes in reader.elements if element == "tr" and "data-id" in attributes
    ]
    assert sorted(filter(None, rows)) == sorted(point["id"] for point in given["points"])
    assert rows[0] == "n000"
    assert "412 KB" in reader.texts["td"]


def test_hostile_names_stay_text() -> None:
    page = render_front(*hostile(front(), details(), HOSTILE))
    reader = read(page)
    assert [element for element, _ in reader.elements].count("script") == 2
    assert "img" not in {element for element, _ in reader.elements}
    assert not [name for _, attributes in reader.elements for name in attributes if name.startswith("on")]
    assert embedded(page)["picked"] == HOSTILE
    assert "Only data" not in page


def test_policy_admits_exactly_the_style_and_script_of_the_page() -> None:
    page = render_front(front(), details())
    policy = next(str(attributes["content"]) for _, attributes in read(page).elements if "http-equiv" in attributes)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for element, directive in (("style", "style-src"), ("script", "script-src")):
        content = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        assert len(content) == 1
        digest = base64.b64encode(hashlib.sha256(content[0].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert not [attributes for _, attributes in read(page).elements if "style" in attributes]


@pytest.mark.parametrize(
    "key", [*front(), *(f"task.{key}" for key in front()["task"]), *(f"points.{key}" for key in front()["points"][0])]
)
def test_every_key_of_the_front_may_be_absent(key: str) -> None:
    given = front()
    part, _, name = key.partition(".")
    if part == "points" and name:
        for point in given["points"]:
            del point[name]
    elif name:
        del given[part][name]
    else:
        del given[part]
    read(render_front(given, details()))


@pytest.mark.parametrize("kind", ["regression", "classification"])
@pytest.mark.parametrize("empty", [False, True])
def test_every_key_of_the_details_may_be_absent_or_empty(kind: str, empty: bool) -> None:
    given = details(kind=kind)
    for key, value in given.items():
        fewer = copy.deepcopy(given)
        del fewer[key]
        if empty:
            fewer[key] = None if not isinstance(value, list | dict) else type(value)()
        read(render_front(front(kind=kind), fewer))
        if isinstance(value, dict):
            for inner in value:
                smaller = copy.deepcopy(given)
                del smaller[key][inner]
                read(render_front(front(kind=kind), smaller))


def test_numbers_that_are_not_finite_read_as_absent() -> None:
    given, more = front(), details()
    given["points"][3]["values"]["error"] = math.nan
    given["points"][4]["test"]["mae"] = math.inf
    more["predicted"]["low"][5] = -math.inf
    more["calibration"] = {"temperature": math.nan, "bins": [{"confidence": math.nan, "accuracy": 0.5, "rows": 3}]}
    data = embedded(render_front(given, more))
    changed = next(point for point in data["points"] if point["id"] == given["points"][3]["id"])
    assert "values.error" not in changed["at"]
    assert data["predicted"]["low"][5] is None


def test_payload_is_thinned() -> None:
    more = details(evaluations=5000)
    more["predicted"] = {name: list(range(4000)) for name in ("true", "predicted", "low", "high")}
    data = payload(front(), more)
    assert len(data["cloud"]["values"]["values.error"]) == 2000
    assert {len(column) for column in data["predicted"].values()} == {1000}
    assert data["predicted"]["true"][-1] == 3999


def test_axes_offer_objectives_test_error_and_metrics() -> None:
    keys = [axis["key"] for axis in payload(front(objectives=FOUR), {})["axes"]]
    assert keys[:6] == ["values.error", "values.size", "values.latency", "values.energy", "test error", "parameters"]
    assert {"test.mae", "validation.r2"} <= set(keys)


def test_limits_of_either_source_reach_the_page() -> None:
    assert payload(front() | {"limits": {"size": 9.0}}, {})["limits"] == {"values.size": 9.0}
    assert payload(front(), {"limits": {"size": 7}})["limits"] == {"values.size": 7}


def test_many_classes_are_summed_up() -> None:
    labels = [f"class {index}" for index in range(80)]
    counts = [[index * (i == j) + 1 for j in range(80)] for i, index in enumerate(range(80))]
    page = render_front(front(kind="classification"), {"confusion": {"labels": labels, "counts": counts}})
    assert "51 others" in page
    assert "class 79" in page
    assert "class 3<" not in page


@given(st.integers(0, 40), st.integers(2, 30))
def test_thinning_keeps_ends_and_order(count: int, most: int) -> None:
    kept = thin(range(count), most)
    assert len(kept) == min(count, most)
    assert kept == sorted(set(kept))
    if count:
        assert (kept[0], kept[-1]) == (0, count - 1)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_script_json_reads_back_and_cannot_leave_its_element(value: Any) -> None:
    text = script_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


@given(st.text())
def test_escaped_text_holds_no_markup(text: str) -> None:
    assert not set("<>\"'") & set(escape(text))
    escape(text).encode()


def test_elements_escape_what_is_not_markup() -> None:
    assert (
        tag("p", tag("b", "<i>"), "&", None, title='"', hidden=True, lang=None)
        == '<p title="&quot;" hidden><b>&lt;i&gt;</b>&amp;</p>'
    )


def test_template_is_filled_once_and_knows_its_names() -> None:
    assert fill("{{a}} {{b}}", {"a": "{{b}}", "b": "2"}) == "{{b}} 2"
    with pytest.raises(KeyError, match="missing"):
        fill("{{missing}}", {})
