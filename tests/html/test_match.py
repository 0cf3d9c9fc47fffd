"""
Which service an address, code, an element or a cookie belongs to.
"""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.model import Service
from consent_mw.html.match import ElementRule
from consent_mw.html.match import Matcher
from consent_mw.html.urls import Url

PAGE = Url("https", "shop.example", "/")


def service(id_: str, **rules: object) -> Service:
    """Return a service with these rules."""
    return Service(id_, id_, "Ltd", ("analytics",), **rules)  # type: ignore[arg-type]


MATCHER = Matcher(
    [
        service("wide", hosts=("t.example",)),
        service("path", hosts=("t.example/maps/",)),
        service("deep", hosts=("www.t.example/maps/api?key=",)),
        service("begun", hosts=("p.example/embed/",)),
        service("own", hosts=("sub.t.example",)),
        service("any", hosts=("maps.*",)),
        service("idn", hosts=("b\u00fccher.example",)),
        service("local", paths=("/track.php?", "/stats/hit")),
        service("call", inline=("trackNow(", "new Tracker", "_tq.push", "t('create'", "'hey' in window")),
        service("short", inline=("qp",)),
        service("cookie", cookies=("_t", "_t_*", "*_visit", "a*b*c")),
        service("element", elements=("amp-x[type=t]", "x-widget", "[data-t]")),
    ]
)

URLS = {
    "https://t.example/": ("wide",),
    "https://a.b.t.example/x": ("wide",),
    "https://t.example/maps/1": ("path",),
    "https://t.example/maps": ("wide",),
    "https://a.t.example/maps/1": ("path",),
    "https://www.t.example/maps/api?key=1": ("deep",),
    "https://www.t.example/maps/api?x=1": ("path",),
    "https://sub.t.example/": ("own",),
    "https://a.sub.t.example/": ("own",),
    "https://sub.t.example/maps/": ("path",),
    "https://maps.example/": ("any",),
    "https://maps.co.uk/": ("any",),
    "https://www.maps.de/": ("any",),
    "https://maps.shop.example/": (),
    "https://b\u00fccher.example/": ("idn",),
    "https://xn--bcher-kva.example/": ("idn",),
    "https://tt.example/": (),
    "https://t.example.org/": (),
    "https://other.example/track.php?a": ("local",),
    "/track.php?a": ("local",),
    "/a/track.php?a": ("local",),
    "/mytrack.php?a": (),
    "/track.php": (),
    "/stats/hit": ("local",),
    "/stats/hit?a": ("local",),
    "/stats/hit&a": ("local",),
    "/stats/hit/a": ("local",),
    "/stats/hits": (),
    "javascript:trackNow(1)": ("call",),
    "javascript:%74rackNow(1)": ("call",),
    # What it ends with is a document.
    "javascript:'<img src=https://maps.de/1.gif>'": ("any",),
    "javascript:`<iframe src=//maps.de/></iframe>`": ("any",),
    "javascript:%22%3Cscript src=%2F%2Fmaps.de%2Fa.js%3E%22": ("any",),
    "javascript:'<img onerror=trackNow(1) src=x>'": ("call",),
    "javascript:'<img src=\\57\\057ma\\160s.de/1.gif>'": ("any",),
    "javascript:void 'maps.example'": (),
    "data:text/html,<script>trackNow(1)</script>": ("call",),
    "data:text/javascript;base64," + base64.b64encode(b"trackNow(1)").decode(): ("call",),
    "data:text/javascript;base64,dHJhY2tOb3coMSk": ("call",),
    "data:text/javascript;base64,A": (),
    "data:image/png;base64," + base64.b64encode(b"trackNow(1)").decode(): (),
    "data:image/svg+xml,<svg onload='trackNow(1)'/>": ("call",),
    "data:": (),
    "about:blank": (),
    "mailto:a@t.example": (),
}


@pytest.mark.parametrize(("url", "expected"), URLS.items(), ids=URLS)
def test_addresses(url: str, expected: tuple[str, ...]) -> None:
    """The longest prefix wins, then the nearest host; path rules hold for every host."""
    assert MATCHER.url(url, PAGE) == expected


def test_a_vendor_s_own_site_is_no_third_party_to_itself() -> None:
    """A rule for a whole host does not apply to a page on it; one with a path does."""
    page = Url("https", "t.example", "/")
    assert MATCHER.url("/x", page) == ()
    assert MATCHER.url("/maps/", page) == ("path",)
    assert MATCHER.url("https://www.t.example/x", page) == ("wide",)


def test_a_vendor_s_delivery_is_no_third_party_to_its_own_site() -> None:
    """A player's other host stays on the player's own site; a counter's is held there, as everywhere."""
    player = Service("player", "player", "Ltd", ("embeds",), hosts=("player.example", "playercdn.example"))
    counter = Service("counter", "counter", "Ltd", ("analytics",), hosts=("player.example", "countercdn.example"))
    matcher = Matcher([player, counter])
    page = Url("https", "www.player.example", "/")
    assert matcher.url("https://playercdn.example/a.js", page) == ()
    assert matcher.url("https://playercdn.example/a.js", PAGE) == ("player",)
    assert matcher.url("https://countercdn.example/a.js", page) == ("counter",)


def test_a_vendor_s_widget_is_no_third_party_on_its_own_domain() -> None:
    """
    A frame of the page's own domain stays; a counter's is held there, and so is what the owner declares.

    Where anybody may rent a host, neighbours are strangers.
    """
    widget = Service("widget", "widget", "Ltd", ("embeds",), hosts=("api.blogs.example", "widget.herokuapp.com"))
    counter = Service("counter", "counter", "Ltd", ("analytics",), hosts=("stats.blogs.example",))
    page, address = Url("https", "a.blogs.example", "/"), "https://api.blogs.example/connect/"
    matcher = Matcher([widget, counter])
    assert matcher.url(address, page) == ()
    assert matcher.url(address, PAGE) == ("widget",)
    assert matcher.url("https://stats.blogs.example/", page) == ("counter",)
    assert Matcher([widget], known={"widget": widget}).url(address, page) == ("widget",)
    assert matcher.url("https://widget.herokuapp.com/", Url("https", "shop.herokuapp.com", "/")) == ("widget",)


def test_what_is_known_of_a_host() -> None:
    """A host is known where some rule names it or a domain above it."""
    assert MATCHER.knows("a.t.example")
    assert not MATCHER.knows("shop.example")


def test_path_rules_fit_plain_paths_without_resolving() -> None:
    """A relative path is compared as if it stood at the root; a fragment never reaches a server."""
    assert MATCHER.path(b"track.php?a") == ("local",)
    assert MATCHER.path(b"/x#/track.php?a") == ()
    assert MATCHER.path(b"/x") == ()
    assert Matcher([]).path(b"/track.php?a") == ()


CODE = {
    "trackNow(1)": ("call",),
    "trackNow \n\t(1)": ("call",),
    "a.trackNow(1)": ("call",),
    "x=1;trackNow(1)": ("call",),
    "notrackNow(1)": (),
    "$trackNow(1)": (),
    "_trackNow(1)": (),
    "trackNowThen(1)": (),
    "new  Tracker": ("call",),
    "newTracker": (),
    "anew Tracker": (),
    "new TrackerTwo": ("call",),
    '_tq . push(["a"])': ("call",),
    "_tq.length": (),
    't("create", 1)': ("call",),
    "t(`create`)": ("call",),
    "at('create')": (),
    '"hey"in window': ("call",),
    "tr\\u0061ckNow(1)": ("call",),
    "tr\\x61ckNow(1)": ("call",),
    "tr\\u{61}ckNow(1)": ("call",),
    "tr\\u{000061}ckNow(1)": ("call",),
    "load('https://t.example/x.js')": ("wide",),
    "load('//t.example/x.js')": ("wide",),
    "s.src='https:\\/\\/t.example\\/x.js'": ("wide",),
    '{"a":"https:\\/\\/t.example\\/x.js"}': (),
    "new WebSocket('wss://t.example/x')": ("wide",),
    "load('https://www.t.example/maps/api?key=1')": ("deep",),
    "s.src='https://p.example/em' + 'bed/'": ("begun",),
    "s.src='https://p.example/' + a": (),
    "load('https://T.EXAMPLE:443/x')": ("wide",),
    "'x-t://t.example/x'": (),
    "// t.example is nice": (),
    "qp": ("short",),
    "aqp": (),
    "": (),
}


@pytest.mark.parametrize(("code", "expected"), CODE.items(), ids=CODE)
def test_code(code: str, expected: tuple[str, ...]) -> None:
    """A signature stands for itself with any quotes and white space; an address in code counts like any other."""
    assert MATCHER.code(code.encode(), PAGE) == expected
    # From memory.
    assert MATCHER.code(code.encode(), PAGE) == expected


def test_long_code_is_looked_at_each_time() -> None:
    """What is too long to remember is found all the same."""
    code = b"a();" * 50_000 + b"trackNow(1)"
    assert MATCHER.code(code) == MATCHER.code(code) == ("call",)


def test_what_is_remembered_is_bounded() -> None:
    """However many scripts and hosts pages bring, answers stay right and memory stays bounded."""
    matcher = Matcher([service("call", inline=("trackNow(",), hosts=("t.example",))])
    for number in range(8000):
        assert matcher.code(b"trackNow(%d); /* %b */" % (number, b"x" * 900)) == ("call",)
        assert matcher.url(f"https://h{number}.t.example/") == ("call",)
    assert len(matcher._code._cache) < 5000
    assert len(matcher._host_cache) < 7000


def test_the_words_that_are_remembered_are_bounded() -> None:
    """However many words of scripts begin like a signature, each is found and few are kept."""
    matcher = Matcher([service("word", inline=("sendAll",))])
    text = b";".join(b"sendAll%d()" % number for number in range(5000))
    assert matcher.code(text) == ("word",)
    assert matcher.code(b"sendAll4999()") == ("word",)
    assert len(matcher._code._finder._by_word) < 4100


COOKIES = {
    "_t": ("cookie",),
    "_t_1": ("cookie",),
    "_t_": ("cookie",),
    "_T": (),
    "_tt": (),
    "first_visit": ("cookie",),
    "_visit": ("cookie",),
    "visit": (),
    "a1b2c": ("cookie",),
    "abc": ("cookie",),
    "ab": (),
    "": (),
}


@pytest.mark.parametrize(("name", "expected"), COOKIES.items(), ids=map(repr, COOKIES))
def test_cookies(name: str, expected: tuple[str, ...]) -> None:
    """A star stands for any run of characters; names count by case."""
    assert MATCHER.cookie(name) == expected


def test_a_later_service_replaces_an_earlier_one() -> None:
    """What an owner declares under a known id counts instead of the catalogue's entry."""
    matcher = Matcher([service("a", hosts=("one.example",)), service("a", hosts=("two.example",))])
    assert matcher.url("https://one.example/") == ()
    assert matcher.url("https://two.example/") == ("a",)


def test_two_services_at_one_address_are_both_named() -> None:
    """An address of two services needs both."""
    matcher = Matcher([service("a", hosts=("t.example",)), service("b", hosts=("t.example",))])
    assert matcher.url("https://t.example/") == ("a", "b")


def test_the_rules_of_elements() -> None:
    """Rules are kept by element name; those for any element under none."""
    assert {name: [r.conditions for r in rules] for name, rules in MATCHER.elements.items()} == {
        b"amp-x": [((b"type", "=", "t"),)],
        b"x-widget": [()],
        b"": [((b"data-t", "", ""),)],
    }


@pytest.mark.parametrize("attributes", [set(), {b"data-t"}, {b"type"}, {b"type", b"data-t"}, {b"class"}])
@pytest.mark.parametrize("name", [b"amp-x", b"x-widget", b"div", b""])
def test_only_rules_whose_attribute_is_there_are_tried(name: bytes, attributes: set[bytes]) -> None:
    """Of the rules for an element and for any element, those are tried that name no attribute or one that it has."""
    rules = [*MATCHER.elements.get(name, ()), *MATCHER.elements[b""]]
    fitting = [rule for rule in rules if rule.fits(lambda key: "t" if key in attributes else None)]
    tried = MATCHER.element_rules(name, dict.fromkeys(attributes, b"t").keys())
    assert [rule for rule in tried if rule.fits(lambda key: "t" if key in attributes else None)] == fitting
    assert all(rule.attribute in {b"", *attributes} for rule in tried)


@pytest.mark.parametrize(("value", "fits"), [("AB12-c0de", True), ("ab12-c0de", False), ("AB12-c0d", False)])
def test_an_attribute_may_have_to_have_a_shape(value: str, fits: bool) -> None:
    """A capital letter for A, a digit for 9, a hexadecimal digit for h, and any other character for itself."""
    rule = ElementRule("script[data-x~=AA99-hhhh]", "a")
    assert rule.fits({b"data-x": value}.get) is fits
    assert rule.mark == ("data-x", "")


@given(st.binary(max_size=200))
def test_no_code_raises(code: bytes) -> None:
    """Any bytes can be looked at as code."""
    assert isinstance(MATCHER.code(code, PAGE), tuple)


@given(st.text(max_size=100))
def test_no_address_raises(text: str) -> None:
    """Any text can be looked at as an address."""
    assert isinstance(MATCHER.url(text, PAGE), tuple)
    assert isinstance(MATCHER.url("data:" + text, PAGE), tuple)
