"""From whom to transfer: similarity of data sets by rows, by a network's features, or by a sketch in the index."""

from netgraft.transfer.gaussian import LatentMoments, debiased, mean_pairwise_kl, mean_pairwise_square
from netgraft.transfer.moments import Record, moments_distances, moments_of
from netgraft.transfer.sample import Sample
from netgraft.transfer.similarity import MEASURES, Measure, compare, measure_named
from netgraft.transfer.sketch import SKETCH, sketch_distances, sketch_of

__all__ = [
    "MEASURES",
    "SKETCH",
    "LatentMoments",
    "Measure",
    "Record",
    "Sample",
    "compare",
    "debiased",
    "mean_pairwise_kl",
    "mean_pairwise_square",
    "measure_named",
    "moments_distances",
    "moments_of",
    "sketch_distances",
    "sketch_of",
]
