"""
Finds the place of each key and array item in a TOML text: its line for error messages, its characters for edits.

The standard parser gives values without their places, so an error could name only the file. This scanner runs on a
text that the parser has already accepted. It follows just enough of TOML 1.0 to keep track of keys, and leaves most
syntax unchecked.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

#: ``("services", 2, "hosts", 0)`` is ``services[2].hosts[0]``.
Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}\n#]*")
# Triple quotes come first: such a string may contain one or two quotes, and end in up to two before the closing three.
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


class ScanLost(Exception):
    """The text is not what the scanner expects; only the places found so far are known."""


@dataclass(slots=True)
class TableSpan:
    """
    A table with a header, or the top level of the text.

    Args:
        path: Its path; empty for the top level.
        start: Where its header starts.
        end: Where its last key's value ends, or its header if it has no keys.
        array: Whether the header is that of an item of an array, ``[[…]]``.
    """

    path: Path
    start: int
    end: int
    array: bool = False


class TomlScanner:
    """One pass over one text; what it finds fills as it goes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.lines: dict[Path, int] = {}
        self.items: dict[Path, int] = {}
        #: The tables in order, the top level first.
        self.tables = [TableSpan((), 0, 0)]
        #: For each value: where it starts and ends.
        self.values: dict[Path, tuple[int, int]] = {}
        #: For each key with a value: where it starts, and the path of the table or inline table that it is written in.
        self.keys_at: dict[Path, tuple[int, Path]] = {}

    def note(self, path: Path) -> None:
        self.lines.setdefault(path, bisect_right(self.starts, self.at))

    def skip(self, pattern: re.Pattern[str]) -> str:
        """Step over the match of ``pattern`` at this point, and return it."""
        found = pattern.match(self.text, self.at)
        if found is None:
            raise ScanLost
        self.at = found.end()
        return found.group()

    def sees(self, mark: str) -> bool:
        """Step over ``mark`` if it comes next; return whether it did."""
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def document(self) -> None:
        here: Path = ()
        while True:
            self.skip(_BLANK)
            start = self.at
            if self.at >= len(self.text):
                return
            if self.sees("[["):
                here = self.table(array=True)
                self.tables.append(TableSpan(here, start, self.at, array=True))
            elif self.sees("["):
                here = self.table(array=False)
                self.tables.append(TableSpan(here, start, self.at))
            else:
                self.pair(here)
                self.tables[-1].end = self.at

    def table(self, *, array: bool) -> Path:
        """Read the rest of a header and return the path of the table that it opens."""
        keys = self.keys()
        path: Path = ()
        for key in keys[:-1]:
            self.note((*path, key))
            path = self.entered((*path, key))
        path = (*path, keys[-1])
        self.note(path)
        if array:
            self.items[path] = self.items.get(path, -1) + 1
        path = self.entered(path)
        self.note(path)
        self.sees("]]" if array else "]")
        return path

    def entered(self, path: Path) -> Path:
        """Return ``path``, with the index of the latest item if it is an array of tables."""
        return (*path, self.items[path]) if path in self.items else path

    def keys(self) -> list[str]:
        """Read a dotted key."""
        keys = []
        while True:
            self.skip(_BLANK)
            quoted = self.text[self.at : self.at + 1] in ("'", '"')
            keys.append(_unquote(self.skip(_STRING)) if quoted else self.skip(_BARE_KEY))
            self.skip(_BLANK)
            if not self.sees("."):
                return keys

    def pair(self, here: Path) -> None:
        """Read ``key = value``."""
        start, table = self.at, here
        keys = self.keys()
        end, self.at = self.at, start
        for key in keys:
            here = (*here, key)
            self.note(here)
        self.at = end
        if not self.sees("="):
            raise ScanLost
        self.keys_at[here] = (start, table)
        self.value(here)

    def value(self, path: Path) -> None:
        self.skip(_BLANK)
        self.note(path)
        start = self.at
        if self.sees("["):
            index = 0
            while not self.closes("]"):
                self.value((*path, index))
                index += 1
                self.comma()
        elif self.sees("{"):
            while not self.closes("}"):
                self.pair(path)
                self.comma()
        elif self.text[self.at : self.at + 1] in ("'", '"'):
            self.skip(_STRING)
        elif bare := self.skip(_BARE_VALUE):
            self.at -= len(bare) - len(bare.rstrip())
        else:
            raise ScanLost
        self.values[path] = (start, self.at)

    def closes(self, mark: str) -> bool:
        self.skip(_BLANK)
        return self.sees(mark)

    def comma(self) -> None:
        self.skip(_BLANK)
        self.sees(",")


def _unquote(quoted: str) -> str:
    """Return the value of a quoted key."""
    inside = quoted[1:-1]
    if quoted[0] == "'":
        return inside

    def plain(match: re.Match[str]) -> str:
        short, long, other = match.groups()
        return _ESCAPED.get(other, other) if other else chr(int(short or long, 16))

    return _ESCAPE.sub(plain, inside)


def toml_string(text: str) -> str:
    """Return a text as a basic string (https://toml.io/en/v1.0.0#string), which has JSON's escapes and one more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_lines(text: str) -> Mapping[Path, int]:
    """
    Return the line, from 1, of every key and array item in ``text``.

    For a text that the standard parser refuses, return the lines up to some point before the mistake. Never raises.
    """
    scanner = TomlScanner(text.replace("\r\n", "\n"))
    with suppress(ScanLost, RecursionError):
        scanner.document()
    return scanner.lines
