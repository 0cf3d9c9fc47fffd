"""Redis Cluster: a site is on one node, and the store follows it when it is moved, lost or replaced."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from contextlib import suppress

import pytest
import redis

from consent_mw.errors import RecordsError
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import verify
from consent_mw.records import open_records
from consent_mw.records.redis import RedisRecords
from consent_mw.records.redis.keys import Keys
from tests.records import redis_servers
from tests.records.redis_servers import Deployment
from tests.records.redis_servers import Server
from tests.records.redis_servers import wait_until
from tests.records.samples import DAY
from tests.records.samples import SITE
from tests.records.samples import a_grant
from tests.records.samples import seal_all

pytestmark = pytest.mark.skipif(redis_servers.program() is None, reason="redis-server is not on this machine")

#: Seconds after which a call counts as one without end. A call that waited for a frozen server would end only after the
#: test has thawed it, so that a call ends is the proof; how soon, the tests do not ask of a busy machine.
BOUND = 60.0


@pytest.fixture
def cluster() -> Iterator[Deployment]:
    """Start a Cluster of three nodes."""
    with redis_servers.cluster() as started:
        yield started


@pytest.fixture
def store(cluster: Deployment) -> Iterator[RedisRecords]:
    """Open the store there."""
    with closing(RedisRecords(cluster.quick, site=SITE)) as opened:
        yield opened


def seconds(what: Callable[[], object]) -> float:
    """Return the seconds until ``what`` failed with RecordsError."""
    start = time.monotonic()
    with pytest.raises(RecordsError):
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


def slot_of(node: Server) -> int:
    """Return the slot of the site's keys."""
    return int(node.ask("CLUSTER", "KEYSLOT", Keys(SITE).schema))


def move_begins(source: Server, target: Server) -> list[bytes]:
    """Start to move the site to another node, and return its keys."""
    slot = slot_of(source)
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.ask("CLUSTER", "MYID"))
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.ask("CLUSTER", "MYID"))
    return list(source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1000))


def move(source: Server, target: Server, keys: list[bytes]) -> None:
    """Move these keys."""
    source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)


def move_ends(cluster: Deployment, target: Server) -> None:
    """Tell every node which one has the site now."""
    for node in (target, *cluster.servers):
        node.ask("CLUSTER", "SETSLOT", slot_of(target), "NODE", target.ask("CLUSTER", "MYID"))


def test_all_keys_of_a_site_are_on_one_node(cluster: Deployment, store: RedisRecords) -> None:
    """Each site has its own hash tag, and sites are spread over the nodes."""
    store.append(a_grant())
    seal_all(store)
    assert {node.ask("DBSIZE") > 0 for node in cluster.servers if node is not cluster.master(SITE)} == {False}
    assert len({cluster.master(f"site{number}").port for number in range(20)}) == 3


def other_site(cluster: Deployment) -> str:
    """Return a site on another node than SITE."""
    names = (f"site{number}" for number in range(100))
    return next(name for name in names if cluster.master(name) is not cluster.master(SITE))


@pytest.mark.parametrize("fault", ["freeze", "kill"])
def test_a_lost_node_takes_only_its_own_sites(cluster: Deployment, store: RedisRecords, fault: str) -> None:
    """Sites on a lost node fail in time, and the others work; when the node is back, so are its sites."""
    name = other_site(cluster)
    with closing(open_records(cluster.quick, site=name)) as other:
        lost = cluster.master(SITE)
        for opened, site in ((store, SITE), (other, name)):
            opened.append(a_grant("before", site=site))
        {"freeze": lost.freeze, "kill": lost.kill}[fault]()
        took = []
        until = time.monotonic() + 2.5  # longer than the Cluster's node timeout
        number = 0
        while time.monotonic() < until:
            number += 1
            took.append(seconds(lambda: store.append(a_grant("during"))))
            begun = time.monotonic()
            other.append(a_grant(f"{number}", site=name))
            took.append(time.monotonic() - begun)
        # A process that starts now finds its site, whichever node it asks first.
        begun = time.monotonic()
        open_records(cluster.quick, site=name).close()
        took.append(time.monotonic() - begun)
        {"freeze": lost.thaw, "kill": lost.start}[fault]()
        assert (max(took) < BOUND, len(list(other.entries()))) == (True, number + 1)
    append_at_last(store, "during")
    assert [kept.entry.receipt for kept in store.entries()] == ["before", "during"]


def test_a_cluster_that_is_frozen_costs_no_more_than_its_bound(cluster: Deployment, store: RedisRecords) -> None:
    """With every node frozen, a call fails in time, with or without a connection."""
    store.append(a_grant())
    for node in cluster.servers:
        node.freeze()
    took = [seconds(lambda: store.append(a_grant("x"))) for _ in range(3)]
    took.append(seconds(lambda: open_records(cluster.quick)))
    for node in cluster.servers:
        node.thaw()
    assert max(took) < BOUND


def test_a_site_that_was_moved_is_followed(cluster: Deployment, store: RedisRecords) -> None:
    """After the slot has moved to another node, the same store continues there without an error."""
    store.append(a_grant("before"))
    seal_all(store)
    source = cluster.master(SITE)
    target = next(node for node in cluster.servers if node is not source)
    move(source, target, move_begins(source, target))
    move_ends(cluster, target)
    store.append(a_grant("after"))
    assert [kept.entry.receipt for kept in store.entries()] == ["after", "before"]
    assert (source.ask("DBSIZE"), cluster.master(SITE)) == (0, target)


def test_half_a_move_loses_nothing_and_doubles_nothing(cluster: Deployment, store: RedisRecords) -> None:
    """While the keys are split between nodes, a call does everything, or fails and does nothing."""
    taken: list[str] = []
    failed: list[str] = []

    def use(name: str) -> None:
        begun = time.monotonic()
        try:
            store.append(a_grant(name))
        except RecordsError:
            failed.append(name)
        else:
            taken.append(name)
        with suppress(RecordsError):
            seal_new(store, site=SITE, keys=("k",), today=DAY)
        assert time.monotonic() - begun < 2 * BOUND

    store.keep_notice("n", b"document")
    use("before")
    store.append(a_grant("waits"))  # so that every key exists that an entry touches
    taken.append("waits")
    source = cluster.master(SITE)
    target = next(node for node in cluster.servers if node is not source)
    keys = sorted(move_begins(source, target))
    for number in range(len(keys)):
        use(f"during-{number}")
        move(source, target, keys[number : number + 1])
    use("during")
    if new := source.ask("CLUSTER", "GETKEYSINSLOT", slot_of(source), 1000):
        move(source, target, new)
    move_ends(cluster, target)
    use("after")
    assert ([kept.entry.receipt for kept in store.entries()], bool(failed)) == (sorted(taken), True)
    assert {"before", "during-0", "after"} <= set(taken)
    found = verify(store, site=SITE, keys=("k",), today=DAY, record_days=540)
    assert (found.finding, found.entries + found.waiting, store.notice("n")) == (None, len(taken), b"document")


@pytest.mark.slow
def test_a_replica_that_takes_over_has_all_that_was_acknowledged() -> None:
    """Each node has a replica: after the master is killed, every acknowledged entry is on its successor."""
    with redis_servers.cluster(replicas=1) as started, closing(RedisRecords(started.quick, site=SITE)) as store:
        old = started.master(SITE)
        (replica,) = started.replicas(old)
        acknowledged = []
        for number in range(300):
            append_at_last(store, f"{number:03}")
            acknowledged.append(f"{number:03}")
        old.kill()

        def taken_over() -> bool:
            asked = next(node for node in started.servers if node is not old)
            slot = slot_of(asked)
            return any(
                first <= slot <= last and owner[1] == replica.port
                for first, last, owner, *_ in asked.ask("CLUSTER", "SLOTS")
            )

        wait_until(taken_over)
        assert [kept.entry.receipt for kept in store.entries()] == acknowledged
        # No replica could confirm another entry until the old master is back as a replica.
        with pytest.raises(RecordsError, match="0 of 1 replicas"):
            store.append(a_grant("alone"))
        old.start()
        append_at_last(store, "alone")
        assert [kept.entry.receipt for kept in store.entries()] == [*acknowledged, "alone"]


def test_a_cluster_s_own_client_sees_the_same(cluster: Deployment, store: RedisRecords) -> None:
    """redis-py's Cluster client finds the site's keys where we wrote them."""
    store.append(a_grant())
    with closing(redis.RedisCluster(host="127.0.0.1", port=cluster.servers[0].port)) as client:
        assert client.zcard(Keys(SITE).waiting) == 1


def test_a_slot_that_nobody_owns_is_told(cluster: Deployment, store: RedisRecords) -> None:
    """If the Cluster has no node for a site, the error says so."""
    slot = slot_of(cluster.servers[0])

    def told() -> bool:
        for node in cluster.servers:
            with suppress(redis.ResponseError):  # it has already given up the slot
                node.ask("CLUSTER", "DELSLOTS", slot)
        try:
            store.append(a_grant())
        except RecordsError as error:
            return f"no node owns slot {slot}" in str(error)
        return False

    wait_until(told)  # it takes a moment until every node knows
