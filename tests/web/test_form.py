"""POST /choice: each step of the check, and what is left behind by a refusal, a grant and a withdrawal."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from consent_mw.core.choice import Action
from consent_mw.core.choice import Record
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError
from tests.web.doubles import FORM
from tests.web.doubles import REMOTE
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor

ACCEPT = ("action", "accept-all")
REJECT = ("action", "reject-all")
SAVE = ("action", "save")
WITHDRAW = ("action", "withdraw")


def held(visitor: Visitor) -> Record:
    """Return the record that the visitor's cookie carries."""
    found = visitor.holds()
    assert isinstance(found, Record)
    return found


def test_accepting_leads_back_with_a_cookie_and_a_record() -> None:
    """A grant is kept by the visitor and proved by the ledger, under one new receipt."""
    visitor = Visitor()
    answer = visitor.post(ACCEPT, ("back", "/prints?size=20"), ("lang", "de"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/prints?size=20")
    found = held(visitor)
    assert visitor.context.records.rows == [
        Entry(
            site=SITE.id,
            receipt="receipt-1",
            act=Act.ACCEPT,
            day=TODAY,
            revision=SITE.revision,
            purposes=found.purposes,
            services=found.services,
            language="de",
            notice=visitor.context.notice().digest,
        )
    ]
    assert found == Record(
        action=Action.ACCEPT,
        day=TODAY,
        revision=SITE.revision,
        purposes=frozenset({"analytics", "marketing", "embeds"}),
        services=frozenset({"counter", "heatmap", "pixel", "video"}),
        receipt="receipt-1",
    )


def test_refusing_leaves_no_row_and_no_id() -> None:
    """Two refusals of a day are the same bytes, signal or not, and nothing is recorded about either."""
    first, second = Visitor(), Visitor(told={"Sec-GPC": "1"})
    assert [visitor.post(REJECT).status_code for visitor in (first, second)] == [303, 303]
    assert first.jar == second.jar
    assert held(first) == Record(Action.REJECT, TODAY, SITE.revision)
    assert first.context.records.rows == []
    assert first.context.receipts == 0


def test_saving_grants_what_is_ticked() -> None:
    """A purpose and a service of another purpose are granted together."""
    visitor = Visitor()
    visitor.post(SAVE, ("purpose", "analytics"), ("service", "video"))
    assert held(visitor).purposes == {"analytics", "embeds"}
    assert held(visitor).services == {"counter", "video"}
    assert held(visitor).action is Action.PARTIAL


def test_unknown_ids_are_left_out() -> None:
    """Only what the site declares can be granted, and no necessary service needs to be."""
    visitor = Visitor()
    visitor.post(SAVE, ("service", "google-analytics"), ("service", "pay"), ("service", "video"), ("purpose", "all"))
    assert held(visitor).services == {"video"}


def test_saving_only_unknown_ids_is_a_refusal() -> None:
    """Where nothing known is ticked, nothing is granted."""
    visitor = Visitor()
    visitor.post(SAVE, ("service", "google-analytics"))
    assert held(visitor).action is Action.REJECT


@pytest.mark.parametrize("fields", [[], [("action", "")], [("action", "Accept-All")], [("purpose", "analytics")]])
def test_an_unknown_action_changes_nothing(fields: list[tuple[str, str]]) -> None:
    """A form without a known action gets a plain page and no cookie."""
    visitor = Visitor()
    answer = visitor.post(*fields)
    assert (answer.status_code, visitor.jar) == (400, {})
    assert "Nothing was changed" in answer.text


def test_withdrawing_is_recorded_under_the_old_receipt() -> None:
    """The ledger closes the grant, and the cookie holds no id any more."""
    visitor = Visitor()
    visitor.post(ACCEPT)
    visitor.post(WITHDRAW)
    last = visitor.context.records.rows[-1]
    assert last == Entry(SITE.id, "receipt-1", Act.WITHDRAW, TODAY, SITE.revision)
    assert held(visitor) == Record(Action.WITHDRAW, TODAY, SITE.revision)


def test_a_new_grant_has_a_new_receipt_and_closes_the_old_one() -> None:
    """Choices of one visitor are not one row: the new grant is recorded first, then the old one ends."""
    visitor = Visitor()
    visitor.post(ACCEPT)
    visitor.post(SAVE, ("purpose", "embeds"))
    rows = [(row.receipt, row.act) for row in visitor.context.records.rows]
    assert rows == [("receipt-1", Act.ACCEPT), ("receipt-1", Act.REPLACE), ("receipt-2", Act.PARTIAL)]
    assert visitor.context.records.calls[-2:] == ["append", "append"]


def test_withdrawing_what_no_longer_counts_is_recorded_too() -> None:
    """A grant of an earlier revision has a receipt that can still be closed."""
    visitor = Visitor()
    visitor.post(ACCEPT)
    visitor.context.own_site = replace(SITE, controller="New owner")
    visitor.post(REJECT)
    assert [row.act for row in visitor.context.records.rows] == [Act.ACCEPT, Act.WITHDRAW]


def after_the_question_changed(**changes: object) -> tuple[Visitor, tuple[str, str]]:
    """Return a visitor of a site whose question changed, and the field by which an earlier form names its question."""
    visitor = Visitor()
    visitor.context.own_site = replace(SITE, controller="New owner", **changes)  # type: ignore[arg-type]
    return visitor, ("asked", SITE.asked)


def test_a_grant_from_a_form_of_an_earlier_question_grants_nothing() -> None:
    """The form did not name what the site asks about now, so its page is shown again; a refusal counts."""
    visitor, earlier = after_the_question_changed()
    answer = visitor.post(ACCEPT, earlier, ("back", "/prints"))
    assert (answer.status_code, answer.headers["Location"], visitor.jar) == (303, "/prints", {})
    assert visitor.context.records.rows == []
    visitor.post(REJECT, earlier)
    assert held(visitor).action is Action.REJECT


@pytest.mark.parametrize("caching", ["shared", "class"])
def test_an_outdated_notice_in_a_cached_page_leads_to_the_preferences(caching: str) -> None:
    """A cache would show the outdated notice again, so a visitor could never grant anything."""
    visitor, earlier = after_the_question_changed(caching=caching)
    answer = visitor.post(ACCEPT, earlier, ("back", "/prints"))
    assert (answer.status_code, answer.headers["Location"], visitor.jar) == (303, "/_cmw/?back=/prints", {})


def test_a_form_that_names_no_question_counts() -> None:
    """Owners write forms of their own, which cannot know the revision."""
    visitor, _ = after_the_question_changed()
    visitor.post(ACCEPT)
    assert held(visitor).action is Action.ACCEPT


def test_a_grant_that_cannot_be_recorded_is_not_granted() -> None:
    """A dead store refuses the grant, says so, and sets no cookie."""
    visitor = Visitor()
    visitor.context.records.failing = True
    answer = visitor.post(ACCEPT)
    assert (answer.status_code, answer.headers["Retry-After"], visitor.jar) == (503, "10", {})
    assert "could not be recorded" in answer.text


def test_a_grant_that_cannot_be_recorded_leaves_the_earlier_choice() -> None:
    """Who had refused has still refused."""
    visitor = Visitor()
    visitor.post(REJECT)
    visitor.context.records.failing = True
    visitor.post(ACCEPT)
    assert held(visitor).action is Action.REJECT


def test_a_refusal_and_a_withdrawal_need_no_store(caplog: pytest.LogCaptureFixture) -> None:
    """A dead store never keeps a visitor from saying no; what could not be written is logged."""
    visitor = Visitor()
    visitor.post(ACCEPT)
    visitor.context.records.failing = True
    answer = visitor.post(WITHDRAW)
    assert (answer.status_code, held(visitor).action) == (303, Action.WITHDRAW)
    assert "a withdrawal is honoured, but could not be recorded: the disk is full" in caplog.text
    assert visitor.post(REJECT).status_code == 303


def test_the_cookie_needs_a_secure_place(caplog: pytest.LogCaptureFixture) -> None:
    """Over plain http nothing is kept or recorded; the page says why, the log names the setting."""
    visitor = Visitor(scheme="http")
    with caplog.at_level(logging.WARNING):
        answer = visitor.post(ACCEPT)
    assert (answer.status_code, visitor.jar, visitor.context.records.rows) == (403, {}, [])
    assert "not on a secure connection" in answer.text
    assert "allow_insecure_http = true" in caplog.text


def test_localhost_is_a_secure_place() -> None:
    """A developer's machine needs no certificate."""
    visitor = Visitor(scheme="http", host="localhost:5000")
    assert visitor.post(REJECT).status_code == 303
    assert list(visitor.jar) == ["cmw"]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "other"])
@pytest.mark.parametrize("action", [ACCEPT, REJECT, WITHDRAW])
def test_other_sites_cannot_choose(site: str, action: tuple[str, str]) -> None:
    """A request that another site made is refused, refusals included."""
    visitor = Visitor()
    answer = visitor.post(action, Sec_Fetch_Site=site)
    assert (answer.status_code, visitor.jar) == (403, {})
    assert "did not come from this site" in answer.text


def test_an_old_browser_is_known_by_its_origin() -> None:
    """Without Sec-Fetch-Site the full Origin decides."""
    good, bad = Visitor(), Visitor()
    assert good.post(ACCEPT, Origin="https://shop.example").status_code == 303
    assert bad.post(ACCEPT, Origin="https://evil.example").status_code == 403
    assert bad.post(ACCEPT, Origin="null").status_code == 403


def test_who_tells_no_origin_can_refuse_but_not_grant() -> None:
    """Without either header a grant is refused, a refusal and a withdrawal are honoured."""
    visitor = Visitor()
    silent = {"X-Nothing": "1"}
    assert visitor.post(ACCEPT, **silent).status_code == 403
    assert visitor.post(SAVE, ("purpose", "embeds"), **silent).status_code == 403
    assert visitor.post(REJECT, **silent).status_code == 303
    visitor.post(ACCEPT)
    assert visitor.post(WITHDRAW, **silent).status_code == 303
    assert held(visitor).action is Action.WITHDRAW


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_only_a_post_changes_anything(method: str) -> None:
    """No other method chooses, whatever the query says."""
    visitor = Visitor()
    answer = visitor.send(method, "/choice?action=accept-all", headers={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, visitor.jar, visitor.context.records.rows) == (405, {}, [])
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", None])
def test_other_kinds_of_body_are_refused(content_type: str | None) -> None:
    """Only the form's own type is read, so no script of another kind can be mistaken for it."""
    visitor = Visitor()
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = visitor.send("POST", "/choice", body=b"action=reject-all", headers=headers, content_type=content_type)
    assert (answer.status_code, visitor.jar) == (415, {})


def test_a_large_body_is_refused() -> None:
    """More than 16 KiB is not read."""
    visitor = Visitor()
    answer = visitor.post(REJECT, ("service", "x" * 17_000))
    assert (answer.status_code, visitor.jar) == (413, {})


@pytest.mark.parametrize("back", ["//evil.example", "/\\evil.example", "https://evil.example", "/_cmw/choice", "/a\nb"])
def test_the_way_back_stays_on_the_site(back: str) -> None:
    """A forged way back leads to the site's first page."""
    assert Visitor().post(REJECT, ("back", back)).headers["Location"] == "/"


def test_a_site_under_a_prefix_has_its_own_first_page() -> None:
    """The first page of a site that lives under a path is that path, and its choice is no place to go to."""
    visitor = Visitor(prefix="/shop")
    assert visitor.post(REJECT).headers["Location"] == "/shop/"
    assert visitor.post(REJECT, ("back", "/shop/_cmw/choice")).headers["Location"] == "/shop/"


def test_tracker_cookies_are_expired_when_refused() -> None:
    """What the browser shows of services that may not run goes, on host and parent domains; the rest stays."""
    visitor = Visitor(host="www.shop.example")
    visitor.jar = {"_vc": "1", "_ap": "2", "session": "3", "__pay": "4"}
    answer = visitor.post(REJECT)
    gone = [line for line in answer.headers.getlist("Set-Cookie") if "Max-Age=0" in line]
    assert {line.partition("=")[0] for line in gone} == {"_vc", "_ap"}
    assert [line for line in gone if line.startswith("_vc=") and "Domain=shop.example" in line] != []
    assert visitor.jar.keys() == {"session", "__pay", "__Host-cmw"}


def test_a_partial_choice_expires_only_what_stops() -> None:
    """Cookies of granted services stay when others are refused."""
    visitor = Visitor()
    visitor.jar = {"_vc": "1", "_ap": "2"}
    visitor.post(SAVE, ("purpose", "analytics"))
    assert visitor.jar.keys() == {"_vc", "__Host-cmw"}


def test_accepting_under_the_signal_leaves_marketing_out() -> None:
    """Under GPC "accept all" is an acceptance of all but marketing."""
    visitor = Visitor(told={"Sec-GPC": "1"})
    visitor.post(ACCEPT)
    assert held(visitor).services == {"counter", "video"}
    assert held(visitor).gpc is True


def test_an_explicit_tick_under_the_signal_is_kept() -> None:
    """Marketing that was ticked in spite of the signal is granted, and the record says that the signal was there."""
    visitor = Visitor(told={"Sec-GPC": "1"})
    answer = visitor.send(
        "POST",
        "/choice",
        body="action=save&purpose=marketing",
        headers={"Sec-Fetch-Site": "same-origin", "Accept": "application/json"},
        content_type=FORM,
    )
    assert isinstance(answer.json, dict)
    assert (answer.json["state"], answer.json["granted"]) == ("partial", ["pay", "pixel"])
    assert answer.json["purposes"] == ["marketing", "necessary"]
    assert held(visitor).gpc is True


@pytest.mark.parametrize(
    ("value", "honoured"),
    [
        ("1", True),
        ("0", False),
        ("01", False),
        ("true", False),
        ("?1", False),
        ("1,1", True),
        ("0, 1", True),
        ("", False),
    ],
)
def test_only_an_exact_one_is_the_signal(value: str, honoured: bool) -> None:
    """Repeated headers arrive joined; one exact 1 among them is enough, and nothing else is the signal."""
    visitor = Visitor(told={"Sec-GPC": value})
    visitor.post(ACCEPT)
    assert ("marketing" not in held(visitor).purposes) is honoured


def test_the_runtime_gets_json() -> None:
    """Asked for JSON, the choice answers with what holds now and what opens it again, and sets the same cookie."""
    visitor = Visitor()
    answer = visitor.post(SAVE, ("purpose", "embeds"), Sec_Fetch_Site="same-origin", Accept="application/json")
    assert answer.status_code == 200
    said = answer.json
    assert isinstance(said, dict)
    control = said.pop("control")
    saved = {"saved": "Your choice has been saved."}
    assert said == {
        "state": "partial", "granted": ["pay", "video"], "purposes": ["embeds", "necessary"], **saved
    }  # fmt: skip
    assert (control[:45], "Cookie choices" in control) == ('<section class="cmw-ui cmw-reopen" data-cmw-r', True)
    assert held(visitor).services == {"video"}
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_beacon_of_a_page_that_was_left_leads_nowhere() -> None:
    """Such a refusal is recorded; a redirect would load a page that nobody sees."""
    visitor = Visitor()
    answer = visitor.post(REJECT, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="no-cors")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert held(visitor).action is Action.REJECT


def test_the_runtime_gets_failures_as_json() -> None:
    """Asked for JSON, a refusal of the server is JSON of one shape."""
    answer = Visitor().post(ACCEPT, Sec_Fetch_Site="cross-site", Accept="application/json")
    assert answer.status_code == 403
    assert answer.json is not None
    assert list(answer.json) == ["error"]


def test_the_notice_is_kept_before_the_grant_that_names_it() -> None:
    """A record leads to the notice that was answered, in the words that were shown."""
    visitor = Visitor()
    visitor.post(ACCEPT)
    assert visitor.context.records.calls == ["keep_notice", "append"]
    notice = visitor.context.notice()
    assert visitor.context.records.store.notice(notice.digest) == notice.document


def test_a_notice_is_kept_once_a_day() -> None:
    """The second grant under the same notice writes one entry and nothing else; the next day looks again."""
    context = FakeContext()
    visitor = Visitor(context)
    visitor.post(ACCEPT)
    visitor.jar.clear()
    visitor.post(ACCEPT)
    context.day += 1
    visitor.jar.clear()
    visitor.post(ACCEPT)
    assert context.records.calls == ["keep_notice", "append", "append", "keep_notice", "append"]


@pytest.mark.parametrize("call", ["keep_notice", "append"])
def test_a_store_that_fails_halfway_grants_nothing(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the notice or the entry cannot be written: 503, no cookie, no count, no entry."""
    visitor = Visitor()

    def broken(*_: object) -> None:
        raise RecordsError("the disk is full")

    monkeypatch.setattr(visitor.context.records, call, broken, raising=False)
    assert (visitor.post(ACCEPT).status_code, visitor.jar) == (503, {})
    assert (visitor.context.records.rows, visitor.context.counting.told) == ([], [])


def test_what_fails_never_tells_a_receipt(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of an error that is not our own stay out of the log: they may hold the receipt."""
    visitor = Visitor()
    visitor.post(ACCEPT)

    def broken(entry: Entry) -> None:
        raise ValueError(f"no room for {entry.receipt}")

    monkeypatch.setattr(visitor.context.records, "append", broken, raising=False)
    assert visitor.post(REJECT).status_code == 303
    assert "could not be recorded: ValueError" in caplog.text
    assert "receipt-1" not in caplog.text


@pytest.mark.parametrize(
    ("fields", "outcome", "purposes"),
    [
        ([ACCEPT], "accept", {"analytics", "marketing", "embeds"}),
        ([SAVE, ("purpose", "embeds")], "partial", {"embeds"}),
        ([REJECT], "reject", set()),
        ([WITHDRAW], "reject", set()),
    ],
)
def test_an_answer_is_counted(fields: list[tuple[str, str]], outcome: str, purposes: set[str]) -> None:
    """The counting hears what was answered, in which language, and under which signal."""
    visitor = Visitor()
    visitor.post(*fields, ("lang", "de"))
    assert visitor.context.counting.told == [(REMOTE, outcome, frozenset(purposes), "de", "bar", False)]


def test_ending_a_grant_is_counted_as_a_withdrawal() -> None:
    """A refusal after a grant is no second answer to the notice."""
    visitor = Visitor()
    visitor.post(ACCEPT)
    visitor.post(REJECT)
    assert [told[1] for told in visitor.context.counting.told] == ["accept", "withdraw"]


@pytest.mark.parametrize("fields", [[ACCEPT], [SAVE, ("purpose", "embeds")], [REJECT]])
def test_an_answer_that_changes_nothing_is_counted_once(fields: list[tuple[str, str]]) -> None:
    """Who sends the same answer again has answered once."""
    visitor = Visitor()
    visitor.post(*fields)
    visitor.post(*fields)
    assert len(visitor.context.counting.told) == 1


def test_a_failing_count_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """The choice stands whatever becomes of its count, and the log has the kind of the failure only."""
    visitor = Visitor()
    visitor.context.counting = None
    assert visitor.post(ACCEPT).status_code == 303

    class Broken:
        def answered(self, *_: object, **__: object) -> None:
            raise ValueError(REMOTE)

    visitor.context.counting = Broken()
    assert visitor.post(REJECT).status_code == 303
    assert "an answer could not be counted: ValueError" in caplog.text
    assert REMOTE not in caplog.text


@pytest.mark.parametrize(("mode", "status"), [("cors", 403), ("no-cors", 403), ("same-origin", 200), ("navigate", 200)])
def test_a_library_of_the_page_cannot_grant(mode: str, status: int) -> None:
    """What an attribute in a page's markup makes a library send has the mode "cors", or "no-cors" if it is a beacon."""
    visitor = Visitor()
    headers = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": mode, "Accept": "application/json"}
    sent = visitor.send("POST", "/choice", body="action=accept-all", headers=headers, content_type=FORM)
    assert sent.status_code == status


def test_a_redirect_has_a_body_for_servers_that_send_the_head_with_it() -> None:
    """One empty piece: Hypercorn answers a WSGI response without any with 500."""
    assert list(Visitor().post(ACCEPT).iter_encoded()) == [b""]
