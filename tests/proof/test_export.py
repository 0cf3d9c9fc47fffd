"""Exports of the ledger: complete, safe in spreadsheets, with every field that ISO/IEC TS 27560 requires."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw import config
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.proof.dpv import jsonld
from consent_mw.proof.export import COLUMNS
from consent_mw.proof.export import FORMATS
from consent_mw.proof.export import csv_lines
from consent_mw.proof.export import json_lines
from consent_mw.records import Ledger
from tests.records.books import Book

SHOP = config.load(
    {
        "site": {
            "id": "shop",
            "controller": "Shop Ltd, London",
            "contact": "/contact",
            "privacy_policy": "/privacy",
            "languages": ["en", "de"],
        },
        "purposes": {"research": {"label": {"en": "Research"}}},
        "services": [
            {"use": "google-analytics", "country": "US", "retention_days": 400},
            {"use": "youtube", "retention_days": 0},
            {"id": "house", "vendor": "House", "purposes": ["research"], "hosts": ["s.example.org"]},
        ],
    }
)


NOTICE = "a" * 64


class Fixed:
    """A read-only ledger."""

    def __init__(self, kept: Iterable[Kept]) -> None:
        self.kept = kept

    def entries(self) -> Iterator[Kept]:
        """Yield the entries."""
        yield from self.kept

    def notice(self, digest: str) -> bytes | None:
        """Return None: there are no stored notices."""
        return None


def fixed(*entries: Entry) -> Ledger:
    """Return a ledger of these entries."""
    return Fixed([Kept(entry) for entry in entries])  # type: ignore[return-value]


def entry(**said: Any) -> Entry:
    """Return an entry with these fields and default values for the rest."""
    usual: dict[str, Any] = {
        "site": "shop",
        "receipt": "r1",
        "act": Act.ACCEPT,
        "day": 20_000,
        "language": "en",
        "notice": NOTICE,
    }
    return Entry(**{**usual, **said})


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Return a ledger with a withdrawal, an erasure, and an unsealed entry."""
    made = Book(tmp_path).filled(4)
    made.end(0)
    made.erase(3)
    made.seal()
    made.grant()
    yield made
    made.store.close()


# -- CSV and JSON Lines


def test_csv_has_a_row_for_each_entry(book: Book) -> None:
    """Each entry of the ledger is one row under the same header, with its place."""
    found = rows("".join(csv_lines(book.store, SHOP)))
    # A random id may begin with a hyphen, and then gets an apostrophe.
    assert {(row["receipt"].removeprefix("'"), row["act"], row["seal"], row["place"]) for row in found} == {
        (
            kept.entry.receipt,
            kept.entry.act.value,
            "" if kept.seal is None else str(kept.seal),
            "" if kept.place is None else str(kept.place),
        )
        for kept in book.store.entries()
    }
    assert list(found[0]) == list(COLUMNS)


def test_csv_says_what_was_granted() -> None:
    """A row has the day, purposes and services in readable form."""
    one = entry(act=Act.PARTIAL, purposes=frozenset({"b", "a"}), services=frozenset({"x"}), gpc=True)
    (row,) = rows("".join(csv_lines(fixed(one), SHOP)))
    assert (row["date"], row["purposes"], row["services"], row["gpc"]) == ("2024-10-04", "a b", "x", "1")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(start: str) -> None:
    """An apostrophe in front keeps a spreadsheet from running a cell as a formula."""
    text = f'{start}HYPERLINK("https://evil.example";"x")'
    (row,) = rows("".join(csv_lines(fixed(entry(receipt=text, revision=text)), SHOP)))
    assert (row["receipt"], row["revision"]) == (f"'{text}", f"'{text}")


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1).filter(lambda text: "\x00" not in text), st.frozensets(st.text("ab=-", min_size=1)))
def test_csv_comes_back_as_it_went(receipt: str, purposes: frozenset[str]) -> None:
    """A CSV reader gets back any content of an entry, apart from the apostrophe."""
    (row,) = rows("".join(csv_lines(fixed(entry(receipt=receipt, purposes=purposes)), SHOP)))
    assert (row["receipt"].removeprefix("'"), row["purposes"].removeprefix("'")) == (
        receipt.removeprefix("'"),
        " ".join(sorted(purposes)).removeprefix("'"),
    )


def test_json_lines_hold_every_entry(book: Book) -> None:
    """Each line is an object with the columns of the CSV, and typed values."""
    found = [json.loads(line) for line in json_lines(book.store, SHOP)]
    assert (len(found), list(found[0])) == (len(list(book.store.entries())), list(COLUMNS))
    assert {type(one["purposes"]) for one in found} == {list}


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_a_json_line_is_one_line(text: str) -> None:
    """The object of an entry with any content takes one line."""
    (line,) = json_lines(fixed(entry(receipt=text)), SHOP)
    assert (line.count("\n"), json.loads(line)["receipt"]) == (1, text)


@pytest.mark.slow
@pytest.mark.parametrize("form", sorted(FORMATS))
def test_memory_does_not_grow_with_the_ledger(form: str) -> None:
    """Ten times the entries take no more memory."""

    def peak(count: int) -> int:
        many = (Kept(entry(receipt=f"r{number}", services=frozenset({"youtube"}))) for number in range(count))
        tracemalloc.start()
        for _ in FORMATS[form](Fixed(many), SHOP):  # type: ignore[arg-type]
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    # The minimum of several runs: threads of other tests may allocate at the same time.
    # A list of the entries would take 450 bytes for each.
    assert min(peak(1000) for _ in range(3)) < min(peak(100) for _ in range(3)) + 100_000


# -- ISO/IEC TS 27560


def graph(records: Ledger, **options: Any) -> list[dict[str, Any]]:
    """Return the records of a JSON-LD document."""
    found: list[dict[str, Any]] = json.loads("".join(jsonld(records, SHOP, **options)))["@graph"]
    return found


@pytest.fixture
def record() -> dict[str, Any]:
    """Return the record of a withdrawn grant."""
    granted = entry(act=Act.PARTIAL, services=frozenset({"google-analytics"}), purposes=frozenset({"analytics"}))
    (found,) = graph(fixed(granted, replace(granted, act=Act.WITHDRAW, day=20_010)), jurisdictions=("IE",))
    return found


#: The mandatory fields of a record in DPV, from the guide to 27560.
MANDATORY: dict[str, tuple[Any, ...]] = {
    "schema version": ("dct:conformsTo",),
    "record id": ("dct:identifier",),
    "pii principal id": ("dpv:hasDataSubject", "dct:identifier"),
    "privacy notice": ("dpv:hasNotice", 0, "dct:identifier"),
    "language": ("dct:language",),
    "purpose": ("dpv:hasProcess", 0, "dpv:hasPurpose", 0, "skos:prefLabel"),
    "pii information": ("dpv:hasProcess", 0, "dpv:hasPersonalData", 0),
    "pii type": ("dpv:hasProcess", 0, "dpv:hasPersonalData", 0, "skos:broader"),
    "pii controllers": ("dpv:hasDataController", "dct:identifier"),
    "party name": ("dpv:hasDataController", "dpv:hasName"),
    "party address": ("dpv:hasDataController", "dpv:hasAddress"),
    "party contact": ("dpv:hasDataController", "dpv:hasContact"),
    "storage locations": ("dpv:hasProcess", 0, "dpv:hasStorageCondition", 0, "dpv:hasLocation", 0),
    "retention period": ("dpv:hasProcess", 0, "dpv:hasStorageCondition", 1, "dpv:hasDuration", "rdf:value"),
    "jurisdiction": ("dpv:hasJurisdiction", 0),
    "recipient third parties": ("dpv:hasProcess", 0, "dpv:hasRecipient", 0, "dpv:hasName"),
    "withdrawal method": ("dpv:hasConsentControl", "dpv:isExercisedAt"),
    "event time": ("dpv:hasConsentStatus", 0, "dpv:isIndicatedAtTime"),
    "validity duration": ("dpv:hasConsentStatus", 0, "dct:valid"),
    "entity id": ("dpv:hasConsentStatus", 0, "dpv:isIndicatedBy"),
    "event type": ("dpv:hasConsentStatus", 0, "@type", 1),
    "event state": ("dpv:hasConsentStatus", 0, "@type", 0),
}


@pytest.mark.parametrize("field", MANDATORY)
def test_every_mandatory_field_is_there(record: dict[str, Any], field: str) -> None:
    """Each mandatory field of ISO/IEC TS 27560 has a value in every record."""
    value: Any = record
    for key in MANDATORY[field]:
        value = value[key]
    assert value


def test_the_record_names_its_schema(record: dict[str, Any]) -> None:
    """The record names the profile that it conforms to, and has DPV's type."""
    schema = "https://w3id.org/dpv/schema/dpv-27560#record"
    assert (record["@type"], record["dct:conformsTo"]) == ("dpv:ConsentRecord", schema)


def test_the_record_tells_the_events(record: dict[str, Any]) -> None:
    """Consent was given on one day for 180 days, and withdrawn on another."""
    given, withdrawn = record["dpv:hasConsentStatus"]
    assert (given["@type"], given["dpv:isIndicatedAtTime"], given["dct:valid"]) == (
        ["dpv:ConsentGiven", "dpv:ExpressedConsent"],
        "2024-10-04",
        "2024-10-04/P180D",
    )
    assert (withdrawn["@type"], withdrawn["dpv:isIndicatedAtTime"]) == ("dpv:ConsentWithdrawn", "2024-10-14")


def test_what_was_offered_and_not_granted_is_told(record: dict[str, Any]) -> None:
    """Each offered service is a process with its own answer."""
    answers = {one["dct:identifier"]: one["dpv:hasConsentStatus"]["@type"] for one in record["dpv:hasProcess"]}
    assert answers == {
        "google-analytics": "dpv:ConsentGiven",
        "youtube": "dpv:ConsentRefused",
        "house": "dpv:ConsentRefused",
    }


def test_a_tag_manager_is_told_of_with_the_purposes_that_it_runs_for(book: Book) -> None:
    """A tag manager that runs for one of its purposes is a given process for it, and a refused one for the other."""
    site = config.load({"services": [{"use": "google-tag-manager"}]})
    said: dict[str, Any] = {"purposes": frozenset({"analytics"}), "services": frozenset({"google-tag-manager"})}
    notice = Notice(site, Assets())
    book.store.keep_notice(notice.digest, notice.document)
    book.store.append(replace(book.entry("then"), act=Act.PARTIAL, notice=notice.digest, **said))
    for ledger in (book.store, fixed(entry(act=Act.PARTIAL, receipt="then", **said))):
        lines = json.loads("".join(jsonld(ledger, site)))["@graph"]
        record = next(one for one in lines if one["dct:identifier"] == "then")
        assert [
            (one["dpv:hasConsentStatus"]["@type"], [purpose["dct:identifier"] for purpose in one["dpv:hasPurpose"]])
            for one in record["dpv:hasProcess"]
        ] == [("dpv:ConsentGiven", ["analytics"]), ("dpv:ConsentRefused", ["marketing"])]


def test_what_nobody_said_is_unknown_and_not_guessed() -> None:
    """If country, retention or jurisdiction are unknown, the record says so."""
    (record,) = graph(fixed(entry()))
    house = next(one for one in record["dpv:hasProcess"] if one["dct:identifier"] == "house")
    assert (record["dpv:hasJurisdiction"], house["dpv:hasStorageCondition"]) == (
        ["dpv:UnknownApplicability"],
        [
            {"@type": "dpv:StorageLocation", "dpv:hasLocation": ["dpv:UnknownApplicability"]},
            {
                "@type": "dpv:StorageDuration",
                "dpv:hasDuration": {"@type": "dpv:IndeterminateDuration", "rdf:value": "not stated"},
            },
        ],
    )


def test_the_record_tells_what_the_notice_told_then(book: Book) -> None:
    """Vendor and retention come from the notice that was shown, not from the current site."""
    then = replace(SHOP, services=(replace(SHOP.services[0], vendor="Then Ltd", retention_days=7),))
    notice = Notice(then, Assets())
    book.store.keep_notice(notice.digest, notice.document)
    book.store.append(replace(book.entry("then"), notice=notice.digest))
    record = next(one for one in graph(book.store) if one["dct:identifier"] == "then")
    (process,) = record["dpv:hasProcess"]
    assert (
        process["dpv:hasRecipient"][0]["dpv:hasName"],
        process["dpv:hasStorageCondition"][1]["dpv:hasDuration"]["rdf:value"],
    ) == ("Then Ltd", "P7D")


@pytest.mark.parametrize("document", [b"not json", b"[]", b'{"format": "consent_mw.notice.v1"}'])
def test_a_notice_of_no_format_is_as_good_as_lost(document: bytes, book: Book) -> None:
    """If the notice cannot be read, the record uses the current site."""
    book.store.keep_notice("b" * 64, document)
    book.store.append(replace(book.entry("odd"), notice="b" * 64))
    record = next(one for one in graph(book.store) if one["dct:identifier"] == "odd")
    assert record["dpv:hasDataController"]["dpv:hasName"] == "Shop Ltd, London"


@pytest.mark.parametrize(("day", "text"), [(0, "1970-01-01"), (-1, "1969-12-31"), (10**12, str(10**12))])
def test_a_day_is_written_as_a_date_where_there_is_one(day: int, text: str) -> None:
    """An impossible day, which only tampering can cause, stays a number and does not stop the export."""
    (row,) = rows("".join(csv_lines(fixed(entry(day=day)), SHOP)))
    assert row["date"].removeprefix("'") == text


def test_a_service_that_is_no_longer_known_keeps_its_id() -> None:
    """A granted service that is unknown by now appears with its id."""
    (record,) = graph(fixed(entry(services=frozenset({"gone"}), purposes=frozenset({"analytics"}))))
    gone = next(one for one in record["dpv:hasProcess"] if one["dct:identifier"] == "gone")
    assert gone["dpv:hasConsentStatus"]["@type"] == "dpv:ConsentGiven"


def test_there_is_one_record_for_each_receipt(book: Book) -> None:
    """A grant and its end are one record; tombstones are left out."""
    found = [one["dct:identifier"] for one in graph(book.store)]
    assert sorted(found) == sorted(
        {kept.entry.receipt for kept in book.store.entries() if kept.entry.act is not Act.ERASE}
    )


def test_an_empty_ledger_is_a_whole_document(tmp_path: Path) -> None:
    """Without entries the JSON-LD is still valid JSON."""
    assert graph(fixed()) == []


def test_every_prefix_is_declared() -> None:
    """Each term of a record has a prefix of the context, so that nothing is dropped when it is expanded."""
    document = json.loads("".join(jsonld(fixed(entry(services=frozenset({"youtube"}))), SHOP)))
    prefixes = {key for key in document["@context"] if ":" not in key}

    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    used = {key.partition(":")[0] for key in keys(document["@graph"]) if not key.startswith("@")}
    assert (used - prefixes, "dpv" in used) == (set(), True)
