"""HTML that is escaped unless it was built here.

A `Markup` is text that is already HTML; every other child or attribute value is data and is escaped. Data may be
hostile (a column may be named `<script>`), so nothing else in this part joins strings into HTML.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping
from typing import Any

_VOID = frozenset({"br", "col", "hr", "input", "meta", "rect"})
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """Return a value as HTML text; control characters and lone surrogates become U+FFFD."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(_UNSPEAKABLE.sub("\ufffd", str(value)), quote=True))


def join(*children: object) -> Markup:
    """Return the children one after another, `None` left out."""
    return Markup("".join(escape(child) for child in children if child is not None))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element.

    Args:
        name: the element's name.
        children: its content; text is escaped, `None` is left out.
        attributes: `class_` stands for `class` and `data_x` for `data-x`; `None` and `False` leave one out, `True` sets
            it without a value.

    >>> tag("td", "a < b", class_="name", data_sort=3)
    '<td class="name" data-sort="3">a &lt; b</td>'
    """
    shown = [_attribute(key, value) for key, value in attributes.items() if value is not None and value is not False]
    opening = f"<{' '.join([name, *shown])}>"
    if name in _VOID:
        return Markup(opening if name != "rect" else opening + "</rect>")
    return Markup(f"{opening}{join(*children)}</{name}>")


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    return name if value is True else f'{name}="{escape(value)}"'


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return the template with each `{{name}}` replaced once; what is put in is not searched again.

    Raises:
        KeyError: the template names a value that is not given.
    """
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def script_json(value: Any) -> str:
    """Return JSON that can stand inside a script element: no `<`, `>`, `&` or line separators, no NaN."""
    text = json.dumps(finite_only(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def finite_only(value: Any) -> Any:
    """Return a JSON value with None for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite_only(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_only(item) for item in value]
    return value
