"""``consent-mw ledger audits``: the results of audits that are stored next to the ledger."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner
from consent_mw.cli import clean
from consent_mw.cli.output import count
from consent_mw.cli.output import print_json
from consent_mw.cli.output import title

if TYPE_CHECKING:
    from consent_mw.core.seal import Kept

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
    from consent_mw.proof.audits import results_with_entries

    with owner.records() as store:
        found = list(results_with_entries(store, owner.site.id, owner.today, owner.keys))
    code = FOUND if any(one is None for one, _ in found) else 0
    if as_json:
        print_json([one and {**asdict(one), "sealed": _place(kept)} for one, kept in found])
        return code
    for one, kept in found:
        if one is None:
            title("A result that was changed, or is signed with another key", good=False)
            continue
        title(f"{iso(one.day)}  {clean(one.target)}", good=not one.open)
        before = f"; {one.before:,} elements before, {one.now:,} now" if one.before is not None else ""
        click.echo(
            f"  {count(one.errors, 'error')}, {count(one.warnings, 'warning')}, {one.accepted:,} accepted{before}"
        )
        state = f"sealed at {_place(kept)}" if _place(kept) else "not sealed yet"
        state = state if kept is not None else "no entry in the ledger: it was purged, or see ledger verify"
        click.echo(f"  after seal {one.seal}, {state}" + (f"; evidence {one.evidence}" if one.evidence else ""))
    if not found:
        click.echo("No result is kept yet: consent-mw audit --record keeps one.")
    return code


def _place(kept: Kept | None) -> str:
    """Return the seal and the place of an entry; an empty string if it is gone, or not sealed yet."""
    return f"{kept.seal}/{kept.place}" if kept is not None and kept.seal is not None else ""
