"""The card that compares the wordings of the notice, with what may be concluded from it in a sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from consent_mw.core.model import Site
from consent_mw.stats.sentence import digits
from consent_mw.stats.sentence import percent
from consent_mw.stats.wordings import ComparedWording
from consent_mw.web.stats.charts import Interval
from consent_mw.web.stats.charts import bar
from consent_mw.web.stats.parts import Card
from consent_mw.web.stats.parts import CardRow
from consent_mw.web.stats.parts import Data
from consent_mw.web.stats.words import PageWords

__all__ = ["conclusions", "forms_of", "wordings_card"]


def forms_of(site: Site) -> list[str]:
    """Return the forms under which the wordings are counted, that of the site's own words first; empty without any."""
    return [site.form(name) for name in ("", *site.wordings)] if site.wordings else []


def _names(site: Site, words: PageWords) -> list[str]:
    return [words.say("w.standard"), *site.wordings]


def wordings_card(site: Site, found: Sequence[ComparedWording], words: PageWords) -> Card:
    """Return the card; it has no entries before anything was published."""
    known = [(name, one) for name, one in zip(_names(site, words), found, strict=True) if one.visits]
    decimals = min((digits(one.visits) for _, one in known if one.visits), default=0)
    entries, rows = [], []
    for number, (name, one) in enumerate(known):
        rate = one.visits
        if rate is None:
            continue
        value = percent(words, rate, decimals)
        drawn = bar(f"wording-{number}", f"{name}: {value}", Interval(rate.share, rate.low, rate.high), rtl=words.rtl)
        entries.append(CardRow(name, False, Markup(drawn), value))  # noqa: S704 (charts.py escapes)
        of_answers = percent(words, one.answers, decimals) if one.answers else ""
        difference = _range(words, one) if one.difference else ""
        rows.append((name, words.number(rate.of), value, of_answers, difference))
    heads = ("w.name", "c.asked", "funnel.share", "key.answers", "w.difference")
    title = words.say("w.title")
    data = Data(title, tuple(words.say(head) for head in heads), tuple(rows))
    return Card("wordings", title, words.say("w.name"), tuple(entries) if len(entries) > 1 else (), data, "")


def conclusions(site: Site, found: Sequence[ComparedWording], words: PageWords) -> list[str]:
    """Return a sentence for each other wording, and what makes the comparison honest."""
    told = []
    for name, one in zip(_names(site, words), found, strict=True):
        moved = one.difference
        if moved is not None:
            key = "w.more" if moved.low > 0 else "w.less" if moved.high < 0 else "w.same"
            told.append(words.say(key, name=name, range=_range(words, one)))
    return [*(told or [words.say("w.none")]), words.say("w.honest")]


def _range(words: PageWords, one: ComparedWording) -> str:
    moved = one.difference
    if moved is None:
        return ""
    ends = [("+" if end > 0 else "") + words.number(end, 1) for end in (moved.low, moved.high)]
    return words.say("w.range", a=ends[0], b=ends[1])
