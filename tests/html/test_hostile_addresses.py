"""
Addresses, documents and types that browsers read otherwise than they look; each vector with the section that says so.

What must be held is judged by the output: nothing that fetches may still name the tracker, or a host under it.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.model import Service
from consent_mw.html import urls
from consent_mw.html import value_judge
from consent_mw.html.guessed import CHARSETS
from consent_mw.html.hold_policy import Budget
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.hold_policy import Memory
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.urls import Url
from consent_mw.html.urls import resolve
from tests.growth import MOST
from tests.growth import growth
from tests.html.rewriting import PAGE
from tests.html.rewriting import holder

#: Five more ways to write the tracker's host, and five places for an address.
URLS = {
    # UTS 46, section 4: status "ignored"
    "combining grapheme joiner": "<img src='https://track&#x34F;er.example/'>",
    "Mongolian selector": "<img src='https://track&#x180F;er.example/'>",
    "ten thousand ignored code points": "<img src='https://track" + "\u00ad" * 10_000 + "er.example/'>",
    # UTS 46, section 4: status "mapped"
    "mathematical letters and a dot of Chinese": "<img src='https://&#x1D565;racker&#x3002;example/'>",
    "circled letters, percent-encoded": "<img src='https://%E2%93%A3racker.example/'>",
    # https://www.w3.org/TR/SVG2/linking.html#XLinkHrefAttribute and https://url.spec.whatwg.org/#concept-host-parser
    "Kelvin sign in a drawing": "<svg><image xlink:href='//trac\u212aer.example/'/></svg>",
    # https://html.spec.whatwg.org/#shared-declarative-refresh-steps, steps 9 to 21
    "refresh: no 'url', a quote": "<meta http-equiv=refresh content='0 \"https://tracker.example\" x'>",
    "refresh: a dot for a number": "<meta http-equiv=refresh content='.;URL = https://tracker.example'>",
    "refresh: a comma": "<meta http-equiv=refresh content='3.5,url=//tracker.example'>",
    "refresh: a separator among spaces": "<meta http-equiv=refresh content='0 , url=https://tracker.example/'>",
}


@pytest.mark.parametrize("markup", URLS.values(), ids=URLS)
def test_the_host_is_the_one_that_a_browser_asks(markup: str) -> None:
    """However the tracker's host is written, the element is held."""
    assert held(markup) == {"tracker"}


#: What leads elsewhere than it seems, and has to stay.
HARMLESS = {
    "refresh: two separators": "<meta http-equiv=refresh content='0;;url=https://tracker.example/'>",
    "refresh: no separator": "<meta http-equiv=refresh content='0url=https://tracker.example/'>",
    "refresh: the tracker behind the quote": "<meta http-equiv=refresh content=\"0;url='/x'https://tracker.example\">",
    "a label of 64 letters": f"<img src='https://{'a' * 64}.tracker.example/'>",
    "a host of 254 bytes": f"<img src='https://{'a.' * 120}tracker.example/'>",
}


@pytest.mark.parametrize("markup", HARMLESS.values(), ids=HARMLESS)
def test_what_no_browser_asks_the_tracker_for_stays(markup: str) -> None:
    """An address that leads nowhere, or to the site itself, is left alone."""
    assert held(markup) == set()


#: https://url.spec.whatwg.org/#scheme-state and #special-authority-slashes-state: without its slashes, an address whose
#: scheme is not the page's still has a host; a backslash is a slash; tabs and line breaks are dropped. In JavaScript a
#: backslash is written twice.
ODDLY_SLASHED = {
    "a background without slashes": "<div data-bg='http:tracker.example/x'></div>",
    "a background with one slash": "<div data-background='HTTP:/tracker.example'></div>",
    "a background in a function": "<div data-style='background: url(http:tracker.example/x)'></div>",
    "a background with backslashes": r"<div data-bg='\\tracker.example'></div>",
    "a background between lines": "<div data-bg='/\n/tracker.example'></div>",
    "a background with escapes of CSS": r"<div data-bg='\2f/tracker.example'></div>",
    "a lazy picture": "<div class=lazyload data-src='http:tracker.example/x'></div>",
    "a lazy list": r"<div class=lazyload data-srcset='/\tracker.example 2x'></div>",
    "a frame that waits for its address": "<iframe data-any='http:tracker.example'></iframe>",
    "such a frame, with a reference": "<iframe data-any='&#104;ttp:tracker.example'></iframe>",
    "such a frame, with backslashes": r"<iframe data-any='\\tracker.example'></iframe>",
    "a handler without slashes": "<img src=/x onerror=\"this.src='http:tracker.example?x=1'\">",
    "a handler of any element": "<p onmouseover=\"fetch(' https:tracker.example/')\">",
    "a handler without quotes": "<p onmouseover=fetch('https:tracker.example')>",
    "a handler with a port": "<body onload=\"fetch('http:tracker.example:80')\">",
    "a handler with a user": "<body onload=\"fetch('Https:/a:b@tracker.example/')\">",
    "a handler with backslashes": r"<body onload='fetch(`\\\\tracker.example`)'>",
    "a handler with both slashes": r"<body onload='fetch(`/\\tracker.example`)'>",
    "a script with a question mark": "<script>new Image().src = 'http:tracker.example?x'</script>",
    "a script with a scheme and backslashes": r"<script>new WebSocket('wss:\\tracker.example')</script>",
    "a script with three slashes": "<script>import('https:///tracker.example/x.js')</script>",
}


@pytest.mark.parametrize("markup", ODDLY_SLASHED.values(), ids=ODDLY_SLASHED)
def test_an_address_needs_no_two_slashes(markup: str) -> None:
    """Where code takes an address from, it is read as browsers read it."""
    assert held(markup) == {"tracker"}


def test_the_slashes_of_the_sites_own_addresses_are_no_reason_to_hold() -> None:
    """Schemes alone, network folders and the site's own addresses stay."""
    assert held("<script>if (location.protocol === 'https:') fetch('/x')</script>") == set()
    assert held(r"<script>fetch('/x'); share = '\\\\server\\tracker.example'</script>") == set()
    assert held("<div data-bg='https:tracker.example/x'></div>") == set()  # a path for a page that came by https


def quoted(text: str) -> str:
    """Return ``text`` percent-encoded."""
    return quote(text, safe="")


_SHEET = "@import 'https://tracker.example/x.css'"
_SHEET_IN_SHEET = f"@import url(data:text/css,{quoted(_SHEET)})"
_DOCUMENT = "<img src=https://tracker.example/x.gif>"
_XHTML = "<html xmlns='http://www.w3.org/1999/xhtml'><img src='https://tracker.example/x'/></html>"

DATA = {
    # https://fetch.spec.whatwg.org/#data-url-processor
    "base64 with spaces before it": "<iframe src='data:text/html;  base64,PGltZyBzcmM9Ly90cmFja2VyLmV4YW1wbGU+'>",
    "base64 and a fragment": "<iframe src='data:text/html;base64,PGltZyBzcmM9Ly90cmFja2VyLmV4YW1wbGU+#abc'></iframe>",
    "a charset of its own": "<iframe src='data:text/html;charset=utf-16le,"
    + "".join(f"%{byte:02X}" for byte in _DOCUMENT.encode("utf-16-le"))
    + "'></iframe>",
    # https://mimesniff.spec.whatwg.org/#xml-mime-type
    "a document of MathML": f'<object data="data:application/mathml+xml,{quoted(_XHTML)}"></object>',
    "XML in a charset that its declaration names": '<embed src="data:text/xml,'
    + quoted("<?xml version='1.0' encoding='iso-2022-jp'?>" + _XHTML)
    + '">',
    "entities of its own": '<frameset><frame src="data:image/svg+xml,'
    + quoted("<!DOCTYPE svg [<!ENTITY a '&#60;image href=\"https://tracker.example/\"/>'>]><svg>&a;</svg>")
    + '"></frameset>',
    # https://drafts.csswg.org/css-cascade/#at-import
    "a sheet in a sheet": f"<style>@import 'data:text/css,{quoted(_SHEET_IN_SHEET)}'</style>",
    "a linked sheet": f'<link rel=stylesheet href="data:text/css,{quoted(_SHEET)}">',
    "a sheet of no type": f'<link rel=stylesheet href="data:,{quoted(_SHEET)}">',
    "a sheet in UTF-16": "<style>@import 'data:text/css;charset=utf-16be,"
    + "".join(f"%{byte:02X}" for byte in _SHEET.encode("utf-16-be"))
    + "'</style>",
    # https://html.spec.whatwg.org/#process-the-iframe-attributes
    "a document in a document": f"<iframe srcdoc=\"&lt;iframe src='data:text/html,{quoted(_DOCUMENT)}'>\"></iframe>",
}


@pytest.mark.parametrize("markup", DATA.values(), ids=DATA)
def test_documents_and_sheets_in_data_addresses_are_read(markup: str) -> None:
    """What a browser would find inside is found, or the whole is held because it cannot be read."""
    assert held(markup) & {"tracker", "unknown"}


@pytest.mark.parametrize(
    "markup",
    [
        "<img src='data:image/svg+xml,<!DOCTYPE svg [<!ENTITY a \"b\">]><svg>&a;</svg>'>",
        "<iframe src='data:text/html,<p>Hello'></iframe>",
        "<style>@import 'data:text/css,a{color:red}'; b{src:url(data:font/woff2;base64,AAAA)}</style>",
        f"<img src='data:image/png;base64,{'A' * 1000}'>",
        '<object data=\'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>\'></object>',
    ],
)
def test_harmless_data_stays(markup: str) -> None:
    """Pictures, fonts and documents that ask for nothing are left alone."""
    assert held(markup) == set()


@pytest.mark.parametrize(
    "code",
    [
        "<script type=module>import './x.js'</script>",
        "<script>if (a) import('./' + b)</script>",
        "<svg><script>import('x.js')</script></svg>",
        "<iframe src=\"javascript:%69mport('./x')\"></iframe>",
        "<iframe srcdoc=\"<script>import('./x')</script>\"></iframe>",
    ],
)
def test_an_import_leads_to_the_base(code: str) -> None:
    """HTML, "resolve a URL-like module specifier": relative to the base URL, which no code in the page can change."""
    assert held(f"<!doctype html><base href=//tracker.example/>{code}") == {"tracker"}
    assert held(f"<!doctype html><base href=//shop.example/a/>{code}") == set()


@pytest.mark.parametrize(
    "code",
    [
        "<script type=module>import 'https:tracker.example/x.js'</script>",
        '<script type=module>export * from "HTTPS:/tracker.example/x.js"</script>',
        "<script>import(`http:tracker.example`)</script>",
        '<script type=importmap>{"imports": {"x": "https:tracker.example/x.js"}}</script>',
        '<script type=importmap>{"scopes": {"/": {"x": "https:\\\\tracker.example/x.js"}}}</script>',
    ],
)
def test_a_module_s_address_needs_no_slashes(code: str) -> None:
    """HTML, "resolve a URL-like module specifier": it is parsed without a base, so it is absolute on any page."""
    assert held(code) == {"tracker"}


@pytest.mark.parametrize(
    "around",
    [
        "<link rel=stylesheet href='data:text/css,{}'>",
        "<style>@import 'data:text/css,{}';</style>",
        "<p style='background:url(\"data:text/css,{}\")'>",
    ],
)
def test_one_level_is_read_in_all_charsets(around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without a charset is read in all of them, but the addresses in its style sheets not in as many again."""
    resolved: list[str] = []

    def resolutions(text: str, base: Url) -> list[Url]:
        resolved.append(text)
        return urls.resolutions(text, base)

    monkeypatch.setattr(value_judge, "resolutions", resolutions)
    imports = "".join(f"@import url(//h{number}%E9\u00e9.example/);" for number in range(20))
    rewriter = Rewriter(Holder(HoldPolicy(Matcher(RULES), frozenset()), PAGE, document=held_in, charset=""))
    rewriter.feed(around.format(imports).encode("latin-1"))
    rewriter.finish()
    assert rewriter.held == {"unknown"}
    assert len(resolved) < 10 * len(CHARSETS)


#: https://html.spec.whatwg.org/#prepare-the-script-element; Chromium strips white space of all Unicode.
SCRIPT_TYPES = [
    "type='&#xA0;text/javascript&#x3000;'",
    "type=' MODULE\t'",
    "type=''",
    "language='JavaScript1.2 '",
    "type='application/ecmascript&#x2029;'",
    "TYPE=text/jscript type=text/plain",
]


@pytest.mark.parametrize("attributes", SCRIPT_TYPES)
def test_a_script_whose_type_some_browser_runs_is_held(attributes: str) -> None:
    """White space around a type, old names and repeated attributes do not make code data."""
    assert held(f"<script {attributes}>trackNow(1)</script>") == {"tracker"}


_INSTRUCTIONS = {
    "a name that ends in href": '<?xml-stylesheet x-href="a" href="//tracker.example/"?>',
    "quotes in a value": "<?xml-stylesheet title=\"href='a'\" href='//tracker.example/'?>",
    "white space": '<?xml-stylesheet\n type="text/css"\n href\t=\n"//tracker.example/"?>',
    "a reference": '<?xml-stylesheet href="//tracker&#46;example/"?>',
    "a sheet inside": "<?xml-stylesheet href=\"data:text/css,@import '//tracker.example/'\"?>",
}


@pytest.mark.parametrize("instruction", _INSTRUCTIONS.values(), ids=_INSTRUCTIONS)
def test_style_sheets_of_xml_are_held(instruction: str) -> None:
    """Pseudo-attributes have whole names and are read like attributes: https://www.w3.org/TR/xml-stylesheet/"""
    page = f"{instruction}<html xmlns='http://www.w3.org/1999/xhtml'><body/></html>"
    assert held(page, xml=True) == {"tracker"}


# -- what was asked before decides nothing

RULES = (
    Service("own", "Own", "Ltd", ("analytics",), hosts=("shop.example/stats/",)),
    Service("log", "Log", "Ltd", ("analytics",), paths=("/log/hit.gif", "/own/count.php?")),
)


def seen(policy: HoldPolicy, path: str, markup: str) -> set[str]:
    """Return what is held of ``markup`` on a page at ``path``, under a policy that remembers."""
    rewriter = Rewriter(Holder(policy, Url("https", "shop.example", path), document=held_in))
    rewriter.feed(markup.encode())
    rewriter.finish()
    return rewriter.held


PLACES = {
    "a picture": "<img src=hit.gif>",
    "a style sheet": "<style>a{background:url(hit.gif)}</style>",
    "a style attribute": "<p style='background:url(hit.gif)'>",
    "an island": "<noscript><img src=hit.gif></noscript>",
    "a script": "<script src=hit.gif></script>",
    "a query alone": "<img src='?a=1'>",
}


@pytest.mark.parametrize("markup", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("rules", [RULES[:1], RULES[1:], RULES], ids=["host", "path", "both"])
def test_a_relative_address_means_what_its_own_page_makes_of_it(markup: str, rules: tuple[Service, ...]) -> None:
    """The same bytes on pages in other folders get each their own answer, in any order."""
    paths = ["/", "/stats/", "/blog/post", "/log/", "/stats/hit.gif", "/a/log/x", "/log/hit.gif"]
    alone = {path: seen(HoldPolicy(Matcher(rules), frozenset()), path, markup) for path in paths}
    shared = HoldPolicy(Matcher(rules), frozenset())
    for path in paths + paths[::-1]:
        assert seen(shared, path, markup) == alone[path]


@pytest.mark.parametrize(
    "address", ["./own/./count.php?a", "own/x/../count.php?a", "own/%2E/count.php?a", "../own/%2e/count.php?a"]
)
def test_dot_segments_hide_no_path(address: str) -> None:
    """A path rule is asked about the path that the browser sends: https://url.spec.whatwg.org/#path-state"""
    for markup in (f"<img src='{address}'>", f"<p style='background:url({address})'>"):
        assert seen(HoldPolicy(Matcher(RULES), frozenset()), "/", markup) == {"log"}


# -- hosts by another parser, and what they cost

_ALPHABET = st.sampled_from(
    [
        *"ab.-_1",
        "0x",
        "%41",
        "%C2%AD",
        "\u00ad",
        "\u200d",
        "\u2061",
        "\U000e0100",
        "\ufe0f",
        "\u3002",
        "\u00c9",
        "\u00df",
    ]
    + [
        "\ufb01",
        "\u2460",
        "\u0301",
        "\u0316",
        "\u212a",
        "\u0131",
        "\u0130",
        "\u4e2d",
        "\uff54",
        "\u304b\u3099",
        "\u03c2",
    ]
)


@given(parts=st.lists(_ALPHABET, min_size=1, max_size=12))
def test_hosts_are_those_of_another_parser(parts: list[str]) -> None:
    """Wherever ada-url finds a host that DNS can know, ours is the same."""
    address = f"https://{''.join(parts)}.example/"
    try:
        host = ada_url.URL(address).hostname
    except ValueError:
        return
    if len(host) <= 253 and max(map(len, host.split("."))) <= 63 and not host.endswith(".."):
        assert resolve(address, PAGE).host == host


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "0x7F000001",
        "127.0x0.0.1",
        "\uff11\uff12\uff17.1",
        "0" * 99 + "177.1",
        "0x" + "0" * 300 + "7f.1",
    ],
)
def test_addresses_of_ipv4_have_one_form(host: str) -> None:
    """https://url.spec.whatwg.org/#concept-ipv4-parser"""
    assert resolve(f"https://{host}/", PAGE).host == "127.0.0.1"


LONG = {
    "labels": lambda n: "<img src=https://" + "a." * n + "com>",
    "letters beyond ASCII": lambda n: "<img src=https://" + "\u4e2d" * n + ".com>",
    "different letters beyond ASCII": lambda n: (
        "<img src=https://" + "".join(chr(0x4E00 + i % 20000) for i in range(n))
    ),
    "ignored code points": lambda n: "<img src=https://a" + "\u00ad" * n + ".com>",
    "combining marks out of order": lambda n: "<img src=https://a" + "\u0316\u0301" * n + ".com>",
    "digits": lambda n: "<img src=https://" + "9" * n + ">",
    "percent signs": lambda n: "<img src=https://" + "%41" * n + ">",
    "dot segments": lambda n: "<img src='" + "a/../" * n + "'>",
    "slashes": lambda n: "<img src='" + "a/" * n + "own/'>",
    "an unknown reference": lambda n: "<svg><style>&" + "a" * n + "</style></svg>",
    "references": lambda n: "<img src='" + "&amp" * n + "'>",
    "a refresh": lambda n: "<meta http-equiv=refresh content='" + "0" * n + " " * n + "x'>",
    "candidates": lambda n: "<img srcset='" + "a 1x," * n + "'>",
    "nested data": lambda n: "<style>@import 'data:text/css,@import \"data:text/css," + "a" * n + "\"'</style>",
    "base64": lambda n: "<iframe src='data:text/html;base64," + "A" * n + "'></iframe>",
}


@pytest.mark.parametrize("shape", LONG.values(), ids=LONG)
def test_long_addresses_cost_no_more_than_their_length(shape: Callable[[int], str]) -> None:
    """The cost of an address is linear in its length."""
    assert growth(shape, held, 5_000) < MOST


def test_what_is_remembered_is_bounded_by_its_size() -> None:
    """Tags that need thousands of edits, and pages with long addresses, do not make the memory of pages grow."""
    budget = Budget()
    memory = Memory(budget)
    assert not memory.room_for(b"x" * 100, 5000)
    assert memory.room_for(b"x" * 100, 100)
    assert budget.kept > 20
    policy = HoldPolicy(Matcher(RULES), frozenset())
    for number in range(200):
        policy.memory(Url("https", "shop.example", f"/{number}" + "x" * 10_000), None, "utf-8")
    assert len(policy.memories) == 0


def held(markup: str, *, xml: bool = False) -> set[str]:
    """Return the ids of what is held in a page."""
    rewriter = Rewriter(holder(xml=xml))
    rewriter.feed(markup.encode("utf-8", "surrogatepass"))
    rewriter.finish()
    return rewriter.held
