"""Tokens: made, read, refused; the secret's file."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.errors import SettingError, TokenError
from netgraft.service.tokens import SCOPES, Claims, home, load_secret, new_token, read_token

SECRET = bytes(range(32))
NOW_S = 1_800_000_000.0


def test_known_answer() -> None:
    """The signature was made with ``openssl dgst -sha256 -mac HMAC``."""
    made = new_token(SECRET, "device", days=1, now_s=NOW_S, identity="0011223344556677")
    assert made == (
        "ng1.eyJpZCI6IjAwMTEyMjMzNDQ1NTY2NzciLCJzY29wZSI6ImRldmljZSIsImV4cGlyZXNfcyI6MTgwMDA4NjQwMH0"
        ".x9FvXKFKc4RvpLAYHkmMl-akXnSWykrFgAvI-v_lC_I"
    )


@given(st.sampled_from(SCOPES), st.floats(0.001, 3650), st.binary(min_size=32, max_size=64))
def test_token_says_what_it_was_made_with(scope: str, days: float, secret: bytes) -> None:
    token = new_token(secret, scope, days=days, now_s=NOW_S, identity="a")
    assert read_token(secret, token, now_s=NOW_S) == Claims("a", scope, int(NOW_S + days * 86_400))


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_changed_token_is_refused(place: int, byte: int) -> None:
    token = new_token(SECRET, "device", days=1, now_s=NOW_S, identity="a").encode()
    changed = bytearray(token)
    changed[place % len(token)] = byte
    text = changed.decode("latin-1")
    if _decoded(text) != _decoded(token.decode()):
        with pytest.raises(TokenError, match="is required"):
            read_token(SECRET, text, now_s=NOW_S)


def _decoded(text: str) -> object:
    """Return what a token's text stands for: the last digit of base64 has bits that mean nothing."""
    try:
        prefix, *parts = text.split(".")
        return prefix, [base64.urlsafe_b64decode(part + "==") for part in parts], len(parts)
    except ValueError:
        return text


def test_token_ends() -> None:
    token = new_token(SECRET, "device", days=1, now_s=NOW_S)
    assert read_token(SECRET, token, now_s=NOW_S + 86_399).scope == "device"
    with pytest.raises(TokenError, match="a token that holds is required, got one that expired 0 s ago"):
        read_token(SECRET, token, now_s=NOW_S + 86_400)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("", "a token that begins with ng1. is required, got another text"),
        ("ng2.a.b", "a token that begins with ng1. is required"),
        ("ng1.a.b.c", "a token that begins with ng1. is required"),
        ("ng1." + "a" * 600 + ".b", "a token that begins with ng1. is required"),
        ("ng1.ä.b", "a token that begins with ng1. is required"),
        ("ng1.!!.b", "a token in base64url is required, got another text"),
        ("ng1.a.b", "a token in base64url is required"),
        ("ng1.AAAA.AAAA", "a token of this server is required, got one with another signature"),
        (new_token(b"x" * 32, "admin", days=1, now_s=NOW_S), "a token of this server is required"),
    ],
)
def test_text_that_is_no_token(token: str, text: str) -> None:
    with pytest.raises(TokenError, match=text):
        read_token(SECRET, token, now_s=NOW_S)


def test_scope_includes_those_before_it() -> None:
    allowed = {scope: [other for other in SCOPES if Claims("", scope, 0).allows(other)] for scope in SCOPES}
    assert allowed == {
        "device": ["device"],
        "publisher": ["device", "publisher"],
        "admin": ["device", "publisher", "admin"],
    }


def test_settings_out_of_range() -> None:
    with pytest.raises(SettingError, match="a scope must be one of admin, device, publisher, got 'devise'"):
        new_token(SECRET, "devise", days=1, now_s=NOW_S)
    for days in (0, -1, float("nan"), 1e9):
        with pytest.raises(SettingError, match=r"days must be > 0 and <= 36500, got"):
            new_token(SECRET, "device", days=days, now_s=NOW_S)


def test_secret_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "token-secret"
    first = load_secret(path)
    assert len(first) == 32
    assert load_secret(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["token-secret"]


def test_secret_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "token-secret"
    load_secret(path)
    path.chmod(0o644)
    with pytest.raises(TokenError, match=r"a secret that only its owner may read is required, got .* with mode 0644"):
        load_secret(path)
    for text in ("zz", "ab" * 31, "ä"):
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(TokenError, match="is required, got"):
            load_secret(path)
    with pytest.raises(TokenError, match="a file for the secret of tokens is required"):
        load_secret(tmp_path / "token-secret" / "below")


def test_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETGRAFT_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.delenv("NETGRAFT_HOME")
    assert home() == Path.home() / ".config" / "netgraft"


def test_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from netgraft.cli import token

    monkeypatch.setenv("NETGRAFT_HOME", str(tmp_path))
    runner = CliRunner()
    printed = runner.invoke(token.app, ["new", "--scope", "publisher", "--days", "2", "--json"])
    assert printed.exit_code == 0
    said = json.loads(printed.stdout)
    claims = read_token(load_secret(tmp_path / "token-secret"), said["token"], now_s=said["expires_s"] - 1)
    assert (claims.id, claims.scope) == (said["id"], "publisher")
    plain = runner.invoke(token.app, ["new", "--scope", "device"])
    assert plain.stdout.startswith("ng1.")
    refused = runner.invoke(token.app, ["new", "--scope", "devise"])
    assert isinstance(refused.exception, SettingError)
    assert "Example: netgraft token new --scope device" in runner.invoke(token.app, ["new", "--help"]).stdout
