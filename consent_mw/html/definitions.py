"""
What a held script would define for code elsewhere in the page to call.

Some sites put a tracker's whole snippet into a function in one script, and
call it from another one. If the first script is held, the call fails, or is
lost where the caller first asks if the function exists. :func:`defined_in`
finds such functions, so that a call can be noted until the script may run.

A vendor's snippet takes the name of its global as an argument, and some sites
choose another one. :func:`renamed_in` finds it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Iterator
from dataclasses import dataclass

from consent_mw.html.javascript import Lexer

__all__ = ["defined_in", "renamed_in"]

#: A longer script is an application of its own.
_LONGEST = 65_536
_MOST = 12

_NAME = r"[A-Za-z_$][\w$]*+"
_INPUTS = r"[^()]{0,400}+"
#: What opens and closes blocks, and what is said of the function that it stands in.
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
#: What has a block of its own and looks like a method.
_STATEMENTS = frozenset(["catch", "for", "if", "switch", "while", "with"])
_THE_WINDOW = re.compile(r"(?:window|self|globalThis)\.")
#: Objects of the browser and of libraries, its handlers, and what is no global.
_NO_GLOBAL = re.compile(
    r"(?:document|navigator|location|history|console|module|exports|this|super|jQuery|\$|Object|Array|String|window|self"
    r"|globalThis)(?:\.|\Z)|(?:.*\.)?on[a-z]+\Z|.*\b(?:prototype|__proto__|constructor)\b",
    re.ASCII,
)

#: The arguments with which a snippet calls its own function: ``})(window, document, 'script', 'myLayer')``.
_ARGUMENTS = re.compile(r"\}\s*\)?\s*\(((?:[^()'\"]|'[^'\n]*'|\"[^\"\n]*\"){1,400})\)")
_QUOTED_NAME = re.compile(r"""(['"])([A-Za-z_$][\w$]*)\1""", re.ASCII)
#: Names of elements, and of objects that browsers have.
_NO_QUEUE = frozenset({"script", "head", "body", "use", "text"})


def renamed_in(code: str, roots: Collection[str]) -> str:
    """
    Return the global that a snippet makes in place of those it is known for; empty where it makes one of these.

    Args:
        roots: The names that it is known for.
    """
    if len(code) > _LONGEST:
        return ""
    names = [name for call in _ARGUMENTS.finditer(code) for _, name in _QUOTED_NAME.findall(call.group(1))]
    names = [name for name in dict.fromkeys(names) if name not in _NO_QUEUE]
    return names[0] if len(names) == 1 and names[0] not in roots else ""


@dataclass(slots=True)
class _Block:
    """A block of code and, if it is the body of a function, what is known of that."""

    #: Where the function can be found from the window; empty where that is nowhere.
    path: str = ""
    is_function: bool = False
    has_inputs: bool = False
    gives_promise: bool = False
    gives_value: bool = False
    leaves: bool = False
    #: The path of the object or class whose functions stand in the block.
    owner: str = ""
    is_class: bool = False


def defined_in(code: str) -> tuple[str, ...]:
    """
    Return the global functions that a classic script defines, in the words of ``static/queue.js``.

    A function has a plus sign before its path; one without parameters has a question mark: it sets something up, and
    is called once at most. One that gives a promise is named with the methods of that. An object has braces behind its
    path: other code may add to settings.

    Left out is what nothing can stand in for: functions that give another value, and those that take the visitor
    elsewhere. Where such a call fails, the browser follows the link or sends the form by itself.
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
        path = f"{'+' if found.has_inputs else '?'}{found.path}"
        words.update(dict.fromkeys([f"{path}().then", f"{path}().catch"] if found.gives_promise else [path]))
    return tuple(words)


def _without_data(raw: bytes) -> str:
    """Return a script without its texts, comments and patterns."""
    kept: list[bytes] = []
    at = 0
    for start, end in Lexer(raw).data():
        kept.append(raw[at:start])
        at = end
    return b'""'.join([*kept, raw[at:]]).decode()


def _functions(code: str) -> Iterator[_Block]:
    """Yield the functions and objects that can be found from the window, as they end."""
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
        known = owner.owner and (said["static"] or not owner.is_class)
        path = f"{owner.owner}.{said['method']}" if known else ""
        return _function(path, said["method_inputs"], said["method_async"] or said["value_async"])
    if said["inputs"] is not None:
        return _function(said["name"] or "" if outermost else "", said["inputs"], said["async"])
    return _Block(is_function=said["arrow"] is not None)


def _function(path: str, inputs: str | None, is_async: str | None) -> _Block:
    return _Block(path, is_function=True, has_inputs=bool((inputs or "").strip()), gives_promise=is_async is not None)


def _global(path: str, outermost: bool) -> str:
    """Return where from the window something is that a script assigns to; empty where it cannot be found there."""
    name = _THE_WINDOW.sub("", path, count=1) if _THE_WINDOW.match(path) else path if outermost else ""
    return "" if _NO_GLOBAL.match(name) else name
