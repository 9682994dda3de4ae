from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.conformance.library import draft
from netgraft.errors import LibraryError, NetgraftError, SettingError
from netgraft.library import Library, index
from netgraft.library.record import decode, encode

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library.init(tmp_path / "library")
    made.add(draft("x"))
    return made


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "WAITS_S", (0.001, 0.001))
    monkeypatch.setattr(index, "PATIENCE_S", 0.01)


def run(library: Library, statement: str) -> None:
    with closing(sqlite3.connect(Path(library.location) / "index.db")) as connection, connection:
        connection.execute(statement)


def test_a_library_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(
        LibraryError, match=r"a library is required, got none at .*/no; netgraft library init makes one"
    ):
        Library(tmp_path / "no")
    with pytest.raises(LibraryError, match="a library is required, got no file at"):
        Library(tmp_path / "no.toml")
    assert list(tmp_path.iterdir()) == []


def test_open_makes_one_only_when_told(tmp_path: Path) -> None:
    Library.open(tmp_path / "new", create=True).add(draft("x"))
    assert Library.open(tmp_path / "new", create=True).names() == ["x"]


def test_init_refuses_a_place_that_is_taken(library: Library, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"a new or empty folder is required, got .* with 'blobs' in it"):
        Library.init(library.location)
    url = f"sqlite:///{library.location}/index.db"
    with pytest.raises(LibraryError, match="a database without a library is required, got sqlite:///"):
        Library.init(tmp_path / "other", database=url, blobs="blobs")
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"database": "nonsense", "blobs": "b"}, "a database URL such as"),
        ({"database": "sqlite://", "blobs": "b"}, "a database that lasts is required"),
        ({"database": "oracle://u:secret@host/x", "blobs": "b"}, "a database whose driver is installed is required"),
        ({"database": "postgresql:///x"}, r"a place for the files \(blobs\) is required"),
        ({"blobs": "nope://bucket"}, "a folder or a URL of an object store is required, got nope://bucket"),
    ],
)
def test_init_refuses_what_cannot_be_used_and_leaves_nothing(tmp_path: Path, changes: dict, text: str) -> None:
    with pytest.raises(SettingError, match=text) as raised:
        Library.init(tmp_path / "library", **changes)
    assert "secret" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_another_format_version(library: Library) -> None:
    run(library, "UPDATE meta SET value = '2' WHERE key = 'format'")
    for opened in (Library, Library.mend):
        with pytest.raises(LibraryError, match="a library of format version 1 is required, got version 2 at"):
            opened(library.location)


@pytest.mark.usefixtures("_impatient")
def test_a_locked_library(library: Library) -> None:
    with closing(sqlite3.connect(Path(library.location) / "index.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryError, match="a library that no other process is holding is required, got"):
            library.add(draft("y"))
        assert library.names() == ["x"]
    library.add(draft("y"))


@pytest.mark.usefixtures("_impatient")
def test_a_database_out_of_reach(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(LibraryError, match=r"a database that answers is required, got .* after 3 attempts") as raised:
        Library(f"postgresql://netgraft:secret@/x?host={tmp_path}")
    assert "secret" not in str(raised.value)


@pytest.mark.usefixtures("_impatient")
def test_a_locked_postgres(database: str, tmp_path: Path) -> None:
    library = Library.init(tmp_path / "library", database=database, blobs="files")
    with (
        library._index.writing(),
        pytest.raises(LibraryError, match="a library that no other process is holding is required, got"),
    ):
        Library(library.location).add(draft("x"))


def test_a_database_url_alone(database: str, tmp_path: Path) -> None:
    Library.init(database, blobs=str(tmp_path / "files")).add(draft("x"))
    assert Library(database).names() == ["x"]
    assert Library(database).check().missing == ()


@pytest.mark.parametrize("text", ["database = 1", "other = 'x'", "= nonsense", "", "database = 'a'\nblob = 'b'"])
def test_settings_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "library.toml").write_text(text)
    with pytest.raises(LibraryError, match=r"library.toml must (be TOML|have the text 'database')"):
        Library(tmp_path)


def test_settings_may_be_moved_with_their_folder(tmp_path: Path) -> None:
    made = Library.init(tmp_path / "old", database="sqlite:///here.db", blobs="files")
    made.add(draft("x"))
    (tmp_path / "old").rename(tmp_path / "new")
    moved = Library(tmp_path / "new" / "library.toml")
    assert moved.read(moved.get("x"), "model/weights") == b"weights of x"
    assert (tmp_path / "new" / "library.toml").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"target": "a\0"}, "target must be Unicode text without NUL"),
        ({"domain": "\ud800"}, "domain must be Unicode text without NUL"),
        ({"kind": ""}, "a kind must be 1 to 200 printable characters"),
        ({"error": float("nan")}, "error must be a finite number, got nan"),
        ({"rows": -1}, "rows must be a whole number from 0, got -1"),
        ({"facts": {"a": float("inf")}}, "facts must be JSON with finite numbers"),
        ({"lineage": {"a": object()}}, "lineage must be JSON with finite numbers"),
        ({"facts": [1]}, "facts must be a JSON object, got list"),
        ({"blobs": {"../x": b""}}, r"a file name must be a relative path without '..'"),
        ({"blobs": {"/x": b""}}, "a file name must be 1 to 200 printable"),
        ({"blobs": {"C:\\x": b""}}, r"a file name must be a relative path without '..'"),
        ({"sketch": np.array([np.nan])}, "a sketch must be a vector of finite numbers up to 65504"),
        ({"sketch": np.array([1e6])}, "a sketch must be a vector of finite numbers up to 65504"),
    ],
)
def test_a_bad_draft_is_refused_when_it_is_made(changes: dict, text: str) -> None:
    with pytest.raises(SettingError, match=text):
        draft("x", **changes)


def test_an_unknown_file_says_those_there(library: Library) -> None:
    with pytest.raises(SettingError, match="a file of entry 'x' must be one of model/form, model/weights, got 'w'"):
        library.read(library.get("x"), "w")


def test_a_row_that_was_changed_is_restored_from_its_record(library: Library) -> None:
    whole = library.get("x")
    library.add(draft("y"))
    for statement in (
        "UPDATE entries SET facts = '{' WHERE name = 'x'",
        "UPDATE entries SET error = 0.5 WHERE name = 'x'",
        "UPDATE files SET sha256 = '../../etc/passwd' WHERE entry = 'x'",
    ):
        run(library, statement)
        assert library.names() == ["x", "y"]
        assert library.check().damaged == ("entry 'x': its row in the index is not what was added",)
        assert "entry 'x': row in the index written again" in library.check(repair=True).repaired
        assert library.get("x") == whole
        assert library.check().damaged == ()


def test_a_row_that_cannot_be_read_is_named(library: Library) -> None:
    run(library, "UPDATE entries SET facts = '{'")
    with pytest.raises(LibraryError, match="entry 'x' must have a whole row in the index, got"):
        library.get("x")


def test_an_entry_whose_row_and_record_are_lost_is_marked(library: Library) -> None:
    run(library, "UPDATE entries SET facts = '{'")
    library.records.remove(library.records.stored()[0])
    report = library.check(repair=True)
    assert report.unusable == ("x",)
    assert report.orphans == ()
    assert [each.damaged for each in library.list()] == [True]


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 300])
def test_a_lost_index_is_made_again(library: Library, content: bytes | None) -> None:
    entries = [library.get("x"), library.add(draft("y"))]
    library.add(draft("gone"))
    library.remove("gone")
    path, sketches = Path(library.location) / "index.db", library.sketches()
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(LibraryError, match="netgraft library check --repair makes it again"):
        Library(library.location)
    assert "index made again from 2 records" in Library.mend(library.location).repaired
    assert [library.get(name) for name in library.names()] == entries
    assert library.sketches()[0] == sketches[0]
    assert np.array_equal(library.sketches()[1], sketches[1])


def test_nothing_is_made_again_where_there_was_no_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="a library is required, got none at"):
        Library.mend(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_out_of_reach_are_not_taken_for_lost(library: Library) -> None:
    blobs = Path(library.location) / "blobs"
    blobs.rename(blobs.with_name("away"))
    with pytest.raises(LibraryError, match="the files of the library are required, got none at"):
        library.check(repair=True)
    blobs.with_name("away").rename(blobs)
    assert [each.damaged for each in library.list()] == [False]


@given(name=TEXT, domain=st.none() | TEXT, facts=st.dictionaries(st.text(), JSON, max_size=3), error=st.floats(0, 1))
def test_a_record_is_the_entry(name: str, domain: str | None, facts: dict, error: float) -> None:
    try:
        made = draft(name, domain=domain, facts=facts, error=error)
    except SettingError:
        return
    entry = made.entry("2026-01-01T00:00:00+00:00")
    assert decode(encode(entry, b"ab")) == (entry, b"ab")
    assert encode(replace(entry, damaged=True), None) == encode(entry, None)


@given(
    st.binary(max_size=60) | st.sampled_from([b"{}", b"[]", b'{"format":2}', b'{"format":1,"sketch":null,"entry":{}}'])
)
def test_any_other_bytes_are_no_record(data: bytes) -> None:
    with pytest.raises(NetgraftError, match="a record"):
        decode(data)
