"""What a device needs: the frozen encoding and the arithmetic of a deployed model, in NumPy alone."""

from netgraft.runtime.encoding import Column, Encoding, Inputs
from netgraft.runtime.model import Model, Network, Output, Prediction, Trees, load, save
from netgraft.runtime.network import Architecture

__all__ = [
    "Architecture",
    "Column",
    "Encoding",
    "Inputs",
    "Model",
    "Network",
    "Output",
    "Prediction",
    "Trees",
    "load",
    "save",
]
