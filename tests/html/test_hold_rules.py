"""
What the owner, the author and the settings decide: marks, unknown third parties, placeholders, what is left out.
"""

from __future__ import annotations

from html import unescape

import pytest

from consent_mw.core.model import Service
from consent_mw.errors import RefusedMarkup
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.urls import Url
from tests.html.rewriting import PAGE
from tests.html.rewriting import holder
from tests.html.rewriting import run


def test_the_author_s_mark_holds_what_no_rule_knows() -> None:
    """An element marked with a purpose or service is held for it."""
    page = b"<script data-consent=analytics src=/x.js></script><p data-consent=x1 onclick=a()>x"
    assert run(page) == (
        b"<script data-cmw-held=analytics type=text/plain data-consent=analytics data-cmw-src=/x.js></script>"
        b"<p data-cmw-held=x1 data-consent=x1 data-cmw-onclick=a()>x"
    )


def test_a_mark_with_several_names_needs_them_all() -> None:
    """Of the names in a mark those that are not granted are held."""
    page = b'<img data-consent="analytics, films" src=/x.gif>'
    allowed = holder(allowed=["analytics"])
    assert (
        run(page, held_by=allowed) == b'<img data-cmw-held=films data-consent="analytics, films" data-cmw-src=/x.gif>'
    )
    assert run(page, held_by=holder(allowed=["analytics", "films"])) == page


def test_a_mark_that_is_granted_does_not_release_a_tracker() -> None:
    """The mark adds to what the rules say; it takes nothing away."""
    page = b"<img data-consent=films src=//tracker.example/1.gif>"
    out = run(page, held_by=holder(allowed=["films"]))
    assert out == b"<img data-cmw-held=tracker data-consent=films data-cmw-src=//tracker.example/1.gif>"


def test_what_an_element_loads_is_held_beside_the_element() -> None:
    """An element of a vendor's, or with a mark, that loads from another service needs both grants."""
    pixel = b"<amp-analytics type=tracker config=//films.example/embed/1>"
    assert b"data-cmw-held=tracker,films " in run(pixel)
    assert b"data-cmw-held=films " in run(pixel, held_by=holder(allowed=["tracker"]))
    assert b"data-cmw-held=films,tracker " in run(b"<img data-consent=films src=//tracker.example/1.gif>")


def test_the_author_s_word_that_an_element_stays_counts() -> None:
    """data-consent="necessary" leaves an element alone, whatever it leads to."""
    page = (
        b"<script data-consent=necessary src=//tracker.example/x.js></script>"
        b"<p data-consent=necessary onclick=trackNow(1)>x"
    )
    assert run(page) == page


def test_a_mark_holds_what_styles_load_from_other_hosts() -> None:
    """In a marked style sheet and a marked style attribute each address is held that may lead elsewhere."""
    page = (
        b"<style data-consent=films>@import '//x.example/a';b{background:url(/own)}i{background:url(//y.example/b)}"
        b"</style><p data-consent=films style='background:url(//x.example/c)'>a<p data-consent=films style='width:3px'>"
        b"<svg><style data-consent=films>@import '//x.example/d'</style></svg><style>@import '//x.example/e'</style>"
    )
    assert run(page) == (
        b"<style data-cmw-held=films data-consent=films>@import 'about:invalid#cmw=films#//x.example/a';"
        b"b{background:url(/own)}i{background:url(about:invalid#cmw=films#//y.example/b)}</style>"
        b"<p data-cmw-held=films data-consent=films data-cmw-style='background:url(//x.example/c)'>a"
        b"<p data-cmw-held=films data-consent=films style='width:3px'>"
        b"<svg><style data-consent=films>@import 'about:invalid#cmw=films#//x.example/d'</style></svg>"
        b"<style>@import '//x.example/e'</style>"
    )
    assert run(page, held_by=holder(allowed=["films"])) == page


def test_a_mark_that_is_no_name_is_held_as_unknown() -> None:
    """What stands in a mark gets into our own markup only where it is a name."""
    page = b"<img data-consent='a\"b' src=/x.gif>"
    assert run(page) == b"<img data-cmw-held=unknown data-consent='a\"b' data-cmw-src=/x.gif>"


def test_marks_of_ours_in_the_app_s_page_are_disarmed() -> None:
    """Attributes that look like holds of ours are renamed, so that no runtime takes them for code to release."""
    page = b"<p data-cmw-held=tracker data-cmw-onclick=evil()>x"
    assert run(page) == b"<p data-cmw-data-cmw-held=tracker data-cmw-data-cmw-onclick=evil()>x"


COPIES = {
    b"<section class=x data-cmw-banner=''>": b"<section class=x hidden=\"\" data-cmw-data-cmw-banner=''>",
    b"<section data-cmw-reopen lang=en>": b'<section hidden="" data-cmw-data-cmw-reopen lang=en>',
    b"<iframe data-cmw-panel=x title=y>": b'<iframe hidden="" data-cmw-data-cmw-panel=x title=y>',
    b"<script data-cmw-runtime data-cmw-root=/_cmw>": (
        b'<script type="text/plain" data-cmw-data-cmw-runtime data-cmw-data-cmw-root=/_cmw>'
    ),
    b"<script async data-cmw-hosts=x>": b'<script async type="text/plain" data-cmw-data-cmw-hosts=x>',
    b"<style data-cmw-style=''>": b"<style media=\"not all\" data-cmw-data-cmw-style=''>",
    b"<script data-cmw-queue=x>": b'<script type="text/plain" data-cmw-data-cmw-queue=x>',
    b"<script data-cmw-signals=x>": b'<script type="text/plain" data-cmw-data-cmw-signals=x>',
}


@pytest.mark.parametrize("tag", COPIES, ids=lambda tag: tag.decode().split("data-cmw-")[1][:6])
def test_a_copy_of_our_notice_is_hidden_and_our_scripts_in_the_app_s_page_do_not_run(tag: bytes) -> None:
    """An application that puts a rewritten page into another one has no second notice, and no second runtime."""
    page = tag + b"copied()</script>" if tag.startswith(b"<script") else tag + b"copied"
    assert run(page) == page.replace(tag, COPIES[tag])


PIXELS = {
    "by an old name": "<image src=//other.example/1 width=1 height=1>",
    "in a list": "<img srcset='//other.example/1 1x' width=1 height=1>",
    "one pixel": "<img src=//other.example/1 width=1 height=1>",
    "no pixel": "<img width=0 src=//other.example/1>",
    "hidden": "<img hidden src=//other.example/1>",
    "not displayed": "<img style='display:none' src=//other.example/1>",
    "in noscript": "<noscript><img src=//other.example/1></noscript>",
}
SEEN = {
    "a picture": "<img src=//other.example/1 width=100 height=100>",
    "without a size": "<img src=//other.example/1>",
    "on the same site": "<img src=//static.shop.example/1 width=1 height=1>",
    "a page": "<iframe src=//other.example/1 width=1></iframe>",
}


@pytest.mark.parametrize("case", PIXELS.values(), ids=PIXELS)
def test_an_unknown_pixel_is_held(case: str) -> None:
    """A third party's image that is not there to be seen is a beacon."""
    for unknown, mark in (("pixels", b"data-cmw-held=unknown"), ("hold", b"data-cmw-held=unknown"), ("allow", b"")):
        out = run(case.encode(), held_by=holder(unknown=unknown))
        assert mark in out
        assert (b"data-cmw" in out) is bool(mark)


@pytest.mark.parametrize("case", SEEN.values(), ids=SEEN)
def test_an_unknown_image_that_can_be_seen_stays(case: str) -> None:
    """By default, what is there to be seen stays; so does all of the site's own."""
    assert run(case.encode()) == case.encode()


@pytest.mark.parametrize(
    "case",
    [
        "<script src=//other.example/x.js></script>",
        "<iframe src=//other.example/x></iframe>",
        "<img srcset='//other.example/1 2x'>",
        "<p style='background:url(//other.example/1)'>x",
        "<style>@import '//other.example/1.css'</style>",
        "<link rel=preconnect href=//other.example>",
        "<a ping='//other.example/1' href=/>x</a>",
    ],
)
def test_unknown_third_parties_are_held_where_the_owner_says_so(case: str) -> None:
    """unknown = "hold" holds every third party that no service names; the others leave these alone."""
    assert b"unknown" in run(case.encode(), held_by=holder(unknown="hold"))
    for unknown in ("pixels", "allow"):
        assert run(case.encode(), held_by=holder(unknown=unknown)) == case.encode()


def test_an_unknown_third_party_can_be_granted() -> None:
    """Where visitors are asked about unknown third parties, a grant releases them."""
    page = b"<img src=//other.example/1 width=1><script src=//other.example/1></script>"
    assert run(page, held_by=holder(unknown="hold", allowed=["unknown"])) == page


def test_a_held_film_gets_a_placeholder() -> None:
    """A visible embed shows a page of ours in its place, in its size."""
    page = b'<iframe width=560 src="https://films.example/embed/1?a=b"></iframe>'
    assert run(page) == (
        b"<iframe data-cmw-held=films src=/_cmw/placeholder/films title=Films width=560"
        b' data-cmw-src="https://films.example/embed/1?a=b"></iframe>'
    )


def test_a_marked_iframe_gets_a_placeholder_too() -> None:
    """The author's mark says that there is something to see."""
    page = b"<iframe data-consent=maps src=/map></iframe>"
    placeholder = b"<iframe data-cmw-held=maps src=/_cmw/placeholder/maps data-consent=maps data-cmw-src=/map></iframe>"
    assert run(page) == placeholder


@pytest.mark.parametrize(
    ("own", "title"),
    [
        ("", b" title=Films"),
        ("title='Our film'", b""),
        ("aria-label=Film", b""),
        ("aria-labelledby=heading", b""),
    ],
)
def test_a_held_frame_has_a_name(own: str, title: bytes) -> None:
    """A frame that nobody named gets the names of the services that it waits for, another keeps its own."""
    opening = b"<iframe data-cmw-held=films src=/_cmw/placeholder/films" + title
    assert run(f"<iframe {own} src=//films.example/embed/1></iframe>".encode()).startswith(opening + b" ")
    assert run(f"<iframe {own} src=//films.example/embed/1></iframe>".encode()).count(b" title=") == (
        1 if title or own.startswith("title") else 0
    )


def test_the_name_of_a_held_frame_needs_no_quotes() -> None:
    """Whatever a service is called, its name is references and letters, and ends no attribute around it."""
    service = Service("maps", 'Ä "Maps" & <Co>', "V", ("embeds",), hosts=("maps.example",), embed=True)
    held_by = Holder(HoldPolicy(Matcher([service]), frozenset(), placeholder="/p/"), PAGE, document=held_in)
    out = run(b"<iframe src=//maps.example/1></iframe>", held_by=held_by)
    title = out.split(b" title=")[1].split(b" ")[0]
    assert unescape(title.decode()) == service.name
    assert not set(title) & set(b"\"'<> ")


@pytest.mark.parametrize("look", ["width=0", "hidden", "style=display:none"])
def test_an_iframe_that_is_not_seen_gets_none(look: str) -> None:
    """A hidden frame of an embed's host is no embed."""
    page = f"<iframe {look} src=//films.example/embed/1></iframe>"
    assert b"placeholder" not in run(page.encode())


def test_a_film_in_a_nested_document_is_held_with_it() -> None:
    """An iframe whose own document has a held embed is held whole, and shows the placeholder."""
    page = b"<iframe src=/a srcdoc='<iframe src=//films.example/embed/1>'></iframe>"
    assert run(page) == (
        b"<iframe data-cmw-held=films src=/_cmw/placeholder/films title=Films data-cmw-src=/a"
        b" data-cmw-srcdoc='<iframe src=//films.example/embed/1>'></iframe>"
    )


def test_documents_nested_beyond_reason_are_held() -> None:
    """Where looking would not end, nothing is let through."""
    inner = "<p>x"
    for _ in range(7):
        inner = "<iframe srcdoc='" + inner.replace("&", "&amp;").replace("'", "&#39;") + "'></iframe>"
    assert b"data-cmw-srcdoc" in run(inner.encode())


LEFT_OUT = {
    "script": ("<p>a<script src=T/x.js></script>b", "<p>ab"),
    "inline script": ("<p>a<script>trackNow(1)</script>b", "<p>ab"),
    "image": ("<p>a<img src=T/1.gif>b", "<p>ab"),
    "iframe": ("<p>a<iframe src=T/1>x</iframe>b", "<p>ab"),
    "end tag with space": ("<p>a<iframe src=T/1>x</iframe x='y' >b", "<p>ab"),
    "script's end tag with space": ("<p>a<script>trackNow(1)</script x='y' >b", "<p>ab"),
    "link": ("<link rel=stylesheet href=T/1.css><p>a", "<p>a"),
    "refresh": ("<meta http-equiv=refresh content='0;T/1'><p>a", "<p>a"),
    "one of several pictures": ("<img src=/a srcset='/a 1x, T/1 2x'>b", "b"),
    "noscript": ("<noscript><img src=T/1.gif></noscript>b", "<noscript></noscript>b"),
}


@pytest.mark.parametrize(("page", "expected"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_reload_mode_leaves_held_elements_out(page: str, expected: str) -> None:
    """Where the page is loaded again after a choice, what is held is not in it at all."""
    page, expected = page.replace("T/", "//tracker.example/"), expected.replace("T/", "//tracker.example/")
    for cuts in ((), range(1, len(page))):
        assert run(page.encode(), cuts, held_by=holder(remove=True)).decode() == expected


NOT_LEFT_OUT = {
    "attribute": ("<p onclick=fetch(`T/1`) title=x>a</p>", "<p data-cmw-held=tracker  title=x>a</p>"),
    "container": ("<video poster=T/1.gif>a</video>", "<video data-cmw-held=tracker >a</video>"),
    "drawing": ("<svg><image href=T/1.gif /></svg>", "<svg><image data-cmw-held=tracker  /></svg>"),
    "drawing's script": (
        "<svg><script>trackNow(1)</script></svg>",
        "<svg><script data-cmw-held=tracker type=text/plain>trackNow(1)</script></svg>",
    ),
    "what ends a drawing": (
        "<svg><img src=T/1><xmp><img src=T/no></xmp>",
        "<svg><img data-cmw-held=tracker ><xmp><img src=T/no></xmp>",
    ),
    "style sheet": ("<style>@import 'T/1'</style>", "<style>@import 'about:invalid#cmw=tracker#T/1'</style>"),
}


@pytest.mark.parametrize(("page", "expected"), NOT_LEFT_OUT.values(), ids=NOT_LEFT_OUT)
def test_reload_mode_keeps_what_others_stand_in(page: str, expected: str) -> None:
    """Elements that hold a part of the page stay; only what leads out of them goes."""
    page, expected = page.replace("T/", "//tracker.example/"), expected.replace("T/", "//tracker.example/")
    for cuts in ((), range(1, len(page))):
        assert run(page.encode(), cuts, held_by=holder(remove=True)).decode() == expected


def test_reload_mode_in_xhtml_holds_in_place() -> None:
    """An element is never cut out of XHTML: its end may be anywhere."""
    page = b'<html><img src="//tracker.example/1.gif"/></html>'
    out = run(page, held_by=holder(xml=True, remove=True))
    assert b"tracker.example" not in out
    assert out.startswith(b"<html><img data-cmw-held=")


def test_the_id_of_each_service_is_named_once() -> None:
    """An element of several services names each; all must be granted before it is released."""
    page = b"<iframe src=//films.example/embed/1 onload=trackNow(1) style='background:url(//tracker.example/1)'>"
    held_by = holder()
    rewriter = Rewriter(held_by)
    out = rewriter.feed(page) + rewriter.finish()
    assert b"data-cmw-held=films,tracker " in out
    assert rewriter.held == {"films", "tracker"}
    assert run(page, held_by=holder(allowed=["films", "tracker"])) == page


def test_a_long_end_tag_of_what_is_left_out_is_refused() -> None:
    """What cannot be kept back cannot be left out either."""
    page = b"<iframe src=//tracker.example/1>x</iframe" + b" " * 400 + b">b"
    for cuts in ((), range(1, len(page))):
        with pytest.raises(RefusedMarkup):
            run(page, cuts, held_by=holder(remove=True, hold_back=200))


def test_services_without_rules_for_elements() -> None:
    """Where no service names an element, only addresses and code count."""
    services = [Service("t", "T", "Ltd", ("analytics",), hosts=("t.example",))]
    held_by = Holder(HoldPolicy(Matcher(services), frozenset()), PAGE, document=held_in)
    assert run(b"<x-widget></x-widget><img src=//t.example/1>", held_by=held_by) == (
        b"<x-widget></x-widget><img data-cmw-held=t data-cmw-src=//t.example/1>"
    )


def test_what_is_remembered_is_bounded() -> None:
    """Pages on any number of hosts, with pieces of any length, leave little behind and come out right."""
    policy = holder().policy
    long = b"a" * 20_000
    page = b"<script title=%b src=//tracker.example/1></script><noscript>%b<img src=//tracker.example/1></noscript>" % (
        long,
        long,
    )
    outs = set()
    for number in range(100):
        held_by = Holder(policy, Url("https", f"h{number}.example", "/"), document=held_in)
        outs.add(run(page, held_by=held_by))
    assert [out.count(b"data-cmw-held=tracker") for out in outs] == [2]
    assert len(policy.memories) <= 64


def test_policies_share_what_they_remember_of_equal_pages() -> None:
    """A second page of the same policy gives the same bytes, from memory."""
    page = b"<script>trackNow(1)</script><style>@import '//tracker.example/1'</style><img src=//tracker.example/1>" * 3
    policy = holder().policy
    outs = set()
    for path in ("/a", "/b", "/a"):
        again = holder(page=Url("https", "shop.example", path))
        outs.add(run(page, held_by=type(again)(policy, again.page, document=lambda text, within: ())))
    assert len(outs) == 1


#: Pages with a marked element. What is held in them is in capitals.
MARKED = {
    "a video": "<video data-consent=films><SOURCE><TRACK></video><img>",
    "after a comment": "<picture data-consent=films><!--[if IE]></picture>--><SOURCE><IMG></picture><img>",
    "a picture in a video": "<video data-consent=films><picture><IMG></picture></video><img>",
    "a frame inside": "<video data-consent=films><iframe title='</video>'></video></iframe><SOURCE></video><img>",
    "noscript": "<noscript><video data-consent=films><SOURCE></video><img></noscript>",
    "after a select": "<select><option></select><video data-consent=films><SOURCE></video><img>",
    "an element around it ends": "<div><video data-consent=films></div><img></video>",
    "no end tag": "<picture data-consent=films><source><p><img>",
    "a far end tag": "<picture data-consent=films><img>" + "x" * 17_000 + "</picture>",
}


@pytest.mark.parametrize("marked", MARKED.values(), ids=MARKED)
def test_a_mark_on_media_counts_for_what_is_inside(marked: str) -> None:
    """It counts for sources, tracks and pictures up to a certain end tag, also on a page that comes again."""
    page, expected = marked.encode(), marked.encode()
    for name in (b"source", b"track", b"img"):
        page = page.replace(b"<%s>" % name, b"<%s src=/a>" % name).replace(
            b"<%s>" % name.upper(), b"<%s src=/a>" % name
        )
        held = b"<%s data-cmw-held=films data-cmw-src=/a>" % name
        expected = expected.replace(b"<%s>" % name, b"<%s src=/a>" % name).replace(b"<%s>" % name.upper(), held)
    policy = holder()
    for _ in range(3):
        out = run(page, held_by=policy)
        assert out.replace(b" data-cmw-held=films data-consent", b" data-consent") == expected
    assert run(page, range(1, len(page))) == out


def test_a_mark_inside_media_counts_first() -> None:
    """An element with a mark of its own does not get that of the element around it."""
    inside = b"<track data-consent=necessary src=/a>"
    assert inside in run(b"<video data-consent=films>" + inside + b"</video>")


def test_media_are_exempt_with_what_is_inside() -> None:
    """Necessary is what is inside, and nothing behind it."""
    picture = b"<img src=//tracker.example/1.gif>"
    exempt = b"<video data-consent=necessary>" + picture + b"</video>"
    assert run(exempt + picture).startswith(exempt + b"<img data-cmw-held=tracker")


def test_a_mark_on_media_counts_in_xhtml() -> None:
    """A prefix changes nothing; a section may hide the end, so the mark then counts for its own element."""
    page = b"<html xmlns='http://www.w3.org/1999/xhtml'><video data-consent='films'>%s<source src='/a'/></video></html>"
    held = b"<source data-cmw-held=\"films\" data-cmw-src='/a'/>"
    assert held in run(page % b"", held_by=holder(xml=True))
    assert held in run((page % b"").replace(b"video", b"h:video"), held_by=holder(xml=True))
    assert held not in run(page % b"<![CDATA[x]]>", held_by=holder(xml=True))
