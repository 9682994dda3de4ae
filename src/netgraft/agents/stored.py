"""Arrays with a few facts as one safetensors file; the header says which kind of file it is and in which version.

Nothing is pickled. Needs NumPy and safetensors alone, because a policy is read where nothing is trained.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from netgraft.errors import ModelError
from netgraft.records import canonical_json

Tensors = dict[str, NDArray[Any]]
FORMAT = 1


def pack(kind: str, tensors: Tensors, facts: dict[str, Any]) -> bytes:
    """Return a file.

    Args:
        kind: such as ``"netgraft-policy"``.
        tensors: arrays by name.
        facts: plain JSON.
    """
    metadata = {"format": kind, "version": str(FORMAT), "facts": canonical_json(facts, indent=None)}
    stored = safetensors.numpy.save({name: np.ascontiguousarray(value) for name, value in tensors.items()}, metadata)
    return _in_order(stored)


def _in_order(stored: bytes) -> bytes:
    """Return a safetensors file with its metadata in order: the library writes them in another one each time."""
    (length,) = struct.unpack("<Q", stored[:8])
    header = json.loads(stored[8 : 8 + length])
    ordered = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}
    text = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).encode()
    padded = text + b" " * (-len(text) % 8)
    return struct.pack("<Q", len(padded)) + padded + stored[8 + length :]


def unpack(kind: str, data: bytes) -> tuple[Tensors, dict[str, Any]]:
    """Return the arrays and facts of a file.

    Args:
        kind: that is required.
        data: the file.

    Raises:
        ModelError: it is damaged, or of another kind or version.
    """
    try:
        tensors = safetensors.numpy.load(data)
        (length,) = struct.unpack("<Q", data[:8])
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, struct.error, ValueError, KeyError) as error:
        raise ModelError(f"a {kind} file is required, got one that cannot be read: {error}") from error
    if metadata.get("format") != kind:
        raise ModelError(f"a {kind} file is required, got the format {metadata.get('format')!r}")
    if metadata.get("version") != str(FORMAT):
        raise ModelError(f"version {FORMAT} of a {kind} file is required, got {metadata.get('version')!r}")
    return tensors, _facts(kind, metadata)


def required(kind: str, tensors: Tensors, shapes: dict[str, tuple[int, ...]]) -> list[NDArray[np.float32]]:
    """Return the named float32 arrays in the order of the names.

    Args:
        kind: of the file, for the text of an error.
        tensors: arrays by name.
        shapes: the shape that each must have.

    Raises:
        ModelError: one is missing, or of another shape or type, or has a number that is not finite.
    """
    found = []
    for name, shape in shapes.items():
        tensor = tensors.get(name)
        came = "none" if tensor is None else f"{tensor.dtype} {tensor.shape}"
        if tensor is None or tensor.shape != shape or tensor.dtype != np.float32:
            raise ModelError(f"{name} of a {kind} must be float32 {shape}, got {came}")
        if not np.isfinite(tensor).all():
            raise ModelError(f"{name} of a {kind} must be finite, got another number")
        found.append(tensor)
    return found


def _facts(kind: str, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        facts = json.loads(metadata["facts"])
    except (KeyError, ValueError) as error:
        raise ModelError(f"the facts of a {kind} must be JSON, got {metadata.get('facts')!r}") from error
    if not isinstance(facts, dict):
        raise ModelError(f"the facts of a {kind} must be an object, got {facts!r}")
    return facts
