"""Search over candidates whose error costs a training and whose other objectives are cheap; knows no neural network."""

from __future__ import annotations

from netgraft.search.archive import Archive, BatchReport
from netgraft.search.drive import drive
from netgraft.search.evaluation import Evaluation, Outcome, Problem, Proposal, Request
from netgraft.search.front import crowding, front_hypervolume, hypervolume, non_dominated, ranks
from netgraft.search.journal import Journal, RecordedBatch
from netgraft.search.objective import OBJECTIVES, Objective, limit_text, objectives_named, unmet_text, violated
from netgraft.search.parameter import Choice, Real
from netgraft.search.space import Genes, MixedSpace, Space
from netgraft.search.strategies import STRATEGIES, Setup, Strategy, strategy_named

__all__ = [
    "OBJECTIVES",
    "STRATEGIES",
    "Archive",
    "BatchReport",
    "Choice",
    "Evaluation",
    "Genes",
    "Journal",
    "MixedSpace",
    "Objective",
    "Outcome",
    "Problem",
    "Proposal",
    "Real",
    "RecordedBatch",
    "Request",
    "Setup",
    "Space",
    "Strategy",
    "crowding",
    "drive",
    "front_hypervolume",
    "hypervolume",
    "limit_text",
    "non_dominated",
    "objectives_named",
    "ranks",
    "strategy_named",
    "unmet_text",
    "violated",
]
