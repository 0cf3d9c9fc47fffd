"""
What may go on of an event handler that is held.

A handler is held for an address that it loads. Some have code of the site's own beside it: a button opens a menu and
loads a pixel. Held whole, the button would be dead for a visitor who says no. So the element gets a second handler of
the same name with the site's own statements, before the held one; a release puts the whole handler in its place.

The statements are told apart as those of a script are (:mod:`consent_mw.html.script_cut`), and what goes on is judged
as any handler is.
"""

from __future__ import annotations

import re

from consent_mw.html.script_cut import PieceReader
from consent_mw.html.script_cut import cut_of

__all__ = ["own_statements"]

#: What a handler returns at its end. A script cannot return, so this is set aside.
_RETURN = re.compile(rb"(?<![\w$.])return(?:\s++(?:true|false)|\s*+!\s*+[01])?\s*+;?\s*+\Z")


def own_statements(code: bytes, reader: PieceReader) -> bytes:
    """
    Return the statements of an event handler that may run while it is held; empty if it has to be held whole.

    Args:
        code: The text of the handler, in UTF-8.
        reader: Judges pieces of it.
    """
    if not code.isascii():
        return b""
    end = _RETURN.search(code)
    body = code[: end.start()] if end else code
    cut = cut_of(body, reader)
    if cut is None or cut.strict:
        return b""
    own = [text.strip() for text in cut.texts(held=False)]
    # A line break ends a statement that has no semicolon, and one more semicolon does no harm after any other.
    return b";".join([*own, end.group().strip()] if end else own)
