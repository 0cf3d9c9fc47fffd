"""
The page as one reading knows it: its base URL, language and policies, and the places for insertions.

Some insertions are not holds: the code that runs first goes to the start of the head, the banner to the start of the
body. A page may leave out these tags, so :class:`Document` watches for whatever opens the head or the body implicitly.
Only the primary reading places them. The callbacks in :class:`Page` return the bytes; one that returns nothing for the
start of the body is asked again at its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set
from typing import NamedTuple
from typing import Protocol

from consent_mw.html.csp import HASH
from consent_mw.html.elements import Tag
from consent_mw.html.elements import attributes
from consent_mw.html.hold_policy import Edits
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.holder import Holder
from consent_mw.html.meta_csp import Amend
from consent_mw.html.meta_csp import meta_policy
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.media import COVERED
from consent_mw.html.scanner.media import MARK
from consent_mw.html.scanner.media import Cover
from consent_mw.html.scanner.media import cover_of
from consent_mw.html.tokens import BEFORE_THE_BODY
from consent_mw.html.urls import resolutions
from consent_mw.html.urls import resolve

#: Characters of a language that is used; real language tags are shorter.
_LONGEST_LANGUAGE = 100
_WRAPPING = frozenset({b"html", b"head"})
#: An address that every browser can take as a base URL: relative, or with a host in plain letters.
_SURELY_AN_ADDRESS = re.compile(
    r"(?:https?:)?//(?![^/?#]*xn--)[a-z0-9.-]*[a-z](?::\d{1,4})?(?:[/?#]|\Z)|(?![^?#]*[\\\x00-\x20]|//|[^/?#]*:)",
    re.IGNORECASE | re.ASCII,
)
#: Elements of the head that run nothing.
_DESCRIBING = frozenset({b"meta", b"title", b"base", b"link", b"style"})
#: Elements that may contain a frame; and elements that may not, but before which a frame may be inserted.
_HOLDS_FRAME = frozenset(
    b"div section article aside main header footer nav figure span p blockquote li dd td center address".split()
)
_AFTER_FRAME = frozenset(b"a ins ul ol form button img".split())
#: The most policies in the markup that are adapted. With more than these nothing of ours is expected to run.
_MOST_POLICIES = 64
_STRICTEST = "default-src 'none'"
_NAMES_CHARSET = re.compile(rb"charset[ \t\n\r\f]*=", re.I)


class Place(NamedTuple):
    """A place for an insertion, and what is known of the page at this point."""

    #: Whether it is the end of the body, since nothing was inserted at its start.
    at_end: bool
    #: For the banner and for the code that runs first: ids of the services for which something has been held so far.
    held: frozenset[str]
    #: Whether a base element resolves relative addresses to another host.
    foreign_base: bool
    #: The Content-Security-Policies in the page's meta elements so far.
    policies: tuple[str, ...] = ()
    #: The language that the page declares, or empty.
    lang: str = ""
    #: Whether the author asked for the insertion here.
    asked: bool = False
    #: The id of the element in which a script would create the embed whose panel this is; empty if it is not known.
    element: str = ""


#: Returns the banner, or nothing (yet).
Insert = Callable[[Place], bytes]
#: Returns a panel in place of embeds that a script would create, by services and height in CSS pixels (0: unknown).
Panel = Callable[[Place, tuple[str, ...], int], bytes]
#: Returns what to insert before a script that names embeds in data, by the ids of their services.
Names = Callable[[Place, tuple[str, ...]], bytes]
#: Returns what to insert before a held script, by the ids that it is held for and its text.
Queue = Callable[[Place, tuple[str, ...], bytes], bytes]


class Page(Protocol):
    """The callbacks and records that all readings of a page share."""

    #: Returns what to insert first in the body, or, if that was nothing, before its end.
    insert: Insert | None
    #: Returns what to insert first in the head, where it runs before all other code.
    first: Insert | None
    #: Returns what to insert before a held script, so that the site's own code finds the functions it calls.
    queue: Queue | None
    #: Returns the guard, if it is missing, before a script from whose data embeds may be made.
    names: Names | None
    #: Returns the panel in place of an embed that a held script would create.
    panel: Panel | None
    #: Whether the page may declare its charset in a meta element, which has to stay near the beginning.
    undeclared: bool
    #: Returns what to insert into a Content-Security-Policy in the page.
    amend: Amend | None
    #: The policies that were found.
    policies: list[str]
    #: The tag after which the author asks for the banner, or empty.
    mark: bytes
    #: Ids of the services for which something was held.
    held: set[str]
    #: Whether the body has begun, so that elements with relative addresses may precede.
    begun: bool
    #: Whether a policy in the response's headers allows inline scripts by their hashes.
    has_hashes: bool

    def readings(self) -> int:
        """Return the number of ways in which the page is read."""
        ...


class Document:
    """
    The page as one reading knows it.

    Args:
        page: The state shared by all readings.
        holder: Plans the tags; replaced when a base element changes the base URL.
        primary: Whether this reading places the banner and the code that runs first.
    """

    def __init__(self, cursor: Cursor, page: Page, holder: Holder, *, primary: bool) -> None:
        self.cursor = cursor
        self.page = page
        self.holder = holder
        self.has_base = False
        #: Whether an import map has a held address.
        self.mapped = False
        #: The language that the root element declares.
        self.lang = ""
        self.before_head = primary and page.first is not None
        self.before_body = primary and page.insert is not None
        self.primary = primary
        #: Names of custom elements of which at least one was not renamed.
        self.named: set[bytes] = set()
        #: Whether the banner goes to the end of the body, since there was nothing to place at its start.
        self.at_end = False
        #: The number of open templates, whose content is not part of the document.
        self.template = 0
        #: Whether this is markup that only browsers without scripts read.
        self.in_noscript = False
        #: The marked media elements in which the position is or was, from the outermost to the innermost.
        self.covers: tuple[Cover, ...] = ()

    def copy(self, cursor: Cursor) -> Document:
        """Return a copy for another reading, which places nothing."""
        twin = Document(cursor, self.page, self.holder, primary=False)
        twin.has_base = self.has_base
        twin.mapped = self.mapped
        twin.template = self.template
        twin.named = set(self.named)
        twin.in_noscript = self.in_noscript
        twin.covers = self.covers
        return twin

    def covering(self, offset: int) -> Cover | None:
        """Return the innermost marked media element around an offset of the page."""
        return next((cover for cover in reversed(self.covers) if offset < cover.end), None)

    def awaits_cover(self, name: bytes, start: int, end: int) -> bool:
        """
        Note what the mark of a media element counts for; return whether more bytes are needed for that.

        Args:
            name: The name of the element as it is written, lower-case.
            start: Where its start tag begins in the buffer.
            end: Where its start tag ends.
        """
        cover = cover_of(self.cursor, name, start, end, xml=self.holder.xml)
        if isinstance(cover, Cover):
            offset = self.cursor.origin + start
            self.covers = (*(one for one in self.covers if offset < one.end), cover)
        return cover is True

    def inherit(self, tag: Tag, start: int) -> Tag:
        """Return a tag at ``start`` of the buffer with the mark of the media element around it, if it has none."""
        cover = self.covering(self.cursor.origin + start)
        if cover is not None and tag.name in COVERED:
            tag.attributes.setdefault(MARK, cover.mark)
        return tag

    # -- edits

    def apply(self, plan: TagPlan | Edits, start: int) -> None:
        """Note the edits of a tag or piece that starts at ``start`` of the buffer."""
        self.page.held.update(plan.held)
        self.cursor.add_edits(plan.edits, start)

    def remember(self, piece: bytes, start: int, edits: int) -> None:
        """Remember the edits of the piece at ``start``: those from number ``edits`` on."""
        if self.holder.room_for(piece):
            base = self.cursor.origin + start
            made = tuple((at - base, left_out, inserted) for at, left_out, inserted in self.cursor.edits[edits:])
            self.holder.memory.pieces[piece] = Edits(made, frozenset(self.page.held))

    # -- insertions

    def insert(self, offset: int, *, at_end: bool, asked: bool = False) -> None:
        """Place the banner, once; if there is none yet, try again before the end of the body."""
        give = self.page.insert
        holder = self.holder
        foreign = holder.base.host != holder.page.host
        place = Place(at_end, frozenset(self.page.held), foreign, tuple(self.page.policies), self.lang, asked)
        text = give(place) if give else b""
        self.before_body = False
        self.page.begun = True
        self.at_end = not text and not at_end
        if text:
            self.cursor.edit(offset, 0, text)

    def insert_first(self, offset: int) -> None:
        """Place the code that runs before all other code, once."""
        give = self.page.first
        text = give(Place(False, frozenset(self.page.held), False, tuple(self.page.policies))) if give else b""
        self.before_head = False
        if text:
            self.cursor.edit(offset, 0, text)

    def before_script(self, before: int, start: int, held: Set[str], tag: bytes, code: bytes) -> None:
        """
        Insert the globals of the held script at ``start``, and its panel, before the script.

        Args:
            before: The number of edits that precede those of the script.
            held: The ids that the script is held for.
        """
        if not held or self.page.queue is None or self.in_noscript or self.template:
            return
        text = self.globals_before(held, code)
        if text:
            self.cursor.edits.insert(before, (self.cursor.origin + start, 0, text))
        # The panel goes before the globals: a held script looks for these next to it.
        self.panel_before(before, start, tag, code, held)

    def globals_before(self, held: Set[str], code: bytes) -> bytes:
        """Return the globals of a script with this code that is held for these ids."""
        give = self.page.queue
        return give(self._here(), tuple(sorted(held)), code) if give is not None else b""

    @property
    def is_sole(self) -> bool:
        """Whether the markup here is part of the document, and browsers read the page in one way only."""
        return self.primary and self.page.readings() == 1 and not (self.in_noscript or self.template)

    @property
    def allows_new_code(self) -> bool:
        """Whether no policy of the page may allow its inline scripts by their hashes."""
        return not self.page.has_hashes and not any(map(HASH.search, self.page.policies))

    def guard_before(self, before: int, start: int, names: tuple[str, ...]) -> None:
        """Insert the guard, if it is missing, before the script at ``start`` that names embeds of these services."""
        give = self.page.names
        if give is None or self.in_noscript or self.template:
            return
        text = give(self._here(), names)
        if text:
            self.cursor.edits.insert(before, (self.cursor.origin + start, 0, text))

    def panel_before(self, before: int, start: int, tag: bytes, code: bytes, held: Set[str]) -> None:
        """Insert a panel before the script at ``start``, if it would create an embed of a held service."""
        panel = tuple(id_ for id_ in self.holder.script_panel(tag, code) if id_ in held)
        text = b""
        if panel and not (self.in_noscript or self.template):
            text = self._panel(panel, 0, self.holder.policy.places.element_in(code))
        if text:
            self.cursor.edits.insert(before, (self.cursor.origin + start, 0, text))

    def place_panel(self, name: bytes, start: int, end: int, plan: TagPlan) -> None:
        """Insert a panel into the element with this start tag, or before it, in place of its embed."""
        inside = name in _HOLDS_FRAME or b"-" in name
        if not (self.in_noscript or self.template) and (inside or name in _AFTER_FRAME):
            text = self._panel(plan.panel, plan.height)
            if text:
                self.cursor.edit(end if inside else start, 0, text)

    def _panel(self, ids: tuple[str, ...], height: int, element: str = "") -> bytes:
        """Return a panel, or nothing before the body is open, since the panel would open it."""
        give = self.page.panel
        if give is None or not self.primary or self.before_body:
            return b""
        return give(self._here()._replace(element=element), ids, height)

    def _here(self) -> Place:
        foreign = self.holder.base.host != self.holder.page.host
        return Place(False, frozenset(), foreign, tuple(self.page.policies), self.lang)

    def finish(self) -> None:
        """Place the banner at the end of the page if it was not placed before."""
        size = len(self.cursor.buffer)
        if self.before_body or self.at_end:
            self.insert(size, at_end=True)

    def opens_body(self, position: int) -> bool:
        """Return whether text, which opens the body, starts at ``position``, after white space and comments."""
        after = bytes(self.cursor.buffer[position : position + 2])
        if after[:1] != b"<":
            return True
        return len(after) > 1 and not after[1:].isalpha() and after[1:] not in (b"!", b"/", b"?")

    def before_start_tag(self, name: bytes, found: re.Match[bytes]) -> None:
        """Make the insertions that belong before, or directly after, this start tag."""
        if self.before_head:
            self._place_first(name, found)
        self.place_banner(name, found.start())

    def before_end_tag(self, name: bytes, start: int) -> None:
        """Make the insertions that belong before this end tag."""
        if self.before_head and name not in _DESCRIBING:
            self.insert_first(start)
        if name == b"body" and self.at_end:
            self.insert(start, at_end=True)

    def _place_first(self, name: bytes, found: re.Match[bytes]) -> None:
        """Insert the code that runs first, unless the page's charset may still be declared."""
        late = self.page.undeclared
        if name == b"html":
            self.take_language(found.group())
        if name == b"head" and not late or name == b"meta" and late and _NAMES_CHARSET.search(found.group()):
            self.insert_first(found.end())
        elif name not in _WRAPPING and not (late and name in _DESCRIBING):
            self.insert_first(found.start())

    def place_banner(self, name: bytes, start: int) -> None:
        """Insert the banner before an element that opens the body."""
        if self.before_body and not self.template and name not in BEFORE_THE_BODY:
            if name == b"frameset":
                self.before_body = False
                self.page.begun = True
            elif name != b"body":
                self.insert(start, at_end=False)

    def place_asked(self, found: re.Match[bytes]) -> bool:
        """Insert the banner after the tag that the author named; return whether this is that tag."""
        if not (self.page.mark and found.group() == self.page.mark and not self.template):
            return False
        self.insert(found.end(), at_end=False, asked=True)
        return True

    # -- what the page declares

    def take_map(self, tag: bytes, content: bytes, start: int) -> None:
        """Replace the held addresses in an import map that starts at ``start``."""
        plan = self.holder.import_map(tag, content)
        if plan is not None:
            self.mapped = True
            self.apply(plan, start)

    def take_language(self, tag: bytes) -> None:
        """Record the language of the root element, https://html.spec.whatwg.org/#language"""
        found = attributes(tag, 5, xml=self.holder.xml)
        values = (found.get(b"xml:lang") if self.holder.xml else None) or found.get(b"lang")
        if values and len(values[0].raw) <= _LONGEST_LANGUAGE:
            self.lang = self.holder.text(values[0].raw).strip()

    def take_base(self, found_tag: re.Match[bytes]) -> None:
        """
        Use the first base element with an address as the base URL from now on.

        Browsers resolve some addresses only when they use them (pictures, embeds, pings), and then a base element
        further down counts (https://html.spec.whatwg.org/#dynamic-changes-to-base-urls). So one that leads to
        something held is held if the body has begun.

        If this element is in noscript, or if its address cannot be a base URL, the next one may count: Chromium's
        preload scanner skips such elements.
        """
        holder = self.holder
        found = attributes(found_tag.group(), 5, xml=holder.xml)
        if self.has_base or b"href" not in found:
            return
        text = holder.text(found[b"href"][0].raw)
        if self.page.begun and (ids := holder.address(text)):
            plan = holder.base_plan(found_tag.group(), ids)
            if plan is not None:
                self.apply(plan, found_tag.start())
                return
        base = next((url for url in resolutions(text, holder.page) if holder.leads_to(url)), resolve(text, holder.page))
        certain = _SURELY_AN_ADDRESS.match(text) is not None and not self.in_noscript
        self.has_base = certain or bool(holder.leads_to(base))
        if base.host and base != holder.base:
            self.holder = holder.with_base(base)

    def take_policy(self, tag: bytes, start: int) -> None:
        """Insert into a Content-Security-Policy what our part of the page needs."""
        amend = self.page.amend
        if amend is None or self.in_noscript or self.template or len(self.page.policies) > _MOST_POLICIES:
            return
        found = meta_policy(attributes(tag, 5, xml=self.holder.xml), tag, self.holder.text, amend)
        if found is not None:
            policies = self.page.policies
            if found.text not in policies:
                # Each insertion considers all policies of the page, so their number is bounded.
                policies.append(found.text if len(policies) < _MOST_POLICIES else _STRICTEST)
            self.apply(TagPlan(found.edits, ()), start)
