from __future__ import annotations

from pathlib import Path

import pytest
from small_studies import Finished, finish


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Give a finished study of two seeds, with new cells."""
    return finish(tmp_path_factory.mktemp("study") / "out")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"
