"""
The work that every engine does on a page, so that the benchmark compares engines, not tasks.

An engine visits every tag. With the same catalogue matcher, it matches the URLs of attributes that fetch, the code of
handlers and inline scripts, and URLs in styles. It makes held elements inert by editing attributes, and inserts the
banner first in the body.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from consent_mw.html.match import Matcher
from consent_mw.html.urls import Url

#: A banner about as large as a real one: a style, a text, and a form with buttons.
BANNER = (
    b'<div data-cmw-banner="1" lang="en" role="dialog" aria-label="Cookies"><style>'
    + b"".join(b".cmw-%d{color:#222;background:#fff;font:1rem/1.5 sans-serif}" % n for n in range(40))
    + b'</style><form method="post" action="/_cmw/choice"><h2>Your choice</h2>'
    + b"<p>This site would like to count its visits.</p>" * 5
    + b'<button name="action" value="accept-all">Accept all</button>'
    + b'<button name="action" value="reject-all">Reject all</button></form></div>'
)

PAGE = Url("https", "shop.example", "/list")

#: The attributes that fetch or connect, by element.
FETCHING: dict[str, frozenset[str]] = {
    "a": frozenset({"ping"}),
    "area": frozenset({"ping"}),
    "audio": frozenset({"src"}),
    "body": frozenset({"background"}),
    "embed": frozenset({"src"}),
    "feimage": frozenset({"href", "xlink:href"}),
    "iframe": frozenset({"src"}),
    "image": frozenset({"href", "xlink:href"}),
    "img": frozenset({"src", "srcset"}),
    "input": frozenset({"src"}),
    "link": frozenset({"href", "imagesrcset"}),
    "object": frozenset({"data"}),
    "script": frozenset({"src", "href", "xlink:href"}),
    "source": frozenset({"src", "srcset"}),
    "table": frozenset({"background"}),
    "td": frozenset({"background"}),
    "th": frozenset({"background"}),
    "track": frozenset({"src"}),
    "use": frozenset({"href", "xlink:href"}),
    "video": frozenset({"src", "poster"}),
}
#: Event handlers in markup, for engines that select by attribute names.
HANDLERS = ("onclick", "onchange", "onerror", "onfocus", "oninput", "onload", "onmouseover", "onsubmit")

_CSS_URL = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])([^"')]+)""", re.I)
_NOT_CODE = re.compile(r"json|importmap|template|text/(?!javascript)", re.I)

Attributes = Iterable[tuple[str, str | None]]


class Judge:
    """Decides what to hold in an element, and counts held elements."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.held = 0

    def attributes(self, tag: str, attributes: Attributes, *, raw: bool = False) -> list[str]:
        """
        Return the names of the attributes to hold, and count the element if there are any.

        Args:
            raw: Whether character references in the values are not decoded yet.
        """
        fetching = FETCHING.get(tag, ())
        held: list[str] = []
        for name, value in attributes:
            if not value:
                continue
            if name in fetching:
                text = html.unescape(value) if raw and "&" in value else value
                if name.endswith("srcset"):
                    parts = (part.split(None, 1)[0] for part in text.split(", ") if part.strip())
                    found = any(self.matcher.url(part, PAGE) for part in parts)
                else:
                    found = bool(self.matcher.url(text, PAGE))
            elif name == "style":
                found = self.css(value)
            elif name.startswith("on"):
                found = bool(self.matcher.code(value.encode(), PAGE))
            else:
                continue
            if found:
                held.append(name)
        if held:
            self.held += 1
        return held

    def css(self, text: str) -> bool:
        """Return whether a style loads something from a held service."""
        return any(self.matcher.url(url, PAGE) for url in _CSS_URL.findall(text))

    def script(self, kind: str | None, code: str) -> bool:
        """Return whether an inline script is held, and count it."""
        if not code or (kind and _NOT_CODE.search(kind)):
            return False
        found = bool(self.matcher.code(code.encode(), PAGE))
        self.held += found
        return found
