"""``on_change``: the site's own code hears of every change, once, and no visitor is the worse for it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.core.choice import Action
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.engine import Engine
from consent_mw.http.request import RequestHead
from consent_mw.on_change import OptOuts
from tests.web.doubles import FORM
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor

ACCEPT = ("action", "accept-all")
REJECT = ("action", "reject-all")
SAVE = ("action", "save")
WITHDRAW = ("action", "withdraw")

Told = list[tuple[frozenset[str], frozenset[str], str]]
ALL = frozenset({"analytics", "marketing", "embeds", "necessary"})
NONE = frozenset({"necessary"})


class Ear:
    """A site's function: keeps the purposes before and after, and the receipt; may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.told: Told = []
        self.error = error
        self.rows: list[int] = []
        self.context = FakeContext(replace(SITE, on_change=self))

    def __call__(self, old: Decision, new: Decision, receipt: str) -> None:
        self.told.append((old.purposes, new.purposes, receipt))
        self.rows.append(len(self.context.records.rows))
        if self.error is not None:
            raise self.error


def erase(visitor: Visitor) -> int:
    """Have the record erased, and return the status of the answer."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    return visitor.send("POST", "/receipt/erase", body="lang=en", headers=headers, content_type=FORM).status_code


def test_every_change_is_told_with_its_receipt() -> None:
    """A first grant, a smaller one, and a withdrawal are told in order, each with the receipt it is about."""
    ear = Ear()
    visitor = Visitor(ear.context)
    for fields in ([ACCEPT], [SAVE, ("purpose", "analytics")], [WITHDRAW]):
        visitor.post(*fields)
    some = frozenset({"analytics", "necessary"})
    assert ear.told == [(NONE, ALL, "receipt-1"), (ALL, some, "receipt-2"), (some, NONE, "receipt-2")]


def test_a_change_is_told_when_it_is_in_the_records() -> None:
    """The function may look the receipt up: the ledger has it."""
    ear = Ear()
    Visitor(ear.context).post(ACCEPT)
    assert ear.rows == [1]


def test_a_refusal_is_told_without_a_receipt() -> None:
    """A first refusal is told, and tells nothing about who it was; the same again is not."""
    ear = Ear()
    visitor = Visitor(ear.context)
    visitor.post(REJECT)
    visitor.post(REJECT)
    assert ear.told == [(NONE, NONE, "")]


def test_an_erasure_is_told() -> None:
    """Who has the record erased has withdrawn, and the site's code hears which receipt it was."""
    ear = Ear()
    visitor = Visitor(ear.context)
    visitor.post(ACCEPT)
    assert erase(visitor) == 200
    assert ear.told[1:] == [(ALL, NONE, "receipt-1")]


def test_an_erasure_that_the_store_cannot_do_is_told_as_the_withdrawal_that_it_is() -> None:
    """The visitor's word counts whatever the store does, for the site's code too."""
    ear = Ear()
    visitor = Visitor(ear.context)
    visitor.post(ACCEPT)
    ear.context.records.failing = True
    assert erase(visitor) == 503
    assert ear.told[1:] == [(ALL, NONE, "receipt-1")]


def test_what_ends_with_a_choice_that_no_longer_counted_is_told() -> None:
    """A grant that answered an older question ends with the next answer, and its receipt is told."""
    ear = Ear()
    visitor = Visitor(ear.context)
    visitor.post(ACCEPT)
    ear.context.own_site = replace(ear.context.own_site, controller="Somebody else")
    visitor.post(REJECT)
    assert ear.told[1:] == [(NONE, NONE, "receipt-1")]


@pytest.mark.parametrize("step", ["origin", "action", "records"])
def test_what_was_not_recorded_is_not_notified(step: str) -> None:
    """A form that is refused, or a grant that the store did not take, changes nothing and is told to nobody."""
    ear = Ear()
    visitor = Visitor(ear.context)
    ear.context.records.failing = step == "records"
    answer = visitor.post(
        ("action", "nonsense") if step == "action" else ACCEPT,
        sec_fetch_site="cross-site" if step == "origin" else "same-origin",
    )
    assert (answer.status_code, ear.told) == ({"origin": 403, "action": 400, "records": 503}[step], [])


def test_a_function_that_fails_fails_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The choice counts, the visitor goes on, and the log says where it went wrong, without the error's own words."""
    ear = Ear(ValueError("about receipt-1"))
    visitor = Visitor(ear.context)
    with caplog.at_level(logging.ERROR, "consent_mw"):
        assert visitor.post(ACCEPT).status_code == 303
    assert isinstance(visitor.holds(), Record)
    assert "on_change failed by ValueError" in caplog.text
    assert "test_on_change.py" in caplog.text
    assert "receipt-1" not in caplog.text


# -- the opt-out signal


def granted(receipt: str = "receipt-1") -> Record:
    """Return a kept choice that granted marketing and analytics."""
    return Record(Action.PARTIAL, TODAY, SITE.revision, ALL - NONE, frozenset({"counter", "pixel"}), receipt)


SIGNAL = Signals(gpc=True)


def test_a_signal_that_takes_something_away_is_told_once() -> None:
    """The opt-out signal of somebody who had granted marketing is told, with the signal as its reason, once."""
    told: list[tuple[Decision, Decision, str]] = []
    outs = OptOuts(lambda old, new, receipt: told.append((old, new, receipt)))
    assert [outs.saw(SITE, granted(), SIGNAL, TODAY) for _ in range(3)] == [True, False, False]
    outs.notify()
    ((old, new, receipt),) = told
    found = (old.allows("marketing"), new.allows("marketing"), old.gpc, new.gpc, receipt)
    assert found == (True, False, False, True, "receipt-1")


@pytest.mark.parametrize(
    ("found", "signals"),
    [
        (granted(), Signals()),
        (Record(Action.REJECT, TODAY, SITE.revision), SIGNAL),
        (NoRecord.ABSENT, SIGNAL),
        (replace(granted(), services=frozenset({"counter"}), purposes=frozenset({"analytics"})), SIGNAL),
        (replace(granted(), gpc=True), SIGNAL),
        (replace(granted(), revision="0" * 12), SIGNAL),
    ],
)
def test_a_signal_that_changes_nothing_is_not_notified(found: Record | NoRecord, signals: Signals) -> None:
    """Where the signal takes nothing away, there is nothing to tell."""
    assert OptOuts(lambda old, new, receipt: None).saw(SITE, found, signals, TODAY) is False


def test_nobody_listens() -> None:
    """Without a function nothing is remembered about anybody."""
    outs = OptOuts(None)
    assert outs.saw(SITE, granted(), SIGNAL, TODAY) is False
    assert len(outs._notified) == 0


def test_more_opt_outs_than_can_wait_are_told_later(caplog: pytest.LogCaptureFixture) -> None:
    """What does not find room is said in the log, and taken up with the visitor's next page."""
    told: list[str] = []
    outs = OptOuts(lambda old, new, receipt: told.append(receipt))
    for number in range(1001):
        outs.saw(SITE, granted(f"r{number}"), SIGNAL, TODAY)
    outs.notify()
    assert (len(told), "r0" in told, "on_change is slower" in caplog.text) == (1000, False, True)
    assert outs.saw(SITE, granted("r0"), SIGNAL, TODAY) is True


def test_a_page_view_with_the_signal_is_told_beside_the_request(tmp_path: Path) -> None:
    """The site's code hears of the opt-out although the visitor only looked at a page."""
    told: list[str] = []
    services = [{"use": "google-analytics"}, {"use": "meta-pixel"}]

    def on_change(old: Decision, new: Decision, receipt: str) -> None:
        told.append(receipt)

    settings = {"records": f"sqlite:///{tmp_path}/consent.db", "on_change": on_change, "counters": "off"}
    engine = Engine.configured({"site": settings, "services": services})
    now = engine.now()
    both = frozenset({"google-analytics", "meta-pixel"})
    record = Record(Action.ACCEPT, engine.today(), now.site.revision, ALL, both, "receipt-1")
    plain = RequestHead("GET", "https", "shop.example", "/", "", ())
    cookie = now.cookies.set_cookie(record, plain).partition(";")[0]
    for _ in range(2):
        exchange = engine.exchange(replace(plain, headers=(("cookie", cookie), ("sec-gpc", "1"))))
        exchange.start(200, "OK", [("Content-Type", "text/html")])
    engine.close()
    assert told == ["receipt-1"]
