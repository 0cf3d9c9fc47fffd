"""The declaration of cookies: what it tells, that it tells no more than is known, and the piece for an owner's page."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from bs4 import Tag
from markupsafe import Markup

from consent_mw.core.model import Change
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.notice.assets import texts
from consent_mw.notice.wording import direction
from consent_mw.web.declaration import BROWSERS
from consent_mw.web.declaration import policy_html
from tests.web.doubles import PAY
from tests.web.doubles import SERVICES
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor

MANAGER = Service(id="manager", name="Manager", vendor="M", purposes=("analytics", "marketing"), manager=True)


def page(site: Site = SITE, path: str = "/policy", **headers: str) -> BeautifulSoup:
    """Return the declaration of the site."""
    answer = Visitor(FakeContext(site)).get(path, **headers)
    assert answer.status_code == 200
    return BeautifulSoup(answer.text, "html.parser")


def one(found: BeautifulSoup | Tag, selector: str) -> Tag:
    """Return the one element that matches."""
    tags = found.select(selector)
    assert len(tags) == 1, selector
    return tags[0]


def facts(of: Tag) -> dict[str, str]:
    """Return what stands in the lists of the element, by label."""
    return {row.select("dt")[0].get_text(): row.select("dd")[0].get_text() for row in of.select("dl > div")}


def service(found: BeautifulSoup, name: str) -> Tag:
    """Return what is told of one service."""
    return one(found, f"article[aria-labelledby=cmw-policy-service-{name}]")


def section(found: BeautifulSoup, name: str) -> Tag:
    """Return the section under one heading."""
    around = one(found, f"#cmw-policy-{name}").parent
    assert around is not None
    return around


def test_a_service_is_told_of_in_full() -> None:
    """Who provides it, what it keeps, for how long, where data goes under which safeguard, and where to opt out."""
    assert facts(service(page(), "counter")) == {
        "Provided by": "Counter Ltd",
        "Cookies": "_vc, _vc_*",
        "Data goes to": "Ireland",
        "Safeguard": "Adequacy decision of the European Commission",
        "Kept for": "400 days",
        "Privacy policy": "counter.example/privacy",
        "Opt out at the provider": "counter.example/opt-out",
    }


def test_every_service_is_told_of_once() -> None:
    """Each declared service has its place, one with several purposes under the first of them."""
    found = [str(tag["id"]) for tag in page().select("article h3")]
    assert sorted(found) == sorted(f"cmw-policy-service-{service.id}" for service in SERVICES)
    assert "Also used for: Marketing" in service(page(), "heatmap").get_text()
    assert "Heat Map" in section(page(), "purpose-marketing").get_text()


def test_what_nobody_says_is_not_made_up() -> None:
    """Where neither owner nor catalogue knows how long or in which country, the declaration says that."""
    known = facts(service(page(), "pixel"))
    assert known["Kept for"] == "Not stated by the provider"
    bare = replace(SITE, services=(Service(id="x", name="X", vendor="", purposes=("analytics",)),))
    assert facts(service(page(bare), "x")) == dict.fromkeys(("Data goes to", "Kept for"), "Not stated by the provider")


def test_purposes_rest_on_consent_unless_they_are_necessary() -> None:
    """What is held rests on consent; what is necessary on what was written down, and on nothing where nothing was."""
    assert facts(section(page(), "purpose-analytics"))["Legal basis"] == "Your consent"
    assert "Legal basis" not in facts(section(page(), "purpose-necessary"))
    stock = replace(PAY, id="stock", lawful_basis="legal-obligation")
    written = replace(SITE, services=(replace(PAY, lawful_basis="contract"), stock, *SERVICES[:1]))
    found = page(written)
    bases = section(found, "purpose-necessary").select("h2 ~ dl dd")
    assert [tag.get_text() for tag in bases] == ["A contract with you", "A legal obligation"]
    assert facts(service(found, "stock"))["Legal basis"] == "A legal obligation"


def test_who_is_responsible_is_told() -> None:
    """Controller, contact, policy and authority, and that one may complain there."""
    found = page()
    assert list(facts(section(found, "who"))) == ["Responsible", "Contact", "Privacy policy", "Supervisory authority"]
    assert "complain to the supervisory authority" in section(found, "rights").get_text()


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({}, ["__Host-cmw", "__Host-cmw-uncounted", "__Host-cmw-once"]),
        ({"counters": "off"}, ["__Host-cmw", "__Host-cmw-once"]),
        ({"caching": "shared"}, ["__Host-cmw", "__Host-cmw-state", "__Host-cmw-uncounted", "__Host-cmw-once"]),
        ({"cookie_domain": "shop.example"}, ["__Secure-cmw", "__Host-cmw-uncounted", "__Host-cmw-once"]),
        ({"services": SERVICES[:1]}, ["__Host-cmw", "__Host-cmw-uncounted"]),
    ],
)
def test_our_own_cookies_are_told(changed: dict[str, object], names: list[str]) -> None:
    """Those that a visitor of this site may get, under the names that the browser shows."""
    found = page(replace(SITE, **changed))  # type: ignore[arg-type]
    assert [code.get_text() for code in section(found, "own").select("code")] == names


def test_what_is_counted_is_told_with_the_way_to_object() -> None:
    """By what the totals are kept, and a link to the button; nothing of it where nothing is counted."""
    counted = section(page(), "own")
    assert "browser, operating system, internet provider and language" in counted.get_text()
    assert one(counted, "a")["href"] == "/_cmw/?back=/&lang=en#counting"
    assert section(page(replace(SITE, counters="off")), "own").select("a") == []


def test_rights_lead_to_where_they_are_used() -> None:
    """The choices and the receipt are one link away."""
    links = [str(link["href"]) for link in section(page(), "rights").select("a")]
    assert links == ["/_cmw/?back=/&lang=en", "/_cmw/receipt?back=/&lang=en"]


def test_other_ways_are_offered() -> None:
    """Browsers by name, each provider's opt-out once, and the common one where there is advertising."""
    twin = replace(SERVICES[0], id="twin", name="Twin")
    found = section(page(replace(SITE, services=(*SERVICES, twin))), "control")
    links = [(link.get_text(), str(link["href"])) for link in found.select("a")]
    assert links == [
        *BROWSERS,
        ("Visit Counter and Twin", "https://counter.example/opt-out"),
        ("Your Online Choices", "https://www.youronlinechoices.eu/"),
    ]
    assert "Global Privacy Control" in found.get_text()


def test_without_advertising_nothing_is_said_of_it() -> None:
    """Neither the signal nor the common opt-out means anything on a site that holds statistics alone."""
    found = section(page(replace(SITE, services=SERVICES[:1])), "control").get_text()
    assert "Your Online Choices" not in found
    assert "Global Privacy Control" not in found


def test_what_changed_is_told_from_the_latest_on() -> None:
    """With its day; what a later day announces is not told before."""
    changes = tuple(Change(TODAY + day, {"en": text}) for day, text in ((-9, "First."), (-2, "Second."), (1, "Third.")))
    found = page(replace(SITE, changes=changes))
    said = [line.get_text() for line in section(found, "changes").select("li")]
    assert said == ["20 November 2026: Second.", "13 November 2026: First."]
    assert page().select("#cmw-policy-changes") == []


def test_a_tag_manager_is_told_to_run_for_any_of_its_purposes() -> None:
    """Whoever reads its purposes learns that one of them is enough."""
    found = page(replace(SITE, services=(*SERVICES, MANAGER)))
    assert "runs as soon as one" in service(found, "manager").get_text()
    assert "runs as soon as one" not in service(found, "heatmap").get_text()


def test_a_site_that_asks_nothing_has_a_declaration_too() -> None:
    """Without a service that needs permission there are no choices, cookies or opt-outs to speak of."""
    found = page(replace(SITE, services=(PAY,)))
    headings = [tag.get_text() for tag in found.select("h2")]
    assert headings == ["Who is responsible", "Necessary"]


def test_it_is_the_same_for_every_visitor() -> None:
    """Neither a choice nor the signal changes a byte of it."""
    visitor = Visitor(told={"Sec-GPC": "1"})
    visitor.post(("action", "accept-all"))
    assert visitor.get("/policy").text == Visitor().get("/policy").text


@pytest.mark.parametrize("lang", sorted(texts()))
def test_it_is_told_in_every_language(lang: str) -> None:
    """In each language the page has its direction, and no place for a value stays open."""
    site = replace(SITE, languages=(lang,), changes=(Change(TODAY, {"en": "New."}),))
    found = page(replace(site, services=(*SERVICES, MANAGER)))
    assert (one(found, "html")["lang"], one(found, "html")["dir"]) == (lang, direction(lang))
    assert not re.search(r"\{\w+\}", found.get_text())


def test_a_text_in_another_language_says_so() -> None:
    """What is there in English only is marked as English, and stands by itself in a page of the other direction."""
    found = page(replace(SITE, languages=("ar",), services=(SERVICES[1],)))
    assert one(service(found, "heatmap"), "p > bdi[lang]")["lang"] == "en"
    assert page().select("bdi[lang]") == []


def test_the_preferences_lead_to_it() -> None:
    """Whoever decides can read on."""
    links = [str(link["href"]) for link in page(path="/").select("a")]
    assert "/_cmw/policy?back=/&lang=en" in links


# -- the piece for a page of the owner's own


def test_the_piece_is_the_declaration_alone() -> None:
    """No head, no style, no script, no form: what stands in it is what the page of ours has."""
    answer = Visitor().get("/policy?embed&lang=de")
    assert not re.search(r"<(?:html|head|body|main|style|script|link|form|h1)\b", answer.text)
    assert "class=" not in answer.text
    assert "style=" not in answer.text
    assert "Cookie-Erklärung" not in answer.text  # the owner's page has a title
    assert one(BeautifulSoup(answer.text, "html.parser"), "#cmw-policy")["lang"] == "de"


@pytest.mark.parametrize(("level", "first"), [("1", "h1"), ("2", "h2"), ("4", "h4"), ("7", "h2"), ("x", "h2")])
def test_its_headings_begin_where_the_owner_says(level: str, first: str) -> None:
    """Sections have the level asked for, and services the next one; what makes no sense is as if not said."""
    found = page(path=f"/policy?embed&level={level}")
    assert section(found, "who").find(True).name == first  # type: ignore[union-attr]
    assert {tag.name for tag in found.select("article > :first-child")} == {f"h{int(first[1]) + 1}"}


def test_ids_of_the_piece_are_its_own() -> None:
    """Every id begins with the same word, none stands twice, and every reference leads to one."""
    found = page(path="/policy?embed")
    ids = [str(tag["id"]) for tag in found.select("[id]")]
    assert len(ids) == len(set(ids))
    assert all(id == "cmw-policy" or id.startswith("cmw-policy-") for id in ids)
    assert {str(tag["aria-labelledby"]) for tag in found.select("[aria-labelledby]")} <= set(ids)


def test_the_piece_is_made_for_templates_without_a_request() -> None:
    """The function gives safe markup, with the links that it was told."""
    made = policy_html(SITE, "en", root="/shop/_cmw", today=TODAY, level=3, query="back=/privacy")
    assert isinstance(made, Markup)
    assert 'href="/shop/_cmw/?back=/privacy"' in made
    assert "<h3" in made


def test_what_an_owner_wrote_is_text() -> None:
    """Names and texts with signs of markup in them are shown as they were written."""
    odd = replace(SERVICES[0], name="<b>&\"'", opt_out="javascript:alert(1)")
    site = replace(SITE, services=(odd,), controller="<script>x</script>", changes=(Change(TODAY, {"en": "a <i> b"}),))
    text = Visitor(FakeContext(site)).get("/policy").text
    assert "<b>" not in text
    assert "<script" not in text
    assert "<i>" not in text
    assert "javascript:" not in text


# -- the signal


@pytest.mark.parametrize(
    ("changes", "day"), [((), "2026-11-22"), ((TODAY - 400,), "2026-11-22"), ((TODAY + 7, TODAY + 9), "2026-11-29")]
)
def test_the_signal_is_declared_with_its_day(changes: tuple[int, ...], day: str) -> None:
    """That it is honoured, and since when as it is now: the last change that has come, or when this package began."""
    context = FakeContext(replace(SITE, changes=tuple(Change(one, {"en": "New."}) for one in changes)))
    context.day = TODAY + 8
    answer = Visitor(context).get("/gpc.json")
    assert answer.json == {"gpc": True, "lastUpdate": day}
    assert answer.headers["Content-Type"] == "application/json"
