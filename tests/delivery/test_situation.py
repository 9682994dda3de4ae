from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.delivery.planning.figures import Figures
from netgraft.delivery.planning.situation import Situation, from_json, json_schema, read
from netgraft.devices import Profile
from netgraft.errors import SituationError

INLINE = {"operations_per_s": 1e9, "bandwidth_bytes_per_s": 1e9}
FULL: dict[str, Any] = {
    "memory_bytes": 65_536,
    "storage_bytes": 1_000_000,
    "device": "raspberry-pi-4",
    "rate_bps": 1e6,
    "latency_s": 0.05,
    "bit_error_rate": 1e-5,
    "deadline_s": 2.0,
    "min_accuracy": 0.8,
    "max_latency_s": 0.01,
    "data_budget_bytes": 100_000,
    "expected_samples": 1e4,
    "power_w": 1.5,
    "location": "Rathaus, platform 2",
    "time": "2026-05-04T12:30:00+02:00",
    "uplink_bps": 2e5,
    "codecs": ["range", "reed-solomon"],
    "formats": ["float32", "int8"],
    "held": ["0" * 64],
}


def test_every_key_is_optional_and_comes_back() -> None:
    assert from_json({}) == Situation()
    assert Situation().to_json() == {}
    made = from_json(FULL)
    assert made.to_json() == FULL
    assert set(FULL) == {item.name for item in fields(Situation)}
    assert from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"memory": 1}, "a key of a situation must be one of .*, got 'memory'; the nearest is 'memory_bytes'"),
        ({"rate_mbps": 1}, "the nearest is 'rate_bps'"),
        ({"memory_bytes": 0}, r"memory_bytes of a situation must be a whole number from 1 to 1e\+18, got 0"),
        ({"memory_bytes": 1.5}, "memory_bytes of a situation must be a whole number"),
        ({"memory_bytes": True}, "got True"),
        ({"memory_bytes": "64KB"}, "got '64KB'"),
        ({"memory_bytes": 10**5_000}, "got a number of 16610 bits"),
        ({"storage_bytes": -1}, "storage_bytes of a situation must be a whole number from 0"),
        ({"rate_bps": -1}, "rate_bps of a situation must be a number from 0 to"),
        ({"rate_bps": float("nan")}, "got nan"),
        ({"rate_bps": float("inf")}, "got inf"),
        ({"deadline_s": 0}, "deadline_s of a situation must be a number greater than 0 and at most"),
        ({"max_latency_s": 0}, "max_latency_s of a situation must be a number greater than 0"),
        ({"power_w": 0}, "power_w of a situation must be a number greater than 0"),
        ({"bit_error_rate": 0.51}, "bit_error_rate of a situation must be a number from 0 to 0.5, got 0.51"),
        ({"min_accuracy": 1.1}, r"min_accuracy of a situation must be a number from -1e\+09 to 1, got 1.1\Z"),
        ({"min_accuracy": 85}, r"to 1, got 85; accuracy is a share of 1, did you mean 0.85\?"),
        ({"min_accuracy": True}, r"to 1, got True\Z"),
        ({"device": 4}, "device of a situation must be one of .*raspberry-pi-4.*, or a table of figures, got 4"),
        ({"data_budget_bytes": None}, "data_budget_bytes of a situation must be a whole number from 0"),
        ({"expected_samples": -1}, "expected_samples of a situation must be a number from 0"),
        ({"location": ""}, "location of a situation must be a text of 1 to 256 characters, got ''"),
        ({"location": "x" * 257}, "location of a situation must be a text of 1 to 256 characters"),
        ({"location": "\ud800"}, "location of a situation must be a text"),
        ({"time": "2026-05-04T12:30:00"}, "must be a date and time with an offset from UTC, such as 2026-05-04T"),
        ({"time": "2026-02-30T12:30:00Z"}, "must be a date and time with an offset"),
        ({"codecs": "zstd"}, "codecs of a situation must be a list of at most 16 values, got 'zstd'"),
        ({"codecs": ["ZSTD"]}, r"codecs of a situation\[0\] must be a name of small letters and digits"),
        ({"held": ["0" * 63]}, r"held of a situation\[0\] must be 64 hexadecimal digits"),
        ({"device": "raspberry-pi-44"}, "the nearest is 'raspberry-pi-4'; or a table of figures"),
        ({"device": "this"}, "device of a situation must be one of .*, got 'this'"),
        ({"device": "/etc/passwd.toml"}, "device of a situation must be one of"),
        ({"device": {}}, "device of a situation must have the key 'operations_per_s', got none"),
        ({"device": INLINE | {"watts": 1}}, "a key of device of a situation must be one of"),
        (
            {"device": INLINE | {"operations_per_s": 0}},
            "operations_per_s of device of a situation must be a number from 1",
        ),
        ({"device": INLINE | {"layers": {"magic": {}}}}, "a key of layers of device of a situation must be one of"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], text: str) -> None:
    with pytest.raises(SituationError, match=text):
        from_json(change)


@pytest.mark.parametrize("value", [None, 1, "x", [], [["memory_bytes", 1]]])
def test_situation_must_be_a_table(value: Any) -> None:
    with pytest.raises(SituationError, match="a situation must be a table of keys and values, got"):
        from_json(value)


def test_keys_that_are_no_text_are_refused() -> None:
    with pytest.raises(SituationError, match=r"a key of a situation must be one of .*, got '5'"):
        from_json({5: 1})


def test_whole_numbers_may_be_written_as_floats() -> None:
    made = from_json({"memory_bytes": 6.4e4, "rate_bps": 5})
    assert (made.memory_bytes, type(made.memory_bytes), made.rate_bps) == (64_000, int, 5.0)


# --- files


def test_toml_file_with_dates_and_a_profile_beside_it(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(Profile.load("raspberry-pi-5").to_toml())
    path = tmp_path / "situation.toml"
    path.write_text('device = "gateway.toml"\nmemory_bytes = 65_536\ntime = 2026-05-04T12:30:00+02:00\n')
    made = read(path)
    assert isinstance(made.device, Figures)
    assert (made.memory_bytes, made.time) == (65_536, "2026-05-04T12:30:00+02:00")
    profile = made.device.profile()
    original = Profile.load("raspberry-pi-5")
    assert (profile.rate("dense"), profile.active_w) == (original.rate("dense"), original.active_w)
    assert Figures.of(profile) == made.device
    # on the wire the figures go along, and no name of a file
    assert from_json(json.loads(json.dumps(made.to_json()))) == made


def test_json_file_and_names_of_the_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "situation.json"
    path.write_text(json.dumps(FULL))
    assert read(path) == from_json(FULL)


def test_this_machine_becomes_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "this.toml"
    kept.write_text(Profile.load("raspberry-pi-5").to_toml())
    monkeypatch.setenv("NETGRAFT_DEVICE_THIS", str(kept))
    path = tmp_path / "situation.toml"
    path.write_text('device = "this"\n')
    assert read(path).device == Figures.of(Profile.load("raspberry-pi-5"))


def test_this_machine_needs_the_part_that_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: object) -> Profile:
        raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")

    monkeypatch.setattr(Profile, "load", staticmethod(missing))
    path = tmp_path / "situation.toml"
    path.write_text('device = "this"\n')
    with pytest.raises(SituationError, match=r"requires ONNX Runtime, which measures this machine \(onnxruntime is"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.toml", b"memory_bytes = ", "a situation must be a TOML file, got text that is none"),
        ("a.toml", b"memory_bytes = 1\nmemory_bytes = 2", "a situation must be a TOML file"),
        ("a.toml", b"\xff\xfe", "a TOML or JSON file that can be read, got .*: not UTF-8 text"),
        ("a.toml", b"time = 2026-05-04T12:30:00", "must be a date and time with an offset from UTC"),
        ("a.toml", b"time = 12:30:00", "must be a date and time with an offset from UTC"),
        ("a.toml", b"rate_bps = nan", "got nan"),
        ("a.toml", b'device = "missing.toml"', "a device must be a name or a TOML file that can be read"),
        ("a.toml", b"a = " + b"[" * 100_000, "a situation must be a TOML file"),
        ("a.json", b"{", "a situation must be JSON, got"),
        ("a.json", b'{"rate_bps": 1, "rate_bps": 2}', "a situation must name each key once, got 'rate_bps' twice"),
        ("a.json", b"[" * 100_000, "a situation must be nested at most 24 deep, got 100000"),
        ("a.json", b" " * 8_000_001, "a situation's file must have at most 8000000 bytes"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SituationError, match=text):
        read(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SituationError, match=r"got .*nothing.toml: No such file or directory"):
        read(tmp_path / "nothing.toml")


# --- the schema says the same as the reader

numbers = st.one_of(
    st.integers(-2, 3),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.5, 1.0, 65536.0, 1e18, 1e19, -1e9, -1.1e9]),
)
names = st.one_of(st.text(max_size=40), st.sampled_from(["zstd", "range", "a" * 32, "a" * 33, "Range", ""]))
hashes = st.one_of(st.text("0123456789abcdefg", min_size=63, max_size=65), st.just("a" * 64))
times = st.one_of(
    st.datetimes().map(lambda t: t.replace(year=2026).isoformat() + "Z"),
    st.from_regex(r"[12][0-9]{3}-0[1-9]-[012][0-9]T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|\+[0-9]{2}:00)?", fullmatch=True),
    st.text(max_size=30),
)
rates = st.dictionaries(st.sampled_from(["overhead_s", "number_s", "operations_per_s", "x"]), numbers)
figures = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("operations_per_s", "bandwidth_bytes_per_s", "overhead_s", "active_w", "memory_bytes"), numbers
        ),
        "name": names,
        "formats": st.lists(names, max_size=17),
        "layers": st.dictionaries(st.sampled_from(["dense", "any", "input", "y"]), rates, max_size=3),
    },
)
any_json = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda s: st.lists(s, max_size=2) | st.dictionaries(st.text(max_size=3), s, max_size=2),
)
by_key: dict[str, st.SearchStrategy[Any]] = {
    **{key: numbers for key in FULL if isinstance(FULL[key], int | float)},
    "device": st.sampled_from(["raspberry-pi-4", "phone", "this", "x.toml"]) | figures,
    "location": st.text(max_size=260),
    "time": times,
    "codecs": st.lists(names, max_size=18),
    "formats": st.lists(names, max_size=3),
    "held": st.lists(hashes, max_size=3),
    "unknown": numbers,
}
documents = st.fixed_dictionaries({}, optional=by_key) | st.dictionaries(
    st.sampled_from(sorted(by_key)), any_json, max_size=2
)


def accepted(value: Any) -> bool:
    try:
        from_json(value)
    except SituationError:
        return False
    return True


@given(value=st.one_of(documents, *(st.fixed_dictionaries({key: given}) for key, given in by_key.items())))
def test_reader_and_schema_accept_the_same(value: dict[str, Any]) -> None:
    validators = pytest.importorskip("jsonschema_rs")
    by_schema = validators.is_valid(json_schema(), value)
    if accepted(value):
        assert by_schema
    elif by_schema:  # only what JSON Schema cannot say: a day that is in no calendar
        assert accepted({**value, "time": "2026-05-04T12:30:00Z"})


def test_schema_is_of_the_draft_and_has_every_key() -> None:
    validators = pytest.importorskip("jsonschema_rs")
    made = json_schema()
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(made["properties"]) == [item.name for item in fields(Situation)]
    validators.meta.validate(made)
    assert validators.is_valid(made, FULL)
    assert json.loads(json.dumps(made)) == made


def test_page_names_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "situation.md").read_text()
    for item in fields(Situation):
        assert f"`{item.name}`" in page


def test_python_of_the_page_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "situation.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(block, "situation.md", "exec"), {})  # noqa: S102
    for text in re.findall(r"```toml\n(.*?)```", page, re.DOTALL):
        assert from_json(tomllib.loads(text)) != Situation()
