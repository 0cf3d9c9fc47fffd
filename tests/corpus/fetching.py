"""
What a browser would fetch of a page, by an independent parser: html5lib for markup, tinycss2 for style sheets.

It shares no code with the rewriter. It knows only of what markup itself
fetches; what scripts ask for is seen in a browser.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from urllib.parse import urldefrag
from urllib.parse import urljoin
from xml.etree import ElementTree  # noqa: S405 -- builds trees here, parses nothing

import html5lib
import tinycss2  # type: ignore[import-untyped]

_URLS = {
    "audio": ["src"],
    "embed": ["src"],
    "frame": ["src"],
    "iframe": ["src"],
    "image": ["href"],
    "img": ["src", "lowsrc"],
    "input": ["src"],
    "link": ["href"],
    "object": ["data"],
    "script": ["src"],
    "source": ["src"],
    "track": ["src"],
    "use": ["href"],
    "video": ["src", "poster"],
}
_LISTS = {"img": "srcset", "source": "srcset", "link": "imagesrcset"}
_RELATIONS = frozenset(
    {"stylesheet", "icon", "apple-touch-icon", "manifest", "preload", "prefetch", "preconnect", "dns-prefetch"}
)
_RUNS = re.compile(r"\s*(?:|module|(?:text|application)/(?:x-)?(?:java|ecma)script)\s*\Z", re.IGNORECASE)
_CANDIDATE = re.compile(r"[\s,]*(\S*[^\s,])(?:,(?=\s)|\s[^,]*(?:,|\Z)|\Z)")


def fetches(page: bytes, url: str, *, scripting: bool) -> frozenset[str]:
    """Return the http addresses, whole and without fragments, that the markup of ``page`` at ``url`` leads to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = html5lib.parse(page, treebuilder="etree", scripting=scripting)
    base = next(
        (urljoin(url, element.get("href", "")) for element in root.iter(_html("base")) if element.get("href")), url
    )
    found = set()
    for reference in _references(root):
        try:
            whole = urldefrag(urljoin(base, reference.strip())).url
        except ValueError:
            continue  # no address at all, to a browser neither
        if whole.startswith(("http://", "https://")):
            found.add(whole)
    return frozenset(found)


def _html(name: str) -> str:
    return f"{{http://www.w3.org/1999/xhtml}}{name}"


def _references(root: ElementTree.Element) -> Iterator[str]:
    for element in root.iter():
        if not isinstance(element.tag, str):
            continue  # a comment
        name = element.tag.rpartition("}")[2]
        values = {str(key).rpartition("}")[2]: value for key, value in element.attrib.items()}
        if _counts(name, values):
            yield from (values[key] for key in _URLS.get(name, ()) if values.get(key))
            yield from _CANDIDATE.findall(values.get(_LISTS.get(name, ""), ""))
        if name in ("body", "table", "td", "th", "tr") and values.get("background"):
            yield values["background"]
        if "url(" in values.get("style", "").lower():
            yield from _style(tinycss2.parse_component_value_list(values["style"]))
        if name == "style":
            yield from _style(tinycss2.parse_stylesheet("".join(element.itertext())))


def _counts(name: str, values: dict[str, str]) -> bool:
    if name == "link":
        return not _RELATIONS.isdisjoint(values.get("rel", "").lower().split())
    if name == "script":
        return _RUNS.match(values.get("type", "")) is not None and "nomodule" not in values
    if name == "input":
        return values.get("type", "").lower() == "image"
    if name == "iframe":
        return "srcdoc" not in values
    return True


def _style(nodes: list[tinycss2.ast.Node]) -> Iterator[str]:
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
                yield from _style(inner)
