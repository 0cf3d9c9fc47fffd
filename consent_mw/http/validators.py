"""
Conditional requests for pages that were rewritten (RFC 9110, sections 8.8 and 13).

The app's entity tag says which page it is; what was inserted depends on the
visitor too. So the tag goes out with a mark of the variant behind it, and is
weak, since two pages of one variant may differ in a nonce. A tag that comes
back reaches the app without the mark if it is that of the variant which the
visitor would get now; any other is forgotten: it belongs to a page of another
state, or to one from before the site was wrapped.

A date cannot carry a mark. Where the app tells only when it last changed the
page, an entity tag is made of the date, and becomes If-Modified-Since when it
comes back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

from consent_mw.http.request import RequestHead

_TAG = re.compile(r"(W/)?\"([\x21\x23-\x7e\x80-\xff]*)\"")
_MARK = "~cmw."
#: An IMF-fixdate (RFC 9110, section 5.6.7), the one form that is sent.
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
    r"[0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)


class Conditions(NamedTuple):
    """What the tags of one variant in a conditional request ask for, in the app's own terms."""

    #: A list for its If-None-Match; empty for none.
    tags: str = ""
    #: A date for its If-Modified-Since, where no tag is asked for; or empty.
    date: str = ""
    #: The one tag as it came, or empty where there were several.
    sent: str = ""

    def about(self, headers: Sequence[tuple[str, str]]) -> bool:
        """Whether a 304 with these headers answers what these tags ask."""
        tag = next((value for name, value in headers if name.lower() == "etag"), "").strip()
        known = {known.removeprefix("W/") for known in _listed(self.tags)}
        return bool(self.tags or self.date) and (not tag or not known or tag.removeprefix("W/") in known)


def conditions_of(
    head: RequestHead, variant: Callable[[], str], *, page: bool
) -> tuple[Conditions, dict[str, str | None]]:
    """
    Return what a conditional request asks about a page that was rewritten, and its headers as the app must see them.

    Args:
        variant: Gives the variant that the visitor would get now.
        page: Whether the response may be a page: then no other condition reaches the app.
    """
    asked = Conditions()
    changes: dict[str, str | None] = {}
    given = ", ".join(head.all("if-none-match"))
    if given and (page or _MARK in given):
        # A tag without a mark is of no page that was rewritten, whatever the variant.
        asked = asked_of(given, variant()) if _MARK in given else asked
        tags = ", ".join(filter(None, [asked.tags, "" if page else _without_mark(given)]))
        changes["if-none-match"] = tags or None
        # Beside a tag the date does not count (RFC 9110, section 13.2.2), also where no tag is left.
        changes["if-modified-since"] = None if tags else asked.date or None
    match = ", ".join(head.all("if-match"))
    if not page and _MARK in match:
        changes["if-match"] = restored(match)
    if not page and _MARK in (head.header("if-range") or ""):
        # A part of a page that was rewritten cannot be had.
        changes |= {"if-range": None, "range": None}
    return asked, changes


def marked(tag: str, variant: str) -> str:
    """Return the tag of the app as it goes out; empty where it is none."""
    found = _TAG.fullmatch(tag.strip())
    if found is None:
        return ""
    kind = "w" if found[1] else "s"
    return f'W/"{found[2]}{_MARK}{kind}{variant}"'


def dated(last_modified: str, variant: str) -> str:
    """Return the tag that stands for the date of the app's page; empty where it is no date."""
    date = last_modified.strip()
    return f'W/"{date.replace(" ", "_")}{_MARK}d{variant}"' if _DATE.fullmatch(date) else ""


def asked_of(if_none_match: str, variant: str) -> Conditions:
    """Return what the tags of this variant ask for; the others are forgotten."""
    tags: list[str] = []
    dates: list[str] = []
    sent: list[str] = []
    for found in _TAG.finditer(if_none_match):
        opaque, mark, rest = found[2].rpartition(_MARK)
        if not mark or rest[1:] != variant or rest[:1] not in ("w", "s", "d"):
            continue
        if rest[0] != "d":
            tags.append(f'W/"{opaque}"' if rest[0] == "w" else f'"{opaque}"')
        elif _DATE.fullmatch(date := opaque.replace("_", " ")):
            dates.append(date)
        else:
            continue
        sent.append(f'W/"{found[2]}"')
    one = sent[0] if len(set(sent)) == 1 else ""
    if tags:
        return Conditions(", ".join(dict.fromkeys(tags)), "", one)
    # Of several dates none says which page a 304 would be about.
    return Conditions("", dates[0], one) if len(set(dates)) == 1 else Conditions()


def restored(if_match: str) -> str:
    """
    Return the tags of an If-Match as the app knows them, of whatever variant.

    Who changes something asks whether the app's own state is still the same; what was inserted is no part of that.
    """

    def plain(found: re.Match[str]) -> str:
        opaque, mark, rest = found[2].rpartition(_MARK)
        if not mark or rest[:1] not in ("w", "s"):
            return found[0]
        return f'W/"{opaque}"' if rest[0] == "w" else f'"{opaque}"'

    return _TAG.sub(plain, if_match)


def _listed(tags: str) -> list[str]:
    return [found[0] for found in _TAG.finditer(tags)]


def _without_mark(tags: str) -> str:
    return ", ".join(dict.fromkeys(tag for tag in _listed(tags) if _MARK not in tag))
