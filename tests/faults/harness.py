"""A real server, real visitors and real stores, and the expectations that hold after any fault."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from queue import SimpleQueue

from consent_mw.core.seal import GRANTS
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import verify
from consent_mw.records import open_records
from tests.faults import load

ROOT = Path(__file__).resolve().parent.parent.parent
KEYS = ("k" * 40,)
SITE = "shop"
#: Timeout in seconds for each step; long, since the machine may be busy.
PATIENT = 60.0
#: Seconds that a site waits for a store which a test freezes: longer than any visitor of these tests waits.
ENDLESS = 90


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a visitor; the status is 0 if the connection broke."""

    status: int
    receipt: str
    taken: float


class Load:
    """Visitors of one kind, in their own process."""

    def __init__(self, port: int, kind: str, *, count: int = 0, pause: float = 0.0, threads: int = 1) -> None:
        command = [sys.executable, "-m", "tests.faults.load", str(port), kind, str(count), str(pause), str(threads)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        self._visits: SimpleQueue[Visit | None] = SimpleQueue()
        # Read the output continuously, so that a full pipe does not block the visitors.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._visits.put(Visit(*json.loads(line)))
        self._visits.put(None)

    def next(self, count: int) -> list[Visit]:
        """Wait for ``count`` more requests, and return them."""
        visits: list[Visit] = []
        while len(visits) < count:
            visit = self._next()
            if visit is None:
                raise AssertionError("the visitors left early")
            visits.append(visit)
        return visits

    def _next(self) -> Visit | None:
        """Wait for a request to end, and return it; None after the last one."""
        try:
            return self._visits.get(timeout=PATIENT)
        except Empty:
            raise AssertionError(f"a visitor waited {PATIENT:.0f} seconds for an answer") from None

    def for_seconds(self, seconds: float) -> list[Visit]:
        """Return the requests of the next seconds, and earlier ones that were not read."""
        time.sleep(seconds)
        return self.now()

    def now(self) -> list[Visit]:
        """Return the requests that ended since the last call."""
        return self.next(self._visits.qsize())

    def rest(self) -> list[Visit]:
        """Wait for the end of a finite load, and return the remaining requests."""
        visits: list[Visit] = []
        while (visit := self._next()) is not None:
            visits.append(visit)
        self.kill()
        return visits

    def stop(self) -> list[Visit]:
        """Tell the visitors to stop, and return the remaining requests."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.rest()

    def kill(self) -> None:
        """Kill the visitors if they are still running."""
        self.process.kill()
        self._reader.join()
        with self.process:
            pass


class Server:
    """A gunicorn on its own loopback port; the port stays open while workers are replaced."""

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, object] | str,
        *,
        workers: int = 2,
        options: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
        factory: str = "tests.faults.site:make()",
    ) -> None:
        self.log = folder / "server.log"
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            self.port: int = listener.getsockname()[1]
            command = [sys.executable, "-m", "gunicorn", f"--workers={workers}", "--no-control-socket"]
            command += ["--worker-tmp-dir", str(folder), f"--bind=fd://{listener.fileno()}", *options, factory]
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env={
                        **os.environ,
                        "CONSENT_KEYS": KEYS[0],
                        "SITE_CONFIG": json.dumps(config),
                        **(environment or {}),
                    },
                    pass_fds=[listener.fileno()],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    preexec_fn=before,
                )
        self._loads: list[Load] = []
        self.wait()

    def load(self, kind: str, *, count: int = 0, pause: float = 0.0, threads: int = 1) -> Load:
        """Start visitors of a kind; they stop with the server."""
        self._loads.append(Load(self.port, kind, count=count, pause=pause, threads=threads))
        return self._loads[-1]

    def wait(self) -> None:
        """Wait until a page is served."""
        until = time.monotonic() + PATIENT
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if load.status_of(load.request(self.port, "GET", "/")) == 200:
                    return
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"the server did not come up:\n{self.log.read_text(encoding='utf-8', errors='replace')}")

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [int(child) for child in children.split()]

    def stop(self) -> None:
        """Stop the server gracefully, and the visitors with it."""
        self.process.terminate()
        for visitors in self._loads:
            visitors.kill()
        try:
            self.process.wait(PATIENT)
        except subprocess.TimeoutExpired:
            for pid in [*self.workers(), self.process.pid]:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()


@contextlib.contextmanager
def serving(folder: Path, config: Mapping[str, object], **options: object) -> Iterator[Server]:
    """Run a server, and stop it at the end."""
    server = Server(folder, config, **options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.stop()


def site(records: str, spool: Path | None = None, **settings: object) -> dict[str, object]:
    """Return the configuration of a site with two declared services."""
    # All visitors of a test have the same address.
    own: dict[str, object] = {"id": SITE, "records": records, "isp": "off", "grants_per_hour": 0, **settings}
    if spool is not None:
        own["spool"] = str(spool)
    return {"site": own, "services": [{"use": "google-analytics"}, {"use": "youtube"}]}


def acknowledged(visits: list[Visit]) -> list[str]:
    """Return the receipts that visitors got."""
    return [visit.receipt for visit in visits if visit.receipt]


def empty_spool(url: str, spool: Path) -> None:
    """Send all spooled entries, as a process of the site does."""
    with closing(open_records(url, site=SITE, spool=str(spool))) as records:
        until = time.monotonic() + PATIENT
        while records.waiting():  # type: ignore[attr-defined]
            records.replay()  # type: ignore[attr-defined]
            if time.monotonic() > until:
                raise AssertionError("the spool cannot be sent on")
            time.sleep(0.05)


def expect_proved(url: str, receipts: list[str], *, attempts: int, day: int | None = None) -> None:
    """Expect every acknowledged receipt to be in the ledger exactly once, and the sealed ledger to verify."""
    today = int(time.time() // 86_400) if day is None else day
    assert len(receipts) == len(set(receipts)), "two visitors were given the same receipt"
    with closing(open_records(url, site=SITE)) as records:
        kept = Counter(found.entry.receipt for found in records.entries() if found.entry.act in GRANTS)
        assert [receipt for receipt in receipts if kept[receipt] != 1] == []
        # An entry that was being sent during a fault may be there too, without an acknowledgement.
        assert len(receipts) <= kept.total() <= attempts
        while seal_new(records, site=SITE, keys=KEYS, today=today):
            pass
        found = verify(records, site=SITE, keys=KEYS, today=today, record_days=540, notices=True)
        assert (found.finding, found.waiting) == (None, 0)
        assert found.entries >= kept.total()


def expect_served(visits: list[Visit], *, broken: int = 0) -> None:
    """Expect every page to have been served, except for connections that broke with a killed worker."""
    statuses = Counter(visit.status for visit in visits)
    assert statuses[200] > 0
    assert statuses[0] <= broken
    assert set(statuses) <= {0, 200}
