"""Code is held, data is not: what a script does with a vendor's name decides, not that the name is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.model import Service
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.javascript import Lexer
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.urls import Url
from tests.growth import MOST
from tests.growth import growth

SERVICES = (
    Service(
        "pixel", "P", "V", ("marketing",), hosts=("px.test",), inline=("fbq(", "gtm.x'"), queue=("fbq()",), tracker=True
    ),
    Service(
        "stats",
        "S",
        "V",
        ("analytics",),
        hosts=("stats.test",),
        inline=("hey(", "heySettings =", "_hq = window._hq"),
        queue=("_hq[]",),
        tracker=True,
    ),
    Service("films", "F", "V", ("embeds",), hosts=("films.test",), embed=True),
    Service("wide", "W", "V", ("analytics",), paths=("?id=G-", "/gtag/js?id=G-"), tracker=True),
    Service("light", "L", "V", ("analytics",), elements=("script[data-site][src*=light]",), tracker=True),
)
MATCHER = Matcher(SERVICES)
PAGE = Url("https", "shop.test", "/")


def held(markup: str) -> set[str]:
    """Return the ids of what is held in a page."""
    rewriter = Rewriter(Holder(HoldPolicy(MATCHER, frozenset()), PAGE, document=held_in))
    rewriter.feed(markup.encode())
    rewriter.finish()
    return rewriter.held


DATA = {
    "a flight chunk": r"""self.__next_f.push([1,"0:{\"html\":\"fbq('init','1');gtm.x'\"}"])""",
    "state": r"""window.__NUXT__={a:"<script>fbq('init')<\/script>",b:[{t:"How to call hey('x')"}]}""",
    "a template": "const docs = `<script src=https://px.test/p.js></script>`; show(docs)",
    "a comment": "/* fbq('init') */ // hey('x')\nmenu()",
    "an expression": "const is = /fbq\\('init'\\)/.test(a)",
    "a message": "console.log('fbq() is missing, see https://px.test/help')",
    "settings": "window.conf = {api: 'https://stats.test/v1', on: true}",
    "a question": "if (window.fbq) { fbq('track', 'X') } menu.open()",
    "another question": "typeof fbq === 'function' && fbq('track'); cart.update(1)",
    "an optional call": "window.fbq?.('track'); cart.update(1)",
    "a film in an element tree": 'render({"tag":"iframe","src":"https://films.test/embed/7"}); fetch("/api")',
    "films in a list": "var all = ['https://films.test/embed/1', 'https://films.test/embed/2']; el.innerHTML = ''",
    "a film in a Gradio-like config": (
        r"""window.config = {"value": "<iframe src=\"https://films.test/embed/1\">"}; fetch('/info')"""
        + """; document.head.append(Object.assign(document.createElement('script'), {src: '/own.js'}))"""
    ),
    "a film in a Dash-like layout": (
        """start({"props": {"src": "https://films.test/embed/7"}, "type": "Iframe"}); new Image().src = '/own.gif'"""
    ),
    "a film in an island's attributes": (
        r"""mount(JSON.parse('{"url":"https:\/\/films.test\/embed\/7"}')); document.createElement('script').src = own"""
    ),
    "state beside imports": "const d = ['<script src=https://px.test/p.js>']; import('/app.js').then(a => a.start(d))",
    "a list beside a request": "const csp = ['https://px.test/']; fetch('/csp', {method: 'POST', body: csp})",
    "a call that may fail": "try { fbq('track', 'X') } catch (e) { } finally { submit() }",
    "an own worker beside an address": "new Worker('/w.js'); const help = 'https://px.test/help'",
    "an escaped address in a link": "location.href = '/share?u=https%3A%2F%2Fpx.test%2Fp'",
    "an address in a picture": "i.src = 'data:image/png;base64,Ly9weC50ZXN0L3A='",
    "a key that is called data": "x = {data:a, b: 'https%3A%2F%2Fpx.test'}; fetch('/x')",
    "a film beside a key of the address": "a.title = 'https://films.test/embed/' + new URLSearchParams(q).get('v')",
    "a list beside a get": "$.get('/api', done); const csp = ['https://px.test/']",
    "a film in markup of the state": 'const s = {body: "<iframe src=https://films.test/embed/1>"}; fetch(s.url)',
}


@pytest.mark.parametrize("code", DATA.values(), ids=DATA)
def test_data_holds_no_script(code: str) -> None:
    """What a script carries, shows or asks about is not what it does."""
    assert MATCHER.script(code.encode(), PAGE).all == ()


CODE = {
    "a call": ("fbq('init', '1')", "pixel"),
    "a call by another name": ("window['fbq']('init'); fbq('x')", "pixel"),
    "a key": ("w[l].push({'gtm.x': 1})", "pixel"),
    "settings": ("heySettings = {id: 1}; menu()", "stats"),
    "in a template's code": ("`${fbq('init')}`", "pixel"),
    "written": ("document.write(\"<script>fbq('init')</script>\")", "pixel"),
    "evaluated": ("eval(\"fbq('init')\")", "pixel"),
    "an address": ("var s = document.createElement('script'); s.src = 'https://px.test/p.js'", "pixel"),
    "a film set": ("f.src = 'https://films.test/embed/7'", "films"),
    "a film written": ("document.write('<iframe src=\"https://films.test/embed/7\">')", "films"),
    "markup set": ("el.setHTMLUnsafe('<img src=https://px.test/p>')", "pixel"),
    "markup parsed": ("const d = Document.parseHTMLUnsafe('<img src=https://px.test/p>')", "pixel"),
    "a film set as markup": ("el.setHTML('<iframe src=\"https://films.test/embed/7\">')", "films"),
    "one of several requests": ("fetch('/a'); fetch(base + 'https://px.test/p')", "pixel"),
    "a request for its address": ("fetch('https://px.test/p', {body: 1})", "pixel"),
    "a get of its address": ("$.get('https://px.test/p', done)", "pixel"),
    "a get of what is joined": ("$.get(to + '?a'); const to = 'https://px.test/p'", "pixel"),
    "a call beside imports": ("import('/app.js'); fbq('init', '1')", "pixel"),
    "octal escapes": (r"fetch('https:\57\057p\170.test\57p')", "pixel"),
    "a film's loader": ("loadScript('https://films.test/player/api.js')", "films"),
    "an import": ("import x from 'https://px.test/p.js'", "pixel"),
    "a worker in an address": ("new Worker('data:text/javascript,importScripts(\"https://px.test/p.js\")')", "pixel"),
    "a worker in memory": ("new Worker(URL.createObjectURL(new Blob(['importScripts(\"//px.test/p.js\")'])))", "pixel"),
    "an escaped worker": (
        "new Worker('data:text/javascript,importScripts(%22https:%2F%2Fpx.test%2Fp.js%22)')",
        "pixel",
    ),
    "one whose beginning stands alone": (
        "u = 'data:,' + 'fetch(%27%2F%2Fpx.test%2F%27)'; new SharedWorker(u)",
        "pixel",
    ),
    "a worker in base64": ("new Worker('DATA:text/javascript;BASE64,aW1wb3J0U2NyaXB0cygiLy9weC50ZXN0L3AiKQ')", "pixel"),
    "joined base64": ("new Worker('data:;base64,' + 'ZmV0Y2goIi8v' + \"cHgudGVzdC9wIik=\")", "pixel"),
    "an escaped module": ("import('data:text/javascript,import%20%22%2F%2Fpx.test%2Fp.js%22')", "pixel"),
    "a worklet": ("CSS.paintWorklet.addModule('data:text/javascript,import%22%2F%2Fpx.test%2Fp%22')", "pixel"),
    "an escaped document": ("f.src = 'data:text/html,%3Cimg src=%22%2F%2Fpx.test%2Fp%22%3E'", "pixel"),
    "an escaped call in a document": ("f.src = 'data:text/html,%3Cscript%3Efbq%28%22init%22)%3C/script>'", "pixel"),
    "a document in a document": (
        "f.src = 'data:text/html,%3Ciframe src=%22data:text/html,%253Cimg src=%252F%252Fpx.test%252F%253E%22%3E'",
        "pixel",
    ),
    "an escaped drawing": ("f.src = 'data:image/svg+xml,%3Cimage href=%22%2F%2Fpx.test%2F%22/>'", "pixel"),
    "a text that is decoded": ("fetch(atob('Ly9weC50ZXN0L3A='))", "pixel"),
    "a text whose escapes are read": ("fetch(decodeURIComponent('%2F%2Fpx.test%2Fp'))", "pixel"),
    "what the lexer cannot read": ("'unclosed\nfbq('init')", "pixel"),
}


@pytest.mark.parametrize(("code", "service"), CODE.values(), ids=CODE)
def test_code_holds_its_script(code: str, service: str) -> None:
    """What runs, or may run, is held; so is what cannot be read."""
    assert service in MATCHER.script(code.encode(), PAGE).all


BOOTSTRAP = "<script src=https://px.test/p.js></script>"
MIXED = {
    "a click": "document.getElementById('buy').onclick = () => { fbq('track', 'Buy'); cart.add(1) }",
    "a line in between": "menu.open(); fbq('track', 'View'); cart.load(2)",
    "a list made before": "window.fbq_list = 1; var own = menu(); fbq('track', own)",
    "a function": "function bought(x) { fbq('track', x); return total(x) }",
}


@pytest.mark.parametrize("code", MIXED.values(), ids=MIXED)
def test_own_code_beside_a_call_runs_where_the_service_is_held(code: str) -> None:
    """With a queue in the place of the held script nothing is sent; without one, the script waits."""
    script = f"<script>{code}</script>"
    assert held(script) == {"pixel"}
    page = Rewriter(Holder(HoldPolicy(MATCHER, frozenset()), PAGE, document=held_in))
    out = page.feed((BOOTSTRAP + script).encode()) + page.finish()
    assert out.endswith(script.encode())
    assert out.count(b"data-cmw-held") == 1


LEFT = {
    "settings": "window.heySettings = {id: 1}; menu.open()",
    "a list": "_hq = window._hq || []; _hq.push(['a']); menu.open()",
}


@pytest.mark.parametrize("code", LEFT.values(), ids=LEFT)
def test_own_code_beside_settings_runs_where_the_service_is_held(code: str) -> None:
    """What is left for a service to find sends nothing; a script that also brings the service is held."""
    loader, own = "<script src=https://stats.test/s.js></script>", f"<script>{code}</script>"
    page = Rewriter(Holder(HoldPolicy(MATCHER, frozenset()), PAGE, document=held_in))
    assert (page.feed((loader + own).encode()) + page.finish()).endswith(own.encode())
    brings = code + "; document.head.append(document.createElement('script'))"
    assert held(f"<script>{brings}</script>") == {"stats"}


STATE = {
    "a tree of elements": (r"""mount({a:{tag:"iframe",src:"https:\/\/films.test\/embed\/7"}})""", ("films",)),
    "a player": ("const film = 'https://films.test/player/7'", ("films",)),
    "a link to a channel": ("const social = ['https://films.test/@shop']", ()),
    "a tracker for another function": ("add('https://px.test/embed/7')", ("pixel",)),
    "a tracker in settings": ("const report = { id: 7, src: '//px.test/t.gif?id=7' }", ("pixel",)),
    "a link to a tracker's site": ("const policy = 'https://px.test/privacy'", ()),
    "a tracker in a text": ("const help = 'Add https://px.test/js/t.js to the page'", ()),
    "a tracker in a message": ("console.log('https://px.test/js/t.js')", ()),
    "an embed that it makes": ("const f = document.createElement('iframe'); f.src = 'https://films.test/embed/7'", ()),
}


@pytest.mark.parametrize("name", STATE)
def test_a_script_names_the_embeds_in_its_data(name: str) -> None:
    """What other code may make or load from data is named; a link is not, nor what the script is held for."""
    code, names = STATE[name]
    assert MATCHER.script(code.encode(), PAGE).names == names


def test_the_guard_stands_before_a_script_that_names_embeds() -> None:
    """It comes wherever the page is cut, for each such script, and never in a template, where no script runs."""
    page = (
        b"<p>a<script>s='https://films.test/embed/7'</script><template><script>s='https://films.test/embed/7'</script>"
    )
    for size in (1, 7, len(page)):
        rewriter = Rewriter(Holder(HoldPolicy(MATCHER, frozenset()), PAGE, document=held_in))
        rewriter.names = lambda place, ids: f"[{' '.join(ids)}]".encode()
        out = b"".join(rewriter.feed(page[at : at + size]) for at in range(0, len(page), size)) + rewriter.finish()
        assert out == page.replace(b"<script>", b"[films]<script>", 1)


def test_what_became_of_such_a_script_is_not_remembered_for_another_page() -> None:
    """The same bytes are held on a page that brings the service in no other way, whatever was asked before."""
    policy = HoldPolicy(MATCHER, frozenset())
    script = f"<script>{MIXED['a click']}</script>"
    for page, expected in [(script, 1), (BOOTSTRAP + script, 1), (script, 1), (BOOTSTRAP + script, 1)]:
        rewriter = Rewriter(Holder(policy, PAGE, document=held_in))
        out = rewriter.feed(page.encode()) + rewriter.finish()
        assert out.count(b"data-cmw-held") == expected
        assert out.endswith(script.encode()) is (BOOTSTRAP in page)


HANDLERS = {
    "a call": ("<button onclick=\"add(); fbq('track')\">", set()),
    "a call on submit": ("<form onsubmit=\"if (!ok(this)) return false; hey('lead')\">", set()),
    "a link to share": ("<a onclick=\"window.open('https://px.test/share')\">", set()),
    "going there": ("<b onclick=\"location.href='https://px.test/out'\">", set()),
    "a picture": ("<b onclick=\"new Image().src='https://px.test/1'\">", {"pixel"}),
    "a beacon": ("<b onmouseover=\"navigator.sendBeacon('https://stats.test/b')\">", {"stats"}),
    "going there by itself": ("<body onload=\"location='https://px.test/out'\">", {"pixel"}),
    "details that are open (html#the-details-element)": (
        "<details open ontoggle=\"location='https://px.test/out'\">",
        {"pixel"},
    ),
}


@pytest.mark.parametrize(("markup", "expected"), HANDLERS.values(), ids=HANDLERS)
def test_handlers_are_held_for_what_they_load(markup: str, expected: set[str]) -> None:
    """A call in a handler is no reason, and where a visitor wants to go is none either."""
    assert held(markup) == expected


BECOMES = {
    "Partytown": ("<script type=text/partytown src=https://px.test/p.js></script>", {"pixel"}),
    "a delayed script": ("<script type=rocketlazyloadscript data-rocket-src=https://px.test/p.js></script>", {"pixel"}),
    "Rocket Loader": ("<script type=0a1b2c-text/javascript>fbq('init')</script>", {"pixel"}),
    "LiteSpeed": ("<script type=litespeed/javascript data-src=https://px.test/p.js></script>", {"pixel"}),
    "PHAST": ("<script type=text/phast>fbq('init')</script>", {"pixel"}),
    "a type nobody knows": ("<script type=text/ez-x src=https://px.test/p.js></script>", {"pixel"}),
    "one with a lazy address": ("<script type=x/late data-late-src=https://px.test/p.js></script>", {"pixel"}),
    "data of a type nobody knows": ("<script type=x/state>{'a':'https://px.test/p.js'}</script>", set()),
    "a bundle": ('<script type=webbundle>{"source":"https://px.test/a.wbn"}</script>', {"pixel"}),
    "a template": ("<script type=text/x-handlebars><img src=https://px.test/p></script>", set()),
    "JSON": ('<script type=application/json>{"a":"https://px.test/p.js"}</script>', set()),
    "a lazy frame": ("<iframe data-lazy-src=https://films.test/embed/1></iframe>", {"films"}),
    "a lazy picture": ("<img src=/a.gif data-original=https://px.test/1>", {"pixel"}),
    "a lazy list": ("<img src=/a.gif data-srcset='https://px.test/1 1x'>", {"pixel"}),
    "a lazy picture of the site's": ("<img src=/a.gif data-src=/b.jpg>", set()),
    "a custom element": ("<media-player src=https://films.test/watch/1></media-player>", {"films"}),
    "a custom element's film": ("<my-player video-url=https://films.test/w/1></my-player>", {"films"}),
    "a frame of another loader": ("<iframe lazy-src=https://films.test/embed/1></iframe>", {"films"}),
    "a list of another loader": ("<img LAZY-srcset='https://px.test/1 1x'>", {"pixel"}),
    "a model": ("<model src=https://px.test/a.usdz></model>", {"pixel"}),
    "a gateway": ("<script src=/metrics/?id=G-ABCDEF1234></script>", {"wide"}),
    "a gateway, in any order": ("<script src='/x/t.js?l=dl&amp;cx=c&amp;id=G-ABCDEF1234'></script>", {"wide"}),
    "a gateway in a folder": ("<script src='/secure/m/?cx=c&amp;l=dl&amp;id=G-ABCDEF1234'></script>", {"wide"}),
    "a gateway's preload": ("<link rel=preload as=script href=/m/?id=G-ABCDEF1234>", {"wide"}),
    "a gateway's preload, quoted": ('<link rel=modulepreload href="/m?id=G-ABCDEF1234">', {"wide"}),
    "a gateway by a key of its own": ("<script src=/m/a.js?t=G-ABCDEF1234></script>", {"wide"}),
    "a gateway by a folder": ("<script src=/metrics/G-ABCDEF1234/></script>", {"wide"}),
    "a gateway's preload by a file": ('<link rel=preload as=script href="/m/G-ABCDEF1234.js">', {"wide"}),
    "a gateway in base64": ("<script src=/m.js?x=aWQ9Ry1BQkNERUYxMjM0></script>", {"wide"}),
    "a gateway's loader": (
        "<script>var s=document.createElement('script');s.src='/m/G-ABCDEF1234/';document.head.append(s)</script>",
        {"wide"},
    ),
    "a gateway's loader that joins": (
        "<script>(function(d,i){var s=d.createElement('script');s.src='/m?x='+i;d.head.append(s)})"
        "(document,'G-ABCDEF1234')</script>",
        {"wide"},
    ),
    "a loader of the site's own": (
        "<script>cfg={ga:'G-ABCDEF1234'};s=document.createElement('script');s.src='/app.js';d.append(s)</script>",
        set(),
    ),
    "settings with an id": ("<script>cfg={ga:'G-ABCDEF1234'}</script>", set()),
    "a word in capitals": ("<script src=/lib/G-SHOCK/app.js></script>", set()),
    "the number of a product": ("<script src=/parts/G-1234567/viewer.js></script>", set()),
    "a lazy background": ("<div data-bg=https://px.test/1></div>", {"pixel"}),
    "a lazy background in CSS": ("<p data-background-image='url(https://px.test/1)'>", {"pixel"}),
    "a list of lazy backgrounds": (
        "<span data-bgset='https://px.test/1 [(max-width: 9px)] | /2.png'></span>",
        {"pixel"},
    ),
    "a lazy style": ("<a data-lazy-style='background:url(//px.test/1)' href=/></a>", {"pixel"}),
    "a background by a class": ("<section class=lozad data-src=//px.test/1></section>", {"pixel"}),
    "a lazy background of the site's": ("<div data-bg=/b.jpg></div>", set()),
    "what a button shares": ("<div class=share data-src=https://px.test/1></div>", set()),
    "a lazy poster": ("<video data-poster=https://px.test/1></video>", {"pixel"}),
    "NitroPack": ("<img src=data:, nitro-lazy-src=https://px.test/1>", {"pixel"}),
    "a script of a type with js in it": ("<script type=o/js-lzl>fbq('init')</script>", {"pixel"}),
    "what Next.js loads": (
        "<script>(self.__next_s=self.__next_s||[]).push(['https://px.test/p.js',{}])</script>",
        {"pixel"},
    ),
    "a template with a base": (
        "<base href=https://px.test/><template><script src=p.js></script></template>",
        {"pixel"},
    ),
    "a picture of a drawing": ("<svg><image href=https://px.test/1 /></svg>", {"pixel"}),
    "a product's number": ("<img src='/thumb?id=G-1234567'>", set()),
    "an attribute and a name": ("<script src=/light.js data-site=1></script>", {"light"}),
    "an attribute alone": ("<script src=/app.js data-site=1></script>", set()),
}


@pytest.mark.parametrize(("markup", "expected"), BECOMES.values(), ids=BECOMES)
def test_markup_is_read_as_what_it_becomes(markup: str, expected: set[str]) -> None:
    """What a script of the page turns into code or a request is held like what the browser does."""
    assert held(markup) == expected


# -- the lexer

_PIECES = st.sampled_from(
    ["a", "b=1;", "'x'", '"y"', "`t`", "`${", "}`", "{", "}", "(", ")", "/", "//", "/*", "*/", "\n"]
    + ["return ", "]", "<!--", "-->", "\\", "'"]
)


@given(parts=st.lists(_PIECES, max_size=30))
def test_the_lexer_never_fails_and_finds_only_places_it_was_asked_for(parts: list[str]) -> None:
    """Whatever the text, the answer is a part of the question, or that nothing is sure."""
    text = "".join(parts).encode()
    found = Lexer(text).code_among(range(0, len(text), 2))
    assert found is None or found <= set(range(0, len(text), 2))
    ends = [end for _, end in Lexer(text).data()]
    assert ends == sorted(ends)


@pytest.mark.parametrize(
    "piece", [b"`${", b"/[", b'"\\', b"a/b;", b"<!--\n", b"'", b"{", b"/*", b"`a${b}c`;", b"fbq('x');", b"'fbq(';"]
)
def test_no_script_costs_more_than_its_length(piece: bytes) -> None:
    """The cost is linear, whatever is repeated."""

    def script(count: int) -> bytes:
        return piece * count + b"/*%d*/fbq(1)" % count

    assert growth(script, lambda code: MATCHER.script(code, PAGE), 3_000) < MOST
