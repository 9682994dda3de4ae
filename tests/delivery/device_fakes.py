"""A publisher and its servers in memory, with faults on demand, and a device that asks them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from delivery_examples import KEY, NOW, example_built, example_shape, example_tensors, nudged, opened, whole

from netgraft.delivery.coding.build import Built, Recipe
from netgraft.delivery.device.client import DeviceClient
from netgraft.delivery.device.deciding import plan_here
from netgraft.delivery.device.engine import Engine
from netgraft.delivery.device.events import Event
from netgraft.delivery.device.store import DeviceFolder, device_folder
from netgraft.delivery.exchange.batches import read_places, rows_of
from netgraft.delivery.exchange.opening import Opening, pack_opening
from netgraft.delivery.exchange.tiers import Retries, Tiers
from netgraft.delivery.exchange.transport import Reply
from netgraft.delivery.planning.situation import Situation
from netgraft.delivery.trust.accepting import SigningKey, Stamp, TrustDocument, sign_stamp, sign_trust, trust_chain

ROOT, ONLINE = SigningKey(b"r" * 32), SigningKey(b"o" * 32)
EDGE, CENTRAL = "http://edge", "http://central"
#: What lines and headers of one exchange count for here.
OVERHEAD = 100
LARGE = 1 << 30


@cache
def energy(version: int = 1) -> Built:
    """Return a version of a small model in many chunks; version 2 is version 1 after a light training."""
    shape, recipe = example_shape(widths=((8, 8), (24, 24), (64, 64))), Recipe(target_bytes=700)
    tensors = example_tensors(shape)
    if version == 1:
        return example_built(shape, tensors, recipe=recipe)
    parent = energy(version - 1)
    for step in range(1, version):
        tensors = nudged(tensors, seed=step)
    return example_built(shape, tensors, version=version, recipe=recipe, parent=whole(parent, opened(parent)))


def chain_of(root: SigningKey = ROOT, *, expires_s: int = NOW + 10**9) -> bytes:
    """Return a trust chain of one document."""
    document = TrustDocument.of(1, expires_s, root=[root.public], publisher=[KEY.public], online=[ONLINE.public])
    return trust_chain([sign_trust(document, [root])])


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@contextmanager
def killed_at_rename(step: int) -> Iterator[None]:
    """Kill what runs within at its rename of this number, from 0; what follows it within is not run then."""
    rename, numbers = Path.replace, count()

    def replaced(self: Path, target: Path) -> Path:
        if next(numbers) >= step:
            raise Killed
        return rename(self, target)

    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        patch.setattr(Path, "replace", replaced)
        yield


#: Looks at each question and may answer in the server's place.
Fault = Callable[[str, str, bytes], Reply | None]


@dataclass
class Servers:
    """What several servers offer, in memory; a `Transport`."""

    now_s: int = NOW
    chain: bytes = field(default_factory=chain_of)
    built: dict[int, Built] = field(default_factory=dict)
    heads: dict[int, bytes] = field(default_factory=dict)
    stamps: dict[int, str] = field(default_factory=dict)
    chunks: dict[str, bytes] = field(default_factory=dict)
    newest: int = 0
    asked: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    plans: list[dict[str, Any]] = field(default_factory=list)
    poured: list[str] = field(default_factory=list)
    plan: Callable[[dict[str, Any]], Any] = lambda asked: {}
    #: Whether they know answers that have several things at once, and how many bytes of these come together.
    at_once: bool = False
    part_bytes: int = 1_000

    def publish(self, built: Built) -> None:
        """Offer a version."""
        version = built.head.version
        self.built[version] = built
        self.heads[version], self.stamps[version] = built.pack([KEY]), opened(built).sha256
        self.chunks |= built.chunks
        self.newest = version

    def stamp(self, name: str = "energy") -> bytes:
        """Return the stamp of the newest version."""
        return sign_stamp(Stamp(name, self.newest, self.stamps[self.newest], self.now_s, self.now_s + 3600), [ONLINE])

    def ask(self, url: str, *, most_bytes: int, body: bytes | None = None, most_s: float = math.inf) -> Reply:
        """Return what came of a question."""
        parts = urlsplit(url)
        self.asked.append(url)
        found = self._found(unquote(parts.path), parts.query, body)
        for fault in self.faults:
            said = fault(f"{parts.scheme}://{parts.netloc}", parts.path, found or b"")
            if said is not None:
                return said
        if found is None:
            return Reply(b"", OVERHEAD, "missing", "404 not here")
        if len(found) > most_bytes:
            return Reply(b"", OVERHEAD + most_bytes, "large", f"more than {most_bytes} bytes")
        return Reply(found, OVERHEAD + len(found))

    def pour(self, url: str, take: Callable[[bytes], bool], *, most_bytes: int) -> Reply:
        """Give what a question brings part by part."""
        reply = self.ask(url, most_bytes=most_bytes)
        if reply.fault is not None and not reply.body:
            return reply
        poured = 0
        for start in range(0, len(reply.body), self.part_bytes):
            part = reply.body[start : start + self.part_bytes]
            poured += len(part)
            if not take(part):
                return Reply(b"", OVERHEAD + poured)
        return Reply(b"", OVERHEAD + poured, reply.fault, reply.text)

    def _found(self, path: str, query: str, body: bytes | None) -> bytes | None:
        if path == "/v1/models/energy/opening" and self.at_once:
            held = query.removeprefix("held=")
            head = b"" if held == self.stamps[self.newest] else self.heads[self.newest]
            return pack_opening(Opening(self.chain, self.stamp(), head))
        if path == "/v1/models/energy/chunks" and self.at_once:
            version, places = query.removeprefix("version=").split("&places=")
            rows = read_places(places, rows_of(self.built[int(version)].head))
            self.poured += [row.sha256 for row in rows]
            return b"".join(self.chunks[row.sha256] for row in rows)
        if path == "/v1/trust":
            return self.chain
        if path == "/v1/models/energy/stamp":
            return self.stamp()
        if path == "/v1/models/energy/head":
            return self.heads.get(int(query.removeprefix("version=")))
        if path == "/v1/models/energy/plan" and body is not None:
            self.plans.append(json.loads(body))
            return json.dumps(self.plan(self.plans[-1])).encode()
        return self.chunks.get(path.removeprefix("/c/"))

    def fetched(self) -> list[str]:
        """Return the addresses of the chunks that were asked for, in order."""
        return [url.rsplit("/", 1)[1] for url in self.asked if "/c/" in url]


def once(fault: Fault) -> Fault:
    """Return a fault that happens the first time only."""
    left = [1]

    def first(server: str, path: str, body: bytes) -> Reply | None:
        said = fault(server, path, body) if left[0] else None
        left[0] -= said is not None
        return said

    return first


def on_chunks(make: Callable[[bytes], Reply], *, server: str | None = None) -> Fault:
    """Return a fault of the chunks of one server, or of all."""

    def fault(asked: str, path: str, body: bytes) -> Reply | None:
        return make(body) if path.startswith("/c/") and server in (None, asked) else None

    return fault


def flipped(body: bytes) -> Reply:
    """Return an answer with one wrong bit."""
    return Reply(bytes([body[0] ^ 1]) + body[1:], OVERHEAD + len(body))


@dataclass
class Device:
    """A device that asks servers."""

    folder: DeviceFolder
    servers: Servers
    situation: Situation = field(default_factory=Situation)
    engine: Engine | None = None
    events: list[Event] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    tiers: Tiers | None = None

    @property
    def tiers_received(self) -> int:
        """Return the bytes of the last fetch."""
        assert self.tiers is not None
        return self.tiers.received_bytes

    def client(self, **changed: Any) -> DeviceClient:
        """Return a client."""
        self.tiers = tiers = changed.pop("tiers", None) or Tiers(
            changed.pop("transport", self.servers),
            changed.pop("urls", [EDGE]),
            sleep=self.waits.append,
            generator=np.random.default_rng(0),
            retries=changed.pop("retries", Retries(attempts=4)),
        )
        settings: dict[str, Any] = {
            "clock": lambda: float(self.servers.now_s), "elapsed": lambda: 0.0, "report": self.events.append,
            "engine": self.engine,
        }  # fmt: skip
        planner = changed.pop("planner", plan_here)
        settings |= changed
        return DeviceClient(self.folder, tiers, "energy", self.situation, planner, **settings)

    def told(self) -> list[str]:
        """Return the kinds of the events so far."""
        return [event.kind for event in self.events]


@contextmanager
def device(path: Path, servers: Servers, **settings: Any) -> Iterator[Device]:
    """Give a device with a claimed folder."""
    free = settings.pop("free", lambda path: LARGE)
    with device_folder(path, free=free) as folder:
        yield Device(folder, servers, **settings)


def published(*versions: int) -> Servers:
    """Return servers that offer some versions of the small model."""
    servers = Servers()
    for version in versions:
        servers.publish(energy(version))
    return servers


__all__ = [name for name in dir() if not name.startswith("_")]
_ = replace
