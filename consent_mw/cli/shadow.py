"""``consent-mw shadow``: show what the middleware would change in the pages of a site in report mode."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from consent_mw.cli import FOUND
from consent_mw.cli import Owner
from consent_mw.cli import Unable
from consent_mw.cli import clean
from consent_mw.cli.output import count
from consent_mw.core.days import iso

if TYPE_CHECKING:
    from consent_mw.core.model import Service
    from consent_mw.records.sqlite.shadow import ShadowPage

#: The sign before each line, as in a diff: ``-`` if something is removed, ``!`` if a page is refused.
_SIGNS = {"hold": "-", "drop": "-", "refuse": "!"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--forget", is_flag=True, help="Forget what was seen, and start over.")
@click.pass_obj
def shadow(owner: Owner, as_json: bool, forget: bool) -> int:
    """
    Show, page by page, what would be held, dropped or refused.

    With mode = "report" the site counts this, and sends its pages unchanged.
    Exits with 1 if a page would be refused.
    """
    from consent_mw.catalogue.definitions import joined
    from consent_mw.records.sqlite.shadow import ShadowFile

    site = owner.site
    if not os.path.exists(site.report_file):
        raise Unable(
            f'Nothing was seen yet: {site.report_file} does not exist. Set mode = "report" under [site], restart the'
            " site, and visit some pages."
        )
    file = ShadowFile(site.report_file, site=site.id)
    try:
        if forget:
            file.forget()
            click.echo("Forgotten.")
            return 0
        pages = file.pages()
    finally:
        file.close()
    known = {**joined(site.definitions), **site.by_id}
    asked = set(site.by_id)
    click.echo(_json(pages) if as_json else clean_lines(_text(pages, known, asked)), nl=False)
    return FOUND if any(change.verb == "refuse" for page in pages for change, _, _ in page.changes) else 0


def clean_lines(lines: Sequence[str]) -> str:
    """Return lines without control characters: pages may contain anything."""
    return "".join(f"{clean(line)}\n" for line in lines)


def _json(pages: Sequence[ShadowPage]) -> str:
    found = {
        "format": "consent_mw.shadow.v1",
        "pages": [
            {
                "page": page.page,
                "views": page.views,
                "since": iso(page.since),
                "changes": [
                    {"verb": one.verb, "services": list(one.services), "what": one.what, "line": line, "views": views}
                    for one, line, views in page.changes
                ],
            }
            for page in pages
        ],
    }
    return json.dumps(found, indent=2) + "\n"


def _text(pages: Sequence[ShadowPage], known: Mapping[str, Service], asked: set[str]) -> list[str]:
    from consent_mw.records.sqlite.shadow import ids_of

    if not pages:
        return ["No page was seen yet."]
    views, ids = sum(page.views for page in pages), ids_of(pages)
    names = [known[id_].name for id_ in ids if id_ in asked and id_ in known]
    silent = [id_ for id_ in ids if id_ not in asked]
    lines = [
        f"{count(views, 'view')} of {count(len(pages), 'page')} since {iso(min(page.since for page in pages))};"
        " all went out as they are.",
        f"Visitors would be asked about: {', '.join(names) or 'nothing'}.",
    ]
    if silent:
        lines.append(f"Held without anybody being asked, until you declare them: {', '.join(silent)}.")
    for page in pages:
        lines += ["", f"{page.page}  ({count(page.views, 'view')})"]
        for change, line, seen in page.changes:
            who = ", ".join(change.services)
            place = f"  line {line}" if line else ""
            rare = f"  in {seen:,} of them" if seen != page.views else ""
            lines.append(
                f"{_SIGNS[change.verb]} {change.verb:<6} {change.what}{f'  [{who}]' if who else ''}{place}{rare}"
            )
        if not page.changes:
            lines.append("  nothing")
    return lines
