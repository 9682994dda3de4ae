"""From an entry of a library to what devices download: rows, a root of its own, a signed head and chunks."""

from netgraft.lifecycle.publishing.delivery_root import DeliveryRecipe, Grown, grow_delivery_root
from netgraft.lifecycle.publishing.keyring import key_folder, online_key, publisher_keys
from netgraft.lifecycle.publishing.publish import Publication, built_from, publish

__all__ = [
    "DeliveryRecipe",
    "Grown",
    "Publication",
    "built_from",
    "grow_delivery_root",
    "key_folder",
    "online_key",
    "publish",
    "publisher_keys",
]
