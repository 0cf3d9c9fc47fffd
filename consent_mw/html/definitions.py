"""
What a script does not run but only defines, for code elsewhere in the page to call.

Some sites put a tracker's whole snippet into a function in one script, and
call it from another one where it exists. If the first script is held, the
call is lost. :func:`defined_in` finds such functions, so that a call can be
noted until the script may run.

A vendor's snippet takes the name of its global as an argument, and some sites
choose another one. :func:`renamed_in` finds it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["defined_in", "renamed_in"]

#: A script that only defines functions is a snippet. A longer one is an application of its own.
_LONGEST = 65_536
_MOST = 8

_HEAD = re.compile(
    r"""(?: (?:async\s+)?function\s+([A-Za-z_$][\w$]*)\s*\(\s*\)\s*\{
      | (?:var\s+|window\.)([A-Za-z_$][\w$]*)\s*=\s*(?:async\s+)?(?:function\s*[\w$]*\s*\(\s*\)|\(\s*\)\s*=>)\s*\{ )""",
    re.VERBOSE | re.ASCII,
)
_COMMENT = re.compile(r"(?>(?:\s|;|//[^\n]*|/\*(?>[^*]*(?:\*(?!/)[^*]*)*)\*/)*)")
#: Texts, comments, patterns and braces; a template counts as a text, with what stands in it. A text or a comment
#: without an end is none of them, so that nothing is read twice.
_TOKEN = re.compile(
    r"""'(?>(?:[^'\\\n]|\\.)*)' | "(?>(?:[^"\\\n]|\\.)*)" | `(?>(?:[^`\\]|\\.)*)` | //[^\n]*
    | /\*(?>[^*]*(?:\*(?!/)[^*]*)*)\*/ | (?:(?<=[(,=:\[!&|?{};+])|(?<=[(,=:\[!&|?{};+][ ]))
      /(?![*/])(?>(?:[^/\\\n]|\\.){1,99})/
    | [{}] | [^{}'"`/]+ | /(?!\*)""",
    re.VERBOSE | re.DOTALL,
)

#: The arguments with which a snippet calls its own function: ``})(window, document, 'script', 'myLayer')``.
_ARGUMENTS = re.compile(r"\}\s*\)?\s*\(((?:[^()'\"]|'[^'\n]*'|\"[^\"\n]*\"){1,400})\)")
_NAME = re.compile(r"""(['"])([A-Za-z_$][\w$]*)\1""", re.ASCII)
#: Names of elements, and of objects that browsers have.
_NO_GLOBAL = frozenset({"script", "head", "body", "use", "text"})


def renamed_in(code: str, roots: Collection[str]) -> str:
    """
    Return the global that a snippet makes in place of those it is known for; empty where it makes one of these.

    Args:
        roots: The names that it is known for.
    """
    if len(code) > _LONGEST:
        return ""
    names = [name for call in _ARGUMENTS.finditer(code) for _, name in _NAME.findall(call.group(1))]
    names = [name for name in dict.fromkeys(names) if name not in _NO_GLOBAL]
    return names[0] if len(names) == 1 and names[0] not in roots else ""


def defined_in(code: str) -> tuple[str, ...]:
    """
    Return the global functions without parameters that a classic script defines, if it does nothing else.

    Functions with parameters are left out: what a site's own handlers call with arguments does something of the
    site's own, and must fail as it would.
    """
    if len(code) > _LONGEST:
        return ()
    names: dict[str, None] = {}
    position = _skip(code, 0)
    while position < len(code):
        head = _HEAD.match(code, position)
        if head is None or len(names) >= _MOST:
            return ()
        names[head.group(1) or head.group(2)] = None
        end = _end_of_block(code, head.end())
        if end < 0:
            return ()
        position = _skip(code, end)
    return tuple(names)


def _skip(code: str, position: int) -> int:
    """Return where the next statement begins."""
    found = _COMMENT.match(code, position)
    return found.end() if found else position


def _end_of_block(code: str, position: int) -> int:
    """Return where the block ends in which ``position`` is, or -1."""
    depth = 1
    while token := _TOKEN.match(code, position):
        position = token.end()
        if token.group() == "{":
            depth += 1
        elif token.group() == "}":
            depth -= 1
            if not depth:
                return position
    return -1
