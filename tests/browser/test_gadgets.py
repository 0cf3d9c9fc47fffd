"""
Our release never turns markup of visitors into code or addresses, and it never grants: in Chromium and Firefox.

The markup has passed a common sanitizer: DOMPurify with its defaults in the page, nh3 or bleach on the server. It is in
the page from the start, or a script inserts it while the page is being parsed, or later.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING

import bleach
import nh3
import pytest
from werkzeug.test import run_wsgi_app

from consent_mw import ConsentMiddleware
from tests import npm_packages
from tests.browser.harness.engines import Engine
from tests.browser.harness.engines import Session
from tests.browser.harness.proxy import Lane
from tests.browser.harness.proxy import Proxy

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

SERVICES = [
    {"id": "tracker", "name": "T", "vendor": "T", "purposes": ["analytics"], "hosts": ["tracker.example"],
     "country": "GB"},
    {"id": "ads", "name": "A", "vendor": "A", "purposes": ["marketing"], "hosts": ["ads.example"], "country": "GB"},
]  # fmt: skip

#: Code that leaves a mark in the page's markup.
RUN = "document.documentElement.setAttribute('data-ran','1')"
GADGETS = {
    "a handler": f'<img src="/x.gif" data-cmw-held="necessary" data-cmw-src="/none.gif" data-cmw-onerror="{RUN}">',
    "a handler on text": f'<p data-cmw-held="necessary" data-cmw-onclick="{RUN}" data-press="">press</p>',
    "a link": f'<a data-press="" data-cmw-held="necessary" data-cmw-href="javascript:{RUN}">press</a>',
    "a picture": '<img alt="" data-cmw-held="necessary" data-cmw-src="https://elsewhere.example/a.gif">',
    "a set of pictures": '<img alt="" data-cmw-held="necessary" '
    'srcset="about:invalid#cmw=necessary#//elsewhere.example/b 2x">',
    "marks within marks": f'<img src="https://tracker.example/x.gif" data-cmw-data-cmw-held="necessary" '
    f'data-cmw-data-cmw-onerror="{RUN}" data-cmw-held="necessary" data-cmw-onerror="{RUN}">',
    "the guard's mark": f'<img alt="" data-cmw-guard="__proto__" data-cmw-onerror="{RUN}">',
    "a key that is guessed": f'<img src="/x.gif" data-cmw-held="necessary" data-cmw-key=".1" data-cmw-onerror="{RUN}">',
    "the settings of the runtime": '<p data-cmw-runtime="" data-cmw-root="//elsewhere.example" data-cmw-more="/m.js" '
    'data-cmw-signals="{}">x</p>',
    "a placeholder": '<img alt="" data-consent="analytics" data-cmw-held="tracker" '
    'data-cmw-src="https://elsewhere.example/c.gif">',
    # What a sanitizer lets pass as data, a lazy loader would set as the address. It is held for the address in it.
    **{
        f"a frame with its address in {name}": f'<iframe {name}="javascript:top.{RUN};'
        "fetch('https://tracker.example/f')\"></iframe>"
        for name in ("data-src", "data-lazy-src", "data-original")
    },
    "backgrounds": '<p data-bg="url(https://tracker.example/b),url(https://elsewhere.example/b)">x</p>',
    "lazy pictures": '<img alt="" data-srcset="https://tracker.example/s 1x, https://elsewhere.example/s 2x">',
    "a style sheet": '<p id="drawn">x</p><style>#drawn { background: url(about:invalid#cmw=necessary#'
    "https://elsewhere.example/d) }</style>",
    "a style sheet that a mark cuts": '<style>@impabout:invalid#cmw=necessary#ort "https://elsewhere.example/e";</style>',
    "a link in a drawing": f'<svg width="90" height="20"><a xlink:data-cmw-href="javascript:{RUN}" '
    'style="mask:url(https://tracker.example/m)"><text y="15" data-press="">press</text></a></svg>',
}
GRANTS = {
    "a form": '<form method="post" action="/_cmw/choice"><input type="hidden" name="action" value="accept-all">'
    '<button data-press="">Like</button></form>',
    "a form by another way": '<form method="post" action="/./x/..//_cmw/choice"><button data-press="" name="action" '
    'value="accept-all">Like</button></form>',
    "a form whose address is escaped": '<form method="post" action="/%5Fcmw/choice"><button data-press="" '
    'name="action" value="accept-all">Like</button></form>',
    "a form whose dots are hidden": '<form method="post" action="/x/..%2f_cmw/choice"><button data-press="" '
    'name="action" value="accept-all">Like</button></form>',
    "a form to another name of the host": '<form method="post" action="http://elsewhere.example/_cmw/choice">'
    '<button data-press="" name="action" value="accept-all">Like</button></form>',
    "a form with fields that are named as what a form has": '<form method="post" action="/_cmw/choice">'
    '<input type="hidden" name="baseURI"><img name="baseURI" alt="">'
    '<button data-press="" name="action" value="accept-all">Like</button></form>',
    "a form that says it is the banner": '<form data-cmw-banner="" method="post" action="/x"><button data-press="" '
    'name="action" value="accept-all">Like</button></form>',
    "a link that a library sends as a form": '<a data-press="" data-method="post" href="/_cmw/choice" '
    'data-action="accept-all">Like</a>',
    "a button of another form": '<form method="post" action="/x"><button data-press="" formaction="/_cmw/choice" '
    'name="action" value="accept-all">Like</button></form>',
}  # fmt: skip

#: A page in which some marks are in places where they do not create elements.
PAGE_WITH_HELD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title></head><body>'
    '<div id="c"></div><script src="/comments.js"></script><script async src="https://tracker.example/t.js"></script>'
    '<noscript><img src="https://ads.example/a.gif"><img src="https://ads.example/b.gif"></noscript></body></html>'
)

ATTRIBUTES = {"*": {"id", "class", "alt", "title"}, "img": {"src", "srcset"}, "a": {"href"}}


def by_nh3(markup: str) -> str:
    """Return the markup after nh3 with frames and data attributes allowed."""
    return nh3.clean(markup, nh3.ALLOWED_TAGS | {"iframe"}, generic_attribute_prefixes={"data-"})


def by_bleach(markup: str) -> str:
    """Return the markup after bleach with data attributes allowed."""
    tags = bleach.sanitizer.ALLOWED_TAGS | {"img", "p"}
    kept = {"id", "src", "srcset"}
    return str(bleach.clean(markup, tags, lambda tag, name, value: name.startswith("data-") or name in kept))


def in_page(moment: str) -> Callable[..., str]:
    """
    Return a function that inserts markup into a page, through DOMPurify with its defaults unless that is skipped.

    It takes the markup, and the id of the element that shall contain it.
    """

    def put(markup: str, place_id: str = "c") -> str:
        text = json.dumps(markup).replace("<", "\\u003c")
        place = f"document.getElementById('{place_id}')"
        work = f"{place}.innerHTML = DOMPurify.sanitize({text});"
        if moment == "uncleaned":
            work = f"{place}.innerHTML = {text};"
        if moment == "in a shadow tree":
            work = f"{place}.attachShadow({{ mode: 'open' }}).innerHTML = {text};"
        if moment == "later":
            work = f"addEventListener('load', () => {{ {work} }});"
        kind = ' type="module"' if moment == "module" else ""
        place = f'<div id="{place_id}" style="width:max-content"></div>'
        return f'{place}<script src="/purify.js"></script><script{kind}>{work}</script>'

    return put


#: What a library does with links that name a method; submit() causes no submit event.
SENDS = """addEventListener('click', event => {
  const { method, action } = event.target.dataset;
  if (!method) return;
  event.preventDefault();
  const form = document.createElement('form');
  form.innerHTML = '<input name=action>';
  form.firstChild.value = action;
  form.setAttribute('method', method);
  form.setAttribute('action', event.target.href);
  document.body.append(form);
  form.submit();
})"""

WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda markup: markup,
    "from nh3": by_nh3,
    "from bleach": by_bleach,
    "by an inline script": in_page("inline"),
    "by a module": in_page("module"),
    "later": in_page("later"),
}


def site(comments: Sequence[str], purify: str) -> Callable[..., Iterable[bytes]]:
    """Return a site with the pages ``/0``, ``/1`` and so on, each with a comment."""
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>'
        # A form that says it is the banner is hidden. A page's own style sheet may show it all the same.
        "<style>form { display: block !important }</style></head><body>%s"
        "<script>%s</script>"
        '<script async src="https://tracker.example/t.js"></script><img src="https://ads.example/a.gif"></body></html>'
    )

    def app(environ: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
        name = environ["PATH_INFO"][1:]
        script = name == "purify.js"
        start_response("200 OK", [("Content-Type", "text/javascript" if script else "text/html; charset=utf-8")])
        return [(purify if script else page % (comments[int(name)] if name.isdecimal() else "", SENDS)).encode()]

    return app


@pytest.fixture(scope="module", params=["chromium_engine", "firefox"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """The engines that the second half of the runtime supports."""
    found: Engine = request.getfixturevalue(request.param)
    return found


class Window:
    """A window of one engine; each test has its own site in it, not visited or answered before."""

    def __init__(self, lane: Lane, session: Session) -> None:
        self._lane = lane
        self._session = session
        self._host = ""

    def serve(self, app: WSGIApplication, name: str) -> None:
        """Serve the site of the named test, and clear the log."""
        self._lane.forget()
        self._host = f"shop-{hashlib.sha256(name.encode()).hexdigest()[:16]}.example"
        self._lane.serve(self._host, app)

    def open(self, path: str) -> None:
        """Go to a page of the site, and wait until the network is idle."""
        self._session.open(f"https://{self._host}{path}")

    def click(self, selector: str) -> None:
        """Click an element, and wait until the network is idle."""
        self._session.click(selector)

    def shows(self, name: str) -> bool:
        """Return whether the page has an element with this id."""
        return f'id="{name}"' in self._session.html()

    def conceals(self, name: str) -> bool:
        """Return whether the element with this name is hidden, and with it all that is in it."""
        return re.search(rf'<{name} [^>]*hidden=""', self._session.html(), re.IGNORECASE) is not None

    def has_run(self) -> bool:
        """Return whether some markup of the page became code."""
        return re.search(r"<html[^>]* data-ran", self._session.html(), re.IGNORECASE) is not None

    def key(self) -> str:
        """Return the key of the page."""
        found = re.search(r'data-cmw-key="(\w+)"', self._session.html())
        assert found
        return found[1]

    def sent(self, path: str = "_cmw") -> list[str]:
        """Return the addresses to which forms of the page were sent, if they contain ``path``: those of the mount."""
        return [hit.path for hit in self._lane.hits() if hit.method == "POST" and path in hit.path]

    def asked(self, wanted: Set[str] = frozenset()) -> set[str]:
        """Return the hosts of requests and connections, after waiting for the ``wanted`` ones."""
        self._lane.wait_for(lambda hits: wanted <= {hit.host for hit in hits})
        return {hit.host for hit in self._lane.hits()}


@pytest.fixture(scope="module")
def window(proxy: Proxy, engine: Engine) -> Iterator[Window]:
    """One window for all tests of an engine: starting Firefox takes longer than trying all gadgets."""
    with proxy.lane() as lane, engine.session(lane, True) as session:
        yield Window(lane, session)


@pytest.mark.parametrize("way", WAYS)
def test_no_gadget_becomes_code_or_an_address(window: Window, way: str, tmp_path: Path) -> None:
    """
    With all gadgets in a page, accepting runs the granted services, but no gadget, and reaches none of their hosts.

    A second grant and clicks on everything clickable do not change that.
    """
    purify = npm_packages.text("dompurify/dist/purify.min.js")
    comment = "".join(f'<section id="g{number}">{one}</section>' for number, one in enumerate(GADGETS.values()))
    config = {"site": {"records": f"sqlite:///{tmp_path}/c.db"}, "services": SERVICES}
    window.serve(ConsentMiddleware(site([WAYS[way](comment)], purify), config), str(tmp_path))
    window.open("/0")
    window.click("[data-cmw-banner] [value=accept-all]")
    for name in ("p", "a", *(["text"] if way == "as it is" else [])):
        window.click(f"{name}[data-press]")
    assert not window.has_run()
    assert {"tracker.example", "ads.example"} <= window.asked({"tracker.example", "ads.example"})
    assert "elsewhere.example" not in window.asked()


def test_fields_of_a_form_stop_no_release(window: Window, tmp_path: Path) -> None:
    """Forms whose fields have the names of what the runtime reads, and a form within its own field, change nothing."""
    names = ("matches", "getAttribute", "attributes", "content", "shadowRoot", "localName")
    held = "style='background:url(https://tracker.example/x)'"
    page = "".join(f"<form {held}><input name={name}></form>" for name in names)
    page += "<form><input name=matches></form><fieldset name=content form=f><form id=f></form></fieldset>"
    config = {"site": {"records": f"sqlite:///{tmp_path}/c.db"}, "services": SERVICES}
    window.serve(ConsentMiddleware(site([page], ""), config), str(tmp_path))
    window.open("/0")
    window.click("[data-cmw-banner] [value=accept-all]")
    assert {"tracker.example", "ads.example"} <= window.asked({"tracker.example", "ads.example"})


def test_no_name_in_a_page_stops_the_guard(window: Window, tmp_path: Path) -> None:
    """Where the guard is not the first element, elements before it with the names that it reads change nothing."""
    address = "['https://www.google', 'analytics.com/collect'].join('-')"
    page = (
        '<img name="currentScript" src="/a.gif"><a id="cmwGuard"></a><form name="cmwGuard"></form>'
        '<script async src="https://www.google-analytics.com/analytics.js"></script>'
        f"<script>new Image().src = {address}; fetch({address}).catch(() => {{}})</script>"
    )
    wrapped = ConsentMiddleware(site([page], ""), {"site": {"records": f"sqlite:///{tmp_path}/c.db"}})
    window.serve(wrapped, str(tmp_path))
    window.open("/0")
    assert "www.google-analytics.com" not in window.asked()


def test_nothing_comes_from_a_prototype(window: Window, tmp_path: Path) -> None:
    """The release uses no value of a polluted Object.prototype as code or address."""
    polluted = json.dumps({"onclick": RUN, "markup": f'<img src="/none.gif" onerror="{RUN}">', "granted": ["ads"]})
    page = (
        f"<script>Object.assign(Object.prototype, {polluted.replace('<', chr(92) + 'u003c')})</script>"
        '<p data-press="" data-cmw-guard="">press</p><p data-cmw-guard="1">x</p>'
        "<script>document.querySelector('[data-press]').setAttribute('data-cmw-guard', '')</script>"
    )
    config = {"site": {"records": f"sqlite:///{tmp_path}/c.db"}, "services": SERVICES}
    window.serve(ConsentMiddleware(site([page], ""), config), str(tmp_path))
    window.open("/0")
    window.click("[data-cmw-banner] [value=accept-all]")
    window.click("p[data-press]")
    assert not window.has_run()
    assert "tracker.example" in window.asked({"tracker.example"})


def placed(moment: str) -> str:
    """Return the forms of ``GRANTS``, each in an element with the id ``c`` and its number, as they get into a page."""
    if moment == "from the server":
        return "".join(f'<div id="c{number}">{form}</div>' for number, form in enumerate(GRANTS.values()))
    return "".join(in_page(moment)(form, f"c{number}") for number, form in enumerate(GRANTS.values()))


@pytest.mark.parametrize("moment", ["from the server", "inline", "later", "uncleaned", "in a shadow tree"])
def test_no_form_of_a_page_grants(window: Window, moment: str, tmp_path: Path) -> None:
    """
    Forms that a visitor without a choice presses grant nothing and reach no tracker, whatever their origin.

    A form that goes elsewhere is sent, so the others were pressed as well.
    """
    purify = npm_packages.text("dompurify/dist/purify.min.js")
    config = {"site": {"records": f"sqlite:///{tmp_path}/c.db"}, "services": SERVICES}
    page = f'{placed(moment)}<form id="own" method="post" action="/own"><button>Like</button></form>'
    window.serve(ConsentMiddleware(site([page], purify), config), str(tmp_path))
    window.open("/0")
    for number, name in enumerate(GRANTS):
        if not window.shows(f"c{number}"):  # the form before it went to another page
            window.open("/0")
        if moment == "from the server" and "data-cmw-banner" in GRANTS[name]:
            assert window.conceals("form"), name  # what passes itself off as ours is made inert
            continue
        # The host of the shadow tree only contains the form.
        window.click(f"#c{number}" if moment == "in a shadow tree" else f"#c{number} [data-press]")
        assert window.sent() == [], name
    window.open("/0")
    window.click("#own button")
    assert window.sent("/own") == ["/own"]
    assert window.asked().isdisjoint({"tracker.example", "ads.example"})
    assert window.sent() == []


def test_no_form_undoes_a_refusal(window: Window, tmp_path: Path) -> None:
    """This is also true if the runtime loads last and an element of the page has the name of its interface."""
    clobber = '<form name="consentMw"><input type="hidden" name="allows"></form>'
    config = {"site": {"records": f"sqlite:///{tmp_path}/c.db"}, "services": SERVICES}
    pages = ["", clobber + in_page("uncleaned")(GRANTS["a form"])]
    window.serve(ConsentMiddleware(site(pages, ""), config), str(tmp_path))
    window.open("/0")
    window.click("[data-cmw-banner] [value=reject-all]")
    window.open("/1")
    window.click("#c [data-press]")
    window.open("/1")
    assert window.asked().isdisjoint({"tracker.example", "ads.example"})


#: Ways in which a script may insert a comment that contains the page's key.
READ_BEFORE = {
    "as markup": "c.innerHTML += markup",
    "by a parser of its own": "c.append(...new DOMParser().parseFromString(markup, 'text/html').body.childNodes)",
    "attribute by attribute": "const one = c.appendChild(document.createElement('img'));"
    "for (const { name, value } of new DOMParser().parseFromString(markup, 'text/html').images[0].attributes)"
    " one.setAttribute(name, value)",
    "as attribute nodes": "const one = c.appendChild(document.createElement('img'));"
    "for (const { name, value } of new DOMParser().parseFromString(markup, 'text/html').images[0].attributes) {"
    " const made = document.createAttribute(name); made.value = value; one.attributes.setNamedItem(made); }",
    "as trusted markup": "const rules = { createHTML: text => text };"
    "const own = self.trustedTypes ? trustedTypes.createPolicy('own', rules) : rules;"
    "c.innerHTML = own.createHTML(c.innerHTML + markup)",
}


def kept(app: WSGIApplication) -> WSGIApplication:
    """Return a cache in front of an application that stores its front page."""
    pages: list[tuple[str, list[tuple[str, str]], bytes]] = []

    def cache(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/":
            return app(environ, start_response)
        if not pages:
            answer = run_wsgi_app(app, environ)
            pages.append((answer[1], list(answer[2]), b"".join(answer[0])))
        status, headers, body = pages[0]
        start_response(status, headers)
        return [body]

    return cache


@pytest.mark.parametrize("guard", [True, False])
@pytest.mark.parametrize("caching", ["private", "shared"])
def test_a_key_that_somebody_read_opens_nothing(window: Window, caching: str, guard: bool, tmp_path: Path) -> None:
    """
    A comment with a key from an earlier view of the page, and with a free number, is not released.

    A private page has a new key each time; in a cached page, the guard removes the key.
    """
    comments = [""]

    def app(environ: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
        script = environ["PATH_INFO"] == "/comments.js"
        headers = [
            ("Content-Type", "text/javascript" if script else "text/html; charset=utf-8"),
            ("Cache-Control", "no-store" if script else "public, max-age=600"),
        ]
        start_response("200 OK", headers)
        return [(comments[0] if script else PAGE_WITH_HELD).encode()]

    about = {"records": f"sqlite:///{tmp_path}/c.db", "caching": caching, "guard": guard}
    wrapped = ConsentMiddleware(app, {"site": about, "services": SERVICES})
    window.serve(wrapped if caching == "private" else kept(wrapped), str(tmp_path))
    window.open("/")
    key = window.key()
    for number, work in enumerate(READ_BEFORE.values(), 2):
        mark = f'<img src="/x.gif" data-cmw-held="necessary" data-cmw-key="{key}.{number}" '
        text = json.dumps(f'{mark}data-cmw-onerror="{RUN}">')
        comments[0] += f"{{ const c = document.getElementById('c'), markup = {text}; {work} }}\n"
    window.open("/")
    assert (window.key() == key) is (caching == "shared")
    window.click("[data-cmw-banner] [value=accept-all]")
    assert not window.has_run()
    assert "tracker.example" in window.asked({"tracker.example"})
