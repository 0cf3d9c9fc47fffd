"""Trackers behind a name of the site's own: found where a resolver is given, with the chain of names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from flask import Flask

from consent_mw import config
from consent_mw.audit.aliases import Aliases
from consent_mw.audit.aliases import NoResolver
from consent_mw.audit.browser import LiveWalk
from consent_mw.audit.browser_findings import add_browser
from consent_mw.audit.browser_views import Cause
from consent_mw.audit.browser_views import LivePage
from consent_mw.audit.browser_views import LiveRequest
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import report_of
from consent_mw.audit.pages import Reader
from consent_mw.audit.passes import UNTOUCHED
from consent_mw.audit.passes import Limits
from consent_mw.audit.passes import walk
from consent_mw.audit.targets import AppTarget
from consent_mw.audit.targets import Bounds
from tests.audit.sites import page
from tests.counting.name_server import NameServer

ALIASED = "https://m.shop.example/lib.js"
#: Unknown scripts are let through, so that only what the resolver says is found.
SITE = {"unknown": "pixels"}
CHAIN = ("shop.edge.example", "go.hotjar.com")


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server that knows a tracker behind two names, and names that lead nowhere."""
    server = NameServer()
    for name, target in (
        ("m.shop.example", CHAIN[0]),
        (CHAIN[0], CHAIN[1]),
        ("static.shop.example", "cdn.example"),
        ("ring.example", "round.example"),
        ("round.example", "ring.example"),
    ):
        server.zone[f"{name}.", "CNAME"] = [f"{target}."]
    yield server
    server.close()


@pytest.fixture
def reader(server: NameServer) -> Reader:
    """Reads pages of a site that asks about Hotjar, with that name server."""
    return Reader(config.load({"site": SITE, "services": [{"use": "hotjar"}]}), Aliases(f"127.0.0.1:{server.port}"))


def audited(markup: str, reader: Reader) -> AuditReport:
    """Return the report on a site of one page."""
    app = Flask("aliased", static_folder=None)
    app.add_url_rule("/", "home", lambda: page(markup))
    target = AppTarget(app, Bounds())
    return report_of("x", walk(target, reader, ["/"], Limits()), reader, date(2026, 11, 29))


def test_a_tracker_behind_a_name_of_the_site_is_found_in_markup(reader: Reader) -> None:
    """With the service, the chain, the line, and the lines to paste; the other names are fine."""
    report = audited(f"<script src={ALIASED}></script><img src=https://static.shop.example/a.png alt=''>", reader)
    (found,) = report.open
    assert (found.kind, found.service) == ("first-party-tracker", "hotjar")
    assert f"m.shop.example, which is another name of {' and '.join(CHAIN)}" in found.what
    assert [(place.line, place.markup) for place in found.places] == [(4, ALIASED)]
    assert 'use = "hotjar"\n    hosts = ["m.shop.example"]' in found.remedy


def test_a_tracker_behind_a_name_of_the_site_is_found_in_a_browser(reader: Reader) -> None:
    """What a script asks for is the same finding, with what set it off."""
    report = AuditReport("x", "2026-11-29")
    request = LiveRequest(ALIASED, "script", (Cause("script", "https://localhost/app.js", 3, 7),))
    seen = LiveWalk({UNTOUCHED: [LivePage("/", [request])]})
    add_browser(report, seen, reader, "https://localhost")
    assert [(one.kind, one.service) for one in report.open] == [("first-party-tracker", "hotjar")]
    assert "app.js:3:7" in report.open[0].places[0].markup


def test_a_host_that_was_declared_is_no_finding(server: NameServer) -> None:
    """The lines to paste are the remedy: then the page would be held, and the service is named."""
    site = config.load({"site": SITE, "services": [{"use": "hotjar", "hosts": ["m.shop.example"]}]})
    report = audited(f"<script src={ALIASED}></script>", Reader(site, Aliases(f"127.0.0.1:{server.port}")))
    assert [(one.kind, one.service) for one in report.open] == [("fires-before-consent", "hotjar")]


def test_chains_end(server: NameServer) -> None:
    """A ring, a name that nobody knows, and nonsense give what was found so far; each is asked once."""
    server.wrong.add("wrong.example.")
    aliases = Aliases(f"127.0.0.1:{server.port}")
    assert aliases.of("m.shop.example") == aliases.of("m.shop.example") == CHAIN
    assert (aliases.of("ring.example"), aliases.of("nobody.example")) == (("round.example",), ())
    assert sum(asked.startswith("m.") for asked in server.asked) == 1


def test_without_a_resolver_nobody_is_asked() -> None:
    """A page is read as ever."""
    site = config.load({"site": SITE, "services": [{"use": "hotjar"}]})
    report = audited(f"<script src={ALIASED}></script>", Reader(site))
    assert report.open == []


@pytest.mark.parametrize("named", ["nowhere", "1.2.3.4:x", "1.2.3.4.5"])
def test_what_is_no_resolver_is_refused(named: str) -> None:
    """The message says how one is written."""
    with pytest.raises(NoResolver, match="ADDRESS"):
        Aliases(named)


@pytest.mark.parametrize("named", ["9.9.9.9", "9.9.9.9:5353", "[2620:fe::fe]:53", "2620:fe::fe"])
def test_addresses_of_resolvers_are_read(named: str) -> None:
    """With and without a port."""
    Aliases(named)
