"""How a model gets to a device: a signed head, immutable chunks, a plan, a poor link, a client that trusts nothing.

Needs the base installation only. Names are imported when they are first used, so that a device loads what it runs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netgraft.delivery.device.client import DeviceClient
    from netgraft.delivery.device.engine import Engine
    from netgraft.delivery.format.assembly import Assembly
    from netgraft.delivery.format.head import CutRow, Head, OpenedHead
    from netgraft.delivery.offering.published import Published
    from netgraft.delivery.planning.planned import Plan
    from netgraft.delivery.planning.situation import Situation
    from netgraft.delivery.trust.accepting import PublicKey, SigningKey, Stamp, TrustDocument, TrustState

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
    "device.client": ("DeviceClient",),
    "device.engine": ("Engine",),
    "format.assembly": ("Assembly",),
    "format.head": ("CutRow", "Head", "OpenedHead"),
    "offering.published": ("Published",),
    "planning.planned": ("Plan",),
    "planning.situation": ("Situation",),
    "trust.accepting": ("TrustState",),
    "trust.document": ("TrustDocument",),
    "trust.keys": ("PublicKey", "SigningKey"),
    "trust.stamps": ("Stamp",),
}


def __getattr__(name: str) -> Any:
    """Return a public name from its module (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
