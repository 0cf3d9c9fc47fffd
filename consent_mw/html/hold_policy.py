"""
The hold policy of a decision, which is the same on every page, and its cache of answers for pieces of pages.

The pages of a site share most of their tags, scripts and style sheets, so
answers are cached by the bytes that they are for. The cache is bounded over all
policies of an engine, because visitors choose hosts, paths and grants.
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
from consent_mw.html.script_cut import Cut
from consent_mw.html.suspects import Delivery
from consent_mw.html.syntax import Syntax
from consent_mw.html.urls import Url

#: The size of the cache over all pages, in units of about a kilobyte; when it is full, it is emptied.
_KEPT = 4096
_UNIT = 512
#: The longest piece of a page whose answer is cached, in bytes.
_KEPT_SIZE = 16_384
#: The assumed size of an edit, in bytes.
_EDIT = 128
#: Limits for the addresses of pages, which visitors can make up: how many, and their length.
_KEPT_CONTEXTS = 64
_LONGEST_CONTEXT = 2048

Edit = tuple[int, int, bytes]

#: A placeholder in edits for the response's key, which distinguishes our marks from forged ones in user content.
#: It is replaced before anything is sent, so that plans can be reused for other responses. In a tag it becomes an
#: attribute; in a mark within an address it becomes ``cmw-key=KEY#``, which the guard finds in what scripts insert.
KEY = b"\0"
KEY_IN_ADDRESS = KEY + b"#"
#: The prefix of all our attributes.
PREFIX = b"data-cmw-"


class TagPlan(NamedTuple):
    """What to do with one tag: ``edits`` are (offset, bytes left out, bytes inserted), in order."""

    edits: tuple[Edit, ...]
    held: Ids
    #: Remove the whole element from the page (``release = "reload"`` only).
    remove: bool = False
    #: The services whose embed a script would create here.
    panel: Ids = ()
    #: The height of that embed in CSS pixels; 0 if the page does not state it.
    height: int = 0
    #: The element is a custom element, which is renamed so that its code does not start.
    rename: bool = False


class Edits(NamedTuple):
    """What to do with a piece of a page: edits relative to its start, and the ids of the services that they hold."""

    edits: tuple[Edit, ...]
    held: frozenset[str]


class Memory:
    """A cache of answers for pieces of pages with the same context."""

    __slots__ = (
        "_budget",
        "cuts",
        "foreign_plans",
        "generation",
        "mode_plans",
        "panels",
        "pieces",
        "plans",
        "script_plans",
        "scripts",
    )

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.generation = budget.generation
        #: Plans of start tags in HTML content.
        self.plans: dict[bytes, TagPlan | None] = {}
        #: Plans of start tags that change how the following markup is read, and so are never skipped.
        self.mode_plans: dict[bytes, TagPlan | None] = {}
        #: Plans of start tags in SVG and MathML.
        self.foreign_plans: dict[bytes, TagPlan | None] = {}
        #: The kind of a script, and whether it has a src, by its start tag.
        self.scripts: dict[bytes, tuple[str, bool]] = {}
        self.script_plans: dict[tuple[bytes, Ids], TagPlan | None] = {}
        #: Edits in whole scripts, style sheets and contents of noscript elements, by their bytes.
        self.pieces: dict[bytes, Edits] = {}
        #: How scripts that are held are cut, by their code; None for those that stay whole.
        self.cuts: dict[bytes, Cut | None] = {}
        #: The held services whose embeds would appear at a script, by its start tag and code.
        self.panels: dict[bytes, Ids] = {}

    def room_for(self, piece: bytes, edits: int = 0) -> bool:
        """Reserve space for an answer with so many edits, emptying the cache if it is full; False if it is too long."""
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
                self.panels,
                self.cuts,
            ):
                store.clear()
        return True


@dataclass(slots=True)
class Budget:
    """The size of the cached answers of all policies together; memories of an older generation are dropped."""

    kept: int = 0
    generation: int = 0


@dataclass(frozen=True)
class HoldPolicy:
    """
    What to hold for a decision, on any page.

    Args:
        allowed: Ids of the services and purposes that may run: granted or necessary.
        unknown: ``hold``, ``suspects``, ``pixels`` or ``allow``: how to treat third parties that no service describes.
        remove: Remove held elements instead of making them inert.
        placeholder: Path of the placeholder pages, ending with a slash; empty for none.
        hold_back: The most bytes of one construct that are buffered.
        once: Ids of the services whose visible embeds, and nothing else, the visitor asked to see in this page.
        places: The places of embeds that scripts create.
        allow_hosts: Hosts that may run, with their subdomains; after a host, the prefix of the path may follow.
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
    #: Called for everything that a page loads from third parties, with the address, the kind of element, the id of the
    #: service (or an empty string), and whether it is held.
    watch: Callable[[Url, str, str, bool], object] | None = field(default=None, compare=False, repr=False)
    #: What has been learned about the site's delivery; shared by the policies of a site.
    delivery: Delivery = field(default_factory=Delivery, compare=False, repr=False)
    budget: Budget = field(default_factory=Budget, compare=False, repr=False)
    memories: dict[tuple[Url, Url | None, str, int], Memory] = field(default_factory=dict, compare=False, repr=False)

    def allows(self, url: Url) -> bool:
        """Whether the owner allows this address if it belongs to no service (``allow_hosts``)."""
        for rule in self.allow_hosts:
            host, slash, path = rule.partition("/")
            if f".{url.host}".endswith(f".{host}") and url.rest.startswith(slash + path):
                return True
        return False

    def watched(self, watch: Callable[[Url, str, str, bool], object]) -> HoldPolicy:
        """Return this policy for one page that ``watch`` observes, without the cached answers for other pages."""
        twin = replace(self, watch=watch, memories={}, budget=Budget())
        twin.__dict__["syntax"] = self.syntax  # it depends on the rules alone
        return twin

    @cached_property
    def syntax(self) -> Syntax:
        """The markup at which the tokenizer must stop."""
        return self.matcher.syntax_with(self.places.marks) if self.places.marks else self.matcher.syntax

    @property
    def longest_script(self) -> int:
        """
        The most bytes of an inline script that are buffered.

        Pages contain whole libraries and data sets in scripts, and a script can be judged only when it is complete.
        Tags need less.
        """
        return 16 * self.hold_back

    def memory(self, page: Url, base: Url | None, charset: str) -> Memory:
        """
        Return the cached answers for pages like this one.

        Args:
            page: The page's address; without its path if the answers do not depend on that.
            base: The address in its base element, or None.
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
