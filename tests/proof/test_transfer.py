"""Copies of a ledger between stores of every kind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.cli import main
from consent_mw.core.counts import Count
from consent_mw.core.observations import PAGE
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import of_service
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.seal import Seal
from consent_mw.errors import RecordsError
from consent_mw.proof.erasing import erase
from consent_mw.proof.erasing import erased_in
from consent_mw.proof.erasing import mark_of
from consent_mw.proof.erasing import marks_of
from consent_mw.proof.findings import Verification
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.transfer import Copied
from consent_mw.proof.transfer import copy_records
from consent_mw.proof.transfer import restore_records
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


def verdict(records: Records, grant: Entry) -> Verification:
    """Verify a ledger."""
    return verify(records, site=grant.site, keys=KEYS, today=grant.day + 50, record_days=30)


def test_a_copy_proves_what_the_original_did(store: Records, grant: Entry, tmp_path: Path) -> None:
    """From every store into a file: the same verdict, the same head, the same history of each receipt."""
    source = lived(store, grant)
    target = open_records(f"sqlite:///{tmp_path}/copy.db", site=grant.site)
    copied = copy_records(source, target, site=grant.site, keys=(), today=grant.day)
    assert copied == Copied(seals=3, entries=3, waiting=2, notices=1, figures=0)

    assert verdict(target, grant) == verdict(source, grant)
    assert verdict(target, grant).finding is None
    for receipt in "abcdef":
        assert target.history(receipt) == source.history(receipt)
    assert target.notice(grant.notice) == b"the notice"
    assert target.counts(grant.day + 1) == source.counts(grant.day + 1)
    assert (target.learned(), target.observed()) == (source.learned(), source.observed())
    target.close()


def test_a_copy_comes_back(opened: Opened, grant: Entry, tmp_path: Path) -> None:
    """A file can be copied into a store of every kind, which then has the same head, and takes it only while empty."""
    source = lived(open_records(f"sqlite:///{tmp_path}/source.db", site=grant.site), grant)
    target = opened()
    copied = copy_records(source, target, site=grant.site, keys=KEYS, today=grant.day)
    assert copied == Copied(seals=3, entries=3, waiting=2, notices=1, figures=0)
    assert verdict(target, grant) == verdict(source, grant)
    assert verdict(target, grant).finding is None
    for receipt in "abcdef":
        assert target.history(receipt) == source.history(receipt)
    assert target.observed() == source.observed()
    with pytest.raises(RecordsError, match="into an empty one"):
        copy_records(source, target, site=grant.site, keys=KEYS, today=grant.day)
    source.close()


def test_a_restore_obeys_what_was_erased_since(opened: Opened, grant: Entry, tmp_path: Path) -> None:
    """
    In a store of every kind: what was erased since the backup stays erased, sealed or not, and the chain verifies.

    What came after the backup is gone, and a site that shares the store keeps its records.
    """
    store, other = lived(opened(), grant), opened("another")
    other.append(replace(grant, site="another", receipt="a"))
    store.append(replace(grant, receipt="g"))
    backup = open_records(f"sqlite:///{tmp_path}/backup.db", site=grant.site)
    copy_records(store, backup, site=grant.site, keys=KEYS, today=grant.day)
    today = grant.day + 42
    assert erase(store, "f", site=grant.site, keys=KEYS, today=today) == 1  # sealed
    assert erase(store, "g", site=grant.site, keys=KEYS, today=today) == 1  # not sealed
    assert store.erase("e", today) == 1  # by an older version, which left no mark
    assert seal_new(store, site=grant.site, keys=KEYS, today=today) > 0  # with the marks, and what the backup had open
    store.append(replace(grant, receipt="late"))
    restored = restore_records(backup, store, site=grant.site, keys=KEYS, today=today, erased=erased_in(store))
    assert (restored.erased, restored.seals, restored.waiting) == (3, 3, 2)
    assert [receipt for receipt in "cdefg" if store.history(receipt)] == ["d"]
    assert store.history("late") == []
    assert [kept.entry.receipt for kept in other.entries()] == ["a"]
    found = verdict(store, grant)
    assert (found.finding, found.erased) == (None, 3)
    # None of them comes back from a cookie or a spool either.
    for receipt in "efg":
        marks = {receipt: marks_of(receipt, site=grant.site, keys=KEYS)}
        assert store.take([replace(grant, receipt=receipt)], marks) == 0
    while seal_new(store, site=grant.site, keys=KEYS, today=today):
        pass
    assert verdict(store, grant).finding is None


class Interrupted(Exception):
    """The process was killed."""


def test_an_interrupted_restore_forgets_no_erasure(
    opened: Opened, grant: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any seal of the copy, it is run again, and what was erased before stays erased."""
    store = lived(opened(), grant)
    backup = open_records(f"sqlite:///{tmp_path}/backup.db", site=grant.site)
    copy_records(store, backup, site=grant.site, keys=KEYS, today=grant.day)
    assert erase(store, "f", site=grant.site, keys=KEYS, today=grant.day) == 1
    adopt, left = type(store).adopt, iter(range(4))  # type: ignore[attr-defined]

    def dying(self: Records, seal: Seal | None, kept: list[Kept]) -> None:
        if next(left, None) is None:
            raise Interrupted
        adopt(self, seal, kept)

    again = {"site": grant.site, "keys": KEYS, "today": grant.day}
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(type(store), "adopt", dying)
        restore_records(backup, store, erased=erased_in(store), **again)  # type: ignore[arg-type]
    assert restore_records(backup, store, erased=erased_in(store), **again).erased == 1  # type: ignore[arg-type]
    assert store.history("f") == []
    assert verdict(store, grant).finding is None


def test_a_copy_obeys_what_was_erased_before_it_came(opened: Opened, grant: Entry, tmp_path: Path) -> None:
    """A visitor may ask for erasure while the store is still empty: the copy brings nothing back."""
    source = lived(open_records(f"sqlite:///{tmp_path}/source.db", site=grant.site), grant)
    target = opened()
    assert erase(target, "e", site=grant.site, keys=KEYS, today=grant.day + 50) == 0
    assert copy_records(source, target, site=grant.site, keys=KEYS, today=grant.day + 50).erased == 1
    assert (target.history("e"), len(target.history("f"))) == ([], 1)
    assert verdict(target, grant).finding is None


def test_the_commands_restore_a_store_of_every_kind(
    url: str, grant: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backup, an erasure, restore into the store that is still there, although the site has a spool in front of it."""
    spool = "" if url.startswith("sqlite") else f"{tmp_path}/spool.db"
    lines = ["[site]", f'id = "{grant.site}"', f'records = "{url}"', *([f'spool = "{spool}"'] if spool else [])]
    (tmp_path / "consent.toml").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("CONSENT_KEYS", KEYS[0])
    open_records(url, site=grant.site, spool=spool).close()

    def run(*command: str) -> int:
        return main(["--config", str(tmp_path / "consent.toml"), "ledger", *command])

    with closing(open_records(url, site=grant.site)) as store:
        for receipt in "ab":
            store.append(replace(grant, receipt=receipt, notice=""))
        assert run("seal") == run("backup", str(tmp_path / "backup.db")) == 0
        assert store.erase("a", grant.day, mark_of("a", site=grant.site, keys=KEYS)) == 1
        store.append(replace(grant, receipt="c", notice=""))
    assert run("restore", str(tmp_path / "backup.db"), "--yes") == 0
    with closing(open_records(url, site=grant.site)) as store:
        assert [bool(store.history(receipt)) for receipt in "abc"] == [False, True, False]
    assert run("verify") == 0
