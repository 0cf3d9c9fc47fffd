"""
Which addresses a short inline script loads code or a pixel from.

Vendors have their snippet pasted into pages: it makes a script element, sets its address, and inserts it.
:func:`loaded_by` finds the address where it stands whole in the code, or behind a scheme that the code chooses. It is
asked only for what no signature and no known host is found in, so what it returns leads to strangers.
"""

from __future__ import annotations

import re

__all__ = ["loaded_by"]

#: A snippet is short. What is longer is the site's own code, and may load much else.
_LONGEST = 2048
_INSERTS = re.compile(rb"createElement|document\.write|new Image|\.src\s{0,9}=|insertAdjacent")
_HOST = rb"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,5}\.[a-z]{2,24}"
#: The slashes may be escaped, so that no parser sees the end of an element.
_SLASHES = rb"(?:https?:)?\\?/\\?/"
#: A text with an address in it, or one with a scheme to which another is added that begins with a host.
_ADDRESS = re.compile(
    rb"""(?:(?P<set>\.src\s{0,9}=\s{0,9}|['"]src['"]\s{0,9},\s{0,9}|\ssrc=\\?)['"]?|['"])"""
    rb"(?:(?P<whole>" + _SLASHES + _HOST + rb"(?=\\?/))"
    rb"""|(?:https?:)?(?://)?['"]\s{0,9}\)?\s{0,9}\+\s{0,9}['"](?P<joined>(?://)?"""
    rb"(?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,24}(?=/)))"
    rb"""(?P<rest>[^'"\s<>]{0,500})['"\s>]""",
    re.IGNORECASE,
)


def loaded_by(code: bytes) -> tuple[str, ...]:
    """
    Return the absolute addresses that a short script loads, each once, in their order.

    Args:
        code: The script's bytes, in an encoding that agrees with ASCII.
    """
    if len(code) > _LONGEST or b"/" not in code or not _INSERTS.search(code):
        return ()
    found: dict[str, None] = {}
    for match in _ADDRESS.finditer(code):
        address = (match["whole"] or match["joined"]).replace(b"\\", b"") + match["rest"].replace(b"\\/", b"/")
        path = address.partition(b"?")[0].lower()
        # A text that is no source may lead anywhere: only what is called like code is taken for code.
        if match["set"] or path.endswith((b".js", b".mjs")):
            slashes = b"" if b"//" in address[:8] else b"//"
            found[(slashes + address).decode("latin-1")] = None
    return tuple(found)
