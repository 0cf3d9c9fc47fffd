"""Processes that help with a large ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from consent_mw.errors import RecordsError

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

__all__ = ["worker_pool"]


@contextmanager
def worker_pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """
    Run ``jobs`` new processes for the duration of the block; they end with this one, even if it is killed.

    Raises:
        RecordsError: one of them was ended from outside.
    """
    # Imported late: the workers of a site import this module, and never need processes.
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        yield pool
    except BrokenProcessPool:
        what = "One of the processes was ended: perhaps the machine lacks memory. Run fewer with --jobs."
        raise RecordsError(what) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait, daemon=True).start()
