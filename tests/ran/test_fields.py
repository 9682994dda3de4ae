from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pytest

from netgraft.errors import SettingError
from netgraft.ran.fields import NotNegative, PartOfWhole, Positive, Range, build, check_fields, plain


@dataclass(frozen=True)
class Mast:
    name: str
    height_m: Positive = 25.0
    guard: PartOfWhole = 0.1
    spread_db: NotNegative | None = None
    arms: Annotated[int, Range(least=1, most=6)] = 3
    kind: Literal["steel", "wood"] = "steel"
    places: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("height_m", 0, r"height_m must be > 0, got 0"),
        ("height_m", float("nan"), r"height_m must be > 0, got nan"),
        ("height_m", 10**400, r"height_m must be > 0, got inf"),
        ("height_m", float("inf"), r"height_m must be > 0, got inf"),
        ("height_m", "high", r"height_m must be a number, got 'high'"),
        ("height_m", True, r"height_m must be a number, got True"),
        ("guard", 1, r"guard must be >= 0 and < 1, got 1"),
        ("spread_db", -1, r"spread_db must be >= 0, got -1"),
        ("arms", 2.5, r"arms must be a whole number, got 2.5"),
        ("arms", 7, r"arms must be >= 1 and <= 6, got 7"),
        ("arms", 10**400, r"arms must be >= 1 and <= 6, got 10000"),
        ("kind", "stel", r"kind must be one of steel, wood, got 'stel'; the nearest is 'steel'"),
        ("name", " ", r"name must be a text, got ' '"),
    ],
)
def test_field_out_of_its_rule_is_named(key: str, value: object, text: str) -> None:
    with pytest.raises(SettingError, match=text):
        Mast(**{"name": "a", key: value})  # type: ignore[arg-type]


def test_whole_numbers_and_those_of_numpy_become_floats() -> None:
    mast = Mast("a", height_m=30, spread_db=np.float32(2))  # type: ignore[arg-type]
    assert (type(mast.height_m), type(mast.spread_db)) == (float, float)
    assert mast == Mast("a", height_m=30.0, spread_db=2.0)


def test_plain_form_leaves_out_what_is_none() -> None:
    assert plain(Mast("a", places=(1.0, 2.0))) == {
        "name": "a", "height_m": 25.0, "guard": 0.1, "arms": 3, "kind": "steel", "places": [1.0, 2.0],
    }  # fmt: skip


def test_build_takes_the_fields_and_nothing_else() -> None:
    assert build(Mast, {"name": "a", "arms": 2}, "a mast") == Mast("a", arms=2)
    with pytest.raises(SettingError, match=r"a key of a mast must be one of .*, got 'heigth_m'; .* 'height_m'"):
        build(Mast, {"name": "a", "heigth_m": 2}, "a mast")
    with pytest.raises(SettingError, match=r"a mast must have name, got arms"):
        build(Mast, {"arms": 2}, "a mast")
    with pytest.raises(SettingError, match=r"a mast must have name, got nothing"):
        build(Mast, {}, "a mast")
    with pytest.raises(SettingError, match=r"a mast must be a table, got 3"):
        build(Mast, 3, "a mast")


def test_range_without_bounds_asks_for_a_finite_number() -> None:
    assert str(Range()) == "finite"
    assert Range().holds(-1e9)
    assert not Range().holds(float("nan"))
