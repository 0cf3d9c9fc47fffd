"""
Markup written by visitors must leave the server without our marks and without forms that grant consent.

Also, a cached result must not be used for a page to which it does not apply.

Each vector is sent whole and in pieces, and names the section of the standard that makes it dangerous.
``tests/browser/test_gadgets.py`` tries them in a browser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import NamedTuple
from urllib.parse import unquote

import ada_url
import pytest

from consent_mw import ConsentMiddleware
from consent_mw import consent_banner
from tests.attacks.judge import HOST
from tests.attacks.judge import PAGE
from tests.attacks.test_vectors import App
from tests.attacks.test_vectors import answer
from tests.attacks.vectors import Vector
from tests.html.parsers import PARSERS
from tests.html.parsers import Parsed

_DOC = "<!doctype html><body>"
_HTML = "text/html; charset=utf-8"
_MARKS = 'data-cmw-held="necessary" data-cmw-key=".1" data-cmw-src="/a" data-cmw-onclick="steal()"'
SIZES = (1, 3, 7)


def behind(folder: Path, *hosts: str) -> tuple[App, ConsentMiddleware]:
    """Return an application, without and with a new middleware, whose caches are empty; ``hosts`` are held too."""
    app = App()
    service = {"id": "t", "name": "T", "vendor": "T", "purposes": ["analytics"], "hosts": [HOST, *hosts]}
    about = {"name": "S", "controller": "S", "allow_insecure_http": True, "records": f"sqlite:///{folder}/r.db"}
    return app, ConsentMiddleware(app, config={"site": about, "services": [service]})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[App, ConsentMiddleware]:
    """Return a site that all vectors share; its pages must not influence each other."""
    return behind(tmp_path_factory.mktemp("visitors"), "shop.example/stats/")


def bodies(
    site: tuple[App, ConsentMiddleware], page: str | bytes, kind: str = _HTML, **environ: str
) -> Iterator[bytes]:
    """Yield the sent bodies of a page, whole and in pieces."""
    app, wrapped = site
    data = page if isinstance(page, bytes) else page.encode()
    app.vector = Vector("", data, kind)
    for size in (len(data), *SIZES):
        app.pieces = [data[at : at + size] for at in range(0, len(data), size)]

        def told(given: dict[str, Any], start_response: Any) -> Any:
            return wrapped({**given, **environ}, start_response)

        response = answer(told)
        yield response.body if response.status == 200 else b""


def visitors(body: bytes) -> Iterator[Parsed]:
    """Yield the visitor's elements, which have an id, as each parser sees them."""
    for parser in PARSERS.values():
        for element in parser(body.decode("utf-8", "replace"), True):
            if element.attributes.get("id") == "g":
                yield element


# -- marks

MARKED = {
    "capitals (html#attribute-name-state)": f"<p id=g {_MARKS.upper()}>x",
    "in a drawing (html#parsing-main-inforeign)": f"<svg><path id=g {_MARKS} d='m0'></path></svg>",
    "no space before (html#after-attribute-value-(quoted)-state)": f'<p id="g"{_MARKS}>x',
    "in the head (html#parsing-main-inhead)": f"<link rel=x id=g {_MARKS}>",
    "an old name of a picture (html#parsing-main-inbody)": f"<image id=g {_MARKS}>",
    "in a select (html#parsing-main-inselect)": f"<select><option id=g {_MARKS}>x</select>",
    "in a text of a drawing (html#html-integration-point)": f"<svg><title id=g {_MARKS}>x</title></svg>",
    "behind a mark twice (html#attribute-name-state)": f"<p id=g data-cmw-data-cmw-held=x {_MARKS}>x",
    "a form that says it is the banner (html#the-form-element)": "<form id=g data-cmw-banner data-cmw-key=x>x</form>",
    "the guard's (dom#dom-element-setattribute)": "<img id=g data-cmw-guard=__proto__ alt=x>",
}


@pytest.mark.parametrize("markup", MARKED.values(), ids=MARKED)
def test_no_name_of_ours_is_a_visitors(markup: str, site: tuple[App, ConsentMiddleware]) -> None:
    """Names with our prefix get it a second time, so that our runtime ignores them."""
    for body in bodies(site, _DOC + markup):
        found = list(visitors(body))
        assert found
        names = {name for element in found for name in element.attributes if name.startswith("data-cmw-")}
        assert names
        assert {name for name in names if not name.startswith("data-cmw-data-cmw-")} == set()


PREFIXED = {
    "a link in a drawing (svg2#linkRefAttrs)": (
        "<svg><a id=g xlink:data-cmw-href='javascript:steal()' style='mask:url(https://tracker.example/x)'></a></svg>",
        _HTML,
    ),
    "with a prefix that says nothing (html#attribute-name-state)": (
        "<p id=g A:Data-Cmw-Onclick='steal()' style='background:url(https://tracker.example/x)'>x",
        _HTML,
    ),
    "in XML (xml-names#ns-qualnames)": (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<a id="g" xlink:data-cmw-href="javascript:steal()" style="mask:url(https://tracker.example/x)"/></svg>',
        "image/svg+xml",
    ),
}


@pytest.mark.parametrize(("markup", "kind"), PREFIXED.values(), ids=PREFIXED)
def test_no_name_of_ours_behind_a_prefix_is_a_visitors(
    markup: str, kind: str, site: tuple[App, ConsentMiddleware]
) -> None:
    """On an element that is held, the runtime would give back ``xlink:data-cmw-href`` as a link."""
    for body in bodies(site, markup if kind != _HTML else _DOC + markup, kind):
        assert b"data-cmw-held" in body
        assert len(re.findall(rb":data-cmw-data-cmw-", body, re.I)) == 1


# -- forms

_SEND = "<button name=action value=accept-all>Like</button>"
FORMS = {
    "escaped letters (url#percent-decode)": f"<form id=g method=post action=/%5f%63mw/choice>{_SEND}</form>",
    "escaped dots (url#double-dot-path-segment)": f"<form id=g method=post action=/a/%2e%2E/_cmw/choice>{_SEND}</form>",
    "backslashes (url#path-start-state)": f"<form id=g method=post action='\\_cmw\\choice'>{_SEND}</form>",
    "a tab (url#concept-basic-url-parser)": f"<form id=g method=post action='/_c&#9;mw/choice'>{_SEND}</form>",
    "another name of the host (rfc9110#section-7.2)": f"<form id=g method=post action=//w.example/_cmw/choice>{_SEND}",
    "a picture that sends (html#attr-fs-formaction)": "<input type=image id=g formaction=/_cmw/choice formmethod=post>",
    "a base (html#the-base-element)": f"<base href=/_cmw/><form id=g method=post action=choice>{_SEND}</form>",
    "in a drawing (html#html-integration-point)": f"<svg><desc><form id=g method=post action=/_cmw/choice>{_SEND}",
    "a button elsewhere (html#attr-fae-form)": "<button id=g form=x formmethod=post formaction=/_cmw/choice>Like",
}


def leads_to_us(element: Parsed, base: str) -> bool:
    """Return whether an element makes a browser send something to our pages."""
    given = [element.attributes[key] for key in ("action", "formaction") if key in element.attributes]
    return any(unquote(ada_url.URL(address, base).pathname).startswith("/_cmw/") for address in given)


@pytest.mark.parametrize("markup", FORMS.values(), ids=FORMS)
def test_no_form_leads_to_us(markup: str, site: tuple[App, ConsentMiddleware]) -> None:
    """A form or button that would send a visitor's click to our pages loses its address."""
    base = "https://shop.example/_cmw/" if "<base" in markup else PAGE
    assert any(leads_to_us(element, base) for element in visitors((_DOC + markup).encode()))
    for body in bodies(site, _DOC + markup):
        found = list(visitors(body))
        assert found
        assert [element for element in found if leads_to_us(element, base)] == []


#: Pairs of pages with the same form: only in the second one it leads to us.
_CHOICE = f"<form id=g method=post action=choice>{_SEND}</form>"
SAME_FORMS = {
    "another base (html#the-base-element)": (f"<base href=/blog/>{_CHOICE}", f"<base href=/_cmw/>{_CHOICE}"),
    "no base before (html#the-base-element)": (_CHOICE, f"<base href=/_cmw/>{_CHOICE}"),
    "a base with escapes (url#percent-decode)": (_CHOICE, f"<base href=/x/../%5f%63mw/>{_CHOICE}"),
    "a folder above (url#double-dot-path-segment)": (
        "<form id=g method=post action=../choice></form>",
        "<base href=/_cmw/a/><form id=g method=post action=../choice></form>",
    ),
}


@pytest.mark.parametrize("pair", SAME_FORMS.values(), ids=SAME_FORMS)
@pytest.mark.parametrize("turned", [False, True], ids=["the harmless one first", "the other first"])
def test_no_answer_about_a_form_is_that_for_another_page(pair: tuple[str, str], turned: bool, tmp_path: Path) -> None:
    """A form that leads to us because of the page's base loses its address, whatever page it was on before."""
    site = behind(tmp_path)
    for markup in (*reversed(pair), *pair) if turned else (*pair, *pair):
        for body in bodies(site, _DOC + markup):
            found = list(visitors(body))
            assert {"action" in element.attributes for element in found} == {markup is pair[0]}


def test_a_document_in_an_attribute_does_not_lead_to_us(site: tuple[App, ConsentMiddleware]) -> None:
    """A frame with such a form is held (html#attr-iframe-srcdoc)."""
    page = f"{_DOC}<iframe id=g srcdoc='<form method=post action=/_cmw/choice>{_SEND}</form>'></iframe>"
    for body in bodies(site, page):
        assert body
        assert {"srcdoc" in element.attributes for element in visitors(body)} == {False}


# -- the notice


def test_what_stands_before_the_banner_is_not_a_part_of_it(tmp_path: Path) -> None:
    """An empty element parts a visitor's markup from the banner that the author placed behind it."""
    app, wrapped = behind(tmp_path)
    posing = "<section id=g data-cmw-banner lang=en>accept</section>"

    def placing(environ: dict[str, Any], start_response: Any) -> Any:
        app.pieces = [f"{_DOC}<script>x</script>{posing}{consent_banner(environ)}<p>x".encode()]
        return app(environ, start_response)

    app.vector = Vector("dom#dom-element-previouselementsibling", b"")
    wrapped.app = placing
    for parser in PARSERS.values():
        names = [element.name for element in parser(answer(wrapped).body.decode(), True)]
        at = names.index("section")
        assert names[at : at + 3] == ["section", "wbr", "template"], names


# -- results that were cached for another page


class Asked(NamedTuple):
    """A page and its request."""

    page: str | bytes
    kind: str = _HTML
    environ: Mapping[str, str] = {}


_RELATIVE = f"{_DOC}<img id=g src=stats/a.gif>"
_SOFT = _DOC.encode() + b"<img id=g src=https://track\xader.example/a.gif>"
_MASK = "<a id=g mask=url(https://tracker.example/x)>x</a>"
#: Pairs of pages with the same bytes or elements: only in the second one something has to be held.
REMEMBERED = {
    "another path (url#concept-basic-url-parser)": (
        Asked(_RELATIVE, environ={"PATH_INFO": "/blog/post"}),
        Asked(_RELATIVE, environ={"PATH_INFO": "/"}),
    ),
    "another host (url#concept-basic-url-parser)": (
        Asked(_RELATIVE, environ={"PATH_INFO": "/", "HTTP_HOST": "w.example"}),
        Asked(_RELATIVE, environ={"PATH_INFO": "/"}),
    ),
    "another base (html#the-base-element)": (
        Asked(f"{_DOC}<base href=/blog/><img id=g src=stats/a.gif>"),
        Asked(f"{_DOC}<base href=/><img id=g src=stats/a.gif>"),
    ),
    "another charset (encoding#utf-8-decoder)": (Asked(_SOFT), Asked(_SOFT, "text/html; charset=windows-1252")),
    "another namespace (html#parsing-main-inforeign)": (Asked(_DOC + _MASK), Asked(f"{_DOC}<svg>{_MASK}</svg>")),
    "the type of a script (html#prepare-the-script-element)": (
        Asked(f"{_DOC}<script id=g type=text/plain>new Image().src='https://tracker.example/x'</script>"),
        Asked(f"{_DOC}<script id=g>new Image().src='https://tracker.example/x'</script>"),
    ),
}


@pytest.mark.parametrize("pair", REMEMBERED.values(), ids=REMEMBERED)
@pytest.mark.parametrize("turned", [False, True], ids=["the harmless one first", "the other first"])
def test_no_answer_is_that_for_another_page(pair: tuple[Asked, Asked], turned: bool, tmp_path: Path) -> None:
    """Results cached for the same bytes elsewhere change nothing, in either order and at any chunking."""
    site = behind(tmp_path, "shop.example/stats/")
    for asked in (*reversed(pair), *pair) if turned else (*pair, *pair):
        for body in bodies(site, asked.page, asked.kind, **asked.environ):
            held = {"data-cmw-held" in element.attributes for element in visitors(body)}
            assert held == {asked is pair[1]}, asked
