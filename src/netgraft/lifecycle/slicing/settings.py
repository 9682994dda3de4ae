"""How a study is done; the schedule is that of Hu et al. 2022, section V, unless a field says otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from netgraft.errors import SettingError, unknown_name
from netgraft.transfer import MEASURES

#: Fields that may be 0.
_MAY_BE_NONE = ("explore_steps", "noise", "transfer_noise")
_OTHER_RANGES = ("concentration", "source_share")
#: Default-action samples of a cell at least, as many as a sketch takes.
_FEWEST_SAMPLES = 20


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """How a study is done.

    Attributes:
        explore_steps: in which agents without a source try shares at random.
        train_steps: in which they learn afterwards.
        transfer_steps: in which agents with a source learn.
        updates_per_step: of every agent.
        evaluation_steps: of the last evaluation of a method; the paper has 250, two and a half periods of the traffic.
        progress_every: steps of training between two evaluations on the way.
        progress_steps: of an evaluation on the way.
        sample_steps: under the default action, from which similarity is told.
        instances: a source's last transitions that instance transfer takes.
        source_share: of a batch that is the source's at first (half: Ball et al. 2023, RLPD); None: its share of all.
        source_anneal: own transitions after which none of a batch is the source's; None: it stays.
        concentration: of the Dirichlet distribution of tried shares.
        noise: standard deviation of what is added to the logits of learning agents; it shrinks to 0.
        transfer_noise: the same for agents that began with a source's model: they lose more by trying.
        measure: of similarity, by which sources are chosen (eq. 10).
        generalist_updates: of the agents that learn from all sources before their cell goes on from them.
        generalist_rows: transitions that they learn from, of each source.
        new_cell: whether a site is added to the trained network too.

    Raises:
        SettingError: a number is out of range, or there is no such measure.
    """

    explore_steps: int = 3_000
    train_steps: int = 5_500
    transfer_steps: int = 4_000
    updates_per_step: int = 1
    evaluation_steps: int = 1_000
    progress_every: int = 250
    progress_steps: int = 250
    sample_steps: int = 1_000
    instances: int = 8_500
    source_share: float | None = 0.5
    source_anneal: int | None = None
    concentration: float = 2.0
    noise: float = 0.6
    transfer_noise: float = 0.4
    measure: str = "energy"
    generalist_updates: int = 10_000
    generalist_rows: int = 2_000
    new_cell: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and field.name not in _OTHER_RANGES and not isinstance(value, bool):
                least = 0 if field.name in _MAY_BE_NONE else _FEWEST_SAMPLES if field.name == "sample_steps" else 1
                if not least <= value < math.inf:
                    raise SettingError(f"{field.name} must be >= {least}, got {value}")
        if not 0 < self.concentration < math.inf:
            raise SettingError(f"concentration must be > 0, got {self.concentration}")
        if self.source_share is not None and not 0 <= self.source_share <= 1:
            raise SettingError(f"source_share must be in [0, 1], got {self.source_share}")
        if self.measure not in ROW_MEASURES:
            raise SettingError(unknown_name("measure", self.measure, ROW_MEASURES))

    def payload(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return asdict(self)

    def with_texts(self, texts: Mapping[str, str]) -> StudySettings:
        """Return the settings with values that are written as text.

        Raises:
            SettingError: there is no such setting, or the text is no value of it.
        """
        kinds = {field.name: str(field.type) for field in fields(self) if field.name != "new_cell"}
        values: dict[str, Any] = {}
        for name, text in texts.items():
            if name not in kinds:
                raise SettingError(unknown_name("a setting", name, kinds))
            values[name] = _value(name, kinds[name], text)
        return replace(self, **values)


#: Measures that can tell the similarity of cells from their samples.
ROW_MEASURES = tuple(name for name, measure in MEASURES.items() if measure.needs == "rows")


def _value(name: str, kind: str, text: str) -> Any:
    if "None" in kind and text == "none":
        return None
    convert = int if kind.startswith("int") else float if kind.startswith("float") else str
    try:
        return convert(text)
    except ValueError as error:
        what = "a whole number" if convert is int else "a number"
        raise SettingError(f"{name} must be {what}, got {text!r}") from error
