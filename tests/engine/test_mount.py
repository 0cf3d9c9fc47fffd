"""
Our own pages under the mount are made on the first request for one of them.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from consent_mw import ConsentMiddleware

#: With these the SystemError was seen in every run of the test without the lock.
THREADS, SITES = 4, 24


class Cycle:
    """Garbage whose finalizer runs Python code, so that a collection may switch to another thread."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        for _ in range(50):
            pass


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads take turns as often as they can, and garbage is collected often."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)


def test_the_pages_of_several_sites_are_made_at_once(switching: None, tmp_path: Path) -> None:
    """Threads that make the pages of different sites at the same time do not disturb each other's compiler."""
    sites = [
        Client(ConsentMiddleware(Response(""), {"site": {"records": f"sqlite:///{tmp_path / str(number)}.db"}}))
        for number in range(SITES)
    ]

    def first_page(site: Client) -> int:
        Cycle()
        return site.get("/_cmw/").status_code

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(first_page, sites)) == [200] * SITES


@pytest.mark.parametrize("query", [b"\xff", b"back=\xed\xa0\x80", b"lang=d\xe9&\0"], ids=repr)
def test_a_query_may_contain_any_bytes(query: bytes, tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are read as if they had been percent-encoded."""
    site = Client(ConsentMiddleware(Response(""), {"site": {"records": f"sqlite:///{tmp_path / 'c.db'}"}}))
    for path in ("/_cmw/", "/_cmw/nothing", "/_cmw/state"):
        answer = site.get(path, environ_overrides={"QUERY_STRING": query.decode("latin-1")})
        assert answer.status_code == (404 if path.endswith("nothing") else 200)


def test_no_answer_leads_to_the_host_that_a_request_names(tmp_path: Path) -> None:
    """Two slashes in a path are no reason for a redirect, which would name the host in the request."""
    site = Client(ConsentMiddleware(Response(""), {"site": {"records": f"sqlite:///{tmp_path / 'c.db'}"}}))
    answer = site.get("/_cmw/placeholder//youtube", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers.get("Location")) == (404, None)
