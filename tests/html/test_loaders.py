"""Inline snippets that load the code of somebody whom nobody described."""

from __future__ import annotations

import pytest

from consent_mw.html.loaders import loaded_by
from tests.html.rewriting import holder
from tests.html.test_suspects import seen

LOADED = {
    "a source": ("var s=document.createElement('script');s.src='//trk.unknown.test/t';", "//trk.unknown.test/t"),
    "a scheme": ('s.src = "https://unknown.test/a.js?id=1";', "https://unknown.test/a.js?id=1"),
    "a chosen scheme": (
        "s=document.createElement('script');"
        "s.src=('https:'==document.location.protocol?'https://':'http://')+'cdn.unknown.test/track/a.js'",
        "//cdn.unknown.test/track/a.js",
    ),
    "an argument": (
        "(function(d,t,u){var s=d.createElement(t);s.src=u;d.head.appendChild(s)})"
        "(document,'script','https://cdn.unknown.test/pixel.js')",
        "https://cdn.unknown.test/pixel.js",
    ),
    "an attribute": (
        "var e=document.createElement('script');e.setAttribute('src', 'https://unknown.test/x');",
        "https://unknown.test/x",
    ),
    "written": (
        "document.write('<script src=\"https://unknown.test/stats/w.js\"><\\/script>')",
        "https://unknown.test/stats/w.js",
    ),
    "a pixel": ("new Image().src='https://unknown.test/hit?page=1'", "https://unknown.test/hit?page=1"),
    "escaped": ('s.src="https:\\/\\/unknown.test\\/e.js"', "https://unknown.test/e.js"),
}


@pytest.mark.parametrize(("code", "address"), LOADED.values(), ids=LOADED)
def test_the_address_that_a_snippet_loads_is_found(code: str, address: str) -> None:
    """Vendors' snippets say in many ways where their code is."""
    assert loaded_by(code.encode()) == (address,)


NOT_LOADED = {
    "a link": "var e=document.createElement('a');e.href='https://unknown.test/page'",
    "own": "s.src='/js/app.js'",
    "data": "var urls=['https://unknown.test/a.js']",
    "application": "s.src='https://unknown.test/a.js';" + "f();" * 600,
    "a piece of a host": "new Image().src='//www.unkn' + 'own.test/1.gif'",
    "a namespace": "document.createElementNS('http://www.w3.org/2000/svg','svg')",
}


@pytest.mark.parametrize("code", NOT_LOADED.values(), ids=NOT_LOADED)
def test_what_loads_nothing_has_no_address(code: str) -> None:
    """Links, data, the site's own files and long applications are no snippets."""
    assert loaded_by(code.encode()) == ()


@pytest.mark.parametrize("name", ["a scheme", "a chosen scheme", "an argument", "written", "a pixel"])
def test_a_snippet_waits_for_the_stranger_that_it_loads(name: str) -> None:
    """Who loads a suspect is held under its name, as the suspect's own element would be."""
    site = holder(unknown="suspects")
    assert seen(site, f"<script>{LOADED[name][0]}</script>") == {"host-unknown-test"}


@pytest.mark.parametrize(
    "page",
    [
        "<link rel=stylesheet href=https://unknown.test/a.css><script>s.src='https://unknown.test/a.js'</script>",
        "<script>s.src='https://unknown.test/jquery-3.7.1.min.js'</script>",
        "<script>s.src='https://static.shop.example/a.js'</script>",
    ],
)
def test_a_snippet_that_loads_the_site_s_own_stays(page: str) -> None:
    """The site's delivery, libraries and the site itself are loaded by snippets, too."""
    assert seen(holder(unknown="suspects"), page) == set()
