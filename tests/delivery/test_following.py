from __future__ import annotations

from pathlib import Path

from device_fakes import Device, Servers, device, energy, on_chunks, published

from netgraft.delivery.device.engine import Engine
from netgraft.delivery.device.following import follow
from netgraft.delivery.device.restoring import refuse_active
from netgraft.delivery.exchange.transport import Reply
from netgraft.delivery.planning.situation import Situation
from netgraft.errors import NetgraftError


class Waits:
    """Waits that end after a number of them; something may happen in each."""

    def __init__(self, *steps: object) -> None:
        self.steps, self.waited = list(steps), list[float]()

    def __call__(self, seconds: float) -> bool:
        self.waited.append(seconds)
        if not self.steps:
            return True
        step = self.steps.pop(0)
        if callable(step):
            step()
        return False


def run(made: Device, waits: Waits) -> tuple[NetgraftError | None, list[NetgraftError]]:
    told: list[NetgraftError] = []
    assert made.engine is not None
    engine = made.engine
    ended = follow(made.client(), poll_s=5.0, wait=waits, told=told.append, answers=lambda: engine.live is not None)
    return ended, told


def down(servers: Servers) -> None:
    servers.faults.append(lambda server, path, body: Reply(b"", 5, "refused", "no"))


def test_newer_versions_come_by_themselves(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        waits = Waits(None, lambda: servers.publish(energy(2)), None)
        assert run(made, waits) == (None, [])
        assert made.engine is not None
        assert made.engine.current().version == 2
        assert waits.waited == [5.0] * 4
        assert made.told().count("done") == 2
        stamps = [url for url in servers.asked if "stamp" in url]
        assert len(stamps) == 5


def test_failures_wait_longer_each_time_and_stop_no_answer(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        waits = Waits(lambda: down(servers), *[None] * 8, servers.faults.clear, None)
        ended, told = run(made, waits)
        assert ended is None
        assert len(told) == 9
        assert waits.waited == [5.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0, 5.0, 5.0]
        assert made.engine is not None
        assert made.engine.current().version == 1


def test_without_a_model_only_the_network_is_worth_another_try(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        down(servers)
        ended, told = run(made, Waits(servers.faults.clear, None))
        assert ended is None
        assert len(told) == 1
    with device(tmp_path / "e", servers, engine=Engine(), situation=Situation(memory_bytes=1)) as made:
        ended, told = run(made, Waits(None))
        assert ended is told[0]
        assert "a cut that fits the situation is required" in str(ended)


def test_fetch_that_failed_is_begun_again_without_asking_whether(tmp_path: Path) -> None:
    servers = published(1)
    servers.faults.append(on_chunks(lambda body: Reply(b"", 5, "refused", "no")))
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        ended, told = run(made, Waits(servers.faults.clear))
        assert ended is None
        assert len(told) == 1
        assert made.told().count("started") == 2
        assert made.told()[-1] == "done"


def test_device_with_nothing_but_a_refused_version_waits_for_a_later_one(tmp_path: Path) -> None:
    servers = published(1)
    with device(tmp_path / "d", servers) as made:
        made.client().fetch()
        servers.publish(energy(2))
        made.client().fetch()
        refuse_active(made.folder)
        active = made.folder.state.active
        assert active is not None
    for path in [*(tmp_path / "d").glob("model/*.safetensors"), tmp_path / "d" / "heads" / active.head]:
        path.write_bytes(b"")
    with device(tmp_path / "d", servers, engine=Engine()) as made:
        assert run(made, Waits(None, lambda: servers.publish(energy(3)), None)) == (None, [])
        assert made.engine is not None
        assert made.engine.current().version == 3
