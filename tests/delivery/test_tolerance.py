"""How many planes stay exact: what is lost is known to the planes above, and no cut loses more than it may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from delivery_examples import example, example_built, example_judge, opened, whole

from netgraft.delivery.coding import tolerance
from netgraft.delivery.coding.build import Built
from netgraft.delivery.coding.root import Recipe
from netgraft.delivery.coding.tolerance import (
    Tolerance,
    along,
    arrival,
    cuts_of,
    fewest_exact,
    largest,
    worst_loss,
)
from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.link.channel import Channel
from netgraft.errors import ChunkError, SettingError, SituationError
from netgraft.runtime.grid import dequantise
from netgraft.runtime.model import Model
from netgraft.seeds import generator


def tolerant(exact: int) -> Built:
    shape, tensors, *_ = example("wide")
    return example_built(shape, tensors, recipe=Recipe(exact_planes=exact))


def test_numbers_of_lost_bytes_are_known_to_the_planes_above() -> None:
    _, _, built, head = example("tolerant")
    row = head.head.chunks[1]
    assert row.protection == "tolerant"
    lost = np.zeros(row.bytes, bool)
    lost[: row.bytes // 2] = True
    came = np.where(lost, 0xA5, np.frombuffer(built.chunks[row.sha256], np.uint8)).astype(
        np.uint8
    )  # whatever lies there
    clean, hurt = whole(built), Assembly(head)
    hurt.add(1, came.tobytes(), lost)
    top = largest(head.head)
    exact, grid = head.head.grid.planes - 3, head.head.grid
    changed = 0
    for at, region in enumerate(head.head.shape.regions):
        before = clean.codes(at)
        values = hurt.tensors(top)[region.tensor].reshape(-1)[region.indices]
        possible = [dequantise(before, grid, plane) for plane in range(exact + 1)]
        assert np.any([np.isclose(values, each, rtol=1e-6, atol=0) for each in possible], axis=0).all()
        assert (np.sign(values) * np.sign(before) >= 0).all()
        changed += int((values != possible[0]).sum())
    assert changed > 0


def test_all_lost_is_the_cut_of_the_exact_planes() -> None:
    built = tolerant(4)
    head = opened(built)
    nothing = arrival(head, built.chunks, Channel(packet_loss=1.0), generator(0, "x"))
    clean, top = whole(built, head), largest(head.head)
    few = replace(top, planes=4, id="few")
    for name, values in clean.tensors(few).items():
        np.testing.assert_array_equal(nothing.tensors(top)[name], values)
    assert nothing.damaged


def test_nothing_lost_is_the_same_as_not_saying_so() -> None:
    built = tolerant(4)
    head = opened(built)
    said = Assembly(head)
    for at, row in enumerate(head.head.chunks):
        is_tolerant = row.protection == "tolerant"
        said.add(at, built.chunks[row.sha256], np.zeros(row.bytes, bool) if is_tolerant else None)
    top = largest(head.head)
    for name, values in whole(built, head).tensors(top).items():
        np.testing.assert_array_equal(said.tensors(top)[name], values)
    assert not said.damaged


def test_what_is_lost_is_told_of_every_byte() -> None:
    _, _, built, head = example("tolerant")
    data = built.chunks[head.head.chunks[1].sha256]
    with pytest.raises(ChunkError, match=f"what is missing must be told of {len(data)} bytes, got 3"):
        Assembly(head).add(1, data, np.ones(3, bool))


def test_the_fewest_exact_planes_bear_what_they_must() -> None:
    shape, tensors, *_ = example("wide")
    judge, wanted = example_judge(shape, tensors), Tolerance(most_lost=0.03, draws=3)
    made: dict[int, Built] = {}

    def code(exact: int) -> tuple[object, object]:
        made[exact] = tolerant(exact)
        return opened(made[exact]), made[exact].chunks

    found = fewest_exact(code, judge, wanted, 8)  # type: ignore[arg-type]
    assert 1 < found.exact_planes < 8
    assert 0 < found.lost <= wanted.most_lost
    head = opened(made[found.exact_planes])
    assert worst_loss(head, made[found.exact_planes].chunks, judge, wanted, found.exact_planes) == found.lost
    one_less = tolerant(found.exact_planes - 1)
    assert worst_loss(opened(one_less), one_less.chunks, judge, wanted, found.exact_planes - 1) > wanted.most_lost
    # links that were not played at the choice: three times as many draws of each
    others = replace(wanted, seed=1, draws=9, most_lost=1.0)
    assert worst_loss(head, made[found.exact_planes].chunks, judge, others, found.exact_planes) <= 2 * wanted.most_lost


def test_building_with_a_tolerance_chooses_and_says_what_it_bears() -> None:
    shape, tensors, built, _ = example("wide")
    wanted = Tolerance(most_lost=0.03, draws=3)
    made = example_built(shape, tensors, recipe=Recipe(tolerance=wanted))
    said = made.head.about["tolerance"]
    assert said["packet_loss"] == 0.05
    assert 0 < said["lost"] <= 0.03
    assert made.head.about["target"] == built.head.about["target"]
    chosen = tolerant(said["exact_planes"])
    assert made.head.chunks == chosen.head.chunks
    assert [cut.accuracy for cut in made.head.cuts] == [cut.accuracy for cut in chosen.head.cuts]
    assert opened(made).head.about["tolerance"] == said


def test_where_nothing_may_be_lost_all_is_exact() -> None:
    shape, tensors, built, _ = example("wide")
    made = example_built(shape, tensors, recipe=Recipe(tolerance=Tolerance(most_lost=1e-9, draws=1)))
    assert made.head.about["tolerance"] | {"draws": 1} == made.head.about["tolerance"]
    assert (made.head.about["tolerance"]["exact_planes"], made.head.about["tolerance"]["lost"]) == (8, 0.0)
    assert made.head.chunks == built.head.chunks


def test_cuts_of_a_head_are_those_of_its_table_and_of_each_level() -> None:
    head = example("wide")[3].head
    top, ids = largest(head), {cut.id for cut in cuts_of(head)}
    assert {cut.id for cut in head.cuts} <= ids
    for level in ("depth", "shell", "planes"):
        ladder = along(head, level)
        assert {cut.id for cut in ladder} <= ids
        assert ladder[-1].id == top.id
        assert len({getattr(cut, level) for cut in ladder}) == len(ladder) > 1
        assert all(
            getattr(cut, other) == getattr(top, other)
            for cut in ladder
            for other in {"depth", "shell", "planes"} - {level}
        )


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"most_lost": 0.0}, SettingError, "most_lost must be above 0 and at most 1, got 0.0"),
        ({"draws": 0}, SettingError, "draws must be at least 1, got 0"),
        ({"bit_error_rate": 0.7}, SituationError, "a bit error rate must be from 0 to 0.5, got 0.7"),
        ({"packet_loss": 2.0}, SituationError, "a packet loss must be from 0 to 1, got 2.0"),
        ({"packet_bytes": 0}, SituationError, "a packet must have 1 byte or more, got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Tolerance(**wrong)  # type: ignore[arg-type]


def test_either_exact_planes_or_a_tolerance_is_given() -> None:
    with pytest.raises(SettingError, match="exact_planes must be left out where a tolerance is given, got 3"):
        Recipe(exact_planes=3, tolerance=Tolerance())


def test_cuts_without_the_chunk_of_a_lost_packet_are_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shape, tensors, *_ = example("wide")
    judge, built, judged = example_judge(shape, tensors), tolerant(4), list[Model]()
    wanted = Tolerance(most_lost=1.0, draws=1, packet_bytes=4_096)

    def counting(model: Model) -> tuple[float, float, float]:
        judged.append(model)
        return judge(model)

    found, few = worst_loss(opened(built), built.chunks, counting, wanted, 4), len(judged)
    monkeypatch.setattr(tolerance, "_holds", lambda head, cut, chunk: True)
    assert worst_loss(opened(built), built.chunks, counting, wanted, 4) == found > 0
    assert few < len(judged) - few
