"""
Why a visitor who has chosen before is asked again, in one line: what has changed since then, or how old the choice is.

Only a choice that this site signed is spoken of, with the day that it holds;
to everybody else there is nothing to say.
"""

from __future__ import annotations

from consent_mw.core.model import Decision
from consent_mw.core.model import NoRecord
from consent_mw.core.model import Reason
from consent_mw.core.model import Record
from consent_mw.core.model import Site
from consent_mw.notice.wording import dated
from consent_mw.notice.wording import fill
from consent_mw.notice.wording import localised
from consent_mw.notice.wording import wording

#: Changes that are told of in one line, the latest first; the declaration tells of all.
MOST = 3


def news(site: Site, decision: Decision, found: Record | NoRecord, lang: str, today: int) -> str:
    """
    Return the line, or an empty text.

    Args:
        site: The site as it is now.
        decision: What holds for the visitor.
        found: What the cookie gave.
        lang: One of the site's languages.
        today: Whole days since 1970-01-01 UTC; changes of later days are not told yet.
    """
    if not isinstance(found, Record) or decision.reason not in (Reason.REVISED, Reason.EXPIRED):
        return ""
    say = wording(lang, site)
    chosen = dated(say, found.day)
    if decision.reason is Reason.EXPIRED:
        return fill(say["changed.expired"], date=chosen)
    # A change of the very day may have come after the choice, and the revision says that something did.
    since = [change for change in site.changes if found.day <= change.day <= today]
    if not since:
        return fill(say["changed.plain"], date=chosen)
    latest = sorted(since, key=lambda change: -change.day)[:MOST]
    return " ".join(
        fill(say["changed.on"], date=dated(say, change.day), text=localised(change.text, lang)) for change in latest
    )
