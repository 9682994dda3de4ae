"""Hubs and registries: the Hugging Face Hub with and without Xet, MLflow, and an OCI registry with two clients.

MLflow and the registry are the real servers. Of the Hub only the client is to be had: the server here speaks the part
of its HTTP API, and of the Xet storage's, that the client asks for; files and chunks are made by the real library.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.delivery_peers_course import Limits, Place, program
from benchmarks.delivery_peers_device import REPOSITORY
from benchmarks.delivery_peers_files import FilePeer, call, device_program, require, script
from benchmarks.delivery_peers_lab import MODEL, Release
from benchmarks.delivery_peers_wire import free_port, nginx, running

_FAR_S = 4_000_000_000
_CHUNK_HEADER = 8


class HubServer(http.server.BaseHTTPRequestHandler):
    """What a Hub answers to one who downloads a file: where it is, its hash, and its bytes."""

    protocol_version = "HTTP/1.1"
    xet: ClassVar[bool] = False

    def __init__(self, site: Path, *given: Any) -> None:
        """Serve a site; see `Hub.publish` for what lies in it."""
        self.site = site
        super().__init__(*given)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer with the headers of a file."""
        self.do_GET(body=False)

    def do_GET(self, *, body: bool = True) -> None:
        """Answer a question."""
        said = json.loads((self.site / "said.json").read_text())
        here = f"http://{self.headers['Host']}"
        if self.path.startswith(f"/{REPOSITORY}/resolve/"):
            more = {"X-Repo-Commit": said["commit"], "ETag": f'"{said["sha256"]}"', "Accept-Ranges": "bytes"}
            if said.get("xet"):
                more |= {"X-Xet-Hash": said["xet"], "X-Xet-Refresh-Route": f"{here}/token"}
            self._bytes((self.site / MODEL).read_bytes(), more, body)
        elif self.path == "/token":
            more = {"X-Xet-Cas-Url": here, "X-Xet-Access-Token": "bench", "X-Xet-Token-Expiration": str(_FAR_S)}
            self._bytes(b"{}", more, body)
        elif "/reconstructions/" in self.path:
            self._bytes(json.dumps(self._reconstruction(said, here)).encode(), {}, body)
        elif self.path.startswith("/xorb/"):
            self._bytes((self.site / "xorbs" / Path(self.path).name).read_bytes(), {}, body)
        else:
            self._answer(404, b"{}", {}, body)

    def _reconstruction(self, said: dict[str, Any], here: str) -> dict[str, Any]:
        """Return which chunks a file is made of and where they lie; every file here is one run of one xorb."""
        chunks = {"start": 0, "end": said["chunks"]}
        span = {"start": 0, "end": said["xorb_bytes"] - 1}
        place = {"range": chunks, "url": f"{here}/xorb/{said['xorb']}", "url_range": span}
        term = {"hash": said["xorb"], "unpacked_length": said["bytes"], "range": chunks}
        if self.path.startswith("/v2/"):
            ranges = {"url": place["url"], "ranges": [{"chunks": chunks, "bytes": span}]}
            return {"offset_into_first_range": 0, "terms": [term], "xorbs": {said["xorb"]: [ranges]}}
        return {"offset_into_first_range": 0, "terms": [term], "fetch_info": {said["xorb"]: [place]}}

    def _bytes(self, data: bytes, more: dict[str, str], body: bool) -> None:
        """Answer with bytes, or with a range of them."""
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if not asked:
            return self._answer(200, data, more, body)
        first, _, last = asked.partition("-")
        start, end = int(first), min(int(last or len(data)), len(data) - 1)
        if start >= len(data):
            return self._answer(416, b"", {"Content-Range": f"bytes */{len(data)}"}, body)
        more = more | {"Content-Range": f"bytes {start}-{end}/{len(data)}"}
        return self._answer(206, data[start : end + 1], more, body)

    def _answer(self, status: int, data: bytes, more: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in {**more, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


class Hub(FilePeer):
    """huggingface_hub without Xet: a file by HTTP, its hash as the ETag."""

    name = "Hugging Face Hub (HTTP)"
    made_for = "sharing models and data among people"
    xet = False

    def version(self) -> str:
        """Return what runs here."""
        return f"huggingface_hub {require('huggingface_hub')}" + (f", hf_xet {require('hf_xet')}" if self.xet else "")

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Put the file, its hash and a commit where the server looks."""
        shutil.copy(release.file, site / MODEL)
        data = release.file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        said: dict[str, Any] = {"sha256": digest, "commit": hashlib.sha1(data).hexdigest(), "bytes": len(data)}  # noqa: S324
        if self.xet:
            said |= self._chunked(site, release.file)
        (site / "said.json").write_text(json.dumps(said))

    def _chunked(self, site: Path, file: Path) -> dict[str, Any]:
        """Cut a file into a xorb by the library's own uploader, and return what a reconstruction needs."""
        store = site / f"store-{file.parent.name}"
        code = (
            "import hf_xet, sys\n"
            "with hf_xet.XetSession().new_upload_commit(endpoint='local://' + sys.argv[1]) as commit:\n"
            "    commit.start_upload_file(sys.argv[2])\n"
            "print(hf_xet.hash_files([sys.argv[2]])[0].hash)\n"
        )
        file_hash = call(sys.executable, "-c", code, str(store), str(file), HOME=str(store)).split()[-1]
        (xorb,) = [path for path in store.rglob("default.*") if path.suffix != ".tagset"]
        data, at, chunks = xorb.read_bytes(), 0, 0
        left = file.stat().st_size
        while left > 0:  # version, 3 bytes of stored size, scheme, 3 bytes of size
            stored, size = (int.from_bytes(data[at + n : at + n + 3], "little") for n in (1, 5))
            at, chunks, left = at + _CHUNK_HEADER + stored, chunks + 1, left - size
        name = xorb.name.removeprefix("default.")
        (site / "xorbs").mkdir(exist_ok=True)
        (site / "xorbs" / name).write_bytes(data[:at])
        shutil.rmtree(store)
        return {"xet": file_hash, "xorb": name, "xorb_bytes": at, "chunks": chunks}

    @contextmanager
    def serve(self, site: Path) -> Iterator[str]:
        """Serve what the client asks for."""
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(HubServer, site)) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join()

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return device_program("hub", place, "yes" if self.xet else "no")


class XetHub(Hub):
    """huggingface_hub with Xet: content-defined chunks in xorbs."""

    name = "Hugging Face Hub (Xet)"
    xet = True

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the xorbs."""
        return (site / "xorbs").iterdir()


# no reports to its makers, and none of the processes that run jobs
_MLFLOW = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


class Mlflow(FilePeer):
    """MLflow: a registered model's alias, artifacts through its tracking server."""

    name = "MLflow"
    made_for = "the life of models in a team"

    def version(self) -> str:
        """Return what runs here."""
        return f"mlflow {require('mlflow')}"

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Register a version and move the alias to it, in the store that the server will serve."""
        code = (
            "import sys\n"
            "from mlflow.tracking import MlflowClient\n"
            "client = MlflowClient(sys.argv[1])\n"
            "found = client.get_experiment_by_name('bench')\n"
            "place = found and found.experiment_id or client.create_experiment('bench', 'mlflow-artifacts:/bench')\n"
            "found or client.create_registered_model('bench')\n"
            "run = client.create_run(place).info\n"
            "made = client.create_model_version('bench', run.artifact_uri + '/model', run.run_id)\n"
            "client.set_registered_model_alias('bench', 'live', made.version)\n"
            "print(run.run_id)\n"
        )
        run = call(sys.executable, "-c", code, self._store(site), MLFLOW_TRACKING_URI=self._store(site)).split()[-1]
        folder = site / "artifacts" / "bench" / run / "artifacts" / "model"
        folder.mkdir(parents=True)
        shutil.copy(release.file, folder / MODEL)

    def _store(self, site: Path) -> str:
        """Return the address of a site's data base."""
        return f"sqlite:///{site / 'store.db'}"

    @contextmanager
    def serve(self, site: Path) -> Iterator[str]:
        """Serve the site by MLflow's own server."""
        port = free_port()
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--backend-store-uri", self._store(site), "--artifacts-destination", str(site / "artifacts"),
            "--allowed-hosts", "*",
        ]  # fmt: skip
        with running(command, port, site.parent / "mlflow.log", **_MLFLOW) as url:
            yield url

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return device_program("mlflow", place)

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the artifacts."""
        return (site / "artifacts").rglob(MODEL)


class Kserve(FilePeer):
    """KServe's storage initializer, which puts a model beside a server before it starts, by HTTP."""

    name = "KServe (storage initializer)"
    made_for = "serving models in a cluster"

    def version(self) -> str:
        """Return what runs here."""
        program("nginx", "-v")
        return f"kserve-storage {require('kserve-storage')}"

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Put the file in a folder."""
        shutil.copy(release.file, site / MODEL)

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return device_program("kserve", place)


_REGISTRY = """version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def registry_version() -> str:
    """Return what runs here.

    Raises:
        Missing: it is not installed.
    """
    return f"docker-registry {program('docker-registry', '--version').split()[-1]}"


class Oras(FilePeer):
    """The OCI client of ORAS for Python and Debian's registry."""

    name = "OCI (oras-py)"
    made_for = "images and artifacts of containers"

    def version(self) -> str:
        """Return what runs here."""
        return f"oras {require('oras')}, {registry_version()}"

    @contextmanager
    def serve(self, site: Path) -> Iterator[str]:
        """Serve the site by the registry."""
        port = free_port()
        config = site.parent / "registry.yml"
        config.write_text(_REGISTRY.format(root=site / "registry", port=port))
        with running(["docker-registry", "serve", str(config)], port, site.parent / "registry.log") as url:
            yield url

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Push the file and move the tag to it."""
        code = (
            "import sys; from oras.client import OrasClient; OrasClient(hostname=sys.argv[1], insecure=True)"
            ".push(target=sys.argv[2], files=['model.safetensors'], disable_path_validation=True)"
        )
        with self.serve(site) as url:
            address = url.removeprefix("http://")
            target = f"{address}/{REPOSITORY}:live"
            call(sys.executable, "-c", code, address, target, cwd=release.file.parent)

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return device_program("oras", place)

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the blobs, without manifests."""
        return [path for path in (site / "registry").rglob("blobs/**/data") if path.stat().st_size > 100_000]


class Skopeo(Oras):
    """Skopeo and the same registry: images signed by GnuPG, and a policy that requires it.

    The way of sigstore, which is younger, is switched off in Debian's build.
    """

    name = "OCI (skopeo with GnuPG)"

    _GET = """
    mkdir -p got
    skopeo copy -q --policy "$2/policy.json" --registries.d "$2/registries.d" --src-tls-verify=false \\
      --remove-signatures "docker://$1/bench/model:live" dir:got
    cp "got/$(python3 -c 'import json;print(json.load(open("got/manifest.json"))["layers"][0]["digest"][7:])')" aside
    mv aside model.safetensors
    """

    def version(self) -> str:
        """Return what runs here."""
        program("gpg", "--version")
        program("nginx", "-v")
        return f"{program('skopeo', '--version')}, {registry_version()}"

    @contextmanager
    def serve(self, site: Path) -> Iterator[str]:
        """Serve the registry, and the signatures beside it under the same address."""
        (site / "lookaside").mkdir(exist_ok=True)
        with super().serve(site) as registry, nginx(site, behind=registry) as url:
            yield url

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Push the file as an image, move the tag to it, and put the signature of its manifest beside."""
        image, folder = site.parent / "image", place.keys / signer
        shutil.rmtree(image, ignore_errors=True)
        _image_folder(image, release.file)
        _device_policy(place)
        name = f"{place.url.removeprefix('http://')}/{REPOSITORY}:live"
        registries = folder / "registries.d"
        _write_lookaside(registries, "lookaside-staging", f"file://{site}/lookaside")
        with self.serve(site) as url:
            call(
                "skopeo", "copy", "-q", "--preserve-digests", "--insecure-policy", "--registries.d", str(registries),
                "--dest-tls-verify=false", "--sign-by", _gpg_key(folder), "--sign-identity", name,
                f"dir:{image}", f"docker://{url.removeprefix('http://')}/{REPOSITORY}:live",
                GNUPGHOME=str(_gpg_home(folder)),
            )  # fmt: skip

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return script(self._GET, place.url.removeprefix("http://"), str(place.keys))


def _image_folder(image: Path, file: Path) -> None:
    """Write an image with one layer, the file, as skopeo's ``dir:`` has it."""
    image.mkdir()
    blobs = {"config": b"{}", "layer": file.read_bytes()}
    described = {}
    for name, data in blobs.items():
        digest = hashlib.sha256(data).hexdigest()
        (image / digest).write_bytes(data)
        described[name] = {"digest": f"sha256:{digest}", "size": len(data)}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **described["config"]},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **described["layer"]}],
    }
    (image / "manifest.json").write_text(json.dumps(manifest))
    (image / "version").write_text("Directory Transport Version: 1.1\n")


def _gpg_home(folder: Path) -> Path:
    """Return the GnuPG folder of a signer; its agent ends when the folder goes."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700, exist_ok=True)
    return home


def _gpg_key(folder: Path) -> str:
    """Return the fingerprint of a signer's key, made once, and write its public half."""
    public, home = folder / "public.gpg", str(_gpg_home(folder))
    if not public.exists():
        make = ["--batch", "--yes", "--passphrase", "", "--quick-generate-key", f"{folder.name}@bench", "ed25519"]
        call("gpg", *make, "sign", "never", GNUPGHOME=home)
        call("gpg", "--batch", "--output", str(public), "--export", f"{folder.name}@bench", GNUPGHOME=home)
    listed = call("gpg", "--batch", "--with-colons", "--fingerprint", f"{folder.name}@bench", GNUPGHOME=home)
    return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))


def _device_policy(place: Place) -> None:
    """Write the device's policy: nothing but what the publisher signed."""
    _gpg_key(place.keys / "publisher")
    required = {
        "type": "signedBy",
        "keyType": "GPGKeys",
        "keyPath": str(place.keys / "publisher" / "public.gpg"),
        "signedIdentity": {"type": "matchRepository"},
    }
    scope = f"{place.url.removeprefix('http://')}/{REPOSITORY}"
    policy = {"default": [{"type": "reject"}], "transports": {"docker": {scope: [required]}}}
    (place.keys / "policy.json").write_text(json.dumps(policy))
    _write_lookaside(place.keys / "registries.d", "lookaside", f"{place.url}/lookaside")


def _write_lookaside(folder: Path, key: str, address: str) -> None:
    """Write where signatures lie."""
    folder.mkdir(exist_ok=True)
    (folder / "bench.yaml").write_text(f"default-docker:\n  {key}: {address}\n")
