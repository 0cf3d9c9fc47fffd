"""A tag manager is held until one of its purposes is granted; what follows from that for the other rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consent_mw import config
from consent_mw.catalogue import load
from consent_mw.core.choice import Action
from consent_mw.core.choice import Choice
from consent_mw.core.choice import Record
from consent_mw.core.choice import Signals
from consent_mw.core.decide import decide
from consent_mw.core.model import MARKETING
from consent_mw.core.model import NECESSARY
from consent_mw.core.model import Purpose
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.notice.guard import GuardCode
from consent_mw.notice.offer import covered
from consent_mw.web.form import PostedForm
from consent_mw.web.form import RequestedAction
from consent_mw.web.form import choice_of
from tests.web.doubles import ASSETS
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor
from tests.web.test_pages import one
from tests.web.test_pages import soup
from tests.web.test_pages import ticked

TODAY = 20_779
PURPOSES = tuple(Purpose(id, required=id == NECESSARY) for id in (NECESSARY, "analytics", MARKETING, "embeds"))
MANAGER = Service(id="gtm", name="Manager", vendor="V", purposes=("analytics", MARKETING), manager=True)
STATS = Service(id="stats", name="Stats", vendor="V", purposes=("analytics",))
BOTH = Service(id="both", name="Both", vendor="V", purposes=("analytics", MARKETING))
ALONE = Site(purposes=PURPOSES, services=(MANAGER,), learning=False)
SITE = replace(ALONE, services=(MANAGER, STATS, BOTH))


def saved(site: Site, *ticked: str) -> Choice:
    """Return the choice of a visitor who ticks these purposes and services, and nothing else."""
    names = frozenset(ticked)
    form = PostedForm(RequestedAction.SAVE, names - site.by_id.keys(), names & site.by_id.keys(), "", "")
    choice = choice_of(site, form, gpc=False, granted_before=False)
    assert choice is not None
    return choice


def runs(site: Site, choice: Choice, *, gpc: bool = False, gpc_then: bool = False) -> frozenset[str]:
    """Return the services that run by the choice."""
    record = Record(choice.action, TODAY, site.revision, choice.purposes, choice.services, "r" * 22, gpc_then)
    return decide(site, record, Signals(gpc=gpc), TODAY).granted


@pytest.mark.parametrize("purpose", ["analytics", MARKETING])
def test_one_purpose_releases_a_tag_manager(purpose: str) -> None:
    """Either of its purposes lets it run, while any other service waits for all of its own."""
    assert {"gtm"} <= runs(SITE, saved(SITE, purpose))
    assert "both" not in runs(SITE, saved(SITE, purpose))


def test_another_purpose_leaves_it_held() -> None:
    """A purpose that it does not have is none of its business."""
    assert runs(SITE, saved(SITE, "embeds")) == frozenset()


def test_a_tag_manager_that_runs_grants_no_further_purpose() -> None:
    """Released for statistics it does not make marketing granted, although it is the only service for that."""
    assert saved(ALONE, "analytics").purposes == {"analytics"}


def test_a_tag_manager_ticked_by_itself_grants_no_purpose() -> None:
    """It is loaded then, and told that nothing is granted: whoever ticks it has not said for what."""
    choice = saved(ALONE, "gtm")
    assert (choice.services, choice.purposes) == (frozenset({"gtm"}), frozenset())


def test_sending_the_services_that_run_again_grants_no_more() -> None:
    """A form that lists what runs now, as that of a placeholder does, leaves the purposes as they were."""
    before = saved(SITE, "analytics")
    assert saved(SITE, *before.purposes, *before.services) == before


def test_one_of_two_purposes_is_no_full_acceptance() -> None:
    """Everything that the site has runs, and yet not all was granted: the answer is counted as a partial one."""
    assert saved(ALONE, "analytics").action is Action.PARTIAL
    assert saved(ALONE, "analytics", MARKETING).action is Action.ACCEPT


def test_the_opt_out_signal_leaves_it_its_other_purposes() -> None:
    """Under GPC "accept all" releases it for statistics, and a site that has nothing else may ask about that."""
    assert covered(ALONE, gpc=True) == (frozenset({"analytics"}), frozenset({"gtm"}))
    assert decide(ALONE, Record(Action.REJECT, 0, ""), Signals(gpc=True), TODAY).prompt


def test_the_opt_out_signal_takes_a_manager_that_was_for_marketing_away() -> None:
    """A grant of marketing from before the signal counts no more, nor does what it released."""
    assert runs(SITE, saved(SITE, MARKETING), gpc=True) == frozenset()
    assert runs(SITE, saved(SITE, "analytics", MARKETING), gpc=True) == {"gtm", "stats"}
    assert runs(SITE, saved(SITE, MARKETING), gpc=True, gpc_then=True) == {"gtm"}


def test_a_manager_for_marketing_alone_is_not_asked_about_under_the_signal() -> None:
    """The signal has answered for all there is to ask."""
    site = replace(ALONE, services=(replace(MANAGER, purposes=(MARKETING,)),))
    assert not decide(site, Record(Action.REJECT, 0, ""), Signals(gpc=True), TODAY).prompt


def test_the_catalogue_knows_tag_managers() -> None:
    """Those that load tags in the browser; what passes data on from its own servers waits for all its purposes."""
    found = {service.id for service in load().values() if service.manager}
    current = {"google-tag-manager", "adobe-launch", "tealium", "ensighten", "commanders-act"}
    assert found == current | {"tagman", "brighttag", "supertag", "ubertags"}


def test_the_preferences_say_when_a_tag_manager_runs() -> None:
    """Beside its switch stands that one purpose is enough, and never that all of them are on."""
    visitor = Visitor(FakeContext(SITE))
    visitor.post(("action", "save"), ("purpose", "analytics"))
    row = one(soup(visitor), "li:has(input[value=gtm])").get_text()
    assert "runs as soon as one" in row
    assert "On now" not in row
    assert "runs as soon as one" not in one(soup(visitor), "li:has(input[value=both])").get_text()


def test_saving_the_preferences_as_they_are_leaves_a_tag_manager_as_it_is() -> None:
    """Released by one purpose, its own switch is off; posting the page again neither adds a purpose nor stops it."""
    visitor = Visitor(FakeContext(SITE))
    visitor.post(("action", "save"), ("purpose", "analytics"))
    before = visitor.get("/state").json
    again = [(str(name), str(value)) for name, value in ticked(soup(visitor))]
    assert again == [("purpose", "analytics")]
    visitor.post(("action", "save"), *again)
    assert visitor.get("/state").json == before


def test_a_manager_that_runs_for_one_purpose_may_load_nothing_undeclared() -> None:
    """All that the site declared runs, and yet the guard holds trackers that the site never asked about."""
    site = config.load({"services": [{"use": "google-tag-manager"}, {"use": "google-analytics"}]})
    guard = GuardCode(site, ASSETS)
    granted = frozenset({"google-tag-manager", "google-analytics"})
    partly = guard.hosts(granted, frozenset({"analytics"}))
    assert "connect.facebook.net/" in partly
    assert guard.hosts(granted, frozenset({"analytics", "marketing"})) == ""
