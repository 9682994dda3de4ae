"""How a server runs, checked before anything is opened."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netgraft.delivery.offering.published import Published
from netgraft.errors import SettingError
from netgraft.records import sha256_hex
from netgraft.service.limits import Limits
from netgraft.service.tokens import SECRET_FILE, home, load_secret


@dataclass(frozen=True)
class Settings:
    """How a server runs.

    Attributes:
        published: where models lie.
        secret: of the tokens.
        online_key: file of the key that signs stamps.
        host: address to listen on; beyond this machine only with tokens.
        port: to listen on; 0 for any free one.
        require_tokens: whether reading needs a token.
        certificate, private_key: PEM files, for TLS; both or none.
        limits: bounds.
        telemetry: file for the reports of devices, or None.
        json_logs: whether log lines are JSON.
    """

    published: Published
    secret: bytes = field(repr=False)
    online_key: Path
    host: str = "127.0.0.1"
    port: int = 8080
    require_tokens: bool = False
    certificate: Path | None = None
    private_key: Path | None = None
    limits: Limits = field(default_factory=Limits)
    telemetry: Path | None = None
    json_logs: bool = False

    def __post_init__(self) -> None:
        """Check what does not go together.

        Raises:
            SettingError: a host beyond this machine without tokens, a port out of range, half of what TLS needs.
        """
        if not 0 <= self.port <= 65_535:
            raise SettingError(f"a port from 0 to 65535 is required, got {self.port}")
        if not (self.require_tokens or is_loopback(self.host)):
            raise SettingError(
                f"tokens are required to serve beyond this machine, got --host {self.host} without --require-tokens; "
                "netgraft token new --scope device makes a token"
            )
        if (self.certificate is None) != (self.private_key is None):
            raise SettingError("TLS requires --certificate and --private-key, got one of them")
        for file in (self.certificate, self.private_key):
            if file is not None and not file.is_file():
                raise SettingError(f"a PEM file is required for TLS, got {file}, which is none")


def settings_for(library: str, **given: Any) -> Settings:
    """Return the settings to serve a library.

    Args:
        library: a folder, a ``library.toml`` or a database URL.
        given: fields of `Settings` that are not of the library.

    Raises:
        LibraryError, SettingError: there is no such library, or settings do not go together.
        TokenError: the secret of the tokens cannot be used.
    """
    from netgraft.library import Library

    opened = Library(library)
    published = Published.of(opened)
    folder = published.folder.parent if published.folder else None
    keys = folder / "keys" if folder else home() / "keys" / sha256_hex(opened.label.encode())[:16]
    return Settings(
        published=published,
        secret=load_secret(home() / SECRET_FILE),
        online_key=keys / "online.key",  # where `netgraft publish` puts it
        telemetry=folder / "telemetry" / "reports.jsonl" if folder else None,
        **given,
    )


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
