"""
What independent parsers make of a page: lexbor, html5ever and justhtml, which share no code with the scanner.

They follow the standard of today. html5lib, which some tests use besides,
follows that of 2016: an old parser of ``select`` that knows no ``template``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import justhtml
import markupever
import tinycss2  # type: ignore[import-untyped]
from selectolax.lexbor import LexborHTMLParser

NAMESPACES = {
    "http://www.w3.org/1999/xhtml": "html",
    "http://www.w3.org/2000/svg": "svg",
    "http://www.w3.org/1998/Math/MathML": "math",
}
_POINTS = {"svg": {"desc", "title", "foreignobject"}, "math": {"mi", "mo", "mn", "ms", "mtext", "annotation-xml"}}
_HELD = re.compile(r"\s*(?:https:)?//tracker\.example")
_FETCHES = {
    "html": {
        "img": {"src"},
        "iframe": {"src"},
        "frame": {"src"},
        "object": {"data"},
        "video": {"poster"},
        "script": {"src"},
    },
    "svg": {"image": {"href"}, "script": {"href"}},
}


class Parsed(NamedTuple):
    """An element of a document; what templates contain is left out."""

    namespace: str
    name: str
    attributes: dict[str, str]
    #: The text that stands directly in it.
    text: str


def lexbor(page: str, scripting: bool) -> Iterator[Parsed]:
    """Yield the elements that lexbor finds; their namespaces follow from what they stand in."""
    root = LexborHTMLParser(page, scripting=scripting).root
    spaces: dict[int, str] = {}
    for node in root.traverse(include_text=False) if root is not None else ():
        name = (node.tag or "").lower()
        if not name or not name[0].isalpha():
            continue
        space, around = "html", ""
        if node.parent is not None:
            space, around = spaces.get(node.parent.mem_id, "html"), (node.parent.tag or "").lower()
        if around in _POINTS.get(space, ()):
            space = "html"
        if name in _POINTS or name in ("svg", "math"):
            space = name
        spaces[node.mem_id] = space
        text = node.text(deep=False) or "" if name in ("script", "style") else ""
        yield Parsed(space, name, {key: value or "" for key, value in node.attributes.items()}, text)


def html5ever(page: str, scripting: bool) -> Iterator[Parsed]:
    """Yield the elements that html5ever finds, which always reads as with scripts on."""
    if not scripting:
        return
    waiting: list[Any] = [markupever.parse(page, markupever.HtmlOptions()).root()]
    while waiting:
        node = waiting.pop()
        is_template = False
        if isinstance(node, markupever.dom.Element):
            space = NAMESPACES.get(node.name.ns or "", "html")
            name = node.name.local.lower()
            is_template = (space, name) == ("html", "template")
            attributes: dict[str, str] = {}
            for key, value in node.attrs.items():
                attributes.setdefault(key.local, value)
            text = "".join(child.content for child in node.children() if isinstance(child, markupever.dom.Text))
            yield Parsed(space, name, attributes, text)
        if not is_template:
            waiting += reversed(list(node.children()))


def just(page: str, scripting: bool) -> Iterator[Parsed]:
    """Yield the elements that justhtml finds."""
    # It ends a comment at "<!--!>", which the standard does not (#comment-start-state).
    page = page.replace("<!--!>", "<!-- !>")
    waiting = [justhtml.JustHTML(page, sanitize=False, scripting_enabled=scripting).root]
    while waiting:
        node = waiting.pop()
        space = node.namespace or "html"
        if node.name[:1].isalpha():
            text = "".join(child.data or "" for child in node.children or () if child.name == "#text")
            attributes = {key: value or "" for key, value in (node.attrs or {}).items()}
            yield Parsed(NAMESPACES.get(space, space), node.name.lower(), attributes, text)
        if (space, node.name) != ("html", "template"):
            waiting += reversed(node.children or [])


Parser = Callable[[str, bool], Iterator[Parsed]]
PARSERS: dict[str, Parser] = {"lexbor": lexbor, "html5ever": html5ever, "justhtml": just}


#: A comment of JavaScript up to the end of its line, or a string, in which two slashes begin none.
_COMMENT = re.compile(r"""('[^'\n]*'|"[^"\n]*"|`[^`]*`)|//[^\n]*""")


def leaks(page: bytes, *, scripting: bool, by: Iterable[str] = tuple(PARSERS)) -> list[str]:
    """
    Return what some parser finds that would fetch from the tracker or run its code.

    Args:
        by: Names of the parsers.
    """
    text = page.decode("latin-1")
    found = []
    for parser in map(PARSERS.__getitem__, by):
        for element in parser(text, scripting):
            found += [leak for leak in _of(element) if leak not in found]
    return found


def _of(element: Parsed) -> Iterator[str]:
    space, name, given, text = element
    fetching = _FETCHES.get(space, {}).get(name, set())
    if space == "html" and name == "link" and given.get("rel") == "stylesheet":
        fetching = {"href"}
    elif space == "html" and name == "input" and given.get("type") == "image":
        fetching = {"src"}
    yield from (f"{name} {key}" for key in sorted(fetching) if _HELD.match(given.get(key, "")))
    if name == "style" and space != "math" and any(map(_HELD.match, _style_urls(tinycss2.parse_stylesheet(text)))):
        yield "style text"
    if any(map(_HELD.match, _style_urls(tinycss2.parse_component_value_list(given.get("style", ""))))):
        yield f"{name} style"
    runs = name == "script" and space != "math" and given.get("type") in (None, "module")
    runs = runs and not (space == "html" and "src" in given)
    # A line behind "<!--" is a comment, and behind a quote or a slash it may be no code; beside a src nothing runs.
    if runs and re.match(r"[^/'\"`]*?(?<![\w$])trackNow\(", re.sub(r"<!--[^\n]*", "", text)):
        yield "script text"
    if "tracker.example" in _COMMENT.sub(r"\1", given.get("onclick", "")):
        yield f"{name} onclick"


def _style_urls(nodes: list[tinycss2.ast.Node]) -> Iterator[str]:
    for node in nodes:
        if node.type == "url":
            yield node.value
        strings = []
        if node.type == "function" and node.lower_name in ("url", "src", "image-set"):
            strings = node.arguments
        elif node.type == "at-rule" and node.lower_at_keyword == "import":
            strings = node.prelude
        yield from (inner.value for inner in strings if inner.type == "string")
        for part in ("prelude", "content", "arguments"):
            inner = getattr(node, part, None)
            if isinstance(inner, list):
                yield from _style_urls(inner)
