"""Keys of a library are replaced while a server runs; devices that knew the old ones follow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from device_cli_examples import KEY, Running, running, settings, today, trust_bytes
from service_examples import ONLINE

from netgraft.cli import main
from netgraft.delivery.format.head import unpack_head
from netgraft.delivery.offering.published import Published
from netgraft.delivery.offering.shelf import Shelf
from netgraft.delivery.trust.accepting import (
    SigningKey,
    TrustDocument,
    extend_chain,
    newest_trust,
    read_chain,
    sign_trust,
    trust_chain,
)
from netgraft.errors import NetgraftError, TrustError
from netgraft.library import Library
from netgraft.lifecycle.rotation import rotate
from netgraft.service import Settings

SECOND, THIRD = SigningKey(b"2" * 32), SigningKey(b"3" * 32)


@dataclass
class Site:
    """A library with a published version, served, and keys in files."""

    folder: Path
    server_settings: Settings
    server: Running

    @property
    def library(self) -> str:
        return str(self.folder / "models")

    @property
    def published(self) -> Published:
        return Published.of(Library(self.library))

    def words(self, name: str, *, secret: bool = False) -> list[str]:
        """Return the words that name a key."""
        return ["--key", str(self.folder / name)] if secret else ["--add", str(self.folder / f"{name}.pub")]

    def fetch(self, device: str, *more: str) -> int:
        return main(["fetch", self.server.url, "energy", "--out", str(self.folder / device), *more])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    published = Published.of(Library.init(tmp_path / "models"))
    published.put_trust(trust_bytes())
    published.add(today(1).pack([KEY]), today(1).chunks)
    (tmp_path / "models" / "keys").mkdir(mode=0o700)
    ONLINE.write(tmp_path / "models" / "keys" / "online.key")
    KEY.write(tmp_path / "models" / "keys" / "publisher.key")
    for name, key in (("first", KEY), ("second", SECOND), ("third", THIRD)):
        key.write(tmp_path / name)
    given = settings(tmp_path / "models", online_key=tmp_path / "models" / "keys" / "online.key")
    with running(given) as server:
        yield Site(tmp_path, given, server)


def test_devices_follow_to_a_new_key_and_new_ones_are_given_it(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = str(site.folder / "first.pub"), str(site.folder / "second.pub")
    assert site.fetch("before", "--trust", old) == 0
    capsys.readouterr()
    words = ["key", "rotate", site.library, *site.words("second"), "--remove", old]
    assert main([*words, *site.words("first", secret=True), *site.words("second", secret=True)]) == 0
    said = capsys.readouterr()
    assert "signed again: energy version 1" in said.err
    assert "publisher.key does not count as publisher any more: publish with --key from now on" in said.err
    assert said.out.splitlines()[0].startswith("trust version 2, until ")
    assert f"publisher  1 of {SECOND.id}" in said.out.splitlines()
    with running(site.server_settings) as site.server:  # one that runs sees it within a second, a new one at once
        assert site.fetch("before", "--trust", old) == 0
        state = json.loads((site.folder / "before" / "state.json").read_bytes())
        assert state["trust"]["trust"]["version"] == 2
        assert state["trust"]["trust"]["roles"]["root"]["keys"] == [SECOND.id]
        assert main(["device", "check", str(site.folder / "before")]) == 0  # the head came with its new signature
        for _ in range(2):
            assert site.fetch("after", "--trust", new) == 0
        assert site.fetch("other", "--trust", str(site.folder / "third.pub")) == 2
    assert "a trust document signed by the root key" in capsys.readouterr().err


def test_running_server_goes_on_with_the_new_keys(site: Site) -> None:
    shelf = Shelf(site.published)
    before = shelf.open("energy", None, 0.0)
    rotate(
        Library(site.library),
        add=[site.folder / "second.pub"],
        remove=[KEY.id],
        keys=[site.folder / "first", site.folder / "second"],
    )
    document = newest_trust(site.published.trust())
    after = shelf.open("energy", None, 2.0)
    assert after.sha256 == before.sha256
    with pytest.raises(TrustError, match="of the publisher role are required, got 0 of 1"):
        unpack_head(before.data, lambda message, signatures: document.check("publisher", message, signatures))
    unpack_head(after.data, lambda message, signatures: document.check("publisher", message, signatures))


def test_version_by_the_new_key_is_taken_and_one_by_the_old_is_not(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert site.fetch("device") == 0
    rotate(
        Library(site.library),
        add=[site.folder / "second.pub"],
        remove=[KEY.id[:12]],
        keys=[site.folder / "first", site.folder / "second"],
    )
    site.published.add(today(2).pack([KEY]), today(2).chunks)
    with running(site.server_settings) as site.server:
        assert site.fetch("device") == 2
    assert ", got 0 of 1 signature(s), on the head of version 2 of 'energy'" in capsys.readouterr().err
    site.published.sign_again(today(2).pack([SECOND]))
    with running(site.server_settings) as site.server:
        assert site.fetch("device") == 0
    assert json.loads((site.folder / "device" / "state.json").read_bytes())["active"]["version"] == 2


def test_threshold_of_two_keys(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["key", "rotate", site.library, *site.words("second"), *site.words("third"), "--threshold", "2"]
    assert main([*words, *site.words("first", secret=True)]) == 2
    said = capsys.readouterr().err
    assert "2 valid signature(s) of the root role are required, got 1" in said
    assert f"by the root keys of trust version 2: {KEY.id[:16]}..., {SECOND.id[:16]}..., {THIRD.id[:16]}..." in said
    signed = [*site.words("first", secret=True), *site.words("third", secret=True), "--json"]
    assert main([*words, *signed]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["roles"]["root"] == {"keys": [KEY.id, SECOND.id, THIRD.id], "threshold": 2}
    assert said["roles"]["publisher"]["threshold"] == 2
    assert said["roles"]["online"] == {"keys": [ONLINE.id], "threshold": 1}
    assert site.fetch("device") == 0


def test_keys_are_renewed_and_listed(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "list", site.library, "--json"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert main(["key", "rotate", site.library, "--days", "100"]) == 0  # signed by the library's own key
    assert "the keys are those of before; they count until 20" in capsys.readouterr().err
    assert main(["key", "list", site.library, "--json"]) == 0
    after = json.loads(capsys.readouterr().out)
    assert (before["version"], after["version"]) == (1, 2)
    assert before["roles"] == after["roles"]
    assert before["expires_s"] != after["expires_s"]
    assert len(read_chain(site.published.trust())) == 2


def test_online_key_is_replaced_alone(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["key", "rotate", site.library, "--role", "online", *site.words("third"), "--remove", ONLINE.id]
    assert main([*words, *site.words("first", secret=True)]) == 0
    said = capsys.readouterr()
    assert "online.key does not count as online any more: put one that counts in its place" in said.err
    assert "signed again" not in said.err
    document = newest_trust(site.published.trust())
    assert document.roles["online"].keys == (THIRD.id,)
    assert document.roles["root"].keys == (KEY.id,)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--remove", "0123456789"], "a key of root or publisher is required, one of "),
        (["--remove", "nowhere.pub"], "a key file that can be read is required, got nowhere.pub"),
        (["--add", "FOLDER/first.pub"], "a key that is new to root and publisher is required, got "),
        (["--add", "FOLDER/first"], "a PEM file with an Ed25519 public key is required"),
        (["--role", "boss"], "a role must be one of online, publisher, root, got 'boss'"),
        (["--days", "0"], "days until the trust document expires must be > 0 and <= 36500, got 0"),
        (["--threshold", "2"], "the threshold of the root role must be 1 to 1, got 2"),
        (["--add", "FOLDER/second.pub", "--remove", KEY.id], "1 valid signature(s) of the root role are required"),
        (["--key", "FOLDER/third"], "that a known root key signed is required, got 1 that"),
        (
            ["--key", "FOLDER/third", "--trust", "FOLDER/first.pub"],
            "got 0 of 1 signature(s), by the root keys of trust",
        ),
        (["--days", "inf"], "days until the trust document expires must be > 0 and <= 36500, got inf"),
        (["--days", "nan"], "got nan"),
        (["--days", "3000000"], "got 3e+06"),
        (["--remove", KEY.id], "the root role must have keys of the document"),
    ],
)
def test_wrong_words_change_nothing(
    site: Site, capsys: pytest.CaptureFixture[str], words: list[str], text: str
) -> None:
    before = site.published.trust()
    given = [word.replace("FOLDER", str(site.folder)) for word in words]
    assert main(["key", "rotate", site.library, *given]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1
    assert site.published.trust() == before


def test_older_version_is_signed_again_only_when_it_is_the_newest(site: Site) -> None:
    site.published.add(today(2).pack([KEY]), today(2).chunks)
    both = [site.folder / "first", site.folder / "second"]
    library = Library(site.library)
    rotated = rotate(library, add=[site.folder / "second.pub"], remove=[KEY.id], keys=both)
    assert rotated.signed_again == (("energy", 2),)
    site.published.retract("energy", 2)
    (left,) = rotate(library, keys=[site.folder / "second"]).left  # nobody whom this key knows vouches for the first
    assert left[1].startswith("a head that publishers of trust version 2 to 3 signed is required, got none; --trust")
    renewed = rotate(library, keys=[site.folder / "second"], trust=site.folder / "first.pub")
    assert renewed.signed_again == (("energy", 1),)
    assert rotate(library, keys=[site.folder / "second"]).signed_again == ()


def test_publisher_that_cannot_sign_again_changes_nothing(site: Site) -> None:
    before, head = site.published.trust(), site.published.head("energy")
    with pytest.raises(NetgraftError, match=r"1 key\(s\) of the new publishers are required to sign version 1 of 'ene"):
        rotate(
            Library(site.library),
            add=[site.folder / "second.pub"],
            remove=[KEY.id],
            keys=[site.folder / "first"],
            roles=["publisher"],
        )
    assert (site.published.trust(), site.published.head("energy")) == (before, head)
    unpack_head(head, lambda message, signatures: newest_trust(before).check("publisher", message, signatures))


def test_chain_that_somebody_without_a_key_put_in_its_place_is_refused(site: Site) -> None:
    roots = [KEY.public, THIRD.public]
    forged = TrustDocument.of(1, 2**40, root=roots, publisher=roots, online=[ONLINE.public])
    put_aside(site, trust_chain([sign_trust(forged, [THIRD])]))
    with pytest.raises(TrustError, match="a published trust document that a known root key signed is required, got 1"):
        rotate(Library(site.library), keys=[site.folder / "first"])
    assert len(read_chain(site.published.trust())) == 1


def test_document_of_the_chain_that_no_root_key_signed_is_refused(site: Site) -> None:
    first, roots = read_chain(site.published.trust())[0][0], [KEY.public, THIRD.public]
    forged = TrustDocument.of(2, 2**40, root=roots, publisher=roots, online=[ONLINE.public])
    put_aside(site, trust_chain([first, sign_trust(forged, [THIRD])]))
    with pytest.raises(TrustError, match=r"got 0 of 1 signature\(s\), by the root keys of trust version 1"):
        rotate(Library(site.library), keys=[site.folder / "first"])
    assert len(read_chain(site.published.trust())) == 2


def put_aside(site: Site, chain: bytes) -> None:
    """Write a chain in the place of the published one, as somebody can who has no key but may write."""
    (site.folder / "models" / "published" / "trust.json").write_bytes(chain)


def test_head_that_no_publisher_signed_is_left(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    forged = today(2).pack([THIRD])
    site.published.add(forged, today(2).chunks)
    words = ["key", "rotate", site.library, *site.words("second"), "--remove", KEY.id]
    assert main([*words, *site.words("first", secret=True), *site.words("second", secret=True)]) == 0
    said = capsys.readouterr().err
    assert "not signed again, publish a version of it: energy: a head that publishers of trust version 1 to 2" in said
    assert site.published.head("energy") == forged


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda head, _: head.unlink(), "its file is missing"),
        (lambda head, _: head.write_bytes(b"damaged"), "head"),
        (lambda head, _: (head.unlink(), head.mkdir()), "a place for models that can be used is required"),
        (lambda head, older: head.write_bytes(older), "the head of version 2 of 'energy' is required, got version 1"),
    ],
)
def test_head_that_cannot_be_read_keeps_no_other_from_it(
    site: Site, harm: Callable[[Path, bytes], object], why: str
) -> None:
    older = site.published.head("energy")
    site.published.add(today(2).pack([KEY]), today(2).chunks)
    other = today(1)
    other = replace(other, head=replace(other.head, name="other"))
    site.published.add(other.pack([KEY]), other.chunks)
    (site.folder / "models" / "published" / "names" / "stray").write_bytes(b"no folder")
    heads = site.folder / "models" / "published" / "heads"
    harm(heads / site.published.latest("energy")[1], older)
    rotated = rotate(
        Library(site.library),
        add=[site.folder / "second.pub"],
        remove=[KEY.id],
        keys=[site.folder / "first", site.folder / "second"],
    )
    assert rotated.signed_again == (("other", 1),)
    ((name, text),) = rotated.left
    assert name == "energy"
    assert why in text


def test_own_key_that_stays_beside_an_added_one_is_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "rotate", site.library, *site.words("second")]) == 0
    said = capsys.readouterr().err
    assert "publisher.key still counts as root and publisher beside the added key: to withdraw it, add a" in said
    assert main(["key", "rotate", site.library, "--days", "9"]) == 0
    assert "still counts" not in capsys.readouterr().err


def test_day_that_no_calendar_has_is_shown(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    old = newest_trust(site.published.trust())
    far = replace(old, version=2, expires_s=2**52)
    site.published.put_trust(extend_chain(site.published.trust(), far, [KEY]))
    assert main(["key", "list", site.library]) == 0
    assert capsys.readouterr().out.startswith("trust version 2, until 4.5e+15 s after 1970")
    assert main(["key", "rotate", site.library, "--days", "9"]) == 0


def test_library_that_published_nothing_has_no_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Library.init(tmp_path / "models")
    for verb in ("list", "rotate"):
        assert main(["key", verb, str(tmp_path / "models")]) == 2
        assert "a trust document is required, got none; netgraft publish makes it" in capsys.readouterr().err
