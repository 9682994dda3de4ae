"""Random streams: every one is derived from one seed and a path of names, none is global.

The same seed and path give the same stream whatever else ran before, so work may be done in any order, in any process,
or skipped because a journal already holds its result.
"""

from __future__ import annotations

import hashlib

import numpy as np


def child_seed(seed: int, *path: str | int) -> int:
    """Return a 63-bit seed for the work named by ``path``.

    >>> child_seed(0, "split") == child_seed(0, "split"), child_seed(0, "split") == child_seed(1, "split")
    (True, False)
    """
    text = "/".join([str(seed), *map(str, path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """Return a fresh generator for the work named by ``path``."""
    return np.random.Generator(np.random.PCG64(child_seed(seed, *path)))
