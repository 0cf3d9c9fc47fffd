"""The rows of the choices: a purpose with a link to its services, or with the services themselves."""

from __future__ import annotations

import json

from bs4 import BeautifulSoup

from consent_mw import config
from consent_mw.core.model import Site
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from tests.web.doubles import ASSETS
from tests.web.doubles import decision


def shop(**site: object) -> Site:
    """Return a site with two services for statistics, one for films, and a tag manager."""
    ids = ("google-analytics", "matomo", "youtube", "google-tag-manager")
    return config.load({"site": {"languages": ["en", "ar"], **site}, "services": [{"use": id_} for id_ in ids]})


def banner(site: Site, lang: str = "en", *, unfolding: bool) -> BeautifulSoup:
    """Return the banner of the site."""
    place = NoticePage(decision(prompt=True), lang, "", "/", "/_cmw")
    return BeautifulSoup(Notice(site, ASSETS).banner(place, unfolding=unfolding), "html.parser")


def test_a_page_has_links_to_the_services() -> None:
    """They say how many services a purpose has, or name the only one."""
    links = [(link.text, link["href"]) for link in banner(shop(), unfolding=False).select(".cmw-rows a")]
    assert links == [
        ("See all 3 services", "/_cmw/?back=/&lang=en#p1"),
        ("Google Tag Manager", "/_cmw/?back=/&lang=en#p2"),
        ("YouTube", "/_cmw/?back=/&lang=en#p3"),
    ]


def test_what_scripts_show_has_a_box_for_each_service() -> None:
    """A box says what its service is for; the provider is told unless the name contains it."""
    found = banner(shop(), unfolding=True)
    assert found.select(".cmw-rows a") == []
    boxes = found.select("ul[aria-labelledby=cmw-1] input")
    assert [(box["value"], box["data-cmw-for"], box.has_attr("data-cmw-manager")) for box in boxes] == [
        ("google-analytics", "analytics", False),
        ("matomo", "analytics", False),
        ("google-tag-manager", "analytics marketing", True),
    ]
    assert [label.text for label in found.select("ul[aria-labelledby=cmw-1] label")][1] == "MatomoInnoCraft Ltd"
    assert found.select("details[open]") == []


def test_names_keep_their_direction() -> None:
    """From right to left, the full stop of a company's name stays behind it."""
    (label,) = banner(shop(), "ar", unfolding=True).select("ul[aria-labelledby=cmw-3] label")
    assert label.text == "\u2068YouTube\u2069\u2068Google Ireland Limited\u2069"


def test_owners_may_show_the_names_at_once() -> None:
    """The names are in the page, with a link; scripts show the services unfolded."""
    site = shop(show_services=True)
    assert [link.text for link in banner(site, unfolding=False).select(".cmw-each + .cmw-about a")] == ["Details"] * 3
    assert len(banner(site, unfolding=True).select("details.cmw-services[open]")) == 3


def test_the_document_has_what_unfolds() -> None:
    """What a visitor could read by unfolding is recorded with the notice."""
    rows = json.loads(Notice(shop(), ASSETS).document)["languages"]["en"]["rows"]
    assert "Google Tag Manager" in rows
    assert "InnoCraft Ltd" in rows
