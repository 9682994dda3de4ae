"""The nested model for tables: cuts, networks, joint and batched training, teachers, extraction and export."""

from netgraft.root.basis import FINEST_BINS, Basis, quantile_edges, random_frequencies, tree_basis
from netgraft.root.bits import PLANES, Bits
from netgraft.root.boosting import GrownTrees, fit_trees, fixed_feature, teacher_outputs
from netgraft.root.cut import Cut, cut_architecture
from netgraft.root.data import Data, Fold, SoftRows, fold_weights, resample_columns
from netgraft.root.extract import to_network
from netgraft.root.linear import fit_linear
from netgraft.root.nested import (
    NestedRecipe,
    NestedRoot,
    NestedTraining,
    Start,
    extract,
    root_from_parts,
    root_tensors,
    root_to_json,
)
from netgraft.root.population import Population, Recipe, Schedule, Trained, mix_members, validation_outputs
from netgraft.runtime.network import Architecture

__all__ = [
    "FINEST_BINS",
    "PLANES",
    "Architecture",
    "Basis",
    "Bits",
    "Cut",
    "Data",
    "Fold",
    "GrownTrees",
    "NestedRecipe",
    "NestedRoot",
    "NestedTraining",
    "Population",
    "Recipe",
    "Schedule",
    "SoftRows",
    "Start",
    "Trained",
    "cut_architecture",
    "extract",
    "fit_linear",
    "fit_trees",
    "fixed_feature",
    "fold_weights",
    "mix_members",
    "quantile_edges",
    "random_frequencies",
    "resample_columns",
    "root_from_parts",
    "root_tensors",
    "root_to_json",
    "teacher_outputs",
    "to_network",
    "tree_basis",
    "validation_outputs",
]
