"""What goes first into the head: before anything can run, once, however the page comes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from itertools import pairwise

import html5lib
import pytest
from hypothesis import assume
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.errors import RefusedMarkup
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.scanner.document import Place
from tests.html.rewriting import holder
from tests.html.test_rewriter_properties import pages

FIRST = b"<script>first</script>"
BANNER = b"<section>banner</section>"


def rewritten(page: bytes, cuts: Iterable[int] = (), *, undeclared: bool = False, xml: bool = False) -> bytes:
    rewriter = Rewriter(holder(xml=xml), lambda place: BANNER, lambda place: FIRST, undeclared=undeclared)
    return (
        b"".join(rewriter.feed(page[start:end]) for start, end in pairwise([0, *cuts, len(page)])) + rewriter.finish()
    )


@pytest.mark.parametrize(
    "page",
    [
        b"<!doctype html><html><head>@<meta charset=utf-8><title>x</title></head><body>*<p>",
        b"<!doctype html><!-- <head> --><HTML lang=en>\n<HEAD id=h>@<script>a()</script></HEAD>\n<BODY>*",
        b"<!doctype html>@<title>x</title>*<p>text",
        b"@<script>a()</script>*<p>",
        b"<html>@<body>*text",
        b"  @*text",
        b"@<svg><script>a()</script></svg>",
        b"@<noscript><img src=x></noscript>*<p>",
        b"<html>@<link rel=stylesheet href=a.css>*<p>",
        b"@<template><head></template>*<p>",
        b"<!doctype html><html>@<frameset><frame src=a></frameset>",
        b"@</head>*<p>",
        b"@*",
    ],
)
def test_it_stands_before_all_that_can_run(page: bytes) -> None:
    """It stands first in head, whether or not the page writes the tags of its head."""
    expected = page if b"*" in page else page.replace(b"<svg>", b"*<svg>")
    expected = expected.replace(b"*", b"" if b"frameset" in page else BANNER).replace(b"@", FIRST)
    assert rewritten(page.replace(b"@", b"").replace(b"*", b"")) == expected


@pytest.mark.parametrize(
    "page",
    [
        b"<html><head><title>x</title><link rel=icon href=i><META CharSet=utf-8>@<meta name=a><script>",
        b"<head><meta http-equiv=Content-Type content='text/html; charset=latin1'>@<title></title>",
        b"<head><meta name=a>@<script>a()</script><meta charset=utf-8>",
        b"<head><style>a{}</style>@</head><body>",
        b"<head><title><script></title>@<body>",
    ],
)
def test_it_waits_for_the_charset_but_for_nothing_that_runs(page: bytes) -> None:
    """Where the header names no charset it stands behind the meta that does, or before the first thing that runs."""
    assert rewritten(page.replace(b"@", b""), undeclared=True).replace(BANNER, b"") == page.replace(b"@", FIRST)


def test_it_stands_in_the_head_of_xhtml() -> None:
    """In XML too it stands first in head."""
    page = (
        b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head>@<title/></head><body>*</body></html>'
    )
    expected = page.replace(b"@", FIRST).replace(b"*", BANNER)
    assert rewritten(page.replace(b"@", b"").replace(b"*", b""), xml=True) == expected


@settings(max_examples=200)
@given(pages, st.booleans(), st.data())
def test_no_script_runs_before_it(page: bytes, undeclared: bool, data: st.DataObject) -> None:
    """In any page the first script of the document is ours, and chunks do not matter."""
    cuts = data.draw(st.lists(st.integers(0, len(page)), max_size=4).map(sorted))
    try:
        out = rewritten(page, undeclared=undeclared)
    except RefusedMarkup:
        assume(False)
    assert rewritten(page, cuts, undeclared=undeclared) == out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        document = html5lib.parse(out.decode("latin-1"), treebuilder="etree", namespaceHTMLElements=False)
    scripts = [element for element in document.iter() if str(element.tag).endswith("script")]
    assert out.count(FIRST) <= 1
    assert not scripts or scripts[0].text == "first"


@pytest.mark.parametrize(
    ("page", "lang"),
    [
        (b"<!doctype html><html lang=de><head></head><body>", "de"),
        (b"<!doctype html><HTML class=x LANG=' pt-BR '>\n<title></title><p>", "pt-BR"),
        (b"<html lang=de lang=fr><p>", "de"),
        (b"<html><body lang=de>", ""),
        (b"<html lang=" + b"x" * 101 + b"><p>", ""),
    ],
)
def test_the_language_of_the_page_is_known_where_the_banner_goes(page: bytes, lang: str) -> None:
    """The root element says which language the page is in."""
    found = []

    def banner(place: Place) -> bytes:
        found.append(place.lang)
        return BANNER

    rewriter = Rewriter(holder(), banner, lambda place: FIRST)
    rewriter.feed(page)
    rewriter.finish()
    assert found == [lang]
