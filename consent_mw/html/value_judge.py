"""
Maps a value of a page to the services that it leads to: an address, a list of addresses, CSS, JSON, code, a document.

Theory of operation. There is one method for each kind of value. Each finds the addresses in it, as a browser would read
them, and asks the matcher (:mod:`consent_mw.html.match`) whose they are. The answer is the ids of the services that are
*not allowed*, so an empty answer means that the value may stay.

A value may have several readings: in charsets that a browser may guess, in the encodings of a style sheet, or because
browsers disagree about an address. It leads to a service if one of its readings does.

Values contain documents and style sheets (``srcdoc``, ``data:`` URLs), which contain values. Both the depth and the
amount of text are limited: what exceeds the limit is held unread.
"""

from __future__ import annotations

import re
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Iterable
from typing import TypeVar
from urllib.parse import unquote

from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.errors import RefusedMarkup
from consent_mw.html import css
from consent_mw.html.code import Code
from consent_mw.html.code import Ids
from consent_mw.html.elements import VISITORS_EVENTS
from consent_mw.html.guessed import encoded
from consent_mw.html.guessed import may_hide_a_host
from consent_mw.html.guessed import readings
from consent_mw.html.handler_cut import own_statements
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.json_texts import may_follow_any_link
from consent_mw.html.json_texts import strings
from consent_mw.html.labels import decode
from consent_mw.html.labels import text_codec_of
from consent_mw.html.loaders import loaded_by
from consent_mw.html.suspects import StrangeElement
from consent_mw.html.urls import DataUrl
from consent_mw.html.urls import Url
from consent_mw.html.urls import ascii_host
from consent_mw.html.urls import data_url
from consent_mw.html.urls import resolutions
from consent_mw.html.urls import resolve
from consent_mw.html.urls import site_of
from consent_mw.html.urls import unescape_attribute
from consent_mw.html.values import refresh

#: The most documents nested in attributes (srcdoc within srcdoc); deeper ones are held as a whole.
_MOST_NESTED = 4
#: The most bytes of documents nested in a tag, over all readings, as a multiple of the tag's length.
_MOST_DOCUMENTS = 100
#: The factor by which documents nested in other documents count more, so that all readings of the outer ones fit.
_DEEPER = 8
#: The most bytes of style sheets nested in one in a ``data:`` URL, over all readings, as a multiple of its length.
_MOST_READINGS = 48
#: Stands in for a service's id if speculation rules let a browser fetch any link of the page.
ANY_LINK = "any-link"
_LOCAL = re.compile(rb"(?![/\\]{2})[^:\\&?#\x00-\x20\x7f-\xff]*+(?:[?#][^\x00-\x20]*+)?\Z")
#: A dot segment, which may hide a path that a rule names.
_DOT_SEGMENT = re.compile(rb"(?:\A|/)(?:\.|%2[eE])")
_PLAIN = re.compile(rb"(?:https?:)?//([a-z0-9.\-]++)(?::[0-9]++)?((?:[/?#][!-~]*+)?)\Z")
#: A background whose address may be written with tabs, line breaks or escapes.
_MAYBE_ESCAPED = re.compile(r"[\t\n\r\\]")
_CSS_GATE = re.compile(rb"[uU][rR][lL]\(|[\\&@]|[sS][rR][cC]\(|-set\(|[\"']", re.DOTALL)


class ValueJudge(ABC):
    """
    Maps the values in one document to the services that they lead to.

    Args:
        policy: The decision and the rules.
        page: The address of the page.
        charset: The Python codec of the document's bytes; empty if none is declared.
        xml: Whether the rules of XML apply (XHTML).
    """

    #: Returns the target of a refresh.
    refresh = staticmethod(refresh)

    def __init__(self, policy: HoldPolicy, page: Url, charset: str, *, xml: bool) -> None:
        self.policy = policy
        self.page = page
        self._matcher = policy.matcher
        self._allowed = policy.allowed
        self._page_site = site_of(page.host)
        #: How many documents this one is nested in.
        self.depth = 0
        self.base = page
        self._read_as(charset, xml=xml)

    def _read_as(self, charset: str, *, xml: bool) -> None:
        """Set what depends on the base URL and on how the document is read."""
        self.charset = charset
        #: No charset is declared. The copies for each charset that a browser may guess keep this.
        self.guessed = not charset
        #: The ways in which the bytes of a style sheet may have to be read.
        self.wide = css.READINGS.get(charset, (css.PLAIN,))
        self.xml = xml
        #: The last URL that was asked about, with the charset, and the answer.
        self._last_url: tuple[tuple[bytes, str] | None, tuple[Ids, Url | None]] = None, ((), None)
        page, base = self.page, self.base
        # A plain relative URL needs no resolving unless a rule names the page's own host or a path below its folder.
        # Relative addresses mostly lead to the same services on all pages of a site, which then share their plans.
        self.passes_local, alike = self._matcher.own_pages(base) if base.host == page.host else (False, False)
        if alike and not self._is_near_mount(base.rest):
            page, base = Url(page.scheme, page.host, ""), Url(base.scheme, base.host, "")
        #: The context that the answers depend on; equal contexts share their plans.
        self._place = (page, base, charset)

    def _is_near_mount(self, path: str) -> bool:
        """Return whether relative addresses may lead to our own pages because of the folder that they start from."""
        mount = self.policy.placeholder.removesuffix("placeholder/")
        return bool(mount) and mount.split("/")[-2] in unquote(path)

    @abstractmethod
    def held_in_document(self, document: DataUrl) -> Ids:
        """Return the ids of the services that are held in a document inside this one."""

    def text(self, raw: bytes) -> str:
        """Decode an attribute's value, including its character references."""
        text = decode(raw, self.charset or "utf-8")
        if "\0" in text:
            text = text.replace("\0", "\ufffd")
        return unescape_attribute(text) if "&" in text else text

    def not_allowed(self, ids: Ids) -> Ids:
        """Return those of ``ids`` that are not allowed; an address of several services runs only if all are allowed."""
        return tuple([id_ for id_ in ids if id_ not in self._allowed]) if ids else ()

    def url(self, raw: bytes) -> tuple[Ids, Url | None]:
        """Return the services that a raw URL value leads to, and its target if it was resolved."""
        # Several questions about one attribute follow each other. A copy for another charset has the last answer, too.
        asked = raw, self.charset
        if self._last_url[0] != asked:
            self._last_url = asked, self._url(raw)
        return self._last_url[1]

    def _url(self, raw: bytes) -> tuple[Ids, Url | None]:
        matcher = self._matcher
        if self._is_local(raw):
            return (matcher.path(raw) if matcher.has_paths else ()), None
        plain = _PLAIN.match(raw)
        if plain and b"&" not in raw and not self.policy.allow_hosts:
            host = ascii_host(plain.group(1).decode("ascii"))
            if not matcher.knows(host) and not (matcher.has_paths and matcher.path(plain.group(2))):
                return (), Url(self.page.scheme, host, "/")
        targets = resolutions(self.text(raw), self.base)
        for target in targets:
            if ids := matcher.target(target, self.page):
                return ids, target
        return (), next(filter(self.third_party, targets), targets[0]) if len(targets) > 1 else targets[0]

    def _is_local(self, raw: bytes) -> bool:
        """Return whether a raw URL is plainly a path on the page's own host, to which only path rules can apply."""
        return self.passes_local and _LOCAL.match(raw) is not None and not _DOT_SEGMENT.search(raw)

    def third_party(self, url: Url | None) -> bool:
        """Return whether ``url`` is on another site than the page, and not allowed by the owner."""
        if url is None or not url.host or site_of(url.host) == self._page_site:
            return False
        return not self.policy.allow_hosts or not self.policy.allows(url)

    def address(self, text: str) -> Ids:
        """Return the services that an address in JSON or a header leads to, without those allowed."""
        ids = self._matcher.url(text, self.base, self.page)
        if not ids and self.policy.unknown == "hold" and any(map(self.third_party, resolutions(text, self.base))):
            ids = (UNKNOWN_SERVICE,)
        return self.not_allowed(ids)

    def linked(self, text: str) -> Ids:
        """Return the services that a Link header leads to, also by a style sheet in a ``data:`` URL, if not allowed."""
        sheets = [data_url(url.rest) for url in resolutions(text, self.base) if url.scheme == "data"]
        return self.address(text) or self._in_sheets([sheet for sheet in sheets if not sheet.is_media])

    def leads_to(self, url: Url) -> Ids:
        """Return the services that a resolved URL reaches, without those allowed."""
        return self.not_allowed(self._matcher.target(url, self.page))

    def css(self, raw: bytes, mark: Ids = ()) -> Ids:
        """
        Return the services that the URLs of a declaration list lead to, without those allowed.

        Args:
            mark: As for :meth:`css_url`.
        """
        if not _CSS_GATE.search(raw):
            return ()
        texts = [(self.text(raw).encode("utf-8", "replace"), css.PLAIN)]
        if len(self.wide) > 1 and css.AMBIGUOUS.search(raw):
            text = unescape_attribute(raw.decode("latin-1")).encode("latin-1", "replace")
            texts += [(text, wide) for wide in self.wide[1:]]
        try:
            values = [value for text, wide in texts for value in css.urls(text, wide)]
        except RefusedMarkup:
            # Hold the attribute instead of refusing the whole page.
            return self.not_allowed((UNKNOWN_SERVICE,))
        ids = [id_ for value in values for id_ in self.css_url(value, mark)]
        return tuple(dict.fromkeys(ids))

    def is_local_sheet(self, text: bytes) -> bool:
        """Return whether a style sheet plainly fetches nothing but paths on the page's own host without a rule."""
        return self.passes_local and css.LOCAL.match(text) is not None and not self._matcher.may_name(text)

    def css_url(self, value: bytes, mark: Ids = ()) -> Ids:
        """
        Return the services that a URL of a style sheet leads to, without those allowed.

        Args:
            mark: The services for which the author's mark holds the style sheet; they also hold every absolute URL.
        """
        if mark and not self._is_local(value):
            return tuple(dict.fromkeys((*mark, *self.css_url(value))))
        if self._is_local(value):
            return self.not_allowed(self._matcher.path(value))
        ids, sheets = self._css_targets({(value, self.charset): None})
        return self.not_allowed(tuple(dict.fromkeys((*ids, *self._in_sheets(sheets)))))

    def _css_targets(self, urls: Iterable[tuple[bytes, str]]) -> tuple[dict[str, None], dict[DataUrl, None]]:
        """
        Return the services that URLs of style sheets lead to, and the style sheets in ``data:`` URLs among them.

        Anything imported or linked may be a style sheet, whatever its type, except media such as pictures and fonts.

        Args:
            urls: Each with its Python codec; empty if it may be any.
        """
        ids: dict[str, None] = {}
        sheets: dict[DataUrl, None] = {}
        for value, charset in urls:
            if self._is_local(value):
                ids |= dict.fromkeys(self._matcher.path(value))
                continue
            texts = map(css.unescape, readings(value, charset))
            for target in [target for text in texts for target in resolutions(text, self.base)]:
                if target.scheme == "data":
                    data = data_url(target.rest)
                    sheets |= {} if data.is_media else {data: None}
                    continue
                known = self._matcher.target(target, self.page)
                stranger = not known and self.policy.unknown == "hold" and self.third_party(target)
                ids |= dict.fromkeys((UNKNOWN_SERVICE,) if stranger else known)
        return ids, sheets

    def _in_sheets(self, sheets: Iterable[DataUrl]) -> Ids:
        """
        Return the services that style sheets in ``data:`` URLs lead to, without those allowed.

        They are read level by level. A URL may have to be read in many charsets, and the style sheets in each of its
        readings in as many again. So only one level is read in all charsets: the page, or else the first style sheet.
        If another one needs that, or if they amount to too many bytes, they are held unread.
        """
        ids: dict[str, None] = {}
        room = _MOST_READINGS * sum(len(data.body) for data in sheets)
        guessed = self.guessed
        for _ in range(_MOST_NESTED):
            urls: dict[tuple[bytes, str], None] = {}
            for data in sheets:
                try:
                    urls |= dict.fromkeys(self._urls_in(data))
                except RefusedMarkup:
                    ids[UNKNOWN_SERVICE] = None
            if guessed and any(not charset and may_hide_a_host(value) for value, charset in urls):
                break
            guessed = True
            found, sheets = self._css_targets(urls)
            ids |= found
            room -= sum(len(data.body) for data in sheets)
            if not sheets or room < 0:
                break
        if sheets:
            ids[UNKNOWN_SERVICE] = None
        return self.not_allowed(tuple(ids))

    def _urls_in(self, data: DataUrl) -> list[tuple[bytes, str]]:
        """Return the URLs of a style sheet in a ``data:`` URL, each with its codec; empty if it may be any."""
        own = text_codec_of(data.charset)
        # Without a charset that browsers know, it is that of the element, of an @charset rule or of the parent
        # document: https://drafts.csswg.org/css-syntax/#determine-the-fallback-encoding
        charset = self.charset if own or data.body.isascii() else ""
        wides = css.READINGS.get(charset, (css.PLAIN,)) if css.AMBIGUOUS.search(data.body) else (css.PLAIN,)
        texts = [(text, wide) for text in data.texts() for wide in wides]
        if own:
            texts.append((decode(data.body, own).encode("utf-8", "replace"), css.PLAIN))
        return [(value, charset) for text, wide in texts for value in css.urls(text, wide)]

    def script_code(self, text: bytes) -> Code:
        """Return the services that a script loads and calls, without those allowed."""
        found = self._matcher.script(text, self.page)
        ids = self.not_allowed(found.ids)
        if not found.ids and self.policy.unknown == "suspects":
            ids = self._strangers_loaded_by(text)
        ids = tuple(dict.fromkeys((*ids, *self._imported_by(text))))
        return Code(ids, self.not_allowed(found.calls), self.not_allowed(found.names))

    def _imported_by(self, code: bytes) -> Ids:
        """
        Return the services that a base URL lets code import from, without those allowed.

        The address of an import is relative to the base URL (HTML, "resolve a module specifier"), and code in the page
        cannot intercept it. Code can put an address together, so every import counts.
        """
        return self.leads_to(self.base) if self.base != self.page and b"import" in code else ()

    def mentions(self, text: bytes) -> Ids:
        """Return the services with a call or an address anywhere in the text of a script, without those allowed."""
        return tuple({*self.script_code(text).all, *self.not_allowed(self._matcher.mentions(text, self.page))})

    def addresses_in(self, text: bytes) -> Ids:
        """Return the services whose addresses the text of a script contains, without those allowed."""
        return self.not_allowed(self._matcher.addresses(text, self.page))

    def globals_of(self, ids: Ids) -> frozenset[str]:
        """Return the globals that the scripts of services define."""
        services = self._matcher.services
        paths = (path for id_ in ids if id_ in services for path in services[id_].queue)
        return frozenset(re.split(r"[.(\[{]", path)[0] for path in paths)

    def _strangers_loaded_by(self, text: bytes) -> Ids:
        """Return the ids of unknown third parties that an inline snippet loads, without those allowed."""
        urls = [resolve(address, self.base) for address in loaded_by(text)]
        element = StrangeElement(judged=True, is_async=True)
        ids = [
            self.policy.delivery.judge(element, url, self.page.host, self._matcher.knows)
            for url in urls
            if self.third_party(url) and not self._matcher.target(url, self.page)
        ]
        return self.not_allowed(tuple(dict.fromkeys(filter(None, ids))))

    def code(self, text: bytes) -> Ids:
        """Return all services that a script loads or calls, without those allowed."""
        return self.script_code(text).all

    def listed(self, content: bytes, kind: str) -> Ids:
        """
        Return the services that the addresses in the JSON of a script lead to, without those allowed.

        This is for speculation rules and web bundles. Every string in them counts as an address. Rules that let the
        browser choose among the page's links are held if these may include links to other sites.
        """
        ids = dict.fromkeys(self._matcher.addresses(content, self.page))
        for found in strings(content, self.wide):
            ids.update(dict.fromkeys(self.address(found.text)))
        if kind == "speculationrules":
            leaves = may_follow_any_link(content, self.page.host) or self._matcher.target(self.base, self.page)
            ids |= {ANY_LINK: None} if leaves else {}
        return self.not_allowed(tuple(ids))

    def _handler(self, raw: bytes, event: bytes) -> Ids:
        """Return the services whose addresses an event handler loads, without those allowed."""
        text = self.text(raw).encode("utf-8", "replace")
        by_visitor = event.lower() in VISITORS_EVENTS
        return self.not_allowed(self._matcher.handler(text, self.page, by_visitor=by_visitor))

    def _own_handler(self, raw: bytes, event: bytes) -> bytes:
        """Return the code of a held event handler that may run now; empty for none."""
        own = own_statements(self.text(raw).encode("utf-8", "replace"), self)
        held = not own or self._matcher.handler(own, self.page, by_visitor=event.lower() in VISITORS_EVENTS)
        return b"" if held else own

    def _value(self, kind: str, raw: bytes) -> Ids:
        """Return the services for which a value of this kind is held, on any element."""
        if kind == "css":
            return self.css(raw)
        if kind == "document":
            return self.held_in_document(DataUrl("text/html", "utf-8", self.text(raw).encode("utf-8", "replace")))
        if kind == "refresh":
            target = refresh(self.text(raw))
            return self.not_allowed(self._matcher.url(target, self.base, self.page)) if target else ()
        if kind in ("urls", "animated", "background"):
            text = self.text(raw)
            parts = filter(None, re.split(r"[ \t\n\r\f;]+", text))
            ids = [id_ for part in parts for id_ in self._one(encoded(part, self.charset))]
            if kind == "background" and _MAYBE_ESCAPED.search(text):
                # A loader may use it as the address of a picture, or write it into a style sheet, which has escapes.
                ids += [*self._one(raw), *self.css(b"url(" + raw + b")")]
            return tuple(dict.fromkeys(ids if kind == "urls" else [*ids, *self.css(raw)]))
        return self._one(raw, document=kind == "page")

    def _tag(self, raw: bytes) -> Ids:
        """Return the services whose tag an address requests by the tag's id, without those allowed."""
        # Browsers remove tabs and newlines from an address, and leading spaces.
        return self.not_allowed(self._matcher.tag(re.sub(r"[\t\n\r]+|\A[\x00-\x20]+", "", self.text(raw))))

    def _one(self, raw: bytes, *, document: bool = False) -> Ids:
        ids, target = self.url(raw)
        if target is not None and target.scheme == "data":
            ids = tuple(dict.fromkeys((*ids, *self._data(data_url(target.rest), document=document))))
        elif target is not None and target.scheme == "javascript":
            ids = (*ids, *self._imported_by(unquote(target.rest).encode()))
        if not ids and self.policy.unknown == "hold" and self.third_party(target):
            ids = (UNKNOWN_SERVICE,)
        return self.not_allowed(ids) if ids else ()

    def _data(self, data: DataUrl, *, document: bool) -> Ids:
        """
        Return the services that a ``data:`` URL of an element leads to, without those allowed.

        Args:
            document: Whether the element shows a document. Then any XML type is a document, and it is held if it cannot
                be read.
        """
        if data.kind == "text/html" or (data.is_xml and (document or data.kind == "image/svg+xml")):
            ids = self.held_in_document(data)
            return ids if document or data.kind == "text/html" else tuple(id_ for id_ in ids if id_ != UNKNOWN_SERVICE)
        return () if data.is_xml or data.is_media else self._in_sheets((data,))


Judge = TypeVar("Judge", bound=ValueJudge)


class NestedDocuments:
    """
    The documents nested in one tag.

    A tag may have to be read in many charsets, and the tags of the documents in each of these readings in as many
    again. So the answer for each document is remembered, and all of them together are limited to a multiple of the
    tag's length.
    """

    def __init__(self) -> None:
        self._room = 0
        self._known: dict[tuple[int, Url, DataUrl], Ids] = {}

    def begin(self, size: int) -> None:
        """Start with a tag of ``size`` bytes."""
        self._room = _MOST_DOCUMENTS * size
        self._known.clear()

    def held_in(self, document: DataUrl, judge: Judge, read: Callable[[DataUrl, Judge], Ids]) -> Ids:
        """Return the ids held in a document, or the unknown service if it is nested too deeply or too often."""
        key = judge.depth, judge.base, document
        known = self._known.get(key)
        if known is None:
            self._room -= len(document.body) * (_DEEPER if judge.depth else 1)
            known = (UNKNOWN_SERVICE,)
            if judge.depth < _MOST_NESTED and self._room >= 0:
                known = read(document, judge)
            self._known[key] = known
        return known
