"""
What holds for a decision on every page, and what was answered to pieces of pages before.

The pages of a site share most of their tags, scripts and style sheets: an
answer is kept by the bytes it was given for. How much is kept is bounded over
all policies of an engine, since visitors choose hosts, paths and grants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from consent_mw.html.code import Ids
from consent_mw.html.match import Matcher
from consent_mw.html.places import Places
from consent_mw.html.suspects import Delivery
from consent_mw.html.tokens import Syntax
from consent_mw.html.urls import Url

#: How much is kept over all pages, in units of some kilobyte; when it is reached all is forgotten.
_KEPT = 4096
_UNIT = 512
#: The longest piece of a page to which the answer is kept, in bytes.
_KEPT_SIZE = 16_384
#: What an edit counts for, in bytes.
_EDIT = 128
#: Pages are told apart by their addresses, which a visitor may invent: so many, and none that is longer.
_KEPT_CONTEXTS = 64
_LONGEST_CONTEXT = 2048

Edit = tuple[int, int, bytes]

#: Stands in the edits for what only a response knows: the key that tells its marks from those of a visitor's markup.
#: No page gets it as it is, so that plans can be kept for other responses.
KEY = b"\0"
#: What every attribute of ours begins with.
PREFIX = b"data-cmw-"


class TagPlan(NamedTuple):
    """What to do with one tag: ``edits`` are (offset, bytes left out, bytes inserted), in order."""

    edits: tuple[Edit, ...]
    held: Ids
    #: Leave the whole element out of the page (``release = "reload"`` only).
    remove: bool = False
    #: The services whose embed stands here once a script has made it.
    panel: Ids = ()
    #: How high that will be, in CSS pixels; 0 where the page does not say.
    height: int = 0
    #: The element is one of the page's own making, which must not come to life under its name.
    rename: bool = False


class Edits(NamedTuple):
    """What to do with a piece of a page: edits relative to where it begins, and the ids of what they hold."""

    edits: tuple[Edit, ...]
    held: frozenset[str]


class Memory:
    """What was answered to pieces of pages with the same surroundings."""

    __slots__ = ("_budget", "foreign_plans", "generation", "mode_plans", "pieces", "plans", "script_plans", "scripts")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.generation = budget.generation
        #: Plans of start tags in HTML content.
        self.plans: dict[bytes, TagPlan | None] = {}
        #: Plans of those that change how what follows is read, and so are never passed over.
        self.mode_plans: dict[bytes, TagPlan | None] = {}
        #: Plans of start tags in SVG and MathML.
        self.foreign_plans: dict[bytes, TagPlan | None] = {}
        #: What a script's start tag makes of it, and whether it has a src.
        self.scripts: dict[bytes, tuple[str, bool]] = {}
        self.script_plans: dict[tuple[bytes, Ids], TagPlan | None] = {}
        #: Edits in whole scripts, in style sheets and in the content of noscript elements, by their bytes.
        self.pieces: dict[bytes, Edits] = {}

    def room_for(self, piece: bytes, edits: int = 0) -> bool:
        """Whether an answer to ``piece``, of so many edits, may be kept; makes room where there is none."""
        if len(piece) > _KEPT_SIZE or edits > _KEPT_SIZE // _EDIT:
            return False
        self._budget.kept += 1 + (len(piece) + _EDIT * edits) // _UNIT
        if self._budget.kept > _KEPT:
            self._budget.kept = 0
            self._budget.generation += 1
            for store in (
                self.plans,
                self.mode_plans,
                self.foreign_plans,
                self.scripts,
                self.script_plans,
                self.pieces,
            ):
                store.clear()
        return True


@dataclass(slots=True)
class Budget:
    """How many answers are kept by all policies together; memories of an old generation are dropped."""

    kept: int = 0
    generation: int = 0


@dataclass(frozen=True)
class HoldPolicy:
    """
    What holds for a decision, whatever the page.

    Args:
        allowed: Ids of services and purposes that may run: those granted and those necessary.
        unknown: ``hold``, ``suspects``, ``pixels`` or ``allow``: what becomes of third parties that no service names.
        remove: Leave held elements out instead of making them inert.
        placeholder: Path of the placeholder pages, ending with a slash; empty for none.
        hold_back: The most bytes of one construct that are kept back.
        once: Ids whose visible embeds, and nothing else of theirs, the visitor asked to see in this page.
        places: Where the embeds stand that scripts make.
        allow_hosts: Hosts, with all below them, that are no third parties; a path after one must begin so.
    """

    matcher: Matcher
    allowed: frozenset[str]
    unknown: str = "pixels"
    remove: bool = False
    placeholder: str = ""
    hold_back: int = 1_048_576
    once: frozenset[str] = frozenset()
    places: Places = field(default_factory=Places, compare=False, repr=False)
    allow_hosts: tuple[str, ...] = ()
    #: Hears of what a page loads of third parties: address, kind of element, id of the service or nothing, held or not.
    watch: Callable[[Url, str, str, bool], object] | None = field(default=None, compare=False, repr=False)
    #: What the site's own pages show of its delivery; shared by the policies of a site.
    delivery: Delivery = field(default_factory=Delivery, compare=False, repr=False)
    budget: Budget = field(default_factory=Budget, compare=False, repr=False)
    memories: dict[tuple[Url, Url | None, str, int], Memory] = field(default_factory=dict, compare=False, repr=False)

    def allows(self, url: Url) -> bool:
        """Whether the owner lets all of this host run that no service names."""
        for rule in self.allow_hosts:
            host, slash, path = rule.partition("/")
            if f".{url.host}".endswith(f".{host}") and url.rest.startswith(slash + path):
                return True
        return False

    def watched(self, watch: Callable[[Url, str, str, bool], object]) -> HoldPolicy:
        """Return the same for one page of which ``watch`` hears all; it remembers nothing of other pages."""
        return replace(self, watch=watch, memories={}, budget=Budget())

    @cached_property
    def syntax(self) -> Syntax:
        """What the tokenizer must stop at."""
        return self.matcher.syntax_with(self.places.marks) if self.places.marks else self.matcher.syntax

    @property
    def longest_script(self) -> int:
        """
        The most bytes of an inline script that are kept back.

        Pages carry whole libraries and data sets in scripts. What one is can be said when all of it was seen; a tag
        has no need of so much.
        """
        return 16 * self.hold_back

    def memory(self, page: Url, base: Url | None, charset: str) -> Memory:
        """
        Return what is remembered of pages like this one.

        Args:
            page: The page's address; without its path where that changes nothing.
            base: What its base element says, or None.
        """
        key = (page, base, charset, self.delivery.version)
        if len(page.rest) + (len(base.rest) if base else 0) > _LONGEST_CONTEXT:
            return Memory(self.budget)
        memory = self.memories.get(key)
        if memory is None or memory.generation != self.budget.generation:
            if len(self.memories) >= _KEPT_CONTEXTS:
                self.memories.clear()
            memory = self.memories[key] = Memory(self.budget)
        return memory
