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


def regions(network: Mapping[str, Any]) -> list[tuple[str, int, int, list[int]]]:
    """Return tensor, depth, shell and places of every region."""
    a, widths, bins = network["architecture"], network["widths"], network["bins"]
    tokens, c, depth = a["numeric"] * a["token"] + len(a["slots"]) * a["category"], a["outputs"], len(a["widths"])
    made = []

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
