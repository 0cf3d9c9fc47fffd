"""
Finds the tags of a page, asks what to hold in each, and notes the edits.

Follows https://html.spec.whatwg.org/#tree-construction only as far as it
changes how bytes become tags: namespaces, integration points, raw text; no
tree is built. XHTML is read by the rules of XML.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from consent_mw.errors import RefusedMarkup
from consent_mw.html.elements import Tag
from consent_mw.html.elements import self_closing
from consent_mw.html.hold_policy import Edits
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.scanner.foreign import Markup
from consent_mw.html.scanner.state import HTML
from consent_mw.html.scanner.state import MATH
from consent_mw.html.scanner.state import SVG
from consent_mw.html.scanner.state import Mode
from consent_mw.html.tokens import BEFORE_BODY
from consent_mw.html.tokens import BREAKOUT
from consent_mw.html.tokens import MATH_INTEGRATION
from consent_mw.html.tokens import MATH_ONLY
from consent_mw.html.tokens import NO_TAGS
from consent_mw.html.tokens import RAW_TEXT
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import VOID
from consent_mw.html.tokens import end_tag

#: Elements that may stand before the body.
_HEAD = frozenset(b"html head title meta link base basefont bgsound script style noscript template noframes".split())
_WRAPPING = frozenset({b"html", b"head"})
#: Elements of the head that run nothing.
_DESCRIBING = frozenset({b"meta", b"title", b"base", b"link", b"style"})
_MAY_BE_POLICY = re.compile(rb"security|&", re.I)
_NAMES_CHARSET = re.compile(rb"charset[ \t\n\r\f]*=", re.I)
#: What an old parser drops inside select, and every parser inside a frameset.
_DROPPED_IN_SELECT = frozenset(b"style title xmp iframe noembed noframes noscript plaintext svg math".split())
_DROPPED_IN_FRAMESET = _DROPPED_IN_SELECT - {b"noframes"} | {b"script", b"textarea"}
#: Elements that change how what follows is read: never passed over, even where they hold nothing.
_READ_WHOLE = RAW_TEXT | frozenset(b"script noscript body base font annotation-xml".split())
_CHANGES_MODE = RAW_TEXT | frozenset(b"script svg math noscript plaintext select frameset template base body".split())


class Scanner(Markup):
    """A reading that knows what to do between tags as well."""

    def run(self, buffer: bytearray, origin: int, *, final: bool) -> None:
        """Read on from the position, as far as ``buffer``, which begins at offset ``origin`` of the page, lets."""
        self.buffer, self.origin, self.final = buffer, origin, final
        while _STEPS[self.mode](self):
            pass
        if final:
            if self.before_head and self.mode is Mode.DATA:
                self.insert_first(len(buffer))
            if self.before_body or self.at_end:
                self.insert(len(buffer), at_end=True)
            # A tag without its ">" at the end of the file is none, and a comment hides all behind it.
            self.position = len(buffer)

    def data(self) -> bool:
        """Read what is between tags, by the rules that hold here."""
        cut = self.watched == self.origin + self.position and not (self.final or self.too_long(self.position))
        if cut and not self.watch.may_end(self.buffer, self.position):
            # A tag that was cut is looked at again when it can be complete.
            return False
        if self.holder.xml:
            return self.xml()
        if self.stack and self.stack[-1][1] != HTML:
            return self.foreign()
        return self._html()

    # -- HTML content

    def _html(self) -> bool:
        buffer = self.buffer
        size = len(buffer)
        position = self.position
        local = self.holder.passes_local
        skip = (self.syntax.skip_local if local else self.syntax.skip).match
        before_body = (self.syntax.head_local if local else BEFORE_BODY).match
        plans = self.holder.memory.plans
        plain = not self.stack and not self.in_noscript
        while True:
            if self.before_head:
                position = BEFORE_BODY.match(buffer, position).end()  # type: ignore[union-attr]
                if position < size and self._opens_body(position):
                    self.insert_first(position)
                    continue
            elif self.before_body and not self.template:
                position = before_body(buffer, position).end()  # type: ignore[union-attr]
                if position < size and self._opens_body(position):
                    self.insert(position, at_end=False)
                    continue
            elif plain and not self.template:
                position = skip(buffer, position).end()  # type: ignore[union-attr]
            else:
                position = NO_TAGS.match(buffer, position).end()  # type: ignore[union-attr]
            if position >= size:
                self.position = position
                return False
            found = TAG.match(buffer, position)
            if found is None:
                self.position = position
                return self.partial(position)
            waiting = self.before_head or self.before_body
            if plain and plans.get(found.group(), 0) is None and not waiting:
                position = found.end()
                continue
            if found.group(1):
                self._html_end_tag(found)
            else:
                self._html_start_tag(found)
            if (
                self.mode is not Mode.DATA
                or not plain
                or self.stack
                or self.in_noscript
                or self.holder.memory.plans is not plans
            ):
                return True
            position = self.position

    def _opens_body(self, position: int) -> bool:
        """Whether what stands at ``position``, which is no white space, comment or complete tag of it, is text."""
        after = bytes(self.buffer[position : position + 2])
        if after[:1] != b"<":
            return True
        return len(after) > 1 and not after[1:].isalpha() and after[1:] not in (b"!", b"/", b"?")

    def _html_end_tag(self, found: re.Match[bytes]) -> None:
        name = found.group(2).lower()
        self.position = found.end()
        if self.before_head and name not in _DESCRIBING:
            self.insert_first(found.start())
        if name == b"noscript":
            self.in_noscript = False
        elif name == b"select":
            self.in_select = False
        elif name == b"template":
            self.template = max(0, self.template - 1)
        elif name == b"body" and self.at_end:
            self.insert(found.start(), at_end=True)
        if self.stack:
            self._integration_end_tag(name)

    def _integration_end_tag(self, name: bytes) -> None:
        """Close an HTML element inside foreign content, the integration point around it, or the root of it all."""
        if name in self.open:
            self.open = self.open[: len(self.open) - 1 - self.open[::-1].index(name)]
            return
        entries = [index for index, (entry, _) in enumerate(self.stack) if entry == name]
        if not entries:
            return
        if self.open:
            # Whether this end tag counts depends on what else is open: follow both readings.
            self.page.fork(self.copy())
        self.pop_to(entries[-1])

    def _html_start_tag(self, found: re.Match[bytes]) -> None:
        name = found.group(2).lower()
        start, end = found.span()
        if name in MATH_ONLY and self.stack and self.stack[-1][0] in MATH_INTEGRATION:
            # These stay MathML in its text integration points, unless an HTML element is open there.
            inner = self.copy() if self.open else self
            inner.position = end
            if not self_closing(found):
                inner.stack += ((name, MATH),)
            if inner is self:
                return
            self.page.fork(inner)
        if self.before_head:
            self._place_first(name, found)
        self._place_banner(name, start)
        if self.at_end and self.page.mark and found.group() == self.page.mark and not self.template:
            self.insert(end, at_end=False, asked=True)
            self.position = end
            return
        if (self.in_select and name in _DROPPED_IN_SELECT) or (self.in_frameset and name in _DROPPED_IN_FRAMESET):
            other = self.copy()
            other.position = end
            self.page.fork(other)
        if self.stack and name not in VOID:
            self.open += (name,)
        if name == b"script":
            self.begin_script(found)
            return
        plan = self._plan(name, found.group(), removable=self.breaks_out != self.origin + start)
        self.position = end
        if plan is not None:
            self.apply(plan, start)
            if plan.remove:
                self.edit(start, end - start, b"")
                self.leave_out = name == b"iframe"
        if name in _CHANGES_MODE:
            self._change_mode(name, found)
        elif name == b"meta" and plan is None and not self.stack:
            self.take_policy(found.group(), start)

    def _place_first(self, name: bytes, found: re.Match[bytes]) -> None:
        """Insert what runs first, unless it still has to wait for the page's charset."""
        late = self.page.undeclared
        if name == b"html":
            self.take_language(found.group())
        if name == b"head" and not late or name == b"meta" and late and _NAMES_CHARSET.search(found.group()):
            self.insert_first(found.end())
        elif name not in _WRAPPING and not (late and name in _DESCRIBING):
            self.insert_first(found.start())

    def _place_banner(self, name: bytes, start: int) -> None:
        """Insert the banner before an element that opens the body."""
        if self.before_body and not self.template and name not in _HEAD:
            if name == b"frameset":
                self.before_body = False
            elif name != b"body":
                self.insert(start, at_end=False)

    def _change_mode(self, name: bytes, found: re.Match[bytes]) -> None:
        if name == b"noscript":
            self._noscript(found.end())
        elif name == b"style":
            self.begin_style()
        elif name in RAW_TEXT:
            self.mode = Mode.RAW_TEXT
            self.raw_name = name
        elif name in (SVG, MATH):
            if not self_closing(found):
                self.stack += ((name, name),)
        elif name == b"plaintext":
            self.mode = Mode.PLAINTEXT
        elif name == b"select":
            self.in_select = not self.in_select
        elif name == b"frameset":
            self.in_frameset = True
        elif name == b"template":
            self.template += 1
        elif name == b"base":
            # One in a template's content is in no document.
            if not self.template:
                self.take_base(found.group())
        elif name == b"body" and self.before_body and not self.template:
            self.insert(found.end(), at_end=False)

    def _plan(self, name: bytes, tag: bytes, *, removable: bool) -> TagPlan | None:
        holder = self.holder
        if self.stack or self.in_noscript or not removable:
            return holder.plan(Tag.read(name, tag, in_noscript=self.in_noscript, removable=removable))
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

    def _noscript(self, start: int) -> None:
        """
        Read what is text with scripts on and markup with scripts off.

        Mostly the markup ends where the text does, and one reading is
        enough. Where it does not (an end tag in an attribute or a comment)
        both are followed.
        """
        found = end_tag(b"noscript").search(self.buffer, start)
        if found is not None and self._island(bytes(self.buffer[start : found.start()]), start):
            self.position = found.start()
            return
        other = self.copy()
        other.in_noscript = True
        self.page.fork(other)
        self.mode = Mode.RAW_TEXT
        self.raw_name = b"noscript"

    def after_long_tag(self) -> None:
        """Go on behind a start tag that was settled piece by piece."""
        name = self.long_name
        if self.holder.xml:
            return
        if self.stack and self.stack[-1][1] != HTML:
            if not self.slash:
                self.push(name, b"", self.stack[-1][1])
        elif name == b"script":
            self.content = self.position
            self.mode = Mode.SCRIPT_TEXT
        elif name == b"style":
            self.begin_style()
        elif name in RAW_TEXT:
            self.mode = Mode.RAW_TEXT
            self.raw_name = name
        elif name in (SVG, MATH) and not self.slash:
            self.stack += ((name, name),)

    def begin_long_tag(self, start: int) -> None:
        """Settle the beginning of a tag that is too long, unless what it means depends on all of it."""
        name = self.long_name_of(bytes(self.buffer[start : start + 64]))
        foreign = bool(self.stack) and self.stack[-1][1] != HTML
        if foreign and name in BREAKOUT:
            self.leave_foreign()
            foreign = False
        if foreign or self.holder.xml:
            refused = name.rpartition(b":")[2] in _READ_WHOLE
        else:
            refused = (
                name in MATH_ONLY | _CHANGES_MODE - RAW_TEXT - {b"script", SVG, MATH}
                or self.in_select
                or self.in_frameset
            )
        if refused:
            raise RefusedMarkup(f"a <{name.decode('ascii', 'replace')}> tag is longer than hold_back", "hold_back")
        if self.before_head:
            self.insert_first(start)
        if not foreign and not self.holder.xml:
            self._place_banner(name, start)
            if self.stack and name not in VOID:
                self.open += (name,)
        super().begin_long_tag(start)

    def _island(self, content: bytes, start: int) -> bool:
        """Read the ``content`` of a noscript element, and return whether it is whole in itself."""
        common = not (self.stack or self.in_select or self.in_frameset)
        # The same bytes may stand in a script elsewhere: the mark tells which is meant.
        key = b"<noscript>" + content
        known = self.holder.memory.pieces.get(key) if common else None
        if known is None:
            outside = self.copy()
            outside.in_noscript = True
            inside = outside.copy()
            inside.position = 0
            before = self.page.readings()
            held, self.page.held = self.page.held, set()
            inside.run(bytearray(content), 0, final=False)
            known = Edits(tuple(inside.edits), frozenset(self.page.held))
            held.update(known.held)
            self.page.held = held
            outside.holder = inside.holder
            whole = inside.position == len(content) and self.page.readings() == before and inside.stands_as(outside)
            self.page.forget(before)
            if not whole:
                return False
            self.has_base = inside.has_base
            if inside.holder is not self.holder:
                self.holder = inside.holder
            elif common and self.holder.memory.room_for(key):
                self.holder.memory.pieces[key] = known
        self.apply_known(known, start)
        return True


#: What reads on in each mode, in the order of the modes.
_STEPS: tuple[Callable[[Scanner], bool], ...] = (
    Scanner.data,
    Scanner.comment,
    Scanner.bogus,
    Scanner.cdata,
    Scanner.raw_text,
    Scanner.style,
    Scanner.style_comment,
    Scanner.style_token,
    Scanner.script,
    Scanner.script_text,
    Scanner.plaintext,
    Scanner.long_value,
    Scanner.long_tag,
)
