"""``consent-mw inventory``: what the site's pages load, as observed in responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner
from consent_mw.cli import clean

if TYPE_CHECKING:
    from consent_mw.stats.inventory import Inventory
    from consent_mw.stats.inventory import Loaded


@click.command()
@click.option("--since", metavar="PERIOD", default="", help="What counts as new: 7d, 4w, 12w, 3y up to yesterday.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.option("--toml", "as_toml", is_flag=True, help="Write the lines to paste into consent.toml.")
@click.option("--fail-on", type=click.Choice(["new"]), help="Exit with 1 if something is new, for cron.")
@click.pass_obj
def inventory(owner: Owner, since: str, as_json: bool, as_toml: bool, fail_on: str | None) -> int:
    """Show what the site's pages load: who, what for, since when, on how many pages, and whether it is held."""
    from consent_mw import stats as figures
    from consent_mw.catalogue.definitions import joined
    from consent_mw.catalogue.strangers import WithStrangers
    from consent_mw.stats import inventory as inventories

    try:
        newest = figures.chosen(owner.today, preset=since, first="", last="")[0] if since else 0
    except figures.PeriodError as error:
        raise click.UsageError(str(error)) from None
    newest = newest or owner.today - inventories.NEW
    known = WithStrangers(joined(owner.site.definitions))
    with owner.records() as store:
        found = inventories.read(store, owner.site, known)
    new = found.new(newest)
    if as_json:
        click.echo(json.dumps(inventories.as_json(found, newest), indent=2))
    elif as_toml:
        lines = (inventories.lines_to_paste(entry, owner.site, known) for entry in found.loaded)
        click.echo("\n".join(dict.fromkeys(filter(None, lines))), nl=False)
    elif not found.loaded:
        click.echo("Nothing of other sites was seen yet.")
        if owner.site.counters == "off":
            click.echo('Nothing is counted: counters = "off".')
    else:
        _table(found, new)
    return FOUND if fail_on and new else 0


def _table(found: Inventory, new: list[Loaded]) -> None:
    from consent_mw.stats import iso

    rows = [("Who", "Standing", "Kinds", "Purposes", "Pages", "First", "Last", "")]
    for entry in found.loaded:
        notes = [entry.state, *(["new"] if entry in new else []), *(["gone"] if entry.gone else [])]
        rows.append(
            (
                clean(entry.name),
                entry.standing,
                clean(" ".join(sorted(entry.kinds))),
                clean(" ".join(entry.purposes)) or "-",
                f"{entry.pages:,}",
                f"{iso(entry.first)}{clean(f' on {entry.where}' if entry.where else '')}",
                iso(entry.last),
                ", ".join(notes),
            )
        )
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for number, row in enumerate(rows):
        line = "  ".join(
            text.rjust(width) if at == 4 else text.ljust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        click.echo(click.style(line, bold=True) if not number else line)
    click.echo(f"\n{found.pages:,} pages were looked at.")
