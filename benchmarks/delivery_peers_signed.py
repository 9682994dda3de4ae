"""Systems that sign what they bring: The Update Framework, RAUC, SWUpdate and Mender.

Each gets what its manual asks for where a publisher signs: keys made for the measurement, the public half on the
device. What needs more than a process (a second root partition, network block devices, dm-verity) is left out and said
on the page.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.delivery_peers_course import Limits, Missing, Place, program
from benchmarks.delivery_peers_files import FilePeer, call, device_program, require, script
from benchmarks.delivery_peers_lab import MODEL, Release

_DAYS = 30
_ARTIFACT_INFO = Path("/etc/mender/artifact_info")


class Tuf(FilePeer):
    """python-tuf: the repository's metadata by its API, the device by its client."""

    name = "TUF (python-tuf)"
    made_for = "signed software updates"

    def version(self) -> str:
        """Return what runs here."""
        return f"tuf {require('tuf')}"

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Sign a new targets, snapshot and timestamp, as many versions as releases were published."""
        from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

        keys = self._keys(place.keys / signer)
        (site / "metadata").mkdir(exist_ok=True)
        (site / "targets").mkdir(exist_ok=True)
        shutil.copy(place.keys / signer / "root.json", site / "metadata" / "1.root.json")
        number = len(list((site / "metadata").glob("*.targets.json"))) + 1
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=_DAYS)
        target = TargetFile.from_file(MODEL, str(release.file))
        shutil.copy(release.file, site / "targets" / f"{target.hashes['sha256']}.{MODEL}")
        signed: dict[str, Any] = {
            f"{number}.targets": Targets(number, None, until, {MODEL: target}),
            f"{number}.snapshot": Snapshot(number, None, until, {"targets.json": MetaFile(number)}),
            "timestamp": Timestamp(number, None, until, MetaFile(number)),
        }
        for name, content in signed.items():
            metadata = Metadata(content)
            metadata.sign(keys[name.rpartition(".")[2]])
            metadata.to_file(str(site / "metadata" / f"{name}.json"))

    def _keys(self, folder: Path) -> dict[str, Any]:
        """Return the signers of all roles; the root metadata is made once."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from securesystemslib.signer import CryptoSigner
        from tuf.api.metadata import Metadata, Root

        names = ("root", "targets", "snapshot", "timestamp")
        words = {name: sha256(f"{folder.name} {name}".encode()).digest() for name in names}
        keys = {name: CryptoSigner(Ed25519PrivateKey.from_private_bytes(word)) for name, word in words.items()}
        if not (folder / "root.json").exists():
            root = Root(1, None, datetime.now(UTC).replace(microsecond=0) + timedelta(days=_DAYS))
            for name, key in keys.items():
                root.add_key(key.public_key, name)
            metadata = Metadata(root)
            metadata.sign(keys["root"])
            metadata.to_file(str(folder / "root.json"))
        return keys

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return device_program("tuf", place, str(place.keys / "publisher" / "root.json"))

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the targets."""
        return (site / "targets").iterdir()


def certificate(folder: Path) -> tuple[str, str]:
    """Return certificate and key of a signer, made once."""
    files = folder / "cert.pem", folder / "key.pem"
    if not files[0].exists():
        call(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(files[1]), "-out", str(files[0]),
            "-subj", f"/O=bench/CN={folder.name}", "-days", str(_DAYS), "-addext", "extendedKeyUsage=emailProtection",
        )  # fmt: skip
    return str(files[0]), str(files[1])


class Rauc(FilePeer):
    """RAUC: a signed verity bundle, downloaded by curl, checked and unpacked by ``rauc extract``."""

    name = "RAUC (bundle by curl)"
    made_for = "images of embedded devices, A/B"

    _GET = """
    curl -fsS -C - -o part "$1/model.raucb" || { rm -f part; exit 1; }
    rm -rf out
    rauc --keyring "$2" extract part out || { rm -f part; exit 1; }
    mv out/model.safetensors .
    rm -rf out part
    """
    _MANIFEST = "[update]\ncompatible=bench\nversion={0}\n[bundle]\nformat=verity\n[image.model]\nfilename=model.img\n"

    def version(self) -> str:
        """Return what runs here."""
        program("mksquashfs", "-version")
        return program("rauc", "--version")

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Sign a bundle."""
        cert, key = certificate(place.keys / signer)
        content, bundle = site.parent / "content", site / "model.raucb"
        shutil.rmtree(content, ignore_errors=True)
        content.mkdir()
        shutil.copy(release.file, content / "model.img")
        (content / "manifest.raucm").write_text(self._MANIFEST.format(release.number))
        bundle.unlink(missing_ok=True)
        call("rauc", "--cert", cert, "--key", key, "bundle", str(content), str(bundle))

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        text = self._GET.replace("out/model.safetensors .", "out/model.img model.safetensors")
        return script(text, place.url, str(place.keys / "publisher" / "cert.pem"))

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the bundle."""
        return [site / "model.raucb"]


class SwUpdate(FilePeer):
    """SWUpdate: a signed image; a device that has a version gets the next by its zchunk delta."""

    name = "SWUpdate"
    made_for = "images of embedded devices, A/B"

    # the version that is there may not be gone below (-N), as the manual advises; the delta needs an old file
    _GET = """
    mkdir -p tmp; export TMPDIR="$PWD/tmp"
    rm -f new.safetensors; old=""; kind=full
    if [ -f version ]; then old="-N $(cat version)"; kind=delta; fi
    swupdate -M -m -k "$2" -H bench:1.0 $old -d "-u $1/$kind.swu" || exit 1
    mv new.safetensors model.safetensors
    cp new.version version
    """
    _SAID = """software = {{
  version = "{number}.0.0"; hardware-compatibility: [ "1.0" ];
  files: (
    {{ filename = "{first}"; path = "{folder}/new.safetensors"; sha256 = "{digest}"; {more} }},
    {{ filename = "new.version"; path = "{folder}/new.version"; sha256 = "{version_digest}"; }} );
}}
"""

    def version(self) -> str:
        """Return what runs here."""
        import subprocess

        for name in ("swupdate", "cpio", "zck", "zck_read_header"):
            program(name, "--version")
        query = ["dpkg-query", "-W", "-f", "${Version}", "swupdate"]
        try:
            return f"swupdate {subprocess.run(query, capture_output=True, text=True, check=False).stdout}".strip()
        except OSError:
            return "swupdate"

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Sign an image with the whole file, and one with a delta's header."""
        work = site.parent / "image"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        (work / "new.version").write_text(f"{release.number}.0.0")
        shutil.copy(release.file, work / MODEL)
        self._image(work, MODEL, "", site / "full.swu", signer, release, place)
        zck = site / f"{release.number}.zck"
        zck.unlink(missing_ok=True)
        call("zck", "-u", "--chunk-hash-type", "sha256", "-o", str(zck), str(release.file))
        header = re.search(r"Header size: (\d+)", call("zck_read_header", str(zck)))
        assert header is not None
        (work / "header").write_bytes(zck.read_bytes()[: int(header[1])])
        properties = (
            f'type = "delta"; properties: {{ url = "{place.url}/{zck.name}"; chain = "rawfile"; '
            f'source = "{place.device / MODEL}"; zckloglevel = "error"; }};'
        )
        self._image(work, "header", properties, site / "delta.swu", signer, release, place)

    def _image(self, work: Path, first: str, more: str, out: Path, signer: str, release: Release, place: Place) -> None:
        """Write and sign an image."""
        cert, key = certificate(place.keys / signer)
        digests = [sha256((work / name).read_bytes()).hexdigest() for name in (first, "new.version")]
        text = self._SAID.format(
            number=release.number, first=first, digest=digests[0], version_digest=digests[1],
            folder=place.device, more=more,
        )  # fmt: skip
        (work / "sw-description").write_text(text)
        call(
            "openssl", "cms", "-sign", "-in", "sw-description", "-out", "sw-description.sig", "-signer", cert,
            "-inkey", key, "-outform", "DER", "-nosmimecap", "-binary", cwd=work,
        )  # fmt: skip
        names = f"sw-description sw-description.sig {first} new.version"
        call("sh", "-c", f'for name in {names}; do echo $name; done | cpio -o -H crc > "{out}"', cwd=work)

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return script(self._GET, place.url, str(place.keys / "publisher" / "cert.pem"))

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the image and the chunked file."""
        return [site / "full.swu", *site.glob("*.zck")]


class Mender(FilePeer):
    """Mender's client by itself: a signed artifact of the update module for single files, installed and committed."""

    name = "Mender (stand-alone)"
    made_for = "fleets of embedded devices, A/B"

    _GET = """
    mkdir -p data; echo device_type=bench > data/device_type
    run() { mender --no-syslog -c mender.conf -b mender.conf -d "$PWD/data" "$@"; }
    printf '{"ArtifactVerifyKey": "%s", "DeviceTypeFile": "%s/data/device_type"}' "$2" "$PWD" > mender.conf
    run install "$1/model.mender"
    run commit
    """

    def version(self) -> str:
        """Return what runs here."""
        for name in ("mender", "mender-artifact"):
            program(name, "--version")
        if not _ARTIFACT_INFO.exists():
            raise Missing(f"a file {_ARTIFACT_INFO} is required, got none: echo artifact_name=none > {_ARTIFACT_INFO}")
        return f"mender {program('mender', '--version').split()[0]}"

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Sign an artifact."""
        key, work = self._key(place.keys / signer), site.parent / "artifact"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        shutil.copy(release.file, work / MODEL)
        for name, text in (("dest_dir", str(place.device)), ("filename", MODEL), ("permissions", "644")):
            (work / name).write_text(text)
        files = [word for name in ("dest_dir", "filename", "permissions", MODEL) for word in ("-f", name)]
        call(
            "mender-artifact", "write", "module-image", "-T", "single-file", "-n", release.name, "-t", "bench",
            "-o", str(site / "model.mender"), "-k", str(key), "--compression", "none", *files, cwd=work,
        )  # fmt: skip

    def _key(self, folder: Path) -> Path:
        """Return the key of a signer, made once."""
        key = folder / "private.key"
        if not key.exists():
            call("openssl", "ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", str(key))
            call("openssl", "ec", "-in", str(key), "-pubout", "-out", str(folder / "public.key"))
        return key

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return the device's command."""
        return script(self._GET, place.url, str(place.keys / "publisher" / "public.key"))

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the artifact."""
        return [site / "model.mender"]
