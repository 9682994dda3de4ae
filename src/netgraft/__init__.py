"""Netgraft: find, transfer and ship the right neural network for every place in a mobile network.

>>> import netgraft as ng
>>> ng.NetgraftRegressor(budget_s=60, limits={"size": 65_536})
NetgraftRegressor(limits={'size': 65536})

Names are imported when they are first used, so that ``import netgraft`` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netgraft import ran
    from netgraft.errors import NetgraftError
    from netgraft.lifecycle import Front, NetgraftClassifier, NetgraftRegressor, SearchSettings, search_front
    from netgraft.lifecycle.user_library import Library
    from netgraft.tables import Task
    from netgraft.units import Limit

__version__ = "0.1.0"

__all__ = [
    "Front",
    "Library",
    "Limit",
    "NetgraftClassifier",
    "NetgraftError",
    "NetgraftRegressor",
    "SearchSettings",
    "Task",
    "__version__",
    "ran",
    "search_front",
]

_HOMES = {
    "errors": ("NetgraftError",),
    "lifecycle": ("Front", "NetgraftClassifier", "NetgraftRegressor", "SearchSettings", "search_front"),
    "lifecycle.user_library": ("Library",),
    "tables": ("Task",),
    "units": ("Limit",),
}


def __getattr__(name: str) -> Any:
    """Return a public name from its home, or the part ``ran`` (PEP 562)."""
    if name == "ran":
        return import_module(f"{__name__}.ran")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
