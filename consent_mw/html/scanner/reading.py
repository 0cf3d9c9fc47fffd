"""
One reading of a page: finds the tags, asks for the plan of each, and notes the edits.

Long because the loop over HTML content, in which ordinary pages spend their time, and the effects of a tag on the
reading belong together (docs/decisions/0014).

Theory of operation. ``run`` calls the reader of the cursor's mode until one needs more bytes. In mode DATA that is
``_data``, which chooses among four ways to read: XML, a drawing, live, and plain HTML content. The last is ``_html``,
the fast path: ``_pass`` jumps to the next tag that matters, a start tag gets its plan in ``_take_html``, and
``_change_mode`` follows if the tag starts raw text, a drawing or the like. A tag that depends on the open elements goes
through ``_go_live``: the trees catch up, and ``_live`` reads on tag by tag until ``_settle`` finds them calm.

A reading forks if the page can be read in several ways: ``_noscript`` for browsers with scripts off, ``_divide`` for
dialects whose trees differ, ``follow_flat`` for the preload scanner, ``follow_style`` for style sheets with several
possible encodings. The rewriter merges readings that agree (``agrees``, ``join``).
"""

from __future__ import annotations

import re
from typing import Protocol

from consent_mw.errors import RefusedMarkup
from consent_mw.html.code import Ids
from consent_mw.html.elements import Tag
from consent_mw.html.elements import self_closing
from consent_mw.html.hold_policy import Edits
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.holder import Holder
from consent_mw.html.scan import WalkFlag
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.cursor import Mode
from consent_mw.html.scanner.document import Document
from consent_mw.html.scanner.document import Page
from consent_mw.html.scanner.follower import OPEN_REFERENCE
from consent_mw.html.scanner.follower import Follower
from consent_mw.html.scanner.foreign import DrawingOutcome
from consent_mw.html.scanner.foreign import ForeignReader
from consent_mw.html.scanner.known_steps import LONGEST_REFERENCE
from consent_mw.html.scanner.long_tag import LongTag
from consent_mw.html.scanner.marked_text import MarkedText
from consent_mw.html.scanner.media import MARK
from consent_mw.html.scanner.media import MEDIA
from consent_mw.html.scanner.own_elements import PREFIX
from consent_mw.html.scanner.own_elements import end_of
from consent_mw.html.scanner.scripts import ScriptReader
from consent_mw.html.scanner.surroundings import History
from consent_mw.html.scanner.surroundings import Surroundings
from consent_mw.html.scanner.text import TextReader
from consent_mw.html.scanner.tree import DROPPED
from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import MATH
from consent_mw.html.scanner.tree import SVG
from consent_mw.html.scanner.tree import Element
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.xml import XmlReader
from consent_mw.html.tokens import BEFORE_BODY
from consent_mw.html.tokens import BREAKOUT
from consent_mw.html.tokens import CDATA_START
from consent_mw.html.tokens import CHANGES_MODE
from consent_mw.html.tokens import MATH_ONLY
from consent_mw.html.tokens import NO_TAGS
from consent_mw.html.tokens import NO_TAGS_FOREIGN
from consent_mw.html.tokens import RAW_TEXT
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import end_tag
from consent_mw.html.tokens import skip_before_body

#: The bytes that decide which construct begins: those of "<![CDATA[", which is longer than the comment "<!--->".
_SHORT = 9
_MAY_BE_POLICY = re.compile(rb"security|&", re.I)
#: Elements that change how the rest is read, but that an old parser drops in select; and those that may close it.
_DROPPED_IN_SELECT = frozenset(
    b"style title xmp iframe noembed noframes noscript plaintext svg math select template".split()
)
#: Elements that start raw text unless they are dropped.
_BEGINS_TEXT = RAW_TEXT | {b"script", b"noscript", b"plaintext"}
#: Elements that change how the rest is read: never handled piece by piece, even if nothing in them is held.
_READ_WHOLE = RAW_TEXT | frozenset(b"script noscript body base font annotation-xml".split())
#: Elements whose meaning may depend on a select, frameset or template around them.
_MAY_DEPEND = _DROPPED_IN_SELECT | {b"frameset", b"col"}
#: The longest incomplete end tag, in bytes: "</noscript" and the byte that must follow.
_NOSCRIPT_TAIL = 11


class Readings(Page, History, Protocol):
    """The part of the rewriter that a reading uses; the rewriter follows all readings."""

    def fork(self, reading: Reading) -> None:
        """Follow one more reading."""

    def readings(self) -> int:
        """Return the number of readings."""

    def forget(self, count: int) -> None:
        """Keep only the first ``count`` readings."""

    def follows(self, reading: Reading) -> bool:
        """Return whether this reading is followed."""


class Reading:
    """
    Reads the page from its position on, as far as the bytes have arrived.

    Args:
        page: The state shared by all readings.
        holder: Plans the tags.
        primary: Whether this reading places the banner.
    """

    #: The open elements; None for a flat reading, which follows the preload scanner.
    around: Surroundings | None

    def __init__(self, page: Readings, holder: Holder, *, primary: bool) -> None:
        cursor = Cursor(holder.policy.hold_back, holder.policy.longest_script)
        self._compose(page, cursor, Document(cursor, page, holder, primary=primary))
        self.around = Surroundings(page, nested=holder.depth > 0)

    def _compose(self, page: Readings, cursor: Cursor, document: Document) -> None:
        self._page = page
        self.cursor = cursor
        self.document = document
        self.around = None
        self.text = TextReader(cursor, document, self)
        self.scripts = ScriptReader(cursor, document, self.text)
        marked = MarkedText(cursor, document, self)
        self.foreign = ForeignReader(cursor, document, marked, self._partial)
        self.long_tag = LongTag(cursor, document)
        self._xml = XmlReader(cursor, document, marked, self._partial) if document.holder.xml else None
        self._syntax = document.holder.policy.syntax
        #: Whether a select element may be open, in which an old parser drops most tags.
        self._in_select = False
        #: Whether this reads the content of a noscript element, apart from the page around it.
        self._island = False
        #: Whether such an island turned out to depend on the page around it.
        self._reaches_out = False
        #: Whether to stop after each tag, since another reading may reach the same place.
        self._single = False
        #: Offset in the page before which there is no further end tag of a noscript element.
        self._searched = -1
        #: The flat reading that was started from this one, and the reading into which this one was merged.
        self._flat: Reading | None = None
        self._joined: Reading | None = None
        #: The reader of each mode, in the order of the modes.
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

    def end(self) -> None:
        """Drop all references: the parts of a reading refer to each other, and would wait for the garbage collector."""
        if self.around is not None:
            self.around.end()
        self.__dict__.clear()

    # -- as one of several

    def copy(self) -> Reading:
        """Return another reading at the same place, without edits."""
        twin = self._copy_flat()
        twin.around = None if self.around is None else self.around.copy()
        twin.foreign.open = self.foreign.open.copy()
        twin._in_select = self._in_select
        twin._island = self._island
        twin._flat = self._flat
        return twin

    def _copy_flat(self) -> Reading:
        twin = Reading.__new__(Reading)
        cursor = self.cursor.copy()
        twin._compose(self._page, cursor, self.document.copy(cursor))
        return twin

    def fork(self) -> Reading:
        """Follow another reading from the position on."""
        twin = self.copy()
        self._page.fork(twin)
        return twin

    def follow_flat(self, position: int) -> None:
        """
        Follow a flat reading from ``position`` on.

        If one started earlier is still being followed, there is no second one until the two readings have met.
        """
        if self.around is None or self._is_followed_flat():
            return
        self._flat = twin = self._copy_flat()
        twin.cursor.position = position
        self._page.fork(twin)

    def _is_followed_flat(self) -> bool:
        flat = self._flat
        while flat is not None and flat._joined is not None:
            flat = flat._joined
        self._flat = flat if flat is not None and flat.around is None and self._page.follows(flat) else None
        return self._flat is not None

    def follow_style(self, mark: Ids, searched: int, wide: str) -> None:
        """Follow a reading that takes the bytes of the style sheet at the position as ``wide``."""
        self.fork().text.begin_style(mark, searched=searched, wide=wide)

    def pass_section(self, text: bytes) -> None:
        """Process the text of a CDATA section."""
        if self.around is not None and self.around.live:
            self.around.section(text)

    def agrees(self, other: Reading) -> bool:
        """Return whether ``other`` will read the rest of the page as this one does."""
        return (
            self.cursor.position == other.cursor.position
            and self._stands_as(other)
            and self.document.in_noscript == other.document.in_noscript
        )

    def _stands_as(self, other: Reading) -> bool:
        """Return whether both are in plain HTML content with the same state."""
        return (
            self.cursor.mode is Mode.DATA is other.cursor.mode
            and self._is_plain
            and other._is_plain
            and (self.around is None or other.around is None or self._in_select == other._in_select)
            and (self.around is None or other.around is None or self.document.template == other.document.template)
            and self.document.covering(self.cursor.offset) == other.document.covering(other.cursor.offset)
            and self.document.holder.base == other.document.holder.base
        )

    @property
    def _is_plain(self) -> bool:
        """Whether this is plain HTML content, in which tags do not depend on the open elements."""
        return not self.foreign.open and (self.around is None or not self.around.live)

    @property
    def needs_from(self) -> int:
        """Offset in the page from which on its bytes may have to be read again."""
        around = self.around
        return self.cursor.offset if around is None or around.live or self._xml is not None else around.offset

    def fold(self) -> None:
        """Let the trees catch up, so that fewer of the passed bytes are needed."""
        if self.around is not None and not self.around.live:
            self.around.fold(self.cursor.offset)

    def join(self, other: Reading) -> None:
        """Take over from ``other``, which has reached the same place."""
        other._joined = self
        edits = self.cursor.edits
        edits += [edit for edit in other.cursor.edits if edit not in edits]
        if other.around is None:
            return
        if self.around is None:
            self.around = other.around
            self._in_select = other._in_select
            self._flat = other._flat
            self.document.template = other.document.template
        else:
            self.around.join(other.around)

    # -- reading on

    def run(self, buffer: bytearray, origin: int, *, final: bool) -> None:
        """
        Read on as far as ``buffer``, which starts at offset ``origin`` of the page, allows.

        Stop as soon as another reading is added.
        """
        self._see(buffer, origin, final=final)
        steps, cursor, page = self._steps, self.cursor, self._page
        count = page.readings()
        while steps[cursor.mode]():
            if page.readings() != count:
                return
        self._finish()

    def step(self, buffer: bytearray, origin: int, *, final: bool) -> bool:
        """Read one tag, or one piece between tags; return False to wait for more bytes."""
        self._see(buffer, origin, final=final)
        cursor = self.cursor
        self._single = True
        went_on = self._steps[cursor.mode]()
        self._single = False
        if not went_on:
            self._finish()
        return went_on

    def _see(self, buffer: bytearray, origin: int, *, final: bool) -> None:
        cursor = self.cursor
        cursor.buffer, cursor.origin, cursor.final = buffer, origin, final

    def _finish(self) -> None:
        """At the end of the page, make the insertions that are still due."""
        cursor, document = self.cursor, self.document
        if not cursor.final or self._reaches_out:
            return
        if document.before_head and cursor.mode is Mode.DATA:
            document.insert_first(len(cursor.buffer))
        document.finish()
        # At the end of the file, a tag without ">" is not a tag, and an open comment hides the rest.
        cursor.position = len(cursor.buffer)

    def _data(self) -> bool:
        """Read on in mode DATA, in the way that applies here."""
        if self.long_tag.waits():
            # A tag that was cut is examined again when it may be complete.
            return False
        if self._xml is not None:
            return self._xml.read()
        if self.foreign.open:
            outcome = self.foreign.read(single=self._single)
            if outcome is DrawingOutcome.REACHES_OUT:
                return self._go_live()
            return outcome is DrawingOutcome.GO_ON
        if self.around is not None and self.around.live:
            return self._live(self.around)
        return self._html()

    def _html(self) -> bool:
        """Read plain HTML content: the loop in which ordinary pages spend their time."""
        cursor, document = self.cursor, self.document
        buffer = cursor.buffer
        size = len(buffer)
        position = cursor.position
        holder = document.holder
        plans = holder.memory.plans
        plain = not (document.in_noscript or document.covering(cursor.offset))
        single = self._single
        while True:
            if document.before_head:
                position = BEFORE_BODY.match(buffer, position).end()  # type: ignore[union-attr]
                if position < size and document.opens_body(position):
                    document.insert_first(position)
                    continue
            elif document.before_body and not document.template:
                position = self._pass(position, waiting=True)
                if position < size and document.opens_body(position):
                    document.insert(position, at_end=False)
                    continue
            elif plain and not (single or document.template):
                position = self._pass(position, waiting=False)
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
                if single:
                    cursor.position = position
                    return True
                continue
            if found.group(1):
                self._end_tag(found)
            elif not self._start_tag(found):
                return False
            if (
                cursor.mode is not Mode.DATA
                or not plain
                or single
                or self.foreign.open
                or document.in_noscript
                or document.covering(cursor.offset)
                or document.holder.memory.plans is not plans
                or cursor.position == found.start()
            ):
                return True
            position = cursor.position

    def _pass(self, position: int, *, waiting: bool) -> int:
        """
        Pass over what cannot matter and, with the scanner in C, over tags whose plan is remembered.

        Args:
            waiting: Whether the body has not started, and something is to be inserted when it does.
        """
        cursor, document, page, syntax = self.cursor, self.document, self._page, self._syntax
        local = document.holder.passes_local
        if syntax.scanner is None or self._single or document.in_noscript or document.at_end:
            if waiting:
                return (syntax.skip_head if local else skip_before_body)(cursor.buffer, position)
            return (syntax.skip_local if local else syntax.skip)(cursor.buffer, position)
        may = (
            (WalkFlag.WAITING if waiting else 0)
            | (WalkFlag.LOCAL if local else 0)
            | (0 if document.mapped else WalkFlag.PIECES)
        )
        memory = document.holder.memory
        return syntax.scanner.walk(
            cursor.buffer, position, may, memory.plans, memory.pieces, cursor.edits, page.held, cursor.origin
        )

    def _end_tag(self, found: re.Match[bytes]) -> None:
        document = self.document
        name = found.group(2).lower()
        self.cursor.position = found.end()
        if document.before_head or document.at_end:
            document.before_end_tag(name, found.start())
        if name == b"noscript":
            document.in_noscript = False
        elif name == b"select" and not document.template:
            self._in_select = False
        elif name == b"template":
            document.template = max(0, document.template - 1)

    def _start_tag(self, found: re.Match[bytes]) -> bool:
        """Handle a start tag in plain HTML content; return False to wait for more bytes."""
        cursor, document = self.cursor, self.document
        name = found.group(2).lower()
        start, end = found.span()
        if name in _MAY_DEPEND and self._depends(name):
            cursor.position = start
            return self._go_live()
        if document.before_head or document.before_body:
            document.before_start_tag(name, found)
        if document.at_end and document.place_asked(found):
            cursor.position = end
            return True
        if name == b"script":
            self.scripts.begin(found)
            return True
        if name == b"noscript" and not self._noscript_is_there(start, end):
            return False
        if self._waits_for_end(name, found):
            cursor.position = start
            return False
        self._take_html(name, found, plain=not document.in_noscript)
        return True

    def _take_html(self, name: bytes, found: re.Match[bytes], *, plain: bool) -> None:
        """
        Apply the plan of the start tag of an HTML element other than a script, and go on after the tag.

        Args:
            plain: Whether it is in plain HTML content, in which a remembered plan applies.
        """
        cursor, document = self.cursor, self.document
        start, end = found.span()
        # A remembered tag would be passed over, but what a mark counts for has to be found in each page.
        plain = plain and not (document.covering(cursor.origin + start) or _is_marked(name, found))
        plan = self._plan(name, found, plain=plain, removable=self.foreign.breaks_out != cursor.origin + start)
        cursor.position = end
        if plan is not None:
            document.apply(plan, start)
            if plan.remove:
                cursor.edit(start, end - start, b"")
            if plan.rename:
                self._rename(name, found)
            if plan.panel and not self._in_select:
                document.place_panel(name, start, end, plan)
        if name in CHANGES_MODE:
            self._change_mode(name, found, left_out=plan is not None and plan.remove)
        elif name == b"meta" and plan is None and self._is_plain:
            document.take_policy(found.group(), start)

    def _waits_for_end(self, name: bytes, found: re.Match[bytes]) -> bool:
        """Return whether what is done with this element depends on its end tag, which may still come."""
        document = self.document
        if _is_marked(name, found):
            return document.awaits_cover(name, *found.span())
        if b"-" not in name or name not in document.holder.policy.matcher.elements or name in document.named:
            return False
        return end_of(self.cursor, name, found.start(), found.end()) is None

    def _rename(self, name: bytes, found: re.Match[bytes]) -> None:
        """Rename a custom element, unless its end tag or another one would then close the wrong element."""
        document, cursor = self.document, self.cursor
        end = -1 if name in document.named else end_of(cursor, name, found.start(), found.end())
        if end is None or end < 0:
            document.named.add(name)
            return
        cursor.edit(found.start() + 1, 0, PREFIX)
        cursor.edit(end + 2, 0, PREFIX)

    def _change_mode(self, name: bytes, found: re.Match[bytes], *, left_out: bool) -> None:
        document = self.document
        if name == b"noscript":
            self._noscript(found.end())
        elif name == b"style":
            self.text.begin_style(document.holder.sheet_mark(found.group()))
        elif name in RAW_TEXT:
            self.text.begin_raw_text(name, leave_out=left_out and name == b"iframe")
        elif name in (SVG, MATH):
            if self.around is not None and not self.around.live:
                self.foreign.begin(TagToken(name, b"", self_closing(found)))
        elif name == b"plaintext":
            self.cursor.mode = Mode.PLAINTEXT
        elif name == b"select":
            self._in_select = self.around is not None
        elif name == b"template":
            document.template += 1
        elif name == b"base":
            # A base element in a template is not part of the document.
            if not document.template:
                document.take_base(found)
        elif name == b"body" and document.before_body and not document.template:
            document.insert(found.end(), at_end=False)

    def _plan(self, name: bytes, found: re.Match[bytes], *, plain: bool, removable: bool) -> TagPlan | None:
        tag, holder = found.group(), self.document.holder
        if not (plain and removable):
            read = self.document.inherit(Tag.read(name, tag, in_noscript=self.document.in_noscript), found.start())
            return holder.plan(read._replace(removable=removable))
        memory = holder.memory
        plans = memory.mode_plans if name in CHANGES_MODE else memory.plans
        if tag in plans:
            return plans[tag]
        plan = holder.plan(Tag.read(name, tag, foreign=name in (SVG, MATH)))
        # Policies are not remembered, since each page may have to insert something else.
        lasting = plan is not None or not (name == b"meta" and _MAY_BE_POLICY.search(tag))
        if lasting and holder.room_for(tag):
            plans[tag] = plan
        return plan

    # -- tags that depend on the open elements

    def _depends(self, name: bytes) -> bool:
        """Return whether the meaning of this start tag depends on the open elements."""
        if self._in_select and name in _DROPPED_IN_SELECT:
            return True
        return self.around is not None and (name == b"frameset" or (name == b"col" and self.document.template > 0))

    def _go_live(self) -> bool:
        """Let the trees catch up to the tag at the position, and read on live."""
        if self._island or self.around is None:
            self._reaches_out = True
            return False
        self.foreign.open = []
        self.around.go_live(self.cursor.offset)
        self.document.template = len(self.around.tree.template_modes)
        return True

    def _live(self, around: Surroundings) -> bool:
        """Read one tag whose meaning depends on the open elements."""
        cursor, document = self.cursor, self.document
        buffer, position = cursor.buffer, cursor.position
        if document.before_head or (document.before_body and not document.template):
            position = BEFORE_BODY.match(buffer, position).end()  # type: ignore[union-attr]
            if position < len(buffer) and document.opens_body(position):
                document.insert_first(position) if document.before_head else document.insert(position, at_end=False)
        no_tags = NO_TAGS_FOREIGN if around.in_foreign else NO_TAGS
        position = no_tags.match(buffer, position).end()  # type: ignore[union-attr]
        if position == len(buffer) and not cursor.final:
            reference = OPEN_REFERENCE.search(buffer, max(cursor.position, position - LONGEST_REFERENCE))
            position = reference.start() if reference else position
        around.text(bytes(buffer[cursor.position : position]))
        cursor.position = position
        if position >= len(buffer):
            return False
        found = TAG.match(buffer, position)
        if found is None:
            return self._partial(position)
        if found.group(1):
            self._live_end_tag(around, found)
        elif not self._live_start_tag(around, found):
            return False
        return True

    def _live_end_tag(self, around: Surroundings, found: re.Match[bytes]) -> None:
        document = self.document
        name = found.group(2).lower()
        self.cursor.position = found.end()
        if document.before_head or document.at_end:
            document.before_end_tag(name, found.start())
        if name == b"noscript":
            document.in_noscript = False
        for twin, _ in self._divide(around, around.end_tag(name)):
            twin._settle()

    def _live_start_tag(self, around: Surroundings, found: re.Match[bytes]) -> bool:
        """Handle a start tag; return False to wait for its content."""
        cursor, document = self.cursor, self.document
        name, raw = found.group(2).lower(), found.group()
        token = TagToken(name, raw, raw.endswith(b"/>") and self_closing(found))
        foreign = around.is_foreign(token)
        if not foreign and self._waits_for_end(name, found):
            return False
        if foreign and not self.foreign.settle(token, found):
            return False
        if not foreign and not around.tree.takes_as_html(token):
            self.foreign.breaks_out = cursor.offset
        if document.before_head or document.before_body:
            document.before_start_tag(name, found)
        asked = document.at_end and document.place_asked(found)
        for twin, opened in self._divide(around, around.start_tag(token)):
            twin.cursor.position = found.start()
            twin._take(name, found, opened, asked=asked)
            twin._settle()
        return True

    def _divide(self, around: Surroundings, groups: list[tuple[bytes, list[Follower]]]) -> list[tuple[Reading, bytes]]:
        """Split off a reading for each further group of trees; return all readings, each with what the tag opened."""
        around.followers = groups[0][1]
        parts = [(self, groups[0][0])]
        for opened, followers in groups[1:]:
            twin = self._copy_flat()
            twin.around = Surroundings(self._page, followers)
            twin.around.live = True
            twin.foreign.breaks_out = self.foreign.breaks_out
            twin._flat = self._flat
            self._page.fork(twin)
            parts.append((twin, opened))
        return parts

    def _take(self, name: bytes, found: re.Match[bytes], opened: bytes, *, asked: bool) -> None:
        """Apply the plan of a start tag and go on after it; ``opened`` is its element's namespace, or DROPPED."""
        cursor = self.cursor
        start, end = found.span()
        if asked or opened in (SVG, MATH) and name not in (SVG, MATH):
            cursor.position = end
        elif opened == DROPPED or (name == b"noscript" and opened == HTML):
            if name in _BEGINS_TEXT and opened == DROPPED:
                # The preload scanner does not drop it.
                self.follow_flat(start)
            removable = name not in _BEGINS_TEXT
            plan = self.document.holder.plan(Tag.read(name, found.group())._replace(removable=removable))
            if plan is not None:
                self.document.apply(plan, start)
                if plan.remove:
                    cursor.edit(start, end - start, b"")
            cursor.position = end
            if name == b"noscript" and opened == HTML:
                self.document.in_noscript = True
        elif name == b"noscript":
            cursor.position = end
            self.text.begin_raw_text(name)
        elif name == b"script":
            self.scripts.begin(found)
        else:
            self._take_html(name, found, plain=False)

    def _settle(self) -> None:
        """Stop following the trees if no tag depends on them any more."""
        around = self.around
        if around is None:
            return
        self.document.template = len(around.tree.template_modes)
        if around.is_calm():
            # In raw text a tree waits for the end tag, which it reads when it next catches up.
            around.settle(self.cursor.offset)
            self._in_select = False

    # -- noscript

    def _noscript(self, start: int) -> None:
        """
        Read the content of noscript: text with scripts on, markup with scripts off.

        Usually both end at the same place, and one reading is enough. If they do not (an end tag is in an attribute or
        a comment), both are followed.
        """
        cursor, around = self.cursor, self.around
        if self._island or (around is not None and not around.may_run_scripts(True)):
            self.document.in_noscript = True
            return
        if around is not None and not around.may_run_scripts(False):
            self.text.begin_raw_text(b"noscript")
            return
        found = end_tag(b"noscript").search(cursor.buffer, start)
        if found is not None and self._read_island(bytes(cursor.buffer[start : found.start()]), start):
            cursor.position = found.start()
            return
        twin = self.fork()
        twin.document.in_noscript = True
        self.text.begin_raw_text(b"noscript")
        if around is not None and twin.around is not None:
            twin.around.restrict(scripting=False)
            around.restrict(scripting=True)

    def _noscript_is_there(self, start: int, end: int) -> bool:
        """Return whether the end of a noscript element has arrived, or need not be waited for."""
        cursor = self.cursor
        found = end_tag(b"noscript").search(cursor.buffer, max(end, self._searched - cursor.origin))
        self._searched = cursor.origin + (found.start() if found else len(cursor.buffer) - _NOSCRIPT_TAIL)
        if found is not None or cursor.final or self._island or cursor.is_too_long(start):
            return True
        cursor.position = start
        return False

    def _read_island(self, content: bytes, start: int) -> bool:
        """Read the ``content`` of a noscript element as an island; return whether it is self-contained."""
        document, page = self.document, self._page
        memory = document.holder.memory
        common = not document.template
        # The prefix distinguishes the content from a script with the same bytes.
        key = b"<noscript>" + content
        known = memory.pieces.get(key) if common else None
        if known is None:
            inside = self._copy_flat()
            inside.around = self.around
            inside.document.in_noscript = True
            inside.document.covers = ()
            inside.cursor.position = 0
            inside._island = True
            before = page.readings()
            held, page.held = page.held, set()
            inside.run(bytearray(content), 0, final=False)
            known = Edits(tuple(inside.cursor.edits), frozenset(page.held))
            held.update(known.held)
            page.held = held
            whole = (
                inside.cursor.position == len(content)
                and inside.cursor.mode is Mode.DATA
                and page.readings() == before
                and not (inside._reaches_out or inside.foreign.open or inside._in_select)
                and inside.document.template == document.template
            )
            page.forget(before)
            if not whole:
                return False
            document.has_base = inside.document.has_base
            if inside.document.holder is not document.holder:
                document.holder = inside.document.holder
            elif common and document.holder.room_for(key):
                memory.pieces[key] = known
        document.apply(known, start)
        return True

    # -- constructs that a chunk cut

    def _partial(self, position: int) -> bool:
        """Handle an incomplete construct; return False to wait for more bytes."""
        cursor = self.cursor
        buffer = cursor.buffer
        xml = self._xml is not None
        rest = len(buffer) - position
        head = bytes(buffer[position : position + _SHORT])
        cdata = (xml or self._in_foreign) and CDATA_START.startswith(head)
        if cursor.final and not (cdata and rest >= _SHORT):
            # The page ends here: an unclosed comment hides what follows, and an unclosed tag is not a tag.
            return False
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

    @property
    def _in_foreign(self) -> bool:
        """Whether "<![CDATA[" starts a section here."""
        return bool(self.foreign.open) or (self.around is not None and self.around.live and self.around.in_foreign)

    def _begin_long_tag(self, start: int) -> None:
        """Start handling a tag that is too long piece by piece; refuse one whose meaning depends on all of it."""
        document = self.document
        name = self.long_tag.name_at(start)
        xml = self._xml is not None
        foreign = self._in_foreign
        live = self.around is not None and self.around.live
        if foreign and name in BREAKOUT:
            if not live:
                self.foreign.open = []
            foreign = False
        if foreign or xml:
            refused = name.rpartition(b":")[2] in _READ_WHOLE
        else:
            refused = name in MATH_ONLY | CHANGES_MODE - RAW_TEXT - {b"script", SVG, MATH} or self._in_select
        if refused or live:
            raise RefusedMarkup(f"a <{name.decode('ascii', 'replace')}> tag is longer than hold_back", "hold_back")
        if document.before_head:
            document.insert_first(start)
        if not foreign and not xml:
            document.place_banner(name, start)
        self.long_tag.begin(start, foreign=foreign or xml)

    def _long_tag(self) -> bool:
        """Continue a tag that is handled piece by piece; at its end, enter the mode of its content."""
        if not self.long_tag.attributes():
            return False
        tag, cursor = self.long_tag, self.cursor
        if cursor.mode is not Mode.DATA or self._xml is not None:
            return True
        if self.foreign.open:
            if not tag.slash:
                self.foreign.open.append(Element(tag.name, self.foreign.open[-1].namespace))
        elif tag.name == b"script":
            self.scripts.pass_text(cursor.position)
        elif tag.name == b"style":
            self.text.begin_style()
        elif tag.name in RAW_TEXT:
            self.text.begin_raw_text(tag.name)
        elif tag.name in (SVG, MATH) and self.around is not None:
            self.foreign.begin(TagToken(tag.name, b"", tag.slash))
        return True


def _is_marked(name: bytes, found: re.Match[bytes]) -> bool:
    """Return whether this is the start tag of a media element with an author's mark."""
    return name in MEDIA and MARK in found.group().lower()
