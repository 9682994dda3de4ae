"""The models that people use today, each at its defaults with the preprocessing that is usual for it, on one thread.

LightGBM, CatBoost and XGBoost get categories and missing cells natively. scikit-learn's MLP gets medians for missing
numbers, standardised numbers, one-hot categories and, for regression, a standardised target (without it the default
network learns nothing of a target in hundreds of thousands). RealMLP-TD-S and TabM-D come from pytabkit, which
preprocesses itself but refuses missing numbers: they get medians. Labels that training never saw count as wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.tables import Sample


@dataclass(frozen=True)
class Fitted:
    """A fitted peer: predicts the target, or labels, for the features of a frame."""

    predict: Callable[[pd.DataFrame], np.ndarray]


def lightgbm(sample: Sample, seed: int) -> Fitted:
    """Return LightGBM at its defaults."""
    import lightgbm as library

    kind = library.LGBMClassifier if sample.kind == "classification" else library.LGBMRegressor
    model, frames = kind(random_state=seed, n_jobs=1, verbose=-1), Frames(sample, safe_names)
    model.fit(frames(sample.train), frames.target)
    return frames.fitted(model.predict)


def catboost(sample: Sample, seed: int) -> Fitted:
    """Return CatBoost at its defaults."""
    import catboost as library

    kind = library.CatBoostClassifier if sample.kind == "classification" else library.CatBoostRegressor
    names = list(sample.categorical)
    model = kind(random_seed=seed, thread_count=1, verbose=0, allow_writing_files=False, cat_features=names)

    def ready(frame: pd.DataFrame) -> pd.DataFrame:
        chosen = frame[sample.features].copy()
        for name in names:
            chosen[name] = chosen[name].fillna("missing").astype(str)
        return chosen

    frames = Frames(sample)
    model.fit(ready(sample.train), frames.target)
    return Fitted(lambda frame: frames.labels(np.ravel(model.predict(ready(frame)))))


def xgboost(sample: Sample, seed: int) -> Fitted:
    """Return XGBoost at its defaults."""
    import xgboost as library

    kind = library.XGBClassifier if sample.kind == "classification" else library.XGBRegressor
    model, frames = kind(random_state=seed, n_jobs=1, enable_categorical=True), Frames(sample, safe_names)
    model.fit(frames(sample.train), frames.target)
    return frames.fitted(model.predict)


def sklearn_mlp(sample: Sample, seed: int) -> Fitted:
    """Return scikit-learn's multi-layer perceptron at its defaults."""
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = [name for name in sample.features if name not in sample.categorical]
    coded = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"), OneHotEncoder(handle_unknown="ignore")
    )
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    steps = ColumnTransformer([("numeric", scaled, numeric), ("coded", coded, list(sample.categorical))])
    if sample.kind == "classification":
        model: Any = make_pipeline(steps, MLPClassifier(random_state=seed))
    else:
        model = TransformedTargetRegressor(
            make_pipeline(steps, MLPRegressor(random_state=seed)), transformer=StandardScaler()
        )
    frames = Frames(sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 200 epochs, the default, are not always enough to converge
        model.fit(sample.train[sample.features], frames.target)
    return Fitted(lambda frame: frames.labels(model.predict(frame[sample.features])))


def realmlp_td_s(sample: Sample, seed: int) -> Fitted:
    """Return RealMLP-TD-S at its defaults (Holzmueller et al. 2024)."""
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    return _pytabkit(RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor, sample, seed)


def tabm_d(sample: Sample, seed: int) -> Fitted:
    """Return TabM-D at its defaults (Gorishniy et al. 2024)."""
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor

    return _pytabkit(TabM_D_Classifier, TabM_D_Regressor, sample, seed)


def _pytabkit(classifier: Any, regressor: Any, sample: Sample, seed: int) -> Fitted:
    """Return a fitted model of pytabkit."""
    kind = classifier if sample.kind == "classification" else regressor
    model = kind(random_state=seed, n_threads=1, device="cpu")
    frames = Frames(sample)
    numeric = [name for name in sample.features if name not in sample.categorical]
    medians = sample.train[numeric].astype(np.float64).median().fillna(0.0)

    def ready(frame: pd.DataFrame) -> pd.DataFrame:
        chosen = frames(frame)
        chosen[numeric] = chosen[numeric].astype(np.float64).fillna(medians)
        return chosen

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(ready(sample.train), frames.target, cat_col_names=list(sample.categorical))
    return Fitted(lambda frame: frames.labels(np.ravel(model.predict(ready(frame)))))


def safe_names(names: list[str]) -> dict[str, str]:
    """Return names without the characters that boosting libraries refuse."""
    return {name: f"f{i}" for i, name in enumerate(names)}


class Frames:
    """Features with the categories of the train rows, and the train rows' target with labels as numbers."""

    def __init__(self, sample: Sample, rename: Callable[[list[str]], dict[str, str]] | None = None) -> None:
        self._sample = sample
        self._names = rename(sample.features) if rename else None
        self._categories = {
            name: pd.CategoricalDtype(sorted(sample.train[name].dropna().unique())) for name in sample.categorical
        }
        self._labels: np.ndarray | None = None
        target = sample.train[sample.target].to_numpy()
        if sample.kind == "classification":
            self._labels, self.target = np.unique(target.astype(str), return_inverse=True)
        else:
            self.target = target.astype(np.float64)

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the features with categories as pandas knows them."""
        chosen = frame[self._sample.features].copy()
        for name, kind in self._categories.items():  # a category that training never saw is missing
            chosen[name] = chosen[name].where(chosen[name].isin(kind.categories)).astype(kind)
        return chosen.rename(columns=self._names) if self._names else chosen

    def labels(self, predicted: np.ndarray) -> np.ndarray:
        """Return predictions as labels."""
        return predicted if self._labels is None else self._labels[np.asarray(predicted, np.int64)]

    def fitted(self, predict: Callable[[pd.DataFrame], Any]) -> Fitted:
        """Return a peer that predicts with a function of these frames."""
        return Fitted(lambda frame: self.labels(np.ravel(predict(self(frame)))))


PEERS: dict[str, Callable[[Sample, int], Fitted]] = {
    "lightgbm": lightgbm,
    "catboost": catboost,
    "xgboost": xgboost,
    "sklearn_mlp": sklearn_mlp,
    "realmlp_td_s": realmlp_td_s,
    "tabm_d": tabm_d,
}
