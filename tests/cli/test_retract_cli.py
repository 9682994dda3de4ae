from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from device_cli_examples import KEY, Running, running, settings, today, trust_bytes
from service_examples import ONLINE, token

from netgraft.cli import main
from netgraft.delivery.offering.published import Published
from netgraft.delivery.trust.accepting import SigningKey
from netgraft.errors import DeliveryError
from netgraft.library import Library
from netgraft.lifecycle.retracting import retract_at


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Give a library that offers two versions."""
    published = Published.of(Library.init(tmp_path / "models"))
    published.put_trust(trust_bytes())
    for version in (1, 2):
        published.add(today(version).pack([KEY]), today(version).chunks)
    ONLINE.write(tmp_path / "models" / "online.key")
    return tmp_path / "models"


@pytest.fixture
def server(library: Path) -> Iterator[Running]:
    with running(settings(library)) as found:
        yield found


def test_latest_version_of_a_library_is_offered_no_more(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retract", str(library), "energy", "--version", "1"]) == 2
    assert "the latest version of 'energy' is required to retract it, 2, got 1" in capsys.readouterr().err
    assert main(["retract", str(library), "energy"]) == 0
    assert capsys.readouterr().out == "retracted version 2 of energy; the newest is 1 now\n"
    assert main(["retract", str(library), "energy", "--version", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "energy", "version": 1, "offered": None, "refused": None}
    assert main(["retract", str(library), "energy"]) == 2
    assert "a published model is required, got 'energy': nothing is published yet" in capsys.readouterr().err
    assert Published.of(Library(library)).next_version("energy") == 3


def test_version_at_a_server_needs_a_token_of_an_admin(
    library: Path, server: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NETGRAFT_TOKEN", raising=False)
    words = ["retract", server.url, "energy"]
    assert main(words) == 2
    assert "a token of scope admin is required, got none" in capsys.readouterr().err
    assert main([*words, "--token", token("publisher")]) == 2
    assert "a token of scope admin is required, got one of scope publisher" in capsys.readouterr().err
    admin = ["--token", token("admin")]
    assert main(["retract", server.url, "energi", *admin]) == 2
    assert "a published model must be one of energy, got 'energi'" in capsys.readouterr().err
    assert main([*words, "--version", "1", *admin]) == 2
    assert "the latest version of 'energy' is required to retract it, 2, got 1" in capsys.readouterr().err
    assert main([*words, *admin, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "energy", "version": 2, "offered": 1, "refused": None}
    assert Published.of(Library(library)).versions("energy") == [1]
    assert main([*words, *admin]) == 0
    assert "nothing is offered under this name now" in capsys.readouterr().out
    assert main([*words, *admin]) == 2
    assert "nothing is published there" in capsys.readouterr().err


def test_version_that_only_withdrawn_keys_signed_is_told(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, key in (("old", KEY), ("new", SigningKey(b"2" * 32))):
        key.write(tmp_path / name)
    words = ["key", "rotate", str(library), "--add", str(tmp_path / "new.pub"), "--remove", KEY.id]
    assert main([*words, "--key", str(tmp_path / "old"), "--key", str(tmp_path / "new")]) == 0
    capsys.readouterr()
    text = "devices refuse version 1 of energy: 1 valid signature(s) of the publisher role are required, got 0 of 1 "
    with running(settings(library)) as server:
        assert main(["retract", server.url, "energy", "--token", token("admin")]) == 0
        assert text in capsys.readouterr().err
    (library / "published" / "names" / "energy" / "00000002.retracted").unlink()
    assert main(["retract", str(library), "energy", "--json"]) == 0
    said = capsys.readouterr()
    assert text in said.err
    assert json.loads(said.out)["refused"] in said.err
    assert "--key NEW --trust OLD.pub" in said.err
    assert (
        main(["key", "rotate", str(library), "--key", str(tmp_path / "new"), "--trust", str(tmp_path / "old.pub")]) == 0
    )
    assert "signed again: energy version 1" in capsys.readouterr().err


def test_server_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retract", "http://127.0.0.1:9", "energy"]) == 2
    assert "a server that can be reached is required, got http://127.0.0.1:9" in capsys.readouterr().err
    assert main(["retract", "http://[::1", "energy"]) == 2
    assert "the URL of a server is required, got http://[::1: " in capsys.readouterr().err


@pytest.mark.parametrize("body", [b"<html>Bad Gateway</html>", b"[1]", b"{}"])
def test_refusal_without_a_reason_says_its_status(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    answering = httpx.MockTransport(lambda request: httpx.Response(502, content=body))
    made = partial(httpx.Client, transport=answering)
    monkeypatch.setattr(httpx, "Client", made)
    with pytest.raises(DeliveryError, match="an answer of the server is required, got status 502"):
        retract_at("http://edge", "energy")
