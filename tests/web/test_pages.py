"""The preferences, the placeholders, the state and the assets, as a visitor without scripts meets them."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest
from bs4 import BeautifulSoup
from bs4 import Tag
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.model import Purpose
from consent_mw.core.model import Service
from consent_mw.notice.assets import texts
from consent_mw.notice.guard import GuardCode
from consent_mw.web.values import href
from tests.web.doubles import ASSETS
from tests.web.doubles import SITE
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor

ACCEPT = ("action", "accept-all")
HEADER = st.characters(min_codepoint=32, max_codepoint=126)
SAVE = ("action", "save")


def soup(visitor: Visitor, path: str = "/", **headers: str) -> BeautifulSoup:
    """Return the page at the path."""
    answer = visitor.get(path, **headers)
    assert answer.status_code == 200
    return BeautifulSoup(answer.text, "html.parser")


def ticked(page: BeautifulSoup) -> list[tuple[object, object]]:
    """Return name and value of every ticked box."""
    return [(box["name"], box["value"]) for box in page.select("input[type=checkbox][checked]")]


def one(page: BeautifulSoup, selector: str) -> Tag:
    """Return the one element that matches."""
    found = page.select(selector)
    assert len(found) == 1, selector
    return found[0]


def test_every_purpose_and_service_has_its_switch() -> None:
    """Each purpose and each service that needs consent can be switched, once, and nothing is ticked beforehand."""
    page = soup(Visitor())
    boxes = [(box["name"], box["value"]) for box in page.select("input[type=checkbox]")]
    assert boxes == [
        ("purpose", "analytics"),
        ("service", "counter"),
        ("service", "heatmap"),
        ("purpose", "marketing"),
        ("service", "pixel"),
        ("purpose", "embeds"),
        ("service", "video"),
    ]
    assert ticked(page) == []


def test_what_is_necessary_is_told_without_a_switch() -> None:
    """Services that run without permission are listed, since a visitor may want to know."""
    assert "Card Payment" in one(soup(Visitor()), "section[aria-labelledby=necessary]").get_text()


def test_reject_stands_beside_accept() -> None:
    """The page that has "accept all" has "reject all" in the same row and of the same class."""
    buttons = soup(Visitor()).select(".bar button")
    assert [button["value"] for button in buttons] == ["save", "reject-all", "accept-all"]
    assert len({tuple(button["class"]) for button in buttons}) == 1


def test_what_is_granted_is_ticked() -> None:
    """A granted purpose is ticked; its services are included, and one granted by itself has its own tick."""
    visitor = Visitor()
    visitor.post(SAVE, ("purpose", "embeds"), ("service", "counter"))
    page = soup(visitor)
    assert ticked(page) == [("service", "counter"), ("purpose", "embeds")]
    assert "On: Embedded content and Visit Counter." in page.get_text()


def test_saving_the_page_as_it_is_changes_nothing() -> None:
    """Posting the ticked boxes again grants the same services."""
    visitor = Visitor()
    for fields in ([ACCEPT], [SAVE, ("purpose", "analytics")], [SAVE, ("service", "heatmap"), ("service", "video")]):
        visitor.post(*fields)
        before = visitor.get("/state").json
        visitor.post(SAVE, *[(str(name), str(value)) for name, value in ticked(soup(visitor))])
        assert visitor.get("/state").json == before


def test_switching_a_purpose_off_stops_its_services() -> None:
    """After accepting all, leaving one purpose unticked leaves nothing of it running."""
    visitor = Visitor()
    visitor.post(ACCEPT)
    kept = [(str(name), str(value)) for name, value in ticked(soup(visitor)) if value != "marketing"]
    visitor.post(SAVE, *kept)
    assert visitor.get("/state").json == {
        "state": "partial",
        "granted": ["counter", "pay", "video"],
        "purposes": ["analytics", "embeds", "necessary"],
    }


def test_a_service_that_runs_through_its_purposes_is_said_to() -> None:
    """A service of two granted purposes shows that it is on although its own switch is off."""
    visitor = Visitor()
    visitor.post(ACCEPT)
    assert "On now, because everything it is used for is on." in soup(visitor).get_text()
    assert "On now" not in soup(Visitor()).get_text()


def test_the_state_of_the_choice_is_told() -> None:
    """Day and receipt of a grant are there, and one button takes it back."""
    visitor = Visitor()
    visitor.post(ACCEPT)
    now = one(soup(visitor), "section.now")
    assert "Chosen on 22 November 2026" in now.get_text()
    assert "receipt-1" in now.get_text()
    assert [button["value"] for button in now.select("button")] == ["withdraw"]


def test_nothing_granted_needs_no_withdrawal() -> None:
    """Before a choice and after a refusal there is no receipt and nothing to withdraw."""
    visitor = Visitor()
    assert "You have not chosen yet" in one(soup(visitor), "section.now").get_text()
    visitor.post(("action", "reject-all"))
    now = one(soup(visitor), "section.now")
    assert "Everything that needs your permission is off." in now.get_text()
    assert now.select("button, code") == []


def test_an_outdated_choice_is_told_and_can_be_withdrawn() -> None:
    """After a change of the site an earlier grant counts no more; its receipt can still be closed."""
    visitor = Visitor()
    visitor.post(ACCEPT)
    visitor.context.own_site = replace(SITE, controller="New owner")
    page = soup(visitor)
    assert "Your earlier choice no longer counts" in page.get_text()
    assert ticked(page) == []
    assert [button["value"] for button in page.select("section.now button")] == ["withdraw"]


def test_the_signal_is_answered() -> None:
    """Under GPC the page says that the opt-out is honoured, and marketing is off."""
    visitor = Visitor(told={"Sec-GPC": "1"})
    visitor.post(ACCEPT)
    page = soup(visitor)
    assert [status.get_text().split(".")[0] for status in page.select(".signal[role=status]")] == [
        "Opt-out request honoured"
    ]
    assert ("purpose", "marketing") not in ticked(page)


def test_the_details_of_a_service() -> None:
    """Vendor, cookies, storage, country, safeguard, retention and links are told in words."""
    text = " ".join(soup(Visitor()).get_text(" ").split())
    for told in (
        "Provided by Counter Ltd",
        "Cookies _vc, _vc_*",
        "Data goes to Ireland",
        "Safeguard Adequacy decision of the European Commission",
        "Kept for 400 days",
        "Kept for 1 day",
        "Stored in your browser hm.*",
        "Also used for: Marketing",
        "Also used for this, listed above: Heat Map",
    ):
        assert told in text
    links = [link["href"] for link in soup(Visitor()).select("fieldset a")]
    assert links == ["https://counter.example/privacy", "https://counter.example/opt-out"]


def test_who_is_responsible() -> None:
    """Controller, contact, policy and authority stand at the end, as links where they are addresses."""
    who = one(soup(Visitor()), "section.who")
    assert [link["href"] for link in who.select("a")] == [
        "mailto:privacy@portrait.example",
        "/privacy",
        "https://authority.example",
    ]
    assert "Portrait Shop Ltd, London" in who.get_text()


def test_an_empty_site_has_a_friendly_page() -> None:
    """Where nothing needs permission the page says so, and asks for nothing."""
    bare = replace(SITE, services=(), controller="", contact="", privacy_policy="", supervisory_authority="")
    page = soup(Visitor(FakeContext(bare)))
    assert "There is nothing to switch on or off." in page.get_text()
    assert page.select("form, section.who") == []


def test_no_script_is_needed_or_used() -> None:
    """The page has no script, no inline style and nothing from elsewhere."""
    page = soup(Visitor())
    assert page.select("script, style, [style], img, iframe") == []
    assert [link["href"] for link in page.select("link")] == [f"/_cmw/{ASSETS.path('pages.css')}"]


@pytest.mark.parametrize(
    ("back", "expected"),
    [("/prints?size=20", "/prints?size=20"), ("//evil.example", "/"), ("javascript:alert(1)", "/"), ("", "/")],
)
def test_the_way_back_is_checked(back: str, expected: str) -> None:
    """Links and forms lead back to a path of the site, or to its first page."""
    page = soup(Visitor(), f"/?back={quote(back)}")
    assert one(page, "a.back")["href"] == expected
    assert {field["value"] for field in page.select("input[name=back]")} == {expected}


def test_the_language_can_be_changed() -> None:
    """Each language of the site is one link away; the query wins over the browser, an unknown one does not."""
    visitor = Visitor()
    page = soup(visitor, "/?back=/a&lang=de", Accept_Language="fr")
    assert one(page, "html")["lang"] == "de"
    assert [link["href"] for link in page.select("nav a")] == [
        f"/_cmw/?back=/a&lang={tag}" for tag in ("en", "de", "fr")
    ]
    assert one(soup(visitor, "/?lang=xx", Accept_Language="fr"), "html")["lang"] == "fr"
    assert {field["value"] for field in page.select("input[name=lang]")} == {"de"}


def test_one_language_needs_no_links() -> None:
    """A site in one language offers no other."""
    assert soup(Visitor(FakeContext(replace(SITE, languages=("en",))))).select("nav") == []


@pytest.mark.parametrize(("count", "folded"), [(3, False), (4, True), (6, True)])
def test_more_than_three_languages_fold_away(count: int, folded: bool) -> None:
    """On a phone the names of three stand in a line; of more, the present one is shown and unfolds to all."""
    languages = ("en", "de", "fr", "ar", "ja", "th")[:count]
    page = soup(Visitor(FakeContext(replace(SITE, languages=languages))))
    assert (len(page.select("nav a")), [one.text for one in page.select("nav summary")]) == (
        count,
        ["English"] * folded,
    )


def test_hostile_words_stay_words() -> None:
    """Texts of the owner and the query are shown, never run."""
    evil = "<script>alert(1)</script>"
    service = Service(
        id="evil", name=evil, vendor=evil, purposes=("analytics",), policy="javascript:alert(1)", cookies=(evil,)
    )
    site = replace(SITE, name=evil, controller=evil, contact="javascript:alert(1)", services=(service,))
    page = soup(Visitor(FakeContext(site)), f"/?back=/{quote(evil)}&lang={quote(evil)}")
    assert page.select("script") == []
    assert [link["href"] for link in page.select("a") if "javascript" in str(link["href"])] == []


def test_every_button_and_box_has_a_name() -> None:
    """Assistive technology can say what each control is."""
    page = soup(Visitor())
    assert [box for box in page.select("input[type=checkbox]") if not box.find_parent("label")] == []
    assert [button for button in page.select("button, summary, a") if not button.get_text(strip=True)] == []
    assert [box for box in page.select("fieldset") if not box.select("legend")] == []


def test_an_own_purpose_without_services_can_be_switched() -> None:
    """A purpose that only marks name is offered too, since the owner worded it."""
    site = replace(SITE, purposes=(*SITE.purposes, Purpose("surveys", label={"en": "Surveys"})))
    assert one(soup(Visitor(FakeContext(site))), "input[value=surveys]")["name"] == "purpose"


# -- placeholders


def test_a_placeholder_says_what_would_happen() -> None:
    """It names the service, says who would learn what, and leads out of the frame."""
    page = soup(Visitor(), "/placeholder/video")
    assert "Video Player: switched off" in page.get_text()
    assert "load it from Streams GmbH, which then learns your IP address" in page.get_text()
    assert {tag["target"] for tag in page.select("form, a")} == {"_parent"}


def test_the_owners_picture_stands_in_a_placeholder() -> None:
    """A poster takes the place of the sign of the service's kind, and says nothing to who cannot see it."""
    services = (*SITE.services, replace(SITE.by_id["video"], id="film", poster="/still.jpg?a=1&b=2"))
    page = soup(Visitor(FakeContext(site=replace(SITE, services=services))), "/placeholder/film")
    picture = one(page, "main.poster img.picture")
    assert (picture["src"], picture["alt"]) == ("/still.jpg?a=1&b=2", "")
    assert soup(Visitor(), "/placeholder/video").select("img, .poster") == []


def test_allowing_an_embed_adds_to_what_is_granted() -> None:
    """The button grants the service on top of the present choice."""
    visitor = Visitor()
    visitor.post(SAVE, ("purpose", "analytics"))
    page = soup(visitor, "/placeholder/video")
    fields = [(str(field["name"]), str(field["value"])) for field in page.select("form input")]
    button = one(page, "form button[value=save]")
    assert button.get_text() == "Always allow Video Player"
    visitor.post(*fields, (str(button["name"]), str(button["value"])))
    granted = visitor.get("/state").json
    assert granted is not None
    assert granted["granted"] == ["counter", "pay", "video"]


def test_a_placeholder_leads_back_to_the_page_that_holds_it() -> None:
    """The page that the frame stands in is known from the request, if it is of this site."""
    own = soup(Visitor(), "/placeholder/video", Referer="https://shop.example/lessons?n=3#x")
    assert one(own, "input[name=back]")["value"] == "/lessons?n=3"
    for other in ("https://evil.example/lessons", "http://[", ""):
        assert one(soup(Visitor(), "/placeholder/video", Referer=other), "input[name=back]")["value"] == "/"


def test_several_services_share_one_placeholder() -> None:
    """An element held for two services names both, and allows both."""
    page = soup(Visitor(), "/placeholder/video,heatmap")
    assert "Video Player and Heat Map: switched off" in page.get_text()
    assert [field["value"] for field in page.select("input[name=service]")] == ["heatmap", "video"]


@pytest.mark.parametrize("ids", ["unknown", "youtube", "unknown,video", "pay"])
def test_what_the_site_does_not_offer_cannot_be_allowed(ids: str) -> None:
    """An unknown third party, or a known service that is not declared, has a placeholder but no button."""
    page = soup(Visitor(), f"/placeholder/{ids}")
    assert page.select("form") == []
    assert "it stays off" in page.get_text()


@pytest.mark.parametrize("ids", ["nobody", "video,nobody", ",", "%00", "<b>", "x" * 3000])
def test_a_placeholder_of_nothing_is_not_found(ids: str) -> None:
    """Ids that mean nothing get a plain 404."""
    assert Visitor().get(f"/placeholder/{quote(ids, safe='%')}").status_code == 404


# -- state, assets and headers


def test_the_state_as_json() -> None:
    """A page from a cache can ask what holds now."""
    answer = Visitor().get("/state")
    assert answer.json == {"state": "none", "granted": ["pay"], "purposes": ["necessary"]}
    assert answer.headers["Cache-Control"] == "no-store"


def test_assets_are_kept_for_ever_under_their_hash() -> None:
    """The address with the right hash is immutable, any other is not found and not kept."""
    visitor = Visitor()
    answer = visitor.get("/" + ASSETS.path("runtime.js"))
    assert answer.data == ASSETS.read("runtime.js")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    missing = visitor.get("/assets/runtime.00000000.js")
    assert (missing.status_code, missing.headers["Cache-Control"]) == (404, "no-store")


def test_a_guard_of_another_version_is_replaced_by_the_current_one() -> None:
    """While processes differ, a page gets nearly the right list rather than none, and nobody keeps it."""
    visitor = Visitor()
    path, content = GuardCode(SITE, ASSETS).file
    own, other = visitor.get(f"/{path}"), visitor.get("/assets/guard.00000000.js")
    assert (own.data, own.headers["Cache-Control"]) == (content, "public, max-age=31536000, immutable")
    assert (other.data, other.headers["Cache-Control"]) == (content, "no-store")
    assert visitor.get("/assets/guard.00000000.css").status_code == 404


def test_pages_that_say_no_are_told_apart_by_their_titles() -> None:
    """The title is the first sentence of what went wrong, with the site's name: no two are the same."""
    visitor = Visitor()
    missing, refused = (
        one(BeautifulSoup(answer.text, "html.parser"), "title").get_text()
        for answer in (visitor.get("/nothing"), visitor.get("/choice"))
    )
    assert missing == f"There is no such page here · {SITE.name}"
    assert refused == f"This address cannot be opened like that · {SITE.name}"


@pytest.mark.parametrize("tag", ["de", "hi", "ja", "th"])
def test_the_title_of_an_error_is_one_sentence_in_any_script(tag: str) -> None:
    """Where a script marks the ends of sentences the title ends there, without the mark."""
    visitor = Visitor(FakeContext(replace(SITE, languages=(tag,))))
    title = one(BeautifulSoup(visitor.get("/choice").text, "html.parser"), "title").get_text()
    text = texts()[tag]["error.method"]
    gist = title.removesuffix(f" · {SITE.name}")
    assert text.startswith(gist)
    assert gist[-1] not in ".。।"
    assert tag == "th" or len(gist) < len(text) - 1


def test_an_error_speaks_the_language_that_was_chosen() -> None:
    """The language in the address holds for errors, too; one that the site does not have is passed over."""
    visitor = Visitor(FakeContext(replace(SITE, languages=("en", "th"))))
    chosen, other = (BeautifulSoup(visitor.get(f"/nothing?lang={tag}").text, "html.parser") for tag in ("th", "xx"))
    assert [one(page, "html")["lang"] for page in (chosen, other)] == ["th", "en"]
    assert texts()["th"]["error.missing"] in chosen.get_text()


@pytest.mark.parametrize("path", ["/", "/placeholder/video", "/state", "/choice", "/nothing", "/assets/x"])
def test_every_answer_protects_itself(path: str) -> None:
    """No answer is stored, sniffed or read by other sites."""
    headers = Visitor().get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize(
    ("path", "frames", "options"),
    [("/", "'none'", "DENY"), ("/placeholder/video", "'self'", "SAMEORIGIN"), ("/x", "'none'", "DENY")],
)
def test_pages_allow_nothing_but_their_sheet(path: str, frames: str, options: str) -> None:
    """The policy forbids all but our own; only a placeholder has a script, and may be framed, by this site."""
    headers = Visitor().get(path).headers
    own = "img-src 'self'; script-src 'self'; connect-src 'self'; " if "placeholder" in path else ""
    policy = f"default-src 'none'; style-src 'self'; {own}form-action 'self'; base-uri 'none'; frame-ancestors {frames}"
    assert headers["Content-Security-Policy"] == policy
    assert headers["X-Frame-Options"] == options
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Robots-Tag"] == "noindex"


def test_the_mount_without_a_slash_is_the_preferences() -> None:
    """An address typed without the last slash works."""
    assert Visitor().get("").status_code in (200, 308)


def test_a_failure_of_ours_is_a_plain_page(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An error in a page is logged without the address, and the visitor reads that nothing was changed."""
    visitor = Visitor()
    monkeypatch.setattr("consent_mw.web.visit.Pages.purposes", lambda pages: 1 / 0)
    answer = visitor.get("/?back=/secret-path")
    assert answer.status_code == 500
    assert "Nothing was changed" in answer.text
    assert "ZeroDivisionError" in caplog.text
    assert "secret-path" not in caplog.text


@given(
    st.text(max_size=50),
    st.text(max_size=20),
    st.text(HEADER, max_size=60),
)
def test_no_query_or_header_breaks_a_page(back: str, lang: str, accepted: str) -> None:
    """Whatever is asked, the preferences answer."""
    query = f"/?back={quote(back, errors='replace')}&lang={quote(lang, errors='replace')}"
    assert Visitor(told={"Accept-Language": accepted, "Accept": accepted}).get(query).status_code == 200


@given(st.text(max_size=40))
def test_no_path_breaks_the_pages(path: str) -> None:
    """Any path under the mount gets a page or a refusal, never a server error."""
    assert Visitor().get("/" + quote(path, errors="replace")).status_code in (200, 308, 404, 405)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.example/x", "https://a.example/x"),
        ("/privacy", "/privacy"),
        ("a@b.example", "mailto:a@b.example"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("//evil.example", ""),
        ("/\\evil.example", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("Portrait Shop Ltd", ""),
        ("", ""),
    ],
)
def test_only_safe_addresses_become_links(text: str, expected: str) -> None:
    """Web pages, own paths and mail addresses are linked; anything else stays text."""
    assert href(text) == expected
