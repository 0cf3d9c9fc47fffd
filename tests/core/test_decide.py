"""The rules of ``decide``, one test each, and the properties that hold for any input."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.choice import Action
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Reason
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.core.model import MARKETING
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import Purpose
from consent_mw.core.model import Service
from consent_mw.core.model import Site

TODAY = 20_779
QUIET = Signals()
GPC = Signals(gpc=True)


def service(name: str, *purposes: str) -> Service:
    """Return a service called ``name``."""
    return Service(id=name, name=name, vendor="V", purposes=purposes)


PURPOSES = tuple(Purpose(p, required=p == NECESSARY) for p in (NECESSARY, "analytics", MARKETING, "embeds"))
PAY = service("pay", NECESSARY)
STATS = service("stats", "analytics")
PIXEL = service("pixel", MARKETING)
BOTH = service("both", "analytics", MARKETING)
SITE = Site(purposes=PURPOSES, services=(PAY, STATS, PIXEL, BOTH))


def record(*services: str, **fields: object) -> Record:
    """Return a valid record of today that grants ``services`` and every purpose."""
    base = Record(
        action=Action.PARTIAL,
        day=TODAY,
        revision=SITE.revision,
        purposes=frozenset({"analytics", MARKETING}),
        services=frozenset(services),
        receipt="r" * 22,
    )
    return replace(base, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("why", list(NoRecord))
def test_without_a_record_only_what_is_necessary_is_granted(why: NoRecord) -> None:
    """Every reason for having no record grants the necessary services alone, prompts, and is told."""
    decision = decide(SITE, why, QUIET, TODAY)
    assert decision == Decision(frozenset({"pay"}), frozenset({NECESSARY}), prompt=True, reason=Reason(why.value))


def test_a_valid_record_grants_what_it_lists() -> None:
    """The services and purposes of a valid record are granted, and nobody is asked again."""
    found = record("stats", purposes=frozenset({"analytics"}))
    decision = decide(SITE, found, QUIET, TODAY)
    assert decision == Decision(
        frozenset({"pay", "stats"}),
        frozenset({NECESSARY, "analytics"}),
        prompt=False,
        reason=Reason.CHOSEN,
        record=found,
    )


def test_a_service_that_is_no_longer_declared_is_not_granted() -> None:
    """A grant for a service unknown to the site gives nothing."""
    assert decide(SITE, record("gone"), QUIET, TODAY).granted == {"pay"}


def test_a_purpose_that_is_no_longer_declared_is_not_granted() -> None:
    """A grant for a purpose unknown to the site gives nothing."""
    found = record(purposes=frozenset({"gone"}))
    assert decide(SITE, found, QUIET, TODAY).purposes == {NECESSARY}


@pytest.mark.parametrize("action", [Action.REJECT, Action.WITHDRAW])
def test_a_refusal_grants_nothing_even_if_it_lists_services(action: Action) -> None:
    """The action rules: a refusal that carries grants is still a refusal, and is not asked again."""
    decision = decide(SITE, record("stats", action=action), QUIET, TODAY)
    assert (decision.granted, decision.purposes, decision.prompt) == (frozenset({"pay"}), frozenset({NECESSARY}), False)


def test_a_record_of_another_revision_is_asked_again() -> None:
    """What was agreed to has changed, so nothing is granted and the visitor is asked."""
    decision = decide(SITE, record("stats", revision="000000000000"), QUIET, TODAY)
    assert (decision.granted, decision.prompt, decision.reason) == (frozenset({"pay"}), True, Reason.REVISED)


@pytest.mark.parametrize(("age", "reason"), [(180, Reason.CHOSEN), (181, Reason.EXPIRED)])
def test_a_record_expires_after_choice_days(age: int, reason: Reason) -> None:
    """A choice counts on its last day and no longer on the next."""
    assert decide(SITE, record("stats", day=TODAY - age), QUIET, TODAY).reason is reason


@pytest.mark.parametrize(("ahead", "reason"), [(1, Reason.CHOSEN), (2, Reason.FROM_THE_FUTURE)])
def test_a_record_from_the_future_is_not_believed(ahead: int, reason: Reason) -> None:
    """One day ahead is a clock that differs; two days are refused."""
    assert decide(SITE, record("stats", day=TODAY + ahead), QUIET, TODAY).reason is reason


def test_a_record_that_does_not_count_is_not_handed_on() -> None:
    """Nobody can use the grants of an expired record by way of the decision."""
    assert decide(SITE, record("stats", day=0), QUIET, TODAY).record is None


def test_a_site_without_optional_services_never_asks() -> None:
    """With necessary services alone there is nothing to ask, whatever the cookie says."""
    decision = decide(replace(SITE, services=(PAY,)), record("pay"), QUIET, TODAY)
    assert decision == Decision(frozenset({"pay"}), frozenset({NECESSARY}), prompt=False, reason=Reason.NOTHING_TO_ASK)


def test_gpc_takes_marketing_away() -> None:
    """The signal removes every service with the marketing purpose, and the purpose, from an earlier grant."""
    decision = decide(SITE, record("stats", "pixel", "both"), GPC, TODAY)
    assert (decision.granted, decision.purposes, decision.gpc) == (
        frozenset({"pay", "stats"}),
        frozenset({NECESSARY, "analytics"}),
        True,
    )


def test_a_choice_made_under_gpc_stands() -> None:
    """Who granted marketing in the preferences in spite of the signal keeps that choice."""
    decision = decide(SITE, record("pixel", gpc=True), GPC, TODAY)
    assert (decision.granted, decision.purposes) == (
        frozenset({"pay", "pixel"}),
        frozenset({NECESSARY, "analytics", MARKETING}),
    )


def test_gpc_does_not_take_analytics_away() -> None:
    """The signal is about selling and sharing: the site's own statistics keep their grant."""
    assert decide(SITE, record("stats"), GPC, TODAY).granted == {"pay", "stats"}


@pytest.mark.parametrize(
    ("services", "signals", "prompt"),
    [
        ((PIXEL, BOTH), GPC, False),
        ((PIXEL, BOTH), QUIET, True),
        ((PIXEL, STATS), GPC, True),
    ],
)
def test_gpc_answers_for_marketing_alone(services: tuple[Service, ...], signals: Signals, prompt: bool) -> None:
    """Under GPC nobody is asked where only marketing could be asked about."""
    site = replace(SITE, services=services)
    assert decide(site, NoRecord.ABSENT, signals, TODAY).prompt is prompt


NAMES = st.sampled_from([NECESSARY, "analytics", MARKETING, "embeds", "other"])
IDS = st.sampled_from(["pay", "stats", "pixel", "both", "gone"])
SERVICES = st.builds(
    lambda name, purposes: service(name, *purposes), IDS, st.lists(NAMES, min_size=1, max_size=3, unique=True)
)
SITES = st.builds(
    Site,
    purposes=st.sampled_from([(), PURPOSES]),
    services=st.lists(SERVICES, max_size=5, unique_by=lambda s: s.id).map(tuple),
    choice_days=st.integers(1, 400),
)
DAYS = st.one_of(st.integers(TODAY - 500, TODAY + 5), st.integers())


@st.composite
def cases(draw: st.DrawFn) -> tuple[Site, Record | NoRecord, Signals, int]:
    """Draw arguments of ``decide``, with the site's own revision as often as another."""
    site = draw(SITES)
    found = draw(
        st.one_of(
            st.sampled_from(NoRecord),
            st.builds(
                Record,
                action=st.sampled_from(Action),
                day=DAYS,
                revision=st.sampled_from([site.revision, "000000000000"]),
                purposes=st.frozensets(NAMES),
                services=st.frozensets(IDS),
                gpc=st.booleans(),
            ),
        )
    )
    return site, found, Signals(gpc=draw(st.booleans())), draw(st.one_of(st.just(TODAY), DAYS))


@given(cases())
def test_never_grants_what_the_record_does_not(case: tuple[Site, Record | NoRecord, Signals, int]) -> None:
    """For any input, what is granted beyond the necessary is declared and stands in a valid record."""
    site, found, signals, today = case
    decision = decide(site, found, signals, today)
    necessary = {s.id for s in site.services if s.necessary}
    listed = found.services if isinstance(found, Record) else frozenset()
    named = found.purposes if isinstance(found, Record) else frozenset()
    assert decision.granted - necessary <= listed & {s.id for s in site.services}
    assert decision.purposes - {NECESSARY} <= named
    assert necessary <= decision.granted


@given(cases())
def test_only_a_record_that_counts_grants_anything(case: tuple[Site, Record | NoRecord, Signals, int]) -> None:
    """For any input with another reason than CHOSEN, nothing optional is granted."""
    site, found, signals, today = case
    decision = decide(site, found, signals, today)
    if decision.reason is not Reason.CHOSEN:
        assert decision.granted == {s.id for s in site.services if s.necessary}
        assert decision.record is None


@given(cases())
def test_gpc_never_adds_a_grant_or_a_prompt(case: tuple[Site, Record | NoRecord, Signals, int]) -> None:
    """For any input, the signal can only take away."""
    site, found, _signals, today = case
    without = decide(site, found, QUIET, today)
    under = decide(site, found, GPC, today)
    assert under.granted <= without.granted
    assert under.purposes <= without.purposes
    assert under.prompt <= without.prompt


SUSPECT = replace(service("host-x", MARKETING), suspected=True)
TAUGHT = replace(SITE, services=(*SITE.services, SUSPECT))


def test_a_suspect_leaves_the_revision_as_it_is() -> None:
    """(10) Pages teach suspects at any time: they change what is asked, and void no answer."""
    assert TAUGHT.revision == SITE.revision
    assert (SITE.suspects_digest, len(TAUGHT.suspects_digest)) == ("", 8)


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"action": Action.ACCEPT}, True),
        ({"action": Action.ACCEPT, "purposes": frozenset({"analytics"})}, True),
        ({}, True),
        ({"purposes": frozenset({"analytics"})}, False),
        ({"action": Action.REJECT, "purposes": frozenset()}, False),
        ({"action": Action.WITHDRAW, "purposes": frozenset()}, False),
        ({"action": Action.ACCEPT, "services": frozenset({"host-x"})}, False),
    ],
)
def test_a_suspect_is_asked_about_where_the_answer_left_it_open(fields: dict[str, object], asked: bool) -> None:
    """(10) Who granted everything, or its purposes, is asked; the record goes on granting, and never the suspect."""
    found = record("stats", **{"services": frozenset({"stats"}), **fields})
    decision = decide(TAUGHT, found, QUIET, TODAY)
    assert (decision.prompt, decision.reason, decision.record) == (asked, Reason.CHOSEN, found)
    assert decision.granted - {"host-x"} == decide(SITE, found, QUIET, TODAY).granted
    assert decision.allows("host-x") is ("host-x" in found.services)


def test_the_signal_answers_for_a_suspect() -> None:
    """(9) Under GPC nobody is asked about what is for marketing."""
    assert not decide(TAUGHT, record("stats", action=Action.ACCEPT, gpc=True), GPC, TODAY).prompt
