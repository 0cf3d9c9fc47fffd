"""What a visitor is told who has chosen before and is asked again: what changed, with its day, and nothing made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consent_mw.assets import texts
from consent_mw.core.decide import decide
from consent_mw.core.model import Action
from consent_mw.core.model import Change
from consent_mw.core.model import NoRecord
from consent_mw.core.model import Record
from consent_mw.core.model import Signals
from consent_mw.core.model import Site
from consent_mw.news import news
from tests.web.doubles import SITE
from tests.web.doubles import TODAY
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor

#: 3 May 2026.
MAY = 20_576


def told(found: Record | NoRecord, *, site: Site = SITE, lang: str = "en", today: int = TODAY) -> str:
    """Return the line for a visitor with that cookie."""
    return news(site, decide(site, found, Signals(), today), found, lang, today)


def record(day: int, revision: str = "before") -> Record:
    """Return a choice of that day, about the site as it was."""
    return Record(Action.REJECT, day, revision)


def changed(*days: int) -> Site:
    """Return a site that tells of a change on each of the days."""
    return replace(SITE, changes=tuple(Change(day, {"en": f"Text {day}.", "de": "Auf Deutsch."}) for day in days))


def test_without_an_entry_it_is_said_plainly() -> None:
    """That something changed, and since which day: that of the visitor's own choice."""
    assert told(record(MAY)) == "Our use of cookies has changed since you chose on 3 May 2026."
    assert told(record(MAY), lang="de") == (
        "Unser Einsatz von Cookies hat sich geändert, seit Sie am 3. Mai 2026 gewählt haben."
    )


def test_an_entry_says_what_changed_and_when() -> None:
    """The owner's own line, in the visitor's language, with its day."""
    assert told(record(MAY), site=changed(MAY + 1)) == f"Changed on 4 May 2026: Text {MAY + 1}."
    assert told(record(MAY), site=changed(MAY + 1), lang="de") == "Geändert am 4. Mai 2026: Auf Deutsch."


def test_only_changes_since_the_choice_are_told() -> None:
    """Not those that the visitor has answered to, nor those announced for later; one of the very day counts."""
    site = changed(MAY - 1, MAY, MAY + 9, TODAY + 1)
    expected = f"Changed on 12 May 2026: Text {MAY + 9}. Changed on 3 May 2026: Text {MAY}."
    assert told(record(MAY), site=site) == expected
    assert "has changed since" in told(record(MAY), site=changed(MAY - 1, TODAY + 1))


def test_a_long_history_stays_short() -> None:
    """The three latest changes are told of, however many there were."""
    line = told(record(MAY), site=changed(*range(MAY, MAY + 20)))
    assert [f"Text {day}." in line for day in (MAY + 16, MAY + 17, MAY + 18, MAY + 19)] == [False, True, True, True]


def test_an_expired_choice_is_told_as_such() -> None:
    """Nothing changed then, and nothing is said to have."""
    old = record(TODAY - SITE.choice_days - 1, SITE.revision)
    assert told(old) == "Your choice of 25 May 2026 has expired, so you are asked again."


@pytest.mark.parametrize(
    "found",
    [
        *NoRecord,
        record(TODAY, SITE.revision),
        record(TODAY + 9, SITE.revision),
    ],
    ids=repr,
)
def test_nobody_else_is_told_anything(found: Record | NoRecord) -> None:
    """Neither who never chose, nor whose cookie cannot be believed, nor whose choice counts."""
    assert told(found, site=changed(TODAY) if isinstance(found, NoRecord) else SITE) == ""


@pytest.mark.parametrize("lang", sorted(texts()))
def test_every_language_fills_its_places(lang: str) -> None:
    """In no language does a place for a value stay open."""
    lines = [told(record(MAY), site=site, lang=lang) for site in (SITE, changed(MAY + 1))]
    lines.append(told(record(TODAY - 400, SITE.revision), lang=lang))
    assert [line for line in lines if "{" in line or not line] == []


def test_the_preferences_say_it_too() -> None:
    """Beside the state of a choice that counts no more stands why."""
    visitor = Visitor(FakeContext())
    assert "has changed since" not in visitor.get("/").text
    visitor.post(("action", "accept-all"))
    visitor.context.own_site = replace(SITE, controller="Somebody else")
    assert "Our use of cookies has changed since you chose on 22 November 2026." in visitor.get("/").text
