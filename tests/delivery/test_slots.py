from __future__ import annotations

import pytest

from netgraft.delivery.device.slots import Slots
from netgraft.errors import BudgetError


class Owner:
    """Something that holds memory."""


def test_memory_is_counted_while_its_owner_lives() -> None:
    slots = Slots(100)
    first, second = Owner(), Owner()
    slots.hold(first, 60)
    slots.hold(second, 30)
    assert slots.used_bytes == 90
    del first
    assert slots.used_bytes == 30
    slots.hold(Owner(), 50)
    assert slots.used_bytes == 30


def test_model_that_does_not_fit_beside_the_live_one_is_refused() -> None:
    slots = Slots(100)
    owner = Owner()
    slots.require(100)
    slots.hold(owner, 60)
    slots.require(40)
    text = "101 bytes of memory are required for the live and the new model, got 100"
    with pytest.raises(BudgetError, match=text):
        slots.require(41)
    assert slots.used_bytes == 60


def test_without_a_limit_everything_fits() -> None:
    slots = Slots()
    owner = Owner()
    slots.hold(owner, 10**12)
    slots.require(10**12)
