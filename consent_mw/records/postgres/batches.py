"""
Appends of many threads, committed together.

Theory of operation. A commit costs a round trip and a write to the disk, whether it is of one entry or of a hundred.
So while commits of a process are on their way, further entries of its threads wait, and are sent as one batch once the
next commit may start (group commit). Each caller returns only after the commit of its own entry. A caller that finds
nothing on its way sends at once, so a site without load waits for nobody.

No thread of our own is involved: the first caller of a batch sends it. A failed batch is sent again entry by entry if
there is time, so that an entry that the server refuses fails alone.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence
from threading import Condition

from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError

__all__ = ["Batches"]

#: The most commits of one process that may be pending at once, and the most entries in one of them.
AT_ONCE = 2
MOST = 500


class _Waiting:
    """An entry whose caller waits."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.done = False
        self.error = ""


class _Queue:
    """The state of one process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.changed = Condition()
        self.waiting: deque[_Waiting] = deque()
        self.sending = 0

    def batch_of(self, mine: _Waiting, wait: float) -> list[_Waiting]:
        """
        Return the batch that the caller has to send, which begins with its own entry; empty if another has sent it.

        Raises:
            RecordsError: if neither happens within ``wait`` seconds.
        """
        batch: list[_Waiting] = []
        with self.changed:
            self.waiting.append(mine)
            try:
                if not self.changed.wait_for(lambda: mine.done or self._is_next(mine), wait):
                    raise RecordsError("The records cannot be used: earlier entries are still on their way.")
            except BaseException:
                if mine in self.waiting:
                    self.waiting.remove(mine)
                    self.changed.notify_all()  # another is the first now
                raise
            if not mine.done:
                while self.waiting and len(batch) < MOST:
                    batch.append(self.waiting.popleft())
                self.sending += 1
        return batch

    def _is_next(self, mine: _Waiting) -> bool:
        return self.sending < AT_ONCE and bool(self.waiting) and self.waiting[0] is mine


class Batches:
    """
    Collects the entries of threads.

    Args:
        send: Commits some entries within a number of seconds; raises RecordsError.
    """

    def __init__(self, send: Callable[[Sequence[Entry], float], None]) -> None:
        self._send = send
        self._queue = _Queue()

    def append(self, entry: Entry, wait: float) -> None:
        """
        Append an entry; it is durable when this returns.

        Raises:
            RecordsError: if it is not committed within ``wait`` seconds; it may be later.
        """
        if self._queue.process != os.getpid():
            self._queue = _Queue()  # the callers of a forked process's parent are not here
        queue, mine, until = self._queue, _Waiting(entry), time.monotonic() + wait
        batch = queue.batch_of(mine, wait)
        if batch:
            self._deliver(queue, batch, until)
        if mine.error:
            raise RecordsError(mine.error)

    def _deliver(self, queue: _Queue, batch: list[_Waiting], until: float) -> None:
        """Send a batch, and tell its callers."""
        try:
            self._try(batch, until)
        except BaseException as error:
            for one in batch:
                one.error = one.error or str(error) or type(error).__name__
            raise
        finally:
            with queue.changed:
                queue.sending -= 1
                for one in batch:
                    one.done = True
                queue.changed.notify_all()

    def _try(self, batch: list[_Waiting], until: float) -> None:
        wait = until - time.monotonic()
        try:
            self._send([one.entry for one in batch], wait)
        except RecordsError as error:
            left = until - time.monotonic()
            if len(batch) == 1 or left < wait / 2:
                for one in batch:
                    one.error = str(error)
                return
            for one in batch:
                try:
                    self._send([one.entry], max(until - time.monotonic(), 0.001))
                except RecordsError as alone:
                    one.error = str(alone)
