"""
What people can do about the record of their choice, with nothing but its cookie.

Long because each action is tried with the store up and down.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from bs4 import Tag
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from consent_mw.core.choice import Action
from consent_mw.core.choice import Record
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError
from consent_mw.proof.erasing import erase as erase_receipt
from consent_mw.proof.sealing import seal_new
from tests.web.doubles import FORM
from tests.web.doubles import KEY
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import Visitor
from tests.web.doubles import notice_of

ACCEPT = ("action", "accept-all")
REJECT = ("action", "reject-all")
SAVE = ("action", "save")
SAME = {"Sec-Fetch-Site": "same-origin"}
COOKIE = "__Host-cmw"


def agreed(*fields: tuple[str, str], told: dict[str, str] | None = None) -> Visitor:
    """Return a visitor who has granted everything, or what the fields say."""
    visitor = Visitor(told=told)
    assert visitor.post(*(fields or (ACCEPT,))).status_code == 303
    return visitor


def soup(visitor: Visitor, path: str = "/receipt", **headers: str) -> BeautifulSoup:
    """Return the page."""
    answer = visitor.get(path, **headers)
    assert answer.status_code == 200
    return BeautifulSoup(answer.text, "html.parser")


def facts(page: BeautifulSoup) -> dict[str, str]:
    """Return what stands on the page about the record."""
    section = page.select_one("section.now")
    assert section is not None
    return {
        str(one.select("dt")[0].get_text(strip=True)): str(one.select("dd")[0].get_text(strip=True))
        for one in section.select("dl > div")
    }


def erase(visitor: Visitor, *, body: str = "", headers: dict[str, str] | None = None) -> TestResponse:
    """Press the button that erases, as the receipt page has it unless a body is given."""
    return visitor.send("POST", "/receipt/erase", body=body, headers=headers or SAME, content_type=FORM)


def seal(visitor: Visitor) -> int:
    """Seal what waits."""
    return seal_new(visitor.context.records.store, site=SITE.id, keys=(KEY,), today=TODAY)


# -- to see


def test_the_page_says_all_that_is_kept() -> None:
    """Number, day, purposes, services, notice, proof and end stand there in plain words."""
    visitor = agreed(SAVE, ("purpose", "embeds"), ("service", "counter"))
    assert facts(soup(visitor)) == {
        "Number": "receipt-1",
        "Agreed on": "22 November 2026",
        "Agreed to": "Embedded content",
        "Services": "Video Player and Visit Counter",
        "Notice": "Show the notice that you were shown (English)",
        "Proof": "Recorded; it is sealed tomorrow",
        "Kept until": "15 May 2028",
    }


def test_every_field_of_the_entry_is_on_the_page() -> None:
    """What the ledger holds of a person is what the person is shown: no field of the entry stays untold."""
    visitor = agreed(told={"Sec-GPC": "1"})
    (entry,) = visitor.context.records.rows
    shown = facts(soup(visitor))
    told = {
        "receipt": shown["Number"] == entry.receipt,
        "act": shown["Agreed to"] == "Statistics and Embedded content",
        "day": shown["Agreed on"] == "22 November 2026",
        "purposes": entry.purposes == {"analytics", "embeds"},
        "services": shown["Services"] == "Video Player and Visit Counter",
        "gpc": "Sent by your browser" in shown["Opt-out request"],
        "language": "(English)" in shown["Notice"],
        "notice": entry.notice in visitor.get("/receipt/notice").text,
    }
    # The rest says nothing about anybody: which site and notice it is, and that it is no tombstone.
    assert (set(told) | {"site", "revision", "about"}, all(told.values())) == (set(type(entry).__slots__), True)


def test_a_sealed_record_says_so() -> None:
    """Once sealed, the page says that a change would be noticed."""
    visitor = agreed()
    assert "It holds the proof once the record is sealed" in soup(visitor).get_text()
    assert seal(visitor) == 1
    assert facts(soup(visitor))["Proof"] == "Sealed: it cannot be changed without being noticed"
    assert "A file with the record and its proof" in soup(visitor).get_text()


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([], "You have not chosen yet"),
        ([REJECT], "the same for everyone who said no on that day"),
        ([ACCEPT, REJECT], "the site keeps for up to 540 days"),
    ],
)
def test_people_without_a_receipt_see_what_that_means(answers: list[tuple[str, str]], words: str) -> None:
    """Undecided, refused and withdrawn: nothing is shown about them, and the page says why."""
    visitor = Visitor()
    for answer in answers:
        visitor.post(answer)
    page = soup(visitor)
    assert "Nothing is kept about you" in page.get_text()
    assert words in page.get_text()
    assert page.select("form") == []


def test_a_choice_that_no_longer_counts_still_has_its_record() -> None:
    """A grant of an earlier revision, or one that is too old, can be seen and erased all the same."""
    visitor = agreed()
    visitor.context.own_site = replace(SITE, controller="New owner")
    assert facts(soup(visitor))["Number"] == "receipt-1"
    visitor.context.day += 400
    assert facts(soup(visitor))["Agreed on"] == "22 November 2026"


def test_a_receipt_that_ended_elsewhere_says_so() -> None:
    """A second browser with the same cookie sees that the choice was replaced, and the record is kept longer for it."""
    visitor = agreed()
    old = dict(visitor.jar)
    visitor.context.day += 3
    visitor.post(SAVE, ("purpose", "embeds"))
    visitor.jar = old
    shown = facts(soup(visitor))
    assert (shown["Ended on"], shown["Kept until"]) == ("25 November 2026", "18 May 2028")


def test_an_erased_record_is_gone_for_other_browsers() -> None:
    """A copy of the cookie leads to nothing any more, and can still be withdrawn."""
    visitor = agreed()
    erase_receipt(visitor.context.records, "receipt-1", site=SITE.id, keys=visitor.context.keys(), today=TODAY)
    page = soup(visitor)
    assert "There is no record under this number" in page.get_text()
    assert [form["action"] for form in page.select("form")] == ["/_cmw/choice", "/_cmw/receipt/erase"]


def test_a_record_that_the_store_has_lost_is_on_the_page_again() -> None:
    """The visitor looks for it, so it is written again from the cookie before the page is made."""
    visitor = agreed(SAVE, ("purpose", "embeds"))
    visitor.context.records.store.erase("receipt-1", TODAY)  # without a mark: nobody asked for that
    shown = facts(soup(visitor))
    assert (shown["Number"], shown["Agreed on"], shown["Services"]) == ("receipt-1", "22 November 2026", "Video Player")
    assert [(row.receipt, row.about) for row in visitor.context.records.rows] == [("receipt-1", "cookie")]


def test_a_dead_store_leaves_what_the_cookie_says() -> None:
    """The page opens without the ledger, says so, and shows what was granted."""
    visitor = agreed(SAVE, ("purpose", "embeds"))
    visitor.context.records.failing = True
    page = soup(visitor)
    assert "cannot be looked up just now" in page.get_text()
    assert facts(page) == {
        "Number": "receipt-1",
        "Agreed on": "22 November 2026",
        "Agreed to": "Embedded content",
        "Services": "Video Player",
    }


def test_a_service_that_is_gone_is_named_by_its_id() -> None:
    """What was granted to a service that the site has dropped since is still told."""
    visitor = agreed(SAVE, ("service", "video"))
    visitor.context.own_site = replace(SITE, services=tuple(one for one in SITE.services if one.id != "video"))
    shown = facts(soup(visitor))
    assert (shown["Agreed to"], shown["Services"]) == ("embeds", "video")


def test_the_page_is_in_the_visitors_language() -> None:
    """German and French people read it in their language, and can choose another."""
    visitor = agreed()
    assert "Was zu Ihrer Auswahl gespeichert ist" in soup(visitor, Accept_Language="de").get_text()
    page = soup(visitor, "/receipt?lang=fr&back=/prints")
    assert "Ce qui est conservé sur votre choix" in page.get_text()
    links = [str(link["href"]) for link in page.select("nav a")]
    assert links == [f"/_cmw/receipt?back=/prints&lang={lang}" for lang in ("en", "de", "fr")]


def test_the_preferences_lead_to_it() -> None:
    """One link from the page that everybody knows, which carries the way back and the language along."""
    links = soup(agreed(), "/?back=/prints&lang=de").select(".kept a")
    assert [link["href"] for link in links] == ["/_cmw/receipt?back=/prints&lang=de"]


@pytest.mark.parametrize("path", ["/receipt", "/receipt/notice", "/receipt/notice/shown"])
def test_the_pages_are_kept_by_nobody_and_framed_by_no_other_site(path: str) -> None:
    """No cache keeps them, no search engine lists them, and no other site can put them under a click."""
    headers = agreed().get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Robots-Tag"] == "noindex"
    assert headers["X-Frame-Options"] == ("SAMEORIGIN" if path.endswith("shown") else "DENY")
    assert "script" not in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].startswith(("default-src 'none'", "sandbox; default-src 'none'"))


def test_no_address_tells_the_receipt() -> None:
    """The number is in no link: an address ends up in logs and histories."""
    page = soup(agreed())
    addresses = [
        str(one.get(name, "")) for one in page.select("[href], [action], [src]") for name in ("href", "action")
    ]
    assert [address for address in addresses if "receipt-1" in address] == []


# -- the notice


def test_the_notice_is_shown_as_it_was() -> None:
    """After the site has changed its words, the one who agreed still reads the old ones."""
    visitor = agreed(ACCEPT, ("lang", "de"))
    kept = visitor.context.records.rows[0].notice
    visitor.context.own_site = replace(SITE, controller="New owner", services=SITE.services[:1])
    page = soup(visitor, "/receipt/notice?lang=en")
    assert kept in page.get_text()
    names = [one.get_text() for one in page.select("section strong")]
    assert names == ["Statistik", "Marketing", "Eingebettete Inhalte", "Visit Counter", "Heat Map", "Ad Pixel"] + [
        "Video Player"
    ]
    frame = soup(visitor, "/receipt/notice/shown")
    assert "Portrait Shop Ltd, London" in frame.get_text()
    assert "Alle ablehnen" in frame.get_text()


def test_the_notice_under_the_signal_is_the_one_without_marketing() -> None:
    """Who sent the opt-out signal sees the notice that answered it."""
    frame = soup(agreed(told={"Sec-GPC": "1"}), "/receipt/notice/shown")
    assert [box["value"] for box in frame.select("input[type=checkbox]")] == ["analytics", "embeds"]


def test_nothing_works_in_the_shown_notice() -> None:
    """It has no script, its links lead nowhere, and the browser is told to submit nothing."""
    answer = agreed().get("/receipt/notice/shown")
    page = BeautifulSoup(answer.text, "html.parser")
    assert page.select("script, [href], iframe, img") == []
    assert answer.headers["Content-Security-Policy"].split("; ")[0] == "sandbox"


def test_the_kept_document_can_be_checked() -> None:
    """The bytes that are handed out are those that the address was made of."""
    visitor = agreed()
    answer = visitor.get("/receipt/notice/document")
    assert hashlib.sha256(answer.data).hexdigest() == visitor.context.records.rows[0].notice
    assert answer.headers["Content-Disposition"].startswith("attachment; ")


ALTERED = notice_of(SITE).document.replace(b"similar technologies", b"whatever we please")


@pytest.mark.parametrize("document", [None, b"{}", b"\xff", ALTERED])
def test_a_notice_that_is_not_what_it_was_is_not_shown(document: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing or altered document is told, and nothing of it is shown."""
    visitor = agreed()
    monkeypatch.setattr(visitor.context.records, "notice", lambda digest: document, raising=False)
    page = soup(visitor, "/receipt/notice")
    assert "is not there any more, or is not what it was" in page.get_text()
    assert page.select("iframe") == []
    assert visitor.get("/receipt/notice/shown").status_code == 404
    assert visitor.get("/receipt/notice/document").status_code == 404


@pytest.mark.parametrize(
    "document", [b"[]", b"{}", b'{"languages": {"en": 5}}', b'{"languages": {"en": {"banner": 1}}}']
)
def test_a_notice_of_an_unknown_form_is_not_shown(document: bytes) -> None:
    """A document that fits its address and cannot be read by this version breaks no page."""
    visitor = agreed()
    store = visitor.context.records.store
    digest = hashlib.sha256(document).hexdigest()
    store.keep_notice(digest, document)
    store.erase("receipt-1", TODAY)
    store.append(replace(_grant(visitor), notice=digest))
    assert "is not there any more" in soup(visitor, "/receipt/notice").get_text()


def _grant(visitor: Visitor) -> Entry:
    found = visitor.holds()
    assert isinstance(found, Record)
    return Entry(SITE.id, found.receipt, Act.ACCEPT, TODAY, language="en")


@pytest.mark.parametrize(
    "path", ["/receipt/notice", "/receipt/notice/shown", "/receipt/notice/document", "/receipt/download"]
)
def test_without_a_receipt_there_is_nothing_to_open(path: str) -> None:
    """A stranger gets a plain page; so does one whose record is gone, and a dead store is told as such."""
    assert Visitor().get(path).status_code == 404
    visitor = agreed()
    visitor.context.records.failing = True
    answer = visitor.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "cannot be looked up just now" in answer.text
    visitor.context.records.failing = False
    erase_receipt(visitor.context.records, "receipt-1", site=SITE.id, keys=visitor.context.keys(), today=TODAY)
    assert "There is no record under this number" in visitor.get(path).text


# -- to take along


def test_the_receipt_can_be_taken_along() -> None:
    """It is a file with the entry and, once sealed, its proof; it carries what the page shows."""
    visitor = agreed()
    seal(visitor)
    answer = visitor.get("/receipt/download")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="consent-receipt-2026-11-22.json"'
    assert (answer.mimetype, answer.headers["Cache-Control"]) == ("application/json", "no-store")
    document = json.loads(answer.data)
    assert (document["format"], document["receipt"]) == ("consent_mw.receipt.v1", "receipt-1")
    assert [entry["entry"]["act"] for entry in document["entries"]] == ["accept"]


# -- to withdraw


def test_withdrawing_leads_back_and_keeps_the_proof() -> None:
    """The button of the page withdraws; the ledger says that it ended, and the page that nothing is connected."""
    visitor = agreed()
    form = soup(visitor).select("form")[0]
    fields = [(str(one["name"]), str(one["value"])) for one in form.select("input, button")]
    answer = visitor.post(*fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/_cmw/receipt?back=/&lang=en")
    assert [row.act for row in visitor.context.records.rows] == [Act.ACCEPT, Act.WITHDRAW]
    assert "You withdrew what you had agreed to" in soup(visitor).get_text()


# -- to erase


def pressed(visitor: Visitor) -> str:
    """Return the body that the page's own button sends."""
    form = soup(visitor).select_one("form[action$=erase]")
    assert isinstance(form, Tag)
    return "&".join(f"{one['name']}={one['value']}" for one in form.select("input"))


@pytest.mark.parametrize("sealed", [False, True])
def test_erasing_leaves_nothing_of_the_receipt(sealed: bool) -> None:
    """The record is gone, sealed or not; what stays are notes that have numbers of their own."""
    visitor = agreed()
    if sealed:
        seal(visitor)
    answer = erase(visitor, body=pressed(visitor))
    assert (answer.status_code, visitor.context.records.store.history("receipt-1")) == (200, [])
    assert [(row.act, row.receipt == "receipt-1") for row in visitor.context.records.rows] == (
        [(Act.ERASE, False)] * (2 if sealed else 1)
    )
    assert "is erased" in answer.text


def test_erasing_leaves_exactly_the_cookie_of_a_refusal() -> None:
    """Who erased and who refused on that day hold the same bytes, and nobody else's cookies stay."""
    visitor, refuser = agreed(), Visitor()
    visitor.jar["_vc"] = "1"
    refuser.post(REJECT)
    erase(visitor)
    assert visitor.jar == refuser.jar
    assert visitor.holds() == Record(Action.REJECT, TODAY, SITE.revision)


def test_erasing_is_counted_as_a_withdrawal() -> None:
    """The consent ended, so the totals say so, once."""
    visitor = agreed()
    body = pressed(visitor)
    erase(visitor, body=body)
    erase(visitor, body=body)
    assert [told[1] for told in visitor.context.counting.told] == ["accept", "withdraw"]


def test_erasing_with_a_dead_store_withdraws_and_can_be_tried_again() -> None:
    """503, the choice is off, and the page's own button erases once the store is back."""
    visitor = agreed()
    visitor.context.records.failing = True
    answer = erase(visitor)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert visitor.holds() == Record(Action.REJECT, TODAY, SITE.revision)
    page = BeautifulSoup(answer.text, "html.parser")
    assert "could not be erased just now" in page.get_text()
    assert "receipt-1" in page.get_text()
    assert [link["href"] for link in page.select("a[href^=mailto]")] == ["mailto:privacy@portrait.example"]
    body = "&".join(f"{one['name']}={one['value']}" for one in page.select("form input"))
    again = BeautifulSoup(erase(visitor, body=body).text, "html.parser")
    assert again.select("form input") == page.select("form input")
    visitor.context.records.failing = False
    assert erase(visitor, body=body).status_code == 200
    assert [row.about for row in visitor.context.records.rows] == ["mark"]


def test_what_cannot_be_erased_is_ended_where_that_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that only appends, as a spool does, notes the withdrawal."""
    visitor = agreed()

    def broken(*_: object) -> None:
        raise RecordsError("the store is away")

    monkeypatch.setattr(visitor.context.records, "erase", broken, raising=False)
    assert erase(visitor).status_code == 503
    assert [row.act for row in visitor.context.records.rows] == [Act.ACCEPT, Act.WITHDRAW]


def test_a_page_from_before_erases_what_it_was_about_and_what_is_held_now() -> None:
    """Who chose again in another tab and then presses the old button is rid of both records."""
    visitor = agreed()
    body = pressed(visitor)
    visitor.post(SAVE, ("purpose", "embeds"))
    assert erase(visitor, body=body).status_code == 200
    assert [row.about for row in visitor.context.records.rows] == ["mark", "mark"]


def test_a_number_alone_erases_nothing() -> None:
    """Only what we signed leads to a record: who knows a number, from an export for example, cannot erase by it."""
    visitor = agreed()
    token = visitor.jar[COOKIE]
    stranger = Visitor(visitor.context)
    for held in ("receipt-1", token[:-4], token.replace("receipt-1", "receipt-2"), ""):
        assert erase(stranger, body=f"held={held}").status_code == 303
    assert [row.act for row in visitor.context.records.rows] == [Act.ACCEPT]
    assert stranger.jar == {}


def test_who_has_no_receipt_keeps_the_choice() -> None:
    """Erasing nothing changes nothing: a refusal stays, and the undecided stay so."""
    visitor = Visitor()
    visitor.post(REJECT)
    before = dict(visitor.jar)
    answer = erase(visitor)
    assert (answer.status_code, answer.headers["Location"], visitor.jar) == (303, "/_cmw/receipt", before)


@pytest.mark.parametrize(
    "origin",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
    ],
)
def test_other_sites_cannot_erase(origin: dict[str, str]) -> None:
    """A request that another site made changes nothing."""
    visitor = agreed()
    assert erase(visitor, headers=origin).status_code == 403
    assert [row.act for row in visitor.context.records.rows] == [Act.ACCEPT]


def test_only_the_form_erases() -> None:
    """No other method and no other kind of body does."""
    visitor = agreed()
    assert visitor.get("/receipt/erase").status_code == 405
    assert (
        visitor.send("POST", "/receipt/erase", body=b"{}", headers=SAME, content_type="text/plain").status_code == 415
    )
    assert [row.act for row in visitor.context.records.rows] == [Act.ACCEPT]


def test_who_tells_no_origin_can_erase() -> None:
    """An old browser's person has the same right; nothing is granted by it."""
    for headers in ({"X-Nothing": "1"}, {"Origin": "null"}):
        assert erase(agreed(), headers=headers).status_code == 200


def test_nothing_about_a_receipt_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever fails, the log has no number of a receipt."""
    visitor = agreed()
    visitor.context.records.failing = True
    for path in ("/receipt", "/receipt/notice", "/receipt/download"):
        visitor.get(path)
    erase(visitor)
    assert caplog.text.count("the disk is full") >= 4
    assert "receipt-1" not in caplog.text


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_no_body_breaks_the_erasing(body: bytes) -> None:
    """Any bytes get an answer that is no server error, and erase what the cookie says."""
    visitor = agreed()
    answer = visitor.send("POST", "/receipt/erase", body=body, headers=SAME, content_type=FORM)
    assert (answer.status_code, [row.about for row in visitor.context.records.rows]) == (200, ["mark"])
