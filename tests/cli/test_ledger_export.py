"""The command that exports the ledger: whole, in parts, and what is new; nothing is left when it is killed."""

from __future__ import annotations

import csv
import io
import json
import os
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from consent_mw.errors import RecordsError
from consent_mw.proof import export_parts
from consent_mw.proof.workers import worker_pool
from tests.cli.conftest import Run
from tests.records.books import Book


@pytest.mark.parametrize("form", ["csv", "jsonl", "jsonld"])
def test_export_writes_every_entry(run: Run, book: Book, form: str) -> None:
    """Each format holds the three receipts."""
    out = run("ledger", "export", "--format", form).out
    assert [f'"receipt-{number}"' in out for number in (1, 2, 3)] == [True, True, True]


def test_export_to_a_file_is_for_its_owner_only(run: Run, book: Book, tmp_path: Path) -> None:
    """A file is written whole, and others on the machine cannot read it."""
    file = tmp_path / "out.csv"
    done = run("ledger", "export", "--output", str(file))
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"), newline="")))
    assert (done.code, done.out, len(rows), stat.S_IMODE(file.stat().st_mode)) == (0, "", 3, 0o600)


def test_export_leaves_no_half_file(run: Run, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full the file that was there stays, and nothing is left beside it."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "out" / "out.csv"
    file.parent.mkdir()
    file.write_text("before")
    monkeypatch.setattr(os, "replace", full)
    done = run("ledger", "export", "--output", str(file))
    assert (done.code, "No space left" in done.err, file.read_text(), len(os.listdir(file.parent))) == (
        2,
        True,
        "before",
        1,
    )


@pytest.mark.parametrize(("form", "jobs"), [("csv", "1"), ("jsonl", "1"), ("jsonld", "2")])
def test_export_in_parts_has_the_same_bytes(
    run: Run, book: Book, form: str, jobs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is cut into more parts than it has entries; they come in order, from several processes, too."""
    book.grant(20)
    parts = export_parts.parts_by_receipt(50 * export_parts.ENTRIES)
    assert len(parts) == 50
    whole = run("ledger", "export", "--format", form).out.encode()
    monkeypatch.setattr(export_parts, "parts_by_receipt", lambda _entries: parts)
    monkeypatch.setattr("consent_mw.proof.export_parts._AHEAD", 1)
    file = tmp_path / "out"
    assert run("ledger", "export", "--format", form, "--jobs", jobs, "--output", str(file)).code == 0
    assert file.read_bytes() == whole
    assert file.read_text("utf-8").count("receipt-") >= 23


def test_export_of_what_was_sealed_since_the_last_time(run: Run, book: Book, tmp_path: Path) -> None:
    """With a state, the first export has what is sealed by then, and each later one what came since."""
    state = str(tmp_path / "exported.json")

    def exported() -> list[str]:
        done = run("ledger", "export", "--format", "jsonl", "--state", state)
        assert done.code == 0
        return [json.loads(line)["receipt"] for line in done.out.splitlines()]

    assert sorted(exported()) == [kept.entry.receipt for kept in book.store.entries()]
    book.grant(2)
    assert exported() == []
    assert run("ledger", "seal").code == 0
    assert exported() == [kept.entry.receipt for kept in book.store.sealed(2)]
    assert exported() == []
    book.tamper("DELETE FROM seals WHERE number = 2")
    done = run("ledger", "export", "--format", "jsonl", "--state", state)
    assert (done.code, done.out, "Seal 2, up to which" in done.err) == (2, "", True)
    assert run("ledger", "export", "--format", "jsonld", "--state", state).code == 2


def test_a_process_that_is_ended_from_outside_is_named() -> None:
    """A system without memory ends one, of an export or of a verification; the error says that fewer may help."""
    with pytest.raises(RecordsError, match="Run fewer with --jobs"), worker_pool(1) as pool:
        pool.submit(os._exit, 1).result()


def test_an_export_that_is_killed_leaves_nothing(book: Book, config_file: Path, tmp_path: Path) -> None:
    """No file is left, since it gets its name at the end, and no process, since workers end with their parent."""
    book.grant(200)
    folder = tmp_path / "exports"
    folder.mkdir()
    code = (
        "import os, sys, consent_mw.cli as cli, consent_mw.proof.export_parts as parts\n"
        "def stuck(*given, **named):\n"
        "    yield 'begun'\n"
        "    pool = parts._from_workers(given[0], [parts.ExportPart()] * 9, 2)\n"
        "    next(pool)\n"
        "    import multiprocessing\n"
        "    print(*[child.pid for child in multiprocessing.active_children()], flush=True)\n"
        "    sys.stdin.read()\n"
        "if __name__ == '__main__':\n"
        "    parts.export_in_parts = stuck\n"
        "    cli.main()\n"
    )
    script = tmp_path / "export.py"
    script.write_text(code, "utf-8")
    command = [sys.executable, str(script), "--config", str(config_file), "ledger", "export"]
    with subprocess.Popen(
        [*command, "--output", str(folder / "out.csv")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        workers = [int(number) for number in process.stdout.readline().split()]
        assert workers
        waiting = [os.pidfd_open(worker) for worker in workers]
        process.kill()
        for descriptor in waiting:
            assert select.select([descriptor], [], [], 60.0)[0]  # readable once the process has ended
            os.close(descriptor)
    assert list(folder.iterdir()) == []


def test_export_takes_the_jurisdiction(run: Run, book: Book) -> None:
    """The law that applies is said on the command line, and checked."""
    told = run("ledger", "export", "--format", "jsonld", "--jurisdiction", "IE").json
    assert told["@graph"][0]["dpv:hasJurisdiction"] == ["loc:IE"]
    assert run("ledger", "export", "--format", "jsonld", "--jurisdiction", "Ireland").code == 2
