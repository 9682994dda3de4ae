"""What people do today with few rows and related data: pooled rows, a source's prediction, fine-tuning, or nothing.

- alone: LightGBM, CatBoost, TabM-D at their defaults, ridge or logistic regression;
- pooled: LightGBM and CatBoost on the target's rows and the rows of each source that the library kept, with the domain
  as a column;
- source's prediction: ridge or logistic regression and LightGBM on the target's rows with the prediction of a source's
  model as a feature. Every source has a LightGBM trained on all its rows; the one that says most about the target's
  training rows is taken (largest correlation, or accuracy);
- fine-tuning: a network with two hidden layers of 128 units, trained on all rows of all sources, then on the target's
  (its predictions first moved to their mean) with a fifth of them held out to stop early, at a third of the rate.

LightGBM asks for 20 rows in a leaf by default, which is no tree at 50 rows: here for a twentieth of the rows, 3 to 20.
Nothing is tuned beyond that; ridge chooses its penalty by leave-one-out, as its users do.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks import peers
from benchmarks.peers import Fitted, Frames, safe_names
from benchmarks.tables import Sample
from benchmarks.transfer_tasks import Case

Learn = Callable[[Sample, int], Fitted]
_FEATURE = "domain"
_HIDDEN, _DROPOUT, _RATE, _DECAY = 128, 0.1, 1e-3, 1e-4
_EPOCHS, _PATIENCE, _BATCH, _HELD = 60, 8, 128, 0.2
_TUNED_RATE, _TUNED_EPOCHS, _TUNED_PATIENCE, _TUNED_BATCH = 3e-4, 200, 20, 32


def lightgbm(sample: Sample, seed: int) -> Fitted:
    """Return LightGBM with leaves that fit the rows."""
    model, frames = _boosted(sample, seed)
    return frames.fitted(model.predict)


def linear(sample: Sample, seed: int) -> Fitted:
    """Return ridge regression with its penalty by leave-one-out, or logistic regression at its defaults."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = [name for name in sample.features if name not in sample.categorical]
    coded = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"), OneHotEncoder(handle_unknown="ignore")
    )
    scaled = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    steps = ColumnTransformer([("numeric", scaled, numeric), ("coded", coded, list(sample.categorical))])
    model: Any = RidgeCV(np.logspace(-3, 4, 15))
    if sample.kind == "classification":
        model = LogisticRegression(max_iter=1_000, random_state=seed)
    frames = Frames(sample)
    fitted = make_pipeline(steps, model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 1,000 steps are not always enough to converge
        fitted.fit(sample.train[sample.features], frames.target)
    return Fitted(lambda frame: frames.labels(fitted.predict(frame[sample.features])))


def _boosted(sample: Sample, seed: int) -> tuple[Any, Frames]:
    """Return a fitted LightGBM and how it reads frames."""
    import lightgbm as library

    kind = library.LGBMClassifier if sample.kind == "classification" else library.LGBMRegressor
    leaf = int(np.clip(len(sample.train) // 20, 3, 20))
    model, frames = kind(random_state=seed, n_jobs=1, verbose=-1, min_child_samples=leaf), Frames(sample, safe_names)
    return model.fit(frames(sample.train), frames.target), frames


class SourceTrees:
    """A source's LightGBM as the target uses it.

    Attributes:
        classes: labels in the order of the outputs; empty for regression.
    """

    def __init__(self, source: Sample) -> None:
        """Train it on all rows of the source."""
        self._model, self._frames = _boosted(source, 0)
        self._is_class = source.kind == "classification"
        labels = np.unique(source.train[source.target].to_numpy().astype(str)) if self._is_class else []
        self.classes = [str(label) for label in labels]

    def outputs(self, frame: pd.DataFrame) -> np.ndarray:
        """Return predictions [n, 1] or probabilities [n, classes]."""
        ready = self._frames(frame)
        if self._is_class:
            return np.asarray(self._model.predict_proba(ready)).reshape(len(frame), -1)
        return np.asarray(self._model.predict(ready))[:, None]

    def tells(self, sample: Sample) -> float:
        """Return how much the predictions say about the training rows: correlation or accuracy."""
        outputs, true = self.outputs(sample.train), sample.train[sample.target].to_numpy()
        if self._is_class:
            return float(np.mean(np.array(self.classes)[outputs.argmax(axis=1)] == true.astype(str)))
        if outputs.std() == 0 or true.std() == 0:
            return 0.0
        return float(np.corrcoef(outputs[:, 0], true.astype(np.float64))[0, 1])

    def hinted(self, sample: Sample) -> Sample:
        """Return a sample with the predictions as features."""

        def wider(frame: pd.DataFrame) -> pd.DataFrame:
            outputs = self.outputs(frame)
            return frame.assign(**{f"source_{k}": outputs[:, k] for k in range(outputs.shape[1])})

        return replace(sample, train=wider(sample.train), test=wider(sample.test))


class Reader:
    """Turns frames into matrices: standardised numbers, medians for missing ones, a column per category."""

    def __init__(self, train: pd.DataFrame, features: Sequence[str], categorical: Sequence[str]) -> None:
        """Fit it to frames of sources."""
        self._numeric = [name for name in features if name not in categorical]
        numbers = train[self._numeric].astype(np.float64)
        self._medians = numbers.median().fillna(0.0)
        numbers = numbers.fillna(self._medians)
        self._mean, spread = numbers.mean(), numbers.std(ddof=0)
        self._spread = spread.where(spread > 0, 1.0)
        self._words = {name: sorted(train[name].dropna().astype(str).unique()) for name in categorical}

    def __call__(self, frame: pd.DataFrame) -> np.ndarray:
        """Return rows [n, d]; what lies far beyond the sources is clipped."""
        numbers = frame[self._numeric].astype(np.float64).fillna(self._medians)
        blocks = [((numbers - self._mean) / self._spread).clip(-10, 10).to_numpy()]
        for name, words in self._words.items():
            blocks.append(frame[name].astype(str).to_numpy()[:, None] == np.array(words, dtype=object)[None])
        return np.concatenate(blocks, axis=1).astype(np.float32)


@dataclass(frozen=True)
class TrainedNetwork:
    """A plain network and how it reads frames.

    Attributes:
        reader: of features.
        classes: labels in the order of the outputs; empty for regression.
        mean, spread: of the target, for regression.
        body: the layers; the last is the head.
    """

    reader: Reader
    classes: tuple[str, ...]
    mean: float
    spread: float
    body: nn.Sequential

    @staticmethod
    def of(sources: Sequence[pd.DataFrame], sample: Sample, classes: tuple[str, ...], seed: int) -> TrainedNetwork:
        """Return a network trained on the rows of sources, with an output for each class."""
        pooled = pd.concat(sources, ignore_index=True)
        reader = Reader(pooled, sample.features, sample.categorical)
        target = pooled[sample.target]
        mean, spread = (0.0, 1.0) if classes else (float(target.mean()), float(target.std(ddof=0)) or 1.0)
        torch.manual_seed(seed)
        made = TrainedNetwork(reader, classes, mean, spread, _layers(reader(pooled[:1]).shape[1], max(1, len(classes))))
        return made.trained(pooled, sample.target, seed, rate=_RATE, epochs=_EPOCHS, patience=_PATIENCE, batch=_BATCH)

    def tuned(self, sample: Sample, seed: int) -> TrainedNetwork:
        """Return the network after its output was moved to the mean of the target's rows and it was trained on them."""
        return self._moved(sample).trained(
            sample.train, sample.target, seed, rate=_TUNED_RATE, epochs=_TUNED_EPOCHS, patience=_TUNED_PATIENCE,
            batch=_TUNED_BATCH,
        )  # fmt: skip

    def _moved(self, sample: Sample) -> TrainedNetwork:
        """Return the network with its predictions moved by their mean error on the target's rows."""
        if self.classes:
            return self
        error = sample.train[sample.target].to_numpy(np.float64) - self.predict(sample.train)
        return replace(self, mean=self.mean + float(error.mean()))

    def fresh(self, sample: Sample, seed: int) -> TrainedNetwork:
        """Return a network of the same shape trained on the target's rows alone."""
        torch.manual_seed(seed)
        first = self.body[0]
        assert isinstance(first, nn.Linear)
        body = _layers(first.in_features, max(1, len(self.classes)))
        own = sample.train[sample.target]
        mean, spread = (0.0, 1.0) if self.classes else (float(own.mean()), float(own.std(ddof=0)) or 1.0)
        return replace(self, body=body, mean=mean, spread=spread).trained(
            sample.train, sample.target, seed, rate=_RATE, epochs=_TUNED_EPOCHS, patience=_TUNED_PATIENCE,
            batch=_TUNED_BATCH,
        )  # fmt: skip

    def trained(
        self, frame: pd.DataFrame, target: str, seed: int, *, rate: float, epochs: int, patience: int, batch: int
    ) -> TrainedNetwork:
        """Return the network after training, in the state that is best on held-out rows."""
        body = copy.deepcopy(self.body)
        x, y = torch.from_numpy(self.reader(frame)), torch.from_numpy(self._targets(frame[target]))
        lossy: Callable[..., torch.Tensor] = nn.functional.cross_entropy if self.classes else nn.functional.mse_loss
        order = np.random.default_rng(seed)
        rows = torch.from_numpy(order.permutation(len(x)))
        held, rows = rows[: max(1, int(_HELD * len(x)))], rows[max(1, int(_HELD * len(x))) :]
        optimiser = torch.optim.AdamW(body.parameters(), lr=rate, weight_decay=_DECAY, fused=True)
        torch.manual_seed(seed)
        best, state, waited = math.inf, copy.deepcopy(body.state_dict()), 0
        for _ in range(epochs):
            with torch.no_grad():
                body.eval()
                loss = float(lossy(body(x[held]), y[held]))
            waited += 1
            if loss < best:
                best, state, waited = loss, copy.deepcopy(body.state_dict()), 0
            if waited >= patience:
                break
            body.train()
            for part in rows[torch.from_numpy(order.permutation(len(rows)))].split(batch):
                optimiser.zero_grad()
                lossy(body(x[part]), y[part]).backward()
                optimiser.step()
        body.load_state_dict(state)
        return replace(self, body=body.eval())

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return predictions in the target's unit, or labels."""
        with torch.no_grad():
            outputs = self.body(torch.from_numpy(self.reader(frame))).numpy()
        if self.classes:
            return np.array(self.classes)[outputs.argmax(axis=1)]
        return outputs[:, 0] * self.spread + self.mean

    def features(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the last hidden units [n, h]."""
        with torch.no_grad():
            return self.body[:-1](torch.from_numpy(self.reader(frame))).numpy()

    def _targets(self, target: pd.Series) -> np.ndarray:
        """Return class indices [n] or the standardised target [n, 1]."""
        if self.classes:
            places = {label: i for i, label in enumerate(self.classes)}
            return np.array([places[label] for label in target.astype(str)], np.int64)
        return ((target.to_numpy(np.float64) - self.mean) / self.spread).astype(np.float32)[:, None]


def labels(sample: Sample, frames: Sequence[pd.DataFrame]) -> tuple[str, ...]:
    """Return the classes that occur in some rows, in order; none for regression."""
    if sample.kind != "classification":
        return ()
    return tuple(sorted({label for frame in frames for label in frame[sample.target].astype(str)}))


def _layers(inputs: int, outputs: int) -> nn.Sequential:
    """Return the untrained network."""
    steps: list[nn.Module] = []
    for before in (inputs, _HIDDEN):
        steps += [nn.Linear(before, _HIDDEN), nn.ReLU(), nn.Dropout(_DROPOUT)]
    return nn.Sequential(*steps, nn.Linear(_HIDDEN, outputs))


class Earlier:
    """What a target's peers have from its sources, made when first asked for and kept for further draws of its rows."""

    def __init__(self, case: Case, kept: Mapping[str, pd.DataFrame]) -> None:
        """Begin.

        Args:
            case: any draw of the target.
            kept: the rows of each source that the library kept.
        """
        self._case, self._kept = case, dict(kept)
        self._networks: dict[tuple[str, ...], TrainedNetwork] = {}

    @cached_property
    def _trees(self) -> list[SourceTrees]:
        return [SourceTrees(self._case.source(domain)) for domain in self._case.sources]

    def pooled(self, case: Case) -> Sample:
        """Return the target's rows and the kept rows of all sources, with the domain as a feature."""
        sample = case.sample
        columns = [*sample.features, sample.target]
        frames = {case.domain: sample.train, **self._kept}
        train = pd.concat([f[columns].assign(**{_FEATURE: name}) for name, f in frames.items()], ignore_index=True)
        test = sample.test.assign(**{_FEATURE: case.domain})
        return replace(sample, train=train, test=test, group=None, categorical=(*sample.categorical, _FEATURE))

    def hinted(self, case: Case) -> Sample:
        """Return the target's rows with the prediction of the source that says most about them."""
        return max(self._trees, key=lambda trees: trees.tells(case.sample)).hinted(case.sample)

    def network(self, case: Case) -> TrainedNetwork:
        """Return the network that was trained on all sources."""
        sample, frames = case.sample, list(case.sources.values())
        classes = labels(sample, [*frames, sample.train])
        if classes not in self._networks:
            self._networks[classes] = TrainedNetwork.of(frames, sample, classes, 0)
        return self._networks[classes]


def _alone(learn: Learn) -> Callable[[Case, Earlier, int], np.ndarray]:
    return lambda case, _, seed: learn(case.sample, seed).predict(case.sample.test)


def _pooled(learn: Learn) -> Callable[[Case, Earlier, int], np.ndarray]:
    def predicted(case: Case, earlier: Earlier, seed: int) -> np.ndarray:
        sample = earlier.pooled(case)
        return learn(sample, seed).predict(sample.test)

    return predicted


def _hinted(learn: Learn) -> Callable[[Case, Earlier, int], np.ndarray]:
    def predicted(case: Case, earlier: Earlier, seed: int) -> np.ndarray:
        sample = earlier.hinted(case)
        return learn(sample, seed).predict(sample.test)

    return predicted


def _tuned(case: Case, earlier: Earlier, seed: int) -> np.ndarray:
    return earlier.network(case).tuned(case.sample, seed).predict(case.sample.test)


#: name -> predictions for the test rows of a case
PEERS: dict[str, Callable[[Case, Earlier, int], np.ndarray]] = {
    "lightgbm": _alone(lightgbm),
    "catboost": _alone(peers.catboost),
    "linear": _alone(linear),
    "lightgbm pooled": _pooled(lightgbm),
    "catboost pooled": _pooled(peers.catboost),
    "linear + source": _hinted(linear),
    "lightgbm + source": _hinted(lightgbm),
    "fine-tuned": _tuned,
    "tabm_d": _alone(peers.tabm_d),
}
