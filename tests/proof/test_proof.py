"""Sealing, verification, receipts and exports on every store, each on its real server."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from consent_mw import config
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.proof.export import FORMATS
from consent_mw.proof.receipts import receipt_document
from consent_mw.proof.receipts import verify_receipt
from consent_mw.proof.sealing import seal_new
from consent_mw.proof.verifying import FindingKind
from consent_mw.proof.verifying import Verification
from consent_mw.proof.verifying import verify
from consent_mw.records import Records
from tests.records.samples import SITE

KEYS = ("a key of the site that is long enough",)
DAYS = 30
#: A minimal notice.
DOCUMENT = b'{"format":"consent_mw.notice.v1"}'
DIGEST = hashlib.sha256(DOCUMENT).hexdigest()
OWNER = replace(config.load({}), id=SITE)


def checked(store: Records, today: int) -> Verification:
    """Verify the store."""
    return verify(store, site=SITE, keys=KEYS, today=today, record_days=DAYS, notices=True)


@pytest.fixture
def lived(store: Records, grant: Entry) -> Records:
    """Return a store with two seals, a withdrawal, and an unsealed erasure."""
    store.keep_notice(DIGEST, DOCUMENT)
    for number in range(20):
        store.append(replace(grant, receipt=f"r-{number}", notice=DIGEST))
    seal_new(store, site=SITE, keys=KEYS, today=grant.day)
    store.append(replace(grant, receipt="r-3", act=Act.WITHDRAW, notice=DIGEST))
    seal_new(store, site=SITE, keys=KEYS, today=grant.day + 1)
    store.erase("r-7", grant.day + 1)
    return store


def test_the_chain_holds(lived: Records, grant: Entry) -> None:
    """After grants, a withdrawal and an erasure everything is in its place or accounted for."""
    found = checked(lived, grant.day + 1)
    assert (found.finding, found.seals, found.entries, found.erased, found.waiting) == (None, 2, 20, 1, 1)


def test_the_chain_holds_after_a_purge(lived: Records, grant: Entry) -> None:
    """A purge keeps the seals, and the tombstone that was sealed later."""
    today = grant.day + DAYS + 1
    seal_new(lived, site=SITE, keys=KEYS, today=today)
    assert lived.purge(today - DAYS) == 19
    found = checked(lived, today)
    assert (found.finding, found.purged, found.entries, found.seals) == (None, 20, 2, 3)


def test_what_is_purged_too_early_is_found(lived: Records, grant: Entry) -> None:
    """If entries are dropped before their retention is over, verification reports it."""
    lived.purge(grant.day + 1)
    finding = checked(lived, grant.day + 1).finding
    assert finding is not None
    assert (finding.kind, finding.seal) == (FindingKind.PURGED, 1)


def test_receipts_prove_themselves(lived: Records) -> None:
    """A receipt with a grant and its end is proved by both seals; an erased receipt has no document."""
    document = receipt_document(lived, "r-3", site=OWNER, keys=KEYS)
    assert document is not None
    verdict = verify_receipt(document, KEYS)
    assert (verdict.problems, [one.seal and one.seal.number for one in verdict.entries]) == ((), [1, 2])
    assert receipt_document(lived, "r-7", site=OWNER, keys=KEYS) is None


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_entry_is_exported(lived: Records, form: str) -> None:
    """Each format contains every remaining receipt, and no erased one."""
    text = "".join(FORMATS[form](lived, OWNER))
    assert [f'"r-{number}"' in text for number in range(20)] == [number != 7 for number in range(20)]
    if form == "jsonld":
        assert len(json.loads(text)["@graph"]) == 19
