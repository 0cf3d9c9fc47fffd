"""
A new key and a new question on three machines under load: ``python -m benchmarks.rollout --store postgres``.

Three machines serve one site from one store. Each is a gunicorn with a configuration file, keys, and a spool of its
own. A balancer sends each request to any machine that is in service. Visitors come, answer and come back all the time,
to another machine at nearly every request. Meanwhile the operator follows docs/operations.md: each round reaches one
machine after the other, which leaves service, stops, and starts with what is new.

- Round 1 brings a new key that verifies, as ``consent-mw keys add`` printed it.
- Round 2 lets it sign (``consent-mw keys promote``), and brings another question that takes effect at a stated time.
- The question takes effect on all machines, without a restart.

A visitor who has answered a question is never asked it again, nor an older one. What was granted is active on every
machine, and what was refused on none. At the end every receipt that a visitor was given is in the ledger once, and the
ledger, which was sealed after each round with the key of that time, verifies.

``--at-once`` leaves out the stated time, to show that the visitors notice: some are asked twice then.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from pathlib import Path
from statistics import median

from benchmarks import report
from consent_mw.config import load as read_config
from consent_mw.core.seal import GRANTS
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import verify
from consent_mw.records import open_records
from tests.faults import load
from tests.faults import stores
from tests.faults.harness import KEYS
from tests.faults.harness import PATIENT
from tests.faults.harness import ROOT
from tests.faults.harness import SITE
from tests.faults.harness import Server
from tests.faults.harness import empty_spool

HEAD = ("phase", "requests", "asked", "grants", "refusals", "broken", "median, ms", "99 %, ms", "restarts, s")
#: Requests before and after the rounds, and seconds in which a machine that left service ends its requests.
ENOUGH, DRAIN = 500, 0.5
#: Seconds until the question takes effect; more if the round before shows that the machines need it.
ROUND = 60.0
THREADS = 6
#: Visitors that a thread remembers, and the pause between its requests in seconds.
KNOWN, PAUSE = 30, 0.05

BEFORE = """[site]
id = "{site}"
records = "{records}"
spool = "{spool}"
isp = "off"
grants_per_hour = 0
{when}
[[services]]
use = "youtube"
"""
AFTER = (
    BEFORE
    + """
[[services]]
use = "google-analytics"
"""
)
#: What is in a page if a service may run, by the order in which the questions name the services.
ACTIVE = (b'<iframe src="https://www.youtube.com/embed/', b'<script async src="https://www.google-analytics.com/')
#: What a browser sends when a visitor types the address of a page.
TYPED = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
_ASKED = re.compile(rb'name="asked" value="([0-9a-f]+)"')
_COOKIE = re.compile(rb"(?im)^set-cookie: (cmw=[^;]+)")


@dataclass
class Machine:
    """One machine: its folder, its keys, and its server."""

    folder: Path
    records: str
    keys: str = KEYS[0]
    server: Server | None = None

    @property
    def config(self) -> Path:
        return self.folder / "consent.toml"

    def write(self, text: str, when: str = "") -> None:
        """Write the configuration file."""
        spool = self.folder / "spool.db"
        self.config.write_text(text.format(site=SITE, records=self.records, spool=spool, when=when), encoding="utf-8")

    def start(self) -> int:
        """Start the server, and return its port."""
        self.server = Server(
            self.folder,
            str(self.config),
            workers=2,
            environment={"CONSENT_KEYS": self.keys},
            options=("--log-level=critical", "--graceful-timeout=10"),
        )
        return self.server.port

    def stop(self) -> None:
        """Stop the server in good order."""
        if self.server is not None:
            self.server.stop()
            self.server = None

    def run(self, *command: str) -> str:
        """Run ``consent-mw`` on this machine, and return its output."""
        environment = {**os.environ, "CONSENT_KEYS": self.keys}
        ready = [sys.executable, "-m", "consent_mw", "--config", str(self.config), *command]
        done = subprocess.run(ready, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return done.stdout


class Balancer:
    """The ports of the machines that are in service."""

    def __init__(self) -> None:
        self._ports: tuple[int, ...] = ()

    def admit(self, port: int) -> None:
        """Send requests to a machine from now on."""
        self._ports = (*self._ports, port)

    def dismiss(self, port: int) -> None:
        """Send no further requests to a machine."""
        self._ports = tuple(one for one in self._ports if one != port)

    @property
    def ports(self) -> tuple[int, ...]:
        return self._ports

    def any(self) -> int:
        """Return one of the ports at random."""
        return random.choice(self._ports)


@dataclass
class Visitor:
    """A person with one cookie, who gives the same answer to every question."""

    grants: bool
    cookie: str = ""
    #: The questions that were answered, oldest first; the last one has the answer that is in the cookie.
    answered: list[str] = field(default_factory=list)


@dataclass
class Tally:
    """What the visitors saw since it was last read."""

    taken: list[float] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)


class Crowd:
    """All visitors, in threads of this process; whatever must not happen is in ``wrong``."""

    def __init__(self, balancer: Balancer) -> None:
        self.balancer = balancer
        self.receipts: list[str] = []
        self.attempts = 0
        self.wrong: Counter[str] = Counter()
        self.known: list[list[Visitor]] = [[] for _ in range(THREADS)]
        #: How forms name the questions, in the order in which they are asked; without them visitors only count.
        self.questions: list[str] = []
        self._tally = Tally()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._live, args=(known,)) for known in self.known]

    def start(self) -> None:
        """Let the visitors come."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send them home."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait(self) -> None:
        """Wait until they have made as many requests as a phase needs."""
        until = time.monotonic() + PATIENT
        while self._tally.seen["requests"] < ENOUGH:
            assert time.monotonic() < until, "the visitors are too slow"
            time.sleep(0.1)

    def look(self) -> Tally:
        """Return what they saw since the last call."""
        with self._lock:
            tally, self._tally = self._tally, Tally()
        return tally

    def _live(self, known: list[Visitor]) -> None:
        chance = random.Random()
        while not self._over.wait(PAUSE):
            if len(known) < KNOWN or chance.random() < 0.1:
                known.append(Visitor(grants=chance.random() < 0.8))
                del known[: len(known) - KNOWN]
            self.view(chance.choice(known), self.balancer.any())

    def view(self, visitor: Visitor, port: int) -> None:
        """Let a visitor view a page of a machine, and answer if the page asks."""
        head = {**TYPED, "Cookie": visitor.cookie} if visitor.cookie else TYPED
        begin = time.perf_counter()
        page = self._send(lambda: load.request(port, "GET", "/", head))
        if load.status_of(page) != 200:
            self._note("broken")
            return
        self._note("requests", time.perf_counter() - begin)
        if b"data-cmw-banner" not in page:
            self._expect(visitor, page)
            return
        self._note("asked")
        if self._is_old(visitor, self.question_in(page)):
            self._fail("asked twice")
        self.answer(visitor, page, self.balancer.any())

    def question_in(self, page: bytes) -> str:
        """Return how the form of a page names its question."""
        found = _ASKED.search(page)
        assert found, "a form without its question"
        return found[1].decode()

    def _is_old(self, visitor: Visitor, asked: str) -> bool:
        """Return whether a visitor has answered this question, or a later one."""
        if not self.questions:
            return len(visitor.answered) > 1
        order = self.questions.index
        return any(order(one) >= order(asked) for one in visitor.answered)

    def answer(self, visitor: Visitor, page: bytes, port: int) -> None:
        """Send the form of a page to a machine, and keep the cookie."""
        action = "accept-all" if visitor.grants else "reject-all"
        asked = self.question_in(page)
        answer = self._send(lambda: load.choose(port, action, visitor.cookie, asked=asked))
        receipt = load.receipt_of(answer)
        with self._lock:
            self.attempts += visitor.grants
            if receipt:
                self.receipts.append(receipt)
        if load.status_of(answer) != 303:
            self._note("broken")
        elif cookie := _COOKIE.search(answer):
            self._note("grants" if visitor.grants else "refusals")
            visitor.cookie = cookie[1].decode()
            visitor.answered.append(asked)
            if visitor.grants != bool(receipt):
                self._fail("an answer without its receipt")

    def _expect(self, visitor: Visitor, page: bytes) -> None:
        """Expect a page that asks nothing to have what the visitor granted, and nothing else."""
        if not visitor.answered:
            self._fail("not asked at all")
            return
        if not self.questions:
            return
        services = self.questions.index(visitor.answered[-1]) + 1
        active = tuple(text in page for text in ACTIVE)
        expected = tuple(visitor.grants and at < services for at in range(len(ACTIVE)))
        if active != expected:
            self._fail("a choice lost" if active < expected else "more than was granted")

    def _send(self, request: Callable[[], bytes]) -> bytes:
        """Return the answer to a request, or nothing if the connection broke."""
        with suppress(OSError):
            return request()
        return b""

    def _note(self, what: str, taken: float | None = None) -> None:
        with self._lock:
            self._tally.seen[what] += 1
            if taken is not None:
                self._tally.taken.append(taken)

    def _fail(self, what: str) -> None:
        with self._lock:
            self.wrong[what] += 1


def row(name: str, tally: Tally, restarts: list[float]) -> tuple[str, ...]:
    """Return a row of the table."""
    taken = sorted(tally.taken) or [float("nan")]
    seen = [str(tally.seen[what]) for what in ("requests", "asked", "grants", "refusals", "broken")]
    worst = taken[int(len(taken) * 0.99)]
    return (
        name,
        *seen,
        f"{median(taken) * 1000:.0f}",
        f"{worst * 1000:.0f}",
        ", ".join(f"{one:.1f}" for one in restarts),
    )


def restart_each(machines: list[Machine], balancer: Balancer, change: Callable[[Machine], None]) -> list[float]:
    """Bring a change to one machine after the other; return the seconds for which each was out of service."""
    out = []
    for machine in machines:
        assert machine.server is not None
        begin = time.monotonic()
        balancer.dismiss(machine.server.port)
        time.sleep(DRAIN)
        machine.stop()
        change(machine)
        balancer.admit(machine.start())
        out.append(time.monotonic() - begin)
    return out


def revisions(machine: Machine) -> list[str]:
    """Return how the forms name the two questions."""
    found = []
    for text in (AFTER, BEFORE):
        machine.write(text)
        found.append(read_config(machine.config, environ={"CONSENT_KEYS": machine.keys}).asked)
    return found[::-1]


def seal(url: str, keys: tuple[str, ...]) -> None:
    """Seal what the ledger has."""
    with closing(open_records(url, site=SITE)) as records:
        while seal_new(records, site=SITE, keys=keys, today=_today()):
            pass


def prove(url: str, crowd: Crowd, keys: tuple[str, ...]) -> str:
    """Return what is wrong with the ledger, or what it has."""
    with closing(open_records(url, site=SITE)) as records:
        kept = Counter(found.entry.receipt for found in records.entries() if found.entry.act in GRANTS)
        lost = [receipt for receipt in crowd.receipts if not kept[receipt]]
        twice = sum(number > 1 for number in kept.values()) + len(crowd.receipts) - len(set(crowd.receipts))
        result = verify(records, site=SITE, keys=keys, today=_today(), record_days=540, notices=True)
        signed = {found.signature.partition(".")[0] for found in records.seals()}
    if not result.ok or result.waiting:
        crowd.wrong["a ledger that does not verify"] += 1
    for what, number in (("a receipt lost", len(lost)), ("a receipt that is there twice", twice)):
        if number:
            crowd.wrong[what] += number
    if kept.total() > crowd.attempts:
        crowd.wrong["entries that nobody made"] += 1
    return f"{result.entries} entries in {result.seals} seals, signed by {len(signed)} keys"


def _today() -> int:
    return int(time.time() // 86_400)


def roll_out(url: str, folder: Path, *, at_once: bool) -> Iterator[tuple[str, ...]]:
    """Roll out a key and a question, and yield the rows of the table; the last one says what was found."""
    balancer = Balancer()
    crowd = Crowd(balancer)
    machines = [Machine(folder / name, url) for name in ("one", "two", "three")]
    try:
        for machine in machines:
            machine.folder.mkdir()
            machine.write(BEFORE)
            balancer.admit(machine.start())
        open_page = load.request(balancer.any(), "GET", "/", TYPED)
        if not at_once:
            crowd.questions = revisions(machines[0])
        crowd.start()
        crowd.wait()
        yield row("before", crowd.look(), [])

        both = machines[0].run("keys", "add").split("\n")[0]
        new = both.split()[0]

        def bring_key(machine: Machine) -> None:
            machine.keys = both

        restarts = restart_each(machines, balancer, bring_key)
        yield row("the new key verifies", crowd.look(), restarts)
        seal(url, tuple(both.split()))

        name = machines[0].run("keys", "list").split()[1]
        promoted = machines[0].run("keys", "promote", name).split("\n")[0]
        assert promoted.split() == [KEYS[0], new]
        begin = time.time() + max(ROUND, 2 * sum(restarts))
        moment = datetime.fromtimestamp(begin, UTC).isoformat()

        def bring_question(machine: Machine) -> None:
            machine.keys = promoted
            machine.config.replace(machine.folder / "consent.before.toml")
            waits = f'takes_effect = "{moment}"\nuntil_then = "consent.before.toml"'
            machine.write(AFTER, "" if at_once else waits)

        restarts = restart_each(machines, balancer, bring_question)
        left = begin - time.time()
        assert left > 0, "the machines were too slow: the question took effect before all of them had it"
        yield row("the new key signs, the question waits", crowd.look(), restarts)
        seal(url, tuple(promoted.split()))
        time.sleep(0 if at_once else max(begin - time.time(), 0))
        crowd.look()
        crowd.wait()
        crowd.stop()
        yield row("the question took effect", crowd.look(), [])

        # Somebody answers a page that has been open since before the first round: it asked the earlier question.
        if not at_once:
            for port in balancer.ports:
                late = Visitor(grants=True)
                crowd.answer(late, open_page, port)
                if late.cookie:
                    crowd.wrong["a grant of what was not asked about"] += 1
        # Nobody who has answered the last question is asked by any machine.
        last = crowd.questions[-1:]
        for visitor in (one for known in crowd.known for one in known if last and one.answered[-1:] == last):
            for port in balancer.ports:
                crowd.view(visitor, port)
        yield row("everybody once more, on each machine", crowd.look(), [])
        for machine in machines:
            machine.stop()
            empty_spool(url, machine.folder / "spool.db")
        seal(url, tuple(promoted.split()))
        found = prove(url, crowd, tuple(promoted.split()))
        wrong = ", ".join(f"{what}: {number}" for what, number in sorted(crowd.wrong.items())) or "nothing"
        yield (f"wrong: {wrong}; {len(crowd.receipts)} receipts; {found}", *[""] * (len(HEAD) - 1))
    finally:
        crowd.stop()
        for machine in machines:
            machine.stop()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollout", description=__doc__)
    parser.add_argument("--store", choices=stores.KINDS, default="postgres")
    parser.add_argument("--at-once", action="store_true", help="without takes_effect: visitors are asked twice")
    asked = parser.parse_args()
    store = stores.KINDS[asked.store]()
    rows = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for line in roll_out(store.fresh(), Path(folder), at_once=asked.at_once):
                print(" | ".join(line), file=sys.stderr, flush=True)
                rows.append(line)
    finally:
        store.stop()
    print(report.table(HEAD, rows))
    return 0 if rows[-1][0].startswith("wrong: nothing") else 1


if __name__ == "__main__":
    sys.exit(main())
