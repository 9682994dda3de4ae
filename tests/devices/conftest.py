from __future__ import annotations

from collections.abc import Iterator

import pytest

from netgraft.devices import this


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give every test a cache of its own, so that none reads or writes the user's."""
    monkeypatch.delenv(this.PATH_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    this._measured_once.cache_clear()
    yield
    this._measured_once.cache_clear()
