"""
What a site sends before, after and against a visitor's choice, and what an owner can do about it.

Theory of operation
-------------------

An audit asks an :class:`~consent_mw.audit.targets.AuditTarget` (an address, or an application in this process) for
pages, as several visitors (:mod:`consent_mw.audit.passes`): one who has not chosen, one who said no, one who withdrew,
one whose browser sends Global Privacy Control. Each page is read by the rewriter itself through
:class:`consent_mw.http.observed.Observer`: whatever the rewriter would hold now is what a browser would load now. So
an audit knows exactly the services, signs and corners of HTML that the middleware knows, and never differs from it.

What was seen becomes a :class:`~consent_mw.audit.findings.AuditReport`, which :mod:`consent_mw.audit.formats` writes.

====================================  ============================================================
:mod:`consent_mw.audit.targets`       asks a site for one response, within bounds
:mod:`consent_mw.audit.routes`        the addresses that an application answers
:mod:`consent_mw.audit.pages`         reads one response: what loads, what is held, where it leads
:mod:`consent_mw.audit.passes`        the visitors, and the crawl
:mod:`consent_mw.audit.findings`      what is wrong, with evidence and remedy
:mod:`consent_mw.audit.baseline`      findings that an owner accepts, until a day
:mod:`consent_mw.audit.evidence`      report, requests, pictures, and a manifest of their hashes
:mod:`consent_mw.audit.aliases`       hosts that are other names of a vendor's
:mod:`consent_mw.audit.other_tools`   tools for consent that are in a page beside us
:mod:`consent_mw.audit.first_config`  a first configuration, from what was seen
:mod:`consent_mw.audit.formats`       the report as text, JSON, HTML, SARIF and JUnit
====================================  ============================================================

No script runs here. What scripts do is seen in a browser, where the owner asks for it: the same visitors go to the
same pages, and what they saw is added to the report.

==========================================  ======================================================
:mod:`consent_mw.audit.browser`             starts a browser, and lets the visitors come
:mod:`consent_mw.audit.browser_page`        records one view of one page
:mod:`consent_mw.audit.browser_views`       what is recorded, and what a report shows of it
:mod:`consent_mw.audit.browser_findings`    what is wrong with it
:mod:`consent_mw.audit.notices`             finds a notice, judges its buttons and presses them
==========================================  ======================================================

``consent-mw check`` asks less of more: :mod:`consent_mw.audit.installation` looks at settings, keys, store and layers,
:mod:`consent_mw.audit.installed_site` at the site that answers.
"""
