"""Copies of a ledger between stores of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.core.counts import Count
from consent_mw.core.observations import PAGE
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import of_service
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.transfer import Copied
from consent_mw.proof.transfer import copy_records
from consent_mw.proof.verifying import verify
from consent_mw.records import Records
from consent_mw.records import open_records

KEYS = ("k" * 40,)
Opened = Callable[..., Records]


def lived(store: Records, grant: Entry) -> Records:
    """Fill a store with every kind of content: seals, a purged seal, a tombstone, an unsealed entry, counts."""
    store.keep_notice(grant.notice, b"the notice")
    for day, names in ((0, "ab"), (40, "cd"), (41, "ef")):
        for name in names:
            store.append(replace(grant, receipt=name))
        assert seal_new(store, site=grant.site, keys=KEYS, today=grant.day + day) == 2
    store.purge(grant.day + 1)
    assert store.erase("c", grant.day + 41) == 1
    store.append(replace(grant, receipt="d", act=Act.WITHDRAW))
    store.add_counts({Count(grant.day, "", "", "asked"): 12})
    store.observe({of_service("google-analytics"): Occurrence(grant.day, grant.day), PAGE: Occurrence(1, 9, 4)})
    return store


def test_a_copy_proves_what_the_original_did(store: Records, grant: Entry, tmp_path: Path) -> None:
    """From every store into a file: the same verdict, the same head, the same history of each receipt."""
    source = lived(store, grant)
    target = open_records(f"sqlite:///{tmp_path}/copy.db", site=grant.site)
    copied = copy_records(source, target)
    assert copied == Copied(seals=3, entries=3, waiting=2, notices=1, figures=0)

    def verdict(records: Records) -> object:
        return verify(records, site=grant.site, keys=KEYS, today=grant.day + 50, record_days=30)

    assert verdict(target) == verdict(source)
    assert verdict(target).finding is None  # type: ignore[attr-defined]
    for receipt in "abcdef":
        assert target.history(receipt) == source.history(receipt)
    assert target.notice(grant.notice) == b"the notice"
    assert target.counts(grant.day + 1) == source.counts(grant.day + 1)
    assert (target.learned(), target.observed()) == (source.learned(), source.observed())
    target.close()


def test_a_copy_comes_back_or_says_why_not(opened: Opened, grant: Entry, tmp_path: Path) -> None:
    """A file can be copied into every store that supports it; the others raise an error and are unchanged."""
    source = lived(open_records(f"sqlite:///{tmp_path}/source.db", site=grant.site), grant)
    target = opened()
    if hasattr(target, "adopt"):
        copy_records(source, target)
        assert target.history("e") == source.history("e")
        with pytest.raises(RecordsError, match="into an empty one"):
            copy_records(source, target)
    else:
        with pytest.raises(RecordsError, match="not into this store"):
            copy_records(source, target)
        assert target.last_seal() is None
    source.close()
