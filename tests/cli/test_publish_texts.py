"""What `netgraft publish` says of what it made, without growing anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from device_cli_examples import today

from netgraft.cli import main
from netgraft.library import Library
from netgraft.lifecycle import publishing
from netgraft.lifecycle.publishing import Publication


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Publication:
    """Give what a further version is said to be."""
    head = replace(today(2).head, parent="ab" * 32)
    publication = Publication(head, "cd" * 32, 2_000, 0.5, 0.5, True, 4.2, 271, 9.0)
    monkeypatch.setattr(publishing, "publish", lambda *_, **__: publication)
    return publication


def test_no_version_is_all_that_is_said_where_none_was_made(
    made: Publication, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "publish", lambda *_, **__: replace(made, is_new=False))
    Library.init(tmp_path / "models")
    words = ["publish", str(tmp_path / "models"), "energy"]
    assert main(words) == 0
    said = capsys.readouterr()
    text = "no version was made: nothing better than version 2 was found{}; --fresh grows a new root\n"
    assert (said.out, said.err) == (text.format(""), "")
    assert main([*words, "--tolerant"]) == 0
    assert capsys.readouterr().out == text.format(", and --tolerant changed nothing")


@pytest.mark.usefixtures("made")
def test_further_version_says_that_it_takes_a_part_of_the_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Library.init(tmp_path / "models")
    assert main(["publish", str(tmp_path / "models"), "energy"]) == 0
    said = capsys.readouterr()
    assert "9.0 passes over the rows; going on from version 1 takes a part of the budget only" in said.err
    assert "too few" not in said.err
    assert "published energy version 2" in said.out
