from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from netgraft.cli import main
from netgraft.conformance.library import draft
from netgraft.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library.init(tmp_path / "models")
    made.add(draft("site 7"))
    made.add(draft("[red]other[/]", domain=None, kind="classification"))
    return made


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main(["library", *words, "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return json.loads(said.out)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["library", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_init_makes_a_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "new")
    assert printed(capsys, "init", path) == {"library": path, "blobs": f"{path}/blobs"}
    assert printed(capsys, "list", path) == {"entries": []}
    assert "a new or empty folder is required" in refused(capsys, "init", path)


def test_init_with_urls_writes_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new"
    assert main(["library", "init", str(path), "--database", "sqlite:///x.db", "--blobs", "memory://cli"]) == 0
    assert "files in memory://cli" in capsys.readouterr().out
    assert (path / "library.toml").read_text() == 'database = "sqlite:///x.db"\nblobs = "memory://cli"\n'


def test_list_shows_and_filters(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["library", "list", library.location]) == 0
    shown = capsys.readouterr().out
    assert "site 7" in shown
    assert "[red]other[/]" in shown
    found = printed(capsys, "list", library.location, "--kind", "regression")["entries"]
    assert [entry["name"] for entry in found] == ["site 7"]
    assert found[0]["error"] == 0.125
    assert printed(capsys, "list", library.location, "--domain", "none") == {"entries": []}


def test_show_prints_the_entry(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "show", library.location, "site 7") == library.get("site 7").to_json()
    assert main(["library", "show", library.location, "site 7"]) == 0
    assert "model/weights" in capsys.readouterr().out


def test_an_unknown_name_is_one_line(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    assert "got 'site 8'; the nearest is 'site 7'" in refused(capsys, "show", library.location, "site 8")
    assert "got 'site 8'; the nearest is 'site 7'" in refused(capsys, "remove", library.location, "site 8")


def test_remove_removes(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "remove", library.location, "site 7") == {"removed": "site 7"}
    assert library.names() == ["[red]other[/]"]


def test_check_of_a_whole_library(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "check", library.location)["entries"] == 2
    assert main(["library", "check", library.location, "--repair"]) == 0
    assert "2 entries checked, 0 must not be used" in capsys.readouterr().out


def test_check_says_what_is_damaged(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    library.blobs.remove(library.get("site 7").files["model/weights"].sha256)
    assert main(["library", "check", library.location]) == 2
    said = capsys.readouterr()
    assert "missing: entry 'site 7': file 'model/weights' is missing" in said.out
    assert "got 1 of 2 that must not be used, first 'site 7'" in said.err
    assert main(["library", "check", library.location, "--repair", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)  # one object, the error in it
    assert found["repaired"] == ["entry 'site 7': marked as damaged"]
    assert "got 1 of 2 that must not be used" in found["error"]


def test_check_makes_a_lost_index_again(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(library.location) / "index.db").unlink()
    assert "check --repair makes it again" in refused(capsys, "check", library.location)
    assert printed(capsys, "check", library.location, "--repair")["entries"] == 2


def test_the_command_imports_nothing_heavy() -> None:
    heavy = "('numpy', 'sqlalchemy', 'fsspec', 'rich.table')"
    code = f"import sys, netgraft.cli.library; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
