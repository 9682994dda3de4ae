"""The space of candidates: named genes, some of which are active only when an earlier gene has a certain value.

Rules the module keeps: genes are canonical (inactive genes absent, keys in the order of the parameters, plain Python
values, reals rounded to six digits), so two candidates are the same exactly when their genes are equal; every random
draw comes from the generator that the caller passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from netgraft.errors import SettingError, unknown_name
from netgraft.search.parameter import Parameter, Value

Genes = dict[str, Value]


class Space(Protocol):
    """What a strategy may do with candidates."""

    def sample(self, rng: np.random.Generator) -> Genes:
        """Return a random candidate."""
        ...

    def mutate(self, genes: Genes, rng: np.random.Generator) -> Genes:
        """Return a candidate that differs from the given one in a few genes."""
        ...

    def cross(self, a: Genes, b: Genes, rng: np.random.Generator) -> Genes:
        """Return a candidate whose genes come from both."""
        ...

    def contains(self, genes: Genes) -> bool:
        """Return whether the genes are canonical and of this space."""
        ...

    def encode(self, candidates: Sequence[Genes]) -> np.ndarray:
        """Return numbers that a model can learn from, float64 [n, d], each about 0 to 1."""
        ...


@dataclass(frozen=True)
class MixedSpace:
    """Choices and reals, with conditions between them.

    Attributes:
        parameters: the genes; a condition names an earlier one.

    Raises:
        SettingError: a name comes twice, or a condition names no earlier gene.
    """

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(self.parameters))
        seen: set[str] = set()
        for parameter in self.parameters:
            if parameter.name in seen:
                raise SettingError(f"the names of a space must be distinct, got {parameter.name!r} twice")
            if parameter.condition is not None and parameter.condition[0] not in seen:
                raise SettingError(f"a condition must name an earlier gene, got {parameter.condition[0]!r}")
            seen.add(parameter.name)

    def sample(self, rng: np.random.Generator) -> Genes:
        """Return a candidate with every active gene drawn on its own."""
        return self._build(lambda parameter: parameter.draw(rng), rng)

    def mutate(self, genes: Genes, rng: np.random.Generator) -> Genes:
        """Return a candidate with one or two active genes changed; genes that become active are drawn."""
        free = [parameter.name for parameter in self.parameters if not parameter.fixed and parameter.name in genes]
        count = min(len(free), 1 + int(rng.random() < 0.4))
        chosen = {free[int(index)] for index in rng.permutation(len(free))[:count]}

        def value(parameter: Parameter) -> Value | None:
            old = genes.get(parameter.name)
            return parameter.step(old, rng) if old is not None and parameter.name in chosen else old

        return self._build(value, rng)

    def cross(self, a: Genes, b: Genes, rng: np.random.Generator) -> Genes:
        """Return a candidate that has each gene from one parent at random; reals are blended."""

        def value(parameter: Parameter) -> Value | None:
            first, second = a.get(parameter.name), b.get(parameter.name)
            if first is None or second is None:
                return first if second is None else second
            return parameter.blend(first, second, rng)

        return self._build(value, rng)

    def contains(self, genes: Genes) -> bool:
        """Return whether the genes are canonical: the active ones, in order, each with a value of its parameter."""
        names: list[str] = []
        for parameter in self.parameters:
            if _active(parameter, genes):
                names.append(parameter.name)
                if not parameter.holds(genes.get(parameter.name)):
                    return False
        return list(genes) == names

    def encode(self, candidates: Sequence[Genes]) -> np.ndarray:
        """Return the candidates as numbers, float64 [n, d]: orders and ranges scaled to 0..1, names one-hot."""
        rows = [[x for p in self.parameters for x in p.code(genes.get(p.name))] for genes in candidates]
        width = sum(len(parameter.code(None)) for parameter in self.parameters)
        return np.asarray(rows, dtype=np.float64).reshape(len(rows), width)

    def nearest(self, genes: Genes) -> Genes:
        """Return the candidate of this space that is nearest to the genes of another, for instance a wider one.

        Values that this space lacks become the nearest; genes that are missing get a middle value.
        """
        return self._build(lambda parameter: parameter.nearest(genes.get(parameter.name)), None)

    def restrict(self, name: str, values: Sequence[Any]) -> MixedSpace:
        """Return the space in which a gene has only these values, given as values or as text (``--set``).

        Raises:
            SettingError: there is no such gene, or it cannot have such a value.
        """
        if name not in {parameter.name for parameter in self.parameters}:
            raise SettingError(unknown_name("a setting", name, (parameter.name for parameter in self.parameters)))
        if not values:
            raise SettingError(f"{name} must be given one or more values, got none")
        return MixedSpace(tuple(p.only(values) if p.name == name else p for p in self.parameters))

    def _build(self, value_of: Callable[[Parameter], Value | None], rng: np.random.Generator | None) -> Genes:
        """Return canonical genes from a value for each active parameter; None is drawn."""
        genes: Genes = {}
        for parameter in self.parameters:
            if not _active(parameter, genes):
                continue
            value = value_of(parameter)
            if value is None and rng is not None:
                value = parameter.draw(rng)
            if value is not None:
                genes[parameter.name] = value
        return genes


def _active(parameter: Parameter, genes: Genes) -> bool:
    """Return whether the earlier genes make the parameter active."""
    if parameter.condition is None:
        return True
    name, needed = parameter.condition
    value = genes.get(name)
    if value is None:
        return False
    return value in needed if isinstance(needed, frozenset) else not isinstance(value, str) and value >= needed
