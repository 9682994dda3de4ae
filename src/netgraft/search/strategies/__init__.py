"""Strategies: which candidates to evaluate next. Each is made by name from a `Setup` and answers `ask` and `tell`."""

from __future__ import annotations

from collections.abc import Callable

from netgraft.errors import SettingError, unknown_name
from netgraft.search.strategies.evolution import Evolution
from netgraft.search.strategies.nested import Nested
from netgraft.search.strategies.random import RandomSearch
from netgraft.search.strategies.strategy import Setup, Strategy

__all__ = ["STRATEGIES", "Setup", "Strategy", "strategy_named"]

STRATEGIES: dict[str, Callable[[Setup], Strategy]] = {
    "nested": Nested,
    "evolution": Evolution,
    "random": RandomSearch,
}


def strategy_named(name: str, setup: Setup) -> Strategy:
    """Return a new strategy.

    Raises:
        SettingError: there is none of that name.
    """
    if name not in STRATEGIES:
        raise SettingError(unknown_name("a strategy", name, STRATEGIES))
    return STRATEGIES[name](setup)
