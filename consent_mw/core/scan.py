"""
Finds the tags of a page, asks what to hold in each, and notes the edits.

Follows https://html.spec.whatwg.org/#tree-construction only as far as it
changes how bytes become tags: namespaces, integration points, raw text; no
tree is built. XHTML is read by the rules of XML.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from consent_mw.core import css
from consent_mw.core.constructs import Constructs
from consent_mw.core.hold import TOO_LONG
from consent_mw.core.hold import Plan
from consent_mw.core.hold import attributes
from consent_mw.core.hold import defuse
from consent_mw.core.match import Ids
from consent_mw.core.reading import HTML
from consent_mw.core.reading import MATH
from consent_mw.core.reading import SVG
from consent_mw.core.reading import Mode
from consent_mw.core.tokens import BEFORE_BODY
from consent_mw.core.tokens import BREAKOUT
from consent_mw.core.tokens import CDATA_START
from consent_mw.core.tokens import MATH_INTEGRATION
from consent_mw.core.tokens import NO_TAGS
from consent_mw.core.tokens import NO_TAGS_XML
from consent_mw.core.tokens import RAW_TEXT
from consent_mw.core.tokens import SVG_INTEGRATION
from consent_mw.core.tokens import TAG
from consent_mw.core.tokens import VOID
from consent_mw.core.tokens import end_tag
from consent_mw.core.urls import decode_with_offsets
from consent_mw.core.urls import resolve
from consent_mw.errors import RefusedMarkup

#: Elements that may stand before the body.
_HEAD = frozenset(b"html head title meta link base basefont bgsound script style noscript template noframes".split())
#: What an old parser drops inside select, and every parser inside a frameset.
_DROPPED_IN_SELECT = frozenset(b"style title xmp iframe noembed noframes noscript plaintext svg math".split())
_DROPPED_IN_FRAMESET = _DROPPED_IN_SELECT - {b"noframes"} | {b"script", b"textarea"}
#: Elements that change how what follows is read: never passed over, even where they hold nothing.
_CHANGES_MODE = RAW_TEXT | frozenset(b"script svg math noscript plaintext select frameset template base body".split())

#: The longest beginning of a construct that says nothing yet: "<![CDATA[" and the comment "<!--->".
_SHORT = 9
_FONT_BREAKOUT = frozenset({b"color", b"face", b"size"})
_CDATA_MARKS = re.compile(rb"<!\[CDATA\[|\]\]>")
_STYLESHEET_HREF = re.compile(rb"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
#: Plans of longer tags are worked out each time: see Holder.
_KEPT_TAG_SIZE = 2048
#: HTML's own links, which fetch nothing by their href; anything else with an href in XML is taken for SVG.
_PLAIN_LINKS = frozenset({b"a", b"area", b"base", b"link"})


class Scanner(Constructs):
    """A reading that knows what to do between tags as well."""

    def run(self, buffer: bytearray, origin: int, *, final: bool) -> None:
        """Read on from the position, as far as ``buffer``, which begins at offset ``origin`` of the page, lets."""
        self.buffer, self.origin, self.final = buffer, origin, final
        steps: dict[Mode, Callable[[], bool]] = {
            Mode.DATA: self.data,
            Mode.COMMENT: self.comment,
            Mode.BOGUS: self.bogus,
            Mode.CDATA: self.cdata,
            Mode.RAW_TEXT: self.raw_text,
            Mode.STYLE: self.style,
            Mode.STYLE_COMMENT: self.style_comment,
            Mode.STYLE_TOKEN: self.style_token,
            Mode.SCRIPT: self.script,
            Mode.SCRIPT_TEXT: self.script_text,
            Mode.PLAINTEXT: self.plaintext,
            Mode.LONG_VALUE: self.long_value,
            Mode.LONG_TAG: self.long_tag,
        }
        while steps[self.mode]():
            pass
        if final:
            if self.before_body or self.at_end:
                self.insert(len(buffer), at_end=True)
            # A tag without its ">" at the end of the file is none, and a comment hides all behind it.
            self.position = len(buffer)

    def insert(self, offset: int, *, at_end: bool) -> None:
        """Place the banner, once; where there is nothing to place yet, try again before the end of the body."""
        give = self.page.insert
        assert give is not None  # before_body and at_end stand for it
        text = give(at_end, frozenset(self.page.held))
        self.before_body = False
        self.at_end = not text and not at_end
        if text:
            self.edit(offset, 0, text)

    def data(self) -> bool:
        """Read what is between tags, by the rules that hold here."""
        if self.holder.xml:
            return self._xml()
        if self.stack and self.stack[-1][1] != HTML:
            return self._foreign()
        return self._html()

    # -- HTML content

    def _html(self) -> bool:
        buffer = self.buffer
        size = len(buffer)
        position = self.position
        skip = self.syntax.skip.match
        plans = self.holder.plans
        plain = not self.stack and not self.in_noscript
        while True:
            if self.before_body:
                position = BEFORE_BODY.match(buffer, position).end()  # type: ignore[union-attr]
                if position < size and self._opens_body(position):
                    self.insert(position, at_end=False)
                    continue
            elif plain:
                position = skip(buffer, position).end()  # type: ignore[union-attr]
            else:
                position = NO_TAGS.match(buffer, position).end()  # type: ignore[union-attr]
            if position >= size:
                self.position = position
                return False
            found = TAG.match(buffer, position)
            if found is None:
                self.position = position
                return self._partial(position)
            if plain and plans.get(found.group(), 0) is None and not self.before_body:
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
                or self.holder.plans is not plans
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
        self._pop(entries[-1])

    def _pop(self, depth: int) -> None:
        self.stack = self.stack[:depth]
        # What is open in an outer integration point was not kept: "?" never matches, so doubt stays doubt.
        self.open = (b"?",) if any(inside == HTML for _, inside in self.stack) else ()

    def _html_start_tag(self, found: re.Match[bytes]) -> None:
        name = found.group(2).lower()
        start, end = found.span()
        if self.before_body and not self.template and name not in _HEAD:
            if name == b"frameset":
                self.before_body = False
            elif name != b"body":
                self.insert(start, at_end=False)
        if (self.in_select and name in _DROPPED_IN_SELECT) or (self.in_frameset and name in _DROPPED_IN_FRAMESET):
            other = self.copy()
            other.position = end
            self.page.fork(other)
        if self.stack and name not in VOID:
            self.open += (name,)
        if name == b"script":
            self.begin_script(found)
            return
        plan = self._plan(name, found.group())
        self.position = end
        if plan is not None:
            self.apply(plan, start)
            if plan.remove:
                self.edit(start, end - start, b"")
                self.leave_out = name == b"iframe"
        if name in _CHANGES_MODE:
            self._change_mode(name, found)

    def _change_mode(self, name: bytes, found: re.Match[bytes]) -> None:
        if name == b"noscript":
            self._noscript(found.end())
        elif name == b"style":
            self.mode = Mode.STYLE
            self.searched = self.position
            self.again = 0
        elif name in RAW_TEXT:
            self.mode = Mode.RAW_TEXT
            self.raw_name = name
        elif name in (SVG, MATH):
            if not _self_closing(found):
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
            self._base(found.group())
        elif name == b"body" and self.before_body and not self.template:
            self.insert(found.end(), at_end=False)

    def _plan(self, name: bytes, tag: bytes) -> Plan | None:
        holder = self.holder
        if self.stack or self.in_noscript or len(tag) > _KEPT_TAG_SIZE:
            return holder.plan(name, tag, in_noscript=self.in_noscript)
        if tag in holder.plans:
            return holder.plans[tag]
        plan = holder.plan(name, tag)
        if plan is not None or name not in _CHANGES_MODE:
            holder.plans[tag] = plan
        return plan

    def _base(self, tag: bytes) -> None:
        found = attributes(tag, 5, xml=self.holder.xml)
        if self.has_base or b"href" not in found:
            return
        self.has_base = True
        holder = self.holder
        base = resolve(holder.text(found[b"href"][0].raw), holder.page)
        if base.scheme not in ("data", "javascript") and base != holder.base:
            self.holder = holder.with_base(base)

    def _noscript(self, start: int) -> None:
        """
        Read what is text with scripts on and markup with scripts off.

        Mostly the markup ends where the text does, and one reading is
        enough. Where it does not (an end tag in an attribute or a comment)
        both are followed.
        """
        other = self.copy()
        other.in_noscript = True
        found = end_tag(b"noscript").search(self.buffer, start)
        if found is not None:
            inner = other.copy()
            inner.position = 0
            before = self.page.readings()
            size = found.start() - start
            inner.run(self.buffer[start : found.start()], self.origin + start, final=False)
            if inner.position == size and inner.mode is Mode.DATA and self.page.readings() == before:
                other.holder = inner.holder
                if inner.stands_as(other):
                    self.edits += inner.edits
                    self.holder, self.has_base = inner.holder, inner.has_base
                    self.position = found.start()
                    return
                other.holder = self.holder
            self.page.forget(before)
        self.page.fork(other)
        self.mode = Mode.RAW_TEXT
        self.raw_name = b"noscript"

    # -- foreign content: SVG and MathML

    def _foreign(self) -> bool:
        buffer = self.buffer
        while True:
            position = self.syntax.skip_foreign.match(buffer, self.position).end()  # type: ignore[union-attr]
            self.position = position
            if position >= len(buffer):
                return False
            found = TAG.match(buffer, position)
            if found is None:
                return self._partial(position)
            if found.group(1):
                self._foreign_end_tag(found)
            elif not self._foreign_start_tag(found):
                return False
            if self.mode is not Mode.DATA or not self.stack or self.stack[-1][1] == HTML:
                return True

    def _leave_foreign(self) -> None:
        depth = len(self.stack)
        while depth and self.stack[depth - 1][1] != HTML:
            depth -= 1
        self.stack = self.stack[:depth]

    def _foreign_end_tag(self, found: re.Match[bytes]) -> None:
        name = found.group(2).lower()
        self.position = found.end()
        if name in (b"p", b"br"):
            self._leave_foreign()
            return
        for depth in range(len(self.stack) - 1, -1, -1):
            if self.stack[depth][0] == name:
                if any(inside == HTML for _, inside in self.stack[depth + 1 :]):
                    self.page.fork(self.copy())
                self._pop(depth)
                return
        # It may close an HTML element around all this, and so this too: follow both readings.
        other = self.copy()
        assert isinstance(other, Scanner)  # copy() keeps the class
        other._leave_foreign()
        self.page.fork(other)

    def _foreign_start_tag(self, found: re.Match[bytes]) -> bool:
        """Take a start tag; return False where its content must be waited for."""
        name = found.group(2).lower()
        tag = found.group()
        start, end = found.span()
        inside = self.stack[-1][1]
        if name in BREAKOUT or (name == b"font" and _FONT_BREAKOUT & attributes(tag, 5).keys()):
            self._leave_foreign()
            return True
        closing = _self_closing(found)
        if name in (b"script", b"style") and not closing:
            if not self._element_with_text(name, found):
                return False
        else:
            plan = self.holder.plan(name, tag, foreign=True, in_noscript=self.in_noscript)
            if plan is not None:
                self.apply(plan._replace(remove=False), start)
        self.position = end
        if not closing:
            self._push(name, tag, inside)
        return True

    def _push(self, name: bytes, tag: bytes, inside: bytes) -> None:
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
        close = end_tag(name).search(self.buffer, max(end, self.searched))
        too_long = close is None and self.too_long(start)
        if close is None and not self.final and not too_long:
            self.searched = max(end, len(self.buffer) - 9)
            return False
        self.searched = 0
        stop = close.start() if close else len(self.buffer)
        raw = bytes(self.buffer[end:stop])
        if name == b"style":
            if too_long:
                raise RefusedMarkup("a style sheet in SVG or XHTML is longer than hold_back", "hold_back")
            self._defuse_text(raw, end)
            return True
        text = self.holder.text(_CDATA_MARKS.sub(b"", raw)).encode("utf-8", "replace")
        ids: Ids = (TOO_LONG,) if too_long else self.holder.code(text)
        plan = self.holder.plan(name, found.group(), foreign=not self.holder.xml, in_noscript=False, script=ids)
        if plan is not None:
            self.apply(plan._replace(remove=False), start)
        return True

    def _defuse_text(self, raw: bytes, offset: int) -> None:
        """Defuse the URLs of a style sheet in which character references count."""
        text, offsets = decode_with_offsets(raw)

        def visit(at: int, url: bytes) -> None:
            ids = self.holder.css_url(url)
            if ids:
                self.page.held.update(ids)
                self.edit(offset + offsets[at], 0, defuse(ids))

        css.scan(text, 0, len(text), visit, final=True)

    # -- XHTML

    def _xml(self) -> bool:
        buffer = self.buffer
        while True:
            position = NO_TAGS_XML.match(buffer, self.position).end()  # type: ignore[union-attr]
            self.position = position
            if position >= len(buffer):
                return False
            found = TAG.match(buffer, position)
            if found is None:
                if not self._xml_partial(position):
                    return False
            elif found.group(1):
                self.position = found.end()
            elif not self._xml_start_tag(found):
                return False
            if self.mode is not Mode.DATA:
                return True

    def _xml_start_tag(self, found: re.Match[bytes]) -> bool:
        name = found.group(2).rpartition(b":")[2]
        if name in (b"script", b"style") and not _self_closing(found):
            if not self._element_with_text(name, found):
                return False
        else:
            foreign = name not in _PLAIN_LINKS
            plan = self.holder.plan(name, found.group(), foreign=foreign, in_noscript=self.in_noscript)
            if plan is not None:
                self.apply(plan._replace(remove=False), found.start())
        self.position = found.end()
        if name == b"base":
            self._base(found.group())
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
        if re.match(rb"<!(?!--|\[)[^>]*\[", rest):
            raise RefusedMarkup("an XHTML page declares entities of its own, in which markup can hide", "content type")
        return self._partial(position)

    # -- what is cut

    def _partial(self, position: int) -> bool:
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
        if self.buffer[position + 1 : position + 2] == b"/" or not self.watch.attribute:
            raise RefusedMarkup("a tag without attributes is longer than hold_back", "hold_back")
        self.begin_long_tag(position)
        return True

    def after_long_tag(self) -> None:
        """Go on behind a start tag that was settled piece by piece."""
        name = self.long_name
        self.mode = Mode.DATA
        if self.holder.xml or (self.stack and self.stack[-1][1] != HTML):
            return
        if name == b"script":
            self.content = self.position
            self.mode = Mode.SCRIPT_TEXT
        elif name in RAW_TEXT:
            self.mode = Mode.STYLE if name == b"style" else Mode.RAW_TEXT
            self.raw_name = name
            self.searched = self.position
        elif name in (SVG, MATH):
            self.stack += ((name, name),)
        elif name in _CHANGES_MODE:
            raise RefusedMarkup(f"a <{name.decode('ascii', 'replace')}> tag is longer than hold_back", "hold_back")


def _self_closing(found: re.Match[bytes]) -> bool:
    """Whether the tag ends in a slash that is not part of an unquoted value."""
    tag = found.group()
    if tag[-2:-1] != b"/":
        return False
    values = attributes(tag, found.end(2) - found.start()).values()
    return not any(value.end == len(tag) - 1 for entries in values for value in entries)
