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
from consent_mw.audit.findings import Reached
from consent_mw.audit.findings import SeenPlace
from consent_mw.audit.findings import reached
from consent_mw.audit.passes import PASSES
from consent_mw.audit.passes import UNTOUCHED
from consent_mw.notice.escaping import escape

__all__ = ["written"]

#: How many places of a finding the text format lists.
_NAMED = 3
#: What stays as it is in a relative URI (RFC 3986 section 4.2).
_IN_URI = "/%@!$&'()*+,;="
_LEVELS = {"error": "error", "warning": "warning", "note": "note"}
#: Characters that XML 1.0 does not allow (https://www.w3.org/TR/xml/#charsets).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LIMITS = (
    "An audit reads what the server sends. It does not run scripts, so it does not see what an allowed script loads in"
    " turn (--browser does). It shows what is, and judges no law."
)
_LIMITS_BROWSER = (
    "A browser was let reach the site and the allowed hosts alone: what others would load in turn is not seen. Each"
    " page was looked at for some seconds. This shows what is, and judges no law."
)


def written(report: AuditReport, form: str) -> str:
    """Return a report in a format: ``text``, ``json``, ``html``, ``sarif`` or ``junit``."""
    forms: dict[str, Callable[[AuditReport], str]] = {
        "text": _text,
        "json": _json,
        "html": _html,
        "sarif": _sarif,
        "junit": _junit,
    }
    return forms[form](report)


def _summary(report: AuditReport) -> list[str]:
    """Return the result in sentences."""
    if not report.looked:
        return ["No page could be read."]
    pages = next((report.pages[name] for name in PASSES if report.pages.get(name)), 0)
    held, loading = sum(report.held.values()), sum(report.loading.values())
    lines = [f"{_count(pages, 'page')}, seen {', '.join(name for name in PASSES if name in report.pages)}."]
    if report.before is not None:
        lines += _compared(report.before, reached(report))
    if report.wrapped:
        lines.append(
            f"Before a choice {_count(held + loading, 'element')} would reach others ({held:,} held, {loading:,} load)."
        )
    else:
        lines.append(
            f"There is no notice of consent_mw. Elements that reach others before a choice: {loading:,};"
            f" consent_mw with this configuration would hold {report.would_hold:,} of them."
        )
    if seen := _in_browser(report):
        lines.append(seen)
    if not report.open:
        lines.append("OK: nothing was found that is not accepted.")
    return lines


def _compared(before: Reached, now: Reached) -> list[str]:
    """Return sentences that compare what the site loads before a choice without and with consent_mw."""
    lines = [f"{before.elements:,} before, {now.elements:,} now: elements that load from others before a choice."]
    if before.requests or now.requests:
        lines.append(
            f"In a browser {_count(before.requests, 'request')} to {_count(before.hosts, 'other host')} and"
            f" {_count(before.cookies, 'cookie')} before, {now.requests:,} to {now.hosts:,} and {now.cookies:,} now."
        )
    return lines


def _count(number: int, one: str) -> str:
    return f"{number:,} {one if number == 1 else one + 's'}"


def _in_browser(report: AuditReport) -> str:
    """Return a sentence about what the browser did for visitors who had not chosen."""
    views = [view for view in report.browser if view.name == UNTOUCHED]
    if not views:
        return ""
    hosts = {request.host for view in views for request in view.requests if request.is_third}
    kept = {(item.kind, item.name) for view in views for item in view.kept}
    cookies = sum(kind == "cookie" for kind, _ in kept)
    return (
        f"In a browser these pages made {_count(sum(len(view.requests) for view in views), 'request')} before a choice,"
        f" to {_count(len(hosts), 'other host')}, and kept {_count(cookies, 'cookie')} and"
        f" {_count(len(kept) - cookies, 'other thing')}."
    )


def _limits(report: AuditReport) -> str:
    return _LIMITS_BROWSER if report.browser else _LIMITS


def _place(place: SeenPlace) -> str:
    return f"{place.path}:{place.line}:{place.column}" if place.line else place.path


# -- text


def _text(report: AuditReport) -> str:
    lines = [f"Audit of {report.target}, {report.day}", "", *_summary(report)]
    for finding in report.findings:
        head = f"{finding.severity.upper()} {KINDS[finding.kind].title}: {finding.what}"
        lines += ["", head + (f" [accepted: {finding.accepted}]" if finding.accepted else "")]
        lines.append(f"  {KINDS[finding.kind].meaning}  (id {finding.id})")
        if finding.passes:
            lines.append(f"  Seen {', '.join(finding.passes)}; {_times(finding.count)}.")
        for place in finding.places[:_NAMED]:
            lines.append(f"  {_place(place)}{f'  {place.markup}' if place.markup else ''}")
        if not finding.accepted:
            lines += [f"  {row}".rstrip() for row in finding.remedy.splitlines()]
    if report.unseen:
        lines += ["", "Not looked at:", *(f"  {what}: {why}" for what, why in report.unseen)]
    return "\n".join([*lines, "", _limits(report)]) + "\n"


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
            f"{_xml(chr(10).join([*map(_place, one.places[:_NAMED]), one.remedy]))}</failure>"
            for one in found
        )
        yield f'<testcase classname="consent-mw audit" name="{name}">{inside}</testcase>'


def _xml(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


# -- HTML

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Audit of {target}</title>
<style>
:root {{ color-scheme: light dark; --line: light-dark(#d5dae3, #3a4150); --soft: light-dark(#4b5361, #b4bcc9) }}
* {{ box-sizing: border-box }}
body {{ margin: 0; font: 1rem/1.55 system-ui, sans-serif; background: light-dark(#f4f6f9, #12151b) }}
main {{ max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem }}
h1 {{ margin: 0 0 .25rem; font-size: 1.6rem; overflow-wrap: anywhere }}
h2 {{ margin: 2.5rem 0 .75rem; font-size: 1.2rem }}
h3 {{ margin: 0 0 .25rem; font-size: 1rem; overflow-wrap: anywhere }}
.scroll + h3 {{ margin-top: 1.5rem }}
p {{ margin: .25rem 0 .75rem; max-width: 46rem }}
.soft {{ color: var(--soft) }}
.numbers {{ display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.5rem 0; padding: 0; list-style: none }}
.numbers li {{ flex: 1 1 9rem; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: 10px;
  background: light-dark(#fff, #1a1f28) }}
.numbers b {{ display: block; font-size: 1.9rem; line-height: 1.2 }}
.verdict {{ display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; margin: 1.25rem 0; max-width: none;
  padding: .75rem 1.25rem; border: 1px solid var(--line); border-inline-start-width: 6px; border-radius: 10px;
  background: light-dark(#fff, #1a1f28) }}
.verdict b {{ font-size: 1.4rem }}
.good {{ border-inline-start-color: light-dark(#1b6e3c, #7ddba0) }}
.compared {{ display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: baseline; margin: 1.5rem 0 }}
.compared b {{ font-size: 3.2rem; line-height: 1.1 }}
.compared span {{ flex-basis: 100%; color: var(--soft) }}
article {{ margin: 0 0 1rem; padding: 1rem 1.25rem; border: 1px solid var(--line); border-inline-start-width: 6px;
  border-radius: 10px; background: light-dark(#fff, #1a1f28) }}
.error {{ border-inline-start-color: light-dark(#b3261e, #ff8a80) }}
.warning {{ border-inline-start-color: light-dark(#8a5a00, #ffc368) }}
.tag {{ margin-inline-end: .5rem; padding: 0 .5rem; border: 1px solid; border-radius: 99px; font-size: .75rem }}
pre {{ margin: .5rem 0; padding: .75rem; overflow: auto; border: 1px solid var(--line); border-radius: 6px;
  font-size: .85rem }}
code {{ overflow-wrap: anywhere; font-size: .85rem }}
summary {{ min-height: 24px; cursor: pointer }}
.scroll {{ overflow: auto }}
table {{ border-collapse: collapse; width: 100% }}
tbody th {{ overflow-wrap: break-word; min-width: 8rem; max-width: 20rem }}
th, td {{ padding: .4rem .75rem; border-bottom: 1px solid var(--line); text-align: start; vertical-align: top }}
td.number, th.number {{ text-align: end }}
</style>
</head>
<body>
<main>
<h1>Audit of {target}</h1>
<p class="soft">{day}</p>
{verdict}{compared}{summary}
<ul class="numbers">{numbers}</ul>
<h2>What the pages bring</h2>
{services}
<h2>Findings</h2>
{findings}
{notes}{unseen}
<p class="soft">{limits}</p>
</main>
</body>
</html>
"""


def _html(report: AuditReport) -> str:
    pages = next((report.pages[name] for name in PASSES if report.pages.get(name)), 0)
    numbers = (
        (pages, "page" if pages == 1 else "pages"),
        (sum(report.pages.values()), "views, by all visitors"),
        (sum(report.held.values()), "elements held before a choice")
        if report.wrapped
        else (report.would_hold, "elements that consent_mw would hold"),
        (sum(report.loading.values()), "elements loading before a choice"),
    )
    findings = "".join(_html_finding(one) for one in report.findings if one.severity != "note")
    notes = "".join(_html_finding(one) for one in report.findings if one.severity == "note")
    # The verdict, the headline and the numbers have these already.
    said = ("OK:", "Before a choice ", *([f"{report.before.elements:,} before"] if report.before else []))
    unseen = "".join(f"<li><code>{escape(what)}</code>: {escape(why)}</li>" for what, why in report.unseen)
    return _PAGE.format(
        target=escape(report.target),
        day=escape(report.day),
        compared=_html_compared(report),
        summary="".join(f"<p>{escape(line)}</p>" for line in _summary(report) if not line.startswith(said)),
        numbers="".join(f"<li><b>{number:,}</b>{text}</li>" for number, text in numbers),
        services=_html_services(report) + _html_hosts(report),
        verdict=_html_verdict(report),
        findings=findings or "<p>Nothing was found that has to be mended.</p>",
        notes=f"<h2>Notes</h2>{notes}" if notes else "",
        unseen=f"<h2>Not looked at</h2><ul>{unseen}</ul>" if unseen else "",
        limits=escape(_limits(report)),
    )


def _html_verdict(report: AuditReport) -> str:
    """Return the result in one line: how many findings are open, and of which severity."""
    if not report.looked:
        return '<p class="verdict error"><b>No page could be read</b></p>\n'
    by = {name: sum(one.severity == name for one in report.open) for name in ("error", "warning")}
    accepted = sum(bool(one.accepted) for one in report.findings)
    parts = [_count(number, name) for name, number in by.items() if number]
    parts += [f"{accepted:,} accepted"] if accepted else []
    worst = next((name for name, number in by.items() if number), "good")
    head = _count(len(report.open), "open finding") if report.open else "Nothing is open"
    rest = f"<span>{', '.join(parts)}</span>" if parts else ""
    return f'<p class="verdict {worst}"><b>{head}</b>{rest}</p>\n'


def _html_compared(report: AuditReport) -> str:
    """Return the comparison with the site without consent_mw: one prominent line."""
    if report.before is None:
        return ""
    now = reached(report)
    return (
        f'<p class="compared"><b>{report.before.elements:,} before,</b> <b>{now.elements:,} now</b>'
        "<span>elements that load from others before a choice, without consent_mw and with it</span></p>"
    )


def _html_services(report: AuditReport) -> str:
    # What loads most before a choice first, since that is what has to be mended.
    ids = sorted(
        {*report.held, *report.loading},
        key=lambda id_: (-report.loading.get(id_, 0), -report.held.get(id_, 0), (report.names.get(id_) or id_).lower()),
    )
    if not ids:
        return "<p>Nothing that reaches others.</p>"
    rows = "".join(
        f'<tr><th scope="row">{_breaking(report.names.get(id_, id_))}</th>'
        f'<td class="number">{report.held.get(id_, 0):,}</td>'
        f'<td class="number">{report.loading.get(id_, 0):,}</td></tr>'
        for id_ in ids
    )
    head = (
        '<th scope="col">Service</th><th scope="col" class="number">Held</th><th scope="col" class="number">Loads</th>'
    )
    return (
        '<div class="scroll" role="region" aria-label="Services on the pages" tabindex="0"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _html_hosts(report: AuditReport) -> str:
    """Return the table of hosts that the browser requested, by pass."""
    passes = list(dict.fromkeys(view.name for view in report.browser))
    counts: dict[str, dict[str, int]] = {}
    for view in report.browser:
        for request in view.requests:
            if request.is_third:
                row = counts.setdefault(request.host, {})
                row[view.name] = row.get(view.name, 0) + 1
    if not counts:
        return "<p>A browser asked no other host.</p>" if passes else ""
    head = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in passes)
    rows = "".join(
        f'<tr><th scope="row">{_breaking(host)}</th>'
        + "".join(f'<td class="number">{counts[host].get(name, 0):,}</td>' for name in passes)
        + "</tr>"
        for host in sorted(counts)
    )
    return (
        "<h3>Requests of a browser to other hosts</h3>"
        '<div class="scroll" role="region" aria-label="Requests of a browser" tabindex="0"><table><thead><tr>'
        f'<th scope="col">Host</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _breaking(text: str) -> str:
    """Return a name or a host that may break after each of its dots, and so not within a word."""
    return escape(text).replace(".", ".<wbr>")


def _html_finding(finding: AuditFinding) -> str:
    advice, _, code = finding.remedy.partition("\n\n")
    pasted = "\n".join(line.removeprefix("    ") for line in code.splitlines())
    places = "".join(
        f"<li>{' '.join(f'<code>{escape(text)}</code>' for text in (_place(place), place.markup) if text)}</li>"
        for place in finding.places
    )
    seen = f'<p class="soft">Seen {escape(", ".join(finding.passes))}; {_times(finding.count)}.</p>' if places else ""
    evidence = f"<details><summary>Where</summary><ul>{places}</ul></details>" if places else ""
    accepted = f'<p class="soft">Accepted: {escape(finding.accepted)}</p>' if finding.accepted else ""
    paste = f'<pre tabindex="0" aria-label="Lines to paste"><code>{escape(pasted)}</code></pre>' if pasted else ""
    return (
        f'<article class="{finding.severity}"><h3><span class="tag">{finding.severity}</span>'
        f"{escape(KINDS[finding.kind].title)}: {escape(finding.what)}</h3>"
        f"<p>{escape(KINDS[finding.kind].meaning)}</p>{seen}{accepted}{evidence}<p>{escape(advice)}</p>{paste}"
        f'<p class="soft">id {finding.id}</p></article>\n'
    )


def _times(count: int) -> str:
    """Return how often something was seen."""
    return "once" if count == 1 else f"{count:,} times"
