"""
Whether the scanner in C is there, and what it is told.

``_scan.c`` passes over HTML content as the patterns of :class:`~consent_mw.html.tokens.Syntax` do, in a fraction of the
time. It is built where a compiler is, and nothing needs it. With ``CONSENT_MW_PURE=1`` in the environment the module
is empty, and Python does all of the work. The flags here are those of ``_scan.c``, by the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from types import ModuleType
from typing import NamedTuple

__all__ = ["AttributeFlag", "Buffer", "ElementFlag", "EndTagFlag", "Scanner", "Tables", "WalkFlag", "occurs"]

#: What a page can be read from.
Buffer = bytes | bytearray | memoryview

#: The arguments that the library's functions take: one that was built for others does not count.
_INTERFACE = 4


class ElementFlag(IntFlag):
    """What is known of an element by the name in its start tag."""

    #: It matters whatever its attributes are.
    STOP = 1
    #: ... except where its addresses stay on the page's own host.
    TAME = 2
    #: The same, before the body.
    HEAD = 4
    #: A drawing, which is passed over as a whole if all in it is simple.
    DRAWING = 8
    #: It changes how what follows is read.
    MODE = 16
    #: It may stand before the body.
    BEFORE_BODY = 32
    SCRIPT = 64


class EndTagFlag(IntFlag):
    """What is known of an end tag by its name."""

    #: It matters.
    STOP = 1
    #: It matters before the body too.
    MODE = 2


class AttributeFlag(IntFlag):
    """What is known of an attribute by its name."""

    #: It may fetch or run on any element.
    SENSITIVE = 1
    #: It may do so if its value has a function, an escape or a character reference in it.
    STYLE = 2
    #: It matters if its value has one of some texts in it.
    MARKED = 4
    #: It keeps an element from being tame ...
    FETCHES = 8
    #: ... unless it is plainly a path on the page's own host,
    ADDRESS = 16
    #: or a list of such.
    ADDRESSES = 32
    #: It leads out of a drawing unless it begins with "#".
    LINK = 64


class WalkFlag:
    """What a walk may do."""

    #: Relative addresses stay on the page's own host.
    LOCAL = 1
    #: The body has not begun, and something waits for it.
    WAITING = 2
    #: Scripts may be passed over if they are remembered.
    PIECES = 4


class Tables(NamedTuple):
    """What a scanner has to know; names are in lower case."""

    #: Flags of :class:`ElementFlag`.
    elements: dict[bytes, int]
    #: What a drawing that is passed over may have in it; the flags are 1.
    simple: dict[bytes, int]
    #: Flags of :class:`EndTagFlag`.
    ends: dict[bytes, int]
    #: Flags of :class:`AttributeFlag`.
    attributes: dict[bytes, int]
    #: Beginnings of paths that matter on the page's own host, without their slash, sorted.
    paths: tuple[bytes, ...]
    #: Attributes and the texts in their values that matter, sorted.
    marks: tuple[tuple[bytes, tuple[bytes, ...]], ...]


def _load() -> ModuleType | None:
    try:
        from consent_mw.html import _scan
    except ImportError:
        return None
    return _scan if getattr(_scan, "INTERFACE", 0) == _INTERFACE else None


_module = _load()
#: The type of scanners; None where Python does the work.
Scanner = None if _module is None else _module.Scanner


def _occurs(buffer: Buffer, texts: tuple[bytes, ...]) -> bool:
    """Return whether one of these texts, none of them empty, stands in ``buffer``."""
    data = bytes(buffer)
    return any(text in data for text in texts)


#: The same in a tenth of the time, if the last bytes of the texts are rare.
occurs: Callable[[Buffer, tuple[bytes, ...]], bool] = _occurs if _module is None else _module.occurs
