"""Systems that bring files: Netgraft itself, plain HTTP with ranges, zsync, zchunk and casync, at their defaults."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.delivery_peers_course import Limits, Missing, Place, file_digest, program
from benchmarks.delivery_peers_lab import MODEL, Release, identity_of, signing_key
from benchmarks.delivery_peers_wire import free_port, nginx, running


def call(*command: str, cwd: Path | None = None, **environment: str) -> str:
    """Run a publisher's command and return what it printed.

    Raises:
        RuntimeError: it failed.
    """
    import os

    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} must end with 0, got {done.returncode}: {(done.stdout + done.stderr)[-400:]}")
    return done.stdout


def script(text: str, *arguments: str) -> list[str]:
    """Return the command of a shell script that stops at the first error."""
    return ["sh", "-e", "-c", text, "device", *arguments]


def device_program(kind: str, place: Place, *arguments: str) -> list[str]:
    """Return the command of a device that is written in Python."""
    return [sys.executable, "-m", "benchmarks.delivery_peers_device", kind, place.url, str(place.device), *arguments]


class FilePeer:
    """What the systems have in common that end with one file on the device."""

    adapts = False

    def serve(self, site: Path) -> AbstractContextManager[str]:
        """Serve a site's files with nginx."""
        return nginx(site)

    def held(self, place: Place) -> str | None:
        """Return the digest of the file that a device would use."""
        return file_digest(place.device / MODEL)

    def digest(self, release: Release) -> str:
        """Return the digest of a release's file."""
        return file_digest(release.file) or ""

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the files of a site that hold weights."""
        return [site / MODEL]


class Netgraft:
    """This project: `netgraft serve` and `netgraft fetch`."""

    name = "Netgraft"
    made_for = "models for devices"
    adapts = True

    def version(self) -> str:
        """Return what runs here."""
        from importlib import metadata

        return f"netgraft {metadata.version('netgraft')}"

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Put a version beside those that are there."""
        from netgraft.delivery.offering.published import Published
        from netgraft.library import Library

        if not (site / "library").exists():
            shutil.copytree(self._empty(place.keys / signer, signer), site / "library")
        Published.of(Library(str(site / "library"))).add(release.head(signer), release.chunks())

    def _empty(self, keys: Path, signer: str) -> Path:
        """Return a signer's library before anything is in it: the same keys and trust document in every site."""
        import time

        from netgraft.library import Library
        from netgraft.lifecycle.keyring import ensure_trust

        folder = keys / "library"
        if not folder.exists():
            signing_key(signer).write(keys / "key")
            ensure_trust(Library.init(str(folder)), [signing_key(signer)], 1, int(time.time()))
        return folder

    @contextmanager
    def serve(self, site: Path) -> Iterator[str]:
        """Serve the library."""
        port = free_port()
        command = [sys.executable, "-m", "netgraft", "serve", str(site / "library"), "--port", str(port), "--rate", "0"]
        with running(command, port, site.parent / "serve.log") as url:
            yield url

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command: `netgraft fetch`, with its events in numbers."""
        spare = [] if limits is None else [str(limits.memory_bytes), str(limits.data_bytes)]
        return device_program("netgraft", place, str(place.keys / "publisher" / "key.pub"), *spare)

    def held(self, place: Place) -> str | None:
        """Return the identity of the head whose model is active and can be loaded."""
        from netgraft.runtime import load

        folder = place.device / "model"
        if not (folder / "front.json").exists():
            return None
        state = json.loads((folder / "state.json").read_text())["active"]
        load(folder / "model", state["slot"])
        return str(state["head"])

    def digest(self, release: Release) -> str:
        """Return the identity of a release's head."""
        return identity_of(release.head("publisher")) if release.form == "float32" else ""

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the chunks."""
        return (site / "library" / "published" / "c").iterdir()


class PlainHttp(FilePeer):
    """curl with ranges, and a list of SHA-256 beside the file."""

    name = "plain HTTP (curl)"
    made_for = "any file"

    _GET = """
    curl -fsS -o sums "$1/sums"
    if [ -f model.safetensors ] && sha256sum -c --status sums; then exit 0; fi
    curl -fsS -C - -o part "$1/model.safetensors" || { rm -f part; exit 1; }
    sed s/model.safetensors/part/ sums | sha256sum -c --status || { rm -f part; echo "sum is wrong"; exit 1; }
    mv part model.safetensors
    """

    def version(self) -> str:
        """Return what runs here."""
        program("nginx", "-v")
        return " ".join(program("curl", "--version").split()[:2])

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Put the file and its sum in a folder."""
        shutil.copy(release.file, site / MODEL)
        (site / "sums").write_text(f"{file_digest(release.file)}  {MODEL}\n")

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return script(self._GET, place.url)


class Zsync(FilePeer):
    """zsync: the blocks that an old file has not, by rolling sums."""

    name = "zsync"
    made_for = "large files with small changes"

    _GET = """
    seed=""; [ -f model.safetensors ] && seed="-i model.safetensors"
    zsync -q $seed -o new.safetensors "$1/model.zsync"
    mv new.safetensors model.safetensors
    """

    def version(self) -> str:
        """Return what runs here."""
        return " ".join(program("zsync", "-V").split()[:2])

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Put the file and its block sums in a folder."""
        shutil.copy(release.file, site / MODEL)
        call("zsyncmake", "-u", MODEL, "-o", "model.zsync", MODEL, cwd=site)

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return script(self._GET, place.url)


class Zchunk(FilePeer):
    """zchunk: a file in zstd chunks, of which a device fetches those that it has not."""

    name = "zchunk"
    made_for = "package lists of distributions"

    _GET = """
    mkdir -p next; cd next
    source=""; [ -f ../model.zck ] && source="-s ../model.zck"
    zckdl -q $source "$1/model.zck"
    unzck -c model.zck > model.safetensors
    mv model.safetensors model.zck ..
    """

    def version(self) -> str:
        """Return what runs here."""
        return program("zckdl", "--version")

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Put the chunked file in a folder."""
        (site / "model.zck").unlink(missing_ok=True)
        call("zck", "-o", str(site / "model.zck"), str(release.file))

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return script(self._GET, place.url)

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the chunked file."""
        return [site / "model.zck"]


class Casync(FilePeer):
    """casync: content-defined chunks in a store, each fetched by its hash."""

    name = "casync"
    made_for = "images of file systems"

    _GET = """
    seed=""; [ -f model.safetensors ] && seed="--seed=model.safetensors"
    casync extract --store="$1/store.castr" $seed "$1/model.caibx" new.safetensors
    mv new.safetensors model.safetensors
    """

    def version(self) -> str:
        """Return what runs here."""
        return program("casync", "--version")

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Put index and chunks in a folder."""
        call("casync", "make", f"--store={site / 'store.castr'}", str(site / "model.caibx"), str(release.file))

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return script(self._GET, place.url)

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the chunks."""
        return (site / "store.castr").rglob("*.cacnk")


def require(package: str) -> str:
    """Return the version of a Python package.

    Raises:
        Missing: it is not installed.
    """
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise Missing(f"the package {package} is required, got none") from None
