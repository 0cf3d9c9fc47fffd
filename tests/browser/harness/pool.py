"""
Reusable sessions: starting one takes longer than a visit.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from collections.abc import Iterator

from tests.browser.harness.answers import Answer
from tests.browser.harness.answers import fitting
from tests.browser.harness.engines import Engine
from tests.browser.harness.engines import Session
from tests.browser.harness.proxy import Hit
from tests.browser.harness.proxy import Lane
from tests.browser.harness.proxy import Proxy


class Pool:
    """
    Sessions of one engine, each with its own lane, lent to one user at a time.

    Only visits that leave no state behind may share a session: they make no choice, or have their own first-party host
    (cookies and storage are per host). The page of the previous user stays until the next one opens a page, so ignore
    the requests before that: see ``from_page``.
    """

    def __init__(self, engine: Engine, proxy: Proxy, answer: Callable[[Hit], Answer] = fitting) -> None:
        self._engine = engine
        self._proxy = proxy
        self._answer = answer
        self._lock = threading.Lock()
        self._free: dict[bool, list[tuple[Lane, Session]]] = {True: [], False: []}
        self._stack = contextlib.ExitStack()

    @contextlib.contextmanager
    def take(self, scripts: bool) -> Iterator[tuple[Lane, Session]]:
        """Lend a session with ``scripts`` on or off; its lane's log is empty. One that fails is not lent again."""
        with self._lock:
            free = self._free[scripts]
            lent = free.pop() if free else None
        if lent is None:
            with contextlib.ExitStack() as stack:
                lane = stack.enter_context(self._proxy.lane(answer=self._answer))
                session = stack.enter_context(self._engine.session(lane, scripts))
                with self._lock:
                    self._stack.push(stack.pop_all())
            lent = (lane, session)
        lane, session = lent
        yield lane, session
        lane.forget()
        with self._lock:
            self._free[scripts].append(lent)

    def close(self) -> None:
        """Close all sessions."""
        self._stack.close()
