"""
Addresses in the JSON of scripts: import maps, speculation rules, web bundles.

A JSON document is a series of tokens in which quotation marks occur only around strings. So its strings are found
without a parser: its limits (depth, digits, charset) are not those of a browser's parser, and a page could exceed them.
If the text is not JSON, a browser ignores it, so whatever is found in it does no harm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.html import css
from consent_mw.html.code import Ids

#: A string; one without an end goes on to the end of the text, so that each byte is read once.
_STRING = re.compile(rb"\"((?:[^\"\\]|\\.|(?!))*+)(?:\"|\\?\Z)", re.DOTALL)
_HALVES = re.compile(rb"[\x81-\xfe]\\")
#: The start of a URL pattern that contains a host without wildcards.
_PLAIN_HOST = re.compile(r"https?://([a-z0-9.\-]+)(?::[0-9]*)?(?:[/?#]|\Z)", re.I)

#: The most different lengths of folder names in import maps; with more, every import is held.
_MOST_FOLDERS = 64


class JsonString(NamedTuple):
    """A string in a JSON document, with the offsets of its text between the quotation marks."""

    start: int
    end: int
    text: str


def strings(content: bytes, wide: tuple[str, ...]) -> list[JsonString]:
    """
    Return the strings of a JSON document, keys included.

    Args:
        wide: The ways to read the bytes (:data:`consent_mw.html.css.READINGS`).
    """
    return [JsonString(*found.span(1), _text(found.group(1))) for one in _readings(content, wide) for found in one]


def entries(content: bytes, wide: tuple[str, ...]) -> Iterator[tuple[str, JsonString]]:
    """Yield each string that is the value of a key, with that key."""
    for one in _readings(content, wide):
        before = None
        for found in one:
            if before is not None and content[before.end() : found.start()].strip(b" \t\n\r") == b":":
                yield _text(before.group(1)), JsonString(*found.span(1), _text(found.group(1)))
            before = found


def _readings(content: bytes, wide: tuple[str, ...]) -> Iterator[Iterator[re.Match[bytes]]]:
    """Yield the strings as each way to read the bytes finds them: a backslash may be the half of a character."""
    divided = _HALVES.search(content) is not None
    if css.PLAIN in wide or not divided:
        yield _STRING.finditer(content)
    if divided and wide != (css.PLAIN,):
        yield _STRING.finditer(_HALVES.sub(b"__", content))


def _text(raw: bytes) -> str:
    """Return the text of a string; unchanged if its escapes are invalid."""
    text = raw.decode("utf-8", "replace")
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text


def may_follow_any_link(content: bytes, host: str) -> bool:
    """
    Return whether speculation rules let a browser fetch links of the page that lead to other sites.

    A document rule applies to all links of the page that meet its conditions
    (https://wicg.github.io/nav-speculation/speculation-rules.html). A condition counts here only if it proves that the
    links stay on the site, or if it names their hosts.

    Args:
        host: The host of the page.
    """
    try:
        rules = json.loads(content.decode("utf-8", "replace"), parse_int=float, strict=False)
        sets = rules.values() if isinstance(rules, dict) else ()
        listed = [rule for one in sets if isinstance(one, list) for rule in one if isinstance(rule, dict)]
        return any(_may_leave(rule.get("where"), host) for rule in listed if _is_about_links(rule))
    except (ValueError, RecursionError):
        return True


def _is_about_links(rule: dict[str, object]) -> bool:
    return rule.get("source") == "document" or "urls" not in rule


def _may_leave(condition: object, host: str) -> bool:
    """Return whether a link to another site may fulfil a condition of a document rule."""
    if not isinstance(condition, dict):
        return True
    every, one_of, patterns = (condition.get(key) for key in ("and", "or", "href_matches"))
    if isinstance(every, list):
        return all(_may_leave(one, host) for one in every)
    if isinstance(one_of, list):
        return any(_may_leave(one, host) for one in one_of)
    if patterns is None:
        return True
    return any(_leads_out(one, host) for one in (patterns if isinstance(patterns, list) else [patterns]))


def _leads_out(pattern: object, host: str) -> bool:
    """Return whether a URL pattern (https://urlpattern.spec.whatwg.org/) may match a site that it does not name."""
    if isinstance(pattern, dict):
        return not {"protocol", "hostname", "baseURL"}.isdisjoint(pattern) and pattern.get("hostname") != host
    if not isinstance(pattern, str):
        return True
    if pattern.startswith("//") or (":" in pattern and not pattern.startswith("/")):
        return _PLAIN_HOST.match(pattern) is None
    return False


class Specifiers:
    """Specifiers of modules that the page's import maps resolve to held addresses, with the ids of the services."""

    def __init__(self) -> None:
        self._ids: dict[str, Ids] = {}
        #: The lengths of those that end in a slash, which apply to all specifiers below them.
        self._folders: set[int] = set()

    def learn(self, specifier: str, ids: Ids) -> None:
        """Record the services that a specifier leads to."""
        self._ids[specifier] = ids
        if specifier.endswith("/"):
            self._folders.add(len(specifier))

    def ids(self, specifier: str) -> Ids:
        """Return the services that are needed to import a specifier."""
        if specifier in self._ids or not self._folders:
            return self._ids.get(specifier, ())
        if len(self._folders) > _MOST_FOLDERS:
            return (UNKNOWN_SERVICE,)
        return next((self._ids[key] for size in self._folders if (key := specifier[:size]) in self._ids), ())
