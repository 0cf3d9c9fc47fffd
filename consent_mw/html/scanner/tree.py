"""
The open elements: the standard's tree construction, reduced to names.

Theory of operation. The meaning of a tag can depend on all elements that are open: whether it starts raw text, opens an
element of SVG, or is dropped, and whether "<![CDATA[" starts a section. :class:`Tree` follows
https://html.spec.whatwg.org/multipage/parsing.html literally. It has a stack of open elements with namespaces, a list
of active formatting elements, a form pointer, and a stack of template insertion modes. It creates no nodes and keeps no
text. So there is no foster parenting, which only determines where nodes go. The insertion modes are in
:mod:`consent_mw.html.scanner.modes`, under their names in the standard.

Every walk over the stack is counted. The allowed number of steps is linear in the number of tags. A page that exceeds
it is refused, so no page costs more than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from consent_mw.errors import RefusedMarkup
from consent_mw.html.elements import attributes
from consent_mw.html.tokens import BREAKOUT
from consent_mw.html.tokens import MATH_INTEGRATION
from consent_mw.html.tokens import MATH_ONLY
from consent_mw.html.tokens import SVG_INTEGRATION
from consent_mw.html.urls import unescape_attribute

HTML = b"html"
SVG = b"svg"
MATH = b"math"
#: Result instead of a namespace if the tag is ignored.
DROPPED = b""

#: Replaces a start tag that is not kept; no tag has this text.
FORGOTTEN = b"\0"

#: The steps of walks over the stack that a page may take: a fixed number, plus a number for each of its tags.
_STEPS = 100_000
STEPS_FOR_TAG = 64

_FONT_BREAKOUT = frozenset({b"color", b"face", b"size"})
_MATH_SPECIAL = MATH_INTEGRATION | {b"annotation-xml"}
#: https://html.spec.whatwg.org/#special
SPECIAL = frozenset(
    b"address applet area article aside base basefont bgsound blockquote body br button caption center col colgroup dd"
    b" details dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header"
    b" hgroup hr html iframe img input keygen li link listing main marquee menu meta nav noembed noframes noscript"
    b" object ol p param plaintext pre script search section select source style summary table tbody td template"
    b" textarea tfoot th thead title tr track ul wbr xmp".split()
)
#: https://html.spec.whatwg.org/#has-an-element-in-scope
SCOPE = frozenset(b"applet caption html table td th marquee object select template".split())
#: The same before select was added to it.
OLD_SCOPE = SCOPE - {b"select"}
LIST_ITEM = frozenset({b"ol", b"ul"})
BUTTON = frozenset({b"button"})
TABLE_SCOPE = frozenset({b"html", b"table", b"template"})
#: https://html.spec.whatwg.org/#generate-implied-end-tags
IMPLIED = frozenset(b"dd dt li optgroup option p rb rp rt rtc".split())
THOROUGHLY_IMPLIED = IMPLIED | frozenset(b"caption colgroup tbody td tfoot th thead tr".split())
_NOTHING: frozenset[bytes] = frozenset()


class Dialect(NamedTuple):
    """The choices in which parsers may differ; None if the page has not made a choice matter yet."""

    #: Whether scripts are on: then noscript is raw text.
    scripting: bool | None = None
    #: Whether the parser is an old one, which drops most tags in select.
    old_select: bool | None = None
    #: Whether the page is in quirks mode, in which a table does not close a paragraph.
    quirks: bool | None = None


class Given(NamedTuple):
    """The attributes of a start tag, for comparison with those of another tag."""

    #: Names and values, with each run of characters beyond ASCII replaced by the same character.
    text: str
    #: Whether all of it is ASCII, so that ``text`` is complete.
    plain: bool


class Element:
    """An open element: an entry on the stack, not a node; compared by identity."""

    __slots__ = ("_given", "html_point", "math_point", "name", "namespace", "raw")

    def __init__(self, name: bytes, namespace: bytes = HTML, raw: bytes = b"") -> None:
        self.name = name
        self.namespace = namespace
        #: Its start tag, if that may be needed again.
        self.raw = raw
        self._given: Given | None = None
        #: https://html.spec.whatwg.org/#mathml-text-integration-point
        self.math_point = namespace == MATH and name in MATH_INTEGRATION
        #: https://html.spec.whatwg.org/#html-integration-point
        self.html_point = (namespace == SVG and name in SVG_INTEGRATION) or (
            namespace == MATH and name == b"annotation-xml" and _holds_html(raw)
        )

    @property
    def special(self) -> bool:
        """Whether it is in the special category."""
        if self.namespace == HTML:
            return self.name in SPECIAL
        return self.html_point if self.namespace == SVG else self.name in _MATH_SPECIAL

    @property
    def given(self) -> Given:
        """
        Its attributes; computed once.

        Raises:
            RefusedMarkup: if its start tag was forgotten.
        """
        if self.raw == FORGOTTEN:
            raise RefusedMarkup("more links are open at once than can be told apart")
        if self._given is None:
            self._given = _given(self.raw, 1 + len(self.name))
        return self._given


class TagToken(NamedTuple):
    """A start tag or an end tag."""

    name: bytes
    raw: bytes = b""
    self_closing: bool = False

    def value(self, name: bytes) -> bytes:
        """Return the value of an attribute, in lower case; empty if there is none."""
        found = attributes(self.raw, 1 + len(self.name)).get(name)
        return found[0].raw.lower() if found else b""


class Tree:
    """
    The state of tree construction.

    Args:
        mode: The insertion mode.
        dialect: The choices in which parsers may differ.
    """

    __slots__ = (
        "dialect", "form", "formatting", "frameset_ok", "head", "mode", "original_mode", "quirks", "stack", "steps",
        "template_modes", "tokens",
    )  # fmt: skip

    def __init__(self, mode: str, dialect: Dialect) -> None:
        self.dialect = dialect
        self.stack: list[Element] = []
        #: The list of active formatting elements; None is a marker.
        self.formatting: list[Element | None] = []
        self.mode = mode
        self.original_mode = mode
        self.template_modes: list[str] = []
        self.head: Element | None = None
        self.form: Element | None = None
        self.frameset_ok = True
        self.quirks = False
        self.steps = 0
        self.tokens = 0

    def copy(self) -> Tree:
        """Return an independent copy, and count the work."""
        self.count((len(self.stack) + len(self.formatting)) // 8)
        return self.twin()

    def twin(self) -> Tree:
        """Return an independent copy."""
        twin = Tree(self.mode, self.dialect)
        twin.stack = self.stack.copy()
        twin.formatting = self.formatting.copy()
        twin.original_mode = self.original_mode
        twin.template_modes = self.template_modes.copy()
        twin.head, twin.form = self.head, self.form
        twin.frameset_ok, twin.quirks = self.frameset_ok, self.quirks
        twin.steps, twin.tokens = self.steps, self.tokens
        return twin

    def anonymise(self, element: Element) -> None:
        """Forget the start tag of an element, wherever it is."""
        nameless = Element(element.name, element.namespace, FORGOTTEN)
        self.stack = [nameless if one is element else one for one in self.stack]
        self.formatting = [nameless if one is element else one for one in self.formatting]

    def state(self) -> tuple[object, ...]:
        """Return a key for this state, and count the work: trees with equal keys read the rest of a page alike."""
        self.count(len(self.stack) + len(self.formatting))
        return self.key()

    def key(self, anonymous: Element | None = None) -> tuple[object, ...]:
        """Return the key of the state; for two states that differ only in the tag of ``anonymous``, it is the same."""
        places = {id(element): place for place, element in enumerate(self.stack)}
        formatting = tuple(
            None
            if element is None
            else (element.name, places.get(id(element)), FORGOTTEN if element is anonymous else element.raw)
            for element in self.formatting
        )
        form = None if self.form is None else places.get(id(self.form), -1)
        open_ = tuple((element.name, element.namespace, element.html_point) for element in self.stack)
        return (
            open_, formatting, form, self.mode, self.original_mode if self.mode == "text" else "",
            tuple(self.template_modes), self.head is None, self.frameset_ok, self.quirks,
        )  # fmt: skip

    def count(self, steps: int) -> None:
        """Count work that depends on the depth of the stack; raise RefusedMarkup above the limit."""
        self.steps += steps
        if self.steps > _STEPS + STEPS_FOR_TAG * self.tokens:
            raise RefusedMarkup("the page's elements are nested so that what its tags mean cannot be told in time")

    @property
    def allowance(self) -> int:
        """The number of steps that the page may still take without another tag."""
        return _STEPS + STEPS_FOR_TAG * self.tokens - self.steps

    # -- the stack of open elements, https://html.spec.whatwg.org/#the-stack-of-open-elements

    @property
    def current(self) -> Element:
        """The current node."""
        return self.stack[-1]

    @property
    def in_foreign(self) -> bool:
        """Whether the adjusted current node is outside the HTML namespace, so that CDATA sections are recognised."""
        return bool(self.stack) and self.stack[-1].namespace != HTML

    def is_current(self, *names: bytes) -> bool:
        """Return whether the current node is an HTML element with one of these names."""
        current = self.stack[-1]
        return current.namespace == HTML and current.name in names

    def push(self, name: bytes, token: TagToken | None = None) -> Element:
        """Insert an HTML element."""
        element = Element(name, HTML, token.raw if token else b"")
        self.stack.append(element)
        return element

    def insert_foreign(self, token: TagToken, namespace: bytes) -> None:
        """Insert a foreign element, https://html.spec.whatwg.org/#insert-a-foreign-element"""
        if not token.self_closing:
            self.stack.append(Element(token.name, namespace, token.raw))

    def find_in_scope(self, names: frozenset[bytes], more: frozenset[bytes] = _NOTHING) -> int:
        """Return the index of the innermost HTML element in scope with one of ``names``, or -1."""
        scope = OLD_SCOPE if self.dialect.old_select else SCOPE
        return self._find(names, lambda node: node.name in scope or node.name in more, foreign=True)

    def in_scope(self, *names: bytes) -> bool:
        """https://html.spec.whatwg.org/#has-an-element-in-scope"""
        return self.find_in_scope(frozenset(names)) >= 0

    def in_button_scope(self, name: bytes) -> bool:
        """https://html.spec.whatwg.org/#has-an-element-in-button-scope"""
        return self.find_in_scope(frozenset({name}), BUTTON) >= 0

    def in_list_item_scope(self, name: bytes) -> bool:
        """https://html.spec.whatwg.org/#has-an-element-in-list-item-scope"""
        return self.find_in_scope(frozenset({name}), LIST_ITEM) >= 0

    def in_table_scope(self, *names: bytes) -> bool:
        """https://html.spec.whatwg.org/#has-an-element-in-table-scope"""
        return self._find(frozenset(names), lambda node: node.name in TABLE_SCOPE, foreign=False) >= 0

    def in_select_scope(self) -> bool:
        """Return whether a select element is in select scope, in an old parser."""
        for node in reversed(self.stack):
            self.count(1)
            if node.namespace != HTML or node.name not in (b"optgroup", b"option"):
                return node.namespace == HTML and node.name == b"select"
        return False

    def _find(self, names: frozenset[bytes], bounds: Callable[[Element], bool], foreign: bool) -> int:
        stack = self.stack
        for place in range(len(stack) - 1, -1, -1):
            node = stack[place]
            if node.namespace == HTML:
                if node.name in names:
                    self.count(len(stack) - place)
                    return place
                if bounds(node):
                    break
            elif foreign and (node.html_point or node.special):
                break
        self.count(len(stack) - place if stack else 0)
        return -1

    def has_template(self) -> bool:
        """Return whether a template element is open."""
        return bool(self.template_modes)

    def pop_until(self, *names: bytes) -> None:
        """Pop elements until an HTML element with one of ``names`` has been popped."""
        stack = self.stack
        while stack:
            node = stack.pop()
            if node.namespace == HTML and node.name in names:
                return

    def clear_back_to(self, *names: bytes) -> None:
        """Clear the stack back to a table, table body or table row context."""
        while not self.is_current(*names, b"template", b"html"):
            self.stack.pop()

    def generate_implied_end_tags(self, but: bytes = b"", implied: frozenset[bytes] = IMPLIED) -> None:
        """https://html.spec.whatwg.org/#generate-implied-end-tags"""
        stack = self.stack
        while stack[-1].namespace == HTML and stack[-1].name in implied and stack[-1].name != but:
            stack.pop()

    def close_p(self) -> None:
        """Close a p element if one is in button scope."""
        if self.in_button_scope(b"p"):
            self.generate_implied_end_tags(b"p")
            self.pop_until(b"p")

    # -- the list of active formatting elements, https://html.spec.whatwg.org/#the-list-of-active-formatting-elements

    def push_formatting(self, element: Element) -> None:
        """Push onto the list of active formatting elements, which keeps no more than three equal ones."""
        self.formatting.append(element)
        alike = [
            place
            for place in range(len(self.formatting) - 1, self._last_marker(), -1)
            if self.formatting[place].name == element.name  # type: ignore[union-attr]
        ]
        if len(alike) > 3:
            self.count(len(alike))
            given = element.given
            same = [place for place in alike if self.formatting[place].given.text == given.text]  # type: ignore[union-attr]
            if len(same) > 3:
                tags = {self.formatting[place].raw for place in same}  # type: ignore[union-attr]
                if not given.plain and len(tags) > 1:
                    # Different bytes may be the same character in one charset, but not in another.
                    raise RefusedMarkup("whether formatting elements of the page are alike depends on its charset")
                del self.formatting[same[3]]

    def _last_marker(self) -> int:
        """Return the index of the last marker, or -1."""
        place = len(self.formatting) - 1
        while place >= 0 and self.formatting[place] is not None:
            place -= 1
        self.count(len(self.formatting) - place)
        return place

    def find_formatting(self, name: bytes) -> Element | None:
        """Return the last formatting element with this name after the last marker."""
        for element in reversed(self.formatting):
            self.count(1)
            if element is None:
                return None
            if element.name == name:
                return element
        return None

    def reconstruct(self) -> None:
        """Reconstruct the active formatting elements."""
        formatting = self.formatting
        if not formatting or formatting[-1] is None:
            return
        self.count(len(self.stack) // 16)
        if formatting[-1] in self.stack:
            return
        place = len(formatting) - 1
        while place > 0 and formatting[place - 1] is not None and formatting[place - 1] not in self.stack:
            place -= 1
            self.count(1 + len(self.stack) // 8)
        for at in range(place, len(formatting)):
            old = formatting[at]
            assert old is not None  # noqa: S101 -- markers end the walk above
            formatting[at] = element = Element(old.name, HTML, old.raw)
            self.stack.append(element)
            self.count(1)

    def clear_to_marker(self) -> None:
        """Clear the list of active formatting elements up to the last marker."""
        while self.formatting and self.formatting.pop() is not None:
            pass

    def adopt(self, name: bytes) -> bool:
        """
        Run the adoption agency algorithm, https://html.spec.whatwg.org/#adoption-agency-algorithm

        Returns:
            False if the tag is to be processed as any other end tag.
        """
        stack, formatting = self.stack, self.formatting
        if self.is_current(name) and stack[-1] not in formatting:
            stack.pop()
            return True
        for _ in range(8):
            subject = self.find_formatting(name)
            if subject is None:
                return False
            self.count(len(stack) // 8)
            if subject not in stack:
                formatting.remove(subject)
                return True
            if not self.has_in_scope(subject):
                return True
            place = stack.index(subject)
            furthest = next((at for at in range(place + 1, len(stack)) if stack[at].special), -1)
            self.count(len(stack) - place)
            if furthest < 0:
                del stack[place:]
                formatting.remove(subject)
                return True
            self._adopt_once(subject, place, furthest)
        return True

    def has_in_scope(self, element: Element) -> bool:
        """Return whether this particular element is in scope."""
        scope = OLD_SCOPE if self.dialect.old_select else SCOPE
        for node in reversed(self.stack):
            self.count(1)
            if node is element:
                return True
            if node.name in scope if node.namespace == HTML else node.special:
                return False
        return False

    def _adopt_once(self, subject: Element, place: int, furthest: int) -> None:
        """Drop or clone the nodes between a formatting element and its furthest block; clone the element below it."""
        stack, formatting = self.stack, self.formatting
        self.count(furthest - place + len(formatting) // 4)
        listed = {id(element): at for at, element in enumerate(formatting)}
        dropped: set[int] = set()
        kept: list[Element] = []
        # In the list, the clone replaces the subject, or follows the first of the cloned nodes.
        behind: Element = subject
        for inner, node in enumerate(reversed(stack[place + 1 : furthest]), 1):
            at = listed.get(id(node), -1)
            if at < 0 or inner > 3:
                dropped.add(at)
                continue
            formatting[at] = clone = Element(node.name, HTML, node.raw)
            kept.append(clone)
            if behind is subject:
                behind = clone
        anew = Element(subject.name, HTML, subject.raw)
        renewed: list[Element | None] = []
        for at, element in enumerate(formatting):
            if element is not subject and at not in dropped:
                renewed.append(element)
            if element is behind:
                renewed.append(anew)
        formatting[:] = renewed
        stack[place : furthest + 1] = [*reversed(kept), stack[furthest], anew]

    # -- foreign content, https://html.spec.whatwg.org/#parsing-main-inforeign

    def takes_as_html(self, token: TagToken) -> bool:
        """Return whether the tree construction dispatcher passes a start tag to the insertion mode."""
        if not self.stack or self.stack[-1].namespace == HTML:
            return True
        current = self.stack[-1]
        return (
            current.html_point
            or (current.math_point and token.name not in MATH_ONLY)
            or (current.name == b"annotation-xml" and current.namespace == MATH and token.name == SVG)
        )

    def leave_foreign(self) -> None:
        """Pop foreign elements until the current node is an HTML element or an integration point."""
        while self.stack[-1].namespace != HTML and not (self.stack[-1].html_point or self.stack[-1].math_point):
            self.stack.pop()


def breaks_out(token: TagToken) -> bool:
    """Return whether a start tag ends foreign content."""
    if token.name in BREAKOUT:
        return True
    return token.name == b"font" and bool(_FONT_BREAKOUT & attributes(token.raw, 5).keys())


def _holds_html(raw: bytes) -> bool:
    found = attributes(raw, 15).get(b"encoding")
    if not found:
        return False
    return unescape_attribute(found[0].raw.decode("latin-1")).lower() in ("text/html", "application/xhtml+xml")


_BEYOND_ASCII = re.compile("[^\x00-\x7f]+")


def _given(tag: bytes, name_end: int) -> Given:
    """Return the attributes of a start tag, with references decoded and newlines normalised."""
    parts = []
    for name, values in attributes(tag, name_end).items():
        value = values[0].raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\0", b"\xff")
        parts.append((name.decode("latin-1"), unescape_attribute(value.decode("latin-1"))))
    text = repr(sorted((_BEYOND_ASCII.sub("\x80", name), _BEYOND_ASCII.sub("\x80", value)) for name, value in parts))
    return Given(text, all(name.isascii() and value.isascii() for name, value in parts))
