"""
What code does with a string that contains an address: whether it hands the address to something that may load it.

Theory of operation
-------------------

Browsers and libraries have more ways to load an address than any list can name. So this is decided the other way round:
an address that code passes to a call, or assigns to a member that loads, counts as loaded unless the call is known
only to keep, compare or show its arguments.

The string must *be* the address, or be markup, a style sheet or code that loads it; a text that mentions an address is
data. From the string we walk outward through the brackets around it, in the masked script
(:func:`consent_mw.html.statements.masked`), in which no bracket is inside a string:

- Literals of arrays, parentheses that group, and calls that make one value of another (``new URL(...)``,
  ``encodeURIComponent(...)``) are left behind: what is around them decides. So are literals of objects if the key says
  that the value is loaded: ``src`` and the like in any, ``url`` and the like in one that is an argument itself. Other
  settings are data, and the code that uses them is read by itself.
- A call of a name that keeps, compares or shows (``push``, ``indexOf``, ``log``) ends the walk: the address is data. So
  do the body of a function or block, a condition, a subscript, and a function that is called where it is written, as
  bundlers do with the state of a page: its own code is read like any other.
- Every other call ends it as well: the address is passed to something that may load it.

An address that is assigned to a variable is followed: if the variable is passed to such a call, or assigned to such a
member, anywhere in the script, the address counts. Scopes are not told apart, and no further step is followed.

A script that cannot be masked is not judged here.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from consent_mw.html.script_reading import ScriptReading
from consent_mw.html.script_reading import ScriptText
from consent_mw.html.statements import masked

__all__ = ["AddressUses"]

#: The most brackets around a string, the bytes before it, and the uses of a variable that are looked at.
_DEEPEST = 64
_BEFORE = 240
_MOST_USES = 200
_BRACKETS = re.compile(rb"[()\[\]{}]")
#: What precedes an address in a string that is the address, and in one of markup, a style sheet, or code.
_BEGINS = re.compile(rb"[\x00-\x20]*(?:[a-zA-Z]{1,5}:)?\Z")
_IN_SOURCE = re.compile(
    rb"(?:<[a-zA-Z][^<>]*=\s*\\?[\"']?|\burl\(\s*\\?[\"']?|@import\s*\\?[\"']|\(\s*\\?[\"'`])(?:[a-zA-Z]{1,5}:)?\Z"
)
_SOURCES = (
    rb"src|srcset|srcdoc|poster|data|ping|attributionSrc|background|backgroundImage|listStyleImage|borderImage|maskImage"
    rb"|cssText|lowsrc|dynsrc|code|codebase|archive"
)
_MEMBERS = rb"(?:" + _SOURCES + rb"|action|formAction)"


def _assignment(members: bytes) -> re.Pattern[bytes]:
    """Return a pattern of code before a string that is assigned to a member that loads it."""
    return re.compile(
        rb"(?:\.\s*" + members + rb"|\[\s*[\"']" + members + rb"[\"']\s*\]"
        rb"|\.\s*style(?:\s*\.\s*[\w$]+|\s*\[[^\]]*\])?)\s*(?:[+]|\|\||&&|\?\?)?=(?!=)[^;,{}]*\Z"
    )


_ASSIGNS, _ASSIGNS_SOURCE = _assignment(_MEMBERS), _assignment(rb"(?:" + _SOURCES + rb")")
#: Code before a string that is the value of a key.
_KEY = re.compile(rb"[\"']?\b([\w$]+)[\"']?\s*:[^,;{}]*\Z")
_MEMBER = re.compile(_MEMBERS)
#: Keys in the settings of requests, players and the like.
_SETTING = re.compile(
    rb"urls?|ur[il]|href|file|path|sources?|icon|html|template|style|owner|seller|supportedMethods|destination|script"
)
#: Code before a string that is assigned to a variable; and a variable where its value is used.
_ASSIGNS_VARIABLE = re.compile(rb"(?<![\w$.\])])\b([A-Za-z_$][\w$]*)\s*[+]?=(?![=>])[^;,{}\[=]*\Z")
_VARIABLE = re.compile(rb"(?<![\w$.])[A-Za-z_$][\w$]*+(?!\s*[:=(.\[])")
#: The name before an opening parenthesis, after which a call may be optional.
_NAME = re.compile(rb"([A-Za-z_$][\w$]*)\s*(?:\?\.\s*)?\Z")
_QUOTED_NAME = re.compile(rb"\[\s*[\"']([\w$]+)[\"']\s*\]\s*(?:\?\.\s*)?\Z")
_CONDITIONS = frozenset({b"if", b"while", b"for", b"switch", b"catch", b"with"})
#: Words before a bracket that are no names; an expression follows them.
_WORDS = frozenset(
    {b"return", b"typeof", b"in", b"of", b"new", b"delete", b"void", b"throw", b"case", b"default", b"await", b"yield",
     b"instanceof", b"extends", b"async"}
)  # fmt: skip
#: Functions that keep, compare or show their arguments.
_KEEPS = frozenset(
    {b"push", b"unshift", b"add", b"set", b"setItem", b"parse", b"stringify", b"freeze", b"config", b"constant",
     b"value", b"setLocaleData", b"defineProperty", b"defineProperties", b"Set", b"Map", b"WeakMap", b"Error",
     b"TypeError", b"RegExp", b"log", b"warn", b"error", b"info", b"debug", b"trace", b"assert", b"indexOf",
     b"lastIndexOf", b"includes", b"startsWith", b"endsWith", b"match", b"matchAll", b"test", b"search", b"split",
     b"replace", b"replaceAll", b"equals", b"has", b"expect", b"toBe", b"toEqual", b"alert", b"prompt", b"confirm",
     b"querySelector", b"querySelectorAll", b"matches", b"closest", b"find", b"filter", b"not", b"is"}
)  # fmt: skip
#: Functions that load an address, and cannot be meant to go there.
_LOADS = frozenset(
    {b"attr", b"prop", b"css", b"animate", b"setProperty", b"insertRule", b"replaceSync", b"appendTo", b"Audio",
     b"FontFace", b"Request", b"Notification", b"WebTransport", b"fetchLater", b"setTimeout"}
)  # fmt: skip
#: Functions that make one value of another.
_MAKES = frozenset(
    {b"URL", b"URLSearchParams", b"String", b"concat", b"join", b"trim", b"toString", b"toLowerCase", b"Array",
     b"Object", b"of", b"from", b"encodeURIComponent", b"encodeURI", b"decodeURIComponent", b"decodeURI", b"escape",
     b"unescape", b"atob", b"btoa", b"resolve", b"Boolean", b"Number", b"raw"}
)  # fmt: skip
#: Functions that copy the members of one object to another: perhaps to an element.
_COPIES = frozenset({b"assign", b"extend", b"merge", b"defaults"})


class AddressUses:
    """
    The uses of addresses in one script.

    Args:
        reading: The reading of the same script.
        by_visitor: The code runs on an action of the visitor, who may intend to navigate. So an address in a form does
            not count, and one that is passed to a function only if that cannot be a way to go there.
    """

    def __init__(self, script: ScriptText, reading: ScriptReading, *, by_visitor: bool = False) -> None:
        self._script = script
        self._by_visitor = by_visitor
        self._assigns = _ASSIGNS_SOURCE if by_visitor else _ASSIGNS
        self._reading = reading
        self._text = masked(script.raw) if reading.is_sure else None
        #: Where brackets are, and for each of them the innermost one that is open behind it, or -1.
        self._places: list[int] = []
        self._inside: list[int] = []
        #: The bracket that opens what each closing one closes, by place; and the one around each opening one.
        self._opens: dict[int, int] = {}
        self._around: dict[int, int] = {}
        #: The places of each variable, once one is looked for, and whether one is handed on.
        self._variables: dict[bytes, list[int]] | None = None
        self._handed_on: dict[bytes, bool] = {}
        if self._text is not None:
            self._find_brackets(self._text)

    def loads(self, place: int) -> bool:
        """Return whether code hands the address at a ``place`` in the decoded text to something that may load it."""
        if self._text is None:
            return False
        raw = self._script.raw
        at = self._script.raw_place(place)
        start = self._reading.string_at(at)
        if start < 0 or raw[start : start + 1] not in (b'"', b"'", b"`", b"}"):
            return False
        inside = raw[max(start + 1, at - _BEFORE) : at]
        is_address = at - start <= _BEFORE and _BEGINS.fullmatch(inside) is not None
        if not (is_address or _IN_SOURCE.search(inside)):
            return False
        if raw[start : start + 1] == b"`" and (tag := self._name_before(start)) and tag not in _WORDS:
            return tag not in _KEEPS
        if self._assigns.search(raw, max(0, start - _BEFORE), start) or self._is_argument(start):
            return True
        variable = _ASSIGNS_VARIABLE.search(self._text, max(0, start - _BEFORE), start) if is_address else None
        return variable is not None and self._is_handed_on(variable.group(1))

    def _is_argument(self, start: int) -> bool:
        """Return whether what starts at a raw place is passed to a call that may load it."""
        found = _KEY.search(self._script.raw, max(0, start - _BEFORE), start)
        return self._is_passed(self._innermost(start), found.group(1) if found else b"")

    def _is_handed_on(self, name: bytes) -> bool:
        """Return whether a variable is passed to a call that may load its value, or assigned to a member that does."""
        if self._variables is None:
            self._variables = {}
            for found in _VARIABLE.finditer(self._text or b""):
                self._variables.setdefault(found.group(), []).append(found.start())
        if name not in self._handed_on:
            raw, places = self._script.raw, self._variables.get(name, [])
            self._handed_on[name] = len(places) > _MOST_USES or any(
                self._assigns.search(raw, max(0, place - _BEFORE), place) or self._is_argument(place)
                for place in places
            )
        return self._handed_on[name]

    def _find_brackets(self, text: bytes) -> None:
        opened: list[int] = []
        for found in _BRACKETS.finditer(text):
            place = found.start()
            if found.group() in b"([{":
                self._around[place] = opened[-1] if opened else -1
                opened.append(place)
            elif opened:
                self._opens[place] = opened.pop()
            self._places.append(place)
            self._inside.append(opened[-1] if opened else -1)

    def _innermost(self, place: int) -> int:
        """Return the innermost bracket that is open at a place, or -1."""
        index = bisect_right(self._places, place - 1) - 1
        return self._inside[index] if index >= 0 else -1

    def _is_passed(self, bracket: int, key: bytes) -> bool:
        """Return whether what is in a bracket, as the value of a ``key`` or of none, is passed to a loading call."""
        literals = 0
        for _ in range(_DEEPEST):
            if bracket < 0:
                return False
            token = self._token(bracket)
            if token == b"{":
                literals += 1
                use = self._in_braces(bracket, key, is_nested=literals > 1)
            elif token == b"[":
                use = self._in_square(bracket)
            else:
                use = self._in_parentheses(bracket, key if literals == 1 else b"")
            if use is not None:
                return use
            bracket = self._around[bracket]
        return True

    def _token(self, place: int) -> bytes:
        return (self._text or b"")[place : place + 1]

    def _before(self, bracket: int) -> int:
        """Return the place of the last token before a bracket, or -1."""
        return len((self._text or b"")[max(0, bracket - _BEFORE) : bracket].rstrip()) + max(0, bracket - _BEFORE) - 1

    def _name_before(self, place: int) -> bytes:
        found = _NAME.search(self._text or b"", max(0, place - _BEFORE), place)
        return found.group(1) if found else b""

    # Each returns whether the address is passed on, or None if what is around the bracket decides.

    def _in_square(self, bracket: int) -> bool | None:
        """An array literal is left behind; in a subscript the address is a key."""
        before = self._token(self._before(bracket))
        is_subscript = before in (b")", b"]", b"'") or (bool(name := self._name_before(bracket)) and name not in _WORDS)
        return False if is_subscript else None

    def _in_braces(self, bracket: int, key: bytes, *, is_nested: bool) -> bool | None:
        """An object literal is left behind if the key counts; a block or the body of a function is not."""
        if not (_MEMBER.fullmatch(key) or (_SETTING.fullmatch(key) and not is_nested)):
            return False
        before = self._before(bracket)
        token = self._token(before)
        if name := self._name_before(bracket):
            return None if name in _WORDS else False
        is_arrow = token == b">" and self._token(before - 1) == b"="
        return False if is_arrow or token in (b"", b")", b";", b"{", b"}") else None

    def _in_parentheses(self, bracket: int, key: bytes) -> bool | None:
        """A call decides, by the name of its function; other parentheses group."""
        text = self._text or b""
        begin = max(0, bracket - _BEFORE)
        before = self._before(bracket)
        token = self._token(before)
        if name := self._name_before(bracket):
            return False if name in _CONDITIONS else None if name in _WORDS else self._in_call(name, key)
        if token == b"]":
            quoted = _QUOTED_NAME.search(self._script.raw, begin, bracket)
            return self._in_call(quoted.group(1), key) if quoted else True
        if token == b")":
            # A function that is called where it is written, or one that parentheses or another call return.
            opened = self._opens.get(before, -1)
            return self._token(len(text[max(0, opened) : before].rstrip()) + max(0, opened) - 1) != b"}"
        return False if token == b"}" else None

    def _in_call(self, name: bytes, key: bytes) -> bool | None:
        if name in _COPIES:
            return _MEMBER.fullmatch(key) is not None
        if name in _MAKES:
            return None
        if name in _KEEPS:
            return False
        return not self._by_visitor or name in _LOADS
