"""
The connection pool of one process for PostgreSQL: few connections, shared by threads, that cannot hang forever.

The server's own limits, such as ``statement_timeout``, do not help while the server itself is frozen, and libpq gives a
new connection at least two seconds. So each connection here has a deadline after which it stops waiting for its socket.
New connections are opened in a separate thread, since the lookup of the server's name may block, too.
"""

from __future__ import annotations

import os
import select
import time
import weakref
from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import BoundedSemaphore
from threading import Thread
from typing import TYPE_CHECKING
from typing import Any
from typing import LiteralString
from typing import TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.waiting import Ready
from psycopg.waiting import Wait

if TYPE_CHECKING:
    from psycopg.abc import PQGen

RV = TypeVar("RV")

#: Most connections of a process, and how many of them may be opening at once.
MOST = 4
OPENING = 2

#: Defaults that the URL of the store may override. Keep-alives detect a server that disappeared silently.
DEFAULTS = {
    "application_name": "consent_mw",
    "client_encoding": "UTF8",
    "connect_timeout": "2",
    # If several servers are listed, use the one that accepts writes.
    "target_session_attrs": "read-write",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "2000",
}


class PooledConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection with a deadline; once it has passed, the connection is unusable."""

    #: Deadline on the monotonic clock. If ``grace`` is set, each query and each sign of life extends it by that many
    #: seconds.
    until = float("inf")
    grace = 0.0
    #: Whether there is a pooler in between, which may run each transaction in another session of the server.
    shared = False
    #: The statements that begin a transaction.
    begin: LiteralString = "BEGIN"

    def wait(self, gen: PQGen[RV], interval: float | None = None, timeout: float | None = None) -> RV:
        """Drive one of psycopg's generators, which yield the socket state that they wait for."""
        if self.grace:
            self.until = time.monotonic() + self.grace
        try:
            state = next(gen)
            while True:
                state = gen.send(self._ready(state))
        except StopIteration as end:
            result: RV = end.value
            return result

    def _ready(self, state: Wait) -> Ready:
        """Wait until the socket is ready: 1 to read, 2 to write, 3 for either; the result uses the same codes."""
        left = self.until - time.monotonic()
        poll = select.poll()
        wanted = (select.POLLIN if state & 1 else 0) | (select.POLLOUT if state & 2 else 0)
        poll.register(self.pgconn.socket, wanted)
        events = poll.poll(None if left == float("inf") else max(left, 0.0) * 1000)
        if not events:
            raise psycopg.OperationalError("it does not answer in time")
        if self.grace:
            self.until = time.monotonic() + self.grace
        found = events[0][1]
        if found & ~(select.POLLIN | select.POLLOUT):
            return Ready(int(state))  # the peer hung up: the next read or write raises the reason
        return Ready((1 if found & select.POLLIN else 0) | (2 if found & select.POLLOUT else 0))


class _ProcessPool:
    """The state of one process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.permits = BoundedSemaphore(MOST)
        self.opening = BoundedSemaphore(OPENING)
        self.idle: deque[PooledConnection] = deque()
        # Close the connections of a pool that is garbage-collected, instead of leaving them to the server's timeouts.
        weakref.finalize(self, _close, self.idle, self.process)


class Pool:
    """
    Lends connections to the server given by ``params``.

    Args:
        params: Parameters of libpq (PostgreSQL documentation, section "Parameter Key Words").
        set_up: Called with each new connection; if it raises, the connection is not used.
    """

    def __init__(self, params: dict[str, Any], set_up: Callable[[PooledConnection], None]) -> None:
        self._params = {**DEFAULTS, **params}
        self._set_up = set_up
        self._state = _ProcessPool()
        self._closed = False
        _pools.add(self)

    @contextmanager
    def lend(self, wait: float, *, patient: bool = False) -> Iterator[PooledConnection]:
        """
        Lend a connection; ``wait`` seconds is the time limit for getting it and for all work with it.

        If ``patient``, the limit applies to each silence of the server instead.

        Raises:
            psycopg.Error: if no connection is available, or ``set_up`` raises.
        """
        until = time.monotonic() + wait
        state = self._own()
        if not state.permits.acquire(timeout=wait):
            raise psycopg.OperationalError("all connections of this process are busy")
        try:
            link = _fit(state.idle) or self._open(state, until)
            try:
                link.until = until
                link.grace = wait if patient else 0.0
                yield link
                if self._closed or link.pgconn.transaction_status != TransactionStatus.IDLE:
                    link.close()
                else:
                    state.idle.append(link)
            except BaseException:
                link.close()  # its state is unknown: the next caller gets a new one
                raise
        finally:
            state.permits.release()

    def close(self) -> None:
        """Close the connections of this process; one in use is closed when it is returned."""
        self._closed = True
        self.drop()

    def drop(self) -> None:
        """Close the idle connections."""
        while link := _take(self._own().idle):
            link.close()

    def _own(self) -> _ProcessPool:
        """Return the state of this process; after a fork it is empty, and the parent's connections are left alone."""
        if self._state.process != os.getpid():
            _abandoned.extend(self._state.idle)
            self._state = _ProcessPool()
        return self._state

    def _open(self, state: _ProcessPool, until: float) -> PooledConnection:
        """Return a new connection, or raise at ``until``; one that is ready later goes to the next caller."""
        if not state.opening.acquire(timeout=max(until - time.monotonic(), 0)):
            raise psycopg.OperationalError("it does not answer")
        future: Future[PooledConnection] = Future()
        Thread(target=self._connect, args=(state, future), daemon=True).start()
        try:
            return future.result(max(until - time.monotonic(), 0))
        except TimeoutError:
            future.add_done_callback(lambda late: self._keep(state, late))
            raise psycopg.OperationalError("it does not answer in time") from None

    def _connect(self, state: _ProcessPool, future: Future[PooledConnection]) -> None:
        try:
            link = PooledConnection.connect(autocommit=True, **self._params)
            try:
                link.until = time.monotonic() + float(DEFAULTS["connect_timeout"])
                self._set_up(link)
            except BaseException:
                link.close()
                raise
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(link)
        finally:
            state.opening.release()

    def _keep(self, state: _ProcessPool, late: Future[PooledConnection]) -> None:
        if late.exception() is None:
            if self._closed or len(state.idle) >= MOST:
                late.result().close()
            else:
                state.idle.append(late.result())


def _close(idle: deque[PooledConnection], process: int) -> None:
    """Close connections, but only in the process that opened them: a forked process shares their sockets."""
    while process == os.getpid() and (link := _take(idle)):
        link.close()


def _take(idle: deque[PooledConnection]) -> PooledConnection | None:
    try:
        return idle.pop()
    except IndexError:
        return None  # or another thread took it


def _fit(idle: deque[PooledConnection]) -> PooledConnection | None:
    """Return an idle connection that is still open: a closed one is readable, because of its EOF."""
    while link := _take(idle):
        poll = select.poll()
        poll.register(link.pgconn.socket, select.POLLIN)
        if not poll.poll(0):
            break
        link.close()
    return link


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_abandoned: list[PooledConnection] = []


def _before_fork() -> None:
    for pool in list(_pools):
        pool.drop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
