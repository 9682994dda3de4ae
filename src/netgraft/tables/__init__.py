"""A file or frame becomes a `Task`: kinds of columns, splits without leakage, and an encoding fitted on training rows.

`Task.read` takes a path or frame and the target's name; `Task.schema` reads further tables the same way; `METRICS` and
`report` say how good predictions are.
"""

from netgraft.tables.cells import InputColumn
from netgraft.tables.dropping import Dropped
from netgraft.tables.metrics import METRICS, Metric, find_metric, report
from netgraft.tables.schema import Rows, Schema
from netgraft.tables.splits import Split
from netgraft.tables.target import UNSEEN_CLASS, Label, TaskKind
from netgraft.tables.task import Task

__all__ = [
    "METRICS",
    "UNSEEN_CLASS",
    "Dropped",
    "InputColumn",
    "Label",
    "Metric",
    "Rows",
    "Schema",
    "Split",
    "Task",
    "TaskKind",
    "find_metric",
    "report",
]
