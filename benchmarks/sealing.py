"""
How long sealing holds up a Redis server: ``python -m benchmarks.sealing --entries 40000``.

A private server gets a day's entries, which are then sealed and purged as a site does it. Redis runs one command at a
time, so the longest one is what every other client may have to wait. First the server has no other client, and the
processor time of its main thread is read around each script: this depends little on what else the machine does. Then it
is done again while another process asks for a key all the time. The longest command is read from the server's log of
slow commands, the longest sync of the append-only file from its latency monitor, and the longest wait is that of the
other process; on a busy machine all three contain waits for the processor.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import report
from benchmarks.growth import KEYS
from benchmarks.ledger import SITE
from benchmarks.ledger import TODAY
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.proof.sealing import seal_new
from consent_mw.records.redis import RedisRecords
from consent_mw.records.redis import ledger
from tests.records.redis_servers import PATIENT
from tests.records.redis_servers import Server
from tests.records.redis_servers import standalone

HEAD = (
    "what",
    "processor, median, ms",
    "processor, most, ms",
    "longest command, ms",
    "longest sync, ms",
    "longest wait, ms",
)
#: Entries that are taken at once.
TAKEN = 500


def entries_of(day: int, count: int) -> list[Entry]:
    """Return entries with random receipts."""
    chance = random.Random(day)
    base = Entry(
        SITE, "", Act.ACCEPT, day, "0123456789ab",
        frozenset({"analytics", "embeds"}), frozenset({"google-analytics", "youtube"}), language="en",
    )  # fmt: skip
    return [replace(base, receipt=f"{chance.getrandbits(128):032x}"[:22]) for _ in range(count)]


def wait_for_answers(url: str, ready: Event, over: Event, longest: multiprocessing.Queue[float]) -> None:
    """Ask the server for one key until it is over, and report the longest wait in seconds."""
    found = 0.0
    with closing(RedisRecords(url, site=SITE)) as records:
        records.learned()
        ready.set()
        while not over.is_set():
            begin = time.perf_counter()
            records.learned()
            found = max(found, time.perf_counter() - begin)
    longest.put(found)


def steps(records: RedisRecords, count: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what a site does with a day's entries."""
    made = entries_of(TODAY - 1, count)

    def take() -> None:
        for first in range(0, count, TAKEN):
            records.take(made[first : first + TAKEN], {})

    def seal() -> None:
        while seal_new(records, site=SITE, keys=KEYS, today=TODAY):
            pass

    yield f"take {count:,} entries, {TAKEN} at once", take
    yield f"seal {count:,} entries, {ledger.SEALED:,} in a seal", seal
    yield f"purge {count:,} entries", lambda: records.purge(TODAY + 1)


def measured(
    server: Server, records: RedisRecords, name: str, work: Callable[[], object], *, alone: bool
) -> tuple[str, ...]:
    """Do something, and return what it costs: the server's processor time, or if not alone, others' time."""
    if alone:
        link, found = records._link, [0.0]
        script = link.script

        def timed(*args: Any, **options: Any) -> Any:
            before = processor_time(server)
            try:
                return script(*args, **options)
            finally:
                found.append(processor_time(server) - before)

        link.script = timed  # type: ignore[method-assign]
        try:
            work()
        finally:
            link.script = script  # type: ignore[method-assign]
        return name, f"{median(found[1:]):.1f}", f"{max(found):.1f}"
    server.ask("CONFIG", "SET", "slowlog-log-slower-than", 1000, "slowlog-max-len", 10_000)
    server.ask("CONFIG", "SET", "latency-monitor-threshold", 1)
    server.ask("SLOWLOG", "RESET")
    server.ask("LATENCY", "RESET")
    processes = multiprocessing.get_context("spawn")
    ready, over = processes.Event(), processes.Event()
    longest: multiprocessing.Queue[float] = processes.Queue()
    url = f"redis://{server.place}/0?timeout={PATIENT}"
    other = processes.Process(target=wait_for_answers, args=(url, ready, over, longest))
    other.start()
    ready.wait(30)
    work()
    over.set()
    waited = longest.get()
    other.join()
    slow = [micros / 1000 for _, _, micros, *_ in server.ask("SLOWLOG", "GET", -1)]
    syncs = [worst for event, _, _, worst, *_ in server.ask("LATENCY", "LATEST") if event.startswith(b"aof")]
    return name, f"{max(slow, default=0.0):.1f}", str(max(syncs, default=0)), f"{waited * 1000:.0f}"


def processor_time(server: Server) -> float:
    """Return the milliseconds that the thread which runs all commands has worked."""
    stat = Path(f"/proc/{server.pid}/task/{server.pid}/schedstat").read_text(encoding="ascii")
    return int(stat.split()[0]) / 1e6


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sealing", description=__doc__)
    parser.add_argument("--entries", type=int, default=40_000)
    parser.add_argument("--most", type=int, default=ledger.SEALED, help="the most entries in one seal")
    asked = parser.parse_args()
    ledger.SEALED = asked.most
    rows = []
    for alone in (True, False):
        with standalone() as deployment, closing(RedisRecords(deployment.patient, site=SITE)) as records:
            for name, work in steps(records, asked.entries):
                rows.append(measured(deployment.servers[0], records, name, work, alone=alone))
    half = len(rows) // 2
    print(report.table(HEAD, [(*cost, *others[1:]) for cost, others in zip(rows[:half], rows[half:], strict=True)]))


if __name__ == "__main__":
    main()
