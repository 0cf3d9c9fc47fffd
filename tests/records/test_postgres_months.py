"""PostgreSQL: the partitions of the ledger, by the month of the seal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from consent_mw.core.days import day_of
from consent_mw.core.seal import Entry
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import Verification
from consent_mw.proof.verifying import verify
from consent_mw.records import Records
from consent_mw.records import migrate_records
from consent_mw.records import open_records
from consent_mw.records import postgres
from consent_mw.records.postgres import months
from consent_mw.records.postgres import vacuum
from tests.records.samples import SITE
from tests.records.samples import a_grant
from tests.records.samples import its_end
from tests.records.servers import Postgres
from tests.records.servers import binaries
from tests.records.test_postgres import as_older
from tests.records.test_postgres import rows

pytestmark = pytest.mark.skipif(binaries() is None, reason="PostgreSQL's initdb is not on this machine")

KEYS = ("k" * 40,)
#: Days in three months.
DAYS = tuple(day_of(text) for text in ("2026-09-30", "2026-10-01", "2026-10-31", "2026-11-01"))


@pytest.fixture
def url(server: Callable[[str], Postgres]) -> str:
    """Return the address of an empty PostgreSQL database."""
    return server("postgres").fresh()


def fill(store: Records, site: str = SITE) -> list[Entry]:
    """Append two grants on each of the days, seal them on the day, and leave one grant open; return them all."""
    every = []
    for day in DAYS:
        for name in "ab":
            every.append(a_grant(f"{name}-{day}", day=day, site=site))
            store.append(every[-1])
        assert seal_new(store, site=site, keys=KEYS, today=day) == 2
    every.append(a_grant("open", day=DAYS[-1], site=site))
    store.append(every[-1])
    return every


def verdict(store: Records, record_days: int = 500) -> Verification:
    """Verify the ledger."""
    return verify(store, site=SITE, keys=KEYS, today=DAYS[-1] + 1, record_days=record_days)


def tables(url: str) -> dict[str, int]:
    """Return the partitions and the number of their rows."""
    query = "SELECT tableoid::regclass::text, count(*) FROM ledger GROUP BY 1"
    found = {str(name): int(str(number)) for name, number in rows(url, query)}
    partitions = rows(url, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ledger'::regclass")
    return {str(name): found.get(str(name), 0) for (name,) in sorted(partitions)}


MONTHS = {"ledger_202609": 2, "ledger_202610": 4, "ledger_202611": 2, "ledger_open": 1}


def test_a_seal_moves_its_entries_into_its_month(store: Records, url: str) -> None:
    """The ledger reads as one table, and the chain verifies."""
    every = fill(store)
    assert tables(url) == MONTHS
    assert sorted(kept.entry.receipt for kept in store.entries()) == sorted(entry.receipt for entry in every)
    assert [kept.entry for kept in store.history(every[0].receipt)] == [every[0]]
    found = verdict(store)
    assert (found.finding, found.entries, found.waiting) == (None, 8, 1)


def test_what_is_sealed_is_not_appended_again(store: Records, url: str) -> None:
    """A grant or its end that comes once more, even with another day, changes nothing in any month."""
    every = fill(store)
    store.append(its_end(every[0]))
    assert seal_new(store, site=SITE, keys=KEYS, today=DAYS[-1]) == 2
    before = list(store.entries())
    for entry in every:
        store.append(entry)
        store.append(entry, ["no such mark"])
    store.append(its_end(every[0]))
    store.append(a_grant(every[0].receipt, day=DAYS[-1], act=its_end(every[0]).act))
    assert store.take(every, {}) == 0
    assert list(store.entries()) == before


def test_what_is_open_is_found_without_the_months(store: Records, url: str) -> None:
    """What sealing reads does not grow with the ledger, and no query sorts."""
    fill(store)
    every = "SELECT act FROM ledger WHERE site = 'site' AND (receipt, step) > ('a', 0) ORDER BY receipt, step LIMIT 9"
    waiting = "SELECT act FROM ledger WHERE site = 'site' AND seal IS NULL ORDER BY receipt, step LIMIT 9"
    with store._reading(slow=True) as session:  # type: ignore[attr-defined]
        plans = ["\n".join(str(line) for (line,) in session.rows(f"EXPLAIN {query}")) for query in (every, waiting)]
    assert [("Sort  (" in plan, "Seq Scan" in plan) for plan in plans] == [(False, False)] * 2
    assert ("ledger_2026" in plans[0], "ledger_2026" in plans[1]) == (True, False)


class Interrupted(Exception):
    """The process was killed."""


@pytest.mark.parametrize("moved", range(4))
def test_an_interrupted_move_loses_nothing(url: str, monkeypatch: pytest.MonkeyPatch, moved: int) -> None:
    """An older version's ledger is moved seal by seal; killed after any of them it verifies, and the rest follows."""
    with monkeypatch.context() as patch:
        as_older(patch, steps=5)
        with closing(open_records(url, site=SITE)) as old:
            every = fill(old)
    assert rows(url, "SELECT count(*) FROM ledger") == [(9,)]
    move, left = months.move_seal, iter(range(moved))

    def dying(*what: object) -> int:
        if next(left, None) is None:
            raise Interrupted
        return move(*what)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(months, "move_seal", dying)
        migrate_records(url)
    for expected in (9 - 2 * moved, 1):
        assert tables(url)["ledger_open"] == expected
        with closing(open_records(url, site=SITE)) as store:
            assert sorted(kept.entry.receipt for kept in store.entries()) == sorted(entry.receipt for entry in every)
            assert (verdict(store).finding, verdict(store).entries) == (None, 8)
            store.append(every[0])  # it is there, moved or not
            assert len(store.history(every[0].receipt)) == 1
        assert migrate_records(url) == []
    assert tables(url) == MONTHS


def test_months_that_are_due_are_dropped(store: Records, url: str) -> None:
    """Whole months go as tables, the rest to the day; a month that another site still needs loses only our entries."""
    fill(store)
    other = postgres.PostgresRecords(url, site="other")
    fill(other, "other")
    assert store.purge(DAYS[2]) == 4
    assert tables(url) == {"ledger_202609": 2, "ledger_202610": 6, "ledger_202611": 4, "ledger_open": 2}
    assert verdict(store, record_days=1).finding is None
    assert (other.purge(DAYS[2]), store.purge(DAYS[2])) == (4, 0)
    other.close()
    assert tables(url) == {"ledger_202610": 4, "ledger_202611": 4, "ledger_open": 2}
    found = verdict(store, record_days=1)
    assert (found.finding, found.purged, found.entries) == (None, 4, 4)


def vacuumed(url: str) -> dict[str, int]:
    """Return how often each table was vacuumed, without those that never were."""
    query = "SELECT relname, vacuum_count FROM pg_stat_user_tables WHERE vacuum_count > 0"
    return {str(name): int(str(number)) for name, number in rows(url, query)}


def test_only_what_lost_entries_is_vacuumed(store: Records, url: str) -> None:
    """A ledger of many months is not read for one receipt, nor for a day that is over."""
    fill(store)
    assert store.erase(f"a-{DAYS[1]}", DAYS[3]) == 1
    assert vacuumed(url) == {"ledger_open": 1, "ledger_202610": 1}
    assert store.purge(DAYS[2]) == 3  # a month goes as a table, the other day row by row
    assert vacuumed(url) == {"ledger_open": 2, "ledger_202610": 2}


def test_a_vacuum_has_no_limit_of_time_and_leaves_it_to_others(store: Records) -> None:
    """A month may take minutes; the connection is used for other statements afterwards."""
    sent = []

    class Watched:
        """A connection that records the limit at each statement."""

        shared = False

        def __init__(self, inner: psycopg.Connection[tuple[object, ...]]) -> None:
            self.inner = inner

        def execute(self, statement: str, *values: object) -> psycopg.Cursor[tuple[object, ...]]:
            ((limit,),) = self.inner.execute("SHOW statement_timeout").fetchall()
            sent.append((statement.split(" ")[0], limit))
            return self.inner.execute(statement, *values)  # type: ignore[call-overload, no-any-return]

    with store._database.lend_bare(60) as link:  # type: ignore[attr-defined]
        vacuum.vacuum(Watched(link), ["consent_mw.ledger_open"])  # type: ignore[arg-type]
        assert ("VACUUM", "0") in sent
        assert link.execute("SHOW statement_timeout").fetchall() == [("5s",)]


def test_a_month_is_purged_while_somebody_reads(store: Records, url: str) -> None:
    """Dropping would have to wait for the reader, and appends behind it: the entries go row by row instead."""
    fill(store)
    with psycopg.connect(url) as reader:
        reader.execute("SELECT 1 FROM consent_mw.ledger LIMIT 1")
        assert store.purge(DAYS[1]) == 2
        assert tables(url) == MONTHS | {"ledger_202609": 0}
    assert store.purge(DAYS[1]) == 0
    assert "ledger_202609" not in tables(url)
    assert verdict(store, record_days=1).finding is None


def test_who_must_not_make_tables_seals_in_place(url: str) -> None:
    """A site whose user has no rights beyond the rows works as before."""
    open_records(url).close()
    name = f"plain_{url.rpartition('/')[2]}"
    rows(url, f"CREATE ROLE {name} LOGIN")
    rows(url, f"GRANT USAGE ON SCHEMA consent_mw TO {name}")
    rows(url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA consent_mw TO {name}")
    host = url.partition("@")[2] or url.partition("://")[2]
    with closing(open_records(f"postgresql://{name}@{host}", site=SITE)) as store:
        fill(store)
        assert tables(url) == {"ledger_open": 9}
        assert verdict(store).finding is None
        assert store.purge(DAYS[1]) == 2
        assert verdict(store, record_days=1).finding is None


def test_a_month_outside_the_calendar_stays_open(store: Records, url: str) -> None:
    """A store takes any day; what no month has is sealed where it is."""
    store.append(a_grant("a", day=2**31 - 1))
    assert seal_new(store, site=SITE, keys=KEYS, today=2**31 - 1) == 1
    assert tables(url) == {"ledger_open": 1}
