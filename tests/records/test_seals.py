"""What every store guarantees about seals, erasure and purging."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.seal import in_order
from consent_mw.records import Records
from consent_mw.records import open_records
from tests.records.samples import DAY
from tests.records.samples import a_grant
from tests.records.samples import in_processes
from tests.records.samples import its_end
from tests.records.samples import next_seal
from tests.records.samples import run_together
from tests.records.samples import seal_all

# -- seals


def test_new_entries_wait_for_a_seal(store: Records) -> None:
    """All new entries are unsealed; up to the limit are returned."""
    every = {a_grant(receipt) for receipt in "abcde"}
    for entry in every:
        store.append(entry)
    some = store.unsealed(3)
    assert (set(store.unsealed(10)), len(some), set(some) < every) == (every, 3, True)


def test_a_seal_is_kept_as_it_is(store: Records, grant: Entry) -> None:
    """Each field of a seal comes back, with its leaves in order; at first there is no seal."""
    assert store.last_seal() is None
    for receipt in "abc":
        store.append(a_grant(receipt))
    seal = seal_all(store)
    assert (store.last_seal(), store.seals(), len(seal.leaves or ())) == (seal, [seal], 3)


def test_sealed_entries_say_where_they_stand(store: Records) -> None:
    """Each entry has the number of its seal and its place, and is not unsealed any more."""
    for receipt in "abc":
        store.append(a_grant(receipt))
    waiting = in_order(store.unsealed(10))
    seal = seal_all(store)
    places = [Kept(entry, 1, place) for place, entry in enumerate(waiting)]
    assert (store.sealed(1), store.sealed(2), store.unsealed(10)) == (places, [], [])
    assert [kept.entry.leaf for kept in store.sealed(1)] == list(seal.leaves or ())


def test_seals_come_in_order_from_any_number(store: Records) -> None:
    """A reader can start at any seal and read any number of them."""
    chain = []
    for number in range(12):
        store.append(a_grant(f"{number}"))
        chain.append(seal_all(store))
    assert store.seals() == chain
    assert store.seals(11) == chain[10:]
    assert store.seals(3, 2) == chain[2:4]
    assert store.seals(13) == []


def test_a_seal_that_is_not_the_next_is_refused(store: Records) -> None:
    """A number that is taken or leaves a gap changes nothing."""
    store.append(a_grant("a"))
    first = seal_all(store)
    store.append(a_grant("b"))
    waiting = store.unsealed(10)
    seal = next_seal(store, waiting)
    assert not store.add_seal(replace(seal, number=1), waiting)
    assert not store.add_seal(replace(seal, number=3), waiting)
    assert (store.seals(), store.unsealed(10)) == ([first], waiting)


def test_a_seal_over_an_erased_entry_is_refused(store: Records) -> None:
    """An entry that was erased while the seal was made is in no seal; the others stay unsealed."""
    for receipt in "abc":
        store.append(a_grant(receipt))
    waiting = in_order(store.unsealed(10))
    seal = next_seal(store, waiting)
    store.erase(waiting[1].receipt, DAY)
    assert not store.add_seal(seal, waiting)
    assert (store.last_seal(), set(store.unsealed(10))) == (None, {waiting[0], waiting[2]})


def test_an_entry_is_sealed_once(store: Records) -> None:
    """A seal over an entry that is already sealed is refused as a whole."""
    store.append(a_grant("a"))
    seal_all(store)
    store.append(a_grant("b"))
    both = [kept.entry for kept in store.entries()]
    assert not store.add_seal(next_seal(store, both), both)
    assert store.unsealed(10) == [a_grant("b")]


def _seal_at_once(number: int, url: str, won: str) -> None:
    with_store = open_records(url)
    waiting = in_order(with_store.unsealed(100))
    seal = next_seal(with_store, waiting)
    if with_store.add_seal(seal, waiting):
        with open(f"{won}/{number}", "w"):
            pass


def test_of_processes_that_seal_at_once_one_wins(
    url: str, opened: Callable[..., Records], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each process that succeeds adds one seal to the chain, and every entry is in exactly one."""
    store, sealed = opened(), 0
    for turn in range(3):
        for number in range(20):
            store.append(a_grant(f"{turn}-{number}"))
        won = tmp_path_factory.mktemp("won")
        assert in_processes(4, _seal_at_once, url, str(won)) == [0] * 4
        winners = len(list(won.iterdir()))
        # A process that is late may find no entries, and may add an empty seal.
        sealed += winners
        assert winners >= 1
    sizes = [seal.size for seal in store.seals()]
    assert (len(sizes), sum(sizes), store.unsealed(100)) == (sealed, 60, [])
    places = [(kept.seal, kept.place) for kept in store.entries()]
    assert len(set(places)) == 60


def test_a_race_for_a_seal_has_one_winner(opened: Callable[..., Records]) -> None:
    """If many callers add the same next seal, exactly one succeeds."""
    stores = [opened() for _ in range(4)]
    for number in range(50):
        stores[0].append(a_grant(f"{number}"))
    waiting = in_order(stores[0].unsealed(100))
    seal = next_seal(stores[0], waiting)
    gate = threading.Barrier(len(stores))
    results: list[object] = []

    def work(store: Records) -> None:
        gate.wait()
        try:
            results.append(store.add_seal(seal, waiting))
        except Exception as error:
            results.append(error)

    run_together([partial(work, store) for store in stores])
    assert sorted(map(str, results)) == ["False", "False", "False", "True"]
    assert stores[0].seals() == [seal]


# -- erasure and retention


def test_what_waits_is_erased_without_a_trace(store: Records, grant: Entry) -> None:
    """An unsealed entry is deleted; the number of entries is returned."""
    other = a_grant("other")
    for entry in (grant, its_end(grant), other):
        store.append(entry)
    assert store.erase(grant.receipt, DAY) == 2
    assert (store.history(grant.receipt), list(store.entries())) == ([], [Kept(other)])


def test_what_is_sealed_leaves_a_tombstone(store: Records, grant: Entry) -> None:
    """Each sealed entry of the receipt leaves one, with its place, a day and a random id."""
    for entry in (grant, its_end(grant), a_grant("other")):
        store.append(entry)
    seal_all(store)
    places = {f"{kept.seal}/{kept.place}" for kept in store.history(grant.receipt)}
    assert store.erase(grant.receipt, DAY + 5) == 2
    left = store.unsealed(10)
    assert {entry.about for entry in left} == places
    assert {replace(entry, receipt="", about="") for entry in left} == {Entry("site", "", Act.ERASE, DAY + 5)}
    assert len({entry.receipt for entry in left} - {grant.receipt, ""}) == 2
    assert (store.history(grant.receipt), len(store.sealed(1))) == ([], 1)


def test_only_the_sealed_part_of_a_receipt_leaves_a_tombstone(store: Records, grant: Entry) -> None:
    """A sealed grant and its unsealed end are both gone; one tombstone is left."""
    store.append(grant)
    seal_all(store)
    store.append(its_end(grant))
    assert store.erase(grant.receipt, DAY) == 2
    assert [entry.about for entry in store.unsealed(10)] == ["1/0"]


def test_a_tombstone_is_sealed_like_any_other(store: Records, grant: Entry) -> None:
    """The next seal covers it, so that an erasure cannot be faked later."""
    store.append(grant)
    seal_all(store)
    store.erase(grant.receipt, DAY)
    seal_all(store)
    assert [(kept.entry.act, kept.entry.about) for kept in store.sealed(2)] == [(Act.ERASE, "1/0")]


def test_a_tombstone_is_not_erased(store: Records, grant: Entry) -> None:
    """Its id cannot be erased like a receipt."""
    store.append(grant)
    seal_all(store)
    store.erase(grant.receipt, DAY)
    (left,) = store.unsealed(10)
    assert (store.erase(left.receipt, DAY), store.unsealed(10)) == (0, [left])


def test_an_unknown_receipt_is_no_entry_to_erase(store: Records, grant: Entry) -> None:
    """Repeated erasure of an unknown receipt does not affect other entries."""
    store.append(grant)
    assert [store.erase("unknown", DAY), store.erase("", DAY), store.erase("%", DAY)] == [0, 0, 0]
    store.erase(grant.receipt, DAY)
    assert store.erase(grant.receipt, DAY) == 0


def test_retention_takes_entries_and_leaves_and_keeps_seals(store: Records) -> None:
    """Entries sealed before the day are dropped, with the leaves; the chain of seals is unchanged."""
    for day in (DAY, DAY + 1, DAY + 2):
        for number in range(3):
            store.append(a_grant(f"{day}-{number}", day=day))
        seal_all(store, day)
    before = store.seals()
    assert store.purge(DAY + 2) == 6
    after = store.seals()
    assert [(seal.hash, seal.signature) for seal in after] == [(seal.hash, seal.signature) for seal in before]
    assert [seal.leaves is None for seal in after] == [True, True, False]
    assert {kept.seal for kept in store.entries()} == {3}
    assert store.purge(DAY + 2) == 0


def test_retention_leaves_what_waits(store: Records) -> None:
    """An unsealed entry stays, however old it is."""
    store.append(a_grant(day=1))
    assert (store.purge(DAY), store.unsealed(10)) == (0, [a_grant(day=1)])


def test_retention_goes_through_many_seals(store: Records) -> None:
    """More seals than a store purges at once are all purged."""
    for number in range(30):
        store.append(a_grant(f"{number}"))
        seal_all(store)
    assert (store.purge(DAY + 1), list(store.entries())) == (30, [])
    assert {seal.leaves for seal in store.seals()} == {None}


def test_a_receipt_that_retention_took_is_unknown(store: Records, grant: Entry) -> None:
    """Its history is empty, and erasing it finds nothing."""
    store.append(grant)
    seal_all(store)
    store.purge(DAY + 1)
    assert (store.history(grant.receipt), store.erase(grant.receipt, DAY), store.unsealed(10)) == ([], 0, [])


# -- everything at once


def _append_or_seal(number: int, url: str) -> None:
    store = open_records(url)
    for turn in range(40):
        if number == 0:
            waiting = in_order(store.unsealed(1_000))
            store.add_seal(next_seal(store, waiting), waiting)
        elif number == 1:
            store.erase(f"2-{turn - 3}", DAY)
        else:
            store.append(a_grant(f"{number}-{turn}"))


def test_sealing_loses_nothing_of_what_goes_on(url: str, store: Records) -> None:
    """While one process seals and one erases, others append: each entry is in one seal, unsealed, or erased."""
    assert in_processes(4, _append_or_seal, url) == [0] * 4
    entries = [kept for kept in store.entries() if kept.entry.act is not Act.ERASE]
    receipts = {kept.entry.receipt for kept in entries}
    assert {f"3-{turn}" for turn in range(40)} <= receipts
    seal_all(store)
    for seal in store.seals():
        there = {kept.place: kept.entry.leaf for kept in store.sealed(seal.number)}
        assert seal.leaves is not None
        assert all(seal.leaves[place] == leaf for place, leaf in there.items() if place is not None)
        missing = {f"{seal.number}/{place}" for place in range(seal.size)} - {
            f"{seal.number}/{place}" for place in there
        }
        assert missing <= {kept.entry.about for kept in store.entries()}
