"""The insertion: what it holds, in which state, and that it fits every kind of page."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import html5lib
import pytest
from bs4 import BeautifulSoup
from bs4 import Tag
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.choice import Action
from consent_mw.core.choice import Decision
from consent_mw.core.model import Purpose
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.escaping import escape
from consent_mw.notice.offer import offered
from consent_mw.notice.wording import choose_language
from consent_mw.notice.wording import direction
from consent_mw.notice.wording import localised
from consent_mw.notice.wording import purpose_label
from tests.web.doubles import ASSETS
from tests.web.doubles import PAY
from tests.web.doubles import SITE
from tests.web.doubles import VIDEO
from tests.web.doubles import decision
from tests.web.doubles import record

ALL = ("counter", "heatmap", "pixel", "video")


def page(decided: Decision, *, lang: str = "en", nonce: str = "", inline: bool = True, xml: bool = False) -> NoticePage:
    """Return a page of the shop."""
    return NoticePage(decided, lang, nonce, "/prints?size=20&frame=oak", "/shop/_cmw", inline, xml)


def insertion(decided: Decision, site: Site = SITE, **settings: object) -> str:
    """Return the text that goes into the page."""
    return Notice(site, ASSETS).insertion(page(decided, **settings)).decode("ascii")  # type: ignore[arg-type]


def banner(decided: Decision | None = None, site: Site = SITE, **settings: object) -> Tag:
    """Return the banner for an undecided visitor."""
    text = insertion(decided or decision(prompt=True), site, **settings)
    found = BeautifulSoup(text, "html.parser").select_one("[data-cmw-banner]")
    assert found is not None
    return found


def parse_xml(text: str | bytes) -> ElementTree.Element:
    """Return the root of the text, or fail where it is not well-formed."""
    return ElementTree.fromstring(text)  # noqa: S314 - our own markup


def test_the_banner_is_a_named_dialog_that_blocks_nothing() -> None:
    """Assistive technology meets a non-modal dialog with the name that stands in it."""
    found = banner()
    assert (found.name, found["role"], "aria-modal" in found) == ("section", "dialog", False)
    assert found.select_one(f"#{found['aria-labelledby']}") is not None


def test_the_banner_is_a_form_of_its_own() -> None:
    """Without scripts the choice is posted to the mount, and leads back to the page."""
    form = banner().select_one("form")
    assert form is not None
    assert (form["method"], form["action"]) == ("post", "/shop/_cmw/choice")
    assert [field["value"] for field in form.select("input[name=back]")] == ["/prints?size=20&frame=oak"]


def test_refusing_looks_and_works_like_accepting() -> None:
    """Both are buttons of one class beside each other, and refusing comes first."""
    buttons = banner().select("button[value=reject-all], button[value=accept-all]")
    assert [button["data-cmw-action"] for button in buttons] == ["reject-all", "accept-all"]
    assert buttons[0]["class"] == buttons[1]["class"]
    assert buttons[0].parent is buttons[1].parent
    assert [sorted(button.attrs) for button in buttons] == [["class", "data-cmw-action", "name", "value"]] * 2


def test_nothing_is_ticked_beforehand() -> None:
    """Every purpose has its box, and none is ticked."""
    boxes = banner().select("input[type=checkbox]")
    assert [box["value"] for box in boxes] == ["analytics", "marketing", "embeds"]
    assert [box for box in boxes if box.has_attr("checked")] == []


def test_the_name_of_the_responsible_party_keeps_its_direction() -> None:
    """The full stop of a Latin name does not move to its front in a language from right to left."""
    site = replace(SITE, controller="Portrait Shop Inc.", languages=("ar",))
    assert "\u2068Portrait Shop Inc.\u2069" in banner(site=site, lang="ar").get_text()


def test_enter_in_a_box_saves_the_boxes() -> None:
    """The first submit button of the form, which the Enter key presses, is the one that saves what is ticked."""
    assert [button["value"] for button in banner().select("button")] == ["save", "reject-all", "accept-all"]


def test_purposes_come_before_the_buttons() -> None:
    """What it is for is read before the choices are reached."""
    text = str(banner())
    assert text.index("Statistics") < text.index('class="cmw-list"') + 200 < text.index("<button")


def test_the_banner_says_who_and_leads_to_the_details() -> None:
    """The responsible party, the number of services and the policy are there, the details one click away."""
    found = banner()
    assert "Responsible: Portrait Shop Ltd, London" in found.get_text()
    links = {link.get_text(): link["href"] for link in found.select(".cmw-intro a")}
    assert links == {
        "See all 4 services": "/shop/_cmw/?back=/prints%3Fsize%3D20%26frame%3Doak&lang=en",
        "Privacy policy": "/privacy",
    }


def test_the_banner_says_that_answers_are_counted() -> None:
    """Beside the purposes, with a link to where one can object; where nothing is counted nothing is said."""
    (link,) = banner(lang="en").select(".cmw-more > p a")
    assert link["href"] == "/shop/_cmw/?back=/prints%3Fsize%3D20%26frame%3Doak&lang=en#counting"
    assert "We count answers, never who gave them" in banner().get_text()
    assert "counted" not in banner(site=replace(SITE, counters="off")).get_text()


def test_the_text_tells_automation_what_it_is() -> None:
    """Tools that answer for a visitor recognise a banner by the word cookies."""
    assert "cookies" in banner().get_text()


def test_no_name_is_one_that_block_lists_hide() -> None:
    """Classes and ids are neutral."""
    text = insertion(decision(prompt=True))
    names = re.findall(r'(?:class|id)="([^"]*)"', text)
    assert [
        name for group in names for name in group.split() if not re.fullmatch(r"cmw-([a-z]+|\d+[a-z]?)", name)
    ] == []
    assert "cookie-banner" not in text


def test_the_language_of_the_page_is_recorded_with_the_choice() -> None:
    """The form carries the language that was read, where the site has more than one."""
    assert [field["value"] for field in banner(lang="de").select("input[name=lang]")] == ["de"]
    assert banner(site=replace(SITE, languages=("en",))).select("input[name=lang]") == []


def test_texts_follow_the_language() -> None:
    """A German page has a German banner, and says so."""
    found = banner(lang="de")
    assert (found["lang"], found["dir"]) == ("de", "ltr")
    assert "Alle ablehnen" in found.get_text()


def test_owners_words_for_a_purpose_win() -> None:
    """A label from the configuration replaces the built-in one."""
    own = replace(SITE, purposes=(Purpose("analytics", label={"en": "Counting"}),))
    assert "Counting" in banner(site=own).get_text()


def test_an_opt_out_signal_is_answered_in_the_banner() -> None:
    """Under GPC the banner says that it is honoured, and does not ask for marketing."""
    found = banner(decision(prompt=True, gpc=True))
    status = found.select_one("[role=status]")
    assert status is not None
    assert "Opt-out request honoured" in status.get_text()
    assert [box["value"] for box in found.select("input[type=checkbox]")] == ["analytics", "embeds"]


def test_an_opt_out_signal_is_answered_without_a_banner_too() -> None:
    """The word on the signal stands beside the reopening control."""
    soup = BeautifulSoup(insertion(decision(gpc=True, kept=record(Action.REJECT))), "html.parser")
    assert [status.get_text() for status in soup.select("[data-cmw-reopen] [role=status]")] == [
        "Opt-out request honoured"
    ]


def test_who_has_decided_gets_the_reopening_control_only() -> None:
    """After a choice there is no banner, but a real link to change it."""
    soup = BeautifulSoup(insertion(decision(kept=record(Action.REJECT))), "html.parser")
    assert soup.select("[data-cmw-banner]") == []
    link = soup.select_one('a[data-cmw-action="open"]')
    assert link is not None
    assert link["href"] == "/shop/_cmw/?back=/prints%3Fsize%3D20%26frame%3Doak&lang=en"
    assert link.get_text() == "Cookie choices"


def test_a_site_may_place_its_own_link() -> None:
    """Without the reopening control there is nothing in a page where all is granted."""
    own = replace(SITE, reopen="none")
    granted = decision(granted=ALL, kept=record(Action.ACCEPT))
    assert insertion(granted, own) == ""
    assert "cmw-reopen" not in insertion(decision(kept=record(Action.REJECT)), own)
    assert "data-cmw-runtime" in insertion(decision(kept=record(Action.REJECT)), own)


def test_a_site_that_asks_for_nothing_gets_nothing() -> None:
    """Where every service is necessary no byte is inserted."""
    assert insertion(decision(), replace(SITE, services=(PAY,))) == ""


def test_the_runtime_is_inline_for_who_has_not_decided() -> None:
    """The first page needs no further request; later ones use a cached file, and can notify other tabs."""
    first = insertion(decision(prompt=True))
    later = insertion(decision(kept=record(Action.REJECT)))
    assert ASSETS.read("runtime.js").decode() in first
    assert " src=" not in first
    path = ASSETS.path("later.js").replace("later", "runtime")
    assert f'defer="" src="/shop/_cmw/{path}"' in later
    alone = replace(page(decision(kept=record(Action.REJECT))), linked=False)
    assert ASSETS.read("later.js") in Notice(SITE, ASSETS).insertion(alone)


def test_the_runtime_learns_the_state_from_attributes() -> None:
    """Mount, state and grants are attributes: no code depends on the visitor."""
    kept = record(Action.PARTIAL, receipt="r")
    text = insertion(decision(granted=["counter"], purposes=["analytics"], kept=kept))
    script = BeautifulSoup(text, "html.parser").select_one("script")
    assert script is not None
    told = {name: value for name, value in script.attrs.items() if name.startswith("data-")}
    assert told == {
        "data-cmw-runtime": "",
        "data-cmw-root": "/shop/_cmw",
        "data-cmw-state": "partial",
        "data-cmw-granted": "analytics,counter,necessary,pay",
        "data-cmw-more": ASSETS.path("release.js"),
    }


def test_the_runtime_is_told_to_reload() -> None:
    """Where held elements are left out of the page, the runtime knows that it must load the page again."""
    assert 'data-cmw-release="reload"' in insertion(decision(prompt=True), replace(SITE, release="reload"))
    assert "data-cmw-release" not in insertion(decision(prompt=True))


def test_a_nonce_is_on_everything_inline() -> None:
    """A page with a policy lets our style and script pass by its nonce."""
    soup = BeautifulSoup(insertion(decision(prompt=True), nonce="n0nce"), "html.parser")
    assert [(tag.name, tag["nonce"]) for tag in soup.select("style, script")] == [
        ("style", "n0nce"),
        ("script", "n0nce"),
    ]
    assert " nonce=" not in insertion(decision(prompt=True))


def test_a_page_that_forbids_inline_code_gets_links() -> None:
    """Without inline code the style and the runtime come from the mount, and no style attribute is used."""
    text = insertion(decision(prompt=True), inline=False)
    soup = BeautifulSoup(text, "html.parser")
    (link,) = soup.select("link")
    found = ASSETS.find(str(link["href"]).removeprefix("/shop/_cmw/"))
    assert found == (Notice(SITE, ASSETS).style(True).encode(), "text/css; charset=utf-8")
    assert [script.get_text() for script in soup.select("script")] == [""]
    assert soup.select("style, [style]") == []


@pytest.mark.parametrize("action", [Action.REJECT, Action.ACCEPT])
def test_the_look_of_the_control_is_a_file_that_the_head_links_to(action: Action) -> None:
    """After a choice the rules are in a cached file, with the page's nonce; where it is not let in, in the page."""
    granted = ALL if action is Action.ACCEPT else ()
    notice, asked = Notice(SITE, ASSETS), page(decision(granted=granted, kept=record(action)), nonce="n0nce")
    (link,) = BeautifulSoup(notice.head(asked), "html.parser").select("link[data-cmw-style]")
    assert (link["rel"], link["nonce"]) == (["stylesheet"], "n0nce")
    found = ASSETS.find(str(link["href"]).removeprefix("/shop/_cmw/"))
    assert found == (notice.style(False).encode(), "text/css; charset=utf-8")
    assert b"data-cmw-style" not in notice.insertion(asked)
    whole = replace(asked, sheets=False)
    assert b"data-cmw-style" not in notice.head(whole)
    (style,) = BeautifulSoup(notice.insertion(whole), "html.parser").select("style")
    assert style.get_text() == notice.style(False)


def test_pages_without_the_control_link_to_no_look_of_it() -> None:
    """A banner brings its own rules; a site with its own link, and one that asks for nothing, need none."""
    asked, decided = page(decision(prompt=True)), page(decision(kept=record(Action.REJECT)))
    sites = [(SITE, asked), (replace(SITE, reopen="none"), decided), (replace(SITE, services=(PAY,)), decided)]
    assert [site for site, one in sites if b"<link" in Notice(site, ASSETS).head(one)] == []


STATES = {
    "undecided": decision(prompt=True),
    "signal": decision(prompt=True, gpc=True),
    "refused": decision(kept=record(Action.REJECT)),
    "granted": decision(granted=ALL, gpc=True, kept=record(Action.ACCEPT, receipt="r")),
}


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("lang", ["en", "de", "fr"])
def test_it_is_well_formed_xml(lang: str, state: str, inline: bool) -> None:
    """An XHTML page stays well-formed with the insertion in it."""
    text = insertion(STATES[state], lang=lang, inline=inline, xml=True, nonce="n")
    parse_xml(f'<body xmlns="http://www.w3.org/1999/xhtml">{text}</body>')


@pytest.mark.parametrize("state", STATES)
def test_it_is_html_without_parse_errors(state: str) -> None:
    """A strict HTML parser has nothing to correct; void elements may have a slash."""
    parser = html5lib.HTMLParser(strict=True)
    parser.parse(f"<!doctype html><html><head></head><body>{insertion(STATES[state])}</body></html>")


def test_it_is_ascii_in_every_language() -> None:
    """Bytes that read the same in every ASCII-compatible charset fit every such page."""
    for lang in ("en", "de", "fr"):
        assert insertion(decision(prompt=True, gpc=True), lang=lang).isascii()
    assert "Datenschutzerkl&#228;rung" in insertion(decision(prompt=True), lang="de")


def test_hostile_words_stay_words() -> None:
    """What an owner or an address holds cannot become markup."""
    evil = '"><script>alert(1)</script>\x00\x01back\x01'
    service = Service(id="counter", name=evil, vendor=evil, purposes=("analytics",))
    site = replace(
        SITE,
        controller=evil,
        privacy_policy=evil,
        services=(service,),
        purposes=(Purpose("analytics", label={"en": evil}, description={"en": evil}),),
    )
    made = Notice(site, ASSETS).insertion(NoticePage(decision(prompt=True), "en", evil, evil, evil, xml=True))
    assert b"<script>alert" not in made
    parse_xml(b"<body>" + made + b"</body>")


@given(st.text())
def test_escaped_text_reads_back_as_it_was(text: str) -> None:
    """Escaping loses nothing but characters that no markup can hold, for an XML parser in content and attributes."""
    kept = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "", text)
    found = parse_xml(f'<a b="{escape(text)}">{escape(text)}</a>'.encode())
    # XML reads line ends as one newline, and white space in attributes as spaces.
    assert (found.text or "") == kept.replace("\r\n", "\n").replace("\r", "\n")
    assert found.attrib["b"] == re.sub("[\t\n]", " ", kept.replace("\r\n", "\n").replace("\r", "\n"))


@pytest.mark.parametrize(
    ("page_lang", "accepted", "expected"),
    [
        ("", "", "en"),
        ("", "de-AT,de;q=0.9,en;q=0.8", "de"),
        ("", "ja, fr;q=0.5", "fr"),
        ("", "ja", "en"),
        ("fr", "de", "fr"),
        ("fr-CA", "de", "fr"),
        ("ja", "de", "de"),
        (" \t", "de", "de"),
        ("", "de;q=0, fr", "fr"),
        ("", ";;q=,,*;q=x", "en"),
    ],
)
def test_the_page_then_the_browser_then_the_site_choose_the_language(
    page_lang: str, accepted: str, expected: str
) -> None:
    """The page's language wins over the browser's wish, and that over the site's first."""
    assert choose_language(SITE, accepted, page_lang) == expected


@given(st.text(), st.text())
def test_any_header_gives_a_language_of_the_site(accepted: str, page_lang: str) -> None:
    """Whatever a browser or a page says, the language is one of the site's."""
    assert choose_language(SITE, accepted, page_lang) in SITE.languages


def test_a_language_without_texts_is_not_chosen() -> None:
    """A language tag that we have no texts for falls back to English."""
    assert choose_language(replace(SITE, languages=("tlh",)), "tlh") == "en"


def test_directions() -> None:
    """Arabic and Hebrew run from right to left, with a region too; others do not."""
    assert [direction(tag) for tag in ("ar", "he-IL", "FA", "en", "de")] == ["rtl", "rtl", "rtl", "ltr", "ltr"]


def test_localised_falls_back_step_by_step() -> None:
    """The language, its primary language, English, any, nothing."""
    texts = {"en": "E", "de": "D", "fr": "F"}
    assert [localised(texts, tag) for tag in ("fr", "de-AT", "ja")] == ["F", "D", "E"]
    assert localised({"fi": "S"}, "ja") == "S"
    assert localised({}, "en") == ""


def test_a_purpose_nobody_worded_shows_its_id() -> None:
    """A purpose of the owner's own without a label is named by its id, not left blank."""
    assert purpose_label(Purpose("surveys"), "en") == "surveys"


def test_offered_purposes_are_used_or_worded() -> None:
    """Unused built-in purposes are not asked about; those that the owner worded are, since marks may name them."""
    assert [purpose.id for purpose in offered(SITE)] == ["analytics", "marketing", "embeds"]
    worded = replace(
        SITE, services=(VIDEO,), purposes=(Purpose("preferences", label={"en": "Chat"}), Purpose("marketing"))
    )
    assert [purpose.id for purpose in offered(worded)] == ["preferences", "embeds"]


def test_a_page_in_utf_8_gets_letters_and_others_their_numbers() -> None:
    """Where the page's bytes are known to be UTF-8 no letter costs seven bytes; elsewhere any charset fits."""
    notice = Notice(SITE, Assets())
    asked = page(decision(prompt=True), lang="de")
    known, other = (notice.insertion(replace(asked, utf8=utf8)) for utf8 in (True, False))
    assert ("Datenschutzerklärung".encode() in known, other.isascii()) == (True, True)
    assert known.decode() == re.sub(r"&#(\d{3,});", lambda found: chr(int(found[1])), other.decode())
