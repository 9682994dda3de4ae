"""The search space of networks for tables, and what a candidate's genes mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from netgraft.errors import SettingError, unknown_name
from netgraft.root import Architecture, Cut, Recipe
from netgraft.search import Choice, Genes, MixedSpace, Real

WIDTHS = (4, 8, 16, 32, 64, 128, 256)
MAX_DEPTH = 4
_LEAST_CONTINUED_RATE = 4e-4
#: The genes that a cut of the nested root has; the others say how a candidate is embedded and trained.
SCORED_GENES = frozenset({"depth", *(f"width_{i}" for i in range(1, MAX_DEPTH + 1))})


def network_space(*, rows: int, has_numeric: bool, has_codes: bool) -> MixedSpace:
    """Return the space for a table.

    Args:
        rows: training rows; large batches exist only for large tables.
        has_numeric: whether there are numeric features.
        has_codes: whether there are code columns.
    """
    batches = (128, 256, 512) if rows >= 4_000 else (64, 128, 256)
    parameters: list[Choice | Real] = [Choice("depth", tuple(range(MAX_DEPTH + 1)), ordered=True)]
    parameters += [Choice(f"width_{i}", WIDTHS, ordered=True, condition=("depth", i)) for i in range(1, MAX_DEPTH + 1)]
    parameters.append(Choice("activation", ("relu", "silu", "tanh"), ordered=False, condition=("depth", 1)))
    if has_numeric:
        embedded = frozenset({"quantile", "tree", "periodic"})
        parameters += [
            Choice("basis", ("linear", "quantile", "tree", "periodic"), ordered=False),
            Choice("bins", (4, 8, 16, 32), ordered=True, condition=("basis", embedded)),
            Choice("token", (1, 2, 4, 8), ordered=True, condition=("basis", embedded)),
        ]
    if has_codes:
        parameters.append(Choice("category", (1, 2, 4, 8), ordered=True))
    parameters += [
        Choice("members", (1, 2, 4, 8), ordered=True, condition=("depth", 1)),
        Choice("skip", (True, False), ordered=False, condition=("depth", 1)),
        Choice("dropout", (0.0, 0.05, 0.1, 0.2, 0.3), ordered=True, condition=("depth", 1)),
        Choice("batch", batches, ordered=True),
        Real("learning_rate", 3e-4, 3e-2, log=True),
        Real("weight_decay", 1e-6, 1e-1, log=True),
        Choice("distill", (0.0, 0.3, 0.6, 0.9), ordered=True),
    ]
    return MixedSpace(tuple(parameters))


def restricted(space: MixedSpace, settings: Mapping[str, str]) -> MixedSpace:
    """Return the space in which genes have only the values that ``--set NAME=VALUE,VALUE`` names.

    Raises:
        SettingError: a name is no gene, or a value is not one of its values.
    """
    names = [parameter.name for parameter in space.parameters]
    for name, text in settings.items():
        if name not in names:
            raise SettingError(unknown_name("a setting", name, names))
        space = space.restrict(name, [value.strip() for value in text.split(",") if value.strip()])
    return space


def recipe_of(genes: Genes, *, numeric: int, slots: tuple[int, ...], outputs: int) -> Recipe:
    """Return how the candidate with these genes is built and trained.

    Args:
        genes: of `network_space`.
        numeric: numeric features of the encoding.
        slots: slots of each code column.
        outputs: of the network.
    """
    value: dict[str, Any] = dict(genes)
    depth = int(value["depth"])
    basis = str(value.get("basis", "linear"))
    architecture = Architecture(
        numeric=numeric,
        slots=slots,
        outputs=outputs,
        basis=basis,
        bins=int(value.get("bins", 1)),
        token=int(value.get("token", 1)),
        category=int(value.get("category", 1)),
        widths=tuple(int(value[f"width_{i}"]) for i in range(1, depth + 1)),
        members=int(value.get("members", 1)),
        activation=str(value.get("activation", "relu")),
        skip=bool(value.get("skip", True)),
    )
    return Recipe(
        architecture,
        learning_rate=float(value["learning_rate"]),
        weight_decay=float(value["weight_decay"]),
        dropout=float(value.get("dropout", 0.0)),
        batch=int(value["batch"]),
        distill=float(value.get("distill", 0.0)),
    )


def continued(genes: Genes) -> Genes | None:
    """Return the genes under which a candidate is trained on: with a smaller learning rate; None when it is small."""
    rate = 0.6 * float(genes["learning_rate"])
    return None if rate < _LEAST_CONTINUED_RATE else {**genes, "learning_rate": rate}


def varied(genes: Genes) -> Genes | None:
    """Return the genes under which a candidate that came with weights is trained on without its teacher; None if so."""
    return {**genes, "distill": 0.0} if genes["distill"] else None


def cut_of(genes: Genes) -> Cut:
    """Return the cut that a candidate is."""
    depth = int(genes["depth"])
    widths = tuple(int(genes[f"width_{i}"]) for i in range(1, depth + 1))
    return Cut(depth, widths, int(genes.get("members", 1)))


def start_candidates(space: MixedSpace, rows: int, *, distill: float = 0.3) -> list[Genes]:
    """Return hand-made candidates from the linear path to a wide ensemble, each the nearest one of the space.

    They cover the front from its smallest to its most accurate end, so a search is useful after its first batch.

    Args:
        space: the candidates.
        rows: training rows.
        distill: weight of the teacher's soft rows.
    """
    batch = 256 if rows >= 4_000 else 128
    common: Genes = {
        "activation": "relu",
        "skip": True,
        "batch": batch,
        "weight_decay": 1e-4,
        "distill": distill,
        "category": 2,
    }
    small = {"basis": "quantile", "bins": 8, "token": 1, "members": 1, "dropout": 0.0, "learning_rate": 1e-2}
    middle = {"basis": "quantile", "bins": 16, "token": 2, "members": 2, "dropout": 0.0, "learning_rate": 5e-3}
    large = {
        "basis": "tree", "bins": 32, "token": 4, "members": 4, "dropout": 0.1, "learning_rate": 2e-3,
        "weight_decay": 3e-4, "category": 4,
    }  # fmt: skip
    shapes: list[tuple[tuple[int, ...], dict[str, Any]]] = [
        ((128, 128), large),
        ((), small | {"bins": 16, "category": 1}),
        ((16, 16), small | {"bins": 16}),
        ((64, 32), middle),
        ((8,), small),
        ((32, 32), small | {"token": 2, "bins": 16, "basis": "tree"}),
        ((4,), small | {"basis": "linear", "category": 1}),
        ((), small | {"basis": "linear", "category": 1}),
        ((16,), small | {"basis": "tree"}),
        ((32, 16, 16), small | {"basis": "tree", "token": 2, "bins": 16}),
        ((64, 64, 32), middle | {"activation": "silu", "members": 4}),
    ]
    made: list[Genes] = []
    for widths, rest in shapes:
        genes = common | rest | {"depth": len(widths)} | {f"width_{i}": w for i, w in enumerate(widths, start=1)}
        nearest = space.nearest(genes)
        if nearest not in made:
            made.append(nearest)
    return made


def space_bytes(space: MixedSpace, cost: Callable[[Genes], Mapping[str, float]]) -> tuple[float, float]:
    """Return the bytes of the smallest and the largest network of the space.

    Args:
        space: of `network_space`, restricted or not.
        cost: gives the ``size`` of a candidate, among others.
    """
    sizes = [cost(genes)["size"] for genes in _extremes(space)]
    return min(sizes), max(sizes)


def _extremes(space: MixedSpace) -> list[Genes]:
    """Return candidates among which are the smallest and the largest of the space."""
    found = []
    for basis in ("linear", "quantile", "tree", "periodic"):
        for most in (False, True):
            for depth in (0, 1, 4):
                wish: Genes = {"basis": basis, "depth": depth, "skip": most}
                wish |= dict.fromkeys(("bins", "token", "category", "members"), 1000 if most else 1)
                wish |= {f"width_{i}": (10_000 if most else 1) for i in range(1, 5)}
                found.append(space.nearest(wish))
    return found


def genes_json(space: MixedSpace) -> list[dict[str, Any]]:
    """Return the space as JSON: for each gene its values, or its low and high."""
    return [
        {"name": p.name, "values": list(p.values)}
        if hasattr(p, "values")
        else {"name": p.name, "low": p.low, "high": p.high}
        for p in space.parameters
    ]
