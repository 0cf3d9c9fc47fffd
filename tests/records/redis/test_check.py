"""Requirements of a Redis server for records, and the errors for unsuitable ones."""

from __future__ import annotations

import logging
import re
from contextlib import closing

import pytest

from consent_mw.core.seal import Kept
from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.proof.verifying import FindingKind
from consent_mw.proof.verifying import verify
from consent_mw.records import ReadSeals
from consent_mw.records import migrate_records
from consent_mw.records import open_records
from consent_mw.records.redis.check import fit
from consent_mw.records.redis.keys import Keys
from consent_mw.records.redis.link import Unfit
from tests.records import redis_servers
from tests.records.samples import DAY
from tests.records.samples import SITE
from tests.records.samples import a_grant
from tests.records.samples import seal_all

pytestmark = pytest.mark.skipif(redis_servers.program() is None, reason="redis-server is not on this machine")


def refused(settings: dict[str, str]) -> str:
    """Return the error for a server with these settings."""
    with redis_servers.standalone(settings) as started, pytest.raises(ConfigError) as caught:
        open_records(started.url)
    (problem,) = caught.value.problems
    assert problem.where == "site.records"
    return f"{problem.what} {problem.remedy}"


def test_a_server_without_an_append_only_file_is_refused() -> None:
    """A server that would lose its data when it stops is refused; the error says what to set."""
    assert re.search(r'append-only file is off.*"appendonly yes"', refused({"appendonly": "no"}))


def test_a_server_that_evicts_records_is_refused() -> None:
    """A cache that drops keys when it is full cannot be a ledger."""
    settings = {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}
    assert re.search(r'throws records away.*"maxmemory-policy noeviction"', refused(settings))


def test_a_server_that_notes_the_second_is_refused() -> None:
    """The append-only file must not contain time stamps of receipts."""
    assert re.search(r'notes the second.*"aof-timestamp-enabled no"', refused({"aof-timestamp-enabled": "yes"}))


def test_a_node_of_a_cluster_is_told_from_a_server() -> None:
    """The address of a single server is refused for a Cluster; the error says what to write."""
    with redis_servers.cluster() as started:
        others = [node for node in started.servers if node is not started.master()]
        with pytest.raises(ConfigError, match=r"redis\+cluster://"):
            open_records(f"redis://{others[0].place}")


def test_a_server_is_told_from_a_cluster() -> None:
    """The address of a Cluster is refused for a single server."""
    with redis_servers.standalone() as started, pytest.raises(ConfigError, match="is not a node of a Cluster"):
        open_records(f"redis+cluster://{started.servers[0].place}")


def test_a_replica_is_refused() -> None:
    """Records need a master."""
    with redis_servers.sentinel() as started, pytest.raises(ConfigError, match="is a replica"):
        open_records(f"redis://{started.servers[1].place}")


@pytest.mark.parametrize("fsync", ["everysec", "no"])
def test_a_server_that_answers_before_it_writes_is_refused(fsync: str) -> None:
    """If killed at the wrong moment it would lose acknowledged grants; a single server must write first."""
    with (
        redis_servers.standalone({"appendfsync": fsync}) as started,
        pytest.raises(ConfigError, match="appendfsync always"),
    ):
        open_records(started.patient)


@pytest.mark.parametrize(("fsync", "warned"), [("always", False), ("everysec", True)])
def test_what_a_power_cut_may_cost_is_said(fsync: str, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    """If servers answer after a replica confirms but before the disk write, one warning is logged."""
    caplog.set_level(logging.WARNING, "consent_mw")
    with redis_servers.sentinel() as started:
        for server in started.servers:
            server.ask("CONFIG", "SET", "appendfsync", fsync)
        with closing(open_records(started.patient)) as store:
            store.append(a_grant())
    assert [("appendfsync always" in record.message) for record in caplog.records] == [True] * warned


def test_a_server_that_is_not_there_is_told() -> None:
    """A store that is unreachable at start-up is an error with its address."""
    place = f"127.0.0.1:{redis_servers.free_port()}"
    with pytest.raises(RecordsError, match=f"redis://{place}/0 cannot be used"):
        open_records(f"redis://{place}/0")


def test_a_server_that_keeps_its_settings_to_itself_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    """If CONFIG is not allowed, as with many providers, the other checks have to suffice."""
    caplog.set_level(logging.WARNING, "consent_mw")
    with redis_servers.standalone({"rename-command": 'CONFIG ""'}) as started:
        with closing(open_records(started.patient)) as store:
            store.append(a_grant())
        assert caplog.records == []


def test_a_server_that_is_refused_is_not_migrated() -> None:
    """The migration command has the same requirements as the site."""
    with redis_servers.standalone({"appendonly": "no"}) as started, pytest.raises(ConfigError, match="is off"):
        migrate_records(started.url)


def test_a_server_that_may_not_clear_its_file_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Retention works without the right to BGREWRITEAOF; each time, a warning about the file is logged."""
    caplog.set_level(logging.WARNING, "consent_mw")
    with (
        redis_servers.standalone({"rename-command": 'BGREWRITEAOF ""'}) as started,
        closing(open_records(started.patient, site=SITE)) as store,
    ):
        store.append(a_grant())
        seal = seal_all(store)
        assert (store.purge(seal.day + 1), store.purge(seal.day + 1)) == (1, 0)
    assert ["still in the append-only file" in record.message for record in caplog.records] == [True, True]


def test_a_server_that_is_too_old_is_refused() -> None:
    """A Redis that lacks necessary commands is recognised by its version."""

    def answer(*commands: object) -> list[bytes]:
        return [b"# Server\r\nredis_version:6.0.16\r\naof_enabled:1\r\n"]

    with pytest.raises(Unfit, match=r"Redis 6\.0\.16.*6\.2 or newer"):
        fit(answer)


# -- settings that change while the site runs


@pytest.mark.parametrize(
    ("name", "worse", "better"),
    [
        ("appendonly", "no", "yes"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        ("appendfsync", "everysec", "always"),
    ],
)
def test_a_setting_that_changes_is_found_while_the_site_runs(name: str, worse: str, better: str) -> None:
    """A server that starts to lose or evict data gets no more grants until its owner corrects the setting."""
    with (
        redis_servers.standalone({"maxmemory": "100mb"}) as started,
        closing(open_records(started.patient, site=SITE)) as store,
    ):
        store.append(a_grant("before"))
        assert store.faults() == []
        started.servers[0].ask("CONFIG", "SET", name, worse)
        (told,) = store.faults()
        assert better in told
        with pytest.raises(RecordsError, match=better):
            store.append(a_grant("meanwhile"))
        started.servers[0].ask("CONFIG", "SET", name, better)
        store.append(a_grant("after"))
        assert store.faults() == []


def test_an_index_that_leads_nowhere_is_a_finding() -> None:
    """An index member without its entry is found, although no seal and no page of the ledger shows it."""
    with redis_servers.standalone() as started, closing(open_records(started.patient, site=SITE)) as store:
        store.append(a_grant("kept"))
        store.append(a_grant("taken"))
        waiting = started.servers[0].ask("ZRANGE", Keys(SITE).waiting, 0, -1)
        started.servers[0].ask("ZREM", Keys(SITE).waiting, *[one for one in waiting if one.startswith(b"taken")])
        assert list(store.outside(ReadSeals(1, 0, 0))) == [Kept(a_grant("kept")), "taken"]
        found = verify(store, site=SITE, keys=("k" * 40,), today=DAY, record_days=540).finding
    assert found is not None
    assert (found.kind, found.receipt) == (FindingKind.REMOVED, "taken")
