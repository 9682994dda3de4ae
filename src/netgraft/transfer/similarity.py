"""From whom to transfer: how far each source's data are from the target's, by measures behind one protocol.

A measure gives one number per source, and a smaller one means more similar; the paper's choice (Hu et al. 2022, eq. 10)
is the smallest. What a measure reads of a `Sample` differs (`Needs`):

- rows: ``vae`` (eq. 7 with 8), ``vae-lemma1`` (eq. 7 with Lemma 1), ``vae-debiased`` (the same less what the samples
  are to themselves), ``energy``, ``mmd``, and as the control ``moments``;
- sketch: ``sketch``, which ranks a library from its index;
- model: ``ridge`` and ``logme``, what the source's network makes of the target's few rows.

>>> import numpy as np
>>> rows = np.random.default_rng(0).normal(size=(3, 40, 2))
>>> near, far, target = (Sample(x=x + shift, y=x[:, :1]) for x, shift in zip(rows, (0, 5, 0)))
>>> distances = compare([near, far], target, ["energy", "moments"])
>>> {name: int(np.argmin(found)) for name, found in distances.items()}
{'energy': 0, 'moments': 0}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from netgraft.errors import InputError, SettingError, unknown_name
from netgraft.transfer.features import log_evidence, ridge_score
from netgraft.transfer.gaussian import LatentMoments, debiased, mean_pairwise_kl, mean_pairwise_square
from netgraft.transfer.kernels import Cloud, Kernel, cloud_distance
from netgraft.transfer.moments import frechet
from netgraft.transfer.sample import Sample
from netgraft.transfer.sketch import sketch_distances

Needs = Literal["rows", "model", "sketch"]
DoubleArray = NDArray[np.float64]
S = TypeVar("S")


class Measure(Protocol):
    """A way to tell how far sources are from a target."""

    @property
    def name(self) -> str:
        """Return its name in `MEASURES`."""

    @property
    def needs(self) -> Needs:
        """Return what it reads of the samples.

        ``rows``: x and y of all; ``model``: features of the sources, y of the target; ``sketch``: sketches of all.
        """

    def __call__(self, sources: Sequence[Sample], target: Sample, *, seed: int) -> DoubleArray:
        """Return the distance of each source, float64 [s], smaller is more similar.

        Raises:
            InputError: a sample lacks what the measure needs, or the samples do not fit each other.
        """


@dataclass(frozen=True)
class PairMeasure(Generic[S]):
    """A distance between summaries of single samples; measures of one summary share its computation in `compare`.

    Attributes:
        name, needs: see `Measure`.
        summarise: returns one summary per sample, given a seed.
        distance: of a source's summary and the target's.
    """

    name: str
    needs: Needs
    summarise: Callable[[Sequence[Sample], int], list[S]]
    distance: Callable[[S, S], float]

    def __call__(self, sources: Sequence[Sample], target: Sample, *, seed: int) -> DoubleArray:
        """Return the distance of each source; see `Measure`."""
        _check(self, sources, target)
        return self.between(self.summarise([*sources, target], seed))

    def between(self, summaries: Sequence[S]) -> DoubleArray:
        """Return the distance of every summary but the last from the last."""
        return np.array([self.distance(source, summaries[-1]) for source in summaries[:-1]], np.float64)


@dataclass(frozen=True)
class ModelMeasure:
    """A score of each source network's features on the target's rows, negated.

    Attributes:
        name, needs: see `Measure`.
        score: of features [m, h] for outcomes [m, c], larger is better.
    """

    name: str
    score: Callable[[NDArray[np.floating], NDArray[np.floating]], float]
    needs: Needs = "model"

    def __call__(self, sources: Sequence[Sample], target: Sample, *, seed: int) -> DoubleArray:
        """Return the negated score of each source; see `Measure`. Nothing is random, so the seed does not matter."""
        _check(self, sources, target)
        return np.array([-self.score(source.features, target.y) for source in sources], np.float64)  # type: ignore[arg-type]


def measure_named(name: str) -> Measure:
    """Return a measure by its name in `MEASURES`.

    Raises:
        SettingError: there is no such measure.
    """
    if name not in MEASURES:
        raise SettingError(unknown_name("a similarity measure", name, MEASURES))
    return MEASURES[name]


def compare(
    sources: Sequence[Sample], target: Sample, measures: Iterable[str] | None = None, seed: int = 0
) -> dict[str, DoubleArray]:
    """Return the distance of each source from the target by each measure; float64 [s] by name.

    What several measures need, such as the joint autoencoder, is computed once.

    Args:
        sources: the candidates.
        target: what they are compared with.
        measures: names in `MEASURES`; by default all whose needs the samples meet.
        seed: of everything random.

    Raises:
        SettingError: there is no such measure.
        InputError: a sample lacks what a named measure needs, or the samples do not fit each other.
    """
    if measures is None:
        chosen = [measure for measure in MEASURES.values() if not _lacking(measure.needs, sources, target)]
    else:
        chosen = [measure_named(name) for name in measures]
    summaries: dict[Any, list[Any]] = {}
    found = {}
    for measure in chosen:
        if not isinstance(measure, PairMeasure):
            found[measure.name] = measure(sources, target, seed=seed)
            continue
        _check(measure, sources, target)
        if measure.summarise not in summaries:
            summaries[measure.summarise] = measure.summarise([*sources, target], seed)
        found[measure.name] = measure.between(summaries[measure.summarise])
    return found


def _lacking(needs: Needs, sources: Sequence[Sample], target: Sample) -> str | None:
    """Return what the samples lack for a measure, in words, or nothing."""
    every = [*sources, target]
    if needs == "rows":
        return "x and y of every sample" if any(one.x is None or one.y is None for one in every) else None
    if needs == "sketch":
        return "a sketch of every sample" if any(one.sketch is None for one in every) else None
    if target.y is None or any(one.features is None for one in sources):
        return "features of every source and y of the target"
    return None


def _check(measure: Measure, sources: Sequence[Sample], target: Sample) -> None:
    """Raise an `InputError` if a measure cannot be taken of these samples."""
    lacking = _lacking(measure.needs, sources, target)
    if lacking:
        raise InputError(f"the measure {measure.name} needs {lacking}, got samples without")
    for source in sources:
        if measure.needs == "rows" and source.width != target.width:
            widths = f"{source.width} and {target.width}"
            raise InputError(f"samples must have the same numbers of columns and outcomes, got {widths}")
        if measure.needs == "model" and len(source.features) != len(target.y):  # type: ignore[arg-type]
            rows = f"{len(source.features)} and {len(target.y)}"  # type: ignore[arg-type]
            raise InputError(f"features must be of the target's rows, got {rows} rows")


def _latent(samples: Sequence[Sample], seed: int) -> list[LatentMoments]:
    """Return the latent moments of each sample by one autoencoder of all."""
    from netgraft.transfer.vae import encode_jointly  # torch takes a second to import

    return [LatentMoments.of(*encoded) for encoded in encode_jointly([one.rows for one in samples], seed=seed)]


def _clouds(samples: Sequence[Sample], seed: int, *, kernel: Kernel) -> list[Cloud]:
    """Return the clouds of the samples' rows."""
    return [Cloud.of(one.rows, kernel, seed=seed) for one in samples]


def _moments(samples: Sequence[Sample], _: int) -> list[tuple[DoubleArray, DoubleArray]]:
    """Return the means and variances [d + c] of each sample."""
    return [(rows.mean(axis=0), rows.var(axis=0)) for rows in (one.rows for one in samples)]


def _sketches(samples: Sequence[Sample], _: int) -> list[NDArray[np.floating]]:
    """Return the sketches of the samples."""
    return [one.sketch for one in samples if one.sketch is not None]


def _sketch_distance(source: NDArray[np.floating], target: NDArray[np.floating]) -> float:
    """Return the distance of two sketches."""
    return float(sketch_distances(source[None], target)[0])


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        PairMeasure("vae", "rows", _latent, mean_pairwise_kl),
        PairMeasure("vae-lemma1", "rows", _latent, mean_pairwise_square),
        PairMeasure("vae-debiased", "rows", _latent, partial(debiased, mean_pairwise_square)),
        PairMeasure("energy", "rows", partial(_clouds, kernel="energy"), cloud_distance),
        PairMeasure("mmd", "rows", partial(_clouds, kernel="mmd"), cloud_distance),
        PairMeasure("moments", "rows", _moments, frechet),
        PairMeasure("sketch", "sketch", _sketches, _sketch_distance),
        ModelMeasure("ridge", ridge_score),
        ModelMeasure("logme", log_evidence),
    )
}
