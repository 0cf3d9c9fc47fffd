"""
What a reading knows of the page it is in: base, language, policies, and where the banner goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set
from typing import NamedTuple
from typing import Protocol

from consent_mw.html.code import Ids
from consent_mw.html.elements import attributes
from consent_mw.html.hold_policy import Edits
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.holder import Holder
from consent_mw.html.meta_csp import Amend
from consent_mw.html.meta_csp import meta_policy
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.tokens import BEFORE_THE_BODY
from consent_mw.html.urls import resolve

#: Language tags are shorter; a page may say anything.
_LONGEST_LANGUAGE = 100
_WRAPPING = frozenset({b"html", b"head"})
#: Elements of the head that run nothing.
_DESCRIBING = frozenset({b"meta", b"title", b"base", b"link", b"style"})
#: What may have a frame in it, and of what may not, what may have one before it.
_HOLDS_FRAME = frozenset(
    b"div section article aside main header footer nav figure span p blockquote li dd td center address".split()
)
_AFTER_FRAME = frozenset(b"a ins ul ol form button img".split())
_NAMES_CHARSET = re.compile(rb"charset[ \t\n\r\f]*=", re.I)


class Place(NamedTuple):
    """Where something can be inserted, and what is known of the page there."""

    #: At the end of the body, where nothing was given at its beginning.
    at_end: bool
    #: Ids of what was held so far.
    held: frozenset[str]
    #: A base element sends relative addresses to another host.
    foreign_base: bool
    #: The Content-Security-Policies that the page itself has set so far.
    policies: tuple[str, ...] = ()
    #: What the page says its language is, or empty.
    lang: str = ""
    #: Where the author asked for it.
    asked: bool = False


#: Gives the banner, or nothing (yet).
Insert = Callable[[Place], bytes]
#: Gives what stands for embeds that a script would make, by their services and the height in CSS pixels (0: unknown).
Panel = Callable[[Place, tuple[str, ...], int], bytes]
#: Gives what goes before a held script, by the ids that it is held for and its text.
Queue = Callable[[Place, tuple[str, ...], bytes], bytes]


class Page(Protocol):
    """What all readings of a page share."""

    #: Gives what to insert first in body, or before its end where that gave nothing.
    insert: Insert | None
    #: Gives what to insert first in head, where it runs before all else.
    first: Insert | None
    #: Gives what to leave before a held script, so that code of the site's own finds what it calls.
    queue: Queue | None
    #: Gives what to put where an embed would stand that a held script makes.
    panel: Panel | None
    #: The page may name its charset in a meta element, which browsers look for near the beginning.
    undeclared: bool
    #: Gives what to insert into a Content-Security-Policy that stands in the page.
    amend: Amend | None
    #: Those that were found.
    policies: list[str]
    #: The tag behind which an author asks for the banner, or empty.
    mark: bytes
    held: set[str]


class Document:
    """
    The page as one reading knows it.

    Args:
        page: What the readings of a page share.
        holder: What to hold in a tag; replaced when a base element says where relative addresses lead.
        primary: Whether this reading places the banner and what runs first.
    """

    def __init__(self, cursor: Cursor, page: Page, holder: Holder, *, primary: bool) -> None:
        self.cursor = cursor
        self.page = page
        self.holder = holder
        self.has_base = False
        #: Specifiers that an import map sends to a held address.
        self.mapped: frozenset[str] = frozenset()
        #: What the root element says of the page's language.
        self.lang = ""
        self.before_head = primary and page.first is not None
        self.before_body = primary and page.insert is not None
        self.primary = primary
        #: Names of custom elements of which one stands in the page that kept its name.
        self.named: set[bytes] = set()
        #: The banner's place is the end of the body, since there was nothing to place at its beginning.
        self.at_end = False
        #: Open templates, whose content is in no document.
        self.template = 0
        #: Markup that only browsers without scripts read.
        self.in_noscript = False

    def copy(self, cursor: Cursor) -> Document:
        """Return the same for another reading, which places nothing."""
        twin = Document(cursor, self.page, self.holder, primary=False)
        twin.has_base = self.has_base
        twin.mapped = self.mapped
        twin.template = self.template
        twin.named = set(self.named)
        twin.in_noscript = self.in_noscript
        return twin

    # -- edits

    def apply(self, plan: TagPlan | Edits, start: int) -> None:
        """Note the edits of a tag or a piece that begins at ``start`` of the buffer."""
        self.page.held.update(plan.held)
        self.cursor.add_edits(plan.edits, start)

    def remember(self, piece: bytes, start: int, edits: int) -> None:
        """Remember what was done with a piece that begins at ``start``: the edits from number ``edits`` on."""
        if self.holder.room_for(piece):
            base = self.cursor.origin + start
            made = tuple((at - base, left_out, inserted) for at, left_out, inserted in self.cursor.edits[edits:])
            self.holder.memory.pieces[piece] = Edits(made, frozenset(self.page.held))

    # -- where things are inserted

    def insert(self, offset: int, *, at_end: bool, asked: bool = False) -> None:
        """Place the banner, once; where there is nothing to place yet, try again before the end of the body."""
        give = self.page.insert
        holder = self.holder
        foreign = holder.base.host != holder.page.host
        place = Place(at_end, frozenset(self.page.held), foreign, tuple(self.page.policies), self.lang, asked)
        text = give(place) if give else b""
        self.before_body = False
        self.at_end = not text and not at_end
        if text:
            self.cursor.edit(offset, 0, text)

    def insert_first(self, offset: int) -> None:
        """Place what runs before all else, once."""
        give = self.page.first
        text = give(Place(False, frozenset(self.page.held), False, tuple(self.page.policies))) if give else b""
        self.before_head = False
        if text:
            self.cursor.edit(offset, 0, text)

    def before_script(self, before: int, start: int, held: Set[str], tag: bytes, code: bytes) -> None:
        """
        Leave what goes before a held script that begins at ``start``: its globals, and what a visitor finds there.

        Args:
            before: The number of edits that come before those of the script.
            held: What the script is held for.
        """
        give = self.page.queue
        if not held or give is None or self.in_noscript or self.template:
            return
        text = give(self._here(), tuple(sorted(held)), code)
        if text:
            self.cursor.edits.insert(before, (self.cursor.origin + start, 0, text))
        # The held script looks for its globals next to it.
        self.panel_before(before, start, self.holder.script_panel(tag, code), held)

    def panel_before(self, before: int, start: int, ids: Ids, held: Set[str]) -> None:
        """Leave a panel before a script that begins at ``start``, for those of ``ids`` that are held."""
        panel = tuple(id_ for id_ in ids if id_ in held)
        text = self._panel(panel, 0) if panel and not (self.in_noscript or self.template) else b""
        if text:
            self.cursor.edits.insert(before, (self.cursor.origin + start, 0, text))

    def place_panel(self, name: bytes, start: int, end: int, plan: TagPlan) -> None:
        """Put a panel into the element with this start tag, or before it, for the embed that would stand there."""
        inside = name in _HOLDS_FRAME or b"-" in name
        if not (self.in_noscript or self.template) and (inside or name in _AFTER_FRAME):
            text = self._panel(plan.panel, plan.height)
            if text:
                self.cursor.edit(end if inside else start, 0, text)

    def _panel(self, ids: tuple[str, ...], height: int) -> bytes:
        """Return a panel; nothing where the body is not open yet, which a panel would open."""
        give = self.page.panel
        if give is None or not self.primary or self.before_body:
            return b""
        return give(self._here(), ids, height)

    def _here(self) -> Place:
        foreign = self.holder.base.host != self.holder.page.host
        return Place(False, frozenset(self.page.held), foreign, tuple(self.page.policies), self.lang)

    def finish(self) -> None:
        """Place at the end of the page what found no other place."""
        size = len(self.cursor.buffer)
        if self.before_body or self.at_end:
            self.insert(size, at_end=True)

    def opens_body(self, position: int) -> bool:
        """Whether what stands at ``position``, which is no white space, comment or complete tag of it, is text."""
        after = bytes(self.cursor.buffer[position : position + 2])
        if after[:1] != b"<":
            return True
        return len(after) > 1 and not after[1:].isalpha() and after[1:] not in (b"!", b"/", b"?")

    def before_start_tag(self, name: bytes, found: re.Match[bytes]) -> None:
        """Insert what belongs before (or just behind) this start tag."""
        if self.before_head:
            self._place_first(name, found)
        self.place_banner(name, found.start())

    def before_end_tag(self, name: bytes, start: int) -> None:
        """Insert what belongs before this end tag."""
        if self.before_head and name not in _DESCRIBING:
            self.insert_first(start)
        if name == b"body" and self.at_end:
            self.insert(start, at_end=True)

    def _place_first(self, name: bytes, found: re.Match[bytes]) -> None:
        """Insert what runs first, unless it still has to wait for the page's charset."""
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
            elif name != b"body":
                self.insert(start, at_end=False)

    def place_asked(self, found: re.Match[bytes]) -> bool:
        """Insert the banner behind the tag that the author named, and return whether this is it."""
        if not (self.page.mark and found.group() == self.page.mark and not self.template):
            return False
        self.insert(found.end(), at_end=False, asked=True)
        return True

    # -- what the page says of itself

    def take_language(self, tag: bytes) -> None:
        """Note the language of the root element, https://html.spec.whatwg.org/#language"""
        found = attributes(tag, 5, xml=self.holder.xml)
        values = (found.get(b"xml:lang") if self.holder.xml else None) or found.get(b"lang")
        if values and len(values[0].raw) <= _LONGEST_LANGUAGE:
            self.lang = self.holder.text(values[0].raw).strip()

    def take_base(self, tag: bytes) -> None:
        """Take the first base element with an address: relative addresses lead there from now on."""
        found = attributes(tag, 5, xml=self.holder.xml)
        if self.has_base or b"href" not in found:
            return
        self.has_base = True
        holder = self.holder
        base = resolve(holder.text(found[b"href"][0].raw), holder.page)
        if base.scheme not in ("data", "javascript") and base != holder.base:
            self.holder = holder.with_base(base)

    def take_policy(self, tag: bytes, start: int) -> None:
        """Add to a Content-Security-Policy what our part of the page needs of it."""
        amend = self.page.amend
        if amend is None or self.in_noscript or self.template:
            return
        found = meta_policy(attributes(tag, 5, xml=self.holder.xml), tag, self.holder.text, amend)
        if found is not None:
            if found.text not in self.page.policies:
                self.page.policies.append(found.text)
            self.apply(TagPlan(found.edits, ()), start)
