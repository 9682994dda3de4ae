"""Devices that are written in Python: ``python -m benchmarks.delivery_peers_device KIND URL FOLDER [...]``.

Each does what the documentation of its system shows, once, and exits; `benchmarks.delivery_peers` runs, measures and
kills it. The line ``done SECONDS`` has the moment at which the model was in its place, before the interpreter ends.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODEL = "model.safetensors"
REPOSITORY = "bench/model"


def done() -> None:
    """Print the moment."""
    print(f"done {time.monotonic():.6f}", flush=True)


def put(source: str | Path, folder: Path) -> None:
    """Make a file the one that the device uses, in one rename."""
    aside = folder / "aside"
    shutil.copy(source, aside)
    aside.replace(folder / MODEL)
    done()


def netgraft(url: str, folder: Path, key: str, *spare: str) -> None:
    """Fetch as `netgraft fetch` does, with every event in numbers."""
    from netgraft.cli.connecting import connected
    from netgraft.delivery.device.store import device_folder
    from netgraft.delivery.planning.situation import Situation

    began: list[float] = []
    told: list[dict[str, Any]] = []

    def report(event: Any) -> None:
        if event.kind in ("usable", "improved"):
            told.append(
                {"s": event.seconds, "bytes": event.received_bytes, "accuracy": event.accuracy, "cut": event.cut}
            )
        if event.kind in ("corrupt", "retried"):
            began.append(event.seconds)
            print(f"{event.kind}: {event.text}")

    memory_bytes, data_bytes = map(int, spare) if spare else (None, None)
    situation = Situation(memory_bytes=memory_bytes, data_budget_bytes=data_bytes)
    try:
        with (
            device_folder(folder / "model") as place,
            connected(
                place, [url], "bench", situation, trust=Path(key), token=None, ask_server=False, report=report
            ) as client,
        ):
            fetched = client.fetch()
            done()
    finally:
        print("found " + json.dumps({"models": told, "asked_again": len(began)}), flush=True)
    print(f"{fetched.cut} of version {fetched.version}")


def hub(url: str, folder: Path, xet: str) -> None:
    """Fetch as the documentation of huggingface_hub shows."""
    os.environ |= {"HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": str(int(xet == "no")), "HF_HUB_DISABLE_TELEMETRY": "1"}
    from huggingface_hub import hf_hub_download

    found = hf_hub_download(REPOSITORY, MODEL, cache_dir=folder / "cache", endpoint=url, token=False)
    put(found, folder)


def mlflow(url: str, folder: Path) -> None:
    """Fetch what an alias of a registered model names."""
    os.environ |= {"MLFLOW_TRACKING_URI": url}
    from mlflow.artifacts import download_artifacts

    found = Path(download_artifacts(artifact_uri="models:/bench@live", dst_path=str(folder / "fetched")))
    put(next(found.rglob(MODEL)) if found.is_dir() else found, folder)


def kserve(url: str, folder: Path) -> None:
    """Fetch as the storage initializer does that runs before a server."""
    from kserve_storage import Storage

    put(Path(Storage.download(f"{url}/{MODEL}", str(folder / "fetched"))) / MODEL, folder)


def oras(url: str, folder: Path) -> None:
    """Pull an artifact from a registry."""
    from oras.client import OrasClient

    address = url.removeprefix("http://")
    files = OrasClient(hostname=address, insecure=True).pull(f"{address}/{REPOSITORY}:live", outdir=str(folder / "got"))
    put(files[0], folder)


def tuf(url: str, folder: Path, root: str) -> None:
    """Update as the example client of python-tuf does."""
    from tuf.ngclient import Updater

    for name in ("metadata", "targets"):
        (folder / name).mkdir(exist_ok=True)
    updater = Updater(
        str(folder / "metadata"),
        f"{url}/metadata/",
        str(folder / "targets"),
        f"{url}/targets/",
        bootstrap=Path(root).read_bytes(),
    )
    updater.refresh()
    info = updater.get_targetinfo(MODEL)
    assert info is not None
    put(updater.find_cached_target(info) or updater.download_target(info), folder)


KINDS: dict[str, Callable[..., None]] = {
    "netgraft": netgraft, "hub": hub, "kserve": kserve, "mlflow": mlflow, "oras": oras, "tuf": tuf
}  # fmt: skip


def main() -> None:
    """Run one of them."""
    kind, url, folder, *more = sys.argv[1:]
    KINDS[kind](url, Path(folder), *more)


if __name__ == "__main__":
    main()
