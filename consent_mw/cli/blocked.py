"""``consent-mw stats blocked``: the hosts that the site's policies blocked, according to browsers."""

from __future__ import annotations

import json

import click

from consent_mw.cli import Owner
from consent_mw.cli import clean


@click.command()
@click.option("--since", metavar="PERIOD", default="", help="Days or weeks up to yesterday: 7d, 4w, 12w, 3y.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.pass_obj
def blocked(owner: Owner, since: str, as_json: bool) -> int:
    """Show the hosts that a Content-Security-Policy blocked, as reported by browsers (csp_reports)."""
    from consent_mw import stats as figures
    from consent_mw.stats.blocked import by_host

    try:
        first, last = figures.chosen(owner.today, preset=since, first="", last="")
    except figures.PeriodError as error:
        raise click.UsageError(str(error)) from None
    with owner.reading() as store:
        found = by_host(store.figures(first, last))
    if as_json:
        rows = [{"host": host, "reports": number, "last": figures.iso(day)} for host, number, day in found]
        click.echo(json.dumps(rows, indent=2))
        return 0
    if not found:
        click.echo("No host was reported often enough in this period to be shown.")
        if not owner.site.csp_reports:
            click.echo("Browsers send no reports, because csp_reports is not set.")
        return 0
    width = max(len(host) for host, _, _ in found)
    click.echo(click.style(f"{'Host':<{width}}  {'Reports':>9}  Last", bold=True))
    for host, number, day in found:
        click.echo(f"{clean(host):<{width}}  {number:>9,}  {figures.iso(day)}")
    return 0
