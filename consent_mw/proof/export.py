"""
Exports of the ledger: CSV for spreadsheets, JSON Lines for programs, ISO/IEC TS 27560 records for authorities.

Each function yields text while it reads the ledger, so memory does not grow with the ledger. Entries are ordered by
receipt and step, which reveals nothing about the order of arrival.

A CSV cell that a spreadsheet would read as a formula gets an apostrophe in front, as OWASP's "CSV Injection" advises.
JSON contains the unchanged text.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any
from typing import NamedTuple

from consent_mw.core.days import iso
from consent_mw.core.model import Site
from consent_mw.core.seal import Kept
from consent_mw.proof.dpv import HEAD
from consent_mw.proof.dpv import TAIL
from consent_mw.proof.dpv import Notices
from consent_mw.proof.dpv import jsonld
from consent_mw.proof.dpv import record_facts
from consent_mw.proof.dpv import record_lines
from consent_mw.records import Ledger

__all__ = ["COLUMNS", "FORMATS", "FORMS", "Form", "csv_lines", "json_lines", "jsonld"]

#: The columns of the CSV; the keys of a JSON line are the same.
COLUMNS = (
    "site",
    "receipt",
    "act",
    "date",
    "revision",
    "purposes",
    "services",
    "gpc",
    "language",
    "notice",
    "about",
    "seal",
    "place",
)

# Characters that start a formula in spreadsheets.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def _row(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue()


def csv_lines(records: Ledger, site: Site) -> Iterator[str]:
    """Yield the ledger as CSV (RFC 4180): a header, then one row per entry; spaces separate the ids in a set."""
    yield _row(COLUMNS)
    yield from map(_csv_line, records.entries())


def json_lines(records: Ledger, site: Site) -> Iterator[str]:
    """Yield the ledger as JSON Lines: one object per entry."""
    return map(_json_line, records.entries())


def _csv_line(kept: Kept) -> str:
    values = _values(kept)
    return _row([_cell(values[column]) for column in COLUMNS])


def _json_line(kept: Kept) -> str:
    return json.dumps(_values(kept), ensure_ascii=False, separators=(",", ":")) + "\n"


#: The function for each format, by its name on the command line.
FORMATS: Mapping[str, Callable[[Ledger, Site], Iterator[str]]] = MappingProxyType(
    {"csv": csv_lines, "jsonl": json_lines, "jsonld": jsonld}
)


class Form(NamedTuple):
    """
    A format in pieces, for an export in parts.

    Args:
        lines: Yields the text of each entry, or of all entries of a receipt if these come together; gets the ledger,
            the entries, and the facts.
        facts: Returns what ``lines`` needs of the configuration and the command line; it can be pickled.
        head: What the export begins with.
        first: What stands before the first text.
        between: What stands before each other one.
        tail: What the export ends with.
    """

    lines: Callable[[Notices, Iterator[Kept], Mapping[str, Any]], Iterator[str]]
    facts: Callable[[Site, Sequence[str]], Mapping[str, Any]] = lambda site, jurisdictions: {}
    head: str = ""
    first: str = ""
    between: str = ""
    tail: str = ""


#: The formats in pieces, by their names on the command line.
FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "csv": Form(lambda _records, entries, _facts: map(_csv_line, entries), head=_row(COLUMNS)),
        "jsonl": Form(lambda _records, entries, _facts: map(_json_line, entries)),
        "jsonld": Form(record_lines, record_facts, HEAD, "\n", ",\n", TAIL),
    }
)


def _values(kept: Kept) -> dict[str, object]:
    entry = kept.entry
    return {
        "site": entry.site,
        "receipt": entry.receipt,
        "act": entry.act.value,
        "date": iso(entry.day),
        "revision": entry.revision,
        "purposes": sorted(entry.purposes),
        "services": sorted(entry.services),
        "gpc": entry.gpc,
        "language": entry.language,
        "notice": entry.notice,
        "about": entry.about,
        "seal": kept.seal,
        "place": kept.place,
    }


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    text = " ".join(value) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
