"""A single Redis server: the content of its keys, and that faults lose no acknowledged data."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.observations import PAGE
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import of_service
from consent_mw.core.seal import NO_SEAL
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Seal
from consent_mw.core.seal import in_order
from consent_mw.errors import RecordsError
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import FindingKind
from consent_mw.proof.verifying import verify
from consent_mw.records import ReadSeals
from consent_mw.records import migrate_records
from consent_mw.records import open_records
from consent_mw.records import redis as store_module
from consent_mw.records.redis import RedisRecords
from consent_mw.records.redis import SchemaStep
from consent_mw.records.redis import keys
from consent_mw.records.redis.keys import Keys
from consent_mw.records.redis.link import RedisLink
from tests.records import redis_servers
from tests.records.redis_servers import Deployment
from tests.records.redis_servers import Server
from tests.records.redis_servers import wait_until
from tests.records.samples import DAY
from tests.records.samples import SITE
from tests.records.samples import a_grant
from tests.records.samples import its_end
from tests.records.samples import next_seal
from tests.records.samples import seal_all

pytestmark = pytest.mark.skipif(redis_servers.program() is None, reason="redis-server is not on this machine")

KEYS = Keys(SITE)
#: Seconds after which a call counts as one without end. A call that waited for a frozen server would end only after the
#: test has thawed it, so that a call ends is the proof; how soon, the tests do not ask of a busy machine.
BOUND = 60.0


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """Start a server for this test alone."""
    with redis_servers.standalone() as started:
        yield started


@pytest.fixture
def server(deployment: Deployment) -> Server:
    """Return that server."""
    return deployment.servers[0]


@pytest.fixture
def store(deployment: Deployment) -> Iterator[RedisRecords]:
    """Open the store on that server."""
    with closing(RedisRecords(deployment.patient, site=SITE)) as opened:
        yield opened


# -- content


def dump(server: Server) -> dict[str, object]:
    """Return all data of the server, in its order."""
    reading: dict[bytes, tuple[str | int, ...]] = {
        b"string": ("GET",),
        b"hash": ("HGETALL",),
        b"set": ("SMEMBERS",),
        b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    }
    found: dict[str, object] = {}
    for key in sorted(server.ask("KEYS", "*")):
        command, *rest = reading[server.ask("TYPE", key)]
        found[key.decode()] = server.ask(command, key, *rest)
    return found


def fill(store: RedisRecords, receipts: list[str]) -> None:
    """Perform every operation that stores something."""
    for receipt in receipts:
        store.append(a_grant(receipt))
    store.append(its_end(a_grant(receipts[0])))
    store.keep_notice("ab" * 32, b"document")
    seal_all(store)
    for receipt in receipts:
        store.append(a_grant(f"later-{receipt}"))
    store.erase(receipts[1], DAY)
    store.add_counts({Count(DAY, "os", "linux", "accept"): 3})
    store.publish([Figures("answers", DAY - 3, DAY - 1, {("", "accept"): 12})], {})
    store.observe({of_service("ga"): Occurrence(DAY, DAY), PAGE: Occurrence(DAY, DAY, 2)})


def test_the_keys_are_those_that_are_documented(server: Server, store: RedisRecords) -> None:
    """All keys have the site's hash tag, and are of the types that the module documents."""
    fill(store, ["one", "two", "three"])
    listed = dict(re.findall(r"^``([\w:]+?)(?::[A-Z]+)?``\s\s+(\w+)", store_module.__doc__ or "", re.MULTILINE))
    kinds = {name: "zset" if kind == "sorted" else kind for name, kind in listed.items()}
    found = {key: server.ask("TYPE", key).decode() for key in dump(server)}
    assert all(key.startswith("{cmw:site}:") for key in found)
    assert {key.removeprefix("{cmw:site}:").partition(":")[0]: kind for key, kind in found.items()} == kinds


def test_nothing_is_finer_than_a_day(server: Server, store: RedisRecords) -> None:
    """No number in the store is a time: the largest is a day."""
    fill(store, ["one", "two", "three"])
    held = dump(server)
    held.pop(KEYS.leaves)
    held.pop(KEYS.notices)
    text = re.sub(r"[0-9a-f]{12,}", "", str(held))  # hashes
    assert max(int(number) for number in re.findall(r"\d+", text)) == DAY


def test_no_order_of_arrival_is_kept(deployment: Deployment, server: Server, store: RedisRecords) -> None:
    """Unsealed and sealed entries are stored the same, whatever their order of arrival."""
    receipts = [f"{number:03}{'r' * 19}" for number in range(60)]
    pictures = []
    for _ in range(2):
        for receipt in receipts:
            store.append(Entry(SITE, receipt, Act.WITHDRAW, DAY))  # small enough for the compact encodings of Redis
        waiting = dump(server)
        seal_all(store)
        pictures.append((waiting, dump(server)))
        server.ask("FLUSHALL")
        store.close()
        store = RedisRecords(deployment.patient, site=SITE)
        random.shuffle(receipts)
    store.close()
    assert pictures[0] == pictures[1]


def test_what_was_erased_leaves_the_disk() -> None:
    """After an erasure and the daily purge, no file of the server contains the receipt."""
    # Without compression, so that this test can read the rewritten file.
    with redis_servers.standalone({"aof-use-rdb-preamble": "no"}) as started:
        server = started.servers[0]

        def files() -> bytes:
            return b"".join(path.read_bytes() for path in server.folder.rglob("*") if path.is_file())

        with closing(RedisRecords(started.patient, site=SITE)) as store:
            store.append(a_grant("leaves-a-trace"))
            store.append(a_grant("stays"))
            seal_all(store)
            assert store.erase("leaves-a-trace", DAY) == 1
            assert b"leaves-a-trace" in files()
            store.purge(0)
            wait_until(lambda: b"leaves-a-trace" not in files())
        assert (b"stays" in files(), server.ask("EXISTS", KEYS.erased)) == (True, 0)


def test_a_seal_over_five_thousand_entries_is_kept() -> None:
    """The largest seal of older versions is stored by one script, and comes back complete."""
    entries = in_order([a_grant(f"{number:022}") for number in range(5000)])
    with (
        redis_servers.standalone() as started,
        closing(RedisRecords(started.patient, site=SITE)) as store,
    ):
        with ThreadPoolExecutor(16) as writers:  # which share the disk syncs
            list(writers.map(store.append, entries))
        seal = next_seal(store, entries)
        assert store.add_seal(seal, entries)
        assert ([kept.entry for kept in store.sealed(1)], store.seals()) == (entries, [seal])
        assert (store.purge(DAY + 1), list(store.entries())) == (5000, [])


def test_seals_of_older_versions_and_small_ones_are_one_chain(
    store: RedisRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seal has no more entries than the server stores quickly; a larger one from before is verified and purged."""
    keys = ("k" * 40,)
    with monkeypatch.context() as older:
        older.setattr("consent_mw.records.redis.ledger.SEALED", 7)
        for number in range(7):
            store.append(a_grant(f"old-{number}", notice=""))
        assert seal_new(store, site=SITE, keys=keys, today=DAY) == 7
    monkeypatch.setattr("consent_mw.records.redis.ledger.SEALED", 2)
    for number in range(5):
        store.append(a_grant(f"new-{number}", notice=""))
    made = [seal_new(store, site=SITE, keys=keys, today=DAY + 1) for _ in range(4)]
    found = verify(store, site=SITE, keys=keys, today=DAY + 1, record_days=540)
    assert (made, found.finding, found.entries) == ([2, 2, 1, 0], None, 12)
    assert (store.purge(DAY + 1), len(list(store.entries())), list(store.outside(ReadSeals(1, 4, 5)))) == (7, 5, [])


def test_an_entry_is_never_out_of_sight(deployment: Deployment, store: RedisRecords) -> None:
    """A reader finds a receipt while it is being sealed, and no entry is listed twice."""
    seen: list[int] = []
    done = threading.Event()

    def look() -> None:
        with closing(RedisRecords(deployment.patient, site=SITE)) as other:
            while not done.is_set():
                seen.append(len(other.history("watched")))
                receipts = [kept.entry.receipt for kept in other.entries()]
                assert len(receipts) == len(set(receipts))

    for number in range(600):
        store.append(a_grant(f"{number:022}"))
    for _ in range(10):
        store.append(a_grant("watched"))
        reader = threading.Thread(target=look)
        reader.start()
        time.sleep(0.02)
        seal_all(store)
        done.set()
        reader.join()
        done.clear()
        store.erase("watched", DAY)
    assert set(seen) == {1}


def test_an_erasure_finds_what_is_sealed_meanwhile(store: RedisRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that is sealed during its erasure is erased at its new place."""
    store.append(a_grant())
    script = RedisLink.script
    sealed: list[int] = []

    def later(self: RedisLink, *arguments: object, **options: object) -> object:
        if not sealed:
            sealed.append(1)
            seal_all(store)
        return script(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(RedisLink, "script", later)
    assert store.erase(a_grant().receipt, DAY) == 1
    assert [kept.entry.about for kept in store.entries()] == ["1/0"]
    assert store.sealed(1) == []


def test_a_receipt_with_a_separator_in_it_is_refused(store: RedisRecords) -> None:
    """NUL ends a receipt in a key, so a receipt that contains it could be taken for another."""
    with pytest.raises(RecordsError, match="NUL"):
        store.append(a_grant("r\x000"))


def test_no_site_can_name_a_key_of_another() -> None:
    """Braces, colons and spaces in a site's id are encoded: the hash tag stays whole."""
    assert Keys("a}:b {c").schema == "{cmw:a%7D%3Ab%20%7Bc}:schema"


def test_a_seal_over_an_entry_twice_or_of_another_site_is_refused(store: RedisRecords) -> None:
    """Each entry of a seal belongs to the site, and has one place."""
    store.append(a_grant())
    for entries in ([a_grant(), a_grant()], [a_grant(site="other")]):
        assert not store.add_seal(next_seal(store, entries), entries)
    assert store.unsealed(10) == [a_grant()]


# -- tampering


def test_an_entry_that_its_receipt_does_not_lead_to_is_found(server: Server, store: RedisRecords) -> None:
    """An entry that was removed from the index is missing in the history, and verification reports it."""
    store.append(a_grant())
    seal_new(store, site=SITE, keys=("k",), today=DAY)
    server.ask("ZREM", KEYS.index, a_grant().receipt.encode() + b"\x000\x001/0")
    finding = verify(store, site=SITE, keys=("k",), today=DAY, record_days=540).finding
    assert finding is not None and finding.kind is FindingKind.REMOVED


def test_an_entry_that_was_edited_is_found(server: Server, store: RedisRecords) -> None:
    """A change to a sealed entry is found."""
    store.append(a_grant())
    seal_new(store, site=SITE, keys=("k",), today=DAY)
    kept = server.ask("HGET", KEYS.sealed(1), 0)
    server.ask("HSET", KEYS.sealed(1), 0, kept.replace(b"partial", b"accept"))
    finding = verify(store, site=SITE, keys=("k",), today=DAY, record_days=540).finding
    assert finding is not None and finding.kind is FindingKind.EDITED


def test_a_chain_that_was_cut_is_read_as_far_as_it_goes(server: Server, store: RedisRecords) -> None:
    """Without its last seal, the rest of the chain can be read, and no other seal can take its place."""
    store.append(a_grant("one"))
    first = seal_all(store)
    store.append(a_grant("two"))
    seal_all(store)
    server.ask("HDEL", KEYS.seals, 2)
    store.append(a_grant("three"))
    waiting = store.unsealed(10)
    assert (store.last_seal(), store.add_seal(next_seal(store, waiting), waiting)) == (first, False)


def test_nonsense_is_an_error_of_the_store(server: Server, store: RedisRecords) -> None:
    """A damaged entry raises RecordsError, whose message does not contain it."""
    store.append(a_grant())
    seal_all(store)
    server.ask("HSET", KEYS.sealed(1), 0, a_grant().receipt.encode() + b"\x000\x00[nonsense]")
    with pytest.raises(RecordsError, match="not as it was written"):
        store.history(a_grant().receipt)


def test_a_key_of_another_kind_is_an_error_of_the_store(server: Server, store: RedisRecords) -> None:
    """A value of another program under one of our keys raises RecordsError."""
    server.ask("SET", KEYS.learned, "x")
    with pytest.raises(RecordsError, match="wrong kind of value"):
        store.learned()


# -- versions


def test_services_that_an_older_version_learned_are_read(server: Server, store: RedisRecords) -> None:
    """Their value is one day; what is observed from now on joins it, and older processes still see the ids."""
    server.ask("HSET", KEYS.learned, "ga", 5, "youtube", 6)
    assert store.observed() == {of_service("ga"): Occurrence(5, 5), of_service("youtube"): Occurrence(6, 6)}
    store.observe({of_service("ga"): Occurrence(7, 9, 2, "/a b")})
    assert store.observed()[of_service("ga")] == Occurrence(5, 9, 2, "/a b")
    assert set(server.ask("HKEYS", KEYS.learned)) == {b"ga", b"youtube"}


def test_records_of_a_newer_version_are_refused(server: Server, store: RedisRecords) -> None:
    """An older program does not change newer records, not even in a migration."""
    server.ask("SET", KEYS.schema, keys.VERSION + 1)
    for use in (open_records, migrate_records):
        with pytest.raises(RecordsError, match="newer version"):
            use(f"redis://{server.place}/0")


def test_older_records_wait_for_the_command(
    server: Server, store: RedisRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records of an older version are refused until they are migrated, step by step and once."""
    store.append(a_grant())

    def rename(link: RedisLink, keys: Keys) -> None:
        link.write("SET", keys.prefix + "new", 1)

    monkeypatch.setattr(keys, "VERSION", 3)
    monkeypatch.setattr(store_module, "MIGRATIONS", (SchemaStep("first", rename), SchemaStep("second", rename)))
    url = f"redis://{server.place}/0"
    with pytest.raises(RecordsError, match="older version.*consent-mw records migrate"):
        open_records(url)
    assert (migrate_records(url), migrate_records(url)) == (["first", "second"], [])
    with closing(open_records(url)) as opened:
        assert [kept.entry for kept in opened.entries()] == [a_grant()]
    assert server.ask("GET", KEYS.prefix + "new") == b"1"


def test_an_empty_server_needs_no_migration(server: Server) -> None:
    """A new store has the current version."""
    assert migrate_records(f"redis://{server.place}/0") == []


# -- faults


@pytest.mark.slow
def test_a_killed_server_has_all_that_it_acknowledged(deployment: Deployment, server: Server) -> None:
    """``kill -9`` during appends, repeatedly: the same open store then has each acknowledged entry once."""
    acknowledged: list[str] = []
    done = threading.Event()

    def work(store: RedisRecords, number: int) -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            receipt = f"{number}-{turn}"
            try:
                store.append(a_grant(receipt))
            except RecordsError:
                time.sleep(0.01)
            else:
                acknowledged.append(receipt)

    with closing(RedisRecords(deployment.patient, site=SITE)) as store:
        threads = [threading.Thread(target=work, args=(store, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(4):
            before = len(acknowledged)
            wait_until(lambda before=before: len(acknowledged) > before + 50)  # type: ignore[misc]
            server.kill()
            server.start()
        done.set()
        for thread in threads:
            thread.join()
        there = [kept.entry.receipt for kept in store.entries()]
    assert (len(there), set(acknowledged) - set(there)) == (len(set(there)), set())


def seconds(what: Callable[[], object]) -> float:
    """Return the seconds until ``what`` failed with RecordsError."""
    start = time.monotonic()
    with pytest.raises(RecordsError):
        what()
    return time.monotonic() - start


def uses(store: RedisRecords) -> dict[str, Callable[[], object]]:
    """Return a call of each method."""
    return {
        "append": lambda: store.append(a_grant()),
        "history": lambda: store.history("r"),
        "entries": lambda: list(store.entries()),
        "keep_notice": lambda: store.keep_notice("d", b""),
        "notice": lambda: store.notice("d"),
        "unsealed": lambda: store.unsealed(1),
        "add_seal": lambda: store.add_seal(Seal(SITE, 1, DAY, 1, a_grant().leaf, NO_SEAL), [a_grant()]),
        "last_seal": store.last_seal,
        "seals": store.seals,
        "sealed": lambda: store.sealed(1),
        "erase": lambda: store.erase("r", DAY),
        "take": lambda: store.take([a_grant()], {"r": ["m"]}),
        "purge": lambda: store.purge(DAY),
        "add_counts": lambda: store.add_counts({Count(DAY, "", "", "asked"): 1}),
        "counts": lambda: store.counts(DAY),
        "publish": lambda: store.publish([], {}),
        "figures": lambda: store.figures(0, DAY),
        "learned": store.learned,
        "observe": lambda: store.observe({of_service("x"): Occurrence(DAY, DAY)}),
        "observed": store.observed,
        "forget_observations": lambda: store.forget_observations(DAY, 10),
    }


@pytest.mark.parametrize("fault", ["freeze", "kill"])
def test_no_call_waits_for_a_server_that_is_gone(deployment: Deployment, server: Server, fault: str) -> None:
    """With the server frozen or dead, each method fails in time; afterwards the same store works again."""
    with closing(RedisRecords(deployment.patient, site=SITE)) as other:
        other.append(a_grant())
    with closing(RedisRecords(deployment.url, site=SITE)) as store:
        wait_until(lambda: store.history(a_grant().receipt))
        {"freeze": server.freeze, "kill": server.kill}[fault]()
        took = {name: seconds(use) for name, use in uses(store).items()}
        {"freeze": server.thaw, "kill": server.start}[fault]()
        assert {name: time for name, time in took.items() if time > BOUND} == {}
        wait_until(lambda: len(store.history(a_grant().receipt)) == 1)


def test_a_store_outlives_a_restart_without_an_error(server: Server, store: RedisRecords) -> None:
    """Idle connections that died are replaced without an error."""
    store.append(a_grant())
    server.kill()
    server.start()
    store.append(its_end(a_grant()))
    assert len(store.history(a_grant().receipt)) == 2
