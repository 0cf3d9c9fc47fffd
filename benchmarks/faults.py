"""
Eight faults under load: ``python -m benchmarks.faults --store postgres``.

Two machines serve one site from one store: each is a gunicorn with a spool and a way to the store of its own. On each,
visitors grant ten times a second, and others view pages. Then one thing after the other breaks and is mended, and for
each the table says how many grants were acknowledged, what pages took meanwhile, and how soon health told the truth. At
the end every receipt that a visitor was given has to be in the ledger once, and the chain has to verify.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from statistics import median

from benchmarks import report
from consent_mw.records import open_records
from consent_mw.records.spool import SpooledRecords
from tests.faults import stores
from tests.faults.harness import SITE
from tests.faults.harness import Load
from tests.faults.harness import Server
from tests.faults.harness import Visit
from tests.faults.harness import acknowledged
from tests.faults.harness import expect_proved
from tests.faults.harness import site
from tests.records.proxy import Proxy

HEAD = ("fault", "grants", "acknowledged", "pages", "median, ms", "99 %, ms", "health true after, s")
#: Seconds that each fault lasts, and seconds for recovery.
BROKEN, MENDED = 6.0, 4.0
#: Seconds in which two workers start.
STARTS = 2.5
#: The time limit for anything on a busy machine, in seconds.
PATIENT = 90.0


class Machine:
    """One machine: a server, its spool, its connection to the store, its visitors, and a monitor of its health."""

    def __init__(self, folder: Path, url: str, port: int) -> None:
        self.folder = folder
        folder.mkdir()
        self.proxy = Proxy(port)
        self.url = url.replace(f":{port}/", f":{self.proxy.port}/")
        self.spool = folder / "spool.db"
        self.clock = folder / "clock"
        self.clock.write_text("0", encoding="ascii")
        self.start()

    def start(self) -> None:
        """Start the server and its visitors."""
        environment = {"SITE_CLOCK": str(self.clock)}
        options = ("--log-level=critical", "--graceful-timeout=10")
        self.server = Server(
            self.folder, site(self.url, self.spool), workers=2, environment=environment, options=options
        )
        self.grants: Load = self.server.load("grants", pause=0.1)
        self.pages: Load = self.server.load("pages", pause=0.05)
        self.health: dict[str, object] = {}
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._ask, args=(self.server.port,), daemon=True)
        self._watch.start()

    def _ask(self, port: int) -> None:
        while not self._over.wait(0.2):
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/_cmw/health")
                self.health = json.loads(connection.getresponse().read())
                connection.close()

    def stop(self) -> tuple[list[Visit], list[Visit]]:
        """Stop the visitors, then the server gracefully; return the visits."""
        self._over.set()
        seen = self.grants.stop(), self.pages.stop()
        self.server.stop()
        return seen

    def kill(self) -> tuple[list[Visit], list[Visit]]:
        """Kill every process of the server at once, as in a power failure; return the visits."""
        for pid in [self.server.process.pid, *self.server.workers()]:
            os.kill(pid, signal.SIGKILL)
        return self.stop()


@dataclass
class Fault:
    """
    One fault.

    Args:
        name: The name for the table.
        break_it: Causes the fault.
        mend: Repairs it.
        told: What health reports during the fault; empty if it reports nothing.
        machines: The machines whose health reports it.
    """

    name: str
    break_it: Callable[[], object]
    mend: Callable[[], object]
    told: Mapping[str, object] = field(default_factory=dict)
    machines: tuple[Machine, ...] = ()


def _reads_as(machine: Machine, told: Mapping[str, object]) -> bool:
    return all(machine.health.get(name) == value for name, value in told.items())


def truth(fault: Fault, told: Mapping[str, object]) -> float:
    """Return the seconds until health reports this on each affected machine."""
    begin = time.monotonic()
    while not all(_reads_as(machine, told) for machine in fault.machines):
        if time.monotonic() - begin > PATIENT:
            return float("inf")
        time.sleep(0.05)
    return time.monotonic() - begin


def faults_of(kind: str, store: stores.Store, one: Machine, two: Machine) -> Iterator[Fault]:
    """Yield the faults in which no machine is lost."""
    both, away = (one, two), {"store": "down"}
    yield Fault("store killed", store.kill, store.start, away, both)
    yield Fault("store frozen", store.freeze, store.thaw, away, both)
    yield Fault("one machine cut off from the store", one.proxy.cut, one.proxy.mend, away, (one,))
    if isinstance(store, stores.Redis):
        yield Fault("store full", store.fill, store.clear)

    def kill_workers() -> None:
        for machine in both:
            os.kill(machine.server.workers()[0], signal.SIGKILL)

    def restart() -> None:
        for machine in both:
            for step in (signal.SIGTTIN, signal.SIGTTOU):
                for _ in machine.server.workers()[:2]:
                    os.kill(machine.server.process.pid, step)
                time.sleep(STARTS)

    yield Fault("a worker of each machine killed", kill_workers, lambda: None)
    yield Fault("rolling restart", restart, lambda: None)
    yield Fault(
        "a clock 40 days ahead",
        lambda: one.clock.write_text(str(40 * 86_400), encoding="ascii"),
        lambda: one.clock.write_text("0", encoding="ascii"),
        {"clock": "differs"},
        (one,),
    )


def row(name: str, grants: list[Visit], pages: list[Visit], told: str) -> tuple[str, ...]:
    """Return a row of the table."""
    taken = sorted(visit.taken * 1000 for visit in pages if visit.status == 200)
    worst = taken[int(len(taken) * 0.99)] if taken else float("nan")
    middle = median(taken) if taken else float("nan")
    given = len(acknowledged(grants))
    return (name, str(len(grants)), str(given), str(len(taken)), f"{middle:.0f}", f"{worst:.0f}", told)


def measure(kind: str) -> Iterator[tuple[str, ...]]:
    """Cause one fault after the other, and yield the rows of the table."""
    store = stores.KINDS[kind]()
    seen: list[Visit] = []
    try:
        # Time limits are those of the product; the tests have longer ones.
        url = store.fresh().partition("?")[0]
        port = int(url.split("://")[1].rpartition("/")[0].rpartition(":")[2])
        with tempfile.TemporaryDirectory() as base:
            one, two = (Machine(Path(base) / name, url, port) for name in ("one", "two"))

            def looked() -> tuple[list[Visit], list[Visit]]:
                grants, pages = one.grants.now() + two.grants.now(), one.pages.now() + two.pages.now()
                seen.extend(grants)
                return grants, pages

            time.sleep(MENDED)
            looked()
            time.sleep(BROKEN)
            yield row("nothing", *looked(), "")
            for fault in faults_of(kind, store, one, two):
                fault.break_it()
                until = time.monotonic() + BROKEN
                told = f"{truth(fault, fault.told):.1f}" if fault.told else ""
                time.sleep(max(until - time.monotonic(), 0))
                during = looked()
                fault.mend()
                if fault.told:
                    right: dict[str, object] = {"store": "up", "clock": "agrees"}
                    told += f", and {truth(fault, right):.1f} after it was mended"
                time.sleep(MENDED)
                looked()
                yield row(fault.name, *during, told)
            # A machine dies while the store is down, so grants that it has acknowledged are only in its spool.
            store.kill()
            time.sleep(BROKEN / 2)
            grants, pages = one.kill()
            grants += two.grants.now()
            seen.extend(grants)
            store.start()
            with closing(SpooledRecords(lambda: open_records(url, site=SITE), str(one.spool), site=SITE)) as lost:
                until = time.monotonic() + PATIENT
                while lost.waits() and time.monotonic() < until:
                    lost.replay()
                    time.sleep(0.2)
            yield row("a machine lost while the store is away", grants, pages + two.pages.now(), "")
            until = time.monotonic() + PATIENT
            while two.health.get("spool") != "empty" and time.monotonic() < until:
                time.sleep(0.2)
            seen.extend(two.stop()[0])
        broken = sum(not visit.status for visit in seen)
        expect_proved(url, acknowledged(seen), attempts=len(seen) + broken)
        given = len(acknowledged(seen))
        yield ("in all: lost 0, the chain verifies", str(len(seen)), str(given), "", "", "", "")
    finally:
        store.thaw()
        store.stop()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--store", choices=stores.KINDS, default="postgres")
    rows = []
    for line in measure(parser.parse_args().store):
        print(" | ".join(line), flush=True)
        rows.append(line)
    print(report.table(HEAD, rows))


if __name__ == "__main__":
    main()
