from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from device_examples import SMALL_PROFILE
from hypothesis import given
from hypothesis import strategies as st

from netgraft import devices
from netgraft.devices import LayerRate, Profile, Source, device_names, parse_profile
from netgraft.devices.layer import RATE_NAMES
from netgraft.errors import SettingError

CATALOGUE = ("base-station", "cortex-m7", "phone", "raspberry-pi-4", "raspberry-pi-5", "this")
positive = st.floats(1e-12, 1e15)
texts = st.text(min_size=1).filter(lambda text: text.strip() != "" and text.isprintable())


def test_the_catalogue_has_the_devices_of_the_interface():
    assert device_names() == CATALOGUE


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_catalogue_profile_is_complete_and_says_where_each_figure_comes_from(name: str):
    profile = devices.catalogue.declared(name)
    assert profile.name == name
    assert set(profile.sources) == {
        *("memory", "run", "compute", "bandwidth", "power"),
        *(f"layers.{kind}" for kind in profile.layers),
    }
    assert all(source.origin == "declared" for source in profile.sources.values())
    assert all(len(source.text) > 20 for source in profile.sources.values())
    assert "float32" in profile.formats
    for rate in RATE_NAMES:
        assert profile.rate(rate).overhead_s >= 0


def test_catalogue_devices_are_ordered_as_everyone_expects():
    slow, board, newer, server = (
        Profile.load(name) for name in ("cortex-m7", "raspberry-pi-4", "raspberry-pi-5", "base-station")
    )
    assert slow.operations_per_s < board.operations_per_s < newer.operations_per_s < server.operations_per_s
    assert slow.active_w < board.active_w < newer.active_w < server.active_w
    assert slow.memory_bytes < board.memory_bytes


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_profile_written_as_toml_reads_back_the_same(name: str):
    profile = devices.catalogue.declared(name)
    assert parse_profile(profile.to_toml(), "here") == profile


@given(
    texts,
    texts,
    st.integers(1, 2**50),
    st.tuples(positive, positive, positive, positive),
    st.none() | positive,
    st.dictionaries(st.sampled_from(RATE_NAMES), st.tuples(positive, positive, st.none() | positive)),
)
def test_any_profile_survives_the_round_trip(name, text, memory, figures, ratio, rates):
    layers = {kind: LayerRate(*rate) for kind, rate in rates.items()} | {"any": LayerRate(0.0, 0.0)}
    tables = ("memory", "run", "compute", "bandwidth", "power", *(f"layers.{kind}" for kind in layers))
    profile = Profile(
        name=name,
        description=text,
        formats=("float32", text),
        memory_bytes=memory,
        overhead_s=figures[0],
        operations_per_s=figures[1],
        bandwidth_bytes_per_s=figures[2],
        active_w=figures[3],
        layers=layers,
        sources={table: Source("measured", text) for table in tables},
        p95_ratio=ratio,
        machine=text,
    )
    assert parse_profile(profile.to_toml(), "here") == profile


def test_a_profile_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(Profile.load("phone"))) == Profile.load("phone")  # noqa: S301


def test_a_file_is_loaded_by_its_path(tmp_path: Path):
    path = tmp_path / "gateway.toml"
    path.write_text(SMALL_PROFILE)
    profile = Profile.load(path)
    assert profile.name == "gateway"
    assert profile == Profile.load(str(path))
    assert profile.rate("trees") == LayerRate(1e-6, 1e-9)
    assert profile.p95_ratio is None


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(SettingError, match=r"a device must be one of .*got 'rasberry-pi-4'; the nearest is 'raspberry"):
        Profile.load("rasberry-pi-4")


def test_a_file_that_is_absent_is_named(tmp_path: Path):
    with pytest.raises(SettingError, match=r"a device must be a name or a TOML file that can be read, got .*gone.toml"):
        Profile.load(tmp_path / "gone.toml")


def test_a_file_that_is_no_text_is_named(tmp_path: Path):
    path = tmp_path / "odd.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match=r"can be read, got .*odd.toml: not UTF-8 text"):
        Profile.load(path)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("format = 1", "format = ", r"a device profile must be a TOML file, got here: "),
        ("format = 1", "format = 2", r"must have format = 1, got 2 in here"),
        ('name = "gateway"', "name = 3", r"must have a text name, got 3 in here"),
        ('description = "a gateway"', "", r"must have a text description, got None in here"),
        ('formats = ["float32"]', "formats = []", r"must have formats, for example \[\"float32\"\], got \[\] in here"),
        ("bytes = 1000", "bytes = 0", r"must have a finite number bytes > 0 in \[memory\], got 0 in here"),
        ("overhead_s = 1e-5", "overhead_s = -1", r"a finite number overhead_s >= 0 in \[run\], got -1 in here"),
        ("overhead_s = 1e-5", "overhead_s = nan", r"a finite number overhead_s >= 0 in \[run\], got nan"),
        ("operations_per_s = 1e9", "operations_per_s = inf", r"operations_per_s > 0 in \[compute\], got inf"),
        ("active_w = 2", "active_w = true", r"a finite number active_w >= 0 in \[power\], got True"),
        ("[power]", "[other]", r"must have a table \[power\], got None in here"),
        ('origin = "declared"', 'origin = "guess"', r"an origin \(declared or measured\) in \[memory\], got 'guess'"),
        ('source = "data sheet"', 'source = " "', r"must have a source in \[memory\], got ' ' in here"),
        ("[layers.any]", "[layers.dens]", r"a layer table must be one of .*'dens'; the nearest is 'dense' in here"),
        (
            "[layers.any]",
            "[layers.dense]",
            r"\[layers.any\] or one for each kind of layer, got none for input,",
        ),
        ("[layers.any]", "[other]", r"must have tables \[layers.KIND\], got None in here"),
        ("number_s = 1e-9", "", r"a finite number number_s >= 0 in \[layers.any\], got None in here"),
        ("number_s = 1e-9", "number_s = 0\noperations_per_s = 0", r"operations_per_s > 0 in \[layers.any\], got 0"),
    ],
)
def test_a_profile_that_lacks_something_says_what(old: str, new: str, text: str):
    assert old in SMALL_PROFILE
    with pytest.raises(SettingError, match=text):
        parse_profile(SMALL_PROFILE.replace(old, new, 1), "here")


def test_public_names_are_importable():
    assert sorted(devices.__all__) == sorted(set(devices.__all__))
    assert all(hasattr(devices, name) for name in devices.__all__)
