"""Two ledgers of one site that both took records become one that has each of them once, and no erased one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import of_service
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.proof.erasing import erase
from consent_mw.proof.merging import Merged
from consent_mw.proof.merging import NotIntact
from consent_mw.proof.merging import merge_records
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import verify
from consent_mw.records import Records
from consent_mw.records import open_records
from tests.records.samples import DAY
from tests.records.samples import SITE
from tests.records.samples import a_grant
from tests.records.samples import its_end

KEYS = ("k" * 40,)
DOCUMENT = b"the notice"
NOTICE, OTHER = (hashlib.sha256(document).hexdigest() for document in (DOCUMENT, b"another"))


def grant_of(receipt: str) -> Entry:
    """Return a grant under the notice."""
    return a_grant(receipt, notice=NOTICE)


def sealed(store: Records) -> None:
    """Seal everything."""
    while seal_new(store, site=SITE, keys=KEYS, today=DAY):
        pass


def gone(store: Records, receipt: str) -> None:
    """Erase a receipt as the site does."""
    erase(store, receipt, site=SITE, keys=KEYS, today=DAY)


def merged(source: Records, target: Records, today: int = DAY) -> Merged:
    """Merge the source into the target, which verifies afterwards."""
    done = merge_records(source, target, site=SITE, keys=KEYS, today=today, record_days=30)
    for _ in range(2):
        found = verify(target, site=SITE, keys=KEYS, today=today, record_days=30, notices=True)
        assert found.finding is None
        sealed(target)
    return done


def kept(store: Records) -> list[Entry]:
    """Return the entries of people, by receipt and step."""
    return [one.entry for one in store.entries() if one.entry.act is not Act.ERASE]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Records]:
    """Return a second store, for the other side of the split."""
    with closing(open_records(f"sqlite:///{tmp_path}/source.db", site=SITE)) as opened:
        yield opened


def test_each_record_of_both_is_there_once(source: Records, store: Records) -> None:
    """In every store: what both had before the split, and what either has taken, ended and erased since."""
    for side, name in ((source, "there"), (store, "here")):
        for receipt in ("ended", "gone-here", "gone-there", "kept"):
            side.append(grant_of(receipt))
        side.keep_notice(NOTICE, DOCUMENT)
        sealed(side)
        side.append(grant_of("waiting"))
        side.append(grant_of("waiting-and-gone"))
        gone(side, f"gone-{name}")
        side.append(grant_of(f"new-{name}"))
        sealed(side)
        side.append(grant_of(f"late-{name}"))
    gone(source, "waiting-and-gone")
    source.append(its_end(grant_of("ended")))
    source.append(a_grant("shown", notice=OTHER))
    source.keep_notice(OTHER, b"another")
    source.observe({of_service("youtube"): Occurrence(DAY, DAY, 1)})
    head = store.last_seal()
    assert merged(source, store) == Merged(taken=4, both=3, refused=1, erased=2, notices=1)
    expected = {"ended", "kept", "waiting", "new-here", "new-there", "late-here", "late-there", "shown"}
    assert {entry.receipt for entry in kept(store)} == expected
    assert len(kept(store)) == len(expected) + 1
    assert (store.notice(OTHER), store.learned()) == (b"another", frozenset({"youtube"}))
    assert head in store.seals()
    assert merged(source, store) == Merged(both=7, refused=1)


def test_an_erasure_whose_mark_is_of_a_lost_key_counts_too(source: Records, store: Records) -> None:
    """The leaf in the seal tells which entry it was, even if that has another place in the other ledger."""
    for side, others in ((source, "a"), (store, "bc")):
        for receipt in ("gone-here", "gone-there", *others):
            side.append(a_grant(receipt, notice=""))
        sealed(side)
    for side, receipt in ((source, "gone-there"), (store, "gone-here")):
        erase(side, receipt, site=SITE, keys=("lost" * 10,), today=DAY)
    assert merged(source, store) == Merged(taken=1, refused=1, erased=1)
    assert [entry.receipt for entry in kept(store)] == ["a", "b", "c"]


def test_nothing_is_merged_that_does_not_verify(source: Records, store: Records) -> None:
    """A notice is lost on the other side: the ledger is as it was, and the error names which of the two it is."""
    source.append(grant_of("there"))
    sealed(source)
    with pytest.raises(NotIntact, match="to take from does not verify [(]notice lost"):
        merged(source, store)
    with pytest.raises(NotIntact, match="to merge into does not verify"):
        merged(store, source)
    assert list(store.entries()) == []


def test_what_retention_took_does_not_come_back(source: Records, store: Records) -> None:
    """The other side has not purged yet."""
    for side in (source, store):
        side.append(a_grant("old", notice=""))
        sealed(side)
    store.purge(DAY + 1)
    assert merged(source, store, DAY + 31) == Merged(expired=1)
    assert kept(store) == []


def test_the_original_replaces_what_was_written_again(source: Records, store: Records) -> None:
    """The other side has the grant itself, ours a copy from the cookie; what is sealed stays."""
    source.keep_notice(NOTICE, DOCUMENT)
    for receipt in ("lost", "late"):
        source.append(grant_of(receipt))
    again = [a_grant(receipt, language="", notice="", about="cookie") for receipt in ("late", "lost")]
    store.take(again[:1], {})
    sealed(store)
    store.take(again[1:], {})
    assert merged(source, store) == Merged(taken=1, different=1, notices=1)
    assert kept(store) == [again[0], grant_of("lost")]
    assert merged(store, source) == Merged(both=2)


_steps = st.lists(st.tuples(st.sampled_from(["grant", "end", "erase", "seal"]), st.integers(0, 5)), max_size=8)


def lived(store: Records, steps: list[tuple[str, int]], name: str) -> None:
    """Do what a site does on one side of a split."""
    for number, (step, which) in enumerate(steps):
        match step:
            case "grant":
                store.append(a_grant(f"{name}-{number}", notice=""))
            case "end" if store.history(f"{which}"):
                store.append(its_end(a_grant(f"{which}", notice="")))
            case "erase":
                gone(store, f"{which}")
            case "seal":
                sealed(store)


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(before=_steps, here=_steps, there=_steps)
def test_both_directions_give_the_same_records(
    before: list[tuple[str, int]], here: list[tuple[str, int]], there: list[tuple[str, int]]
) -> None:
    """Whatever happened on both sides: the same records, none erased, intact; merging again changes nothing."""
    with TemporaryDirectory() as folder:
        sides = [open_records(f"sqlite:///{folder}/{name}.db", site=SITE) for name in "abcd"]
        try:
            for side, steps, name in zip(sides, (here, there, here, there), ("h", "t", "h", "t"), strict=True):
                for number in range(6):
                    side.append(a_grant(f"{number}", notice=""))
                lived(side, before, "b")
                lived(side, steps, name)
            first, second, other_first, other_second = sides
            merged(second, first)
            merged(other_first, other_second)
            assert kept(first) == kept(other_second)
            erased = {f"{which}" for step, which in [*before, *here, *there] if step == "erase"}
            granted = {f"{n}" for n in range(6)} | {
                f"{name}-{n}"
                for name, steps in (("b", before), ("h", here), ("t", there))
                for n, (step, _) in enumerate(steps)
                if step == "grant"
            }
            grants = [entry.receipt for entry in kept(first) if entry.step == 0]
            assert grants == sorted(granted - erased)
            assert erased.isdisjoint(entry.receipt for entry in kept(first))
            entries = list(first.entries())
            again = merged(second, first)
            assert (again.taken, again.erased, list(first.entries())) == (0, 0, entries)
        finally:
            for side in sides:
                side.close()
