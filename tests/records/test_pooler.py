"""PostgreSQL behind a PgBouncer in transaction mode, with replicas, and with settings that change while it runs."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from consent_mw.core.choice import Action
from consent_mw.core.choice import Record
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.model import Site
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import of_service
from consent_mw.errors import RecordsError
from consent_mw.proof.lost import LostRecords
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import verify
from consent_mw.records import Records
from consent_mw.records import migrate_records
from consent_mw.records import open_records
from consent_mw.records import postgres
from consent_mw.records.replica import LOOK_AGAIN
from consent_mw.records.replica import ReplicaReads
from tests.records import pgbouncer
from tests.records.pgbouncer import PgBouncer
from tests.records.samples import DAY
from tests.records.samples import a_grant
from tests.records.samples import in_processes
from tests.records.samples import its_end
from tests.records.servers import Postgres
from tests.records.servers import binaries

pytestmark = [
    pytest.mark.skipif(binaries() is None, reason="PostgreSQL's initdb is not on this machine"),
    pytest.mark.skipif(pgbouncer.program() is None, reason="pgbouncer is not on this machine"),
]

KEYS = ("k" * 40,)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extend PostgreSQL's time limit for loaded machines; these tests are not about it."""
    for limit in ("WAIT", "SLOW_WAIT", "START_WAIT"):
        monkeypatch.setattr(postgres, limit, 60.0)


@pytest.fixture
def pooler(server: Callable[[str], Postgres]) -> Iterator[PgBouncer]:
    """Return a pooler with two sessions, in front of an empty database."""
    found = server("postgres")
    found.fresh()
    started = PgBouncer(found)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """Return a server whose settings a test may change."""
    started = Postgres()
    yield started
    started.stop()


def _append(number: int, url: str) -> None:
    with closing(open_records(url)) as records, ThreadPoolExecutor(4) as threads:
        list(threads.map(records.append, [a_grant(f"{number}-{one}") for one in range(25)]))


def test_everything_works_in_transactions_that_share_sessions(pooler: PgBouncer) -> None:
    """More processes and threads than sessions write, seal, erase, count and publish; the chain verifies."""
    assert in_processes(3, _append, pooler.url) == [0, 0, 0]
    with closing(open_records(pooler.url)) as records:
        records.append(its_end(a_grant("0-0")))
        assert seal_new(records, site="site", keys=KEYS, today=DAY) == 76
        assert records.erase("1-1", DAY) == 1
        counts = {Count(DAY, "total", "", "accept"): 3}
        records.add_counts(counts)
        assert records.publish([Figures("total", DAY, DAY, {("", "accept"): 3})], counts)
        records.observe({of_service("ga"): Occurrence(DAY, DAY)})
        assert (records.learned(), records.counts(DAY + 1)) == (frozenset({"ga"}), {})
        assert seal_new(records, site="site", keys=KEYS, today=DAY) == 1
        found = verify(records, site="site", keys=KEYS, today=DAY, record_days=540)
        assert (found.finding, found.entries, found.erased) == (None, 76, 1)
        assert records.purge(DAY + 1) == 76
    assert migrate_records(pooler.url) == []


def test_nothing_is_left_in_sessions_that_others_use(pooler: PgBouncer) -> None:
    """Settings, prepared statements and locks do not outlive their transaction."""
    with closing(open_records(pooler.url)) as records:
        for number in range(20):
            records.append(a_grant(f"{number}"))
        seal_new(records, site="site", keys=KEYS, today=DAY)
        with pytest.raises(RecordsError):
            records.append(replace(a_grant("one"), language="\0"))
        with psycopg.connect(pooler.url, autocommit=True, prepare_threshold=None) as other:
            names = ("search_path", "statement_timeout", "enable_seqscan", "lock_timeout")
            left = [other.execute(f"SHOW {name}".encode()).fetchone() for name in names]
            prepared = other.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
            locks = other.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert left == [('"$user", public',), ("0",), ("on",), ("0",)]
    assert (prepared, locks) == ((0,), (0,))


def test_a_transaction_that_fails_behind_a_pooler_leaves_nothing(pooler: PgBouncer) -> None:
    """The second of two seals changes nothing, and the next caller gets a working session."""
    with closing(open_records(pooler.url)) as records:
        records.append(a_grant("a"))
        assert seal_new(records, site="site", keys=KEYS, today=DAY) == 1
        (first,) = records.seals()
        assert not records.add_seal(first, [a_grant("a")])
        records.append(a_grant("b"))
        assert [entry.receipt for entry in records.unsealed(9)] == ["b"]


# -- replicas


def test_figures_and_exports_are_read_from_a_replica_while_it_can_be_used(
    own: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    """It has what the store has; once it is down, the store is read, and the log says so once."""
    url, seconds = own.fresh(), [0.0]
    with closing(open_records(url)) as records:
        records.append(a_grant("kept"))
        records.add_counts({Count(DAY, "shown", "", ""): 7})
        follower = own.replica()

        def store() -> Records:
            if not seconds[0]:
                raise AssertionError("the store is asked while its replica works")
            return records

        with closing(ReplicaReads(store, follower.url(), site="site", clock=lambda: seconds[0])) as reads:
            try:
                assert [kept.entry.receipt for kept in reads.source().entries()] == ["kept"]
                assert (reads.counts(DAY + 1), reads.figures(0, DAY)) == (records.counts(DAY + 1), [])
                follower.kill()
                seconds[0] = 1.0
                with caplog.at_level("INFO", "consent_mw"):
                    assert [reads.counts(DAY + 1) for _ in range(2)] == [records.counts(DAY + 1)] * 2
                    follower.start()
                    assert reads.source() is records  # until it is looked at again
                    seconds[0] += LOOK_AGAIN
                    assert reads.source() is not records
            finally:
                follower.stop()
    assert [one.getMessage().partition(":")[0] for one in caplog.records] == [
        "figures and exports are read from the store itself, not from its replica",
        "figures and exports are read from the replica again",
    ]


def test_what_is_no_replica_is_not_read(own: Postgres) -> None:
    """A server that follows nobody may be an old copy: it is named, and so is one without tables, which gets none."""
    url = own.fresh()
    store: Any = object()
    with closing(ReplicaReads(lambda: store, url, site="site")) as reads:
        assert reads.source() is store
        assert "has no records of this version" in reads.trouble
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regnamespace('consent_mw')").fetchone() == (None,)
    open_records(url).close()
    with closing(ReplicaReads(lambda: store, url, site="site")) as reads:
        assert reads.source() is store
        assert "is not a replica" in reads.trouble


def test_replicas_that_nobody_waits_for_are_named_and_a_promoted_one_goes_on(own: Postgres) -> None:
    """The risk of a failover is reported; with synchronous replication it is not, and the replica has every grant."""
    url = own.fresh()
    follower = own.replica()
    try:
        with closing(
            open_records(f"{url.replace(f':{own.port}/', f':{own.port},127.0.0.1:{follower.port}/')}")
        ) as records:
            (told,) = records.faults()
            assert "has a replica and waits for none" in told
            own.set("synchronous_standby_names", "'*'")
            assert records.faults() == []
            records.append(a_grant("before"))
            own.kill()
            follower.promote()
            records.append(a_grant("after"))
            assert [kept.entry.receipt for kept in records.entries()] == ["after", "before"]
    finally:
        follower.stop()
        own.set("synchronous_standby_names", "''", running=False)
        own.start()


def test_a_grant_that_a_failover_lost_comes_back_with_its_visitor(own: Postgres) -> None:
    """An asynchronous replica takes over, which lacks the last grant; afterwards the ledger verifies."""
    url = own.fresh()
    cookie = Record(Action.PARTIAL, DAY, "0123456789ab", services=frozenset({"ga"}), receipt="lost")
    with closing(open_records(url)) as records:
        records.append(a_grant("kept"))
    follower = own.replica()
    try:
        with closing(open_records(url.replace(f":{own.port}/", f":{own.port},127.0.0.1:{follower.port}/"))) as records:
            process = LostRecords(Site(name="Shop", id="site"), records, KEYS, lambda: DAY)
            follower.kill()  # it is too late to get what comes now
            records.append(a_grant("lost"))
            own.kill()
            follower.start()
            follower.promote()
            assert records.history("lost") == []
            for receipt in ("kept", "lost"):
                process.saw(replace(cookie, receipt=receipt), cookie.revision)
            assert process.look() == 1
            assert [(kept.entry.receipt, kept.entry.about) for kept in records.entries()] == [
                ("kept", ""),
                ("lost", "cookie"),
            ]
            seal_new(records, site="site", keys=KEYS, today=DAY)
            assert verify(records, site="site", keys=KEYS, today=DAY, record_days=540).ok
    finally:
        follower.stop()
        own.start()


# -- settings that change while the site runs


def test_a_server_that_stops_syncing_is_found_while_it_runs(own: Postgres) -> None:
    """Existing connections are not used any more: grants go to the spool until the setting is corrected."""
    with closing(open_records(own.fresh())) as records:
        records.append(a_grant("before"))
        own.set("fsync", "off")
        try:
            assert "fsync = off" in records.faults()[0]
            with pytest.raises(RecordsError, match="fsync = off"):
                records.append(a_grant("meanwhile"))
        finally:
            own.set("fsync", "on")
        records.append(a_grant("after"))
        assert records.faults() == []


def test_a_schema_that_becomes_newer_stops_an_older_process(own: Postgres) -> None:
    """It stops writing into tables that it does not know, and every call raises the same error."""
    url = own.fresh()
    with closing(open_records(url)) as records:
        records.append(a_grant("before"))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("INSERT INTO consent_mw.steps VALUES ('2099-01-01-later.sql')")
        for call in (records.faults, lambda: records.append(a_grant("after")), lambda: records.history("before")):
            with pytest.raises(RecordsError, match="newer version of consent_mw: update this one"):
                call()
