"""The report of an audit as text, JSON, a self-contained HTML page, SARIF 2.1.0 and JUnit XML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import asdict
from urllib.parse import quote

from consent_mw.audit.findings import KINDS
from consent_mw.audit.findings import AuditFinding
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import reached
from consent_mw.audit.html_report import html_report
from consent_mw.audit.report_words import limits_of
from consent_mw.audit.report_words import place_of
from consent_mw.audit.report_words import summary_of
from consent_mw.audit.report_words import times
from consent_mw.notice.escaping import escape

__all__ = ["written"]

#: How many places of a finding the text format lists.
_NAMED = 3
#: What stays as it is in a relative URI (RFC 3986 section 4.2).
_IN_URI = "/%@!$&'()*+,;="
_LEVELS = {"error": "error", "warning": "warning", "note": "note"}
#: Characters that XML 1.0 does not allow (https://www.w3.org/TR/xml/#charsets).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def written(report: AuditReport, form: str) -> str:
    """Return a report in a format: ``text``, ``json``, ``html``, ``sarif`` or ``junit``."""
    forms: dict[str, Callable[[AuditReport], str]] = {
        "text": _text,
        "json": _json,
        "html": html_report,
        "sarif": _sarif,
        "junit": _junit,
    }
    return forms[form](report)


# -- text


def _text(report: AuditReport) -> str:
    lines = [f"Audit of {report.target}, {report.day}", "", *summary_of(report)]
    for finding in report.findings:
        head = f"{finding.severity.upper()} {KINDS[finding.kind].title}: {finding.what}"
        lines += ["", head + (f" [accepted: {finding.accepted}]" if finding.accepted else "")]
        lines.append(f"  {KINDS[finding.kind].meaning}  (id {finding.id})")
        if finding.passes:
            lines.append(f"  Seen {', '.join(finding.passes)}; {times(finding.count)}.")
        for place in finding.places[:_NAMED]:
            lines.append(f"  {place_of(place)}{f'  {place.markup}' if place.markup else ''}")
        if not finding.accepted:
            lines += [f"  {row}".rstrip() for row in finding.remedy.splitlines()]
    if report.unseen:
        lines += ["", "Not looked at:", *(f"  {what}: {why}" for what, why in report.unseen)]
    return "\n".join([*lines, "", limits_of(report)]) + "\n"


# -- JSON


def _json(report: AuditReport) -> str:
    found = asdict(report)
    found["format"] = "consent_mw.audit.v1"
    for entry, finding in zip(found["findings"], report.findings, strict=True):
        entry["severity"] = finding.severity
    found["open"] = len(report.open)
    found["now"] = asdict(reached(report))
    return json.dumps(found, indent=2, ensure_ascii=True) + "\n"


# -- SARIF, https://docs.oasis-open.org/sarif/sarif/v2.1.0/


def _sarif(report: AuditReport) -> str:
    rules = [
        {
            "id": name,
            "name": kind.title,
            "shortDescription": {"text": kind.title},
            "fullDescription": {"text": kind.meaning},
            "defaultConfiguration": {"level": _LEVELS[kind.severity]},
        }
        for name, kind in KINDS.items()
    ]
    run = {
        "tool": {"driver": {"name": "consent-mw audit", "rules": rules}},
        "results": [_sarif_result(finding) for finding in report.findings],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=True) + "\n"


def _sarif_result(finding: AuditFinding) -> dict[str, object]:
    result: dict[str, object] = {
        "ruleId": finding.kind,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.what}\n\n{finding.remedy}"},
        "partialFingerprints": {"findingId": finding.id},
        "locations": [
            {
                "physicalLocation": {
                    # A page's path, relative to the site; a colon would begin a scheme.
                    "artifactLocation": {"uri": quote(place.path.partition("?")[0].lstrip("/"), _IN_URI) or "index"},
                    "region": {"startLine": max(place.line, 1), "startColumn": max(place.column, 1)},
                }
            }
            for place in finding.places[:_NAMED]
        ],
    }
    if finding.accepted:
        result["suppressions"] = [{"kind": "external", "justification": finding.accepted}]
    return result


# -- JUnit


def _junit(report: AuditReport) -> str:
    """Return one test case for each kind of finding that fails a build, so that passes are listed, too."""
    kinds = [name for name, kind in KINDS.items() if kind.severity != "note"]
    cases = list(_junit_cases(report, kinds))
    failures = sum("<failure" in case for case in cases)
    errors = 0
    if not report.looked:
        errors = 1
        cases.append(
            '<testcase classname="consent-mw audit" name="looked"><error message="No page could be read."/></testcase>'
        )
    head = (
        f'<testsuite name="consent-mw audit" tests="{len(cases)}" failures="{failures}" errors="{errors}"'
        f' timestamp="{report.day}T00:00:00">'
    )
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + "\n".join([head, *cases, "</testsuite>"]) + "\n"


def _junit_cases(report: AuditReport, kinds: list[str]) -> Iterator[str]:
    for name in kinds:
        found = [one for one in report.open if one.kind == name]
        inside = "".join(
            f'<failure type="{name}" message="{_xml(one.what)}">'
            f"{_xml(chr(10).join([*map(place_of, one.places[:_NAMED]), one.remedy]))}</failure>"
            for one in found
        )
        yield f'<testcase classname="consent-mw audit" name="{name}">{inside}</testcase>'


def _xml(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))
