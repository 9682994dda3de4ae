"""The nested model for images: a residual network with a head after every block, shells of channels, and bit planes."""

from netgraft.root.image.data import Images, cifar10, cifar100, digits, images_named
from netgraft.root.image.pruning import dropout_rate, prune
from netgraft.root.image.root import ImageRoot, image_shape, outputs_of
from netgraft.root.image.training import ImageRecipe, multiplies_bfloat16, train

__all__ = [
    "ImageRecipe",
    "ImageRoot",
    "Images",
    "cifar10",
    "cifar100",
    "digits",
    "dropout_rate",
    "image_shape",
    "images_named",
    "multiplies_bfloat16",
    "outputs_of",
    "prune",
    "train",
]
