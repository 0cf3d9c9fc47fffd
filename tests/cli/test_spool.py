"""The commands for the spool: what waits, sending it on, and the file of a machine that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_mw import records as records_module
from consent_mw.cli import Owner
from consent_mw.cli import main
from consent_mw.core.model import Site
from consent_mw.proof.erasing import erase
from consent_mw.records import Records
from consent_mw.records import open_records
from consent_mw.records.spool.file import SpoolFile
from tests.records.samples import a_grant


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Records]:
    """Stand a file in for a store on another machine, which needs a server."""
    real = records_module.open_records
    address = f"sqlite:///{tmp_path}/remote.db"
    monkeypatch.setattr(records_module, "open_records", lambda url, *, site="site", spool="": real(address, site=site))
    monkeypatch.setenv("CONSENT_KEYS", "k" * 40)
    store = real(address, site="site")
    yield store
    store.close()


def run(tmp_path: Path, *args: str) -> int:
    """Run a command on a machine with a spool."""
    site = Site(records="postgresql://db.example/consent", spool=str(tmp_path / "spool.db"))
    return main(args, owner=Owner(site=site))


def spooled(file: Path, count: int) -> None:
    """Let so many grants wait in a file."""
    spool = SpoolFile(str(file), site="site")
    for number in range(count):
        spool.append(a_grant(receipt=f"{file.name}-{number}"))
    spool.close()


def test_what_waits_is_told_and_sent_on(tmp_path: Path, remote: Records, capsys: pytest.CaptureFixture[str]) -> None:
    """Status counts and exits with 1 while something waits; a replay sends it, and then nothing does."""
    spooled(tmp_path / "spool.db", 3)
    assert run(tmp_path, "spool", "status") == 1
    assert "3 entries, the oldest from 2026-11-22" in capsys.readouterr().out
    assert run(tmp_path, "spool", "replay") == 0
    assert "3 entries sent" in capsys.readouterr().out
    assert run(tmp_path, "spool", "status") == 0
    assert len(list(remote.entries())) == 3


def test_the_spool_of_a_dead_machine_is_taken_over(
    tmp_path: Path, remote: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its file is enough; the machine that runs the command keeps its own spool, and a repeat sends nothing twice."""
    spooled(tmp_path / "spool.db", 1)
    spooled(tmp_path / "dead.db", 2)
    assert run(tmp_path, "spool", "take", str(tmp_path / "dead.db")) == 0
    assert run(tmp_path, "spool", "take", str(tmp_path / "dead.db")) == 0
    assert capsys.readouterr().out == "2 entries sent to the store.\n0 entries sent to the store.\n"
    assert len(list(remote.entries())) == 2
    assert run(tmp_path, "spool", "status") == 1


def test_the_own_spool_is_not_taken(tmp_path: Path, remote: Records, capsys: pytest.CaptureFixture[str]) -> None:
    """Two ways to one file would hide which one is meant."""
    spooled(tmp_path / "spool.db", 1)
    assert run(tmp_path, "spool", "take", str(tmp_path / "spool.db")) == 2
    assert "run consent-mw spool replay" in capsys.readouterr().err


def test_a_site_without_a_spool_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where records are in a local file nothing ever waits."""
    assert main(["spool", "status"], owner=Owner(site=Site(records=f"sqlite:///{tmp_path}/consent.db"))) == 2
    assert "has no spool" in capsys.readouterr().err
    assert open_records is not None


def test_what_was_erased_is_not_taken_from_the_spool_of_a_dead_machine(tmp_path: Path, remote: Records) -> None:
    """The erasure could not reach that machine: its file still has the record, and the store has the mark."""
    spooled(tmp_path / "dead.db", 2)
    erase(remote, "dead.db-0", site="site", keys=("k" * 40,), today=20_800)
    assert run(tmp_path, "spool", "take", str(tmp_path / "dead.db")) == 0
    assert [(len(remote.history(f"dead.db-{number}"))) for number in range(2)] == [0, 1]
