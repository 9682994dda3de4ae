"""Benchmarks of Netgraft: each module runs as ``python -m benchmarks.NAME`` and writes raw rows and a page.

Importing the package restricts every numerical library to one thread, before any of them is loaded.
"""

import os

for _name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "POLARS_MAX", "LOKY_MAX"):
    os.environ.setdefault(f"{_name}_NUM_THREADS", "1")
os.environ["POLARS_MAX_THREADS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["JAX_PLATFORMS"] = "cpu"
