"""
Audits what a site loads before a choice, after it and in spite of it, and tells the owner what to do.

Theory of operation
-------------------

An audit requests pages from an :class:`~consent_mw.audit.targets.AuditTarget` (an address, or an application in this
process) as several visitors (:mod:`consent_mw.audit.passes`): one who has not chosen, one who refused, one who
withdrew, and one whose browser sends Global Privacy Control. The rewriter reads each page through
:class:`consent_mw.http.observed.Observer`: what it would hold is what a browser would load. So an audit knows the same
services, signs and corners of HTML as the middleware, and the two cannot disagree.

The result is a :class:`~consent_mw.audit.findings.AuditReport`, which :mod:`consent_mw.audit.formats` writes.

======================================  ============================================================
:mod:`consent_mw.audit.targets`         requests one response from a site, within limits
:mod:`consent_mw.audit.routes`          the routes of an application
:mod:`consent_mw.audit.pages`           reads one response: what loads, what is held, where it leads
:mod:`consent_mw.audit.passes`          the visitors, and the crawl
:mod:`consent_mw.audit.findings`        the findings, with evidence and remedy
:mod:`consent_mw.audit.remedies`        what to do about a finding
:mod:`consent_mw.audit.baseline`        findings that the owner accepts for a time
:mod:`consent_mw.audit.evidence`        report, requests, pictures, and a manifest of their hashes
:mod:`consent_mw.audit.aliases`         hosts that are aliases of a vendor's host
:mod:`consent_mw.audit.other_tools`     other consent tools in a page
:mod:`consent_mw.audit.choice_entries`  in what such a tool keeps the choice
:mod:`consent_mw.audit.first_config`    a first configuration from the findings
:mod:`consent_mw.audit.formats`         the report as text, JSON, HTML, SARIF and JUnit
:mod:`consent_mw.audit.html_report`     the page of these
:mod:`consent_mw.audit.report_words`    the sentences that they have in common
======================================  ============================================================

No script runs in this part. If the owner asks for it, the same visitors open the same pages in a browser, and what
scripts do is added to the report.

==========================================  ======================================================
:mod:`consent_mw.audit.browser`             runs the visits
:mod:`consent_mw.audit.browser_start`       starts a browser
:mod:`consent_mw.audit.browser_page`        records one view of one page
:mod:`consent_mw.audit.browser_scripts`     what runs in a page: what it tells, and what a visitor does
:mod:`consent_mw.audit.storage_watch`       hears what pages tell
:mod:`consent_mw.audit.browser_views`       the recorded data, and their form in a report
:mod:`consent_mw.audit.browser_findings`    the findings from a browser
:mod:`consent_mw.audit.firefox`             an installed Firefox, used like Playwright's browser
:mod:`consent_mw.audit.firefox_page`        a tab of it, with its elements and requests
:mod:`consent_mw.audit.bidi`                starts it, and speaks WebDriver BiDi with it
:mod:`consent_mw.audit.notices`             finds a notice, judges its buttons and presses them
:mod:`consent_mw.audit.withdrawing`         takes back the consent that a visitor gave
:mod:`consent_mw.audit.autoconsent`         answers the notices of other tools with a package of the owner's
==========================================  ======================================================

``consent-mw check`` is about the installation: :mod:`consent_mw.audit.installation` examines settings, keys, store and
middleware, :mod:`consent_mw.audit.installed_site` the running site.
"""
