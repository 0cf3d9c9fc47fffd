"""
The funnel card, with the steps of a visit from the notice to a grant: shown, asked, opened, answered, accepted.

Each step is a published count, so the card reveals nothing that the rest of the page does not. The answer itself tells
whether the choices were opened before. Of visitors who open them and leave, nothing is known: counting them would need
a request before the visitor has chosen.
"""

from __future__ import annotations

from markupsafe import Markup

from consent_mw.stats import Rate
from consent_mw.stats import Report
from consent_mw.stats import wilson
from consent_mw.stats.sentence import digits
from consent_mw.stats.sentence import percent
from consent_mw.web.stats.charts import Interval
from consent_mw.web.stats.charts import bar
from consent_mw.web.stats.parts import Card
from consent_mw.web.stats.parts import CardRow
from consent_mw.web.stats.parts import Data
from consent_mw.web.stats.words import PageWords

#: The steps of a visit, by the column that counts it and the key of its name.
_STEPS = (("asked", "c.asked"), ("answered", "c.answered"), ("opened", "c.opened"), ("granted", "c.granted"))


def funnel(report: Report, words: PageWords, note: str) -> Card:
    """
    Return the card; it has no entries if the first step or all others are unknown.

    Args:
        note: A text that says how often the notice was shown.
    """
    rates = {
        "answered": report.period.reached,
        "opened": report.period.opened,
        "granted": report.period.visits,
    }
    whole = next((rate.of for rate in rates.values() if rate), 0)
    steps: dict[str, Rate | None] = {"asked": wilson(whole, whole), **rates}
    known = [(name, key, rate) for name, key in _STEPS if (rate := steps[name])]
    decimals = min((digits(rate) for _, _, rate in known), default=0)
    entries, rows = [], []
    for name, key, rate in known:
        share = words.percent(1) if rate.count == rate.of else percent(words, rate, decimals)
        title = words.say("funnel.row", name=words.say(key), n=words.number(rate.count), rate=share)
        drawn = bar(f"funnel-{name}", title, Interval(rate.share, rate.low, rate.high), rtl=words.rtl)
        entries.append(CardRow(words.say(key), False, Markup(drawn), share))  # noqa: S704 (charts.py escapes)
        rows.append((words.say(key), words.number(rate.count), share, words.between(rate.low, rate.high, decimals)))
    heads = ("funnel.step", "funnel.visits", "funnel.share", "h.range")
    title = words.say("funnel")
    data = Data(title, tuple(words.say(head) for head in heads), tuple(rows))
    return Card("funnel", title, words.say("funnel.step"), tuple(entries) if len(entries) > 1 else (), data, note)
