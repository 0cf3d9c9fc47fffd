"""What a choice allows where there is no visitor: frozen decisions, and decisions found by a receipt."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw import ConsentJobs
from consent_mw.cookies.choice import CookieJar
from consent_mw.core.choice import Action
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Reason
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.core.model import Site
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import of_service
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError
from consent_mw.records import open_records

KEY = "k" * 40
DAY = 20_000
SERVICES = [{"use": "google-analytics"}, {"use": "meta-pixel"}]

Make = Callable[..., ConsentJobs]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Return what makes jobs of one site, with its records in this test's folder."""
    monkeypatch.setenv("CONSENT_KEYS", KEY)
    made: list[ConsentJobs] = []

    def jobs(*, day: int = DAY, services: list[dict[str, str]] | None = None, **site: str) -> ConsentJobs:
        site = {"records": f"sqlite:///{tmp_path}/consent.db", **site}
        config = {"site": site, "services": SERVICES} if services is None else {"site": site, "services": services}
        made.append(ConsentJobs(config, clock=lambda: day * 86_400.0))
        return made[-1]

    yield jobs
    for one in made:
        one.close()


def site_of(jobs: ConsentJobs) -> Site:
    """Return the site that the jobs are of."""
    return jobs._site


def granted(jobs: ConsentJobs, *services: str, day: int = DAY, gpc: bool = False) -> Decision:
    """Return the decision of a visitor who granted some services."""
    site = site_of(jobs)
    record = Record(
        Action.PARTIAL, day, site.revision, frozenset({"analytics"}), frozenset(services), receipt="receipt-1"
    )
    return decide(site, record, Signals(gpc=gpc), day)


def keep(jobs: ConsentJobs, act: Act, receipt: str = "receipt-1", **fields: object) -> None:
    """Write an entry into the site's ledger."""
    site = site_of(jobs)
    records = open_records(site.records, site=site.id)
    entry = Entry(site.id, receipt, act, DAY, site.revision, **fields)  # type: ignore[arg-type]
    records.append(entry)
    records.close()


# -- frozen decisions


def test_a_frozen_decision_thaws_in_another_process(make: Make) -> None:
    """What one object froze, another of the same site thaws to the same decision."""
    decision = granted(make(), "google-analytics")
    assert make().thaw(make().freeze(decision)) == decision


@pytest.mark.parametrize("reason", [NoRecord.ABSENT, NoRecord.FORGED])
def test_no_choice_stays_no_choice(make: Make, reason: NoRecord) -> None:
    """The decision about an undecided visitor grants nothing when it thaws, for the reason of then."""
    jobs = make()
    decision = decide(site_of(jobs), reason, Signals(), DAY)
    assert jobs.thaw(jobs.freeze(decision)) == decision


def test_a_frozen_decision_tells_the_receipt_and_no_more(make: Make) -> None:
    """The readable part holds the day, the revision, the grants and the receipt."""
    jobs = make()
    text = jobs.freeze(granted(jobs, "google-analytics"))
    revision = site_of(jobs).revision
    assert text.rpartition(".")[0] == f"1.0.partial~{DAY}~{revision}~0~analytics~google-analytics~receipt-1"


def test_two_refusals_on_a_day_freeze_to_the_same_bytes(make: Make) -> None:
    """A refusal identifies nobody in a queue either."""
    jobs = make()
    decisions = [decide(site_of(jobs), Record(Action.REJECT, DAY, site_of(jobs).revision), Signals(), DAY)] * 2
    assert jobs.freeze(decisions[0]) == make().freeze(decisions[1])


@pytest.mark.parametrize(("days", "allowed"), [(180, True), (181, False)])
def test_a_frozen_decision_expires_with_the_choice(make: Make, days: int, allowed: bool) -> None:
    """A job that runs after the choice has expired does without."""
    text = make().freeze(granted(make(), "google-analytics"))
    thawed = make(day=DAY + days).thaw(text)
    assert (thawed.allows("google-analytics"), thawed.reason is Reason.CHOSEN) == (allowed, allowed)


def test_a_changed_meaning_ends_what_was_frozen(make: Make) -> None:
    """A choice that answered another question grants nothing when it thaws."""
    text = make().freeze(granted(make(), "google-analytics"))
    thawed = make(services=[*SERVICES, {"use": "hotjar"}]).thaw(text)
    assert (thawed.allows("google-analytics"), thawed.reason) == (False, Reason.REVISED)


def test_the_opt_out_signal_is_frozen_too(make: Make) -> None:
    """Marketing that a signal had taken away stays away in the job."""
    jobs = make()
    decision = granted(jobs, "google-analytics", "meta-pixel", gpc=True)
    thawed = jobs.thaw(jobs.freeze(decision))
    assert (thawed.allows("meta-pixel"), thawed.allows("google-analytics"), thawed.gpc) == (False, True, True)


@pytest.mark.parametrize("change", [(2, "1"), (4, "q"), (-1, "A"), (0, "2")])
def test_a_changed_text_grants_nothing(make: Make, change: tuple[int, str]) -> None:
    """No character of a frozen decision can be changed."""
    jobs = make()
    text = jobs.freeze(granted(jobs, "google-analytics"))
    place = change[0] % len(text)
    changed = text[:place] + (change[1] if text[place] != change[1] else "B") + text[place + 1 :]
    thawed = jobs.thaw(changed)
    assert (thawed.allows("google-analytics"), thawed.record) == (False, None)


def test_a_cookie_is_no_frozen_decision(make: Make) -> None:
    """What a browser holds does not thaw, and what a queue holds is no cookie."""
    jobs = make()
    site = site_of(jobs)
    jar = CookieJar(site, (KEY,))
    record = granted(jobs, "google-analytics").record
    assert record is not None
    payload = jar.payload(record)
    signed = jobs.freeze(granted(jobs, "google-analytics"))
    mac_of_cookie = jar._token(record).rpartition(".")[2]
    assert jobs.thaw(f"1.0.{payload}.{mac_of_cookie}").reason is Reason.FORGED
    assert jar._verify(f"1.{payload}.{signed.rpartition('.')[2]}") is NoRecord.FORGED


def test_a_decision_of_another_site_grants_nothing(make: Make) -> None:
    """Sites that share keys do not thaw each other's decisions."""
    text = make(name="One").freeze(granted(make(name="One"), "google-analytics"))
    assert make(name="Two").thaw(text).reason is Reason.FORGED


def test_a_decision_of_an_older_key_still_thaws(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys rotate under jobs that wait."""
    text = make().freeze(granted(make(), "google-analytics"))
    monkeypatch.setenv("CONSENT_KEYS", f"{KEY},{'n' * 40}")
    assert make().thaw(text).allows("google-analytics")


@given(text=st.one_of(st.text(), st.from_regex(r"1\.[01]\.[!a-z~0-9_-]{1,60}\.[A-Za-z0-9_-]{43}", fullmatch=True)))
def test_no_text_raises(text: str) -> None:
    """Whatever a queue brings, it grants nothing and raises nothing."""
    decision = JOBS.thaw(text)
    assert (decision.granted, decision.record) == (frozenset(), None)


class _Keyed(ConsentJobs):
    """Jobs of a site in memory, whose records are never opened."""

    def __init__(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CONSENT_KEYS", KEY)
            super().__init__({"services": SERVICES}, clock=lambda: DAY * 86_400.0)


JOBS = _Keyed()


def test_a_text_without_end_is_refused_unread() -> None:
    """A frozen decision has a bounded length."""
    assert JOBS.thaw("1.0." + "a" * 5000 + "." + "b" * 43).reason is Reason.MALFORMED


# -- what the ledger knows


def test_a_receipt_gives_the_decision(make: Make) -> None:
    """What a receipt granted can be found without any text."""
    jobs = make()
    keep(jobs, Act.PARTIAL, purposes=frozenset({"analytics"}), services=frozenset({"google-analytics"}))
    assert jobs.find("receipt-1") == granted(jobs, "google-analytics")


@pytest.mark.parametrize("end", [Act.WITHDRAW, Act.REPLACE])
def test_a_receipt_that_ended_grants_nothing(make: Make, end: Act) -> None:
    """A withdrawal, or a later choice, counts at once, by its receipt and for what was frozen before."""
    jobs = make()
    keep(jobs, Act.PARTIAL, purposes=frozenset({"analytics"}), services=frozenset({"google-analytics"}))
    text = jobs.freeze(granted(jobs, "google-analytics"))
    before = [jobs.find("receipt-1"), jobs.thaw(text, ask_ledger=True)]
    keep(jobs, end)
    after = [jobs.find("receipt-1"), jobs.thaw(text, ask_ledger=True)]
    assert [decision.allows("analytics") for decision in before + after] == [True, True, False, False]
    assert [decision.reason for decision in after] == [Reason.ENDED] * 2


@pytest.mark.parametrize("receipt", ["", "receipt-9", "x" * 10_000, "\x00'; --"])
def test_an_unknown_receipt_grants_nothing(make: Make, receipt: str) -> None:
    """What the ledger does not know allows only the necessary."""
    assert make().find(receipt).granted == frozenset()


def test_what_was_erased_thaws_to_nothing_where_the_ledger_is_asked(make: Make) -> None:
    """A frozen grant whose record was erased has ended."""
    jobs = make()
    assert jobs.thaw(jobs.freeze(granted(jobs, "google-analytics")), ask_ledger=True).reason is Reason.ENDED


def test_records_that_do_not_answer_are_told(make: Make, tmp_path: Path) -> None:
    """A job that cannot know is not told that it may run, and not that it may not: it tries again."""
    jobs = make()
    text = jobs.freeze(granted(jobs, "google-analytics"))
    (tmp_path / "consent.db").write_bytes(b"this is not a database, and it is longer than the head of one" * 20)
    with pytest.raises(RecordsError):
        jobs.thaw(text, ask_ledger=True)
    assert jobs.thaw(text).allows("google-analytics")


@pytest.mark.parametrize(
    ("site", "service", "purpose"),
    [
        ({"services": []}, "google-analytics", "analytics"),
        # A site that declares its services is taught strangers.
        ({"unknown": "suspects"}, "host-unknown-test", "marketing"),
    ],
    ids=["nothing declared", "a stranger"],
)
def test_what_other_processes_have_seen_counts_in_the_worker(
    make: Make, site: dict[str, Any], service: str, purpose: str
) -> None:
    """What pages taught the site since the worker began is decided by the same revision."""
    jobs = make(**site)
    records = open_records(site_of(jobs).records, site=site_of(jobs).id)
    records.observe({of_service(service): Occurrence(DAY, DAY)})
    records.close()
    grown = jobs._now()
    record = Record(Action.ACCEPT, DAY, grown.revision, frozenset({purpose}), frozenset({service}), "receipt-1")
    assert jobs.thaw(jobs.freeze(decide(grown, record, Signals(), DAY))).allows(service)


def test_a_choice_of_either_question_counts_until_the_next_takes_effect(make: Make, tmp_path: Path) -> None:
    """Jobs judge an answer by the question that it answers; from then on the old answers count no more."""
    records = f"sqlite:///{tmp_path}/consent.db"
    (tmp_path / "old.toml").write_text(f'[site]\nrecords = "{records}"\n[[services]]\nuse = "meta-pixel"\n', "utf-8")
    moment = {"takes_effect": "2024-10-05T00:00:00Z", "until_then": str(tmp_path / "old.toml")}  # DAY + 1
    old, soon, later = make(services=[{"use": "meta-pixel"}]), make(**moment), make(day=DAY + 1, **moment)
    texts = [jobs.freeze(granted(jobs, "meta-pixel")) for jobs in (old, soon)]
    assert [soon.thaw(text).allows("meta-pixel") for text in texts] == [True, True]
    assert [later.thaw(text).allows("meta-pixel") for text in texts] == [False, True]
    keep(old, Act.ACCEPT, services=frozenset({"meta-pixel"}))
    assert [jobs.find("receipt-1").allows("meta-pixel") for jobs in (soon, later)] == [True, False]
