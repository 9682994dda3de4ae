"""The journal: what goes in comes out, and every kind of wrong file is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from netgraft.errors import JournalError, OutputError
from netgraft.search import Evaluation, Journal

SETTINGS = {"strategy": "nested", "objectives": ["error", "size"], "seed": 0}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path, "table a", SETTINGS, resume=False) as opened:
        yield opened


def evaluation(number: int, batch: int = 0, **changes: Any) -> Evaluation:
    genes = {"depth": 2, "rate": 0.1, "activation": "relu", "linear": True}
    values = {"error": 0.1 + 0.2, "size": 100.0}
    return Evaluation(number, batch, genes, "done", values, **{"details": {"cut": [1, None]}, **changes})


def edit(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_batches_come_back_as_they_were(path: Path, journal: Journal) -> None:
    batches = [[evaluation(0, seconds=1.5), evaluation(1, reason="why")], [evaluation(2, 1)]]
    journal.write_batch(0, batches[0], {}, set(), seconds=1.5, scored=7)
    journal.write_batch(1, batches[1], {}, set(), seconds=2.5)
    journal.close()
    with Journal.open(path, "table a", SETTINGS, resume=True) as again:
        found = list(again.batches())
        assert [list(batch.evaluations) for batch in found] == batches
        assert [(batch.index, batch.seconds, batch.scored) for batch in found] == [(0, 1.5, 7), (1, 2.5, 0)]
        assert list(found[0].evaluations[0].genes) == ["depth", "rate", "activation", "linear"]
        assert found[0].evaluations[0].genes["linear"] is True
        assert again.seconds == 2.5
        assert again.settings == SETTINGS


def test_only_the_weights_that_are_needed_are_kept(journal: Journal) -> None:
    journal.write_batch(0, [evaluation(0), evaluation(1)], {0: b"a", 1: b"b"}, {0}, seconds=0.0)
    assert (journal.blob(0), journal.blob(1)) == (b"a", None)
    journal.write_batch(1, [evaluation(2, 1)], {2: b"c"}, {2}, seconds=0.0)
    assert (journal.blob(0), journal.blob(2)) == (None, b"c")


def test_named_bytes_are_replaced(journal: Journal) -> None:
    assert journal.get("root") is None
    journal.put("root", b"one")
    journal.put("root", bytes(100_000))
    assert journal.get("root") == bytes(100_000)


def test_a_failed_write_leaves_the_journal_as_it_was(journal: Journal) -> None:
    journal.write_batch(0, [evaluation(0)], {0: b"a"}, {0}, seconds=0.0)
    with pytest.raises(JournalError, match=r"a journal written by netgraft is required, got .*UNIQUE"):
        journal.write_batch(1, [evaluation(1, 1), evaluation(0, 1)], {1: b"b"}, {1}, seconds=0.0)
    assert [len(batch.evaluations) for batch in journal.batches()] == [1]
    assert (journal.blob(0), journal.blob(1)) == (b"a", None)


def test_a_temporary_journal_needs_no_file(tmp_path: Path) -> None:
    with Journal.temporary() as journal:
        journal.put("root", b"one")
        assert journal.get("root") == b"one"
    assert not list(tmp_path.iterdir())


def test_resume_begins_anew_where_there_is_nothing(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with Journal.open(path, "table a", SETTINGS, resume=True) as journal:
        assert list(journal.batches()) == []
        assert journal.seconds == 0.0


def test_names_that_mean_something_in_an_address_are_just_names(tmp_path: Path) -> None:
    path = tmp_path / "50%25 of #1?mode=memory" / "journal.db"
    Journal.open(path, "table a", SETTINGS, resume=False).close()
    assert path.is_file()
    Journal.read(path).close()


def test_an_existing_journal_needs_resume(path: Path, journal: Journal) -> None:
    with pytest.raises(OutputError) as raised:
        Journal.open(path, "table a", SETTINGS, resume=False)
    assert str(raised.value) == f"a folder without a journal is required (or --resume), got {path}"


def test_another_search_may_not_use_it_at_the_same_time(path: Path, journal: Journal) -> None:
    for use in (lambda: Journal.open(path, "table a", SETTINGS, resume=True), lambda: Journal.read(path)):
        with pytest.raises(JournalError, match=r"a journal that no other search is using is required, got .*locked"):
            use()
    journal.put("still", b"mine")


def test_another_table_is_named(path: Path, journal: Journal) -> None:
    journal.close()
    with pytest.raises(JournalError) as raised:
        Journal.open(path, "table b", SETTINGS, resume=True)
    assert str(raised.value) == (
        f"a journal of this table is required to resume, got {path} of another"
        " (fingerprint 'table b' is required, got 'table a')"
    )
    Journal.read(path).close()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seed": 1}, "seed must be 0 as in the journal PATH to resume, got 1"),
        (
            {"objectives": ("error", "latency"), "seed": 1},
            'objectives must be ["error", "size"] as in the journal PATH to resume, got ["error", "latency"]',
        ),
        ({"group": "BS"}, 'group must be null as in the journal PATH to resume, got "BS"'),
    ],
)
def test_the_first_setting_that_differs_is_named(
    path: Path, journal: Journal, changes: dict[str, Any], text: str
) -> None:
    journal.close()
    with pytest.raises(JournalError) as raised:
        Journal.open(path, "table a", {**SETTINGS, **changes}, resume=True)
    assert str(raised.value) == text.replace("PATH", str(path))


def test_another_format_version_is_named(path: Path, journal: Journal) -> None:
    journal.close()
    edit(path, "UPDATE meta SET value = '2' WHERE key = 'format'")
    for use in (lambda: Journal.open(path, "table a", SETTINGS, resume=True), lambda: Journal.read(path)):
        with pytest.raises(JournalError) as raised:
            use()
        assert str(raised.value) == f"a journal of format version 1 is required, got version 2 in {path}"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"no database at all " * 100, "file is not a database"),
        (b"SQLite format 3\x00" + b"\xff" * 5000, "file is not a database"),
    ],
)
def test_another_kind_of_file_is_named(path: Path, content: bytes, text: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for use in (lambda: Journal.open(path, "table a", SETTINGS, resume=True), lambda: Journal.read(path)):
        with pytest.raises(JournalError, match=rf"a journal written by netgraft is required, got {path}: {text}"):
            use()
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("DROP TABLE meta", "no such table: meta"),
        ("DELETE FROM meta WHERE key = 'fingerprint'", "without 'fingerprint'"),
        ("UPDATE meta SET value = '{' WHERE key = 'settings'", "Expecting property name"),
    ],
)
def test_a_journal_that_lacks_something_is_named(path: Path, journal: Journal, statement: str, text: str) -> None:
    journal.close()
    edit(path, statement)
    with pytest.raises(JournalError, match=rf"a journal written by netgraft is required, got {path}.*{text}"):
        Journal.open(path, "table a", SETTINGS, resume=True)


def test_a_damaged_evaluation_is_named(path: Path, journal: Journal) -> None:
    journal.write_batch(0, [evaluation(0)], {}, set(), seconds=0.0)
    journal.close()
    edit(path, "UPDATE evaluations SET genes = '{\"depth\"'")
    with (
        Journal.read(path) as damaged,
        pytest.raises(JournalError, match=r"a journal written by netgraft is required, got .*Expecting ':'"),
    ):
        list(damaged.batches())


def test_a_truncated_or_overwritten_file_is_named(path: Path, journal: Journal) -> None:
    for number in range(20):
        journal.write_batch(number, [evaluation(number, number)], {number: bytes(3000)}, {number}, seconds=0.0)
    journal.close()
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:4096] + b"\x5a" * (len(whole) - 4096)):
        path.write_bytes(damaged)
        with pytest.raises(JournalError, match=r"a journal written by netgraft is required, got .*malformed"):
            list(Journal.open(path, "table a", SETTINGS, resume=True).batches())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputError, match=rf"a folder that can be written is required, got {file}: File exists"):
        Journal.open(file / "journal.db", "table a", SETTINGS, resume=False)
    with pytest.raises(
        OutputError, match=rf"a journal that can be written is required, got {tmp_path}: unable to open"
    ):
        Journal.open(tmp_path, "table a", SETTINGS, resume=True)
    with pytest.raises(JournalError, match=r"a journal is required, got no file at .*missing.db"):
        Journal.read(tmp_path / "missing.db")


def test_a_full_disk_is_named(journal: Journal) -> None:
    pages = journal._database.one("PRAGMA page_count")[0]
    journal._database.one(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(
        OutputError, match=r"a journal that can be written is required, got .*: database or disk is full"
    ):
        journal.put("root", bytes(100_000))
    assert journal.get("root") is None
