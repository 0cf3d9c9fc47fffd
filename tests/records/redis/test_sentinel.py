"""Redis with Sentinel: no acknowledged data is lost in a failover."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing

import pytest

from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records import open_records
from consent_mw.records.redis import RedisRecords
from consent_mw.records.redis.keys import Keys
from tests.records import redis_servers
from tests.records.redis_servers import Deployment
from tests.records.redis_servers import Server
from tests.records.redis_servers import wait_until
from tests.records.samples import SITE
from tests.records.samples import a_grant

pytestmark = pytest.mark.skipif(redis_servers.program() is None, reason="redis-server is not on this machine")

#: Seconds after which a call counts as one without end. A call that waited for a frozen server would end only after the
#: test has thawed it, so that a call ends is the proof; how soon, the tests do not ask of a busy machine.
BOUND = 60.0


@pytest.fixture
def pair() -> Iterator[Deployment]:
    """Start a master with one replica, and one Sentinel."""
    with redis_servers.sentinel() as started:
        yield started


@pytest.fixture
def store(pair: Deployment) -> Iterator[RedisRecords]:
    """Open the store there, with a connection to its master."""
    with closing(RedisRecords(pair.quick, site=SITE)) as opened:
        opened.learned()
        yield opened


def seconds(what: Callable[[], object], error: str) -> float:
    """Return the seconds until ``what`` failed with RecordsError."""
    start = time.monotonic()
    with pytest.raises(RecordsError, match=error):
        what()
    return time.monotonic() - start


def append_at_last(store: RedisRecords, receipt: str) -> None:
    """Append until it is acknowledged, as the spool does."""
    until = time.monotonic() + 60
    while True:
        try:
            return store.append(a_grant(receipt))
        except RecordsError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def receipts_in(server: Server) -> list[bytes]:
    """Return the receipts that a server has."""
    return [member.split(b"\0")[0] for member in server.ask("ZRANGEBYLEX", Keys(SITE).index, "-", "+")]


def test_an_acknowledged_entry_is_on_the_replica(pair: Deployment, store: RedisRecords) -> None:
    """When ``append`` returns, the replica already has the entry."""
    master, replica = pair.servers
    for number in range(50):
        append_at_last(store, f"{number}")
        assert f"{number}".encode() in receipts_in(replica)
    assert pair.replicas(master) == [replica]


def test_what_no_replica_confirms_is_not_acknowledged(pair: Deployment, store: RedisRecords) -> None:
    """With its replica frozen, a master accepts an entry, but the call fails, also when it is repeated."""
    replica = pair.servers[1]
    append_at_last(store, "before")
    replica.freeze()
    took = [seconds(lambda: store.append(a_grant("during")), "0 of 1 replicas") for _ in range(3)]
    replica.thaw()
    append_at_last(store, "during")
    assert max(took) < BOUND
    assert receipts_in(replica) == [b"before", b"during"]


def test_an_owner_may_do_without_replicas(pair: Deployment) -> None:
    """With ``?replicas=0`` the master alone is enough."""
    pair.servers[1].kill()
    with closing(RedisRecords(f"{pair.quick}&replicas=0", site=SITE)) as store:
        store.append(a_grant())
        assert len(store.history(a_grant().receipt)) == 1


@pytest.mark.slow
def test_a_failover_during_load_loses_nothing() -> None:
    """The master is killed while threads append: the new one has each acknowledged entry once."""
    with redis_servers.sentinel(replicas=2, sentinels=3) as started:
        old = started.master()
        acknowledged: list[str] = []
        longest: list[float] = []
        done = threading.Event()

        def work(store: RedisRecords, number: int) -> None:
            turn = 0
            while not done.is_set():
                turn += 1
                receipt = f"{number}-{turn}"
                while True:
                    begun = time.monotonic()
                    try:
                        store.append(a_grant(receipt))
                        break
                    except RecordsError:
                        longest.append(time.monotonic() - begun)
                        time.sleep(0.01)
                acknowledged.append(receipt)

        with closing(RedisRecords(started.quick, site=SITE)) as store:
            threads = [threading.Thread(target=work, args=(store, number)) for number in range(4)]
            for thread in threads:
                thread.start()
            wait_until(lambda: len(acknowledged) > 200)
            old.kill()
            wait_until(lambda: started.master() is not old)
            after = len(acknowledged)
            wait_until(lambda: len(acknowledged) > after + 200)
            done.set()
            for thread in threads:
                thread.join()
            there = [kept.entry.receipt for kept in store.entries()]
        assert (sorted(there), max(longest) < BOUND) == (sorted(acknowledged), True)
        assert len(receipts_in(started.master())) == len(acknowledged)


@pytest.mark.slow
def test_a_deposed_master_takes_nothing() -> None:
    """A frozen master that resumes after a failover acknowledges nothing on an old connection."""
    with redis_servers.sentinel(replicas=2) as started, closing(RedisRecords(started.quick, site=SITE)) as store:
        old = started.master()
        append_at_last(store, "before")
        old.freeze()
        wait_until(lambda: started.master() is not old)
        new = started.master()
        wait_until(lambda: len(new.ask("ROLE")[2]) == 1)
        old.thaw()
        for number in range(50):
            append_at_last(store, f"after-{number}")
            assert f"after-{number}".encode() in receipts_in(new)


@pytest.mark.slow
def test_the_old_master_comes_back_as_a_replica(pair: Deployment, store: RedisRecords) -> None:
    """After losing one of two servers, entries are acknowledged again once it is back as a replica, with all data."""
    old, new = pair.servers
    append_at_last(store, "before")
    old.kill()
    wait_until(lambda: pair.master() is new)
    wait_until(lambda: new.ask("ROLE")[0] == b"master")
    assert [kept.entry.receipt for kept in store.entries()] == ["before"]
    assert seconds(lambda: store.append(a_grant("alone")), "0 of 1 replicas") < BOUND
    old.start()
    append_at_last(store, "alone")
    assert receipts_in(old) == receipts_in(new) == [b"alone", b"before"]


def test_a_frozen_master_costs_no_more_than_its_bound(pair: Deployment, store: RedisRecords) -> None:
    """A call to a frozen master fails in time, with or without a connection."""
    pair.servers[0].freeze()
    took = [seconds(lambda: store.append(a_grant()), "cannot be used") for _ in range(2)]
    pair.servers[0].thaw()
    assert max(took) < BOUND


def test_sentinels_are_asked_one_after_the_other() -> None:
    """With one Sentinel frozen and one dead, the third still names the master."""
    with redis_servers.sentinel(sentinels=3) as started:
        started.sentinels[0].freeze()
        started.sentinels[1].kill()
        begun = time.monotonic()
        with closing(RedisRecords(started.quick, site=SITE)) as store:
            store.append(a_grant())
        assert time.monotonic() - begun < BOUND
        started.sentinels[0].thaw()


@pytest.mark.parametrize("fault", ["freeze", "kill"])
def test_without_sentinels_the_known_master_is_used(pair: Deployment, store: RedisRecords, fault: str) -> None:
    """Without Sentinels, a store that knows the master works, and one that does not fails in time."""
    watcher, master = pair.sentinels[0], pair.master()
    {"freeze": watcher.freeze, "kill": watcher.kill}[fault]()
    append_at_last(store, "while-nobody-watches")
    # After a timeout, a store looks for its server again.
    master.freeze()
    with pytest.raises(RecordsError):
        store.append(a_grant("unanswered"))
    master.thaw()
    append_at_last(store, "looked-for-again")
    took = seconds(lambda: open_records(pair.quick), "no Sentinel says where the records are")
    {"freeze": watcher.thaw, "kill": watcher.start}[fault]()
    assert took < BOUND
    store.close()


def test_a_name_that_no_sentinel_knows_is_told(pair: Deployment) -> None:
    """The error for an unknown master shows its name."""
    with pytest.raises(RecordsError, match="knows no master 'other'"):
        open_records(pair.url.replace("/consent/", "/other/"))


def test_a_server_is_no_sentinel(pair: Deployment) -> None:
    """The address of a server instead of a Sentinel is an error."""
    with pytest.raises((RecordsError, ConfigError), match="no Sentinel says where the records are"):
        open_records(f"redis+sentinel://{pair.servers[0].place}/consent")


def test_passwords_of_servers_and_sentinels_are_used() -> None:
    """Each has its own password, and the errors show neither."""
    settings = {"requirepass": "records-9f2c", "masterauth": "records-9f2c"}
    with redis_servers.sentinel(settings=settings, watching={"requirepass": "watch-9f2c"}) as started:
        url = started.patient.replace("://", "://:records-9f2c@")
        with closing(RedisRecords(f"{url}&sentinel_password=watch-9f2c", site=SITE)) as store:
            store.append(a_grant())
        with pytest.raises(RecordsError, match="refuses the user or the password") as caught:
            RedisRecords(f"{url}&sentinel_password=wrong-9f2c", site=SITE)
        assert "9f2c" not in str(caught.value)
