"""
The line that explains why a visitor is asked again: what has changed since the choice, or how old the choice is.

It only appears if the visitor has a choice signed by this site, whose day is therefore known.
"""

from __future__ import annotations

from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Reason
from consent_mw.core.choice import Record
from consent_mw.core.model import Site
from consent_mw.notice.wording import dated
from consent_mw.notice.wording import fill
from consent_mw.notice.wording import localised
from consent_mw.notice.wording import wording

#: The most changes in the line, latest first; the declaration lists all of them.
MOST = 3


def news(site: Site, decision: Decision, found: Record | NoRecord, lang: str, today: int) -> str:
    """
    Return the line, or an empty string.

    Args:
        site: The current site.
        decision: The decision for the visitor.
        found: The result of reading the cookie.
        lang: One of the site's languages.
        today: Whole days since 1970-01-01 UTC; later changes are not mentioned yet.
    """
    asked_again = (Reason.REVISED, Reason.EXPIRED, *((Reason.CHOSEN,) if decision.prompt else ()))
    if not isinstance(found, Record) or decision.reason not in asked_again:
        return ""
    say = wording(lang, site)
    chosen = dated(say, found.day)
    if decision.reason is Reason.EXPIRED:
        return fill(say["changed.expired"], date=chosen)
    if decision.reason is Reason.CHOSEN:
        # The site has learned a suspect from its pages, which the owner's list of changes does not contain.
        return fill(say["changed.plain"], date=chosen)
    # Include changes on the day of the choice: they may be later than it, and the new revision proves a later change.
    since = [change for change in site.changes if found.day <= change.day <= today]
    if not since:
        return fill(say["changed.plain"], date=chosen)
    latest = sorted(since, key=lambda change: -change.day)[:MOST]
    return " ".join(
        fill(say["changed.on"], date=dated(say, change.day), text=localised(change.text, lang)) for change in latest
    )
