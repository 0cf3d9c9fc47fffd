"""What is remembered of one page of a site holds for its other pages, whatever their addresses are."""

from __future__ import annotations

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw.core.model import Service
from consent_mw.html.elements import Tag
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.tokens import TAG
from consent_mw.html.urls import Url

MATCHER = Matcher(
    [
        Service("folder", "Folder", "Ltd", ("analytics",), paths=("/g/collect",)),
        Service("deep", "Deep", "Ltd", ("analytics",), paths=("/a/b/count.js",)),
        Service("asked", "Asked", "Ltd", ("analytics",), paths=("/tr?id=",)),
        Service("begun", "Begun", "Ltd", ("analytics",), paths=("/matomo/",)),
        Service("away", "Away", "Ltd", ("analytics",), hosts=("away.example",)),
    ]
)
PLAIN_PAGES = ["/", "/shop", "/shop/", "/shop/list?page=2", "/a", "/blog/2026/post"]
ODD_PAGES = [
    "/g/",
    "/g/x",
    "/a/b/",
    "/a/b/c/d",
    "/tr",
    "/x/tr",
    "/matomo/list",
    "/g/./x",
    "/g%2e/x",
    "/x\\g\\y",
    "/?q=/g/collect",
]
REFERENCES = [
    *("", "#top", "?id=1", "? id=1", "collect", "./collect", "../collect", "../g/collect", "g/collect", "/g/collect"),
    *(
        "count.js",
        "../count.js",
        "../b/count.js",
        "../../a/b/count.js",
        "b/count.js",
        "x/../../b/count.js",
        "a/./b/count.js",
    ),
    *(
        "//away.example/x",
        "https:collect",
        "https:/g/collect",
        "..",
        ".",
        "%2e%2e/collect",
        "..\\collect",
        "matomo/x",
        "tr?id=2",
    ),
    *("../_cmw/choice", "_cmw/choice", "x/../_cmw/choice", "%5Fcmw/choice", "/_cmw/choice", "./_c&#109;w/choice"),
]
MARKUP = [
    "<script src='%s'></script>",
    "<img src='%s'>",
    "<img srcset='%s 2x'>",
    "<link rel=stylesheet href='%s'>",
    "<p style=\"background:url('%s')\">",
    "<style>p{background:url('%s')}</style>",
    "<style>p{background:url(%s)}</style>",
    "<noscript><img src='%s'></noscript>",
    "<form action='%s'>",
    "<button formaction='%s'>",
    "<noscript><form action='%s'></form></noscript>",
    "<iframe srcdoc=\"<form action='%s'></form>\"></iframe>",
    "<svg><image href='%s'/></svg>",
    '<script type=importmap>{"imports":{"x":"%s"}}</script>',
    "<base href='%s'>",
]

paths = st.sampled_from([*PLAIN_PAGES, *ODD_PAGES])
markup = st.lists(
    st.tuples(st.sampled_from(MARKUP), st.sampled_from(REFERENCES)).map(lambda pair: pair[0] % pair[1]), max_size=6
).map(lambda pieces: "".join(["<body>", *pieces, "</body>"]).encode())


def policy() -> HoldPolicy:
    """Return a policy that remembers nothing yet."""
    return HoldPolicy(MATCHER, frozenset({"necessary"}), placeholder="/_cmw/placeholder/")


def rewritten(page: bytes, path: str, rules: HoldPolicy) -> bytes:
    """Return a page at a path, rewritten."""
    rewriter = Rewriter(Holder(rules, Url("https", "shop.example", path), document=held_in))
    return rewriter.feed(page) + rewriter.finish()


@given(st.lists(paths, min_size=2, max_size=4), markup)
@example(["/shop/x", "/x"], b"<body><form action='../_cmw/choice'></form>")
@example(["/shop/x", "/tr"], b"<body><img src='? id=1'>")
@example(["/shop/x", "/a/b/c/d"], b"<body><script src='../count.js'></script>")
@settings(max_examples=200)
def test_a_page_is_held_as_if_no_other_page_came_before(pages: list[str], page: bytes) -> None:
    """The same markup at another address gets what it would get from a site that has seen nothing."""
    shared = policy()
    for path in [*pages, pages[0]]:
        assert rewritten(page, path, shared) == rewritten(page, path, policy()), path


@pytest.mark.parametrize("path", PLAIN_PAGES)
def test_ordinary_pages_share_what_is_remembered(path: str) -> None:
    """The plan of a tag that was made for one page is at hand for a page in another folder."""
    rules = policy()
    rewritten(b"<script src=https://away.example/x></script>", "/first/page", rules)
    assert len(rules.memories) == 1
    rewritten(b"<p>", path, rules)
    assert len(rules.memories) == 1


@pytest.mark.parametrize("path", ODD_PAGES)
def test_pages_whose_addresses_matter_share_nothing(path: str) -> None:
    """A page in whose address a path rule stands or may begin has a memory of its own."""
    rules = policy()
    rewritten(b"<p>", "/first/page", rules)
    rewritten(b"<p>", path, rules)
    assert len(rules.memories) == 2


CODE = [
    *(
        "fetch(",
        "go(",
        "location.href=",
        "new Image().src=",
        ")",
        "this",
        ";",
        "+",
        ".",
        "/",
        "//",
        "'",
        "`",
        "\\",
        "\\x2f",
    ),
    *(
        "away.example",
        ".away.example",
        "https:",
        "//away.example/x",
        "&#47;",
        "&quot;",
        "\n",
        "\t",
        "\x1b",
        "\xa3",
        "G",
        "-",
    ),
]
HANDLED = Matcher([*MATCHER.services.values(), Service("own", "Own", "Ltd", ("analytics",), hosts=("away.example/x",))])


@given(st.lists(st.sampled_from(CODE), max_size=8).map("".join), st.sampled_from(['"', "'", ""]))
@example("fetch('away.example')", '"')
@example("new Image().src='//away.example/x'", '"')
@example("fetch(`.away.example/x`)", "'")
@example("fetch('\\x2f/away.example/x')", '"')
@settings(max_examples=300)
def test_a_handler_that_is_passed_over_holds_nothing(code: str, quote: str) -> None:
    """What the scanner takes for a handler without an address, the holder leaves alone."""
    tag = f"<p onload={quote}{code}{quote} onclick={quote}{code}{quote}>".encode("latin-1")
    holder = Holder(
        HoldPolicy(HANDLED, frozenset()), Url("https", "shop.example", "/"), document=held_in, charset="cp1252"
    )
    if HANDLED.syntax.skip(tag, 0) == len(tag) and (found := TAG.fullmatch(tag)):
        assert holder.plan(Tag.read(b"p", found.group())) is None


@pytest.mark.parametrize("code", ["return basket.add(7)", "toggle('menu')", "this.form.submit()", "location='/shop/7'"])
def test_an_ordinary_handler_is_passed_over(code: str) -> None:
    """Handlers as pages are full of need no closer look, on any element and with either quote."""
    for tag in (
        f'<button onclick="{code}">',
        f'<img src="/a.png" onerror="{code}">',
        f'<svg onclick="{code}"><path d="M0"/></svg>',
    ):
        assert HANDLED.syntax.skip_local(tag.encode(), 0) == len(tag)


@pytest.mark.parametrize("path", ["/g/collect", "/x/g/collect", "/matomo/a.js", "/a/b/count.js"])
def test_a_sheet_of_plain_paths_is_held_for_a_rule(path: str) -> None:
    """A style sheet with nothing but paths from the root passes as a whole only if none of them is in a rule."""
    holder = Holder(HoldPolicy(MATCHER, frozenset()), Url("https", "shop.example", "/shop"), document=held_in)
    sheet = f"p{{background:url({path})}}".encode()
    assert b"about:invalid" in Rewriter(holder).feed(b"<style>" + sheet + b"</style>")
    assert not holder.is_local_sheet(sheet)
    assert holder.is_local_sheet(sheet.replace(path.encode(), b"/media/a.svg"))
