"""From an entry of a library to what devices download: rows, a root of its own, a signed head and chunks."""

from netgraft.lifecycle.keyring import key_folder, online_key, publisher_keys
from netgraft.lifecycle.publishing.delivery_root import DeliveryRecipe, Grown, grow_delivery_root
from netgraft.lifecycle.publishing.images import ImageDelivery, built_images, publish_images
from netgraft.lifecycle.publishing.publish import Publication, built_from, publish

__all__ = [
    "DeliveryRecipe",
    "Grown",
    "ImageDelivery",
    "Publication",
    "built_from",
    "built_images",
    "grow_delivery_root",
    "key_folder",
    "online_key",
    "publish",
    "publish_images",
    "publisher_keys",
]
