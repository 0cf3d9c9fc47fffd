"""
The state of one reading of a page, and what every part of the scanner does with it.

A page has one reading, and a second where browsers differ or where too
little is known to tell: inside ``noscript`` (text with scripts on, markup with
scripts off), in old and new ``select`` parsers, and behind stray end tags in
foreign content. The rewriter follows each and makes the edits of all; two
that come to the same place again are one.
"""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple
from typing import Protocol
from typing import Self

from consent_mw.html.hold_policy import Edit
from consent_mw.html.hold_policy import Edits
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.holder import Holder
from consent_mw.html.meta_csp import Amend
from consent_mw.html.tokens import ScriptEnd
from consent_mw.html.tokens import TagWatch


class Place(NamedTuple):
    """Where something can be inserted, and what is known of the page there."""

    #: At the end of the body, where nothing was given at its beginning.
    at_end: bool
    #: Ids of what was held so far.
    held: frozenset[str]
    #: A base element sends relative addresses to another host.
    foreign_base: bool
    #: The Content-Security-Policies that the page itself has set so far.
    policies: tuple[str, ...] = ()
    #: What the page says its language is, or empty.
    lang: str = ""
    #: Where the author asked for it.
    asked: bool = False


#: Gives the banner, or nothing (yet).
Insert = Callable[[Place], bytes]
#: Gives what goes before a held script, by the ids that it is held for and its text.
Queue = Callable[[Place, tuple[str, ...], bytes], bytes]

HTML = b"html"
SVG = b"svg"
MATH = b"math"

#: (element name, namespace of what stands in it): only roots, integration points and what is between them.
Stack = tuple[tuple[bytes, bytes], ...]


class Mode(IntEnum):
    """What the bytes at the position are part of."""

    DATA = 0
    COMMENT = 1
    BOGUS = 2
    CDATA = 3
    RAW_TEXT = 4
    STYLE = 5
    STYLE_COMMENT = 6
    STYLE_TOKEN = 7
    SCRIPT = 8
    SCRIPT_TEXT = 9
    PLAINTEXT = 10
    LONG_VALUE = 11
    LONG_TAG = 12


class ScanContext(Protocol):
    """What a reading needs of the rewriter."""

    #: Gives what to insert first in body, or before its end where that gave nothing.
    insert: Insert | None
    #: Gives what to insert first in head, where it runs before all else.
    first: Insert | None
    #: Gives what to leave before a held script, so that code of the site's own finds what it calls.
    queue: Queue | None
    #: The page may name its charset in a meta element, which browsers look for near the beginning.
    undeclared: bool
    #: Gives what to insert into a Content-Security-Policy that stands in the page.
    amend: Amend | None
    #: Those that were found.
    policies: list[str]
    #: The tag behind which an author asks for the banner, or empty.
    mark: bytes
    held: set[str]

    def fork(self, reading: Reading) -> None:
        """Follow another reading besides."""

    def readings(self) -> int:
        """Return how many readings are followed."""

    def forget(self, count: int) -> None:
        """Drop all readings but the first ``count``."""


class Reading(ABC):
    """
    Where one reading is, and what it knows.

    Args:
        page: What the readings of a page share.
        holder: What to hold in a tag.
        primary: Whether this reading places the banner.
    """

    def __init__(self, page: ScanContext, holder: Holder, *, primary: bool) -> None:
        self.edits: list[Edit] = []
        self.position = 0
        self.mode = Mode.DATA
        self.page = page
        self.holder = holder
        self.syntax = holder.policy.matcher.syntax
        self.buffer = bytearray()
        self.origin = 0
        self.final = False
        self.stack: Stack = ()
        #: Open HTML elements inside an integration point.
        self.open: tuple[bytes, ...] = ()
        self.in_noscript = False
        #: Offset in the page of a start tag that ends foreign content, which it must go on doing.
        self.breaks_out = -1
        self.in_select = False
        self.in_frameset = False
        self.template = 0
        self.has_base = False
        #: Before the first element of an XHTML page.
        self.in_prolog = holder.xml
        #: Specifiers that an import map sends to a held address.
        self.mapped: frozenset[str] = frozenset()
        self.before_head = primary and page.first is not None
        #: What the root element says of the page's language.
        self.lang = ""
        self.before_body = primary and page.insert is not None
        self.at_end = False
        #: Raw text: the element it is in, and whether it is left out of the page.
        self.raw_name = b""
        self.leave_out = False
        #: A script whose end is looked for: the position is its start tag's, its content begins here.
        self.content = 0
        self.script_end = ScriptEnd()
        self.script_kind = ""
        #: A CDATA section in which those who only look ahead have been followed already.
        self.followed = False
        #: How far a search for the end of a construct got, and how long it must be before it is tried again.
        self.searched = 0
        self.again = 0
        #: How the bytes of a style sheet are read; None until it matters.
        self.wide: str | None = None
        self.watch = TagWatch()
        #: Offset in the page of the tag that is watched.
        self.watched = -1
        #: A tag that is longer than what may be kept back: its element, attributes so far, and open quote.
        self.long_name = b""
        self.long_foreign = False
        self.long_seen: frozenset[bytes] = frozenset()
        self.quote = b""
        #: Whether the last byte between its attributes was a slash.
        self.slash = False

    def shift(self, count: int) -> None:
        """Take note that ``count`` bytes have left the front of the buffer."""
        self.position -= count
        self.content -= count
        self.searched -= count

    def agrees(self, other: Reading) -> bool:
        """Whether ``other`` will read the rest of the page just as this one does."""
        return self.position == other.position and self.stands_as(other) and self.in_noscript == other.in_noscript

    def stands_as(self, other: Reading) -> bool:
        """Whether both are between tags in the same surroundings."""
        return (
            self.mode is Mode.DATA is other.mode
            and self.stack == other.stack
            and self.open == other.open
            and self.in_select == other.in_select
            and self.in_frameset == other.in_frameset
            and self.holder.base == other.holder.base
        )

    def copy(self) -> Self:
        """Return another reading that has come to the same place, without edits."""
        twin = type(self)(self.page, self.holder, primary=False)
        twin.buffer, twin.origin, twin.final = self.buffer, self.origin, self.final
        twin.position = self.position
        twin.stack = self.stack
        twin.open = self.open
        twin.in_noscript = self.in_noscript
        twin.in_select = self.in_select
        twin.in_frameset = self.in_frameset
        twin.has_base = self.has_base
        twin.template = self.template
        twin.mapped = self.mapped
        return twin

    @abstractmethod
    def run(self, buffer: bytearray, origin: int, *, final: bool) -> None:
        """Read on from the position, as far as ``buffer``, which begins at offset ``origin`` of the page, lets."""

    def edit(self, offset: int, left_out: int, inserted: bytes) -> None:
        """Note an edit at ``offset`` of the buffer."""
        self.edits.append((self.origin + offset, left_out, inserted))

    def apply(self, plan: TagPlan, start: int) -> None:
        """Note the edits of a tag that begins at ``start``."""
        self.page.held.update(plan.held)
        for offset, left_out, inserted in plan.edits:
            self.edits.append((self.origin + start + offset, left_out, inserted))

    def apply_known(self, known: Edits, start: int) -> None:
        """Note the edits of a piece that begins at ``start`` and was seen before."""
        self.page.held.update(known.held)
        offset = self.origin + start
        self.edits += [(offset + at, left_out, inserted) for at, left_out, inserted in known.edits]

    def keep(self, piece: bytes, start: int, edits: int) -> None:
        """Remember what was done with a piece that begins at ``start``: the edits from number ``edits`` on."""
        if self.holder.memory.room_for(piece):
            offset = self.origin + start
            made = tuple((at - offset, left_out, inserted) for at, left_out, inserted in self.edits[edits:])
            self.holder.memory.pieces[piece] = Edits(made, frozenset(self.page.held))

    def too_long(self, start: int) -> bool:
        """Whether what began at ``start`` is longer than what may be kept back."""
        return len(self.buffer) - start > self.holder.policy.hold_back
