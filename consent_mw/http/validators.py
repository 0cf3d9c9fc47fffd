"""
Conditional requests for pages that were rewritten (RFC 9110, sections 8.8 and 13).

The application's entity tag identifies its page, but the insertions also depend on the visitor. So the tag is sent with
the variant appended, and as a weak one, since two pages of a variant may differ in a nonce. When the tag comes back and
the visitor would get the same variant now, the application gets it without the variant. Any other tag is dropped: it
belongs to a page of another state, or to one from before the site was wrapped.

A date cannot carry a variant. If the application sends only Last-Modified, an entity tag is made from the date, and
turned back into If-Modified-Since.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

from consent_mw.http.request import RequestHead

_TAG = re.compile(r"(W/)?\"([\x21\x23-\x7e\x80-\xff]*)\"")
_MARK = "~cmw."
#: An IMF-fixdate (RFC 9110, section 5.6.7), the only form that senders may generate.
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
    r"[0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)


class Conditions(NamedTuple):
    """What a conditional request asks about one variant, in the application's own validators."""

    #: The value of If-None-Match for the application; may be empty.
    tags: str = ""
    #: The value of If-Modified-Since for the application, if there is no tag; may be empty.
    date: str = ""
    #: The tag as it was received; empty if there were several.
    sent: str = ""

    def about(self, headers: Sequence[tuple[str, str]]) -> bool:
        """Whether a 304 with these headers is about the page that these conditions name."""
        tag = next((value for name, value in headers if name.lower() == "etag"), "").strip()
        known = {known.removeprefix("W/") for known in _listed(self.tags)}
        return bool(self.tags or self.date) and (not tag or not known or tag.removeprefix("W/") in known)


def conditions_of(
    head: RequestHead, variant: Callable[[], str], *, page: bool
) -> tuple[Conditions, dict[str, str | None]]:
    """
    Return what a conditional request asks about a rewritten page, and its headers as the application must see them.

    Args:
        variant: Returns the variant that the visitor would get now.
        page: Whether the response may be a page; then no other condition reaches the application.
    """
    asked = Conditions()
    changes: dict[str, str | None] = {}
    given = ", ".join(head.all("if-none-match"))
    if given and (page or _MARK in given):
        # A tag without a variant does not belong to a rewritten page.
        asked = asked_of(given, variant()) if _MARK in given else asked
        tags = ", ".join(filter(None, [asked.tags, "" if page else _without_mark(given)]))
        changes["if-none-match"] = tags or None
        # The date is ignored if there is a tag (RFC 9110, section 13.2.2), even if the tag was dropped.
        changes["if-modified-since"] = None if tags else asked.date or None
    match = ", ".join(head.all("if-match"))
    if not page and _MARK in match:
        changes["if-match"] = restored(match)
    if not page and _MARK in (head.header("if-range") or ""):
        # There are no ranges of rewritten pages.
        changes |= {"if-range": None, "range": None}
    return asked, changes


def marked(tag: str, variant: str) -> str:
    """Return the application's tag as it is sent; empty if it is invalid."""
    found = _TAG.fullmatch(tag.strip())
    if found is None:
        return ""
    kind = "w" if found[1] else "s"
    return f'W/"{found[2]}{_MARK}{kind}{variant}"'


def dated(last_modified: str, variant: str) -> str:
    """Return the tag that represents the date of the application's page; empty if it is not a date."""
    date = last_modified.strip()
    return f'W/"{date.replace(" ", "_")}{_MARK}d{variant}"' if _DATE.fullmatch(date) else ""


def asked_of(if_none_match: str, variant: str) -> Conditions:
    """Return what the tags of this variant ask for; other tags are ignored."""
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
    # With several dates it would be unclear which page a 304 is about.
    return Conditions("", dates[0], one) if len(set(dates)) == 1 else Conditions()


def restored(if_match: str) -> str:
    """
    Return the tags of an If-Match as the application knows them, whatever their variant.

    A client that changes something asks whether the application's state is still the same; insertions do not matter.
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
