"""The events of a time line: changes of the notice and the owner's notes, numbered by day."""

from __future__ import annotations

from dataclasses import dataclass

from consent_mw.core.model import Site
from consent_mw.notice.wording import notes_within
from consent_mw.stats import Report
from consent_mw.web.stats.charts import Flag
from consent_mw.web.stats.words import PageWords


@dataclass(frozen=True, slots=True)
class TimeLineEvent:
    """
    One event of the period.

    Args:
        flag: The flag in the chart.
        text: The text of the event in the list below the chart.
        revision: The new revision of the notice; empty for a note of the owner.
    """

    flag: Flag
    text: str
    revision: str = ""


def events(site: Site, report: Report, words: PageWords) -> tuple[TimeLineEvent, ...]:
    """Return the events of the period, numbered by day."""
    period = report.period
    found: list[tuple[int, str, str, str]] = []
    for mark in report.marks:
        days = words.days(mark.first, mark.last)
        text = words.say("line.flag.text", days=days, revision=mark.revision)
        found.append((max(mark.first, period.first), words.say("line.flag", days=days), text, mark.revision))
    for day, note in notes_within(site, period.first, period.last, words.lang):
        text = words.say("line.own", day=words.day(day), text=note)
        found.append((day, text, text, ""))
    found.sort(key=lambda each: each[0])
    return tuple(
        TimeLineEvent(Flag(day, number, label, own=not revision), text, revision)
        for number, (day, label, text, revision) in enumerate(found, 1)
    )
