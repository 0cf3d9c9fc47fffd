"""What every store guarantees about entries that come from a cookie or another ledger, and about erased ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from consent_mw.core.seal import FROM_COOKIE
from consent_mw.core.seal import MARK
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.seal import in_order
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from tests.records.samples import DAY
from tests.records.samples import a_grant
from tests.records.samples import its_end
from tests.records.samples import next_seal
from tests.records.samples import run_together
from tests.records.samples import seal_all


def again(entry: Entry) -> Entry:
    """Return a grant as it is written again from the visitor's cookie."""
    return replace(entry, language="", notice="", about=FROM_COOKIE)


def marks_of(store: Records) -> list[str]:
    """Return the numbers of the marks in a store."""
    return sorted(kept.entry.receipt for kept in store.tombstones() if kept.entry.about == MARK)


def test_what_is_taken_is_appended_once(store: Records, grant: Entry) -> None:
    """Entries come back as they are, and wait for a seal; those that are there already are not counted."""
    taken = [again(grant), its_end(grant), a_grant("other")]
    assert store.take(taken, {}) == 3
    assert store.history(grant.receipt) == [Kept(taken[0]), Kept(taken[1])]
    assert (store.take([*taken, a_grant("third")], {}), store.take([], {})) == (1, 0)
    assert len(store.unsealed(10)) == 4


@pytest.mark.parametrize("state", ["sealed", "waiting", "lost"])
def test_what_was_erased_is_not_taken(store: Records, grant: Entry, state: str) -> None:
    """An erasure leaves a mark by which its receipt is refused, whether or not there was something to erase."""
    if state != "lost":
        store.append(grant)
    if state == "sealed":
        seal_all(store)
    assert store.erase(grant.receipt, DAY, "m-2") == (0 if state == "lost" else 1)
    for _ in range(2):
        assert store.take([grant, again(grant), a_grant("other")], {grant.receipt: ["m-1", "m-2"]}) in (0, 1)
        assert (store.history(grant.receipt), marks_of(store)) == ([], ["m-2"])
        seal_all(store)
    assert store.history("other") != []


def test_one_mark_is_left_however_often_a_receipt_is_erased(store: Records, grant: Entry) -> None:
    """Also if the mark is sealed by then; and a mark itself cannot be erased."""
    store.append(grant)
    for _ in range(2):
        store.erase(grant.receipt, DAY, "m")
        seal_all(store)
    assert (store.erase("m", DAY, "other"), marks_of(store)) == (0, ["m"])


def test_marks_are_taken_and_nothing_else_that_erases(store: Records, grant: Entry) -> None:
    """A mark of another ledger counts here, too. A tombstone is about a place of its own chain, so it is refused."""
    mark = Entry("site", "m", Act.ERASE, DAY, about=MARK)
    assert store.take([mark], {}) == 1
    assert store.take([grant], {grant.receipt: ["m"]}) == 0
    for wrong in (replace(mark, about="1/0"), replace(mark, about=""), a_grant(site="other"), replace(mark, site="x")):
        with pytest.raises(RecordsError):
            store.take([a_grant("fine"), wrong], {})
    assert [kept.entry for kept in store.entries()] == [mark]


def test_a_document_of_the_owner_is_sealed_and_about_nobody(store: Records) -> None:
    """Its hash is covered by the next seal, and erasing its number finds nothing; one without a hash is refused."""
    document = Entry("site", "d" * 64, Act.DOCUMENT, DAY, notice="d" * 64, about="audit")
    assert (store.take([document], {}), store.take([document], {})) == (1, 0)
    seal_all(store)
    assert (store.erase("d" * 64, DAY, "m"), store.history("d" * 64)) == (0, [Kept(document, 1, 0)])
    assert marks_of(store) == []
    with pytest.raises(RecordsError):
        store.take([replace(document, notice="")], {})
    with pytest.raises(RecordsError):
        store.append(document)


def test_the_original_takes_the_place_of_what_was_written_again(store: Records, grant: Entry) -> None:
    """It says which notice was shown; the other way round nothing changes."""
    store.take([again(grant)], {})
    store.append(again(grant))
    store.append(grant)
    assert store.history(grant.receipt) == [Kept(grant)]
    store.append(replace(grant, services=frozenset()))
    store.append(again(grant))
    assert (store.take([again(grant)], {}), store.history(grant.receipt)) == (0, [Kept(grant)])
    assert store.unsealed(10) == [grant]


def test_what_is_sealed_stays_as_it_was_written_again(store: Records, grant: Entry) -> None:
    """The original comes too late: nothing that a seal covers changes."""
    store.take([again(grant)], {})
    seal_all(store)
    store.append(grant)
    assert store.history(grant.receipt) == [Kept(again(grant), 1, 0)]


def test_a_seal_over_what_was_replaced_meanwhile_is_refused(store: Records, grant: Entry) -> None:
    """It would cover an entry that is not there any more."""
    store.take([again(grant)], {})
    waiting = in_order(store.unsealed(10))
    seal = next_seal(store, waiting)
    store.append(grant)
    assert (store.add_seal(seal, waiting), store.last_seal(), store.unsealed(10)) == (False, None, [grant])


@pytest.mark.parametrize("entry", [a_grant(), its_end(a_grant())], ids=["grant", "end"])
def test_what_comes_late_is_not_appended_if_it_was_erased(store: Records, entry: Entry) -> None:
    """A spool that was cut off still had it; without a mark it is appended, and takes the place of a copy."""
    store.erase(entry.receipt, DAY, "m-2")
    for _ in range(2):
        store.append(entry, ["m-1", "m-2"])
        assert store.history(entry.receipt) == []
        seal_all(store)
    store.take([again(a_grant("late"))], {})
    store.append(a_grant("late"), ["m-3"])
    store.append(a_grant("new"), ["m-4"])
    assert [one.entry for one in store.entries() if one.entry.act is not Act.ERASE] == [a_grant("late"), a_grant("new")]


def test_an_erasure_wins_over_whoever_takes_at_the_same_time(opened: Callable[..., Records]) -> None:
    """Some take the same receipts again and again while they are erased: in the end none is there."""
    stores = [opened() for _ in range(3)]
    receipts = [f"{number}" for number in range(12)]
    marks = {receipt: [f"m{receipt}"] for receipt in receipts}
    errors: list[BaseException] = []
    gate = threading.Barrier(len(stores))

    def work(number: int) -> None:
        try:
            gate.wait(60)
            for receipt in receipts:
                if number == 0:
                    stores[0].erase(receipt, DAY, f"m{receipt}")
                elif number == 1:
                    stores[1].take([a_grant(receipt)], marks)
                else:
                    stores[2].append(a_grant(receipt), marks[receipt])
        except BaseException as error:
            errors.append(error)

    run_together([partial(work, number) for number in range(len(stores))])
    assert errors == []
    assert [kept.entry.receipt for kept in stores[0].entries()] == sorted(f"m{receipt}" for receipt in receipts)
