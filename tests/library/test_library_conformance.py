"""The suite that every library must pass, on SQLite, on an object store, and on a real PostgreSQL server."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from netgraft.conformance import LibraryConformance
from netgraft.library import Library


class TestFolder(LibraryConformance):
    @pytest.fixture
    def library(self, tmp_path: Path) -> Library:
        return Library.init(tmp_path / "library #1?%")


class TestObjectStore(LibraryConformance):
    shared = False

    @pytest.fixture
    def library(self, tmp_path: Path) -> Library:
        return Library.init(tmp_path / "library", blobs=f"memory://{uuid.uuid4().hex}/models")


class TestPostgres(LibraryConformance):
    @pytest.fixture
    def library(self, database: str, tmp_path: Path) -> Library:
        return Library.init(tmp_path / "library", database=database, blobs="files")
