"""Other processes of a pool: how each begins, and how all of them end at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor


def begin_process() -> None:
    """Prepare a process that another one has started: Ctrl-C is for that one to handle, and without it this one ends.

    To be called in the process itself, by the initializer of its pool.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def end_pool(pool: ProcessPoolExecutor) -> None:
    """End the processes of a pool whatever they do, and wait until they have ended."""
    for process in list(getattr(pool, "_processes", {}).values()):
        process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, killed or not."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
