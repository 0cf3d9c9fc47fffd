"""
What is between tags: comments, raw text, scripts, style sheets, and tags too long to keep back.

Each method reads on in its mode and returns whether the mode changed, so
that there is more to read; otherwise it waits for more bytes.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Set

from consent_mw.errors import RefusedMarkup
from consent_mw.html import css
from consent_mw.html.elements import Tag
from consent_mw.html.elements import executes
from consent_mw.html.holder import TOO_LONG
from consent_mw.html.holder import defuse
from consent_mw.html.match import Ids
from consent_mw.html.scanner.state import HTML
from consent_mw.html.scanner.state import Mode
from consent_mw.html.scanner.state import Place
from consent_mw.html.scanner.state import Reading
from consent_mw.html.tokens import ATTRIBUTE
from consent_mw.html.tokens import COMMENT_END
from consent_mw.html.tokens import OPEN_VALUE
from consent_mw.html.tokens import TAG
from consent_mw.html.tokens import ScriptEnd
from consent_mw.html.tokens import TagWatch
from consent_mw.html.tokens import end_tag

#: A style sheet's token that is longer is looked at again when it has doubled, not with every chunk.
_LONG_TOKEN = 4096

#: An end tag that is not complete: "</style" and what must follow.
_STYLE_TAIL = 8

_IMPORTED = re.compile(rb"\b(?:from|import)\s*\(?\s*[\"'`]([^\"'`]+)[\"'`]")
_JSON_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:\s*"((?:[^"\\]|\\.)*)"')


class Constructs(Reading):
    """The modes in which no tag begins."""

    def comment(self) -> bool:
        """Pass a comment on to its end."""
        found = COMMENT_END.search(self.buffer, self.position)
        if found is None:
            self.position = max(self.position, len(self.buffer) - 3)
            return False
        self.position = found.end()
        self.mode = Mode.DATA
        return True

    def until(self, end: bytes) -> bool:
        """Pass on everything up to ``end``, then go on between tags."""
        at = self.buffer.find(end, self.position)
        if at < 0:
            self.position = max(self.position, len(self.buffer) - len(end) + 1)
            return False
        self.position = at + len(end)
        self.mode = Mode.DATA
        return True

    def bogus(self) -> bool:
        """Pass a bogus comment on, which ends at the first ">"."""
        return self.until(b">")

    def cdata(self) -> bool:
        """
        Pass a CDATA section on.

        A browser that looks ahead for what to fetch knows no foreign content:
        to it the section is a comment that ends at the first ">".
        """
        if not self.followed and not self.holder.xml:
            at = self.buffer.find(b">", self.position)
            if at < 0:
                self.position = max(self.position, len(self.buffer) - 2)
                return False
            self.position = max(self.position, at - 2)
            if self.buffer[self.position : at] != b"]]":
                self.follow_flat(at + 1)
                self.followed = True
        if not self.until(b"]]>"):
            return False
        self.followed = False
        return True

    def follow_flat(self, position: int) -> None:
        """Follow from ``position`` on who reads the page without knowing foreign content."""
        other = self.copy()
        other.position = position
        other.stack = ()
        other.open = ()
        self.page.fork(other)

    def plaintext(self) -> bool:
        """Pass everything on: nothing ends ``plaintext``."""
        self.position = len(self.buffer)
        return False

    # -- raw text

    def raw_text(self) -> bool:
        """Pass the text of an element on to its end tag."""
        found = end_tag(self.raw_name).search(self.buffer, self.position)
        stop = found.start() if found else max(self.position, len(self.buffer) - len(self.raw_name) - 2)
        if self.leave_out:
            if found is not None:
                closing = TAG.match(self.buffer, stop)
                if closing is None and not self.final:
                    return False
                stop = closing.end() if closing else len(self.buffer)
                self.leave_out = False
            self.edit(self.position, stop - self.position, b"")
        self.position = stop
        if found is None:
            return False
        self.mode = Mode.DATA
        return True

    # -- style sheets

    def _style_region(self) -> tuple[int, bool, bool]:
        """Return how far the style sheet is known to go, whether it ends there, and whether its end tag is there."""
        found = end_tag(b"style").search(self.buffer, max(self.position, self.searched))
        if found:
            return found.start(), True, True
        size = len(self.buffer)
        self.searched = max(self.position, size - _STYLE_TAIL)
        return (size, True, False) if self.final else (self.searched, False, False)

    def _defuse(self, offset: int, raw: bytes) -> None:
        ids = self.holder.css_url(raw)
        if ids:
            self.page.held.update(ids)
            self.edit(offset, 0, defuse(ids))

    def begin_style(self) -> None:
        """Go on with the style sheet that begins at the position."""
        self.mode = Mode.STYLE
        self.searched = self.content = self.position
        self.again = 0
        self.wide = None

    def _read_bytes_as(self, end: int) -> str:
        """Return how to read the style sheet's bytes; where it cannot be told, follow the other ways besides."""
        first, *others = self.holder.wide
        if self.wide is None and others and css.AMBIGUOUS.search(self.buffer, self.position, end):
            self.wide = first
            for wide in others:
                other = self.copy()
                other.begin_style()
                other.searched, other.wide = self.searched, wide
                self.page.fork(other)
        return first if self.wide is None else self.wide

    def style(self) -> bool:
        """Defuse the URLs of a style element."""
        end, ends, closed = self._style_region()
        if not ends and end - self.position < self.again:
            return False
        wide = self._read_bytes_as(end)
        if closed and self.position == self.content and self.wide is None:
            # The whole style sheet is there, as it mostly is: it may be one that other pages have too.
            self._whole_style(end, wide)
            return True
        self.position, in_comment = css.scan(self.buffer, self.position, end, self._defuse, final=ends, wide=wide)
        self.again = 0
        if ends:
            self.mode = Mode.DATA if closed else self.mode
            return closed
        if in_comment:
            self.mode = Mode.STYLE_COMMENT
            return True
        pending = end - self.position
        most = self.holder.policy.hold_back - _STYLE_TAIL
        if pending > most:
            # What is at hand of the token decides; the rest of it passes.
            css.scan(self.buffer, self.position, end, self._defuse, final=True, wide=wide)
            self.quote = css.terminator(self.buffer, self.position, end, wide)
            self.position = end
            self.mode = Mode.STYLE_TOKEN
            return True
        if pending > _LONG_TOKEN:
            self.again = min(2 * pending, most + 1)
        return False

    def _whole_style(self, end: int, wide: str) -> None:
        start, text = self.position, bytes(self.buffer[self.position : end])
        self.position = end
        self.mode = Mode.DATA
        key = b"<style>" + text
        known = self.holder.memory.pieces.get(key)
        if known is not None:
            self.apply_known(known, start)
            return
        before, held, self.page.held = len(self.edits), self.page.held, set()
        css.scan(self.buffer, start, end, self._defuse, final=True, wide=wide)
        self.keep(key, start, before)
        held.update(self.page.held)
        self.page.held = held

    def style_comment(self) -> bool:
        """Pass a comment of a style sheet on."""
        end, ends, closed = self._style_region()
        at = self.buffer.find(b"*/", self.position, end)
        if at >= 0:
            self.position = at + 2
            self.mode = Mode.STYLE
            return True
        self.position = end if ends else max(self.position, end - 1)
        if closed:
            self.mode = Mode.DATA
        return closed

    def style_token(self) -> bool:
        """Pass the rest of a string or URL on that was too long to keep back."""
        end, ends, closed = self._style_region()
        wide = self._read_bytes_as(end)
        self.position, over = css.rest_of_token(self.buffer, self.position, end, self.quote, wide)
        if over:
            self.position += 1
            self.mode = Mode.STYLE
            return True
        if ends:
            self.position = end
        if closed:
            self.mode = Mode.DATA
        return closed

    # -- scripts

    def begin_script(self, found: re.Match[bytes]) -> None:
        """Take the start tag of a script: one with content to look at waits for its end."""
        tag = found.group()
        start, end = found.span()
        close = end_tag(b"script").search(self.buffer, end)
        piece = b""
        if close is not None and not self.mapped and self.buffer.find(b"<!--", end, close.start()) < 0:
            piece = bytes(self.buffer[start : close.start()])
            known = self.holder.memory.pieces.get(piece)
            if known is not None:
                before = len(self.edits)
                self.apply_known(known, start)
                self.leave_queue(before, start, known.held, piece[end - start :])
                self.position = close.start()
                return
        before, held, self.page.held = len(self.edits), self.page.held, set()
        self._settle_script(tag, start, end)
        if piece and self.script_kind != "importmap" and self.mode is Mode.DATA and not self.holder.policy.remove:
            self.keep(piece, start, before)
        found_in = self.page.held
        held.update(found_in)
        self.page.held = held
        if self.mode is not Mode.SCRIPT:
            self.leave_queue(before, start, found_in, piece[end - start :])

    def _settle_script(self, tag: bytes, start: int, end: int) -> None:
        self.script_kind, fetched = self.holder.script(tag)
        self.script_end = ScriptEnd()
        self.content = end
        if self.script_kind and (not fetched or self.holder.policy.remove):
            self.position = start
            self.mode = Mode.SCRIPT
            self._take_script()
            return
        plan = self.holder.script_plan(tag, ())
        if plan is not None:
            self.apply(plan, start)
        self.position = end
        self.mode = Mode.SCRIPT_TEXT
        self.script_text()

    def script_text(self) -> bool:
        """Pass the content of a script on, whose start tag is settled."""
        end = self.script_end.find(self.buffer, self.content, final=self.final)
        if end < 0:
            self.position = max(self.position, min(self.content + self.script_end.at, len(self.buffer)))
            return False
        self.position = end
        self.mode = Mode.DATA
        return True

    def script(self) -> bool:
        """Look at the content of a script when it is there, and settle its start tag."""
        before, start, content = len(self.edits), self.position, self.content
        held, self.page.held = self.page.held, set()
        taken = self._take_script()
        if taken:
            self.leave_queue(before, start, self.page.held, bytes(self.buffer[content : self.position]))
        held.update(self.page.held)
        self.page.held = held
        return taken

    def leave_queue(self, before: int, start: int, held: Set[str], code: bytes) -> None:
        """Leave the globals of a held script that begins at ``start``, ahead of the edits from ``before`` on."""
        give = self.page.queue
        if not held or give is None or self.in_noscript or self.template:
            return
        place = Place(False, frozenset(self.page.held), self.holder.base.host != self.holder.page.host)
        text = give(place._replace(policies=tuple(self.page.policies)), tuple(sorted(held)), code)
        if text:
            self.edits.insert(before, (self.origin + start, 0, text))

    def _take_script(self) -> bool:
        end = self.script_end.find(self.buffer, self.content, final=self.final)
        too_long = end < 0 and self.too_long(self.position)
        if end < 0 and not self.final and not too_long:
            return False
        content = bytes(self.buffer[self.content : end if end >= 0 else len(self.buffer)])
        start = self.position
        tag = bytes(self.buffer[start : self.content])
        ids = (TOO_LONG,) if too_long and self.script_kind != "importmap" else self._script_ids(content)
        plan = self.holder.script_plan(tag, ids)
        if plan is not None and plan.remove:
            closing = TAG.match(self.buffer, end) if end >= 0 else None
            if end >= 0 and closing is None and not self.final:
                return False
            self.page.held.update(plan.held)
            stop = closing.end() if closing else len(self.buffer)
            self.edit(start, stop - start, b"")
            self.position = stop
            self.leave_out = too_long
            self.raw_name = b"script"
            self.mode = Mode.RAW_TEXT if too_long else Mode.DATA
            return True
        if plan is not None:
            self.apply(plan, start)
        self.position = end if end >= 0 else self.content
        self.mode = Mode.DATA if end >= 0 else Mode.SCRIPT_TEXT
        return True

    def _script_ids(self, content: bytes) -> Ids:
        holder = self.holder
        if self.script_kind == "importmap":
            self._learn_map(content)
            return ()
        ids = holder.code(content)
        if self.mapped and not ids:
            for found in _IMPORTED.finditer(content):
                name = found.group(1).decode("utf-8", "replace")
                ids = holder.not_allowed(
                    next((holder.specifiers[key] for key in self.mapped if name == key or _under(name, key)), ())
                )
                if ids:
                    break
        return ids

    def _learn_map(self, content: bytes) -> None:
        """Remember which names an import map sends to a held address: the map stays, what imports them is held."""
        holder = self.holder
        for name, address in _JSON_PAIR.findall(content.decode("utf-8", "replace")):
            ids = holder.not_allowed(holder.policy.matcher.url(_json_text(address), holder.base, holder.page))
            if ids:
                name = _json_text(name)
                holder.specifiers[name] = ids
                self.mapped |= {name}

    # -- tags that are too long

    def begin_long_tag(self, start: int) -> None:
        """
        Settle the beginning of a start tag that is longer than what may be kept back.

        The attributes that are there are settled as in any tag; those that
        follow are, each by itself.
        """
        watch = TagWatch()
        watch.may_end(self.buffer, start)
        tag = bytes(self.buffer[start : start + watch.attribute]) + b">"
        holder = self.holder
        name = self.long_name_of(tag)
        if holder.xml:
            name = name.rpartition(b":")[2]
        self.long_foreign = holder.xml or bool(self.stack and self.stack[-1][1] != HTML)
        whole = Tag.read(
            name, tag, xml=holder.xml, foreign=self.long_foreign, in_noscript=self.in_noscript, removable=False
        )
        found = whole.attributes
        if name == b"script" and executes(found, holder.text) and b"src" not in found:
            # Its content is not waited for as well.
            whole = whole._replace(code=(TOO_LONG,))
        plan = holder.plan(whole)
        if plan is not None:
            self.apply(plan, start)
        self.long_name = name
        self.long_seen = frozenset(found)
        self.slash = False
        self.position = start + watch.attribute
        self.mode = Mode.LONG_TAG

    def long_value(self) -> bool:
        """Pass the rest of a long attribute value on."""
        found = _END_OF_LONG[self.quote].search(self.buffer, self.position)
        if found is None:
            self.position = len(self.buffer)
            return False
        self.position = found.end()
        self.mode = Mode.LONG_TAG
        return True

    def long_tag(self) -> bool:
        """Settle the attributes of a long tag, each by itself."""
        buffer = self.buffer
        while True:
            position = _GAP.match(buffer, self.position).end()  # type: ignore[union-attr]
            if position > self.position:
                self.slash = buffer[position - 1] == 0x2F
                self.position = position
            if position >= len(buffer):
                return False
            if buffer[position] == 0x3E:
                self.position = position + 1
                self.mode = Mode.DATA
                self.after_long_tag()
                return True
            found = ATTRIBUTE.match(buffer, position)
            assert found is not None  # noqa: S101 -- any byte but a separator or ">" begins a name
            opened = OPEN_VALUE.match(buffer, position)
            end = found.end()
            if not _is_whole(buffer, found, opened):
                if not self.too_long(position):
                    return False
                if opened is None or opened.end() == len(buffer):
                    raise RefusedMarkup("a tag is longer than hold_back", "hold_back")
                self.quote = bytes(opened.group(2))
                self._late_attribute(opened.group(1).lower(), bytes(buffer[position:]) + self.quote, cut=True)
                self.position = len(buffer)
                self.mode = Mode.LONG_VALUE
                return True
            self._late_attribute(found.group(1).lower(), bytes(found.group()), cut=False)
            self.slash = False
            self.position = end

    def _late_attribute(self, key: bytes, raw: bytes, *, cut: bool) -> None:
        """Settle the attribute at the position; of a value that is cut, ``raw`` has the beginning."""
        if key in self.long_seen:
            return
        self.long_seen |= {key}
        tag = b"<" + self.long_name + b" " + raw + b">"
        xml = self.holder.xml
        late = Tag.read(self.long_name, tag, xml=xml, foreign=self.long_foreign, removable=False)
        plan = self.holder.plan(late._replace(late=True, cut=cut))
        if plan is None:
            return
        if self.holder.xml or key == b"data-consent":
            # An attribute more than once is no XHTML, and what the author's mark is for is out already.
            raise RefusedMarkup("a tag is longer than hold_back", "hold_back")
        self.page.held.update(plan.held)
        held = b"data-cmw-held=" + ",".join(plan.held).encode() + b" " if plan.held else b""
        self.edit(self.position, 0, held + b"data-cmw-")

    def long_name_of(self, tag: bytes) -> bytes:
        """Return the element's name, in lower case where case does not count."""
        name = bytes(re.match(rb"</?([^ \t\n\r\f/>]*)", tag).group(1))  # type: ignore[union-attr]
        return name if self.holder.xml else name.lower()

    @abstractmethod
    def after_long_tag(self) -> None:
        """Go on behind a start tag that was settled piece by piece."""


_GAP = re.compile(rb"[ \t\n\r\f/]*+")
_SPACES = re.compile(rb"[ \t\n\r\f]*+")
#: The end of an attribute's value, by its quote.
_END_OF_LONG = {b'"': re.compile(rb'"'), b"'": re.compile(rb"'"), b"": re.compile(rb"(?=[ \t\n\r\f>])")}


def _is_whole(data: bytearray, found: re.Match[bytes], opened: re.Match[bytes] | None) -> bool:
    """Whether an attribute of a tag that goes on ends where it seems to, of which ``opened`` is up to its value."""
    if found.lastindex == 1:
        # Its value may be cut, or still to come behind white space.
        end = _SPACES.match(data, found.end()).end()  # type: ignore[union-attr]
        return end < len(data) and (opened is None or opened.end() <= found.end())
    return found.lastindex != 4 or found.end() < len(data)


def _json_text(quoted: str) -> str:
    """Return the text of a JSON string without its quotes, escapes decoded as far as they are right."""
    try:
        return str(json.loads(f'"{quoted}"', strict=False))
    except ValueError:
        return quoted


def _under(name: str, key: str) -> bool:
    return key.endswith("/") and name.startswith(key)
