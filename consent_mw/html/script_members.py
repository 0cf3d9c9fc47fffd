"""
Takes functions out of an object that a script writes down, so that one with a vendor's snippet can be held alone.

``var app = { menu: function () { … }, track: function () { LOADER } };`` becomes ``var app = { menu: … }`` and, as the
next statement, ``app.track = function () { LOADER }``. An owner could have written it so. Held are then only functions
with the vendor's code, and stand-ins answer their calls until they run (:mod:`consent_mw.html.definitions`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterator
from itertools import pairwise

from consent_mw.html.script_uses import NAME
from consent_mw.html.script_uses import PATH
from consent_mw.html.script_uses import closing

__all__ = ["members_apart"]

# Masked code: strings are quotation marks, and comments are white space.
_OBJECT = re.compile(rb"\s*+(?>(?:(?:var|let|const)\s++)?)(?P<path>" + PATH + rb")\s*+=\s*+\{")
_AFTER = re.compile(rb"\}\s*+;?\s*+")
_INPUTS = rb"\((?>[^(){}]*+)\)"
#: A member that is a function, up to its brace: ``name: function (a) {``, ``name: a => {`` or ``async name(a) {``.
_MEMBER = re.compile(
    rb"\s*+(?:(?P<name>" + NAME + rb")\s*+:\s*+(?P<function>(?:async\s*+)?"
    rb"(?:function\s*+[\w$]*+\s*+" + _INPUTS + rb"|(?:" + _INPUTS + rb"|" + NAME + rb")\s*+=>)\s*+\{)"
    rb"|(?P<async>(?:async\s++)?)(?P<method>" + NAME + rb")\s*+(?P<inputs>" + _INPUTS + rb")\s*+\{)"
)
_SUPER = re.compile(rb"(?<![\w$.])super(?![\w$])")
_BRACKET = re.compile(rb"[(\[{}\]),]")


def members_apart(code: bytes, text: bytes, is_apart: Callable[[bytes], bool]) -> list[bytes] | None:
    """
    Return a statement that sets an object without some of its functions, and for each of these another one.

    Args:
        code: The statement.
        text: The same as masked code.
        is_apart: Whether a member of the object is to have a statement of its own.

    Returns:
        None if the statement is another one, or if no function, or every one, would be taken out of the object.
    """
    head = _OBJECT.match(text)
    if head is None:
        return None
    end = closing(text, head.end())
    if end < 0 or not _AFTER.fullmatch(text, end):
        return None
    kept: list[bytes] = []
    taken: list[bytes] = []
    has_function = False
    for start, stop in _members(text, head.end(), end):
        piece = code[start:stop]
        if text[start:stop].lstrip().startswith(b"..."):
            return None  # another object's members may replace functions before it
        member = _MEMBER.match(text, start, stop)
        whole = member is not None and _ends_with_function(text, member.end(), stop)
        if is_apart(piece):
            if member is None or not whole or _SUPER.search(text, start, stop):
                return None
            taken.append(head["path"] + b"." + _set_by_itself(code, member, stop) + b";")
        else:
            kept.append(piece)
            has_function |= whole
    if not taken or not has_function:
        return None
    return [code[: head.end()] + b",".join(kept) + code[end:], *taken]


def _members(text: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where the members of an object begin and end."""
    commas = [start - 1]
    depth = 0
    for found in _BRACKET.finditer(text, start, end):
        if found.group() == b",":
            commas += [found.start()] if depth == 0 else []
        else:
            depth += 1 if found.group() in b"([{" else -1
    yield from ((before + 1, after) for before, after in pairwise([*commas, end]))


def _ends_with_function(text: bytes, start: int, stop: int) -> bool:
    """Return whether nothing follows the function whose brace was opened before ``start``."""
    end = closing(text[:stop], start)
    return end >= 0 and not text[end + 1 : stop].strip()


def _set_by_itself(code: bytes, member: re.Match[bytes], stop: int) -> bytes:
    """Return the name of a member and its function, as they are set."""
    if member["name"]:
        return member["name"] + b" = " + code[member.start("function") : stop].strip()
    function = member["async"] + b"function " + code[member.start("inputs") : stop].strip()
    return member["method"] + b" = " + function
