from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from service_examples import Running, publish, running, settings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with what is published, for the tests of one module."""
    folder = tmp_path_factory.mktemp("served")
    publish(folder)
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Running]:
    """Give a server that asks for no tokens."""
    with running(settings(place)) as found:
        yield found


@pytest.fixture(scope="module")
def guarded(place: Path) -> Iterator[Running]:
    """Give a server that asks for tokens."""
    with running(settings(place, require_tokens=True)) as found:
        yield found
