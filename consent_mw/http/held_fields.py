"""
Removes what is held from the headers of a response: links, refreshes, cookies and reporting endpoints.

Each header has its own syntax, and browsers read some of it differently. If a value names something held and cannot be
read safely, all of it is removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from itertools import chain

from consent_mw.html.csp import without_reports
from consent_mw.html.elements import FETCHING_LINKS
from consent_mw.http.cookies import deletes
from consent_mw.http.cookies import name_of_pair
from consent_mw.http.headers import Headers

#: One link (https://httpwg.org/specs/rfc8288.html#header), with any text before it that browsers ignore. Parsers differ
#: about a quote inside a value, so a link with one does not match.
_LINK = re.compile(
    r"[^<]*+<([^>]*+)>((?:[^,\"=]++|=[ \t]*+(?:\"(?:[^\"\\]++|\\.|(?!))*+\"[ \t]*+(?=[;,]|\Z))?|(?!))*+)(?:,|\Z)",
    re.DOTALL,
)
_IN_BRACKETS = re.compile(r"<([^>]*+)")
_WORD = re.compile(r"[^\s<>\"',;=]++")
_LINK_PARAMETER = re.compile(r";\s*([^\s=;]+)\s*(?:=\s*(?:\"((?:[^\"\\]++|\\.|(?!))*+)\"|([^\s;]*)))?")
#: Headers that name reporting endpoints.
_ENDPOINTS = frozenset(
    ["reporting-endpoints", "report-to", "nel", "expect-ct", "expect-staple", "x-xss-protection"]
    + ["public-key-pins", "public-key-pins-report-only"]
)
_POLICIES = frozenset(["content-security-policy", "content-security-policy-report-only"])
#: Headers with which a site binds a session to a device: the browser posts to the address
#: (https://w3c.github.io/webappsec-dbsc/#header-secure-session-registration; the first one is Chromium's older name).
_SESSIONS = frozenset(["sec-session-registration", "secure-session-registration"])
#: Headers with which a browser, or the system for it, registers at an address that an advertisement was seen
#: (https://wicg.github.io/attribution-reporting-api/#os-registrations).
_ATTRIBUTION = frozenset(
    f"attribution-reporting-{name}" for name in ("redirect", "register-os-source", "register-os-trigger")
)
#: Headers whose whole value is an address, which developers' tools fetch (https://tc39.es/ecma426/#sec-linking).
_SOURCE_MAPS = frozenset(["sourcemap", "x-sourcemap"])
_NAMES_ADDRESSES = _ENDPOINTS | _SESSIONS | _ATTRIBUTION | {"speculation-rules", "alt-svc"}
#: Headers in which something may be held.
DEPENDENT = _NAMES_ADDRESSES | _SOURCE_MAPS | _POLICIES | {"set-cookie", "refresh", "link", "location"}
#: Addresses in headers: quoted, or after "=".
_ADDRESS = re.compile(r"\"((?:[^\"\\]++|\\.|(?!))*+)(?:\"|\\?\Z)|=[ \t]*([^\s\";,=][^\s\";,]*)")
#: A member of Reporting-Endpoints (RFC 8941, section 3.2): a key, an address, parameters.
_ENDPOINT = re.compile(r"[ \t]*([a-z*][a-z0-9_.*-]*)=\"((?:[^\"\\]++|\\.|(?!))*+)\"([^,\"]*+)(?:,|\Z)")


def without_held(
    headers: Sequence[tuple[str, str]],
    holds_url: Callable[[str], bool],
    holds_refresh: Callable[[str], bool],
    holds_cookie: Callable[[str], bool],
    holds_link: Callable[[str], bool] | None = None,
) -> Headers:
    """
    Return the headers without links, refreshes, cookies and reporting endpoints that are held.

    Args:
        holds_link: Judges the addresses of links; None if it is ``holds_url``.
    """
    kept: Headers = []
    refreshes = [value for name, value in headers if name.lower() == "refresh" and not holds_refresh(value)]
    # A browser reads several as one: https://fetch.spec.whatwg.org/#concept-header-list-get
    joined_is_held = len(refreshes) > 1 and holds_refresh(", ".join(refreshes))
    kept_refreshes = frozenset(() if joined_is_held else refreshes)
    for name, value in headers:
        lower = name.lower()
        if lower == "set-cookie" and not deletes(value) and holds_cookie(name_of_pair(value)):
            continue
        if lower == "refresh" and value not in kept_refreshes:
            continue
        if lower == "link":
            value = _less_links(value, holds_link or holds_url)
            if not value:
                continue
        if lower in _POLICIES:
            value = without_reports(value, holds_url)
            if not value.strip(" \t;,"):
                continue
        elif lower == "reporting-endpoints":
            value = _less_endpoints(value, holds_url)
        elif lower == "report-to":
            value = _less_groups(value, holds_url)
        elif (lower in _SOURCE_MAPS and holds_url(value.strip())) or (
            lower in _NAMES_ADDRESSES and _names_held(value, holds_url)
        ):
            continue
        if not value and lower in _ENDPOINTS:
            continue
        kept.append((name, value))
    return kept


def _less_links(value: str, holds_url: Callable[[str], bool]) -> str:
    """Return Link without held links; if it names any, links that parsers read differently are removed as well."""
    # One word at a time: a list of all of them would take forty times the memory of the header.
    words = chain((m.group(1) for m in _IN_BRACKETS.finditer(value)), (m.group() for m in _WORD.finditer(value)))
    if not any(map(holds_url, words)):
        return value
    links = [m for m in _in_turn(_LINK, value) if not _link_is_held(m.group(1), m.group(2), holds_url)]
    return ", ".join(match.group().strip(" \t,") for match in links)


def _in_turn(pattern: re.Pattern[str], value: str) -> Iterator[re.Match[str]]:
    """Yield consecutive matches of ``pattern``; stop at the first gap."""
    position = 0
    while position < len(value) and (found := pattern.match(value, position)):
        yield found
        position = found.end()


def _names_held(value: str, holds_url: Callable[[str], bool]) -> bool:
    """Whether a header's value names a held address; Alt-Svc names hosts (RFC 7838, section 3)."""
    addresses = [quoted.replace("\\", "") or plain for quoted, plain in _ADDRESS.findall(value)]
    return any(holds_url(address) or holds_url(f"//{address}") for address in addresses)


def _less_endpoints(value: str, holds_url: Callable[[str], bool]) -> str:
    """Return Reporting-Endpoints (https://www.w3.org/TR/reporting-1/#header) without held endpoints."""
    members = list(_in_turn(_ENDPOINT, value))
    if "".join(member.group() for member in members).strip() != value.strip():
        # A browser that follows the standard ignores such a value, but a lenient one may not.
        return "" if _names_held(value, holds_url) else value
    kept = [m.group().strip().rstrip(",") for m in members if not holds_url(m.group(2).replace("\\", ""))]
    return value if len(kept) == len(members) else ", ".join(kept)


def _less_groups(value: str, holds_url: Callable[[str], bool]) -> str:
    """Return Report-To (https://www.w3.org/TR/2018/WD-reporting-1-20180925/) without held groups."""
    try:
        groups = json.loads(f"[{value}]")
    except (ValueError, RecursionError):
        return ""  # browsers ignore it
    kept = [group for group in groups if not any(map(holds_url, _texts(group, "url")))]
    return value if len(kept) == len(groups) else ", ".join(map(json.dumps, kept))


def _texts(value: object, key: str) -> list[str]:
    """Return all strings under ``key`` in a JSON value, at any depth."""
    found: list[str] = []
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            found += [text for name, text in item.items() if name == key and isinstance(text, str)]
            todo += item.values()
        elif isinstance(item, list):
            todo += item
    return found


def _link_is_held(url: str, parameters: str, holds_url: Callable[[str], bool]) -> bool:
    """Whether a link fetches or connects to something held (RFC 8288, section 3)."""
    values = [(name.lower(), quoted or plain) for name, quoted, plain in _LINK_PARAMETER.findall(parameters)]
    if "'" in parameters:
        # Some parsers take apostrophes for quotation marks, so any word may be a relation, or the address of a picture.
        values += [(name, word) for word in _WORD.findall(parameters) for name in ("rel", "imagesrcset")]
    # The first of several relations counts (section 3.3), but parsers differ about where its value ends.
    if FETCHING_LINKS.isdisjoint(word for name, value in values if name == "rel" for word in value.lower().split()):
        return False
    pictures = [part for name, value in values if name == "imagesrcset" for part in value.replace(",", " ").split()]
    return holds_url(url) or any(map(holds_url, pictures))
