"""
Puts several scripts in the place of one, so that the site's own statements in a held script go on.

:mod:`consent_mw.html.script_cut` decides where to cut. At each cut an end tag and a copy of the start tag are
inserted. If statements were divided, their halves are in different parts, so the code of the script is replaced by that
of its parts. The copy has all attributes but the id, which only one element may have. A held part is a
held script like any other, with the globals of its services before it, and a release runs it where it stands.

Some scripts stay whole: those in a fragment, a template, noscript, XHTML or a document inside an attribute; those that
the author has marked, or whose tag has attributes that do not belong on an inline script; those beside which an embed
appears; those after an import map with held addresses; and those of a page that can be read in several ways. If a
policy of the page may allow the script by its hash, which a cut would change, only a script with a nonce is cut.
"""

from __future__ import annotations

import re

from consent_mw.html.code import Ids
from consent_mw.html.elements import attributes
from consent_mw.html.hold_policy import PREFIX
from consent_mw.html.scanner.cursor import Cursor
from consent_mw.html.scanner.document import Document
from consent_mw.html.script_cut import Cut
from consent_mw.html.script_cut import cut_of

#: The longest start tag that is copied, in bytes.
_LONGEST_TAG = 512
#: The attributes that a script to be cut may have.
_PLAIN = re.compile(rb"type|language|nonce|charset|id|class|async|defer|crossorigin|data-(?!cmw-|consent\Z|.*src\Z).+")
#: Stands for the cut of a script that was not determined yet; None is a script that stays whole.
_NOT_KNOWN = Cut((), strict=False, code=b"")
_STRICT = b'"use strict";'
_END = b"</script>"
#: Charsets in which a byte below 128 is always that character of ASCII.
_PLAIN_CHARSETS = frozenset({"utf-8", "cp1252", "latin-1", "iso8859-1", "iso8859-15", "cp1250", "cp1251", "ascii"})


class ScriptCutter:
    """Cuts scripts of one reading of a page."""

    def __init__(self, cursor: Cursor, document: Document) -> None:
        self._cursor = cursor
        self._document = document

    def would_cut(self, tag: bytes, code: bytes) -> bool:
        """Return whether a script is cut when it is to be held."""
        known = self._document.holder.memory.cuts.get(code, _NOT_KNOWN)
        return known is not None and self._may_cut(tag, code) and self._cut(code) is not None

    def apply(self, tag: bytes, code: bytes, start: int, ids: Ids) -> bool:
        """
        Cut a script that is to be held, if possible; return whether that was done.

        Args:
            start: Where its start tag stands in the buffer.
        """
        cut = self._cut(code) if self._may_cut(tag, code) else None
        plan = self._document.holder.script_plan(tag, ids) if cut is not None else None
        copy = _copied(tag)
        held = self._document.holder.script_plan(copy, ids) if cut is not None else None
        if cut is None or plan is None or held is None or plan.remove:
            return False
        document, cursor = self._document, self._cursor
        directive = _STRICT if cut.strict else b""
        at, whole = start + len(tag), cut.code == code
        moved: list[bytes] = []
        for part in cut.parts:
            text = cut.code[part.start : part.end]
            if part.start:
                opening = document.globals_before(set(ids), text) + _edited(copy, held.edits) if part.held else copy
                between = _END + opening + directive
                if whole:
                    cursor.edit(at + part.start, 0, between)
                text = between + text
            elif part.held:
                before = len(cursor.edits)
                document.apply(plan, start)
                document.before_script(before, start, set(ids), tag, text)
            moved.append(text)
        if not whole:
            # The halves of a statement are in different parts, so the code is left out and put in again: each part at a
            # place of its own, since every insertion gets one key.
            for number, text in enumerate(moved[:-1]):
                cursor.edit(at + number, 1, text)
            cursor.edit(at + len(moved) - 1, len(code) - len(moved) + 1, moved[-1])
        document.page.held.update(plan.held)
        return True

    def _may_cut(self, tag: bytes, code: bytes) -> bool:
        document = self._document
        holder, page = document.holder, document.page
        if len(tag) > _LONGEST_TAG or page.queue is None or not document.is_sole or document.mapped:
            return False
        if holder.xml or holder.depth or holder.policy.remove or PREFIX in tag.lower():
            return False
        if not code.isascii() and holder.charset not in _PLAIN_CHARSETS:
            return False
        found = attributes(tag, 7)
        if holder.script(tag) != ("classic", False) or not all(map(_PLAIN.fullmatch, found)):
            return False
        if not (b"nonce" in found or document.allows_new_code):
            return False
        return not holder.element_ids(b"script", found) and not holder.script_panel(tag, code)

    def _cut(self, code: bytes) -> Cut | None:
        holder = self._document.holder
        cuts = holder.memory.cuts
        if code not in cuts:
            cut = cut_of(code, holder)
            if not holder.room_for(code):
                return cut
            cuts[code] = cut
        return cuts[code]


def _copied(tag: bytes) -> bytes:
    """Return a start tag like this one without an id."""
    kept = [
        tag[one.start : one.end] for key, values in attributes(tag, 7).items() if key != b"id" for one in values[:1]
    ]
    return b" ".join([b"<script", *kept]) + b">"


def _edited(tag: bytes, edits: tuple[tuple[int, int, bytes], ...]) -> bytes:
    """Return a start tag with these edits."""
    parts: list[bytes] = []
    at = 0
    for place, left_out, inserted in edits:
        parts += [tag[at:place], inserted]
        at = place + left_out
    return b"".join([*parts, tag[at:]])
