"""
Consent records in the structure of ISO/IEC TS 27560:2023, as JSON-LD with the Data Privacy Vocabulary (DPV 2).

There is one record per receipt: its grant, and the end of the grant. The question comes from the stored notice that the
grant refers to, or, if the notice is lost, from the site's current configuration. Unknown facts are marked as unknown
(``dpv:UnknownApplicability``), never guessed.

The terms are defined at https://w3id.org/dpv and in the guide to 27560, https://w3id.org/dpv/guides/consent-27560.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any
from typing import Protocol

from consent_mw.core.days import iso
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import Site
from consent_mw.core.seal import ABOUT_NOBODY
from consent_mw.core.seal import FROM_COOKIE
from consent_mw.core.seal import GRANTS
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.records import Ledger

__all__ = ["CONTEXT", "HEAD", "PROFILE", "TAIL", "Notices", "jsonld", "record_facts", "record_lines"]

#: The profile that records conform to.
PROFILE = "https://w3id.org/dpv/schema/dpv-27560#record"

_IRI = {"@type": "@id"}
_DAY = {"@type": "xsd:date"}

#: The JSON-LD context: prefixes, and which values are terms or dates.
CONTEXT: Mapping[str, object] = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "loc": "https://w3id.org/dpv/loc#",
    "pd": "https://w3id.org/dpv/pd#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dct:conformsTo": {"@id": "dct:conformsTo", **_IRI},
    "dct:created": {"@id": "dct:created", **_DAY},
    "dct:modified": {"@id": "dct:modified", **_DAY},
    "dpv:hasJurisdiction": {"@id": "dpv:hasJurisdiction", **_IRI},
    "dpv:hasLegalBasis": {"@id": "dpv:hasLegalBasis", **_IRI},
    "dpv:hasLocation": {"@id": "dpv:hasLocation", **_IRI},
    "dpv:isIndicatedAtTime": {"@id": "dpv:isIndicatedAtTime", **_DAY},
    "dpv:isIndicatedBy": {"@id": "dpv:isIndicatedBy", **_IRI},
    "rdfs:seeAlso": {"@id": "rdfs:seeAlso", **_IRI},
    "skos:broader": {"@id": "skos:broader", **_IRI},
}

_UNKNOWN = "dpv:UnknownApplicability"

#: The five built-in purposes in DPV's vocabulary; other purposes have no broader one.
_PURPOSES = {
    "necessary": "dpv:ServiceProvision",
    "preferences": "dpv:ServicePersonalisation",
    "analytics": "dpv:ServiceUsageAnalytics",
    "marketing": "dpv:PersonalisedAdvertising",
    "embeds": "dpv:ServiceProvision",
}


#: The parts of a notice that a record needs.
_PARTS = {"site", "purposes", "services"}


class Notices(Protocol):
    """The part of a store that has the notices."""

    def notice(self, digest: str) -> bytes | None:
        """Return the document with that hash, or None."""
        ...


# A notice document, as banner.Notice.document writes it.
_Notice = Mapping[str, Any]


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


#: What stands before the records and after them.
HEAD = f'{{"@context":{_compact(CONTEXT)},\n"@graph":['
TAIL = "\n]}\n"


def jsonld(records: Ledger, site: Site, jurisdictions: Sequence[str] = ()) -> Iterator[str]:
    """
    Yield one JSON-LD document with a record for each receipt, one per line; entries about no visitor are left out.

    Args:
        site: The site's current configuration.
        jurisdictions: Country codes (ISO 3166-1 alpha-2) of the laws that apply; there is no setting for them.
    """
    yield HEAD
    comma = "\n"
    for line in record_lines(records, records.entries(), record_facts(site, jurisdictions)):
        yield comma + line
        comma = ",\n"
    yield TAIL


def record_facts(site: Site, jurisdictions: Sequence[str]) -> Mapping[str, Any]:
    """Return what :func:`record_lines` needs of the configuration."""
    return {"notice": _notice_of(site), "jurisdictions": jurisdictions}


def record_lines(records: Notices, entries: Iterator[Kept], facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield a record for each receipt of the entries, those about no visitor left out; entries of one come together."""

    @lru_cache(maxsize=8)
    def noticed(digest: str) -> _Notice:
        document = records.notice(digest) if digest else None
        return _parsed(document) or facts["notice"]

    about_visitors = (kept.entry for kept in entries if kept.entry.act not in ABOUT_NOBODY)
    for _, group in groupby(about_visitors, key=lambda entry: entry.receipt):
        acts = list(group)
        granted = next((entry for entry in acts if entry.act in GRANTS), acts[0])
        yield _compact(_record(acts, noticed(granted.notice), facts["jurisdictions"]))


def _record(acts: Sequence[Entry], notice: _Notice, jurisdictions: Sequence[str]) -> dict[str, object]:
    """Return the record of one receipt; the comments name the fields of ISO/IEC TS 27560."""
    first = next((entry for entry in acts if entry.act in GRANTS), acts[0])
    site = notice["site"]
    created, days = _day(first), int(site["choice_days"])
    return {
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": PROFILE,  # schema version
        "dct:identifier": first.receipt,  # record id
        "dct:created": created,
        **({"dct:modified": _day(acts[-1])} if len(acts) > 1 else {}),
        "dct:language": first.language or site["languages"][0],  # language
        # pii principal id: nothing is known about a person but the random id of the receipt
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": first.receipt},
        "dpv:hasNotice": _notices(first, site),  # privacy notice
        "dpv:hasLegalBasis": "dpv:Consent",
        "dpv:hasDataController": _controller(site),  # pii controllers; party fields
        "dpv:hasJurisdiction": [f"loc:{code}" for code in jurisdictions] or [_UNKNOWN],  # jurisdiction
        "dpv:hasProcess": _processes(first, notice),
        "dpv:hasConsentControl": {  # withdrawal method
            "@type": "dpv:WithdrawConsent",
            "dpv:isExercisedAt": f"{site['mount']}/",
        },
        "dpv:hasConsentStatus": [_status(entry, days) for entry in acts],  # event fields
    }


def _status(entry: Entry, days: int) -> dict[str, object]:
    """Return the consent status after one entry."""
    given = entry.act in GRANTS
    how = {
        Act.ACCEPT: "everything was accepted in the notice",
        Act.PARTIAL: "a part was accepted in the notice",
        Act.WITHDRAW: "it was withdrawn on the page of choices",
        Act.REPLACE: "another choice took its place",
    }
    again = "; written again from the signed cookie, which does not say which notice that was"
    return {
        "@type": ["dpv:ConsentGiven", "dpv:ExpressedConsent"] if given else "dpv:ConsentWithdrawn",  # type and state
        "dpv:isIndicatedBy": "dpv:DataSubject",  # entity id
        "dpv:isIndicatedAtTime": _day(entry),  # event time
        "dpv:hasIndicationMethod": how[entry.act] + (again if entry.about == FROM_COOKIE else ""),
        **({"dct:valid": f"{_day(entry)}/P{days}D"} if given else {}),  # validity duration
        **({"dpv:hasDuration": _period(days)} if given else {}),
    }


def _processes(entry: Entry, notice: _Notice) -> list[dict[str, object]]:
    """Return every offered service with the answer."""
    offered = [service for service in notice["services"] if service["purposes"] != [NECESSARY]]
    known = {service["id"] for service in offered}
    # Only the id is known of a granted service that the notice does not contain.
    offered += [{"id": id, "purposes": sorted(entry.purposes)} for id in sorted(entry.services - known)]
    purposes = {purpose["id"]: purpose for purpose in notice["purposes"]}
    return [
        _process(entry, service, [(id, purposes.get(id, {})) for id in ids], granted)
        for service in offered
        for ids, granted in _answers(entry, service)
    ]


def _answers(entry: Entry, service: Mapping[str, Any]) -> list[tuple[list[str], bool]]:
    """Return the purposes of a service with the answers: a tag manager may run for only some of them."""
    granted = service["id"] in entry.services or entry.purposes.issuperset(service["purposes"])
    given = [id for id in service["purposes"] if id in entry.purposes]
    refused = [id for id in service["purposes"] if id not in entry.purposes]
    if service.get("manager") and granted and given and refused:
        return [(given, True), (refused, False)]
    return [(service["purposes"], granted)]


def _process(
    entry: Entry, service: Mapping[str, Any], purposes: list[tuple[str, Mapping[str, Any]]], granted: bool
) -> dict[str, object]:
    """Return one service as a process for these purposes."""
    stored = [*service.get("cookies", ()), *service.get("storage", ())]
    country, vendor, days = service.get("country"), service.get("vendor"), service.get("retention_days", 0)
    personal: list[object] = ["pd:IPAddress"]  # every host that serves a file sees the address
    if stored:
        personal.append("pd:Tracking")
    return {
        "@type": "dpv:Process",
        "dct:identifier": service["id"],
        "dct:title": service.get("name") or service["id"],
        "dpv:hasPurpose": [_purpose(id, said, entry.language) for id, said in purposes],  # purpose
        "dpv:hasPersonalData": [  # pii information and type
            {"@type": "dpv:PersonalData", "skos:broader": kind} for kind in personal
        ],
        "dpv:hasRecipient": [  # recipient third parties
            {
                "@type": ["dpv:ThirdParty", "dpv:Recipient"],
                "dct:identifier": vendor or service["id"],
                "dpv:hasName": vendor or service["id"],
                **({"rdfs:seeAlso": service["policy"]} if service.get("policy") else {}),
            }
        ],
        "dpv:hasStorageCondition": [
            {  # storage locations
                "@type": "dpv:StorageLocation",
                "dpv:hasLocation": [
                    *(["dpv:WithinDevice"] if stored else []),
                    f"loc:{country}" if country else _UNKNOWN,
                ],
            },
            {"@type": "dpv:StorageDuration", "dpv:hasDuration": _period(days)},  # retention period
        ],
        "dpv:hasConsentStatus": {
            "@type": "dpv:ConsentGiven" if granted else "dpv:ConsentRefused",
            "dpv:isIndicatedAtTime": _day(entry),
        },
    }


def _purpose(id: str, said: Mapping[str, Any], lang: str) -> dict[str, object]:
    broader = _PURPOSES.get(id)
    label, definition = _in(said.get("label", {}), lang), _in(said.get("description", {}), lang)
    return {
        "@type": "dpv:Purpose",
        "dct:identifier": id,
        "skos:prefLabel": label or id,
        **({"skos:broader": broader} if broader else {}),
        **({"skos:definition": definition} if definition else {}),
    }


def _notices(entry: Entry, site: Mapping[str, Any]) -> list[dict[str, object]]:
    shown: dict[str, object] = {
        "@type": "dpv:ConsentNotice",
        "dct:identifier": entry.notice,
        "dct:language": entry.language,
    }
    policy = site["privacy_policy"]
    return [shown, *([{"@type": "dpv:PrivacyNotice", "rdfs:seeAlso": policy}] if policy else [])]


def _controller(site: Mapping[str, Any]) -> dict[str, object]:
    who = site["controller"] or site["name"] or site["id"]
    return {
        "@type": "dpv:DataController",
        "dct:identifier": who,
        "dpv:hasName": who,
        # The setting controller contains both name and address.
        **({"dpv:hasAddress": site["controller"]} if site["controller"] else {}),
        "dpv:hasContact": site["contact"] or site["privacy_policy"] or f"{site['mount']}/",
    }


def _period(days: int) -> dict[str, object]:
    if not days:
        return {"@type": "dpv:IndeterminateDuration", "rdf:value": "not stated"}
    return {"@type": "dpv:TemporalDuration", "rdf:value": f"P{days}D"}


def _day(entry: Entry) -> str:
    return iso(entry.day)


def _in(texts: Mapping[str, str], lang: str) -> str:
    return texts.get(lang) or next(iter(texts.values()), "")


def _notice_of(site: Site) -> _Notice:
    """Return the parts of a notice that a record needs, from the current configuration."""
    return {
        "site": {
            "id": site.id,
            "name": site.name,
            "controller": site.controller,
            "contact": site.contact,
            "privacy_policy": site.privacy_policy,
            "mount": site.mount,
            "choice_days": site.choice_days,
            "languages": list(site.languages),
        },
        "purposes": [
            {"id": purpose.id, "label": dict(purpose.label), "description": dict(purpose.description)}
            for purpose in site.purposes
        ],
        "services": [
            {
                "id": service.id,
                "name": service.name,
                "vendor": service.vendor,
                "purposes": list(service.purposes),
                "manager": service.manager,
                "cookies": list(service.cookies),
                "storage": list(service.storage),
                "country": service.country,
                "policy": service.policy,
                "retention_days": service.retention_days,
            }
            for service in site.services
        ],
    }


def _parsed(document: bytes | None) -> _Notice | None:
    """Parse a stored notice; return None if it is lost or in another format."""
    try:
        said = json.loads(document or b"null")
    except ValueError:
        return None
    known = isinstance(said, dict) and said.get("format") == "consent_mw.notice.v1" and said.keys() >= _PARTS
    return said if known else None
