"""Third parties that nobody described: what is held as a suspect, what is the site's own, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.catalogue.strangers import WithStrangers
from consent_mw.core.model import Service
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.signs import SIGNS
from consent_mw.html.signs import address_of
from consent_mw.html.signs import opinion
from consent_mw.html.suspects import Delivery
from consent_mw.html.suspects import host_of_stranger
from consent_mw.html.suspects import stranger_id
from consent_mw.html.urls import Url
from tests.html.rewriting import PAGE
from tests.html.rewriting import holder


def seen(policy_of: Holder, page: str) -> set[str]:
    """Return what is held of ``page`` on a site that has the policy of a holder."""
    rewriter = Rewriter(Holder(policy_of.policy, PAGE, document=held_in))
    rewriter.feed(page.encode())
    rewriter.finish()
    return rewriter.held


SUSPECTS = {
    "host": "<script async src=https://trk.unknown.test/1/></script>",
    "path": "<script src=https://x.unknown.test/pixel/abc.js></script>",
    "account": "<script src='https://x.unknown.test/t.js?cid=12345'></script>",
    "advertising": "<script src=//ads.unknown.test/show.js></script>",
    "frame": "<iframe src=https://unknown.test/box></iframe>",
    "pixel": "<img width=1 height=1 src=https://unknown.test/i>",
    "named after the site": "<script src=https://x.unknown.test/c/shop.example.js></script>",
    "a folder of the site": "<script src=https://x.unknown.test/tags/shop.example/x.js></script>",
    "an ad's place": "<script src=https://x.unknown.test/js/adSlots.js></script>",
    "an event": "<script src=https://x.unknown.test/js/fbevents.js></script>",
    "advertising in another language": "<script src=https://werbung.unknown.test/kopf.js></script>",
    "counting in another language": "<script src=https://x.unknown.test/statystyki/x.js></script>",
    "described as a tracker": "<noscript><img alt='web tracker' src=https://unknown.test/i></noscript>",
    "described, with a sign": "<noscript><img alt='Two words' src=https://unknown.test/pixel/i></noscript>",
    "not described": "<noscript><img alt='' src=https://unknown.test/i></noscript>",
    "one pixel, described": "<img alt='Two words' width=1 height=1 src=https://unknown.test/i>",
    "a pixel in densities": "<img width=1 height=1 srcset='https://unknown.test/i 1x'>",
    "weak signs together": "<script async src=https://widget.unknown.test/loader.js></script>",
    "an account's attribute": "<script data-website-id=1 src=https://cdn.unknown.test/tag.0a1b2c3d.js></script>",
    "the vendor's attribute": "<script data-unknown-color=red src=https://cdn.unknown.test/tag.0a1b2c3d.js></script>",
    "a script that is only called so": "<script defer src=https://x.unknown.test/script.js></script>",
    "the same in a folder": "<script defer src=https://x.unknown.test/api/script.js></script>",
    "chat, with a tracking word": "<script src=https://unknown.test/chat/pixel/x.js?cid=1></script>",
    "a key, async": "<script async src='https://unknown.test/sdk.js?apikey=12345'></script>",
    "conversions": "<script src=https://converts.unknown.test/x.js></script>",
    "lazy frame": "<iframe data-src=https://unknown.test/box></iframe>",
}


@pytest.mark.parametrize("markup", SUSPECTS.values(), ids=SUSPECTS)
def test_what_looks_like_a_tracker_is_held_under_its_own_name(markup: str) -> None:
    """A suspect is held for a service of its domain, with the reason at hand."""
    site = holder(unknown="suspects")
    assert seen(site, markup) == {"host-unknown-test"}
    assert site.policy.delivery.reasons["host-unknown-test"]


LEFT = {
    "library": "<script src=https://unknown.test/js/jquery-3.7.1.min.js></script>",
    "application": "<script src=https://unknown.test/static/app.0a1b2c3d.js></script>",
    "style sheet": "<link rel=stylesheet href=https://pixel.unknown.test/a.css>",
    "picture": "<img src=https://track.unknown.test/a.jpg width=300 height=200>",
    "no sign": "<script async src=https://widget.unknown.test/widget.js></script>",
    "a tag for an application": "<script src=https://cdn.unknown.test/tag.0a1b2c3d.js></script>",
    "a help widget": "<script async data-website-id=1 src=https://widget.unknown.test/widget.js></script>",
    "a chat": "<script async data-token=1 src=https://app.unknown.test/bundle.js></script>",
    "a map": "<script defer data-api-key=1 src=https://cdn.unknown.test/widget.js></script>",
    "a vendor's widget": "<script data-unknown=1 src=https://cdn.unknown.test/widget.js></script>",
    "a widget's setting": "<script async data-unknown-color=red src=https://cdn.unknown.test/widget.js></script>",
    "other attributes": "<script data-main=app data-cfasync=false src=https://cdn.unknown.test/require.js></script>",
    "a library with an account": "<script data-key=1 src=https://unknown.test/js/jquery-3.7.1.min.js></script>",
    "a rented host": "<script src=https://somebody.github.io/script.js></script>",
    "a script in folders": "<script src=https://unknown.test/assets/js/script.js></script>",
    "a shop's application": "<script async src=https://app.unknown.test/js/script?shop=a.shops.example></script>",
    "weak, deferred": "<script defer src=https://widget.unknown.test/loader.js></script>",
    "hashed, async": "<script async src=https://unknown.test/static/main.0a1b2c3d.js></script>",
    "rented host": "<script async src=https://d111111abcdef8.cloudfront.net/shop.js></script>",
    "paying": "<script async src=https://js.unknownpay.test/v2/elements.js></script>",
    "a person": "<script async src=https://captcha.unknown.test/render.js></script>",
    "address": "<script src=https://addresses.unknown.test/form.js></script>",
    "first party": "<script src=https://track.shop.example/t.js></script>",
    "own path": "<script src=/js/tracker.js></script>",
    "named alike": "<script src=https://cdn.shop-static.test/tracking.js></script>",
    "necessary": "<script src=https://pay.example/tag.js?id=12345></script>",
    "loader": "<script src=https://unknown.test/sdk/loader.js></script>",
    "a site in the query": "<script src='https://unknown.test/partner.js?site=www.shop.example&limit=3'></script>",
    "signing in": "<img width=1 height=1 src=https://login.unknown.test/start?type=1x1>",
    "a described picture": "<noscript><img alt='Soup, photo by A. B.' src=https://unknown.test/w_730/soup></noscript>",
    "a picture in widths": "<img width=1 height=1 src=https://unknown.test/a srcset='https://unknown.test/b 190w'>",
    "a stretched picture": (
        "<img style='width:0;height:0' srcset='https://unknown.test/a 376w, https://unknown.test/b 800w'>"
    ),
    "signing in on another site": "<script async src=https://unknown.test/remotelogin?id=12345></script>",
    "signed in on another site": "<script async src=https://unknown.test/ping/32158/isConnected></script>",
    "signing in by an action": "<script async src='https://unknown.test/a.php?action=blog-sso-js&id=1'></script>",
    "asking for consent": "<script async src=https://cmp.unknown.test/t/consent_207889.js></script>",
    "a library of the site": "<script src=https://unknown.test/shop.example/js/jquery.js></script>",
    "the site's name in a name": "<script src=https://unknown.test/workshop.examples.js></script>",
    "what only ends like ads": "<script src=https://unknown.test/js/loadscript.js></script>",
    "lazy picture": "<noscript><img src=https://p.unknown.test/54a/kids%20books.png></noscript>",
    "cited host": "<script src=https://www.tracker.example.unknown.test/keep.js></script>",
    "cited in a path": "<script src=https://unknown.test/www.tracker.example/keep.js></script>",
    "cited at the end": "<script src=https://nottracker.example/keep.js></script>",
    "a key for maps": "<script src='https://api.unknown.test/map.js?key=12345'></script>",
    "a chat with an account": "<script src='https://unknown.test/chat.js?cid=1'></script>",
    "booking": "<script async src=https://booking.unknown.test/loader.js></script>",
    "another consent tool": "<script src=https://unknown.test/public/banner/cookiebanner-12345.js></script>",
    "another consent tool's host": "<script src=https://cookie-script.unknown.test/s/12345.js></script>",
    "a currency converter": "<script src=https://converter.unknown.test/x.js></script>",
    "messages by a pusher": "<script async src=https://js.pusher.test/8/x.js></script>",
    "uploads": "<script src=https://uploads.unknown.test/parts.js></script>",
}


@pytest.mark.parametrize("markup", LEFT.values(), ids=LEFT)
def test_what_does_not_is_left(markup: str) -> None:
    """Libraries, what is seen, and the site's own stay, however they are called."""
    assert seen(holder(unknown="suspects"), markup) == set()


OWN = "<link rel=stylesheet href=https://a.unknown.test/a.css>"


@pytest.mark.parametrize(
    "name",
    [
        *("comscore.js", "EventTracker.js", "dwanalytics.js", "prebid3.27.3.js", "webtrends.min.js"),
        *("click-tracking.js", "ga_pageview_tracker_v2.js", "siteStats.min.js", "hotjar-loader.js", "matomo.custom.js"),
    ],
)
def test_a_file_named_after_a_tracker_is_held_whoever_delivers_it(name: str) -> None:
    """A tracker on the site's own delivery is held under its file's name, and nothing else of that domain is."""
    site = holder(unknown="suspects")
    script = f"<script src=https://b.unknown.test/js/{name}></script>"
    (id_,) = seen(site, f"{OWN}{script}<script src=https://b.unknown.test/tracking.js></script>")
    assert id_.startswith("file-")
    assert WithStrangers({})[id_].hosts == ()
    assert WithStrangers({})[id_].name.endswith(".js")
    assert seen(holder(unknown="suspects", allowed=[id_]), OWN + script) == set()


@pytest.mark.parametrize(
    "name",
    [
        *("tracking.js", "texttrack.js", "order-tracker.js", "countdown.js", "counter.js", "adapter.js", "events.js"),
        *("stats-table.js", "geoIP.js", "main.js", "adaptive-images.js", "pixel-art.js", "static.js", "metrics-ui.js"),
    ],
)
def test_other_files_of_the_delivery_are_left(name: str) -> None:
    """A word of tracking in a name that says something else as well, or that may mean a parcel, holds nothing."""
    page = f"{OWN}<script src=https://b.unknown.test/js/{name}></script>"
    assert seen(holder(unknown="suspects"), page) == set()


@pytest.mark.parametrize("allowed", ["unknown.test", "trk.unknown.test", "unknown.test/js/"])
def test_what_the_owner_allows_is_no_stranger(allowed: str) -> None:
    """A host is allowed with all below it, or what begins with a path."""
    script = "<script src=https://trk.unknown.test/js/1></script>"
    for hosts, held in (((allowed,), False), (("other.test", "unknown.test/css/"), True)):
        policy = replace(holder(unknown="suspects").policy, allow_hosts=hosts)
        assert bool(seen(Holder(policy, PAGE, document=held_in), script)) is held


def test_what_delivers_the_site_is_its_own() -> None:
    """A domain that brings a style sheet is no suspect from then on, in the same page and in later ones."""
    script = "<script src=https://b.unknown.test/tracking.js></script>"
    site = holder(unknown="suspects")
    assert seen(site, script) == {"host-unknown-test"}
    assert seen(site, "<link rel=stylesheet href=https://a.unknown.test/a.css>" + script) == set()
    assert seen(site, script) == set()


@pytest.mark.parametrize(
    ("host", "page", "own"),
    [
        *(("a.nytc.example", "www.nytcourier.test", True), ("static.abc.example", "abcnews.test", True)),
        *(("a.abci.co.uk", "www.abc.test", True), ("a.ft.example", "www.ft.test", True)),
        *(("a.abcads.example", "abc.test", False), ("a.abcstat.example", "abc.test", False)),
        *(("a.abclonger.example", "abc.test", False), ("a.ftx.example", "ft.test", False)),
        *(("a.xabc.example", "abc.test", False), ("a.abd.example", "abc.test", False)),
    ],
)
def test_short_names_are_alike_if_hardly_anything_follows(host: str, page: str, own: bool) -> None:
    """Publishers with names of three letters deliver from such domains; a word of tracking behind it is no delivery."""
    assert Delivery().is_own(host, page) is own


def test_an_answer_that_was_kept_does_not_outlive_what_it_rests_on() -> None:
    """When a suspect turns out to be the site's own, the version changes, and with it what is remembered of pages."""
    site = holder(unknown="suspects")
    picture = "<img src=https://a.unknown.test/a.jpg width=30 height=30>"
    seen(site, "<script src=https://b.unknown.test/tracking.js></script>")
    before = site.policy.delivery.version
    seen(site, picture.replace("unknown", "another"))
    assert site.policy.delivery.version == before
    seen(site, picture)
    assert site.policy.delivery.version > before


OWNED = {
    "a marked script": "<script data-consent=counter src=https://trk.unknown.test/1></script>",
    "a marked pixel": "<img data-consent=counter width=1 height=1 src=https://trk.unknown.test/i>",
    "a marked frame": "<iframe data-consent=counter src=https://unknown.test/box></iframe>",
    "a marked picture in sizes": "<img data-consent=counter srcset='https://unknown.test/a.gif 1x'>",
    "a script by its attribute": "<script data-count=1 src=https://stats.unknown.test/script.js></script>",
}


@pytest.mark.parametrize("unknown", ["suspects", "hold", "pixels"])
@pytest.mark.parametrize("markup", OWNED.values(), ids=OWNED)
def test_whose_an_element_is_counts_more_than_its_host(markup: str, unknown: str) -> None:
    """An element that a rule or the author's mark names is no stranger: it runs once its service is granted."""
    counter = Service("counter", "Counter", "Ltd", ("analytics",), elements=("script[data-count]",))
    for allowed, held in ((), {"counter"}), (("counter",), set()):
        policy = HoldPolicy(Matcher((counter,)), frozenset(allowed), unknown=unknown)
        assert seen(Holder(policy, PAGE, document=held_in), markup) == held


def test_a_stranger_that_was_granted_runs() -> None:
    """Its id is one like any other; whoever granted what is held without a name has not granted it."""
    script = "<script src=https://trk.unknown.test/1></script>"
    assert seen(holder(unknown="suspects", allowed=["host-unknown-test"]), script) == set()
    assert seen(holder(unknown="suspects", allowed=["unknown"]), script) == {"host-unknown-test"}


@pytest.mark.parametrize("host", ["a.test", "my-site.co.uk", "a--b.test", "xn--bcher-kva.example"])
def test_the_id_of_a_stranger_leads_back_to_its_domain(host: str) -> None:
    """Names with hyphens and dots survive, and the service has that name."""
    assert host_of_stranger(stranger_id(f"www.{host}" if host != "a.test" else host)) == host
    assert WithStrangers({})[stranger_id(host)].name == host


@pytest.mark.parametrize("id_", ["unknown", "host-", "host-a", "host--a-b", "hosta-b", "host-a.b"])
def test_other_ids_are_no_strangers(id_: str) -> None:
    """Only what :func:`stranger_id` can make stands for a service."""
    assert id_ not in WithStrangers({})


def test_the_most_strangers_are_bounded() -> None:
    """Visitors are asked about forty by name; the rest is held as one."""
    site = holder(unknown="suspects")
    page = "".join(f"<script src=https://trk.unknown{number}.test/></script>" for number in range(60))
    held = seen(site, page)
    assert "unknown" in held
    assert len(held) == 41


def test_every_sign_can_be_found() -> None:
    """No line of the table is dead."""
    data = frozenset({"website-id", "vendor"})
    addresses = [
        address_of(Url("https", host, rest), is_async=True, site="shop.example", data=data)
        for host, rest in [
            ("pixel.adserver.example", "/tag/track/ads/123456/t.js?id=1&cb=2&v=3"),
            ("sdk.tags.cdn.analyticsx.example", "/jquery/login/sdk/event-tracker-1.2.3.min.js"),
            ("d1a.cloudfront.net", "/a/b/c/pay/app@1.2/jquery.js"),
            ("widget.vendor.io", "/a1b2c3d4?shop=a.shops.example"),
            ("cmp.vendor.example", "/c/shop.example.js"),
            ("counts.example", "/s/script.js"),
            ("chat.example", "/x.js?apikey=1"),
        ]
    ]
    assert [sign.says for sign in SIGNS if not any(map(sign.found, addresses))] == []
    assert opinion(addresses[0]).points > 10
    assert Delivery().is_own("a.shop.example", "shop.example")


def test_the_page_of_the_docs_has_the_table() -> None:
    """Each sign stands there with its points."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "suspects.md").read_text(encoding="utf-8")
    assert [sign.says for sign in SIGNS if f"| {sign.says} | {sign.points:+d} |" not in page] == []
