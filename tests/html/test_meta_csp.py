"""Policies in the page: what is added means in a parser's eyes what it says, and without it the page is the app's."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from collections.abc import Sequence
from itertools import pairwise

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from consent_mw.html import csp
from consent_mw.html.charset import PageStream
from consent_mw.html.rewriter import Rewriter
from tests.html.rewriting import holder
from tests.html.test_csp import OWN
from tests.html.test_csp import written

CSP = "Content-Security-Policy"


def amend(text: str) -> list[csp.Edit]:
    """Add what is ours, and send held sources nowhere."""
    removed = csp.removals(text, lambda source: "tags.test" in source, inserting=True)
    return [*csp.additions(text, OWN, inserting=True), *removed]


def rewritten(page: bytes, cuts: Iterable[int] = (), *, xml: bool = False) -> tuple[bytes, Rewriter]:
    """Return the page with its policies added to, and what rewrote it."""
    rewriter = Rewriter(holder(xml=xml), lambda place: b"", amend=amend)
    rewriter.trace = []
    out = b"".join(rewriter.feed(page[start:end]) for start, end in pairwise([0, *cuts, len(page)]))
    return out + rewriter.finish(), rewriter


def policies_in(page: str) -> list[str]:
    """Return the policies in a page as a browser's parser reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = html5lib.parse(page, namespaceHTMLElements=False)
    return [meta.get("content", "") for meta in tree.iter("meta") if meta.get("http-equiv", "").lower() == CSP.lower()]


REFERENCES = {"'": ["'", "&#39;", "&apos;", "&#x27;"], ";": [";", "&semi;", "&#59;"], " ": [" ", "&#32;", "\n"]}


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """Write an attribute's value, with references here and there, in any quotes or none."""
    quote = draw(st.sampled_from(['"', "'", ""]))
    parts = []
    for char in text.replace("&", "").replace("\x0c", " "):
        ways = [way for way in REFERENCES.get(char, [char]) if way not in quote or not quote]
        if not quote:
            ways = [way for way in ways if way not in (" ", "\n", "'", '"', "\t")] or [f"&#{ord(char)};"]
        parts.append(draw(st.sampled_from(ways)))
    value = "".join(parts).replace("\t", "&#9;").replace(">", "&gt;")
    return f"{quote}{value or (quote and ' ') or '&#32;'}{quote}"


@st.composite
def pages(draw: st.DrawFn) -> bytes:
    """Return a page with a policy in its head."""
    name = draw(st.sampled_from([CSP, CSP.lower(), f'"{CSP}"', "content-security&#45;policy"]))
    value = draw(spelled(draw(written())))
    attributes = [f"http-equiv={name}", f"content={value}", "id=m"]
    return f"<!doctype html><head><meta {' '.join(draw(st.permutations(attributes)))}><p>Text".encode()


@given(pages(), st.lists(st.integers(0, 400), max_size=4))
def test_a_parser_reads_the_policy_with_what_is_ours(page: bytes, cuts: Sequence[int]) -> None:
    """However it is written and cut, the policy after is the policy before with the same additions as in a header."""
    cuts = sorted(cut for cut in cuts if cut < len(page))
    out, rewriter = rewritten(page, cuts)
    before = policies_in(page.decode())
    assert policies_in(out.decode()) == [csp.edited(text, amend(text)) for text in before]
    assert len(rewriter.policies) == len(before)
    plain = bytearray(out)
    for offset, length in reversed(rewriter.trace or []):
        del plain[offset : offset + length]
    assert bytes(plain) == page


@pytest.mark.parametrize("label", ["utf-8", "shift_jis", "gb18030", "utf-16le", "iso-2022-jp", "windows-1252"])
def test_the_charset_of_the_page_does_not_matter(label: str) -> None:
    """What is added is ASCII, and stands in the page's own bytes."""
    title = "Caf\xe9" if label == "windows-1252" else "\u753b\u5ee3"
    page = f"<!doctype html><title>{title}</title><meta http-equiv={CSP} content=\"form-action 'none'\"><p>"
    stream = PageStream(label, lambda charset: Rewriter(holder(), lambda place: b"", amend=amend))
    out = (stream.feed(page.encode(label)) + stream.finish()).decode(label)
    assert out == page.replace("'none'", "'none' shop.example/_cmw/")


def test_an_xhtml_page_is_added_to() -> None:
    """The result is well-formed, and says the same."""
    page = (
        '<html xmlns="http://www.w3.org/1999/xhtml"><head>'
        f"<meta http-equiv='{CSP}' content='default-src &apos;self&apos;; frame-src *'/></head><body/></html>"
    )
    out, _ = rewritten(page.encode(), xml=True)
    (meta,) = etree.fromstring(out).iter("{http://www.w3.org/1999/xhtml}meta")
    text = "default-src 'self'; frame-src *"
    assert meta.get("content") == csp.edited(text, amend(text))


NO_POLICY = [
    f"<meta http-equiv={CSP}-Report-Only content=\"default-src 'none'\">",
    f"<meta name={CSP} content=\"default-src 'none'\">",
    f"<meta http-equiv={CSP}>",
    f"<meta http-equiv={CSP} content>",
    f"<template><meta http-equiv={CSP} content=\"default-src 'none'\"></template>",
    f"<noscript><meta http-equiv={CSP} content=\"default-src 'none'\"></noscript>",
    f"<!-- <meta http-equiv={CSP} content=\"default-src 'none'\"> -->",
    f"<svg><desc><meta http-equiv={CSP} content=\"default-src 'none'\"></desc></svg>",
]


@pytest.mark.parametrize("markup", NO_POLICY)
def test_what_is_no_policy_stays(markup: str) -> None:
    """Names that mean nothing, values that are not there, and elements that are in no document's head."""
    page = f"<!doctype html><head>{markup}<title>x</title><p>".encode()
    out, rewriter = rewritten(page)
    assert (out, rewriter.policies) == (page, [])


def test_a_page_that_was_seen_before_is_added_to_again() -> None:
    """What a policy needs may differ from page to page, so nothing of it is remembered."""
    page = f"<!doctype html><meta http-equiv={CSP} content=\"form-action 'none'\"><p>".encode()
    held_by = holder()
    outs = []
    for address in (" /a/", " /b/"):
        edit = (len("form-action 'none'"), 0, address)
        rewriter = Rewriter(held_by, amend=lambda text: [edit])  # noqa: B023 -- used up before the next turn
        outs.append(rewriter.feed(page) + rewriter.finish())
    assert outs == [page.replace(b"'none'", b"'none' /a/"), page.replace(b"'none'", b"'none' /b/")]
