"""
Stored results of audits, next to the ledger.

A result states the open findings of a day, the hash of the evidence, and the head of the chain of seals at that time.
It is signed with the site's keys, so nobody without the keys can change it or date it before that seal. Results are
stored as documents, which every store supports, under names made of the week and a number. So the newest result is
found with a few look-ups, and no store needs a table for results.

An entry of the ledger with the act ``document`` has the hash of the result, under which the result is stored as well.
The next seal covers the entry. From then on ``ledger verify`` finds if the result, which contains the hash of the
evidence, was changed, removed or dated otherwise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace

from consent_mw.core.seal import AUDIT
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.core.signing import signer
from consent_mw.errors import RecordsError
from consent_mw.records import Ledger

__all__ = ["WEEKS", "AuditResult", "keep_result", "last_result", "results", "results_with_entries"]

FORMAT = "consent_mw.audit.v1"
#: Number of past weeks that are searched.
WEEKS = 26
#: The most results of one week.
_MOST = 200


@dataclass(frozen=True, slots=True)
class AuditResult:
    """
    The result of an audit.

    Args:
        site: The site's id.
        day: Whole days since 1970-01-01 UTC.
        target: The audited address or application.
        pages: Number of pages that were read.
        errors: Number of open findings that are errors.
        warnings: The same for warnings.
        accepted: Number of findings that the owner had accepted.
        before: Number of elements that load before a choice without consent_mw; None if that was not checked.
        now: Number of those that still load with it.
        evidence: The SHA-256 of the evidence's manifest, in hexadecimal digits; empty without evidence.
        seal: The number of the newest seal then; 0 if there was none.
        head: The hash of that seal.
    """

    site: str
    day: int
    target: str
    pages: int
    errors: int
    warnings: int
    accepted: int = 0
    before: int | None = None
    now: int = 0
    evidence: str = ""
    seal: int = 0
    head: str = ""

    @property
    def open(self) -> int:
        """The number of open findings."""
        return self.errors + self.warnings


def keep_result(records: Ledger, result: AuditResult, keys: Sequence[str]) -> AuditResult:
    """
    Store a result, signed with the newest key, with an entry that will be sealed; return it with the chain's head.

    Raises:
        RecordsError: if the store fails, or this week already has the most results.
    """
    seal = records.last_seal()
    result = replace(result, seal=seal.number if seal else 0, head=seal.hash.hex() if seal else "")
    document = _document(result, keys)
    entry = _entry(result, document)
    records.keep_notice(entry.notice, document)
    records.take([entry], {})
    for number in range(1, _MOST + 1):
        name = _name(result.site, result.day // 7, number)
        if records.notice(name) is None:
            records.keep_notice(name, document)
            if records.notice(name) == document:  # another process may have been faster
                return result
    raise RecordsError(f"There are {_MOST} results of audits in this week: keep no more of them.")


def results(records: Ledger, site: str, today: int, keys: Sequence[str]) -> Iterator[AuditResult | None]:
    """
    Yield the results of the last :data:`WEEKS` weeks, the newest first; None for one that was changed.

    Raises:
        RecordsError: if the store fails.
    """
    return (result for result, _ in results_with_entries(records, site, today, keys))


def results_with_entries(
    records: Ledger, site: str, today: int, keys: Sequence[str]
) -> Iterator[tuple[AuditResult | None, Kept | None]]:
    """Yield the results of :func:`results`, each with its entry in the ledger; None for an entry that is gone."""
    for week in range(today // 7, today // 7 - WEEKS, -1):
        documents = []
        for number in range(1, _MOST + 1):
            document = records.notice(_name(site, week, number))
            if document is None:
                break
            documents.append(document)
        for document in reversed(documents):
            kept = records.history(hashlib.sha256(document).hexdigest())
            yield _read(document, site, keys), kept[0] if kept else None


def last_result(records: Ledger, site: str, today: int, keys: Sequence[str]) -> AuditResult | None:
    """
    Return the newest result that was not changed, or None.

    Raises:
        RecordsError: if the store fails.
    """
    return next((one for one in results(records, site, today, keys) if one is not None), None)


def _name(site: str, week: int, number: int) -> str:
    return hashlib.sha256(f"{FORMAT}\0{site}\0{week}\0{number}".encode()).hexdigest()


def _entry(result: AuditResult, document: bytes) -> Entry:
    """Return the entry about a result; its number is the hash, so that it is found again."""
    digest = hashlib.sha256(document).hexdigest()
    return Entry(result.site, digest, Act.DOCUMENT, result.day, notice=digest, about=AUDIT)


def _document(result: AuditResult, keys: Sequence[str]) -> bytes:
    text = json.dumps({"format": FORMAT, **asdict(result)}, sort_keys=True, ensure_ascii=True)
    mac = signer(keys, FORMAT, result.site).get_signature(text.encode()).decode("ascii")
    return json.dumps({"result": text, "signature": mac}).encode()


def _read(document: bytes, site: str, keys: Sequence[str]) -> AuditResult | None:
    try:
        found = json.loads(document)
        text, mac = str(found["result"]), str(found["signature"])
        if not signer(keys, FORMAT, site).verify_signature(text.encode(), mac):
            return None
        facts = json.loads(text)
        del facts["format"]
        return AuditResult(**facts)
    except (ValueError, TypeError, KeyError):
        return None
