"""
One reading of a page: finds the tags, asks what to hold in each, and notes the edits.
"""

from __future__ import annotations

import re
from typing import Protocol

from consent_mw.errors import RefusedMarkup
from consent_mw.html.elements import Tag
from consent_mw.html.elements import self_closing
from consent_mw.html.hold_policy import Edits
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.holder import Holder
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.cursor import Mode
from consent_mw.html.scanner.document import Document
from consent_mw.html.scanner.document import Page
from consent_mw.html.scanner.foreign import MATH
from consent_mw.html.scanner.foreign import SVG
from consent_mw.html.scanner.foreign import ForeignReader
from consent_mw.html.scanner.long_tag import LongTag
from consent_mw.html.scanner.marked_text import MarkedText
from consent_mw.html.scanner.scripts import ScriptReader
from consent_mw.html.scanner.text import TextReader
from consent_mw.html.scanner.xml import XmlReader
from consent_mw.html.tokens import BEFORE_BODY
from consent_mw.html.tokens import BREAKOUT
from consent_mw.html.tokens import CDATA_START
from consent_mw.html.tokens import MATH_ONLY
from consent_mw.html.tokens import NO_TAGS
from consent_mw.html.tokens import RAW_TEXT
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import end_tag

#: The longest beginning of a construct that says nothing yet: "<![CDATA[" and the comment "<!--->".
_SHORT = 9
_MAY_BE_POLICY = re.compile(rb"security|&", re.I)
#: What an old parser drops inside select, and every parser inside a frameset.
_DROPPED_IN_SELECT = frozenset(b"style title xmp iframe noembed noframes noscript plaintext svg math".split())
_DROPPED_IN_FRAMESET = _DROPPED_IN_SELECT - {b"noframes"} | {b"script", b"textarea"}
#: Elements that change how what follows is read: never passed over, even where they hold nothing.
_READ_WHOLE = RAW_TEXT | frozenset(b"script noscript body base font annotation-xml".split())
_CHANGES_MODE = RAW_TEXT | frozenset(b"script svg math noscript plaintext select frameset template base body".split())


class Readings(Page, Protocol):
    """What a reading needs of the rewriter, which follows them all."""

    def fork(self, reading: Reading) -> None:
        """Follow another reading besides."""

    def readings(self) -> int:
        """Return how many readings are followed."""

    def forget(self, count: int) -> None:
        """Drop all readings but the first ``count``."""


class Reading:
    """
    Reads the page on from where it is, as far as its bytes are there.

    Args:
        page: What the readings of a page share.
        holder: What to hold in a tag.
        primary: Whether this reading places the banner.
    """

    def __init__(self, page: Readings, holder: Holder, *, primary: bool) -> None:
        cursor = Cursor(holder.policy.hold_back, holder.policy.longest_script)
        self._compose(page, cursor, Document(cursor, page, holder, primary=primary))

    def _compose(self, page: Readings, cursor: Cursor, document: Document) -> None:
        self._page = page
        self.cursor = cursor
        self.document = document
        self.text = TextReader(cursor, document, self)
        self.scripts = ScriptReader(cursor, document, self.text)
        marked = MarkedText(cursor, document, self)
        self.foreign = ForeignReader(cursor, document, marked, self, self._partial)
        self.long_tag = LongTag(cursor, document)
        self._xml = XmlReader(cursor, document, marked, self._partial) if document.holder.xml else None
        self._syntax = document.holder.policy.matcher.syntax
        self._in_select = False
        self._in_frameset = False
        #: What reads on in each mode, in the order of the modes.
        text, scripts = self.text, self.scripts
        self._steps = (
            self._data,
            text.comment,
            text.bogus,
            text.cdata,
            text.raw_text,
            text.style,
            text.style_comment,
            text.style_token,
            scripts.script,
            scripts.script_text,
            text.plaintext,
            self.long_tag.value,
            self._long_tag,
        )

    # -- as one of several

    def copy(self) -> Reading:
        """Return another reading that has come to the same place, without edits."""
        twin = Reading.__new__(Reading)
        cursor = self.cursor.copy()
        twin._compose(self._page, cursor, self.document.copy(cursor))
        twin.foreign.stack = self.foreign.stack
        twin.foreign.open = self.foreign.open
        twin._in_select = self._in_select
        twin._in_frameset = self._in_frameset
        return twin

    def fork(self) -> Reading:
        """Follow another reading from the position on."""
        twin = self.copy()
        self._page.fork(twin)
        return twin

    def fork_foreign(self) -> ForeignReader:
        """Follow another reading from the position on, and return what it knows of foreign content."""
        return self.fork().foreign

    def follow_flat(self, position: int) -> None:
        """Follow from ``position`` on who reads the page without knowing foreign content."""
        twin = self.fork()
        twin.cursor.position = position
        twin.foreign.stack = ()
        twin.foreign.open = ()

    def follow_style(self, searched: int, wide: str) -> None:
        """Follow who reads the bytes of the style sheet at the position as ``wide``."""
        self.fork().text.begin_style(searched=searched, wide=wide)

    def agrees(self, other: Reading) -> bool:
        """Whether ``other`` will read the rest of the page just as this one does."""
        return (
            self.cursor.position == other.cursor.position
            and self._stands_as(other)
            and self.document.in_noscript == other.document.in_noscript
        )

    def _stands_as(self, other: Reading) -> bool:
        """Whether both are between tags in the same surroundings."""
        return (
            self.cursor.mode is Mode.DATA is other.cursor.mode
            and self.foreign.stack == other.foreign.stack
            and self.foreign.open == other.foreign.open
            and self._in_select == other._in_select
            and self._in_frameset == other._in_frameset
            and self.document.holder.base == other.document.holder.base
        )

    # -- reading on

    def run(self, buffer: bytearray, origin: int, *, final: bool) -> None:
        """Read on from the position, as far as ``buffer``, which begins at offset ``origin`` of the page, lets."""
        cursor = self.cursor
        cursor.buffer, cursor.origin, cursor.final = buffer, origin, final
        steps = self._steps
        while steps[cursor.mode]():
            pass
        if final:
            document = self.document
            if document.before_head and cursor.mode is Mode.DATA:
                document.insert_first(len(buffer))
            document.finish()
            # A tag without its ">" at the end of the file is none, and a comment hides all behind it.
            cursor.position = len(buffer)

    def _data(self) -> bool:
        """Read what is between tags, by the rules that hold here."""
        if self.long_tag.waits():
            # A tag that was cut is looked at again when it can be complete.
            return False
        if self._xml is not None:
            return self._xml.read()
        foreign = self.foreign
        return foreign.read() if foreign.stack and foreign.is_inside() else self._html()

    def _html(self) -> bool:
        """Read HTML content: the one loop that ordinary pages spend their time in."""
        cursor, document, foreign = self.cursor, self.document, self.foreign
        buffer = cursor.buffer
        size = len(buffer)
        position = cursor.position
        holder = document.holder
        local = holder.passes_local
        skip = (self._syntax.skip_local if local else self._syntax.skip).match
        before_body = (self._syntax.head_local if local else BEFORE_BODY).match
        plans = holder.memory.plans
        plain = not foreign.stack and not document.in_noscript
        while True:
            if document.before_head:
                position = BEFORE_BODY.match(buffer, position).end()  # type: ignore[union-attr]
                if position < size and document.opens_body(position):
                    document.insert_first(position)
                    continue
            elif document.before_body and not document.template:
                position = before_body(buffer, position).end()  # type: ignore[union-attr]
                if position < size and document.opens_body(position):
                    document.insert(position, at_end=False)
                    continue
            elif plain and not document.template:
                position = skip(buffer, position).end()  # type: ignore[union-attr]
            else:
                position = NO_TAGS.match(buffer, position).end()  # type: ignore[union-attr]
            if position >= size:
                cursor.position = position
                return False
            found = TAG.match(buffer, position)
            if found is None:
                cursor.position = position
                return self._partial(position)
            waiting = document.before_head or document.before_body
            if plain and plans.get(found.group(), 0) is None and not waiting:
                position = found.end()
                continue
            if found.group(1):
                self._end_tag(found)
            else:
                self._start_tag(found)
            if (
                cursor.mode is not Mode.DATA
                or not plain
                or foreign.stack
                or document.in_noscript
                or document.holder.memory.plans is not plans
            ):
                return True
            position = cursor.position

    def _end_tag(self, found: re.Match[bytes]) -> None:
        document = self.document
        name = found.group(2).lower()
        self.cursor.position = found.end()
        if document.before_head or document.at_end:
            document.before_end_tag(name, found.start())
        if name == b"noscript":
            document.in_noscript = False
        elif name == b"select":
            self._in_select = False
        elif name == b"template":
            document.template = max(0, document.template - 1)
        if self.foreign.stack:
            self.foreign.html_end_tag(name)

    def _start_tag(self, found: re.Match[bytes]) -> None:
        cursor, document = self.cursor, self.document
        name = found.group(2).lower()
        start, end = found.span()
        foreign = self.foreign
        if foreign.stack and foreign.html_start_tag(name, found):
            return
        if document.before_head or document.before_body:
            document.before_start_tag(name, found)
        if document.at_end and document.place_asked(found):
            cursor.position = end
            return
        if (self._in_select and name in _DROPPED_IN_SELECT) or (self._in_frameset and name in _DROPPED_IN_FRAMESET):
            self.fork().cursor.position = end
        if foreign.stack:
            foreign.opened(name)
        if name == b"script":
            self.scripts.begin(found)
            return
        plan = self._plan(name, found.group(), removable=foreign.breaks_out != cursor.origin + start)
        cursor.position = end
        if plan is not None:
            document.apply(plan, start)
            if plan.remove:
                cursor.edit(start, end - start, b"")
        if name in _CHANGES_MODE:
            self._change_mode(name, found, left_out=plan is not None and plan.remove)
        elif name == b"meta" and plan is None and not foreign.stack:
            document.take_policy(found.group(), start)

    def _change_mode(self, name: bytes, found: re.Match[bytes], *, left_out: bool) -> None:
        document = self.document
        if name == b"noscript":
            self._noscript(found.end())
        elif name == b"style":
            self.text.begin_style()
        elif name in RAW_TEXT:
            self.text.begin_raw_text(name, leave_out=left_out and name == b"iframe")
        elif name in (SVG, MATH):
            if not self_closing(found):
                self.foreign.begin(name)
        elif name == b"plaintext":
            self.cursor.mode = Mode.PLAINTEXT
        elif name == b"select":
            self._in_select = not self._in_select
        elif name == b"frameset":
            self._in_frameset = True
        elif name == b"template":
            document.template += 1
        elif name == b"base":
            # One in a template's content is in no document.
            if not document.template:
                document.take_base(found.group())
        elif name == b"body" and document.before_body and not document.template:
            document.insert(found.end(), at_end=False)

    def _plan(self, name: bytes, tag: bytes, *, removable: bool) -> TagPlan | None:
        holder = self.document.holder
        in_noscript = self.document.in_noscript
        if self.foreign.stack or in_noscript or not removable:
            return holder.plan(Tag.read(name, tag, in_noscript=in_noscript, removable=removable))
        memory = holder.memory
        if tag in memory.plans:
            return memory.plans[tag]
        plan = holder.plan(Tag.read(name, tag, foreign=name in (SVG, MATH)))
        # Elements that change the mode are never passed over, so that nothing is kept of them where nothing is held;
        # nor are policies, to which each page may need to add something else.
        lasting = plan is not None or not (name in _CHANGES_MODE or (name == b"meta" and _MAY_BE_POLICY.search(tag)))
        if lasting and memory.room_for(tag):
            memory.plans[tag] = plan
        return plan

    # -- noscript

    def _noscript(self, start: int) -> None:
        """
        Read what is text with scripts on and markup with scripts off.

        Mostly the markup ends where the text does, and one reading is
        enough. Where it does not (an end tag in an attribute or a comment)
        both are followed.
        """
        cursor = self.cursor
        found = end_tag(b"noscript").search(cursor.buffer, start)
        if found is not None and self._island(bytes(cursor.buffer[start : found.start()]), start):
            cursor.position = found.start()
            return
        self.fork().document.in_noscript = True
        self.text.begin_raw_text(b"noscript")

    def _island(self, content: bytes, start: int) -> bool:
        """Read the ``content`` of a noscript element, and return whether it is whole in itself."""
        document, page = self.document, self._page
        memory = document.holder.memory
        common = not (self.foreign.stack or self._in_select or self._in_frameset)
        # The same bytes may stand in a script elsewhere: the mark tells which is meant.
        key = b"<noscript>" + content
        known = memory.pieces.get(key) if common else None
        if known is None:
            outside = self.copy()
            outside.document.in_noscript = True
            inside = outside.copy()
            inside.cursor.position = 0
            before = page.readings()
            held, page.held = page.held, set()
            inside.run(bytearray(content), 0, final=False)
            known = Edits(tuple(inside.cursor.edits), frozenset(page.held))
            held.update(known.held)
            page.held = held
            outside.document.holder = inside.document.holder
            whole = inside.cursor.position == len(content) and page.readings() == before and inside._stands_as(outside)
            page.forget(before)
            if not whole:
                return False
            document.has_base = inside.document.has_base
            if inside.document.holder is not document.holder:
                document.holder = inside.document.holder
            elif common and memory.room_for(key):
                memory.pieces[key] = known
        document.apply(known, start)
        return True

    # -- what is cut

    def _partial(self, position: int) -> bool:
        """Take a construct that is not complete; return False to wait for more."""
        cursor = self.cursor
        buffer = cursor.buffer
        xml = self._xml is not None
        rest = len(buffer) - position
        head = bytes(buffer[position : position + _SHORT])
        if cursor.final:
            # As at the end of any page: an unclosed comment hides what follows, an unclosed tag is no tag.
            return False
        cdata = (xml or self.foreign.is_inside()) and CDATA_START.startswith(head)
        if rest < 7 and b"<!-->".startswith(head[:4]) or (cdata and rest < _SHORT) or rest < 2 or head == b"</":
            return False
        if head.startswith(b"<!--"):
            cursor.mode = Mode.COMMENT
            cursor.position = position + 4
        elif cdata:
            cursor.mode = Mode.CDATA
            cursor.position = position + _SHORT
        elif head[1:2] in (b"!", b"?") or (head[1:2] == b"/" and not head[2:3].isalpha()):
            if xml and head[1:2] == b"?":
                if cursor.is_too_long(position):
                    raise RefusedMarkup("a processing instruction is longer than hold_back", "hold_back")
                return False
            cursor.mode = Mode.BOGUS
            cursor.position = position + 2
        elif self.long_tag.is_too_long(position):
            self._begin_long_tag(position)
        else:
            return False
        return True

    def _begin_long_tag(self, start: int) -> None:
        """Settle the beginning of a tag that is too long, unless what it means depends on all of it."""
        document, foreign_reader = self.document, self.foreign
        name = self.long_tag.name_at(start)
        xml = self._xml is not None
        foreign = foreign_reader.is_inside()
        if foreign and name in BREAKOUT:
            foreign_reader.leave()
            foreign = False
        if foreign or xml:
            refused = name.rpartition(b":")[2] in _READ_WHOLE
        else:
            refused = (
                name in MATH_ONLY | _CHANGES_MODE - RAW_TEXT - {b"script", SVG, MATH}
                or self._in_select
                or self._in_frameset
            )
        if refused:
            raise RefusedMarkup(f"a <{name.decode('ascii', 'replace')}> tag is longer than hold_back", "hold_back")
        if document.before_head:
            document.insert_first(start)
        if not foreign and not xml:
            document.place_banner(name, start)
            foreign_reader.opened(name)
        self.long_tag.begin(start, foreign=foreign or xml)

    def _long_tag(self) -> bool:
        """Go on with a tag that is settled piece by piece, and behind it."""
        if not self.long_tag.attributes():
            return False
        tag, cursor = self.long_tag, self.cursor
        if cursor.mode is not Mode.DATA or self._xml is not None:
            return True
        if self.foreign.is_inside():
            if not tag.slash:
                self.foreign.push(tag.name, b"")
        elif tag.name == b"script":
            self.scripts.pass_text(cursor.position)
        elif tag.name == b"style":
            self.text.begin_style()
        elif tag.name in RAW_TEXT:
            self.text.begin_raw_text(tag.name)
        elif tag.name in (SVG, MATH) and not tag.slash:
            self.foreign.begin(tag.name)
        return True
