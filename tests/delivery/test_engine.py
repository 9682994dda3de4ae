from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from delivery_examples import example, example_output, example_shape, whole
from device_fakes import energy

from netgraft.delivery.device.engine import Engine, Live, confident
from netgraft.delivery.device.installing import live_of
from netgraft.errors import BudgetError, DeliveryError, TableError


def lives() -> list[Live]:
    """Return every cut of two versions as a model that answers."""
    made = []
    for version in (1, 2):
        assembly = whole(energy(version))
        opened = assembly.opened
        made += [live_of(opened, row, assembly.model(row), assembly, None) for row in opened.head.cuts]
    return made


def raw(rows: int = 3, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"x{j}": rng.normal(size=rows).astype(np.float32) for j in range(5)}
    return columns | {f"w{j}": rng.choice(list("abc"), rows).astype(object) for j in range(2)}


def test_answer_needs_a_model() -> None:
    with pytest.raises(DeliveryError, match="a model is required before anything can be answered, got none yet"):
        Engine().answer(raw())


def test_answer_says_who_gave_it() -> None:
    engine = Engine()
    for live in lives():
        engine.swap(live)
        answer = engine.answer(raw())
        assert (answer.version, answer.cut) == (live.version, live.cut)
        expected = live.model.predict(raw())
        assert np.array_equal(answer.prediction.values, expected.values)
        assert answer.depths is None
        assert engine.live is live


def test_missing_column_fails_one_answer_only() -> None:
    engine = Engine()
    engine.swap(lives()[0])
    with pytest.raises(TableError, match="the table must have the column 'x0'"):
        engine.answer({})
    assert engine.answer(raw()).version == 1


def test_both_slots_must_fit() -> None:
    first, second = lives()[:2]
    engine = Engine(memory_bytes=first.memory_bytes + second.memory_bytes - 1)
    engine.swap(first)
    with pytest.raises(BudgetError, match="bytes of memory are required for the live and the new model"):
        engine.swap(second)
    assert engine.live is first


def test_old_model_is_freed_when_its_last_answer_ends() -> None:
    first, second = lives()[:2]
    engine = Engine(memory_bytes=first.memory_bytes + second.memory_bytes)
    engine.swap(first)
    answering, gone = engine.current(), weakref.ref(first)
    engine.swap(second)
    del first
    assert engine.slots.used_bytes > second.memory_bytes
    assert answering.answer(raw()).cut == answering.cut
    del answering
    gc.collect()
    assert gone() is None
    assert engine.slots.used_bytes == second.memory_bytes


@pytest.mark.parametrize("least", [0.0, 0.45, 0.6, 1.1])
def test_rows_leave_early_as_soon_as_they_are_confident(least: float) -> None:
    _, _, built, head = example("wide")
    assembly = whole(built, head)
    row = max(head.head.cuts, key=lambda cut: (cut.depth, cut.shell, cut.planes))
    model = assembly.model(row)
    engine = Engine()
    engine.swap(live_of(head, row, model, assembly, least))
    answer = engine.answer(raw(200))
    assert answer.depths is not None
    full = model.predict(raw(200))
    assert answer.prediction.probabilities is not None
    assert full.probabilities is not None
    deepest = answer.depths == row.depth
    assert np.allclose(answer.prediction.probabilities[deepest], full.probabilities[deepest], atol=1e-5)
    assert (answer.prediction.probabilities[~deepest].max(axis=1) >= least).all()
    if least == 0.0:
        assert (answer.depths == 0).all()
    if least == 1.1:
        assert deepest.all()


def test_a_regression_has_no_confidence() -> None:
    output = example_output(example_shape(outputs=1))
    assert not confident(output, 0.0)(np.zeros((4, 1), np.float32)).any()


def test_answers_across_swaps_are_those_of_the_model_they_name() -> None:
    """20,000 inferences in two threads while 50 swaps happen: none fails, none is another model's."""
    models = lives()
    rows = raw(1)
    expected = {(live.version, live.cut): live.model.predict(rows).probabilities for live in models}
    engine = Engine()
    engine.swap(models[0])
    wrong: list[str] = []
    swapped = threading.Event()
    counts = [0, 0]

    def ask(thread: int) -> None:
        while counts[thread] < 10_000 or not swapped.is_set():
            answer = engine.answer(rows)
            counts[thread] += 1
            found = answer.prediction.probabilities
            if not np.array_equal(found, expected[answer.version, answer.cut]):  # type: ignore[arg-type]
                wrong.append(answer.cut)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for i in range(50):
        before = counts[0]
        engine.swap(models[(i + 1) % len(models)])
        while counts[0] < before + 10 and threads[0].is_alive():
            threads[0].join(0.0001)
    swapped.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(counts) >= 20_000
