"""
Markup outside HTML's own rules: SVG and MathML in a page, and XHTML; and constructs that a chunk cut.
"""

from __future__ import annotations

import re

from consent_mw.errors import RefusedMarkup
from consent_mw.html import css
from consent_mw.html.elements import Tag
from consent_mw.html.elements import attributes
from consent_mw.html.elements import self_closing
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.holder import TOO_LONG
from consent_mw.html.holder import defuse
from consent_mw.html.match import Ids
from consent_mw.html.meta_csp import meta_policy
from consent_mw.html.scanner.state import HTML
from consent_mw.html.scanner.state import MATH
from consent_mw.html.scanner.state import SVG
from consent_mw.html.scanner.state import Mode
from consent_mw.html.scanner.state import Place
from consent_mw.html.scanner.text import Constructs
from consent_mw.html.tokens import BREAKOUT
from consent_mw.html.tokens import CDATA_START
from consent_mw.html.tokens import MARKUP_IN_TEXT
from consent_mw.html.tokens import MARKUP_IN_TEXT_XML
from consent_mw.html.tokens import MATH_INTEGRATION
from consent_mw.html.tokens import NO_TAGS_XML
from consent_mw.html.tokens import RAW_TEXT
from consent_mw.html.tokens import SVG_INTEGRATION
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import ScriptEnd
from consent_mw.html.tokens import end_tag
from consent_mw.html.tokens import text_with_markup
from consent_mw.html.urls import decode_with_offsets
from consent_mw.html.urls import resolve

#: The longest beginning of a construct that says nothing yet: "<![CDATA[" and the comment "<!--->".
#: Language tags are shorter; a page may say anything.
_LONGEST_LANGUAGE = 100
_SHORT = 9
_FONT_BREAKOUT = frozenset({b"color", b"face", b"size"})
#: A declaration: what begins so and is neither a comment nor a CDATA section.
_DECLARES = re.compile(rb"<!(?![-\[]|\Z)")
#: What those who only look ahead take for raw text in foreign content too.
_WITH_TEXT = RAW_TEXT | {b"script", b"noscript"}
#: Text that is longer is looked at again when it has doubled.
_LONG = 4096
_STYLESHEET_HREF = re.compile(rb"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
#: HTML's own links, which fetch nothing by their href; anything else with an href in XML is taken for SVG.
_PLAIN_LINKS = frozenset({b"a", b"area", b"base", b"link"})


def _first(pattern: re.Pattern[bytes], data: bytes) -> int:
    found = pattern.search(data)
    return found.start() if found else -1


class Markup(Constructs):
    """What a reading does with foreign content, XHTML, and the beginnings of constructs."""

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
            self.edit(offset, 0, text)

    def insert_first(self, offset: int) -> None:
        """Place what runs before all else, once."""
        give = self.page.first
        text = give(Place(False, frozenset(self.page.held), False, tuple(self.page.policies))) if give else b""
        self.before_head = False
        if text:
            self.edit(offset, 0, text)

    def take_language(self, tag: bytes) -> None:
        """Note the language of the root element, https://html.spec.whatwg.org/#language"""
        found = attributes(tag, 5, xml=self.holder.xml)
        values = (found.get(b"xml:lang") if self.holder.xml else None) or found.get(b"lang")
        if values and len(values[0].raw) <= _LONGEST_LANGUAGE:
            self.lang = self.holder.text(values[0].raw).strip()

    def take_base(self, tag: bytes) -> None:
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

    def pop_to(self, depth: int) -> None:
        self.stack = self.stack[:depth]
        # What is open in an outer integration point was not kept: "?" never matches, so doubt stays doubt.
        self.open = (b"?",) if any(inside == HTML for _, inside in self.stack) else ()

    # -- foreign content: SVG and MathML

    def foreign(self) -> bool:
        buffer = self.buffer
        while True:
            position = self.syntax.skip_foreign.match(buffer, self.position).end()  # type: ignore[union-attr]
            self.position = position
            if position >= len(buffer):
                return False
            found = TAG.match(buffer, position)
            if found is None:
                return self.partial(position)
            if found.group(1):
                self._foreign_end_tag(found)
            elif not self._foreign_start_tag(found):
                return False
            if self.mode is not Mode.DATA or not self.stack or self.stack[-1][1] == HTML:
                return True

    def leave_foreign(self) -> None:
        depth = len(self.stack)
        while depth and self.stack[depth - 1][1] != HTML:
            depth -= 1
        self.stack = self.stack[:depth]

    def _foreign_end_tag(self, found: re.Match[bytes]) -> None:
        name = found.group(2).lower()
        self.position = found.end()
        for depth in range(len(self.stack) - 1, -1, -1):
            if self.stack[depth][0] == name:
                if any(inside == HTML for _, inside in self.stack[depth + 1 :]):
                    self.page.fork(self.copy())
                self.pop_to(depth)
                return
        # It may close an HTML element around all this, and so this too; "p" and "br" do, but in old parsers.
        other = self.copy()
        other.leave_foreign()
        self.page.fork(other)

    def _foreign_start_tag(self, found: re.Match[bytes]) -> bool:
        """Take a start tag; return False where its content must be waited for."""
        name = found.group(2).lower()
        tag = found.group()
        start, end = found.span()
        inside = self.stack[-1][1]
        if name in BREAKOUT or (name == b"font" and _FONT_BREAKOUT & attributes(tag, 5).keys()):
            self.leave_foreign()
            self.breaks_out = self.origin + start
            return True
        closing = self_closing(found)
        if name in _WITH_TEXT and not closing and not self._element_with_text(name, found):
            return False
        if closing or name not in (b"script", b"style"):
            plan = self.holder.plan(Tag.read(name, tag, foreign=True, in_noscript=self.in_noscript, removable=False))
            if plan is not None:
                self.apply(plan, start)
        self.position = end
        if not closing:
            self.push(name, tag, inside)
        return True

    def push(self, name: bytes, tag: bytes, inside: bytes) -> None:
        """Open an element of foreign content."""
        if inside == SVG and name in SVG_INTEGRATION or inside == MATH and name in MATH_INTEGRATION:
            inside = HTML
        elif inside == MATH and name == b"annotation-xml":
            encoding = attributes(tag, len(name) + 1).get(b"encoding")
            if encoding and self.holder.text(encoding[0].raw).lower() in ("text/html", "application/xhtml+xml"):
                inside = HTML
        elif name == SVG and self.stack[-1][0] == b"annotation-xml":
            inside = SVG
        if inside == HTML:
            self.open = ()
        self.stack += ((name, inside),)

    def _element_with_text(self, name: bytes, found: re.Match[bytes]) -> bool:
        """
        Settle a script or style whose text is markup: foreign content, and XHTML.

        Returns:
            False where the end is not there yet.
        """
        start, end = found.span()
        size = len(self.buffer)
        if size - start < self.again and not self.final:
            return False
        inside, end_of_it = text_with_markup(name, xml=self.holder.xml)
        stop = inside.match(self.buffer, end).end()  # type: ignore[union-attr]
        too_long = False
        if not end_of_it.match(self.buffer, stop):
            too_long = self.too_long(start)
            if not self.final and not too_long:
                # Not with every chunk, so that each byte is looked at a few times only.
                self.again = min(2 * (size - start), self.holder.policy.hold_back + 1) if size - start > _LONG else 0
                return False
            stop = size
        self.again = 0
        raw = bytes(self.buffer[end:stop])
        if too_long and name != b"script":
            raise RefusedMarkup("text in SVG or XHTML is longer than hold_back", "hold_back")
        if name == b"style":
            self._defuse_text(raw, end)
        elif name == b"script":
            ids: Ids = (TOO_LONG,) if too_long else self.holder.code(self._text(raw)[0])
            whole = Tag.read(name, found.group(), xml=self.holder.xml, foreign=True, removable=False)
            plan = self.holder.plan(whole._replace(code=ids))
            if plan is not None:
                self.apply(plan, start)
        if not self.holder.xml:
            # A browser that looks ahead for what to fetch sees the end of raw text in comments too.
            flat = ScriptEnd().find(raw, 0, final=True) if name == b"script" else _first(end_tag(name), raw)
            if flat >= 0:
                self.follow_flat(end + flat)
        return True

    def _text(self, raw: bytes) -> tuple[bytes, list[int]]:
        """Return the text of an element with markup in it, and where in ``raw`` each byte of it began."""
        text = bytearray()
        offsets: list[int] = []
        at = 0
        for found in (MARKUP_IN_TEXT_XML if self.holder.xml else MARKUP_IN_TEXT).finditer(raw):
            self._add_text(text, offsets, raw[at : found.start()], at)
            if found.group(1) is not None:
                text += found.group(1)
                offsets += range(*found.span(1))
            at = found.end()
        self._add_text(text, offsets, raw[at:], at)
        return bytes(text), offsets

    @staticmethod
    def _add_text(text: bytearray, offsets: list[int], piece: bytes, at: int) -> None:
        plain, places = decode_with_offsets(piece)
        text += plain
        offsets += [at + place for place in places]

    def _defuse_text(self, raw: bytes, offset: int) -> None:
        """Defuse the URLs of a style sheet in which character references count."""
        text, offsets = self._text(raw)
        places: dict[int, Ids] = {}

        def visit(at: int, url: bytes) -> None:
            ids = self.holder.css_url(url)
            if ids:
                places[offsets[at]] = ids

        for wide in self.holder.wide:
            css.scan(text, 0, len(text), visit, final=True, wide=wide)
        for at, ids in sorted(places.items()):
            self.page.held.update(ids)
            self.edit(offset + at, 0, defuse(ids))

    # -- XHTML

    def xml(self) -> bool:
        buffer = self.buffer
        while True:
            start = self.position
            position = NO_TAGS_XML.match(buffer, start).end()  # type: ignore[union-attr]
            self.position = position
            found = TAG.match(buffer, position)
            if found is None:
                if position >= len(buffer) or not self._xml_partial(position):
                    return self._wait_in_xml(start)
            elif found.group(1):
                self.position = found.end()
            elif not self._xml_start_tag(found):
                return False
            if self.mode is not Mode.DATA:
                return self._wait_in_xml(start) if self.in_prolog else True

    def _wait_in_xml(self, start: int) -> bool:
        """Wait for more; nothing goes out before the first tag, since the declarations may make the page unreadable."""
        if self.in_prolog and not self.final:
            if self.too_long(start):
                raise RefusedMarkup("what stands before the first element of an XHTML page is too long", "hold_back")
            self.position = start
            self.mode = Mode.DATA
        return False

    def _xml_start_tag(self, found: re.Match[bytes]) -> bool:
        self.in_prolog = False
        name = found.group(2).rpartition(b":")[2]
        if self.before_head and name == b"html":
            self.take_language(found.group())
        elif self.before_head and name != b"head":
            self.insert_first(found.start())
        if name in (b"script", b"style") and not self_closing(found):
            if not self._element_with_text(name, found):
                return False
        else:
            foreign = name not in _PLAIN_LINKS
            plan = self.holder.plan(Tag.read(name, found.group(), xml=True, foreign=foreign, removable=False))
            if plan is not None:
                self.apply(plan, found.start())
        self.position = found.end()
        if name == b"base":
            self.take_base(found.group())
        elif name == b"meta":
            self.take_policy(found.group(), found.start())
        elif name == b"head" and self.before_head:
            self.insert_first(found.end())
        elif name == b"body" and self.before_body:
            self.insert(found.end(), at_end=False)
        return True

    def _xml_partial(self, position: int) -> bool:
        """Take what is no complete tag in XML; return False to wait for more."""
        rest = bytes(self.buffer[position:])
        if rest.startswith(b"<?") and b"?>" in rest:
            # NO_TAGS_XML stops at a style sheet's instruction.
            end = rest.index(b"?>") + 2
            href = _STYLESHEET_HREF.search(rest, 0, end)
            if href:
                ids = self.holder.not_allowed(self.holder.url(href.group(1) or href.group(2) or b"")[0])
                if ids:
                    self.page.held.update(ids)
                    self.edit(position + 2, 0, b"cmw-")
            self.position = position + end
            return True
        if _DECLARES.match(rest):
            if b"<!DOCTYPE".startswith(rest[:9]) and b"[" not in rest and not self.too_long(position):
                return False
            raise RefusedMarkup("an XHTML page declares entities of its own, in which markup can hide", "content type")
        return self.partial(position)

    # -- what is cut

    def partial(self, position: int) -> bool:
        """Take a construct that is not complete; return False to wait for more."""
        buffer = self.buffer
        rest = len(buffer) - position
        head = bytes(buffer[position : position + _SHORT])
        if self.final:
            # As at the end of any page: an unclosed comment hides what follows, an unclosed tag is no tag.
            return False
        cdata = (self.holder.xml or (self.stack and self.stack[-1][1] != HTML)) and CDATA_START.startswith(head)
        if rest < 7 and b"<!-->".startswith(head[:4]) or (cdata and rest < _SHORT) or rest < 2 or head == b"</":
            return False
        if head.startswith(b"<!--"):
            self.mode = Mode.COMMENT
            self.position = position + 4
        elif cdata:
            self.mode = Mode.CDATA
            self.position = position + _SHORT
        elif head[1:2] in (b"!", b"?") or (head[1:2] == b"/" and not head[2:3].isalpha()):
            if self.holder.xml and head[1:2] == b"?":
                if self.too_long(position):
                    raise RefusedMarkup("a processing instruction is longer than hold_back", "hold_back")
                return False
            self.mode = Mode.BOGUS
            self.position = position + 2
        else:
            return self._partial_tag(position)
        return True

    def _partial_tag(self, position: int) -> bool:
        if self.watched != self.origin + position:
            self.watched = self.origin + position
            self.watch.reset()
        self.watch.may_end(self.buffer, position)
        if not self.too_long(position):
            return False
        name = re.match(rb"</?[^ \t\n\r\f/>]*", self.buffer[position:])
        if (
            self.buffer[position + 1 : position + 2] == b"/"
            or name is None
            or name.end() == len(self.buffer) - position
        ):
            raise RefusedMarkup("a tag without attributes is longer than hold_back", "hold_back")
        self.begin_long_tag(position)
        return True
