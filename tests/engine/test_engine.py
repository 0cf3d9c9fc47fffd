"""
The whole behind the edges: a site that learns, what it logs, and what a visitor gets on page after page.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.core.choice import Reason
from consent_mw.core.model import VendorSignals
from consent_mw.engine import Engine
from consent_mw.http.request import RequestHead
from consent_mw.records import open_records
from tests.engine.visits import ANALYTICS
from tests.engine.visits import BANNER
from tests.engine.visits import DAY
from tests.engine.visits import HTML
from tests.engine.visits import KEYS
from tests.engine.visits import PIXEL
from tests.engine.visits import Make
from tests.engine.visits import choice
from tests.engine.visits import declared
from tests.engine.visits import head
from tests.engine.visits import visit


def test_a_site_that_holds_nothing_shows_no_banner(make: Make) -> None:
    """Nothing is asked where there is nothing to ask about, and the page is the app's own."""
    page = b"<!doctype html><body><p>text<script>own()</script></body>"
    assert visit(make(), page)[0] == page


def test_the_first_page_ever_has_its_banner_at_the_end(make: Make) -> None:
    """Where the tracker comes after the place for the banner, it goes before the end of the body; then first in it."""
    engine = make()
    page = b"<!doctype html><body><p>text" + ANALYTICS + b"</body>"
    first, _ = visit(engine, page)
    assert first.index(b"data-cmw-src=") < first.index(BANNER) < first.rindex(b"</body>")
    second, _ = visit(engine, page)
    assert second.index(BANNER) < second.index(b"<p>text")


def test_a_tracker_in_the_head_brings_the_banner_at_once(make: Make) -> None:
    """What is held before the body begins is known where the banner goes."""
    page = b"<!doctype html><head>" + ANALYTICS + b"</head><body><p>text</body>"
    out, _ = visit(make(), page)
    assert out.index(b"data-cmw-src=") < out.index(BANNER) < out.index(b"<p>text")


GUARD = b"data-cmw-hosts="


@pytest.mark.parametrize(
    ("page", "behind"),
    [
        (b"<!doctype html><head><script>own()</script>" + ANALYTICS + b"</head><body><p>text", b"data-cmw-src="),
        (b"<!doctype html><body><p>text" + PIXEL + b"<script>later()</script></body>", b"fbq('init'"),
        (b"<!doctype html><body><p>text<img src=https://www.google-analytics.com/collect?v=1></body>", BANNER),
    ],
    ids=["a script in the head", "code in the body", "a picture"],
)
def test_the_first_view_of_a_fresh_store_has_the_guard(make: Make, page: bytes, behind: bytes) -> None:
    """The guard stands once, before the first script that is held, or else before the banner; then first in head."""
    engine = make()
    first, _ = visit(engine, page)
    assert first.count(GUARD) == 1
    assert first.index(GUARD) < first.index(behind)
    second, _ = visit(engine, page)
    assert second.count(GUARD) == 1
    assert second.index(GUARD) < second.index(b"own()" if b"own()" in page else b"<p>text")


def test_a_fresh_store_puts_no_guard_into_pieces_and_fragments(make: Make) -> None:
    """What a page fetches or includes gets nothing, also where it is the first that ever holds something."""
    exchange = make().exchange(
        RequestHead("GET", "https", "www.shop.example", "/a", "", (("sec-fetch-dest", "empty"),))
    )
    exchange.start(200, "OK", HTML)
    assert GUARD not in exchange.feed(b"<p>part" + ANALYTICS) + exchange.finish()


def test_what_is_learned_is_declared(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A service that turns up is held, becomes the site's own, and is logged once."""
    engine = make()
    engine.patience = 60.0  # however busy the machine is: it is logged when it is stored, beside the requests
    with caplog.at_level(logging.INFO, "consent_mw"):
        for _ in range(3):
            visit(engine, b"<p>" + ANALYTICS)
    assert [service.id for service in engine.now().site.services] == ["google-analytics"]
    assert [record.message for record in caplog.records if "Google Analytics" in record.message] == [
        "Google Analytics is on the site; it is held and visitors are asked about it from now on"
    ]


@pytest.mark.parametrize(
    ("marked", "purpose", "released"),
    [
        (b"<script data-consent=marketing>own()</script>", "marketing", b"<script data-consent=marketing>own()"),
        (b"<img data-consent=analytics src=/count.gif alt=''>", "analytics", b" src=/count.gif"),
        (b"<iframe data-consent=embeds src=/map title=Map></iframe>", "embeds", b" src=/map"),
    ],
)
def test_an_author_s_own_mark_is_asked_about(make: Make, marked: bytes, purpose: str, released: bytes) -> None:
    """On a site that declares nothing a marked element is held, brings the banner, and comes with its purpose."""
    engine = make()
    page = b"<!doctype html><body><p>text" + marked
    for _ in range(2):
        out, _ = visit(engine, page)
        assert BANNER in out
        assert released not in out
    ids = [service.id for service in engine.now().site.optional]
    granted, _ = visit(engine, page, ("cookie", choice(engine, *ids, purposes=(purpose,))))
    assert released in granted


def test_two_processes_learn_from_each_other(make: Make) -> None:
    """What one process saw the other declares too, within a second."""
    one, two = make(), make()
    visit(one, b"<p>" + ANALYTICS)
    assert two.now().site.services == ()
    until = time.monotonic() + 60
    while not two.now().site.services and time.monotonic() < until:
        visit(two, b"<p>")
        time.sleep(0.02)
    assert [service.id for service in two.now().site.services] == ["google-analytics"]
    assert one.now().site.revision == two.now().site.revision


def test_a_choice_made_at_one_process_counts_at_the_other_at_once(make: Make) -> None:
    """A visitor who was asked about a new service is not asked again by a process that has not heard of it yet."""
    one, two = make(), make()
    one.patience = two.patience = 30.0
    visit(one, b"<p>" + ANALYTICS)
    cookie = choice(one, "google-analytics")
    assert visit(two, b"<p>" + ANALYTICS, ("cookie", cookie))[0].endswith(b"<p>" + ANALYTICS)


def test_a_new_service_is_asked_about(make: Make) -> None:
    """What a visitor granted before a service turned up does not cover it: the visitor is asked again."""
    engine = make()
    visit(engine, b"<p>" + ANALYTICS)
    cookie = choice(engine, "google-analytics")
    assert engine.exchange(head(("cookie", cookie))).decision.reason is Reason.CHOSEN
    visit(engine, b"<p>" + PIXEL)
    decision = engine.exchange(head(("cookie", cookie))).decision
    assert (decision.reason, decision.prompt, decision.granted) == (Reason.REVISED, True, frozenset())


def test_a_changed_meaning_asks_again_and_a_changed_wording_does_not(make: Make) -> None:
    """The revision follows what a visitor agrees to."""
    site = declared("google-analytics")
    cookie = choice(make(site), "google-analytics")
    reworded = replace(site, name="", privacy_policy="/other")
    assert make(reworded).exchange(head(("cookie", cookie))).decision.reason is Reason.CHOSEN
    other = replace(site, controller="Another Ltd")
    assert make(other).exchange(head(("cookie", cookie))).decision.reason is Reason.REVISED


def test_a_choice_expires(make: Make) -> None:
    """After choice_days the visitor is asked again."""
    site = declared("google-analytics")
    cookie = choice(make(site), "google-analytics")
    assert make(site, day=DAY + 180).exchange(head(("cookie", cookie))).decision.reason is Reason.CHOSEN
    assert make(site, day=DAY + 181).exchange(head(("cookie", cookie))).decision.reason is Reason.EXPIRED


def test_a_mark_that_names_nothing_is_logged_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """An element that nobody would ever be asked about is held, and the owner learns which words would do."""
    engine = make()
    for _ in range(2):
        out, _ = visit(engine, b"<!doctype html><body><p>text<script data-consent=statistics src=/x.js></script>")
        assert b"data-cmw-held=statistics" in out
    [record] = [record for record in caplog.records if "statistics" in record.message]
    assert "no purpose and no service" in record.message and "analytics, " in record.message


def test_an_undeclared_service_is_logged_with_the_lines_to_paste(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """On a site that declares its services, another tracker stays held; the log has what the owner can write."""
    engine = make(declared("google-analytics"))
    cookie = choice(engine, "google-analytics")
    for _ in range(2):
        out, _ = visit(engine, b"<p>" + ANALYTICS + PIXEL, ("cookie", cookie))
        assert ANALYTICS in out
        assert PIXEL not in out
    # The upkeep of another test's engine may log, too, until it has ended.
    [record] = [record for record in caplog.records if "not declared" in record.message]
    assert record.levelno == logging.WARNING
    lines = record.message[record.message.index("[[services]]") :]
    assert [service.id for service in config.load(tomllib.loads(lines)).services] == ["meta-pixel"]


def test_with_everything_granted_the_page_is_the_app_s_own(make: Make) -> None:
    """Where nothing is held and nothing asked, only what opens the preferences again is added; nothing is altered."""
    engine = make(declared("google-analytics"))
    cookie = ("cookie", choice(engine, "google-analytics"))
    out, headers = visit(engine, b"<p>" + ANALYTICS, cookie, sets=["_ga=1; Path=/"])
    assert out.endswith(b"<p>" + ANALYTICS)
    assert BANNER not in out
    assert ("Set-Cookie", "_ga=1; Path=/") in headers


def test_a_link_of_one_s_own_leaves_the_page_alone(make: Make) -> None:
    """An owner with a link of their own gets the very bytes of the app, unless a vendor listens to a signal."""
    page = b"<!doctype html><body><p>" + ANALYTICS
    untouched = []
    for signals in (VendorSignals(google=False), VendorSignals()):
        engine = make(replace(declared("google-analytics"), reopen="link", signals=signals))
        untouched.append(visit(engine, page, ("cookie", choice(engine, "google-analytics")))[0] == page)
    assert untouched == [True, False]


def test_the_opt_out_signal_keeps_marketing_held(make: Make) -> None:
    """Under GPC an earlier grant releases analytics, not marketing; and the page says that the signal counts."""
    engine = make(declared("google-analytics", "meta-pixel"))
    cookie = choice(engine, "google-analytics", "meta-pixel")
    page = b"<body><p>" + ANALYTICS + PIXEL
    assert visit(engine, page, ("cookie", cookie))[0].endswith(ANALYTICS + PIXEL)
    out, _ = visit(engine, page, ("cookie", cookie), ("sec-gpc", "1"))
    assert ANALYTICS in out
    assert PIXEL not in out
    asked, _ = visit(engine, page, ("sec-gpc", "1"))
    assert b"Global Privacy Control" in asked


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("0", False), ("", False), ("0, 1", True), ("11", False)])
def test_the_signal_is_exact(make: Make, value: str, expected: bool) -> None:
    """Only "1" is the signal; of several values one is enough."""
    assert make().exchange(head(("sec-gpc", value))).decision.gpc is expected


def test_a_choice_made_under_the_signal_counts(make: Make) -> None:
    """Who granted marketing although the browser sends the signal meant it."""
    engine = make(declared("meta-pixel"))
    cookie = choice(engine, "meta-pixel", gpc=True)
    assert PIXEL in visit(engine, b"<p>" + PIXEL, ("cookie", cookie), ("sec-gpc", "1"))[0]


def test_no_cookie_is_set_on_a_page_view(make: Make) -> None:
    """Our own cookie comes with a choice only."""
    _, headers = visit(make(), b"<p>" + ANALYTICS)
    assert "cmw" not in str(headers)


def test_policies_are_kept_up_to_a_bound(make: Make) -> None:
    """However many prefixes an application is mounted under, what is prepared stays bounded."""
    engine = make()
    for number in range(300):
        exchange = engine.exchange(head(), f"/p{number}")
        exchange.start(200, "OK", HTML)
        exchange.feed(b"<p>text")
    assert 0 < len(engine._parts.prepared._policies) <= 64


def test_nobody_is_asked_over_plain_http(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Where no answer could be kept, all stays held, no banner is shown, and the owner is told once."""
    engine = make(declared("google-analytics"))
    for _ in range(2):
        out, _ = visit(engine, b"<body><p>" + ANALYTICS, scheme="http")
        assert b"data-cmw-held=google-analytics" in out
        assert BANNER not in out
    # An engine of another test may still write into the log.
    assert sum("allow_insecure_http" in record.message for record in caplog.records) == 1


def test_broken_records_cost_no_page(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without its records the site goes on: what is seen is held and asked about, and the log says what is wrong."""
    records = open_records(f"sqlite:///{tmp_path}/consent.db")
    records.close()
    engine = Engine(config.load({}), records, KEYS)
    for _ in range(2):
        out, _ = visit(engine, b"<p>text" + ANALYTICS)
        assert b"data-cmw-held=google-analytics" in out
        assert BANNER in out
    # The upkeep of an engine that another test made may have a word to say of its own records.
    said = [record.message.partition(":")[0] for record in caplog.records if str(tmp_path) in record.message]
    assert said == ["what the site has learned cannot be read yet", "learning failed and is tried again"]


def test_a_page_that_is_refused_is_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The owner finds in the log why a page was not sent."""
    exchange = make().exchange(head())
    exchange.start(200, "OK", [*HTML, ("Content-Encoding", "compress")])
    assert [record.message for record in caplog.records if "compressed" in record.message] != []


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/_cmw", True), ("/_cmw/", True), ("/_cmw/choice", True), ("/_cmwx", False), ("/", False), ("/a/_cmw", False)],
)
def test_which_paths_are_ours(make: Make, path: str, expected: bool) -> None:
    """Only the mount and what is below it."""
    assert make().owns(path) is expected


def test_the_well_known_path_is_ours_at_the_root_of_the_host(make: Make) -> None:
    """Under a prefix the same path is the application's: nobody looks for the resource there."""
    engine = make()
    assert [engine.owns("/.well-known/gpc.json", prefix) for prefix in ("", "/shop")] == [True, False]
    assert not engine.owns("/.well-known/security.txt")


def test_the_banner_knows_where_it_is(make: Make) -> None:
    """Under a prefix the banner posts to the prefix, and leads back to the page."""
    engine = make(declared("google-analytics"))
    exchange = engine.exchange(head(), "/prefix")
    exchange.start(200, "OK", HTML)
    out = exchange.feed(b"<body><p>text") + exchange.finish()
    assert b'action="/prefix/_cmw/choice"' in out
    assert b'value="/prefix/a?b=c"' in out


def test_the_banner_posts_home_under_a_foreign_base(make: Make) -> None:
    """Where a base element sends relative addresses elsewhere, the banner's are whole."""
    engine = make(declared("google-analytics"))
    out, _ = visit(engine, b"<head><base href='//cdn.example/'></head><body><p>text")
    assert b'action="//www.shop.example/_cmw/choice"' in out


def test_the_notice_speaks_the_language_of_the_page(make: Make) -> None:
    """What the page says of itself goes before what the browser asks for."""
    engine = make(replace(declared("google-analytics"), languages=("en", "de")))
    out, _ = visit(engine, b"<!doctype html><html lang=de-AT><head></head><body><p>", ("accept-language", "en"))
    assert b'lang="de"' in out


@pytest.mark.parametrize("path", ["/a", "/_cmw/", "/_cmw/receipt"])
def test_a_record_that_the_store_has_lost_comes_back_with_its_visitor(make: Make, path: str) -> None:
    """The next page that the visitor opens, of the application or of ours, has it written again from the cookie."""
    engine = make(declared("google-analytics"))
    cookie = ("cookie", choice(engine, "google-analytics", purposes=("analytics",)))
    if path == "/a":
        visit(engine, b"<!doctype html><body><p>text", cookie)
    else:
        variables = {"HTTP_HOST": "www.shop.example", "HTTP_COOKIE": cookie[1]}
        assert engine.page(replace(head(cookie), path=path, query=""), variables, b"")[0] == 200
    assert engine._upkeep.hurry("looking for lost records", 60)
    (entry,) = (kept.entry for kept in engine.records.history("r" * 22))
    assert (entry.about, entry.day, entry.services) == ("cookie", DAY, frozenset({"google-analytics"}))


#: Serves one page, and prints which functions compile a pattern for it.
_FIRST_PAGE = """
import re, sys
from consent_mw.engine import Engine
from consent_mw.http.request import RequestHead
engine = Engine.configured({"site": {"records": "sqlite:///" + sys.argv[1], "isp": "off"}})
compiled, compile = [], re.compile
re.compile = lambda *given: compiled.append(sys._getframe(1).f_code.co_qualname) or compile(*given)
head = (("sec-fetch-dest", "document"), ("user-agent", "Mozilla/5.0"))
exchange = engine.exchange(RequestHead("GET", "https", "www.shop.example", "/a", "", head))
exchange.start(200, "OK", [("Content-Type", "text/html; charset=utf-8")])
page = b'''<!doctype html><html lang=en><head><meta charset=utf-8><title>Shop</title>
<style>p { background: url(/p.png) }</style>
<script async src="https://www.googletagmanager.com/gtag/js?id=G-BBBB222222"></script>
<script>window.dataLayer = window.dataLayer || []; function gtag(){dataLayer.push(arguments);}
gtag('js', new Date()); gtag('config', 'G-BBBB222222');</script></head>
<body><p>text<script>own({"a": 1})</script><img src="https://pictures.example/b.png" alt=""></body></html>'''
out = exchange.feed(page) + exchange.finish()
engine.close()
assert out.count(b"data-cmw-held") >= 2, out
print(*compiled, sep="\\n")
"""


def test_the_first_page_finds_its_patterns_compiled(tmp_path: Path) -> None:
    """The patterns of usual tags and snippets are compiled when a process starts, not while its first visitor waits."""
    command = [sys.executable, "-c", _FIRST_PAGE, str(tmp_path / "consent.db")]
    environment = {**os.environ, "CONSENT_KEYS": KEYS[0]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert {"Signature.pattern", "end_tag"}.isdisjoint(done.stdout.split())


def test_the_rehearsed_page_leaves_no_trace(make: Make) -> None:
    """A site has learned nothing from the page that it rewrites at its start, and remembers nothing of it."""
    engine = make()
    prepared = engine._parts.prepared
    assert engine.now().site.services == ()
    assert (prepared.delivery.version, prepared.delivery.reasons, prepared.plans.size) == (0, {}, 0)
    assert all(policy.memories == {} for policy in prepared._policies.values())
