"""The frame of every page: one HTML document with its style and script inside.

Nothing is loaded from elsewhere. The document's content security policy admits exactly the one style and the one script
that are written here, by their hashes, so that markup that came in with the data could not run even if it were not
escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from netgraft.reports.markup import Markup, escape, fill


def document(
    *,
    title: object,
    about: str,
    kicker: str,
    facts: Markup,
    picked: str,
    headline: Markup,
    sections: Markup,
    footer: str,
    end: Markup,
    styles: Sequence[str],
    scripts: Sequence[str],
) -> str:
    """Return a page as one HTML document that opens offline.

    Args:
        title: what it is called.
        about: what it is of, beside the title in the browser.
        kicker: line above the title.
        facts: below the title.
        picked: heading of the first section, for screen readers.
        headline: the first section.
        sections: those after it.
        footer: what holds for all numbers.
        end: what the script needs beside what is seen.
        styles: assets that make up the style.
        scripts: assets that make up the script, in order.
    """
    style, script = "".join(map(asset, styles)), _script(scripts)
    values: dict[str, str] = {
        "policy": _policy(style, script),
        "title": escape(title),
        "about": escape(about),
        "kicker": escape(kicker),
        "facts": facts,
        "picked": escape(picked),
        "headline": headline,
        "sections": sections,
        "footer": escape(footer),
        "end": end,
        "style": style,
        "script": script,
    }
    return fill(asset("document.html"), values)


def asset(name: str) -> str:
    """Return the text of a file that pages are made of."""
    return (files("netgraft.reports") / "assets" / name).read_text(encoding="utf-8")


def _script(names: Sequence[str]) -> str:
    """Return scripts as one, whose names are seen by nothing else on the page."""
    return "(() => {\n'use strict';\n" + "\n".join(map(asset, names)) + "})();\n"


def _policy(style: str, script: str) -> str:
    """Return the content security policy under which only this style and this script run."""
    admitted = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    return f"default-src 'none'; img-src data:; {admitted}; base-uri 'none'; form-action 'none'"


def _hash(content: str) -> str:
    """Return the source expression by which a content security policy admits an inline element."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
