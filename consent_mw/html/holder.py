"""
Decides what to insert into a tag so that it cannot fetch, run or connect.

A :class:`Holder` is for one page and one decision of the visitor. For each tag it returns a :class:`TagPlan` with the
insertions, or None if the tag stays as it is. Long because every kind of attribute is handled here.

Theory of operation. The kind of each attribute (:mod:`consent_mw.html.elements`) says how to read its value: an
address, a list of addresses, CSS, a document, code. The matcher (:mod:`consent_mw.html.match`) maps each address to
services. If one of these is not allowed, the tag is held in one of three ways:

- *disarm*: a prefix before the attribute's name (``data-cmw-src``), so that the browser ignores the attribute;
- *retype*: a script is given ``type=text/plain`` as well, so that it does not run;
- *swap*: an iframe that shows an embed is given the address of a placeholder page.

An import map is a special case: a held address in it is replaced by that of an empty module.

Nothing of the tag is lost, so the runtime can restore it when the visitor consents. With ``HoldPolicy.remove``
attributes and elements are left out instead. Plans depend only on the bytes of the tag and on the key of the memory
(:mod:`consent_mw.html.hold_policy`), so they are remembered.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from collections.abc import Iterable
from urllib.parse import unquote

from consent_mw.core.model import NECESSARY
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.errors import RefusedMarkup
from consent_mw.html import css
from consent_mw.html.code import Code
from consent_mw.html.code import Ids
from consent_mw.html.elements import ANYWHERE
from consent_mw.html.elements import LAZY
from consent_mw.html.elements import LEFT_OUT
from consent_mw.html.elements import SHOWN_BY_ELEMENT
from consent_mw.html.elements import VISITORS_EVENTS
from consent_mw.html.elements import Attribute
from consent_mw.html.elements import Attributes
from consent_mw.html.elements import Tag
from consent_mw.html.elements import any_kinds
from consent_mw.html.elements import attributes
from consent_mw.html.elements import executes
from consent_mw.html.elements import is_pixel
from consent_mw.html.elements import kinds as kinds_of
from consent_mw.html.elements import other_kind
from consent_mw.html.elements import told_by_beginning
from consent_mw.html.elements import what_of
from consent_mw.html.guessed import encoded
from consent_mw.html.guessed import in_each
from consent_mw.html.guessed import may_hide_a_host
from consent_mw.html.guessed import readings
from consent_mw.html.hold_policy import KEY
from consent_mw.html.hold_policy import PREFIX
from consent_mw.html.hold_policy import Budget
from consent_mw.html.hold_policy import Edit
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.hold_policy import Memory
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.json_texts import entries
from consent_mw.html.json_texts import may_follow_any_link
from consent_mw.html.json_texts import strings
from consent_mw.html.labels import decode
from consent_mw.html.labels import text_codec_of
from consent_mw.html.loaders import loaded_by
from consent_mw.html.suspects import STRANGER
from consent_mw.html.suspects import StrangeElement
from consent_mw.html.suspects import element_of
from consent_mw.html.suspects import host_of_stranger
from consent_mw.html.urls import DataUrl
from consent_mw.html.urls import Url
from consent_mw.html.urls import ascii_host
from consent_mw.html.urls import data_url
from consent_mw.html.urls import resolutions
from consent_mw.html.urls import resolve
from consent_mw.html.urls import site_of
from consent_mw.html.urls import unescape_attribute
from consent_mw.html.urls import without_dots
from consent_mw.html.values import candidates
from consent_mw.html.values import refresh

#: The most documents nested in attributes (srcdoc within srcdoc); deeper ones are held as a whole.
_MOST_NESTED = 4
#: How many times the length of a tag the documents nested in it may amount to, in all readings.
_MOST_DOCUMENTS = 100
#: How many times those count that are nested in others: the readings of a tag of the page may all be needed.
_DEEPER = 8
#: How many times the length of a style sheet in a ``data:`` URL the sheets in it may amount to, in all readings.
_MOST_READINGS = 48

#: If an import map has names of folders in more lengths than this, any import may be one of theirs.
_MOST_FOLDERS = 64

#: Elements whose address may be that of a vendor's tag, served through a gateway.
_LOADS_CODE = frozenset({b"script", b"iframe", b"link"})

#: The id for which a construct is held that is too long to keep back; no choice releases it.
TOO_LONG = "too-long"
#: The id for which rules are held that let a browser fetch any link of the page.
ANY_LINK = "any-link"
#: What is inserted before a held address in an import map: a module that does nothing, of which the address becomes the
#: fragment.
_EMPTY_MODULE = b"data:text/javascript,export%20default%20function(){}#"

#: What we insert and what makes a copy of it do nothing: its element (empty for any), an attribute, and our marks.
_COPIED: tuple[tuple[bytes, tuple[bytes, bytes], frozenset[bytes]], ...] = (
    (b"", (b"hidden", b""), frozenset({b"data-cmw-banner", b"data-cmw-reopen", b"data-cmw-panel"})),
    (b"", (b"media", b"not all"), frozenset({b"data-cmw-style"})),
    (
        b"script",
        (b"type", b"text/plain"),
        frozenset(b"data-cmw-" + name for name in (b"runtime", b"hosts", b"queue", b"library", b"signals", b"on")),
    ),
)
#: Attributes that name a frame; and those disarmed in a swapped one: its address, and what would block our page in it.
_NAMES_OF_A_FRAME = frozenset({b"title", b"aria-label", b"aria-labelledby"})
_OF_THE_FRAME = frozenset({b"src", b"sandbox", b"csp", b"credentialless"})

_LOCAL = re.compile(rb"(?![/\\]{2})[^:\\&?#\x00-\x20\x7f-\xff]*+(?:[?#][^\x00-\x20]*+)?\Z")
#: The name of an attribute that no loader, no handler, no form and no mark of ours uses.
_PLAIN_NAME = re.compile(rb"(?!on|data-|lazy|nitro|action|formaction)")
#: An address that leads to the same place from every page of a site.
_FROM_ROOT = re.compile(r"[\x00-\x20]*+(?:[a-zA-Z][a-zA-Z0-9+.\-]*+:)?[/\\]")
#: A dot segment, which may hide a path that a rule names.
_DOT_SEGMENT = re.compile(rb"(?:\A|/)(?:\.|%2[eE])")
_PLAIN = re.compile(rb"(?:https?:)?//([a-z0-9.\-]++)(?::[0-9]++)?((?:[/?#][!-~]*+)?)\Z")
_STYLED_HEIGHT = re.compile(r"(?<![\w-])height\s*:\s*(\d{1,4}(?:\.\d+)?px)", re.I)
_PIXELS = re.compile(r"(\d{1,4})(?:\.\d+)?(?:px)?", re.I)
_CSS_GATE = re.compile(rb"[uU][rR][lL]\(|[\\&@]|[sS][rR][cC]\(|-set\(|[\"']", re.DOTALL)


class NestedDocuments:
    """
    The documents nested in one tag.

    A tag may have to be read in many charsets, and the tags of the documents in each reading again in as many. So what
    a document leads to is remembered, and all documents together may have only a multiple of the length of the tag.
    """

    def __init__(self) -> None:
        self._room = 0
        self._known: dict[tuple[int, Url, DataUrl], Ids] = {}

    def begin(self, size: int) -> None:
        """Begin with a tag of so many bytes."""
        self._room = _MOST_DOCUMENTS * size
        self._known.clear()

    def held_in(self, document: DataUrl, holder: Holder, read: Callable[[DataUrl, Holder], Ids]) -> Ids:
        """Return the ids held in a document, or that of unknown services if it is nested too deep or too often."""
        key = holder.depth, holder.base, document
        known = self._known.get(key)
        if known is None:
            self._room -= len(document.body) * (_DEEPER if holder.depth else 1)
            known = (UNKNOWN_SERVICE,)
            if holder.depth < _MOST_NESTED and self._room >= 0:
                known = read(document, holder)
            self._known[key] = known
        return known


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


class Holder:
    """
    Plans the tags of one page.

    Args:
        policy: The decision and the rules.
        page: The address of the page.
        charset: The Python codec of the page's bytes; empty if none is declared.
        xml: Whether the rules of XML apply (XHTML): quoted attributes, case-sensitive names, no duplicates.
        document: Returns the ids held in a document inside this one (an iframe's srcdoc).
    """

    #: Returns the target of a refresh.
    refresh = staticmethod(refresh)

    def __init__(
        self,
        policy: HoldPolicy,
        page: Url,
        *,
        document: Callable[[DataUrl, Holder], Ids],
        charset: str = "utf-8",
        xml: bool = False,
    ) -> None:
        self.policy = policy
        self.page = page
        self._document = document
        #: Shared by the copies for the documents in a tag.
        self._documents = NestedDocuments()
        self._matcher = policy.matcher
        self._allowed = policy.allowed
        self._page_site = site_of(page.host)
        self.depth = 0
        self.base = page
        #: A form's address that leads to our own pages only from some folders: then nothing more is remembered.
        self._of_path: list[bytes] = []
        self._read_as(charset, xml=xml)
        #: Specifiers that the page's import maps resolve to a held address.
        self.specifiers = Specifiers()

    def _read_as(self, charset: str, *, xml: bool) -> None:
        """Set what depends on the base URL and on how the document is read."""
        self.charset = charset
        #: The ways in which the bytes of a style sheet may have to be read.
        self.wide = css.READINGS.get(charset, (css.PLAIN,))
        self.xml = xml
        page, base = self.page, self.base
        # A plain relative URL needs no resolving unless a rule names the page's own host or a path below its folder.
        # Relative addresses mostly lead to the same services on all pages of a site, which then share their plans.
        self.passes_local, alike = self._matcher.own_pages(base) if base.host == page.host else (False, False)
        if alike and not self._is_near_mount(base.rest):
            page, base = Url(page.scheme, page.host, ""), Url(base.scheme, base.host, "")
        self._place = (page, base, charset)
        # Documents in attributes and XHTML are read by other rules, and are too rare to be worth remembering.
        self.memory = Memory(Budget()) if xml or self.depth else self.policy.memory(*self._place)

    def _is_near_mount(self, path: str) -> bool:
        """Return whether relative addresses may lead to our own pages because of the folder that they start from."""
        mount = self.policy.placeholder.removesuffix("placeholder/")
        return bool(mount) and mount.split("/")[-2] in unquote(path)

    def with_base(self, base: Url) -> Holder:
        """Return a copy with another base URL, that of the page's first base element."""
        twin = copy.copy(self)
        twin.base = base
        twin._read_as(self.charset, xml=self.xml)
        return twin

    def nested(self, charset: str, *, xml: bool) -> Holder:
        """Return a copy for a document inside this one."""
        twin = copy.copy(self)
        twin.depth += 1
        twin._read_as(charset, xml=xml)
        twin.specifiers = Specifiers()
        return twin

    def room_for(self, piece: bytes, edits: int = 0) -> bool:
        """Return whether a plan for ``piece`` with this number of edits may be remembered."""
        return not self._of_path and self.memory.room_for(piece, edits)

    def text(self, raw: bytes) -> str:
        """Decode an attribute's value, including its character references."""
        return unescape_attribute(decode(raw, self.charset or "utf-8").replace("\0", "\ufffd"))

    # -- the services that a value leads to, by kind

    def not_allowed(self, ids: Ids) -> Ids:
        """Return those of ``ids`` that are not allowed; what belongs to several services needs all of them."""
        return tuple([id_ for id_ in ids if id_ not in self._allowed]) if ids else ()

    def url(self, raw: bytes) -> tuple[Ids, Url | None]:
        """Return the services that a raw URL value leads to, and its target if it was resolved."""
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

    def css(self, raw: bytes) -> Ids:
        """Return the services that the URLs of a declaration list lead to, without those allowed."""
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
        ids = [id_ for value in values for id_ in self.css_url(value)]
        return tuple(dict.fromkeys(ids))

    def css_url(self, value: bytes) -> Ids:
        """Return the services that a URL of a style sheet leads to, without those allowed."""
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

        They are read level by level. A URL may have to be read in many charsets, and the sheets in each reading again
        in as many. What amounts to too many times the text is held unread.
        """
        ids: dict[str, None] = {}
        room = _MOST_READINGS * sum(len(data.body) for data in sheets)
        for _ in range(_MOST_NESTED):
            urls: dict[tuple[bytes, str], None] = {}
            for data in sheets:
                try:
                    urls |= dict.fromkeys(self._urls_in(data))
                except RefusedMarkup:
                    ids[UNKNOWN_SERVICE] = None
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

    def third_party(self, url: Url | None) -> bool:
        """Return whether ``url`` is on another site than the page, and not allowed by the owner."""
        if url is None or not url.host or site_of(url.host) == self._page_site:
            return False
        return not self.policy.allow_hosts or not self.policy.allows(url)

    def script_code(self, text: bytes) -> Code:
        """Return the services that a script loads and calls, without those allowed."""
        found = self._matcher.script(text, self.page)
        ids = self.not_allowed(found.ids)
        if not found.ids and self.policy.unknown == "suspects":
            ids = self._strangers_loaded_by(text)
        return Code(ids, self.not_allowed(found.calls))

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

        This is for speculation rules and web bundles. Every string in them is taken for an address. Rules that let the
        browser choose among the links of the page are held if a link to another site may be among them.
        """
        ids = dict.fromkeys(self._matcher.addresses(content, self.page))
        for found in strings(content, self.wide):
            ids.update(dict.fromkeys(self.address(found.text)))
        if kind == "speculationrules":
            leaves = may_follow_any_link(content, self.page.host) or self._matcher.target(self.base, self.page)
            ids |= {ANY_LINK: None} if leaves else {}
        return self.not_allowed(tuple(ids))

    def import_map(self, tag: bytes, content: bytes) -> TagPlan | None:
        """
        Return the plan for an import map and its content; None if it stays as it is.

        A module may import an address by its name in the map from any file. So the held addresses in the map are
        replaced, and the other entries stay. :attr:`specifiers` learns the names.
        """
        edits: list[Edit] = []
        held: dict[str, None] = {}
        if self.mark(attributes(tag, len(b"<script"))) is None:
            return None
        for name, address in entries(content, self.wide):
            ids = self.address(address.text)
            if ids:
                held |= dict.fromkeys(ids)
                self.specifiers.learn(self.specifier(name), ids)
                edits.append((len(tag) + address.start, 0, _EMPTY_MODULE))
        if not edits:
            return None
        if not self.policy.remove:
            edits.insert(0, (len(b"<script"), 0, b" data-cmw-held=" + self._quoted(",".join(held)) + KEY))
        return TagPlan(tuple(dict.fromkeys(edits)), tuple(held))

    def address(self, text: str) -> Ids:
        """Return the services that an address in JSON or a header leads to, without those allowed."""
        ids = self._matcher.url(text, self.base, self.page)
        if not ids and self.policy.unknown == "hold" and any(map(self.third_party, resolutions(text, self.base))):
            ids = (UNKNOWN_SERVICE,)
        return self.not_allowed(ids)

    def leads_to(self, url: Url) -> Ids:
        """Return the services that a resolved URL reaches, without those allowed."""
        return self.not_allowed(self._matcher.target(url, self.page))

    def base_plan(self, tag: bytes, ids: Ids) -> TagPlan | None:
        """Return the plan for a base element that is held; None if the author exempts it."""
        read = Tag.read(b"base", tag, xml=self.xml)
        return None if self.mark(read.attributes) is None else self._edits(read, {b"href": ids}, [], ids)

    def specifier(self, name: str) -> str:
        """Return a module specifier in one form: a URL if it is one (HTML, "resolve a URL-like module specifier")."""
        if not name.startswith(("/", "./", "../")) and ":" not in name:
            return name
        url = resolve(name, self.base)
        return f"{url.scheme}://{url.host}{url.rest}"

    def _handler(self, raw: bytes, event: bytes) -> Ids:
        """Return the services whose addresses an event handler loads, without those allowed."""
        text = self.text(raw).encode("utf-8", "replace")
        by_visitor = event.lower() in VISITORS_EVENTS
        return self.not_allowed(self._matcher.handler(text, self.page, by_visitor=by_visitor))

    def _value(self, kind: str, raw: bytes) -> Ids:
        """Return the services for which a value of this kind is held, on any element."""
        if kind == "css":
            return self.css(raw)
        if kind == "document":
            return self._held_in(DataUrl("text/html", "utf-8", self.text(raw).encode("utf-8", "replace")))
        if kind == "refresh":
            target = refresh(self.text(raw))
            return self.not_allowed(self._matcher.url(target, self.base, self.page)) if target else ()
        if kind in ("urls", "animated", "background"):
            parts = filter(None, re.split(r"[ \t\n\r\f;]+", self.text(raw)))
            ids = [id_ for part in parts for id_ in self._one(encoded(part, self.charset))]
            return tuple(dict.fromkeys(ids if kind == "urls" else [*ids, *self.css(raw)]))
        return self._one(raw, document=kind == "page")

    def _tag(self, raw: bytes) -> Ids:
        """Return the services whose tag an address requests by the tag's id, without those allowed."""
        # Browsers remove tabs and newlines from an address, and leading spaces.
        return self.not_allowed(self._matcher.tag(re.sub(r"[\t\n\r]+|\A[\x00-\x20]+", "", self.text(raw))))

    def link(self, raw: bytes) -> Ids:
        """Return the services for which a raw URL value of an element or a processing instruction is held."""
        if not self.depth:
            self._documents.begin(len(raw))
        return self._one(raw)

    def _one(self, raw: bytes, *, document: bool = False) -> Ids:
        ids, target = self.url(raw)
        if target is not None and target.scheme == "data":
            ids = tuple(dict.fromkeys((*ids, *self._data(data_url(target.rest), document=document))))
        if not ids and self.policy.unknown == "hold" and self.third_party(target):
            ids = (UNKNOWN_SERVICE,)
        return self.not_allowed(ids) if ids else ()

    def _data(self, data: DataUrl, *, document: bool) -> Ids:
        """
        Return the services that a ``data:`` URL of an element leads to, without those allowed.

        Args:
            document: Whether the element shows a document: then any XML type is one, and an unreadable one is held.
        """
        if data.kind == "text/html" or (data.is_xml and (document or data.kind == "image/svg+xml")):
            ids = self._held_in(data)
            return ids if document or data.kind == "text/html" else tuple(id_ for id_ in ids if id_ != UNKNOWN_SERVICE)
        return () if data.is_xml or data.is_media else self._in_sheets((data,))

    def _held_in(self, document: DataUrl) -> Ids:
        return self._documents.held_in(document, self, self._document)

    # -- elements

    def element_ids(self, name: bytes, found: Attributes) -> Ids:
        """Return the services whose element rules match this tag, without those allowed."""
        return self.not_allowed(self._all_element_ids(name, found))

    def _all_element_ids(self, name: bytes, found: Attributes) -> Ids:
        rules = self._matcher.elements
        value_of = self._values(found)
        return tuple(
            rule.id
            for rule in (*rules.get(name, ()), *rules.get(b"", ()))
            if (not rule.attribute or rule.attribute in found) and rule.fits(value_of)
        )

    def _has_owner(self, tag: Tag) -> bool:
        """
        Return whether the author's mark or an element rule says whose element this is.

        It is no stranger then, whatever its host. So it is not held once its service is allowed.
        """
        return b"data-consent" in tag.attributes or bool(self._all_element_ids(tag.name, tag.attributes))

    def _is_owned_stranger(self, tag: Tag, ids: Ids, raw: bytes) -> bool:
        """Return whether an address is held only because nobody described its host, on an element that has an owner."""
        return ids == (UNKNOWN_SERVICE,) and self.third_party(self.url(raw)[1]) and self._has_owner(tag)

    def mark(self, found: Attributes) -> Ids | None:
        """Return the services for which the author's mark holds the element; None if the mark exempts it."""
        values = found.get(b"data-consent")
        if not values:
            return ()
        names = tuple(re.split(r"[\s,]+", self.text(values[0].raw).strip()))
        if NECESSARY in names:
            return None
        return self.not_allowed(tuple(name if name.replace("-", "").isalnum() else UNKNOWN_SERVICE for name in names))

    def script(self, tag: bytes) -> tuple[str, bool]:
        """Return the kind of script with this start tag (see :func:`executes`), and whether it has a src."""
        memory = self.memory
        known = memory.scripts.get(tag)
        if known is None:
            found = attributes(tag, 7)
            known = executes(found, self.text), b"src" in found
            if self.room_for(tag):
                memory.scripts[tag] = known
        return known

    def script_plan(self, tag: bytes, ids: Ids) -> TagPlan | None:
        """Return the plan for a script's start tag whose content is held for ``ids``."""
        memory = self.memory
        key = (tag, ids)
        if key in memory.script_plans:
            return memory.script_plans[key]
        plan = self.plan(Tag.read(b"script", tag)._replace(code=ids))
        if self.room_for(tag):
            memory.script_plans[key] = plan
        return plan

    def plan(self, tag: Tag) -> TagPlan | None:
        """Return the plan for a start tag; None if it stays as it is."""
        if tag.name == b"image" and not tag.foreign:
            tag = tag._replace(name=b"img")  # https://html.spec.whatwg.org/#parsing-main-inbody, "image"
        if not self.depth:
            self._documents.begin(len(tag.raw))
        plan = self._shown(tag, self._plan(tag))
        if self.policy.watch is not None:
            self._tell(tag, plan)
        if not self.charset and may_hide_a_host(tag.raw):
            plan = max((twin._plan(tag) for twin in in_each(self)), key=lambda one: len(one.edits) if one else -1)
        grants = self._grants(tag)
        edits = [*self._feigned(tag), *grants]
        if not edits:
            return plan
        if grants and self.depth:
            # Nothing can be inserted into a document in an attribute, so the attribute is held.
            return TagPlan((), self.not_allowed((UNKNOWN_SERVICE, *(plan.held if plan else ()))))
        if plan is None:
            return TagPlan(tuple(edits), ())
        # Two edits at one attribute are the same prefix, so one is enough.
        merged = {edit[0]: edit for edit in [*edits, *plan.edits]}
        return plan._replace(edits=tuple(sorted(merged.values(), key=lambda edit: edit[0])))

    def may_judge(self, name: bytes, key: bytes, *, foreign: bool) -> bool:
        """Return whether an attribute may matter by itself: its name says enough for most."""
        if self.xml or self.policy.watch is not None or self._matcher.elements.get(name):
            return True
        special = key in any_kinds(name, foreign) or key in ANYWHERE or not _PLAIN_NAME.match(key)
        return special or key in self._matcher.ruled_attributes

    def _tell(self, tag: Tag, plan: TagPlan | None) -> None:
        """Report the addresses of third parties that an element loads to the watcher of the page."""
        watch, name, found = self.policy.watch, tag.name, tag.attributes
        kinds = kinds_of(name, found, tag.foreign, self.text)
        held = plan.held if plan is not None else ()
        for key, kind in kinds.items():
            if watch is None or kind not in ("url", "page", "srcset") or key not in found or name in (b"form", b"meta"):
                continue
            raw = found[key][0].raw
            texts = [url for url, _ in candidates(self.text(raw))] if kind == "srcset" else [self.text(raw)]
            for text in texts:
                url = resolve(text, self.base)
                if url.scheme in ("http", "https") and url.host and site_of(url.host) != self._page_site:
                    ids = held or self._matcher.target(url, self.page)
                    watch(url, what_of(name, found, self.text), ids[0] if ids else "", bool(held))

    def _shown(self, tag: Tag, plan: TagPlan | None) -> TagPlan | None:
        """Return the plan, with a panel if an embed would appear in this element."""
        if tag.foreign or tag.late or tag.in_noscript or tag.name == b"script":
            return plan
        if plan is not None and (panel := self._own_element(tag) or self._shown_by_element(tag)):
            return plan._replace(panel=panel, height=self._height(tag.attributes), rename=not self.xml)
        if not self.policy.places:
            return plan
        found = tag.attributes
        panel = self.not_allowed(self.policy.places.of_element(tag.name, self._values(found)))
        if not panel or self.mark(found) is None:
            return plan
        return (plan or TagPlan((), ()))._replace(panel=panel, height=self._height(found))

    def _own_element(self, tag: Tag) -> Ids:
        """
        Return the held services whose custom element this is.

        The element's code is served by the site, and would request a picture or a player at once. AMP elements are
        excluded: a page in which they are renamed would no longer be a valid AMP page.
        """
        if b"-" not in tag.name or tag.name.startswith(b"amp-") or self.mark(tag.attributes) is None:
            return ()
        rules = self._matcher.elements.get(tag.name, ())
        values = self._values(tag.attributes)
        return self.not_allowed(tuple(dict.fromkeys(rule.id for rule in rules if rule.fits(values))))

    def _shown_by_element(self, tag: Tag) -> Ids:
        """Return the held services whose video or map a custom element shows by one of its attributes."""
        if b"-" not in tag.name or tag.name.startswith(b"amp-") or self.mark(tag.attributes) is None:
            return ()
        services = self._matcher.services
        named = [tag.attributes[key][0].raw for key in SHOWN_BY_ELEMENT if key in tag.attributes]
        ids = dict.fromkeys(id_ for raw in named for id_ in self._one(raw))
        return tuple(id_ for id_ in ids if id_ in services and services[id_].embed)

    def _values(self, found: Attributes) -> Callable[[bytes], str | None]:
        return lambda name: self.text(found[name][0].raw) if name in found else None

    def _height(self, found: Attributes) -> int:
        """Return the height that an element states for itself or its content, in CSS pixels; 0 if it states none."""
        texts = [self.text(found[key][0].raw) for key in (b"height", b"data-height") if key in found]
        styled = _STYLED_HEIGHT.search(self.text(found[b"style"][0].raw)) if b"style" in found else None
        for text in [styled.group(1)] if styled else texts:
            if given := _PIXELS.fullmatch(text.strip()):
                return int(given.group(1))
        return 0

    def script_panel(self, tag: bytes, code: bytes) -> Ids:
        """Return the held services whose embeds would appear in place of this script."""
        places = self.policy.places
        if not places.has_scripts:
            return ()
        script = tag + code
        known = self.memory.panels.get(script)
        if known is None:
            known = self.not_allowed(places.of_script(self._values(attributes(tag, 7, xml=self.xml)), code))
            if self.room_for(script):
                self.memory.panels[script] = known
        return known

    @staticmethod
    def _feigned(tag: Tag) -> list[Edit]:
        """Return edits that make our attribute names inert if they occur in the application's own page."""
        # Such a name, for example in a visitor's comment that a sanitizer let through, must not be taken for a hold and
        # released as code. With a second prefix it stays inert.
        edits = [
            (attribute.start, 0, PREFIX)
            for key, values in tag.attributes.items()
            if key[:9].lower() == PREFIX and key != b"data-cmw-action"
            for attribute in values
        ]
        # A copy of our notice and our scripts is in the page if the application took it from a page that was rewritten
        # already, with a request of its own or from another wrapped site. It must do nothing: the notice and the
        # scripts of this response serve the whole page.
        if edits:
            for name, without, marks in _COPIED:
                if name not in (b"", tag.name) or marks.isdisjoint(tag.attributes) or without[0] in tag.attributes:
                    continue
                edits[0] = (edits[0][0], 0, b'%s="%s" ' % without + PREFIX)
                break
        return edits

    def _grants(self, tag: Tag) -> list[Edit]:
        """Return edits that disarm an application's form if it submits to our pages: no page may grant consent."""
        names = {b"form": (b"action",), b"button": (b"formaction",), b"input": (b"formaction",)}.get(tag.name, ())
        edits = []
        for key in names:
            for attribute in tag.attributes.get(key, ()):
                text = self.text(attribute.raw)
                target = resolve(text, self.base)
                mount = self.policy.placeholder.removesuffix("placeholder/")
                path = without_dots(re.sub("/+", "/", "/" + unquote(re.split("[?#]", target.rest)[0])))
                # Any host counts: behind a proxy the application may not know the page's public name.
                if mount and target.host and path.startswith(mount):
                    edits.append((attribute.start, 0, PREFIX))
                # From a page in another folder a relative address with the mount's name in it may lead there.
                if mount and mount.split("/")[-2] in path and not _FROM_ROOT.match(text):
                    self._of_path[:] = [attribute.raw]
        return edits

    def _plan(self, tag: Tag) -> TagPlan | None:
        name, found = tag.name, tag.attributes
        mark = self.mark(found)
        if mark is None:
            return None
        always: Ids = tuple(dict.fromkeys((*mark, *self.element_ids(name, found), *(tag.code or ()))))
        kinds = any_kinds(name, tag.foreign) if tag.late else kinds_of(name, found, tag.foreign, self.text)
        holds: dict[bytes, Ids] = {}
        inner: list[tuple[int, bytes]] = []
        for key, values in found.items():
            # In XHTML any prefix may be bound to XLink.
            plain = b"xlink:href" if self.xml and key.endswith(b":href") else key
            kind = kinds.get(plain) or ANYWHERE.get(key) or other_kind(name, key, found)
            if not kind:
                continue
            first = values[0]
            if tag.cut and not told_by_beginning(kind, first.raw):
                holds[key] = always or (TOO_LONG,)
                continue
            if kind == "srcset":
                holds_all, inside = self._srcset(tag, first)
                if always or holds_all:
                    holds[key] = always or holds_all
                inner += () if always else inside
                continue
            if kind == "mark":
                ids: Ids = always
            elif always and kind != "css":
                ids = always
            elif kind == "handler":
                ids = self._handler(first.raw, key)
            else:
                ids = self._value(kind, first.raw)
            if self._is_owned_stranger(tag, ids, first.raw):
                ids = ()
            if not ids and kind in ("url", "page") and name in _LOADS_CODE:
                ids = self._tag(first.raw)
            if not ids and kind in ("url", "page"):
                ids = self._undeclared(tag, first.raw)
            if ids:
                holds[key] = ids
        if name == b"iframe" and b"srcdoc" in found and b"src" in found:
            if b"srcdoc" in holds:
                # With its srcdoc disarmed, the iframe would load its src.
                holds.setdefault(b"src", holds[b"srcdoc"])
            else:
                holds.pop(b"src", None)
        if not holds and not inner and not always:
            return None
        # Most attributes share one tuple, which an author's mark may make long.
        others = (id_ for ids in holds.values() if ids is not always for id_ in ids)
        held = tuple(dict.fromkeys((*always, *others, *self._inner_ids(inner))))
        if self.policy.once.issuperset(held) and name == b"iframe" and self._is_visible_embed(found, holds, held):
            return None
        if self.policy.remove and tag.removable and name in LEFT_OUT and TOO_LONG not in held:
            return TagPlan((), held, remove=True)
        return self._edits(tag, holds, inner, held)

    def _undeclared(self, tag: Tag, raw: bytes) -> Ids:
        """Return the ids for which an address of no known service is held, judged by the element that requests it."""
        if self._has_owner(tag):
            return ()
        if self.policy.unknown == "suspects":
            return self._stranger(tag, raw)
        if self.policy.unknown != "pixels" or tag.name != b"img":
            return ()
        known, target = self.url(raw)
        pixel = not known and self.third_party(target) and is_pixel(tag.attributes, tag.in_noscript, self.text)
        return self.not_allowed((UNKNOWN_SERVICE,)) if pixel else ()

    def _stranger(self, tag: Tag, raw: bytes) -> Ids:
        """Return the id of an unknown third party that looks like a tracker, unless it is allowed."""
        ids, target = self.url(raw)
        if ids or not self.third_party(target):
            return ()
        found = tag.attributes
        pixel = tag.name == b"img" and is_pixel(found, tag.in_noscript, self.text)
        unsized = pixel and tag.in_noscript and not is_pixel(found, False, self.text)
        speaking = b"rel" if tag.name == b"link" else b"alt" if unsized else b""
        text = self.text(found[speaking][0].raw) if speaking in found else ""
        element = element_of(tag.name, found.keys(), text, is_pixel=pixel, is_unsized=unsized)
        version = self.policy.delivery.version
        url = resolve(self.text(raw), self.base)
        id_ = self.policy.delivery.judge(element, url, self.page.host, self._matcher.knows)
        if version != self.policy.delivery.version and not (self.xml or self.depth):
            # More is known now, so earlier plans may be wrong: start with an empty memory.
            self.memory = self.policy.memory(*self._place)
        return self.not_allowed((id_,)) if id_ else ()

    @staticmethod
    def _inner_ids(inner: list[tuple[int, bytes]]) -> list[str]:
        return [id_ for _, text in inner for id_ in text[len(b"about:invalid#cmw=") : -1].decode().split(",")]

    def _srcset(self, tag: Tag, attribute: Attribute) -> tuple[Ids, list[tuple[int, bytes]]]:
        """Return the ids for which the whole list is held, or else the insertions before each held candidate."""
        listed = candidates(self.text(attribute.raw))
        raws = [(start, encoded(url, self.charset)) for url, start in listed]
        verdicts = [(start, raw, self._one(raw) or self._undeclared(tag, raw)) for start, raw in raws]
        held = [(start, ids) for start, raw, ids in verdicts if ids and not self._is_owned_stranger(tag, ids, raw)]
        if not held:
            return (), []
        if len(held) == len(verdicts) or b"&" in attribute.raw or not attribute.raw.isascii() or self.policy.remove:
            return tuple(dict.fromkeys(id_ for _, ids in held for id_ in ids)), []
        return (), [(attribute.value_at + start, defuse(ids)) for start, ids in held]

    def _edits(self, tag: Tag, holds: dict[bytes, Ids], inner: list[tuple[int, bytes]], held: Ids) -> TagPlan:
        name, found, name_end = tag.name, tag.attributes, tag.name_end
        edits: list[Edit] = [(offset, 0, text) for offset, text in inner]
        disarmed = set(holds)
        opening = b" data-cmw-held=" + self._quoted(",".join(held)) + KEY
        if name == b"script":
            opening += b" type=" + self._quoted("text/plain")
            disarmed.update({b"type"} & found.keys())
        elif name == b"iframe" and self.policy.placeholder and self._is_visible_embed(found, holds, held):
            opening += b" src=" + self._quoted(self.policy.placeholder + ",".join(held))
            opening += self._frame_title(found, held)
            disarmed.update(_OF_THE_FRAME & found.keys())
        for key in disarmed:
            # Disarm all duplicates: without the first, the browser would use the second.
            for attribute in found[key]:
                if self.policy.remove and key != b"type":
                    edits.append((attribute.start, attribute.end - attribute.start, b""))
                else:
                    prefix = tag.raw.find(b":", attribute.start, attribute.end) + 1 if self.xml else 0
                    local = prefix if prefix and prefix < attribute.start + len(key) else attribute.start
                    edits.append((local, 0, PREFIX))
        if tag.raw[name_end : name_end + 1] == b"/":
            opening += b" "
        edits.append((name_end, 0, opening))
        edits.sort(key=lambda edit: edit[0])
        return TagPlan(tuple(edits), held)

    def _quoted(self, value: str) -> bytes:
        """Quote a value if XML or its characters require it; without quotes it cannot end a quoted text around it."""
        plain = re.fullmatch(r"[A-Za-z0-9/_.,:~%-]+", value) is not None
        if plain and not self.xml:
            return value.encode()
        escaped = value.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
        return b'"' + escaped.encode("ascii", "xmlcharrefreplace") + b'"'

    def _frame_title(self, found: Attributes, held: Ids) -> bytes:
        """Return a title for a frame without a name: the names of the services it is held for (WCAG 2.2, 4.1.2)."""
        services = self._matcher.services
        names = [services[id_].name if id_ in services else host_of_stranger(id_) for id_ in held]
        title = ", ".join(dict.fromkeys(filter(None, names)))
        if not title or _NAMES_OF_A_FRAME & found.keys():
            return b""
        # Character references, since a space would need quotes. The title may stay when the frame is restored.
        value = "".join(char if char.isascii() and char.isalnum() else f"&#{ord(char)};" for char in title).encode()
        return b' title="' + value + b'"' if self.xml else b" title=" + value

    def _is_visible_embed(self, found: Attributes, holds: dict[bytes, Ids], held: Ids) -> bool:
        shown = {b"src", b"srcdoc"} & holds.keys() or any(LAZY.fullmatch(key) for key in holds)
        if not shown or is_pixel(found, False, self.text):
            return False
        services = self._matcher.services
        embeds = (id_.startswith(STRANGER) or (id_ in services and services[id_].embed) for id_ in held)
        return any(embeds) or b"data-consent" in found


def defuse(ids: Ids) -> bytes:
    """Return the prefix that makes the URL after it lead nowhere, and that names the services it is held for."""
    return b"about:invalid#cmw=" + ",".join(ids).encode() + b"#"
