"""All measures behind one protocol: what each tells apart, what it needs, what it costs."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from similarity_examples import Array, domain_rows

from netgraft.errors import InputError, SettingError
from netgraft.transfer import MEASURES, Sample, compare, measure_named
from netgraft.transfer.features import log_evidence, ridge_score
from netgraft.transfer.kernels import Cloud, Kernel, cloud_distance
from netgraft.transfer.vae import _forward, encode_jointly, train_vae

OF_ROWS = ["vae", "vae-lemma1", "vae-debiased", "energy", "mmd", "moments"]


def samples(*domains: tuple[float, float], n: int = 200) -> list[Sample]:
    """Return samples of domains (shift, scale), standardised together."""
    drawn = [np.hstack(domain_rows(*domain, n, seed)) for seed, domain in enumerate(domains)]
    rows = np.concatenate(drawn)
    scaled = [(part - rows.mean(axis=0)) / rows.std(axis=0) for part in drawn]
    return [Sample(x=part[:, :3], y=part[:, 3:]) for part in scaled]


@pytest.mark.parametrize("name", OF_ROWS)
def test_the_domain_of_the_target_is_nearest(name: str) -> None:
    *sources, target = samples((3, 1), (0, 1), (-2, 1), (0, 1))
    distances = measure_named(name)(sources, target, seed=0)
    assert distances.shape == (3,)
    assert distances.dtype == np.float64
    assert distances.argmin() == 1


@pytest.mark.parametrize("name", OF_ROWS)
def test_same_seed_same_distances(name: str) -> None:
    *sources, target = samples((3, 1), (0, 1), (0, 1), n=50)
    np.testing.assert_array_equal(*(measure_named(name)(sources, target, seed=3) for _ in range(2)))


def test_compare_equals_each_measure_alone() -> None:
    *sources, target = samples((3, 1), (0, 1), (0, 1), n=50)
    found = compare(sources, target, seed=5)
    assert list(found) == OF_ROWS
    for name, distances in found.items():
        np.testing.assert_array_equal(distances, measure_named(name)(sources, target, seed=5))


def test_compare_trains_one_autoencoder(monkeypatch: pytest.MonkeyPatch) -> None:
    from netgraft.transfer import vae

    trained = []

    def counted(*arguments: Any, **named: Any) -> Any:
        trained.append(1)
        return train_vae(*arguments, **named, steps=5)

    monkeypatch.setattr(vae, "train_vae", counted)
    *sources, target = samples((3, 1), (0, 1), n=50)
    compare(sources, target, ["vae", "vae-debiased", "vae-lemma1"])
    assert len(trained) == 1


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_no_sources(name: str) -> None:
    (target,) = samples((0, 1), n=30)
    target = Sample(x=target.x, y=target.y, sketch=np.zeros(128))
    assert measure_named(name)([], target, seed=0).tolist() == []


def test_default_is_all_that_the_samples_allow() -> None:
    sources = [Sample(sketch=np.full(128, value)) for value in (1.0, 0.0)]
    found = compare(sources, Sample(sketch=np.zeros(128)))
    assert {name: distances.tolist() for name, distances in found.items()} == {"sketch": [pytest.approx(128**0.5), 0]}


def test_bad_input() -> None:
    rows = Sample(x=np.zeros((3, 2)), y=np.zeros((3, 1)))
    with pytest.raises(
        SettingError, match=r"a similarity measure must be one of .*, got 'enrgy'; the nearest is 'energy'"
    ):
        compare([rows], rows, ["enrgy"])
    with pytest.raises(InputError, match="the measure sketch needs a sketch of every sample, got samples without"):
        compare([rows], rows, ["sketch"])
    with pytest.raises(InputError, match="the measure logme needs features of every source and y of the target"):
        compare([rows], rows, ["logme"])
    with pytest.raises(InputError, match="the measure vae needs x and y of every sample"):
        measure_named("vae")([Sample(x=rows.x)], rows, seed=0)
    with pytest.raises(InputError, match=r"same numbers of columns and outcomes, got \(1, 1\) and \(2, 1\)"):
        compare([Sample(x=np.zeros((3, 1)), y=rows.y)], rows, ["moments"])
    with pytest.raises(InputError, match="features must be of the target's rows, got 4 and 3 rows"):
        compare([Sample(features=np.zeros((4, 2)))], rows, ["ridge"])
    with pytest.raises(InputError, match=r"x of a sample must have 2 dimensions and 3 rows or more, got \(2, 2\)"):
        Sample(x=np.zeros((2, 2)))
    with pytest.raises(InputError, match="y of a sample must be finite, got 1 cells not"):
        Sample(y=np.array([[1.0], [np.nan], [0.0]]))
    with pytest.raises(InputError, match="x and y of a sample must have as many rows, got 3 and 4"):
        Sample(x=np.zeros((3, 2)), y=np.zeros((4, 2)))


@pytest.mark.parametrize("kernel", ["energy", "mmd"])
@given(seed=st.integers(0, 1000), n=st.integers(3, 8), m=st.integers(3, 8))
def test_cloud_distance_equals_the_sums_over_pairs(kernel: Kernel, seed: int, n: int, m: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(n, 2)), random.normal(1, 2, (m, 2))

    def mean(x: Array, y: Array, *, same: bool) -> float:
        pairs = [(p, q) for i, p in enumerate(x) for j, q in enumerate(y) if not (same and i == j)]
        squares = np.array([np.square(p - q).sum() for p, q in pairs])
        return float((np.sqrt(squares) if kernel == "energy" else -1 / (1 + squares / 4)).mean())

    expected = 2 * mean(a, b, same=False) - mean(a, a, same=True) - mean(b, b, same=True)
    found = cloud_distance(Cloud.of(a, kernel, seed=0), Cloud.of(b, kernel, seed=0))
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kernel", ["energy", "mmd"])
def test_cloud_distance_of_one_distribution_is_zero_on_average(kernel: Kernel) -> None:
    random = np.random.default_rng(0)
    clouds = [Cloud.of(random.normal(size=(30, 2)), kernel, seed=0) for _ in range(60)]
    found = np.array([cloud_distance(a, b) for a, b in zip(clouds[::2], clouds[1::2], strict=True)])
    assert abs(found.mean()) < 3 * found.std() / len(found) ** 0.5


def test_clouds_draw_from_many_rows() -> None:
    cloud = Cloud.of(np.random.default_rng(0).normal(size=(5_000, 2)), "energy", seed=0)
    assert len(cloud.rows) == 2_000


def informed(n: int, *, classes: bool = False) -> tuple[Array, Array, Array]:
    """Return features that tell the outcome, features that do not, and the outcome."""
    random = np.random.default_rng(0)
    good, bad = random.normal(size=(2, n, 6))
    y = good[:, :1] - good[:, 1:2] + 0.3 * random.normal(size=(n, 1))
    return good, bad, np.hstack([y > 0, y <= 0]).astype(float) if classes else y


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("name", ["ridge", "logme"])
def test_a_network_that_knows_the_target_is_nearest(name: str, classes: bool) -> None:
    good, bad, y = informed(30, classes=classes)
    constant = np.ones((30, 6))
    distances = measure_named(name)([Sample(features=f) for f in (bad, good, constant)], Sample(y=y), seed=0)
    assert distances.argmin() == 1


def test_ridge_score_equals_leaving_each_row_out() -> None:
    from sklearn.linear_model import Ridge

    good, _, y = informed(25)
    left_out = np.arange(25)
    centred = good - good.mean(axis=0)
    scores = []
    for penalty in 10.0 ** np.arange(-6.0, 2.5, 0.5) * np.linalg.svd(centred)[1].max() ** 2:
        errors, total = 0.0, 0.0
        for i in left_out:
            rest = left_out != i
            head = Ridge(alpha=penalty).fit(good[rest], y[rest, 0])
            errors += (y[i, 0] - head.predict(good[i : i + 1])[0]) ** 2
            total += (y[i, 0] - y[rest, 0].mean()) ** 2
        scores.append(1 - errors / total)
    assert ridge_score(good, y) == pytest.approx(max(scores), rel=1e-6)


def test_log_evidence_is_that_of_the_best_gaussian() -> None:
    from scipy.optimize import minimize
    from scipy.stats import multivariate_normal

    good, _, y = informed(25)
    x, target = good - good.mean(axis=0), y[:, 0] - y[:, 0].mean()

    def negative(logs: Array) -> float:
        covariance = np.exp(-logs[1]) * np.eye(25) + np.exp(-logs[0]) * x @ x.T
        return -float(multivariate_normal.logpdf(target, np.zeros(25), covariance)) / 25

    best = min(minimize(negative, start, method="Nelder-Mead").fun for start in ([0, 0], [2, 2]))
    assert log_evidence(good, y) == pytest.approx(-best, abs=1e-3)


def test_scores_where_nothing_varies() -> None:
    assert ridge_score(np.ones((5, 3)), np.ones((5, 1))) == 0
    assert np.isfinite(log_evidence(np.ones((5, 3)), np.ones((5, 1))))
    assert np.isfinite(log_evidence(np.ones((5, 3)), np.arange(5.0)[:, None]))
    assert np.isfinite(log_evidence(np.random.default_rng(0).normal(size=(4, 50)), np.arange(4.0)[:, None]))


def test_loss_of_the_autoencoder_is_the_paper_s() -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    vae = train_vae(x.numpy(), seed=0, steps=0)
    mean, log_variance = (part.detach().double().numpy() for part in vae.encode(x))
    back = _forward(vae.decoder, torch.from_numpy(mean).float()).detach().double().numpy()
    error = np.square(x.double().numpy() - back).sum(axis=1)
    divergence = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1)
    loss = vae.loss(x, torch.zeros(5, 4), alpha=0.3).detach()
    assert float(loss) == pytest.approx((error + 0.3 * divergence).mean(), rel=1e-5)


def test_training_leaves_torch_as_it_was() -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    train_vae(np.eye(4), seed=0, steps=2)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


def test_autoencoder_reconstructs_and_is_narrow() -> None:
    *sources, target = samples((3, 1), (0, 1), (0, 1))
    encoded = encode_jointly([one.rows for one in (*sources, target)], seed=0)
    assert [mean.shape for mean, _ in encoded] == [(200, 4)] * 3
    assert np.mean([np.exp(log).mean() for _, log in encoded]) < 1e-2  # the paper's are tiny, too


def test_ten_sources_of_two_thousand_rows_take_three_seconds() -> None:
    rows = [np.random.default_rng(k).normal(size=(2_000, 17)) for k in range(11)]
    started = time.process_time()
    encode_jointly(rows, seed=0)
    assert time.process_time() - started < 6  # 1.6 s alone; other work may run beside the tests


def test_ranking_from_the_index_needs_no_torch() -> None:
    code = "import sys, netgraft.transfer; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
