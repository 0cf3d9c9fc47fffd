"""
The cost of proving consent: acknowledged grants per second under gunicorn, compared with a view that stores nothing.

Four sync workers serve the same site twice: once with a store, and once with records that discard everything, so that
the difference is the cost of the ledger. The visitors are two processes on the same machine, and use part of its
processor. The raw rate is that of four processes that only append. Rounds alternate between the sites, so that a slow
moment affects both.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import closing
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import verify
from consent_mw.records import Records
from consent_mw.records import open_records

if TYPE_CHECKING:
    from consent_mw import ConsentMiddleware

ROOT = Path(__file__).resolve().parent.parent
SITE = "bench"
KEY = "b" * 40
WORKERS = 4
#: The visitors: the number of processes, and of threads in each.
VISITORS = (2, 4)
TODAY = 20_779


@dataclass(frozen=True, slots=True)
class Rate:
    """
    What one store does per second.

    Args:
        grants: Grants acknowledged under gunicorn.
        bare: Answers of the same view without a ledger.
        raw: Appends by processes that do nothing else.
        verified: Records checked by a verification.
        records: The total number of verified records.
    """

    store: str
    grants: float
    bare: float
    raw: float
    verified: float
    records: int


# -- the sites


class Nothing:
    """Records that discard grants and notices; everything else is passed to the inner records."""

    def __init__(self, inner: Records) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def append(self, entry: Entry) -> None:
        """Discard an entry."""

    def keep_notice(self, digest: str, document: bytes) -> None:
        """Discard a notice."""


def make() -> ConsentMiddleware:
    """Return the site that the environment describes, for gunicorn."""
    from benchmarks.app import make
    from consent_mw import ConsentMiddleware
    from consent_mw.cookies.keys import load_keys
    from consent_mw.engine import Engine

    url, folder = os.environ["BENCH_RECORDS"], os.environ["BENCH_FOLDER"]
    own = {"id": SITE, "records": url, "isp": "off", "grants_per_hour": 0}
    if not url.startswith("sqlite"):
        own["spool"] = f"{folder}/spool.db"
    config = {"site": own, "services": [{"use": "google-analytics"}, {"use": "youtube"}]}
    wrapped = ConsentMiddleware(make("wsgi", False), config)
    if os.environ.get("BENCH_NOTHING"):
        site, inner = wrapped.engine.now().site, wrapped.engine.records
        wrapped.engine = Engine(site, Nothing(inner), load_keys(site, os.environ))  # type: ignore[arg-type]
    return wrapped


@contextmanager
def serving(folder: Path, url: str, *, nothing: bool) -> Iterator[int]:
    """Run the site, and yield its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, (folder / "log").open("ab") as log:
        port: int = listener.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", f"--workers={WORKERS}", "--no-control-socket"]
        command += [f"--bind=fd://{listener.fileno()}", "benchmarks.ledger:make()"]
        environment = {"CONSENT_KEYS": KEY, "BENCH_RECORDS": url, "BENCH_FOLDER": str(folder)}
        if nothing:
            environment["BENCH_NOTHING"] = "1"
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=log,
        )
    try:
        until = time.monotonic() + 60
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return grant(port, 1) == 1
    except OSError:
        time.sleep(0.05)
        return False


# -- the visitors


def grant(port: int, count: int) -> int:
    """Accept everything as ``count`` new visitors, one after the other; return how many were acknowledged."""
    body = "action=accept-all&back=/"
    origin = f"http://localhost:{port}"
    request = (
        f"POST /_cmw/choice HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {origin}\r\nSec-Fetch-Site: same-origin\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    acknowledged = 0
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(request)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        acknowledged += answer.startswith(b"HTTP/1.1 303") and b"Set-Cookie: cmw=" in answer
    return acknowledged


def _visit(port: int, count: int, threads: int, acknowledged: multiprocessing.SimpleQueue[int]) -> None:
    found: list[int] = []
    working = [
        threading.Thread(target=lambda: found.append(grant(port, count // threads)), daemon=True)
        for _ in range(threads)
    ]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    acknowledged.put(sum(found))


def grants_per_second(port: int, count: int) -> float:
    """Return how many grants the site acknowledges per second, measured over ``count`` grants."""
    processes, threads = VISITORS
    return _rate(count, processes, lambda queue: (_visit, (port, count // processes, threads, queue)))


# -- the store alone


def _append(url: str, count: int, threads: int, done: multiprocessing.SimpleQueue[int]) -> None:
    with closing(open_records(url, site=SITE)) as records:

        def work() -> None:
            for _ in range(count):
                records.append(entry())

        working = [threading.Thread(target=work) for _ in range(threads)]
        for thread in working:
            thread.start()
        for thread in working:
            thread.join()
    done.put(count * threads)


def entry() -> Entry:
    """Return a grant with a new receipt."""
    return Entry(
        site=SITE,
        receipt=secrets.token_urlsafe(16),
        act=Act.ACCEPT,
        day=TODAY,
        revision="0123456789ab",
        purposes=frozenset({"analytics", "embeds"}),
        services=frozenset({"google-analytics", "youtube"}),
        language="en",
        notice="f" * 64,
    )


def appends_per_second(url: str, count: int, threads: int = 1) -> float:
    """Return how many entries the processes append per second, with as many processes as workers."""
    return _rate(count, WORKERS, lambda queue: (_append, (url, count // WORKERS // threads, threads, queue)))


def _rate(count: int, processes: int, work: Callable[..., tuple[Callable[..., None], tuple[object, ...]]]) -> float:
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    target, arguments = work(queue)
    begin = time.perf_counter()
    working = [context.Process(target=target, args=arguments) for _ in range(processes)]
    for process in working:
        process.start()
    done: int = sum(queue.get() for _ in working)
    taken = time.perf_counter() - begin
    for process in working:
        process.join()
    assert done >= count * 0.99, f"{done} of {count} were acknowledged"
    return done / taken


def verification(url: str) -> tuple[float, int]:
    """Seal all entries, and return how many records a verification checks per second, and in total."""
    with closing(open_records(url, site=SITE)) as records:
        while seal_new(records, site=SITE, keys=(KEY,), today=TODAY):
            pass
        begin = time.perf_counter()
        found = verify(records, site=SITE, keys=(KEY,), today=TODAY, record_days=540)
        taken = time.perf_counter() - begin
    assert found.ok, found
    return found.entries / taken, found.entries


# -- the comparison


@contextmanager
def stores(folder: Path) -> Iterator[dict[str, str]]:
    """Start each kind of server that is installed, and yield the URLs of empty stores by name."""
    from tests.faults.stores import KINDS  # the tests' servers, set up as by an owner

    found = {"SQLite": f"sqlite:///{folder}/consent.db"}
    names = {"redis": "Redis, appendfsync always", "postgres": "PostgreSQL"}
    with ExitStack() as stack:
        for kind, name in names.items():
            try:
                server = KINDS[kind]()
            except FileNotFoundError:
                continue
            stack.callback(server.stop)
            found[name] = server.fresh()
        yield found


def measure(rounds: int, count: int, progress: Callable[[str], None]) -> list[Rate]:
    """Measure ``rounds`` rounds of ``count`` grants for each store: with both sites, and with the store alone."""
    found = []
    with tempfile.TemporaryDirectory() as base, stores(Path(base)) as addresses:
        for number, (name, url) in enumerate(addresses.items()):
            progress(f"ledger, {name}")
            folders = [Path(base) / f"{number}-{kind}" for kind in ("kept", "bare")]
            for folder in folders:
                folder.mkdir()
            with (
                serving(folders[0], url, nothing=False) as kept,
                serving(folders[1], f"sqlite:///{folders[1]}/consent.db", nothing=True) as bare,
            ):
                grants, without, raw = [], [], []
                for port in (kept, bare):
                    grants_per_second(port, 200)
                for _ in range(rounds):
                    grants.append(grants_per_second(kept, count))
                    without.append(grants_per_second(bare, count))
                    raw.append(appends_per_second(url, count))
            verified, records = verification(url)
            found.append(Rate(name, median(grants), median(without), median(raw), verified, records))
    return found


HEAD = ("store", "grants/s", "without a ledger", "ratio", "raw appends/s", "grants / raw", "verified, records/s", "of")


def rows(found: list[Rate]) -> list[tuple[str, ...]]:
    """Return the rows of the table, with the columns of :data:`HEAD`."""
    return [
        (
            one.store,
            f"{one.grants:.0f}",
            f"{one.bare:.0f}",
            f"{one.grants / one.bare:.2f}",
            f"{one.raw:.0f}",
            f"{one.grants / one.raw:.2f}",
            f"{one.verified:.0f}",
            str(one.records),
        )
        for one in found
    ]
