"""Tokens: who may ask a server for what, until when; signed with a secret that only the server knows.

A token is ``ng1.<claims>.<signature>``: compact JSON and an HMAC-SHA256 of it, both base64url without padding. A scope
includes those before it: device (read models, report telemetry), publisher (upload), admin (retract). Signatures are
compared in constant time, and nothing of a token is read before its signature holds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netgraft.errors import SettingError, TokenError, unknown_name

SCOPES: Final = ("device", "publisher", "admin")
SECRET_FILE: Final = "token-secret"  # noqa: S105  the name of a file
_PREFIX, _CONTEXT = "ng1", b"netgraft token 1\n"
_SECRET_BYTES, _LONGEST, _LONGEST_DAYS = 32, 512, 36_500.0


@dataclass(frozen=True)
class Claims:
    """What a token says.

    Attributes:
        id: tells tokens apart in logs and limits; it is no secret.
        scope: one of `SCOPES`.
        expires_s: when it ends, in seconds since 1970.
    """

    id: str
    scope: str
    expires_s: int

    def allows(self, scope: str) -> bool:
        """Return whether the token's scope includes another."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


def new_token(secret: bytes, scope: str, *, days: float, now_s: float, identity: str | None = None) -> str:
    """Return a signed token.

    Args:
        secret: of the server.
        scope: one of `SCOPES`.
        days: how long it holds.
        now_s: seconds since 1970.
        identity: tells it apart; random by default.

    Raises:
        SettingError: the scope is unknown, or the days are out of range.
    """
    if scope not in SCOPES:
        raise SettingError(unknown_name("a scope", scope, SCOPES))
    if not 0 < days <= _LONGEST_DAYS:
        raise SettingError(f"days must be > 0 and <= {_LONGEST_DAYS:g}, got {days:g}")
    claims = {"id": identity or secrets.token_hex(8), "scope": scope, "expires_s": int(now_s + days * 86_400)}
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return f"{_PREFIX}.{_encoded(payload)}.{_encoded(_signature(secret, payload))}"


def read_token(secret: bytes, token: str, *, now_s: float) -> Claims:
    """Return what a token says, after its signature and its end were checked.

    Raises:
        TokenError: it is no token of this server, or has expired.
    """
    parts = token.split(".")
    if len(token) > _LONGEST or len(parts) != 3 or parts[0] != _PREFIX or not token.isascii():
        raise TokenError("a token that begins with ng1. is required, got another text")
    payload, signature = _decoded(parts[1]), _decoded(parts[2])
    if not hmac.compare_digest(_signature(secret, payload), signature):
        raise TokenError("a token of this server is required, got one with another signature")
    values = json.loads(payload)
    claims = Claims(values["id"], values["scope"], values["expires_s"])
    if now_s >= claims.expires_s:
        raise TokenError(f"a token that holds is required, got one that expired {int(now_s - claims.expires_s)} s ago")
    return claims


def home() -> Path:
    """Return the user's folder of settings: ``$NETGRAFT_HOME`` or ``~/.config/netgraft``."""
    named = os.environ.get("NETGRAFT_HOME")
    return Path(named) if named else Path.home() / ".config" / "netgraft"


def load_secret(path: Path) -> bytes:
    """Return the secret in a file that only its owner may read; it is made where there is none.

    Raises:
        TokenError: others may read it, it is damaged, or it cannot be read or made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_secret(path)
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"a file for the secret of tokens is required, got {path}: {error}") from error
    if mode & 0o077 and os.name == "posix":
        raise TokenError(f"a secret that only its owner may read is required, got {path} with mode {mode:04o}")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) < _SECRET_BYTES:
        raise TokenError(f"a secret of {2 * _SECRET_BYTES} hexadecimal digits is required, got another text in {path}")
    return secret


def _make_secret(path: Path) -> None:
    """Make the file aside and link it: of two processes one makes it, and nobody reads half of it."""
    if path.exists():
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_SECRET_BYTES) + "\n")
        try:
            path.hardlink_to(aside)
        except FileExistsError:
            return
    finally:
        aside.unlink(missing_ok=True)


def _signature(secret: bytes, payload: bytes) -> bytes:
    return hmac.digest(secret, _CONTEXT + payload, hashlib.sha256().name)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise TokenError("a token in base64url is required, got another text") from error
