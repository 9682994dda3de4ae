"""What is published: in a folder and in an object store, by one publisher and by two at once."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from delivery_examples import KEY, NOW, example, example_built, nudged
from hypothesis import given
from hypothesis import strategies as st

from netgraft.delivery.coding.build import Built
from netgraft.delivery.offering.published import Published
from netgraft.delivery.trust.accepting import TrustDocument, extend_chain, sign_trust, trust_chain
from netgraft.errors import ChunkError, DeliveryError, HeadError, SettingError, StorageError, TrustError
from netgraft.library import Library
from netgraft.records import sha256_hex


@cache
def built(version: int, name: str = "energy") -> Built:
    shape, tensors, first, _ = example("wide")
    return first if (version, name) == (1, "energy") else example_built(
        shape, nudged(tensors, seed=version), version=version, name=name
    )  # fmt: skip


def add(published: Published, version: int, name: str = "energy") -> str:
    made = built(version, name)
    return published.add(made.pack([KEY]), made.chunks).sha256


@pytest.fixture(params=["folder", "object store"])
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Published:
    if request.param == "folder":
        return Published(str(tmp_path / "published"))
    return Published(f"memory://{uuid.uuid4().hex}/published")


def test_nothing_is_published_at_first(published: Published) -> None:
    published.check()
    assert published.names() == published.versions("energy") == []
    assert published.next_version("energy") == 1
    assert published.chunk("0" * 64) is None
    with pytest.raises(SettingError, match="a published model is required, got 'energy': nothing is published yet"):
        published.latest("energy")
    with pytest.raises(SettingError, match="a published model is required"):
        published.head("energy", 1)
    with pytest.raises(TrustError, match="a trust document is required, got none; netgraft publish makes it"):
        published.trust()


def test_versions_come_and_are_found(published: Published) -> None:
    first, second = add(published, 1), add(published, 2)
    assert published.versions("energy") == [1, 2]
    assert published.latest("energy") == (2, second)
    assert published.identity("energy", 1) == first
    assert published.head("energy") == published.head("energy", 2) == built(2).pack([KEY])
    assert published.head("energy", 1) == published.head_of(first) == built(1).pack([KEY])
    for version in (1, 2):
        for sha256, data in built(version).chunks.items():
            assert published.chunk(sha256) == data
    add(published, 1, "other")
    assert published.names() == ["energy", "other"]
    with pytest.raises(SettingError, match=r"a version of 'energy' is required, got 3; there are 1, 2"):
        published.head("energy", 3)
    with pytest.raises(
        SettingError, match="a published model must be one of energy, other, got 'othe'; the nearest is"
    ):
        published.latest("othe")


def test_first_chunk_of_the_head_is_published_too(published: Published) -> None:
    made = built(1)
    opened = published.add(made.pack([KEY]), made.chunks)
    assert published.chunk(sha256_hex(opened.first)) == opened.first


def test_the_same_again_changes_nothing(published: Published) -> None:
    assert add(published, 1) == add(published, 1)
    assert published.versions("energy") == [1]
    known = published.add(built(1).pack([KEY]), {})  # its chunks are there
    assert known.head.version == 1


def test_number_is_never_free_again(published: Published) -> None:
    add(published, 1)
    add(published, 3)
    other = example_built(*example("wide")[:2], version=3, name="energy")
    with pytest.raises(DeliveryError, match="a free version of 'energy' is required, got 3, which is taken"):
        published.add(other.pack([KEY]), other.chunks)
    with pytest.raises(DeliveryError, match="a version of 'energy' above 3 is required, got 2"):
        add(published, 2)
    with pytest.raises(DeliveryError, match="the latest version of 'energy' is required to retract it, 3, got 1"):
        published.retract("energy", 1)
    published.retract("energy", 3)
    assert (published.versions("energy"), published.next_version("energy")) == ([1], 4)
    assert published.latest("energy")[0] == 1
    with pytest.raises(DeliveryError, match="a free version of 'energy' is required, got 3, which is taken"):
        add(published, 3)
    with pytest.raises(SettingError, match="a version of 'energy' is required, got 3"):
        published.retract("energy", 3)
    published.retract("energy", 1)
    assert published.names() == []


def test_of_two_publishers_one_gets_the_number(tmp_path: Path) -> None:
    published = Published(str(tmp_path / "published"))
    shape, tensors, _, _ = example("wide")
    rivals = [example_built(shape, nudged(tensors, seed=seed), version=1) for seed in range(4)]

    def publish(made: Built) -> str:
        try:
            return published.add(made.pack([KEY]), made.chunks).sha256
        except DeliveryError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(publish, rivals))
    taken = "a free version of 'energy' is required, got 1, which is taken"
    assert sorted(text == taken for text in said) == [False, True, True, True]
    assert published.latest("energy") == (1, next(text for text in said if text != taken))


def test_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    published = Published(str(tmp_path / "published"))
    assert add(published, 1) == add(published, 1)
    other = example_built(*example("wide")[:2], version=2)
    add(published, 2)
    published.retract("energy", 2)
    with pytest.raises(DeliveryError, match="a free version of 'energy' is required, got 2"):
        published.add(other.pack([KEY]), other.chunks)


def test_chunks_must_be_whole(published: Published) -> None:
    made = built(1)
    sha256, data = next(iter(made.chunks.items()))
    with pytest.raises(ChunkError, match=f"a chunk must have SHA-256 {sha256}, got"):
        published.add(made.pack([KEY]), {**made.chunks, sha256: data + b"x"})
    with pytest.raises(ChunkError, match=r"all chunks of a head are required, got none for \d, first"):
        published.add(made.pack([KEY]), {})
    with pytest.raises(
        ChunkError, match=f"chunks that the head names are required, got 1 more, first {sha256_hex(b'x')}"
    ):
        published.add(made.pack([KEY]), {**made.chunks, sha256_hex(b"x"): b"x"})
    with pytest.raises(HeadError):
        published.add(made.pack([KEY])[:-1], made.chunks)
    assert published.names() == []


def test_damaged_chunk_is_healed_by_publishing_again(tmp_path: Path) -> None:
    published = Published(str(tmp_path / "published"))
    add(published, 1)
    sha256, data = next(iter(built(1).chunks.items()))
    path = published.chunk_path(sha256)
    assert path == tmp_path / "published" / "c" / sha256
    path.write_bytes(b"other")
    add(published, 1)
    assert published.chunk(sha256) == data


def test_layout_is_what_a_static_server_needs(tmp_path: Path) -> None:
    published = Published(str(tmp_path / "published"))
    identity = add(published, 1, "site 7.a")
    found = {str(path.relative_to(tmp_path / "published")) for path in (tmp_path / "published").rglob("*")}
    chunks = {f"c/{sha256}" for sha256 in built(1, "site 7.a").chunks}
    fixed = {"c", "heads", f"heads/{identity}", "names", "names/site%207.a", "names/site%207.a/00000001"}
    assert fixed | chunks == found
    assert (tmp_path / "published" / "names" / "site%207.a" / "00000001").read_text() == identity


@given(st.text(min_size=1, max_size=30))
def test_any_name_is_one_plain_part_of_a_path(name: str) -> None:
    from netgraft.delivery.offering.published import _folder_of

    part = _folder_of(name)
    assert part.startswith("names/")
    assert part.count("/") == 1
    assert not part.removeprefix("names/").startswith(".")
    assert part.isascii()


def test_names_that_cannot_be(published: Published) -> None:
    for name in ("", "ä" * 100):
        with pytest.raises(SettingError, match="a name of 1 to 240 encoded bytes is required, got"):
            published.versions(name)
    for name in ("..", ".", "../heads", "/etc", "a/b", "\0"):
        assert published.versions(name) == []
    for sha256 in ("", "..", "../heads/x", "0" * 63, "G" * 64, "0" * 64 + "\n"):
        assert published.chunk(sha256) is None
        with pytest.raises(HeadError, match="is required, got none: its file is missing"):
            published.head_of(sha256)
        with pytest.raises(ChunkError, match="a SHA-256 in hexadecimal digits is required, got"):
            published.chunk_path(sha256)


def test_damaged_version_is_told(tmp_path: Path) -> None:
    published = Published(str(tmp_path / "published"))
    add(published, 1)
    (tmp_path / "published" / "names" / "energy" / "00000001").write_text("../../etc/passwd")
    with pytest.raises(
        HeadError, match=r"version 1 of 'energy' must name a head by its SHA-256, got '../../etc/passwd'"
    ):
        published.head("energy")


def test_place_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "published").write_text("a file")
    published = Published(str(tmp_path / "published"))
    with pytest.raises(StorageError, match="a place for models that can be used is required, got"):
        published.check()
    with pytest.raises(SettingError, match="a folder or a URL of an object store is required, got nope://x"):
        Published("nope://x")


def test_trust_chain_grows_only(published: Published) -> None:
    def document(version: int, expires_s: int = NOW + 10) -> TrustDocument:
        public = KEY.public
        return TrustDocument.of(version, expires_s, root=[public], publisher=[public], online=[public])

    first = trust_chain([sign_trust(document(1), [KEY])])
    published.put_trust(first)
    published.put_trust(first)
    second = extend_chain(first, document(2), [KEY])
    published.put_trust(second)
    assert published.trust() == second
    other = trust_chain([sign_trust(document(1, NOW + 11), [KEY])])
    for chain in (first, other):
        with pytest.raises(TrustError, match="a trust chain that begins with the 2 published documents is required"):
            published.put_trust(chain)
    with pytest.raises(TrustError):
        published.put_trust(b"{}")
    assert published.trust() == second


@pytest.mark.parametrize("arrange", [lambda path: str(path / "models"), lambda path: str(path / "a" / "models")])
def test_published_lies_beside_the_files_of_a_library(tmp_path: Path, arrange: Callable[[Path], str]) -> None:
    place = arrange(tmp_path)
    published = Published.of(Library.init(place))
    assert published.folder == Path(place) / "published"
    assert published.chunk_path("0" * 64) == Path(place) / "published" / "c" / ("0" * 64)


@pytest.mark.parametrize(
    ("blobs", "address"),
    [("memory://bucket/files", "memory://bucket/published"), ("memory://bucket", "memory://bucket/published")],
)
def test_published_of_an_object_store_lies_beside_it(tmp_path: Path, blobs: str, address: str) -> None:
    published = Published.of(Library.init(tmp_path / "models", database="sqlite:///index.db", blobs=blobs))
    assert (published.address, published.folder, published.chunk_path("0" * 64)) == (address, None, None)


def test_mark_is_another_after_every_change_and_none_right_after_one(tmp_path: Path) -> None:
    published, later_s = Published(str(tmp_path)), 1e11
    document = TrustDocument.of(1, NOW + 10**9, root=[KEY.public], publisher=[KEY.public], online=[KEY.public])
    published.put_trust(trust_chain([sign_trust(document, [KEY])]))
    assert published.mark("energy", later_s) is None
    add(published, 1)
    assert published.mark("energy", 0.0) is None
    changes = [lambda: add(published, 2), lambda: published.retract("energy", 2)]
    marks = [published.mark("energy", later_s)]
    for number, change in enumerate(changes):
        os.utime(tmp_path / "names" / "energy", ns=(0, number))
        before = published.mark("energy", later_s)
        change()
        marks.append(published.mark("energy", later_s))
        assert marks[-1] != before
    assert None not in marks


def test_object_store_has_no_mark() -> None:
    published = Published(f"memory://{uuid.uuid4().hex}/published")
    add(published, 1)
    assert published.mark("energy", 1e11) is None
