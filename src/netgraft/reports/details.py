"""What a report shows beyond `front.json`: the schema of `DIR/details.json`.

Everything is plain JSON and every key is optional: a section whose data is absent is left out of the page. Values are
in SI units (bytes, seconds, joules) and errors are minimised, as in `front.json`. Numbers that are not finite read as
absent.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

MOST_EVALUATIONS = 2_000
MOST_PREDICTED = 1_000
MOST_HISTORY = 1_000

Rows = Literal["test", "validation"]


class Dropped(TypedDict, total=False):
    """A column that was not used, and why."""

    name: str
    reason: str


class Dimension(TypedDict, total=False):
    """One choice of the search space: the values it may take, or its range."""

    name: str
    values: list[Any]
    low: float
    high: float
    log: bool


class Counts(TypedDict, total=False):
    """What became of the candidates."""

    evaluations: int
    """Candidates that were trained."""
    rejected: int
    """Refused by a limit before any training."""
    skipped: int
    """Not trained, because they would not have fitted into memory."""
    failed: int
    """Training began and gave no finite score."""
    scored: int
    """Cuts of a supernet that were scored without training."""


class Evaluation(TypedDict, total=False):
    """One candidate that was tried; `genes` are its choices by the names of the space's dimensions."""

    id: str
    values: dict[str, float]
    genes: dict[str, Any]
    state: str


class Groups(TypedDict, total=False):
    """How the picked point does in each group of rows."""

    column: str
    on: Rows
    rows: list[dict[str, Any]]
    """Each `{"group", "rows", "error", ...metrics}`: a group's name, its number of rows, the error, further metrics."""


class Predicted(TypedDict, total=False):
    """The picked point's predictions, in the target's unit; lists of one length n, n <= 1,000."""

    on: Rows
    true: list[float]
    predicted: list[float]
    low: list[float]
    high: list[float]


class Conformal(TypedDict, total=False):
    """Split conformal intervals, calibrated on validation rows."""

    level: float
    half_width: float
    """In the target's unit; absent where it differs from row to row."""
    coverage_test: float
    """Share of test rows inside their interval."""


class Confusion(TypedDict, total=False):
    """The picked point's confusion matrix: `counts[i][j]` rows of class i were predicted as class j."""

    on: Rows
    labels: list[str]
    counts: list[list[int]]


class Bin(TypedDict, total=False):
    """One bin of a reliability diagram: mean confidence, share that was right, number of rows."""

    confidence: float
    accuracy: float
    rows: int


class Calibration(TypedDict, total=False):
    """Temperature scaling of the picked point, with the expected calibration error before and after."""

    on: Rows
    temperature: float
    ece_before: float
    ece_after: float
    bins: list[Bin]
    """After scaling."""
    bins_before: list[Bin]


TransferCurve = TypedDict(
    "TransferCurve", {"with": list[tuple[float, float]], "cold": list[tuple[float, float]]}, total=False
)
"""Least error so far against seconds, `[seconds, error]`, of a search with sources and of one without."""


class Details(TypedDict, total=False):
    """The content of `DIR/details.json`."""

    folder: str
    """The folder as the user named it; the commands on the page name it. Default `DIR`."""
    notes: list[str]
    dropped: list[Dropped]
    settings: dict[str, Any]
    limits: dict[str, float]
    """Upper bounds by the objective's name."""
    space: list[Dimension]
    counts: Counts
    evaluations: list[Evaluation]
    """Everything tried; the page thins it evenly to 2,000."""
    references: list[str]
    """Ids of points to compare with; default: those of the families trees and linear."""
    groups: Groups
    predicted: Predicted
    conformal: Conformal
    confusion: Confusion
    calibration: Calibration
    transfer_curve: TransferCurve
