"""Netgraft: find, transfer and ship the right neural network for every place in a mobile network."""

__version__ = "0.1.0"
