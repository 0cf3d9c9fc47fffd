"""The packed catalogue answers like the rules of all its services, compiled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from consent_mw import ConsentMiddleware
from consent_mw import catalogue
from consent_mw.catalogue.strangers import learnable
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.html.match import Matcher
from consent_mw.html.service_index import ServiceIndex
from consent_mw.html.service_index import WithOwn
from consent_mw.html.service_index import is_tracker
from consent_mw.html.service_index import marks_of
from consent_mw.html.service_rules import hosts_meet
from consent_mw.html.suspects import stranger_id
from consent_mw.html.urls import Url

KNOWN = catalogue.load()
SERVICES = list(KNOWN.values())
#: What an owner declares: a service of the catalogue with another host and code, one made necessary, and a new one.
OWN = {
    "hotjar": replace(
        KNOWN["hotjar"], hosts=("hotjar.com", "facebook.net"), inline=("hotJarOwn(",), cookies=("_own*",)
    ),
    "youtube": replace(KNOWN["youtube"], purposes=("necessary",)),
    "counter": Service("counter", "Counter", "Ltd", ("analytics",), ("google-analytics.com",), ("/countme/now.js",)),
}


@pytest.fixture(scope="module", params=[{}, OWN], ids=["alone", "beside the owner's"])
def both(request: pytest.FixtureRequest) -> tuple[Matcher, Matcher]:
    """Return a matcher that has compiled all rules, and one over the index."""
    own: dict[str, Service] = request.param
    return Matcher(own.values(), dict(KNOWN)), Matcher(own.values(), KNOWN)


def test_the_catalogue_is_an_index() -> None:
    """What a process loads is packed, so that it makes few services."""
    assert isinstance(KNOWN, ServiceIndex)


def test_every_address_leads_to_the_same_services(both: tuple[Matcher, Matcher]) -> None:
    """Each host and path of a rule, and a host below it, belongs to the same services in the same order."""
    addresses = [
        Url("https", before + host.replace(".*", ".co.uk"), slash + path or "/")
        for service in [*SERVICES, *OWN.values()]
        for rule in service.hosts
        for host, slash, path in [rule.partition("/")]
        for before in ("", "sub.")
    ]
    addresses += [Url("https", "shop.example", f"/x{path}?a") for one in SERVICES for path in one.paths]
    compiled, packed = both
    different = [url for url in addresses if compiled.resolved(url, "a.example") != packed.resolved(url, "a.example")]
    assert different == []


def test_every_signature_marks_the_same_services(both: tuple[Matcher, Matcher]) -> None:
    """Code with each signature in it belongs to the same services."""
    compiled, packed = both
    codes = [text.encode() for service in [*SERVICES, *OWN.values()] for text in service.inline]
    assert [code for code in codes if compiled.code(code) != packed.code(code)] == []


def test_every_cookie_belongs_to_the_same_services(both: tuple[Matcher, Matcher]) -> None:
    """The name of each cookie belongs to the same services."""
    compiled, packed = both
    names = [name.replace("*", "x") for service in [*SERVICES, *OWN.values()] for name in service.cookies]
    assert [name for name in names if {*compiled.cookie(name)} != {*packed.cookie(name)}] == []


def test_the_rest_is_the_same(both: tuple[Matcher, Matcher]) -> None:
    """Services, their order, what is necessary, what stops the scanner, and all host rules are the same."""
    compiled, packed = both
    assert list(compiled.services.items()) == list(packed.services.items())
    assert compiled.necessary == packed.necessary
    assert compiled.syntax.tables() == packed.syntax.tables()
    assert sorted(compiled.host_rules()) == sorted(packed.host_rules())
    assert compiled._marks_of_places == packed._marks_of_places


@pytest.mark.parametrize("own", [{}, OWN], ids=["alone", "beside the owner's"])
@pytest.mark.parametrize("field", ["hosts", "paths", "inline", "queue"])
def test_the_marks_of_all_services_are_listed(field: str, own: dict[str, Service]) -> None:
    """The texts in a field of all services are those of the services, made one by one."""
    known = WithOwn(KNOWN, own)
    expected = {(text, one.id) for one in known.values() for text in getattr(one, field)}
    assert set(marks_of(known, field)) == expected


@pytest.mark.parametrize("own", [{}, OWN], ids=["alone", "beside the owner's"])
def test_the_trackers_are_listed(own: dict[str, Service]) -> None:
    """Whether a service can never be necessary is known without making it."""
    known = WithOwn(KNOWN, own)
    assert [one.id for one in known.values() if one.tracker] == [id_ for id_ in known if is_tracker(known, id_)]


def test_what_a_site_starts_with_makes_few_services(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A necessary service, a policy of the site and an answer make no services but those that the site meets."""
    made: set[str] = set()
    make = ServiceIndex._make

    def counted(self: ServiceIndex, id_: str) -> Service:
        made.add(id_)
        return make(self, id_)

    monkeypatch.setattr(ServiceIndex, "_make", counted)
    monkeypatch.setattr(KNOWN, "_made", {})
    pay = {"id": "pay", "name": "Pay", "vendor": "Pay", "purposes": ["necessary"], "hosts": ["pay.example"]}
    site = {"site": {"records": f"sqlite:///{tmp_path}/own.db"}, "services": [{**pay, "description": "Pays."}]}
    page = Response("<html><head></head><body>", content_type="text/html")
    page.headers["Content-Security-Policy"] = "default-src 'self'"
    client = Client(ConsentMiddleware(page, site))
    assert client.get("/", headers={"Accept": "text/html"}).status_code == 200
    answer = {"action": "accept-all", "purpose": "analytics"}
    assert client.post("/_cmw/choice", data=answer, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303
    assert len(made) < 100


def test_a_described_host_is_no_stranger() -> None:
    """A stranger that the catalogue has come to describe is none, and any other is one."""
    taught = learnable(Site(), KNOWN)
    assert (stranger_id("www.hotjar.com") in taught, stranger_id("stats.unheard.example") in taught) == (False, True)


def test_an_owners_entry_takes_the_place_of_the_catalogues() -> None:
    """Of two entries of one id the owner's counts, at the place of the other."""
    joined = WithOwn(KNOWN, OWN)
    assert joined["hotjar"] is OWN["hotjar"]
    assert list(joined) == [*KNOWN, "counter"]
    assert len(joined) == len(KNOWN) + 1


@pytest.mark.parametrize(
    "rule",
    [
        "google-analytics.com",
        "www.google-analytics.com",
        "stats.www.google-analytics.com/collect",
        "com",
        "google.com/maps",
        "cdn.example",
        "google.*",
        "WWW.GOOGLE.de",
        "bücher.example",
        "127.0.0.1",
    ],
)
def test_rules_near_a_host_are_all_that_can_meet_it(rule: str) -> None:
    """Only rules for the host, its parents, its subdomains and any suffix are looked at; no other could meet it."""
    assert isinstance(KNOWN, ServiceIndex)
    met = {mark for mark in KNOWN.host_rules() if hosts_meet(rule, mark[0])}
    assert {mark for mark in KNOWN.host_rules_near(rule) if hosts_meet(rule, mark[0])} == met


def test_rules_near_a_host_are_few() -> None:
    """A host of nobody's meets a handful of rules instead of all."""
    assert isinstance(KNOWN, ServiceIndex)
    assert len(list(KNOWN.host_rules_near("cdn.example"))) < len(list(KNOWN.host_rules())) / 20
