"""
The functions and objects that a held script would define for other code in the page.

Some sites put a tracker's whole snippet into a function in one script, and
call it from another one. If the first script is held, the call fails, or is
lost if the caller first checks that the function exists. :func:`defined_in`
finds such functions, so that calls can be queued until the script may run.

A vendor's snippet takes the name of its global as an argument, and some sites
choose another name. :func:`renamed_in` finds it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Iterator
from dataclasses import dataclass

from consent_mw.html.javascript import Lexer

__all__ = ["defined_in", "renamed_in"]

#: A longer script is an application, not a snippet.
_LONGEST = 65_536
_MOST = 12

_NAME = r"[A-Za-z_$][\w$]*+"
_INPUTS = r"[^()]{0,400}+"
#: The tokens that open and close blocks, and those that tell something about the enclosing function.
_TOKEN = re.compile(
    rf"""(?P<close>\}})
      | (?<![\w$.])(?:
            (?>(?P<async>async\s++)?) function\s*+\*?+\s*+ (?>(?P<name>{_NAME})?) \s*+\((?P<inputs>{_INPUTS})\)\s*+\{{
          | class\s++ (?P<class>{_NAME}) [^{{}}]{{0,200}}+ \{{
          | return\b (?: \s*+ (?: (?P<promise>(?:new\s++Promise|Promise|import|fetch)\b) | (?P<value>(?=[^\s;}}])) ) )?
          | (?P<path>{_NAME}(?>(?:\.{_NAME})*)) \s*+=\s*+ (?:
                (?>(?P<set_async>async\s++)?) (?:
                    function\s*+[\w$]*+\s*+ \((?P<set_inputs>{_INPUTS})\)
                  | (?:\((?P<arrow_inputs>{_INPUTS})\)|(?P<arrow_input>{_NAME})) \s*+=> )
                \s*+\{{
              | (?P<object>(?>(?:{_NAME}(?>(?:\.{_NAME})*)\s*+\|\|\s*+)?)\{{) )
          | (?>(?P<static>static\s++)?) (?>(?P<method_async>async\s++)?) (?P<method>{_NAME}) \s*+
            (?>(?: :\s*+ (?>(?P<value_async>async\s++)?) (?>(?:function\s*+[\w$]*+\s*+)?) )?)
            \((?P<method_inputs>{_INPUTS})\) \s*+(?>(?:=>\s*+)?) \{{ )
      | (?P<arguments>(?<![\w$.])arguments\b)
      | (?P<leaves>(?<![\w$])location\b | (?<![\w$.])(?>(?:window\.)?)open\s*+\( | \.submit\s*+\()
      | (?>(?P<arrow>=>\s*+)?) \{{""",
    re.VERBOSE | re.ASCII,
)
#: Statements with a block that look like methods.
_STATEMENTS = frozenset(["catch", "for", "if", "switch", "while", "with"])
_THE_WINDOW = re.compile(r"(?:window|self|globalThis)\.")
#: Names that are not globals of a script: objects and event handlers of the browser, libraries, prototypes.
_NO_GLOBAL = re.compile(
    r"(?:document|navigator|location|history|console|module|exports|this|super|jQuery|\$|Object|Array|String|window|self"
    r"|globalThis)(?:\.|\Z)|(?:.*\.)?on[a-z]+\Z|.*\b(?:prototype|__proto__|constructor)\b",
    re.ASCII,
)

#: The arguments with which a snippet calls its own function: ``})(window, document, 'script', 'myLayer')``.
_ARGUMENTS = re.compile(r"\}\s*\)?\s*\(((?:[^()'\"]|'[^'\n]*'|\"[^\"\n]*\"){1,400})\)")
_QUOTED_NAME = re.compile(r"""(['"])([A-Za-z_$][\w$]*)\1""", re.ASCII)
#: Names of elements and of browser objects.
_NO_QUEUE = frozenset({"script", "head", "body", "use", "text"})


def renamed_in(code: str, roots: Collection[str]) -> str:
    """
    Return the global that a snippet creates instead of its usual ones; empty if it creates one of these.

    Args:
        roots: The usual names of its global.
    """
    if len(code) > _LONGEST:
        return ""
    names = [name for call in _ARGUMENTS.finditer(code) for _, name in _QUOTED_NAME.findall(call.group(1))]
    names = [name for name in dict.fromkeys(names) if name not in _NO_QUEUE]
    return names[0] if len(names) == 1 and names[0] not in roots else ""


@dataclass(slots=True)
class _Block:
    """A block of code and, if it is the body of a function, the facts about that function."""

    #: The path of the function from the window; empty if it cannot be reached from there.
    path: str = ""
    is_function: bool = False
    has_inputs: bool = False
    gives_promise: bool = False
    gives_value: bool = False
    leaves: bool = False
    #: The function constructs an instance of a class, or is a method of one.
    is_instance: bool = False
    #: The path of the object or class whose functions the block contains.
    owner: str = ""
    is_class: bool = False


def defined_in(code: str) -> tuple[str, ...]:
    """
    Return the global functions and objects that a classic script defines, in the notation of ``static/queue.js``.

    A function has a plus sign before its path. A function without parameters has a question mark instead: it sets
    something up, and its call is replayed at most once. A function that returns a promise is listed with the methods of
    the promise. An object, to which other code may add settings, has braces after its path.

    Functions that no queue can replace are left out: those that return other values, and those that navigate. If such a
    call fails, the browser itself follows the link or submits the form.
    """
    raw = code.encode()
    if len(raw) > _LONGEST or "{" not in code or Lexer(raw).code_among(()) is None:
        return ()
    words: dict[str, None] = {}
    count = 0
    for found in _functions(_without_data(raw)):
        if found.leaves or (found.gives_value and not found.gives_promise) or count >= _MOST:
            continue
        count += 1
        if found.owner:
            words[f"{found.owner}{{}}"] = None
            continue
        # A class may construct several instances, and each of them may be used more than once.
        many = found.has_inputs or found.is_instance
        path = f"{'+' if many else '?'}{found.path}"
        promise = found.gives_promise and "()" not in path
        words.update(dict.fromkeys([f"{path}().then", f"{path}().catch"] if promise else [path]))
    return tuple(words)


def _without_data(raw: bytes) -> str:
    """Return a script with empty strings in place of its strings, comments and regular expressions."""
    kept: list[bytes] = []
    at = 0
    for start, end in Lexer(raw).data():
        kept.append(raw[at:start])
        at = end
    return b'""'.join([*kept, raw[at:]]).decode()


def _functions(code: str) -> Iterator[_Block]:
    """Yield the functions and objects that can be reached from the window, in the order in which they end."""
    blocks: list[_Block] = []
    functions: list[_Block] = []
    for token in _TOKEN.finditer(code):
        said = token.groupdict()
        if said["close"]:
            ended = blocks.pop() if blocks else _Block()
            if ended.is_function:
                functions.pop()
                if functions and ended.leaves:
                    functions[-1].leaves = True
            if ended.path or (ended.owner and not ended.is_class):
                yield ended
        elif token.group().endswith("{"):
            blocks.append(_opened(said, blocks))
            functions += [blocks[-1]] if blocks[-1].is_function else []
        elif functions:
            inner = functions[-1]
            inner.has_inputs = inner.has_inputs or said["arguments"] is not None
            inner.leaves = inner.leaves or said["leaves"] is not None
            inner.gives_promise = inner.gives_promise or said["promise"] is not None
            inner.gives_value = inner.gives_value or said["value"] is not None


def _opened(said: dict[str, str | None], blocks: list[_Block]) -> _Block:
    """Return the block that a token opens."""
    outermost = not blocks
    if said["class"]:
        return _Block(owner=said["class"] if outermost else "", is_class=True)
    if said["path"]:
        path = _global(said["path"], outermost)
        if said["object"]:
            return _Block(owner=path)
        inputs = said["set_inputs"] or said["arrow_inputs"] or said["arrow_input"]
        return _function(path, inputs, said["set_async"])
    if said["method"] and said["method"] not in _STATEMENTS:
        owner = blocks[-1] if blocks else _Block()
        path = _path_of_method(owner, said["method"], is_static=bool(said["static"]))
        made = _function(path, said["method_inputs"], said["method_async"] or said["value_async"])
        made.is_instance = owner.is_class and not said["static"]
        return made
    if said["inputs"] is not None:
        return _function(said["name"] or "" if outermost else "", said["inputs"], said["async"])
    return _Block(is_function=said["arrow"] is not None)


def _path_of_method(owner: _Block, name: str, *, is_static: bool) -> str:
    """Return the path from the window of a method of an object, of a class, or of what a class constructs."""
    if not owner.owner:
        return ""
    if is_static or not owner.is_class:
        return f"{owner.owner}.{name}"
    return owner.owner if name == "constructor" else f"{owner.owner}().{name}"


def _function(path: str, inputs: str | None, is_async: str | None) -> _Block:
    return _Block(path, is_function=True, has_inputs=bool((inputs or "").strip()), gives_promise=is_async is not None)


def _global(path: str, outermost: bool) -> str:
    """Return the path from the window of an assignment's target; empty if it cannot be reached from there."""
    name = _THE_WINDOW.sub("", path, count=1) if _THE_WINDOW.match(path) else path if outermost else ""
    return "" if _NO_GLOBAL.match(name) else name
