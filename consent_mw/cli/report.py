"""
The command ``report``: compares consent rates with the previous period, for cron, by mail, or to a webhook.

A report contains only published figures, so no number in it is about fewer than :data:`~consent_mw.core.counts.K`
visits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner
from consent_mw.cli import Unable
from consent_mw.cli import clean
from consent_mw.cli.stats import labels_of
from consent_mw.cli.stats import report_of
from consent_mw.cli.stats import since_option

if TYPE_CHECKING:
    from consent_mw.stats import Report
    from consent_mw.stats.rates import Rate
    from consent_mw.stats.rates import RateChange

#: The maximum rounding error of a difference, in percentage points.
_HAIR = 1e-9


@dataclass(frozen=True, slots=True)
class _Told:
    """
    The content of a report.

    Args:
        sentence: The period in one sentence.
        changes: The rates, with their changes.
        drops: The drops that are larger than allowed; None if no limit was given.
    """

    sentence: str
    changes: list[tuple[str, Rate, RateChange | None]]
    drops: list[tuple[str, RateChange]] | None

    @property
    def compared(self) -> bool:
        """Whether any rate can be compared with the previous period."""
        return any(moved for *_, moved in self.changes)

    def lines(self, points: float | None) -> list[str]:
        """Return the report as lines: the sentence, then any drops of more than ``points``."""
        found = [self.sentence]
        for name, moved in self.drops or ():
            what = f"{name} fell by {-moved.points:.1f} points ({-moved.high:.1f} to {-moved.low:.1f})."
            found.append(f"Dropped: {what}")
        if self.drops is not None and not self.compared:
            found.append("There is too little data to compare with the previous period.")
        elif self.drops is not None and not self.drops:
            found.append(f"No rate fell by more than {points:g} points.")
        return found

    def document(self) -> dict[str, object]:
        """Return the report as JSON data."""
        dropped = {name for name, _ in self.drops or ()}
        rates = [
            {
                "rate": name,
                "share": round(rate.share, 6),
                "points": moved and round(moved.points, 2),
                "dropped": name in dropped,
            }
            for name, rate, moved in self.changes
        ]
        return {"sentence": self.sentence, "compared": self.compared, "rates": rates}


@click.command()
@since_option
@click.option(
    "--fail-if-drop",
    "points",
    metavar="POINTS",
    type=click.FloatRange(0, 100),
    help="Exit with 1 if a rate fell by more.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.option("--mail", "as_mail", is_flag=True, help="Write a mail, for a program such as sendmail -t.")
@click.option("--send", is_flag=True, help="Send it to the addresses and the webhook in [report].")
@click.pass_obj
def report(owner: Owner, since: str, points: float | None, as_json: bool, as_mail: bool, send: bool) -> int:
    """
    Compare consent rates with the previous period, in a few lines; for cron.

    With --fail-if-drop, exits with 1 if a rate fell by more than that many points and the 95% confidence interval of
    the change excludes zero. Exits with 0 if there is too little data to tell.
    """
    if as_json + as_mail + send > 1:
        raise click.UsageError("Choose one of --json, --mail and --send.")
    settings = owner.site.report
    if as_mail and not settings.to:
        raise Unable('Nobody to write to: add [report] with to = ["you@example.org"] to the configuration.')
    if send and not (settings.webhook or (settings.to and settings.smtp)):
        raise Unable("Nowhere to send to: add [report] with webhook, or with to and smtp, to the configuration.")
    with owner.reading() as store:
        found = report_of(owner, store, since or "7d", "", "")
    told = _told(found, labels_of(owner), points)
    if as_json:
        click.echo(json.dumps(told.document(), indent=2))
    elif as_mail or send:
        _deliver(owner, found, told, points, send=send)
    else:
        for line in told.lines(points):
            click.echo(click.style(line, fg="red") if line.startswith("Dropped: ") else line)
    return FOUND if told.drops else 0


def _deliver(owner: Owner, found: Report, told: _Told, points: float | None, *, send: bool) -> None:
    """Print the mail, or send it and call the webhook."""
    from consent_mw.cli import delivery
    from consent_mw.stats.sentence import plain
    from consent_mw.stats.words import ENGLISH

    settings = owner.site.report
    name = clean(owner.site.name or owner.site.id)
    days = plain(ENGLISH.days(found.period.first, found.period.last))
    mail = delivery.mail(settings, f"Consent rates of {name}, {days}", [*told.lines(points), "", *_rates(told)])
    if not send:
        click.echo(mail.as_bytes().decode("utf-8"), nl=False)
        return
    if settings.to and settings.smtp:
        delivery.send(settings, mail, os.environ)
        click.echo(f"Sent to {', '.join(settings.to)}.")
    if settings.webhook:
        text = "\n".join([f"{name}, {days}", *told.lines(points)])
        delivery.call(settings.webhook, {"text": text, "site": name, "period": days, **told.document()})
        click.echo("The webhook took it.")


def _rates(told: _Told) -> list[str]:
    """Return a line for each rate."""
    from consent_mw.stats.sentence import digits
    from consent_mw.stats.sentence import percent
    from consent_mw.stats.sentence import plain
    from consent_mw.stats.words import ENGLISH

    lines = []
    for name, rate, moved in told.changes:
        between = ENGLISH.between(rate.low, rate.high, digits(rate))
        change = f", {moved.points:+.1f} points" if moved else ""
        line = f"{name[:1].upper()}{name[1:]}: {percent(ENGLISH, rate, digits(rate))} ({between}){change}"
        lines.append(plain(line))
    return lines


def _told(found: Report, labels: Mapping[str, str], points: float | None) -> _Told:
    from consent_mw.stats import sentence

    changes = _changes(found, labels)
    drops = None
    if points is not None:
        drops = [
            (name, moved) for name, _, moved in changes if moved and moved.certain and moved.points < -points - _HAIR
        ]
    return _Told(sentence(found, labels), changes, drops)


def _changes(found: Report, labels: Mapping[str, str]) -> list[tuple[str, Rate, RateChange | None]]:
    """Return the reported rates with their changes."""
    from consent_mw.stats.sentence import label

    rates: list[tuple[str, Rate | None, RateChange | None]] = [
        ("consent rate", found.period.answers, found.answers),
        ("consent rate of everyone asked", found.period.visits, found.visits),
    ]
    rates += [
        (f"consent rate of {label(purpose.id, labels)}", purpose.answers, purpose.change)
        for purpose in found.period.purposes
    ]
    return [(name, rate, moved) for name, rate, moved in rates if rate is not None]
