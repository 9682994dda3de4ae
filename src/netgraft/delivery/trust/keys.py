"""Ed25519 keys and signatures (RFC 8032), in PEM files that other tools read too."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from netgraft.errors import OutputError, TrustError

_HEX_32, _HEX_64 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{128}")


@dataclass(frozen=True)
class Signature:
    """A signature of a message.

    Attributes:
        key: id of the key, 64 hexadecimal digits.
        signature: 128 hexadecimal digits.
    """

    key: str
    signature: str

    def to_json(self) -> dict[str, str]:
        """Return the signature as JSON values."""
        return {"key": self.key, "signature": self.signature}

    @staticmethod
    def from_json(value: Any) -> Signature:
        """Return the signature stored by `to_json`.

        Raises:
            TrustError: a field is missing or malformed.
        """
        key, digits = (value.get("key"), value.get("signature")) if isinstance(value, dict) else (None, None)
        if not isinstance(key, str) or not _HEX_32.fullmatch(key):
            raise TrustError(f"a signature must name its key by 64 hexadecimal digits, got {_short(key)}")
        if not isinstance(digits, str) or not _HEX_64.fullmatch(digits):
            raise TrustError(f"a signature must have 128 hexadecimal digits, got {_short(digits)}")
        return Signature(key, digits)


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key (RFC 8032).

    Attributes:
        raw: its 32 bytes.
    """

    raw: bytes

    def __post_init__(self) -> None:
        """Check the length.

        Raises:
            TrustError: it is not 32 bytes.
        """
        if len(self.raw) != 32:
            raise TrustError(f"a public key must have 32 bytes, got {len(self.raw)}")

    @cached_property
    def id(self) -> str:
        """Return the key's id: the SHA-256 of its bytes."""
        return hashlib.sha256(self.raw).hexdigest()

    @cached_property
    def _loaded(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)

    def verifies(self, message: bytes, signature: Signature) -> bool:
        """Return whether this key made the signature of the message."""
        if signature.key != self.id:
            return False
        try:
            self._loaded.verify(bytes.fromhex(signature.signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def to_pem(self) -> bytes:
        """Return the key as a PEM file (SubjectPublicKeyInfo)."""
        return self._loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @staticmethod
    def from_pem(data: bytes) -> PublicKey:
        """Return the key of a PEM file.

        Raises:
            TrustError: it holds no Ed25519 public key.
        """
        try:
            loaded = load_pem_public_key(data)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise TrustError("a PEM file with an Ed25519 public key is required, got something else") from error
        if not isinstance(loaded, Ed25519PublicKey):
            raise TrustError(f"an Ed25519 public key is required, got {type(loaded).__name__.strip('_')}")
        return PublicKey(loaded.public_bytes(Encoding.Raw, PublicFormat.Raw))

    @staticmethod
    def read(path: Path) -> PublicKey:
        """Return the key of a file such as ``FILE.pub``.

        Raises:
            TrustError: the file cannot be read or holds no public key.
        """
        data = _file(path)
        try:
            return PublicKey.from_pem(data)
        except TrustError as error:
            hint = f"; its public half is in {path}.pub" if b"PRIVATE KEY" in data else ""
            raise TrustError(f"{error}, in {path}{hint}") from error


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 key pair that signs.

    Attributes:
        seed: its 32 secret bytes.
    """

    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Check the length.

        Raises:
            TrustError: it is not 32 bytes.
        """
        if len(self.seed) != 32:
            raise TrustError(f"a signing key must have 32 secret bytes, got {len(self.seed)}")

    @staticmethod
    def new(random_bytes: Callable[[int], bytes] = os.urandom) -> SigningKey:
        """Return a new key.

        Args:
            random_bytes: where its secret comes from; the system's secure source unless a test says otherwise.
        """
        return SigningKey(random_bytes(32))

    @cached_property
    def _loaded(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @cached_property
    def public(self) -> PublicKey:
        """Return the public half."""
        return PublicKey(self._loaded.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @property
    def id(self) -> str:
        """Return the key's id."""
        return self.public.id

    def sign(self, message: bytes) -> Signature:
        """Return the signature of a message."""
        return Signature(self.id, self._loaded.sign(message).hex())

    def to_pem(self) -> bytes:
        """Return the key as a PEM file (PKCS 8, not encrypted)."""
        return self._loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @staticmethod
    def from_pem(data: bytes) -> SigningKey:
        """Return the key of a PEM file.

        Raises:
            TrustError: it holds no Ed25519 signing key that is not encrypted.
        """
        try:
            loaded = load_pem_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise TrustError("a PEM file with an Ed25519 signing key is required, got something else") from error
        if not isinstance(loaded, Ed25519PrivateKey):
            raise TrustError(f"an Ed25519 signing key is required, got {type(loaded).__name__.strip('_')}")
        return SigningKey(loaded.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))

    @staticmethod
    def read(path: Path) -> SigningKey:
        """Return the key of a file.

        Raises:
            TrustError: the file cannot be read or holds no signing key.
        """
        return SigningKey.from_pem(_file(path))

    def write(self, path: Path) -> Path:
        """Write the key to a new file that only its owner may read, and its public half beside it.

        Args:
            path: of the file; ``.pub`` is added for the public half.

        Returns:
            The path of the public half.

        Raises:
            OutputError: one of the files is there already, or cannot be written.
        """
        beside = path.with_name(f"{path.name}.pub")
        for file in (path, beside):
            if file.exists() or file.is_symlink():
                raise OutputError(f"a new file is required, got {file}, which is there already")
        _write_new(path, self.to_pem(), 0o600)
        _write_new(beside, self.public.to_pem(), 0o644)
        return beside


def _short(value: Any) -> str:
    return repr(value)[:40]


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrustError(f"a key file that can be read is required, got {path}: {error.strerror}") from error


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that was not there, with its mode from the first byte on."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise OutputError(f"a new file is required, got {path}, which is there already") from error
    except OSError as error:
        raise OutputError(f"a file that can be written is required, got {path}: {error.strerror}") from error
