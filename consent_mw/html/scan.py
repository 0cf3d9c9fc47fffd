"""
Loads the scanner in C if there is one, and defines the tables that it gets.

``_scan.c`` passes over HTML content like the patterns of :class:`~consent_mw.html.syntax.Syntax`, in a fraction of the
time. It is optional: it is built if there is a compiler. With ``CONSENT_MW_PURE=1`` in the environment the module is
empty, and Python does all of the work. The flags here have the same numbers as those in ``_scan.c``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from types import ModuleType
from typing import NamedTuple
from typing import Protocol

__all__ = [
    "AttributeFlag",
    "Buffer",
    "ElementFlag",
    "EndTagFlag",
    "Scanner",
    "Tables",
    "WalkFlag",
    "WordTable",
    "Words",
    "follow",
    "occurs",
]

#: The types of buffer that a page can be read from.
Buffer = bytes | bytearray | memoryview

#: The version of the library's function signatures; a library with another version is not used.
_INTERFACE = 5


class ElementFlag(IntFlag):
    """The properties of an element, by the name in its start tag."""

    #: It matters, whatever its attributes are ...
    STOP = 1
    #: ... unless all its addresses stay on the page's own host.
    TAME = 2
    #: The same for an element before the body.
    HEAD = 4
    #: A drawing, which is passed over as a whole if everything in it is simple.
    DRAWING = 8
    #: It changes how the following bytes are read.
    MODE = 16
    #: It may come before the body.
    BEFORE_BODY = 32
    SCRIPT = 64


class EndTagFlag(IntFlag):
    """The properties of an end tag, by its name."""

    #: It matters.
    STOP = 1
    #: It also matters before the body.
    MODE = 2


class AttributeFlag(IntFlag):
    """The properties of an attribute, by its name."""

    #: It may fetch or run on any element.
    SENSITIVE = 1
    #: It may do so if its value contains a function, an escape or a character reference.
    STYLE = 2
    #: It matters if its value contains one of the texts listed for it.
    MARKED = 4
    #: It keeps an element from being tame ...
    FETCHES = 8
    #: ... unless it is plainly a path on the page's own host,
    ADDRESS = 16
    #: or a list of such paths.
    ADDRESSES = 32
    #: It leads out of a drawing unless it begins with "#".
    LINK = 64


class WalkFlag:
    """The conditions of a walk."""

    #: Relative addresses stay on the page's own host.
    LOCAL = 1
    #: The body has not started, and something is to be inserted when it does.
    WAITING = 2
    #: Scripts may be passed over if they are remembered.
    PIECES = 4


class WordTable(Protocol):
    """Words, and beginnings of words, by which signatures of scripts are indexed."""

    def found_in(self, buffer: Buffer, /) -> list[bytes]:
        """Return the words in a buffer that are known or begin like known ones; the case of letters is ignored."""
        ...


class Tables(NamedTuple):
    """The tables of a scanner; names are in lower case."""

    #: Elements, with flags of :class:`ElementFlag`.
    elements: dict[bytes, int]
    #: Elements that a drawing may contain and still be passed over; the flags are 1.
    simple: dict[bytes, int]
    #: End tags, with flags of :class:`EndTagFlag`.
    ends: dict[bytes, int]
    #: Attributes, with flags of :class:`AttributeFlag`.
    attributes: dict[bytes, int]
    #: Prefixes of paths that matter on the page's own host, without the leading slash, sorted.
    paths: tuple[bytes, ...]
    #: Attributes, each with the sorted texts that matter in its value.
    marks: tuple[tuple[bytes, tuple[bytes, ...]], ...]


def _load() -> ModuleType | None:
    try:
        from consent_mw.html import _scan
    except ImportError:
        return None
    return _scan if getattr(_scan, "INTERFACE", 0) == _INTERFACE else None


_module = _load()
#: The scanner class; None if Python does the work.
Scanner = None if _module is None else _module.Scanner
#: The class that finds words in scripts; None if Python does the work. It gets the words, and the beginnings of others,
#: as the keys of two dictionaries.
Words: Callable[[dict[bytes, int], dict[bytes, int]], WordTable] | None = getattr(_module, "Words", None)


def _occurs(buffer: Buffer, texts: tuple[bytes, ...]) -> bool:
    """Return whether one of these texts, none of them empty, occurs in ``buffer``."""
    data = bytes(buffer)
    return any(text in data for text in texts)


#: The same; in C it takes a tenth of the time if the last bytes of the texts are rare.
occurs: Callable[[Buffer, tuple[bytes, ...]], bool] = _occurs if _module is None else _module.occurs

#: Passes over the pieces of a page whose steps are known; None if Python does the work.
follow = None if _module is None else _module.follow
