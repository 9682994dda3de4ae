"""Codes tensors with NNCodec at several quantisation parameters; run by the Python of an environment that has nncodec.

    PYTHON benchmarks/nncodec_peer.py FOLDER '[-10, -20]'

Reads ``given.npz`` from the folder and writes ``<qp>.nnc`` (the bitstream) and ``<qp>.npz`` (what it decodes to).
"""

import json
import sys
from pathlib import Path

import numpy as np
from nncodec import nn

folder, qps = Path(sys.argv[1]), json.loads(sys.argv[2])
with np.load(folder / "given.npz") as stored:
    given = {name: np.ascontiguousarray(stored[name], np.float32) for name in stored}
for qp in qps:
    stream = nn.encode(given, {"qp": qp, "verbose": False, "results": str(folder)})
    path = folder / f"{qp}.nnc"
    path.write_bytes(bytes(stream))
    decoded = nn.decode(str(path), {"verbose": False})
    np.savez(folder / f"{qp}.npz", **{name: np.asarray(decoded[name]) for name in given})
