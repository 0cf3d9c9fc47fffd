"""What every store guarantees about its ledger."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from consent_mw.records import open_records
from tests.records.samples import DAY
from tests.records.samples import a_grant
from tests.records.samples import in_processes
from tests.records.samples import its_end
from tests.records.samples import run_together
from tests.records.samples import seal_all

#: The examples of a test share one store, so each uses different names.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
_numbers = itertools.count()


# -- entries


@pytest.mark.parametrize("act", [Act.ACCEPT, Act.PARTIAL, Act.WITHDRAW, Act.REPLACE])
def test_an_entry_comes_back_as_it_was(store: Records, grant: Entry, act: Act) -> None:
    """Grants and ends keep every field, and are not sealed yet."""
    entry = replace(grant, act=act)
    store.append(entry)
    assert store.history(grant.receipt) == [Kept(entry)]


def test_what_was_appended_stays(opened: Callable[..., Records], grant: Entry) -> None:
    """The entries are still there after a restart."""
    one = opened()
    one.append(grant)
    one.close()
    assert list(opened().entries()) == [Kept(grant)]


def test_an_entry_is_written_once(store: Records, grant: Entry) -> None:
    """A writer that got no answer may retry as often as it likes."""
    for _ in range(3):
        store.append(grant)
    assert store.history(grant.receipt) == [Kept(grant)]


def test_the_first_of_a_key_stays(store: Records, grant: Entry) -> None:
    """A second grant under the same receipt does not change the first."""
    store.append(grant)
    store.append(replace(grant, act=Act.ACCEPT, day=DAY + 1))
    assert store.history(grant.receipt) == [Kept(grant)]


def test_a_sealed_entry_is_not_written_again(store: Records, grant: Entry) -> None:
    """A late retry does not change the seal of the entry."""
    store.append(grant)
    seal_all(store)
    store.append(grant)
    assert (store.history(grant.receipt), store.unsealed(10)) == ([Kept(grant, 1, 0)], [])


@pytest.mark.parametrize("backwards", [False, True])
def test_a_history_goes_by_step(store: Records, grant: Entry, backwards: bool) -> None:
    """The grant precedes its end, whatever the order of arrival, also among entries of other receipts."""
    both = [grant, its_end(grant)]
    for entry in reversed(both) if backwards else both:
        store.append(entry)
        store.append(replace(entry, receipt="other"))
    assert store.history(grant.receipt) == [Kept(entry) for entry in both]


def test_an_unknown_receipt_has_no_history(store: Records, grant: Entry) -> None:
    """An unknown or empty receipt has no entries."""
    store.append(grant)
    assert [store.history(receipt) for receipt in ("unknown", "", grant.receipt[:-1])] == [[], [], []]


def test_an_entry_without_a_receipt_is_refused(store: Records, grant: Entry) -> None:
    """An entry that could never be found again must not be acknowledged."""
    with pytest.raises(RecordsError, match="needs a receipt"):
        store.append(replace(grant, receipt=""))
    assert list(store.entries()) == []


def test_only_grants_and_their_ends_are_taken(store: Records, grant: Entry) -> None:
    """Only an erasure creates a tombstone."""
    with pytest.raises(RecordsError, match="grants and their ends"):
        store.append(replace(grant, act=Act.ERASE))
    assert list(store.entries()) == []


def test_a_time_finer_than_a_day_is_refused(store: Records, grant: Entry) -> None:
    """Even by mistake, a caller cannot write a fraction of a day into the ledger."""
    with pytest.raises(RecordsError, match="whole days"):
        store.append(replace(grant, day=20_779.5))  # type: ignore[arg-type]
    assert list(store.entries()) == []


def test_an_entry_of_another_site_is_refused(store: Records, grant: Entry) -> None:
    """A store is bound to its site: another site's entry would come back changed."""
    with pytest.raises(RecordsError, match="of the site 'site', not of 'elsewhere'"):
        store.append(replace(grant, site="elsewhere"))


def test_entries_go_by_receipt_and_step(store: Records) -> None:
    """An export does not reveal the order of arrival, and may be made in ranges of receipts."""
    grants = [a_grant(receipt) for receipt in ("m", "z", "a", "É", "aa", "B", "😀", "\uffff")]
    every = [*grants, *map(its_end, grants)]
    for entry in every:
        store.append(entry)
    in_order = sorted(every, key=lambda entry: (entry.receipt, entry.step))
    assert [kept.entry for kept in store.entries()] == in_order
    for first, end in (("a", "m"), ("aa", ""), ("", "aa"), ("É", "😀"), ("n", "o")):
        between = [entry for entry in in_order if first <= entry.receipt and (entry.receipt < end or not end)]
        assert [kept.entry for kept in store.entries(first, end)] == between


def test_many_entries_come_once_each(store: Records) -> None:
    """More entries than a store reads at once all come, each once."""
    every = {f"{number:04}" for number in range(1_105)}
    for receipt in every:
        store.append(a_grant(receipt))
    assert [kept.entry.receipt for kept in store.entries()] == sorted(every)


def test_a_slow_reader_is_in_nobodys_way(store: Records) -> None:
    """While one caller reads the entries one by one, entries can be added and erased."""
    for receipt in "abc":
        store.append(a_grant(receipt))
    reader = store.entries()
    first = next(reader)
    store.append(a_grant("d"))
    store.erase("b", DAY)
    assert (first.entry.receipt, next(reader).entry.receipt in "bc") == ("a", True)


@shared
@given(
    receipt=st.text(),
    texts=st.tuples(*[st.text()] * 3),
    ids=st.tuples(*[st.frozensets(st.text(), max_size=3)] * 2),
    day=st.integers(-(2**31), 2**31 - 1),
)
def test_any_text_is_kept_or_refused(
    store: Records, receipt: str, texts: tuple[str, ...], ids: tuple[frozenset[str], ...], day: int
) -> None:
    """No entry breaks the store: it comes back unchanged, or is refused and not stored."""
    revision, language, notice = texts
    purposes, services = ids
    receipt = f"{next(_numbers)}-{receipt}"
    entry = Entry("site", receipt, Act.ACCEPT, day, revision, purposes, services, True, language, notice)
    try:
        store.append(entry)
    except RecordsError:
        kept = []
    else:
        kept = [Kept(entry)]
    assert [one for one in store.entries() if one.entry.receipt == receipt] == kept


# -- notices


def test_a_notice_is_kept_under_its_hash(store: Records) -> None:
    """The document comes back byte for byte; another hash gives None."""
    document = b'{"de":"\xc3\xa4"}' * 5_000
    store.keep_notice("a" * 64, document)
    store.keep_notice("a" * 64, document)
    assert (store.notice("a" * 64), store.notice("b" * 64)) == (document, None)


def test_a_notice_stays(opened: Callable[..., Records]) -> None:
    """The notices are still there after a restart."""
    one = opened()
    one.keep_notice("a" * 64, b"shown")
    one.close()
    assert opened().notice("a" * 64) == b"shown"


@shared
@given(st.binary(max_size=2_000))
def test_any_bytes_are_a_notice(store: Records, document: bytes) -> None:
    """Documents may contain any bytes."""
    digest = f"{next(_numbers):064}"
    store.keep_notice(digest, document)
    assert store.notice(digest) == document


# -- concurrency


def test_sites_do_not_see_each_other(opened: Callable[..., Records], grant: Entry) -> None:
    """Two sites in one store have separate receipts, seals and hashes."""
    one, other = opened("one"), opened("other")
    mine = replace(grant, site="one")
    one.append(mine)
    one.keep_notice("a" * 64, b"one")
    seal = seal_all(one, site="one")
    one.append(a_grant("waits", site="one"))
    seen = [other.history(grant.receipt), list(other.entries()), other.unsealed(9), other.seals(), other.sealed(1)]
    assert (seen, other.last_seal(), other.notice("a" * 64)) == ([[]] * 5, None, None)
    assert (other.erase(grant.receipt, DAY), other.purge(DAY + 1)) == (0, 0)
    other.append(replace(grant, site="other"))
    other.keep_notice("a" * 64, b"other")
    assert seal_all(other, site="other").number == 1
    assert (one.history(grant.receipt), one.seals(), one.notice("a" * 64)) == ([Kept(mine, 1, 0)], [seal], b"one")


def test_a_closed_store_says_so(opened: Callable[..., Records], grant: Entry) -> None:
    """Use after close raises RecordsError; closing twice does not."""
    store = opened()
    store.close()
    store.close()
    for use in (
        lambda: store.append(grant),
        lambda: store.history("r"),
        lambda: next(store.entries()),
        lambda: store.keep_notice("n", b""),
        lambda: store.notice("n"),
        lambda: store.unsealed(1),
        store.last_seal,
        store.seals,
        lambda: store.sealed(1),
        lambda: store.erase("r", DAY),
        lambda: store.take([a_grant()], {}),
        lambda: store.purge(DAY),
    ):
        with pytest.raises(RecordsError, match="closed"):
            use()


def test_threads_share_a_store(store: Records) -> None:
    """Many threads append and read concurrently, and nothing fails or is lost."""
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                entry = a_grant(f"{number}-{turn}")
                store.append(entry)
                assert store.history(entry.receipt) == [Kept(entry)]
        except Exception as error:
            errors.append(error)

    run_together([partial(work, number) for number in range(8)])
    assert (errors, len(list(store.entries()))) == ([], 80)


def _append_in_child(number: int, store: Records) -> None:
    for turn in range(10):
        store.append(a_grant(f"child{number}-{turn}"))


def test_a_store_survives_a_fork(store: Records, grant: Entry) -> None:
    """If a server opens and uses the store before it forks, its workers can use it, and so can the server."""
    store.append(grant)
    assert in_processes(3, _append_in_child, store) == [0, 0, 0]
    store.append(its_end(grant))
    assert len(list(store.entries())) == 2 + 30


def _append_much(number: int, url: str) -> None:
    store = open_records(url)
    for turn in range(50):
        store.append(a_grant(f"{number}-{turn}"))
        store.append(a_grant(f"all-{turn}"))
        store.append(its_end(a_grant(f"{number}-{turn}")))


def test_many_processes_append_at_once(url: str, store: Records) -> None:
    """Four processes append both different and identical entries: each is stored exactly once."""
    assert in_processes(4, _append_much, url) == [0] * 4
    keys = [(kept.entry.receipt, kept.entry.step) for kept in store.entries()]
    own = {(f"{number}-{turn}", step) for number in range(4) for turn in range(50) for step in (0, 1)}
    assert (set(keys), len(keys)) == (own | {(f"all-{turn}", 0) for turn in range(50)}, 450)
