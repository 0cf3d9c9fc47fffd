"""Addresses that a page has as data: which of them teach a site a service, and which are only shown or linked."""

from __future__ import annotations

import base64
import html
import json

import pytest

from consent_mw import catalogue
from consent_mw.html.match import Matcher
from consent_mw.html.state import named_in
from tests.growth import MOST
from tests.growth import growth

FILM = "https://www.youtube.com/embed/abc"
FRAME = f'<iframe width="560" src="{FILM}"></iframe>'
PIXEL = "https://www.facebook.com/tr?id=1&ev=PageView"


def attribute(data: object) -> str:
    """Return data as frameworks write it into an attribute."""
    return html.escape(json.dumps(data))


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def named(page: str, known: frozenset[str] = frozenset()) -> list[str]:
    return sorted(named_in(page.encode(), MATCHER, "shop.example", known))


MATCHER = Matcher(catalogue.load().values())

DATA = {
    "next": f'<script id="__NEXT_DATA__" type="application/json">{json.dumps({"video": FILM})}</script>',
    "nuxt": f'<script type="application/json" id="__NUXT_DATA__">{json.dumps([["Ref", 1], FILM])}</script>',
    "flight": f"<script>self.__next_f.push([1,{json.dumps(json.dumps({'src': FILM}))}])</script>",
    "livewire": f'<div wire:snapshot="{attribute({"data": {"film": FILM}})}"></div>',
    "escaped slashes": '<div data-page="' + attribute({"film": FILM}).replace("/", "\\/") + '"></div>',
    "referenced slashes": '<div data-page="' + attribute({"film": FILM}).replace("/", "&#x2F;") + '"></div>',
    "astro": f'<astro-island props="{attribute({"url": [0, FILM]})}"></astro-island>',
    "single quotes": f"<div data-props='{json.dumps({'url': FILM})}'></div>",
    "an own attribute": f'<div class="film" data-embed-url="{FILM}"></div>',
    "a handler": f"""<button onclick="play('{FILM}?autoplay=1')">Play</button>""",
    "a handler of a hover": f"""<a href="/film" onmouseenter="preview(this, {{url: '{FILM}'}})">Film</a>""",
    "a handler with references": f'<form onsubmit="return show(&quot;{FILM}&quot;)"></form>',
    "markup in JSON": f'<script type="application/json">{json.dumps({"body": FRAME})}</script>',
    "a template": f'<script type="text/x-handlebars">{FRAME}</script>',
    "base64": f'<div data-lazy="{in_base64(FRAME)}"></div>',
    "base64, shifted once": f'<div data-lazy="{in_base64(" " + FRAME)}"></div>',
    "base64, shifted twice": f'<div data-lazy="{in_base64("  " + FRAME)}"></div>',
    "a comment alone": f"<div class=lazy><!--{FRAME}--></div>",
}


@pytest.mark.parametrize("page", DATA.values(), ids=DATA)
def test_an_embed_in_data_is_named(page: str) -> None:
    """The site's own code may make a frame of it."""
    assert named(f"<!doctype html><title>x</title><p>Text</p>{page}<p>More</p>") == ["youtube"]


@pytest.mark.parametrize(
    ("page", "ids"),
    [
        (f'<script type="application/json">{json.dumps({"px": PIXEL})}</script>', ["meta-pixel"]),
        (
            f'<div data-page="{attribute({"js": "https://www.googletagmanager.com/gtag/js?id=G-1"})}"></div>',
            ["google-analytics"],
        ),
        ('<script type=application/json>{"a": "https://player.vimeo.com/video/1"}</script>', ["vimeo"]),
        ('<div data-map="https://www.google.com/maps/embed?pb=1"></div>', ["google-maps"]),
    ],
)
def test_other_services_are_named_by_what_loads_them(page: str, ids: list[str]) -> None:
    """A tracker counts by its code or pixel, an embed by its player."""
    assert named(page) == ids


SHOWN = {
    "documentation": f"<pre><code>{html.escape(FRAME)}</code></pre>",
    "a link": f'<a href="{FILM}">Film</a>',
    "a video in structured data": f'<script type="application/ld+json">{json.dumps({"embedUrl": FILM})}</script>',
    "a channel": '<script type="application/json">{"a": "https://www.youtube.com/@acme"}</script>',
    "metadata": f'<meta property="og:video" content="{FILM}">',
    "dead markup": f"<p>Text</p><!-- {FRAME} --><p>Text</p>",
    "a description": f'<img src="/a.png" alt="{FILM}">',
    "a form": f"<textarea>{html.escape(FRAME)}</textarea>",
    "an exempt element": f'<div data-consent="necessary" data-film="{FILM}"></div>',
    "documentation in data": f'<script type="application/json">{json.dumps({"t": "<script src=" + PIXEL})}</script>',
    "code about a tracker": f"<script>log({json.dumps(PIXEL)})</script>",
}


@pytest.mark.parametrize("page", SHOWN.values(), ids=SHOWN)
def test_what_is_shown_or_linked_names_nothing(page: str) -> None:
    """Nobody is asked about a service because a text, a link or a description has its address."""
    assert named(f"<!doctype html><title>x</title>{page}") == []


def test_what_is_known_is_not_looked_for() -> None:
    """A service that the site asks about already is not named again, another one beside it is."""
    page = f'<div data-a="{FILM}" data-b="https://player.vimeo.com/video/1"></div>'
    assert named(page, frozenset({"youtube"})) == ["vimeo"]


@pytest.mark.parametrize(
    ("begins", "piece"),
    [
        ("", f"{FILM} "),
        ("", f"<!--{FILM}"),
        ("", f"<p>{FILM}</p><!--{FILM}-->"),
        ("", f'<a href="{FILM}">'),
        ("", "ZW1iZW "),
        ("", "ZW1iZW"),
        ("", f"<div data-a='{FILM}"),
        ("<a href='", f"{FILM} "),
        ("<a ", f"a{{}}='' title='{FILM}' "),
        (f"<script data-consent data-a='{'a' * 20_000}'>", f"{FILM} "),
    ],
    ids=["text", "comments", "paragraphs", "links", "base64", "one-base64", "tags", "link", "attributes", "script"],
)
def test_a_page_full_of_addresses_costs_linear_time(begins: str, piece: str) -> None:
    """The cost is linear in the number of addresses."""

    def page(count: int) -> bytes:
        return (begins + "".join(piece.replace("{}", str(number)) for number in range(count)) + "'></a>").encode()

    assert growth(page, lambda html: named_in(html, MATCHER, "shop.example", frozenset()), 250) < MOST
