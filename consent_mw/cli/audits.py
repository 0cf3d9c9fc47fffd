"""``consent-mw ledger audits``: the results of audits that are stored next to the ledger."""

from __future__ import annotations

from dataclasses import asdict

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner
from consent_mw.cli import clean
from consent_mw.cli.output import count
from consent_mw.cli.output import print_json
from consent_mw.cli.output import title

__all__ = ["audits"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.pass_obj
def audits(owner: Owner, as_json: bool) -> int:
    """
    List the results that `consent-mw audit --record` kept, the newest first.

    Exits with 1 if one of them was changed, or is signed with another key.
    """
    from consent_mw.core.days import iso
    from consent_mw.proof.audits import results

    with owner.records() as store:
        found = list(results(store, owner.site.id, owner.today, owner.keys))
    code = FOUND if None in found else 0
    if as_json:
        print_json([one and asdict(one) for one in found])
        return code
    for one in found:
        if one is None:
            title("A result that was changed, or is signed with another key", good=False)
            continue
        title(f"{iso(one.day)}  {clean(one.target)}", good=not one.open)
        before = f"; {one.before:,} elements before, {one.now:,} now" if one.before is not None else ""
        click.echo(
            f"  {count(one.errors, 'error')}, {count(one.warnings, 'warning')}, {one.accepted:,} accepted{before}"
        )
        click.echo(f"  after seal {one.seal}" + (f"; evidence {one.evidence}" if one.evidence else ""))
    if not found:
        click.echo("No result is kept yet: consent-mw audit --record keeps one.")
    return code
