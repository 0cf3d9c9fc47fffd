"""
Cuts a script that is to be held, so that the site's own statements in it go on.

Many sites have one inline script with a vendor's snippet and code of their own: a menu, a form, a variable for other
scripts. Held whole, it would take all of that from a visitor who says no. So the page gets several scripts in its
place, one after the other: those with the vendor's statements are held like any other script, the others run.

Theory of operation
-------------------

Statements whose block has both are divided first (:mod:`consent_mw.html.script_divide`). If the result cannot be cut,
the script as it is may be.

:func:`cut_of` reads the top-level statements of the script (:mod:`consent_mw.html.statements`) and the names in them
(:mod:`consent_mw.html.script_names`). It holds a statement

1. that contains an address or a call of a service which may not run, in code or in a string, or that uses one of the
   globals of the services for which the script is held, other than in a function that is called later;
2. that uses what a held statement declares or writes, at once or in a function that is called later, unless a stand-in
   is there for it (:mod:`consent_mw.html.definitions`) or the function asks whether it exists; or that writes it, too;
3. that has to do with nothing but an element which a held statement fills, such as a script in the making, or that
   fills an object of somebody else's which a held statement uses: the vendor's settings.

A script that calls a service without an address of it is not cut. It is held where no stand-in answers the call, and
then all of it belongs to that service as far as anybody can tell.

The rest is then judged as any script is: all of it together has to be one that would not be held. That is the whole
proof that nothing leaves: what the page gets is what an owner could have written, and each part is judged as such. The
names only decide how well the rest works. If anything is unclear, if the rest would be held, if a statement writes a
piece of a tag into the page, or if a part needs at once what a later part declares (one script would have hoisted it),
the script is held whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Iterable
from itertools import groupby
from itertools import pairwise
from typing import NamedTuple

from consent_mw.html.code import Code
from consent_mw.html.code import Ids
from consent_mw.html.definitions import renamed_in
from consent_mw.html.script_divide import Divider
from consent_mw.html.script_reading import IDENTIFIER
from consent_mw.html.script_ties import PieceReader
from consent_mw.html.script_ties import ScriptPart
from consent_mw.html.script_ties import ties_of
from consent_mw.html.statements import split

__all__ = ["Cut", "PieceReader", "ScriptPart", "cut_of"]

#: The longest script that is cut, in bytes; a longer one is an application.
_LONGEST = 65_536
#: The most parts; each costs the page a start tag and an end tag.
_MOST_PARTS = 8
#: Code that finds its own script element, which a cut would replace.
_FINDS_ITSELF = re.compile(rb"currentScript|\bscripts\s*\[|\bscripts\s*\.\s*length|scripts\s*\.\s*item\b")
_SCRIPT_TAG = re.compile(rb"<script", re.I)
_WRITES = re.compile(rb"\.\s*write(?:ln)?\s*\(")
#: The start and the end of a tag, also in an encoded text.
_TAG_START, _TAG_END = re.compile(rb"<|%3c|\\x3c|\\u003c", re.I), re.compile(rb">|%3e|\\x3e|\\u003e", re.I)
#: Code that gives the window members whose names cannot be told.
_NAMES_UNKNOWN = re.compile(
    rb"\bObject\s*\.\s*(?:assign|define\w+)\s*\(\s*(?:window|self|globalThis|this)\b|\bwith\s*\("
)


class Cut(NamedTuple):
    """
    The parts of a script.

    Args:
        code: The text that they are parts of: the script, with some of its functions divided.
        strict: Whether each part must be marked as strict code, since the script is.
    """

    parts: tuple[ScriptPart, ...]
    strict: bool
    code: bytes

    def texts(self, *, held: bool) -> list[bytes]:
        """Return the parts that are held, or the others."""
        return [self.code[part.start : part.end] for part in self.parts if part.held is held]


def cut_of(code: bytes, reader: PieceReader) -> Cut | None:
    """
    Return the parts of a classic script that is to be held; None if it has to be held whole.

    Args:
        code: The text of the script, in an encoding whose bytes below 128 are ASCII.
        reader: Judges pieces of it.
    """
    if len(code) > _LONGEST or _FINDS_ITSELF.search(code):
        return None
    if b"<!--" in code and _SCRIPT_TAG.search(code):
        return None  # a start tag after this mark decides where the script ends
    ids = reader.script_code(code).all
    if not ids:
        return None
    roots = _roots(code, ids, reader)
    for text in dict.fromkeys((Divider(ids, roots, reader).divided(code), code)):
        if cut := _cut(text, ids, roots, reader):
            return cut
    return None


def _cut(code: bytes, ids: Ids, roots: frozenset[bytes], reader: PieceReader) -> Cut | None:
    """Return the parts of a script whose functions stay as they are."""
    found = split(code)
    if found is None or len(found.ends) - found.directives < 2:
        return None
    ties = ties_of(code, found, roots, ids)
    names, texts = ties.names, ties.texts
    held = ties.held(reader)
    if any(_NAMES_UNKNOWN.search(texts[number]) for number in held) or any(map(_writes_a_piece, texts)):
        return None
    named = {id_ for number in held for id_ in reader.mentions(texts[number])}
    has_calls = any(names[number].called for number in held)
    if not named.issuperset(ids) or (has_calls and not any(reader.addresses_in(texts[number]) for number in held)):
        return None
    parts = _parts(found.ends, held, found.directives)
    left = b"\n".join(texts[number] for number in range(len(texts)) if number not in held)
    if not 1 < len(parts) <= _MOST_PARTS or not IDENTIFIER.search(left) or not _may_run(reader.script_code(left), ids):
        return None
    return Cut(parts, found.strict, code) if ties.are_in_order(parts, found.ends) else None


def _may_run(code: Code, ids: Ids) -> bool:
    """Return whether a script with this code may run if these services are held in the same page."""
    return not code.ids and not code.names and set(code.calls) <= set(ids)


def _writes_a_piece(text: bytes) -> bool:
    """Return whether a statement may write a part of a tag into the page, which the next statement completes."""
    ends = len(_TAG_END.findall(text.replace(b"=>", b"")))
    return bool(_WRITES.search(text)) and len(_TAG_START.findall(text)) != ends


def _roots(code: bytes, ids: Ids, reader: PieceReader) -> frozenset[bytes]:
    """Return the globals of the services for which a script is held, also those to which it gave other names."""
    roots = reader.globals_of(ids)
    return frozenset(name.encode() for name in (*roots, renamed_in(code.decode("latin-1"), roots)) if name)


def _parts(ends: Iterable[int], held: Collection[int], directives: int) -> tuple[ScriptPart, ...]:
    """Return the parts of a script; its directives go with what follows them."""
    spans = list(enumerate(pairwise([0, *ends])))
    kinds = ((number in held or (number < directives and directives in held), span) for number, span in spans)
    parts: list[ScriptPart] = []
    for is_held, group in groupby(kinds, key=lambda one: one[0]):
        several = [span for _, span in group]
        parts.append(ScriptPart(several[0][0], several[-1][1], is_held))
    return tuple(parts)
