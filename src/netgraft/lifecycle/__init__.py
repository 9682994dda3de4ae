"""The only place where the parts meet: search, predict, evaluate, export, report, and the estimators.

Names are imported when they are first used: what only predicts never loads what trains.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netgraft.lifecycle.estimators import NetgraftClassifier, NetgraftRegressor
    from netgraft.lifecycle.export import export_point
    from netgraft.lifecycle.folder import choose_point, load_point, open_front
    from netgraft.lifecycle.job import rewrite_report, search_into
    from netgraft.lifecycle.predict import evaluate_table, predict_table
    from netgraft.lifecycle.search import Front, SearchSettings, search_front

__all__ = [
    "Front",
    "NetgraftClassifier",
    "NetgraftRegressor",
    "SearchSettings",
    "choose_point",
    "evaluate_table",
    "export_point",
    "load_point",
    "open_front",
    "predict_table",
    "rewrite_report",
    "search_front",
    "search_into",
]

_HOMES = {
    "estimators": ("NetgraftClassifier", "NetgraftRegressor"),
    "export": ("export_point",),
    "folder": ("choose_point", "load_point", "open_front"),
    "job": ("rewrite_report", "search_into"),
    "predict": ("evaluate_table", "predict_table"),
    "search": ("Front", "SearchSettings", "search_front"),
}


def __getattr__(name: str) -> Any:
    """Return a public name from its home (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
