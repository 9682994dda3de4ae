"""The course that every system runs: whole download, update, kill, flipped bytes, forgery, replay.

A system is a `Peer`: it says how a publisher puts a release on a server, how that is served, which command a device
runs, and what the device has afterwards. The course knows nothing else of it, so all are treated alike.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from benchmarks.delivery_peers_lab import SIGNERS, Lab, Release
from benchmarks.delivery_peers_wire import Front, Seen, flip_file, free_port
from netgraft.delivery.link.channel import Link, constant
from netgraft.delivery.link.proxy import ProxyThread

SLOW_BPS, FAST_BPS = 1e7, 1e8
_MOST_S = 90.0
_LOOK_S = 0.001
_SAID = 400
_PATH = re.compile(r"(?<![\w:/])(/[\w.-]+){3,}/?")
_DONE = re.compile(rb"^done (\d+\.\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """Where a system is tried.

    Attributes:
        keys: a folder with a folder for each signer.
        device: what the device keeps.
        url: under which it sees the server; the same in every run.
    """

    keys: Path
    device: Path
    url: str


@dataclass(frozen=True)
class Limits:
    """What a device says that it can spare.

    Attributes:
        memory_bytes: for the model while it runs.
        data_bytes: to download.
    """

    memory_bytes: int
    data_bytes: int


class Peer(Protocol):
    """A system that brings models to devices.

    Attributes:
        name: as the table has it.
        made_for: what it is for, in a few words.
        adapts: whether what a device can spare decides what it gets.
    """

    name: str
    made_for: str
    adapts: bool

    def version(self) -> str:
        """Return what runs here.

        Raises:
            Missing: it is not installed.
        """

    def publish(self, site: Path, release: Release, signer: str, place: Place) -> None:
        """Put a release on the server, beside those that are there."""

    def serve(self, site: Path) -> AbstractContextManager[str]:
        """Serve a site; the value is the URL."""

    def command(self, place: Place, limits: Limits | None) -> list[str]:
        """Return what a device runs to get the newest release; the publisher's keys are known to it."""

    def held(self, place: Place) -> str | None:
        """Return the digest of what the device would use, or None where there is nothing."""

    def digest(self, release: Release) -> str:
        """Return the digest of a release as `held` has it."""

    def weights(self, site: Path) -> Iterable[Path]:
        """Return the files of a site that hold weights."""


class Missing(Exception):  # noqa: N818 - it is a finding, not a fault
    """A system cannot be run here; the text says what is required."""


def file_digest(path: Path) -> str | None:
    """Return the SHA-256 of a file, or None where there is none."""
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def program(name: str, *arguments: str) -> str:
    """Return the first line that a program says of its version, or its name where no arguments ask for it.

    Raises:
        Missing: it is not installed.
    """
    path = shutil.which(name)
    if path is None:
        raise Missing(f"the program {name} is required, got none")
    if not arguments:
        return name
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return lines[0].strip() if lines else name


@dataclass
class Ran:
    """A run of a device.

    Attributes:
        seen: what went over the wire.
        code: of its exit; None where it was killed.
        seconds: from its first connection until it was done; NaN where it never connected.
        output: what it printed.
    """

    seen: Seen
    code: int | None
    seconds: float
    output: bytes


@dataclass
class Course:
    """One system on its course, in a folder of its own."""

    peer: Peer
    lab: Lab
    folder: Path
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        """Make the place."""
        shutil.rmtree(self.folder, ignore_errors=True)
        keys = self.folder / "keys"
        for signer in SIGNERS:
            (keys / signer).mkdir(parents=True)
        self.place = Place(keys, self.folder / "device", f"http://127.0.0.1:{self.port}")
        self._made = 0

    # what happens

    def site(self, *names: str, form: str = "float32", signer: str = "publisher") -> Path:
        """Return the folder of a new server on which releases were published one after the other."""
        kept = self.folder / "-".join(["site", form, signer, *names])
        if not kept.exists():
            if len(names) > 1:
                shutil.copytree(self.site(*names[:-1], form=form, signer=signer), kept)
            else:
                kept.mkdir()
            self.peer.publish(kept, self.lab.release(names[-1], form), signer, self.place)
        self._made += 1
        return Path(shutil.copytree(kept, self.folder / f"run{self._made}"))

    def device(self, form: str | None = None) -> None:
        """Give the device nothing, or the first release, as it was fetched without anybody looking."""
        kept = self.folder / f"device-{form}"
        shutil.rmtree(self.place.device, ignore_errors=True)
        if form is None:
            self.place.device.mkdir()
        elif kept.exists():
            shutil.copytree(kept, self.place.device, symlinks=True)
        else:
            self.place.device.mkdir()
            ran = self.run(self.site("v1", form=form))
            if self.held() != "v1":
                raise RuntimeError(f"the first release is required, got {self.held()}: {said(ran)}")
            shutil.copytree(self.place.device, kept, symlinks=True)

    def run(
        self,
        site: Path,
        *,
        rate: float = FAST_BPS,
        flip_at: int | None = None,
        kill_at: int | None = None,
        limits: Limits | None = None,
    ) -> Ran:
        """Let the device ask a site once.

        Args:
            site: a server's folder.
            rate: of the link both ways, in bit/s.
            flip_at: bytes down after which a bit is turned on the way.
            kill_at: bytes down after which the device is killed.
            limits: what the device says that it can spare.
        """
        link = Link(downlink=constant(rate), uplink=constant(rate))
        with (
            self.peer.serve(site) as server,
            ProxyThread(server, link) as url,
            Front(self.port, url, flip_at=flip_at) as seen,
        ):
            return run_device(self.peer.command(self.place, limits), self.place, seen, kill_at)

    def held(self) -> str:
        """Return which release the device would use: its name, ``damaged`` or ``nothing``."""
        digest = self.peer.held(self.place)
        if digest is None:
            return "nothing"
        names = [(name, form) for form in ("float32", "int8") for name in ("v1", "v2", "forged")]
        for name, form in names:
            if digest == self.peer.digest(self.lab.release(name, form)):
                return name
        return "damaged"

    # what is measured

    def whole(self, form: str) -> dict[str, Any]:
        """Return what the first release costs a new device."""
        self.device()
        ran = self.run(self.site("v1", form=form), rate=SLOW_BPS)
        return cost(ran) | {"held": self.held()} | events(ran)

    def small(self, limits: Limits) -> dict[str, Any]:
        """Return what a device gets that says it can spare little."""
        self.device()
        ran = self.run(self.site("v1"), rate=SLOW_BPS, limits=limits)
        return cost(ran) | asdict(limits) | {"held": self.held()} | events(ran)

    def update(self, form: str) -> dict[str, Any]:
        """Return what the second release costs a device that has the first."""
        self.device(form)
        ran = self.run(self.site("v1", "v2", form=form), rate=SLOW_BPS)
        return cost(ran) | {"held": self.held(), "said": said(ran)}

    def kill(self, whole_down: int) -> dict[str, Any]:
        """Return what a device fetches twice that is killed at half of its download and started again.

        Args:
            whole_down: bytes down of a download that nobody interrupts.
        """
        self.device()
        site = self.site("v1")
        first = self.run(site, rate=SLOW_BPS, kill_at=whole_down // 2)
        between = self.held()
        second = self.run(site, rate=SLOW_BPS)
        again = first.seen.down + second.seen.down - whole_down
        return cost(second) | {
            "killed": first.code is None,
            "before_kill": first.seen.down,
            "again": again,
            "between": between,
            "held": self.held(),
            "said": said(second),
        }

    def flipped_at_rest(self) -> dict[str, Any]:
        """Return what a device with the first release does where the second lies damaged on the server."""
        self.device("float32")
        before, site = self.site("v1"), self.site("v1", "v2")
        known = {path.relative_to(before): file_digest(path) for path in self.peer.weights(before)}
        spoilt = [path for path in self.peer.weights(site) if known.get(path.relative_to(site)) != file_digest(path)]
        for path in spoilt:
            flip_file(path)
        ran = self.run(site)
        return cost(ran) | {"files": len(spoilt), "held": self.held(), "said": said(ran)}

    def flipped_on_the_way(self, whole_down: int) -> dict[str, Any]:
        """Return what a new device does where one bit is turned on the way, and when it is started again."""
        self.device()
        site = self.site("v1")
        ran = self.run(site, flip_at=whole_down // 2)
        row = cost(ran) | {"flipped": ran.seen.flipped, "held": self.held(), "said": said(ran)}
        if self.held() == "nothing":
            again = self.run(site)
            row |= {"again_down": again.seen.down, "again_held": self.held(), "again_said": said(again)}
        return row

    def forged(self) -> dict[str, Any]:
        """Return what a device with the first release does where someone else publishes a second under its name."""
        self.device("float32")
        ran = self.run(self.site("forged", signer="attacker"))
        return cost(ran) | {"held": self.held(), "said": said(ran)}

    def rolled_back(self) -> dict[str, Any]:
        """Return what a device with the second release does where the server is again as it was before."""
        self.device("float32")
        self.run(self.site("v1", "v2"))
        before = self.held()
        ran = self.run(self.site("v1"))
        return cost(ran) | {"before": before, "held": self.held(), "said": said(ran)}


def run_device(command: Sequence[str], place: Place, seen: Seen, kill_at: int | None) -> Ran:
    """Run a device's command to its end, or kill it."""
    log = place.device.parent / "device.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, stdout=sink, stderr=sink, cwd=place.device, env=environment(place), start_new_session=True
        )
    end_s, killed = time.monotonic() + _MOST_S, False
    while process.poll() is None:
        killed = kill_at is not None and seen.down >= kill_at
        if killed or time.monotonic() > end_s:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            break
        time.sleep(_LOOK_S)
    ended_s, output = time.monotonic(), log.read_bytes()
    stamped = _DONE.search(output)
    done_s = float(stamped[1]) if stamped else ended_s
    seconds = float("nan") if seen.first_s is None else done_s - seen.first_s
    return Ran(seen, None if killed else process.returncode, seconds, output)


def environment(place: Place) -> dict[str, str]:
    """Return the environment of a device: everything that would be kept elsewhere is kept with it."""
    root = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    kept = {"HOME": str(place.device), "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    return {name: value for name, value in os.environ.items() if "proxy" not in name.lower()} | kept


def cost(ran: Ran) -> dict[str, Any]:
    """Return what a run cost, as part of a row."""
    seconds = None if ran.seconds != ran.seconds else ran.seconds
    return {"down": ran.seen.down, "up": ran.seen.up, "seconds": seconds, "code": ran.code}


def events(ran: Ran) -> dict[str, Any]:
    """Return what a device said of models on the way, where it says such things."""
    return {
        key: value
        for line in ran.output.splitlines()
        if line.startswith(b"found ")
        for key, value in json.loads(line.removeprefix(b"found ")).items()
    }


def said(ran: Ran) -> str:
    """Return the last line that a device printed, without paths, cut short."""
    lines = [line.strip() for line in ran.output.decode("utf-8", "replace").splitlines() if line.strip()]
    return _PATH.sub("...", lines[-1])[:_SAID] if lines else ""
