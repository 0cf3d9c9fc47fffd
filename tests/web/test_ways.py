"""The ways between the site, the notice and the preferences."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from tests.web.doubles import ASSETS
from tests.web.doubles import SITE
from tests.web.doubles import Visitor
from tests.web.doubles import decision


@pytest.mark.parametrize(
    ("referer", "expected"),
    [
        ("https://shop.example/prints?size=20", "/prints?size=20"),
        ("https://shop.example", "/"),
        ("https://shop.example//evil.example", "/"),
        ("https://shop.example/_cmw/receipt", "/"),
        ("https://shop.example/_cmw?lang=de", "/"),
        ("https://shop.example/_cmwx", "/_cmwx"),
        ("https://shop.example.evil.example/prints", "/"),
        ("https://shop.example@evil.example/prints", "/"),
        ("http://shop.example/prints", "/"),
        ("/prints", "/"),
        ("http://[::1/\xff", "/"),
    ],
)
def test_a_link_that_names_no_way_back_leads_back_to_its_own_page(referer: str, expected: str) -> None:
    """The page of the site that linked to the choices is the way back; one elsewhere, or under the mount, is not."""
    for path, way in (("/", expected), ("/?back=/a", "/a")):
        page = BeautifulSoup(Visitor().get(path, Referer=referer).text, "html.parser")
        assert [link["href"] for link in page.select("a.back")] == [way]


def test_a_purpose_has_the_address_that_the_notice_links_to() -> None:
    """Where no script unfolds a purpose, the link in the notice leads to it in the page."""
    page = BeautifulSoup(Visitor().get("/").text, "html.parser")
    place = NoticePage(decision(prompt=True), "en", "", "/", "/_cmw")
    banner = BeautifulSoup(Notice(SITE, ASSETS).insertion(place), "html.parser")
    links = [link["href"] for link in banner.select(".cmw-rows a")]
    assert links == [f"/_cmw/?back=/&lang=en#{field['id']}" for field in page.select("fieldset")]
    assert len(links) == 3
