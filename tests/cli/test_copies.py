"""Backups, restores and moves of a ledger: the copy proves what the original did."""

from __future__ import annotations

import re
import shutil
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.errors import RecordsError
from consent_mw.proof.transfer import backup_file
from consent_mw.proof.verifying import verify
from consent_mw.records import open_records
from tests.cli.conftest import Run
from tests.records.books import KEYS
from tests.records.books import SITE
from tests.records.books import Book


def found(path: Path, book: Book) -> object:
    """Return what a verification of a copied file says, beside its keys."""
    store = open_records(f"sqlite:///{path}", site=SITE)
    try:
        return verify(store, site=SITE, keys=KEYS, today=book.today, record_days=30)
    finally:
        store.close()


def test_a_backup_is_a_whole_ledger(run: Run, book: Book, tmp_path: Path) -> None:
    """The copy stands by itself, is private, and verifies like the original; the next one overwrites nothing."""
    copy = tmp_path / "backup.db"
    assert run("ledger", "backup", str(copy)).code == 0
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not (tmp_path / "backup.db-wal").exists()
    assert found(copy, book) == book.verify()
    again = run("ledger", "backup", str(copy))
    assert (again.code, "overwrites nothing" in again.err) == (2, True)


def test_a_file_that_is_no_ledger_is_not_restored(run: Run, book: Book, tmp_path: Path) -> None:
    """The message names the file and not a copy of it; a copy that failed leaves nothing behind."""
    (tmp_path / "other.bin").write_bytes(b"\xff no database" * 99)
    done = run("ledger", "restore", str(tmp_path / "other.bin"), "--yes")
    assert (done.code, done.err.startswith(f"{tmp_path}/other.bin cannot be copied: file is not")) == (2, True)
    with pytest.raises(RecordsError, match="cannot be copied"):
        backup_file(str(tmp_path / "other.bin"), str(tmp_path / "copy.db"))
    nowhere = run("ledger", "backup", str(tmp_path / "none" / "copy.db"))
    assert (nowhere.code, nowhere.err) == (
        2,
        f"{tmp_path}/none/copy.db cannot be written: No such file or directory.\n",
    )
    assert not (tmp_path / "copy.db").exists()


def test_a_restore_brings_back_what_was_and_no_erased_record(run: Run, book: Book, tmp_path: Path) -> None:
    """Backup, an erasure, disaster, restore: the chain verifies, and who was erased since stays erased."""
    copy = tmp_path / "backup.db"
    run("ledger", "backup", str(copy))
    assert run("ledger", "erase", "receipt-1", "--yes").code == 0
    marks = {kept.entry for kept in book.store.tombstones() if kept.entry.about == "mark"}
    book.grant(2)
    done = run("ledger", "restore", str(copy), "--yes")
    assert (done.code, "1 entry erased again" in done.out) == (0, True)
    restored = open_records(f"sqlite:///{book.path}", site=SITE)
    try:
        assert restored.history("receipt-1") == []
        assert restored.history("receipt-2") != []
        assert {kept.entry for kept in restored.tombstones() if kept.entry.about == "mark"} == marks != set()
    finally:
        restored.close()
    assert run("ledger", "verify").code == 0
    assert (tmp_path / "consent.db.replaced").exists()


def test_a_restore_leaves_other_sites_of_the_file_alone(run: Run, book: Book, tmp_path: Path) -> None:
    """Two sites share a file: restoring one of them takes nothing from the other, and brings nothing back to it."""
    copy = tmp_path / "backup.db"
    with closing(open_records(f"sqlite:///{book.path}", site="other")) as other:
        other.append(replace(book.entry("old"), site="other"))
        run("ledger", "backup", str(copy))
        other.erase("old", book.today)
        other.append(replace(book.entry("new"), site="other"))
    assert run("ledger", "restore", str(copy), "--yes").code == 0
    with closing(open_records(f"sqlite:///{book.path}", site="other")) as other:
        assert [kept.entry.receipt for kept in other.entries()] == ["new"]


def test_a_restore_takes_erasures_from_other_copies(run: Run, book: Book, tmp_path: Path) -> None:
    """The store is lost, but a later backup has the erasure: it is obeyed, and the backups stay as they are."""
    early, late = tmp_path / "early.db", tmp_path / "late.db"
    run("ledger", "backup", str(early))
    assert run("ledger", "erase", "receipt-1", "--yes").code == 0
    run("ledger", "backup", str(late))
    contents = early.read_bytes()
    book.store.close()
    for file in tmp_path.glob("consent.db*"):
        file.unlink()
    missing = run("ledger", "restore", str(early), "--erased-in", str(tmp_path / "none.db"))
    assert (missing.code, "There are no records at" in missing.err) == (2, True)
    done = run("ledger", "restore", str(early), "--erased-in", str(late))
    assert (done.code, "1 entry erased again" in done.out) == (0, True)
    with closing(open_records(f"sqlite:///{book.path}", site=SITE)) as restored:
        assert (restored.history("receipt-1"), len(restored.history("receipt-2"))) == ([], 1)
    assert run("ledger", "verify").code == 0
    assert early.read_bytes() == contents


def test_a_restore_after_the_file_is_gone(run: Run, book: Book, tmp_path: Path) -> None:
    """Without the old records there is nothing to compare with, and the backup is put in their place."""
    copy = tmp_path / "backup.db"
    run("ledger", "backup", str(copy))
    book.store.close()
    for file in tmp_path.glob("consent.db*"):
        file.unlink()
    assert run("ledger", "restore", str(copy)).code == 0
    assert run("ledger", "verify").code == 0


def test_a_copy_needs_an_empty_store(run: Run, book: Book, tmp_path: Path) -> None:
    """A move takes seals, tombstones, notices and figures along; a store with entries takes nothing."""
    run("ledger", "erase", "receipt-2", "--yes")
    run("ledger", "seal")
    target = tmp_path / "moved.db"
    done = run("ledger", "copy", f"sqlite:///{book.path}", f"sqlite:///{target}")
    assert (done.code, "copied" in done.out) == (0, True)
    assert found(target, book) == book.verify()
    again = run("ledger", "copy", f"sqlite:///{book.path}", f"sqlite:///{target}")
    assert (again.code, "into an empty one" in again.err) == (2, True)
    missing = run("ledger", "copy", f"sqlite:///{tmp_path}/none.db", f"sqlite:///{target}")
    assert (missing.code, missing.err) == (2, f"There are no records at sqlite:///{tmp_path}/none.db.\n")


OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def test_the_walk_in_the_docs_ends_with_a_ledger_that_verifies(
    run: Run, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backup, an erasure, disaster, restore and the erasure again, with the commands as they are written there."""
    (walk,) = re.findall(r"```sh\n(consent-mw ledger backup .*?)```", OPERATIONS.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    book.store.close()
    for line in walk.splitlines():
        program, *arguments = line.replace("RECEIPT", "receipt-2").split()
        if program == "mv":
            for suffix in ("", "-wal", "-shm"):
                if Path(arguments[0] + suffix).exists():
                    shutil.move(arguments[0] + suffix, arguments[1] + suffix)
            continue
        done = run(*arguments)
        assert (done.code, line) == (0, line), done.err
    restored = open_records(f"sqlite:///{book.path}", site=SITE)
    assert restored.history("receipt-2") == []
    left = {kept.entry.about for kept in restored.tombstones()}
    assert (len(left), "mark" in left) == (2, True)
    restored.close()


def test_addresses_of_stores_need_not_be_on_the_command_line(
    run: Run, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They contain passwords, which others on the machine could read there."""
    (tmp_path / "from").write_text(f"sqlite:///{book.path}\n", "utf-8")
    monkeypatch.setenv("TO", f"sqlite:///{tmp_path}/target.db")
    done = run("ledger", "copy", f"file:{tmp_path}/from", "env:TO")
    assert (done.code, "3 entries" in done.out, (tmp_path / "target.db").exists()) == (0, True, True)
    assert "is the site's own ledger" in run("ledger", "merge", f"file:{tmp_path}/from").err
    done = run("ledger", "merge", "env:GONE")
    assert (done.code, "The environment variable GONE does not contain the address of a store." in done.err) == (
        2,
        True,
    )


def test_a_bare_copy_of_a_file_in_use_is_found_out(run: Run, book: Book, tmp_path: Path) -> None:
    """It lacks what is still in the write-ahead log: the seal that was verified last is not in it."""
    bare, state = tmp_path / "bare.db", str(tmp_path / "verified.json")
    run("ledger", "verify")  # whatever was in the log until now goes into the file
    book.grant(2)
    run("ledger", "seal")
    shutil.copy(book.path, bare)
    assert run("ledger", "verify", "--state", state).code == 0
    book.store.close()
    for file in tmp_path.glob("consent.db*"):
        file.unlink()
    bare.rename(book.path)
    done = run("ledger", "verify", "--state", state)
    assert (done.code, "chain cut short" in done.out) == (1, True)


def test_two_ledgers_become_one(run: Run, book: Book, tmp_path: Path) -> None:
    """The command says what it took and what it did not; the result verifies, and a second time takes nothing."""
    other = f"sqlite:///{tmp_path}/other.db"
    run("ledger", "backup", str(tmp_path / "other.db"))
    with closing(open_records(other, site=SITE)) as split:
        split.append(book.entry("there"))
    assert run("ledger", "erase", "receipt-1", "--yes").code == 0
    done = run("ledger", "merge", other)
    assert (done.code, done.out.split()[:8]) == (0, ["Merged", "into", "the", "ledger", "of", "shop", "Taken", "1"])
    assert [line.split()[:2] for line in done.out.splitlines() if line.strip().startswith("Refused")] == [
        ["Refused", "1"]
    ]
    assert [(kept.entry.receipt, kept.entry.about) for kept in book.store.history("there")] == [("there", "")]
    assert book.store.history("receipt-1") == []
    for _ in range(2):
        assert run("ledger", "verify").code == 0
        run("ledger", "seal")
    assert "Taken 0" in " ".join(run("ledger", "merge", other).out.split())


def test_a_merge_that_cannot_be_done_says_why(run: Run, book: Book, tmp_path: Path) -> None:
    """The site's own ledger, one that is not there, and one that was tampered with: nothing is taken."""
    entries = list(book.store.entries())
    own = run("ledger", "merge", f"sqlite:///{book.path}")
    assert (own.code, own.err) == (2, "FROM is the site's own ledger: name the other one.\n")
    missing = run("ledger", "merge", f"sqlite:///{tmp_path}/none.db")
    assert (missing.code, missing.err) == (2, f"There are no records at sqlite:///{tmp_path}/none.db.\n")
    run("ledger", "backup", str(tmp_path / "other.db"))
    with closing(sqlite3.connect(tmp_path / "other.db")) as tampered:
        tampered.execute("UPDATE ledger SET services = '[]' WHERE receipt = 'receipt-2'")
        tampered.commit()
    wrong = run("ledger", "merge", f"sqlite:///{tmp_path}/other.db")
    assert (wrong.code, "does not verify (edited)" in wrong.err) == (1, True)
    assert list(book.store.entries()) == entries


def test_who_has_other_keys_neither_erases_nor_merges(
    run: Run, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark would be worth nothing to the running site, and the record would come back."""
    run("ledger", "backup", str(tmp_path / "other.db"))
    monkeypatch.setenv("CONSENT_KEYS", "x" * 20 + "y" * 20)
    for command in (("erase", "receipt-1", "--yes"), ("merge", f"sqlite:///{tmp_path}/other.db")):
        done = run("ledger", *command)
        assert (done.code, "set CONSENT_KEYS to the keys of the running site" in done.err) == (2, True)
    assert book.store.history("receipt-1") != []
