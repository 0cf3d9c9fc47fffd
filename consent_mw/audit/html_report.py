"""The report of an audit as one self-contained HTML page, which loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator

from consent_mw.audit.findings import KINDS
from consent_mw.audit.findings import AuditFinding
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import reached
from consent_mw.audit.passes import PASSES
from consent_mw.audit.report_words import count
from consent_mw.audit.report_words import limits_of
from consent_mw.audit.report_words import place_of
from consent_mw.audit.report_words import summary_of
from consent_mw.audit.report_words import times
from consent_mw.html.suspects import host_of_stranger
from consent_mw.notice.escaping import escape

__all__ = ["html_report"]

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Audit of {title}</title>
<style>
:root {{ color-scheme: light dark; --line: light-dark(#d5dae3, #3a4150); --soft: light-dark(#4b5361, #b4bcc9) }}
* {{ box-sizing: border-box }}
body {{ margin: 0; font: 1rem/1.55 system-ui, sans-serif; background: light-dark(#f4f6f9, #12151b) }}
main {{ max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem }}
h1 {{ margin: 0 0 .25rem; font-size: 1.6rem; overflow-wrap: anywhere }}
h2 {{ margin: 2.5rem 0 .75rem; font-size: 1.2rem }}
h3 {{ margin: 0 0 .25rem; font-size: 1.05rem; overflow-wrap: anywhere }}
h4 {{ margin: 0 0 .25rem; font-size: 1rem; overflow-wrap: anywhere }}
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
table {{ border-collapse: separate; border-spacing: 0; width: 100% }}
tbody th {{ position: sticky; inset-inline-start: 0; min-width: 8rem; max-width: 20rem; overflow-wrap: break-word;
  font-weight: 500; background: light-dark(#f4f6f9, #12151b) }}
th, td {{ padding: .4rem .75rem; border-bottom: 1px solid var(--line); text-align: start; vertical-align: top }}
td.number, th.number {{ text-align: end; font-variant-numeric: tabular-nums }}
td.zero {{ color: var(--soft) }}
.kinds {{ margin: 0 0 1.5rem; padding: 0; list-style: none }}
.kinds a {{ display: flex; justify-content: space-between; gap: 1rem; min-height: 24px; padding: .4rem .75rem;
  border-bottom: 1px solid var(--line); color: inherit }}
section {{ margin: 0 0 2rem }}
section > p {{ color: var(--soft) }}
@media (min-width: 48rem) {{ tbody th {{ min-width: 14rem }} }}
@media print {{
  :root {{ color-scheme: light; --soft: #333 }}
  body, tbody th {{ background: #fff }}
  main {{ max-width: none; padding: 0 }}
  article, tr, .numbers li {{ break-inside: avoid }}
  h2, h3 {{ break-after: avoid }}
  .scroll, pre {{ overflow: visible }}
  pre {{ white-space: pre-wrap }}
  details::details-content {{ display: block; content-visibility: visible }}
}}
</style>
</head>
<body>
<main>
<h1>Audit of {target}</h1>
<p class="soft">{day}</p>
{verdict}{compared}{summary}
{seen}{unseen}
<p class="soft">{limits}</p>
</main>
</body>
</html>
"""


def html_report(report: AuditReport) -> str:
    """Return the report as a page."""
    # The verdict, the headline and the numbers have these already.
    said = ("OK:", "No page", "Before a choice ", *([f"{report.before.elements:,} before"] if report.before else []))
    unseen = "".join(f"<li><code>{escape(what)}</code>: {escape(why)}</li>" for what, why in report.unseen)
    return _PAGE.format(
        title=escape(report.target),
        target=_breaking(report.target),
        day=escape(report.day),
        compared=_html_compared(report),
        summary="".join(f"<p>{escape(line)}</p>" for line in summary_of(report) if not line.startswith(said)),
        verdict=_html_verdict(report),
        seen=_html_seen(report) if report.looked else "",
        unseen=f"<h2>Not looked at</h2><ul>{unseen}</ul>" if unseen else "",
        limits=escape(limits_of(report)),
    )


def _html_seen(report: AuditReport) -> str:
    """Return all that was seen: numbers, services, hosts and findings."""
    numbers = "".join(f"<li><b>{number:,}</b>{text}</li>" for number, text in _numbers(report))
    findings = [one for one in report.findings if one.severity != "note"]
    notes = [one for one in report.findings if one.severity == "note"]
    return (
        f'<ul class="numbers">{numbers}</ul>\n'
        f"<h2>What the pages bring</h2>\n{_html_services(report)}{_html_hosts(report)}\n"
        f"<h2>Findings</h2>\n{_html_kinds(findings) or '<p>Nothing was found that has to be mended.</p>'}\n"
        + (f"<h2>Notes</h2>\n{_html_kinds(notes)}" if notes else "")
    )


def _numbers(report: AuditReport) -> Iterator[tuple[int, str]]:
    """Yield the numbers that one sees first, with what they count."""
    pages = next((report.pages[name] for name in PASSES if report.pages.get(name)), 0)
    views = sum(report.pages.values())
    yield pages, "page" if pages == 1 else "pages"
    yield views, "view, by all visitors" if views == 1 else "views, by all visitors"
    if report.wrapped:
        yield sum(report.held.values()), "elements held before a choice"
    else:
        yield report.would_hold, "elements that consent_mw would hold"
    yield sum(report.loading.values()), "elements loading before a choice"
    if report.browser:
        yield reached(report).requests, "requests to other hosts before a choice"


def _html_kinds(findings: list[AuditFinding]) -> str:
    """Return findings grouped by kind, with a list of the kinds before them if there are several."""
    kinds: dict[str, list[AuditFinding]] = {}
    for one in findings:
        kinds.setdefault(one.kind, []).append(one)
    sections = "".join(
        f'<section id="{kind}"><h3>{escape(KINDS[kind].title)} ({len(found):,})</h3>'
        f"<p>{escape(KINDS[kind].meaning)}</p>{''.join(map(_html_finding, found))}</section>\n"
        for kind, found in kinds.items()
    )
    links = "".join(
        f'<li><a href="#{kind}"><span>{escape(KINDS[kind].title)}</span><b>{len(found):,}</b></a></li>'
        for kind, found in kinds.items()
    )
    return (f'<ul class="kinds">{links}</ul>' if len(kinds) > 1 else "") + sections


def _html_verdict(report: AuditReport) -> str:
    """Return the result in one line: how many findings are open, and of which severity."""
    if not report.looked:
        return '<p class="verdict error"><b>No page could be read</b></p>\n'
    by = {name: sum(one.severity == name for one in report.open) for name in ("error", "warning")}
    accepted = sum(bool(one.accepted) for one in report.findings)
    parts = [count(number, name) for name, number in by.items() if number]
    parts += [f"{accepted:,} accepted"] if accepted else []
    worst = next((name for name, number in by.items() if number), "good")
    head = count(len(report.open), "open finding") if report.open else "Nothing is open"
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
        return "<p>No element in the pages, as they were sent, reaches others.</p>"
    rows = "".join(
        f'<tr><th scope="row">{_breaking(report.names.get(id_) or host_of_stranger(id_) or id_)}</th>'
        f"{_cell(report.held.get(id_, 0))}{_cell(report.loading.get(id_, 0))}</tr>"
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
        + "".join(_cell(counts[host].get(name, 0)) for name in passes)
        + "</tr>"
        for host in sorted(counts)
    )
    return (
        "<h3>Requests of a browser to other hosts</h3>"
        '<div class="scroll" role="region" aria-label="Requests of a browser" tabindex="0"><table><thead><tr>'
        f'<th scope="col">Host</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _cell(number: int) -> str:
    return f'<td class="number{"" if number else " zero"}">{number:,}</td>'


def _breaking(text: str) -> str:
    """Return a name, a host or an address that may break after its separators, and so not within a word."""
    return "".join(escape(one) + ("<wbr>" if one in "./?&" else "") for one in text)


def _html_finding(finding: AuditFinding) -> str:
    advice, _, code = finding.remedy.partition("\n\n")
    pasted = "\n".join(line.removeprefix("    ") for line in code.splitlines())
    places = "".join(
        f"<li>{' '.join(f'<code>{escape(text)}</code>' for text in (place_of(place), place.markup) if text)}</li>"
        for place in finding.places
    )
    seen = f'<p class="soft">Seen {escape(", ".join(finding.passes))}; {times(finding.count)}.</p>' if places else ""
    evidence = f"<details><summary>Where</summary><ul>{places}</ul></details>" if places else ""
    accepted = f'<p class="soft">Accepted: {escape(finding.accepted)}</p>' if finding.accepted else ""
    paste = f'<pre tabindex="0" aria-label="Lines to paste"><code>{escape(pasted)}</code></pre>' if pasted else ""
    return (
        f'<article class="{finding.severity}"><h4><span class="tag">{finding.severity}</span>'
        f"{escape(finding.what)}</h4>{seen}{accepted}{evidence}<p>{escape(advice)}</p>{paste}"
        f'<p class="soft">id {finding.id}</p></article>\n'
    )
