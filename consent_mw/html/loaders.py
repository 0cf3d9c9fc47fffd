"""
The addresses from which a short inline script loads code or a pixel.

Owners paste vendors' snippets into pages: a snippet creates a script element, sets its address, and inserts it.
:func:`loaded_by` finds the address if the code contains it whole, or appends it to a scheme that it chooses. It is
called only for scripts without a known signature or host, so the addresses that it returns lead to unknown third
parties.
"""

from __future__ import annotations

import re

__all__ = ["loaded_by"]

#: A snippet is short. Longer scripts are the site's own code, which may load other things.
_LONGEST = 2048
#: Texts of which one is in all code that :data:`_INSERTS` matches.
_MAY_INSERT = (b"createElement", b"document.write", b"new Image", b".src", b"insertAdjacent")
_INSERTS = re.compile(rb"createElement|document\.write|new Image|\.src\s{0,9}=|insertAdjacent")
_HOST = rb"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,5}\.[a-z]{2,24}"
#: The slashes may be escaped, so that HTML parsers do not see an end tag.
_SLASHES = rb"(?:https?:)?\\?/\\?/"
#: A string with an address in it, or a string with a scheme, joined with another one that starts with a host.
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
    Return the absolute addresses that a short script loads, each once, in order.

    Args:
        code: The script in an ASCII-compatible encoding.
    """
    if len(code) > _LONGEST or b"/" not in code or not any(map(code.__contains__, _MAY_INSERT)):
        return ()
    if not _INSERTS.search(code):
        return ()
    found: dict[str, None] = {}
    for match in _ADDRESS.finditer(code):
        address = (match["whole"] or match["joined"]).replace(b"\\", b"") + match["rest"].replace(b"\\/", b"/")
        path = address.partition(b"?")[0].lower()
        # A string that is not set as a source may be any link: it counts only if it is named like code.
        if match["set"] or path.endswith((b".js", b".mjs")):
            slashes = b"" if b"//" in address[:8] else b"//"
            found[(slashes + address).decode("latin-1")] = None
    return tuple(found)
