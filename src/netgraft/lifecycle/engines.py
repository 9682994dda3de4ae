"""Who runs the searches of a fleet: this process, several on this machine, or those of a Ray cluster.

Rules the module keeps: at most ``jobs`` items are under way; the next one is taken only when the caller asks for a
further result, so what the caller does with a result comes before the next start; a run that is closed early, or ends
with an error, leaves nothing running. What an item's call raises is raised to the caller.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol, TypeVar

from netgraft.errors import SettingError, unknown_name
from netgraft.lifecycle.processes import begin_process, end_pool

Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs a call for each of several items."""

    def run(
        self, call: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[tuple[Item, Result | None], None, None]:
        """Yield each item with its result, in the order they are done; None where its process was lost.

        Args:
            call: a function of a module, so that another process finds it.
            items: taken one by one when there is room; they and the results can be pickled.
        """
        ...


@dataclass(frozen=True)
class LocalEngine:
    """Runs in this process, or with several jobs in as many others.

    Each of the others is a pool of its own, so one that is lost costs the item it had and no other.
    """

    jobs: int

    def run(
        self, call: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[tuple[Item, Result | None], None, None]:
        """Yield each item with its result; see `Engine`."""
        if self.jobs == 1:
            for item in items:
                yield item, call(item)
            return
        waiting = iter(items)
        free = [_pool() for _ in range(self.jobs)]
        busy: dict[Future[Result], tuple[ProcessPoolExecutor, Item]] = {}
        try:
            while True:
                for item in _first(waiting, len(free)):
                    pool = free.pop()
                    busy[pool.submit(call, item)] = pool, item
                if not busy:
                    return
                for future in wait(busy, return_when=FIRST_COMPLETED).done:
                    pool, item = busy[future]
                    is_lost = isinstance(future.exception(), BrokenProcessPool)
                    del busy[future]
                    free.append(_pool() if is_lost else pool)
                    yield item, None if is_lost else future.result()
        finally:
            for pool, _ in busy.values():
                end_pool(pool)
            for pool in free:
                pool.shutdown()


@dataclass(frozen=True)
class RayEngine:
    """Runs as tasks of the Ray cluster that ``RAY_ADDRESS`` names, or of one that is started here for the run.

    The nodes of a cluster need this package, and the folders that the items name on a file system they share.
    """

    jobs: int

    def run(
        self, call: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[tuple[Item, Result | None], None, None]:
        """Yield each item with its result; see `Engine`.

        Raises:
            SettingError: the cluster cannot be reached.
        """
        import ray

        is_ours = not ray.is_initialized()
        if is_ours:
            _connect(self.jobs)
        waiting = iter(items)
        busy: dict[Any, Item] = {}
        try:
            task = ray.remote(num_cpus=1, max_retries=0)(_called)
            while True:
                busy |= {task.remote(call, item): item for item in _first(waiting, self.jobs - len(busy))}
                if not busy:
                    return
                (done,), _ = ray.wait(list(busy))
                yield busy.pop(done), _ray_result(done)
        finally:
            for reference in busy:
                ray.cancel(reference, force=True)
            if is_ours:
                ray.shutdown()


ENGINES: dict[str, Callable[[int], Engine]] = {"local": LocalEngine, "ray": RayEngine}


def engine_named(name: str, jobs: int) -> Engine:
    """Return an engine.

    Args:
        name: local or ray.
        jobs: how many items may be under way.

    Raises:
        SettingError: the name is unknown, or its package is not installed.
    """
    if name not in ENGINES:
        raise SettingError(unknown_name("an engine", name, ENGINES))
    if name == "ray" and find_spec("ray") is None:
        raise SettingError("the engine ray needs a package that is not installed; pip install 'netgraft[ray]' adds it")
    return ENGINES[name](jobs)


def _first(items: Iterable[Item], most: int) -> Generator[Item, None, None]:
    """Yield so many items at most, and take no more than that."""
    for _, item in zip(range(most), items, strict=False):
        yield item


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=begin_process)


def _connect(jobs: int) -> None:
    """Connect to the cluster of ``RAY_ADDRESS``, or start one on this machine.

    Raises:
        SettingError: the cluster cannot be reached.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        ray.init(address="local", num_cpus=jobs, include_dashboard=False, **quiet)
        return
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingError(f"RAY_ADDRESS must be that of a Ray cluster, got {address!r}: {reason}") from error


def _called(call: Callable[[Item], Result], item: Item) -> Result:
    """Return what a call gives for an item: Ray takes functions written in Python only."""
    return call(item)


def _ray_result(reference: Any) -> Any:
    """Return what a task returned, None if its process was lost; raise what it raised."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError:
        return None
