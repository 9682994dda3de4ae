"""A set of images becomes what devices download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import unpack_head
from netgraft.delivery.offering.published import Published
from netgraft.delivery.trust.accepting import newest_trust
from netgraft.errors import SettingError
from netgraft.library import Library
from netgraft.lifecycle.publishing import ImageDelivery, publish_images
from netgraft.root.image import digits

DIGITS = digits(0).taken(700, 200)
SHORT = ImageDelivery(width=16, stages=1, epochs=3, judged=100, batch=32)


def test_published_images_predict_as_well_as_the_table_says(tmp_path: Path) -> None:
    library, epochs = Library.init(tmp_path / "library"), []
    made = publish_images(
        library, "digits", DIGITS, recipe=SHORT, told=lambda epoch, _: epochs.append(epoch), clock=lambda: 1e6
    )
    assert epochs == [1, 2, 3]
    assert (made.picked, made.before, made.is_new, made.head.about["images"]) == (None, None, True, "digits")
    published = Published.of(library)
    trust = newest_trust(published.trust())
    head = unpack_head(published.head("digits"), lambda message, signed: trust.check("publisher", message, signed))
    assembly = Assembly(head)
    for at, row in enumerate(head.head.chunks):
        data = published.chunk(row.sha256)
        assert data is not None
        assembly.add(at, data)
    raw = {f"pixel_{i}": value for i, value in enumerate(DIGITS.test.reshape(200, -1).T.astype(np.float32))}
    chain = [cut for cut in head.head.cuts if cut.chain]
    assert chain[-1].accuracy > 0.85
    for cut in chain:
        found = assembly.model(cut).predict(raw)
        assert abs((found.values == DIGITS.test_labels).mean() - cut.accuracy) < 0.12
        assert cut.low <= cut.accuracy <= cut.high
    assert published.next_version("digits") == 2


@pytest.mark.parametrize("judged", [7, 700])
def test_images_that_judge_are_some_but_not_all(tmp_path: Path, judged: int) -> None:
    library = Library.init(tmp_path / "library")
    with pytest.raises(SettingError, match=f"judged must be at least 8 and less than 700 images, got {judged}"):
        publish_images(library, "digits", DIGITS, recipe=ImageDelivery(judged=judged))
    with pytest.raises(SettingError, match="days until a head expires must be > 0 and <= 36500, got 0"):
        publish_images(library, "digits", DIGITS, days=0)
    assert not Published.of(library).versions("digits")
