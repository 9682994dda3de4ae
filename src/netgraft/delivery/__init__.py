"""How a model gets to a device: a signed head, immutable chunks, a plan, a poor link, a client that trusts nothing.

Needs the base installation only. Names are imported when they are first used, so that a device loads what it runs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netgraft.delivery.assembly import Assembly
    from netgraft.delivery.client import DeviceClient
    from netgraft.delivery.engine import Engine
    from netgraft.delivery.head import CutRow, Head, OpenedHead
    from netgraft.delivery.planned import Plan
    from netgraft.delivery.published import Published
    from netgraft.delivery.situation import Situation
    from netgraft.delivery.trust import PublicKey, SigningKey, Stamp, TrustDocument, TrustState

__all__ = [
    "Assembly",
    "CutRow",
    "DeviceClient",
    "Engine",
    "Head",
    "OpenedHead",
    "Plan",
    "PublicKey",
    "Published",
    "SigningKey",
    "Situation",
    "Stamp",
    "TrustDocument",
    "TrustState",
]

_HOMES = {
    "assembly": ("Assembly",),
    "client": ("DeviceClient",),
    "engine": ("Engine",),
    "head": ("CutRow", "Head", "OpenedHead"),
    "planned": ("Plan",),
    "published": ("Published",),
    "situation": ("Situation",),
    "trust": ("PublicKey", "SigningKey", "Stamp", "TrustDocument", "TrustState"),
}


def __getattr__(name: str) -> Any:
    """Return a public name from its module (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
