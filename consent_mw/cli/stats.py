"""The commands about consent rates: ``stats`` and ``demo-data``."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sys
import tomllib
from collections.abc import Callable
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import click

from consent_mw.cli import Owner
from consent_mw.cli import Unable
from consent_mw.cli import clean
from consent_mw.cli.blocked import blocked

if TYPE_CHECKING:
    from consent_mw.records.replica import FigureReads
    from consent_mw.stats import Report

#: The minimum length of a password, since attackers can guess, though slowly.
SHORTEST = 12
#: The most days of synthetic visits.
MOST_DAYS = 1096

_STYLES: Mapping[str, Callable[[str], str]] = {
    "strong": partial(click.style, bold=True),
    "faint": partial(click.style, dim=True),
    "good": partial(click.style, fg="green"),
    "bad": partial(click.style, fg="red"),
    "bar": partial(click.style, fg="cyan"),
}

since_option = click.option(
    "--since", metavar="PERIOD", default="", help="Days or weeks up to yesterday: 7d, 4w, 12w, 3y."
)


# -- stats


@click.group(invoke_without_command=True)
@since_option
@click.option("--from", "first", metavar="DAY", default="", help="The first day, as 2026-05-03.")
@click.option("--to", "last", metavar="DAY", default="", help="The last day; default: yesterday.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.option("--csv", "table", metavar="TABLE", default="", help="Write one table as CSV, such as browser or line.")
@click.pass_context
def stats(ctx: click.Context, since: str, first: str, last: str, as_json: bool, table: str) -> int:
    """Show consent rates, the same as on the owner's pages."""
    from consent_mw import stats as figures

    if ctx.invoked_subcommand is not None:
        return 0
    if table and table not in figures.TABLES:
        raise click.BadParameter(f"Write one of {', '.join(figures.TABLES)}.", param_hint="--csv")
    owner: Owner = ctx.obj
    with owner.reading() as store:
        found = report_of(owner, store, since, first, last)
    labels = labels_of(owner)
    if as_json:
        click.echo(json.dumps(figures.as_json(found, labels=labels, notes=_notes(owner, found)), indent=2))
    elif table:
        # Lines end with CR LF on every system (RFC 4180).
        sys.stdout.buffer.write(figures.as_csv(found, table).encode())
    else:
        click.echo(_drawn(owner, found, labels), nl=False)
    return 0


@stats.result_callback()
def _code(code: int, **_options: object) -> int:
    return code


@stats.command()
@click.option("--write", is_flag=True, help="Add the lines to the configuration, if it has no [stats] yet.")
@click.pass_obj
def passwd(owner: Owner, write: bool) -> int:
    """Set the password for the owner's pages: asks for it, and prints the lines to paste."""
    from werkzeug.security import generate_password_hash

    if write:
        _check_writable(owner)
    password: str = click.prompt("Password", hide_input=True, err=True)
    if len(password) < SHORTEST:
        raise Unable(f"A password of {len(password)} characters is too easy to guess: use {SHORTEST} or more.")
    if click.prompt("Once more", hide_input=True, err=True) != password:
        raise Unable("The two passwords differ: start again.")
    lines = f'[stats]\npassword = "{generate_password_hash(password, method="scrypt")}"\n'
    if write:
        with open(owner.config, "a", encoding="utf-8") as file:
            file.write("\n" + lines)
        click.echo(f"Added to {clean(owner.config)}. Restart the site, and open {owner.site.mount}/stats.")
        return 0
    click.echo(lines, nl=False)
    click.echo(click.style("Paste these lines into the configuration.", dim=True), err=True)
    return 0


@stats.command()
def token() -> int:
    """Create a token for the JSON and the metrics: prints it once, with the line for the configuration."""
    made = secrets.token_urlsafe(32)
    click.echo(f"Token for the client program:\n\n  {made}\n")
    click.echo("It is not stored anywhere. Add this line to the configuration, in the table [stats]:\n")
    click.echo(f'  token = "{hashlib.sha256(made.encode()).hexdigest()}"\n')
    click.echo(click.style('Send it in the header "Authorization: Bearer TOKEN".', dim=True))
    return 0


stats.add_command(blocked)


def _check_writable(owner: Owner) -> None:
    """Raise Unable if the lines cannot be added to the configuration."""
    if not owner.config:
        raise Unable("There is no configuration to write to: name it with --config, or leave out --write and paste.")
    try:
        with open(owner.config, "rb") as file:
            has = "stats" in tomllib.load(file)
        writable = os.access(owner.config, os.W_OK)
    except (OSError, tomllib.TOMLDecodeError):
        writable, has = False, False
    if not writable:
        raise Unable(f"{owner.config} cannot be read and written: leave out --write and paste the lines.")
    if has:
        raise Unable(f"{owner.config} already has a table [stats]: leave out --write and change it by hand.")


# -- demo-data


@click.command("demo-data")
@click.option(
    "--days", type=click.IntRange(1, MOST_DAYS), default=7, show_default=True, help="From a Monday up to yesterday."
)
@click.option(
    "--visits", type=click.IntRange(1, 100_000), default=1500, show_default=True, help="Visits per day, about."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same visits.")
@click.option("--force", is_flag=True, help="Even if the store has real counts: the two cannot be separated again.")
@click.pass_obj
def demo_data(owner: Owner, days: int, visits: int, seed: int, force: bool) -> int:
    """Fill an empty store with synthetic visits, to see what the pages look like."""
    from consent_mw import stats as figures
    from consent_mw.stats import demo

    site, today = owner.site, owner.today
    asked_for = {purpose for service in site.optional for purpose in service.purposes}
    purposes = [purpose.id for purpose in site.purposes if not purpose.required and purpose.id in asked_for]
    with owner.records(make=True) as store:
        kept = store.figures(0, today)
        if (kept or store.counts(today + 2)) and not force:
            raise Unable("The store already has counts, and synthetic ones could not be separated: use an empty one.")
        # Start on a Monday, so that weekly tables have a whole first week.
        first = max([today - days - (today - days + 3) % 7, *(run.last + 1 for run in kept)])
        counted = 0
        made = demo.visits(
            first,
            today - 1,
            purposes=purposes or ["preferences", "analytics", "marketing", "embeds"],
            languages=site.languages,
            daily=visits,
            seed=seed,
        )
        for days_made in demo.in_batches(made):
            store.add_counts(days_made)
            counted += sum(n for count, n in days_made.items() if (count.table, count.outcome) == ("", "asked"))
        published = figures.publish_due(store, today=today)
    if not counted:
        raise Unable("All of these days are already published: nothing was added.")
    span = f"{figures.iso(first)} to {figures.iso(today - 1)}"
    click.echo(f"{counted:,} synthetic visits from {span}, {published:,} tables published.")
    click.echo(click.style("Look at them: consent-mw stats", dim=True))
    return 0


# -- shared helpers


def report_of(owner: Owner, store: FigureReads, since: str, first: str, last: str) -> Report:
    """Return the report for the chosen days; raises a usage error if the days are invalid."""
    from consent_mw import stats as figures

    try:
        begin, end = figures.chosen(owner.today, preset=since, first=first, last=last)
    except figures.PeriodError as error:
        raise click.UsageError(str(error)) from None
    return figures.report(store.figures(figures.first_needed(begin, end), end), first=begin, last=end)


def labels_of(owner: Owner) -> dict[str, str]:
    """Return the owner's names of purposes, in the form for use within a sentence."""
    return {
        purpose.id: clean(name[:1].lower() + name[1:])
        for purpose in owner.site.purposes
        if (name := purpose.label.get("en", ""))
    }


def _drawn(owner: Owner, found: Report, labels: Mapping[str, str]) -> str:
    from consent_mw.stats.terminal import TerminalStyle
    from consent_mw.stats.terminal import draw

    width = shutil.get_terminal_size((80, 24)).columns
    look = TerminalStyle(width=width, ascii=not _shows("█▁–"), styled=lambda text, style: _STYLES[style](text))
    name = clean(owner.site.name or owner.site.id)
    return draw(found, look, name=name, labels=labels, notes=_notes(owner, found))


def _notes(owner: Owner, found: Report) -> list[tuple[int, str]]:
    """Return the owner's notes for days of the period."""
    from consent_mw.notice.wording import notes_within

    return [(day, clean(text)) for day, text in notes_within(owner.site, found.period.first, found.period.last, "en")]


def _shows(text: str) -> bool:
    """Return whether the encoding of the output can represent the text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeError):
        return False
    return os.environ.get("TERM") != "dumb"
