"""``consent-mw ledger audits``: results of audits that seals cover, so that none can be changed or removed unseen."""

from __future__ import annotations

import re

import pytest

from consent_mw.core.seal import Act
from consent_mw.proof.audits import AuditResult
from consent_mw.proof.audits import keep_result
from tests.cli.conftest import Run
from tests.records.books import KEYS
from tests.records.books import SITE
from tests.records.books import Book

#: The keys as they are in the environment.
GIVEN = tuple(key.replace(" ", "-") for key in KEYS)


@pytest.fixture
def kept(book: Book) -> AuditResult:
    """Keep the result of an audit with evidence, as ``audit --record --evidence`` does."""
    result = AuditResult(SITE, book.today, "https://shop.example/", 12, 1, 2, evidence="e" * 64)
    return keep_result(book.store, result, GIVEN)


def test_a_result_is_sealed_with_the_records(run: Run, book: Book, kept: AuditResult) -> None:
    """It waits like they do; then the list has its place, and the ledger verifies."""
    assert kept.seal == 1
    assert (run("ledger", "verify").code, run("ledger", "audits", "--json").json[0]["sealed"]) == (0, "")
    assert "after seal 1, not sealed yet; evidence eeee" in run("ledger", "audits").out
    assert run("ledger", "seal").out == "1 entry sealed.\n"
    assert run("ledger", "verify").code == 0
    assert "after seal 1, sealed at 2/0; evidence eeee" in run("ledger", "audits").out
    assert run("ledger", "export", "--format", "jsonld").out.count("receipt-") >= 3
    assert "audit" not in run("ledger", "export", "--format", "jsonld").out


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DELETE FROM ledger WHERE act = 'document'", "removed"),
        ("UPDATE ledger SET day = day - 30 WHERE act = 'document'", "edited"),
        ("DELETE FROM notices WHERE digest = (SELECT notice FROM ledger WHERE act = 'document')", "notice lost"),
    ],
)
def test_a_result_that_is_tampered_with_is_found(
    run: Run, book: Book, kept: AuditResult, change: str, found: str
) -> None:
    """By whoever can write to the store and has no keys: verification names what was done."""
    run("ledger", "seal")
    assert book.tamper(change) == 1
    done = run("ledger", "verify")
    assert (done.code, re.findall(rf"Ledger of {SITE}: {found}", done.out)) == (1, [f"Ledger of {SITE}: {found}"])


def test_a_result_is_not_erased_like_a_receipt(run: Run, book: Book, kept: AuditResult) -> None:
    """Nobody owns it; after its retention the list says that its entry is gone."""
    (entry,) = (one.entry for one in book.store.entries() if one.entry.act is Act.DOCUMENT)
    run("ledger", "seal")
    assert run("ledger", "erase", entry.receipt, "--yes").out == "0 entries erased.\n"
    assert len(book.store.history(entry.receipt)) == 1
    book.store.purge(book.today + 1)
    assert "no entry in the ledger" in run("ledger", "audits").out
