"""A reader of heads and chunks written from docs/formats/head.md alone: slow and trusting."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import zstandard

Cell = tuple[int, int]


def sections(data: bytes) -> list[bytes]:
    """Return document, arrays, first chunk and signatures."""
    assert data[:8] == b"NGHEAD1\n"
    at, made = 8, []
    for _ in range(4):
        size = int.from_bytes(data[at : at + 4], "little")
        made.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return made


def frame(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data) if data else b""


def document(data: bytes) -> Any:
    return json.loads(frame(sections(data)[0]))


Region = tuple[str, int, int, list[int]]
Tensors = Mapping[str, np.ndarray[Any, Any]]


def regions(network: Mapping[str, Any]) -> list[Region]:
    """Return tensor, depth, shell and places of every region."""
    return image_regions(network) if network["kind"] == "image" else table_regions(network)


def image_tensors(network: Mapping[str, Any], widths: list[int]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all tensors of an image network of these widths: coded by depth, then exact in order."""
    a = network["architecture"]
    c, parts = a["outputs"], a.get("pool", 1) ** 2
    made: dict[str, tuple[int, ...]] = {"weight_0": (a["channels"], 3, 3, widths[0]), "head@0": (widths[0], parts, c)}
    for at in range(1, len(widths)):
        v, w = widths[at - 1 : at + 1]
        made |= {f"weight_{at}a": (v, 3, 3, w), f"weight_{at}b": (w, 3, 3, w)}
        if not keeps(network, at):
            made[f"weight_{at}s"] = (v, w)
        made[f"head@{at}"] = (w, parts, c)
    for at in range(1, len(widths)):
        made |= {f"{kind}_{at}a": (widths[at - 1],) for kind in ("scale", "shift")}
        made |= {f"{kind}_{at}b": (widths[at],) for kind in ("scale", "shift")}
    for depth, w in enumerate(widths):
        made |= {f"head_scale@{depth}": (w,), f"head_shift@{depth}": (w,), f"head_bias@{depth}": (c,)}
    return made


def keeps(network: Mapping[str, Any], block: int) -> bool:
    last = network["widths"][-1]
    return bool(network["architecture"]["strides"][block - 1] == 1 and last[block - 1] == last[block])


def is_coded(name: str) -> bool:
    return name.startswith(("weight_", "head@"))


def depth_of(name: str) -> int:
    return int("".join(letter for letter in name if letter.isdigit()))


def image_shell(network: Mapping[str, Any], name: str, place: tuple[int, ...]) -> int:
    """Return the shell of one number of a coded tensor of an image network; -1 where it is always zero."""
    at = depth_of(name)

    def channel(depth: int, unit: int) -> int:
        return next(s for s, shell in enumerate(network["widths"]) if unit < shell[depth])

    if name.startswith("head@"):
        return channel(at, place[0])
    if name == "weight_0":
        return channel(0, place[3])
    a, b = channel(at if name.endswith("b") else at - 1, place[0]), channel(at, place[-1])
    if network["triangular"]:
        return b if a <= b else -1
    return max(a, b)


def image_regions(network: Mapping[str, Any]) -> list[Region]:
    """Return the regions of an image network."""
    made: list[Region] = []
    coded = {name: size for name, size in image_tensors(network, network["widths"][-1]).items() if is_coded(name)}
    shells = {name: [image_shell(network, name, at) for at in np.ndindex(*size)] for name, size in coded.items()}
    for depth in range(len(network["architecture"]["strides"]) + 1):
        for shell in range(len(network["widths"])):
            for name in [name for name in coded if depth_of(name) == depth]:
                places = [at for at, found in enumerate(shells[name]) if found == shell]
                parts = [places[start : start + 131_072] for start in range(0, len(places), 131_072)]
                made.extend((name, depth, shell, part) for part in parts)
    return made


def table_regions(network: Mapping[str, Any]) -> list[Region]:
    """Return the regions of a nested network for tables."""
    a, widths, bins = network["architecture"], network["widths"], network["bins"]
    tokens, c, depth = a["numeric"] * a["token"] + len(a["slots"]) * a["category"], a["outputs"], len(a["widths"])
    made: list[Region] = []

    def unit_shell(layer: int, unit: int) -> int:
        return 0 if layer == 0 else next(s for s, shell in enumerate(widths) if unit < shell[layer - 1])

    def add(name: str, at: int, shell: int, places: list[int]) -> None:
        made.extend((name, at, shell, places[start : start + 131_072]) for start in range(0, len(places), 131_072))

    if bins:
        add("projection", 0, 0, list(range(sum(bins) * a["token"])))
    if a["slots"]:
        add("categories", 0, 0, list(range(sum(a["slots"]) * a["category"])))
    if a["skip"]:
        add("skip@0", 0, 0, list(range(tokens * c)))
    for layer in range(1, depth + 1):
        reads, units = (tokens, *a["widths"])[layer - 1], a["widths"][layer - 1]
        for shell in range(len(widths)):
            places = []
            for i in range(reads):
                for j in range(units):
                    s, t = unit_shell(layer - 1, i), unit_shell(layer, j)
                    own = (t if s <= t else -1) if network["triangular"] else max(s, t)
                    places += [i * units + j] if own == shell else []
            add(f"weight_{layer}", layer, shell, places)
            head = [j * c + k for j in range(units) for k in range(c) if unit_shell(layer, j) == shell]
            add(f"head@{layer}", layer, shell, head)
            if a["skip"] and shell == 0:
                add(f"skip@{layer}", layer, 0, list(range(tokens * c)))
    return made


def cells(blocks: list[int]) -> Iterator[Cell]:
    for at in range(0, len(blocks), 4):
        first, count, plane, planes = blocks[at : at + 4]
        yield from ((first + r, plane - down) for down in range(planes) for r in range(count))


class Bits:
    """Packed runs, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> list[int]:
        size = (count + 7) // 8
        run = self.data[self.at : self.at + size]
        self.at += size
        return [run[i // 8] >> (7 - i % 8) & 1 for i in range(count)]


class Streams:
    """A chunk in zstd: gives first, later and sign runs."""

    def __init__(self, data: bytes, count: int) -> None:
        a, b = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little")
        if a == 65_535:
            self.rest = self.packed = Bits(frame(data[2:]))
            self.forms, self.gaps = [1] * count, b""
            return
        one = frame(data[4 : 4 + a])
        self.forms = list(one[:count]) if a else [1] * count
        self.gaps = one[count:] if a else b""
        self.packed, self.rest = Bits(frame(data[4 + a : 4 + a + b])), Bits(data[4 + a + b :])

    def first(self, count: int) -> list[int]:
        form = self.forms.pop(0)
        if form < 2:
            return (self.rest, self.packed)[form].take(count)
        run: list[int] = []
        while len(run) <= count:
            gap, self.gaps = self.gaps[0], self.gaps[1:]
            run += [0] * gap + ([1] if gap < 255 else [])
        return run[:count]


def read(head: bytes, chunks: Mapping[str, bytes]) -> tuple[dict[str, Any], list[list[int]], list[int]]:
    """Return the document, every region's signed magnitudes and lowest known planes, from these chunks."""
    said = document(head)
    found = regions(said["network"])
    planes, table = said["grid"]["planes"], said["chunks"]
    codes = [[0] * len(places) for _, _, _, places in found]
    signs: dict[int, list[int]] = {}
    lowest = [planes] * len(found)
    for at, digest in enumerate(table["sha256"]):
        data = chunks[digest]
        assert hashlib.sha256(data).hexdigest() == digest
        mine = list(cells(table["cells"][at]))
        plain = Bits(data)
        streams = Streams(data, len(mine)) if table["codec"][at] == 1 else None
        for region, plane in mine:
            assert lowest[region] == plane + 1
            lowest[region], held = plane, codes[region]
            if table["protection"][at]:
                if region not in signs:
                    signs[region] = plain.take(len(held))
                bits, negative = plain.take(len(held)), signs[region]
            else:
                new = [i for i, code in enumerate(held) if code == 0]
                old = [i for i, code in enumerate(held) if code]
                first = streams.first(len(new)) if streams else plain.take(len(new))
                rest = streams.rest if streams else plain
                later, sign = rest.take(len(old)), rest.take(sum(first))
                bits, negative = [0] * len(held), [0] * len(held)
                for i, bit in [*zip(new, first, strict=True), *zip(old, later, strict=True)]:
                    bits[i] = bit
                for i, s in zip([i for i, bit in zip(new, first, strict=True) if bit], sign, strict=True):
                    negative[i] = s
            for i, bit in enumerate(bits):
                down = held[i] < 0 or (held[i] == 0 and negative[i])
                held[i] += (-1 if down else 1) * (bit << plane)
    return said, codes, lowest


def number(code: int, grid: Mapping[str, Any], lowest: int) -> float:
    """Return what a signed magnitude stands for."""
    m = abs(code) >> lowest
    if m == 0:
        return 0.0
    place = grid["centroids"][lowest][0 if m == 1 else 1]
    return math.copysign(float(np.float32((m + place) * 2**lowest * grid["step"])), code)


def arrays(head: bytes) -> bytes:
    """Return the content of the arrays."""
    return frame(sections(head)[1])


def image_arrays(head: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of the head of an image network by name."""
    said, content = document(head), arrays(head)
    network, rows = said["network"], said["canaries"]
    a = network["architecture"]
    numeric = a["pixels"] ** 2 * a["channels"]
    layout: dict[str, tuple[str, tuple[int, ...]]] = {
        f"encoding.{key}": ("<f4", (numeric,)) for key in ("center", "scale", "low", "high")
    }
    layout["output"] = ("<f4", (5 if said["output"]["kind"] == "regression" else 1,))
    exact = {n: size for n, size in image_tensors(network, network["widths"][-1]).items() if not is_coded(n)}
    layout |= {name: ("<f4", size) for name, size in exact.items()}
    layout |= {"canary.numeric": ("<f4", (rows, numeric)), "canary.codes": ("<i4", (rows, 0))}
    layout["canary.outputs"] = ("<f2", (len(said["cuts"]["depth"]), rows, a["outputs"]))
    made, at = {}, 0
    for name, (kind, size) in layout.items():
        count, width = math.prod(size), int(kind[-1])
        run = np.frombuffer(content, np.uint8, count * width, at).reshape(width, count)
        made[name] = np.ascontiguousarray(run.T).reshape(-1).view(kind).reshape(size)
        at += count * width
    assert at == len(content)
    return made


def image_outputs(network: Mapping[str, Any], tensors: Tensors, row: Any, depth: int, shell: int) -> Any:
    """Return the outputs of a cut of an image network for one encoded row; float64 [c]."""
    a, widths = network["architecture"], network["widths"][shell][: depth + 1]
    group, pool = a.get("group", 4), a.get("pool", 1)
    sizes = image_tensors(network, widths)
    t = {n: np.float64(tensors[n][tuple(map(slice, size))]) for n, size in sizes.items() if n in tensors}
    x = conv(np.float64(row).reshape(a["pixels"], a["pixels"], a["channels"]), t["weight_0"], 1)
    for at in range(1, depth + 1):
        stride = a["strides"][at - 1]
        u = norm(x, t[f"scale_{at}a"], t[f"shift_{at}a"], group)
        y = conv(u, t[f"weight_{at}a"], stride)
        z = conv(norm(y, t[f"scale_{at}b"], t[f"shift_{at}b"], group), t[f"weight_{at}b"], 1)
        x = z + (x if keeps(network, at) else u[::stride, ::stride] @ t[f"weight_{at}s"])
    u = np.maximum(x + t[f"head_shift@{depth}"], 0)
    side = len(u)
    ends = [(i * side // pool, -(-(i + 1) * side // pool)) for i in range(pool)]
    means = np.array([u[r:s, p:q].mean(axis=(0, 1)) for r, s in ends for p, q in ends])  # [parts, w]
    return (
        np.einsum("pw,wpc->c", standard(means, group) * t[f"head_scale@{depth}"], t[f"head@{depth}"])
        + (t[f"head_bias@{depth}"])
    )


def conv(x: Any, weight: Any, stride: int) -> Any:
    """Return a convolution of 3 x 3; [side, side, w]."""
    side = -(-len(x) // stride)
    made = np.zeros((side, side, weight.shape[-1]))
    for i, j, a, b in np.ndindex(side, side, 3, 3):
        row, column = stride * i + a - 1, stride * j + b - 1
        if 0 <= row < len(x) and 0 <= column < len(x):
            made[i, j] += x[row, column] @ weight[:, a, b]
    return made


def norm(x: Any, scale: Any, shift: Any, group: int) -> Any:
    return np.maximum(standard(x, group) * scale + shift, 0)


def standard(x: Any, group: int) -> Any:
    """Return numbers [..., w] with mean 0 and variance 1 in each group of channels."""
    made = np.zeros(x.shape)
    for first in range(0, x.shape[-1], group):
        part = x[..., first : first + group]
        made[..., first : first + group] = (part - part.mean()) / np.sqrt(part.var() + 0.00001)
    return made


def image_cost(network: Mapping[str, Any], depth: int, shell: int) -> tuple[int, int, int]:
    """Return parameters, operations and bytes of memory of a cut of an image network."""
    a, widths = network["architecture"], network["widths"][shell][: depth + 1]
    heads = {f"{name}@{other}" for name in ("head", "head_scale", "head_shift", "head_bias") for other in range(depth)}
    sizes = {name: size for name, size in image_tensors(network, widths).items() if name not in heads}
    sides = [a["pixels"]]
    for stride in a["strides"][:depth]:
        sides.append(math.ceil(sides[-1] / stride))
    parameters = sum(map(math.prod, sizes.values()))
    products = 0
    for name, size in sizes.items():
        used = sum(image_shell(network, name, at) >= 0 for at in np.ndindex(*size)) if is_coded(name) else 0
        products += used * (1 if name.startswith("head") else sides[depth_of(name)] ** 2)
    patches = [9 * sides[at] ** 2 * max(widths[at - 1 : at + 1]) for at in range(1, depth + 1)]
    held = 2 * max(side * side * w for side, w in zip(sides, widths, strict=True))
    return parameters, 2 * products, 4 * (parameters + max(9 * sides[0] ** 2 * a["channels"], *patches, 0) + held)
