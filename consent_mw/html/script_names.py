"""
The global names that the statements of a classic script declare, write and use, and when they use them.

Theory of operation
-------------------

The script has been masked and split (:mod:`consent_mw.html.statements`), so every bracket counts. One pass over its
tokens keeps a stack of open brackets and of functions. A name is noted as used in the innermost function. When that
function ends, the names that it declares are dropped, and the others are passed to the function around it. What arrives
at the top is global.

Code in a function that only runs later (a declared function, a method, a listener) is told from code that runs with its
statement. Listeners are recognised by the function that they are passed to: :data:`_DEFERRING`.

A name stands for its member, too: ``app.cfg.url`` uses ``app``, ``app.cfg`` and ``app.cfg.url``, and ``app.cfg = 1``
writes ``app.cfg``.

This is an approximation without blocks as scopes. A mistake costs nothing but convenience: the callers decide by these
names which parts of a script still work without the others, not which ones may run.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

__all__ = ["StatementNames", "names_of", "with_members"]

_TOKEN = re.compile(rb"(?P<name>[A-Za-z_$][\w$]*+)|=>|\.\.\.|\?\.(?![0-9])|\.?[0-9][\w.]*+|'++|`++|[^\s]")
_WRITTEN = re.compile(rb"\s*+(?:=(?![=>])|(?:[+\-*/%&|^]|\*\*|<<|>>>?|\?\?|\|\||&&)=|\+\+|--)")
_CALLED = re.compile(rb"(?>(?:\s*+(?:\.|\?\.)\s*+[\w$]++)*)\s*+\(")
_FILLED = re.compile(rb"(?>(?:\s*+\.\s*+[\w$]++)+)\s*+=(?![=>])|\s*+\.\s*+setAttribute\s*+\(")
#: The members that follow a name, as far as they are told apart.
_MEMBERS = re.compile(rb"(?>(?:\s*+(?:\.|\?\.)\s*+[A-Za-z_$][\w$]*+){0,3})")
_MEMBER = re.compile(rb"[A-Za-z_$][\w$]*+")
#: A subscript that is a string, in masked code and in code.
_SUBSCRIPT = re.compile(rb"(?<=[\w$)\]])\[\s*+'++\s*+\]")
_QUOTED_NAME = re.compile(rb"\[\s*+([\"'`])([A-Za-z_$][\w$]*+)\1\s*+\]")
_COLON = re.compile(rb"\s*+:")
_BRACE = re.compile(rb"\s*+\{")
_PARENTHESIS = re.compile(rb"\s*+\)?\s*+\(")
_WINDOW = frozenset([b"window", b"self", b"globalThis"])
_DECLARES = frozenset([b"var", b"let", b"const"])
_CONTROL = frozenset([b"await", b"if", b"for", b"while", b"with", b"switch", b"catch"])
_KEYWORDS = frozenset(
    b"arguments async await break case catch class const continue debugger default delete do else extends false finally"
    b" for function if in instanceof let new null of return static super switch this throw true try typeof var void"
    b" while with yield".split()
)
#: Functions that call another one later, by the last part of their name.
_DEFERRING = frozenset(
    b"$ addEventListener always attachEvent bind change click delegate done finally hover jQuery keydown keyup live"
    b" load on one queueMicrotask ready requestAnimationFrame requestIdleCallback setInterval setTimeout submit then"
    b" domReady docReady onReady".split()
)
#: The most functions within each other that are told apart.
_DEEPEST = 64
#: Tokens before a function that is kept and not called at once.
_KEEPS = frozenset([b"=", b":", b"return"])


@dataclass(slots=True)
class StatementNames:
    """The global names of one statement."""

    #: What it declares, and all that it writes while it runs, with members: ``app.cfg``.
    declared: set[bytes] = field(default_factory=set)
    written: set[bytes] = field(default_factory=set)
    #: What it uses while it runs; what it calls; the objects to which it adds something.
    at_once: set[bytes] = field(default_factory=set)
    called: set[bytes] = field(default_factory=set)
    filled: set[bytes] = field(default_factory=set)
    #: What its functions use later.
    later: set[bytes] = field(default_factory=set)
    #: The same two with members, each as long as it is: ``app.cfg.url``.
    paths: set[bytes] = field(default_factory=set)
    later_paths: set[bytes] = field(default_factory=set)
    #: Whether it may end the function whose body the statements are, by ``return``.
    leaves: bool = False


@dataclass(slots=True)
class _Use:
    name: bytes
    place: int
    path: bytes = b""
    later: bool = False
    written: bool = False
    called: bool = False
    filled: bool = False


@dataclass(slots=True)
class _Function:
    """A function that is being read, or the script."""

    deferred: bool = False
    #: It is a declaration, so that parentheses after it do not call it.
    is_statement: bool = False
    declared: set[bytes] = field(default_factory=set)
    uses: list[_Use] = field(default_factory=list)


@dataclass(slots=True)
class _Bracket:
    """An open bracket."""

    #: The token before it.
    before: bytes
    #: How many names its function had used before it.
    uses: int
    #: Whether it is the list of a function's parameters, and whether that function runs later.
    inputs: bool = False
    deferred: bool = False
    is_statement: bool = False
    #: The function whose body it opens.
    body: _Function | None = None
    #: Names in it are declared: it is a pattern of a declaration.
    declares: bool = False


def names_of(text: bytes, ends: Sequence[int]) -> list[StatementNames]:
    """
    Return the names of each statement of a script.

    Args:
        text: The masked script.
        ends: Where each of its statements ends.
    """
    reader = _NameReader(text)
    top = reader.read()
    found = [StatementNames() for _ in ends]
    for name, place in reader.declared:
        here = found[min(bisect_right(ends, place), len(ends) - 1)]
        here.declared.add(name)
        here.written.add(name)
    for place in reader.returns:
        found[min(bisect_right(ends, place), len(ends) - 1)].leaves = True
    for use in top.uses:
        here = found[min(bisect_right(ends, use.place), len(ends) - 1)]
        if use.later:
            here.later.add(use.name)
            here.later_paths.add(use.path)
            continue
        here.at_once.add(use.name)
        here.paths.add(use.path)
        if use.written:
            here.written.add(use.path)
        for noted, names in ((use.called, here.called), (use.filled, here.filled)):
            if noted:
                names.add(use.name)
    return found


def with_members(code: bytes, text: bytes) -> bytes:
    """Return a masked script in which members that the code names in strings are written with dots: ``a['b']``."""

    def dotted(found: re.Match[bytes]) -> bytes:
        name = _QUOTED_NAME.fullmatch(code, *found.span())
        return (b"." + name.group(2)).ljust(len(found.group())) if name else found.group()

    return _SUBSCRIPT.sub(dotted, text)


class _NameReader:
    """Reads the tokens of a masked script."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._functions = [_Function()]
        self._open: list[_Bracket] = []
        #: The two tokens before the current one.
        self._before = self._before_that = b""
        #: The depths of the declarations that go on, and whether the innermost one expects a name.
        self._declaring = [-1]
        self._expects = False
        #: The function whose keyword was read: whether it is a declaration, and whether it runs later; None for none.
        self._function: tuple[bool, bool] | None = None
        #: The bracket that was closed last.
        self._closed = _Bracket(b"", 0)
        #: The parameters of the arrow function whose body follows.
        self._arrow: set[bytes] = set()
        self._arrow_deferred = False
        #: What the script declares, with the places.
        self.declared: list[tuple[bytes, int]] = []
        #: Where ``return`` stands outside of all functions.
        self.returns: list[int] = []

    def read(self) -> _Function:
        """Return the script with its global names."""
        for found in _TOKEN.finditer(self._text):
            token = found.group()
            if found.lastgroup:
                self._name(token, found.start(), found.end())
            elif token in (b"(", b"[", b"{"):
                self._opens(token)
            elif token in (b")", b"]", b"}"):
                self._closes(found.end())
            elif token == b"=>":
                self._points(found.end())
            elif token == b"," and self._declaring[-1] == len(self._open):
                self._expects = True
            elif token == b";" and self._declaring[-1] >= len(self._open):
                self._declaring.pop()
            self._before_that, self._before = self._before, token
        return self._functions[0]

    def _declare(self, name: bytes, place: int) -> None:
        if len(self._functions) == 1:
            self.declared.append((name, place))
        else:
            self._functions[-1].declared.add(name)

    def _runs_later(self, before: bytes) -> bool:
        """Return whether a function after this token only runs later."""
        if before in _KEEPS:
            return True
        return before in (b"(", b",") and bool(self._open) and self._open[-1].before in _DEFERRING

    def _name(self, name: bytes, place: int, end: int) -> None:
        before = self._before
        if before in (b".", b"?."):
            is_global = self._before_that == b"this" and len(self._functions) == 1
            if self._before_that not in _WINDOW and not is_global:
                return
        elif name in _KEYWORDS:
            if name == b"return" and len(self._functions) == 1:
                self.returns.append(place)
            self._keyword(name)
            return
        elif before in (b"{", b",") and _COLON.match(self._text, end):
            return
        elif self._function is not None and before in (b"function", b"*"):
            if self._function[0]:
                self._declare(name, place)
            return
        elif before == b"class" or (self._expects and self._declaring[-1] == len(self._open)):
            self._expects = False
            self._declare(name, place)
            return
        elif self._open and self._open[-1].declares:
            self._declare(name, place)
            return
        text = self._text
        members = _MEMBERS.match(text, end)
        path = b".".join([name, *_MEMBER.findall(members.group())]) if members else name
        after = members.end() if members else end
        use = _Use(name, place, path, written=_WRITTEN.match(text, after) is not None)
        use.called, use.filled = _CALLED.match(text, end) is not None, _FILLED.match(text, end) is not None
        self._functions[-1].uses.append(use)

    def _keyword(self, name: bytes) -> None:
        if name in _DECLARES:
            if self._declaring[-1] < len(self._open):
                self._declaring.append(len(self._open))
            self._expects = True
        elif name == b"function":
            before = self._before_that if self._before == b"async" else self._before
            is_statement = before in (b"", b";", b"}", b"{", b")") or before[:1] in (b"'", b"`")
            self._function = is_statement, is_statement or self._runs_later(before)

    def _opens(self, token: bytes) -> None:
        inner, before = self._functions[-1], self._before
        made = _Bracket(before, len(inner.uses))
        if token == b"(" and self._function is not None:
            made.inputs = True
            (made.is_statement, made.deferred), self._function = self._function, None
        elif token == b"{" and before == b"=>":
            made.body = _Function(self._arrow_deferred, declared=self._arrow)
        elif token == b"{" and before == b")" and (self._closed.inputs or self._is_method()):
            names = {use.name for use in inner.uses[self._closed.uses :]}
            del inner.uses[self._closed.uses :]
            made.body = _Function(self._closed.deferred or not self._closed.inputs, self._closed.is_statement, names)
        elif self._expects and self._declaring[-1] == len(self._open):
            made.declares, self._expects = True, False
        elif self._open and self._open[-1].declares:
            made.declares = True
        if len(self._functions) > _DEEPEST:
            made.body = None
        if made.body is not None:
            self._functions.append(made.body)
        self._open.append(made)

    def _is_method(self) -> bool:
        before = self._closed.before
        return before not in _CONTROL and (before[:1].isalpha() or before[:1] in (b"_", b"$", b"'", b"]"))

    def _closes(self, end: int) -> None:
        closed = self._closed = self._open.pop()
        while self._declaring[-1] > len(self._open):
            self._declaring.pop()
        if closed.body is None:
            return
        self._functions.pop()
        is_called = not closed.body.is_statement and _PARENTHESIS.match(self._text, end) is not None
        deferred = closed.body.deferred and not is_called
        outer = self._functions[-1].uses
        for use in closed.body.uses:
            if use.name not in closed.body.declared:
                use.later = use.later or deferred
                outer.append(use)

    def _points(self, end: int) -> None:
        """Read the arrow of a function: the names before it are its parameters."""
        inner = self._functions[-1]
        if self._before == b")":
            first, before = self._closed.uses, self._closed.before
        else:
            first, before = len(inner.uses) - 1, self._before_that
        self._arrow = {use.name for use in inner.uses[first:]}
        del inner.uses[first:]
        self._arrow_deferred = self._runs_later(before)
        if not _BRACE.match(self._text, end) and len(self._functions) > 1:
            inner.declared |= self._arrow
