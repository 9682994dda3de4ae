"""What a device needs: the frozen encoding and the arithmetic of a deployed model, in NumPy alone."""

from netgraft.runtime.encoding import Column, Encoding, Inputs
from netgraft.runtime.grid import Grid, dequantise, fit_grid, quantise
from netgraft.runtime.model import Model, Network, Output, Prediction, Trees, load, save
from netgraft.runtime.nested import NestedShape, Region
from netgraft.runtime.network import Architecture

__all__ = [
    "Architecture",
    "Column",
    "Encoding",
    "Grid",
    "Inputs",
    "Model",
    "NestedShape",
    "Network",
    "Output",
    "Prediction",
    "Region",
    "Trees",
    "dequantise",
    "fit_grid",
    "load",
    "quantise",
    "save",
]
