""" "Do not count me": one click in the preferences, which has nothing to do with any consent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from bs4 import Tag

from consent_mw.core.choice import Action
from consent_mw.core.choice import NoRecord
from consent_mw.core.model import Site
from consent_mw.counting.browser import visitor_of
from consent_mw.counting.tally import Tally
from tests.web.doubles import FORM
from tests.web.doubles import SITE
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor

SAME = {"Sec-Fetch-Site": "same-origin"}
COOKIE = "__Host-cmw-uncounted"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:152.0) Gecko/20100101 Firefox/152.0"


def section(visitor: Visitor, **headers: str) -> Tag | None:
    """Return the part of the preferences that is about counting."""
    answer = visitor.get("/", **headers)
    assert answer.status_code == 200
    return BeautifulSoup(answer.text, "html.parser").select_one("#counting")


def pressed(visitor: Visitor) -> int:
    """Press the button that the page has, as a browser does, and return the status."""
    found = section(visitor)
    assert found is not None
    body = "&".join(f"{one['name']}={one['value']}" for one in found.select("input, button"))
    return visitor.send("POST", "/counting", body=body, headers=SAME, content_type=FORM).status_code


def say(visitor: Visitor, counted: str, headers: dict[str, str] | None = None) -> int:
    """Post the field and return the status."""
    sent = visitor.send("POST", "/counting", body=f"counted={counted}", headers=headers or SAME, content_type=FORM)
    return sent.status_code


def text(visitor: Visitor, **headers: str) -> str:
    """Return what the part about counting says."""
    found = section(visitor, **headers)
    return found.get_text(" ", strip=True) if found is not None else ""


def on(**settings: object) -> Visitor:
    """Return a visitor of a site with the settings."""
    site: Site = replace(SITE, **settings)  # type: ignore[arg-type]
    return Visitor(FakeContext(site))


def test_one_click_objects_and_one_click_goes_back() -> None:
    """The page has one button, which does what it says; the state stands beside it."""
    visitor = Visitor()
    assert "You are counted like everybody else." in text(visitor)
    assert (pressed(visitor), visitor.jar) == (303, {COOKIE: "1"})
    assert "You are not counted." in text(visitor)
    assert (pressed(visitor), visitor.jar) == (303, {})


def test_objecting_consents_to_nothing() -> None:
    """No choice is made or changed by it, no record is written, and nobody counts it."""
    visitor = Visitor()
    pressed(visitor)
    assert visitor.holds() is NoRecord.ABSENT
    assert (visitor.context.records.rows, visitor.context.counting.told) == ([], [])
    visitor.post(("action", "reject-all"))
    before = visitor.holds()
    assert (pressed(visitor), visitor.holds()) == (303, before)


def test_an_objection_outlives_the_answers() -> None:
    """Accepting, refusing and erasing leave it as it is."""
    visitor = Visitor()
    pressed(visitor)
    for action in ("accept-all", "withdraw", "accept-all"):
        visitor.post(("action", action))
    visitor.send("POST", "/receipt/erase", body="", headers=SAME, content_type=FORM)
    assert (visitor.jar[COOKIE], getattr(visitor.holds(), "action", None)) == ("1", Action.REJECT)


def test_who_objected_is_not_counted() -> None:
    """The counting itself hears the answer and counts nothing; after going back it counts."""
    context = FakeContext()
    counted: list[int] = []

    class Sink:
        def add_counts(self, counts: object) -> None:
            counted.append(len(counts))  # type: ignore[arg-type]

    tally = Tally(Sink(), SITE)
    context.counting = tally
    visitor = Visitor(context, told={"User-Agent": FIREFOX})
    pressed(visitor)
    visitor.post(("action", "accept-all"))
    assert tally.flush() == 0
    pressed(visitor)
    visitor.post(("action", "reject-all"))
    assert tally.flush() > 0
    assert counted != []


def test_the_way_leads_back_to_the_section() -> None:
    """The answer is the preferences at the place where the button was, in the language, with the way back kept."""
    visitor = Visitor()
    answer = visitor.send("POST", "/counting", body="counted=no&back=/prints&lang=de", headers=SAME, content_type=FORM)
    assert answer.headers["Location"] == "/_cmw/?back=/prints&lang=de#counting"
    forged = visitor.send("POST", "/counting", body="counted=no&back=//evil.example", headers=SAME, content_type=FORM)
    assert forged.headers["Location"] == "/_cmw/?back=/&lang=en#counting"


def test_all_objections_are_the_same_bytes() -> None:
    """The cookie says one thing and tells nobody apart; it lasts, and no script reads it."""
    lines = []
    for told in ({}, {"Sec-GPC": "1", "Accept-Language": "de"}):
        visitor = Visitor(told=told)
        answer = visitor.send("POST", "/counting", body="counted=no", headers=SAME, content_type=FORM)
        lines.append(answer.headers.getlist("Set-Cookie"))
    assert lines[0] == lines[1]
    assert lines[0] == [f"{COOKIE}=1; Path=/; Max-Age=34560000; SameSite=Lax; HttpOnly; Secure"]


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
@pytest.mark.parametrize("counted", ["yes", "no"])
def test_other_sites_cannot_object_for_anybody(site: str, counted: str) -> None:
    """A request that another site made changes nothing."""
    visitor = Visitor()
    assert (say(visitor, counted, {"Sec-Fetch-Site": site}), visitor.jar) == (403, {})


def test_who_tells_no_origin_can_object_but_not_go_back() -> None:
    """As with a choice: saying no needs less than saying yes."""
    visitor = Visitor()
    assert say(visitor, "no", {"X-Nothing": "1"}) == 303
    assert (say(visitor, "yes", {"X-Nothing": "1"}), visitor.jar) == (403, {COOKIE: "1"})


@pytest.mark.parametrize("counted", ["", "No", "off", "1"])
def test_an_unknown_word_changes_nothing(counted: str) -> None:
    """Only yes and no mean something."""
    visitor = Visitor()
    assert (say(visitor, counted), visitor.jar) == (400, {})


def test_opening_the_address_changes_nothing() -> None:
    """A link cannot object, and no other kind of body can."""
    visitor = Visitor()
    assert visitor.get("/counting?counted=no").status_code == 405
    assert visitor.send("POST", "/counting", body=b"{}", headers=SAME, content_type="text/plain").status_code == 415
    assert visitor.jar == {}


def test_an_objection_is_kept_where_a_choice_is() -> None:
    """Over plain http, where nobody is asked, no cookie is promised; where the owner allows it, it is kept."""
    visitor = Visitor(scheme="http")
    assert (say(visitor, "no"), visitor.jar) == (403, {})
    allowed = Visitor(FakeContext(replace(SITE, allow_insecure_http=True)), scheme="http")
    assert (say(allowed, "no"), allowed.jar) == (303, {"cmw-uncounted": "1"})


@pytest.mark.parametrize(
    ("settings", "held", "missing"),
    [
        ({}, "by browser, operating system, internet provider and language", "only where something was agreed"),
        ({"isp": "off"}, "by browser, operating system and language", "provider"),
        ({"counters": "granted", "isp": "off"}, "counted only where something was agreed to", "provider"),
    ],
)
def test_the_page_says_what_is_counted(settings: dict[str, object], held: str, missing: str) -> None:
    """In plain words, and just what the settings say."""
    said = text(on(**settings))
    assert held in said
    assert missing not in said


def test_where_nothing_is_counted_nothing_is_said() -> None:
    """No section and no button where counting is off, or where there is no notice to answer."""
    assert section(on(counters="off")) is None
    assert section(on(services=())) is None


def test_people_read_it_in_their_language() -> None:
    """German and French have words of their own."""
    assert "Mich nicht mitzählen" in text(Visitor(), Accept_Language="de")
    assert "Ne pas me compter" in text(Visitor(), Accept_Language="fr")


def test_the_visitor_of_these_tests_would_be_counted() -> None:
    """The browser that objects here is one that is counted otherwise."""
    visitor = Visitor(told={"User-Agent": FIREFOX})
    seen: list[bool] = []

    class Counting:
        def answered(self, head: object, *_: object, **__: object) -> None:
            found = visitor_of(head)  # type: ignore[arg-type]
            seen.append(found.bot or found.prefetch)

    visitor.context.counting = Counting()
    visitor.post(("action", "reject-all"))
    assert seen == [False]
