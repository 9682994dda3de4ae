"""What every library must do: a class for pytest whose fixture ``library`` is overridden to give an empty one."""
# ruff: noqa: D102  the name of a test says what it asks

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from netgraft.errors import LibraryError, SettingError
from netgraft.library import CheckReport, Draft, Library

_ADDING = """
import sys
from netgraft.conformance.library import draft
from netgraft.library import Library
library = Library(sys.argv[1])
for number in range(int(sys.argv[3])):
    library.add(draft(f"{sys.argv[2]} {number}"))
"""

# Forks children that add the same entry; the n-th kills itself at its n-th event, until one survives.
_DYING = """
import os, signal, sys
from sqlalchemy import Engine, event
from netgraft.conformance.library import draft
from netgraft.library import Library
from netgraft.library.blobs import Blobs

library = Library(sys.argv[1])
left = 0

def count(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

for name in ("before_cursor_execute", "after_cursor_execute", "commit", "rollback"):
    event.listen(Engine, name, count)
put = Blobs.put

def counted(self, data):
    count()
    sha256 = put(self, data)
    count()
    return sha256

Blobs.put = counted
for number in range(1, 100):
    child = os.fork()
    if child == 0:
        left = number
        library.add(draft("victim"))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    names = library.names()
    print(number, status, *names, sep="\\t", flush=True)
    if "victim" in names:
        break
"""


def draft(name: str, **changes: Any) -> Draft:
    """Return a small model to add.

    Args:
        name: of the entry.
        changes: other fields.
    """
    blobs = {"model/weights": f"weights of {name}".encode("utf-8", "replace"), "model/form": b"the same in all"}
    return replace(
        Draft(
            name=name,
            domain="cell",
            kind="regression",
            target="power",
            metric="r2",
            error=0.125,
            rows=1000,
            columns=(("load", "number"), ("kind \u00e9", "category")),
            licence="CC-BY-4.0",
            lineage={"sources": None, "data": "0" * 64, "versions": {"netgraft": "0.1.0"}, "seed": 3},
            facts={"metrics": {"r2": 0.875, "note": "\u4e2d"}, "front": [1, None, True]},
            blobs=blobs,
            sketch=np.linspace(-1, 1, 8, dtype=np.float32),
        ),
        **changes,
    )


def later() -> datetime:
    """Return a time at which everything stored now is old."""
    return datetime.now(UTC) + timedelta(days=1)


class LibraryConformance:
    """Tests of a library; `shared` says whether other processes see the same files and database."""

    shared = True

    @pytest.fixture
    def library(self) -> Library:
        """Give an empty library."""
        raise NotImplementedError("override the fixture 'library'")

    def test_an_empty_library_has_nothing(self, library: Library) -> None:
        assert library.names() == []
        assert library.list() == []
        names, values = library.sketches()
        assert names == []
        assert values.shape == (0, 0)
        assert values.dtype == np.dtype(np.float32)
        assert library.check(repair=True) == CheckReport(entries=0)
        with pytest.raises(SettingError, match="an entry is required, got 'x': the library is empty"):
            library.get("x")

    def test_what_was_added_comes_back(self, library: Library) -> None:
        given = draft("site 1")
        entry = library.add(given)
        assert Library(library.location).get("site 1") == entry
        assert {name: library.read(entry, name) for name in entry.files} == given.blobs
        assert library.list() == [entry.heading()]
        assert entry.facts == given.facts
        assert entry.columns == given.columns
        assert entry.size_bytes == sum(map(len, given.blobs.values()))

    def test_names_are_any_printable_text(self, library: Library) -> None:
        names = [
            "\u4e2d\u6587",
            "e\u0301",
            "../../etc/passwd",
            "a/b",
            "'; DROP TABLE meta; --",
            "%_",
            "x" * 200,
            "A",
            "a",
        ]
        for name in names:
            library.add(draft(name))
        assert library.names() == sorted([*names[:1], "\u00e9", *names[2:]])
        for name in names:
            library.remove(name)
        assert library.names() == []
        assert library.check().missing == ()

    @pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "a\0", "/a", "a/", " a", "\ud800", "\u200b"])
    def test_a_bad_name_is_refused(self, library: Library, name: str) -> None:
        with pytest.raises(SettingError, match="a name must be 1 to 200 printable characters"):
            library.add(draft(name))
        assert library.names() == []

    def test_a_taken_name_is_refused(self, library: Library) -> None:
        first = library.add(draft("\u00e9"))
        with pytest.raises(LibraryError, match="a name that is free is required, got '\u00e9'"):
            library.add(draft("e\u0301", error=0.5))
        assert library.get("\u00e9") == first
        assert library.check().orphans == ()

    def test_an_unknown_name_says_the_nearest(self, library: Library) -> None:
        library.add(draft("site 1"))
        for ask in (library.get, library.remove):
            with pytest.raises(SettingError, match="an entry must be one of site 1, got 'site 2'; the nearest is"):
                ask("site 2")

    def test_lists_are_filtered_and_in_order(self, library: Library) -> None:
        for name, domain, kind in (("b", "x", "regression"), ("a", None, "classification"), ("c", "x", "other")):
            library.add(draft(name, domain=domain, kind=kind))
        assert [each.name for each in library.list()] == ["a", "b", "c"]
        assert [each.name for each in library.list(domain="x")] == ["b", "c"]
        assert [each.name for each in library.list("x", "other")] == ["c"]

    def test_sketches_are_those_added(self, library: Library) -> None:
        library.add(draft("none", sketch=None))
        assert library.sketches()[0] == []
        wanted = {f"n{i}": np.full(8, i / 4, dtype=np.float32) for i in range(5)}
        for name, sketch in wanted.items():
            library.add(draft(name, sketch=sketch, kind="even" if int(name[1]) % 2 == 0 else "odd"))
        names, values = library.sketches()
        assert dict(zip(names, values.tolist(), strict=True)) == {k: v.tolist() for k, v in wanted.items()}
        assert names == sorted(wanted)
        assert library.sketches("odd")[0] == ["n1", "n3"]
        with pytest.raises(LibraryError, match="a sketch of 8 numbers is required as in the library, got 9"):
            library.add(draft("longer", sketch=np.ones(9)))
        assert "longer" not in library.names()

    def test_the_same_content_is_stored_once_and_kept_while_needed(self, library: Library) -> None:
        one, two = library.add(draft("one")), library.add(draft("two"))
        assert len(library.blobs.stored()) == 3
        library.remove("one")
        assert len(library.blobs.stored()) == 2
        assert library.read(two, "model/form") == b"the same in all"
        with pytest.raises(LibraryError, match="entry 'one': file 'model/weights' is required, got none"):
            library.read(one, "model/weights")
        library.remove("two")
        assert library.blobs.stored() == library.records.stored() == []

    def test_a_damaged_file_is_named_and_nothing_else_is_lost(self, library: Library) -> None:
        bad, good = library.add(draft("bad")), library.add(draft("good"))
        self._damage(library, bad.files["model/weights"].sha256)
        with pytest.raises(LibraryError, match="entry 'bad': file 'model/weights' must have SHA-256"):
            library.read(bad, "model/weights")
        assert library.read(good, "model/weights") == b"weights of good"
        assert library.check().damaged == ("entry 'bad': file 'model/weights' fails its SHA-256",)
        assert library.get("bad") == bad
        assert library.check(repair=True).unusable == ("bad",)
        assert [each.damaged for each in library.list()] == [True, False]
        assert library.sketches()[0] == ["good"]
        with pytest.raises(LibraryError, match="a whole entry is required, got 'bad'"):
            library.read(library.get("bad"), "model/form")

    def test_a_damaged_entry_may_be_added_again(self, library: Library) -> None:
        self._damage(library, library.add(draft("bad")).files["model/weights"].sha256, None)
        assert library.check(repair=True).missing == ("entry 'bad': file 'model/weights' is missing",)
        again = library.add(draft("bad", error=0.25))
        assert library.get("bad") == again
        assert library.check() == CheckReport(entries=1)

    def test_files_that_come_back_make_an_entry_usable(self, library: Library) -> None:
        entry = library.add(draft("x"))
        self._damage(library, entry.files["model/weights"].sha256)
        library.check(repair=True)
        library.blobs.put(b"weights of x")
        assert "entry 'x': may be used again" in library.check(repair=True).repaired
        assert library.get("x") == entry

    def test_a_lost_record_is_written_again(self, library: Library) -> None:
        library.add(draft("x"))
        for content in (None, b"other"):
            record = library.records.stored()[0]
            self._damage(library, record, content, records=True)
            assert "entry 'x': record written again" in library.check(repair=True).repaired
            assert library.check().damaged == library.check().missing == ()

    def test_orphans_go_when_they_are_old(self, library: Library) -> None:
        library.add(draft("x"))
        orphan = library.blobs.put(b"of an add that was killed")
        assert library.check(repair=True).orphans == ()
        aged = Library(library.location, clock=later)
        assert aged.check().orphans == (orphan,)
        assert aged.check(repair=True).repaired == (f"orphan {orphan} removed",)
        assert not library.blobs.has(orphan)
        assert aged.check() == library.check()

    def test_an_add_survives_a_check_that_takes_its_files(
        self, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aged = Library(library.location, clock=later)
        put = type(library.records).put

        def checked_first(store: Any, data: bytes) -> str:
            sha256 = put(store, data)
            monkeypatch.undo()
            aged.check(repair=True)
            return sha256

        monkeypatch.setattr(type(library.blobs), "put", checked_first)
        entry = library.add(draft("x", blobs={"only": b"content"}))
        assert library.read(entry, "only") == b"content"

    def test_two_processes_that_add_at_once_lose_nothing(self, library: Library) -> None:
        self._need_processes()
        command = [sys.executable, "-c", _ADDING, library.location]
        adding = [subprocess.Popen([*command, name, "20"], stderr=subprocess.PIPE) for name in ("left", "right")]  # noqa: S603
        for process in adding:
            assert (process.communicate(timeout=60)[1], process.returncode) == (b"", 0)
        assert library.names() == sorted(f"{name} {n}" for name in ("left", "right") for n in range(20))
        assert len(library.blobs.stored()) == 41
        report = library.check()
        assert report.damaged == report.missing == report.unusable == ()

    def test_an_add_that_is_killed_leaves_the_library_as_it_was(self, library: Library) -> None:
        self._need_processes()
        library.add(draft("before"))
        command = [sys.executable, "-c", _DYING, library.location]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        assert len(rows) > 10
        assert all(int(row[1]) == signal.SIGKILL for row in rows[:-1])
        assert all(row[2:] == ["before"] for row in rows[:-1])
        assert rows[-1][2:] == ["before", "victim"]
        report = Library(library.location, clock=later).check(repair=True)
        assert report.damaged == report.missing == report.unusable == ()
        assert Library(library.location, clock=later).check().orphans == ()
        assert library.read(library.get("victim"), "model/weights") == b"weights of victim"

    def _need_processes(self) -> None:
        if not self.shared or not hasattr(os, "fork"):
            pytest.skip("needs a library that other processes can open")

    def _damage(self, library: Library, sha256: str, content: bytes | None = b"x", *, records: bool = False) -> None:
        """Put something else in place of a stored content, or nothing."""
        store = library.records if records else library.blobs
        if content is None:
            store.remove(sha256)
        else:
            store.files.pipe_file(store.path(sha256), content)
