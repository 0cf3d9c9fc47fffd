"""
The compared engines: each does the work of :mod:`benchmarks.work` in the way that suits it best.

An engine gets a matcher once and then pages. For each page it returns the new page and the number of held elements.
html.parser and lolhtml rewrite the page piece by piece. BeautifulSoup and lxml build a tree and serialise it, which is
too invasive for other people's pages, but common.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import bs4
import lolhtml
import lxml.html
from bs4.element import PreformattedString

from benchmarks.work import BANNER
from benchmarks.work import FETCHING
from benchmarks.work import HANDLERS
from benchmarks.work import Judge
from consent_mw.html.match import Matcher

#: From a page to the new page and the number of held elements.
Run = Callable[[bytes], tuple[bytes, int]]
Engine = Callable[[Matcher], Run]


class _Parser(HTMLParser):
    """Writes every token unchanged, except for start tags that are held."""

    def __init__(self, judge: Judge) -> None:
        super().__init__(convert_charrefs=False)
        self.judge = judge
        self.out: list[str] = []
        self.script_at = -1
        self.script_type: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text = self.get_starttag_text() or ""
        held = self.judge.attributes(tag, attrs)
        if held:
            for name in held:
                text = text.replace(f" {name}", f" data-cmw-{name}", 1)
            text = text.replace(tag, f"{tag} data-cmw-held", 1)
        self.out.append(text)
        if tag == "script" and not held:
            self.script_at = len(self.out) - 1
            self.script_type = dict(attrs).get("type")
        elif tag == "body":
            self.out.append(BANNER.decode())

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script" and self.script_at >= 0:
            start = self.script_at
            if self.judge.script(self.script_type, "".join(self.out[start + 1 :])):
                self.out[start] = self.out[start].replace("<script", '<script type="text/plain" data-cmw-held', 1)
            self.script_at = -1
        self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.out.append(data)

    def handle_entityref(self, name: str) -> None:
        self.out.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.out.append(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self.out.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.out.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.out.append(f"<?{data}>")


def html_parser(matcher: Matcher) -> Run:
    """The standard library's parser, in pure Python."""

    def run(page: bytes) -> tuple[bytes, int]:
        judge = Judge(matcher)
        parser = _Parser(judge)
        parser.feed(page.decode("utf-8", "replace"))
        parser.close()
        return "".join(parser.out).encode(), judge.held

    return run


class _Markup(PreformattedString):
    """Markup that is written unchanged, so that the banner need not be parsed."""

    PREFIX = ""
    SUFFIX = ""


def _soup(backend: str) -> Engine:
    def engine(matcher: Matcher) -> Run:
        def run(page: bytes) -> tuple[bytes, int]:
            judge = Judge(matcher)
            soup = bs4.BeautifulSoup(page, backend, from_encoding="utf-8")
            for element in soup.find_all(True):
                held = judge.attributes(
                    element.name, [(n, v if isinstance(v, str) else "") for n, v in element.attrs.items()]
                )
                if element.name == "script" and not held:
                    kind = element.get("type")
                    if judge.script(kind if isinstance(kind, str) else None, element.string or ""):
                        element["type"] = "text/plain"
                        element["data-cmw-held"] = ""
                for name in held:
                    element[f"data-cmw-{name}"] = element.attrs.pop(name)
                    element["data-cmw-held"] = ""
            if soup.body is not None:
                soup.body.insert(0, _Markup(BANNER.decode()))
            return soup.encode("utf-8"), judge.held

        return run

    return engine


def lxml_html(matcher: Matcher) -> Run:
    """lxml's HTML tree: libxml2, in C."""
    banner = lxml.html.fragment_fromstring(BANNER)

    def run(page: bytes) -> tuple[bytes, int]:
        judge = Judge(matcher)
        root = lxml.html.document_fromstring(page, parser=lxml.html.HTMLParser(encoding="utf-8"))
        for element in root.iter():
            tag = element.tag
            if not isinstance(tag, str):
                continue  # a comment or processing instruction
            attributes = element.attrib
            held = judge.attributes(tag, attributes.items()) if attributes else []
            if tag == "script" and not held and judge.script(attributes.get("type"), element.text or ""):
                attributes["type"] = "text/plain"
                attributes["data-cmw-held"] = ""
            for name in held:
                attributes[f"data-cmw-{name}"] = attributes.pop(name)
                attributes["data-cmw-held"] = ""
        body = root.find("body")
        if body is not None:
            body.insert(0, copy.copy(banner))
        return lxml.html.tostring(root, encoding="utf-8"), judge.held

    return run


#: lol_html selects tags in Rust; only the selected ones reach Python. It has no selector for "any handler".
_SELECTOR = ",".join(
    [*sorted(FETCHING.keys() - {"a", "area"}), "a[ping]", "area[ping]", "[style]", *(f"[{n}]" for n in HANDLERS)]
)


class _Elements:
    """Edits attributes. Do not keep the element: reading it after the callback crashes the process."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    def element(self, element: Any) -> None:
        attributes = element.attributes
        if not attributes:
            return
        for name in self.judge.attributes(element.tag_name, _pairs(attributes), raw=True):
            element.set_attribute(f"data-cmw-{name}", element.get_attribute(name))
            element.remove_attribute(name)
            element.set_attribute("data-cmw-held", "")


class _Scripts:
    """
    Judges inline scripts.

    The start tag has already been written when the code is known, so a held script is emptied: this library cannot do
    more in one pass.
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.kind: str | None = None
        self.parts: list[str] = []

    def element(self, element: Any) -> None:
        self.kind = element.get_attribute("type")
        self.parts.clear()

    def text(self, chunk: Any) -> None:
        self.parts.append(chunk.text)
        if not chunk.last_in_text_node:
            chunk.remove()
            return
        code = "".join(self.parts)
        self.parts.clear()
        if not self.judge.script(self.kind, code):
            chunk.replace(code, lolhtml.ContentType.HTML)


class _Noscripts:
    """Rewrites the content of noscript, which is opaque text to this library, with a separate rewriter."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.parts: list[str] = []

    def text(self, chunk: Any) -> None:
        self.parts.append(chunk.text)
        if not chunk.last_in_text_node:
            chunk.remove()
            return
        out = bytearray()
        inner = lolhtml.HTMLRewriter(out.extend)
        inner.on(_SELECTOR, _Elements(self.judge))
        inner.write("".join(self.parts).encode())
        inner.end()
        self.parts.clear()
        chunk.replace(out.decode(), lolhtml.ContentType.HTML)


class _Body:
    def element(self, element: Any) -> None:
        element.prepend(BANNER.decode(), lolhtml.ContentType.HTML)


def _pairs(attributes: Any) -> list[tuple[str, str | None]]:
    return [(pair[0], pair[1]) for pair in attributes]


def python_lolhtml(matcher: Matcher) -> Run:
    """Cloudflare's streaming rewriter, in Rust, through python-lolhtml."""

    def run(page: bytes) -> tuple[bytes, int]:
        judge = Judge(matcher)
        out = bytearray()
        rewriter = lolhtml.HTMLRewriter(out.extend)
        rewriter.on(_SELECTOR, _Elements(judge))
        rewriter.on("script:not([src])", _Scripts(judge))
        rewriter.on("noscript", _Noscripts(judge))
        rewriter.on("body", _Body())
        rewriter.write(page)
        rewriter.end()
        return bytes(out), judge.held

    return run


def count_brackets(_matcher: Matcher) -> Run:
    """The time to examine every byte once, in C: a lower limit for scanners of tags."""

    def run(page: bytes) -> tuple[bytes, int]:
        page.count(b"<")
        return page, 0

    return run


def copy_page(_matcher: Matcher) -> Run:
    """The time to copy the page."""

    def run(page: bytes) -> tuple[bytes, int]:
        return bytes(bytearray(page)), 0

    return run


HTML_PARSER = "html.parser"
LOLHTML = "python-lolhtml (Rust)"

PEERS: dict[str, Engine] = {
    LOLHTML: python_lolhtml,
    "lxml.html (C, tree)": lxml_html,
    HTML_PARSER: html_parser,
    "BeautifulSoup, lxml": _soup("lxml"),
    "BeautifulSoup, html.parser": _soup("html.parser"),
}
LIMITS: dict[str, Engine] = {
    'limit: bytes.count(b"<")': count_brackets,
    "limit: copy of the page": copy_page,
}
