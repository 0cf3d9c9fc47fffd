"""
A ledger that has grown: ``python -m benchmarks.growth --store postgres --entries 5000000``.

The entries are made in this process, sealed as a site would have sealed them in that many days, and loaded in bulk.
Then everything that an operator does is measured on them: appends from many processes, a day's seal, verification in
full, in parallel and since the last one, export, erasure, purging, and the size on the disk. Servers are private, and
removed at the end; nothing is measured twice, so the numbers are those of one run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Event
from typing import Any
from typing import TypeVar

from benchmarks import report
from benchmarks.ledger import SITE
from benchmarks.ledger import TODAY
from benchmarks.ledger import appends_per_second
from consent_mw.config import load as load_site
from consent_mw.core.seal import NO_SEAL
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Seal
from consent_mw.core.seal import in_order
from consent_mw.core.seal import merkle_root
from consent_mw.proof.export import json_lines
from consent_mw.proof.export_parts import ExportJob
from consent_mw.proof.export_parts import ExportPart
from consent_mw.proof.export_parts import export_in_parts
from consent_mw.proof.export_parts import parts_by_receipt
from consent_mw.proof.export_parts import parts_by_seal
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.signing import sign
from consent_mw.proof.verifying import Checkpoint
from consent_mw.proof.verifying import verify
from consent_mw.proof.verifying import verify_in_parallel
from consent_mw.records import Records
from consent_mw.records import open_records

T = TypeVar("T")

KEYS = ("b" * 40,)
RECORD_DAYS = 540
HEAD = ("what", "result")


#: The entries of one seal, as the stores take them.
SEALED = {"postgres": 5_000, "cluster": 500}


def entries_of(number: int, days: int, total: int, most: int) -> list[Entry]:
    """Return the entries of one seal, which are always the same; seals are spread evenly over the days before today."""
    chance = random.Random(number)
    size = min(most, total - (number - 1) * most)
    day = TODAY - days + (number - 1) * most * days // total
    base = Entry(
        SITE, "", Act.ACCEPT, day, "0123456789ab",
        frozenset({"analytics", "embeds"}), frozenset({"google-analytics", "youtube"}), language="en",
    )  # fmt: skip
    return in_order([replace(base, receipt=f"{chance.getrandbits(128):032x}"[:22]) for _ in range(size)])


def chain(entries: int, days: int, most: int) -> Iterator[tuple[Seal, list[Entry]]]:
    """Yield the seals of a ledger with their entries."""
    head = NO_SEAL
    for number in range(1, -(-entries // most) + 1):
        listed = entries_of(number, days, entries, most)
        leaves = tuple(entry.leaf for entry in listed)
        seal = Seal(SITE, number, listed[0].day + 1, len(leaves), merkle_root(leaves), head, leaves)
        seal = replace(seal, signature=sign(seal, KEYS))
        head = seal.hash
        yield seal, listed


# -- stores, and how to load a ledger in bulk


@contextmanager
def postgres() -> Iterator[str]:
    """Start a PostgreSQL as an owner of a large ledger would set it up."""
    from consent_mw.records import postgres as store
    from tests.records.servers import Postgres

    store.WAIT = 30.0  # no page waits for this, and the machine may be busy
    server = Postgres(shared_buffers="512MB", max_wal_size="4GB", maintenance_work_mem="256MB")
    try:
        yield server.fresh()
    finally:
        server.stop()


def load_postgres(url: str, entries: int, days: int) -> None:
    """Load a ledger with COPY into the partitions of its months; no setting of durability is changed for that."""
    import psycopg

    from consent_mw.records.postgres import PostgresRecords
    from consent_mw.records.postgres import months

    with closing(PostgresRecords(url, site=SITE)) as store:
        for day in range(TODAY - days, TODAY + 2):
            with store._transaction(alone=True) as session:
                months.place_for(session, day, 0)
    columns = "site, receipt, step, act, day, revision, purposes, services, gpc, language, notice, about, seal, place"
    rest = '0123456789ab\t["analytics","embeds"]\t["google-analytics","youtube"]\t0\ten\t\t'
    added = (
        "INSERT INTO seals (site, number, day, size, root, previous, signature, leaves) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    )
    path = "-c search_path=consent_mw"
    into = f"COPY ledger ({columns}, month) FROM STDIN".encode()
    with psycopg.connect(url, options=path) as connection, psycopg.connect(url, options=path) as other:  # noqa: SIM117
        with connection.cursor() as cursor, cursor.copy(into) as copy:
            for seal, listed in chain(entries, days, SEALED["postgres"]):
                month = months.month_of(seal.day)
                copy.write(
                    "".join(
                        f"{SITE}\t{entry.receipt}\t0\taccept\t{entry.day}\t{rest}\t{seal.number}\t{place}\t{month}\n"
                        for place, entry in enumerate(listed)
                    )
                )
                values = (seal.number, seal.day, seal.size, seal.root, seal.previous, seal.signature)
                other.execute(added, (SITE, *values, b"".join(seal.leaves or ())))
    with psycopg.connect(url, options=path, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE ledger")
        connection.execute("CHECKPOINT")


def size_of_postgres(url: str) -> str:
    """Return the size of the ledger on disk."""
    import psycopg

    query = (
        "SELECT sum(pg_total_relation_size(inhrelid)), pg_total_relation_size('consent_mw.seals') FROM pg_inherits "
        "WHERE inhparent = 'consent_mw.ledger'::regclass"
    )
    with psycopg.connect(url) as connection:
        ((ledger, seals),) = connection.execute(query).fetchall()
    return f"{float(ledger) / 1e9:.2f} GB entries and their indexes, {seals / 1e9:.2f} GB seals"


@contextmanager
def cluster() -> Iterator[str]:
    """Start a Redis Cluster with three masters."""
    from tests.records import redis_servers

    with redis_servers.cluster() as started:
        yield started.patient


def load_redis(url: str, entries: int, days: int) -> None:
    """Load a ledger into the keys that the store uses."""
    from consent_mw.records.redis import RedisRecords
    from consent_mw.records.redis import keys

    names = keys.Keys(SITE)
    with closing(RedisRecords(url, site=SITE)) as records:
        link = records._link
        for seal, listed in chain(entries, days, SEALED["cluster"]):
            index: list[str | bytes | int] = ["ZADD", names.index]
            places: list[str | bytes | int] = ["HSET", names.sealed(seal.number)]
            for place, entry in enumerate(listed):
                key = keys.key_of(entry)
                index += [0, key + f"{seal.number}/{place}".encode()]
                places += [place, key + keys.document_of(entry)]
            for command in (
                index,
                places,
                ["HSET", names.seals, seal.number, keys.seal_text(seal)],
                ["HSET", names.leaves, seal.number, b"".join(seal.leaves or ())],
                ["ZADD", names.kept, seal.day, seal.number],
                ["SET", names.head, seal.number],
            ):
                link.write(*command)


def size_of_redis(url: str) -> str:
    """Return the memory of the node with the site."""
    from consent_mw.records.redis import RedisRecords

    with closing(RedisRecords(url, site=SITE)) as records:
        info = records._link.read("INFO", "memory", slow=True).decode()
    used = int(next(line.partition(":")[2] for line in info.splitlines() if line.startswith("used_memory:")))
    return f"{used / 1e9:.2f} GB of memory, all on the node of the site's slot"


STORES: dict[str, tuple[Callable[[], Any], Callable[[str, int, int], None], Callable[[str], str]]] = {
    "postgres": (postgres, load_postgres, size_of_postgres),
    "cluster": (cluster, load_redis, size_of_redis),
}


# -- the measurements


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that a function takes, and its result."""
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def stalls(url: str, ready: Event, over: Event, longest: multiprocessing.Queue[float]) -> None:
    """Query the store for a receipt until it is over, and report the longest wait for an answer in seconds."""
    found = 0.0
    with closing(open_records(url, site=SITE)) as records:
        for _ in range(100):  # the first ones wait for a connection and a plan
            records.history("nobody")
        ready.set()
        while not over.is_set():
            found = max(found, timed(lambda: records.history("nobody"))[0])
            time.sleep(0.001)
    longest.put(found)


def watched(url: str, work: Callable[[], T]) -> tuple[T, float]:
    """Do something; return its result, and the longest time that a client in another process waited for an answer."""
    processes = multiprocessing.get_context("spawn")
    ready, over = processes.Event(), processes.Event()
    longest: multiprocessing.Queue[float] = processes.Queue()
    other = processes.Process(target=stalls, args=(url, ready, over, longest))
    other.start()
    ready.wait(60)
    result = work()
    over.set()
    waited = longest.get(timeout=60)
    other.join()
    return result, waited


def seal_everything(url: str) -> int:
    """Seal all entries, and return their number."""
    sealed = 0
    with closing(open_records(url, site=SITE)) as records:
        while more := seal_new(records, site=SITE, keys=KEYS, today=TODAY):
            sealed += more
    return sealed


def exported(job: ExportJob, parts: Sequence[ExportPart], records: Records, jobs: int) -> int:
    """Export these parts, and return the number of lines."""
    return sum(text.count("\n") for text in export_in_parts(job, parts, records, jobs=jobs))


def exports(url: str, records: Records, entries: int, jobs: int) -> Iterator[tuple[str, str]]:
    """Yield the cost of exporting everything, in one process and in several."""
    described = load_site({"site": {"id": SITE}})
    taken, lines = timed(lambda: sum(1 for _ in json_lines(records, described)))
    yield "export, JSON Lines, one process", f"{taken:.0f} s, {lines / taken:,.0f} entries/s"
    job, parts = ExportJob(url, "", SITE, "jsonl", {}), parts_by_receipt(entries)
    taken, lines = timed(lambda: exported(job, parts, records, jobs))
    yield f"export, JSON Lines, {jobs} processes", f"{taken:.0f} s, {lines / taken:,.0f} entries/s"


def measure(
    store: str, entries: int, days: int, progress: Callable[[str], None], *, with_exports: bool
) -> Iterator[tuple[str, str]]:
    """Load a ledger, and yield the cost of each operation."""
    start, load, size = STORES[store]
    jobs = os.cpu_count() or 1
    with start() as url:
        progress(f"loading {entries:,} entries")
        taken, _ = timed(lambda: load(url, entries, days))
        yield "made, sealed and loaded", f"{taken:.0f} s"
        yield "size", size(url)
        with closing(open_records(url, site=SITE)) as records:
            last = records.last_seal()
            assert last is not None
            checkpoint = Checkpoint(last.number, last.hash)
            what: dict[str, Any] = {"site": SITE, "keys": KEYS, "today": TODAY + 1, "record_days": RECORD_DAYS}
            progress("verifying")
            taken, found = timed(lambda: verify(records, notices=True, **what))
            assert found.ok and found.entries == entries, found
            yield "verify, one process", f"{taken:.0f} s, {entries / taken:,.0f} entries/s"
            taken, found = timed(lambda: verify_in_parallel(url, jobs=jobs, notices=True, **what))
            assert found.ok and found.entries == entries, found
            yield f"verify, {jobs} processes", f"{taken:.0f} s, {entries / taken:,.0f} entries/s"
            progress("appending")
            for threads in (1, 16):
                rate = appends_per_second(url, 20_000, threads)
                yield f"append, 4 processes of {threads} threads", f"{rate:,.0f} entries/s"
            _, usual = watched(url, lambda: time.sleep(3))
            (taken, sealed), longest = watched(url, lambda: timed(lambda: seal_everything(url)))
            waits = f"{longest * 1000:.0f} ms at most, {usual * 1000:.0f} ms while nothing was sealed"
            yield f"seal {sealed:,} entries", f"{taken:.1f} s; another client waited {waits}"
            taken, found = timed(lambda: verify(records, since=checkpoint, **what))
            assert found.ok and found.entries == sealed, found
            yield f"verify {sealed:,} since the last time", f"{taken:.1f} s"
            progress("exporting")
            if with_exports:
                yield from exports(url, records, entries, jobs)
            newest = records.last_seal()
            assert newest is not None
            parts = parts_by_seal(last.number + 1, newest.number)
            job = ExportJob(url, "", SITE, "jsonl", {})
            taken, lines = timed(lambda: exported(job, parts, records, 1))
            yield f"export {lines:,} sealed since the last time", f"{taken:.1f} s"
            taken, erased = timed(lambda: records.erase(entries_of(7, days, entries, SEALED[store])[0].receipt, TODAY))
            assert erased == 1
            yield "erase one receipt", f"{taken:.2f} s"
            before = entries_of(1, days, entries, SEALED[store])[0].day + 3
            taken, purged = timed(lambda: records.purge(before))
            yield f"purge {purged:,} entries, those of a day or two", f"{taken:.1f} s"
            before = TODAY - days // 2
            taken, purged = timed(lambda: records.purge(before))
            yield f"purge {purged:,} entries, the older half", f"{taken:.1f} s"
        yield "peak memory of this process", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--store", choices=STORES, default="postgres")
    parser.add_argument("--entries", type=int, default=5_000_000)
    parser.add_argument("--no-exports", action="store_true", help="export only what is new: exports take longest")
    parser.add_argument("--days", type=int, default=365, help="the days over which they came")
    asked = parser.parse_args()
    rows = []

    def progress(text: str) -> None:
        print(f"... {text}", file=sys.stderr, flush=True)

    for row in measure(asked.store, asked.entries, asked.days, progress, with_exports=not asked.no_exports):
        print(": ".join(row), file=sys.stderr, flush=True)
        rows.append(row)
    print(report.table(HEAD, rows))


if __name__ == "__main__":
    main()
