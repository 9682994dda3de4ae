"""Codecs beside the systems: what a model and its update take, whoever carries them, and when a part of it works.

``uniform planes`` is a plain re-implementation of the idea of progressive transmission of bits (H. Lee 2021,
"ProgressiveNet", arXiv:2110.00916): each weight quantised to 16 bits between the least and the largest of its tensor,
two bits of all weights at a time, the highest first, with the middle of the interval for what is not known yet.
``two steps`` is one of sending low precision first and the rest as an update (arXiv:2506.22871, "P2U"): 4 bits of the
same planes, then 4 more. Neither is its authors' code. NNCodec is its authors', in an environment of its own; an update
is the difference to what the device decoded, coded as a network. Exact tensors go as zstd in all of these.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from benchmarks.delivery_peers_course import Missing, program
from benchmarks.delivery_peers_files import call
from benchmarks.delivery_peers_lab import FORMS, Lab, Tensors, is_coded, load_model, score
from netgraft.runtime import Network

USABLE, EQUAL = 0.8, 0.002
_BITS, _STEP = 16, 2
_QPS = (-10, -13, -16, -19, -22, -25, -28, -32, -36)


def rows(lab: Lab, nncodec: str | None) -> Iterator[dict[str, Any]]:
    """Yield a row for each codec."""
    yield from files(lab)
    yield from binary_deltas(lab)
    yield progressive(lab, "uniform planes", _STEP, _BITS)
    yield progressive(lab, "two steps", 4, 8)
    if nncodec:
        yield coded_by_nncodec(lab, nncodec)


def files(lab: Lab) -> Iterator[dict[str, Any]]:
    """Yield the files as they are and as zstd makes them."""
    for form in FORMS:
        data = {name: lab.release(name, form).file.read_bytes() for name in ("v1", "v2")}
        yield {"codec": form, "whole": len(data["v1"]), "update": len(data["v2"]), **_scores(lab, form)}
        small = {name: len(zstandard.ZstdCompressor(level=19).compress(each)) for name, each in data.items()}
        yield {"codec": f"{form}, zstd", "whole": small["v1"], "update": small["v2"], **_scores(lab, form)}


def binary_deltas(lab: Lab) -> Iterator[dict[str, Any]]:
    """Yield what tools for binary differences make of the second version."""
    tools = {
        "xdelta3": ("xdelta3", "-9", "-e", "-f", "-s", "{old}", "{new}", "{out}"),
        "bsdiff": ("bsdiff", "{old}", "{new}", "{out}"),
    }
    for tool, words in tools.items():
        for form in FORMS:
            row = {"codec": f"{form}, {tool}", **_scores(lab, form)}
            try:
                program(tool)
            except Missing as error:
                yield row | {"missing": str(error)}
                continue
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "delta"
                paths = {"old": lab.release("v1", form).file, "new": lab.release("v2", form).file, "out": out}
                call(*(word.format(**{key: str(path) for key, path in paths.items()}) for word in words))
                yield row | {"update": out.stat().st_size}


def _scores(lab: Lab, form: str) -> dict[str, float]:
    return {"score": lab.scores[f"{form} v1"], "update_score": lab.scores[f"{form} v2"]}


def progressive(lab: Lab, name: str, step: int, bits: int) -> dict[str, Any]:
    """Return how far bits of the float32 network come, some of all weights at a time."""
    target = lab.scores["float32 v1"]
    model = load_model(lab.release("v1").file)
    (network,) = model.parts
    assert isinstance(network, Network)
    coded = {key: value for key, value in network.tensors.items() if is_coded(key)}
    exact = {key: value for key, value in network.tensors.items() if key not in coded}
    sent = _zstd(exact) + 8 * len(coded)  # the least and the largest of each tensor
    row: dict[str, Any] = {"codec": name}
    for known in range(step, bits + 1, step):
        sent += sum(-(-value.size * step // 8) for value in coded.values())
        values = {key: known_of(value, known) for key, value in coded.items()}
        reached = score(lab.folder, replace(model, parts=(Network(network.architecture, exact | values),)))
        if "usable" not in row and reached >= USABLE * target:
            row |= {"usable": sent}
        row |= {"whole": sent, "score": reached, "bits": known}
        if reached >= target - EQUAL:
            break
    return row


def known_of(value: NDArray[Any], known: int) -> NDArray[np.float32]:
    """Return a weight of which so many bits are known."""
    low, high = float(value.min()), float(value.max())
    levels = 2**known
    codes = np.minimum(np.floor((value - low) / max(high - low, 1e-12) * levels), levels - 1)
    return (low + (codes + 0.5) / levels * (high - low)).astype(np.float32)


def coded_by_nncodec(lab: Lab, python: str) -> dict[str, Any]:
    """Return what NNCodec makes of the network and of its update: the fewest bytes at equal score."""
    from benchmarks.delivery_bytes import coded_by

    row: dict[str, Any] = {"codec": "NNCodec"}
    first = load_model(lab.release("v1").file)
    second = load_model(lab.release("v2").file)
    (old,), (new,) = first.parts, second.parts
    assert isinstance(old, Network)
    assert isinstance(new, Network)
    held = old
    for size, setting, network in coded_by(python, old):
        reached = score(lab.folder, replace(first, parts=(network,)))
        if reached >= lab.scores["float32 v1"] - EQUAL:
            row |= {"whole": size, "score": reached, "setting": setting}
            held = network
            break
    change: Mapping[str, Any] = {key: value - held.tensors[key] for key, value in new.tensors.items() if is_coded(key)}
    exact: Tensors = {key: value for key, value in new.tensors.items() if not is_coded(key)}
    for size, setting, network in coded_by(python, Network(old.architecture, exact | dict(change))):
        values = {key: held.tensors[key] + network.tensors[key] for key in change}
        reached = score(lab.folder, replace(second, parts=(Network(old.architecture, exact | values),)))
        if reached >= lab.scores["float32 v2"] - EQUAL:
            return row | {"update": size, "update_score": reached, "update_setting": setting}
    return row


def _zstd(tensors: Mapping[str, NDArray[Any]]) -> int:
    data = b"".join(np.ascontiguousarray(value).tobytes() for value in tensors.values())
    return len(zstandard.ZstdCompressor(level=19).compress(data))
