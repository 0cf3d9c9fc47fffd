"""
Embeds and trackers whose addresses a page has as data, from which the site's own code may make elements.

Frameworks send a page's state beside its markup: JSON in a script (``__NEXT_DATA__``), in an attribute (Livewire,
Inertia, islands), or base64. The element is created in the browser, where only the guard can hold it, and the guard
only knows the services of the site. So a site that learns its services has to find them here, before the guard is sent.

Theory of operation. Few pages contain such an address, and the others must not wait. So a page is first searched for a
few words. An address around such a word counts if it belongs to a visible embed, or to a tracker's code or pixel. Only
if the site does not know its service yet are the constructs of the page read up to it, to see whether it is data. These
are data:

- scripts, except structured data for search engines; a tracker's address counts only in scripts that do not run, since
  those that run are judged by :mod:`consent_mw.html.code`;
- attributes, except those that only link, describe, or are judged by themselves. An event handler is held only for an
  address that it loads itself, and may pass another one on to the site's own code, so it counts;
- a comment that is all that an element contains.

Text is not: a page about embeds shows their addresses, and visitors may write them. Nothing is held for what is found
here. If the page arrives in several chunks, each is searched by itself.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Container
from collections.abc import Iterator
from typing import NamedTuple

from consent_mw.html.code import EMBED
from consent_mw.html.code import Ids
from consent_mw.html.code import is_shown
from consent_mw.html.elements import attributes
from consent_mw.html.elements import executes
from consent_mw.html.match import Matcher
from consent_mw.html.scan import occurs
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import end_tag
from consent_mw.html.urls import Url

#: Parts of the addresses of embeds, and the ends of those of trackers' code and pixels.
_EMBEDS = (b"mbed", b"player")
_TRACKERS = (b"gtm.j", b"/js?", b"/tr?", b"fbevents.j", b"analytics.j", b"hotj", b"matomo.j")
#: "embed" and "player" in base64, at each of the three positions of a letter.
_ENCODED = (b"ZW1iZW", b"VtYmVk", b"bWJlZ", b"cGxheWVy", b"BsYXllc", b"bGF5ZX")
#: The most bytes of an address before such a word, and after it.
_BEFORE, _AFTER = 160, 40
_ESCAPES = re.compile(rb"\\u002[fF]|\\+/|&#x2[fF];|&#47;|&sol;")
_ADDRESS = re.compile(rb"//([a-zA-Z0-9.\-]+\.[a-zA-Z]{2,24})(?::[0-9]+)?(/[^\s\"'`<>\\&)]*)")
_SLASHES = re.compile(rb"//")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*+")
_DIGITS_BEFORE = re.compile(rb"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]*\Z")
#: The longest base64 that is decoded, in bytes.
_LONGEST_ENCODED = 65_536
#: The path of a tracker's code or pixel, and what precedes an address that is a value and not a part of a longer text.
_LOADS = re.compile(r"\.js\b|/js\b|/tr\b")
_VALUE = re.compile(rb"(?:\A|[:,\[(]\s*(?:\\*\"|'|&quot;|&#34;)|\A[\"'])(?:https?:)?\Z")
#: Elements and attributes that describe or link, or that are held by their own address.
_DESCRIBING = frozenset(b"base link meta option param title".split())
_LINKING = frozenset(
    b"action alt cite class content data formaction href id label longdesc ping placeholder poster src srcset style"
    b" title value xlink:href xmlns".split()
)
_RAW_TEXT = frozenset(b"iframe noembed noframes script style textarea title xmp".split())
#: What is not around a comment that is all that an element contains.
_OPENS, _CLOSES = re.compile(rb"<[a-zA-Z][^<>]{0,400}>\s{0,40}\Z"), re.compile(rb"\s*+</")


class _Candidate(NamedTuple):
    """A place in a page, with the services to which an address there leads."""

    place: int
    ids: Ids
    #: Whether they are trackers.
    track: bool


class _Construct(NamedTuple):
    """A script, a comment or a start tag: its bounds, and the bounds and the name of the tag (both -1 without one)."""

    start: int
    end: int
    tag: tuple[int, int] = (-1, -1)
    name: bytes = b""


class _Span(NamedTuple):
    """A part of a page that is data."""

    start: int
    end: int
    #: Whether the addresses of trackers count.
    tracks: bool = True


def named_in(
    page: bytes, matcher: Matcher, host: str, known: Container[str], *, trackers: bool = True
) -> frozenset[str]:
    """
    Return the ids of the services whose addresses a page, or a chunk of one, has as data.

    Args:
        host: The host of the page.
        known: Ids that are not looked for.
        trackers: Whether to look for trackers. A guard that is there anyway also has the most common ones on its list.
    """
    words = (*_EMBEDS, *_ENCODED, *(_TRACKERS if trackers else ()))
    if not occurs(page, words):
        return frozenset()
    candidates = [one for one in _candidates(page, words, matcher, host) if not all(id_ in known for id_ in one.ids)]
    named = {id_ for one in _in_data(page, candidates) for id_ in one.ids} if candidates else set()
    return frozenset(id_ for id_ in named if id_ not in known)


def _places(page: bytes, words: tuple[bytes, ...]) -> Iterator[tuple[int, bytes]]:
    """Yield where the words occur. A pattern of them would take several times as long as a search for each."""
    for word in words:
        at = page.find(word)
        while at >= 0:
            yield at, word
            at = page.find(word, at + 1)


def _candidates(page: bytes, words: tuple[bytes, ...], matcher: Matcher, host: str) -> Iterator[_Candidate]:
    """Yield the addresses in a page, in its order."""
    places = [*_places(page, _EMBEDS)]
    if occurs(page, words[len(_EMBEDS) :]):
        places += _places(page, words[len(_EMBEDS) :])
    decoded = 0
    for at, word in sorted(places):
        if word not in _ENCODED:
            # The address that contains the word begins with the last slashes before the word's end.
            end = at + len(word)
            text = _ESCAPES.sub(b"/", page[max(0, at - _BEFORE) : end])
            slashes = [text.rfind(b"//")]
            text += _ESCAPES.sub(b"/", page[end : end + _AFTER])
        elif at >= decoded:
            encoded, decoded = _decoded(page, at, decoded)
            text = _ESCAPES.sub(b"/", encoded)
            slashes = [found.start() for found in _SLASHES.finditer(text)]
        else:
            continue
        for place in slashes:
            ids, track = _services_at(text, place, matcher, host)
            if ids:
                yield _Candidate(at, ids, track)


def _decoded(page: bytes, at: int, begun: int) -> tuple[bytes, int]:
    """Return the base64 around a place, decoded, and its end; it does not reach back before ``begun``."""
    end = _BASE64.match(page, at, at + _LONGEST_ENCODED).end()  # type: ignore[union-attr]
    before = page[max(begun, at - _LONGEST_ENCODED) : at]
    digits = before[len(before) - len(_DIGITS_BEFORE.search(before).group()) :] + page[at:end]  # type: ignore[union-attr]
    return binascii.a2b_base64(digits[: len(digits) // 4 * 4]), end


def _services_at(text: bytes, place: int, matcher: Matcher, host: str) -> tuple[Ids, bool]:
    """Return the services to whose embed, code or pixel the address at a place leads, and whether they are trackers."""
    found = _ADDRESS.match(text, place) if place >= 0 else None
    if found is None:
        return (), False
    name, path = (part.decode("latin-1") for part in found.groups())
    is_embed = EMBED.search(name + path) is not None
    is_code = _LOADS.search(path) is not None and _VALUE.search(text, 0, place) is not None
    if not is_embed and not is_code:
        return (), False
    ids = matcher.resolved(Url("https", name.lower(), path), host)
    shown = tuple(id_ for id_ in ids if is_shown(matcher.services[id_]))
    if shown:
        return shown if is_embed else (), False
    return ids if is_code else (), True


def _in_data(page: bytes, candidates: list[_Candidate]) -> Iterator[_Candidate]:
    """Yield those of the candidates, which are in the order of the page, that are data."""
    waiting = iter(candidates)
    one = next(waiting, None)
    for construct in _constructs(page):
        while one is not None and one.place < construct.start:
            one = next(waiting, None)
        if one is None:
            return
        if one.place >= construct.end:
            continue
        for span in _data_in(page, construct):
            while one is not None and one.place < span.start:
                one = next(waiting, None)
            while one is not None and one.place < span.end:
                if span.tracks or not one.track:
                    yield one
                one = next(waiting, None)


def _constructs(page: bytes) -> Iterator[_Construct]:
    """Yield the start tags, scripts and comments of a page, up to the first one that is incomplete."""
    at = page.find(b"<")
    while at >= 0:
        if page.startswith(b"<!--", at):
            end = page.find(b"-->", at + 4)
            if end < 0:
                return
            yield _Construct(at, end + 3)
            at = end
        elif (found := TAG.match(page, at)) is not None:
            at, name = found.end(), found.group(2).lower()
            if not found.group(1):
                yield _Construct(*found.span(), found.span(), name)
                if name in _RAW_TEXT:
                    closing = end_tag(name).search(page, at)
                    if closing is None:
                        return
                    if name == b"script":
                        yield _Construct(at, closing.start(), found.span(), name)
                    at = closing.start()
        elif page[at + 1 : at + 2].isalpha():
            return
        else:
            at += 1
        at = page.find(b"<", at)


def _data_in(page: bytes, construct: _Construct) -> Iterator[_Span]:
    """Yield the parts of a construct that are data from which code may make an element, in order."""
    start, end, (tag, tag_end), name = construct
    if not name:
        opens = _OPENS.search(page, max(0, start - 500), start)
        if opens is not None and _CLOSES.match(page, end) is not None:
            yield _Span(start, end)
        return
    found = attributes(page[tag:tag_end], 1 + len(name))
    if b"data-consent" in found:
        return
    if start == tag:
        for key, values in found.items():
            if not (name in _DESCRIBING or key in _LINKING):
                yield _Span(start + values[0].start, start + values[0].end)
        return
    kind = found[b"type"][0].raw.lower() if b"type" in found else b""
    if b"ld+json" not in kind:
        yield _Span(start, end, tracks=not executes(found, lambda raw: raw.decode("latin-1")))
